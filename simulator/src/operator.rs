//! One switch in virtual time: the event list and the switch's own wake-ups take turns, whichever is earlier.
//!
//! Checkers sit in the loop and not in the tests, so that every run of every scenario is checked: each call ends once,
//! none is lost, none that went to a provider is recorded here, and the switch finds no input that doesn't fit.

use std::sync::Arc;

use callcore::{
    route::Destination,
    scenario::{AgentId, Contact, QueueId, Scenario},
    switch::{CallId, Fact, FactKind, Input, OUTCOMES, Outcome, Output, Switch},
    time::{Span, Time},
};
use rand::RngExt;
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;

use crate::{
    callers::{Caller, Draws},
    digest::FactDigest,
    error::RunError,
    event::{Event, EventList, Happens, Ticket},
    hours::Hours,
    plan::{PROVIDER_RING, Plan},
    random::{Purpose, stream},
    records::{Record, Records},
    staff::Staff,
    tally::Books,
};

/// One switch and the world around it, for some of its queues.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) switch: Switch,
    pub(crate) books: Books,
    pub(crate) digest: FactDigest,
    pub(crate) hours: Arc<Hours>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) seed: u64,
    now: Time,
    events: EventList,
    records: Records,
    staff: Option<Staff>,
    redials: Redials,
    /// Mean patience by queue, in microseconds.
    patience: Vec<f64>,
    /// For each provider whether it is run beside.
    passes_on: Vec<bool>,
    /// Callers that such a provider took over, in order of time.
    pub(crate) handed: Vec<Caller>,
    pub(crate) counts_from: Time,
    pub(crate) end: Time,
    error: Option<RunError>,
}

/// Those who gave up and will call again.
#[derive(Debug)]
struct Redials {
    rng: Pcg64,
    draws: Draws,
    waiting: Vec<Caller>,
    free: Vec<u32>,
}

impl Operator {
    pub(crate) fn new(
        scenario: Arc<Scenario>,
        plan: Arc<Plan>,
        hours: Arc<Hours>,
        seed: u64,
        place: &str,
        queues: &[QueueId],
    ) -> Self {
        let (counts_from, end) = plan.window();
        let begins = plan.begins();
        let settings = &scenario.simulation;
        let staff = Staff::new(&scenario, settings, queues, seed, begins);
        let mut events = EventList::default();
        if staff.is_some() {
            events.put(begins, Happens::ShiftChanges, 0);
        }
        Self {
            switch: switch_of(&scenario, begins),
            books: Books::new(
                scenario.queues.len(),
                scenario.routes.routes().len(),
                scenario.providers.len(),
            ),
            digest: FactDigest::default(),
            now: Time::from_micros(i64::MIN),
            events,
            records: Records::default(),
            staff,
            redials: Redials {
                rng: stream(seed, Purpose::Redial, place),
                draws: Draws::new(&plan),
                waiting: Vec::new(),
                free: Vec::new(),
            },
            patience: scenario
                .queues
                .iter()
                .map(|queue| queue.patience_mean.as_micros() as f64)
                .collect(),
            passes_on: vec![false; scenario.providers.len()],
            handed: Vec::new(),
            counts_from,
            end,
            error: None,
            scenario,
            plan,
            hours,
            seed,
        }
    }

    /// Hands on the callers of these providers.
    pub(crate) fn pass_on(&mut self, provider: usize) {
        self.passes_on[provider] = true;
    }

    /// Lets everything happen that is due before a moment.
    pub(crate) fn advance(&mut self, until: Time) {
        loop {
            let wake = self.switch.wake_at();
            let event = self.events.next_at();
            match (wake, event) {
                // The switch before the world.
                (Some(wake), event) if event.is_none_or(|event| wake <= event) => {
                    if wake >= until {
                        return;
                    }
                    self.tell(wake, Input::TimePassed);
                }
                (_, Some(event)) => {
                    if event >= until {
                        return;
                    }
                    self.event();
                }
                _ => return,
            }
            self.carry_out();
        }
    }

    /// Lets a call come in.
    pub(crate) fn offer(&mut self, caller: &Caller) {
        let counts = caller.at >= self.counts_from;
        self.books.offered += u64::from(counts);
        let origin = caller.origin;
        let call = self.records.open(*caller, counts);
        let reachable = true;
        self.tell(
            caller.at,
            Input::Offered {
                call,
                origin,
                reachable,
            },
        );
        self.carry_out();
    }

    fn tell(&mut self, now: Time, input: Input) {
        debug_assert!(self.now <= now, "time goes forward");
        self.now = now;
        self.switch.handle(now, input);
    }

    fn event(&mut self) {
        let Some(event) = self.events.take() else {
            return;
        };
        match event.what {
            Happens::CallsAgain => self.calls_again(event),
            Happens::ShiftChanges => self.shift_changes(event.at),
            _ => {
                if let Some(input) = self.input_of(event) {
                    self.tell(event.at, input);
                }
            }
        }
    }

    /// What an event means to the switch; `None` for one that was overtaken.
    fn input_of(&mut self, event: Event) -> Option<Input> {
        let call = self.records.named(event.subject);
        let record = self.records.get(call)?;
        let awaited = match event.what {
            Happens::AnnouncementEnds => &mut record.playing,
            Happens::FarEndAnswers => &mut record.ringing,
            _ => &mut record.leaving,
        };
        awaited.take_if(|ticket| *ticket == event.ticket)?;
        Some(match (event.what, record.place) {
            (Happens::AnnouncementEnds, _) => Input::AnnouncementDone(call),
            (Happens::FarEndAnswers, Some(Destination::Queue(_))) => Input::AgentAnswered(call),
            (Happens::FarEndAnswers, _) => Input::ProviderAnswered(call),
            _ => Input::CallerGone(call),
        })
    }

    fn calls_again(&mut self, event: Event) {
        let caller = Caller {
            at: event.at,
            ..self.redials.waiting[event.subject as usize]
        };
        self.redials.free.push(event.subject);
        self.books.redialled += u64::from(event.at >= self.counts_from);
        self.offer(&caller);
    }

    fn shift_changes(&mut self, now: Time) {
        self.count_staff(now);
        let Some(staff) = &mut self.staff else { return };
        for input in staff.change(&self.scenario.simulation, now) {
            self.tell(now, input);
            self.carry_out();
        }
        let next = Staff::next_change(now);
        if next < self.end {
            self.events.put(next, Happens::ShiftChanges, 0);
        }
    }

    fn count_staff(&mut self, now: Time) {
        let Some(staff) = &self.staff else { return };
        if now > self.counts_from {
            for (queue, staffed_s) in staff.staffed(now) {
                self.books.queues[queue.index()].tally.staffed_s += staffed_s;
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Fact(fact) => self.fact(&fact),
                Output::Announce(call, announcement) => {
                    let until = self.now + self.plan.announcement(announcement);
                    let ticket = self.put(until, Happens::AnnouncementEnds, call);
                    self.with(call, |record| record.playing = Some(ticket));
                }
                Output::Music(call, _) | Output::Bridge(call) => {
                    self.with(call, |record| record.playing = None);
                }
                Output::RingAgent(call, _) => self.ring_agent(call),
                Output::HandOver(external) => {
                    let answers = self.now + PROVIDER_RING;
                    let ticket = self.put(answers, Happens::FarEndAnswers, external.call);
                    self.with(external.call, |record| record.ringing = Some(ticket));
                }
                Output::StopRinging(call, _) | Output::StopTrying(call) => {
                    self.with(call, |record| record.ringing = None);
                }
                Output::StartRecording(call, permit) => {
                    self.start_recording(call, permit.queue());
                }
                Output::HangUp(call, outcome) => self.hang_up(call, outcome),
                Output::Answer(_)
                | Output::StopRecording(_)
                | Output::Promise(_)
                | Output::CallBack(_)
                | Output::StopCallingBack(_) => {}
            }
        }
    }

    fn put(&mut self, at: Time, what: Happens, call: CallId) -> Ticket {
        self.events.put(at, what, call.0 as u32)
    }

    fn with(&mut self, call: CallId, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.records.get(call) {
            change(record);
        }
    }

    fn ring_agent(&mut self, call: CallId) {
        let now = self.now;
        let Some(record) = self.records.get(call) else {
            return;
        };
        record.rung = Some(now);
        record.joined.get_or_insert(now);
        let answers = now + record.caller.ring;
        record.ringing = Some(
            self.events
                .put(answers, Happens::FarEndAnswers, call.0 as u32),
        );
    }

    fn start_recording(&mut self, call: CallId, queue: QueueId) {
        let (now, seed) = (self.now, self.seed);
        if let Some(record) = self.records.get(call) {
            if record.decided_out {
                self.error = Some(RunError::RecordedForProvider { seed, call });
            }
            record.recorded = Some((queue, now));
            self.books.recorded += u64::from(record.counts);
        }
        self.tell(now, Input::RecordingStarted(call));
    }

    fn fact(&mut self, fact: &Fact) {
        self.digest.add(fact);
        let (now, call) = (fact.at, fact.call);
        match &fact.what {
            FactKind::Routed { decision, .. } => {
                let (route, to) = (decision.route.index(), decision.to);
                if let Some(record) = self.records.get(call) {
                    record.place = Some(to);
                    record.decided_out = matches!(to, Destination::External(_));
                    self.books.routes[route] += u64::from(record.counts);
                }
            }
            FactKind::Diverted(to) => {
                if let Some(record) = self.records.get(call) {
                    record.place = Some(*to);
                    self.books.diverted += u64::from(record.counts);
                }
            }
            FactKind::Queued(queue) => self.queued(now, call, *queue),
            FactKind::Connected { .. } => {
                self.with(call, |record| record.answered = Some(now));
                self.talk(now, call);
            }
            FactKind::TakenOver(external) => {
                let provider = external.provider.index();
                self.taken_over(now, call, provider);
            }
            _ => {}
        }
    }

    fn queued(&mut self, now: Time, call: CallId, queue: QueueId) {
        let mean = self.patience[queue.index()];
        let Some(record) = self.records.get(call) else {
            return;
        };
        record.waited = true;
        record.joined.get_or_insert(now);
        let patience = Span::from_micros((f64::from(record.caller.patience) * mean) as i64);
        let gone = self
            .events
            .put(now + patience, Happens::PatienceEnds, call.0 as u32);
        record.leaving = Some(gone);
    }

    fn talk(&mut self, now: Time, call: CallId) {
        if let Some(record) = self.records.get(call) {
            let until = now + record.caller.talk;
            record.leaving = Some(self.events.put(until, Happens::TalkEnds, call.0 as u32));
        }
    }

    fn taken_over(&mut self, now: Time, call: CallId, provider: usize) {
        if let Some(record) = self.records.get(call) {
            record.taken_over = true;
            self.books.providers[provider] += u64::from(record.counts);
            if self.passes_on[provider] {
                self.handed.push(Caller {
                    at: now,
                    ..record.caller
                });
            }
        }
        // What the caller does there is no longer seen here: the end of the call is all that comes back.
        self.talk(now, call);
    }

    fn hang_up(&mut self, call: CallId, outcome: Outcome) {
        let Some(record) = self.records.close(call) else {
            let seed = self.seed;
            self.error = Some(RunError::EndedTwice { seed, call });
            return;
        };
        let now = self.now;
        let gave_up = matches!(outcome, Outcome::Abandoned | Outcome::TurnedAway);
        if gave_up && self.plan.settings.redial_share > 0.0 {
            self.may_call_again(now, &record);
        }
        self.enter(now, &record, outcome);
    }

    fn may_call_again(&mut self, now: Time, record: &Record) {
        let settings = &self.plan.settings;
        let redials = &mut self.redials;
        if redials.rng.random::<f64>() >= settings.redial_share {
            return;
        }
        let multiple: f64 = Exp1.sample(&mut redials.rng);
        let after = multiple * settings.redial_after.as_micros() as f64;
        let at = now + Span::from_micros(after as i64);
        if at >= self.end {
            return;
        }
        let caller = Caller {
            patience: redials.draws.patience(&mut redials.rng) as f32,
            ..record.caller
        };
        let subject = match redials.free.pop() {
            Some(subject) => {
                redials.waiting[subject as usize] = caller;
                subject
            }
            None => {
                redials.waiting.push(caller);
                redials.waiting.len() as u32 - 1
            }
        };
        self.events.put(at, Happens::CallsAgain, subject);
    }

    /// Runs to the end of the last call and closes the books.
    pub(crate) fn finish(&mut self) -> Result<(), RunError> {
        self.advance(Time::from_micros(i64::MAX));
        self.count_staff(self.end);
        self.check()?;
        let seed = self.seed;
        if !self.records.are_closed() || self.switch.calls_in_progress() > 0 {
            return Err(RunError::NeverEnded {
                seed,
                count: self.switch.calls_in_progress(),
            });
        }
        Ok(())
    }

    /// What must hold at any moment.
    pub(crate) fn check(&mut self) -> Result<(), RunError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let (seed, counts) = (self.seed, self.switch.counts());
        let count = counts.stray_inputs;
        if count > 0 {
            return Err(RunError::StrayInputs { seed, count });
        }
        let ended: u64 = OUTCOMES.iter().map(|&how| counts.ended_as(how)).sum();
        let in_progress = self.records.in_progress();
        if counts.offered != ended + in_progress as u64
            || in_progress != self.switch.calls_in_progress()
        {
            return Err(RunError::NeverEnded {
                seed,
                count: in_progress,
            });
        }
        self.check_queues()
    }

    /// Queues conserve callers, and each agent is in one place.
    fn check_queues(&self) -> Result<(), RunError> {
        let views = self.switch.queue_views();
        let waiting: usize = views.iter().map(|view| view.waiting + view.ringing).sum();
        for view in &views {
            let places = view.ready + view.ringing + view.talking + view.wrap_up + view.away;
            let agents = self.scenario.agents_of(view.queue).count();
            if places != agents || waiting > self.switch.calls_in_progress() {
                return Err(RunError::Unbalanced {
                    seed: self.seed,
                    queue: self.scenario.queue(view.queue).name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// A switch whose nurses are all there: a simulated phone has registered before the day begins.
fn switch_of(scenario: &Arc<Scenario>, begins: Time) -> Switch {
    let mut switch = Switch::new(Arc::clone(scenario));
    for (id, agent) in (0..).map(AgentId).zip(&scenario.agents) {
        if matches!(agent.contact, Contact::Registers(_)) {
            switch.handle(begins, Input::AgentReady(id));
        }
    }
    switch
}
