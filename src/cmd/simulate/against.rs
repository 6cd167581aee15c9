//! `--against`: another scenario with the same callers, or the JSON that another run printed.

use std::{path::Path, sync::atomic::AtomicBool};

use serde_json::Value;
use simulator::{
    Plan, Results,
    report::{self, Difference, Run},
};

use super::{Printed, Setup, once, setup_of, unreadable};
use crate::{bounded, cli::SimulateArgs, failure::Failure, show};

/// The longest output of `vaxel simulate --json` that is read: that of a scenario of ten thousand queues has half of it.
const PRINTED_LEN_MAX: usize = 16 * 1024 * 1024;

/// What is compared with.
pub(super) enum Other {
    /// Figures only.
    Printed(String, Value),
    /// A run of its own.
    Scenario(String, Box<Setup>),
}

/// Two runs that met the same callers.
pub(super) struct Compared {
    name: String,
    setup: Box<Setup>,
    pub(super) results: Results,
    differences: Vec<Difference>,
}

impl Other {
    /// Reads it before anything is run.
    pub(super) fn new(args: &SimulateArgs, first: &Setup) -> Result<Option<Self>, Failure> {
        let Some(name) = &args.against else {
            return Ok(None);
        };
        let path = Path::new(name);
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text =
                bounded::text(path, PRINTED_LEN_MAX).map_err(|error| unreadable(path, &error))?;
            let value = serde_json::from_str(&text).map_err(|error| {
                Failure::usage(format!(
                    "{name} is no output of `vaxel simulate --json`: {error}"
                ))
            })?;
            return Ok(Some(Self::Printed(name.clone(), value)));
        }
        let mut setup = setup_of(name, &[])?;
        setup.plan = Plan {
            seed: first.plan.seed,
            replications: first.plan.replications,
            threads: first.plan.threads,
            replay: first.plan.replay.clone(),
            ..Plan::new(&setup.scenario, first.plan.start, first.plan.days, 0)
        };
        Ok(Some(Self::Scenario(name.clone(), Box::new(setup))))
    }

    /// Runs it where there is something to run. The figures of JSON are compared at once.
    pub(super) fn compare(
        self,
        first: &Setup,
        printed: &Printed<'_>,
        results: &Results,
        stop: &AtomicBool,
    ) -> Result<Option<Compared>, Failure> {
        match self {
            Self::Printed(name, before) => print_figures(&name, &before, printed).map(|()| None),
            Self::Scenario(name, setup) => {
                let other = once(&setup, stop, None)?;
                let (before, after) = ((&setup.scenario, &other), (&first.scenario, results));
                let differences = report::differences(before, after);
                Ok(Some(Compared {
                    differences,
                    name,
                    setup,
                    results: other,
                }))
            }
        }
    }
}

impl Compared {
    /// The page with both.
    pub(super) fn html(&self, name: &str, setup: &Setup, results: &Results) -> String {
        let before = Run {
            name: &self.name,
            scenario: &self.setup.scenario,
            results: &self.results,
        };
        let after = Run {
            name,
            scenario: &setup.scenario,
            results,
        };
        report::comparison(before, after, &self.differences)
    }

    /// The table: all together, and what surely differs queue by queue. On stderr, so that with `--json` stdout stays JSON.
    pub(super) fn print(&self) {
        let shown = self.differences.iter().filter(|one| {
            let queue = one.name.contains('.');
            !queue || one.is_sure() == Some(true)
        });
        let rows = shown.map(|one| {
            let between = one.interval.map_or_else(String::new, |interval| {
                format!("{:+.4} to {:+.4}", interval.low, interval.high)
            });
            [
                one.name.clone(),
                format!("{:.4}", one.before),
                format!("{:.4}", one.after),
                format!("{:+.4}", one.after - one.before),
                between,
            ]
        });
        let header = [
            "figure",
            &self.name,
            "here",
            "difference",
            "95 % confidence",
        ];
        let table = show::table(header, rows);
        show::note(format_args!("against {}\n{table}", self.name));
        if self.differences.iter().all(|one| one.interval.is_none()) {
            show::note(format_args!(
                "one run each can't tell luck from rules: --replications 10 says how sure a difference is"
            ));
        }
    }
}

fn print_figures(name: &str, before: &Value, printed: &Printed<'_>) -> Result<(), Failure> {
    let after =
        serde_json::to_value(printed).map_err(|error| Failure::run(format!("JSON: {error}")))?;
    let rows = report::compare(before, &after).into_iter().map(|one| {
        // Nothing can't be so many per cent more.
        let change = match one.before {
            0.0 => "new".to_owned(),
            before => format!("{:+.1} %", 100.0 * (one.after - before) / before.abs()),
        };
        [
            one.name,
            format!("{:.4}", one.before),
            format!("{:.4}", one.after),
            change,
        ]
    });
    let table = show::table(["figure", "before", "now", "change"], rows);
    show::note(format_args!("against {name}\n{table}"));
    Ok(())
}
