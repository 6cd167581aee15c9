//! What runs in virtual time need beyond what the switch needs: `[simulation]`.

use jiff::civil::Date;

use super::QueueId;
use crate::{
    calendar::Hours,
    kommun::RegionCode,
    time::{Span, Time},
};

/// How a scenario is simulated. Every default is an assumption unless a row of `data/call_profile.csv` is named.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// The first day, when the command doesn't say.
    pub from: Option<Date>,
    /// The first day after the last.
    pub until: Option<Date>,
    /// How long the run goes on before anything is counted: none.
    pub warm_up: Span,
    /// How many runs with different seeds: 1.
    pub replications: u32,
    /// Whether calls come evenly over hours and days, as the Erlang formulas want it: no.
    pub flat: bool,
    /// Whether conversations are exponential, as the Erlang formulas want it, and not log-normal: no.
    pub exponential_talk: bool,
    /// The shape of the Weibull distribution of patience: 1, which is exponential.
    pub patience_shape: f64,
    /// The shortest and longest time until an agent answers: 2 to 6 s.
    pub answer: (Span, Span),
    /// A month's calls against a mean month, January first: 1.
    pub month_factors: [f64; 12],
    /// Calls a year from a region; the others share the rest by population.
    pub calls_by_region: Vec<(RegionCode, u32)>,
    /// The share of calls whose kommun-ID is missing.
    pub missing_share: f64,
    /// The share of calls whose kommun-ID can't be one.
    pub invalid_share: f64,
    /// The share of calls whose kommun-ID is another kommun's.
    pub wrong_share: f64,
    /// The share of those who gave up or were turned away who call again.
    pub redial_share: f64,
    /// After how long they do, on average (exponential): 10 min.
    pub redial_after: Span,
    /// The share of those who talked who call again with something more.
    pub returning_share: f64,
    /// After how long they do, on average (exponential): a day.
    pub returning_after: Span,
    /// The share of those who are offered to be called back who take the offer: one half, an assumption.
    pub callback_share: f64,
    /// The share of calls back that nobody answers: one in ten, an assumption.
    pub callback_missed_share: f64,
    /// Recording files a call, on average: 3.5 (IMY-REPORT p. 3: 3 to 4, at most 10).
    pub files_per_call: f64,
    /// The share of nurses who are away on a day.
    pub sick_share: f64,
    /// The share of a shift that is breaks.
    pub break_share: f64,
    /// Scenarios of the providers, run beside this one: a file or a built-in name each.
    pub beside: Vec<Box<str>>,
    /// Where the recordings of a queue are stored, by the store's name.
    pub stores: Vec<(QueueId, Box<str>)>,
    /// What makes more people call, or fewer.
    pub surges: Vec<Surge>,
    /// Who is there when, first match wins; every nurse always when none does.
    pub staffing: Vec<Staffing>,
}

/// A time in which more people call, or fewer: an epidemic, an outage, a storm.
#[derive(Debug, Clone, PartialEq)]
pub struct Surge {
    /// Its name.
    pub name: Box<str>,
    /// Its first moment.
    pub from: Time,
    /// The first moment after it.
    pub until: Time,
    /// Calls against what they would be.
    pub factor: f64,
    /// Where; empty for all of Sweden.
    pub regions: Vec<RegionCode>,
}

/// How many nurses a queue has in some hours.
#[derive(Debug, Clone, PartialEq)]
pub struct Staffing {
    /// The queues; empty for all.
    pub queues: Vec<QueueId>,
    /// When; `None` for always.
    pub hours: Option<Hours>,
    /// How many, as a share of the queue's agents.
    pub share: f64,
}
