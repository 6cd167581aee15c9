//! The plan: for each controller, class and month what is due, when, why, and what blocks it. Changes nothing.

use std::collections::BTreeMap;

use callcore::{retention::Verdict, scenario::Scenario};
use jiff::civil::Date;
use serde::Serialize;

use super::{
    GallringError,
    matter::Matter,
    receipts::Receipts,
    words::{Why, numbers_stay, why},
};
use crate::{index::Index, vault::Vault};

/// What gallring would do on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The day, ISO 8601.
    pub at: String,
    /// Things that would go.
    pub due: u64,
    /// Bytes they take.
    pub due_bytes: u64,
    /// Things that stay.
    pub stay: u64,
    /// Of all, how many have outstayed their ceiling: somebody has to answer for them.
    pub overdue: u64,
    /// By controller, class, month and reason.
    pub groups: Vec<Group>,
}

/// Things of one controller, class and month that go or stay for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Whose.
    pub controller: String,
    /// Of which class.
    pub class: String,
    /// The month they are of, `2026-11`.
    pub month: String,
    /// How many.
    pub objects: u64,
    /// Bytes they take; 0 for numbers, which lie within recordings.
    pub bytes: u64,
    /// `erase` or `keep`.
    pub verdict: &'static str,
    /// `due`, `before-floor`, `held`, `paused`, `inseparable`, `no-decision`, `decided-to-keep`, `not-handed-over`,
    /// `not-in-scenario`, `numbers-stay`.
    pub reason: &'static str,
    /// The reason in words.
    pub why: String,
    /// The diary number of the decision that the verdict rests on; empty when there is none.
    pub decision: String,
    /// First day any of them may go; empty when no rule says.
    pub earliest: String,
    /// Last day any of them may be there; empty when there is no ceiling.
    pub latest: String,
    /// How many have outstayed their ceiling.
    pub overdue: u64,
}

/// Makes the plan for a day. Works beside a running recorder.
///
/// # Errors
/// When the index or the access logs can't be read.
pub fn plan(
    vault: &Vault,
    index: &Index,
    scenario: &Scenario,
    today: Date,
) -> Result<Plan, GallringError> {
    let mut groups: BTreeMap<(String, String, String, Why), Group> = BTreeMap::new();
    let mut matters = Vec::new();
    for matter in Matter::all(vault, index, &mut Receipts::of(vault))? {
        matters.extend(matter.apart(index, scenario, today)?);
    }
    for matter in matters {
        let verdict = matter.verdict(scenario, today);
        let why = match matter.numbers_keep(scenario, today) {
            Some(numbers) => numbers_stay(why(scenario, matter.controller(), numbers.as_ref())),
            None => why(scenario, matter.controller(), verdict.as_ref()),
        };
        let key = (
            matter.controller().to_owned(),
            matter.class().to_owned(),
            matter.month().to_owned(),
            why,
        );
        let place = key.clone();
        groups
            .entry(key)
            .or_insert_with(|| Group::empty(place, verdict.as_ref()))
            .add(&matter, scenario, today);
    }
    Ok(Plan::summed(
        today.to_string(),
        groups.into_values().collect(),
    ))
}

impl Plan {
    /// One controller's part.
    #[must_use]
    pub fn of(self, controller: &str) -> Self {
        let mut groups = self.groups;
        groups.retain(|group| group.controller == controller);
        Self::summed(self.at, groups)
    }

    fn summed(at: String, groups: Vec<Group>) -> Self {
        let sum = |verdict: &str, of: fn(&Group) -> u64| {
            let fits = groups.iter().filter(|group| group.verdict == verdict);
            fits.map(of).sum()
        };
        Self {
            at,
            due: sum("erase", |group| group.objects),
            due_bytes: sum("erase", |group| group.bytes),
            stay: sum("keep", |group| group.objects),
            overdue: groups.iter().map(|group| group.overdue).sum(),
            groups,
        }
    }
}

impl Group {
    fn empty(
        (controller, class, month, why): (String, String, String, Why),
        verdict: Option<&Verdict>,
    ) -> Self {
        Self {
            controller,
            class,
            month,
            objects: 0,
            bytes: 0,
            verdict: match verdict {
                Some(Verdict::Erase(_)) => "erase",
                _ => "keep",
            },
            reason: why.code,
            why: why.sentence,
            decision: why.decision,
            earliest: String::new(),
            latest: String::new(),
            overdue: 0,
        }
    }

    fn add(&mut self, matter: &Matter, scenario: &Scenario, today: Date) {
        self.objects += matter.count();
        self.bytes += matter.bytes();
        if let Some(window) = matter.window(scenario) {
            lower(&mut self.earliest, window.earliest().to_string());
            if let Some(latest) = window.latest() {
                lower(&mut self.latest, latest.to_string());
                // Whatever the verdict: what may go and was let lie, or what nobody's rule is for any more, is there too long.
                self.overdue += if today > latest { matter.count() } else { 0 };
            }
        }
    }
}

fn lower(day: &mut String, other: String) {
    if day.is_empty() || other < *day {
        *day = other;
    }
}
