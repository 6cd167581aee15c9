//! Where a call goes instead: a full queue's overflow, and a queue that takes over from a provider.

use std::sync::Arc;

use callcore::{
    scenario::{ProviderId, Scenario},
    switch::{CallId, FactKind, Input, LegFailure, Output},
};

use crate::bench::{Bench, FAILS_OVER, RECORDED, SMALL, UNRECORDED};

const RESERVE: ProviderId = ProviderId::at(1);

/// A bench on which the small queue has its agent busy and its one place taken.
fn small_queue_is_full() -> Bench {
    let mut bench = Bench::new();
    for _ in 0..2 {
        let (call, _) = bench.call(SMALL);
        bench.tell(Input::AnnouncementDone(call));
    }
    bench
}

#[test]
fn a_full_queue_sends_the_caller_to_the_queue_it_overflows_to() {
    let mut bench = small_queue_is_full();
    let (call, heard) = bench.call(SMALL);
    assert_eq!(heard, "[routed] [diverted] answer announce:region");
    assert_eq!(bench.tell(Input::AnnouncementDone(call)), "ring:2<-3");
    let view = bench
        .switch
        .calls()
        .find(|view| view.call == call)
        .expect("in progress");
    assert_eq!(view.queue.map(|queue| queue.index()), Some(1));
}

#[test]
fn a_full_overflow_is_passed_over_and_a_provider_takes_the_unanswered_caller() {
    let mut bench = small_queue_is_full();
    bench.connected(UNRECORDED);
    bench.call(UNRECORDED);
    bench.call(UNRECORDED);
    let (call, heard) = bench.call(SMALL);
    assert_eq!(
        heard,
        "[routed] [diverted] [tried] hand-over:reserve/0/direct"
    );
    let failed = Input::ProviderFailed(call, LegFailure::Busy);
    assert_eq!(bench.tell(failed), "[providerfailed] announce:no-answer");
}

#[test]
fn a_caller_already_answered_is_turned_away_when_only_a_provider_is_left() {
    let mut bench = Bench::new();
    let calls: Vec<CallId> = (0..3).map(|_| bench.call(SMALL).0).collect();
    bench.tell(Input::AnnouncementDone(calls[0]));
    bench.tell(Input::AnnouncementDone(calls[1]));
    bench.connected(UNRECORDED);
    bench.call(UNRECORDED);
    bench.call(UNRECORDED);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(calls[2])),
        "announce:busy"
    );
}

#[test]
fn a_caller_already_answered_joins_the_other_queue() {
    let mut bench = Bench::new();
    let calls: Vec<CallId> = (0..3).map(|_| bench.call(SMALL).0).collect();
    bench.tell(Input::AnnouncementDone(calls[0]));
    bench.tell(Input::AnnouncementDone(calls[1]));
    assert_eq!(
        bench.tell(Input::AnnouncementDone(calls[2])),
        "[diverted] ring:2<-3"
    );
}

/// The small queue's callers are sent on (REFER) to the provider first, and then to the other queue.
fn sends_callers_on() -> Bench {
    let said = r#"overflow = ["unrecorded", "reserve"]"#;
    let text = include_str!("scenario.toml");
    assert!(text.contains(said));
    let sent_on = text.replacen(
        said,
        "overflow = [\"reserve\", \"unrecorded\"]\nhandover = \"release\"",
        1,
    );
    let rules = Scenario::from_toml(&sent_on, "scenario.toml");
    Bench::with(Arc::new(rules.expect("a valid scenario")))
}

/// A caller who was let in, and comes out of the greeting when the small queue has filled up: what follows.
fn greeted_meanwhile(bench: &mut Bench) -> (CallId, String) {
    let calls: Vec<CallId> = (0..3).map(|_| bench.call(SMALL).0).collect();
    bench.tell(Input::AnnouncementDone(calls[0]));
    bench.tell(Input::AnnouncementDone(calls[1]));
    let heard = bench.tell(Input::AnnouncementDone(calls[2]));
    (calls[2], heard)
}

#[test]
fn a_caller_whom_the_provider_does_not_take_is_neither_answered_nor_greeted_again() {
    let mut bench = sends_callers_on();
    let (call, heard) = greeted_meanwhile(&mut bench);
    assert_eq!(heard, "[diverted] [tried] hand-over:reserve/0/release");
    let failed = Input::ProviderFailed(call, LegFailure::Refused);
    assert_eq!(bench.tell(failed), "[providerfailed] [diverted] ring:2<-3");
}

#[test]
fn a_caller_already_answered_is_sent_to_a_provider_who_is_down_rather_than_turned_away() {
    let mut bench = sends_callers_on();
    bench.connected(UNRECORDED);
    bench.call(UNRECORDED);
    bench.call(UNRECORDED);
    bench.tell(Input::TargetDown(RESERVE, 0));
    let (call, heard) = greeted_meanwhile(&mut bench);
    assert_eq!(
        heard,
        "[passedover] [diverted] [tried] hand-over:reserve/0/release"
    );
    let failed = Input::ProviderFailed(call, LegFailure::Refused);
    assert_eq!(bench.tell(failed), "[providerfailed] announce:no-answer");
}

#[test]
fn a_queue_whose_first_caller_waits_too_long_takes_no_more() {
    let mut bench = Bench::new();
    bench.away([3]);
    let (first, _) = bench.call(SMALL);
    bench.tell(Input::AnnouncementDone(first));
    bench.wait(300);
    bench.tell(Input::CallerGone(first));
    assert_eq!(
        bench.call(SMALL).1,
        "[routed] answer announce:region",
        "nobody waits any more"
    );
    let (first, _) = bench.call(SMALL);
    bench.tell(Input::AnnouncementDone(first));
    bench.wait(300);
    assert!(bench.call(SMALL).1.starts_with("[routed] [diverted]"));
}

#[test]
fn a_queue_that_takes_over_from_a_provider_answers_and_does_not_record() {
    let mut bench = Bench::new();
    let (call, _) = bench.call(FAILS_OVER);
    bench.tell(Input::AnnouncementDone(call));
    let failed = Input::ProviderFailed(call, LegFailure::Unavailable);
    assert_eq!(
        bench.tell(failed),
        "[providerfailed] [diverted] answer music:music ring:0<-1",
        "the caller has heard of the provider already"
    );
    assert_eq!(bench.tell(Input::AgentAnswered(call)), "bridge [connected]");
    assert_eq!(bench.tell(Input::RecorderBack), "");
    assert_eq!(
        bench.tell(Input::FarEndGone(call)),
        "[ended] hang-up:completed"
    );
    assert_eq!(bench.switch.counts().recording_gaps, 0);
}

#[test]
fn a_call_meant_for_the_same_queue_is_recorded() {
    let mut bench = Bench::new();
    bench.connected(RECORDED);
    assert_eq!(bench.permits.len(), 1);
}

#[test]
fn the_fact_names_the_new_place() {
    let mut bench = small_queue_is_full();
    let origin = callcore::origin::Origin::from_code(SMALL);
    bench.switch.handle(
        bench.now,
        Input::Offered {
            call: CallId(3),
            origin,
            reachable: true,
        },
    );
    let outputs: Vec<Output> = std::iter::from_fn(|| bench.switch.poll_output()).collect();
    let to = outputs.iter().find_map(|output| match output {
        Output::Fact(fact) => match fact.what {
            FactKind::Diverted(to) => Some(to),
            _ => None,
        },
        _ => None,
    });
    assert!(matches!(to, Some(callcore::route::Destination::Queue(queue)) if queue.index() == 1));
}
