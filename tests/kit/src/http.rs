//! Just enough HTTP to ask a switch for its figures.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::child::DEADLINE;

/// How often a figure is looked at that a test waits for.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The status and body of `GET path`.
pub async fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server)
        .await
        .expect("the page is served");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answered");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// Looks again and again until `look` finds what it looks for.
pub async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never seen: {what}");
    }
}

/// A figure of `/metrics`; `name` with its labels. 0 when it has never been counted.
pub async fn metric(server: SocketAddr, name: &str) -> u64 {
    let (_, text) = get(server, "/metrics").await;
    text.lines()
        .filter_map(|line| line.rsplit_once(' '))
        .find(|(key, _)| *key == name)
        .map_or(0, |(_, value)| value.parse().expect("a whole number"))
}
