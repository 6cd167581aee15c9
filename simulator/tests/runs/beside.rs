//! Providers run beside: their callers, nurses and stores are their own.

use std::sync::atomic::AtomicBool;

use callcore::scenario::Scenario;
use jiff::civil::date;
use simulator::{Beside, Plan, PlanError, RunError, run};

use super::{conserves, day_of, scenario};

fn imy_2019() -> Scenario {
    scenario(
        "imy-2019.toml",
        include_str!("../../../scenarios/imy-2019.toml"),
    )
}

#[test]
fn in_2019_the_three_regions_calls_left_and_none_of_them_was_recorded_here() {
    let summary = day_of(&imy_2019(), 4);
    conserves(&summary);
    assert!(summary.calls.external > 2_000, "{:?}", summary.calls);
    assert_eq!(summary.recorded_at_switch_for_provider, 0);
    assert_eq!(
        summary.recorded.values().sum::<u64>(),
        summary.calls.answered
    );
    for region in ["region-01", "region-04", "region-17"] {
        assert_eq!(summary.recorded.get(region), None);
    }
}

fn medhelp() -> Scenario {
    scenario(
        "medhelp-2019.toml",
        include_str!("../../../scenarios/medhelp-2019.toml"),
    )
}

#[test]
fn medhelps_calls_are_stored_where_its_own_and_its_sub_processors_nurses_answer() {
    let (first, provider) = (imy_2019(), medhelp());
    let beside = [Beside::new(provider, &first).expect("it is its provider")];
    let plan = Plan::new(&first, date(2018, 11, 5), 7, 1);
    let results = run::run(&first, &beside, &plan, &AtomicBool::new(false), |_| {});
    let summary = results.expect("the books balance").summary;
    assert_eq!(summary.calls.external, summary.provider_calls["medhelp"]);
    let (nas, own) = (
        &summary.stores["voice-nas"],
        &summary.stores["medhelp-audio"],
    );
    assert_eq!(nas.processor, "voice");
    assert_eq!(nas.calls, summary.provider_calls["medicall"]);
    assert_eq!(own.calls, summary.queues["medhelp/medhelp"].answered);
    let answered = (nas.calls + own.calls) as f64;
    let share = nas.calls as f64 / answered;
    assert!((0.15..0.25).contains(&share), "{share}");
    assert!((nas.files as f64 / nas.calls as f64 - 3.5).abs() < 0.05);
    // Three million a year.
    let week = summary.provider_calls["medhelp"] as f64;
    assert!((week / 7.0 * 365.0 / 3.0e6 - 1.0).abs() < 0.05, "{week}");
    // What went to MedHelp is in no store of Inera's.
    for region in ["region-01", "region-04", "region-17"] {
        assert!(!summary.recorded.contains_key(region));
    }
}

/// Two operators may call a store of theirs by the same name, also when the same controller's calls are in both.
#[test]
fn stores_of_one_name_of_two_operators_have_a_line_each() {
    let first = imy_2019();
    let plan = Plan::new(&first, date(2018, 11, 5), 1, 1);
    let stores_beside = |provider: Scenario| {
        let beside = [Beside::new(provider, &first).expect("it is its provider")];
        let results = run::run(&first, &beside, &plan, &AtomicBool::new(false), |_| {});
        results.expect("the books balance").summary.stores
    };
    let apart = stores_beside(medhelp());
    let text = include_str!("../../../scenarios/medhelp-2019.toml");
    let same_name = text.replace("\"medhelp-audio\"", "\"inera\"");
    let alike = stores_beside(scenario("medhelp-2019.toml", &same_name));
    assert_eq!(alike["inera"], apart["inera"]);
    assert_eq!(alike["medhelp/inera"], apart["medhelp-audio"]);
    assert_eq!(alike["voice-nas"], apart["voice-nas"]);
}

/// Solna's calls go to another provider than the rest of Stockholm's: one part of the run with two switches beside.
#[test]
fn each_of_two_providers_beside_gets_its_own_callers() {
    let others = [
        (
            "provider = [",
            "provider = [\n  { name = \"other\", organisation = \"other\", targets = [\"sip:1177@127.0.0.1:5090\"] },",
        ),
        (
            "  { id = \"medhelp\",",
            "  { id = \"other\", name = \"Other AB\", kind = \"care-provider\" },\n  { id = \"medhelp\",",
        ),
        (
            "route = [",
            "route = [\n  { name = \"solna\", kommun = \"0184\", provider = \"other\", handover = \"direct\" },",
        ),
    ];
    let mut text = include_str!("../../../scenarios/imy-2019.toml").to_owned();
    for (from, to) in others {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let first = scenario("two.toml", &text);
    let other =
        include_str!("../../../scenarios/medhelp-2019.toml").replace("\"medhelp\"", "\"other\"");
    let beside = [medhelp(), scenario("other.toml", &other)]
        .map(|it| Beside::new(it, &first).expect("its provider"));
    let plan = Plan::new(&first, date(2018, 11, 5), 1, 1);
    let results = run::run(&first, &beside, &plan, &AtomicBool::new(false), |_| {});
    let results = results.expect("the books balance");
    let came: Vec<u64> = results.beside.iter().map(|books| books.offered).collect();
    let went = |name: &str| results.summary.provider_calls[name];
    assert!(went("other") > 20, "{}", went("other"));
    assert_eq!(came, [went("medhelp"), went("other")]);
}

#[test]
fn a_provider_is_run_beside_once() {
    let first = imy_2019();
    let beside = [medhelp(), medhelp()].map(|it| Beside::new(it, &first).expect("its provider"));
    let plan = Plan::new(&first, date(2018, 11, 5), 1, 1);
    let refused = run::run(&first, &beside, &plan, &AtomicBool::new(false), |_| {}).err();
    let expected = PlanError::BesideTwice("medhelp".into());
    assert_eq!(refused, Some(RunError::Plan(expected)));
}
