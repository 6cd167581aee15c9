//! When a recording begins, resumes and ends, and what it is tagged with.

use std::sync::Arc;

use callcore::{retention::ObjectClass, scenario::Scenario, switch::Input, tag::RecordingTag};

use crate::bench::{Bench, RECORDED, UNRECORDED};

#[test]
fn the_permit_carries_a_complete_tag() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    let tag = bench.tag().expect("a recording");
    let scenario = bench.switch.scenario();
    let expected = RecordingTag {
        controller: "region-01".into(),
        processor: "inera".into(),
        operator: "inera".into(),
        region: "01".into(),
        kommun: "0180".into(),
        purpose: "patient-safety-and-quality".into(),
        basis: tag.basis.clone(),
        agreement: "pub-01".into(),
        class: ObjectClass::Audio,
        earliest: jiff::civil::date(2028, 3, 2),
        latest: Some(jiff::civil::date(2029, 3, 2)),
        route: "stockholm".into(),
        table: scenario.routes.digest().to_string().into(),
        call,
        started: bench.now,
    };
    assert_eq!(tag, expected);
    assert!(!tag.basis.is_empty());
}

/// Floors are remembered for a day.
#[test]
fn each_recording_stays_by_the_day_on_which_it_begins() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    let today = bench.tag().expect("a recording").earliest;
    // 15 hours after nine in the morning.
    bench.wait(15 * 60 * 60 - 1).tell(Input::Transferred(call));
    assert_eq!(bench.tag().expect("another").earliest, today);
    bench.wait(1).tell(Input::Transferred(call));
    let tomorrow = bench.tag().expect("another").earliest;
    assert_eq!(Ok(tomorrow), today.tomorrow().map_err(drop));
}

#[test]
fn a_lost_recording_is_one_gap_and_resumes_when_the_recorder_is_back() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    assert_eq!(bench.tell(Input::RecordingStarted(call)), "[recording]");
    assert_eq!(bench.tell(Input::RecordingLost(call)), "[recordinggap]");
    assert_eq!(
        bench.tell(Input::RecordingLost(call)),
        "",
        "one loss, one gap"
    );
    assert_eq!(bench.wait(5).tell(Input::RecorderBack), "record");
    assert_eq!(bench.tell(Input::RecorderBack), "", "it runs already");
    let started: Vec<_> = bench
        .permits
        .drain(..)
        .filter_map(|permit| permit.into_tag(&bench.switch))
        .map(|tag| tag.started)
        .collect();
    assert_eq!(started[1].since(started[0]).as_secs_f64(), 5.0);
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "stop-recording [ended] hang-up:completed"
    );
}

#[test]
fn a_recording_that_is_lost_is_not_closed_again() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    bench.tell(Input::RecordingLost(call));
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "[ended] hang-up:completed"
    );
    assert_eq!(bench.switch.counts().recording_gaps, 1);
    assert_eq!(bench.tell(Input::RecorderBack), "");
}

#[test]
fn hold_and_transfer_close_a_recording_and_the_next_begins_with_the_conversation() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    assert_eq!(bench.tell(Input::Held(call)), "stop-recording");
    assert_eq!(bench.tell(Input::Held(call)), "", "held already");
    assert_eq!(bench.tell(Input::RecorderBack), "", "nothing was lost");
    assert_eq!(bench.wait(5).tell(Input::Resumed(call)), "record");
    assert_eq!(bench.tell(Input::Resumed(call)), "");
    assert_eq!(
        bench.tell(Input::Transferred(call)),
        "stop-recording record"
    );
    assert_eq!(bench.permits.len(), 3, "each with a permit of its own");
    let strays = bench.switch.counts().stray_inputs;
    assert_eq!(strays, 1, "to resume what runs; to hold what is held isn't");
    bench.tell(Input::Held(call));
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "[ended] hang-up:completed"
    );
}

#[test]
fn nothing_that_happens_to_an_unrecorded_call_begins_a_recording() {
    let mut bench = Bench::new();
    let call = bench.connected(UNRECORDED);
    for input in [
        Input::Held(call),
        Input::Resumed(call),
        Input::Transferred(call),
    ] {
        assert_eq!(bench.tell(input), "");
    }
    assert!(bench.permits.is_empty());
}

/// Audio without a floor and a ceiling must not come to be, and that it isn't there is told.
#[test]
fn a_call_that_no_retention_rule_covers_is_a_gap_and_no_recording() {
    let text = include_str!("scenario.toml");
    let rule = "[[retention]]\nclass = \"audio\"\n";
    assert!(text.contains(rule));
    let text = text.replace(rule, &format!("{rule}controller = \"region-03\"\n"));
    let rules = Scenario::from_toml(&text, "changed.toml").expect("still valid");
    let mut bench = Bench::with(Arc::new(rules));
    let call = bench.connected(RECORDED);
    assert!(bench.permits.is_empty());
    assert_eq!(bench.switch.counts().recording_gaps, 1);
    assert_eq!(bench.switch.counts().recordings, 0);
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "[ended] hang-up:completed"
    );
}
