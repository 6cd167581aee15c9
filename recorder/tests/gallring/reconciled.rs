//! What was erased under a decision isn't missing when calls are held against recordings.

use std::fs;

use jiff::{SignedDuration, civil::date};
use recorder::{
    gallring::REGISTER,
    lost,
    reconcile::{self, Asked, Line},
    store::By,
};

use super::{
    OTHER,
    stored::{Bench, REGION, scenario, tag},
};

/// Two calls each of two controllers, as their switch says.
fn said(bench: &Bench) -> std::path::PathBuf {
    let folder = bench.place.path().join("calls");
    fs::create_dir(&folder).expect("ours");
    let line = |controller: &str, call: u64| {
        format!(
            "{{\"call\":{call},\"controller\":\"{controller}\",\"offered\":\"2018-11-05T09:00:00Z\",\
             \"ended\":\"2018-11-05T09:00:30Z\",\"seconds\":3.0,\"external\":false,\"recorded\":true}}\n"
        )
    };
    let lines: String = [(REGION, 0), (REGION, 1), (OTHER, 2), (OTHER, 3)]
        .map(|(controller, call)| line(controller, call))
        .concat();
    fs::write(folder.join("2018-11-05.jsonl"), lines).expect("ours");
    folder
}

/// Of the hour about the calls, with what was erased.
fn asked() -> Asked {
    let began = tag(REGION, 0).started.timestamp();
    Asked {
        from: began - SignedDuration::from_hours(1),
        until: began + SignedDuration::from_hours(1),
        folders: false,
        bucket: false,
        erased: true,
    }
}

#[test]
fn what_was_erased_under_a_decision_is_not_missing() {
    let (bench, scenario) = (Bench::with(2), scenario());
    let calls = said(&bench);
    let asked = asked();
    let line = |of: &str| -> Line {
        let report = reconcile::reconcile(&bench.vault, &bench.index, Some(&calls), &asked);
        report.expect("held against").controllers[of]
    };
    let stored = line(REGION);
    assert_eq!((stored.stored, stored.missing, stored.erased), (2, 0, 0));
    bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    let gone = line(REGION);
    assert_eq!((gone.stored, gone.missing, gone.erased), (0, 0, 2));
    // Nobody erased the other's: they were never there.
    let never = line(OTHER);
    assert_eq!((never.missing, never.erased), (2, 0));
    // Whose names for calls nobody can make any more, as the key is lost that made them.
    let key = bench.vault.keys().join("signing.key");
    fs::rename(&key, bench.place.path().join("away.key")).expect("there");
    let by = By {
        who: "ana".into(),
        purpose: "a fire".into(),
    };
    lost::signing_key_lost(&bench.vault, &by, asked.until).expect("said");
    let gone = line(REGION);
    assert_eq!((gone.stored, gone.missing, gone.erased), (0, 0, 2));
    fs::rename(bench.place.path().join("away.key"), &key).expect("found");
    let gone = line(REGION);
    assert_eq!((gone.stored, gone.missing, gone.erased), (0, 0, 2));
    // A register that somebody changed excuses nothing.
    let register = bench.vault.store().join(REGISTER);
    let text = fs::read_to_string(&register).expect("text");
    fs::write(&register, text.replace(REGION, OTHER)).expect("ours");
    assert_eq!((line(REGION).missing, line(OTHER).missing), (2, 2));
}

/// Three pieces of one call excuse that call, and no other of its month.
#[test]
fn what_was_erased_of_one_call_excuses_no_other() {
    let (bench, scenario) = (Bench::new(), scenario());
    for _ in 0..3 {
        bench.record(REGION, 0);
    }
    let calls = said(&bench);
    let asked = asked();
    bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    let report = reconcile::reconcile(&bench.vault, &bench.index, Some(&calls), &asked);
    let report = report.expect("held against");
    let line = report.controllers[REGION];
    assert_eq!((line.erased, line.missing), (1, 1));
    let missing: Vec<_> = report
        .differences
        .iter()
        .filter(|it| it.controller == REGION)
        .collect();
    assert_eq!(
        missing.iter().map(|it| it.call).collect::<Vec<_>>(),
        [Some(1)]
    );
}
