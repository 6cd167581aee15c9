//! `vaxel erlang`: what the Erlang formulas say of one queue.

use std::process::ExitCode;

use serde::Serialize;
use simulator::erlang::{Queue, erlang_b, erlang_c};

use crate::{cli::ErlangArgs, failure::Failure, show};

/// More than any country's call centres have; the formulas take a step for each.
const AGENTS_MAX: u32 = 1_000_000;
/// More an hour than the whole world calls.
const RATE_MAX: f64 = 1e9;
/// One in a century. Less means nothing, and would in the end be more than a float can hold in the figures that divide by it.
const RATE_MIN: f64 = 1e-6;
/// Ten years.
const WITHIN_MAX_S: f64 = 315_576_000.0;
/// Callers who may be waiting at once: more than live in Sweden; likewise a step for each.
const WAITING_MAX: f64 = 1e8;

#[derive(Debug, Serialize)]
struct Printed {
    offered_erlangs: f64,
    /// Lost when none can wait.
    erlang_b: f64,
    /// Wait when all can and nobody gives up; 1 for a queue that grows for ever.
    erlang_c: f64,
    p_wait: f64,
    p_abandon: f64,
    mean_wait_s: f64,
    service_level: f64,
    within_s: f64,
    occupancy: f64,
}

pub(crate) fn run(args: &ErlangArgs) -> Result<ExitCode, Failure> {
    const HOUR_S: f64 = 3600.0;
    for (name, rate) in [
        ("--lambda-per-h", args.lambda_per_h),
        ("--mu-per-h", args.mu_per_h),
    ] {
        if !(RATE_MIN..=RATE_MAX).contains(&rate) {
            return Err(Failure::usage(format!(
                "{name} {rate:?}: give a number from {RATE_MIN} to {RATE_MAX}"
            )));
        }
    }
    for (name, value, most) in [
        ("--theta-per-h", args.theta_per_h, RATE_MAX),
        ("--within-s", args.within_s, WITHIN_MAX_S),
    ] {
        if !(0.0..=most).contains(&value) {
            return Err(Failure::usage(format!(
                "{name} {value:?}: give a number from 0 to {most}"
            )));
        }
    }
    if !(1..=AGENTS_MAX).contains(&args.agents) {
        return Err(Failure::usage(format!(
            "--agents {}: give 1 to {AGENTS_MAX}",
            args.agents
        )));
    }
    let least = args.lambda_per_h / WAITING_MAX;
    if args.theta_per_h > 0.0 && args.theta_per_h < least {
        return Err(Failure::usage(format!(
            "--theta-per-h {:?}: with so many calls give at least {least}, or 0 for never",
            args.theta_per_h
        )));
    }
    let queue = Queue {
        lambda: args.lambda_per_h,
        mu: args.mu_per_h,
        theta: args.theta_per_h,
        agents: args.agents,
    };
    let found = queue
        .steady()
        .zip(queue.answered_within(args.within_s / HOUR_S));
    let Some((steady, service_level)) = found else {
        return Err(Failure::usage(format!(
            "{} agents can't carry {:.2} erlangs when nobody gives up: give more than {:.0} agents, or --theta-per-h above 0",
            args.agents,
            queue.load(),
            queue.load().floor()
        )));
    };
    let printed = Printed {
        offered_erlangs: queue.load(),
        erlang_b: erlang_b(args.agents, queue.load()),
        erlang_c: erlang_c(args.agents, queue.load()),
        p_wait: steady.p_wait,
        p_abandon: steady.p_abandon,
        mean_wait_s: steady.mean_wait * HOUR_S,
        service_level,
        within_s: args.within_s,
        occupancy: steady.occupancy,
    };
    if args.json {
        show::json(&printed)?;
    } else {
        print(&printed)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(printed: &Printed) -> Result<(), Failure> {
    let per_cent = |share: f64| format!("{:.4} %", 100.0 * share);
    let rows = [
        [
            "offered".to_owned(),
            format!("{:.3} erlangs", printed.offered_erlangs),
        ],
        [
            "lost if none can wait (Erlang B)".to_owned(),
            per_cent(printed.erlang_b),
        ],
        [
            "wait if nobody gives up (Erlang C)".to_owned(),
            per_cent(printed.erlang_c),
        ],
        ["wait".to_owned(), per_cent(printed.p_wait)],
        ["give up".to_owned(), per_cent(printed.p_abandon)],
        [
            "mean wait".to_owned(),
            format!("{:.2} s", printed.mean_wait_s),
        ],
        [
            format!("answered within {} s", printed.within_s),
            per_cent(printed.service_level),
        ],
        ["agents busy".to_owned(), per_cent(printed.occupancy)],
    ];
    show::line(show::table(["Erlang A", ""], rows.into_iter()))
}
