//! `vaxel routes diff`: what another rule set would change, for whom and for how many calls.

use std::{ops::RangeInclusive, path::Path, process::ExitCode};

use callcore::{
    diff::{Changed, Group, Moved, Place, changes, moved},
    origin::Origin,
    scenario::Scenario,
    time::{Time, sweden},
};
use jiff::{ToSpan, civil::Date};
use serde::Serialize;
use simulator::{callers::everyone, plan::Plan};

use crate::{bounded, cli::DiffArgs, failure::Failure, files, show};

/// Years for which holidays and hours are known well enough.
const YEARS: RangeInclusive<i16> = 1900..=2199;

/// How often the bar is moved, in calls: seldom enough to cost nothing.
const CALLS_A_TICK: usize = 65_536;

#[derive(Debug, Serialize)]
struct Printed {
    /// Where all of one year was looked at.
    year: Option<i16>,
    /// The first day that was looked at.
    from: String,
    /// The first day that no longer was.
    until: String,
    digest_a: String,
    digest_b: String,
    changes: Vec<Changed>,
    traffic: Moved,
}

pub(crate) fn run(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let a = files::load(&args.a)?.scenario;
    let b = files::load(&args.b)?.scenario;
    let (first, next) = looked_at(args, &a, &b)?;
    let traffic = match &args.traffic {
        Some(file) => moved(&a, &b, read(file)?),
        None => {
            let bar = show::bar(None, "calls");
            let calls = simulated(&a, args, first, next)
                .enumerate()
                .map(|(nth, call)| {
                    if nth.is_multiple_of(CALLS_A_TICK) {
                        bar.set_position(nth as u64);
                    }
                    call
                });
            let found = moved(&a, &b, calls);
            bar.finish_and_clear();
            found
        }
    };
    let printed = Printed {
        year: year_of(first, next),
        from: first.to_string(),
        until: next.to_string(),
        digest_a: a.routes.digest().to_string(),
        digest_b: b.routes.digest().to_string(),
        changes: changes(&a, &b, begins(first), begins(next)),
        traffic,
    };
    if args.json {
        show::json(&printed)?;
    } else {
        print(&printed)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The first day, and the first that is no longer looked at.
fn looked_at(args: &DiffArgs, a: &Scenario, b: &Scenario) -> Result<(Date, Date), Failure> {
    let own = |scenario: &Scenario| {
        let from = scenario.simulation.from?;
        let a_year = || from.checked_add(1.year()).ok();
        Some((from, scenario.simulation.until.or_else(a_year)?))
    };
    if let (None, Some(days)) = (args.year, own(a).or_else(|| own(b))) {
        return Ok(days);
    }
    let year = match args.year {
        Some(year) => year,
        None => files::day_or_today(None)?.year(),
    };
    let begins = |year: i16| Date::new(year, 1, 1);
    match (begins(year), begins(year.saturating_add(1))) {
        (Ok(first), Ok(next)) if YEARS.contains(&year) => Ok((first, next)),
        _ => Err(Failure::usage(format!(
            "--year {year}: give {} to {}",
            YEARS.start(),
            YEARS.end()
        ))),
    }
}

fn year_of(first: Date, next: Date) -> Option<i16> {
    let is_new_year = |day: Date| (day.month(), day.day()) == (1, 1);
    let one = is_new_year(first) && is_new_year(next) && next.year() == first.year() + 1;
    one.then_some(first.year())
}

fn begins(day: Date) -> Time {
    // Any day of these years has a beginning in Sweden; the fallback is never taken.
    day.to_zoned(sweden())
        .map_or(Time::from_micros(0), |zoned| zoned.timestamp().into())
}

fn simulated(
    a: &Scenario,
    args: &DiffArgs,
    first: Date,
    next: Date,
) -> impl Iterator<Item = (Origin, Time)> {
    let days = first
        .until(next)
        .map_or(365, |span| span.get_days().unsigned_abs());
    let mut plan = Plan::new(a, first, days, args.seed);
    if let Some(calls) = args.calls {
        plan.traffic.calls_per_year = calls;
    }
    everyone(&plan).map(|caller| (caller.origin, caller.at))
}

/// Calls from a file, all read before any is tried: a line that can't be read says so at once.
fn read(file: &Path) -> Result<Vec<(Origin, Time)>, Failure> {
    let wrong = |why: String| Failure::usage(format!("{}: {why}", file.display()));
    let opened = std::fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
    let mut calls = Vec::new();
    for (nth, line) in bounded::lines(opened).enumerate() {
        let line = line.map_err(|error| wrong(error.to_string()))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (nth == 0 && line.starts_with("at,")) {
            continue;
        }
        let (at, kommun) = line.split_once(',').ok_or_else(|| {
            wrong(format!(
                "line {}: write a moment and a kommun-ID, as in 2019-03-01T12:00,0180",
                nth + 1
            ))
        })?;
        let at = files::moment(at.trim())?;
        calls.push((Origin::from_code(kommun.trim()), at.into()));
    }
    Ok(calls)
}

fn print(printed: &Printed) -> Result<(), Failure> {
    show::line(format_args!(
        "{} against {}, from {} until {} (--year looks at another)",
        printed.digest_b, printed.digest_a, printed.from, printed.until
    ))?;
    if printed.changes.is_empty() {
        show::line(format_args!("nobody is answered elsewhere in that time"))?;
    }
    for change in &printed.changes {
        show::line(format_args!(
            "\n{} -> {}: {} for {} hours, from {} until {}",
            place(&change.from),
            place(&change.to),
            callers(change.who.len()),
            change.hours,
            change.first,
            change.last
        ))?;
        show::line(format_args!("  {}", change.who.join(" ")))?;
    }
    let traffic = &printed.traffic;
    show::line(format_args!("\nof {} calls:", traffic.calls))?;
    group("go somewhere else", &traffic.moved)?;
    group(
        "are no longer recorded here",
        &traffic.recorded_to_unrecorded,
    )?;
    group("are recorded here now", &traffic.unrecorded_to_recorded)?;
    group("leave for a provider now", &traffic.region_to_external)?;
    group("come back from a provider", &traffic.external_to_region)
}

fn callers(count: usize) -> String {
    match count {
        1 => "1 kommun or kind of caller".to_owned(),
        more => format!("{more} kommuner or kinds of caller"),
    }
}

fn place(place: &Place) -> String {
    let recorded = if place.recorded {
        "recorded"
    } else {
        "not recorded"
    };
    match place.handover {
        Some(handover) => format!("{} ({handover}, {recorded})", place.name),
        None => format!("{} ({recorded})", place.name),
    }
}

fn group(what: &str, group: &Group) -> Result<(), Failure> {
    show::line(format_args!("  {:>9} {what}", group.calls))?;
    for example in &group.examples {
        show::line(format_args!(
            "            {} from {}: {} -> {}",
            example.at, example.kommun, example.from, example.to
        ))?;
    }
    Ok(())
}
