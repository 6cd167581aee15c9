//! Calls a CPU second: `cargo run --release -p simulator --example speed [days] [threads] [scenario]`; with the word
//! `memory` in the scenario's place, the peak memory of the process too.
#![allow(clippy::print_stdout, reason = "a measure is printed")]

use std::sync::atomic::AtomicBool;

use callcore::scenario::Scenario;
use jiff::civil::date;
use simulator::{Plan, run};

fn main() {
    let mut args = std::env::args().skip(1);
    let days = args
        .next()
        .and_then(|days| days.parse().ok())
        .unwrap_or(365);
    let threads = args
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(1);
    let third = args.next();
    let tells_memory = third.as_deref() == Some("memory");
    let text = match third.filter(|_| !tells_memory) {
        Some(file) => std::fs::read_to_string(file).expect("a scenario file"),
        None => include_str!("../../scenarios/today.toml").to_owned(),
    };
    let scenario = Scenario::from_toml(&text, "speed.toml").expect("a scenario");
    let plan = Plan {
        threads,
        ..Plan::new(&scenario, date(2026, 1, 1), days, 1)
    };
    let begun = std::time::Instant::now();
    let results = run::run(&scenario, &[], &plan, &AtomicBool::new(false), |_| {});
    let wall_s = begun.elapsed().as_secs_f64();
    match results {
        Ok(results) => {
            let summary = results.summary;
            println!(
                "{} calls, {wall_s:.2} s, {:.2} CPU s, {:.0} calls a CPU second, digest {}",
                summary.calls.offered,
                summary.cpu_seconds,
                summary.calls_per_cpu_second,
                &summary.digest[..16]
            );
            println!("{:?} {:?}", summary.calls, summary.service);
        }
        Err(error) => println!("{error}"),
    }
    if tells_memory {
        println!("peak memory {}", peak_memory());
    }
}

/// As Linux tells it; nothing elsewhere.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}
