//! What a table leaves open: callers for whom at some time no rule holds, and rules that never win.

use super::{Table, Who};
use crate::{scenario::RouteId, time::Time};

/// Callers for whom no rule holds at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uncovered {
    /// Who.
    pub who: Who,
    /// From when; the beginning of time when no rule holds yet.
    pub from: Time,
    /// Until when; `None` for ever.
    pub until: Option<Time>,
}

/// Moments times rules that are tried to find out whether a rule ever wins. A scenario with ten rules by the hour for
/// one caller needs three million; ten thousand such rules would take hours.
const WORK_MAX: usize = 50_000_000;

#[derive(Clone, Copy)]
struct Gap {
    from: Time,
    until: Option<Time>,
}

impl Table {
    /// The first gap of everyone who has one. Hours are looked at in the compiled years, 2005 to 2050.
    pub fn uncovered(&self) -> Vec<Uncovered> {
        let mut known: Vec<(&[RouteId], Option<Gap>)> = Vec::new();
        let mut found = Vec::new();
        for who in Who::everyone() {
            let candidates = self.candidates(who);
            // Kommuner of one region share their rules, so this is worked out some twenty times, not 290.
            let gap = match known.iter().find(|(others, _)| *others == candidates) {
                Some((_, gap)) => *gap,
                None => {
                    let gap = self.first_gap(who);
                    known.push((candidates, gap));
                    gap
                }
            };
            found.extend(gap.map(|Gap { from, until }| Uncovered { who, from, until }));
        }
        found
    }

    fn first_gap(&self, who: Who) -> Option<Gap> {
        let moments = self.moments_of_change(self.candidates(who));
        let place = moments
            .iter()
            .position(|&at| self.decide_for(who, at).is_none())?;
        let until = moments[place..]
            .iter()
            .find(|&&at| self.decide_for(who, at).is_some());
        Some(Gap {
            from: moments[place],
            until: until.copied(),
        })
    }

    fn wins_sometime(&self, candidates: &[RouteId], wins: impl Fn(Time) -> bool) -> bool {
        let moments = self.changes_of(candidates);
        // What costs too much to rule out counts as reached: a finding that isn't there harms nobody.
        moments.len() * candidates.len() > WORK_MAX || moments.into_iter().any(wins)
    }

    /// Every moment at which the answer of these rules may change, the beginning of time first.
    /// Hours count only while no earlier rule holds round the clock for ever: then they can't leave a gap.
    fn moments_of_change(&self, candidates: &[RouteId]) -> Vec<Time> {
        if candidates.iter().any(|&id| self.always(id)) {
            return vec![Time::from_micros(i64::MIN)];
        }
        self.changes_of(candidates)
    }

    /// Every moment at which one of these rules begins or ceases to hold, sorted, the beginning of time first.
    fn changes_of(&self, candidates: &[RouteId]) -> Vec<Time> {
        let mut moments = vec![Time::from_micros(i64::MIN)];
        for rule in candidates.iter().map(|&id| self.rule(id)) {
            moments.extend(
                [rule.from, rule.until]
                    .into_iter()
                    .filter(|at| *at != Time::from_micros(i64::MAX)),
            );
            let changes = self
                .open_times(rule)
                .map_or(&[][..], |times| times.changes());
            moments.extend(changes.iter().map(|&micros| Time::from_micros(micros)));
        }
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// Every moment of a time at which the answer to a caller may change, its beginning first.
    pub(crate) fn changes_within(&self, who: Who, from: Time, until: Time) -> Vec<Time> {
        let changes = self.changes_of(self.candidates(who)).into_iter();
        std::iter::once(from)
            .chain(changes.filter(|at| (from..until).contains(at) && *at != from))
            .collect()
    }

    fn always(&self, id: RouteId) -> bool {
        let route = self.route(id);
        route.from.is_none() && route.until.is_none() && route.hours.is_none()
    }

    /// Rules that can never win: earlier rules, one or several together, take each of their callers at every time
    /// they hold. Hours are looked at in the compiled years, 2005 to 2050.
    pub fn unreachable(&self) -> Vec<RouteId> {
        (0..self.routes().len() as u16)
            .map(RouteId)
            .filter(|&id| self.is_shadowed(id) || !self.ever_wins(id))
            .collect()
    }

    /// Whether the rule wins for some caller at some moment. Callers with the same rules are looked at once.
    fn ever_wins(&self, id: RouteId) -> bool {
        let mut known: Vec<&[RouteId]> = Vec::new();
        self.route(id).covers.iter().any(|who| {
            let candidates = self.candidates(who);
            if known.contains(&candidates) {
                return false;
            }
            known.push(candidates);
            let wins = |at: Time| self.decide_for(who, at).is_some_and(|won| won.route == id);
            // Mostly it wins when it begins; every other moment of change is tried only when it doesn't.
            wins(self.rule(id).from) || self.wins_sometime(candidates, wins)
        })
    }

    fn is_shadowed(&self, id: RouteId) -> bool {
        let never_holds = self.rule(id).from >= self.rule(id).until;
        never_holds
            || self
                .route(id)
                .covers
                .iter()
                .all(|who| self.is_shadowed_for(id, who))
    }

    fn is_shadowed_for(&self, id: RouteId, who: Who) -> bool {
        let rule = self.rule(id);
        self.candidates(who)
            .iter()
            .take_while(|&&earlier| earlier != id)
            .any(|&earlier| {
                let earlier = self.rule(earlier);
                let same_hours = earlier.hours.is_none() || earlier.hours == rule.hours;
                same_hours && earlier.from <= rule.from && rule.until <= earlier.until
            })
    }
}
