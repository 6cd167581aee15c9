//! Agents: longest idle first, wrap-up, signing in and out.

use callcore::{
    scenario::AgentId,
    switch::{Input, LegFailure},
};

use crate::bench::{Bench, RECORDED, UNRECORDED};

const ONLY: AgentId = AgentId(2);

#[test]
fn the_agent_idle_longest_is_rung() {
    let mut bench = Bench::new();
    let first = bench.connected(RECORDED);
    bench.tell(Input::CallerGone(first));
    bench.next_timer();
    let (call, _) = bench.call(RECORDED);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(call)),
        "music:music ring:1<-2"
    );
}

#[test]
fn after_a_call_comes_the_wrap_up() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    bench.tell(Input::CallerGone(call));
    assert_eq!(bench.switch.queue_views()[0].wrap_up, 1);
    let before = bench.now;
    assert_eq!(bench.next_timer(), "");
    assert_eq!(bench.now.since(before).as_secs_f64(), 60.0);
    assert_eq!(bench.switch.queue_views()[0].ready, 2);
}

#[test]
fn an_agent_may_end_the_wrap_up_early() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    bench.tell(Input::CallerGone(call));
    bench.tell(Input::AgentReady(AgentId(0)));
    assert_eq!(bench.switch.queue_views()[0].ready, 2);
    assert_eq!(bench.switch.wake(), None);
}

#[test]
fn an_agent_who_refuses_is_left_alone_for_a_while_also_without_wrap_up() {
    let mut bench = Bench::new();
    let (call, _) = bench.call(UNRECORDED);
    assert_eq!(
        bench.tell(Input::AgentFailed(call, LegFailure::Refused)),
        "[queued]"
    );
    let before = bench.now;
    assert_eq!(bench.next_timer(), "ring:2<-1");
    assert_eq!(bench.now.since(before).as_secs_f64(), 5.0);
}

#[test]
fn an_agent_who_signs_out_while_ringing_gives_the_call_back() {
    let mut bench = Bench::new();
    let (call, _) = bench.call(UNRECORDED);
    assert_eq!(
        bench.tell(Input::AgentAway(ONLY)),
        "stop-ringing:2 [queued]"
    );
    assert_eq!(bench.tell(Input::AgentAnswered(call)), "");
    assert_eq!(bench.tell(Input::AgentReady(ONLY)), "ring:2<-1");
}

#[test]
fn an_agent_who_signs_out_in_a_call_finishes_it() {
    let mut bench = Bench::new();
    let call = bench.connected(UNRECORDED);
    assert_eq!(bench.tell(Input::AgentAway(ONLY)), "");
    bench.call(UNRECORDED);
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "[ended] hang-up:completed"
    );
    let view = bench.switch.queue_views()[1];
    assert_eq!((view.away, view.waiting), (1, 1));
}
