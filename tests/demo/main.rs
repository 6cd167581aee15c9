//! `vaxel demo` as a person runs it: both operators, live callers, and what is on disk and in the log afterwards.
//!
//! One run of 24 calls serves most tests here; its ports are moved, so that it runs beside anything else.

mod beside;
mod interrupted;
mod journal;
mod leaks;
mod ports;
mod run;

use std::collections::BTreeSet;

use run::{Run, run, sum};
use serde_json::Value;

#[test]
fn every_key_that_programs_read_is_there() {
    let summary = &run().summary;
    let keys: BTreeSet<&str> = summary
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    for key in [
        "offered",
        "completed",
        "failed",
        "by_route",
        "recorded",
        "recorded_at_switch_for_provider",
        "unaccounted",
    ] {
        assert!(keys.contains(key), "{key} in {keys:?}");
    }
    assert_eq!(summary["offered"], Run::CALLS);
    assert_eq!(
        number(summary, "completed") + number(summary, "failed"),
        Run::CALLS
    );
    assert_eq!(summary["unaccounted"], 0);
    assert_eq!(sum(&summary["by_route"]), Run::CALLS);
}

/// Seed 7 has callers of both kinds; every one of them is a call of the provider's switch or a recording here, not both.
#[test]
fn a_call_that_leaves_is_never_recorded_here() {
    let Run {
        summary,
        here,
        provider,
        ..
    } = run();
    let left: u64 = external(summary).sum();
    let stayed = Run::CALLS - left;
    assert!(left > 0 && stayed > 0, "{summary:#}");
    assert_eq!(summary["recorded_at_switch_for_provider"], 0);
    assert_eq!(sum(&summary["recorded"]), stayed, "each once: {summary:#}");
    assert_eq!(here.len() as u64, stayed, "in the store as well");
    for row in here {
        let route = row["route"].as_str().expect("a route");
        assert!(!route.ends_with("medhelp"), "{row:#}");
        assert_ne!(row["controller"], "medhelp", "{row:#}");
    }
    assert_eq!(summary["provider"]["offered"], left);
    let recorded = &summary["provider"]["recorded"];
    assert_eq!(recorded, &serde_json::json!({ "medhelp": left }));
    assert_eq!(provider.len() as u64, left, "in the provider's own store");
    assert!(provider.iter().all(|row| row["controller"] == "medhelp"));
}

#[test]
fn every_recording_is_closed_and_has_audio() {
    let Run { here, provider, .. } = run();
    for row in here.iter().chain(provider) {
        assert_eq!(row["state"], "closed", "{row:#}");
        assert!(row["seconds"].as_f64() > Some(1.0), "{row:#}");
        assert!(row["latest"].is_string(), "{row:#}");
    }
}

#[test]
fn both_sides_were_heard() {
    let callers = &run().summary["callers"];
    assert_eq!(callers["answered"], Run::CALLS, "{callers:#}");
    assert_eq!(callers["silent"], 0, "{callers:#}");
}

fn number(summary: &Value, key: &str) -> u64 {
    summary[key].as_u64().expect("a number")
}

/// Calls by each route that leads to MedHelp.
fn external(summary: &Value) -> impl Iterator<Item = u64> {
    let routes = summary["by_route"].as_object().expect("an object");
    routes
        .iter()
        .filter(|(route, _)| route.ends_with("-medhelp"))
        .filter_map(|(_, calls)| calls.as_u64())
}
