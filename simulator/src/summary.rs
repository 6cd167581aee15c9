//! What a run found. Every figure says what it is a share of; a share of nothing is 0.

use std::collections::BTreeMap;

use serde::Serialize;

/// Answered within this many seconds counts as in time: the first goal of the service, r045.
pub const SERVICE_GOAL_S: f64 = 180.0;

/// The figures of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The seed that repeats the run.
    pub seed: u64,
    /// The first day, ISO 8601.
    pub start: String,
    /// How many days.
    pub days: u32,
    /// The calls by how they went.
    pub calls: Calls,
    /// How the queues served, all together.
    #[serde(flatten)]
    pub service: Service,
    /// Calls by the route that won.
    pub by_route: BTreeMap<String, u64>,
    /// Every queue by name.
    pub queues: BTreeMap<String, QueueFigures>,
    /// Recordings begun at this switch, by controller.
    pub recorded: BTreeMap<String, u64>,
    /// Calls that a provider took over, by its organisation.
    pub provider_calls: BTreeMap<String, u64>,
    /// Recordings begun at this switch of calls that were decided to be a provider's. Counted from the outputs, and
    /// checked to be 0.
    pub recorded_at_switch_for_provider: u64,
    /// SHA-256 over every fact in order: the same seed gives the same one, and any change of behaviour another.
    pub digest: String,
}

/// Calls by how they went: `offered` is the sum of the others, `diverted` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Calls {
    /// All that came in.
    pub offered: u64,
    /// Talked with an agent of this switch's queues.
    pub answered: u64,
    /// Gave up in a queue.
    pub abandoned: u64,
    /// Turned away from a full queue.
    pub blocked: u64,
    /// Went out to a provider that took the call.
    pub external: u64,
    /// No rule, or no provider, took the call.
    pub failed: u64,
    /// Times a call was sent on from a full queue, or from a failed provider to a queue.
    pub diverted: u64,
}

/// How queues served.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Service {
    /// Answered within 180 s of joining the queue, of all that joined.
    pub service_level: f64,
    /// Mean wait in seconds from joining the queue until answered or given up.
    pub mean_wait_s: f64,
    /// The longest such wait.
    pub longest_wait_s: f64,
    /// Found no agent free (or lost the one who was rung), of all that joined.
    pub p_wait: f64,
    /// Gave up, of all that joined.
    pub p_abandon: f64,
    /// Turned away, of all that came for the queue.
    pub p_blocked: f64,
    /// The time that agents were rung, talked or wrapped up, of the time they were there.
    pub occupancy: f64,
}

/// One queue.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct QueueFigures {
    /// Calls routed to it, or diverted to it, and not diverted from it.
    pub offered: u64,
    /// Talked with an agent.
    pub answered: u64,
    /// Gave up.
    pub abandoned: u64,
    /// Turned away.
    pub blocked: u64,
    /// Answering places.
    pub agents: u64,
    /// How it served.
    #[serde(flatten)]
    pub service: Service,
}

/// What is added up during the run, for one queue or all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) offered: u64,
    pub(crate) answered: u64,
    pub(crate) abandoned: u64,
    pub(crate) blocked: u64,
    pub(crate) joined: u64,
    pub(crate) waited: u64,
    pub(crate) in_time: u64,
    pub(crate) wait_s: f64,
    pub(crate) longest_wait_s: f64,
    pub(crate) busy_s: f64,
    pub(crate) agents: u64,
}

impl Tally {
    /// Adds another queue's.
    pub(crate) fn add(mut self, other: &Self) -> Self {
        self.offered += other.offered;
        self.answered += other.answered;
        self.abandoned += other.abandoned;
        self.blocked += other.blocked;
        self.joined += other.joined;
        self.waited += other.waited;
        self.in_time += other.in_time;
        self.wait_s += other.wait_s;
        self.longest_wait_s = self.longest_wait_s.max(other.longest_wait_s);
        self.busy_s += other.busy_s;
        self.agents += other.agents;
        self
    }

    /// The end of a wait, by an answer or without.
    pub(crate) const fn end_wait(&mut self, seconds: f64) {
        self.wait_s += seconds;
        self.longest_wait_s = self.longest_wait_s.max(seconds);
    }

    pub(crate) fn service(&self, span_s: f64) -> Service {
        let of_joined = |count: u64| share(count as f64, self.joined as f64);
        Service {
            service_level: of_joined(self.in_time),
            mean_wait_s: share(self.wait_s, self.joined as f64),
            longest_wait_s: self.longest_wait_s,
            p_wait: of_joined(self.waited),
            p_abandon: of_joined(self.abandoned),
            p_blocked: share(self.blocked as f64, self.offered as f64),
            occupancy: share(self.busy_s, self.agents as f64 * span_s),
        }
    }

    pub(crate) fn figures(&self, span_s: f64) -> QueueFigures {
        QueueFigures {
            offered: self.offered,
            answered: self.answered,
            abandoned: self.abandoned,
            blocked: self.blocked,
            agents: self.agents,
            service: self.service(span_s),
        }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
