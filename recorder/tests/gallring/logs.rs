//! Access logs on their own clock, whatever stops a run or the clock does.

use std::ops::ControlFlow;

use jiff::civil::{Date, date};
use recorder::{
    access::{self, Access},
    gallring::{self, GallringError},
};

use super::{
    go_on,
    stored::{Bench, REGION, now, scenario},
};

#[test]
fn access_logs_go_on_their_own_clock_and_the_chain_holds() {
    let (bench, scenario) = (Bench::with(1), scenario());
    let entry = |purpose: &str| Access {
        who: "anna".into(),
        controller: REGION.into(),
        action: "export".into(),
        object: "x".into(),
        purpose: purpose.into(),
    };
    for moment in [
        "2019-03-01T10:00:00Z",
        "2019-03-31T21:59:00Z",
        "2019-05-01T10:00:00Z",
        "2025-12-24T15:00:00Z",
    ] {
        let at = moment.parse().expect("a moment");
        access::write(&bench.vault, at, &[entry(moment)]).expect("written");
    }
    assert_eq!(access::verify(&bench.vault).expect("whole").len(), 3);
    // Five years after the last access of March: the first of April.
    let due = |at: Date| {
        let groups = bench.plan(&scenario, at).groups;
        let logs = groups.iter().filter(|group| group.class == "access-log");
        logs.filter(|group| group.verdict == "erase").count()
    };
    assert_eq!(due(date(2025, 7, 31)), 2);
    let report = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!(report.access_logs, 2);
    assert_eq!(access::verify(&bench.vault).expect("whole").len(), 1);
    // What the register doesn't know of is missed.
    let name = ".access/region-23/2025-12.log";
    access::write(&bench.vault, now(), &[entry("later")]).expect("written");
    std::fs::remove_file(bench.vault.store().join(name)).expect("ours");
    assert!(access::verify(&bench.vault).is_err());
}

/// A hold has no end of its own, and the log in which it was ordered has one: an index that is lost after that learns of it yet.
#[test]
fn a_hold_outlives_the_log_in_which_it_was_ordered() {
    let (bench, scenario) = (Bench::with(2), scenario());
    let [held, released] = [0, 1].map(|at| bench.ids()[at]);
    let ordered = "2019-03-01T10:00:00Z".parse().expect("a moment");
    let log = |action: &str, id: &recorder::names::RecordingId| Access {
        who: "anna".into(),
        controller: REGION.into(),
        action: action.into(),
        object: id.to_string(),
        purpose: "a dispute".into(),
    };
    for id in [held, released] {
        access::write(&bench.vault, ordered, &[log("hold", &id)]).expect("written");
        let placed = bench.index.hold(id, "a dispute", "anna", ordered);
        assert!(placed.expect("held"));
    }
    access::write(&bench.vault, ordered, &[log("release", &released)]).expect("written");
    let ended = bench.index.release(released, "anna", ordered);
    assert_eq!(ended.expect("written"), 1);
    for _ in 0..2 {
        bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    }
    assert_eq!(bench.ids(), [held], "the log of 2019 is gone, too");
    let mut logged = Vec::new();
    access::read(&bench.vault, REGION, |at, access| {
        logged.push((at.get(..4).map(str::to_owned), access.who));
    })
    .expect("read");
    let again = (
        Some("2026".to_owned()),
        "anna (since 2019-03-01)".to_owned(),
    );
    assert_eq!(logged, [again]);
    let bench = bench.with_new_index();
    let holds = bench.index.holds().expect("read");
    let holds = holds.iter().map(|hold| (&*hold.id, &*hold.reason));
    assert_eq!(
        holds.collect::<Vec<_>>(),
        [(&*held.to_string(), "a dispute")]
    );
    let ran = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!(ran.recordings, 0);
}

/// A run that a crash, or a full disk, stopped between taking a month out of the log and registering that.
#[test]
fn what_is_written_while_a_month_is_set_aside_follows_it() {
    let (bench, scenario) = (Bench::new(), scenario());
    accessed(&bench, &["2019-02-01T10:00:00Z", "2019-03-01T10:00:00Z"]);
    let mut set_aside = 0;
    let mut watch = |step| {
        set_aside += u8::from(step == gallring::Step::Marked);
        if set_aside < 2 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let (vault, index, day) = (&bench.vault, &bench.index, date(2025, 8, 1));
    let stopped = gallring::run(vault, index, &scenario, day, now(), &mut watch);
    assert!(matches!(stopped, Err(GallringError::Stopped)));
    let logs = accessed(&bench, &["2025-09-01T10:00:00Z"]);
    assert_eq!(logs.last(), Some(&("2025-09.log".to_owned(), 1)));
    // Put back, as it may not go now.
    let paused = "2021-10-01T09:00:00Z".parse().expect("a moment");
    let ran = gallring::run(
        vault,
        index,
        &scenario,
        date(2021, 9, 30),
        paused,
        &mut go_on,
    );
    assert_eq!(ran.expect("ran").access_logs, 0);
    assert_eq!(access::verify(vault).expect("whole").len(), 2);
    assert_eq!(bench.run(&scenario, day).expect("ran").access_logs, 1);
    assert_eq!(access::verify(vault).expect("whole").len(), 1);
}

/// Until then a backup would have been made without it.
#[test]
fn a_month_that_was_set_aside_is_back_when_a_recorder_starts() {
    let (bench, scenario) = (Bench::new(), scenario());
    accessed(&bench, &["2019-02-01T10:00:00Z"]);
    let mut stop = |_| ControlFlow::Break(());
    let (vault, index, day) = (&bench.vault, &bench.index, date(2025, 8, 1));
    let stopped = gallring::run(vault, index, &scenario, day, now(), &mut stop);
    assert!(matches!(stopped, Err(GallringError::Stopped)));
    let logs = || access::segments(vault.store()).expect("listed").len();
    assert_eq!(logs(), 0);
    gallring::recover(vault, index, now()).expect("recovers");
    assert_eq!(logs(), 1);
}

/// The first access of a month, when the disk is full or the power goes.
#[test]
fn a_month_in_which_nothing_stands_yet_tears_no_chain() {
    for half in ["", "{\"seq\":1,\"pr"] {
        let bench = Bench::new();
        accessed(&bench, &["2019-02-01T10:00:00Z", "2019-03-01T10:00:00Z"]);
        let path = bench.vault.store().join(".access/region-23/2019-04.log");
        std::fs::write(&path, half).expect("ours");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, private).expect("ours");
        assert_eq!(access::verify(&bench.vault).expect("whole").len(), 2);
        let logs = accessed(&bench, &["2019-04-01T10:00:00Z", "2019-05-01T10:00:00Z"]);
        let names: Vec<&str> = logs.iter().map(|(name, _)| &**name).collect();
        let months = ["2019-02.log", "2019-03.log", "2019-04.log", "2019-05.log"];
        assert_eq!(names, months, "{half}");
    }
}

/// An access at each of these moments, each written when the clock said so. Gives the logs there are then, with their lines.
fn accessed(bench: &Bench, moments: &[&str]) -> Vec<(String, u64)> {
    for moment in moments {
        let access = Access {
            who: "anna".into(),
            controller: REGION.into(),
            action: "show".into(),
            object: "x".into(),
            purpose: "to look".into(),
        };
        let at = moment.parse().expect("a moment");
        access::write(&bench.vault, at, &[access]).expect("written");
    }
    let found = access::verify(&bench.vault).expect("whole").into_iter();
    let name = |log: &str| log.rsplit('/').next().unwrap_or_default().to_owned();
    found.map(|one| (name(&one.ledger), one.lines)).collect()
}

#[test]
fn a_set_back_clock_does_not_tear_the_access_log() {
    let bench = Bench::new();
    let logs = accessed(&bench, &["2026-02-01T00:00:00Z", "2026-01-31T23:59:00Z"]);
    assert_eq!(logs, [("2026-02.log".to_owned(), 2)]);
    // Nor does one that has forgotten the year: nothing is erased as if it were so old.
    let logs = accessed(&bench, &["2026-03-02T00:00:00Z", "2000-01-01T00:00:00Z"]);
    assert_eq!(logs.last(), Some(&("2026-03.log".to_owned(), 2)));
    assert_eq!(logs.len(), 2);
}

#[test]
fn after_a_clock_that_was_far_ahead_accesses_go_where_they_belong() {
    let (bench, scenario) = (Bench::new(), scenario());
    let moments = [
        "2019-10-05T10:00:00Z",
        "2019-11-05T10:00:00Z",
        // The clock jumps, twice, and comes back.
        "2099-01-01T10:00:00Z",
        "2099-01-02T10:00:00Z",
        "2019-11-06T10:00:00Z",
        "2019-11-07T10:00:00Z",
        "2099-01-03T10:00:00Z",
        "2019-11-08T10:00:00Z",
        "2019-12-01T10:00:00Z",
        "2019-11-30T23:59:00Z",
    ];
    let expected = [
        ("2019-10.log", 1),
        ("2019-11.log", 1),
        ("2099-01.log", 2),
        ("2019-11.2.log", 2),
        ("2099-01.2.log", 1),
        ("2019-11.3.log", 1),
        ("2019-12.3.log", 2),
    ];
    let expected = expected.map(|(name, lines)| (name.to_owned(), lines));
    assert_eq!(accessed(&bench, &moments), expected);
    // What is due goes, and what stays holds together: also with what is written after that.
    let report = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!(report.access_logs, 5);
    let logs = accessed(&bench, &["2025-08-01T10:00:00Z", "2025-08-02T10:00:00Z"]);
    assert_eq!(logs.last(), Some(&("2025-08.3.log".to_owned(), 2)));
    assert_eq!(logs.len(), 3);
    let path = bench.vault.store().join(".access/region-23/2099-01.2.log");
    std::fs::remove_file(path).expect("ours");
    assert!(access::verify(&bench.vault).is_err());
}
