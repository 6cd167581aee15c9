//! Takes connections: so many at once, and none for ever.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Sleep, sleep},
};

use crate::server::told;

/// Every event stream that is allowed, each with a second connection for its files and API, and every WebSocket.
pub(crate) const CONNECTIONS_MAX: usize =
    2 * crate::events::STREAMS_MAX + crate::web_socket::WEB_SOCKETS_MAX;
/// A request's head comes within this, also the next one on the same connection, or somebody only holds a place.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Who takes nothing of an answer for so long is gone, or asleep. Event streams and WebSockets may be silent for as long as they like.
const TAKES_WITHIN: Duration = Duration::from_secs(30);
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// What is kept of a request before its body. A browser sends along the cookies of all that ever ran on this machine's name.
const HEAD_LEN_MAX: usize = 64 * 1024;
/// After a refusal by the system, as when there are no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until told to stop, and until every answer under way has ended then.
pub(crate) async fn run(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            Some(_) = open.join_next() => continue,
            () = told(stopped.clone()) => break,
        };
        match accepted {
            Ok((stream, from, place)) => {
                let router = router.clone().layer(Extension(Peer(from)));
                let stream = Taken {
                    stream,
                    waits: None,
                    _place: place,
                };
                open.spawn(requests(stream, router, stopped.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the page could not be taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// The next connection, once one of [`CONNECTIONS_MAX`] places is free; others wait in the system's backlog.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, Option<OwnedSemaphorePermit>)> {
    // Acquiring fails only on a closed semaphore, and nothing closes this one.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let (stream, from) = listener.accept().await?;
    Ok((stream, from, place))
}

/// One connection to its end.
async fn requests(stream: Taken, router: Router, stopped: watch::Receiver<bool>) {
    // Events are written whole; waiting for more would only delay them.
    let _unset = stream.stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_LEN_MAX)
        .max_headers(HEADERS_MAX);
    let serving = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving.with_upgrades());
    // How it ended is the other side's to know: it went away, said nothing, or what can't be read.
    let _ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = told(stopped) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// A connection that ends when nobody takes what is written on it.
struct Taken {
    stream: TcpStream,
    waits: Option<Pin<Box<Sleep>>>,
    /// Kept by a WebSocket too, whose connection outlives its request.
    _place: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Taken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Taken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let waits = self
            .waits
            .get_or_insert_with(|| Box::pin(sleep(TAKES_WITHIN)));
        match waits.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
