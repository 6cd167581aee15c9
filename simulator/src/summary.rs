//! What a run found. Every figure says what it is a share of; a share of nothing is 0.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use callcore::{scenario::Scenario, time::Time};
use serde::Serialize;

pub use crate::tally::SERVICE_GOAL_S;
use crate::{
    hours::Hours,
    keeping::StoreFigures,
    plan::Plan,
    run::Finished,
    shard::Beside,
    tally::{Books, Callbacks, Tally},
};

/// Everything a run found: the figures, and the books that pictures and lists are made from.
#[derive(Debug)]
pub struct Results {
    /// The figures.
    pub summary: Summary,
    /// The hours of the plan.
    pub hours: Arc<Hours>,
    /// Up to when the books go: the plan's end, unless the run was interrupted.
    pub until: Time,
    /// The books of the first run.
    pub books: Books,
    /// The books of the switches beside.
    pub beside: Vec<Books>,
    /// The figures of each replication, in their order.
    pub runs: Vec<RunFigures>,
    /// What is kept, by store; the summary's, with the years' series.
    pub stores: BTreeMap<String, StoreFigures>,
}

/// The figures of one replication.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFigures {
    /// All queues together.
    pub service: Service,
    /// Each queue, in the scenario's order.
    pub queues: Vec<Service>,
}

/// The figures of a run. With several replications, how queues served is the mean over all, and counts and queues are
/// the first one's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The seed that repeats the run.
    pub seed: u64,
    /// The first day, ISO 8601.
    pub start: String,
    /// How many days.
    pub days: u32,
    /// Whether the run was stopped before its end, or before its last replication.
    pub partial: bool,
    /// Up to when the figures go, ISO 8601.
    pub until: String,
    /// The calls by how they went.
    pub calls: Calls,
    /// How the queues served, all together.
    #[serde(flatten)]
    pub service: Service,
    /// How many runs with different seeds.
    pub replications: u32,
    /// With several replications: where the mean of all such runs lies, with 95 % confidence.
    pub intervals: BTreeMap<String, Interval>,
    /// Calls by the route that won.
    pub by_route: BTreeMap<String, u64>,
    /// Every queue by name, those of switches beside with their organisation before.
    pub queues: BTreeMap<String, QueueFigures>,
    /// Recordings begun at this switch, by controller.
    pub recorded: BTreeMap<String, u64>,
    /// What is kept at the end, by store.
    pub stores: BTreeMap<String, StoreFigures>,
    /// Calls that a provider took over, and those its sub-processors answered, by organisation.
    pub provider_calls: BTreeMap<String, u64>,
    /// The offers to be called back, and what became of them.
    pub callbacks: Callbacks,
    /// Calls that came under another kommun's ID.
    pub misrouted: u64,
    /// Recordings begun at this switch of calls that were decided to be a provider's: a run with one is refused.
    pub recorded_at_switch_for_provider: u64,
    /// Over every fact in order: the same seed gives the same one, and any change of behaviour another.
    pub digest: String,
    /// Calls that were played, of all replications: what the time was spent on.
    pub calls_of_all_runs: u64,
    /// Calls of all replications a second of processor time, all threads together.
    pub calls_per_cpu_second: f64,
    /// Processor time.
    pub cpu_seconds: f64,
}

/// Calls by how they went: `offered` is the sum of the others; `diverted` and `redialled` are apart.
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
    /// No rule, or no provider, took the call; in a partial run, those nobody has answered yet too.
    pub failed: u64,
    /// Were promised to be called back, and never reached.
    pub unreached: u64,
    /// Times a call was sent on from a full queue, or from a failed provider to a queue.
    pub diverted: u64,
    /// Of those offered, how many came from somebody who had given up before.
    pub redialled: u64,
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
    /// Calls it dealt with in the end.
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

/// Where a mean lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Interval {
    /// The mean over replications.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Results {
    /// The places of the hours that are counted and have come: what an interrupted run didn't reach is no hour without calls.
    pub fn counted(&self) -> Range<usize> {
        let come = self.hours.come(self.until);
        self.hours.warm_up.min(come)..come
    }
}

impl Service {
    /// How a tally was served.
    pub fn of(tally: &Tally) -> Self {
        let of_joined = |count: u64| share(count as f64, tally.joined as f64);
        Self {
            service_level: of_joined(tally.in_time),
            mean_wait_s: share(tally.wait_s, tally.joined as f64),
            longest_wait_s: tally.longest_wait_s,
            p_wait: of_joined(tally.waited),
            p_abandon: of_joined(tally.abandoned),
            p_blocked: share(tally.blocked as f64, tally.offered as f64),
            occupancy: share(tally.busy_s, tally.staffed_s),
        }
    }

    /// The figures by their names in JSON.
    pub const fn named(&self) -> [(&'static str, f64); 6] {
        [
            ("service_level", self.service_level),
            ("mean_wait_s", self.mean_wait_s),
            ("p_wait", self.p_wait),
            ("p_abandon", self.p_abandon),
            ("p_blocked", self.p_blocked),
            ("occupancy", self.occupancy),
        ]
    }
}

/// How the queues of one run served.
pub(crate) fn figures(
    scenario: &Scenario,
    plan: &Plan,
    hours: &Hours,
    finished: &Finished,
    until: Time,
) -> RunFigures {
    debug_assert!(!hours.hours.is_empty(), "a plan has days");
    let mut all = Tally::default();
    let span_s = until.since(plan.window().0).as_secs_f64();
    let tallies =
        (0..scenario.queues.len()).map(|at| staffed(scenario, &finished.books, at, span_s));
    let queues = tallies.map(|tally| {
        all.add(&tally);
        Service::of(&tally)
    });
    let queues = queues.collect();
    RunFigures {
        service: Service::of(&all),
        queues,
    }
}

/// A queue's tally with its agents: all of them all the time, unless somebody counted who was there.
fn staffed(scenario: &Scenario, books: &Books, at: usize, span_s: f64) -> Tally {
    let book = &books.queues[at];
    let mut tally = book.tally;
    tally.agents = scenario.agents_of(scenario.queue_by_place(at)).count() as u64;
    let all_always = tally.agents as f64 * span_s;
    tally.staffed_s = book
        .all_staffed_s()
        .filter(|s| *s > 0.0)
        .unwrap_or(all_always);
    tally
}

pub(crate) fn results(
    scenario: &Scenario,
    beside: &[Beside],
    plan: &Plan,
    hours: Arc<Hours>,
    finished: Finished,
    runs: Vec<RunFigures>,
    stores: BTreeMap<String, StoreFigures>,
) -> Results {
    let span_s = finished.until.since(plan.window().0).as_secs_f64();
    let all: Vec<Service> = runs.iter().map(|run| run.service).collect();
    let mut queues = BTreeMap::new();
    add_queues(&mut queues, scenario, &finished.books, span_s, "");
    for (other, books) in beside.iter().zip(&finished.beside) {
        let prefix = format!("{}/", other.scenario.org(other.scenario.operator).id);
        add_queues(&mut queues, &other.scenario, books, span_s, &prefix);
    }
    let books = &finished.books;
    let (come, until) = (finished.until, finished.until.in_sweden().datetime());
    let summary = Summary {
        seed: plan.seed,
        start: plan.start.to_string(),
        days: plan.days,
        partial: finished.until < plan.window().1,
        until: until.to_string(),
        calls: calls(books),
        service: mean(&all),
        replications: all.len() as u32,
        intervals: intervals(&all),
        by_route: by_route(scenario, books),
        queues,
        recorded: recorded(scenario, books),
        stores: stores.clone(),
        provider_calls: provider_calls(scenario, beside, &finished),
        callbacks: books.callbacks,
        misrouted: books
            .kommuner
            .iter()
            .map(|row| u64::from(row.misrouted))
            .sum(),
        recorded_at_switch_for_provider: 0,
        digest: finished.digest.clone(),
        calls_of_all_runs: 0,
        calls_per_cpu_second: 0.0,
        cpu_seconds: 0.0,
    };
    Results {
        summary,
        hours,
        until: come,
        books: finished.books,
        beside: finished.beside,
        runs,
        stores,
    }
}

fn add_queues(
    queues: &mut BTreeMap<String, QueueFigures>,
    scenario: &Scenario,
    books: &Books,
    span_s: f64,
    prefix: &str,
) {
    for (at, queue) in scenario.queues.iter().enumerate() {
        let tally = staffed(scenario, books, at, span_s);
        let figures = QueueFigures {
            offered: tally.offered,
            answered: tally.answered,
            abandoned: tally.abandoned,
            blocked: tally.blocked,
            agents: tally.agents,
            service: Service::of(&tally),
        };
        queues.insert(format!("{prefix}{}", queue.name), figures);
    }
}

fn calls(books: &Books) -> Calls {
    let of = |count: fn(&Tally) -> u64| books.queues.iter().map(|book| count(&book.tally)).sum();
    let (answered, abandoned, blocked): (u64, u64, u64) = (
        of(|tally| tally.answered),
        of(|tally| tally.abandoned),
        of(|tally| tally.blocked),
    );
    let unreached = books.callbacks.unreached;
    let others = answered + abandoned + blocked + books.external + unreached;
    Calls {
        offered: books.offered,
        answered,
        abandoned,
        blocked,
        external: books.external,
        failed: books.offered.saturating_sub(others),
        unreached,
        diverted: books.diverted,
        redialled: books.redialled,
    }
}

fn by_route(scenario: &Scenario, books: &Books) -> BTreeMap<String, u64> {
    let mut by_route = BTreeMap::new();
    for (route, count) in scenario.routes.routes().iter().zip(&books.routes) {
        *by_route.entry(route.name.to_string()).or_default() += count;
    }
    by_route
}

fn recorded(scenario: &Scenario, books: &Books) -> BTreeMap<String, u64> {
    let mut recorded = BTreeMap::new();
    for (queue, book) in scenario.queues.iter().zip(&books.queues) {
        let calls: u64 = book.days.iter().map(|day| u64::from(day.calls)).sum();
        if calls > 0 {
            let controller = scenario.org(queue.controller).id.to_string();
            *recorded.entry(controller).or_default() += calls;
        }
    }
    recorded
}

fn provider_calls(
    scenario: &Scenario,
    beside: &[Beside],
    finished: &Finished,
) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for (provider, count) in scenario.providers.iter().zip(&finished.books.providers) {
        let organisation = scenario.org(provider.organisation).id.to_string();
        *calls.entry(organisation).or_default() += count;
    }
    // A queue that the provider has another organisation answer, under an agreement.
    for (other, books) in beside.iter().zip(&finished.beside) {
        let scenario = &other.scenario;
        for (queue, book) in scenario.queues.iter().zip(&books.queues) {
            if let Some(agreement) = queue.agreement {
                let processor = scenario.agreement(agreement).processor;
                let id = scenario.org(processor).id.to_string();
                *calls.entry(id).or_default() += book.tally.answered;
            }
        }
    }
    calls
}

fn mean(all: &[Service]) -> Service {
    let of =
        |figure: fn(&Service) -> f64| all.iter().map(figure).sum::<f64>() / all.len().max(1) as f64;
    Service {
        service_level: of(|one| one.service_level),
        mean_wait_s: of(|one| one.mean_wait_s),
        longest_wait_s: all.iter().map(|one| one.longest_wait_s).fold(0.0, f64::max),
        p_wait: of(|one| one.p_wait),
        p_abandon: of(|one| one.p_abandon),
        p_blocked: of(|one| one.p_blocked),
        occupancy: of(|one| one.occupancy),
    }
}

fn intervals(all: &[Service]) -> BTreeMap<String, Interval> {
    if all.len() < 2 {
        return BTreeMap::new();
    }
    let names = all[0].named();
    let figure = |place: usize| all.iter().map(move |one| one.named()[place].1);
    names
        .iter()
        .enumerate()
        .map(|(place, (name, _))| ((*name).to_owned(), interval(figure(place))))
        .collect()
}

/// The 95 % confidence interval of a mean, by Student's distribution.
pub fn interval(values: impl Iterator<Item = f64> + Clone) -> Interval {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count.max(1.0);
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    let half = if count > 1.0 {
        student(count as usize - 1) * (squares / (count - 1.0) / count).sqrt()
    } else {
        f64::INFINITY
    };
    Interval {
        mean,
        low: mean - half,
        high: mean + half,
    }
}

/// The 97.5 % point of Student's distribution, to three places.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    TABLE
        .get(freedom.saturating_sub(1))
        .copied()
        .unwrap_or(1.960 + 2.45 / freedom as f64)
}

/// A part of a whole; 0 when the whole is nothing.
pub fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
