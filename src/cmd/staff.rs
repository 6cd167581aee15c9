//! `vaxel staff`: nurses by hour for a service level, by formula and checked by simulation.

use std::process::ExitCode;

use callcore::{calendar::DayKind, kommun::RegionCode};
use jiff::civil::Date;
use serde::Serialize;
use simulator::{
    Plan,
    roster::Roster,
    staffing::{Goal, Need, StaffingError, needs, queue_of},
};

use super::signals;
use crate::{cli::StaffArgs, failure::Failure, files, show};

/// A year: beyond it nobody plans a week.
const WEEKS_MAX: u32 = 52;

const INTERRUPTED: &str = "vaxel: interrupted; these are partial: the numbers of the formula, checked by simulation as far as it says what was reached";

#[derive(Debug, Serialize)]
struct Printed<'a> {
    region: &'a str,
    share: f64,
    within_s: f64,
    hours: Vec<Hour>,
    nurse_hours_a_week: u32,
    /// It was interrupted: the numbers of the formula, or of the last whole round of the simulation.
    partial: bool,
}

#[derive(Debug, Serialize)]
struct Hour {
    day: &'static str,
    hour: u8,
    calls: f64,
    nurses_by_formula: u32,
    nurses: u32,
    reached: Option<f64>,
}

pub(crate) fn run(args: &StaffArgs) -> Result<ExitCode, Failure> {
    let scenario = files::load(&args.scenario)?.scenario;
    let region = RegionCode::parse(&args.region).ok_or_else(|| {
        Failure::usage(format!(
            "--region {} is no region: give two digits, such as 01",
            args.region
        ))
    })?;
    let goal = Goal::parse(&args.sl).ok_or_else(|| {
        Failure::usage(format!(
            "--sl {} is no service level: write per cent and seconds, such as 80/180s",
            args.sl
        ))
    })?;
    let start: Date = args.start.parse().map_err(|_| {
        Failure::usage(format!(
            "--start {} is no day: write it like 2026-01-12",
            args.start
        ))
    })?;
    if args.weeks == 0 || args.weeks > WEEKS_MAX {
        return Err(Failure::usage(format!(
            "--weeks {}: give 1 to {WEEKS_MAX}",
            args.weeks
        )));
    }
    let plan = Plan {
        replications: 1,
        ..Plan::new(&scenario, start, args.weeks * 7, args.seed)
    };
    let unplanned = |error: StaffingError| Failure::usage(error.to_string());
    let stop = signals::stop_on_interrupt()?;
    let found = needs(&scenario, &plan, region, goal, args.patient, &stop).map_err(unplanned)?;
    let (needs, code) = (found.needs, ExitCode::from(u8::from(found.partial)));
    if found.partial {
        show::note(INTERRUPTED);
    }
    if args.roster {
        let queue = scenario.queue(queue_of(&scenario, region).map_err(unplanned)?);
        show::line(
            Roster::new(&queue.name, &needs, &scenario.simulation)
                .to_toml()
                .trim_end(),
        )?;
        return Ok(code);
    }
    let week = needs.iter().filter(|need| need.day != DayKind::Holiday);
    let printed = Printed {
        region: region.code(),
        share: goal.share,
        within_s: goal.within_s,
        nurse_hours_a_week: week.map(|need| need.nurses).sum(),
        hours: needs.iter().map(hour).collect(),
        partial: found.partial,
    };
    if args.json {
        show::json(&printed)?;
    } else {
        print(&printed)?;
    }
    Ok(code)
}

const fn hour(need: &Need) -> Hour {
    Hour {
        day: need.day.name(),
        hour: need.hour,
        calls: need.calls,
        nurses_by_formula: need.by_formula,
        nurses: need.nurses,
        reached: need.reached,
    }
}

fn print(printed: &Printed<'_>) -> Result<(), Failure> {
    show::line(format_args!(
        "nurses in region {} to answer {:.0} % within {:.0} s; in brackets what the simulation reached, %",
        printed.region,
        100.0 * printed.share,
        printed.within_s
    ))?;
    let cell = |day: &str, hour: u8| {
        let found = printed
            .hours
            .iter()
            .find(|need| need.day == day && need.hour == hour);
        found.map_or_else(String::new, |need| match need.reached {
            Some(reached) => format!("{} ({:.0})", need.nurses, 100.0 * reached),
            None => need.nurses.to_string(),
        })
    };
    let rows = (0..24).map(|hour| {
        [
            format!("{hour:02}"),
            cell("mon", hour),
            cell("tue", hour),
            cell("wed", hour),
            cell("thu", hour),
            cell("fri", hour),
            cell("sat", hour),
            cell("sun", hour),
            cell("holiday", hour),
        ]
    });
    let header = [
        "hour", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday",
    ];
    show::line(show::table(header, rows))?;
    show::line(format_args!(
        "{} nurse hours an ordinary week, before breaks and illness",
        printed.nurse_hours_a_week
    ))
}
