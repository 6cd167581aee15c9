//! The bare reference queue (21 regions, arrivals by the hour, M/M/c+M): calls a CPU second.
//! `cargo run --release -p simulator --example reference_queue [million calls]`.
#![allow(clippy::print_stdout, reason = "a measure is printed")]

use callcore::scenario::Scenario;
use jiff::civil::date;
use simulator::{Plan, cpu, reference};

fn main() {
    let million: f64 = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(3.0);
    let text = include_str!("../../scenarios/today.toml");
    let scenario = Scenario::from_toml(text, "today.toml").expect("a shipped scenario");
    let days = (million * 1e6 / f64::from(scenario.traffic.calls_per_year) * 365.0).ceil() as u32;
    let mut plan = Plan::new(&scenario, date(2026, 1, 1), days, 1);
    (plan.settings.missing_share, plan.settings.invalid_share) = (0.0, 0.0);
    let begun = cpu::seconds();
    // One nurse to 40 000 inhabitants, four at least: as in the scenario.
    let found = reference::run(&plan, |people| (people / 40_000).max(4), 480.0);
    let cpu_s = cpu::seconds() - begun;
    println!(
        "reference queue: {} calls, {:.2} CPU s, {:.0} calls a CPU second; waited {:.4}, gave up {:.4}",
        found.offered,
        cpu_s,
        found.offered as f64 / cpu_s.max(0.01),
        found.waited as f64 / found.offered as f64,
        found.abandoned as f64 / found.offered as f64
    );
}
