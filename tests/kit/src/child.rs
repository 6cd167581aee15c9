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
pub const DEADLINE: Duration = Duration::from_secs(45);

/// A running program. Dropped, it is killed.
pub struct Child {
    name: String,
    process: std::process::Child,
    said: watch::Receiver<String>,
    printed: Arc<watch::Sender<String>>,
}

impl Child {
    /// Starts it and reads what it prints, stdout and stderr together.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} can't be started: {error}; run tests/install-peers")
            });
        let (sender, said) = watch::channel(String::new());
        let (sender, printed) = (Arc::new(sender), Arc::new(watch::Sender::default()));
        let both = vec![Arc::clone(&sender), Arc::clone(&printed)];
        listen(process.stdout.take(), both);
        listen(process.stderr.take(), vec![sender]);
        Self {
            name: name.to_owned(),
            process,
            said,
            printed,
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// What it has printed on stdout so far.
    pub fn printed(&self) -> String {
        self.printed.borrow().clone()
    }

    /// Waits until it says this, and gives everything said so far.
    pub async fn says(&mut self, what: &str) -> String {
        let found = self.said.wait_for(|said| said.contains(what));
        let found = matches!(timeout(DEADLINE, found).await, Ok(Ok(_)));
        let said = self.said();
        assert!(found, "{} never said {what:?}, but:\n{said}", self.name);
        said
    }

    /// Waits for its end.
    pub async fn ends(&mut self) -> ExitStatus {
        self.ends_within(DEADLINE).await
    }

    /// Waits for its end, when that may take longer than anything else does.
    pub async fn ends_within(&mut self, patience: Duration) -> ExitStatus {
        let closed = async { while self.said.changed().await.is_ok() {} };
        if timeout(patience, closed).await.is_err() {
            panic!("{} doesn't end; it said:\n{}", self.name, self.said());
        }
        self.process.wait().expect("a child of this process")
    }

    /// Asks it to end, as a supervisor does.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Asks it to end, as a person does with Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    /// Asks it to start anew on the same sockets.
    pub fn start_anew(&self) {
        self.signal("-USR2");
    }

    /// Has it read its rules again.
    pub fn reread(&self) {
        self.signal("-HUP");
    }

    /// Ends it without a word, as a crash does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal("-KILL");
        let _ = self.process.wait();
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.process.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn listen(pipe: Option<impl Read + Send + 'static>, readers: Vec<Arc<watch::Sender<String>>>) {
    let Some(mut pipe) = pipe else { return };
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = pipe.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..len]);
            for said in &readers {
                said.send_modify(|said| said.push_str(&text));
            }
        }
    });
}
