//! The world around one switch: callers, phones, providers and nurses, and the books of what became of each call.

use std::sync::Arc;

use callcore::{
    route::Destination,
    scenario::{QueueId, Scenario},
    switch::{CallId, Driver, Fact, FactKind, Input, Outcome, Output},
    time::{Span, Time},
};

use crate::{
    again::Again,
    callers::Caller,
    digest::FactDigest,
    entering::settle,
    error::RunError,
    event::{Event, EventList, Happens, Ticket},
    hours::Hours,
    plan::{PROVIDER_RING, Plan},
    records::{NEVER, Record, Records, happened},
    staff::Staff,
    tally::Books,
};

/// How long place and wait take to say: about what the recorded words take.
const SPEECH: Span = Span::from_secs(5);

/// Everything around the switch.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) books: Books,
    pub(crate) digest: FactDigest,
    pub(crate) hours: Arc<Hours>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) seed: u64,
    pub(crate) now: Time,
    pub(crate) events: EventList,
    pub(crate) records: Records,
    staff: Option<Staff>,
    again: Again,
    /// Mean patience by queue, in microseconds.
    patience: Vec<f64>,
    /// For each provider whether it is run beside.
    passes_on: Vec<bool>,
    /// Callers that such a provider took over, in order of time, each with the provider.
    pub(crate) handed: Vec<(usize, Caller)>,
    /// Whether somebody wants a list of the calls.
    pub(crate) keeps_calls: bool,
    pub(crate) counts_from: Time,
    pub(crate) end: Time,
    pub(crate) error: Option<RunError>,
    /// The call whose recording the switch just asked for: it is told that it has begun.
    pub(crate) recording_begins: Option<CallId>,
}

impl World {
    pub(crate) fn new(
        scenario: Arc<Scenario>,
        plan: Arc<Plan>,
        hours: Arc<Hours>,
        seed: u64,
        queues: &[QueueId],
    ) -> Self {
        let (counts_from, end) = plan.window();
        let begins = plan.begins();
        let staff = Staff::new(&scenario, &scenario.simulation, queues, seed, begins);
        let mut events = EventList::default();
        if staff.is_some() {
            events.put(begins, Happens::ShiftChanges, 0);
        }
        Self {
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
            again: Again::new(&plan, seed),
            patience: scenario
                .queues
                .iter()
                .map(|queue| queue.patience_mean.as_micros() as f64)
                .collect(),
            passes_on: vec![false; scenario.providers.len()],
            handed: Vec::new(),
            keeps_calls: false,
            counts_from,
            end,
            error: None,
            recording_begins: None,
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

    /// What an event means to the switch; `None` for one that was overtaken.
    pub(crate) fn input_of(&mut self, event: Event) -> Option<Input> {
        let call = self.records.named(event.subject);
        let record = self.records.get(call)?;
        let awaited = match event.what {
            Happens::AnnouncementEnds => &mut record.playing,
            Happens::FarEndAnswers | Happens::CallerAnswers => &mut record.ringing,
            _ => &mut record.leaving,
        };
        awaited.take_if(|ticket| *ticket == event.ticket)?;
        Some(match (event.what, record.place) {
            (Happens::AnnouncementEnds, _) => Input::AnnouncementDone(call),
            (Happens::CallerAnswers, _) => Input::CallerAnswered(call),
            (Happens::FarEndAnswers, Some(Destination::Queue(_))) => Input::AgentAnswered(call),
            (Happens::FarEndAnswers, _) => Input::ProviderAnswered(call),
            _ => Input::CallerGone(call),
        })
    }

    pub(crate) fn calls_again(&mut self, event: Event) -> Caller {
        let (caller, gave_up) = self.again.take(event.subject);
        self.books.redialled += u64::from(gave_up && event.at >= self.counts_from);
        Caller {
            at: event.at,
            ..caller
        }
    }

    pub(crate) fn shift_changes(&mut self, now: Time) -> Vec<Input> {
        self.count_staff(now);
        let staff = self.staff.as_mut();
        staff.map_or_else(Vec::new, |staff| {
            staff.change(&self.scenario.simulation, now)
        })
    }

    /// Enters who was there since the last change of shifts.
    pub(crate) fn count_staff(&mut self, now: Time) {
        let Some(staff) = &self.staff else { return };
        if now <= self.counts_from || now > self.end {
            return;
        }
        // Shifts change on quarters of an hour, so that all of it lies in one hour.
        let hour = self.hours.place(staff.since());
        for (queue, staffed_s) in staff.staffed(now) {
            let book = self.books.queue(queue, self.hours.hours.len());
            book.tally.staffed_s += staffed_s;
            book.hours[hour].staffed_s += staffed_s as f32;
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
        // For a caller who was called back, the agent has been kept since that began.
        if !record.called_back {
            record.rung = now;
        }
        record.join(now);
        let answers = now + record.rings(self.seed, self.plan.settings.answer);
        record.ringing = Some(
            self.events
                .put(answers, Happens::FarEndAnswers, call.0 as u32),
        );
    }

    /// The agent was rung for nothing, or kept for a caller who was called back, and that time was not free.
    pub(crate) fn not_answered(&mut self, call: CallId) {
        let now = self.now;
        let Some(record) = self.records.get(call) else {
            return;
        };
        record.ringing = None;
        let (rung, queue) = (record.rung, record.queue());
        let reached = record.called_back && !record.is_promised();
        (record.rung, record.called_back) = (NEVER, false);
        if let (Some(queue), Some(rung)) = (queue, happened(rung)) {
            self.enter_busy(queue, rung, now);
            if reached {
                // Nobody took the call: from now on the caller waits like others.
                self.is_patient(now, call, queue);
            }
        }
    }

    fn start_recording(&mut self, call: CallId, queue: QueueId) {
        let (now, seed) = (self.now, self.seed);
        if let Some(record) = self.records.get(call) {
            if record.decided_out {
                self.error = Some(RunError::RecordedForProvider { seed, call });
            }
            (record.recorded, record.recorded_by) = (now, Some(queue));
            self.books.recorded += u64::from(record.counts);
        }
        self.recording_begins = Some(call);
    }

    #[inline(always)]
    fn fact(&mut self, fact: &Fact) {
        self.digest.add(fact);
        let (now, call) = (fact.at, fact.call);
        match fact.what {
            FactKind::Routed { ref decision, .. } => {
                let (route, to) = (decision.route.index(), decision.to);
                if let Some(record) = self.records.get(call) {
                    record.go(to);
                    record.decided_out = matches!(to, Destination::External(_));
                    self.books.routes[route] += u64::from(record.counts);
                }
            }
            FactKind::Diverted(to) => {
                if let Some(record) = self.records.get(call) {
                    record.go(to);
                    self.books.diverted += u64::from(record.counts);
                }
            }
            FactKind::Queued(queue) => self.queued(now, call, queue),
            FactKind::Callback(step) => self.callback_step(call, step),
            FactKind::Connected { .. } => self.connected(now, call),
            FactKind::TakenOver(external) => {
                let provider = external.provider.index();
                self.taken_over(now, call, provider);
            }
            _ => {}
        }
    }

    fn queued(&mut self, now: Time, call: CallId, queue: QueueId) {
        let Some(record) = self.records.get(call) else {
            return;
        };
        record.waited = true;
        record.join(now);
        // What is left of the patience, for one for whom an agent was rung in vain.
        let since = record.joined;
        self.is_patient(since, call, queue);
    }

    /// The caller's patience begins, or began.
    fn is_patient(&mut self, since: Time, call: CallId, queue: QueueId) {
        let now = self.now;
        let Some(record) = self.records.get(call) else {
            return;
        };
        let mean = self.patience[record.called.unwrap_or(queue).index()];
        let patience = Span::from_micros((f64::from(record.caller.patience) * mean) as i64);
        let until = (since + patience).max(now);
        let gone = self.events.put(until, Happens::PatienceEnds, call.0 as u32);
        record.leaving = Some(gone);
    }

    fn connected(&mut self, now: Time, call: CallId) {
        if let Some(record) = self.records.get(call) {
            // A caller may come back to the queue, and counts once.
            let known = record.is_settled();
            record.answered = now;
            let until = now + record.caller.talk;
            record.leaving = Some(self.events.put(until, Happens::TalkEnds, call.0 as u32));
            let (hours, goal_s) = (&self.hours, self.plan.goal_s);
            if !known {
                settle(&mut self.books, hours, goal_s, now, record, None);
            }
        }
    }

    fn taken_over(&mut self, now: Time, call: CallId, provider: usize) {
        if let Some(record) = self.records.get(call) {
            record.taken_over = true;
            self.books.providers[provider] += u64::from(record.counts);
            if self.passes_on[provider] {
                let caller = Caller {
                    at: now,
                    ..record.caller
                };
                self.handed.push((provider, caller));
            }
            // What the caller does there is no longer seen here: the end of the call is all that comes back.
            let until = now + record.caller.talk;
            record.leaving = Some(self.events.put(until, Happens::TalkEnds, call.0 as u32));
            let (hours, goal_s) = (&self.hours, self.plan.goal_s);
            settle(&mut self.books, hours, goal_s, now, record, None);
        }
    }

    fn hang_up(&mut self, call: CallId, outcome: Outcome) {
        let Some(record) = self.records.close(call) else {
            let seed = self.seed;
            self.error = Some(RunError::EndedTwice { seed, call });
            return;
        };
        // To the switch a promise that nobody is there to keep ends as it does for whoever hangs up.
        let outcome = match outcome {
            Outcome::Abandoned if record.is_promised() => Outcome::Unreached,
            other => other,
        };
        if let Some((at, subject)) = self.again.decide(&self.plan, self.now, &record, outcome) {
            if at < self.end {
                self.events.put(at, Happens::CallsAgain, subject);
            } else {
                self.again.take(subject);
            }
        }
        self.enter(self.now, &record, outcome);
    }
}

impl Driver for World {
    // Inlined so that each place in the switch that says something has only what is to be done then.
    #[inline(always)]
    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Fact(fact) => self.fact(&fact),
            Output::Announce(call, announcement) => {
                let until = self.now + self.plan.announcement(announcement);
                let ticket = self.put(until, Happens::AnnouncementEnds, call);
                self.with(call, |record| record.playing = Some(ticket));
            }
            Output::Speak(call, _) => {
                let ticket = self.put(self.now + SPEECH, Happens::AnnouncementEnds, call);
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
            Output::StopRinging(call, _) => self.not_answered(call),
            Output::StopTrying(call) => self.with(call, |record| record.ringing = None),
            Output::StartRecording(call, permit) => self.start_recording(call, permit.queue()),
            Output::HangUp(call, outcome) => self.hang_up(call, outcome),
            Output::Promise(call) => {
                // Off the line: nothing plays any more, and there is no patience to lose.
                self.with(call, |record| {
                    (record.playing, record.leaving) = (None, None)
                });
            }
            Output::CallBack(call) => self.call_back(call),
            Output::StopCallingBack(call) => self.not_answered(call),
            Output::Answer(_) | Output::StopRecording(_) => {}
        }
    }
}
