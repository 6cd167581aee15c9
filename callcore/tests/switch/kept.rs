//! What one program leaves to the next: nobody is called back twice, and nobody is forgotten.

use callcore::{
    scenario::AgentId,
    switch::{CallId, Input, Kept, LegFailure, Outcome},
    time::Span,
};

use crate::{
    bench::{self, Bench, CALLS_BACK},
    callback::{called, promised},
};

/// The agent of the queue that calls back.
const AGENT: AgentId = AgentId(4);

/// What the first program leaves of its only promise.
fn left(bench: &Bench) -> Kept {
    let promises = bench.switch.promises(bench.now);
    let [(_, kept)] = promises.as_slice() else {
        panic!("one promise, not {promises:?}");
    };
    *kept
}

fn takes(bench: &mut Bench, kept: Kept) -> String {
    bench.tell(Input::CallbackKept(CallId(77), Box::new(kept)))
}

#[test]
fn who_was_promised_it_is_called_back_by_the_next_program_only() {
    let mut old = Bench::new();
    let (talks, waits) = promised(&mut old);
    old.wait(60);
    assert_eq!(old.tell(Input::CallbacksWait), "");
    old.tell(Input::FarEndGone(talks));
    let left_alone = old.switch.wrap_ups(old.now);
    assert_eq!(left_alone, [(AGENT, Span::from_secs(60))]);
    let kept = left(&old);
    assert_eq!((kept.waited, kept.tried), (Span::from_secs(60), 0));
    assert!(kept.recordable);
    assert_eq!(
        old.next_timer(),
        "",
        "the agent is idle, and nobody is called"
    );
    assert_eq!(
        old.switch.call(waits).map(|call| call.state),
        Some("promised")
    );

    let mut new = Bench::new();
    assert_eq!(new.tell(Input::AgentWrites(AGENT, Span::from_secs(58))), "");
    assert_eq!(takes(&mut new, kept), "[routed] [callback]");
    let begun = new.now;
    assert_eq!(new.next_timer(), "[callback] call-back:77");
    assert_eq!(
        new.now.since(begun),
        Span::from_secs(60),
        "58 s, rounded up"
    );
    new.tell(Input::CallerAnswered(CallId(77)));
    let heard = new.tell(Input::AgentAnswered(CallId(77)));
    assert_eq!(heard, "bridge [connected] record");
    new.tell(Input::CallerGone(CallId(77)));
    assert_eq!(new.switch.counts().ended_as(Outcome::Completed), 1);
}

#[test]
fn whose_phone_rings_is_left_alone_and_stays_promised() {
    let mut bench = Bench::new();
    let call = called(&mut bench);
    bench.tell(Input::CallbacksWait);
    assert_eq!(bench.switch.promises(bench.now), [], "it rings yet");
    let heard = bench.tell(Input::CallbackWithdrawn(call));
    assert_eq!(heard, "stop-calling-back");
    assert_eq!(left(&bench).tried, 0);
    assert_eq!(bench.switch.queue_views()[3].ready, 1, "the agent is free");
}

#[test]
fn who_was_called_in_vain_is_left_alone_as_long_as_promised() {
    let mut old = Bench::new();
    let call = called(&mut old);
    old.tell(Input::CallerFailed(call, LegFailure::NoAnswer));
    old.wait(100);
    old.tell(Input::CallbacksWait);
    let kept = left(&old);
    assert_eq!((kept.tried, kept.rests), (1, Span::from_secs(200)));
    let mut new = Bench::new();
    assert_eq!(takes(&mut new, kept), "[routed] [callback]");
    let begun = new.now;
    assert_eq!(new.next_timer(), "[callback] call-back:77");
    assert_eq!(new.now.since(begun), Span::from_secs(210));
}

#[test]
fn what_was_not_to_be_recorded_is_not_and_a_queue_that_is_gone_gives_way_to_the_rules() {
    let mut old = Bench::new();
    promised(&mut old);
    let kept = Kept {
        recordable: false,
        queue: None,
        ..left(&old)
    };
    let mut new = Bench::new();
    assert_eq!(
        takes(&mut new, kept),
        "[routed] [callback] [callback] call-back:77"
    );
    new.tell(Input::CallerAnswered(CallId(77)));
    let heard = new.tell(Input::AgentAnswered(CallId(77)));
    assert_eq!(heard, "bridge [connected]");
    let (_, waits) = new.call(CALLS_BACK);
    assert!(waits.contains("[queued]"), "{waits}");
}

/// Phones by TCP, TLS and WebSocket register anew, seconds after the program was started anew: their nurses write on.
#[test]
fn who_writes_and_is_not_there_yet_writes_on_when_her_phone_has_registered() {
    let mut new = Bench::new();
    new.away([AGENT.0]);
    assert_eq!(new.tell(Input::AgentWrites(AGENT, Span::from_secs(58))), "");
    assert_eq!(new.switch.counts().stray_inputs, 0);
    let (_, heard) = new.call(CALLS_BACK);
    assert!(heard.ends_with("[queued] announce:queue"), "{heard}");
    assert_eq!(new.wait(10).tell(Input::AgentReady(AGENT)), "");
    assert_eq!(new.switch.queue_views()[3].wrap_up, 1);
    assert_eq!(new.next_timer(), "ring:4<-1");
    assert_eq!(new.now.as_micros() - bench::MORNING, 60_000_000);
    // Who comes when they are long written takes a call at once, and so does who goes and comes after that.
    for later in [60, 0] {
        let mut new = Bench::new();
        new.away([AGENT.0]);
        new.tell(Input::AgentWrites(AGENT, Span::from_secs(58)));
        new.call(CALLS_BACK);
        new.wait(later).tell(Input::AgentReady(AGENT));
        new.tell(Input::AgentAway(AGENT));
        let heard = new.tell(Input::AgentReady(AGENT));
        assert_eq!(heard, "ring:4<-1");
    }
}

/// The next program would not start, and this one goes on.
#[test]
fn who_was_left_for_a_program_that_never_came_is_called_back() {
    let mut bench = Bench::new();
    let (talks, waits) = promised(&mut bench);
    assert_eq!(bench.tell(Input::CallbacksGoOn), "");
    assert_eq!(bench.switch.counts().stray_inputs, 1, "nobody was left");
    bench.tell(Input::CallbacksWait);
    bench.tell(Input::FarEndGone(talks));
    assert_eq!(bench.next_timer(), "");
    assert_eq!(
        bench.tell(Input::CallbacksGoOn),
        format!("[callback] call-back:{}", waits.0)
    );
}
