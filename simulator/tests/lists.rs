//! Runs of a list of real calls.

use callcore::scenario::Scenario;
use jiff::civil::date;
use simulator::{Plan, simulate};

const TODAY: &str = include_str!("../../scenarios/today.toml");

fn scenario(name: &str, text: &str) -> Scenario {
    Scenario::from_toml(text, name).expect("a shipped scenario")
}

/// A list of real calls is of whoever called, also where the scenario's own traffic has nobody.
#[test]
fn every_call_of_a_list_comes_in_once_whatever_the_traffic_is_of() {
    let mut scenario = scenario("today.toml", TODAY);
    let region = callcore::kommun::RegionCode::parse("21").expect("a region");
    scenario.traffic.regions = vec![region];
    let mut plan = Plan::new(&scenario, date(2026, 3, 2), 1, 1);
    let list = "time,kommun,talk_s\n2026-03-02T09:00,0180,60\n2026-03-02T09:01,2180,60\n\
        2026-03-02T09:02,,60\n2026-03-02T09:03,12,60\n2026-03-02T09:04,1480,60\n";
    plan.replay = simulator::replay::read(list, &plan).expect("a list");
    let summary = simulate(&scenario, &plan).expect("the books balance");
    assert_eq!(summary.calls.offered, 5);
    assert_eq!(summary.by_route.values().sum::<u64>(), 5);
}

/// A list of years, and a run of a day of it: what went before keeps no nurse busy and takes no time.
#[test]
fn calls_of_a_list_that_lie_outside_the_run_are_not_played() {
    let scenario = scenario("today.toml", TODAY);
    let run_of = |list: &str| {
        let mut plan = Plan::new(&scenario, date(2026, 3, 2), 1, 1);
        plan.replay = simulator::replay::read(list, &plan).expect("a list");
        let summary = simulate(&scenario, &plan).expect("the books balance");
        (plan.replay_outside(), summary)
    };
    let before = "2026-03-01T23:00,2580,7200\n2019-03-02T09:00,2580,60\n";
    let (outside, long) = run_of(&format!(
        "time,kommun,talk_s\n{before}2026-03-02T09:00,2580,60\n2026-03-03T00:00,2580,60\n"
    ));
    let (none, _) = run_of("time,kommun,talk_s\n2026-03-02T09:00,2580,60\n");
    assert_eq!((outside, none), (3, 0));
    assert_eq!(long.calls.offered, 1);
    // A minute and its wrap-up of six nurses' day; two hours that reach into it would be twenty times as much.
    let busy = long.queues["region-25"].service.occupancy;
    assert!((0.0003..0.0004).contains(&busy), "{busy}");
}

/// A caller whose kommun isn't known comes to a queue that a region's callers come to as well.
#[test]
fn a_queue_has_its_nurses_once_in_a_replay() {
    let (unknown, other) = (
        "unknown = true, queue = \"nationell\"",
        "unknown = true, queue = \"region-25\"",
    );
    let text = TODAY.replace(unknown, other);
    let scenario = scenario("shared.toml", &text);
    let mut plan = Plan::new(&scenario, date(2026, 3, 2), 1, 1);
    let nurses = simulate(&scenario, &plan)
        .expect("the books balance")
        .queues["region-25"]
        .agents;
    let calls = (0..nurses).map(|_| "2026-03-02T09:00,2580,7200\n2026-03-02T09:00,,7200\n");
    let list: String = std::iter::once("time,kommun,talk_s\n")
        .chain(calls)
        .collect();
    plan.replay = simulator::replay::read(&list, &plan).expect("a list");
    let queue = simulate(&scenario, &plan)
        .expect("the books balance")
        .queues["region-25"];
    assert_eq!(queue.offered, 2 * nurses);
    assert_eq!(queue.service.p_wait, 0.5);
}
