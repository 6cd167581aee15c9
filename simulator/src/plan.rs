//! What to simulate.

use callcore::{
    scenario::{AnnouncementId, Scenario, Traffic},
    time::Span,
};
use jiff::civil::Date;

/// How long an announcement takes when its length isn't given: about what the shipped ones take.
pub const ANNOUNCEMENT: Span = Span::from_secs(15);
/// How long a provider's phone rings.
pub const PROVIDER_RING: Span = Span::from_secs(3);
/// The longest run: three years keep retention's whole span in view, and end within minutes.
pub const DAYS_MAX: u32 = 3 * 366;

/// What to simulate, with which seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The first day, from midnight in Sweden.
    pub start: Date,
    /// How many days; above [`DAYS_MAX`] counts as that.
    pub days: u32,
    /// What every random stream is made from.
    pub seed: u64,
    /// How many call, from where, and how long they talk.
    pub traffic: Traffic,
    /// How the calls spread over days and hours.
    pub shape: DayShape,
    /// How the lengths of conversations spread.
    pub talk: TalkShape,
    /// The shortest and longest time until an agent answers; evenly spread between.
    pub ring: (Span, Span),
    /// The lengths of the announcements, by [`AnnouncementId::index`]; [`ANNOUNCEMENT`] where the list ends.
    pub announcements: Vec<Span>,
}

/// How calls spread over days and hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayShape {
    /// By the hour, the weekday and the holiday, as `data/call_shape_assumption.csv` has it.
    Profile,
    /// Evenly, as the Erlang formulas want it.
    Flat,
}

/// How the lengths of conversations spread around their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TalkShape {
    /// Log-normal with the traffic's standard deviation.
    LogNormal,
    /// Exponential, as the Erlang formulas want it.
    Exponential,
}

impl Plan {
    /// Some days of a scenario's own traffic.
    pub fn new(scenario: &Scenario, start: Date, days: u32, seed: u64) -> Self {
        Self {
            start,
            days,
            seed,
            traffic: scenario.traffic.clone(),
            shape: DayShape::Profile,
            talk: TalkShape::LogNormal,
            ring: (Span::from_secs(2), Span::from_secs(6)),
            announcements: Vec::new(),
        }
    }

    /// How long an announcement takes.
    pub fn announcement(&self, id: AnnouncementId) -> Span {
        self.announcements
            .get(id.index())
            .copied()
            .unwrap_or(ANNOUNCEMENT)
    }
}
