//! Starting, running and stopping a switch.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use callcore::scenario::Scenario;
use jiff::Timestamp;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use transport::{
    Alarm, SipDriver, WebSocketDoor,
    handed::{Bequest, Inherited},
    media::RtpPorts,
};
use wire::sip::endpoint::{Config, Local, SessionTimer};

use crate::{
    admission::PROBE_INTERVAL,
    begin::{StartError, begin_books, begin_journal, left_behind, library_of, recorder_of},
    clock::Clock,
    estate::Estate,
    exchange::{Exchange, Parts, silence_max},
    homes::{self, Homes},
    journal::JournalTo,
    listen::{self, Own},
    media::{Counters, Dropped, Engine, MediaEvent, MediaFactory, SharedPorts, Sources},
    names::Names,
    observer::Observer,
    registrar::Registrar,
    rules::{Replacement, Rules},
    thread::OwnThread,
    view::{Monitor, TakenOver, Totals},
};

/// How often the view is renewed: often enough to look alive, seldom enough to cost nothing.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

/// How often it is asked anew where each kommun's calls go: rules begin and end on the hour.
const FIXED_INTERVAL: Duration = Duration::from_secs(1);

/// How long a stop waits for the other sides to answer BYE: RFC 3261's Timer F is 32 s, nobody waits for that.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// A peer that vanished is noticed after half of this, and 32 seconds for its answer; RFC 4028 section 4 knows no shorter
/// interval than 90 s.
pub(crate) const SESSION_TIMER: SessionTimer = SessionTimer {
    expires: Duration::from_secs(600),
    min: Duration::from_secs(90),
};

/// Replacements of the rules that may wait; each is taken at once.
const REPLACEMENTS_MAX: usize = 4;

/// How a switch is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where announcement files are looked for first: the scenario's folder.
    pub folder: PathBuf,
    /// The scenario's name for people.
    pub name: String,
    /// The moment the switch's clock starts at; `None`: now.
    pub at: Option<Timestamp>,
    /// Seed of everything drawn by chance (how long a simulated nurse's phone rings).
    pub seed: u64,
    /// How long a simulated nurse talks before hanging up; `None`: until the caller does.
    pub nurse_talks: Option<std::ops::Range<Duration>>,
    /// Where replacements of the rules are kept, one JSON object a line; `None`: in memory only.
    pub history: Option<PathBuf>,
    /// Where the boundary ledger is kept, one JSON object a line; `None`: it isn't.
    pub ledger: Option<PathBuf>,
    /// The folder where it is said of each call whether it should have been recorded; `None`: it isn't said.
    pub calls: Option<PathBuf>,
    /// Where the journal of everything that happens is kept; `None`: it isn't.
    pub journal: Option<JournalTo>,
    /// Listening sockets that are open already.
    pub inherited: Inherited,
}

impl Options {
    /// Options for a scenario file.
    pub fn for_file(file: &Path) -> Self {
        let name = file.file_stem().map_or_else(
            || "scenario".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        );
        let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
        Self {
            folder,
            name,
            at: None,
            seed: 0,
            nurse_talks: None,
            history: None,
            ledger: None,
            calls: None,
            journal: None,
            inherited: Inherited::default(),
        }
    }
}

/// A running switch.
#[derive(Debug)]
pub struct Gateway {
    monitor: Monitor,
    rules: Rules,
    sip: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    door: WebSocketDoor,
    resolver: JoinHandle<()>,
    stop: watch::Sender<Stage>,
    /// What was counted, once the switch has stopped, and what it leaves.
    end: oneshot::Receiver<(Totals, Option<Estate>)>,
    /// Calls that a drain waits for.
    in_hand: watch::Receiver<usize>,
    taken: Option<Result<oneshot::Receiver<TakenOver>, String>>,
    journal: Option<PathBuf>,
    /// The listening sockets, for the next process.
    bequest: Bequest,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// No new calls.
    Draining,
    /// The same, and promises to call back wait for the next program.
    Leaving,
    /// End what is left, or leave it to the next program.
    Stopping {
        leaves: bool,
    },
}

impl Gateway {
    /// Binds the SIP address and begins to take calls.
    ///
    /// # Errors
    /// When the address is taken or an announcement's audio is missing.
    pub async fn start(scenario: Arc<Scenario>, options: Options) -> Result<Self, StartError> {
        let library = library_of(&scenario, &options)?;
        let recorder = recorder_of(&scenario)?;
        let clock = Clock::start(options.at);
        let (mut observer, mut monitor) =
            Observer::new(Arc::clone(&scenario), &options.name, clock.now())?;
        begin_books(&mut observer, &scenario, &options, clock.now())?;
        let left = left_behind(&options);
        let thread = OwnThread::new().map_err(StartError::Thread)?;
        let (sip, registrar) = open_borders(&scenario, &options, &thread)?;
        observer.listens(sip.locals()[0].socket());
        let mut bequest = Bequest::default();
        sip.bequeath(&mut bequest).map_err(StartError::Sockets)?;
        let (locals, door) = (sip.locals().to_vec(), sip.web_socket_door());
        let homes = Homes::new(&locals);
        monitor.web_sockets = Some(door.clone());
        let own = Own::of(&scenario, &options.folder)?;
        let (names, resolver) = find_names(&scenario, &homes).await;
        let ports = scenario.listen.rtp_ports.range();
        let ports = RtpPorts::new(homes.ip(Local::FIRST), ports);
        let (factory, media) = start_media(&scenario, ports, &observer)?;
        let journal = begin_journal(&scenario, &options, &observer, left.is_some())?;
        let journal_file = journal.as_ref().map(|journal| journal.file().to_owned());
        let in_force = Arc::clone(&scenario);
        let exchange = Exchange::new(Parts {
            scenario,
            clock,
            library,
            media: factory,
            observer,
            homes,
            seed: options.seed,
            recorder,
            nurse_talks: options.nurse_talks.clone(),
            journal,
            registrar,
            names,
            own,
        });
        let (stop, stopped) = watch::channel(Stage::Running);
        let (inbox, replacements) = mpsc::channel(REPLACEMENTS_MAX);
        let (in_hand, in_hand_seen) = watch::channel(usize::MAX);
        let (left, taken) = left.map_or((None, None), Left::of);
        let inputs = Inputs {
            sip,
            media,
            replacements,
            stop: stopped,
            in_hand,
            left,
        };
        let rules = Rules::of(&options, inbox, in_force, clock);
        let end = thread.run(run(exchange, inputs, options.name, clock));
        let (sip, tls) = (homes::plain_of(&locals), homes::tls_of(&locals));
        tracing::info!(sip = ?sip, tls = ?tls, "the switch takes calls");
        Ok(Self {
            monitor,
            rules,
            sip,
            tls,
            door,
            resolver,
            stop,
            end: end.map_err(StartError::Thread)?,
            in_hand: in_hand_seen,
            taken,
            journal: journal_file,
            bequest,
        })
    }

    /// A window on it.
    pub const fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// A handle for replacing its rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where it takes calls: the first address for UDP and TCP, which there always is.
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip[0]
    }

    /// Every address at which it takes calls by UDP and TCP.
    pub fn sip_addrs(&self) -> &[SocketAddr] {
        &self.sip
    }

    /// Where it takes calls by TLS: the first address.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.first().copied()
    }

    /// Where a web server passes on WebSockets that speak SIP (RFC 7118).
    pub const fn web_socket_door(&self) -> &WebSocketDoor {
        &self.door
    }

    /// The file of its journal.
    pub fn journal(&self) -> Option<&Path> {
        self.journal.as_deref()
    }

    /// What it took over from the program before it in this process, or why nothing; `None` when there was none.
    pub async fn taken_over(&mut self) -> Option<Result<TakenOver, String>> {
        match self.taken.take()? {
            Ok(taken) => taken.await.ok().map(Ok),
            Err(why) => Some(Err(why)),
        }
    }

    /// Calls that a drain waits for, told a few times a second: all, but those that the next program goes on with.
    pub fn in_hand(&self) -> watch::Receiver<usize> {
        self.in_hand.clone()
    }

    /// Takes no new calls; those in progress go on.
    pub fn drain(&self) {
        self.drain_as(Stage::Draining);
    }

    /// The same where another program takes this one's place: it is left those who are to be called back, the phones that are
    /// registered, and who is in wrap-up.
    pub fn drain_for_next(&self) {
        self.drain_as(Stage::Leaving);
    }

    /// Takes calls again after a drain, as if there had been none.
    pub fn resume(&self) {
        self.stop.send_if_modified(|stage| {
            let drains = matches!(stage, Stage::Draining | Stage::Leaving);
            if drains {
                *stage = Stage::Running;
            }
            drains
        });
    }

    fn drain_as(&self, drained: Stage) {
        self.stop.send_if_modified(|stage| {
            let running = *stage == Stage::Running;
            if running {
                *stage = drained;
            }
            running
        });
    }

    /// Ends every call by BYE, closes every recording, and gives the totals.
    pub async fn stop(self) -> Totals {
        self.stop_and_bequeath().await.0
    }

    /// The same, with the listening sockets still open: what arrives waits in the system for who listens there next, who finds
    /// what was left for it after [`Gateway::drain_for_next`].
    pub async fn stop_and_bequeath(mut self) -> (Totals, Bequest) {
        self.resolver.abort();
        let leaves = *self.stop.borrow() == Stage::Leaving;
        self.stop.send_replace(Stage::Stopping { leaves });
        let (totals, estate) = self.end.await.unwrap_or_default();
        if let Some(estate) = estate
            && let Err(error) = self.bequest.leave(&estate.written())
        {
            tracing::error!(%error, "nothing can be left to the next program: phones register again, promises to call back are lost");
        }
        (totals, self.bequest)
    }
}

/// Everything that the switch's one task listens to.
struct Inputs {
    sip: SipDriver,
    media: mpsc::UnboundedReceiver<MediaEvent>,
    replacements: mpsc::Receiver<Replacement>,
    stop: watch::Receiver<Stage>,
    in_hand: watch::Sender<usize>,
    left: Option<Left>,
}

/// What the program before this one left, and who is told what became of it.
struct Left {
    estate: Estate,
    told: oneshot::Sender<TakenOver>,
}

impl Left {
    fn of(
        left: Result<Estate, String>,
    ) -> (
        Option<Self>,
        Option<Result<oneshot::Receiver<TakenOver>, String>>,
    ) {
        match left {
            Ok(estate) => {
                let (told, taken) = oneshot::channel();
                (Some(Self { estate, told }), Some(Ok(taken)))
            }
            Err(why) => (None, Some(Err(why))),
        }
    }
}

async fn run(
    mut exchange: Exchange,
    inputs: Inputs,
    name: String,
    clock: Clock,
) -> (Totals, Option<Estate>) {
    let Inputs {
        mut sip,
        mut media,
        mut replacements,
        mut stop,
        in_hand,
        left,
    } = inputs;
    if let Some(Left { estate, told }) = left {
        // Who started it may not care.
        let _ = told.send(exchange.take_estate(&mut sip, estate));
    }
    let mut publish = interval(PUBLISH_INTERVAL);
    publish.set_missed_tick_behavior(MissedTickBehavior::Delay);
    exchange.observer.ready.send_replace(true);
    let mut probe = interval(PROBE_INTERVAL);
    probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fixed_due = Instant::now();
    let mut alarm = Alarm::new();
    let mut deadline: Option<Instant> = None;
    loop {
        exchange.admit(&mut sip);
        let wake = Instant::from_std(exchange.wake());
        tokio::select! {
            event = sip.event() => {
                exchange.on_sip(&mut sip, event);
                while let Some(event) = sip.ready() {
                    exchange.on_sip(&mut sip, event);
                }
            }
            Some(event) = media.recv() => exchange.on_media(&mut sip, event),
            Some(replacement) = replacements.recv() => {
                exchange.replace_and_answer(replacement);
            }
            () = alarm.until(wake) => exchange.on_time(&mut sip),
            due = probe.tick() => exchange.probed(due.into_std()),
            _ = publish.tick() => {
                exchange.publish(&mut sip);
                in_hand.send_replace(exchange.in_hand());
                if fixed_due <= Instant::now() {
                    fixed_due = Instant::now() + FIXED_INTERVAL;
                    exchange.observer.refresh_fixed(&name, clock.now());
                }
            }
            // A dropped handle is a stop too.
            changed = stop.changed(), if deadline.is_none() => {
                let stage = if changed.is_err() { Stage::Stopping { leaves: false } } else { *stop.borrow() };
                if is_to_end(&mut exchange, &mut sip, stage) {
                    deadline = Some(Instant::now() + STOP_PATIENCE);
                }
            }
            () = sleep_until(deadline.unwrap_or(wake)), if deadline.is_some() => break,
        }
        if deadline.is_some() && sip.endpoint().sessions() == 0 {
            break;
        }
    }
    exchange.give_up_recordings(&mut sip);
    exchange.publish(&mut sip);
    let estate = exchange.estate();
    exchange.close_journal();
    (exchange.observer.totals().clone(), estate)
}

/// Goes on to that stage; whether every call has been ended, and only the other sides' answers are waited for.
fn is_to_end(exchange: &mut Exchange, sip: &mut SipDriver, stage: Stage) -> bool {
    let runs = stage == Stage::Running;
    exchange.observer.ready.send_replace(runs);
    sip.endpoint().set_draining(!runs);
    if runs {
        exchange.take_up_callbacks(sip);
    }
    if matches!(stage, Stage::Leaving | Stage::Stopping { leaves: true }) {
        exchange.leave_callbacks(sip);
    }
    let ends = matches!(stage, Stage::Stopping { .. });
    if ends {
        exchange.end_all(sip);
    }
    ends
}

/// A call has a caller, whoever answers, and a recorder or, while it is sent on, somebody more.
const SESSIONS_A_CALL: usize = 3;

/// The sockets, and who may come in by them.
fn open_borders(
    scenario: &Scenario,
    options: &Options,
    thread: &OwnThread,
) -> Result<(SipDriver, Registrar), StartError> {
    let (folder, inherited) = (&options.folder, &options.inherited);
    let credentials = listen::credentials_of(scenario, folder)?;
    let config = Config {
        registrar: !credentials.is_empty(),
        reliable: true,
        session_timer: Some(SESSION_TIMER),
        transfers: true,
        sessions_max: scenario.overload.calls_max * SESSIONS_A_CALL,
        ..Config::default_for(scenario.listen.sip[0], rand::random())
    };
    let mut listen = listen::listen_of(scenario, folder, inherited)?;
    listen.tasks = Some(Handle::current());
    let sip = thread.inside(|| SipDriver::listen(listen, config))?;
    Ok((sip, Registrar::new(scenario, credentials, rand::random())))
}

/// The threads that carry audio, what begins calls on them, and what they report.
pub(crate) fn start_media(
    scenario: &Scenario,
    ports: RtpPorts,
    observer: &Observer,
) -> Result<(MediaFactory, mpsc::UnboundedReceiver<MediaEvent>), StartError> {
    let ports = ports.with_remedy("Widen `rtp_ports` under [listen]");
    let (events, reported) = mpsc::unbounded_channel();
    let metrics = observer.metrics();
    let dropped = Dropped::new(&metrics.rtp_dropped);
    let reports = Counters::new(&metrics.rtcp.packets, &metrics.rtcp.loss);
    let engine = Engine::start(&ports, events, &metrics.rtp_received, &dropped, &reports);
    let engine = engine.map_err(StartError::AudioThreads)?;
    let truthful = crate::origin::TrustedPeers::new(scenario.listen.rtp_shared.clone());
    let factory = MediaFactory {
        shared: SharedPorts::new(ports.clone(), engine.threads(), truthful),
        ports,
        sources: Sources::random(),
        engine,
        silence_max: silence_max(scenario),
        begun: 0,
    };
    Ok((factory, reported))
}

/// The names of a scenario's targets, looked up once, and the task that does it again.
async fn find_names(scenario: &Scenario, homes: &Homes) -> (Names, JoinHandle<()>) {
    let names = Names::new(scenario.listen.dns, homes.families());
    names.want(scenario);
    names.look_up().await;
    let again = tokio::spawn(names.clone().look_up_again());
    (names, again)
}
