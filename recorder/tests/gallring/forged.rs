//! The index lies where others may write, and a disk may spoil it: what a recording was made under says when it goes.

use callcore::tag::RecordingTag;
use jiff::civil::date;
use recorder::{
    index::{Closing, State},
    names::RecordingId,
    tally::Tally,
    vault::Meta,
};

use super::stored::{Bench, REGION, scenario, tag};

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
