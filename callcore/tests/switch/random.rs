//! Random inputs in random order: whatever a network brings, the books balance.

use std::{collections::BTreeMap, sync::Arc};

use callcore::{
    digit::Digit,
    origin::Origin,
    scenario::{AgentId, ProviderId, Scenario},
    switch::{CallId, Input, Kept, LegFailure, Output, Switch, WakeReason},
    time::{Span, Time},
};
use proptest::prelude::*;

use crate::{
    bench::{
        self, CALLS_BACK, DIRECT, FAILS_OVER, MENU, MORNING, RECORDED, RELAY, RELEASE, SMALL,
        SPEAKS, UNRECORDED,
    },
    books::Books,
};

const CALLS: u64 = 12;
const KOMMUNER: [&str; 11] = [
    RECORDED, UNRECORDED, CALLS_BACK, MENU, SPEAKS, DIRECT, RELAY, RELEASE, SMALL, FAILS_OVER, "",
];

fn input() -> impl Strategy<Value = Input> {
    let call = (1..=CALLS).prop_map(CallId);
    let agent = (0..7_u32).prop_map(AgentId);
    let queue = bench::scenario().queue_by_name("calls-back");
    prop_oneof![
        6 => (call.clone(), 0..KOMMUNER.len(), any::<bool>()).prop_map(|(call, at, reachable)| Input::Offered {
            call,
            origin: Origin::from_code(KOMMUNER[at]),
            reachable,
        }),
        2 => (call.clone(), 0..KOMMUNER.len(), any::<bool>(), 0..3_u8).prop_map(move |(call, at, recordable, tried)| Input::CallbackKept(call, Box::new(Kept {
            origin: Origin::from_code(KOMMUNER[at]),
            queue: queue.filter(|_| tried == 0),
            waited: Span::from_secs(60),
            tried,
            rests: Span::from_secs(u32::from(tried / 2) * 60),
            recordable,
        }))),
        1 => call.clone().prop_map(Input::CallbackWithdrawn),
        1 => Just(Input::CallbacksWait),
        1 => Just(Input::CallbacksGoOn),
        1 => (agent.clone(), 1..20_u32).prop_map(|(agent, left)| Input::AgentWrites(agent, Span::from_secs(left))),
        4 => (call.clone(), 0..5_u8).prop_map(|(call, key)| {
            Input::Digit(call, Digit::from_event(key).expect("a key"))
        }),
        3 => call.clone().prop_map(Input::CallerAnswered),
        2 => call.clone().prop_map(|call| Input::CallerFailed(call, LegFailure::NoAnswer)),
        6 => call.clone().prop_map(Input::AnnouncementDone),
        1 => call.clone().prop_map(Input::AgentRinging),
        6 => call.clone().prop_map(Input::AgentAnswered),
        2 => call.clone().prop_map(|call| Input::AgentFailed(call, LegFailure::Busy)),
        3 => call.clone().prop_map(Input::ProviderAnswered),
        2 => call.clone().prop_map(|call| Input::ProviderFailed(call, LegFailure::Unavailable)),
        2 => call.clone().prop_map(Input::CallerGone),
        1 => call.clone().prop_map(Input::FarEndGone),
        2 => call.clone().prop_map(Input::AgentLost),
        1 => call.clone().prop_map(Input::CallLost),
        1 => call.clone().prop_map(Input::CallerIncompatible),
        1 => call.clone().prop_map(Input::Vanished),
        1 => call.clone().prop_map(Input::RecordingStarted),
        2 => call.clone().prop_map(Input::RecordingLost),
        3 => call.clone().prop_map(Input::Held),
        3 => call.clone().prop_map(Input::Resumed),
        2 => call.clone().prop_map(Input::Transferred),
        3 => (call, agent.clone()).prop_map(|(call, agent)| Input::TakenBy(call, agent)),
        1 => any::<bool>().prop_map(|other| Input::TableReplaced(if other { other_rules() } else { bench::scenario() })),
        1 => (0..3_u16, 0..3_u16).prop_map(|(provider, target)| Input::TargetDown(ProviderId::at(provider), target)),
        1 => (0..3_u16, 0..3_u16).prop_map(|(provider, target)| Input::TargetUp(ProviderId::at(provider), target)),
        2 => Just(Input::RecorderBack),
        1 => agent.clone().prop_map(Input::AgentReady),
        1 => agent.prop_map(Input::AgentAway),
        2 => Just(Input::TimePassed),
    ]
}

fn feed(switch: &mut Switch, books: &mut Books, now: Time, input: Input) {
    let stray = switch.counts().stray_inputs;
    let told = input.clone();
    let taken = match input {
        Input::TakenBy(call, _) => switch.call(call).and_then(|view| view.agent),
        _ => None,
    };
    switch.handle(now, input);
    if switch.counts().stray_inputs == stray {
        books.heard(&told);
    }
    let outputs: Vec<Output> = std::iter::from_fn(|| switch.poll_output()).collect();
    let mut outputs = outputs.iter().peekable();
    if let Input::TakenBy(call, agent) = told
        && switch.call(call).and_then(|view| view.agent) != taken
    {
        // She was rung for another, and isn't any more.
        let rung =
            |output: &&Output| matches!(output, Output::StopRinging(_, rung) if *rung == agent);
        outputs
            .next_if(rung)
            .into_iter()
            .for_each(|output| books.enter(output));
        books.taken_by(call, agent);
    }
    outputs.for_each(|output| books.enter(output));
    books.balance(switch);
}

proptest! {
    #[test]
    fn the_books_balance(inputs in prop::collection::vec((input(), 0..40_u32), 1..300)) {
        let mut switch = Switch::new(bench::scenario());
        let mut books = Books::default();
        let mut now = Time::from_micros(MORNING);
        let mut next_id = CALLS;
        let mut names: BTreeMap<CallId, CallId> = (1..=CALLS).map(|id| (CallId(id), CallId(id))).collect();
        for (input, seconds) in inputs {
            now = now + Span::from_secs(seconds);
            let input = rename(input, &mut names, &mut next_id, &books);
            if let Input::Offered { call, .. } | Input::CallbackKept(call, _) = input {
                books.offered.insert(call);
            }
            feed(&mut switch, &mut books, now, input);
        }
        for call in books.offered.clone() {
            // Twice: who hangs up on the confirmation has been promised to be called back.
            feed(&mut switch, &mut books, now, Input::CallerGone(call));
            feed(&mut switch, &mut books, now, Input::CallerGone(call));
        }
        prop_assert_eq!(switch.calls_in_progress(), 0);
        while let Some(wake) = switch.wake() {
            prop_assert!(matches!(wake.why, WakeReason::WrapUpDone(_)), "a timer of a call that is over: {:?}", wake);
            feed(&mut switch, &mut books, wake.at.max(now), Input::TimePassed);
        }
        prop_assert_eq!(books.ended.len(), books.offered.len());
        books.all_is_over(&switch);
    }
}

/// The same queues, other ways out.
fn other_rules() -> Arc<Scenario> {
    let text = include_str!("scenario.toml");
    let text = text.replace(
        "\"sip:b@192.0.2.1\"",
        "\"sip:b@192.0.2.9\", \"sip:d@192.0.2.1\"",
    );
    Arc::new(Scenario::from_toml(&text, "other.toml").expect("valid"))
}

/// The twelve names of the strategy stand for ever new calls: a name whose call has ended is given to the next one.
fn rename(
    input: Input,
    names: &mut BTreeMap<CallId, CallId>,
    next: &mut u64,
    books: &Books,
) -> Input {
    if let Input::Offered { call, .. } | Input::CallbackKept(call, _) = &input
        && books.ended.contains_key(&names[call])
    {
        *next += 1;
        names.insert(*call, CallId(*next));
    }
    match input {
        Input::Offered {
            call,
            origin,
            reachable,
        } => Input::Offered {
            call: names[&call],
            origin,
            reachable,
        },
        Input::CallbackKept(call, kept) => Input::CallbackKept(names[&call], kept),
        Input::CallbackWithdrawn(call) => Input::CallbackWithdrawn(names[&call]),
        Input::Digit(call, digit) => Input::Digit(names[&call], digit),
        Input::CallerAnswered(call) => Input::CallerAnswered(names[&call]),
        Input::CallerFailed(call, failure) => Input::CallerFailed(names[&call], failure),
        Input::AnnouncementDone(call) => Input::AnnouncementDone(names[&call]),
        Input::AgentRinging(call) => Input::AgentRinging(names[&call]),
        Input::AgentAnswered(call) => Input::AgentAnswered(names[&call]),
        Input::AgentFailed(call, failure) => Input::AgentFailed(names[&call], failure),
        Input::ProviderAnswered(call) => Input::ProviderAnswered(names[&call]),
        Input::ProviderFailed(call, failure) => Input::ProviderFailed(names[&call], failure),
        Input::CallerGone(call) => Input::CallerGone(names[&call]),
        Input::FarEndGone(call) => Input::FarEndGone(names[&call]),
        Input::AgentLost(call) => Input::AgentLost(names[&call]),
        Input::CallLost(call) => Input::CallLost(names[&call]),
        Input::CallerIncompatible(call) => Input::CallerIncompatible(names[&call]),
        Input::Vanished(call) => Input::Vanished(names[&call]),
        Input::RecordingStarted(call) => Input::RecordingStarted(names[&call]),
        Input::RecordingLost(call) => Input::RecordingLost(names[&call]),
        Input::Held(call) => Input::Held(names[&call]),
        Input::Resumed(call) => Input::Resumed(names[&call]),
        Input::Transferred(call) => Input::Transferred(names[&call]),
        Input::TakenBy(call, agent) => Input::TakenBy(names[&call], agent),
        other => other,
    }
}
