//! Connections that a task of their own reads and writes: TLS, and WebSockets that a web server passes on.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ClientConfig, ServerConfig, pki_types::ServerName},
};
use wire::sip::endpoint::ConnectionId;

use crate::{
    identity::known_as,
    link::{self, Broken, IDLE_MAX, LAST_WORDS_MAX, News, READ_LEN, What},
};

/// How long a TLS handshake may take: a few round trips even over a bad network.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The driver's side of such a connection.
#[derive(Debug)]
pub(crate) struct TaskLink {
    outgoing: mpsc::UnboundedSender<Bytes>,
    /// Bytes handed over and not yet written.
    waiting: Arc<AtomicUsize>,
    waiting_len_max: usize,
    /// Ended when the driver's side is dropped; `None`: the task ends by itself then.
    task: Option<JoinHandle<()>>,
    /// Dropped with the driver's side.
    _held: Option<oneshot::Sender<Infallible>>,
}

/// What waits to be written, as the connection's task sees it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    queue: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

/// How TLS is spoken to those who come.
#[derive(Debug, Clone)]
pub(crate) struct Acceptor {
    pub(crate) config: Arc<ServerConfig>,
    /// Names by which a peer's certificate is known to us.
    pub(crate) names: Arc<[Box<str>]>,
}

impl TaskLink {
    /// Both ends of what is to be written.
    pub(crate) fn pair(waiting_len_max: usize) -> (Self, Outgoing) {
        let (outgoing, queue) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let link = Self {
            outgoing,
            waiting: Arc::clone(&waiting),
            waiting_len_max,
            task: None,
            _held: None,
        };
        (link, Outgoing { queue, waiting })
    }

    /// Makes TLS of a connection that was accepted.
    pub(crate) fn accept_tls(
        connection: ConnectionId,
        stream: TcpStream,
        acceptor: Acceptor,
        news: mpsc::Sender<News>,
    ) -> Self {
        let (mut link, outgoing) = Self::pair(link::BACKLOG_LEN_MAX);
        let (holding, held) = oneshot::channel();
        link._held = Some(holding);
        tokio::spawn(async move {
            tokio::select! {
                () = accept(connection, stream, acceptor, outgoing, &news) => {}
                () = let_go(held) => {}
            }
        });
        link
    }

    /// Opens a TLS connection from the address `local` to a peer that must prove to be `name`.
    pub(crate) fn connect_tls(
        connection: ConnectionId,
        (local, peer): (SocketAddr, SocketAddr),
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        news: mpsc::Sender<News>,
    ) -> Self {
        let (mut link, outgoing) = Self::pair(link::OWN_BACKLOG_LEN_MAX);
        link.task = Some(tokio::spawn(async move {
            let shaking = async {
                let stream = link::connect(local, peer).await?;
                TlsConnector::from(config).connect(name, stream).await
            };
            let what = match timeout(HANDSHAKE_MAX, shaking).await {
                Ok(Ok(stream)) => {
                    if tell(&news, connection, What::Secured { name: None }).await {
                        serve(connection, stream, outgoing, &news, None).await
                    } else {
                        return;
                    }
                }
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "TLS connection refused");
                    What::HandshakeFailed
                }
                Err(_) => What::HandshakeFailed,
            };
            tell(&news, connection, what).await;
        }));
        link
    }

    /// Hands bytes to the task.
    pub(crate) fn send(&self, bytes: Bytes) -> Result<(), Broken> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting + bytes.len() > self.waiting_len_max {
            return Err(Broken);
        }
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.outgoing.send(bytes).map_err(|_| Broken)
    }
}

impl Drop for TaskLink {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Outgoing {
    /// The next bytes to write; `None` when the driver is done with the connection.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let bytes = self.queue.recv().await?;
        self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        Some(bytes)
    }
}

async fn accept(
    connection: ConnectionId,
    stream: TcpStream,
    acceptor: Acceptor,
    outgoing: Outgoing,
    news: &mpsc::Sender<News>,
) {
    let shaking = TlsAcceptor::from(Arc::clone(&acceptor.config)).accept(stream);
    let what = match timeout(HANDSHAKE_MAX, shaking).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates();
            let name = shown.and_then(|chain| known_as(chain, &acceptor.names));
            if !tell(news, connection, What::Secured { name }).await {
                return;
            }
            serve(connection, stream, outgoing, news, Some(IDLE_MAX)).await
        }
        Ok(Err(_)) | Err(_) => What::HandshakeFailed,
    };
    tell(news, connection, what).await;
}

/// Waits until the driver has let go of a connection, and then for its last words.
async fn let_go(held: oneshot::Receiver<Infallible>) {
    // It never sends anything: the error is that it is gone.
    let _ = held.await;
    sleep(LAST_WORDS_MAX).await;
}

async fn tell(news: &mpsc::Sender<News>, connection: ConnectionId, what: What) -> bool {
    news.send(News { connection, what }).await.is_ok()
}

/// Reads and writes until either ends; says how it ended.
async fn serve<S: AsyncRead + AsyncWrite>(
    connection: ConnectionId,
    stream: S,
    outgoing: Outgoing,
    news: &mpsc::Sender<News>,
    idle_max: Option<Duration>,
) -> What {
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        end = read(connection, reader, news, idle_max) => end,
        _ = write(writer, outgoing) => What::Closed,
    }
}

async fn read<S: AsyncRead>(
    connection: ConnectionId,
    mut reader: ReadHalf<S>,
    news: &mpsc::Sender<News>,
    idle_max: Option<Duration>,
) -> What {
    let mut buffer = vec![0; READ_LEN];
    loop {
        let idle_at = idle_max.map(|idle| Instant::now() + idle);
        let len = tokio::select! {
            read = reader.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return What::Closed,
                Ok(len) => len,
            },
            () = sleep_until(idle_at.unwrap_or_else(Instant::now)), if idle_at.is_some() => return What::Idle,
        };
        let bytes = Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default());
        if !tell(news, connection, What::Read(bytes)).await {
            return What::Closed;
        }
    }
}

async fn write<S: AsyncWrite>(mut writer: WriteHalf<S>, mut outgoing: Outgoing) -> io::Result<()> {
    while let Some(bytes) = outgoing.next().await {
        writer.write_all(&bytes).await?;
        writer.flush().await?;
    }
    writer.shutdown().await
}
