//! Why a call goes where it goes: the winner, and what every other rule lacked.

use super::{Decision, Table, Who};
use crate::{origin::Origin, scenario::RouteId, time::Time};

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the table decides; `None` when no rule holds.
    pub winner: Option<Decision>,
    /// Every other rule in file order, and why it doesn't win.
    pub losing: Vec<Losing>,
}

/// A rule that doesn't win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Losing {
    /// The rule.
    pub route: RouteId,
    /// The first condition that it fails.
    pub reason: LosingReason,
}

/// Why a rule doesn't win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LosingReason {
    /// It isn't for callers from there.
    OtherCallers,
    /// It holds from this moment on.
    NotYet(Time),
    /// It held until this moment.
    Over(Time),
    /// It holds only in its hours.
    OutsideHours,
    /// It would hold, but this rule stands before it.
    Later(RouteId),
}

impl Table {
    /// Decides as [`Table::decide`] does, and says why.
    pub fn explain(&self, origin: Origin, at: Time) -> Explanation {
        let winner = self.decide(origin, at);
        let winning = winner.map(|decision| decision.route);
        let losing = (0..self.routes().len() as u16)
            .map(RouteId)
            .filter(|route| Some(*route) != winning)
            .filter_map(|route| {
                Some(Losing {
                    route,
                    reason: self.failing(route, origin.into(), at, winning)?,
                })
            })
            .collect();
        Explanation { winner, losing }
    }

    fn failing(
        &self,
        route: RouteId,
        who: Who,
        at: Time,
        winner: Option<RouteId>,
    ) -> Option<LosingReason> {
        let rule = self.rule(route);
        if !self.route(route).covers.contains(who) {
            Some(LosingReason::OtherCallers)
        } else if at < rule.from {
            Some(LosingReason::NotYet(rule.from))
        } else if at >= rule.until {
            Some(LosingReason::Over(rule.until))
        } else if self
            .open_times(rule)
            .is_some_and(|times| !times.is_open(at))
        {
            Some(LosingReason::OutsideHours)
        } else {
            winner.map(LosingReason::Later)
        }
    }
}
