//! What a table leaves open: callers for whom at some time no rule holds, and rules that never win.

use std::collections::BTreeSet;

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

/// Moments times rules that are tried to find out which rules win, for all callers together. A scenario with ten rules by
/// the hour needs three million for each region; a hundred by a hundred calendars a hundred million; ten thousand such rules
/// would take hours.
const WORK_MAX: usize = 200_000_000;

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
        let candidates = self.candidates(who);
        let moments = self.moments_of_change(candidates);
        // Whoever wins, rules that hold at the same times leave the same gaps.
        let mut times: Vec<(Time, Time, Option<usize>)> = candidates
            .iter()
            .map(|&id| self.rule(id))
            .map(|rule| (rule.from, rule.until, rule.hours))
            .collect();
        times.sort_unstable();
        times.dedup();
        let holds = |at: Time| {
            times.iter().any(|&(from, until, hours)| {
                (from..until).contains(&at)
                    && hours.is_none_or(|hours| self.calendar(hours).is_open(at))
            })
        };
        let place = moments.iter().position(|&at| !holds(at))?;
        let until = moments[place..].iter().find(|&&at| holds(at));
        Some(Gap {
            from: moments[place],
            until: until.copied(),
        })
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
        }
        for hours in self.hours_of(candidates) {
            let changes = self.calendar(hours).changes();
            moments.extend(changes.iter().map(|&micros| Time::from_micros(micros)));
        }
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// How many that may be, before they are put together.
    fn changes_max(&self, candidates: &[RouteId]) -> usize {
        let hours = self.hours_of(candidates).into_iter();
        let changes: usize = hours
            .map(|hours| self.calendar(hours).changes().len())
            .sum();
        1 + 2 * candidates.len() + changes
    }

    /// The different hours of these rules: hundreds may have the same few.
    fn hours_of(&self, candidates: &[RouteId]) -> BTreeSet<usize> {
        candidates
            .iter()
            .filter_map(|&id| self.rule(id).hours)
            .collect()
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
        let ids = || (0..self.routes().len() as u16).map(RouteId);
        // Nothing more has to be found out of these: they are shadowed, or win.
        let mut settled: Vec<bool> = ids().map(|id| self.is_shadowed(id)).collect();
        let shadowed = settled.clone();
        let mut known: Vec<&[RouteId]> = Vec::new();
        let mut work = 0;
        for who in Who::everyone() {
            let candidates = self.candidates(who);
            if known.contains(&candidates) {
                continue;
            }
            known.push(candidates);
            self.settle(who, &mut settled, &mut work);
        }
        ids()
            .filter(|id| shadowed[id.index()] || !settled[id.index()])
            .collect()
    }

    /// Finds out which rules win for a caller at some moment.
    fn settle(&self, who: Who, settled: &mut [bool], work: &mut usize) {
        let candidates = self.candidates(who);
        let win = |settled: &mut [bool], at| {
            if let Some(won) = self.decide_for(who, at) {
                settled[won.route.index()] = true;
            }
        };
        // Mostly a rule wins when it begins; every other moment of change is tried only when one doesn't.
        for &id in candidates {
            if !settled[id.index()] {
                win(settled, self.rule(id).from);
            }
        }
        if candidates.iter().all(|id| settled[id.index()]) {
            return;
        }
        *work = work.saturating_add(self.changes_max(candidates) * candidates.len());
        if *work > WORK_MAX {
            // What costs too much to rule out counts as reached: a finding that isn't there harms nobody.
            for id in candidates {
                settled[id.index()] = true;
            }
            return;
        }
        for at in self.changes_of(candidates) {
            win(settled, at);
        }
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
