//! May this be erased today? The one place that can say yes.

use jiff::civil::Date;

use super::{ObjectClass, RetentionWindow};
use crate::scenario::{OrgId, Scenario};

/// A thing that is kept, as far as retention cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Whose.
    pub controller: OrgId,
    /// Of which kind.
    pub class: ObjectClass,
    /// Its floor and ceiling, as they were fixed when it came to be.
    pub window: RetentionWindow,
    /// Whether somebody has ordered that it stay (a dispute, an extract under way).
    pub held: bool,
    /// Whether the controller has received its copy and confirmed it.
    pub handed_over: bool,
}

/// What is to be done with it.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be erased, and the permit is what an eraser must be given.
    Erase(ErasurePermit),
    /// It stays.
    Keep {
        /// Why: the first reason that holds, in the order of [`KeepReason`].
        reason: KeepReason,
        /// Whether it has outstayed its ceiling, which somebody has to answer for.
        overdue: bool,
    },
}

/// Why something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeepReason {
    /// Its floor lies ahead: this is the first day it may go.
    BeforeFloor(Date),
    /// Somebody has ordered that it stay.
    Held,
    /// Erasure is paused; the place of the pause in [`Scenario::pauses`].
    Paused(usize),
    /// It can't be told apart from another class that has to stay, as care calls from information calls: Patientdatalagen's
    /// ten years against BTV's three. Only a decision on that class too resolves it (GALLRING-JH).
    Inseparable {
        /// The other class.
        class: ObjectClass,
        /// The decision that keeps that class, in [`Scenario::decisions`]; `None` when nobody decided anything.
        decision: Option<usize>,
    },
    /// Its controller has decided nothing. A processor erases only when told to (BTV).
    NoDecision,
    /// Its controller has decided that it stays; the place in [`Scenario::decisions`].
    DecidedToKeep(usize),
    /// Its controller wants it first, and hasn't confirmed that it has it; the place in [`Scenario::decisions`].
    NotHandedOver(usize),
}

/// Leave to erase one thing, under one recorded decision. Made only by [`judge`], and used up by erasing.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "whatever may be erased and isn't will outstay its ceiling"]
pub struct ErasurePermit {
    decision: usize,
}

impl ErasurePermit {
    /// The place of the decision in [`Scenario::decisions`], for what has to be written down before it is used.
    pub const fn decision(&self) -> usize {
        self.decision
    }

    /// Uses the permit up: the place of the decision in [`Scenario::decisions`], for the destruction register.
    pub fn into_decision(self) -> usize {
        self.decision
    }
}

/// Whether a thing may be erased on a day. Invariant 4: nothing else makes an [`ErasurePermit`].
pub fn judge(scenario: &Scenario, kept: &Kept, today: Date) -> Verdict {
    let overdue = kept.window.latest().is_some_and(|latest| today > latest);
    match deciding(scenario, kept, today) {
        Ok(decision) => Verdict::Erase(ErasurePermit { decision }),
        Err(reason) => Verdict::Keep { reason, overdue },
    }
}

/// The decision under which it may go, or why it stays.
fn deciding(scenario: &Scenario, kept: &Kept, today: Date) -> Result<usize, KeepReason> {
    if today < kept.window.earliest() {
        return Err(KeepReason::BeforeFloor(kept.window.earliest()));
    }
    if kept.held {
        return Err(KeepReason::Held);
    }
    if let Some(pause) = pause_in_force(scenario, kept.controller, today) {
        return Err(KeepReason::Paused(pause));
    }
    if let Some(reason) = entangled(scenario, kept, today) {
        return Err(reason);
    }
    let place = scenario
        .deciding(kept.controller, kept.class, today)
        .ok_or(KeepReason::NoDecision)?;
    let decision = &scenario.decisions[place];
    match &*decision.permits {
        "erase" => Ok(place),
        "hand-over" if kept.handed_over => Ok(place),
        "hand-over" => Err(KeepReason::NotHandedOver(place)),
        _ => Err(KeepReason::DecidedToKeep(place)),
    }
}

/// What can't be told apart goes only when all that it may be may go.
fn entangled(scenario: &Scenario, kept: &Kept, today: Date) -> Option<KeepReason> {
    let stores = scenario.stores.iter().filter(|store| {
        store.inseparable
            && store.holds.contains(&kept.class)
            && (store.controllers.is_empty() || store.controllers.contains(&kept.controller))
    });
    let others = stores.flat_map(|store| store.holds.iter().copied());
    others
        .filter(|&other| other != kept.class && outlives(scenario, kept, other))
        .find_map(|class| {
            let decision = scenario.deciding(kept.controller, class, today);
            match decision.map(|at| (at, &*scenario.decisions[at].permits)) {
                Some((_, "erase")) => None,
                Some((_, "hand-over")) if kept.handed_over => None,
                Some((at, "hand-over")) => Some(KeepReason::NotHandedOver(at)),
                _ => Some(KeepReason::Inseparable { class, decision }),
            }
        })
}

/// Whether another class of this controller has a floor above this one's.
fn outlives(scenario: &Scenario, kept: &Kept, other: ObjectClass) -> bool {
    /// Any day: only the length of the periods is compared.
    const PROBE: Date = Date::constant(2020, 1, 1);
    let floor = |class| {
        scenario
            .retention_window(kept.controller, class, PROBE)
            .map(|(window, _)| window.earliest())
    };
    floor(other) > floor(kept.class)
}

fn pause_in_force(scenario: &Scenario, controller: OrgId, today: Date) -> Option<usize> {
    scenario.pauses.iter().position(|pause| {
        pause.controller.is_none_or(|paused| paused == controller)
            && pause.from <= today
            && pause.until.is_none_or(|until| today < until)
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const JAMTLAND: &str = r#"
        organisation = [
          { id = "region-23", name = "Region Jämtland Härjedalen", kind = "region" },
          { id = "region-01", name = "Region Stockholm", kind = "region" },
        ]
        operator = { organisation = "region-23" }
        queue = [{ name = "q", controller = "region-23" }]
        route = [{ name = "r", all = true, unknown = true, invalid = true, conflict = true, queue = "q" }]
        decision = [
          { controller = "region-23", diary_number = "RS/284/2021", date = 2021-03-01, permits = "keep", classes = ["audio"] },
          { controller = "region-23", diary_number = "RS/903/2025", date = 2025-08-01, permits = "erase", classes = ["audio"] },
          { controller = "region-01", diary_number = "x", date = 2021-02-01, permits = "hand-over", classes = ["audio"] },
        ]
        pause = [{ from = 2021-09-01, until = 2025-01-01, reason = "BTV" }]
    "#;

    fn scenario() -> Scenario {
        read(JAMTLAND)
    }

    fn read(text: &str) -> Scenario {
        Scenario::from_toml(text, "test").unwrap_or_else(|error| panic!("{error}"))
    }

    /// Audio and journal documents can't be told apart, and these have to stay so long.
    fn inseparable(floor: &str) -> String {
        format!(
            r#"{JAMTLAND}
            retention = [
              {{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }},
              {{ class = "journal-document", earliest = "{floor}", basis = "Patientdatalagen" }},
            ]
            [[store]]
            name = "inera"
            operator = "region-23"
            holds = ["audio", "journal-document"]
            inseparable = true
            "#
        )
    }

    fn kept(scenario: &Scenario, controller: &str) -> Kept {
        Kept {
            controller: scenario.org_by_id(controller).expect("it takes part"),
            class: ObjectClass::Audio,
            window: RetentionWindow::new(date(2020, 11, 5), Some(date(2021, 11, 5)))
                .expect("in order"),
            held: false,
            handed_over: false,
        }
    }

    fn keep(reason: KeepReason, overdue: bool) -> Verdict {
        Verdict::Keep { reason, overdue }
    }

    #[test]
    fn a_recording_of_jamtland_through_the_years() {
        let scenario = scenario();
        let recording = kept(&scenario, "region-23");
        let on = |day| judge(&scenario, &recording, day);
        assert_eq!(
            on(date(2020, 11, 4)),
            keep(KeepReason::BeforeFloor(date(2020, 11, 5)), false)
        );
        assert_eq!(on(date(2020, 11, 5)), keep(KeepReason::NoDecision, false));
        assert_eq!(
            on(date(2021, 8, 31)),
            keep(KeepReason::DecidedToKeep(0), false)
        );
        assert_eq!(on(date(2021, 11, 5)), keep(KeepReason::Paused(0), false));
        assert_eq!(on(date(2021, 11, 6)), keep(KeepReason::Paused(0), true));
        assert_eq!(
            on(date(2025, 1, 1)),
            keep(KeepReason::DecidedToKeep(0), true)
        );
        assert_eq!(
            on(date(2025, 8, 1)),
            Verdict::Erase(ErasurePermit { decision: 1 })
        );
    }

    #[test]
    fn a_pause_holds_from_its_first_day_to_before_its_last_for_those_it_is_of() {
        let of = |controller: &str, text: &str, day| {
            let scenario = read(text);
            let verdict = judge(&scenario, &kept(&scenario, controller), day);
            matches!(
                verdict,
                Verdict::Keep {
                    reason: KeepReason::Paused(0),
                    ..
                }
            )
        };
        let (first, last) = (date(2021, 9, 1), date(2025, 1, 1));
        for (day, paused) in [
            (first.yesterday().expect("one"), false),
            (first, true),
            (last.yesterday().expect("one"), true),
            (last, false),
        ] {
            assert_eq!(of("region-23", JAMTLAND, day), paused, "{day}");
            assert_eq!(of("region-01", JAMTLAND, day), paused, "{day}");
        }
        let own = JAMTLAND.replace(
            "{ from = 2021",
            r#"{ controller = "region-23", from = 2021"#,
        );
        assert!(of("region-23", &own, first));
        assert!(!of("region-01", &own, first));
    }

    /// Who has to stay as long keeps nobody longer.
    #[test]
    fn what_has_the_same_floor_is_not_waited_for() {
        let scenario = read(&inseparable("2 years"));
        let verdict = judge(&scenario, &kept(&scenario, "region-23"), date(2025, 9, 1));
        assert_eq!(verdict, Verdict::Erase(ErasurePermit { decision: 1 }));
    }

    #[test]
    fn a_hold_goes_before_a_decision() {
        let scenario = scenario();
        let held = Kept {
            held: true,
            ..kept(&scenario, "region-23")
        };
        assert_eq!(
            judge(&scenario, &held, date(2025, 8, 1)),
            keep(KeepReason::Held, true)
        );
    }

    #[test]
    fn what_is_to_be_handed_over_goes_after_that() {
        let scenario = scenario();
        let waiting = kept(&scenario, "region-01");
        let day = date(2021, 3, 1);
        assert_eq!(
            judge(&scenario, &waiting, day),
            keep(KeepReason::NotHandedOver(2), false)
        );
        let delivered = Kept {
            handed_over: true,
            ..waiting
        };
        assert_eq!(
            judge(&scenario, &delivered, day),
            Verdict::Erase(ErasurePermit { decision: 2 })
        );
    }

    #[test]
    fn a_decision_speaks_of_its_classes_only() {
        let scenario = scenario();
        let number = Kept {
            class: ObjectClass::TelephoneNumber,
            ..kept(&scenario, "region-23")
        };
        assert_eq!(
            judge(&scenario, &number, date(2026, 1, 1)),
            keep(KeepReason::NoDecision, true)
        );
    }

    /// Whichever stands first: what was erased doesn't come back.
    #[test]
    fn of_two_decisions_of_one_day_the_one_that_keeps_more_holds() {
        let (keep_it, erase, hand_over) = ("keep", "erase", "hand-over");
        for (one, other, goes) in [
            (keep_it, erase, false),
            (erase, keep_it, false),
            (erase, hand_over, false),
            (erase, erase, true),
        ] {
            let decision = |number: &str, permits: &str| {
                format!(
                    r#"{{ controller = "region-23", diary_number = "{number}", date = 2025-10-01, permits = "{permits}", classes = ["audio"] }},"#
                )
            };
            let two = format!("decision = [{}{}", decision("a", one), decision("b", other));
            let text = JAMTLAND.replace("decision = [", &two);
            let scenario = read(&text);
            let verdict = judge(&scenario, &kept(&scenario, "region-23"), date(2026, 1, 1));
            let erased = matches!(verdict, Verdict::Erase(_));
            assert_eq!(erased, goes, "{one}, {other}: {verdict:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_apart_stays_until_both_are_decided() {
        let undecided = inseparable("10 years");
        let on = |text: &str| {
            let scenario = read(text);
            judge(&scenario, &kept(&scenario, "region-23"), date(2025, 9, 1))
        };
        let class = ObjectClass::JournalDocument;
        // RS/903/2025 speaks of audio; of journal documents nobody has spoken.
        assert_eq!(
            on(&undecided),
            keep(
                KeepReason::Inseparable {
                    class,
                    decision: None
                },
                true
            )
        );
        let decided = |permits: &str| {
            let entry = format!(
                r#"decision = [{{ controller = "region-23", diary_number = "d", date = 2025-08-02, permits = "{permits}", classes = ["journal-document"] }},"#
            );
            undecided.replace("decision = [", &entry)
        };
        let kept_by = KeepReason::Inseparable {
            class,
            decision: Some(0),
        };
        assert_eq!(on(&decided("keep")), keep(kept_by, true));
        assert_eq!(
            on(&decided("erase")),
            Verdict::Erase(ErasurePermit { decision: 2 })
        );
        // Who wants the care calls first hasn't them while what may be one has not been handed over.
        let handing = decided("hand-over");
        assert_eq!(on(&handing), keep(KeepReason::NotHandedOver(0), true));
        let scenario = read(&handing);
        let confirmed = Kept {
            handed_over: true,
            ..kept(&scenario, "region-23")
        };
        assert_eq!(
            judge(&scenario, &confirmed, date(2025, 9, 1)),
            Verdict::Erase(ErasurePermit { decision: 2 })
        );
    }
}
