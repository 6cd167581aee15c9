//! `vaxel simulate`: a scenario in virtual time, through the very call machine that runs live.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use callcore::scenario::Scenario;
use jiff::civil::{Date, date};
use serde::Serialize;
use simulator::{
    Beside, Plan, Results, Summary,
    overrides::Overrides,
    plan::DAYS_MAX,
    replay, report,
    run::{Progress, run as simulate},
    tables,
};

use crate::{cli::SimulateArgs, failure::Failure, files, show};

/// The first Monday of 2026.
const START_DEFAULT: Date = date(2026, 1, 5);

#[derive(Debug, Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    seconds: f64,
    calls_per_second: f64,
}

/// What is run.
struct Setup {
    scenario: Scenario,
    beside: Vec<Beside>,
    plan: Plan,
}

pub(crate) fn run(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let setup = setup(args)?;
    let stop = stop_on_interrupt();
    let begun = Instant::now();
    let mut results = once(&setup, &stop)?;
    let seconds = begun.elapsed().as_secs_f64();
    if args.twice && !is_same_again(&setup, &results)? {
        return Ok(ExitCode::from(1));
    }
    write_lists(args, &setup.scenario, &mut results)?;
    let printed = Printed {
        summary: &results.summary,
        seconds,
        calls_per_second: results.summary.calls.offered as f64 / seconds.max(1e-9),
    };
    if args.json {
        show::json(&printed)?;
    } else {
        print(&printed)?;
    }
    if let Some(other) = &args.against {
        print_against(other, &printed)?;
    }
    if results.summary.partial {
        show::note(format_args!(
            "vaxel: interrupted; everything above is partial, up to {}",
            results.summary.until
        ));
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

fn setup(args: &SimulateArgs) -> Result<Setup, Failure> {
    let usage = |error: &dyn std::error::Error| Failure::usage(error.to_string());
    let mut scenario = files::load(&args.scenario)?.scenario;
    let mut overrides = Overrides::default();
    for text in &args.set {
        overrides
            .set(&mut scenario, text)
            .map_err(|error| usage(&error))?;
    }
    let beside = beside(&scenario, &args.scenario)?;
    let (start, days) = span(args, &scenario)?;
    let mut plan = Plan {
        replications: args
            .replications
            .unwrap_or(scenario.simulation.replications),
        threads: args.threads.unwrap_or_else(threads).clamp(1, 256),
        calls_per_hour: overrides.calls_per_hour,
        keeps_calls: args.calls_csv.is_some(),
        ..Plan::new(&scenario, start, days, args.seed)
    };
    if let Some(file) = &args.replay {
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
        plan.replay = replay::read(&text, &plan)
            .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    }
    Ok(Setup {
        scenario,
        beside,
        plan,
    })
}

/// The scenarios that are run beside: from the folder of the first, or built in.
fn beside(scenario: &Scenario, name: &str) -> Result<Vec<Beside>, Failure> {
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let load = |other: &str| {
        let near = folder.join(other);
        let near = [near.clone(), near.with_extension("toml")]
            .into_iter()
            .find(|path| path.is_file());
        let name = near.map_or_else(|| other.to_owned(), |path| path.display().to_string());
        let loaded = files::load(&name)?.scenario;
        Beside::new(loaded, scenario).map_err(|error| Failure::usage(error.to_string()))
    };
    let names = &scenario.simulation.beside;
    names.iter().map(|name| load(name)).collect()
}

/// The first day and how many.
fn span(args: &SimulateArgs, scenario: &Scenario) -> Result<(Date, u32), Failure> {
    let day = |text: &str, what: &str| -> Result<Date, Failure> {
        text.parse().map_err(|_| {
            Failure::usage(format!("{what} {text} is no day: write it like 2026-03-02"))
        })
    };
    let settings = &scenario.simulation;
    let start = match &args.start {
        Some(text) => day(text, "--start")?,
        None => settings.from.unwrap_or(START_DEFAULT),
    };
    let until = match &args.until {
        Some(text) => Some(day(text, "--until")?),
        // What the scenario says of its end goes with its own beginning only.
        None if args.days.is_none() && args.start.is_none() => settings.until,
        None => None,
    };
    let days = match until {
        Some(until) => i64::from((until - start).get_days()),
        None => i64::from(args.days.unwrap_or(1)),
    };
    match u32::try_from(days) {
        Ok(days @ 1..=DAYS_MAX) => Ok((start, days)),
        _ => Err(Failure::usage(format!(
            "{days} days can't be run: give 1 to {DAYS_MAX} with --days, or an --until after {start}"
        ))),
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Set when somebody presses Ctrl-C: the run ends with what it has.
fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    tokio::spawn(async move {
        crate::cmd::end_wanted().await;
        asked.store(true, Ordering::Relaxed);
    });
    stop
}

fn once(setup: &Setup, stop: &AtomicBool) -> Result<Results, Failure> {
    let plan = &setup.plan;
    let days = u64::from(plan.days) * u64::from(plan.replications);
    let bar = show::bar(Some(days), "days");
    let begun = Instant::now();
    let tell = |progress: Progress| {
        bar.set_position(progress.days.max(0.0) as u64);
        let rate = progress.calls as f64 / begun.elapsed().as_secs_f64().max(1e-9);
        bar.set_message(format!("{} calls, {:.2} M/s", progress.calls, rate / 1e6));
    };
    let results = simulate(&setup.scenario, &setup.beside, plan, stop, tell);
    bar.finish_and_clear();
    results.map_err(|error| match error {
        simulator::RunError::Plan(error) => {
            Failure::usage(format!("{}: {error}", setup.scenario.file))
        }
        error => Failure::run(format!(
            "{error}; this is a fault of ours, and this repeats it: vaxel simulate {} --start {} --days {} --seed {}",
            setup.scenario.file, plan.start, plan.days, plan.seed
        )),
    })
}

fn is_same_again(setup: &Setup, results: &Results) -> Result<bool, Failure> {
    let again = once(setup, &AtomicBool::new(false))?;
    let same = again.summary.digest == results.summary.digest;
    if same {
        show::note(format_args!("vaxel: run twice, the same digest"));
    } else {
        show::note(format_args!(
            "vaxel: seed {} gave two different runs; this is a fault of ours",
            setup.plan.seed
        ));
    }
    Ok(same)
}

fn write_lists(
    args: &SimulateArgs,
    scenario: &Scenario,
    results: &mut Results,
) -> Result<(), Failure> {
    if let Some(file) = &args.hours_csv {
        write_file(file, |out| tables::hours(out, scenario, results))?;
    }
    if let Some(file) = &args.calls_csv {
        write_file(file, |out| tables::calls(out, scenario, results))?;
    }
    if let Some(file) = &args.report {
        let page = report::html(scenario, results, &args.scenario);
        write_file(file, |out| out.write_all(page.as_bytes()))?;
    }
    Ok(())
}

fn write_file(
    file: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let written = File::create(file).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    written.map_err(|error| Failure::run(format!("{} can't be written: {error}", file.display())))
}

/// What another run had where this one differs. On stderr with `--json`, so that stdout stays JSON.
fn print_against(other: &Path, printed: &Printed<'_>) -> Result<(), Failure> {
    let text = std::fs::read_to_string(other).map_err(|error| unreadable(other, &error))?;
    let before: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!(
            "{} is no output of `vaxel simulate --json`: {error}",
            other.display()
        ))
    })?;
    let after =
        serde_json::to_value(printed).map_err(|error| Failure::run(format!("JSON: {error}")))?;
    let rows = report::compare(&before, &after).into_iter().map(|one| {
        [
            one.name,
            format!("{:.4}", one.before),
            format!("{:.4}", one.after),
            format!(
                "{:+.1} %",
                100.0 * (one.after - one.before) / one.before.abs().max(1e-12)
            ),
        ]
    });
    let table = show::table(["figure", "before", "now", "change"], rows);
    show::note(format_args!("against {}\n{table}", other.display()));
    Ok(())
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} can't be read: {error}", file.display()))
}

fn print(printed: &Printed<'_>) -> Result<(), Failure> {
    let summary = printed.summary;
    let calls = &summary.calls;
    show::line(format_args!(
        "{} days from {}, seed {}: {} calls in {:.2} s ({:.2} M a second, {:.2} M a CPU second)",
        summary.days,
        summary.start,
        summary.seed,
        calls.offered,
        printed.seconds,
        printed.calls_per_second / 1e6,
        summary.calls_per_cpu_second / 1e6
    ))?;
    show::line(format_args!(
        "answered {}   gave up {}   turned away {}   to a provider {}   failed {}   called again {}",
        calls.answered,
        calls.abandoned,
        calls.blocked,
        calls.external,
        calls.failed,
        calls.redialled
    ))?;
    let service = &summary.service;
    show::line(format_args!(
        "within 180 s {:.1} %   mean wait {:.0} s   gave up {:.1} %   nurses busy {:.1} %",
        100.0 * service.service_level,
        service.mean_wait_s,
        100.0 * service.p_abandon,
        100.0 * service.occupancy
    ))?;
    for (name, interval) in &summary.intervals {
        show::line(format_args!(
            "  {name}: {:.5}, 95 % of {} such runs' means between {:.5} and {:.5}",
            interval.mean, summary.replications, interval.low, interval.high
        ))?;
    }
    print_queues(summary)?;
    print_stores(summary)?;
    for (organisation, count) in &summary.provider_calls {
        show::line(format_args!("to {organisation}: {count} calls"))?;
    }
    show::line(format_args!(
        "recorded at the switch for a provider: {}",
        summary.recorded_at_switch_for_provider
    ))?;
    show::line(format_args!("digest {}", summary.digest))
}

fn print_queues(summary: &Summary) -> Result<(), Failure> {
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
    let header = [
        "queue",
        "calls",
        "answered",
        "in 180 s",
        "mean wait",
        "gave up",
        "busy",
    ];
    show::line(format_args!("{}", show::table(header, rows)))
}

fn print_stores(summary: &Summary) -> Result<(), Failure> {
    let rows = summary.stores.iter().map(|(name, store)| {
        let erased: u64 = store
            .controllers
            .values()
            .map(|held| held.erased_files)
            .sum();
        let overdue: u64 = store
            .controllers
            .values()
            .map(|held| held.overdue_files)
            .sum();
        [
            name.clone(),
            store.processor.clone(),
            store.calls.to_string(),
            store.files.to_string(),
            format!("{:.0} GB", store.gigabytes),
            erased.to_string(),
            overdue.to_string(),
        ]
    });
    let header = [
        "store", "run by", "calls", "files", "audio", "erased", "overdue",
    ];
    show::line(format_args!("{}", show::table(header, rows)))
}
