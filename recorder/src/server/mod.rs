//! The SIPREC recording server (RFC 7866): takes recording sessions, stores what is sent in them.

mod audio;
mod begin;
mod change;
mod disk;
mod listen;
mod next;
mod offer;
mod parties;
mod reason;
mod run;
mod say;
mod segments;
mod session;
mod srtp;
pub(crate) mod untagged;
mod whom;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use callcore::scenario::{AudioPorts, RecorderSettings, SEGMENTS_MAX, Scenario, Srtp};
use tokio::{sync::oneshot, task::JoinHandle};
use transport::{BindError, SipDriver, certificates::CertificateError, media::RtpPorts};
use wire::{sip::endpoint::Config, siprec};

use self::audio::shared::SharedPorts;
pub(crate) use self::listen::is_by_tls;
pub use self::{reason::RefusalReason, untagged::Untagged};
use crate::{
    backup::{self, BackupError},
    board::Board,
    check,
    gallring::{self, GallringError},
    index::{Index, IndexError},
    ledger::{LedgerError, SigningKeyGauge},
    lost,
    monitor::{Figures, Monitor},
    place::{Place, PlaceError},
    recover,
    vault::{Vault, VaultError, mark},
};

/// Recordings open at once when nothing else is said: twice what Sweden had in the worst hour of 2020.
pub const RECORDINGS_MAX: usize = 2000;
/// Ports for audio when nothing else is said: apart from those of a gateway on the same machine.
pub const RTP_PORTS: RangeInclusive<u16> = 20_000..=29_999;
/// Bytes that may wait in the spool when nothing else is said: over an hour of a thousand calls at once.
pub const SPOOL_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// How long a session may be silent before its client is asked whether it is there, when nothing else is said.
pub const ASK_AFTER: Duration = Duration::from_secs(60);
/// Sessions beyond the recordings, so that it is we who say why there is no room.
const SESSIONS_SPARE: usize = 100;

/// What a recorder takes, beyond where it is.
#[derive(Debug, Clone)]
pub struct Options {
    /// The controllers it records for, by id. A tag with another is refused.
    pub controllers: BTreeSet<String>,
    /// Addresses it takes recordings from, each for these of the controllers; empty: any, for all of them.
    pub peers: BTreeMap<IpAddr, BTreeSet<String>>,
    /// Addresses of clients that send no tag, and how their recordings are tagged.
    pub untagged: BTreeMap<IpAddr, Untagged>,
    /// Recordings open at once.
    pub recordings_max: usize,
    /// Recordings of one call: hold and transfer begin another until there are so many.
    pub segments_max: usize,
    /// Whether a session must come by TLS from a peer whose certificate proves a trusted name.
    pub named: bool,
    /// Bytes that may wait for S3; with more of them no new recording is taken.
    pub spool_bytes_max: u64,
    /// A session in which nothing is heard for so long is asked whether its client is there, and again after as long.
    pub ask_after: Duration,
    /// Ports for audio.
    pub rtp_ports: RangeInclusive<u16>,
    /// Whether audio comes encrypted; `None`: it must from another machine where the signalling does, by TLS.
    pub srtp: Option<Srtp>,
}

impl Options {
    /// For these controllers, from anyone, with the usual limits.
    pub fn new(controllers: impl IntoIterator<Item = String>) -> Self {
        Self {
            controllers: controllers.into_iter().collect(),
            peers: BTreeMap::new(),
            untagged: BTreeMap::new(),
            recordings_max: RECORDINGS_MAX,
            segments_max: SEGMENTS_MAX.into(),
            named: false,
            spool_bytes_max: SPOOL_BYTES_MAX,
            ask_after: ASK_AFTER,
            rtp_ports: RTP_PORTS,
            srtp: None,
        }
    }

    /// For the controllers of a scenario's recorded queues.
    pub fn of(scenario: &Scenario) -> Self {
        let recorded = scenario.queues.iter().filter(|queue| queue.recording);
        let mut options =
            Self::new(recorded.map(|queue| scenario.org(queue.controller).id.to_string()));
        if let Some(settings) = &scenario.recorder {
            let peers = settings.peers.iter().map(|(address, controllers)| {
                (
                    *address,
                    controllers.iter().map(ToString::to_string).collect(),
                )
            });
            options.peers = peers.collect();
            let untagged = settings.untagged.iter().filter_map(|(address, queue)| {
                Some((*address, Untagged::of(scenario, scenario.queue(*queue))?))
            });
            options.untagged = untagged.collect();
            options.segments_max = settings.segments_max.unwrap_or(SEGMENTS_MAX).into();
            options.srtp = settings.srtp;
            options.rtp_ports = settings.rtp_ports.map_or(RTP_PORTS, AudioPorts::range);
        }
        options
    }
}

/// Why a recorder can't start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The address is no SIP address of this machine.
    #[error(
        "`siprec` under [recorder] must be a SIP address with an IP, such as sip:recorder@127.0.0.1:5070"
    )]
    Address,
    /// TLS without a certificate.
    #[error(
        "`siprec` under [recorder] is reached by TLS, and nothing says by which certificate: add [recorder.tls] with `certificate` and `key`"
    )]
    NoCertificate,
    /// A certificate or key of TLS.
    #[error("[recorder.tls]: {0}")]
    Certificate(#[from] CertificateError),
    /// A place in the settings isn't one.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store or the keys refuse.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A stranger would get in.
    #[error(
        "it doesn't start while a stranger would get in: {0}; `vaxel store check` finds all there is"
    )]
    Open(String),
    /// A stranger would record as whoever they like.
    #[error(
        "the recorder won't listen on {address} where anybody could record under any controller: say who may under [recorder.peers], or by TLS with `peers_ca` and `trusted_names` under [recorder.tls], or use 127.0.0.1"
    )]
    Anybody {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// What a crash left can't be put right.
    #[error(transparent)]
    Recover(#[from] recover::RecoverError),
    /// What a stopped gallring left can't be finished.
    #[error(transparent)]
    Gallring(#[from] GallringError),
    /// It can't listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The store comes from a backup and was never held against the destruction register.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The metrics refuse: two of one name.
    #[error("the metrics can't be made: {0}; this is a fault of the program")]
    Metrics(#[from] prometheus::Error),
    /// No thread for the writer, or for the shared ports.
    #[error("a thread can't be started: {0}; raise the limits on threads and open files")]
    Thread(#[from] std::io::Error),
}

/// The recording server.
#[derive(Debug)]
pub struct Recorder;

impl Recorder {
    /// Opens the store, closes what a crash left open, and listens by UDP and TCP. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the store, the keys, the index or the address can't be used.
    pub async fn start(
        settings: &RecorderSettings,
        options: Options,
    ) -> Result<RecorderHandle, RecorderError> {
        let listen = listen::listen_of(settings)?;
        let named = listen.tls.as_ref().is_some_and(|tls| !tls.names.is_empty());
        let options = Options { named, ..options };
        if let Some(address) = listen::open_to_all(&listen, &options) {
            return Err(RecorderError::Anybody { address });
        }
        let place = Place::of(settings)?;
        // Waits for the disk: what was left open is read, and an index that may have come to harm.
        let opened = tokio::task::spawn_blocking(move || open(place)).await;
        let Opened {
            vault,
            index,
            lock,
            figures,
        } = opened.map_err(std::io::Error::other)??;
        let board = Arc::new(Board::new(figures)?);
        let backups = backup::Gauges::new(vault.clone())?;
        board.monitor().metrics.register(Box::new(backups))?;
        let signing = SigningKeyGauge::new(vault.clone())?;
        board.monitor().metrics.register(Box::new(signing))?;

        let mut config = Config::default_for(listen.sip[0], [0; 32]);
        config.contact_user = "recorder".into();
        config.supported = vec![siprec::OPTION_TAG.into()];
        config.sessions_max = options.recordings_max + SESSIONS_SPARE;
        let driver = SipDriver::listen(listen, config)?;

        let writing = disk::start((vault, index, lock), &board)?;

        let (monitor, sip_addr, tls_addr) =
            (board.monitor(), driver.local_addr(), driver.tls_addr());
        let audio = tls_addr.unwrap_or(sip_addr).ip();
        let ports = RtpPorts::new(audio, options.rtp_ports.clone())
            .with_remedy("Widen `rtp_ports` under [recorder]");
        let shared = SharedPorts::start(ports.clone(), Arc::clone(&board))?;
        let (stop, stopped) = oneshot::channel();
        let server = run::Server::new(driver, (ports, shared), options, writing.jobs, board);
        let task = tokio::spawn(server.run(writing.broken, stopped, writing.thread));
        tracing::info!(%sip_addr, "recorder listens");
        Ok(RecorderHandle {
            monitor,
            sip_addr,
            tls_addr,
            stop,
            task,
        })
    }
}

/// A running recorder. Dropped, it stops by itself, and nobody waits for it.
#[derive(Debug)]
pub struct RecorderHandle {
    monitor: Monitor,
    sip_addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RecorderHandle {
    /// A window on what it does.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Where it listens, by UDP and TCP.
    pub const fn sip_addr(&self) -> SocketAddr {
        self.sip_addr
    }

    /// Where it listens by TLS.
    pub const fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_addr
    }

    /// Takes no more recordings, ends those that are open, and closes them in the store.
    pub async fn stop(self) {
        // It may have stopped by itself.
        let _told = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the recorder's task failed");
        }
    }
}

struct Opened {
    vault: Vault,
    index: Index,
    lock: crate::vault::StoreLock,
    figures: Figures,
}

fn open(place: Place) -> Result<Opened, RecorderError> {
    let vault = Vault::open_place(place)?;
    backup::refuse_unswept(vault.store())?;
    if let Some(found) = check::quick(vault.store(), vault.keys()) {
        return Err(RecorderError::Open(found.message));
    }
    let lock = vault.lock()?;
    let index = Index::open(&vault)?;
    mark::refuse_unproven::<RecorderError>(&vault, &index)?;
    mark::mark(&vault)?;
    recover::recover(&vault, &index)?;
    match gallring::recover(&vault, &index, jiff::Timestamp::now()) {
        // Its key is gone; what is left in S3 goes with the next run, and calls are recorded meanwhile.
        Err(GallringError::Vault(error @ VaultError::Remote { .. })) => {
            tracing::error!(%error, "what a stopped gallring left can't be removed yet: run it again when S3 is back");
        }
        // What was begun is finished once there is a key to enter it with.
        Err(GallringError::Ledger(error @ LedgerError::KeyLost { .. })) => {
            tracing::error!(%error, "what a stopped gallring left can't be finished yet");
        }
        other => drop(other?),
    }
    if let Err(error) = lost::note_found(&vault, &index, jiff::Timestamp::now()) {
        tracing::error!(%error, "a recorder without all its keys: calls are recorded, and access logs wait");
    }
    let figures = Figures {
        controllers: index.figures()?,
        ..Figures::default()
    };
    Ok(Opened {
        vault,
        index,
        lock,
        figures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_says_which_ports_audio_has() {
        let ports = |said: &str| {
            let text = format!(
                r#"
organisation = [{{ id = "r", name = "R", kind = "region" }}]
queue = [{{ name = "all", controller = "r", agents = [{{ simulated = 1 }}] }}]
route = [{{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "all" }}]
operator = {{ organisation = "r" }}
recorder = {{ siprec = "sip:recorder@127.0.0.1:5070"{said} }}
"#
            );
            let scenario = Scenario::from_toml(&text, "test.toml").expect("a valid scenario");
            Options::of(&scenario).rtp_ports
        };
        assert_eq!(ports(""), RTP_PORTS);
        assert_eq!(ports(", rtp_ports = \"4000-4999\""), 4000..=4999);
    }
}
