//! A run that is written down repeats; a changed one is found out; a cut one repeats up to the cut.

use std::sync::Arc;

use callcore::{
    digit::Digit,
    journal::{self, END, Header, Replay, ReplayError, Report},
    kommun::kommuner,
    origin::Origin,
    scenario::{AgentId, ProviderId, Scenario},
    switch::{CallId, Input, Kept, LegFailure, Switch},
    time::{Span, Time},
};
use proptest::prelude::*;

const SCENARIO: &str = include_str!("switch/scenario.toml");
const CODES: [&str; 8] = [
    "0180", "0380", "0480", "1780", "1880", "2380", "2480", "9999",
];

fn input() -> impl Strategy<Value = Input> {
    let call = (1..30_u64).prop_map(CallId);
    let failure = prop_oneof![
        Just(LegFailure::Busy),
        Just(LegFailure::NoAnswer),
        Just(LegFailure::Refused),
        Just(LegFailure::Unavailable),
        Just(LegFailure::OurFault),
    ];
    let scenario = Scenario::from_toml(SCENARIO, "scenario.toml").expect("a scenario");
    let queue = scenario.queue_by_name("calls-back");
    let conflict = Origin::Conflict(kommuner()[3].id, kommuner()[70].id);
    let origin = prop_oneof![
        9 => (0..CODES.len()).prop_map(|at| Origin::from_code(CODES[at])),
        1 => prop_oneof![Just(conflict), Just(Origin::from_code("")), Just(Origin::from_code("x")), Just(Origin::from_code("01a0"))],
    ];
    prop_oneof![
        4 => (call.clone(), origin, any::<bool>())
            .prop_map(|(call, origin, reachable)| Input::Offered { call, origin, reachable }),
        2 => (call.clone(), any::<bool>(), 0..3_u8, any::<u32>()).prop_map(move |(call, recordable, tried, waited)| {
            let kept = Kept {
                origin: conflict,
                queue: queue.filter(|_| recordable),
                waited: Span::from_secs(waited),
                tried,
                rests: Span::from_secs(u32::from(tried) * 30),
                recordable,
            };
            Input::CallbackKept(call, Box::new(kept))
        }),
        1 => call.clone().prop_map(Input::CallbackWithdrawn),
        1 => Just(Input::CallbacksWait),
        1 => (0..7_u32, 0..99_u32).prop_map(|(agent, left)| Input::AgentWrites(AgentId(agent), Span::from_secs(left))),
        4 => call.clone().prop_map(Input::AnnouncementDone),
        3 => call.clone().prop_map(Input::AgentAnswered),
        2 => call.clone().prop_map(Input::ProviderAnswered),
        1 => call.clone().prop_map(Input::AgentRinging),
        1 => call.clone().prop_map(Input::ProviderRinging),
        1 => (call.clone(), failure.clone()).prop_map(|(call, why)| Input::AgentFailed(call, why)),
        1 => (call.clone(), failure.clone()).prop_map(|(call, why)| Input::ProviderFailed(call, why)),
        1 => (call.clone(), failure).prop_map(|(call, why)| Input::CallerFailed(call, why)),
        2 => (call.clone(), 0..16_u8)
            .prop_map(|(call, key)| Input::Digit(call, Digit::from_event(key).expect("a key"))),
        1 => call.clone().prop_map(Input::CallerAnswered),
        1 => call.clone().prop_map(Input::CallerGone),
        1 => call.clone().prop_map(Input::FarEndGone),
        1 => call.clone().prop_map(Input::CallLost),
        1 => call.clone().prop_map(Input::CallerIncompatible),
        1 => call.clone().prop_map(Input::Vanished),
        1 => call.clone().prop_map(Input::RecordingStarted),
        1 => call.prop_map(Input::RecordingLost),
        1 => (0..3_u16, 0..3_u16).prop_map(|(provider, target)| Input::TargetDown(ProviderId::at(provider), target)),
        1 => (0..3_u16, 0..3_u16).prop_map(|(provider, target)| Input::TargetUp(ProviderId::at(provider), target)),
        1 => Just(Input::RecorderBack),
        1 => (0..6_u32).prop_map(|agent| Input::AgentReady(AgentId(agent))),
        1 => (0..6_u32).prop_map(|agent| Input::AgentAway(AgentId(agent))),
        3 => Just(Input::TimePassed),
    ]
}

/// What a live switch would write of these inputs.
fn journalled(inputs: Vec<(Input, u32)>) -> String {
    let scenario = Arc::new(Scenario::from_toml(SCENARIO, "scenario.toml").expect("valid"));
    let header = Header {
        scenario: &scenario,
        text: SCENARIO,
        version: "test",
    };
    let mut text = header.lines();
    let mut switch = Switch::new(Arc::clone(&scenario));
    let mut now = Time::from_micros(1_772_438_400_000_000);
    for (input, seconds) in inputs {
        now = now + Span::from_secs(seconds);
        text += &format!("{}\n", journal::input_line(now, &input, Some("5f1c")));
        switch.handle(now, input);
        while let Some(output) = switch.poll_output() {
            text += &format!("{}\n", journal::output_line(&output));
        }
    }
    text
}

fn replay(text: &str) -> Result<Report, ReplayError> {
    let mut replay = Replay::default();
    text.lines().try_for_each(|line| replay.line(line))?;
    replay.finish()
}

/// A caller who is put through and hangs up.
fn one_call() -> String {
    let call = CallId(1);
    let inputs = [
        Input::Offered {
            call,
            origin: Origin::from_code("0180"),
            reachable: true,
        },
        Input::AnnouncementDone(call),
        Input::AgentAnswered(call),
        Input::CallerGone(call),
    ];
    journalled(inputs.into_iter().map(|input| (input, 1)).collect())
}

proptest! {
    #[test]
    fn a_journal_repeats(inputs in prop::collection::vec((input(), 0..40_u32), 1..200)) {
        let count = inputs.len() as u64;
        let report = replay(&(journalled(inputs) + END)).expect("the same inputs give the same outputs");
        prop_assert_eq!((report.inputs, report.whole), (count, true));
    }

    #[test]
    fn no_text_makes_a_replay_panic(at in any::<prop::sample::Index>(), with in "\\PC{0,12}") {
        let mut lines: Vec<String> = one_call().lines().map(str::to_owned).collect();
        let at = at.index(lines.len());
        lines[at] = with;
        let _ = replay(&lines.join("\n"));
    }
}

#[test]
fn a_journal_that_is_cut_repeats_up_to_the_cut() {
    let text = one_call();
    let lines: Vec<&str> = text.lines().collect();
    for end in 5..lines.len() {
        let report = replay(&lines[..end].join("\n")).expect("what is there repeats");
        assert!(!report.whole, "cut after {end} lines");
    }
    assert_eq!(replay(&lines[..4].join("\n")), Err(ReplayError::NoJournal));
}

#[test]
fn the_first_difference_is_told_with_the_input_before_it() {
    let changed = one_call().replace("o Bridge(CallId(1))", "o Bridge(CallId(2))");
    let Err(ReplayError::Difference(found)) = replay(&changed) else {
        panic!("a difference");
    };
    assert_eq!(found.after, "agent-answered 1 caller=5f1c");
    assert_eq!(
        (found.journal.as_str(), found.replay.as_str()),
        ("o Bridge(CallId(2))", "o Bridge(CallId(1))")
    );
}

#[test]
fn other_rules_or_a_lacking_end_are_found_out() {
    let text = one_call();
    let other = text.replace("ring_s = 20", "ring_s = 21");
    assert!(
        replay(&other).is_ok(),
        "what was never used makes no difference"
    );
    let moved = text.replace("name = \"stockholm\"", "name = \"elsewhere-2\"");
    assert_eq!(replay(&moved), Err(ReplayError::Digest));
    let lines: Vec<&str> = text.lines().collect();
    let short = format!("{}\n{END}", lines[..lines.len() - 1].join("\n"));
    assert!(
        matches!(replay(&short), Err(ReplayError::Difference(found)) if found.journal == "nothing")
    );
}

#[test]
fn rules_that_were_replaced_are_replaced_again() {
    let scenario = Arc::new(Scenario::from_toml(SCENARIO, "scenario.toml").expect("valid"));
    let later = SCENARIO.replace("name = \"stockholm\"", "name = \"huvudstaden\"");
    let header = Header {
        scenario: &scenario,
        text: SCENARIO,
        version: "test",
    };
    let now = Time::from_micros(1_772_438_400_000_000);
    let mut switch = Switch::new(Arc::clone(&scenario));
    let rules = Scenario::from_toml(&later, "later.toml").expect("valid");
    switch.replace(Arc::new(rules)).expect("the same queues");
    let offered = Input::Offered {
        call: CallId(1),
        origin: Origin::from_code("0180"),
        reachable: false,
    };
    let mut text = header.lines();
    text += &format!(
        "{}\n{}\n",
        journal::rules_line(now, &later),
        journal::input_line(now, &offered, None)
    );
    switch.handle(now, offered);
    while let Some(output) = switch.poll_output() {
        text += &format!("{}\n", journal::output_line(&output));
    }
    let report = replay(&(text + END)).expect("it repeats");
    assert_eq!((report.inputs, report.calls), (2, 1));
}
