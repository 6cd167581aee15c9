//! `vaxel simulate`: a scenario in virtual time, through the very call machine that runs live.

mod against;
mod lists;
mod print;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::AtomicBool,
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
    run::{Progress, run as simulate, run_listing},
    tables,
};

use self::{
    against::{Compared, Other, PrintedAgainst},
    lists::CallLists,
    print::print,
};
use super::signals::stop_on_interrupt;
use crate::{
    cli::{SimulateArgs, THREADS_MAX},
    failure::Failure,
    files, show,
};

/// The first Monday of 2026.
const START_DEFAULT: Date = date(2026, 1, 5);

#[derive(Debug, Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    seconds: f64,
    /// Of all replications, as the seconds are.
    calls_per_second: f64,
    /// With `--against`.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<PrintedAgainst<'a>>,
}

/// What is run.
struct Setup {
    scenario: Scenario,
    beside: Vec<Beside>,
    plan: Plan,
}

pub(crate) fn run(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    writable(args)?;
    let setup = setup(args)?;
    let other = Other::new(args, &setup)?;
    let stop = stop_on_interrupt()?;
    let begun = Instant::now();
    let mut lists = CallLists::begin(args, &setup.scenario)?;
    let results = once(&setup, &stop, lists.are_wanted().then_some(&mut lists))?;
    let seconds = begun.elapsed().as_secs_f64();
    if args.twice && !is_same_again(&setup, &results, &stop)? {
        return Ok(ExitCode::from(1));
    }
    lists.end()?;
    write_lists(args, &setup.scenario, &results)?;
    // One summary for both, since a run that is compared may be stopped in the other's turn.
    let mut printed = Printed {
        summary: &results.summary,
        seconds,
        calls_per_second: results.summary.calls_of_all_runs as f64 / seconds.max(1e-9),
        against: None,
    };
    if !args.json {
        print(&printed)?;
    }
    let compare = |other: Other| other.compare(&setup, &printed, &results, &stop);
    let compared = other.map(compare).transpose()?;
    printed.against = compared.as_ref().map(Compared::printed);
    if args.json {
        show::json(&printed)?;
    } else if let Some(compared) = &compared {
        compared.print();
    }
    write_report(args, &setup, &results, compared.as_ref())?;
    let cut_short = compared.as_ref().is_some_and(Compared::is_partial);
    if results.summary.partial || cut_short {
        show::note(format_args!(
            "vaxel: interrupted; everything above is partial, up to {}",
            results.summary.until
        ));
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

fn setup(args: &SimulateArgs) -> Result<Setup, Failure> {
    let Setup {
        scenario,
        beside,
        plan,
    } = setup_of(&args.scenario, &args.set)?;
    let (start, days) = span(args, &scenario)?;
    let mut plan = Plan {
        start,
        days,
        seed: args.seed,
        replications: args.replications.unwrap_or(plan.replications),
        threads: args.threads.map_or_else(threads, usize::from),
        ..plan
    };
    if let Some(file) = &args.replay {
        plan.replay = replay::read_file(file, &plan)
            .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
        let (all, outside) = (plan.replay.len(), plan.replay_outside());
        if (1..all).contains(&outside) {
            let file = file.display();
            show::note(format_args!(
                "vaxel: {outside} of {all} calls of {file} lie outside the run and aren't played: --start and --days say what it covers"
            ));
        }
    }
    Ok(Setup {
        scenario,
        beside,
        plan,
    })
}

/// A scenario with what is set on the command line, and a plan of a day of it.
fn setup_of(name: &str, set: &[String]) -> Result<Setup, Failure> {
    let mut scenario = files::load(name)?.scenario;
    let mut overrides = Overrides::default();
    for text in set {
        overrides
            .set(&mut scenario, text)
            .map_err(|error| Failure::usage(error.to_string()))?;
    }
    let beside = beside(&scenario, name)?;
    let plan = Plan {
        calls_per_hour: overrides.calls_per_hour,
        ..Plan::new(&scenario, START_DEFAULT, 1, 1)
    };
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
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    processors.min(usize::from(THREADS_MAX))
}

fn once(
    setup: &Setup,
    stop: &AtomicBool,
    lists: Option<&mut CallLists<'_>>,
) -> Result<Results, Failure> {
    let plan = &setup.plan;
    let days = u64::from(plan.days) * u64::from(plan.replications);
    let bar = show::bar(Some(days), "days");
    let begun = Instant::now();
    let tell = |progress: Progress| {
        bar.set_position(progress.days.max(0.0) as u64);
        let rate = progress.calls as f64 / begun.elapsed().as_secs_f64().max(1e-9);
        bar.set_message(format!("{} calls, {:.2} M/s", progress.calls, rate / 1e6));
    };
    let (scenario, beside) = (&setup.scenario, &setup.beside);
    let results = match lists {
        Some(lists) => run_listing(scenario, beside, plan, stop, tell, &mut |rows| {
            lists.add(rows)
        }),
        None => simulate(scenario, beside, plan, stop, tell),
    };
    bar.finish_and_clear();
    results.map_err(|error| match error {
        simulator::RunError::Plan(error) => {
            Failure::usage(format!("{}: {error}", setup.scenario.file))
        }
        simulator::RunError::List(why) => Failure::run(why),
        error => Failure::run(format!(
            "{error}; this is a fault of ours, and this repeats it: {}",
            invocation(plan)
        )),
    })
}

/// The command as it was given, with the seed also where that was the default.
fn invocation(plan: &Plan) -> String {
    let quoted = |arg: String| match arg
        .chars()
        .all(|c| c.is_alphanumeric() || "-_./=,:".contains(c))
    {
        true => arg,
        false => format!("'{}'", arg.replace('\'', "'\\''")),
    };
    let mut words: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    if !words.iter().any(|word| word.starts_with("--seed")) {
        words.push(format!("--seed {}", plan.seed));
    }
    format!("vaxel {}", words.join(" "))
}

/// Two runs that go equally far are the same; one that was interrupted proves nothing.
fn is_same_again(setup: &Setup, results: &Results, stop: &AtomicBool) -> Result<bool, Failure> {
    if results.summary.partial {
        return Ok(true);
    }
    let again = once(setup, stop, None)?;
    if again.summary.partial {
        show::note("vaxel: interrupted in the second run; whether it is the same wasn't found out");
        return Ok(false);
    }
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

fn write_lists(args: &SimulateArgs, scenario: &Scenario, results: &Results) -> Result<(), Failure> {
    if let Some(file) = &args.hours_csv {
        write_file(file, |out| tables::hours(out, scenario, results))?;
    }
    if let Some(file) = &args.hours_parquet {
        write_file(file, |out| tables::parquet::hours(out, scenario, results))?;
    }
    Ok(())
}

fn write_report(
    args: &SimulateArgs,
    setup: &Setup,
    results: &Results,
    compared: Option<&Compared>,
) -> Result<(), Failure> {
    let Some(file) = &args.report else {
        return Ok(());
    };
    let name = named(args);
    let page = match compared {
        Some(Compared::Runs(runs)) => runs.html(&name, setup, results),
        _ => report::html(&setup.scenario, results, &name),
    };
    write_file(file, |out| out.write_all(page.as_bytes()))
}

/// What the run is called: the scenario, and what was set.
fn named(args: &SimulateArgs) -> String {
    let set = args.set.iter().map(|set| format!(" {set}"));
    std::iter::once(args.scenario.clone()).chain(set).collect()
}

fn write_file(
    file: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Failure> {
    files::write_whole(file, write)
        .map_err(|error| Failure::run(format!("{} can't be written: {error}", file.display())))
}

/// The files that a run is to write can be there, each for itself: a run may take hours, and then it is too late.
fn writable(args: &SimulateArgs) -> Result<(), Failure> {
    let all = [
        &args.hours_csv,
        &args.calls_csv,
        &args.hours_parquet,
        &args.calls_parquet,
        &args.report,
    ];
    let all: Vec<&Path> = all.into_iter().flatten().map(PathBuf::as_path).collect();
    for (place, file) in all.iter().enumerate() {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let why = if all[..place].contains(file) {
            "two outputs would be written there"
        } else if file.is_dir() {
            "it is a folder"
        } else if !folder.is_dir() {
            "its folder isn't there"
        } else {
            continue;
        };
        return Err(Failure::usage(format!(
            "{} can't be written: {why}",
            file.display()
        )));
    }
    Ok(())
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} can't be read: {error}", file.display()))
}
