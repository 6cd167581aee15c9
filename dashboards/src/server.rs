//! Start and stop.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, middleware};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use crate::{
    App, ServeError, api, assets, connections, events, guard, health, metrics, rules, web_socket,
};

/// How long a stop waits for answers under way; event streams end at once, so only a stuck browser takes this long.
const STOP_WAIT_MAX: Duration = Duration::from_secs(3);

/// Serves the page, its API and events, `/metrics`, `/healthz` and `/readyz` on a loopback address.
///
/// Port 0 takes any free port; [`Server::addr`] tells which.
///
/// # Errors
/// [`ServeError::NotLoopback`] for any address that another machine could reach (invariant 7), else what the system
/// says of the address.
pub async fn serve(addr: SocketAddr, app: App) -> Result<Server, ServeError> {
    serve_on(listen(addr, None).await?, addr, app)
}

/// The same on a listener of [`listen`], which was asked for that address.
///
/// # Errors
/// What the system says of the listener.
pub fn serve_on(listener: TcpListener, addr: SocketAddr, app: App) -> Result<Server, ServeError> {
    let (stop, stopped) = watch::channel(false);
    let state = health::Readiness::new(Some(&app.gateway), app.recorder.as_ref());
    let registries = [
        Some(&app.gateway.metrics),
        app.recorder.as_ref().map(|r| &r.metrics),
    ];
    let router = assets::router()
        .merge(events::router(&app, stopped.clone()))
        .merge(metrics::router(registries.into_iter().flatten()))
        .merge(health::router(state))
        .merge(rules::router(app.admin.clone()))
        .merge(web_socket::router(app.gateway.web_sockets.clone()))
        .merge(api::router(app));
    start(listener, addr, router, stop, stopped)
}

/// A running web server; dropped, it stops without waiting for anybody.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens, with the port that was taken.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more requests, ends the event streams and waits, a few seconds at most, for answers under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let abort = self.task.abort_handle();
        if timeout(STOP_WAIT_MAX, self.task).await.is_err() {
            tracing::warn!("the web server was stopped with answers still under way");
            abort.abort();
        }
    }
}

/// Listens on a loopback address; by a socket that is open already, when one is given.
///
/// # Errors
/// As [`serve`].
pub async fn listen(
    addr: SocketAddr,
    inherited: Option<std::net::TcpListener>,
) -> Result<TcpListener, ServeError> {
    if !addr.ip().is_loopback() {
        return Err(ServeError::NotLoopback { addr });
    }
    let bound = match inherited {
        Some(listener) => TcpListener::from_std(listener),
        None => TcpListener::bind(addr).await,
    };
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::PortInUse { addr },
        _ => ServeError::Listen { addr, source },
    })
}

fn start(
    listener: TcpListener,
    asked: SocketAddr,
    router: Router,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
) -> Result<Server, ServeError> {
    let addr = listener.local_addr().map_err(|source| ServeError::Listen {
        addr: asked,
        source,
    })?;
    let router = router
        .fallback(assets::not_found)
        .layer(middleware::from_fn(guard::guard));
    let task = tokio::spawn(connections::run(listener, router, stopped));
    Ok(Server { addr, stop, task })
}

/// Resolves when the server is told to stop, or is dropped.
pub(crate) async fn told(mut stopped: watch::Receiver<bool>) {
    // An error means that the `Server` was dropped, which stops it too.
    let _ = stopped.wait_for(|stop| *stop).await;
}
