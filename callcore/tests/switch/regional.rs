//! A call to a queue of this switch's own.

use callcore::switch::{CALLS_MAX, CallId, Input, LegFailure, Outcome};

use crate::bench::{Bench, RECORDED, UNRECORDED};

#[test]
fn a_caller_hears_the_announcement_and_then_a_free_agent_is_rung() {
    let mut bench = Bench::new();
    let (call, heard) = bench.call(RECORDED);
    assert_eq!(heard, "[routed] answer announce:region");
    assert_eq!(
        bench.tell(Input::AnnouncementDone(call)),
        "music:music ring:0<-1"
    );
    assert_eq!(bench.tell(Input::AgentRinging(call)), "[ringing]");
    assert_eq!(
        bench.tell(Input::AgentAnswered(call)),
        "bridge [connected] record"
    );
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "stop-recording [ended] hang-up:completed"
    );
    assert_eq!(bench.switch.counts().ended_as(Outcome::Completed), 1);
}

#[test]
fn without_an_announcement_the_agent_is_rung_at_once() {
    let mut bench = Bench::new();
    let (call, heard) = bench.call(UNRECORDED);
    assert_eq!(heard, "[routed] answer ring:2<-1");
    assert_eq!(bench.tell(Input::AgentAnswered(call)), "bridge [connected]");
    assert_eq!(
        bench.tell(Input::FarEndGone(call)),
        "[ended] hang-up:completed"
    );
}

#[test]
fn a_caller_who_has_to_wait_hears_the_queues_announcement_and_then_music() {
    let mut bench = Bench::new();
    bench.connected(RECORDED);
    let second = bench.connected(RECORDED);
    let (third, _) = bench.call(RECORDED);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(third)),
        "[queued] announce:queue"
    );
    assert_eq!(bench.tell(Input::AnnouncementDone(third)), "music:music");
    bench.tell(Input::FarEndGone(second));
    assert_eq!(
        bench.next_timer(),
        "ring:1<-3",
        "the agent's wrap-up is over"
    );
}

#[test]
fn a_caller_can_be_rung_for_while_the_queues_announcement_plays() {
    let mut bench = Bench::new();
    let first = bench.connected(UNRECORDED);
    bench.connected(RECORDED);
    bench.connected(RECORDED);
    let (waits, _) = bench.call(RECORDED);
    bench.tell(Input::AnnouncementDone(waits));
    bench.tell(Input::CallerGone(CallId(2)));
    assert_eq!(bench.next_timer(), "ring:0<-4");
    assert_eq!(bench.tell(Input::AnnouncementDone(waits)), "music:music");
    assert_eq!(
        bench.tell(Input::AnnouncementDone(waits)),
        "",
        "played once"
    );
    bench.tell(Input::CallerGone(first));
    assert_eq!(bench.switch.counts().stray_inputs, 1);
}

#[test]
fn the_longest_waiting_caller_is_first_and_who_gives_up_leaves_the_line() {
    let mut bench = Bench::new();
    let talks = bench.connected(UNRECORDED);
    let (first, heard) = bench.call(UNRECORDED);
    assert_eq!(heard, "[routed] answer [queued]");
    let (second, _) = bench.call(UNRECORDED);
    assert_eq!(
        bench.tell(Input::CallerGone(first)),
        "[ended] hang-up:abandoned"
    );
    assert_eq!(
        bench.tell(Input::CallerGone(talks)),
        format!("[ended] hang-up:completed ring:2<-{}", second.0)
    );
}

#[test]
fn an_agent_who_does_not_answer_gives_the_call_back_to_the_head_of_the_line() {
    let mut bench = Bench::new();
    bench.connected(RECORDED);
    let (second, _) = bench.call(RECORDED);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(second)),
        "music:music ring:1<-2"
    );
    let (third, _) = bench.call(RECORDED);
    bench.tell(Input::AnnouncementDone(third));
    bench.wait(1);
    assert_eq!(
        bench.next_timer(),
        "stop-ringing:1 [queued]",
        "rang for 20 s"
    );
    assert_eq!(
        bench.next_timer(),
        "ring:1<-2",
        "set aside for the wrap-up, then the same caller first"
    );
    assert_eq!(
        bench.tell(Input::AgentFailed(second, LegFailure::Busy)),
        "",
        "queued is said once a call"
    );
    bench.tell(Input::CallerGone(CallId(1)));
    assert!(bench.next_timer().contains("<-2"), "still before the third");
}

#[test]
fn a_full_queue_turns_the_next_away_before_the_answer() {
    let mut bench = Bench::new();
    bench.connected(UNRECORDED);
    bench.call(UNRECORDED);
    bench.call(UNRECORDED);
    let (fourth, heard) = bench.call(UNRECORDED);
    assert_eq!(heard, "[routed] announce:busy");
    assert_eq!(
        bench.tell(Input::AnnouncementDone(fourth)),
        "[ended] hang-up:turned_away"
    );
    let (fifth, _) = bench.call(UNRECORDED);
    assert_eq!(
        bench.tell(Input::CallerGone(fifth)),
        "[ended] hang-up:turned_away"
    );
}

#[test]
fn a_queue_that_fills_up_during_the_announcement_turns_away_after_it() {
    let mut bench = Bench::new();
    bench.away([0, 1]);
    let calls: Vec<CallId> = (0..4).map(|_| bench.call(RECORDED).0).collect();
    for call in &calls[..3] {
        assert_eq!(
            bench.tell(Input::AnnouncementDone(*call)),
            "[queued] announce:queue"
        );
    }
    assert_eq!(
        bench.tell(Input::AnnouncementDone(calls[3])),
        "announce:busy"
    );
    assert_eq!(
        bench.tell(Input::AnnouncementDone(calls[3])),
        "[ended] hang-up:turned_away"
    );
}

#[test]
fn a_caller_who_leaves_while_the_agent_rings_frees_the_agent_at_once() {
    let mut bench = Bench::new();
    let (call, _) = bench.call(UNRECORDED);
    assert_eq!(
        bench.tell(Input::CallerGone(call)),
        "stop-ringing:2 [ended] hang-up:abandoned"
    );
    let (_, heard) = bench.call(UNRECORDED);
    assert_eq!(heard, "[routed] answer ring:2<-2");
    assert_eq!(bench.switch.calls_in_progress(), 1);
}

#[test]
fn callers_without_a_kommun_have_a_route_too_and_a_lost_call_is_our_fault() {
    let mut bench = Bench::new();
    assert_eq!(bench.call("").1, "[routed] answer ring:2<-1");
    let call = bench.connected(RECORDED);
    assert_eq!(
        bench.tell(Input::CallLost(call)),
        "stop-recording [ended] hang-up:our_fault"
    );
}

#[test]
fn who_has_no_codec_that_we_have_is_no_fault_of_ours() {
    let mut bench = Bench::new();
    let call = bench.call(RECORDED).0;
    let ended = bench.tell(Input::CallerIncompatible(call));
    assert!(ended.ends_with("[ended] hang-up:incompatible"), "{ended}");
    assert_eq!(bench.switch.counts().ended_as(Outcome::OurFault), 0);
}

#[test]
fn a_side_that_vanishes_ends_the_call_whatever_its_stage() {
    let mut bench = Bench::new();
    let talks = bench.connected(RECORDED);
    let waits = bench.call(RECORDED).0;
    assert_eq!(
        bench.tell(Input::Vanished(talks)),
        "stop-recording [ended] hang-up:vanished"
    );
    let ended = bench.tell(Input::Vanished(waits));
    assert!(ended.ends_with("[ended] hang-up:vanished"), "{ended}");
    assert_eq!(bench.switch.counts().ended_as(Outcome::Vanished), 2);
}

#[test]
fn what_does_not_fit_is_counted_and_changes_nothing() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    let strays = [
        Input::Offered {
            call,
            origin: callcore::origin::Origin::from_code(RECORDED),
            reachable: true,
        },
        Input::AnnouncementDone(call),
        Input::AgentAnswered(call),
        Input::AgentFailed(call, LegFailure::Busy),
        Input::ProviderAnswered(call),
        Input::CallerGone(CallId(99)),
        Input::Held(CallId(99)),
        Input::Resumed(CallId(99)),
        Input::Transferred(CallId(99)),
        Input::RecordingLost(CallId(99)),
        Input::AgentReady(callcore::scenario::AgentId(u32::MAX)),
        Input::TimePassed,
    ];
    let count = strays.len() as u64;
    for stray in strays {
        assert_eq!(bench.tell(stray), "");
    }
    assert_eq!(bench.switch.counts().stray_inputs, count);
    assert_eq!(bench.switch.calls_in_progress(), 1);
}

#[test]
fn the_dashboards_view_names_where_a_call_stands() {
    let mut bench = Bench::new();
    bench.connected(RECORDED);
    bench.connected(RECORDED);
    let (waits, _) = bench.call(RECORDED);
    bench.wait(10).tell(Input::AnnouncementDone(waits));
    let states: Vec<&str> = bench.switch.calls().map(|call| call.state).collect();
    assert_eq!(states, ["talking", "talking", "waiting"]);
    let first = bench.switch.calls().next().expect("three calls");
    assert_eq!(
        (first.recording, first.region.map(|r| r.to_string())),
        (Some(true), Some("01".to_owned()))
    );
    let queue = bench.switch.queue_views()[0];
    assert_eq!(
        (queue.waiting, queue.talking, queue.ready, queue.ringing),
        (1, 2, 0, 0)
    );
    assert_eq!(queue.waiting_since, Some(bench.now));
}

#[test]
fn a_call_at_a_time_that_no_rule_covers_ends_at_once() {
    let mut bench = Bench::new();
    bench.now = callcore::time::Time::from_micros(0);
    assert_eq!(
        bench.call("1480").1,
        "[unrouted] [ended] hang-up:provider_failed"
    );
}

#[test]
fn above_the_limit_of_calls_the_next_is_refused_as_our_fault() {
    let mut bench = Bench::new();
    for call in 1..=CALLS_MAX as u64 {
        let origin = callcore::origin::Origin::from_code(RECORDED);
        bench.switch.handle(
            bench.now,
            Input::Offered {
                call: CallId(call + 10),
                origin,
                reachable: true,
            },
        );
        while bench.switch.poll_output().is_some() {}
    }
    assert_eq!(bench.call(RECORDED).1, "[ended] hang-up:our_fault");
    assert_eq!(bench.switch.calls_in_progress(), CALLS_MAX);
    bench.tell(Input::CallerGone(CallId(11)));
    assert_eq!(bench.call(RECORDED).1, "[routed] answer announce:region");
}
