//! What a table leaves open: callers for whom at some time no rule holds, and rules that never win.

use std::collections::BTreeSet;

use super::{Table, Who, sweep::Sweep};
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

/// What was found of callers without a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps {
    /// In the order of [`Who::everyone`], the first gap of each.
    pub found: Vec<Uncovered>,
    /// The first for whom it wasn't found out, where that would take too long.
    pub searched_until: Option<Who>,
}

/// Changes of rules and calendars that are gone through for all callers together. Rules by the hour for each region need
/// half a million, and by a hundred calendars seventy; some tens of millions are a second.
const WORK_MAX: usize = 100_000_000;

/// It would take more than [`WORK_MAX`].
struct TooMuch;

#[derive(Clone, Copy)]
struct Gap {
    from: Time,
    until: Option<Time>,
}

impl Table {
    /// The first gap of everyone who has one. Hours are looked at in the compiled years, 2005 to 2050.
    pub fn uncovered(&self) -> Gaps {
        self.uncovered_by(WORK_MAX)
    }

    fn uncovered_by(&self, work_max: usize) -> Gaps {
        let mut known: Vec<(&[RouteId], Option<Gap>)> = Vec::new();
        let mut gaps = Gaps::default();
        let mut work = 0;
        for who in Who::everyone() {
            let candidates = self.candidates(who);
            // Kommuner of one region share their rules, so this is worked out some twenty times, not 290.
            let gap = match known.iter().find(|(others, _)| *others == candidates) {
                Some((_, gap)) => *gap,
                None => {
                    let Ok(gap) = self.first_gap(candidates, &mut work, work_max) else {
                        gaps.searched_until = Some(who);
                        return gaps;
                    };
                    known.push((candidates, gap));
                    gap
                }
            };
            let found = gap.map(|Gap { from, until }| Uncovered { who, from, until });
            gaps.found.extend(found);
        }
        gaps
    }

    fn first_gap(
        &self,
        candidates: &[RouteId],
        work: &mut usize,
        work_max: usize,
    ) -> Result<Option<Gap>, TooMuch> {
        // Then there can't be one, whatever the hours of the others.
        if candidates.iter().any(|&id| self.always(id)) {
            return Ok(None);
        }
        let mut sweep = Sweep::of(self, candidates);
        let mut gap: Option<Time> = None;
        while let Some((at, won)) = sweep.next() {
            match (gap, won) {
                (None, None) => gap = Some(at),
                (Some(from), Some(_)) => {
                    *work += sweep.steps;
                    let until = Some(at);
                    return Ok(Some(Gap { from, until }));
                }
                _ => {}
            }
            if *work + sweep.steps > work_max {
                return Err(TooMuch);
            }
        }
        *work += sweep.steps;
        Ok(gap.map(|from| Gap { from, until: None }))
    }

    /// Every moment at which one of these rules begins or ceases to hold, sorted, the beginning of time first.
    #[cfg(test)]
    pub(super) fn changes_of(&self, candidates: &[RouteId]) -> Vec<Time> {
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

    /// The different hours of these rules: hundreds may have the same few.
    pub(super) fn hours_of(&self, candidates: &[RouteId]) -> BTreeSet<usize> {
        candidates
            .iter()
            .filter_map(|&id| self.rule(id).hours)
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
        let mut lists: Vec<(Who, &[RouteId])> = Vec::new();
        for who in Who::everyone() {
            let candidates = self.candidates(who);
            if !lists.iter().any(|(_, known)| *known == candidates) {
                lists.push((who, candidates));
            }
        }
        let shadowed = self.shadowed(&lists);
        // Nothing more has to be found out of these: they are shadowed, or win.
        let mut settled = shadowed.clone();
        let mut work = 0;
        for (who, candidates) in lists {
            self.settle(who, candidates, &mut settled, &mut work);
        }
        ids()
            .filter(|id| shadowed[id.index()] || !settled[id.index()])
            .collect()
    }

    /// Finds out which rules win for a caller at some moment.
    fn settle(&self, who: Who, candidates: &[RouteId], settled: &mut [bool], work: &mut usize) {
        // Mostly a rule wins when it begins; every other moment of change is tried only when one doesn't.
        for &id in candidates {
            if !settled[id.index()]
                && let Some(won) = self.decide_for(who, self.rule(id).from)
            {
                settled[won.route.index()] = true;
            }
        }
        let mut open = candidates.iter().filter(|id| !settled[id.index()]).count();
        let mut sweep = Sweep::of(self, candidates);
        while open > 0
            && let Some((_, won)) = sweep.next()
        {
            if let Some(won) = won.filter(|won| !settled[won.index()]) {
                settled[won.index()] = true;
                open -= 1;
            }
            if *work + sweep.steps > WORK_MAX {
                // What costs too much to rule out counts as reached: a finding that isn't there harms nobody.
                for id in candidates {
                    settled[id.index()] = true;
                }
                return;
            }
        }
        *work += sweep.steps;
    }

    /// For each rule whether one earlier rule alone takes each of its callers whenever it holds.
    fn shadowed(&self, lists: &[(Who, &[RouteId])]) -> Vec<bool> {
        let rules = (0..self.routes().len() as u16).map(RouteId);
        rules
            .map(|id| {
                let never_holds = self.rule(id).from >= self.rule(id).until;
                let covers = &self.route(id).covers;
                let mut its = lists.iter().filter(|(who, _)| covers.contains(*who));
                never_holds || its.all(|(_, candidates)| self.is_shadowed_for(id, candidates))
            })
            .collect()
    }

    fn is_shadowed_for(&self, id: RouteId, candidates: &[RouteId]) -> bool {
        let rule = self.rule(id);
        candidates
            .iter()
            .take_while(|&&earlier| earlier != id)
            .any(|&earlier| {
                let earlier = self.rule(earlier);
                let same_hours = earlier.hours.is_none() || earlier.hours == rule.hours;
                same_hours && earlier.from <= rule.from && rule.until <= earlier.until
            })
    }
}

#[cfg(test)]
mod tests {
    use crate::{route::Who, scenario::Scenario};

    /// Everybody's calls by the hour, and those of one kommun also at all times.
    #[test]
    fn what_takes_too_long_to_find_out_is_told() {
        let text = r#"
            operator = { organisation = "region-01" }
            organisation = [{ id = "region-01", name = "R", kind = "region" }]
            calendar = [{ name = "ever", open = [{ days = "mon-holiday", from = "00:00", to = "24:00" }] }]
            queue = [{ name = "a", controller = "region-01" }]
            route = [
                { name = "free", all = true, unknown = true, invalid = true, conflict = true, hours = "jourtid", queue = "a" },
                { name = "else", all = true, unknown = true, invalid = true, conflict = true, hours = "ever", queue = "a" },
                { name = "first", kommun = "0114", queue = "a" },
            ]"#;
        let scenario = Scenario::from_toml(text, "rules.toml");
        let table = scenario.unwrap_or_else(|error| panic!("{error}")).routes;
        let enough = table.uncovered();
        assert_eq!((enough.found.len(), enough.searched_until), (0, None));
        let too_little = table.uncovered_by(10_000);
        let second = Who::everyone().nth(1);
        assert_eq!(
            (too_little.found.len(), too_little.searched_until),
            (0, second)
        );
    }
}
