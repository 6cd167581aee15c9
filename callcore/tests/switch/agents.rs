//! Agents: longest idle first, wrap-up, signing in and out.

use callcore::{
    scenario::AgentId,
    switch::{Input, LegFailure},
};

use crate::{
    bench::{Bench, RECORDED, UNRECORDED},
    callback,
};

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

/// A nurse sends a call on to another: she writes her notes, the other one talks, and each desk says so.
#[test]
fn who_takes_a_call_over_is_busy_and_who_gave_it_is_not() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    let desks = |bench: &Bench| {
        let queue = &bench.switch.queue_views()[0];
        (queue.ready, queue.talking, queue.wrap_up)
    };
    assert_eq!(desks(&bench), (1, 1, 0));
    assert_eq!(
        bench.tell(Input::Transferred(call)),
        "stop-recording record"
    );
    assert_eq!(bench.tell(Input::TakenBy(call, AgentId(1))), "");
    assert_eq!(desks(&bench), (0, 1, 1));
    bench.tell(Input::TakenBy(call, AgentId(1)));
    assert_eq!(bench.switch.counts().stray_inputs, 1, "she has it already");
    // Whoever gave it away takes the next call once her notes are written, while the first call goes on.
    let (next, _) = bench.call(RECORDED);
    bench.tell(Input::AnnouncementDone(next));
    assert_eq!(bench.tell(Input::AgentReady(AgentId(0))), "ring:0<-2");
    bench.tell(Input::AgentAnswered(next));
    assert_eq!(desks(&bench), (0, 2, 0));
    bench.tell(Input::CallerGone(call));
    assert_eq!(
        desks(&bench),
        (0, 1, 1),
        "she who took it over writes notes"
    );
    bench.tell(Input::CallerGone(next));
    assert_eq!(desks(&bench), (0, 0, 2));
}

/// She is given a call while the queue rings her for the next: her desk says with whom she talks, and nobody rings her then.
#[test]
fn one_who_is_rung_for_another_call_takes_one_over_and_the_other_is_put_back() {
    let mut bench = Bench::new();
    let first = bench.connected(RECORDED);
    let (second, _) = bench.call(RECORDED);
    bench.tell(Input::AnnouncementDone(second));
    assert_eq!(
        bench.tell(Input::TakenBy(first, AgentId(1))),
        "stop-ringing:1 [queued]"
    );
    assert_eq!(
        bench.switch.call(first).and_then(|view| view.agent),
        Some(AgentId(1))
    );
    let queue = &bench.switch.queue_views()[0];
    assert_eq!(
        (queue.talking, queue.wrap_up, queue.waiting),
        (1, 1, 1),
        "the first writes her notes"
    );
    assert_eq!(bench.tell(Input::AgentReady(AgentId(0))), "ring:0<-2");
}

/// The agent who was kept free for a caller takes another call over: that caller is called once somebody else is free.
#[test]
fn one_for_whom_a_caller_is_called_back_takes_a_call_over() {
    let mut bench = Bench::new();
    let asks = callback::called(&mut bench);
    let other = bench.connected(RECORDED);
    let kept = bench.switch.call(asks).and_then(|view| view.agent);
    let kept = kept.expect("an agent is kept");
    let heard = bench.tell(Input::TakenBy(other, kept));
    assert_eq!(heard, "stop-calling-back");
    assert_eq!(
        bench.switch.call(asks).map(|view| view.state),
        Some("promised")
    );
}

/// A nurse sends a call on, hangs up, and nobody takes it: the caller comes before all who came later, and not to her at once.
#[test]
fn a_caller_whose_nurse_is_lost_stands_where_they_stood() {
    let mut bench = Bench::new();
    let first = bench.connected(RECORDED);
    let second = bench.connected(RECORDED);
    let (waits, _) = bench.call(RECORDED);
    bench.tell(Input::AnnouncementDone(waits));
    assert_eq!(
        bench.tell(Input::AgentLost(second)),
        "stop-recording music:music [queued]"
    );
    bench.tell(Input::AgentLost(second));
    assert_eq!(bench.switch.counts().stray_inputs, 1, "nobody has it");
    let queue = &bench.switch.queue_views()[0];
    assert_eq!((queue.waiting, queue.wrap_up, queue.talking), (2, 1, 1));
    bench.tell(Input::FarEndGone(first));
    assert_eq!(bench.tell(Input::AgentReady(AgentId(0))), "ring:0<-2");
    assert_eq!(
        bench.tell(Input::AgentAnswered(second)),
        "bridge [connected] record"
    );
    assert_eq!(
        bench.tell(Input::FarEndGone(second)),
        "stop-recording [ended] hang-up:completed"
    );
}

#[test]
fn an_agent_who_signed_out_in_a_call_that_was_lost_is_away() {
    let mut bench = Bench::new();
    let call = bench.connected(UNRECORDED);
    bench.tell(Input::AgentAway(ONLY));
    bench.tell(Input::AgentLost(call));
    let view = bench.switch.queue_views()[1];
    assert_eq!((view.away, view.waiting), (1, 1));
}

/// One who had signed out takes a call over all the same, and is away again after it.
#[test]
fn one_who_is_away_takes_over_and_is_away_again() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    bench.away([1]);
    assert_eq!(bench.tell(Input::TakenBy(call, AgentId(1))), "");
    bench.tell(Input::CallerGone(call));
    let queue = &bench.switch.queue_views()[0];
    assert_eq!((queue.ready, queue.talking, queue.wrap_up), (0, 0, 1));
    bench.next_timer();
    assert_eq!(bench.switch.queue_views()[0].ready, 1);
}
