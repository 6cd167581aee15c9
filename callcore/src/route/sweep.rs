//! The moments at which the answer of some rules may change, one after another, each with the rule that wins from then on.
//!
//! Rules and calendars are looked at when they change, and not all of them at every moment: ten thousand rules by a hundred
//! calendars change some millions of times in 46 years.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use super::Table;
use crate::{scenario::RouteId, time::Time};

/// Goes through all time, from its beginning, or through a part of it. Of all time hours are looked at in the compiled years, 2005 to 2050,
/// and when a rule begins or ceases to hold; of a part, always.
pub(super) struct Sweep<'a> {
    table: &'a Table,
    /// When rules begin and cease to hold, in order.
    turns: std::iter::Peekable<std::vec::IntoIter<(Time, RouteId)>>,
    /// The next change of each calendar that rules have, and its place in the calendar.
    changes: BinaryHeap<Reverse<(i64, usize, usize)>>,
    /// By calendar, and at last for those without: the rules that hold when it is open.
    slots: Vec<Slot>,
    /// The first rule of each open slot.
    firsts: BTreeSet<RouteId>,
    /// When it begins, until that was told.
    begins: Option<Time>,
    /// Further moments, at which hours may change outside the compiled years, in order.
    by_wall: std::iter::Peekable<std::vec::IntoIter<Time>>,
    /// Whether calendars were open by the clock on the wall at the moment before, outside the compiled years.
    was_by_wall: bool,
    /// What this has taken so far: changes of rules and calendars that were looked at.
    pub(super) steps: usize,
}

#[derive(Default, Clone)]
struct Slot {
    rules: BTreeSet<RouteId>,
    is_open: bool,
}

impl<'a> Sweep<'a> {
    pub(super) fn of(table: &'a Table, candidates: &[RouteId]) -> Self {
        let mut turns = Vec::with_capacity(candidates.len() * 2);
        for &id in candidates {
            let rule = table.rule(id);
            if rule.from < rule.until {
                turns.extend([(rule.from, id), (rule.until, id)]);
            }
        }
        turns.sort_unstable();
        let calendars = table.hours_of(candidates).into_iter();
        let first = |hours| {
            Some(Reverse((
                *table.calendar(hours).changes().first()?,
                hours,
                0,
            )))
        };
        let mut slots = vec![Slot::default(); table.calendars() + 1];
        slots[table.calendars()].is_open = true;
        Self {
            table,
            turns: turns.into_iter().peekable(),
            changes: calendars.filter_map(first).collect(),
            slots,
            firsts: BTreeSet::new(),
            begins: Some(Time::from_micros(i64::MIN)),
            by_wall: Vec::new().into_iter().peekable(),
            was_by_wall: true,
            steps: 0,
        }
    }

    /// From one moment to another.
    pub(super) fn within(
        table: &'a Table,
        candidates: &[RouteId],
        (from, until): (Time, Time),
    ) -> impl Iterator<Item = (Time, Option<RouteId>)> + use<'a> {
        let mut sweep = Self::of(table, candidates);
        sweep.begin_at(from);
        let calendars = table.hours_of(candidates).into_iter();
        let beyond = !(table.is_compiled(from) && table.is_compiled(until));
        let mut by_wall: Vec<Time> = calendars
            .filter(|_| beyond)
            .flat_map(|hours| table.calendar(hours).changes_by_wall(from, until))
            .filter(|at| *at > from)
            .collect();
        by_wall.sort_unstable();
        by_wall.dedup();
        sweep.by_wall = by_wall.into_iter().peekable();
        sweep.take_while(move |(at, _)| *at < until)
    }

    /// Passes over all that was before a moment.
    fn begin_at(&mut self, from: Time) {
        while let Some(&(at, _)) = self.turns.peek().filter(|(at, _)| *at <= from) {
            self.turn_rules(at);
        }
        let calendars = std::mem::take(&mut self.changes);
        for Reverse((_, hours, _)) in calendars {
            let changes = self.table.calendar(hours).changes();
            let place = changes.partition_point(|&at| at <= from.as_micros());
            if let Some(&next) = changes.get(place) {
                self.changes.push(Reverse((next, hours, place)));
            }
        }
        for hours in 0..self.table.calendars() {
            let is_open = self.table.calendar(hours).is_open(from);
            self.change(hours, |slot| slot.is_open = is_open);
        }
        self.begins = Some(from);
        self.was_by_wall = !self.table.is_compiled(from);
    }

    fn next_moment(&mut self) -> Option<Time> {
        if let Some(begins) = self.begins.take() {
            return Some(begins);
        }
        let turn = self.turns.peek().map(|(at, _)| *at);
        let change = self.changes.peek();
        let change = change.map(|Reverse((at, ..))| Time::from_micros(*at));
        // What ends never ends at no moment.
        let by_wall = self.by_wall.peek().copied();
        let next = turn.into_iter().chain(change).chain(by_wall).min();
        next.filter(|at| *at != Time::from_micros(i64::MAX))
    }

    /// Changes what is in a slot, and which of its rules is the first.
    fn change(&mut self, place: usize, change: impl FnOnce(&mut Slot)) {
        self.steps += 1;
        let slot = &mut self.slots[place];
        if let (true, Some(first)) = (slot.is_open, slot.rules.first()) {
            self.firsts.remove(first);
        }
        change(slot);
        if let (true, Some(first)) = (slot.is_open, slot.rules.first()) {
            self.firsts.insert(*first);
        }
    }

    fn turn_rules(&mut self, at: Time) {
        while let Some((_, id)) = self.turns.next_if(|(turn, _)| *turn == at) {
            let rule = self.table.rule(id);
            let (place, begins) = (rule.hours, rule.from == at);
            self.change(place.unwrap_or(self.table.calendars()), |slot| {
                match begins {
                    true => slot.rules.insert(id),
                    false => slot.rules.remove(&id),
                };
            });
        }
    }

    fn open_and_close(&mut self, at: Time) {
        while let Some(&Reverse((change, hours, place))) = self.changes.peek()
            && change == at.as_micros()
        {
            self.changes.pop();
            // Of two changes the first opens.
            self.change(hours, |slot| slot.is_open = place % 2 == 0);
            if let Some(&next) = self.table.calendar(hours).changes().get(place + 1) {
                self.changes.push(Reverse((next, hours, place + 1)));
            }
        }
        while self.by_wall.next_if(|moment| *moment <= at).is_some() {}
        let by_wall = self.slots.len() > 1 && !self.table.is_compiled(at);
        if by_wall || self.was_by_wall {
            for hours in 0..self.table.calendars() {
                let is_open = self.table.calendar(hours).is_open(at);
                self.change(hours, |slot| slot.is_open = is_open);
            }
        }
        self.was_by_wall = by_wall;
    }
}

impl Iterator for Sweep<'_> {
    type Item = (Time, Option<RouteId>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next_moment()?;
        self.turn_rules(at);
        self.open_and_close(at);
        Some((at, self.firsts.first().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{route::Who, scenario::Scenario};

    /// Rules within, across and outside the compiled years, by hours that run over midnight and none.
    const RULES: &str = r#"
        operator = { organisation = "region-01" }
        organisation = [{ id = "region-01", name = "R", kind = "region" }]
        calendar = [
            { name = "night", open = [{ days = "mon-holiday", from = "22:00", to = "06:00" }] },
            { name = "day", open = [{ days = "mon-fri", from = "06:00", to = "22:00" }] },
            { name = "ever", open = [{ days = "mon-holiday", from = "00:00", to = "24:00" }] },
        ]
        queue = [{ name = "a", controller = "region-01" }]
        route = [
            { name = "old", all = true, until = 1990-01-01, hours = "day", queue = "a" },
            { name = "both", all = true, from = 1990-01-01, until = 2006-02-01, hours = "night", queue = "a" },
            { name = "two", all = true, from = 2005-06-01, until = 2005-07-01, queue = "a" },
            { name = "days", all = true, from = 2005-06-15, hours = "day", queue = "a" },
            { name = "jour", all = true, from = 2010-01-01, until = 2055-03-01, hours = "jourtid", queue = "a" },
            { name = "new", all = true, from = 2040-01-01, until = 2060-01-01, hours = "ever", queue = "a" },
            { name = "far", all = true, from = 2070-01-01, hours = "night", queue = "a" },
            { name = "rest", unknown = true, invalid = true, conflict = true, queue = "a" },
        ]"#;

    #[test]
    fn at_every_moment_of_change_the_rule_wins_that_the_table_says() {
        let scenario = Scenario::from_toml(RULES, "rules.toml");
        let table = scenario.unwrap_or_else(|error| panic!("{error}")).routes;
        let who = Who::everyone().next().expect("somebody");
        let candidates = table.candidates(who);
        let swept: Vec<_> = Sweep::of(&table, candidates).collect();
        let moments: Vec<Time> = swept.iter().map(|(at, _)| *at).collect();
        assert_eq!(moments, table.changes_of(candidates));
        for (at, won) in swept {
            let decided = table.decide_for(who, at).map(|decision| decision.route);
            assert_eq!(won, decided, "{:?}", at.in_sweden());
        }
    }
}
