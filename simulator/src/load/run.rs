//! Running a load plan.

mod leaving;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use callcore::{
    kommun::kommuner,
    test_numbers::{TEST_NUMBERS_LEN, test_number},
};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp, weighted::WeightedIndex};
use rand_pcg::Pcg64;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant as TokioInstant, MissedTickBehavior, interval, sleep_until},
};
use transport::{
    BindError, SipDriver,
    handshake::Refused,
    media::{PolledSocket, RtpPorts},
};
use wire::sip::{
    endpoint::{Event, Invite, SessionId},
    message::{Body, HeaderName, Headers, Response, StatusCode},
    uri::Uri,
};

use super::{
    Hold, LoadPlan, LoadReport,
    caller::{Audio, Caller},
    report::DelayRecorder,
    turns::{TURN, Turns},
    ways,
};

/// How many 302s a caller follows: a provider may send on once more, a loop must end.
const REDIRECTS_MAX: u8 = 5;

/// The audio ports of callers; apart from those of a switch on the same machine.
const RTP_PORTS: std::ops::RangeInclusive<u16> = 30_000..=45_999;

/// Why a run can't start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Our own address is taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS, and nobody said whom to believe.
    #[error(
        "by TLS a switch has to prove who it is: name the CA that signed its certificate with --ca FILE, such as recordings/imy-2019/tls/ca.pem of `vaxel demo`"
    )]
    NoCa,
    /// No TLS, and somebody said whom to believe.
    #[error("--ca is for calls by TLS: write --to sips:... or --to 'sip:...;transport=tls'")]
    NotByTls,
    /// A transport that callers don't have.
    #[error("callers don't speak {0:?}: write transport=udp, tcp or tls")]
    Way(Box<str>),
    /// The switch isn't who it should be.
    #[error("the switch at {peer} isn't called: {why}. {}", remedy(*why))]
    Unbelieved {
        /// The switch.
        peer: SocketAddr,
        /// What is wrong.
        why: Refused,
    },
    /// Load rings whoever answers, and on another machine that may be people.
    #[error(
        "{0} is on another machine, where load may ring people: add --elsewhere when it is yours and takes no real calls"
    )]
    Elsewhere(SocketAddr),
    /// The target is no SIP URI with a numeric address.
    #[error("{0} is not a SIP URI with an IP address: write it like sip:1177@127.0.0.1:5060")]
    Target(String),
    /// A rate that makes no sense.
    #[error("a rate of {0:?} calls a second can't be played: give one above 0 and at most 10000")]
    Rate(f64),
}

fn remedy(why: Refused) -> &'static str {
    match why {
        Refused::Untrusted => {
            "Name the CA that did with --ca FILE; that of `vaxel demo` is recordings/imy-2019/tls/ca.pem"
        }
        Refused::OtherName => {
            "Call it by the address in its certificate, or have the address put there (subjectAltName, IP:...)"
        }
        Refused::Expired => "Have it renewed, and see whether this machine's clock is right",
        Refused::Certificate => "Have it made anew: X.509 version 3, with subjectAltName",
        Refused::NoTls => {
            "SIP by TLS has a port of its own, 5061 as a rule; without `transport=tls`, `sip:` goes by UDP"
        }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls placed.
    pub placed: u64,
    /// Calls over.
    pub ended: u64,
    /// Calls that have rung, or been answered.
    pub alerted: u64,
    /// Calls in progress.
    pub in_progress: usize,
}

/// A run under way.
#[derive(Debug)]
pub struct LoadHandle {
    /// How far it has come.
    pub progress: watch::Receiver<Progress>,
    stop: watch::Sender<bool>,
    task: JoinHandle<LoadReport>,
}

impl LoadHandle {
    /// Waits for the run's end.
    pub async fn finish(self) -> LoadReport {
        ended(self.task).await
    }

    /// Places no more calls, ends those in progress by BYE, and gives the figures so far.
    pub async fn stop(self) -> LoadReport {
        self.stop.send_replace(true);
        ended(self.task).await
    }
}

/// A fault of ours ends the program, and isn't told as a load of no calls.
async fn ended(task: JoinHandle<LoadReport>) -> LoadReport {
    match task.await {
        Ok(report) => report,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends: nobody reads it.
            Err(_) => LoadReport::default(),
        },
    }
}

/// Starts a run.
///
/// # Errors
/// When the plan makes no sense or our address is taken.
pub async fn start(mut plan: LoadPlan) -> Result<LoadHandle, LoadError> {
    if !(plan.rate > 0.0 && plan.rate <= 10_000.0) {
        return Err(LoadError::Rate(plan.rate));
    }
    let (sip, target) = ways::open(&mut plan).await?;
    let (progress, seen) = watch::channel(Progress::default());
    let (stop, stopped) = watch::channel(false);
    let run = Run::new(plan, target, &sip, progress);
    let task = tokio::spawn(run.play(sip, stopped));
    Ok(LoadHandle {
        progress: seen,
        stop,
        task,
    })
}

struct Run {
    plan: LoadPlan,
    target: Uri,
    ports: RtpPorts,
    clip: Arc<[u8]>,
    rng: Pcg64,
    by_population: Option<WeightedIndex<u32>>,
    callers: BTreeMap<SessionId, Caller>,
    turns: Turns,
    hang_ups: BTreeSet<(Instant, SessionId)>,
    report: LoadReport,
    delays: DelayRecorder,
    late: DelayRecorder,
    progress: watch::Sender<Progress>,
    ended: u64,
    begun: Instant,
}

impl Run {
    fn new(
        plan: LoadPlan,
        target: Uri,
        sip: &SipDriver,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            ports: RtpPorts::new(sip.local_addr().ip(), RTP_PORTS),
            clip: super::caller::clip(),
            rng: Pcg64::seed_from_u64(plan.seed),
            by_population: WeightedIndex::new(kommuner().iter().map(|kommun| kommun.population))
                .ok(),
            plan,
            target,
            callers: BTreeMap::new(),
            turns: Turns::default(),
            hang_ups: BTreeSet::new(),
            report: LoadReport::default(),
            delays: DelayRecorder::new(),
            late: DelayRecorder::new(),
            progress,
            ended: 0,
            begun: Instant::now(),
        }
    }

    async fn play(mut self, mut sip: SipDriver, mut stop: watch::Receiver<bool>) -> LoadReport {
        let mut ticker = interval(TURN);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut next_call = Instant::now();
        let mut stopped = false;
        loop {
            let placing = !stopped && self.plan.calls.is_none_or(|calls| self.offered() < calls);
            if !placing && self.callers.is_empty() {
                break;
            }
            let next_hang_up = self.hang_ups.first().map(|(at, _)| *at);
            tokio::select! {
                event = sip.event() => self.on_event(&mut sip, event),
                () = until(Some(next_call)), if placing => {
                    self.place(&mut sip, next_call);
                    next_call += self.gap();
                }
                () = until(next_hang_up) => self.hang_up_due(&mut sip),
                _ = ticker.tick() => self.tick(&sip),
                changed = stop.changed(), if !stopped => {
                    let _ = changed;
                    self.hang_up_all(&mut sip);
                    stopped = true;
                }
            }
            self.tell();
        }
        self.close()
    }

    const fn offered(&self) -> u64 {
        self.report.placed + self.report.not_placed
    }

    fn gap(&mut self) -> Duration {
        let seconds = Exp::new(self.plan.rate).map_or(1.0, |gaps| gaps.sample(&mut self.rng));
        Duration::from_secs_f64(seconds.min(3600.0))
    }

    fn place(&mut self, sip: &mut SipDriver, due: Instant) {
        let drawn = self
            .by_population
            .as_ref()
            .map(|weights| weights.sample(&mut self.rng));
        let kommun = self.plan.kommun.or_else(|| {
            drawn
                .and_then(|at| kommuner().get(at))
                .map(|kommun| kommun.id)
        });
        let number = test_number(self.rng.random_range(0..TEST_NUMBERS_LEN));
        let audio_seed = self.rng.random();
        let socket = if self.plan.audio {
            self.ports.open_polled().ok()
        } else {
            None
        };
        if self.callers.len() >= self.plan.at_once_max || (self.plan.audio && socket.is_none()) {
            self.report.not_placed += 1;
            return;
        }
        let placed = Instant::now();
        self.late.add(placed.duration_since(due));
        let caller = Caller {
            kommun,
            number,
            placed,
            alerted: false,
            answered: false,
            gave_up: false,
            leaves: placed + self.plan.waits(),
            left: None,
            hops: 0,
            route: None,
            audio: socket.map(|socket: PolledSocket| Audio::new(socket, audio_seed)),
        };
        self.report.placed += 1;
        self.invite(sip, caller, self.target.clone());
    }

    fn invite(&mut self, sip: &mut SipDriver, mut caller: Caller, target: Uri) {
        let local = sip.local_addr();
        let mut headers = Headers::default();
        if let (Some(kommun), Some(name)) = (caller.kommun, HeaderName::parse("X-Kommun-ID")) {
            headers.push(name, kommun.to_string());
        }
        let invite = Invite {
            next_hop: if caller.hops == 0 {
                self.plan.next_hop
            } else {
                None
            },
            from: format!("<sip:{}@{local}>", caller.number.reveal().as_str()).into(),
            headers,
            body: Some(caller.offer(local, ways::is_secure(&target))),
            ..Invite::anonymous(target)
        };
        let now = sip.now();
        match sip.endpoint().invite(now, invite) {
            Ok(session) => {
                self.hang_ups.insert((caller.leaves, session));
                if let Some(audio) = &caller.audio {
                    self.turns.join(session, audio.phase);
                }
                self.callers.insert(session, caller);
            }
            Err(_) => self.failed(&caller, StatusCode::SERVICE_UNAVAILABLE),
        }
        sip.flush();
    }

    fn on_event(&mut self, sip: &mut SipDriver, event: Event) {
        let now = sip.now();
        match event {
            Event::Progress {
                session,
                status,
                body,
                ..
            } if status != StatusCode::TRYING => {
                self.alerted(session);
                self.heard_from(session, body.as_ref());
            }
            Event::Answered { session, response } => self.answered(session, &response),
            Event::Rejected {
                session,
                status,
                contacts,
                from_peer,
            } => self.rejected(sip, session, status, &contacts, from_peer),
            Event::ChangeRequested { session, body } => {
                let local = sip.local_addr();
                let caller = self.callers.get_mut(&session);
                let answer = caller.map(|caller| caller.changed(body.as_ref(), local));
                let _ = sip.endpoint().accept_change(now, session, answer);
            }
            Event::Ended { session, .. } => self.ended(session),
            // Nobody calls a load generator.
            Event::Incoming { session, .. } => {
                let _ = sip.endpoint().reject(
                    now,
                    session,
                    StatusCode::TEMPORARILY_UNAVAILABLE,
                    &Headers::default(),
                );
            }
            _ => {}
        }
        sip.flush();
    }

    fn alerted(&mut self, session: SessionId) {
        if let Some(caller) = self.callers.get_mut(&session)
            && !std::mem::replace(&mut caller.alerted, true)
        {
            self.delays.add(caller.placed.elapsed());
        }
    }

    fn heard_from(&mut self, session: SessionId, body: Option<&Body>) {
        if let Some(caller) = self.callers.get_mut(&session) {
            caller.heard_from(body);
        }
    }

    fn answered(&mut self, session: SessionId, response: &Response) {
        self.alerted(session);
        self.heard_from(session, response.body().as_ref());
        let Some(caller) = self.callers.get_mut(&session) else {
            return;
        };
        self.hang_ups.remove(&(caller.leaves, session));
        caller.leaves = match &self.plan.hold {
            Hold::Caller(range) if !range.is_empty() => {
                Instant::now() + self.rng.random_range(range.clone())
            }
            Hold::Caller(range) => Instant::now() + range.start,
            Hold::FarEnd(stays) => caller.placed + *stays,
        };
        self.hang_ups.insert((caller.leaves, session));
        caller.answered = true;
        caller.route = route_of(response);
        self.report.answered += 1;
    }

    fn rejected(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        status: StatusCode,
        contacts: &[Uri],
        from_peer: bool,
    ) {
        let Some(mut caller) = self.callers.remove(&session) else {
            return;
        };
        self.hang_ups.remove(&(caller.leaves, session));
        match contacts.first() {
            Some(contact) if status.is_redirect() && caller.hops < REDIRECTS_MAX => {
                if caller.hops == 0 {
                    self.report.redirected += 1;
                }
                caller.hops += 1;
                self.invite(sip, caller, contact.clone());
            }
            _ if !from_peer && !caller.alerted => self.unreached(&caller),
            _ => self.failed(&caller, status),
        }
    }

    fn unreached(&mut self, caller: &Caller) {
        self.report.unreached += 1;
        self.add_audio(caller);
        self.ended += 1;
    }

    fn failed(&mut self, caller: &Caller, status: StatusCode) {
        *self.report.failed.entry(status.code()).or_default() += 1;
        self.add_audio(caller);
        self.ended += 1;
    }

    fn add_audio(&mut self, caller: &Caller) {
        let Some(audio) = &caller.audio else { return };
        let heard = audio.heard();
        self.report.rtp_sent += audio.sent;
        self.report.rtp_heard += heard.received;
        self.report.rtp_lost += heard.lost;
        self.report.encrypted += u64::from(caller.answered && audio.is_encrypted());
        self.report.silent += u64::from(caller.answered && heard.received == 0);
    }

    fn tick(&mut self, sip: &SipDriver) {
        let now = sip.now();
        self.turns.take(|session| {
            let caller = self.callers.get_mut(session);
            let audio = caller.and_then(|caller| caller.audio.as_mut());
            audio.map(|audio| audio.tick(now, &self.clip)).is_some()
        });
    }

    fn tell(&self) {
        let progress = Progress {
            placed: self.report.placed,
            ended: self.ended,
            alerted: self.delays.len(),
            in_progress: self.callers.len(),
        };
        self.progress
            .send_if_modified(|seen| std::mem::replace(seen, progress) != progress);
    }

    fn close(mut self) -> LoadReport {
        self.report.setup_delay = self.delays.delays();
        self.report.placed_late = self.late.delays();
        self.report.seconds = self.begun.elapsed().as_secs_f64();
        self.report
    }
}

/// The route that a Vaxel switch names, else whom the answer says to talk to.
fn route_of(response: &Response) -> Option<String> {
    let named = HeaderName::parse("X-Vaxel-Route").and_then(|name| response.headers.get(&name));
    named
        .or_else(|| response.headers.get(&HeaderName::Contact))
        .map(str::to_owned)
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(TokioInstant::from_std(at)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "a fault of ours")]
    async fn a_fault_of_ours_is_no_report_of_a_load_without_calls() {
        let task = tokio::spawn(async { panic!("a fault of ours") });
        let _report = ended(task).await;
    }
}
