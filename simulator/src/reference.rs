//! The bare reference queue that simulators are compared by: M/M/c+M in every region, arrivals by the hour, nothing else.
//!
//! It runs on the very event list and random streams of the whole simulation, without the call machine: what it takes
//! is what those take. The regions never meet, as in a whole run.

use std::{collections::VecDeque, sync::Arc};

use callcore::{kommun, time::Time};
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;

use crate::{
    callers::{Source, share_of},
    event::{EventList, Happens, SUBJECT_BITS},
    hours::Hours,
    moments::Moments,
    plan::Plan,
    random::{Purpose, stream},
};

/// What all queues together did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Found {
    /// Calls that came in.
    pub offered: u64,
    /// Those that had to wait.
    pub waited: u64,
    /// Those that gave up.
    pub abandoned: u64,
    /// All waits together, s.
    pub wait_s: f64,
}

/// Runs one queue for each region of a plan. `agents` says how many answer there for that many inhabitants; patience is
/// exponential with a mean of so many seconds.
pub fn run(plan: &Plan, agents: impl Fn(u32) -> u32, patience_mean_s: f64) -> Found {
    let hours = Arc::new(Hours::new(plan));
    let mut found = Found::default();
    for source in Source::all(plan) {
        let Source::Region(region) = source else {
            continue;
        };
        let of = |purpose| stream(plan.seed, purpose, region.code());
        let mut queue = Queue {
            moments: Moments::new(&hours, share_of(plan, source), Vec::new()),
            arrivals: of(Purpose::Arrivals),
            talk: Mean::new(of(Purpose::Talk), plan.traffic.talk_mean.as_secs_f64()),
            patience: Mean::new(of(Purpose::Patience), patience_mean_s),
            events: EventList::default(),
            idle: agents(kommun::region(region).population),
            line: VecDeque::new(),
            before: 0,
            found: &mut found,
        };
        queue.run();
    }
    found
}

/// A stream of exponential draws.
struct Mean {
    rng: Pcg64,
    micros: f64,
}

impl Mean {
    fn new(rng: Pcg64, mean_s: f64) -> Self {
        let micros = mean_s * 1e6;
        Self { rng, micros }
    }

    fn after(&mut self, now: Time) -> Time {
        let multiple: f64 = Exp1.sample(&mut self.rng);
        Time::from_micros(now.as_micros() + (multiple * self.micros) as i64)
    }
}

struct Queue<'a> {
    moments: Moments,
    arrivals: Pcg64,
    talk: Mean,
    patience: Mean,
    events: EventList,
    idle: u32,
    /// Since when each waits; `None` for one who gave up. Numbered from `before`.
    line: VecDeque<Option<Time>>,
    before: u32,
    found: &'a mut Found,
}

impl Queue<'_> {
    fn run(&mut self) {
        while let Some(at) = self.moments.next(&mut self.arrivals) {
            self.advance(at);
            self.arrive(at);
        }
        self.advance(Time::from_micros(i64::MAX));
    }

    fn advance(&mut self, until: Time) {
        while let Some(event) = self.events.take_before(until) {
            match event.what {
                Happens::TalkEnds => self.agent_free(event.at),
                _ => self.gives_up(event.at, event.subject),
            }
        }
    }

    fn arrive(&mut self, at: Time) {
        self.found.offered += 1;
        if self.idle > 0 {
            self.idle -= 1;
            self.answer(at);
            return;
        }
        let number = self.before.wrapping_add(self.line.len() as u32);
        self.line.push_back(Some(at));
        self.found.waited += 1;
        let gone = self.patience.after(at);
        self.events.put(gone, Happens::PatienceEnds, number);
    }

    fn answer(&mut self, at: Time) {
        let ends = self.talk.after(at);
        self.events.put(ends, Happens::TalkEnds, 0);
    }

    fn agent_free(&mut self, now: Time) {
        while let Some(first) = self.line.pop_front() {
            self.before = self.before.wrapping_add(1);
            if let Some(since) = first {
                self.leaves_line(now, since);
                self.answer(now);
                return;
            }
        }
        self.idle += 1;
    }

    fn gives_up(&mut self, now: Time, number: u32) {
        let mask = (1 << SUBJECT_BITS) - 1;
        let place = number.wrapping_sub(self.before) & mask;
        if let Some(since) = self.line.get_mut(place as usize).and_then(Option::take) {
            self.leaves_line(now, since);
            self.found.abandoned += 1;
        }
    }

    fn leaves_line(&mut self, now: Time, since: Time) {
        self.found.wait_s += now.since(since).as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use callcore::time::Span;
    use jiff::civil::date;

    use super::*;
    use crate::{erlang, summary::interval, tests::today};

    #[test]
    fn the_bare_queue_comes_out_where_the_erlang_a_formula_does() {
        let scenario = today();
        let mut plan = Plan::new(&scenario, date(2026, 4, 6), 40, 1);
        plan.traffic.regions = vec![kommun::RegionCode::parse("09").expect("Gotland")];
        plan.traffic.talk_mean = Span::from_secs(480);
        plan.calls_per_hour = Some(60.0);
        let queue = erlang::Queue {
            lambda: 60.0,
            mu: 7.5,
            theta: 6.0,
            agents: 8,
        };
        let steady = queue.steady().expect("it is steady");
        let runs: Vec<Found> = (1..=10)
            .map(|seed| {
                plan.seed = seed;
                run(&plan, |_| 8, 600.0)
            })
            .collect();
        let per_call: [fn(&Found) -> f64; 3] = [
            |found| found.waited as f64 / found.offered as f64,
            |found| found.abandoned as f64 / found.offered as f64,
            |found| found.wait_s / found.offered as f64,
        ];
        let expected = [steady.p_wait, steady.p_abandon, 3600.0 * steady.mean_wait];
        for (of, expected) in per_call.into_iter().zip(expected) {
            let found = interval(runs.iter().map(of));
            // From 95 % confidence to 99.9 % with ten runs.
            let half = (found.high - found.low) / 2.0 * (4.781 / 2.262);
            assert!((found.mean - expected).abs() < half, "{found:?} {expected}");
        }
    }
}
