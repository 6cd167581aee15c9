//! The books of a run: one record for each call in progress, and what is added up from those that are over.

use std::collections::{BTreeMap, VecDeque};

use callcore::{
    route::{Decision, Destination},
    scenario::Scenario,
    switch::{CallId, Outcome},
    time::{Span, Time},
};

use crate::{
    event::Ticket,
    plan::Plan,
    summary::{Calls, SERVICE_GOAL_S, Summary, Tally},
    traffic::{Arrival, window},
};

/// What the run knows of a call in progress.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) talk: Span,
    pub(crate) patience: f64,
    /// What was decided; `None` when no rule took the call.
    pub(crate) decision: Option<Decision>,
    /// Where it is now: as decided, unless a full queue or a failed provider sent it on.
    pub(crate) place: Option<Destination>,
    /// The announcement that plays.
    pub(crate) playing: Option<Ticket>,
    /// The phone that rings.
    pub(crate) ringing: Option<Ticket>,
    /// When it joined the queue: waits, or has an agent rung at once.
    pub(crate) joined: Option<Time>,
    pub(crate) waited: bool,
    /// Since when the agent is busy with it.
    pub(crate) rung: Option<Time>,
    pub(crate) answered: Option<Time>,
    pub(crate) taken_over: bool,
}

/// The records by call. Calls are numbered in the order in which they come in and few are in progress at a time,
/// so that a window over the numbers finds a record without searching.
#[derive(Debug, Default)]
pub(crate) struct Records {
    window: VecDeque<Option<Record>>,
    /// The call of the first place in the window.
    first: u64,
}

impl Records {
    pub(crate) fn open(&mut self, arrival: &Arrival) -> CallId {
        if self.first == 0 {
            self.first = 1;
        }
        let call = CallId(self.first + self.window.len() as u64);
        self.window.push_back(Some(Record {
            talk: arrival.talk,
            patience: arrival.patience,
            decision: None,
            place: None,
            playing: None,
            ringing: None,
            joined: None,
            waited: false,
            rung: None,
            answered: None,
            taken_over: false,
        }));
        call
    }

    pub(crate) fn get(&mut self, call: CallId) -> Option<&mut Record> {
        let place = usize::try_from(call.0.checked_sub(self.first)?).ok()?;
        self.window.get_mut(place)?.as_mut()
    }

    pub(crate) fn close(&mut self, call: CallId) -> Option<Record> {
        let place = usize::try_from(call.0.checked_sub(self.first)?).ok()?;
        let record = self.window.get_mut(place)?.take();
        while let Some(None) = self.window.front() {
            self.window.pop_front();
            self.first += 1;
        }
        record
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.window.is_empty()
    }
}

/// What is added up.
#[derive(Debug)]
pub(crate) struct Ledger {
    calls: Calls,
    queues: Vec<Tally>,
    routes: Vec<u64>,
    providers: Vec<u64>,
    recorded: BTreeMap<Box<str>, u64>,
    recorded_for_provider: Vec<CallId>,
    start: Time,
    end: Time,
}

impl Ledger {
    pub(crate) fn new(scenario: &Scenario, plan: &Plan) -> Self {
        let mut queues = vec![Tally::default(); scenario.queues.len()];
        for agent in &scenario.agents {
            queues[agent.queue.index()].agents += 1;
        }
        let (start, end) = window(plan);
        Self {
            calls: Calls::default(),
            queues,
            routes: vec![0; scenario.routes.routes().len()],
            providers: vec![0; scenario.providers.len()],
            recorded: BTreeMap::new(),
            recorded_for_provider: Vec::new(),
            start,
            end,
        }
    }

    pub(crate) fn routed(&mut self, decision: &Decision) {
        self.routes[decision.route.index()] += 1;
        if let Destination::Queue(queue) = decision.to {
            self.queues[queue.index()].offered += 1;
        }
    }

    /// A call left one place for another; a queue's figures count those it dealt with in the end.
    pub(crate) fn diverted(&mut self, from: Option<Destination>, to: Destination) {
        if let Some(Destination::Queue(queue)) = from {
            self.queues[queue.index()].offered -= 1;
        }
        if let Destination::Queue(queue) = to {
            self.queues[queue.index()].offered += 1;
        }
        self.calls.diverted += 1;
    }

    pub(crate) const fn offered(&mut self) {
        self.calls.offered += 1;
    }

    pub(crate) fn taken_over(&mut self, provider: usize) {
        self.providers[provider] += 1;
    }

    pub(crate) fn recorded(&mut self, controller: Box<str>) {
        *self.recorded.entry(controller).or_default() += 1;
    }

    /// What must never happen: a recording here of a call that was decided to be a provider's.
    pub(crate) fn recorded_for_provider(&mut self, call: CallId) {
        self.recorded_for_provider.push(call);
    }

    pub(crate) fn first_recorded_for_provider(&self) -> Option<CallId> {
        self.recorded_for_provider.first().copied()
    }

    pub(crate) fn offered_so_far(&self) -> u64 {
        self.calls.offered
    }

    /// Enters a call that is over.
    pub(crate) fn ended(
        &mut self,
        now: Time,
        record: &Record,
        outcome: Outcome,
        scenario: &Scenario,
    ) {
        let by_outcome = match outcome {
            _ if record.taken_over => &mut self.calls.external,
            _ if record.answered.is_some() => &mut self.calls.answered,
            Outcome::Abandoned => &mut self.calls.abandoned,
            Outcome::TurnedAway => &mut self.calls.blocked,
            Outcome::Completed
            | Outcome::HandedOver
            | Outcome::ProviderFailed
            | Outcome::OurFault => &mut self.calls.failed,
        };
        *by_outcome += 1;
        if let Some(Destination::Queue(queue)) = record.place {
            let wrap_up = scenario.queue(queue).wrap_up;
            let busy_s = self.busy_s(now, record, wrap_up);
            let tally = &mut self.queues[queue.index()];
            tally.busy_s += busy_s;
            enter(tally, now, record, outcome);
        }
    }

    /// How long an agent was busy with the call, as far as it lies in the plan's days.
    fn busy_s(&self, now: Time, record: &Record, wrap_up: Span) -> f64 {
        let Some(rung) = record.rung else { return 0.0 };
        let until = if record.answered.is_some() {
            now + wrap_up
        } else {
            now
        };
        until
            .min(self.end)
            .since(rung.max(self.start))
            .as_secs_f64()
    }

    pub(crate) fn summary(self, scenario: &Scenario, plan: &Plan, digest: String) -> Summary {
        let span_s = self.end.since(self.start).as_secs_f64();
        let all = self.queues.iter().fold(Tally::default(), Tally::add);
        let mut provider_calls = BTreeMap::new();
        for (provider, count) in scenario.providers.iter().zip(&self.providers) {
            *provider_calls
                .entry(scenario.org(provider.organisation).id.to_string())
                .or_default() += count;
        }
        let mut by_route = BTreeMap::new();
        for (route, count) in scenario.routes.routes().iter().zip(&self.routes) {
            *by_route.entry(route.name.to_string()).or_default() += count;
        }
        let queues = scenario.queues.iter().zip(&self.queues);
        Summary {
            seed: plan.seed,
            start: plan.start.to_string(),
            days: plan.days,
            calls: self.calls,
            service: all.service(span_s),
            by_route,
            queues: queues
                .map(|(queue, tally)| (queue.name.to_string(), tally.figures(span_s)))
                .collect(),
            recorded: self
                .recorded
                .into_iter()
                .map(|(id, count)| (id.into_string(), count))
                .collect(),
            provider_calls,
            recorded_at_switch_for_provider: self.recorded_for_provider.len() as u64,
            digest,
        }
    }
}

fn enter(tally: &mut Tally, now: Time, record: &Record, outcome: Outcome) {
    if let Some(joined) = record.joined {
        tally.joined += 1;
        tally.waited += u64::from(record.waited);
        let wait_s = record.answered.unwrap_or(now).since(joined).as_secs_f64();
        tally.end_wait(wait_s);
        tally.in_time += u64::from(record.answered.is_some() && wait_s <= SERVICE_GOAL_S);
    }
    match outcome {
        _ if record.answered.is_some() => tally.answered += 1,
        Outcome::Abandoned => tally.abandoned += 1,
        Outcome::TurnedAway => tally.blocked += 1,
        _ => {}
    }
}
