//! `vaxel routes table`: where every kommun's calls go at a moment.

use std::process::ExitCode;

use callcore::{
    kommun::{kommun, kommuner},
    origin::{InvalidReason, Origin, UnknownReason},
    route::Destination,
    scenario::Scenario,
    time::Time,
};
use serde::Serialize;

use crate::{cli::TableArgs, failure::Failure, files, show};

#[derive(Debug, Serialize)]
struct Row {
    kommun: String,
    name: String,
    region: String,
    route: String,
    destination: String,
    handover: Option<&'static str>,
    recorded: bool,
}

pub(crate) fn run(args: &TableArgs) -> Result<ExitCode, Failure> {
    let scenario = files::load(&args.config)?.scenario;
    let at = files::moment_or_now(args.at.as_deref())?;
    let rows: Vec<Row> = callers()
        .map(|(code, origin)| row(&scenario, &code, origin, at))
        .collect();
    if args.json {
        show::json(&rows)?;
    } else {
        let shown = rows.into_iter().map(|row| {
            let recorded = if row.recorded { "yes" } else { "no" };
            let leaves = row.handover.unwrap_or("");
            [
                row.kommun,
                row.name,
                row.region,
                row.route,
                row.destination,
                leaves.to_owned(),
                recorded.to_owned(),
            ]
        });
        let header = [
            "kommun", "name", "region", "route", "goes to", "handover", "recorded",
        ];
        show::line(format_args!("{}", show::table(header, shown)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every kommun, then one caller of each kind whose kommun isn't known.
fn callers() -> impl Iterator<Item = (String, Origin)> {
    let known = kommuner()
        .iter()
        .map(|kommun| (kommun.id.to_string(), Origin::Known(kommun.id)));
    let conflict = match kommuner() {
        [first, second, ..] => Some(Origin::Conflict(first.id, second.id)),
        _ => None,
    };
    let others = [
        Origin::Unknown(UnknownReason::Missing),
        Origin::Invalid(InvalidReason::Length),
    ];
    known.chain(
        others
            .into_iter()
            .chain(conflict)
            .map(|origin| (origin.class().to_owned(), origin)),
    )
}

fn row(scenario: &Scenario, code: &str, origin: Origin, at: Time) -> Row {
    let decision = scenario.routes.decide(origin, at);
    let (destination, handover) = match decision.map(|decision| decision.to) {
        Some(Destination::Queue(queue)) => (scenario.queue(queue).name.to_string(), None),
        Some(Destination::External(external)) => (
            scenario.provider(external.provider).name.to_string(),
            Some(external.handover.name()),
        ),
        None => ("none".to_owned(), None),
    };
    let place = origin.kommun().map(kommun);
    Row {
        kommun: code.to_owned(),
        name: place.map_or_else(String::new, |kommun| kommun.name.to_string()),
        region: place.map_or_else(String::new, |kommun| kommun.region.to_string()),
        route: decision
            .map_or("none", |decision| scenario.route_name(decision.route))
            .to_owned(),
        destination,
        handover,
        recorded: decision.is_some_and(|decision| scenario.records(&decision)),
    }
}
