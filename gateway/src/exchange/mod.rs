//! The B2BUA: SIP events in, the call machine asked, its outputs carried out as SIP and media.
//!
//! One task owns an [`Exchange`]; there is no lock and no second writer. The call machine decides everything;
//! this module only translates between sessions and calls.

#[cfg(test)]
mod bench;
mod borders;
mod call;
mod callback;
mod caller;
mod estate;
mod far;
mod hand_over;
mod history;
mod hold;
mod keys;
mod overload;
mod phones;
mod ports;
mod providers;
mod recorder;
mod recording;
mod replace;
mod send_on;
mod silence;
mod speech;
#[cfg(test)]
mod storm;
mod taking_over;
mod transfer;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use callcore::{
    scenario::{AgentId, Scenario},
    switch::{CallId, Input, Output, Switch},
};
use rand::SeedableRng;
use rand_pcg::Pcg64;
use transport::{Refusals, SipDriver};
use wire::sip::{
    endpoint::{Ending, Event, SessionId},
    message::StatusCode,
};

#[cfg(test)]
pub(crate) use self::bench::scenario as scenario_of_tests;
use self::{
    call::{Call, Leg},
    keys::KeyWay,
    recording::Closing,
};
pub(crate) use self::{recorder::RecorderLink, recording::Why, silence::silence_max};
use crate::{
    admission::{Admission, Full},
    audio::Library,
    clock::Clock,
    health::Health,
    homes::Homes,
    journal::Journal,
    listen::Own,
    media::{MediaEvent, MediaFactory},
    names::Names,
    observer::Observer,
    origin::TrustedPeers,
    registrar::Registrar,
};

/// A call is ended after this long whatever happens: a vanished peer must not hold resources for ever.
const CALL_LENGTH_MAX: Duration = Duration::from_secs(4 * 3600);

/// How often calls are looked through for [`CALL_LENGTH_MAX`].
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// How long a simulated nurse's phone rings, in seconds: drawn evenly from this range.
const NURSE_RINGS_S: Range<f64> = 0.4..1.6;

/// What an exchange is made of.
pub(crate) struct Parts {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) clock: Clock,
    pub(crate) library: Library,
    pub(crate) media: MediaFactory,
    pub(crate) observer: Observer,
    pub(crate) homes: Homes,
    pub(crate) seed: u64,
    pub(crate) recorder: Option<RecorderLink>,
    pub(crate) nurse_talks: Option<Range<Duration>>,
    pub(crate) journal: Option<Journal>,
    pub(crate) registrar: Registrar,
    pub(crate) names: Names,
    pub(crate) own: Own,
}

/// What a simulated nurse will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NurseStep {
    /// Pick up.
    Answer(AgentId),
    /// Say goodbye.
    HangUp,
}

/// The live switch's state.
pub(crate) struct Exchange {
    scenario: Arc<Scenario>,
    clock: Clock,
    library: Library,
    media: MediaFactory,
    pub(crate) observer: Observer,
    trusted: TrustedPeers,
    /// What calls that go out bear, so that one that comes back is known.
    mark: String,
    homes: Homes,
    rng: Pcg64,
    switch: Switch,
    calls: BTreeMap<CallId, Box<Call>>,
    legs: BTreeMap<SessionId, Leg>,
    /// Simulated nurses that will do something, by when.
    nurses: BTreeSet<(Instant, CallId, NurseStep)>,
    /// Calls to a provider's host that may turn out not to be there, by when that is to be asked.
    tries: BTreeSet<(Instant, CallId, SessionId)>,
    /// Agents of whose phones more are to ring, by when.
    shares: BTreeSet<(Instant, CallId)>,
    nurse_talks: Option<Range<Duration>>,
    recorder: Option<RecorderLink>,
    health: Health,
    admission: Admission,
    /// What stood in the way of more calls when the last budget was given.
    full: Full,
    /// Calls over the budget so far.
    not_admitted: overload::NotAdmitted,
    /// Calls while none were taken any more.
    drained: overload::NotAdmitted,
    journal: Option<Journal>,
    registrar: Registrar,
    names: Names,
    own: Own,
    refusals: Refusals,
    /// Recordings that were over before the recorder had answered.
    closing: BTreeMap<SessionId, Closing>,
    next_call: u64,
    next_sweep: Instant,
}

impl Exchange {
    /// An exchange without calls.
    pub(crate) fn new(parts: Parts) -> Self {
        let mut exchange = Self {
            health: Health::default(),
            admission: Admission::new(parts.scenario.overload, Instant::now()),
            full: Full::Rate,
            not_admitted: overload::NotAdmitted::default(),
            drained: overload::NotAdmitted::default(),
            trusted: TrustedPeers::new(parts.scenario.listen.trusted.clone()),
            switch: Switch::new(Arc::clone(&parts.scenario)),
            scenario: parts.scenario,
            mark: format!("{:016x}", rand::random::<u64>()),
            clock: parts.clock,
            library: parts.library,
            media: parts.media,
            observer: parts.observer,
            homes: parts.homes,
            rng: Pcg64::seed_from_u64(parts.seed),
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            nurses: BTreeSet::new(),
            tries: BTreeSet::new(),
            shares: BTreeSet::new(),
            nurse_talks: parts.nurse_talks,
            recorder: parts.recorder,
            journal: parts.journal,
            registrar: parts.registrar,
            names: parts.names,
            own: parts.own,
            refusals: Refusals::default(),
            closing: BTreeMap::new(),
            next_call: 1,
            next_sweep: Instant::now() + SWEEP_INTERVAL,
        };
        exchange.watch_providers();
        exchange
    }

    /// Takes one SIP event and does what follows from it.
    pub(crate) fn on_sip(&mut self, sip: &mut SipDriver, event: Event) {
        match event {
            Event::Incoming {
                session,
                request,
                flow,
                replaces: None,
                ..
            } => self.incoming(sip, session, &request, flow),
            Event::Incoming {
                session,
                request,
                flow,
                replaces: Some(replaced),
                ..
            } => self.replaces(sip, session, &request, replaced, flow),
            Event::Request { id, request, flow } => self.asked(sip, id, &request, flow),
            Event::Confirmed { session, body } | Event::ProgressConfirmed { session, body } => {
                self.confirmed(sip, session, body.as_ref())
            }
            Event::ChangeConfirmed { session } => self.change_through(sip, session),
            Event::ChangeOvertaken { session } => self.change_overtaken(sip, session),
            Event::Progress {
                session,
                status,
                body,
                ..
            } => self.far_progress(sip, session, status, body),
            Event::Answered { session, response } => self.answered(sip, session, &response),
            Event::Rejected {
                session,
                status,
                from_peer,
                ..
            } => self.rejected(sip, session, status, from_peer),
            Event::ChangeRequested { session, body } => self.change_requested(sip, session, body),
            Event::Changed { session, result } => self.changed(sip, session, result),
            Event::RefreshDue { session } => self.refresh_due(sip, session),
            Event::Referred { session, to, by } => self.referred(sip, session, &to, by),
            Event::ReferAnswered { session, result } => self.refer_answered(session, result),
            Event::ReferProgress {
                session,
                status,
                over,
            } => self.refer_progress(session, status, over),
            Event::InSession { session, request } => self.told(sip, session, &request),
            Event::Ended { session, why } => self.ended(sip, session, why),
            Event::Pong { ping, answer } => self.pong(sip, ping, answer),
        }
        self.settle(sip);
    }

    /// Takes what a media task reports.
    pub(crate) fn on_media(&mut self, sip: &mut SipDriver, event: MediaEvent) {
        match event {
            MediaEvent::PlayedToEnd(call, clip) => self.played(call, clip),
            MediaEvent::Key(call, digit) => self.key(call, KeyWay::Rtp, digit),
            MediaEvent::ForkRefused(call, ssrc) => self.audio_refused(sip, call, ssrc),
            MediaEvent::Silent(call, side) => self.silent(sip, call, side),
        }
        self.settle(sip);
    }

    /// When [`Exchange::on_time`] must be called next.
    pub(crate) fn wake(&self) -> Instant {
        let switch = self
            .switch
            .wake()
            .map(|wake| self.clock.instant_of(wake.at));
        let nurse = self.nurses.first().map(|(at, ..)| *at);
        let silent = self.tries.first().map(|(at, ..)| *at);
        let recorder = self.recorder.as_ref().map(RecorderLink::next_ping);
        let share = self.shares.first().map(|(at, _)| *at);
        let others = [self.health.next(), self.registrar.wake(), silent, share];
        [switch, nurse, recorder]
            .into_iter()
            .chain(others)
            .flatten()
            .fold(self.next_sweep, Instant::min)
    }

    /// Does what is due.
    pub(crate) fn on_time(&mut self, sip: &mut SipDriver) {
        let now = Instant::now();
        while self.nurses.first().is_some_and(|(at, ..)| *at <= now) {
            if let Some((_, call, step)) = self.nurses.pop_first() {
                self.nurse_does(call, step);
            }
        }
        if self
            .switch
            .wake()
            .is_some_and(|wake| self.clock.instant_of(wake.at) <= now)
        {
            self.input(Input::TimePassed);
        }
        // What was rung in vain so long is let go before the next phone or host has its turn: what that one says would else
        // be taken for the next agent's or provider's word.
        self.carry_out_all(sip);
        self.give_up_silent(sip, now);
        self.carry_out_all(sip);
        self.ring_more(sip, now);
        self.ping_recorder(sip, now);
        self.ping_providers(sip, now);
        self.expire_registrations(now);
        if self.next_sweep <= now {
            self.next_sweep = now + SWEEP_INTERVAL;
            self.sweep_transfers(sip, now);
            let stale: Vec<CallId> = self
                .calls
                .iter()
                .filter(|(_, call)| !call.is_promised() && now - call.begun > CALL_LENGTH_MAX)
                .map(|(id, _)| *id)
                .collect();
            stale
                .into_iter()
                .for_each(|call| self.input(Input::CallLost(call)));
        }
        self.settle(sip);
    }

    /// Ends every call: BYE to all, recordings closed.
    pub(crate) fn end_all(&mut self, sip: &mut SipDriver) {
        if !self.switch.leaves_callbacks() {
            self.lose_promises();
        }
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        calls
            .into_iter()
            .for_each(|call| self.input(Input::FarEndGone(call)));
        if self.switch.leaves_callbacks() {
            self.leave_promises(sip);
        }
        let kept = self.promises();
        let rest: Vec<CallId> = self.switch.calls().map(|view| view.call).collect();
        rest.into_iter()
            .filter(|call| !kept.contains(call))
            .for_each(|call| self.input(Input::CallLost(call)));
        self.settle(sip);
    }

    /// Shows the state of the moment to whoever watches.
    pub(crate) fn publish(&mut self, sip: &mut SipDriver) {
        if let Some(journal) = &mut self.journal {
            journal.flush();
        }
        self.count_refusals(sip.refusals());
        self.observer
            .publish(&self.switch, self.clock.now(), sip.endpoint().counters());
    }

    /// Counts what the recorder has said nothing of to the end.
    pub(crate) fn give_up_recordings(&mut self, sip: &mut SipDriver) {
        self.give_up_closing(sip, None);
    }

    /// Closes the journal in good order.
    pub(crate) fn close_journal(&mut self) {
        if let Some(journal) = self.journal.take() {
            journal.close();
        }
    }

    /// The rule set that a call came under: its ids mean nothing in another.
    fn scenario_of(&self, id: CallId) -> &Arc<Scenario> {
        self.switch.scenario_of(id).unwrap_or(&self.scenario)
    }

    fn input(&mut self, input: Input) {
        let now = self.clock.now();
        if let Input::AgentFailed(call, why) = &input {
            let agent = self.calls.get(call).and_then(|call| call.far.agent());
            let agent = agent.map(|agent| agent.0);
            tracing::info!(
                call = call.0,
                agent,
                ?why,
                "a nurse's phone doesn't take the call"
            );
        }
        if let Some(journal) = &mut self.journal {
            let caller = match &input {
                Input::Offered { call, .. } | Input::CallbackKept(call, _) => self.calls.get(call),
                _ => None,
            };
            journal.input(now, &input, caller.and_then(|call| call.number.as_ref()));
        }
        self.switch.handle(now, input);
    }

    /// Carries out everything the call machine asks for, and sends what came of it.
    fn settle(&mut self, sip: &mut SipDriver) {
        self.carry_out_all(sip);
        sip.flush();
    }

    /// Carries out everything the call machine asks for, and what it asks for because of that.
    fn carry_out_all(&mut self, sip: &mut SipDriver) {
        while let Some(output) = self.switch.poll_output() {
            if let Some(journal) = &mut self.journal {
                journal.output(&output);
            }
            self.carry_out(sip, output);
        }
    }

    fn carry_out(&mut self, sip: &mut SipDriver, output: Output) {
        match output {
            Output::Answer(call) => self.answer_caller(sip, call),
            Output::Announce(call, announcement) => self.announce(sip, call, announcement),
            Output::Speak(call, spoken) => self.speak(call, spoken),
            Output::Music(call, announcement) => self.music(call, announcement),
            Output::RingAgent(call, agent) => self.ring_agent(sip, call, agent),
            Output::StopRinging(call, agent) => {
                // Not where the caller is gone, who ends the ringing of every phone.
                if self.switch.scenario_of(call).is_some() {
                    let (call, agent) = (call.0, agent.0);
                    tracing::info!(call, agent, "a nurse's phone rang in vain");
                }
                self.stop_far(sip, call);
            }
            Output::StopTrying(call) => self.stop_far(sip, call),
            Output::Promise(call) => self.promise(sip, call),
            Output::CallBack(call) => self.call_back(sip, call),
            Output::StopCallingBack(call) => self.stop_calling_back(sip, call),
            Output::Bridge(call) => self.bridge(sip, call),
            Output::HandOver(external) => self.hand_over(sip, external),
            Output::StartRecording(call, permit) => {
                if let Some(tag) = permit.into_tag(&self.switch) {
                    self.start_recording(sip, call, tag);
                }
            }
            Output::StopRecording(call) => self.stop_recording(sip, call),
            Output::HangUp(call, outcome) => self.hang_up(sip, call, outcome),
            Output::Fact(fact) => self.observer.observe(&self.switch, &fact),
        }
    }

    fn rejected(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        status: StatusCode,
        from_peer: bool,
    ) {
        match self.legs.remove(&session) {
            Some(Leg::Transfer(call)) => self.transfer_failed(sip, call, status),
            Some(Leg::Closing(_)) => {
                self.closing_failed(session, Why::of_rejected(status, from_peer));
            }
            Some(Leg::Far(call)) => self.far_failed(sip, call, status, from_peer),
            Some(Leg::Phone(call)) => self.phone_failed(sip, call, session, status, from_peer),
            Some(Leg::Recording(call)) => {
                self.recording_ended(call, Why::of_rejected(status, from_peer));
            }
            Some(Leg::Caller(call)) => self.caller_not_reached(call, status, from_peer),
            None => {}
        }
    }

    fn ended(&mut self, sip: &mut SipDriver, session: SessionId, why: Ending) {
        let Some(leg) = self.legs.remove(&session) else {
            return;
        };
        match (leg, why) {
            (Leg::Closing(_), _) => self.closing_failed(session, Why::of_ending(why)),
            (_, Ending::Ours) => {}
            (Leg::Caller(call), Ending::Bye) if self.was_sent_on(call) => {
                self.caller_over(call);
                self.input(Input::ProviderAnswered(call));
            }
            (Leg::Far(call), Ending::NoAck | Ending::Lost) => self.far_gone(sip, session, call),
            (Leg::Far(call), _) if self.transferor_left(session, call) => {}
            (Leg::Transfer(_), _) => {}
            (Leg::Phone(call), _) => {
                self.phone_failed(sip, call, session, StatusCode::SERVICE_UNAVAILABLE, false);
            }
            (Leg::Caller(call), Ending::NoAck | Ending::Lost) => {
                self.caller_over(call);
                self.input(Input::Vanished(call));
            }
            (Leg::Caller(call), Ending::Bye | Ending::Cancelled) => {
                self.caller_over(call);
                self.input(Input::CallerGone(call));
            }
            (Leg::Far(call), _) => {
                self.far_over(call);
                self.input(Input::FarEndGone(call));
            }
            (Leg::Recording(call), _) => self.recording_ended(call, Why::of_ending(why)),
        }
    }
}

/// A SIP URI of this switch for headers that need one.
pub(crate) fn own_uri(user: &str, here: &str) -> String {
    ["<sip:", user, "@", here, ">"].concat()
}
