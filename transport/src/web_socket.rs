//! The door for WebSockets that a web server has accepted: it passes frames both ways and needs to know no SIP.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::{sync::mpsc, time::timeout};
use wire::sip::{
    endpoint::{ConnectionId, TransportKind},
    limits::MESSAGE_MAX,
};

use crate::{
    link::{BACKLOG_LEN_MAX, IDLE_MAX, News, What},
    tasks::{Outgoing, TaskLink},
};

/// The WebSocket subprotocol that a client must ask for and the server must confirm (RFC 7118 section 4).
pub const SUBPROTOCOL: &str = "sip";
/// Bytes of a frame at most; a server closes on more.
pub const FRAME_LEN_MAX: usize = MESSAGE_MAX;
/// Frames of one socket that wait for the switch; then the browser waits.
const FRAMES_MAX: usize = 16;

/// Where WebSockets go in. Cheap to clone; works as long as the driver it came from.
#[derive(Debug, Clone)]
pub struct WebSocketDoor {
    pub(crate) news: mpsc::Sender<News>,
    pub(crate) names: Arc<AtomicU64>,
}

/// Takes what the browser sends. Dropping it ends the connection.
#[derive(Debug)]
pub struct FramesIn(mpsc::Sender<Bytes>);

/// Gives what the browser is to get.
#[derive(Debug)]
pub struct FramesOut(Outgoing);

/// The switch is gone, or has closed this connection: close the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the switch has closed this connection")]
pub struct DoorClosed;

impl WebSocketDoor {
    /// Lets one WebSocket in. `secure`: it came by TLS.
    ///
    /// # Errors
    /// When the switch is gone.
    pub async fn enter(
        &self,
        peer: SocketAddr,
        secure: bool,
    ) -> Result<(FramesIn, FramesOut), DoorClosed> {
        let connection = ConnectionId(self.names.fetch_add(2, Ordering::Relaxed));
        let (link, outgoing) = TaskLink::pair(BACKLOG_LEN_MAX);
        let kind = if secure {
            TransportKind::Wss
        } else {
            TransportKind::Ws
        };
        let what = What::Entered { link, peer, kind };
        let arrival = News { connection, what };
        self.news.send(arrival).await.map_err(|_| DoorClosed)?;
        let (sender, frames) = mpsc::channel(FRAMES_MAX);
        tokio::spawn(pass_on(connection, frames, self.news.clone()));
        Ok((FramesIn(sender), FramesOut(outgoing)))
    }
}

impl FramesIn {
    /// Passes a frame on, once there is room.
    ///
    /// # Errors
    /// When nobody takes it any more.
    pub async fn pass(&self, frame: Bytes) -> Result<(), DoorClosed> {
        self.0.send(frame).await.map_err(|_| DoorClosed)
    }
}

impl FramesOut {
    /// The next frame for the browser; `None`: close the socket. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.next().await
    }
}

async fn pass_on(
    connection: ConnectionId,
    mut frames: mpsc::Receiver<Bytes>,
    news: mpsc::Sender<News>,
) {
    loop {
        let what = match timeout(IDLE_MAX, frames.recv()).await {
            Ok(Some(frame)) => What::Frame(frame),
            Ok(None) => What::Closed,
            Err(_) => What::Idle,
        };
        let over = !matches!(what, What::Frame(_));
        if news.send(News { connection, what }).await.is_err() || over {
            return;
        }
    }
}
