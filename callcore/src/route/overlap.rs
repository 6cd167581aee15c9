//! Rules that meet: two that hold for one caller at one time and send the call to different places.

use super::{Route, Table};
use crate::{scenario::RouteId, time::Time};

/// Pairs of rules that are compared. A national scenario has a few hundred that share a caller; the limit keeps a
/// hostile file of ten thousand rules for everyone from costing seconds.
const PAIRS_MAX: usize = 200_000;

/// Two rules that hold for the same caller at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement {
    /// The one that wins, because it stands first.
    pub earlier: RouteId,
    /// The one that would send the call elsewhere.
    pub later: RouteId,
    /// A moment at which both hold.
    pub at: Time,
}

impl Table {
    /// Rules that disagree, and not because the earlier one is an exception to the later: an exception takes only
    /// callers of the other, within its time, in its hours or in hours of its own.
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let ids = || (0..self.routes().len() as u16).map(RouteId);
        ids()
            .flat_map(|later| {
                ids()
                    .take(later.index())
                    .map(move |earlier| (earlier, later))
            })
            .take(PAIRS_MAX)
            .filter(|&(earlier, later)| {
                let (earlier, later) = (self.route(earlier), self.route(later));
                earlier.to != later.to && !is_exception(earlier, later)
            })
            .filter_map(|(earlier, later)| {
                let at = self.meet(earlier, later)?;
                Some(Disagreement { earlier, later, at })
            })
            .collect()
    }

    /// The first moment at which both hold for some caller.
    fn meet(&self, one: RouteId, other: RouteId) -> Option<Time> {
        let (a, b) = (self.rule(one), self.rule(other));
        let (from, until) = (a.from.max(b.from), a.until.min(b.until));
        if from >= until || !self.route(one).covers.meets(&self.route(other).covers) {
            return None;
        }
        let times = [a, b].map(|rule| self.open_times(rule));
        let open = |at: &Time| times.iter().flatten().all(|times| times.is_open(*at));
        let changes = times.iter().flatten().flat_map(|times| times.changes());
        let moments = changes.map(|&micros| Time::from_micros(micros));
        std::iter::once(from)
            .chain(moments.filter(|at| (from..until).contains(at)))
            .find(open)
    }
}

fn is_exception(earlier: &Route, later: &Route) -> bool {
    let begins = |route: &Route| route.from.unwrap_or(Time::from_micros(i64::MIN));
    let ends = |route: &Route| route.until.unwrap_or(Time::from_micros(i64::MAX));
    earlier.covers.is_within(&later.covers)
        && begins(earlier) >= begins(later)
        && ends(earlier) <= ends(later)
        && (later.hours.is_none() || later.hours == earlier.hours)
}
