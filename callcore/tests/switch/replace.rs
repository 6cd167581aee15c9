//! Another rule set takes over while calls are in progress.

use std::sync::Arc;

use callcore::{
    scenario::{AgentId, Scenario},
    switch::{Input, ReplaceError, Switch},
};

use crate::bench::{Bench, RECORDED, RELAY};

fn changed(from: &str, to: &str) -> Arc<Scenario> {
    let text = include_str!("scenario.toml");
    assert!(text.contains(from), "{from}");
    Arc::new(Scenario::from_toml(&text.replace(from, to), "changed.toml").expect("still valid"))
}

#[test]
fn new_calls_follow_the_new_rules_and_old_ones_keep_theirs() {
    let mut bench = Bench::new();
    let (old, _) = bench.call(RELAY);
    let new = changed("handover = \"relay\"", "handover = \"direct\"");
    bench.tell(Input::TableReplaced(Arc::clone(&new)));
    assert_eq!(
        bench.call(RELAY).1,
        "[routed] [tried] hand-over:reserve/0/direct"
    );
    let kept = bench.switch.scenario_of(old).expect("in progress");
    assert!(!Arc::ptr_eq(kept, &new));
    assert_eq!(bench.switch.counts().stray_inputs, 0);
}

#[test]
fn a_recording_is_tagged_by_the_rules_that_its_call_came_under() {
    let mut bench = Bench::new();
    let call = bench.connected(RECORDED);
    let digest = |switch: &Switch| switch.scenario().routes.digest().to_string();
    let before = digest(&bench.switch);
    bench.tell(Input::TableReplaced(changed(
        "handover = \"relay\"",
        "handover = \"direct\"",
    )));
    assert_ne!(digest(&bench.switch), before);
    let tag = bench.tag().expect("a recording");
    assert_eq!(*tag.table, before);
    bench.tell(Input::Transferred(call));
    bench.tell(Input::CallerGone(call));
    assert_eq!(bench.tag(), None, "nothing is left to record");
}

/// Floors are remembered for a day.
#[test]
fn a_recording_stays_as_long_as_the_rules_of_its_call_say_also_on_the_day_they_change() {
    let mut bench = Bench::new();
    bench.connected(RECORDED);
    let before = bench.tag().expect("a recording").earliest;
    let (rule, longer) = (r#"earliest = "2 years""#, r#"earliest = "3 years""#);
    let rules = changed(rule, longer);
    assert!(bench.switch.replace(rules).is_ok());
    bench.tell(Input::AgentReady(AgentId(0)));
    bench.connected(RECORDED);
    let after = bench.tag().expect("a recording").earliest;
    assert_eq!(after.year(), before.year() + 1);
}

#[test]
fn other_queues_or_agents_are_refused_and_the_running_rules_stay() {
    let mut bench = Bench::new();
    let refused = bench.switch.replace(changed("len_max = 3", "len_max = 4"));
    assert_eq!(
        refused,
        Err(ReplaceError::Queue {
            queue: "recorded".into()
        })
    );
    let refused = bench
        .switch
        .replace(changed("{ simulated = 1 }", "{ simulated = 2 }"));
    assert_eq!(
        refused,
        Err(ReplaceError::Agents {
            queue: "unrecorded".into()
        })
    );
    assert_eq!(bench.call(RECORDED).1, "[routed] answer announce:region");
}
