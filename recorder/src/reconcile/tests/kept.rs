//! Calls as they lie in files and recordings as they lie in a store.

use std::fs;

use callcore::switch::CallId;

use super::*;
use crate::{
    index::{Closing, State},
    tally::Tally,
    vault::{Vault, test_tag},
};

#[test]
fn lines_that_are_no_calls_are_refused_or_counted() {
    let line = serde_json::to_string(&fact(1, 0, 60.0)).expect("JSON");
    assert_eq!(
        parse(&format!("{line}\n\n{line}\n")).expect("calls").len(),
        2
    );
    let crossed = line.replace("\"external\":false", "\"external\":true");
    let path = line.replace("region-01", "../../etc");
    let never = line.replace("60.0", "-1.0");
    for wrong in ["{}", "hello", &crossed, &path, &never] {
        let refused = parse(&format!("{line}\n{wrong}"));
        assert!(
            matches!(refused, Err(ReconcileError::NotACall { line: 2, .. })),
            "{wrong}"
        );
    }
}

#[test]
fn a_store_is_held_against_what_a_switch_wrote() {
    let place = tempfile::tempdir().expect("a folder");
    let (store, keys) = (place.path().join("store"), place.path().join("keys"));
    let vault = Vault::open(&store, &keys).expect("fresh");
    let index = Index::open(&vault).expect("fresh");
    let record = |call: u64, packets_lost: u64| {
        let mut tag = test_tag("region-01");
        (tag.call, tag.started) = (CallId(call), at(10).into());
        let id = RecordingId::random().expect("random");
        vault.begin(id, &tag).expect("begins");
        index.insert_open(id, &tag).expect("entered");
        let closing = Closing {
            state: State::Closed,
            ended: at(70),
            bytes: 1,
            tally: Tally {
                packets_lost,
                end: 480_000,
                ..Tally::default()
            },
            files: vec!["1.vax".to_owned(), "2.vax".to_owned()],
        };
        index.close(id, &closing).expect("closed");
    };
    record(1, 0);
    record(2, 0);
    // As long as its call, and nothing in it.
    record(3, 6000);
    let written = place.path().join("calls");
    fs::create_dir(&written).expect("ours");
    let line = serde_json::to_string(&fact(1, 0, 60.0)).expect("JSON");
    fs::write(
        written.join("2026-11-22.jsonl"),
        format!("{line}\nnonsense\n{{\"half"),
    )
    .expect("ours");
    fs::write(written.join("notes.txt"), "not a day").expect("ours");
    keep(&vault, &[fact(3, 0, 60.0), fact(4, 0, 60.0)]).expect("kept");
    let (from, until) = known(&vault, Some(&written)).expect("read").expect("some");
    let asked = Asked {
        from,
        until,
        folders: true,
        bucket: true,
        erased: false,
    };
    let report = reconcile(&vault, &index, Some(&written), &asked).expect("reconciled");
    let mut kinds = kinds(&report);
    kinds.sort_unstable();
    assert_eq!(
        (kinds, report.unreadable, report.calls),
        (vec!["extra", "missing", "short"], 1, 3)
    );
}

#[test]
fn half_a_line_that_a_crash_left_costs_no_other_call() {
    let place = tempfile::tempdir().expect("a folder");
    let (store, keys) = (place.path().join("store"), place.path().join("keys"));
    let vault = Vault::open(&store, &keys).expect("fresh");
    keep(&vault, &[fact(1, 0, 60.0)]).expect("kept");
    let path = calls::folder(&vault).join("2026-11-22.jsonl");
    let mut text = fs::read_to_string(&path).expect("there");
    text.push_str("{\"half");
    fs::write(&path, text).expect("ours");
    keep(&vault, &[fact(2, 5, 60.0), fact(3, 9, 60.0)]).expect("kept");
    let read = calls::read(&[calls::folder(&vault)], at(-3600), at(7200)).expect("read");
    let numbers: Vec<u64> = read.calls.iter().map(|call| call.call).collect();
    assert_eq!((numbers, read.unreadable), (vec![1, 2, 3], 1));
}

/// Also where the same lines were POSTed besides, and over midnight.
#[test]
fn a_call_that_was_told_to_begin_and_to_end_is_one() {
    let place = tempfile::tempdir().expect("a folder");
    let written = place.path().join("calls");
    let posted = place.path().join("posted");
    let line = |call: &CallFact| serde_json::to_string(call).expect("JSON") + "\n";
    let (begun, ended) = (line(&going_on(1, 0)), line(&fact(1, 0, 60_000.0)));
    for folder in [&written, &posted] {
        fs::create_dir(folder).expect("ours");
        fs::write(folder.join("2026-11-22.jsonl"), &begun).expect("ours");
        fs::write(folder.join("2026-11-23.jsonl"), &ended).expect("ours");
    }
    let read =
        |folders: &[PathBuf], from| calls::read(folders, at(from), at(70_000)).expect("read");
    let one = read(std::slice::from_ref(&written), -3600);
    let of = |read: &calls::Calls| {
        read.calls
            .iter()
            .map(|call| call.goes_on)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&one), [false]);
    assert_eq!(of(&read(&[written.clone(), posted], -3600)), [false, false]);
    fs::remove_file(written.join("2026-11-23.jsonl")).expect("ours");
    // What was recorded of it may lie in a time that begins later.
    for from in [-3600, 20_000] {
        assert_eq!(of(&read(std::slice::from_ref(&written), from)), [true]);
    }
}

/// The switch writes a call down a moment after its recording is closed.
#[test]
fn what_closed_this_second_is_not_extra_yet() {
    let all = Asked {
        from: at(-3600),
        until: at(7200),
        folders: false,
        bucket: false,
        erased: false,
    };
    let recordings = [have(1, 0, 60.0)];
    let extra = |now| {
        let asked = all.settled(at(now));
        kinds(&compare(
            &[],
            &recordings,
            asked.from,
            asked.until,
            Erased::default(),
        ))
        .len()
    };
    assert_eq!((extra(61), extra(3600)), (0, 1));
    // A time that ended long ago stays what it was, and one that begins in the future is empty.
    assert_eq!(all.settled(at(9000)).until, all.until);
    assert_eq!(all.settled(at(-9000)).until, all.from);
}

/// What an index that was lost doesn't know of lies in the bucket, not here.
#[test]
fn what_lies_in_the_bucket_and_nowhere_else_is_told() {
    use crate::vault::stub::{self, Stub};
    let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
    let vault = stub.vault(place.path());
    let index = Index::open(&vault).expect("fresh");
    let tag = crate::vault::test_tag("region-01");
    let [known, lost] = [(); 2].map(|()| stub::recorded(&vault, &tag));
    index.insert_open(known, &tag).expect("entered");
    let started = tag.started.timestamp();
    for from in [started, Timestamp::UNIX_EPOCH] {
        let asked = Asked {
            from,
            until: started + SignedDuration::from_hours(1),
            folders: true,
            bucket: true,
            erased: false,
        };
        let report = reconcile(&vault, &index, None, &asked).expect("reconciled");
        let told = report
            .differences
            .iter()
            .map(|one| (one.kind, &*one.recording));
        assert_eq!(told.collect::<Vec<_>>(), [("untagged", &*lost.to_string())]);
    }
}

/// They are told every day, for years.
#[test]
fn calls_of_the_oldest_days_go() {
    let place = tempfile::tempdir().expect("a folder");
    let (store, keys) = (place.path().join("store"), place.path().join("keys"));
    let vault = Vault::open(&store, &keys).expect("fresh");
    keep(&vault, &[fact(1, 0, 60.0)]).expect("kept");
    let folder = calls::folder(&vault);
    let first: jiff::civil::Date = "2020-01-01".parse().expect("a day");
    let days = first.series(jiff::Span::new().days(1));
    for day in days.take(callcore::calls::DAYS_MAX) {
        fs::write(folder.join(format!("{day}.jsonl")), "").expect("ours");
    }
    keep(&vault, &[fact(2, 0, 60.0)]).expect("kept");
    let left = calls::days(std::slice::from_ref(&folder)).expect("listed");
    assert_eq!(left.len(), callcore::calls::DAYS_MAX);
    assert_eq!(left.first(), first.tomorrow().ok().as_ref());
    let last = folder.join("2026-11-22.jsonl");
    assert_eq!(fs::read_to_string(&last).expect("there").lines().count(), 2);
    let file = fs::File::options().write(true).open(&last).expect("ours");
    file.set_len(callcore::calls::DAY_BYTES_MAX).expect("ours");
    assert!(matches!(
        keep(&vault, &[fact(3, 0, 60.0)]),
        Err(ReconcileError::TooManyOfADay { .. })
    ));
}
