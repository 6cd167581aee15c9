//! Routing: a kommun and a moment in, one decision out.

mod coverage;
mod explain;
mod gaps;
mod overlap;
mod sweep;
mod table;

use std::fmt;

use crate::{
    calendar::Hours,
    scenario::{AnnouncementId, Menu, ProviderId, QueueId, RouteId},
    time::Time,
};

pub use coverage::{Coverage, Who};
pub use explain::{Explanation, Losing, LosingReason};
pub use gaps::{Gaps, Uncovered};
pub use overlap::{Disagreement, Disagreements};
pub use table::Table;

/// What the table says of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The rule that won.
    pub route: RouteId,
    /// Where the call goes.
    pub to: Destination,
    /// What the caller hears first.
    pub announcement: Option<AnnouncementId>,
    /// The digest of the table that decided.
    pub digest: Digest,
}

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To a queue of this switch's own: answered here, and recorded if the queue says so.
    Queue(QueueId),
    /// Out to a care provider: never recorded here.
    External(External),
}

/// A way out to a care provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct External {
    /// Which provider.
    pub provider: ProviderId,
    /// How the call leaves.
    pub handover: Handover,
}

/// How an external call leaves this switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handover {
    /// The caller is sent on (302 before answer) and this switch is out.
    Release,
    /// Signalling passes here, RTP goes caller to provider and never here.
    Direct,
    /// Signalling and RTP pass here, for peers that can't do otherwise; still never recorded.
    Relay,
}

impl Handover {
    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Direct => "direct",
            Self::Relay => "relay",
        }
    }

    /// The one with that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Release, Self::Direct, Self::Relay]
            .into_iter()
            .find(|handover| handover.name() == name)
    }
}

/// One rule, as the scenario says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its name.
    pub name: Box<str>,
    /// Whose calls it takes.
    pub covers: Coverage,
    /// The first moment it holds; `None` for always before.
    pub from: Option<Time>,
    /// The first moment it no longer holds; `None` for always after.
    pub until: Option<Time>,
    /// The hours in which it holds; `None` for day and night.
    pub hours: Option<RouteHours>,
    /// Where the call goes.
    pub to: Destination,
    /// What the caller hears first.
    pub announcement: Option<AnnouncementId>,
    /// Keys to choose by after that, when the call goes to a queue.
    pub menu: Option<Menu>,
    /// Where the call goes instead when the destination fails, in order.
    pub failover: Vec<Destination>,
}

/// The hours of a route, with the name they have in the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteHours {
    /// `jourtid`, or the name of a calendar.
    pub name: Box<str>,
    /// The hours.
    pub hours: Hours,
}

/// The first eight bytes of the SHA-256 of a scenario's routing part; stamped on every decision it makes. All 32 would be
/// copied with every call and never shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
