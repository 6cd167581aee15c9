//! What a waiting caller is told, in order.

use callcore::{
    scenario::AgentId,
    switch::{CallId, Input, LegFailure},
};

use crate::bench::{Bench, SPEAKS};

/// One caller talks, and this one waits.
fn waits(bench: &mut Bench) -> CallId {
    bench.connected(SPEAKS);
    let (call, heard) = bench.call(SPEAKS);
    assert_eq!(heard, "[routed] answer [queued] announce:queue");
    call
}

#[test]
fn place_and_wait_are_said_after_the_notice_and_again_after_some_music() {
    let mut bench = Bench::new();
    let call = waits(&mut bench);
    assert_eq!(bench.tell(Input::AnnouncementDone(call)), "speak:1/480");
    assert_eq!(bench.tell(Input::AnnouncementDone(call)), "music:music");
    let before = bench.now;
    assert_eq!(bench.next_timer(), "speak:1/480");
    assert_eq!(bench.now.since(before).as_micros(), 30_000_000);
    assert_eq!(bench.tell(Input::AnnouncementDone(call)), "music:music");
}

#[test]
fn the_offer_to_call_back_comes_after_place_and_wait_and_the_place_follows_the_line() {
    let mut bench = Bench::new();
    let first = waits(&mut bench);
    let (second, _) = bench.call(SPEAKS);
    assert_eq!(bench.tell(Input::AnnouncementDone(second)), "speak:2/960");
    assert_eq!(
        bench.tell(Input::AnnouncementDone(second)),
        "announce:offer [callback]"
    );
    assert_eq!(bench.tell(Input::AnnouncementDone(second)), "music:music");
    bench.tell(Input::CallerGone(first));
    assert_eq!(
        bench.next_timer(),
        "speak:1/480",
        "nobody is before any more"
    );
    assert_eq!(
        bench.tell(Input::AnnouncementDone(second)),
        "music:music",
        "offered once"
    );
}

#[test]
fn nothing_is_said_into_a_ringing_agent_and_it_goes_on_when_the_agent_fails() {
    let mut bench = Bench::new();
    let call = waits(&mut bench);
    bench.tell(Input::AnnouncementDone(call));
    bench.tell(Input::AnnouncementDone(call));
    bench.tell(Input::CallerGone(CallId(1)));
    bench.tell(Input::AgentReady(AgentId(5)));
    assert!(
        bench.switch.wake().is_some(),
        "the agent's phone rings for so long"
    );
    bench.wait(5);
    assert_eq!(bench.tell(Input::AgentFailed(call, LegFailure::Busy)), "");
    bench.tell(Input::AgentAway(AgentId(5)));
    assert_eq!(
        bench.next_timer(),
        "speak:1/-1",
        "nobody is there: no wait is named"
    );
}

#[test]
fn who_leaves_leaves_no_timer_behind() {
    let mut bench = Bench::new();
    bench.away([5]);
    let (call, _) = bench.call(SPEAKS);
    bench.tell(Input::AnnouncementDone(call));
    bench.tell(Input::AnnouncementDone(call));
    bench.tell(Input::AnnouncementDone(call));
    assert!(bench.switch.wake().is_some());
    bench.tell(Input::CallerGone(call));
    assert_eq!(bench.switch.wake(), None);
}
