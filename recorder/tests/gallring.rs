//! Gallring: nothing a day too soon, nothing without a decision, and a crash at any point leaves index and store agreeing.

#[path = "gallring/logs.rs"]
mod logs;
mod stored;

use std::{collections::BTreeSet, ops::ControlFlow};

use callcore::{scenario::Scenario, tag::RecordingTag, time::Time};
use jiff::{
    Timestamp,
    civil::{Date, date},
};
use recorder::{
    gallring::{self, GallringError, Plan, Report},
    index::Mark,
    names::RecordingId,
    recover,
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

/// Half past midnight in Sweden is the day before by UTC. And the audio of this one has a clock of its own.
#[test]
fn numbers_go_by_the_swedish_day_and_the_register_says_whose_floor_had_passed() {
    let (bench, scenario) = (Bench::new(), scenario());
    let night = "2019-06-01T22:30:00Z".parse::<Timestamp>();
    let id = bench.record_under(&RecordingTag {
        started: Time::from(night.expect("a moment")),
        earliest: date(2029, 6, 2),
        latest: None,
        ..tag(REGION, 1)
    });
    let run = |at| bench.run(&scenario, at).expect("ran").numbers;
    let planned = |at| bench.plan(&scenario, at).due;
    assert_eq!(planned(date(2021, 6, 1)), 0, "not planned either");
    assert_eq!(planned(date(2021, 6, 2)), 1);
    let overdue = |at| bench.plan(&scenario, at).overdue;
    assert_eq!(overdue(date(2022, 6, 2)), 0, "its ceiling is its own day's");
    assert_eq!(overdue(date(2022, 6, 3)), 1);
    assert_eq!(run(date(2021, 6, 1)), 0, "a day too soon");
    assert_eq!(run(date(2021, 6, 2)), 1);
    let told = bench.registered().remove(0).destroyed;
    assert_eq!(
        (told.object, told.class),
        (id.to_string(), "telephone-number".to_owned())
    );
    assert_eq!(
        (&*told.earliest, &*told.latest),
        ("2021-06-02", "2022-06-02")
    );
}

/// In one run, as when a decision names both; of one recording they had gone before.
#[test]
fn the_register_says_what_of_a_recording_went() {
    let (bench, scenario) = (Bench::with(3), scenario());
    let before = bench.ids()[0];
    let marked = bench.index.forget(Mark::Numbers, &[before]);
    marked.expect("as a run leaves it");
    let ran = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!((ran.recordings, ran.numbers, ran.register_lines), (3, 2, 3));
    for line in bench.registered() {
        let gone = line.destroyed;
        assert_eq!((&*gone.class, &*gone.decision), ("audio", "RS/903/2025"));
        let numbers = gone.numbers.map(|of| (of.decision, of.earliest, of.latest));
        let floor_and_ceiling = ("2020-11-05".to_owned(), "2021-11-05".to_owned());
        let expected = (gone.object != before.to_string()).then(|| {
            let (earliest, latest) = floor_and_ceiling;
            ("RS/903/2025".to_owned(), earliest, latest)
        });
        assert_eq!(numbers, expected);
    }
}

/// Who spoke is a class of its own (BTV instruction 3), and is sealed with the recording's key: a decision on recordings alone
/// erases no numbers, and so no recording that has any.
#[test]
fn a_recording_does_not_take_numbers_with_it_that_are_to_stay() {
    let all = ", \"telephone-number\"], note = \"recordings,";
    let text = include_str!("../../scenarios/jamtland-2025.toml");
    assert!(text.contains(all));
    let of_2021 = ", \"telephone-number\", \"access-log\"], note = \"of recordings,";
    assert!(text.contains(of_2021));
    let text = text
        .replace(all, "], note = \"recordings,")
        .replace(of_2021, ", \"access-log\"], note = \"of recordings,");
    let without =
        Scenario::from_toml(&text, "no numbers").unwrap_or_else(|error| panic!("{error}"));
    let (bench, day) = (Bench::with(2), date(2025, 8, 1));
    let groups = bench.plan(&without, day).groups;
    let told: Vec<_> = groups
        .iter()
        .map(|group| (&*group.class, group.reason, group.verdict, group.overdue))
        .collect();
    assert_eq!(
        told,
        [
            ("audio", "numbers-stay", "keep", 2),
            ("telephone-number", "no-decision", "keep", 2)
        ]
    );
    assert!(
        groups[0].why.contains("has decided nothing"),
        "{}",
        groups[0].why
    );
    let ran = bench.run(&without, day).expect("ran");
    assert_eq!((ran.recordings, ran.numbers, ran.register_lines), (0, 0, 0));
    // Once the numbers have gone under a decision of their own, the recordings go under theirs.
    let numbers = bench.run(&scenario(), date(2021, 6, 1)).expect("ran");
    assert_eq!((numbers.recordings, numbers.numbers), (0, 2));
    assert_eq!(bench.plan(&without, day).groups[0].reason, "due");
    assert_eq!(bench.run(&without, day).expect("ran").recordings, 2);
}

/// Its recording may go a year before: by day and night of one day by UTC, as each is another Swedish day.
#[test]
fn a_recording_waits_for_its_numbers_own_floor() {
    let text = include_str!("../../scenarios/jamtland-2025.toml");
    let rule = "class = \"telephone-number\", earliest = \"2 years\", latest = \"3 years\"";
    assert!(text.contains(rule));
    let longer = rule
        .replace("2 years", "6 years")
        .replace("3 years", "7 years");
    let scenario = Scenario::from_toml(&text.replace(rule, &longer), "longer");
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let bench = Bench::new();
    let of = |started: &str| {
        bench.record_under(&RecordingTag {
            started: Time::from(started.parse::<Timestamp>().expect("a moment")),
            earliest: date(2021, 9, 1),
            latest: None,
            ..tag(REGION, 1)
        })
    };
    let (day, night) = (of("2019-08-31T09:00:00Z"), of("2019-08-31T22:30:00Z"));
    let due = |at| bench.plan(&scenario, at).due;
    assert_eq!((due(date(2025, 8, 30)), due(date(2025, 8, 31))), (0, 2));
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 30))
            .expect("ran")
            .recordings,
        0
    );
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 31))
            .expect("ran")
            .recordings,
        1
    );
    assert!(bench.index.get(day).is_err() && bench.index.get(night).is_ok());
    assert_eq!(due(date(2025, 9, 1)), 2);
    assert_eq!(
        bench
            .run(&scenario, date(2025, 9, 1))
            .expect("ran")
            .recordings,
        1
    );
}

#[test]
fn what_a_killed_program_wrote_beside_a_key_or_who_spoke_goes_with_it() {
    let (bench, scenario) = (Bench::with(1), scenario());
    let id = bench.ids()[0];
    let halves = [
        bench.folder(id).join("meta.vax.new"),
        bench.vault.keys().join(format!("data/{id}.key.new")),
    ];
    for half in &halves {
        std::fs::write(half, "half").expect("ours");
    }
    assert_eq!(
        bench.run(&scenario, date(2021, 6, 1)).expect("ran").numbers,
        1
    );
    assert!(!halves[0].exists() && halves[1].exists());
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 1))
            .expect("ran")
            .recordings,
        1
    );
    assert!(!halves[1].exists());
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

/// Stops after every single step in turn, as a crash would, and goes on.
#[test]
fn a_crash_at_any_step_leaves_index_and_store_agreeing() {
    let scenario = with_other();
    let mut steps_seen = 0;
    for stop_at in 0.. {
        let bench = Bench::with(2);
        for call in 2..4 {
            bench.record(OTHER, call);
        }
        let ids = bench.ids();
        let mut steps = 0;
        let mut watch = |_| {
            steps += 1;
            if steps > stop_at {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let day = date(2025, 8, 1);
        let stopped = gallring::run(
            &bench.vault,
            &bench.index,
            &scenario,
            day,
            now(),
            &mut watch,
        );
        // What the recorder does when it starts.
        gallring::recover(&bench.vault, &bench.index, now()).expect("recovers");
        for id in &ids {
            bench.agrees(*id, &format!("stopped at step {stop_at}"));
        }
        // And the next run finishes.
        bench.run(&scenario, day).expect("runs");
        assert!(ids.iter().all(|id| !bench.agrees(*id, "in the end")));
        let objects: Vec<_> = bench
            .registered()
            .into_iter()
            .map(|line| (line.destroyed.object, line.destroyed.class))
            .collect();
        let once: BTreeSet<_> = objects.iter().cloned().collect();
        assert_eq!(once.len(), objects.len(), "each stands once");
        steps_seen = stop_at;
        if stopped.is_ok() {
            break;
        }
    }
    // Twice: mark, two keys, sync, two removals, register, forget.
    assert!(steps_seen >= 16, "{steps_seen}");
}

/// What a disk that was waited for has no more, a power cut may bring back; what nobody can open is no loss then.
#[test]
fn what_a_power_cut_brought_back_goes_with_the_next_start() {
    let (bench, scenario) = (Bench::with(1), scenario());
    let id = bench.ids()[0];
    let (folder, copy) = (bench.folder(id), bench.place.path().join("copy"));
    std::fs::create_dir(&copy).expect("ours");
    let files: Vec<_> = std::fs::read_dir(&folder)
        .expect("there")
        .map(|entry| entry.expect("read").file_name())
        .collect();
    // More than the beginning of a stream.
    std::fs::write(folder.join("1.vax"), [7; 4096]).expect("ours");
    for name in &files {
        std::fs::copy(folder.join(name), copy.join(name)).expect("ours");
    }
    let ran = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!(ran.recordings, 1);
    std::fs::rename(&copy, &folder).expect("back");
    let found = recover::recover(&bench.vault, &bench.index).expect("recovers");
    assert_eq!((found.removed, folder.exists()), (1, false));
}

/// One that the disk doesn't let go keeps no other, and isn't said to be erased before it is.
#[test]
fn what_cannot_be_removed_keeps_no_other() {
    let (bench, scenario) = (Bench::with(5), scenario());
    let [key, folder] = [0, 1].map(|at| bench.ids()[at]);
    // Nobody removes a folder as a file, nor renames one over what isn't a folder.
    let path = bench.vault.keys().join(format!("data/{key}.key"));
    let kept = path.with_extension("kept");
    std::fs::rename(&path, &kept).expect("ours");
    std::fs::create_dir(&path).expect("ours");
    let name = folder.to_string();
    let gone = bench.vault.store().join(".gone");
    let in_the_way = gone.join(&name[..2]);
    std::fs::create_dir(&gone).expect("ours");
    std::fs::write(&in_the_way, "x").expect("ours");
    let run = |bench: &Bench| bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    for again in [0, 1] {
        let ran = run(&bench);
        assert_eq!(
            (ran.recordings, ran.refused, ran.register_lines),
            (if again == 0 { 4 } else { 0 }, 2, 3),
            "{again}"
        );
        assert_eq!(gallring::refused(&bench.vault), 2);
    }
    assert!(bench.index.get(key).is_ok(), "nothing of it is gone");
    assert_eq!(bench.ids(), [key]);
    std::fs::remove_dir(&path).expect("ours");
    std::fs::rename(&kept, &path).expect("ours");
    std::fs::remove_file(&in_the_way).expect("ours");
    let ran = run(&bench);
    assert_eq!((ran.finished, ran.recordings, ran.refused), (1, 1, 0));
    assert_eq!(
        (ran.register_lines, gallring::refused(&bench.vault)),
        (5, 0)
    );
    assert!(
        [key, folder]
            .iter()
            .all(|id| !bench.agrees(*id, "in the end"))
    );
}

/// The register has each once, whatever index there is.
#[test]
fn what_was_erased_is_not_erased_again_under_a_new_index() {
    let (bench, scenario) = (Bench::with(3), scenario());
    let day = date(2021, 6, 1);
    assert_eq!(bench.run(&scenario, day).expect("ran").numbers, 3);
    // Of this one the key is lost, and only who spoke was erased.
    let lost = bench.ids()[0];
    std::fs::write(bench.folder(lost).join("1.vax"), [7; 4096]).expect("ours");
    std::fs::remove_file(bench.vault.keys().join(format!("data/{lost}.key"))).expect("ours");
    let bench = bench.with_new_index();
    assert_eq!(bench.ids().len(), 2);
    assert!(bench.folder(lost).exists());
    assert_eq!(bench.plan(&scenario, day).due, 0);
    let again = bench.run(&scenario, day).expect("ran");
    assert_eq!((again.numbers, again.register_lines), (0, 3));
}

/// A disk of keys that can't be read tells nothing of what was destroyed.
#[test]
fn a_key_that_cannot_be_looked_for_is_not_gone() {
    let bench = Bench::with(1);
    let id = bench.ids()[0];
    let marked = bench
        .index
        .mark(Mark::Recording, &[id], "2025-08-01 RS/903/2025");
    assert_eq!(marked.expect("marked"), [id]);
    let key = bench.vault.keys().join(format!("data/{id}.key"));
    let (kept, beside) = (key.with_extension("kept"), key.with_extension("loop"));
    std::fs::rename(&key, &kept).expect("ours");
    // Who looks here gets an error that isn't "nothing there".
    std::os::unix::fs::symlink(&beside, &key).expect("ours");
    std::os::unix::fs::symlink(&key, &beside).expect("ours");
    gallring::recover(&bench.vault, &bench.index, now()).expect("recovers");
    std::fs::rename(&kept, &key).expect("ours");
    assert!(bench.agrees(id, "the disk is back"));
}

/// Nor is one that isn't there with its controller's: then it is the disk that isn't there, and it comes back.
#[test]
fn a_key_that_is_gone_with_its_disk_was_not_destroyed() {
    let (bench, scenario) = (Bench::with(2), scenario());
    let nothing_yet = bench.run(&scenario, date(2020, 1, 1)).expect("ran");
    assert_eq!(nothing_yet.register_lines, 0);
    let id = bench.ids()[0];
    let marked = bench
        .index
        .mark(Mark::Recording, &[id], "2025-08-01 RS/903/2025");
    assert_eq!(marked.expect("marked"), [id]);
    let (keys, disk) = (bench.vault.keys(), bench.place.path().join("disk"));
    std::fs::rename(keys, &disk).expect("ours");
    std::fs::create_dir_all(keys.join("data")).expect("ours");
    std::fs::create_dir(keys.join("controllers")).expect("ours");
    // Whether they refuse or go on.
    let _either = gallring::recover(&bench.vault, &bench.index, now());
    let _either = bench.run(&scenario, date(2025, 8, 1));
    std::fs::remove_dir_all(keys).expect("ours");
    std::fs::rename(&disk, keys).expect("back");
    for id in bench.ids() {
        assert!(bench.agrees(id, "the disk is mounted"));
    }
    assert_eq!(bench.ids().len(), 2);
}
