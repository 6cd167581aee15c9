//! baresip's control interface, `ctrl_tcp`: commands and events as JSON in netstrings.

use std::{collections::VecDeque, net::SocketAddr};

use serde_json::{Value, json};
use testkit::{child::DEADLINE, http};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A connection to a telephone's control.
pub(crate) struct Control {
    stream: TcpStream,
    /// What came and isn't a whole message yet.
    rest: Vec<u8>,
    /// Events that nobody has asked for.
    events: VecDeque<Value>,
}

impl Control {
    /// Connects as soon as the telephone listens.
    pub(crate) async fn to(address: SocketAddr) -> Self {
        let connect = async || TcpStream::connect(address).await.ok();
        Self {
            stream: http::wait_for("baresip's control", connect).await,
            rest: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Gives a command and waits until it was taken.
    pub(crate) async fn does(&mut self, command: &str, params: &str) {
        let text = json!({ "command": command, "params": params, "token": command }).to_string();
        let netstring = format!("{}:{text},", text.len());
        let sent = self.stream.write_all(netstring.as_bytes()).await;
        sent.expect("the telephone takes commands");
        loop {
            let message = self.next(command).await;
            if message["response"] == true {
                assert_eq!(message["ok"], true, "{command}: {message}");
                return;
            }
            self.events.push_back(message);
        }
    }

    /// Waits for the next event of that kind; those before it are of no interest.
    pub(crate) async fn sees(&mut self, kind: &str) {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.next(kind).await,
            };
            if event["type"] == kind {
                return;
            }
        }
    }

    async fn next(&mut self, what: &str) -> Value {
        loop {
            if let Some(message) = self.whole() {
                return message;
            }
            let mut buffer = [0; 4096];
            let read = timeout(DEADLINE, self.stream.read(&mut buffer)).await;
            match read {
                Ok(Ok(len @ 1..)) => self.rest.extend_from_slice(&buffer[..len]),
                other => panic!("baresip says nothing of {what}: {other:?}"),
            }
        }
    }

    /// The first netstring, when all of it is there.
    fn whole(&mut self) -> Option<Value> {
        let colon = self.rest.iter().position(|byte| *byte == b':')?;
        let len: usize = std::str::from_utf8(&self.rest[..colon])
            .ok()?
            .parse()
            .ok()?;
        let end = colon + 1 + len;
        let message = self.rest.get(colon + 1..end)?;
        let message = serde_json::from_slice(message).expect("baresip writes JSON");
        // A comma ends it.
        self.rest.drain(..(end + 1).min(self.rest.len()));
        Some(message)
    }
}
