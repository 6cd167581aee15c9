//! The recorder's HTTP API: search, tags, audio by ranges, access logs, gallring plan, reconciliation.
//!
//! Everything that tells of a recording needs a token bound to an organisation, and a purpose, and is written to the
//! access log first. Another organisation's recordings aren't there: 404, not 403, so that an answer never says whether
//! somebody else has a recording of that id. Outside loopback it needs TLS, or doesn't start (invariant 7).

mod answer;
mod audio;
mod duties;
mod guard;
mod limits;
mod listen;
mod oversight;
mod range;
mod recordings;
mod routes;
mod stores;
pub mod tokens;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use callcore::scenario::Scenario;
use jiff::{SignedDuration, Timestamp};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use transport::certificates::{Certificate, CertificateError};

pub use self::answer::OPENAPI;
use self::{
    answer::Metrics,
    audio::Listening,
    limits::Limits,
    stores::Stores,
    tokens::{TokenError, Tokens},
};
use crate::{
    monitor::Monitor,
    place::{Place, PlaceError},
    vault::{Vault, VaultError},
};

/// How the API is run.
#[derive(Debug)]
pub struct Options {
    /// Whose recorder it is, with its rules and decisions.
    pub scenario: Arc<Scenario>,
    /// The recorder it is of.
    pub monitor: Monitor,
    /// How far the switch's clock is ahead of this machine's: retention and reconciliation go by it.
    pub ahead: SignedDuration,
}

/// Why the API can't be served. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The scenario has no recorder.
    #[error("the scenario has no [recorder]: add one with siprec, store and keys")]
    NoRecorder,
    /// No address.
    #[error("[recorder] api = {0:?} is no address: write it like 127.0.0.1:1178")]
    Address(Box<str>),
    /// Invariant 7.
    #[error(
        "the recorder's API won't listen on {addr} without TLS: whoever listens on the network would hear recordings. Set `certificate` and `certificate_key` under [recorder], or use 127.0.0.1"
    )]
    NoTls {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// The certificate can't be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The tokens can't be read.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The store's place can't be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store can't be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The address is taken or not ours.
    #[error(
        "the recorder's API can't listen on {addr}: {source}. Stop what listens there, or choose another port: `api` under [recorder], or --web"
    )]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The metrics refuse: two of one name.
    #[error("the metrics can't be made: {0}; this is a fault of the program")]
    Metrics(#[from] prometheus::Error),
}

/// A running API. Dropped, it stops without waiting for anybody.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    tls: bool,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its address for people and programs.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// Takes no more requests, and waits a few seconds at most for answers under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // A task that failed has stopped as well.
        let _ended = self.task.await;
    }
}

/// Serves the API where the scenario says.
///
/// # Errors
/// When the address is outside loopback and there is no certificate (invariant 7), or something can't be opened.
pub async fn serve(options: Options) -> Result<Server, ServeError> {
    let settings = options
        .scenario
        .recorder
        .as_ref()
        .ok_or(ServeError::NoRecorder)?;
    let addr: SocketAddr = settings
        .api
        .parse()
        .map_err(|_| ServeError::Address(settings.api.clone()))?;
    let tls = match (&settings.certificate, &settings.certificate_key) {
        (Some(chain), Some(key)) => {
            let certificate = Certificate::load(Path::new(&**chain), Path::new(&**key))?;
            Some(TlsAcceptor::from(certificate.server()?))
        }
        _ if addr.ip().is_loopback() => None,
        _ => return Err(ServeError::NoTls { addr }),
    };
    let vault = Vault::open_place(Place::of(settings)?)?;
    let calls = settings.calls.as_deref().map(PathBuf::from);
    let shared = Arc::new(Shared {
        tokens: Tokens::open(vault.keys())?,
        limits: Limits::new(),
        metrics: Metrics::new(&options.monitor.metrics)?,
        listening: Listening::new(),
        stores: Stores::new(vault, calls),
        scenario: options.scenario,
        monitor: options.monitor,
        ahead: options.ahead,
    });
    let failed = |source| ServeError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let (stop, stopped) = watch::channel(false);
    let duties = tokio::spawn(duties::look(Arc::clone(&shared), stopped.clone()));
    let has_tls = tls.is_some();
    let task = tokio::spawn(async move {
        listen::run(listener, tls, shared, stopped).await;
        duties.abort();
    });
    tracing::info!(%addr, tls = has_tls, "the recorder's API listens");
    Ok(Server {
        addr,
        tls: has_tls,
        stop,
        task,
    })
}

/// What every request sees.
#[derive(Debug)]
struct Shared {
    tokens: Tokens,
    limits: Limits,
    metrics: Metrics,
    listening: Listening,
    stores: Stores,
    scenario: Arc<Scenario>,
    monitor: Monitor,
    ahead: SignedDuration,
}

impl Shared {
    /// What the switch's clock shows.
    fn clock(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.ahead).unwrap_or(now)
    }

    /// The organisation that runs this recorder.
    fn operator(&self) -> &str {
        &self.scenario.org(self.scenario.operator).id
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
struct Peer(IpAddr);
