//! What to simulate, and what can't be.

use callcore::{
    kommun::RegionCode,
    scenario::{AnnouncementId, Scenario, Simulation, Traffic},
    time::{Span, Time, sweden},
};
use jiff::{Timestamp, civil::Date};

use crate::{callers::Caller, tally::SERVICE_GOAL_S};

/// How long an announcement takes when its length isn't given: about what the shipped ones take.
pub const ANNOUNCEMENT: Span = Span::from_secs(15);
/// How long a provider's phone rings.
pub const PROVIDER_RING: Span = Span::from_secs(3);
/// The longest run: ten years, three times the span of retention.
pub const DAYS_MAX: u32 = 3660;
/// The most calls a run may be expected to have: a hundred national years.
pub const CALLS_MAX: f64 = 500e6;
/// How many calls a run may have in the end, by how many are expected: people who give up call again some times. Those who
/// are turned away and call again every second would make a run of a day one of years.
pub(crate) fn calls_in_the_end_max(expected: f64) -> f64 {
    (expected * 100.0).clamp(10e6, CALLS_MAX * 2.0)
}

/// The years that can be simulated: those for which the holiday rules were checked, and a century on.
pub const YEARS: std::ops::RangeInclusive<i16> = 2005..=2150;

/// What to simulate, with which seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The first day, from midnight in Sweden.
    pub start: Date,
    /// How many days; 1 to [`DAYS_MAX`].
    pub days: u32,
    /// What every random stream is made from.
    pub seed: u64,
    /// How many runs with different seeds.
    pub replications: u32,
    /// How many threads share the work; the result is the same for any number.
    pub threads: usize,
    /// How many call, from where, and how long they talk.
    pub traffic: Traffic,
    /// How calls spread, who is there, who calls again.
    pub settings: Simulation,
    /// Calls an hour when they come evenly, instead of the traffic's calls a year.
    pub calls_per_hour: Option<f64>,
    /// Answered within so many seconds counts as in time.
    pub goal_s: f64,
    /// The lengths of the announcements, by [`AnnouncementId::index`]; [`ANNOUNCEMENT`] where the list ends.
    pub announcements: Vec<Span>,
    /// Real calls to replay instead of drawn ones.
    pub replay: Vec<Caller>,
}

/// Why a plan can't be run. `line` counts from 1 in the scenario's file; 0 when no line is to blame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// No days, or too many.
    #[error("{0} days can't be run: give 1 to {DAYS_MAX} days, or an `until` after `from`")]
    Days(i64),
    /// A year without known holidays.
    #[error(
        "the run would reach the year {0}: it can go from {from} to {to}, the years whose holidays are known",
        from = YEARS.start(), to = YEARS.end()
    )]
    Year(i16),
    /// Too many calls.
    #[error(
        "about {calls:.0} calls would come in, and a run has at most {CALLS_MAX:.0}: \
         lower `calls_per_year`, the factors or the days"
    )]
    Calls {
        /// How many.
        calls: f64,
    },
    /// More calls came in than were expected, from those who call again.
    #[error(
        "more than {calls:.0} calls had come in by {by}, most from people who call again: lower `redial_share` or \
         `returning_share`, raise `redial_after_s`, or give the queues more nurses"
    )]
    CallAgain {
        /// How many a run like this may have.
        calls: f64,
        /// The day up to which the run had come.
        by: Date,
    },
    /// Nobody calls at all.
    #[error(
        "nobody calls: `calls_per_year` is 0, or no region is left; give it a number such as 4_900_000"
    )]
    NoCalls,
    /// A list of calls, none of which comes in during the run.
    #[error(
        "none of the list's calls, from {first} to {last}, comes in during the run: begin it in time with `--start`, and give \
         it `--days` enough"
    )]
    Elsewhere {
        /// The day of its first call.
        first: Date,
        /// Of its last.
        last: Date,
    },
    /// A queue that calls are routed to has nobody to answer.
    #[error(
        "line {line}: queue `{queue}` has no nurses, so that nobody in it is ever answered; \
         add `agents = [{{ simulated = 4 }}]`"
    )]
    NoNurses {
        /// Its name.
        queue: Box<str>,
        /// Where it stands.
        line: u32,
    },
    /// A phone stops ringing before a nurse could answer.
    #[error(
        "line {line}: queue `{queue}` lets a phone ring for {ring_s} s, and a nurse takes {answer_s} s at least to answer \
         (`answer_s`), so that nobody in it is ever answered: raise `ring_s` above that"
    )]
    RingsTooShort {
        /// The queue's name.
        queue: Box<str>,
        /// Where it stands.
        line: u32,
        /// How long a phone rings there.
        ring_s: f64,
        /// The shortest time until an answer.
        answer_s: f64,
    },
    /// A store that no `[[store]]` names is fine; a provider run beside that isn't one of the scenario's isn't.
    #[error(
        "`beside` runs {0}, and no `[[provider]]` of this scenario belongs to that organisation: \
         name the scenario of a provider, or take it out"
    )]
    NoSuchProvider(Box<str>),
    /// An operator has one switch: the second would get no calls, and its lines would stand over the first's.
    #[error("`beside` runs {0} twice: name one scenario of each provider")]
    BesideTwice(Box<str>),
    /// The shares of calls with a bad kommun-ID are more than all calls.
    #[error(
        "`missing_share`, `invalid_share` and `wrong_share` are {0:.2} together: they can be 1 at most"
    )]
    Shares(f64),
}

impl Plan {
    /// Some days of a scenario's own traffic.
    pub fn new(scenario: &Scenario, start: Date, days: u32, seed: u64) -> Self {
        Self {
            start,
            days,
            seed,
            replications: scenario.simulation.replications,
            threads: 1,
            traffic: scenario.traffic.clone(),
            settings: scenario.simulation.clone(),
            calls_per_hour: None,
            goal_s: SERVICE_GOAL_S,
            announcements: Vec::new(),
            replay: Vec::new(),
        }
    }

    /// How long an announcement takes.
    pub fn announcement(&self, id: AnnouncementId) -> Span {
        self.announcements
            .get(id.index())
            .copied()
            .unwrap_or(ANNOUNCEMENT)
    }

    /// The first moment that is counted and the first after the last day.
    pub fn window(&self) -> (Time, Time) {
        let days = jiff::Span::new()
            .try_days(i64::from(self.days.min(DAYS_MAX)))
            .unwrap_or_default();
        (
            midnight(self.start),
            midnight(self.start.saturating_add(days)),
        )
    }

    /// The first moment of the warm-up, on a whole hour.
    pub fn begins(&self) -> Time {
        const HOUR: i64 = 3_600_000_000;
        let warm_up = self.settings.warm_up.as_micros();
        let hours = (warm_up + HOUR - 1) / HOUR;
        Time::from_micros(self.window().0.as_micros() - hours * HOUR)
    }

    /// Whether people of this region call.
    pub fn calls_from(&self, region: RegionCode) -> bool {
        self.traffic.regions.is_empty() || self.traffic.regions.contains(&region)
    }

    /// Finds what can't be run.
    ///
    /// # Errors
    /// The first thing that is impossible, with its remedy.
    pub fn check(&self, scenario: &Scenario, expected: f64) -> Result<(), PlanError> {
        if self.days == 0 || self.days > DAYS_MAX {
            return Err(PlanError::Days(i64::from(self.days)));
        }
        let days = jiff::Span::new().days(i64::from(self.days) - 1);
        let last = self.start.saturating_add(days);
        for year in [self.start.year(), last.year()] {
            if !YEARS.contains(&year) {
                return Err(PlanError::Year(year));
            }
        }
        if expected > CALLS_MAX {
            return Err(PlanError::Calls { calls: expected });
        }
        if expected <= 0.0 && self.replay.is_empty() {
            return Err(PlanError::NoCalls);
        }
        self.has_calls_of_its_list()?;
        let settings = &self.settings;
        let bad = settings.missing_share + settings.invalid_share + settings.wrong_share;
        if bad > 1.0 {
            return Err(PlanError::Shares(bad));
        }
        every_queue_has_nurses(scenario)?;
        self.nurses_can_answer(scenario)
    }
}

impl Plan {
    /// The calls of the list that come in during the run, its warm-up too.
    pub(crate) fn replayed(&self) -> impl Iterator<Item = &Caller> {
        let during = self.begins()..self.window().1;
        let within = move |caller: &&Caller| during.contains(&caller.at);
        self.replay.iter().filter(within)
    }

    /// How many calls of the list lie before the run or after it, and aren't played.
    pub fn replay_outside(&self) -> usize {
        self.replay.len() - self.replayed().count()
    }

    /// Nobody could: a caller without patience, who was promised a call, would be rung for without end.
    pub(crate) fn nurses_can_answer(&self, scenario: &Scenario) -> Result<(), PlanError> {
        let shortest = self.settings.answer.0;
        let lines = scenario
            .lines
            .queues
            .iter()
            .copied()
            .chain(std::iter::repeat(0));
        for (queue, line) in scenario.queues.iter().zip(lines) {
            if queue.ring_max <= shortest {
                return Err(PlanError::RingsTooShort {
                    queue: queue.name.clone(),
                    line,
                    ring_s: queue.ring_max.as_secs_f64(),
                    answer_s: shortest.as_secs_f64(),
                });
            }
        }
        Ok(())
    }

    fn has_calls_of_its_list(&self) -> Result<(), PlanError> {
        let (Some(first), Some(last)) = (self.replay.first(), self.replay.last()) else {
            return Ok(());
        };
        if self.replayed().next().is_some() {
            return Ok(());
        }
        let day = |at: Time| at.in_sweden().date();
        Err(PlanError::Elsewhere {
            first: day(first.at),
            last: day(last.at),
        })
    }
}

/// Queues that take calls over from others only may be empty: nobody is sent there for good.
fn every_queue_has_nurses(scenario: &Scenario) -> Result<(), PlanError> {
    use callcore::route::Destination;
    for route in scenario.routes.routes() {
        if let Destination::Queue(queue) = route.to
            && scenario.agents_of(queue).next().is_none()
        {
            let line = scenario.lines.queues.get(queue.index());
            return Err(PlanError::NoNurses {
                queue: scenario.queue(queue).name.clone(),
                line: line.copied().unwrap_or(0),
            });
        }
    }
    Ok(())
}

/// The first moment of a day in Sweden.
pub fn midnight(date: Date) -> Time {
    let zoned = date.to_zoned(sweden());
    Time::from(zoned.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp()))
}
