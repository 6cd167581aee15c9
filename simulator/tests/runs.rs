//! Whole runs in virtual time: repeatable, conserving, and as busy as the profile says.

use std::sync::Arc;

use callcore::scenario::Scenario;
use jiff::civil::date;
use simulator::{Plan, Summary, simulate};

fn scenario(name: &str, text: &str) -> Arc<Scenario> {
    Arc::new(Scenario::from_toml(text, name).expect("a shipped scenario"))
}

fn today() -> Arc<Scenario> {
    scenario("today.toml", include_str!("../../scenarios/today.toml"))
}

fn imy_2019() -> Arc<Scenario> {
    scenario(
        "imy-2019.toml",
        include_str!("../../scenarios/imy-2019.toml"),
    )
}

fn day_of(scenario: &Arc<Scenario>, seed: u64) -> Summary {
    let plan = Plan::new(scenario, date(2019, 3, 4), 1, seed);
    simulate(Arc::clone(scenario), &plan).expect("the books balance")
}

fn conserves(summary: &Summary) {
    let calls = &summary.calls;
    let by_way = calls.answered + calls.abandoned + calls.blocked + calls.external + calls.failed;
    assert_eq!(calls.offered, by_way);
    assert_eq!(calls.offered, summary.by_route.values().sum::<u64>());
    assert_eq!(calls.external, summary.provider_calls.values().sum::<u64>());
    assert_eq!(
        calls.answered,
        summary
            .queues
            .values()
            .map(|queue| queue.answered)
            .sum::<u64>()
    );
    for (name, queue) in &summary.queues {
        let ended = queue.answered + queue.abandoned + queue.blocked;
        assert_eq!(queue.offered, ended, "{name}");
        assert!(queue.service.occupancy <= 1.0, "{name}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_another_day() {
    let scenario = today();
    let (one, again, other) = (
        day_of(&scenario, 1),
        day_of(&scenario, 1),
        day_of(&scenario, 2),
    );
    assert_eq!(one, again);
    assert_ne!(one.digest, other.digest);
}

#[test]
fn a_monday_has_nine_tenths_of_a_mean_days_calls() {
    let summary = day_of(&today(), 3);
    conserves(&summary);
    // 2019 has 1 % more of weekend and holiday than the mean week.
    let expected = 4.9e6 / 365.0 * 0.9 / 1.011;
    let deviation = (summary.calls.offered as f64 - expected) / expected.sqrt();
    assert!(
        deviation.abs() < 5.0,
        "{} of {expected}",
        summary.calls.offered
    );
    assert_eq!(summary.calls.external, 0);
    assert_eq!(
        summary.recorded.values().sum::<u64>(),
        summary.calls.answered
    );
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

#[test]
fn too_few_agents_show_as_waits_and_lost_callers() {
    let text =
        include_str!("../../scenarios/today.toml").replace("simulated = 62", "simulated = 30");
    let scarce = day_of(&scenario("scarce.toml", &text), 5);
    let ample = day_of(&today(), 5);
    conserves(&scarce);
    let (scarce, ample) = (&scarce.queues["region-01"], &ample.queues["region-01"]);
    assert_eq!(
        scarce.offered, ample.offered,
        "the same callers under the same seed"
    );
    assert!(scarce.service.mean_wait_s > 3.0 * ample.service.mean_wait_s);
    assert!(scarce.abandoned > ample.abandoned);
}

#[test]
fn full_queues_overflow_and_the_figures_still_add_up() {
    let text = include_str!("../../scenarios/today.toml");
    let full = text.replace(
        "agents = [{ simulated = 62 }],",
        "agents = [{ simulated = 20 }], len_max = 5, overflow = [\"nationell\"],",
    );
    let summary = day_of(&scenario("overflow.toml", &full), 6);
    conserves(&summary);
    assert!(summary.calls.diverted > 100, "{:?}", summary.calls);
    assert!(summary.queues["nationell"].answered > 100);
}
