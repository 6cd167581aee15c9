//! Takes connections, by TLS where there is a certificate: so many at once, so many from one address, none for ever.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{Peer, Shared, routes};

/// Every workplace of a region's quality staff, and its programs.
const CONNECTIONS_MAX: usize = 500;
/// An office behind one address.
const CONNECTIONS_PER_ADDRESS_MAX: u32 = 100;
/// A TLS handshake and a request's headers come within this, or somebody only holds a place.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection on which nothing moves for so long is ended: a player that pauses comes back with a range.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// What hyper keeps of a request before its body.
const BUFFER_MAX: usize = 2 * super::guard::HEADERS_LEN_MAX;
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// How long a stop waits for answers under way.
const STOP_WAIT_MAX: Duration = Duration::from_secs(3);
/// After a refusal by the system, as when there are no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until told to stop.
pub(super) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let router = routes::router(&shared);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let held = Arc::new(Held::default());
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            () = told(&mut stopped) => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the API could not be taken");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = Arc::clone(&places).try_acquire_owned().ok();
        let (Some(place), Some(hold)) = (place, Hold::new(&held, from.ip())) else {
            shared.metrics.refused("connections");
            continue;
        };
        let (tls, router, shared, stopped) = (
            tls.clone(),
            router.clone(),
            Arc::clone(&shared),
            stopped.clone(),
        );
        open.spawn(async move {
            let _kept = (place, hold);
            if let Err(reason) = connection(stream, from, tls, &router, stopped).await {
                shared.metrics.refused(reason);
                tracing::debug!(from = %from.ip(), reason, "a connection to the API ended");
            }
        });
    }
    drop(listener);
    let ended = async { while open.join_next().await.is_some() {} };
    if timeout(STOP_WAIT_MAX, ended).await.is_err() {
        tracing::warn!("the recorder's API was stopped with answers still under way");
    }
}

/// One connection to its end; says why when it was the peer's fault.
async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: &Router,
    stopped: watch::Receiver<bool>,
) -> Result<(), &'static str> {
    // Answers are written whole; waiting for more would only delay them.
    let _unset = stream.set_nodelay(true);
    let router = routes::from_peer(router, Peer(from.ip().to_canonical()));
    match tls {
        None => requests(stream, router, stopped).await,
        Some(tls) => match timeout(PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, router, stopped).await,
            _ => Err("tls"),
        },
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), &'static str> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(BUFFER_MAX)
        .max_headers(HEADERS_MAX);
    let serving = http.serve_connection(
        TokioIo::new(Moving::new(stream)),
        TowerToHyperService::new(router),
    );
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = told(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    match ended {
        Err(error) if error.is_parse_too_large() => Err("too-large"),
        Err(error) if error.is_parse() => Err("malformed"),
        // It went away, or nothing moved: nobody's fault worth counting.
        _ => Ok(()),
    }
}

/// Resolves when the server is told to stop, or is dropped.
pub(super) async fn told(stopped: &mut watch::Receiver<bool>) {
    // An error means that the server was dropped.
    let _told = stopped.wait_for(|stop| *stop).await;
}

/// Connections by address.
type Held = Mutex<BTreeMap<IpAddr, u32>>;

/// One connection's place among those of its address.
struct Hold {
    held: Arc<Held>,
    from: IpAddr,
}

impl Hold {
    fn new(held: &Arc<Held>, from: IpAddr) -> Option<Self> {
        let mut counts = held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(from).or_default();
        if *count >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Self {
            held: Arc::clone(held),
            from,
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}

/// A stream that ends when nothing moves on it.
struct Moving<S> {
    stream: S,
    idle: Pin<Box<Sleep>>,
}

impl<S> Moving<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            idle: Box::pin(sleep(IDLE_MAX)),
        }
    }

    /// Puts the end off when something moved; says when it is over.
    fn moved<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.idle.as_mut().reset(Instant::now() + IDLE_MAX);
            return polled;
        }
        match self.idle.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Moving<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.moved(cx, polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Moving<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.moved(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.moved(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
