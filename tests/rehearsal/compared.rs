//! Two rule sets beside each other.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{err, json, vaxel_in};

/// `erlang-check` with a nurse more: a queue and a day of it are quickly run.
fn one_nurse_more(folder: &Path) {
    let text = include_str!("../../scenarios/erlang-check.toml");
    let before = "agents = [{ simulated = 30 }]";
    assert!(text.contains(before), "{text}");
    let more = text.replace(before, "agents = [{ simulated = 31 }]");
    fs::write(folder.join("more.toml"), more).expect("written");
}

fn difference<'a>(printed: &'a Value, name: &str) -> &'a Value {
    let all = printed["against"]["differences"]
        .as_array()
        .expect("a list");
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {printed:#}"))
}

#[test]
fn a_comparison_is_json_where_json_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    one_nurse_more(folder.path());
    let run = [
        "simulate",
        "more.toml",
        "--days",
        "2",
        "--replications",
        "3",
    ];
    let alone = vaxel_in(folder.path(), &[&run[..], &["--json"]].concat());
    assert_eq!(json(&alone)["against"], Value::Null, "{}", err(&alone));
    let both = ["--against", "erlang-check", "--json"];
    let both = vaxel_in(folder.path(), &[&run[..], &both].concat());
    assert!(both.status.success(), "{}", err(&both));
    let printed = json(&both);
    assert_eq!(printed["digest"], json(&alone)["digest"]);
    assert_eq!(printed["against"]["name"], "erlang-check");
    assert_eq!(printed["against"]["partial"], false);
    assert_ne!(printed["against"]["digest"], printed["digest"]);
    let busy = difference(&printed, "occupancy");
    let number = |key: &str| {
        busy[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {busy}"))
    };
    assert!(number("after") < number("before"), "{busy}");
    let difference_of_means = number("after") - number("before");
    assert!((number("difference") - difference_of_means).abs() < 1e-12);
    assert!(number("low") <= number("difference") && number("difference") <= number("high"));
    assert_eq!(busy["sure"], true, "{busy}");
    assert!(!err(&both).contains("figure"), "once: {}", err(&both));
}

/// And where the other is a file that was printed before, of which nothing but its figures is known.
#[test]
fn figures_that_were_printed_are_compared_in_json_too() {
    let folder = tempfile::tempdir().expect("a folder");
    one_nurse_more(folder.path());
    let run = ["simulate", "more.toml", "--days", "2", "--json"];
    let before = vaxel_in(
        folder.path(),
        &["simulate", "erlang-check", "--days", "2", "--json"],
    );
    fs::write(folder.path().join("before.json"), &before.stdout).expect("written");
    let after = vaxel_in(
        folder.path(),
        &[&run[..], &["--against", "before.json"]].concat(),
    );
    assert!(after.status.success(), "{}", err(&after));
    let printed = json(&after);
    assert_eq!(printed["against"]["digest"], Value::Null);
    let busy = difference(&printed, "occupancy");
    assert!(busy["difference"].as_f64() < Some(0.0), "{busy}");
    assert_eq!((&busy["low"], &busy["sure"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_difference_of_rules_is_looked_for_on_the_scenarios_own_days_and_says_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let diff = |args: &[&str]| {
        let output = vaxel_in(folder.path(), &[&["routes", "diff"], args].concat());
        assert!(output.status.success(), "{}", err(&output));
        output
    };
    let found = json(&diff(&["winter", "winter", "--json"]));
    assert_eq!(
        (&found["from"], &found["until"]),
        (&"2026-01-12".into(), &"2026-03-09".into())
    );
    assert_eq!(found["year"], Value::Null);
    // The second's, where the first says nothing.
    let found = json(&diff(&["today", "winter", "--json"]));
    assert_eq!(found["from"], "2026-01-12");
    let found = json(&diff(&["winter", "winter", "--year", "2019", "--json"]));
    assert_eq!(
        (&found["year"], &found["until"]),
        (&2019.into(), &"2020-01-01".into())
    );
    // Neither: this year.
    let this_year = jiff::Zoned::now().year().to_string();
    let printed = diff(&["today", "today", "--calls", "1000"]);
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(
        printed.contains(&format!("from {this_year}-01-01")),
        "{printed}"
    );
}
