//! One queue under the assumptions of the Erlang A formula (Palm): the run must come out where the formula does.

use callcore::scenario::Scenario;
use simulator::{Plan, erlang::Queue, overrides::Overrides, simulate, summary::SERVICE_GOAL_S};

const CHECK: &str = include_str!("../../scenarios/erlang-check.toml");

/// Calls an hour, conversations an agent ends an hour, give-ups an hour, agents: from nearly idle to overloaded.
const SETS: [(f64, f64, f64, u32); 14] = [
    (2.0, 7.5, 6.0, 3),
    (20.0, 7.5, 6.0, 10),
    (20.0, 7.5, 6.0, 4),
    (20.0, 7.5, 6.0, 3),
    (20.0, 7.5, 6.0, 2),
    (60.0, 6.0, 1.0, 12),
    (60.0, 6.0, 1.2, 10),
    (60.0, 6.0, 6.0, 9),
    (60.0, 6.0, 30.0, 8),
    (200.0, 7.5, 6.0, 40),
    (200.0, 7.5, 6.0, 30),
    (200.0, 7.5, 6.0, 25),
    (200.0, 7.5, 6.0, 15),
    (60.0, 8.0, 0.0, 9),
];

/// From 95 % confidence to 99.9 % with ten runs: 70 comparisons at 95 % would fail three or four times by luck alone.
const WIDER: f64 = 4.781 / 2.262;

#[test]
fn runs_come_out_where_the_erlang_a_formula_does() {
    for (place, set) in SETS.into_iter().enumerate() {
        let (lambda, mu, theta, agents) = set;
        let mut scenario = Scenario::from_toml(CHECK, "erlang-check.toml").expect("valid");
        let mut overrides = Overrides::default();
        for text in [
            format!("lambda_per_h={lambda}"),
            format!("mu_per_h={mu}"),
            format!("theta_per_h={theta}"),
            format!("agents={agents}"),
        ] {
            overrides.set(&mut scenario, &text).expect("it can be set");
        }
        let from = scenario.simulation.from.expect("the scenario says it");
        // About five thousand calls a run; fewer days for busier queues.
        let days = (200.0 / lambda).ceil().clamp(2.0, 28.0) as u32;
        let plan = Plan {
            calls_per_hour: overrides.calls_per_hour,
            threads: 2,
            ..Plan::new(&scenario, from, days, 1 + place as u64)
        };
        let found = simulate(&scenario, &plan).expect("the books balance");
        let queue = Queue {
            lambda,
            mu,
            theta,
            agents,
        };
        let steady = queue.steady().expect("it is steady");
        let in_time = queue.answered_within(SERVICE_GOAL_S / 3600.0);
        for (name, expected) in [
            ("p_wait", steady.p_wait),
            ("p_abandon", steady.p_abandon),
            ("mean_wait_s", 3600.0 * steady.mean_wait),
            ("occupancy", steady.occupancy),
            ("service_level", in_time.expect("it is steady")),
        ] {
            let interval = found.intervals[name];
            let half = WIDER * (interval.high - interval.low) / 2.0 + 1e-3 * expected.abs() + 1e-4;
            assert!(
                (interval.mean - expected).abs() <= half,
                "{set:?} {name}: {} +- {half} where the formula has {expected}",
                interval.mean
            );
        }
    }
}
