//! The index lies where others may write, and a disk may spoil it: what a recording was made under says when it goes.

use callcore::tag::RecordingTag;
use std::fs;

use jiff::civil::date;
use recorder::{
    access::{self, Access},
    index::{Closing, State},
    lost::{self, LostError},
    names::RecordingId,
    store::{self, By},
    tally::Tally,
    vault::Meta,
};

use super::stored::{Bench, REGION, now, scenario, tag};

/// As `vaxel recordings hold` does.
fn hold(bench: &Bench, id: RecordingId) {
    let ordered = Access {
        who: "anna".into(),
        controller: REGION.into(),
        action: "hold".into(),
        object: id.to_string(),
        purpose: "a dispute".into(),
    };
    access::write(&bench.vault, now(), &[ordered]).expect("written");
    let placed = bench.index.hold(id, "a dispute", "anna", now());
    assert!(placed.expect("held"));
}

#[test]
fn a_hold_that_was_lifted_in_the_index_alone_stands() {
    let (bench, scenario) = (Bench::with(3), scenario());
    let held = bench.ids()[0];
    hold(&bench, held);
    let ended = bench.index.release(held, "mallory", now());
    assert_eq!(ended.expect("whoever writes in the store does"), 1);
    let store = store::open_to_change_place(bench.vault.place().clone()).expect("opens");
    let mut wrong = Vec::new();
    store.verify(|one| wrong.push(one.what)).expect("read");
    assert_eq!(
        (wrong, store.lifted().expect("read")),
        (vec![held.to_string()], 1)
    );
    let ran = bench.run(&scenario, date(2026, 1, 15)).expect("ran");
    assert_eq!((ran.recordings, ran.held_again), (2, 1));
    assert_eq!(bench.ids(), [held]);
    let ran = bench.run(&scenario, date(2026, 1, 15)).expect("ran");
    assert_eq!((ran.recordings, ran.held_again), (0, 0));
    let holds = bench.index.holds().expect("read");
    assert!(holds.iter().any(|hold| hold.released.is_empty()));
}

#[test]
fn where_no_log_says_what_is_held_nothing_goes() {
    let (bench, scenario) = (Bench::with(2), scenario());
    let other = bench.record("region-22", 7);
    let held = bench.of(REGION)[0];
    hold(&bench, held);
    bench.index.release(held, "mallory", now()).expect("lifted");
    let log = bench
        .vault
        .store()
        .join(format!(".access/{REGION}/2026-01.log"));
    let whole = fs::read_to_string(&log).expect("there");
    let of_another = whole.replace("a dispute", "no dispute");
    for spoilt in [Some(""), Some(&*of_another), None] {
        match spoilt {
            Some(text) => fs::write(&log, text).expect("ours"),
            None => fs::remove_file(&log).expect("ours"),
        }
        let ran = bench.run(&super::with_other(), date(2026, 1, 15));
        let ran = ran.expect("ran");
        assert!(ran.refused >= 2, "{spoilt:?}: {ran:?}");
        assert_eq!(bench.of(REGION).len(), 2, "{spoilt:?}");
    }
    assert!(bench.index.get(other).is_err(), "another's log is whole");
    fs::write(&log, whole).expect("ours");
    let ran = bench.run(&scenario, date(2026, 1, 15)).expect("ran");
    assert_eq!((ran.recordings, ran.held_again, ran.refused), (1, 1, 0));
}

/// Else nothing of that controller went, whatever its ceiling, for good.
#[test]
fn where_a_log_is_lost_somebody_says_that_the_index_has_every_hold() {
    let (bench, scenario) = (Bench::with(2), scenario());
    let [held, other] = bench.of(REGION);
    hold(&bench, held);
    let lose = |reason: &str| {
        let by = By {
            who: "ana".into(),
            purpose: reason.into(),
        };
        lost::log_lost(&bench.vault, &bench.index, REGION, &by, now())
    };
    assert!(matches!(lose("a fire"), Err(LostError::LogThere(_))));
    hold(&bench, other);
    hold(&bench, held);
    bench.index.release(other, "anna", now()).expect("lifted");
    let log = bench
        .vault
        .store()
        .join(format!(".access/{REGION}/2026-01.log"));
    let whole = fs::read_to_string(&log).expect("there");
    let (first, more) = whole.split_once('\n').expect("three orders");
    let spoilt = more.replacen("a dispute", "no dispute", 1);
    let spoilt = format!("{first}\n{spoilt}");
    fs::write(&log, &spoilt).expect("ours");
    let run = || {
        let ran = bench.run(&scenario, date(2026, 1, 15)).expect("ran");
        (ran.recordings, ran.logs_unread.len())
    };
    assert_eq!(run(), (0, 1));
    assert!(matches!(lose(""), Err(LostError::Reason)));
    lose("the disk was spoilt, no backup has it").expect("said");
    // Another break is another.
    let again = fs::read_to_string(&log).expect("there");
    fs::write(&log, again.replacen("anna", "mall", 1)).expect("ours");
    let before = run();
    fs::write(&log, &again).expect("ours");
    assert_eq!((before.0, run()), (0, (1, 0)));
    assert_eq!(bench.ids(), [held]);
}

/// Without a log nothing is shown: that would be for good.
#[test]
fn a_log_that_has_lost_its_end_is_put_aside_once_somebody_says_so() {
    for (month, cut) in [(1, true), (1, false), (2, false)] {
        let (bench, scenario) = (Bench::with(1), scenario());
        let [held] = <[RecordingId; 1]>::try_from(bench.ids()).expect("one");
        hold(&bench, held);
        hold(&bench, held);
        let log = bench
            .vault
            .store()
            .join(format!(".access/{REGION}/2026-01.log"));
        let whole = fs::read_to_string(&log).expect("there");
        match cut {
            true => fs::write(&log, whole.split_inclusive('\n').next().unwrap_or_default()),
            false => fs::remove_file(&log),
        }
        .expect("ours");
        let by = By {
            who: "ana".into(),
            purpose: "a fire".into(),
        };
        let what = format!("{month} {cut}");
        let now = now() + jiff::SignedDuration::from_hours(24 * 31 * (month - 1));
        let before = bench.run(&scenario, date(2026, 1, 15)).expect("ran");
        assert_eq!(before.logs_unread, [REGION], "{what}");
        lost::log_lost(&bench.vault, &bench.index, REGION, &by, now).expect(&what);
        hold(&bench, held);
        let mut said = Vec::new();
        let read = access::read(&bench.vault, REGION, |_, one| said.push(one.action));
        read.expect(&what);
        // Two orders in force, which the index had; and one more.
        assert_eq!(said, ["log-lost", "hold", "hold", "hold"], "{what}");
        let ran = bench.run(&scenario, date(2026, 1, 15)).expect("ran");
        assert_eq!(
            (ran.recordings, ran.logs_unread.len()),
            (0, 0),
            "{what}: the index holds it"
        );
        assert_eq!(access::verify(&bench.vault).is_ok(), month == 1, "{what}");
    }
}

/// Recorded under one tag; the index has another.
fn misentered(bench: &Bench, made: &RecordingTag, said: &RecordingTag) -> RecordingId {
    let id = RecordingId::random().expect("random");
    let recording = bench.vault.begin(id, made).expect("begins");
    let meta = Meta {
        parties: Vec::new(),
    };
    recording.write_meta(&meta).expect("written");
    bench.index.insert_open(id, said).expect("entered");
    let closing = Closing {
        state: State::Closed,
        ended: said.started.timestamp(),
        bytes: 1,
        tally: Tally::default(),
        files: Vec::new(),
    };
    assert!(bench.index.close(id, &closing).expect("written"));
    id
}

#[test]
fn nothing_goes_by_a_tag_that_it_was_not_made_under() {
    let (bench, scenario) = (Bench::new(), scenario());
    let made = RecordingTag {
        earliest: date(2030, 11, 5),
        latest: None,
        ..tag(REGION, 1)
    };
    let id = misentered(&bench, &made, &tag(REGION, 1));
    let ran = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!((ran.recordings, ran.numbers, ran.refused), (0, 0, 1));
    assert!(bench.vault.unlock(id, &made).is_ok());
    assert!(bench.registered().is_empty());
    // Nor do who spoke in it, on the day of another.
    let (bench, late) = (Bench::new(), "2025-06-01T12:00:00Z".parse());
    let made = RecordingTag {
        started: callcore::time::Time::from(late.unwrap_or_else(|_| super::now())),
        earliest: date(2035, 6, 1),
        latest: None,
        ..tag(REGION, 1)
    };
    let said = RecordingTag {
        started: tag(REGION, 1).started,
        ..made.clone()
    };
    let id = misentered(&bench, &made, &said);
    let ran = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!((ran.recordings, ran.numbers, ran.refused), (0, 0, 1));
    assert!(bench.vault.has_numbers(id, &made) && bench.registered().is_empty());
}
