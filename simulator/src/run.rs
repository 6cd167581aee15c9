//! A whole run: its parts side by side on threads, slice by slice of time, and several of them with different seeds.
//!
//! Slices keep the parts within days of each other, so that a run that is interrupted has the same span of all of them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use callcore::{
    scenario::Scenario,
    time::{Span, Time},
};

use crate::{
    callers, cpu,
    digest::joined,
    error::RunError,
    hours::{HOUR, Hours},
    keeping,
    listing::{Listing, TakesCalls},
    plan::{Plan, PlanError, calls_in_the_end_max},
    random::replication_seed,
    shard::{Beside, Part, Shard, parts},
    summary::{self, Results},
    tally::Books,
};

/// How far the parts of a run go before they wait for each other, and look whether it is to end: so many days, or
/// [`SLICES_MIN`] steps of a shorter run.
const SLICE_MAX: Span = Span::from_secs(10 * 86_400);
/// Steps of a run at least: it ends soon after somebody wants it to.
const SLICES_MIN: i64 = 20;

/// Calls of a step, by the step before: a second or two of work, after which a run looks whether it is to end, and as many rows of
/// a list.
const SLICE_CALLS_MAX: f64 = 1e6;
/// How far a run has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Days done, of all replications together.
    pub days: f64,
    /// Calls so far.
    pub calls: u64,
}

/// Runs a plan. `beside` are the scenarios of providers; `stop` ends the run early with what it has so far.
///
/// # Errors
/// When the plan can't be run, or a checker finds the books of a switch out of balance.
pub fn run(
    scenario: &Scenario,
    beside: &[Beside],
    plan: &Plan,
    stop: &AtomicBool,
    progress: impl FnMut(Progress),
) -> Result<Results, RunError> {
    play(scenario, beside, plan, stop, progress, None)
}

/// The same, with a list of the calls of the first run.
///
/// # Errors
/// As [`run`], and when the list can't be taken.
pub fn run_listing(
    scenario: &Scenario,
    beside: &[Beside],
    plan: &Plan,
    stop: &AtomicBool,
    progress: impl FnMut(Progress),
    takes: TakesCalls<'_>,
) -> Result<Results, RunError> {
    let listing = Some(Listing::new(takes));
    play(scenario, beside, plan, stop, progress, listing)
}

fn play(
    scenario: &Scenario,
    beside: &[Beside],
    plan: &Plan,
    stop: &AtomicBool,
    mut progress: impl FnMut(Progress),
    mut listing: Option<Listing<'_>>,
) -> Result<Results, RunError> {
    plan.check(scenario, 1.0)?;
    check_beside(beside, plan)?;
    let hours = Arc::new(Hours::new(plan));
    let expected = callers::expected(plan, &hours);
    plan.check(scenario, expected * f64::from(plan.replications))?;
    let begun_cpu = cpu::seconds();
    let course = Course {
        scenario,
        beside,
        plan: Arc::new(plan.clone()),
        hours: Arc::clone(&hours),
        parts: parts(scenario, beside, plan),
        stop,
    };
    let mut first: Option<Finished> = None;
    let mut all = Vec::new();
    let mut done = Progress::default();
    // Enough shards at once to keep every thread at work.
    let at_once = (plan.threads * 2)
        .div_ceil(course.parts.len().max(1))
        .max(1) as u32;
    let mut next = 0;
    while next < plan.replications.max(1) && (next == 0 || !stop.load(Ordering::Relaxed)) {
        let seeds: Vec<u64> = (next..plan.replications.max(1))
            .take(at_once as usize)
            .map(|replication| replication_seed(plan.seed, replication))
            .collect();
        next += seeds.len() as u32;
        let shards = course.shards(&seeds);
        let before = done;
        let until = course.go(&shards, listing.take(), |days, calls| {
            done = Progress {
                days: before.days + days * seeds.len() as f64,
                calls: before.calls + calls,
            };
            progress(done);
        })?;
        // Runs that were stopped are of fewer days than those before: a mean over both would be of neither.
        if first.is_some() && until < plan.window().1 {
            break;
        }
        for finished in close(shards, seeds.len(), beside.len()) {
            all.push(summary::figures(scenario, plan, &hours, &finished, until));
            first.get_or_insert(Finished { until, ..finished });
        }
    }
    let (seed, count) = (plan.seed, 0);
    let first = first.ok_or(RunError::NeverEnded { seed, count })?;
    let stores = keeping::stores(scenario, beside, plan, &first)?;
    let lacks_runs = all.len() < plan.replications.max(1) as usize;
    let cpu_s = cpu::seconds() - begun_cpu;
    let mut results = summary::results(scenario, beside, plan, hours, first, all, stores);
    results.summary.partial |= lacks_runs;
    results.summary.calls_of_all_runs = done.calls;
    results.summary.calls_per_cpu_second = done.calls as f64 / cpu_s.max(1e-9);
    results.summary.cpu_seconds = cpu_s;
    Ok(results)
}

fn check_beside(beside: &[Beside], plan: &Plan) -> Result<(), PlanError> {
    let mut seen = BTreeSet::new();
    for other in beside {
        let operator = &other.scenario.org(other.scenario.operator).id;
        if !seen.insert(operator) {
            return Err(PlanError::BesideTwice(operator.clone()));
        }
        plan.nurses_can_answer(&other.scenario)?;
    }
    Ok(())
}

/// One run that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Of the first switch.
    pub(crate) books: Books,
    /// Of those beside.
    pub(crate) beside: Vec<Books>,
    pub(crate) digest: String,
    /// The end, or where it was stopped.
    pub(crate) until: Time,
}

/// What all runs of a plan have in common.
struct Course<'a> {
    scenario: &'a Scenario,
    beside: &'a [Beside],
    plan: Arc<Plan>,
    hours: Arc<Hours>,
    parts: Vec<Part>,
    stop: &'a AtomicBool,
}

impl Course<'_> {
    /// The shards of some runs, run by run.
    fn shards(&self, seeds: &[u64]) -> Vec<Mutex<Shard>> {
        let (scenario, beside, plan, hours) = (self.scenario, self.beside, &self.plan, &self.hours);
        let of_run = |&seed: &u64| {
            let of_part = move |part| Shard::new(scenario, beside, plan, hours, part, seed);
            self.parts.iter().map(of_part).map(Mutex::new)
        };
        seeds.iter().flat_map(of_run).collect()
    }

    /// Runs all shards to the end, or to the slice in which `stop` was set; tells until when. The list is of the first run.
    fn go(
        &self,
        shards: &[Mutex<Shard>],
        mut listing: Option<Listing<'_>>,
        mut progress: impl FnMut(f64, u64),
    ) -> Result<Time, RunError> {
        let (plan, hours) = (&self.plan, &self.hours);
        let (start, end) = plan.window();
        let listed = match listing {
            Some(_) => &shards[..self.parts.len()],
            None => &[],
        };
        for shard in listed {
            locked(shard).operator.world_mut().keeps_calls = true;
        }
        let runs = shards.len() as f64 / self.parts.len().max(1) as f64;
        let calls_max = runs * calls_in_the_end_max(hours.expected());
        let mut an_hour = runs * hours.expected() / hours.hours.len().max(1) as f64;
        let mut at = plan.begins();
        let whole = slice(end.since(at));
        // Nobody knows yet how many call again: the first steps are short.
        let (mut step, mut slice_ends) = (HOUR, (at + whole).min(end));
        let mut played = 0;
        while at < end {
            let begins = at;
            at = (at + step.min(slice_of(an_hour))).min(slice_ends);
            in_parallel(shards, plan.threads, |shard| shard.advance(at))?;
            let (calls, opened) = calls(shards);
            an_hour =
                (opened - played) as f64 * HOUR.as_secs_f64() / at.since(begins).as_secs_f64();
            played = opened;
            step = Span::from_micros(step.as_micros() * 2).min(whole);
            if at == slice_ends {
                slice_ends = (at + whole).min(end);
            }
            if played as f64 > calls_max {
                let (calls, by) = (calls_max, at.in_sweden().date());
                return Err(PlanError::CallAgain { calls, by }.into());
            }
            progress(at.since(start).as_secs_f64() / 86_400.0, calls);
            if self.stop.load(Ordering::Relaxed) && at < end {
                for shard in shards {
                    locked(shard).stop(at);
                }
                list(&mut listing, listed, None)?;
                return Ok(at);
            }
            list(&mut listing, listed, Some(at))?;
        }
        in_parallel(shards, plan.threads, Shard::finish)?;
        list(&mut listing, listed, None)?;
        Ok(end)
    }
}

/// Calls that count and calls altogether, so far.
fn calls(shards: &[Mutex<Shard>]) -> (u64, u64) {
    let of = |shard: &Mutex<Shard>| {
        let shard = locked(shard);
        let world = shard.operator.world();
        (world.books.offered, world.records.opened())
    };
    let add = |sum: (u64, u64), one: (u64, u64)| (sum.0 + one.0, sum.1 + one.1);
    shards.iter().map(of).fold((0, 0), add)
}

/// Hands on the calls up to a moment, as far as none before them is in progress, or all there are.
fn list(
    listing: &mut Option<Listing<'_>>,
    shards: &[Mutex<Shard>],
    until: Option<Time>,
) -> Result<(), RunError> {
    let Some(listing) = listing else {
        return Ok(());
    };
    let mut before = until;
    for shard in shards {
        let earliest = listing.gather(&mut locked(shard));
        before = before.map(|before| earliest.map_or(before, |at| at.min(before)));
    }
    listing.hand_on(before.unwrap_or(Time::from_micros(i64::MAX)))
}

/// In whole hours, which the books are kept in.
fn slice(whole: Span) -> Span {
    let hours = whole.as_micros() / HOUR.as_micros() / SLICES_MIN;
    Span::from_micros(hours.max(1) * HOUR.as_micros()).min(SLICE_MAX)
}

/// Hours that have few enough calls, by how many an hour had before.
fn slice_of(calls_an_hour: f64) -> Span {
    let hours = (SLICE_CALLS_MAX / calls_an_hour.max(1.0)).clamp(1.0, 240.0);
    Span::from_micros(hours as i64 * HOUR.as_micros())
}

fn locked(shard: &Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets threads take shard after shard. The first error by the order of the shards is the one that is told.
fn in_parallel(
    shards: &[Mutex<Shard>],
    threads: usize,
    work: impl Fn(&mut Shard) -> Result<(), RunError> + Sync,
) -> Result<(), RunError> {
    let next = AtomicUsize::new(0);
    let errors: Mutex<Vec<(usize, RunError)>> = Mutex::new(Vec::new());
    let worker = || {
        while let place = next.fetch_add(1, Ordering::Relaxed)
            && let Some(shard) = shards.get(place)
        {
            if let Err(error) = work(&mut locked(shard)) {
                let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
                errors.push((place, error));
            }
        }
    };
    let threads = threads.clamp(1, shards.len().max(1));
    if threads == 1 {
        worker();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(worker);
            }
        });
    }
    let errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    match errors.into_iter().min_by_key(|(place, _)| *place) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// Adds the shards of each run together.
fn close(shards: Vec<Mutex<Shard>>, runs: usize, beside: usize) -> Vec<Finished> {
    let per_run = shards.len() / runs.max(1);
    let mut shards = shards
        .into_iter()
        .map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner));
    (0..runs)
        .filter_map(|_| add_up(shards.by_ref().take(per_run).collect(), beside))
        .collect()
}

fn add_up(shards: Vec<Shard>, beside: usize) -> Option<Finished> {
    let first = shards.first()?;
    let until = first.operator.world().end;
    let digest = joined(shards.iter().flat_map(|shard| {
        std::iter::once(shard.operator.world().digest.finish())
            .chain(
                shard
                    .beside
                    .iter()
                    .map(|(_, operator)| operator.world().digest.finish()),
            )
            .collect::<Vec<_>>()
    }));
    let mut books: Option<Books> = None;
    let mut others: Vec<Option<Books>> = (0..beside).map(|_| None).collect();
    for shard in shards {
        for (at, operator) in shard.beside {
            join(&mut others[at], operator.into_books());
        }
        join(&mut books, shard.operator.into_books());
    }
    Some(Finished {
        books: books?,
        beside: others
            .into_iter()
            .map(|books| books.unwrap_or_else(|| Books::new(0, 0, 0)))
            .collect(),
        digest,
        until,
    })
}

fn join(sum: &mut Option<Books>, books: Books) {
    match sum {
        Some(sum) => sum.add(books),
        None => *sum = Some(books),
    }
}
