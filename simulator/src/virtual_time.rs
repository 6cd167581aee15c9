//! The run: the event list and the switch's own wake-ups take turns, whichever is earlier.
//!
//! Checkers sit in the loop and not in the tests, so that every run of every scenario is checked: each call ends once,
//! none is lost, none that went to a provider is recorded here, and the switch finds no input that doesn't fit.

use std::sync::Arc;

use callcore::{
    origin::Origin,
    route::Destination,
    scenario::Scenario,
    switch::{CallId, Fact, FactKind, Input, Outcome, Output, RecordingPermit, Switch},
    time::{Span, Time},
};
use rand::RngExt;
use rand_pcg::Pcg64;

use crate::{
    digest::FactDigest,
    error::RunError,
    event::{Event, EventList, Ticket},
    ledger::{Ledger, Record, Records},
    plan::{PROVIDER_RING, Plan},
    random::{Purpose, stream},
    summary::Summary,
    traffic::{Arrival, Arrivals},
};

/// Runs a plan to the end of its last call.
///
/// # Errors
/// When a checker finds the switch's books out of balance.
pub fn simulate(scenario: Arc<Scenario>, plan: &Plan) -> Result<Summary, RunError> {
    simulate_with_progress(scenario, plan, |_| {})
}

/// The same, and tells `progress` the moment of each call that comes in.
///
/// # Errors
/// When a checker finds the switch's books out of balance.
pub fn simulate_with_progress(
    scenario: Arc<Scenario>,
    plan: &Plan,
    mut progress: impl FnMut(Time),
) -> Result<Summary, RunError> {
    let mut run = Run::new(scenario, plan);
    let mut arrivals = Arrivals::new(plan).peekable();
    while let Some(turn) = run.next_turn(arrivals.peek()) {
        match turn {
            Turn::Wake(now) => run.tell(now, Input::TimePassed),
            Turn::Event => run.event()?,
            Turn::Arrival => {
                let Some(arrival) = arrivals.next() else {
                    break;
                };
                progress(arrival.at);
                run.arrival(&arrival);
            }
        }
        run.carry_out()?;
    }
    run.finish()
}

/// Whose turn it is.
enum Turn {
    Wake(Time),
    Event,
    Arrival,
}

struct Run<'a> {
    scenario: Arc<Scenario>,
    plan: &'a Plan,
    switch: Switch,
    now: Time,
    events: EventList,
    records: Records,
    ledger: Ledger,
    digest: FactDigest,
    ring: Pcg64,
}

impl<'a> Run<'a> {
    fn new(scenario: Arc<Scenario>, plan: &'a Plan) -> Self {
        Self {
            switch: Switch::new(Arc::clone(&scenario)),
            plan,
            now: Time::from_micros(i64::MIN),
            events: EventList::default(),
            records: Records::default(),
            ledger: Ledger::new(&scenario, plan),
            digest: FactDigest::default(),
            ring: stream(plan.seed, Purpose::Ring),
            scenario,
        }
    }

    /// The earliest of the three; the switch before the world, and the world before new calls.
    fn next_turn(&self, arrival: Option<&Arrival>) -> Option<Turn> {
        let wake = self
            .switch
            .wake()
            .map(|wake| (wake.at, Turn::Wake(wake.at)));
        let event = self.events.next_at().map(|at| (at, Turn::Event));
        let arrival = arrival.map(|arrival| (arrival.at, Turn::Arrival));
        [wake, event, arrival]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
            .map(|(_, turn)| turn)
    }

    fn tell(&mut self, now: Time, input: Input) {
        debug_assert!(self.now <= now, "time goes forward");
        self.now = now;
        self.switch.handle(now, input);
    }

    fn arrival(&mut self, arrival: &Arrival) {
        let call = self.records.open(arrival);
        self.ledger.offered();
        self.tell(
            arrival.at,
            Input::Offered {
                call,
                origin: Origin::Known(arrival.kommun),
            },
        );
    }

    fn event(&mut self) -> Result<(), RunError> {
        let Some((now, ticket, event)) = self.events.take() else {
            return Ok(());
        };
        if let Some(input) = self.input_of(ticket, event) {
            self.tell(now, input);
        }
        Ok(())
    }

    /// What an event means to the switch; `None` for one that was overtaken.
    fn input_of(&mut self, ticket: Ticket, event: Event) -> Option<Input> {
        match event {
            Event::AnnouncementEnds(call) => {
                let record = self.records.get(call)?;
                record.playing.take_if(|playing| *playing == ticket)?;
                Some(Input::AnnouncementDone(call))
            }
            Event::FarEndAnswers(call) => {
                let record = self.records.get(call)?;
                record.ringing.take_if(|ringing| *ringing == ticket)?;
                Some(match record.place? {
                    Destination::Queue(_) => Input::AgentAnswered(call),
                    Destination::External(_) => Input::ProviderAnswered(call),
                })
            }
            Event::PatienceEnds(call) => {
                let record = self.records.get(call)?;
                record.answered.is_none().then_some(Input::CallerGone(call))
            }
            Event::TalkEnds(call) => self.records.get(call).map(|_| Input::CallerGone(call)),
        }
    }

    fn carry_out(&mut self) -> Result<(), RunError> {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Fact(fact) => self.fact(&fact),
                Output::Announce(call, announcement) => {
                    let until = self.now + self.plan.announcement(announcement);
                    let ticket = self.events.put(until, Event::AnnouncementEnds(call));
                    self.with(call, |record| record.playing = Some(ticket));
                }
                Output::Music(call, _) | Output::Bridge(call) => {
                    self.with(call, |record| record.playing = None)
                }
                Output::RingAgent(call, _) => self.ring_agent(call),
                Output::HandOver(external) => self.ring(external.call, PROVIDER_RING),
                Output::StopRinging(call, _) | Output::StopTrying(call) => {
                    self.with(call, |record| record.ringing = None);
                }
                Output::StartRecording(call, permit) => self.start_recording(call, *permit),
                Output::HangUp(call, outcome) => self.hang_up(call, outcome)?,
                Output::Answer(_) | Output::StopRecording(_) => {}
            }
        }
        Ok(())
    }

    fn ring_agent(&mut self, call: CallId) {
        let (shortest, longest) = self.plan.ring;
        let micros = shortest.as_micros()..=longest.max(shortest).as_micros();
        let rings = Span::from_micros(self.ring.random_range(micros));
        self.ring(call, rings);
        let now = self.now;
        self.with(call, |record| {
            record.rung = Some(now);
            record.joined.get_or_insert(now);
        });
    }

    fn ring(&mut self, call: CallId, rings: Span) {
        let ticket = self
            .events
            .put(self.now + rings, Event::FarEndAnswers(call));
        self.with(call, |record| record.ringing = Some(ticket));
    }

    fn start_recording(&mut self, call: CallId, permit: RecordingPermit) {
        let decision = self.records.get(call).and_then(|record| record.decision);
        match decision.map(|decision| decision.to) {
            Some(Destination::Queue(_)) => self.ledger.recorded(permit.into_tag().controller),
            _ => self.ledger.recorded_for_provider(call),
        }
        self.tell(self.now, Input::RecordingStarted(call));
    }

    fn hang_up(&mut self, call: CallId, outcome: Outcome) -> Result<(), RunError> {
        let Some(record) = self.records.close(call) else {
            return Err(RunError::EndedTwice {
                seed: self.plan.seed,
                call,
            });
        };
        self.ledger
            .ended(self.now, &record, outcome, &self.scenario);
        Ok(())
    }

    fn fact(&mut self, fact: &Fact) {
        self.digest.add(fact);
        let now = fact.at;
        let call = fact.call;
        match &fact.what {
            FactKind::Routed { decision, .. } => {
                self.ledger.routed(decision);
                self.with(call, |record| {
                    record.decision = Some(*decision);
                    record.place = Some(decision.to);
                });
            }
            FactKind::Diverted(to) => {
                let from = self
                    .records
                    .get(call)
                    .and_then(|record| record.place.replace(*to));
                self.ledger.diverted(from, *to);
            }
            FactKind::Queued(queue) => {
                let mean_s = self.scenario.queue(*queue).patience_mean.as_secs_f64();
                self.queued(call, mean_s);
            }
            FactKind::Connected { .. } => {
                self.with(call, |record| record.answered = Some(now));
                self.talk(call);
            }
            FactKind::TakenOver(external) => {
                self.ledger.taken_over(external.provider.index());
                self.with(call, |record| record.taken_over = true);
                self.talk(call);
            }
            _ => {}
        }
    }

    fn queued(&mut self, call: CallId, patience_mean_s: f64) {
        let now = self.now;
        let Some(record) = self.records.get(call) else {
            return;
        };
        record.waited = true;
        record.joined.get_or_insert(now);
        let patience = Span::from_micros((record.patience * patience_mean_s * 1e6) as i64);
        self.events.put(now + patience, Event::PatienceEnds(call));
    }

    fn talk(&mut self, call: CallId) {
        if let Some(talk) = self.records.get(call).map(|record| record.talk) {
            self.events.put(self.now + talk, Event::TalkEnds(call));
        }
    }

    fn with(&mut self, call: CallId, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.records.get(call) {
            change(record);
        }
    }

    fn finish(self) -> Result<Summary, RunError> {
        let seed = self.plan.seed;
        let ended: u64 = self.switch.counts().ended.iter().sum();
        if !self.records.are_closed() || ended != self.ledger.offered_so_far() {
            return Err(RunError::NeverEnded {
                seed,
                count: self.switch.calls_in_progress(),
            });
        }
        if let Some(call) = self.ledger.first_recorded_for_provider() {
            return Err(RunError::RecordedForProvider { seed, call });
        }
        match self.switch.counts().stray_inputs {
            0 => Ok(self
                .ledger
                .summary(&self.scenario, self.plan, self.digest.finish())),
            count => Err(RunError::StrayInputs { seed, count }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn today() -> Scenario {
        let text = include_str!("../../scenarios/today.toml");
        Scenario::from_toml(text, "today.toml").expect("a shipped scenario")
    }
}
