//! A run in parts that never meet: each region with the queues and providers its calls can reach.
//!
//! What one region's callers do changes nothing for those of another unless a queue or a provider run beside is common
//! to both. So that much runs apart, in any order and on any number of threads, and adds up to the same.

use std::{sync::Arc, vec};

use callcore::{
    kommun,
    route::{Destination, Who},
    scenario::{QueueId, Scenario},
    time::Time,
};

use crate::{
    callers::{Caller, Callers, Source},
    error::RunError,
    hours::Hours,
    operator::Operator,
    plan::{Plan, PlanError},
};

/// A scenario that is run beside: that of a provider.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Its scenario.
    pub scenario: Scenario,
    /// The providers of the first scenario that it runs.
    providers: Vec<usize>,
}

impl Beside {
    /// The scenario of a provider of another scenario.
    ///
    /// # Errors
    /// When that one has no such provider.
    pub fn new(scenario: Scenario, of: &Scenario) -> Result<Self, PlanError> {
        let operator = &scenario.org(scenario.operator).id;
        let is_its = |organisation| of.org(organisation).id == *operator;
        let providers: Vec<usize> = (0..of.providers.len())
            .filter(|&at| is_its(of.providers[at].organisation))
            .collect();
        if providers.is_empty() {
            return Err(PlanError::NoSuchProvider(operator.clone()));
        }
        Ok(Self {
            scenario,
            providers,
        })
    }
}

/// Sources, and queues of the scenario, that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) sources: Vec<Source>,
    pub(crate) queues: Vec<QueueId>,
    /// Places of the scenarios beside that its calls can reach.
    pub(crate) beside: Vec<usize>,
}

/// The parts of a plan, the one with the most people first: it takes longest.
pub(crate) fn parts(scenario: &Scenario, beside: &[Beside], plan: &Plan) -> Vec<Part> {
    let sources = Source::all(plan);
    let queues = scenario.queues.len();
    let mut sets = Sets::new(sources.len() + queues + beside.len());
    let node = |to: &Destination| match to {
        Destination::Queue(queue) => Some(sources.len() + queue.index()),
        Destination::External(external) => {
            let runs = |beside: &Beside| beside.providers.contains(&external.provider.index());
            let place = beside.iter().position(runs)?;
            Some(sources.len() + queues + place)
        }
    };
    for (at, source) in sources.iter().enumerate() {
        for route in scenario.routes.routes() {
            if !whos(*source).any(|who| route.covers.contains(who)) {
                continue;
            }
            for to in std::iter::once(&route.to).chain(&route.failover) {
                if let Some(other) = node(to) {
                    sets.join(at, other);
                }
            }
        }
    }
    for (at, queue) in scenario.queues.iter().enumerate() {
        for other in queue.overflow.iter().filter_map(node) {
            sets.join(sources.len() + at, other);
        }
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut roots: Vec<usize> = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let root = sets.root(at);
        match roots.iter().position(|&known| known == root) {
            Some(place) => parts[place].sources.push(*source),
            None => {
                roots.push(root);
                parts.push(Part {
                    sources: vec![*source],
                    queues: Vec::new(),
                    beside: Vec::new(),
                });
            }
        }
    }
    for (place, root) in roots.iter().enumerate() {
        let is_in = |sets: &mut Sets, at| sets.root(at) == *root;
        parts[place].queues = (0..queues)
            .filter(|&queue| is_in(&mut sets, sources.len() + queue))
            .map(|queue| scenario.queue_by_place(queue))
            .collect();
        parts[place].beside = (0..beside.len())
            .filter(|&at| is_in(&mut sets, sources.len() + queues + at))
            .collect();
    }
    parts.sort_by_key(|part| std::cmp::Reverse(people(part)));
    parts
}

fn people(part: &Part) -> u32 {
    let of = |source: &Source| match source {
        Source::Region(region) => kommun::region(*region).population,
        Source::Missing | Source::Invalid => 0,
    };
    part.sources.iter().map(of).sum()
}

fn whos(source: Source) -> impl Iterator<Item = Who> {
    Who::everyone().filter(move |who| match (source, who) {
        (Source::Region(region), Who::Kommun(kommun)) => kommun.region() == region,
        (Source::Missing, Who::Unknown) | (Source::Invalid, Who::Invalid) => true,
        _ => false,
    })
}

/// Which nodes are joined, directly or through others.
struct Sets(Vec<usize>);

impl Sets {
    fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

/// One part of one run.
#[derive(Debug)]
pub(crate) struct Shard {
    arrivals: Arrivals,
    pub(crate) operator: Operator,
    pub(crate) beside: Vec<(usize, Operator)>,
    /// The providers that each of `beside` runs.
    runs: Vec<Vec<usize>>,
}

impl Shard {
    pub(crate) fn new(
        scenario: &Scenario,
        beside: &[Beside],
        plan: &Arc<Plan>,
        hours: &Arc<Hours>,
        part: &Part,
        seed: u64,
    ) -> Self {
        // A copy of its own: threads that counted references to a common one would wait for each other.
        let own = Arc::new(scenario.clone());
        let operator = |scenario, queues: &[QueueId]| {
            let (plan, hours) = (Arc::clone(plan), Arc::clone(hours));
            Operator::new(scenario, plan, hours, seed, queues)
        };
        let mut first = operator(own, &part.queues);
        let mut others = Vec::new();
        let mut runs = Vec::new();
        for &at in &part.beside {
            let Beside {
                scenario,
                providers,
            } = &beside[at];
            for &provider in providers {
                first.world_mut().pass_on(provider);
            }
            let queues: Vec<QueueId> = (0..scenario.queues.len())
                .map(|queue| scenario.queue_by_place(queue))
                .collect();
            others.push((at, operator(Arc::new(scenario.clone()), &queues)));
            runs.push(providers.clone());
        }
        Self {
            arrivals: Arrivals::new(plan, hours, part, seed),
            operator: first,
            beside: others,
            runs,
        }
    }

    /// Runs to a moment.
    pub(crate) fn advance(&mut self, until: Time) -> Result<(), RunError> {
        while let Some(caller) = self.arrivals.next_before(until) {
            self.operator.advance(caller.at);
            self.operator.offer(&caller);
        }
        self.operator.advance(until);
        self.operator.check()?;
        self.hand_over(until)
    }

    /// Closes the books where the run is stopped.
    pub(crate) fn stop(&mut self, now: Time) {
        let beside = self.beside.iter_mut().map(|(_, operator)| operator);
        for operator in std::iter::once(&mut self.operator).chain(beside) {
            operator.stop(now);
        }
    }

    /// Runs to the end of the last call.
    pub(crate) fn finish(&mut self) -> Result<(), RunError> {
        self.operator.finish()?;
        self.hand_over(self.operator.world().end)?;
        for (_, operator) in &mut self.beside {
            operator.finish()?;
        }
        Ok(())
    }

    /// Each provider's callers, in order of time. What becomes of them there changes nothing here: they have left.
    fn hand_over(&mut self, until: Time) -> Result<(), RunError> {
        let handed = std::mem::take(&mut self.operator.world_mut().handed);
        for ((_, operator), providers) in self.beside.iter_mut().zip(&self.runs) {
            let its = |(provider, _): &&(usize, Caller)| providers.contains(provider);
            for (_, caller) in handed.iter().filter(its) {
                operator.advance(caller.at);
                operator.offer(caller);
            }
            operator.advance(until);
            operator.check()?;
        }
        Ok(())
    }
}

/// The callers of a part's sources in order of time, or those of a replay.
#[derive(Debug)]
struct Arrivals {
    sources: Vec<(Option<Caller>, Callers)>,
    replay: std::iter::Peekable<vec::IntoIter<Caller>>,
}

impl Arrivals {
    fn new(plan: &Plan, hours: &Arc<Hours>, part: &Part, seed: u64) -> Self {
        let replays = !plan.replay.is_empty();
        let sources = part.sources.iter().filter(|_| !replays).map(|&source| {
            let mut callers = Callers::new(plan, hours, source, seed);
            (callers.next(), callers)
        });
        let of_part = |caller: &&Caller| part.sources.contains(&Source::of(caller.origin));
        let replay: Vec<Caller> = plan.replayed().filter(of_part).copied().collect();
        Self {
            sources: sources.collect(),
            replay: replay.into_iter().peekable(),
        }
    }

    fn next_before(&mut self, until: Time) -> Option<Caller> {
        if self.sources.is_empty() {
            return self.replay.next_if(|caller| caller.at < until);
        }
        let first = self
            .sources
            .iter_mut()
            .filter(|(next, _)| next.is_some_and(|next| next.at < until))
            .min_by_key(|(next, _)| next.map(|next| next.at))?;
        let next = first.1.next();
        std::mem::replace(&mut first.0, next)
    }
}
