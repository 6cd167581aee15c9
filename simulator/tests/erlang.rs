//! One queue under the assumptions of the Erlang A formula (Palm): the run must come out where the formula does.
//!
//! The formula is worked out here from the birth-death chain, by other means than the simulation's.

use std::sync::Arc;

use callcore::{scenario::Scenario, time::Span};
use jiff::civil::date;
use simulator::{
    Plan,
    plan::{DayShape, TalkShape},
    simulate,
};

const AGENTS: usize = 5;
const TALK_S: f64 = 420.0;
const PATIENCE_S: f64 = 600.0;
const CALLS_PER_YEAR: u32 = 340_000;
const YEAR_S: f64 = 365.0 * 86_400.0;

const SCENARIO: &str = r#"
[operator]
organisation = "region-09"

[[organisation]]
id = "region-09"
name = "Region Gotland"
kind = "region"

[[queue]]
name = "one"
controller = "region-09"
agents = [{ simulated = 5 }]
wrap_up_s = 0
len_max = 10000
wait_max_s = 86400
patience_mean_s = 600

[[route]]
name = "all"
all = true
unknown = true
invalid = true
conflict = true
queue = "one"

[traffic]
calls_per_year = 340000
talk_mean_s = 420
"#;

/// What the formula says.
struct ErlangA {
    p_wait: f64,
    p_abandon: f64,
    mean_wait_s: f64,
    occupancy: f64,
}

/// The chain's stationary distribution: births at `rate`, deaths at the service rate of the busy agents and, beyond
/// them, the rate at which those who wait give up.
fn erlang_a(rate: f64) -> ErlangA {
    let deaths = |state: usize| {
        let busy = state.min(AGENTS) as f64;
        let waiting = state.saturating_sub(AGENTS) as f64;
        busy / TALK_S + waiting / PATIENCE_S
    };
    let mut weights = vec![1.0_f64];
    for state in 1..400 {
        weights.push(weights[state - 1] * rate / deaths(state));
    }
    let total: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(usize) -> f64| -> f64 {
        weights
            .iter()
            .enumerate()
            .map(|(state, weight)| of(state) * weight / total)
            .sum()
    };
    let waiting = mean(&|state| state.saturating_sub(AGENTS) as f64);
    ErlangA {
        p_wait: mean(&|state| f64::from(u8::from(state >= AGENTS))),
        p_abandon: waiting / PATIENCE_S / rate,
        mean_wait_s: waiting / rate,
        occupancy: mean(&|state| state.min(AGENTS) as f64) / AGENTS as f64,
    }
}

#[test]
fn a_run_comes_out_where_the_erlang_a_formula_does() {
    let scenario = Arc::new(Scenario::from_toml(SCENARIO, "erlang.toml").expect("valid"));
    let plan = Plan {
        shape: DayShape::Flat,
        talk: TalkShape::Exponential,
        ring: (Span::ZERO, Span::ZERO),
        ..Plan::new(&scenario, date(2026, 1, 1), 180, 1)
    };
    let found = simulate(Arc::clone(&scenario), &plan)
        .expect("the books balance")
        .service;
    let expected = erlang_a(f64::from(CALLS_PER_YEAR) / YEAR_S);
    let near = |name: &str, found: f64, expected: f64| {
        let off = (found / expected - 1.0).abs();
        assert!(
            off < 0.03,
            "{name}: {found} where the formula has {expected}"
        );
    };
    near("waits", found.p_wait, expected.p_wait);
    near("gives up", found.p_abandon, expected.p_abandon);
    near("mean wait", found.mean_wait_s, expected.mean_wait_s);
    near("occupancy", found.occupancy, expected.occupancy);
}
