//! Chromium without a screen, told what to do by its address line and asked by its own port how that went.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Dropped, it is ended.
pub(crate) struct Browser {
    process: Child,
    port: SocketAddr,
    _profile: TempDir,
}

impl Browser {
    /// Starts it with so many windows of a page. None is a tab behind another: all are seen.
    pub(crate) fn with_windows(count: usize, page: SocketAddr) -> Self {
        Self::start(count, page, "{}")
    }

    /// The same by a person who lets no page keep anything, which takes locks from it, too.
    pub(crate) fn that_keeps_nothing(count: usize, page: SocketAddr) -> Self {
        let blocked = r#"{"profile":{"default_content_setting_values":{"cookies":2}}}"#;
        Self::start(count, page, blocked)
    }

    fn start(count: usize, page: SocketAddr, preferences: &str) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let own = profile.path().join("Default");
        fs::create_dir(&own).expect("ours");
        fs::write(own.join("Preferences"), preferences).expect("ours");
        let open = format!(
            "data:text/html,<script>for(let i=0;i<{count};i++)\
             open('http://{page}/','_blank','popup,noopener')</script>"
        );
        let mut process = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-popup-blocking", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(open)
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium is installed: tests/install-peers");
        let said = BufReader::new(process.stderr.take().expect("it is piped"));
        let port = said
            .lines()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("ws://")?.1.split_once('/')?.0.to_owned()))
            .expect("it says where it listens");
        Self {
            process,
            port: port.parse().expect("an address"),
            _profile: profile,
        }
    }

    /// The windows of a page: their names inside the browser, and their titles.
    pub(crate) async fn windows(&self, page: SocketAddr) -> Vec<(String, String)> {
        let list: Value = serde_json::from_str(&self.ask("/json/list").await).expect("JSON");
        let url = format!("http://{page}/");
        let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
        let all = list.as_array().expect("a list").iter();
        all.filter(|it| it["url"] == url)
            .map(|it| (text(it, "id"), text(it, "title")))
            .collect()
    }

    pub(crate) async fn close(&self, window: &str) {
        self.ask(&format!("/json/close/{window}")).await;
    }

    /// It keeps the connection open whatever it is told, so the length of its answer counts.
    async fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.port).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.port);
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("it is taken");
        let mut stream = tokio::io::BufReader::new(stream);
        let mut len = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.expect("a head");
            match line.trim_end().to_ascii_lowercase().split_once(':') {
                Some(("content-length", value)) => len = value.trim().parse().expect("a length"),
                Some(_) => {}
                None if line.trim().is_empty() => break,
                None => {}
            }
        }
        let mut body = vec![0; len];
        stream.read_exact(&mut body).await.expect("a body");
        String::from_utf8(body).expect("text")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
