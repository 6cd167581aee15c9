//! What is missing, extra, short and untagged; and that nothing else is.

mod kept;

use proptest::prelude::*;

use super::*;
use crate::{
    names::RecordingId,
    tally::{RATE, Tally},
};

fn at(second: i64) -> Timestamp {
    let begun: Timestamp = "2026-11-22T08:00:00Z".parse().expect("a moment");
    begun + SignedDuration::from_secs(second)
}

fn fact(call: u64, offered: i64, seconds: f64) -> CallFact {
    CallFact {
        call,
        controller: "region-01".into(),
        offered: at(offered),
        ended: at(offered + 10 + seconds as i64),
        seconds,
        external: false,
        recorded: true,
        goes_on: false,
    }
}

/// It was answered ten seconds after it came, and nobody tells of its end.
fn going_on(call: u64, offered: i64) -> CallFact {
    CallFact {
        goes_on: true,
        ..fact(call, offered, 0.0)
    }
}

fn have(call: u64, started: i64, seconds: f64) -> Have {
    Have {
        id: RecordingId::random().expect("random"),
        controller: "region-01".into(),
        call,
        started: at(started),
        ended: at(started + seconds as i64),
        seconds,
        untagged: false,
        open: false,
    }
}

fn compared(calls: &[CallFact], recordings: &[Have]) -> Report {
    compare(calls, recordings, at(-3600), at(7200), Erased::default())
}

fn kinds(report: &Report) -> Vec<&'static str> {
    report.differences.iter().map(|one| one.kind).collect()
}

#[test]
fn what_was_expected_and_is_stored_is_in_order() {
    let calls = [fact(1, 0, 60.0), fact(2, 5, 300.0)];
    // The second in three segments: hold and transfer.
    let recordings = [
        have(1, 10, 59.0),
        have(2, 15, 100.0),
        have(2, 116, 100.0),
        have(2, 217, 98.5),
    ];
    let report = compared(&calls, &recordings);
    assert_eq!(kinds(&report), [""; 0], "{report:?}");
    let line = report.controllers["region-01"];
    assert_eq!((line.expected, line.stored), (2, 4));
}

#[test]
fn each_difference_is_told_with_its_kind() {
    let external = CallFact {
        external: true,
        recorded: false,
        controller: "medhelp".into(),
        ..fact(3, 0, 100.0)
    };
    let silent = CallFact {
        recorded: false,
        ..fact(5, 0, 50.0)
    };
    let calls = [
        fact(1, 0, 60.0),
        fact(2, 0, 60.0),
        external,
        silent,
        fact(6, 0, 1.0),
    ];
    let elsewhere = Have {
        controller: "region-03".into(),
        ..have(2, 10, 60.0)
    };
    for (recordings, expected) in [
        (vec![have(1, 10, 20.0), have(2, 10, 60.0)], vec!["short"]),
        (vec![have(1, 10, 60.0)], vec!["missing"]),
        (
            vec![have(1, 10, 60.0), have(2, 10, 60.0), have(3, 10, 5.0)],
            vec!["extra"],
        ),
        (
            vec![have(1, 10, 60.0), have(2, 10, 60.0), have(5, 10, 5.0)],
            vec!["extra"],
        ),
        (
            vec![have(1, 10, 60.0), have(2, 10, 60.0), have(9, 10, 5.0)],
            vec!["extra"],
        ),
        // A call of that number, at another time.
        (
            vec![have(1, 10, 60.0), have(2, 10, 60.0), have(1, 900, 5.0)],
            vec!["extra"],
        ),
        (vec![have(1, 10, 60.0), elsewhere], vec!["extra"]),
    ] {
        let report = compared(&calls, &recordings);
        assert_eq!(kinds(&report), expected, "{report:?}");
        assert_eq!(report.found(), 1);
        assert_eq!(report.external_calls, 1);
    }
}

/// A switch that is killed, and one whose call is on hold: a part of it is recorded already.
#[test]
fn what_is_recorded_of_a_call_whose_end_nobody_told_is_not_extra() {
    let calls = [going_on(1, 0), going_on(2, 0), fact(3, 0, 60.0)];
    let open = Have {
        open: true,
        ..have(2, 10, 0.0)
    };
    let recordings = [
        have(1, 10, 50.0),
        have(1, 65, 20.0),
        open,
        have(3, 10, 60.0),
    ];
    let report = compared(&calls, &recordings);
    assert_eq!(kinds(&report), [""; 0], "{report:?}");
    let line = report.controllers["region-01"];
    assert_eq!((line.expected, line.unended, line.stored), (3, 2, 3));
    // Nothing is there at all, and not because it has only just been answered.
    let report = compared(&calls, &[have(3, 10, 60.0)]);
    assert_eq!(kinds(&report), ["missing", "missing"], "{report:?}");
    let soon = compare(&calls[..1], &[], at(-3600), at(40), Erased::default());
    assert_eq!(kinds(&soon), [""; 0], "{soon:?}");
}

/// The switch was started again and counts from one: the same number, and this call left.
#[test]
fn a_call_whose_end_nobody_told_excuses_none_that_left() {
    let external = CallFact {
        external: true,
        recorded: false,
        ..fact(1, 900, 100.0)
    };
    let calls = [going_on(1, 0), external];
    let report = compared(&calls, &[have(1, 10, 50.0), have(1, 910, 5.0)]);
    assert_eq!((report.external_recordings, report.found()), (1, 1));
}

/// Of two calls of one number at one time a recording is of the one that was to be recorded.
#[test]
fn a_recording_is_of_the_call_that_was_to_be_recorded() {
    let not = CallFact {
        recorded: false,
        ..fact(1, 0, 60.0)
    };
    for calls in [[not.clone(), fact(1, 0, 60.0)], [fact(1, 0, 60.0), not]] {
        assert_eq!(kinds(&compared(&calls, &[have(1, 10, 60.0)])), [""; 0]);
    }
}

#[test]
fn what_a_client_without_tags_recorded_is_stored_and_no_difference() {
    let untagged = Have {
        untagged: true,
        ..have(9, 10, 5.0)
    };
    let report = compared(&[fact(1, 0, 60.0)], &[have(1, 10, 60.0), untagged]);
    assert_eq!(kinds(&report), [""; 0], "{report:?}");
    let line = report.controllers["region-01"];
    assert_eq!((line.expected, line.stored), (1, 2));
}

/// Issue 4: a call that left was never recorded, shown by calls held against recordings.
#[test]
fn a_recording_of_a_call_that_left_is_counted_apart() {
    let external = CallFact {
        external: true,
        recorded: false,
        ..fact(3, 0, 100.0)
    };
    let clean = compared(std::slice::from_ref(&external), &[]);
    assert_eq!((clean.external_calls, clean.external_recordings), (1, 0));
    let crossed = compared(&[external], &[have(3, 10, 5.0)]);
    assert_eq!((crossed.external_recordings, crossed.found()), (1, 1));
}

/// A demonstration that is started again in the same folder plays the same morning: the same numbers at the same time.
#[test]
fn a_morning_that_is_played_twice_differs_in_nothing() {
    let external = CallFact {
        external: true,
        recorded: false,
        controller: "medhelp".into(),
        ..fact(1, 0, 40.0)
    };
    let elsewhere = CallFact {
        controller: "region-03".into(),
        ..fact(2, 0, 40.0)
    };
    let recorded_elsewhere = Have {
        controller: "region-03".into(),
        ..have(2, 10, 40.0)
    };
    // The second was stopped while its third call was going on, and began its fourth later.
    let calls = [
        external,
        fact(2, 0, 60.0),
        fact(3, 0, 60.0),
        fact(4, 0, 60.0),
    ];
    let again = [
        fact(1, 0, 60.0),
        elsewhere,
        fact(3, 0, 20.0),
        fact(4, 3, 20.0),
    ];
    let recordings = [
        have(1, 10, 60.0),
        recorded_elsewhere,
        have(2, 10, 60.0),
        have(3, 10, 20.0),
        have(3, 10, 60.0),
        have(4, 10, 60.0),
        have(4, 13, 20.0),
    ];
    let mut all = [calls, again].concat();
    for order in ["one after the other", "backwards"] {
        let report = compared(&all, &recordings);
        assert_eq!(kinds(&report), [""; 0], "{order}: {report:?}");
        assert_eq!(report.external_recordings, 0);
        all.reverse();
    }
}

/// A demonstration that is started again has calls of before that end later than its own clock shows.
#[test]
fn a_morning_that_is_being_played_again_differs_in_nothing() {
    let external = CallFact {
        external: true,
        recorded: false,
        controller: "medhelp".into(),
        ..fact(1, 0, 20.0)
    };
    let calls = [external, fact(1, 0, 60.0), fact(2, 0, 60.0)];
    let recordings = [have(1, 10, 60.0), have(2, 10, 60.0)];
    let report = compare(&calls, &recordings, at(-3600), at(40), Erased::default());
    assert_eq!(kinds(&report), [""; 0], "{report:?}");
    assert_eq!((report.calls, report.external_recordings), (1, 0));
    assert!(
        report.controllers.is_empty(),
        "the others haven't ended yet: {report:?}"
    );
}

/// A recorder whose disk stands still has recordings as long as their calls, with nothing in them.
#[test]
fn a_recording_without_its_audio_is_short() {
    let calls = [fact(1, 0, 60.0), fact(2, 0, 60.0), fact(3, 0, 60.0)];
    let stored = |call, lost| Have {
        seconds: Tally {
            packets: 6000 - lost,
            packets_lost: lost,
            gaps: 2,
            end: 60 * RATE,
            uncounted: false,
        }
        .seconds_heard(2),
        ..have(call, 10, 60.0)
    };
    // Wholly; half of a minute; and what a bad line loses, of which another alarm tells.
    let report = compared(&calls, &[stored(1, 6000), stored(2, 3000), stored(3, 500)]);
    assert_eq!(kinds(&report), ["short", "short"], "{report:?}");
    assert_eq!(report.differences[0].call, Some(1), "{report:?}");
}

/// A switch that starts again counts its calls from one.
#[test]
fn numbers_that_come_again_are_told_apart_by_time() {
    let calls = [fact(1, 0, 60.0), fact(1, 1000, 60.0)];
    let report = compared(&calls, &[have(1, 10, 60.0), have(1, 1010, 60.0)]);
    assert_eq!(report.found(), 0);
    // Even two at the same moment, as when a demo's clock is set back.
    let calls = [fact(1, 0, 60.0), fact(1, 0, 60.0)];
    let report = compared(&calls, &[have(1, 10, 60.0), have(1, 10, 60.0)]);
    assert_eq!(report.found(), 0);
    let report = compared(&calls, &[have(1, 10, 60.0)]);
    assert_eq!(kinds(&report), ["missing"]);
}

#[test]
fn what_an_organisation_sees_is_its_own() {
    let other = CallFact {
        controller: "region-03".into(),
        ..fact(2, 0, 60.0)
    };
    let report = compared(&[fact(1, 0, 60.0), other], &[]).of("region-03");
    assert_eq!(report.controllers.len(), 1);
    assert_eq!((report.calls, report.differences.len()), (1, 1));
    assert_eq!(report.differences[0].call, Some(2));
    // However many another one has.
    let mut many: Vec<_> = (0..1200).map(|call| fact(call, 0, 60.0)).collect();
    many.push(CallFact {
        controller: "region-03".into(),
        ..fact(5000, 0, 60.0)
    });
    let all = compared(&many, &[]);
    assert_eq!(all.clone().of("region-01").differences.len(), 1000);
    assert_eq!(all.of("region-03").differences.len(), 1);
    let external = CallFact {
        external: true,
        recorded: false,
        ..fact(3, 0, 100.0)
    };
    let crossed = compared(&[external], &[have(3, 10, 5.0)]);
    let seen = |by| crossed.clone().of(by).external_recordings;
    assert_eq!((seen("region-01"), seen("region-03")), (1, 0));
}

proptest! {
    /// Whatever is taken away, that many are missing; whatever is added, that many are extra.
    #[test]
    fn the_books_balance_both_ways(calls in 1_u64..40, gone in 0_u64..10, added in 0_u64..10) {
        let facts: Vec<_> = (0..calls).map(|call| fact(call, call as i64 * 7, 60.0)).collect();
        let gone = gone.min(calls);
        let kept = (gone..calls).map(|call| have(call, call as i64 * 7 + 10, 60.0));
        let more = (0..added).map(|call| have(1000 + call, 10, 60.0));
        let recordings: Vec<_> = kept.chain(more).collect();
        let report = compared(&facts, &recordings);
        let line = report.controllers["region-01"];
        prop_assert_eq!((line.missing, line.extra, line.short), (gone, added, 0));
        prop_assert_eq!(line.stored, calls - gone + added);
    }
}
