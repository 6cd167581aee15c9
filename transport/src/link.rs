//! A connection as the driver holds it; and plain TCP: a task that reads and says when writing goes on, and what waits to be written.
//!
//! The driver itself writes, as far as the system takes it at once; so a burst of messages costs no waiting bytes,
//! and a peer that doesn't read is known by what waits.

use std::{
    collections::VecDeque,
    io,
    net::{Shutdown, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream},
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, mpsc},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use wire::sip::endpoint::{ConnectionId, TransportKind};

use crate::tasks::TaskLink;

/// Bytes that may wait for a peer that came to us; whoever leaves more unread is closed.
pub(crate) const BACKLOG_LEN_MAX: usize = 64 * 1024;
/// Bytes that may wait for a peer that we called upon: a burst of our own requests before it is open is not its fault.
pub(crate) const OWN_BACKLOG_LEN_MAX: usize = 1024 * 1024;
/// Bytes read at once.
pub(crate) const READ_LEN: usize = 8 * 1024;
/// A connection that came to us and on which nothing comes for this long is closed: twice the quarter of an hour at which
/// a session is refreshed (RFC 4028), and fifteen times a phone's keep-alive (RFC 5626 section 4.4.1: 120 s).
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(30 * 60);
/// What we sent and a peer's system hasn't acknowledged for this long means that the peer is gone: the time in which a request
/// fails too (64 times T1, RFC 3261 section 17.1.1.2).
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(32);
/// How long a connection may still take what was written before the driver let go of it: the refusal that says why.
pub(crate) const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// Bytes that a peer may still send then: what is on its way of a message that was refused at its beginning.
const UNREAD_LEN_MAX: usize = 1024 * 1024;
/// How long opening a connection may take; after that the next target is worth more than waiting.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// What a connection's task tells the driver.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) connection: ConnectionId,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// A connection that was asked for is open.
    Opened(Arc<TcpStream>),
    /// A TLS handshake is done; `name`: which of the names known to us the peer has proved to bear.
    Secured {
        name: Option<Box<str>>,
    },
    HandshakeFailed,
    /// A web server let somebody in.
    Entered {
        link: TaskLink,
        peer: SocketAddr,
        kind: TransportKind,
    },
    Read(Bytes),
    /// One whole message of a WebSocket.
    Frame(Bytes),
    /// The system takes bytes again.
    Writable,
    Closed,
    /// Nothing came for [`IDLE_MAX`].
    Idle,
}

/// The driver's side of a connection.
#[derive(Debug)]
pub(crate) enum Link {
    /// The driver writes itself.
    Tcp(TcpLink),
    /// A task writes.
    Task(TaskLink),
}

impl Link {
    /// Sends bytes now, or as soon as the peer takes them.
    pub(crate) fn send(&mut self, bytes: Bytes) -> Result<(), Broken> {
        match self {
            Self::Tcp(link) => link.send(bytes),
            Self::Task(link) => link.send(bytes),
        }
    }

    /// Writes what waits, as far as the system takes it.
    pub(crate) fn write_on(&mut self) -> Result<(), Broken> {
        match self {
            Self::Tcp(link) => link.write_on(),
            Self::Task(_) => Ok(()),
        }
    }
}

/// The driver's side of a TCP connection.
#[derive(Debug)]
pub(crate) struct TcpLink {
    /// `None` until it is open.
    stream: Option<Arc<TcpStream>>,
    waiting: VecDeque<Bytes>,
    waiting_len: usize,
    waiting_len_max: usize,
    wants_to_write: Arc<Notify>,
    task: JoinHandle<()>,
}

/// The connection is of no more use.
#[derive(Debug)]
pub(crate) struct Broken;

impl TcpLink {
    /// Serves a connection that was accepted.
    pub(crate) fn accepted(
        connection: ConnectionId,
        stream: TcpStream,
        news: mpsc::Sender<News>,
    ) -> Self {
        let stream = Arc::new(stream);
        let wants_to_write = Arc::new(Notify::new());
        let task = tokio::spawn(serve(
            connection,
            Arc::clone(&stream),
            Arc::clone(&wants_to_write),
            news,
            Some(IDLE_MAX),
        ));
        Self::new(Some(stream), BACKLOG_LEN_MAX, wants_to_write, task)
    }

    /// Opens a connection from the address `local`, then serves it.
    pub(crate) fn connect(
        connection: ConnectionId,
        local: SocketAddr,
        peer: SocketAddr,
        news: mpsc::Sender<News>,
    ) -> Self {
        let wants_to_write = Arc::new(Notify::new());
        let task = tokio::spawn(open(
            connection,
            local,
            peer,
            Arc::clone(&wants_to_write),
            news,
        ));
        Self::new(None, OWN_BACKLOG_LEN_MAX, wants_to_write, task)
    }

    fn new(
        stream: Option<Arc<TcpStream>>,
        waiting_len_max: usize,
        wants_to_write: Arc<Notify>,
        task: JoinHandle<()>,
    ) -> Self {
        Self {
            stream,
            waiting: VecDeque::new(),
            waiting_len: 0,
            waiting_len_max,
            wants_to_write,
            task,
        }
    }

    #[cfg(test)]
    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_deref()
    }

    /// Lets go of the connection, but not before the peer has heard what was said last.
    pub(crate) fn let_go(mut self, tasks: &Handle, place: OwnedSemaphorePermit) {
        self.task.abort();
        let waiting = std::mem::take(&mut self.waiting);
        if let Some(stream) = self.stream.take() {
            tasks.spawn(async move {
                // It is over either way.
                let _ = timeout(LAST_WORDS_MAX, part(stream, waiting)).await;
                drop(place);
            });
        }
    }

    /// The connection is open: what waits for it may go.
    pub(crate) fn opened(&mut self, stream: Arc<TcpStream>) -> Result<(), Broken> {
        self.stream = Some(stream);
        self.write_on()
    }

    /// Sends bytes now, or when the system takes them.
    pub(crate) fn send(&mut self, bytes: Bytes) -> Result<(), Broken> {
        // One message may always wait, however long.
        if self.waiting_len > 0 && self.waiting_len + bytes.len() > self.waiting_len_max {
            return Err(Broken);
        }
        self.waiting_len += bytes.len();
        self.waiting.push_back(bytes);
        self.write_on()
    }

    /// Writes what waits, as far as the system takes it.
    pub(crate) fn write_on(&mut self) -> Result<(), Broken> {
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        while let Some(front) = self.waiting.front_mut() {
            match stream.try_write(front) {
                Ok(written) => {
                    self.waiting_len -= written;
                    front.advance(written);
                    if front.is_empty() {
                        self.waiting.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wants_to_write.notify_one();
                    break;
                }
                Err(_) => return Err(Broken),
            }
        }
        Ok(())
    }
}

impl Drop for TcpLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn open(
    connection: ConnectionId,
    local: SocketAddr,
    peer: SocketAddr,
    wants_to_write: Arc<Notify>,
    news: mpsc::Sender<News>,
) {
    let what = match timeout(CONNECT_WAIT_MAX, connect(local, peer)).await {
        Ok(Ok(stream)) => What::Opened(Arc::new(stream)),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "TCP connection refused");
            What::Closed
        }
        Err(_) => {
            tracing::debug!(%peer, "TCP connection took too long to open");
            What::Closed
        }
    };
    let opened = if let What::Opened(stream) = &what {
        Some(Arc::clone(stream))
    } else {
        None
    };
    if news.send(News { connection, what }).await.is_ok()
        && let Some(stream) = opened
    {
        serve(connection, stream, wants_to_write, news, None).await;
    }
}

/// Connects from the address that we listen on: peers trust addresses. One of the other family is refused by the system.
pub(crate) async fn connect(local: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = if peer.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    let stream = socket.connect(peer).await?;
    stream.set_nodelay(true)?;
    limit_unacknowledged(&stream);
    Ok(stream)
}

/// Has the system end a connection whose peer acknowledges nothing.
pub(crate) fn limit_unacknowledged(stream: &TcpStream) {
    // A system that can't say so is no reason to do without the connection.
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
}

/// Sends what waits, says that nothing more comes, and reads for a moment what the peer has sent meanwhile: a connection that is closed
/// on unread bytes is reset, and that may take our last words from the peer, the refusal that says why.
async fn part(stream: Arc<TcpStream>, waiting: VecDeque<Bytes>) -> io::Result<()> {
    for mut bytes in waiting {
        while !bytes.is_empty() {
            stream.writable().await?;
            match stream.try_write(&bytes) {
                Ok(written) => bytes.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
    SockRef::from(&*stream).shutdown(Shutdown::Write)?;
    let (mut buffer, mut read) = (vec![0; READ_LEN], 0);
    while read < UNREAD_LEN_MAX {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => read += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the end. Waits when the driver is behind, so that the peer waits too.
async fn serve(
    connection: ConnectionId,
    stream: Arc<TcpStream>,
    wants_to_write: Arc<Notify>,
    news: mpsc::Sender<News>,
    idle_max: Option<Duration>,
) {
    let mut buffer = vec![0; READ_LEN];
    let mut wanted = false;
    let mut end = What::Closed;
    loop {
        let idle_at = idle_max.map(|idle| Instant::now() + idle);
        let what = tokio::select! {
            ready = stream.readable() => {
                if ready.is_err() {
                    break;
                }
                match stream.try_read(&mut buffer) {
                    Ok(0) => break,
                    Ok(len) => What::Read(Bytes::copy_from_slice(&buffer[..len])),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(_) => break,
                }
            }
            () = sleep_until(idle_at.unwrap_or_else(Instant::now)), if idle_at.is_some() => {
                end = What::Idle;
                break;
            }
            () = wants_to_write.notified(), if !wanted => {
                wanted = true;
                continue;
            }
            ready = stream.writable(), if wanted => {
                if ready.is_err() {
                    break;
                }
                wanted = false;
                What::Writable
            }
        };
        if news.send(News { connection, what }).await.is_err() {
            return;
        }
    }
    // The driver may be gone; then nobody needs to know.
    let _ = news
        .send(News {
            connection,
            what: end,
        })
        .await;
}
