//! One request over a plain socket, and event streams read line by line.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    time::timeout,
};

/// Only a hung test takes this long.
const HUNG: Duration = Duration::from_secs(20);

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

pub(crate) async fn get(addr: SocketAddr, path: &str) -> Reply {
    request(addr, "GET", path, "localhost").await
}

pub(crate) async fn request(addr: SocketAddr, method: &str, path: &str, host: &str) -> Reply {
    let mut stream = TcpStream::connect(addr).await.expect("the server listens");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the request is taken");
    let mut text = String::new();
    timeout(HUNG, stream.read_to_string(&mut text))
        .await
        .expect("it answers")
        .expect("the answer is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse().ok())
        .expect("a status");
    Reply {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// An open event stream.
pub(crate) struct Stream(Lines<BufReader<TcpStream>>);

impl Stream {
    /// Opens `/events`; the first line tells whether it was taken.
    pub(crate) async fn open(addr: SocketAddr) -> (Self, String) {
        let mut stream = TcpStream::connect(addr).await.expect("the server listens");
        stream
            .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .expect("the request is taken");
        let mut stream = Self(BufReader::new(stream).lines());
        let status = stream.line().await.expect("a status line");
        (stream, status)
    }

    /// The data of the next event with this name.
    pub(crate) async fn next(&mut self, event: &str) -> serde_json::Value {
        let wanted = format!("event: {event}");
        while self.line().await.expect("the stream goes on") != wanted {}
        let line = self.line().await.expect("an event has data");
        serde_json::from_str(line.strip_prefix("data: ").expect("data follows the name"))
            .expect("data is JSON")
    }

    /// Reads to the end of the stream.
    pub(crate) async fn drain(mut self) {
        while self.line().await.is_some() {}
    }

    async fn line(&mut self) -> Option<String> {
        timeout(HUNG, self.0.next_line())
            .await
            .expect("it goes on")
            .expect("it is text")
    }
}

/// The first line that is said to this.
pub(crate) async fn answer_to(addr: SocketAddr, said: &str) -> String {
    let stream = begun(addr, said).await;
    let line = timeout(HUNG, BufReader::new(stream).lines().next_line()).await;
    line.expect("it answers").expect("text").unwrap_or_default()
}

/// Says this and no more, and waits for the end of the connection.
pub(crate) async fn wait_for_end(addr: SocketAddr, said: &str) {
    let mut stream = begun(addr, said).await;
    let ended = timeout(HUNG, stream.read_to_end(&mut Vec::new())).await;
    ended.expect("it is ended").expect("as by anybody");
}

async fn begun(addr: SocketAddr, said: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.expect("the server listens");
    let sent = stream.write_all(said.as_bytes()).await;
    sent.expect("it is taken");
    stream
}
