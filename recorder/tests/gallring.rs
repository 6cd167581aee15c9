//! Gallring: nothing a day too soon, nothing without a decision, and a crash at any point leaves index and store agreeing.

#[path = "gallring/faults.rs"]
mod faults;
#[path = "gallring/forged.rs"]
mod forged;
#[path = "gallring/logs.rs"]
mod logs;
#[path = "gallring/model.rs"]
mod model;
#[path = "gallring/numbers.rs"]
mod numbers;
#[path = "gallring/reconciled.rs"]
mod reconciled;
mod stored;

use std::ops::ControlFlow;

use callcore::scenario::Scenario;
use jiff::civil::{Date, date};
use recorder::{
    gallring::{self, GallringError, Plan, Report},
    names::RecordingId,
};
use stored::{Bench, REGION, now, scenario, tag};

/// Another controller with a decision of its own: what goes under it is another batch.
const OTHER: &str = "region-22";

fn with_other() -> Scenario {
    let text = include_str!("../../scenarios/jamtland-2025.toml");
    let organisations = "organisation = [\n";
    let other = format!(
        "{organisations}  {{ id = \"{OTHER}\", name = \"Other\", kind = \"region\", country = \"SE\", health_care_secrecy = true, region = \"22\" }},\n"
    );
    let decisions = "decision = [\n";
    let decided = format!(
        "{decisions}  {{ controller = \"{OTHER}\", diary_number = \"22/2025\", date = 2025-07-31, permits = \"erase\", \
         classes = [\"audio\", \"journal-document\", \"telephone-number\"] }},\n"
    );
    let text = text
        .replace(organisations, &other)
        .replace(decisions, &decided);
    Scenario::from_toml(&text, "two").unwrap_or_else(|error| panic!("{error}"))
}

fn go_on(_: gallring::Step) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

impl Bench {
    fn plan(&self, scenario: &Scenario, at: Date) -> Plan {
        gallring::plan(&self.vault, &self.index, scenario, at).expect("planned")
    }

    fn run(&self, scenario: &Scenario, at: Date) -> Result<Report, GallringError> {
        gallring::run(&self.vault, &self.index, scenario, at, now(), &mut go_on)
    }

    /// Class and reason of every group.
    fn reasons(&self, scenario: &Scenario, at: Date) -> Vec<(String, &'static str)> {
        let groups = self.plan(scenario, at).groups;
        groups
            .into_iter()
            .map(|group| (group.class, group.reason))
            .collect()
    }

    /// A controller's two recordings.
    fn of(&self, controller: &str) -> [RecordingId; 2] {
        let entries = self.index.of_controller(controller, None).expect("read");
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        ids.try_into().expect("two")
    }

    fn registered(&self) -> Vec<gallring::Register> {
        let mut lines = Vec::new();
        gallring::register(&self.vault, true, |line| lines.push(line)).expect("whole");
        lines
    }

    /// A recording is all there or all gone, and what is gone stands in the register once.
    fn agrees(&self, id: RecordingId, what: &str) -> bool {
        let row = self.index.get(id).ok();
        let opens = self.vault.unlock(id, &tag(REGION, 0)).is_ok() || row.is_some();
        let entries = self.registered();
        let entries = entries.iter().filter(|line| {
            line.destroyed.object == id.to_string() && line.destroyed.class == "audio"
        });
        let facts = (
            row.is_some(),
            self.vault.has_key(id),
            [REGION, OTHER].map(|whose| self.folder_of(whose, id).exists()) != [false; 2],
            entries.count(),
        );
        assert!(
            facts == (true, true, true, 0) || facts == (false, false, false, 1),
            "{what}: row, key, folder, entries are {facts:?}"
        );
        if let Some(entry) = row {
            assert!(
                opens && self.vault.unlock(id, &entry.tag).is_ok(),
                "{what}: it opens"
            );
        }
        facts.0
    }
}

#[test]
fn jamtland_from_2020_to_2025() {
    let (bench, scenario) = (Bench::with(3), scenario());
    let reasons = |at| bench.reasons(&scenario, at);
    let both = |audio, numbers| {
        vec![
            ("audio".to_owned(), audio),
            ("telephone-number".to_owned(), numbers),
        ]
    };
    assert_eq!(
        reasons(date(2020, 11, 4)),
        both("before-floor", "before-floor")
    );
    assert_eq!(
        reasons(date(2020, 11, 5)),
        both("inseparable", "no-decision")
    );
    // The decision of 2021: numbers may go, recordings can't be told apart.
    assert_eq!(reasons(date(2021, 6, 1)), both("inseparable", "due"));
    assert_eq!(reasons(date(2021, 9, 1)), both("paused", "paused"));
    assert_eq!(reasons(date(2025, 7, 15)), both("inseparable", "due"));
    assert_eq!(bench.plan(&scenario, date(2021, 11, 5)).overdue, 0);
    // The recordings that stay, and the numbers that might have gone for years.
    assert_eq!(bench.plan(&scenario, date(2025, 7, 15)).overdue, 6);
    assert_eq!(reasons(date(2025, 7, 31)), both("due", "due"));
    let plan = bench.plan(&scenario, date(2025, 7, 31));
    assert_eq!(
        (plan.due, plan.groups[0].decision.as_str()),
        (6, "RS/903/2025")
    );
}

/// A month's recordings stand together: the plan says when the first of them may go, and by when the first must have gone.
#[test]
fn a_group_says_the_first_day_of_each_kind() {
    let bench = Bench::new();
    for day in [7, 5, 9] {
        bench.record_under(&callcore::tag::RecordingTag {
            earliest: date(2020, 11, day),
            latest: Some(date(2021, 11, day)),
            ..tag(REGION, day.unsigned_abs().into())
        });
    }
    let plan = bench.plan(&scenario(), date(2020, 12, 1));
    let audio = plan.groups.iter().find(|group| group.class == "audio");
    let days = audio.map(|group| (&*group.earliest, &*group.latest, group.objects));
    assert_eq!(days, Some(("2020-11-05", "2021-11-05", 3)));
}

#[test]
fn nothing_goes_in_the_pause_and_all_goes_after_the_decision() {
    let (bench, scenario) = (Bench::with(3), scenario());
    let ids = bench.ids();
    let paused = bench.run(&scenario, date(2021, 9, 30)).expect("ran");
    assert_eq!(
        (paused.recordings, paused.numbers, paused.register_lines),
        (0, 0, 0)
    );
    // Before 2025 only who spoke.
    let numbers = bench.run(&scenario, date(2021, 6, 1)).expect("ran");
    assert_eq!((numbers.recordings, numbers.numbers), (0, 3));
    for id in &ids {
        let recording = bench
            .vault
            .unlock(*id, &bench.index.get(*id).expect("there").tag);
        let recording = recording.expect("its audio opens");
        assert_eq!(recording.meta().expect("readable"), None);
    }
    let all = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!((all.recordings, all.numbers, all.register_lines), (3, 0, 6));
    assert!(ids.iter().all(|id| !bench.agrees(*id, "after")));
    let register = bench.registered();
    assert_eq!(register[5].destroyed.decision, "RS/903/2025");
    assert_eq!(register[5].destroyed.judged, "2025-08-01");
    assert_eq!(bench.plan(&scenario, date(2026, 1, 1)).groups, []);
}

#[test]
fn a_day_of_the_past_gets_round_no_pause() {
    let (bench, scenario) = (Bench::with(1), scenario());
    let run = |now: &str| {
        let (vault, index) = (&bench.vault, &bench.index);
        let now = now.parse().expect("a moment");
        gallring::run(vault, index, &scenario, date(2021, 6, 1), now, &mut go_on).expect("ran")
    };
    assert_eq!(run("2021-10-01T09:00:00Z").numbers, 0, "paused");
    assert_eq!(run("2025-07-15T09:00:00Z").numbers, 1, "no more");
}

#[test]
fn a_day_that_has_not_come_is_refused() {
    let (bench, scenario) = (Bench::with(1), scenario());
    let refused = bench.run(&scenario, date(2026, 1, 16));
    assert!(matches!(refused, Err(GallringError::NotYet { .. })));
    assert_eq!(bench.ids().len(), 1);
}

#[test]
fn a_hold_has_no_end_of_its_own() {
    let (bench, scenario) = (Bench::with(2), scenario());
    let id = bench.ids()[0];
    let held = bench.index.hold(id, "a dispute", "anna", now());
    assert!(held.expect("written"));
    let plan = bench.plan(&scenario, date(2025, 8, 1));
    assert!(
        plan.groups
            .iter()
            .any(|group| group.reason == "held" && group.overdue == 1)
    );
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 1))
            .expect("ran")
            .recordings,
        1
    );
    assert!(bench.agrees(id, "held"));
    assert_eq!(bench.index.release(id, "anna", now()).expect("written"), 1);
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 1))
            .expect("ran")
            .recordings,
        1
    );
    assert!(!bench.agrees(id, "released"));
    assert_eq!(bench.index.holds().expect("read")[0].released_by, "anna");
}

#[test]
fn a_controller_that_the_scenario_does_not_know_loses_nothing() {
    let (bench, scenario) = (Bench::new(), scenario());
    bench.record("region-01", 1);
    let plan = bench.plan(&scenario, date(2025, 8, 1));
    assert!(
        plan.groups
            .iter()
            .all(|group| group.reason == "not-in-scenario" && group.verdict == "keep")
    );
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 1))
            .expect("ran")
            .recordings,
        0
    );
}
