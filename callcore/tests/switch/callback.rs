//! Called back instead of waiting: offered, promised, kept, tried again, given up.

use std::sync::Arc;

use callcore::{
    origin::Origin,
    scenario::{AgentId, Scenario},
    switch::{CallId, Input, LegFailure, Outcome},
    time::Span,
};

use crate::bench::{Bench, CALLS_BACK};

/// The agent of the queue that calls back.
const AGENT: u32 = 4;

/// One caller talks; the next waits, has been offered to be called back, and hears the offer.
fn offered(bench: &mut Bench) -> (CallId, CallId) {
    let talks = bench.connected(CALLS_BACK);
    let (waits, heard) = bench.call(CALLS_BACK);
    assert_eq!(heard, "[routed] answer [queued] announce:queue");
    assert_eq!(
        bench.tell(Input::AnnouncementDone(waits)),
        "",
        "480 s for one call of 420 s and its wrap-up are under the 600 s"
    );
    let (second, _) = bench.call(CALLS_BACK);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(second)),
        "announce:offer [callback]"
    );
    bench.tell(Input::CallerGone(waits));
    (talks, second)
}

/// And has taken the offer.
pub(crate) fn promised(bench: &mut Bench) -> (CallId, CallId) {
    let (talks, waits) = offered(bench);
    assert_eq!(bench.press(waits, "1"), "[callback] announce:accepted");
    assert_eq!(bench.tell(Input::AnnouncementDone(waits)), "promise");
    (talks, waits)
}

/// And the switch calls.
pub(crate) fn called(bench: &mut Bench) -> CallId {
    let (talks, waits) = promised(bench);
    bench.tell(Input::FarEndGone(talks));
    let heard = bench.next_timer();
    assert_eq!(heard, format!("[callback] call-back:{}", waits.0));
    waits
}

#[test]
fn a_caller_who_is_called_back_talks_with_the_agent_who_was_kept_and_is_recorded() {
    let mut bench = Bench::new();
    let call = called(&mut bench);
    let view = bench.switch.queue_views()[3];
    assert_eq!((view.waiting, view.promised, view.ringing), (0, 1, 1));
    assert_eq!(
        bench.tell(Input::CallerAnswered(call)),
        format!("[callback] ring:{AGENT}<-{}", call.0)
    );
    assert_eq!(
        bench.tell(Input::AgentAnswered(call)),
        "bridge [connected] record"
    );
    assert_eq!(bench.switch.queue_views()[3].promised, 0);
    bench.tell(Input::CallerGone(call));
    assert_eq!(bench.switch.counts().ended_as(Outcome::Completed), 2);
}

#[test]
fn the_place_is_kept_while_others_wait_on_the_line() {
    let mut bench = Bench::new();
    let (talks, promised) = promised(&mut bench);
    bench.wait(20);
    let (later, _) = bench.call(CALLS_BACK);
    let view = bench.switch.queue_views()[3];
    assert_eq!((view.waiting, view.promised), (1, 1));
    assert_eq!(
        view.waiting_since,
        Some(bench.now),
        "of those on the line: who is to be called back waits for nothing"
    );
    bench.tell(Input::FarEndGone(talks));
    assert!(
        bench
            .next_timer()
            .ends_with(&format!("call-back:{}", promised.0))
    );
    assert_eq!(
        bench
            .switch
            .calls()
            .find(|call| call.call == later)
            .map(|call| call.state),
        Some("waiting")
    );
}

#[test]
fn who_hangs_up_on_the_confirmation_or_is_cut_off_is_called_back_all_the_same() {
    for gone in [
        Input::CallerGone,
        Input::Vanished,
        Input::CallerIncompatible,
        Input::CallLost,
    ] {
        let mut bench = Bench::new();
        let (_, waits) = offered(&mut bench);
        bench.press(waits, "1");
        assert_eq!(bench.tell(gone(waits)), "promise");
        assert_eq!(bench.switch.queue_views()[3].promised, 1);
    }
}

/// As when the switch stops and no program comes after it.
#[test]
fn a_promise_that_is_lost_itself_ends() {
    let mut bench = Bench::new();
    let (_, waits) = offered(&mut bench);
    bench.press(waits, "1");
    bench.tell(Input::CallLost(waits));
    let ended = bench.tell(Input::CallLost(waits));
    assert_eq!(ended, "[ended] hang-up:our_fault");
    assert_eq!(bench.switch.queue_views()[3].promised, 0);
}

/// A queue that tries again at once, and a switch that has no port: it must not try without end in one moment.
#[test]
fn a_fault_of_our_own_is_no_attempt_and_leaves_a_moment_before_the_next() {
    let text = include_str!("scenario.toml").replace("again_after_s = 300", "again_after_s = 0");
    let scenario = Scenario::from_toml(&text, "at-once.toml").expect("valid");
    let mut bench = Bench::with(Arc::new(scenario));
    let call = called(&mut bench);
    for _ in 0..5 {
        bench.tell(Input::CallerFailed(call, LegFailure::OurFault));
        let wake = bench.switch.wake().expect("it is tried again");
        assert_eq!(wake.at.since(bench.now), Span::from_secs(5));
        bench.next_timer();
    }
}

/// The wish was never said.
#[test]
fn who_is_cut_off_on_the_offer_is_not_called_back() {
    let mut bench = Bench::new();
    let (_, waits) = offered(&mut bench);
    let ended = bench.tell(Input::Vanished(waits));
    assert_eq!(ended, "[ended] hang-up:vanished");
    assert_eq!(bench.switch.queue_views()[3].promised, 0);
}

#[test]
fn only_the_key_that_was_named_accepts_and_only_after_the_offer() {
    let mut bench = Bench::new();
    bench.connected(CALLS_BACK);
    let (first, _) = bench.call(CALLS_BACK);
    assert_eq!(bench.press(first, "1"), "", "nothing was offered");
    let (second, _) = bench.call(CALLS_BACK);
    bench.tell(Input::AnnouncementDone(second));
    assert_eq!(bench.press(second, "2"), "");
    assert_eq!(
        bench.tell(Input::AnnouncementDone(second)),
        "",
        "silence in a queue without music"
    );
    assert_eq!(
        bench.press(second, "1"),
        "[callback] announce:accepted",
        "also after the offer has been heard"
    );
    assert_eq!(bench.press(second, "1"), "", "once");
    assert_eq!(bench.switch.counts().stray_inputs, 0);
}

#[test]
fn a_caller_without_a_number_is_offered_nothing() {
    let mut bench = Bench::new();
    bench.connected(CALLS_BACK);
    bench.call(CALLS_BACK);
    let call = CallId(99);
    let origin = Origin::from_code(CALLS_BACK);
    bench.tell(Input::Offered {
        call,
        origin,
        reachable: false,
    });
    assert_eq!(bench.tell(Input::AnnouncementDone(call)), "");
    assert_eq!(bench.press(call, "1"), "");
}

#[test]
fn no_more_are_promised_than_the_queue_says() {
    let mut bench = Bench::new();
    let (_, _) = promised(&mut bench);
    let (second, _) = bench.call(CALLS_BACK);
    bench.tell(Input::AnnouncementDone(second));
    let (third, _) = bench.call(CALLS_BACK);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(third)),
        "announce:offer [callback]"
    );
    bench.press(second, "1");
    assert_eq!(bench.press(third, "1"), "", "two promises stand");
    let (fourth, _) = bench.call(CALLS_BACK);
    assert_eq!(bench.tell(Input::AnnouncementDone(fourth)), "");
}

#[test]
fn who_does_not_answer_is_tried_again_and_then_given_up() {
    let mut bench = Bench::new();
    let call = called(&mut bench);
    assert_eq!(
        bench.next_timer(),
        "stop-calling-back [callback]",
        "rang for 30 s"
    );
    let view = bench.switch.queue_views()[3];
    assert_eq!(
        (view.ready, view.promised),
        (1, 1),
        "the agent is free for others"
    );
    assert_eq!(
        bench.next_timer(),
        format!("[callback] call-back:{}", call.0)
    );
    assert_eq!(
        bench.tell(Input::CallerFailed(call, LegFailure::Busy)),
        "[callback] [ended] hang-up:unreached"
    );
    assert_eq!(bench.switch.counts().ended_as(Outcome::Unreached), 1);
    let view = bench.switch.queue_views()[3];
    assert_eq!((view.ready, view.promised), (1, 0));
}

/// How long somebody was left alone who didn't answer says nothing of how long others must wait.
#[test]
fn who_is_tried_again_late_makes_the_queue_no_fuller() {
    let text = include_str!("scenario.toml").replace("again_after_s = 300", "again_after_s = 3600");
    let scenario = Scenario::from_toml(&text, "late.toml").expect("valid");
    let mut bench = Bench::with(Arc::new(scenario));
    let call = called(&mut bench);
    bench.tell(Input::CallerFailed(call, LegFailure::NoAnswer));
    bench.wait(3590);
    bench.connected(CALLS_BACK);
    bench.next_timer();
    assert_eq!(
        bench.switch.queue_views()[3].promised,
        1,
        "first in line now"
    );
    let (_, heard) = bench.call(CALLS_BACK);
    assert_eq!(heard, "[routed] answer [queued] announce:queue");
}

/// The caller's phone has not rung: that was no attempt.
#[test]
fn who_could_not_be_called_by_our_own_fault_is_tried_as_often_as_was_promised() {
    let mut bench = Bench::new();
    let call = called(&mut bench);
    for _ in 0..3 {
        let ours = Input::CallerFailed(call, LegFailure::OurFault);
        assert_eq!(bench.tell(ours), "[callback]");
        let again = format!("[callback] call-back:{}", call.0);
        assert_eq!(bench.next_timer(), again);
    }
    let busy = || Input::CallerFailed(call, LegFailure::Busy);
    assert_eq!(bench.tell(busy()), "[callback]");
    bench.next_timer();
    assert_eq!(bench.tell(busy()), "[callback] [ended] hang-up:unreached");
}

#[test]
fn an_agent_who_signs_out_while_the_caller_is_called_leaves_the_promise_in_its_place() {
    let mut bench = Bench::new();
    let call = called(&mut bench);
    assert_eq!(
        bench.tell(Input::AgentAway(AgentId(AGENT))),
        "stop-calling-back"
    );
    assert_eq!(bench.tell(Input::CallerAnswered(call)), "", "too late");
    assert_eq!(
        bench.tell(Input::AgentReady(AgentId(AGENT))),
        format!("[callback] call-back:{}", call.0)
    );
}

#[test]
fn an_agent_who_fails_a_caller_who_was_reached_leaves_him_first_in_line() {
    let mut bench = Bench::new();
    let call = called(&mut bench);
    bench.tell(Input::CallerAnswered(call));
    bench.tell(Input::AgentFailed(call, LegFailure::Refused));
    let view = bench.switch.queue_views()[3];
    assert_eq!((view.waiting, view.promised), (1, 0));
    assert_eq!(bench.next_timer(), format!("ring:{AGENT}<-{}", call.0));
}
