//! A program that a test started: its output as it comes, and its end with the test.

use std::{
    io::Read,
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

/// Longer than anything a test waits for, also on a machine that is busy with other things.
pub(crate) const DEADLINE: Duration = Duration::from_secs(45);

/// A running program. Dropped, it is killed.
pub(crate) struct Child {
    name: String,
    process: std::process::Child,
    said: watch::Receiver<String>,
}

impl Child {
    /// Starts it and reads what it prints, stdout and stderr together.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} can't be started: {error}; run tests/install-peers")
            });
        let (sender, said) = watch::channel(String::new());
        let sender = Arc::new(sender);
        listen(process.stdout.take(), Arc::clone(&sender));
        listen(process.stderr.take(), sender);
        Self {
            name: name.to_owned(),
            process,
            said,
        }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// Waits until it says this, and gives everything said so far.
    pub(crate) async fn says(&mut self, what: &str) -> String {
        let found = self.said.wait_for(|said| said.contains(what));
        let found = matches!(timeout(DEADLINE, found).await, Ok(Ok(_)));
        let said = self.said();
        assert!(found, "{} never said {what:?}, but:\n{said}", self.name);
        said
    }

    /// Waits for its end.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let closed = async { while self.said.changed().await.is_ok() {} };
        if timeout(DEADLINE, closed).await.is_err() {
            panic!("{} doesn't end; it said:\n{}", self.name, self.said());
        }
        self.process.wait().expect("a child of this process")
    }

    /// Asks it to end, as a supervisor does.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -TERM");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn listen(pipe: Option<impl Read + Send + 'static>, said: Arc<watch::Sender<String>>) {
    let Some(mut pipe) = pipe else { return };
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = pipe.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..len]);
            said.send_modify(|said| said.push_str(&text));
        }
    });
}
