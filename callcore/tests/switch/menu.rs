//! A menu after the greeting.

use std::sync::Arc;

use callcore::{
    scenario::Scenario,
    switch::{CallId, Input, Outcome},
};

use crate::bench::{Bench, MENU};

/// A caller who hears the menu.
fn hears(bench: &mut Bench) -> CallId {
    let (call, heard) = bench.call(MENU);
    assert_eq!(heard, "[routed] answer announce:region");
    assert_eq!(bench.tell(Input::AnnouncementDone(call)), "announce:menu");
    call
}

#[test]
fn a_key_takes_the_caller_to_another_queue_whose_rules_hold_from_there() {
    let mut bench = Bench::new();
    let call = hears(&mut bench);
    assert_eq!(bench.press(call, "2"), "[diverted] music:music ring:0<-1");
    assert_eq!(
        bench.tell(Input::AgentAnswered(call)),
        "bridge [connected] record"
    );
    assert_eq!(bench.permits[0].queue().index(), 0);
}

#[test]
fn a_key_may_mean_to_go_on_and_others_mean_nothing() {
    let mut bench = Bench::new();
    let call = hears(&mut bench);
    assert_eq!(bench.press(call, "9"), "");
    assert_eq!(bench.press(call, "1"), "ring:4<-1");
    assert_eq!(bench.press(call, "2"), "", "the choice is made");
    assert_eq!(bench.switch.counts().stray_inputs, 0);
}

/// The key that goes on is the key that asks for a call back in the queue it leads to, whose offer comes at once.
#[test]
fn a_key_that_was_pressed_in_a_menu_accepts_nothing_that_is_offered_after_it() {
    let text =
        include_str!("scenario.toml").replace("announcement = \"queue\"\ncallback", "callback");
    let scenario = Scenario::from_toml(&text, "unannounced.toml").expect("valid");
    let mut bench = Bench::with(Arc::new(scenario));
    bench.away([4]);
    let call = hears(&mut bench);
    let heard = "[queued] announce:offer [callback]";
    assert_eq!(bench.press(call, "1"), heard);
    let accepted = "[callback] announce:accepted";
    assert_eq!(bench.press(call, "1"), accepted);
}

#[test]
fn who_presses_nothing_hears_it_again_and_goes_on() {
    let mut bench = Bench::new();
    let call = hears(&mut bench);
    assert_eq!(bench.tell(Input::AnnouncementDone(call)), "");
    assert_eq!(bench.next_timer(), "announce:menu");
    assert_eq!(bench.tell(Input::AnnouncementDone(call)), "");
    assert_eq!(bench.next_timer(), "ring:4<-1");
}

#[test]
fn a_key_may_ask_to_be_called_back_at_once() {
    let mut bench = Bench::new();
    let call = hears(&mut bench);
    assert_eq!(
        bench.press(call, "3"),
        "[queued] [callback] announce:accepted"
    );
    assert_eq!(
        bench.tell(Input::AnnouncementDone(call)),
        "promise [callback] call-back:1",
        "an agent is idle"
    );
}

#[test]
fn who_hangs_up_in_the_menu_has_abandoned_and_leaves_no_timer() {
    let mut bench = Bench::new();
    let call = hears(&mut bench);
    bench.tell(Input::AnnouncementDone(call));
    assert!(bench.switch.wake().is_some());
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "[ended] hang-up:abandoned"
    );
    assert_eq!(bench.switch.counts().ended_as(Outcome::Abandoned), 1);
    assert_eq!(bench.switch.wake(), None);
}
