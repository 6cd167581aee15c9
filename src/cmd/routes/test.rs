//! `vaxel routes test`: the `[[expect]]` tests inside scenarios.

use std::process::ExitCode;

use callcore::scenario::Scenario;
use serde::Serialize;

use super::junit;
use crate::{cli::TestArgs, failure::Failure, files, show};

/// One test and how it went.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) name: String,
    /// What happens instead; `None` when it is as expected.
    pub(super) failure: Option<String>,
}

pub(crate) fn run(args: &TestArgs) -> Result<ExitCode, Failure> {
    let names: Vec<String> = if args.scenarios.is_empty() {
        files::built_in_names().map(str::to_owned).collect()
    } else {
        args.scenarios.clone()
    };
    let mut outcomes = Vec::new();
    for name in &names {
        outcomes.extend(tested(&files::load(name)?.scenario));
    }
    let failed = outcomes
        .iter()
        .filter(|outcome| outcome.failure.is_some())
        .count();
    if args.junit {
        show::line(format_args!("{}", junit::xml(&outcomes).trim_end()))?;
    } else if args.json {
        show::json(&outcomes)?;
    } else {
        print(&outcomes, failed)?;
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn tested(scenario: &Scenario) -> Vec<Outcome> {
    let unmet = scenario.unmet();
    let tests = scenario
        .expectations
        .iter()
        .zip(&scenario.lines.expectations);
    tests
        .enumerate()
        .map(|(place, (test, &line))| {
            let failure = unmet
                .iter()
                .find(|unmet| unmet.expectation == place)
                .map(|unmet| {
                    let route = unmet.route.map_or("no route", |id| scenario.route_name(id));
                    let recorded = if unmet.recorded {
                        "recorded"
                    } else {
                        "not recorded"
                    };
                    format!("goes to {route}, {recorded}")
                });
            let recorded = match test.recorded {
                Some(true) => ", recorded",
                Some(false) => ", not recorded",
                None => "",
            };
            let when = test.at.in_sweden().strftime("%Y-%m-%dT%H:%M").to_string();
            let kommun = if test.kommun.is_empty() {
                "no kommun-ID"
            } else {
                &test.kommun
            };
            Outcome {
                file: scenario.file.to_string(),
                line,
                name: format!("{kommun} at {when} goes to {}{recorded}", test.route),
                failure,
            }
        })
        .collect()
}

fn print(outcomes: &[Outcome], failed: usize) -> Result<(), Failure> {
    for outcome in outcomes {
        let Outcome {
            file,
            line,
            name,
            failure,
        } = outcome;
        match failure {
            None => show::line(format_args!("ok    {file}:{line} {name}"))?,
            Some(failure) => show::line(format_args!(
                "FAIL  {file}:{line} {name}\n      but {failure}"
            ))?,
        }
    }
    show::line(format_args!("{} tests, {failed} failed", outcomes.len()))?;
    Ok(())
}
