//! Rules that meet: two that hold for one caller at one time and send the call to different places.

use super::{Route, Table, table::Rule};
use crate::{scenario::RouteId, time::Time};

/// Disagreements that are told at once: more than anybody mends before the next check.
const FOUND_MAX: usize = 1_000;
/// Openings of calendars that are held against each other, one step each. Two that never meet take some twenty thousand,
/// and every two of the hundred that a scenario may have half of this: a second.
const WORK_MAX: usize = 200_000_000;

/// Of time; of rules too that say no other.
const BEGINNING: Time = Time::from_micros(i64::MIN);

/// Two rules that hold for the same caller at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement {
    /// The one that wins, because it stands first.
    pub earlier: RouteId,
    /// The one that would send the call elsewhere.
    pub later: RouteId,
    /// The first moment at which both hold.
    pub at: Time,
}

/// What comes of comparing every two rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disagreements {
    /// By the later rule, then by the earlier.
    pub found: Vec<Disagreement>,
    /// The first rule that wasn't compared with all before it, where that would take too long or tell too much.
    pub compared_until: Option<RouteId>,
}

impl Table {
    /// Rules that disagree, and not because the earlier one is an exception to the later: an exception takes only
    /// callers of the other, within its time, in its hours or in hours of its own.
    pub fn disagreements(&self) -> Disagreements {
        let ids = || (0..self.routes().len() as u16).map(RouteId);
        let mut meetings = Meetings::of(self);
        let mut all = Disagreements::default();
        for later in ids() {
            for earlier in ids().take(later.index()) {
                if !self.may_disagree(earlier, later) {
                    continue;
                }
                if all.found.len() >= FOUND_MAX || meetings.steps >= WORK_MAX {
                    all.compared_until = Some(later);
                    return all;
                }
                if let Some(at) = meetings.first(self.rule(earlier), self.rule(later)) {
                    all.found.push(Disagreement { earlier, later, at });
                }
            }
        }
        all
    }

    /// What can be told without a calendar: every two of ten thousand rules are asked.
    fn may_disagree(&self, earlier: RouteId, later: RouteId) -> bool {
        let (a, b) = (self.route(earlier), self.route(later));
        let (one, other) = (self.rule(earlier), self.rule(later));
        a.covers.meets(&b.covers)
            && one.from.max(other.from) < one.until.min(other.until)
            && a.to != b.to
            && !is_exception(a, b)
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

/// When rules hold at the same time. Many rules have the same few calendars, and two of those are held against each other
/// from their beginning once.
struct Meetings<'a> {
    table: &'a Table,
    /// By two calendars, the last place for none: the first moment at which both are open, `None` within for never.
    known: Vec<Option<Option<Time>>>,
    places: usize,
    steps: usize,
}

impl<'a> Meetings<'a> {
    fn of(table: &'a Table) -> Self {
        let places = table.calendars() + 1;
        Self {
            table,
            known: vec![None; places * places],
            places,
            steps: 0,
        }
    }

    /// The first moment at which both rules hold.
    fn first(&mut self, one: &Rule, other: &Rule) -> Option<Time> {
        let (from, until) = (one.from.max(other.from), one.until.min(other.until));
        let hours = [one.hours, other.hours];
        let first = match self.ever(hours) {
            Some(ever) if ever < from => self.first_from(hours, from),
            // Before the compiled years only the beginnings of rules are looked at.
            _ if from != BEGINNING && self.are_open(hours, from) => Some(from),
            ever => ever,
        };
        first.filter(|at| *at < until)
    }

    /// The first moment of all at which both are open. Most rules have no beginning, and ten thousand are fifty million pairs.
    fn ever(&mut self, hours: [Option<usize>; 2]) -> Option<Time> {
        let [a, b] = hours.map(|hours| hours.unwrap_or(self.places - 1));
        let place = a.min(b) * self.places + a.max(b);
        if let Some(known) = self.known[place] {
            return known;
        }
        let first = self.first_from(hours, BEGINNING);
        self.known[place] = Some(first);
        first
    }

    fn first_from(&mut self, hours: [Option<usize>; 2], from: Time) -> Option<Time> {
        if self.are_open(hours, from) {
            return Some(from);
        }
        match hours {
            [Some(a), Some(b)] if a != b => self.both_open(a, b, from),
            [Some(hours), _] | [None, Some(hours)] => {
                self.steps += 1;
                self.table.calendar(hours).opens_after(from)
            }
            [None, None] => None,
        }
    }

    fn are_open(&self, hours: [Option<usize>; 2], at: Time) -> bool {
        let mut calendars = hours.iter().flatten().map(|&at| self.table.calendar(at));
        calendars.all(|times| times.is_open(at))
    }

    fn both_open(&mut self, a: usize, b: usize, from: Time) -> Option<Time> {
        let [mut a, mut b] = [a, b].map(|hours| {
            let openings = self.table.calendar(hours).openings_from(from);
            openings.peekable()
        });
        while let (Some(one), Some(other)) = (a.peek(), b.peek()) {
            self.steps += 1;
            let opens = one.start.max(other.start).max(from);
            if opens < one.end.min(other.end) {
                return Some(opens);
            }
            if one.end <= other.end {
                a.next();
            } else {
                b.next();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::scenario::Scenario;

    /// As many as a scenario may have.
    const CALENDARS_MAX: usize = 100;

    /// A scenario of two queues with these rules and calendars; whoever isn't named goes to the first.
    fn table(calendars: &str, rules: &str) -> Table {
        let text = format!(
            "operator = {{ organisation = \"region-01\" }}
             organisation = [{{ id = \"region-01\", name = \"R\", kind = \"region\" }}]
             calendar = [{calendars}]
             queue = [{{ name = \"a\", controller = \"region-01\" }}, {{ name = \"b\", controller = \"region-01\" }}]
             route = [{rules} {{ name = \"rest\", all = true, unknown = true, invalid = true, conflict = true, queue = \"a\" }}]"
        );
        let scenario = Scenario::from_toml(&text, "rules.toml");
        scenario.unwrap_or_else(|error| panic!("{error}")).routes
    }

    fn names(table: &Table, found: &Disagreements) -> Vec<(String, String)> {
        let name = |id: RouteId| table.route(id).name.to_string();
        let both = |it: &Disagreement| (name(it.earlier), name(it.later));
        found.found.iter().map(both).collect()
    }

    #[test]
    fn rules_far_down_a_long_file_are_compared_too() {
        let mut rules = String::new();
        for n in 0..1_500 {
            let (year, kommun) = (1900 + n, ["0180", "0114"][n % 2]);
            let next = year + 1;
            let _written = write!(
                rules,
                "{{ name = \"r{n}\", kommun = \"{kommun}\", from = {year}-01-01, until = {next}-01-01, queue = \"a\" }},"
            );
        }
        let last = "{ name = \"one\", kommun = \"2584\", until = 2025-01-01, queue = \"a\" },
            { name = \"two\", kommun = \"2584\", from = 2024-01-01, queue = \"b\" },";
        let table = table("", &format!("{rules}{last}"));
        let found = table.disagreements();
        assert_eq!(names(&table, &found), [("one".into(), "two".into())]);
        assert_eq!(found.compared_until, None);
    }

    /// A hundred calendars, no two of which are ever open together, and a few hundred rules by them.
    #[test]
    fn many_rules_by_the_hour_are_compared_in_a_moment() {
        let (mut calendars, mut rules) = (String::new(), String::new());
        for n in 0..CALENDARS_MAX {
            let (from, to) = (n * 14, n * 14 + 14);
            let minute = |at: usize| format!("{:02}:{:02}", at / 60, at % 60);
            let _written = write!(
                calendars,
                "{{ name = \"c{n}\", open = [{{ days = \"mon\", from = \"{}\", to = \"{}\" }}] }},",
                minute(from),
                minute(to)
            );
        }
        for n in 0..600 {
            let (hours, queue) = (n % CALENDARS_MAX, ["a", "b"][n % 2]);
            let _written = write!(
                rules,
                "{{ name = \"r{n}\", kommun = \"0180\", hours = \"c{hours}\", queue = \"{queue}\" }},"
            );
        }
        let table = table(&calendars, &rules);
        let found = table.disagreements();
        assert_eq!(names(&table, &found), []);
        assert_eq!(found.compared_until, None);
        assert_eq!(table.unreachable().len(), 500);
        assert_eq!(table.uncovered().found, []);
    }

    #[test]
    fn the_first_moment_is_told_and_the_rest_of_too_many_is_not_passed_over_in_silence() {
        let calendars = "{ name = \"early\", open = [{ days = \"mon-fri\", from = \"06:00\", to = \"10:00\" }] },
            { name = \"late\", open = [{ days = \"wed\", from = \"09:00\", to = \"17:00\" }] },";
        let two = "{ name = \"one\", kommun = \"0180\", hours = \"early\", from = 2026-11-19, queue = \"a\" },
            { name = \"two\", kommun = \"0180\", hours = \"late\", queue = \"b\" },";
        let [found] = table(calendars, two).disagreements().found[..] else {
            panic!("one pair disagrees");
        };
        // A Wednesday, the first after the Thursday from which both hold.
        assert_eq!(
            found.at.in_sweden().datetime().to_string(),
            "2026-11-25T09:00:00"
        );
        let many: String = (0..60)
            .map(|n| {
                let (hours, queue) = (["early", "late"][n % 2], ["a", "b"][n % 2]);
                format!("{{ name = \"r{n}\", kommun = \"0180\", hours = \"{hours}\", queue = \"{queue}\" }},")
            })
            .collect();
        let table = table(calendars, &many);
        let found = table.disagreements();
        assert_eq!(found.found.len(), 900, "thirty by thirty");
        assert_eq!(found.compared_until, None);
        let twice = format!("{many}{}", many.replace("name = \"r", "name = \"s"));
        let table = super::tests::table(calendars, &twice);
        let found = table.disagreements();
        assert_eq!(found.found.len(), FOUND_MAX);
        let until = found.compared_until.expect("there are more");
        assert!(until >= found.found[FOUND_MAX - 1].later);
    }
}
