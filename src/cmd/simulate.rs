//! `vaxel simulate`: a scenario in virtual time, through the very call machine that runs live.

use std::{process::ExitCode, sync::Arc, time::Instant};

use callcore::{scenario::Scenario, time::Time};
use jiff::civil::Date;
use serde::Serialize;
use simulator::{
    plan::{DAYS_MAX, Plan},
    summary::Summary,
    virtual_time,
};

use crate::{cli::SimulateArgs, failure::Failure, files, show};

/// How often the bar is moved, in calls: seldom enough to cost nothing.
const CALLS_A_TICK: u64 = 4096;

#[derive(Debug, Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    seconds: f64,
    calls_per_second: f64,
}

pub(crate) fn run(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let scenario = Arc::new(files::load(&args.scenario)?.scenario);
    let start: Date = args.start.parse().map_err(|_| {
        Failure::usage(format!(
            "--start {} is no day: write it like 2026-03-02",
            args.start
        ))
    })?;
    if args.days == 0 || args.days > DAYS_MAX {
        return Err(Failure::usage(format!(
            "--days {}: give 1 to {DAYS_MAX}",
            args.days
        )));
    }
    let plan = Plan::new(&scenario, start, args.days, args.seed);
    let begun = Instant::now();
    let summary = once(&scenario, &plan)?;
    let seconds = begun.elapsed().as_secs_f64();
    if args.twice && once(&scenario, &plan)?.digest != summary.digest {
        show::note(format_args!(
            "vaxel: seed {} gave two different runs; this is a fault of ours",
            args.seed
        ));
        return Ok(ExitCode::from(1));
    }
    let printed = Printed {
        summary: &summary,
        seconds,
        calls_per_second: summary.calls.offered as f64 / seconds.max(1e-9),
    };
    if args.json {
        show::json(&printed)?;
    } else {
        print(&printed)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn once(scenario: &Arc<Scenario>, plan: &Plan) -> Result<Summary, Failure> {
    let bar = show::bar(Some(u64::from(plan.days)), "days");
    let mut first: Option<Time> = None;
    let mut calls = 0_u64;
    let summary = virtual_time::simulate_with_progress(Arc::clone(scenario), plan, |now| {
        calls += 1;
        if calls.is_multiple_of(CALLS_A_TICK) {
            let since = now.since(*first.get_or_insert(now));
            bar.set_position((since.as_secs_f64() / 86_400.0) as u64);
            bar.set_message(format!("{calls} calls"));
        }
    });
    bar.finish_and_clear();
    summary.map_err(|error| Failure::run(error.to_string()))
}

fn print(printed: &Printed<'_>) -> Result<(), Failure> {
    let summary = printed.summary;
    let calls = &summary.calls;
    show::line(format_args!(
        "{} days from {}, seed {}: {} calls in {:.2} s ({:.0} a second)",
        summary.days,
        summary.start,
        summary.seed,
        calls.offered,
        printed.seconds,
        printed.calls_per_second
    ))?;
    show::line(format_args!(
        "answered {}   gave up {}   turned away {}   to a provider {}   failed {}",
        calls.answered, calls.abandoned, calls.blocked, calls.external, calls.failed
    ))?;
    let service = &summary.service;
    show::line(format_args!(
        "within 180 s {:.1} %   mean wait {:.0} s   gave up {:.1} %   nurses busy {:.1} %",
        100.0 * service.service_level,
        service.mean_wait_s,
        100.0 * service.p_abandon,
        100.0 * service.occupancy
    ))?;
    let rows = summary.queues.iter().map(|(name, queue)| {
        [
            name.clone(),
            queue.offered.to_string(),
            queue.answered.to_string(),
            format!("{:.1} %", 100.0 * queue.service.service_level),
            format!("{:.0} s", queue.service.mean_wait_s),
            format!("{:.1} %", 100.0 * queue.service.p_abandon),
            format!("{:.1} %", 100.0 * queue.service.occupancy),
        ]
    });
    show::line(show::table(
        [
            "queue",
            "calls",
            "answered",
            "in 180 s",
            "mean wait",
            "gave up",
            "busy",
        ],
        rows,
    ))?;
    show::line(format_args!(
        "recorded at the switch for a provider: {}",
        summary.recorded_at_switch_for_provider
    ))?;
    show::line(format_args!("digest {}", summary.digest))?;
    Ok(())
}
