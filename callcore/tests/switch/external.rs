//! A call that leaves to a care provider.

use callcore::switch::{Input, LegFailure};

use crate::bench::{Bench, DIRECT, RELAY, RELEASE};

#[test]
fn an_external_caller_hears_the_announcement_and_is_handed_over_unanswered() {
    let mut bench = Bench::new();
    let (call, heard) = bench.call(DIRECT);
    assert_eq!(heard, "[routed] announce:external");
    assert_eq!(
        bench.tell(Input::AnnouncementDone(call)),
        "[tried] hand-over:medhelp/0/direct"
    );
    assert_eq!(bench.tell(Input::ProviderRinging(call)), "[ringing]");
    assert_eq!(bench.tell(Input::ProviderAnswered(call)), "[takenover]");
    assert_eq!(
        bench.tell(Input::FarEndGone(call)),
        "[ended] hang-up:completed"
    );
    assert!(bench.permits.is_empty());
    assert_eq!(bench.switch.wake(), None, "no timer is left");
}

#[test]
fn a_released_call_is_over_for_us_when_the_caller_was_sent_on() {
    let mut bench = Bench::new();
    let (call, heard) = bench.call(RELEASE);
    assert_eq!(
        heard, "[routed] [tried] hand-over:medhelp/0/release",
        "no announcement before a 302"
    );
    assert_eq!(
        bench.tell(Input::ProviderAnswered(call)),
        "[takenover] [ended] hang-up:handed_over"
    );
    assert_eq!(bench.tell(Input::FarEndGone(call)), "");
}

#[test]
fn targets_and_then_the_failover_list_are_tried_in_order() {
    let mut bench = Bench::new();
    let (call, _) = bench.call(DIRECT);
    bench.tell(Input::AnnouncementDone(call));
    let failed = |failure| Input::ProviderFailed(call, failure);
    assert_eq!(
        bench.tell(failed(LegFailure::Unavailable)),
        "[providerfailed] [tried] hand-over:medhelp/1/direct"
    );
    assert_eq!(
        bench.tell(failed(LegFailure::Busy)),
        "[providerfailed] [tried] hand-over:reserve/0/direct"
    );
    assert_eq!(
        bench.tell(failed(LegFailure::Refused)),
        "[providerfailed] announce:no-answer"
    );
    assert_eq!(
        bench.tell(Input::AnnouncementDone(call)),
        "[ended] hang-up:provider_failed"
    );
}

/// Whoever comes next may need nothing that we lack; and a call that nobody took is then ours, whoever else failed.
#[test]
fn a_provider_whom_we_could_not_call_is_no_fault_of_the_provider() {
    for ends in [Input::AnnouncementDone, Input::CallerGone] {
        for ours in 0..3 {
            let mut bench = Bench::new();
            let (call, _) = bench.call(DIRECT);
            bench.tell(Input::AnnouncementDone(call));
            let mut heard = String::new();
            for tried in 0..3 {
                let failure = if tried == ours {
                    LegFailure::OurFault
                } else {
                    LegFailure::Busy
                };
                heard = bench.tell(Input::ProviderFailed(call, failure));
            }
            assert_eq!(heard, "[providerfailed] announce:no-answer");
            assert_eq!(bench.tell(ends(call)), "[ended] hang-up:our_fault");
        }
    }
}

#[test]
fn a_provider_that_rings_too_long_is_given_up() {
    let mut bench = Bench::new();
    let (call, heard) = bench.call(RELAY);
    assert_eq!(heard, "[routed] [tried] hand-over:reserve/0/relay");
    bench.tell(Input::ProviderRinging(call));
    let before = bench.now;
    assert_eq!(
        bench.next_timer(),
        "stop-trying [providerfailed] announce:no-answer"
    );
    assert_eq!(bench.now.since(before).as_secs_f64(), 30.0);
    assert_eq!(bench.tell(Input::ProviderAnswered(call)), "", "too late");
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "[ended] hang-up:provider_failed"
    );
}

#[test]
fn a_caller_who_leaves_before_the_provider_answers_has_abandoned() {
    let mut bench = Bench::new();
    let (call, _) = bench.call(RELAY);
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "[ended] hang-up:abandoned"
    );
    assert_eq!(bench.switch.wake(), None);
}

#[test]
fn no_input_makes_an_external_call_be_recorded() {
    let mut bench = Bench::new();
    let (call, _) = bench.call(RELAY);
    bench.tell(Input::ProviderAnswered(call));
    for input in [
        Input::AgentAnswered(call),
        Input::RecordingStarted(call),
        Input::RecordingLost(call),
        Input::RecorderBack,
        Input::AnnouncementDone(call),
    ] {
        assert_eq!(bench.tell(input), "");
    }
    assert!(bench.permits.is_empty());
}
