//! Each alarm is tried: `promtool test rules` sees it fire, and sees it silent.

use std::collections::BTreeSet;

const ALARMS: &str = include_str!("../../prometheus/alerts.yml");
const TRIALS: &str = include_str!("../../prometheus/alerts_test.yml");

#[test]
fn each_alarm_is_seen_firing_and_silent() {
    let all: BTreeSet<&str> = values(ALARMS, "- alert: ").collect();
    assert!(!all.is_empty());
    let tried = |silent: bool| -> BTreeSet<&str> {
        let trials = TRIALS.split("- eval_time:").skip(1);
        trials
            .filter(|trial| trial.contains("exp_alerts: []") == silent)
            .flat_map(|trial| values(trial, "alertname: "))
            .collect()
    };
    assert_eq!(tried(false), all, "firing");
    assert_eq!(tried(true), all, "silent");
}

fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| line.trim().strip_prefix(key))
}
