//! How many new calls are let in: fewer than come, when more come than can be carried.
//!
//! Three measures, each with a limit of its own in the scenario (`[overload]`): calls held, new calls a second, and how
//! late the switch is. The budget goes to the SIP endpoint, which answers what is over it with 503 and
//! Retry-After before any transaction is kept: a refusal costs a fraction of a call, and calls in progress go on.

use std::time::{Duration, Instant};

use callcore::scenario::Overload;

/// How often the task's lateness is measured.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// New calls that may come at once, as a part of a second's: calls come in bunches.
const BUNCH: f64 = 0.25;

/// Up to this part of the limit nothing is late: a turn of the system's scheduler is no reason to refuse anybody.
const EASY: f64 = 0.25;

/// Below this part of the rate it is lateness that stands in the way, not the rate.
const MOSTLY_LATE: f64 = 0.5;

/// What lets new calls in.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: Overload,
    /// New calls that may come now, by rate.
    tokens: f64,
    filled: Instant,
    /// How late the last probe was, and the one before it.
    late: [Duration; 2],
    /// The budget given last; `None` before the first.
    given: Option<u32>,
}

/// Why new calls are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many calls are held as may be.
    Calls,
    /// As many have come in this second as may.
    Rate,
    /// The task is behind.
    Late,
    /// None are taken any more.
    Draining,
}

impl Full {
    /// Each of them.
    pub(crate) const ALL: [Self; 4] = [Self::Calls, Self::Rate, Self::Late, Self::Draining];

    /// A word for the metric's label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Rate => "rate",
            Self::Late => "late",
            Self::Draining => "draining",
        }
    }
}

/// How many new calls may come until the next budget, and what stands in the way of more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) calls: u32,
    pub(crate) full: Full,
}

impl Admission {
    pub(crate) fn new(limits: Overload, now: Instant) -> Self {
        Self {
            tokens: bunch(&limits),
            limits,
            filled: now,
            late: [Duration::ZERO; 2],
            given: None,
        }
    }

    /// The probe that was due then is taken only now.
    pub(crate) fn probed(&mut self, due: Instant, now: Instant) {
        self.late = [now.saturating_duration_since(due), self.late[0]];
    }

    /// The budget from now on; `left` is what is left of the last, `behind` how long the first message that isn't read waits.
    pub(crate) fn budget(
        &mut self,
        now: Instant,
        held: usize,
        left: u32,
        behind: Duration,
    ) -> Budget {
        let ease = self.ease(behind);
        let used = self.given.map_or(0, |given| given.saturating_sub(left));
        let since = now.saturating_duration_since(self.filled);
        self.filled = now;
        let come = since.as_secs_f64() * f64::from(self.limits.rate_max) * ease;
        let filled = self.tokens - f64::from(used) + come;
        self.tokens = filled.clamp(0.0, bunch(&self.limits));
        let room = u32::try_from(self.limits.calls_max.saturating_sub(held)).unwrap_or(u32::MAX);
        let by_rate = self.tokens as u32;
        let budget = if ease == 0.0 {
            Budget {
                calls: 0,
                full: Full::Late,
            }
        } else if room < by_rate {
            Budget {
                calls: room,
                full: Full::Calls,
            }
        } else {
            let late = ease < MOSTLY_LATE;
            Budget {
                calls: by_rate,
                full: if late { Full::Late } else { Full::Rate },
            }
        };
        self.given = Some(budget.calls);
        budget
    }

    /// The part of the rate that is let in: all of it while little is late, none at the limit, and in between the less the later,
    /// so that it settles at what can be carried, whatever the scenario takes that for.
    ///
    /// One late probe between others says that the machine stood still, not that there is too much to do: what came meanwhile
    /// is read in a moment, and what isn't is `behind`. Under load every probe is late.
    fn ease(&self, behind: Duration) -> f64 {
        let [last, before] = self.late;
        let late = last.min(before).max(behind).as_secs_f64() * 1e6;
        let late_max = self.limits.late_max.as_micros() as f64;
        ((1.0 - late / late_max) / (1.0 - EASY)).clamp(0.0, 1.0)
    }
}

fn bunch(limits: &Overload) -> f64 {
    (f64::from(limits.rate_max) * BUNCH).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Overload = Overload {
        calls_max: 1000,
        rate_max: 100,
        late_max: callcore::time::Span::from_millis(200),
    };

    /// Offers that many calls a second for ten seconds, each lasting `held_s`; how many were let in.
    fn let_in(offered: u32, held_s: u32) -> u32 {
        let begin = Instant::now();
        let mut admission = Admission::new(LIMITS, begin);
        let (mut left, mut total) = (0, 0_u32);
        let mut ends: Vec<u32> = Vec::new();
        for step in 0..10_000_u32 {
            let now = begin + Duration::from_millis(step.into());
            ends.retain(|end| *end > step);
            left = admission
                .budget(now, ends.len(), left, Duration::ZERO)
                .calls;
            let comes = (step + 1) * offered / 1000 - step * offered / 1000;
            let admitted = comes.min(left);
            left -= admitted;
            total += admitted;
            ends.extend((0..admitted).map(|_| step + held_s * 1000));
        }
        total
    }

    #[test]
    fn twice_the_rate_leaves_what_can_be_carried_and_no_less() {
        assert_eq!(let_in(90, 1), 900, "under the limit nobody is refused");
        for offered in [200, 400, 1000] {
            let admitted = let_in(offered, 1);
            assert!(
                (990..=1030).contains(&admitted),
                "{offered}: {admitted} of 1000"
            );
        }
    }

    #[test]
    fn no_more_calls_are_held_than_may_be() {
        let mut admission = Admission::new(LIMITS, Instant::now());
        let now = Instant::now() + Duration::from_secs(1);
        let budget = admission.budget(now, 990, 0, Duration::ZERO);
        assert_eq!((budget.calls, budget.full), (10, Full::Calls));
        assert_eq!(admission.budget(now, 1000, 0, Duration::ZERO).calls, 0);
        assert_eq!(admission.budget(now, 2000, 0, Duration::ZERO).calls, 0);
    }

    /// A switch that can carry a third of what the scenario lets in: what waits for it decides.
    #[test]
    fn the_later_the_fewer_so_that_it_settles_at_what_can_be_carried() {
        let limits = Overload {
            rate_max: 3000,
            ..LIMITS
        };
        let begin = Instant::now();
        let mut admission = Admission::new(limits, begin);
        let (mut left, mut waiting, mut done, mut latest) = (0, 0_u32, 0_u32, Duration::ZERO);
        for step in 0..10_000 {
            let now = begin + Duration::from_millis(step);
            let behind = Duration::from_millis(waiting.into());
            let budget = admission.budget(now, 0, left, behind);
            let admitted = budget.calls.min(6);
            left = budget.calls - admitted;
            waiting += admitted;
            done += waiting.min(1);
            waiting = waiting.saturating_sub(1);
            if step > 2000 {
                latest = latest.max(behind);
                assert_eq!(budget.full, Full::Late);
            }
        }
        assert!(done > 9_900, "it is never without work: {done}");
        assert!(latest < Duration::from_millis(200), "{latest:?}");
    }

    #[test]
    fn a_little_late_is_not_late() {
        let begin = Instant::now();
        let mut admission = Admission::new(LIMITS, begin);
        let mut left = 0;
        let admitted = (0..1000_u64).filter(|step| {
            let now = begin + Duration::from_millis(*step * 10);
            left = admission
                .budget(now, 0, left, Duration::from_millis(50))
                .calls;
            let admits = left > 0;
            left = left.saturating_sub(1);
            admits
        });
        assert_eq!(admitted.count(), 1000, "the whole rate");
    }

    #[test]
    fn a_task_that_is_behind_lets_nobody_in_until_it_has_caught_up() {
        let now = Instant::now();
        let mut admission = Admission::new(LIMITS, now);
        for _ in 0..2 {
            admission.probed(now, now + Duration::from_millis(201));
        }
        let budget = admission.budget(now, 0, 0, Duration::ZERO);
        assert_eq!((budget.calls, budget.full), (0, Full::Late));
        admission.probed(now, now + Duration::from_millis(3));
        assert!(admission.budget(now, 0, 0, Duration::ZERO).calls > 0);
    }

    #[test]
    fn a_machine_that_stood_still_once_refuses_nobody() {
        let now = Instant::now();
        let mut admission = Admission::new(LIMITS, now);
        admission.probed(now, now);
        admission.probed(now, now + Duration::from_millis(600));
        let budget = admission.budget(now, 0, 0, Duration::ZERO);
        assert_eq!(budget.full, Full::Rate);
        assert!(budget.calls > 0);
    }
}
