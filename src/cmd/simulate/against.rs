//! `--against`: another scenario with the same callers, or the JSON that another run printed.

use std::{path::Path, sync::atomic::AtomicBool};

use serde::Serialize;
use serde_json::Value;
use simulator::{
    Plan, Results,
    report::{self, Comparison, Difference, Run},
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

/// What came of it.
pub(super) enum Compared {
    /// The figures of another run, whatever callers it met.
    Figures(String, Vec<Comparison>),
    /// Two runs that met the same callers.
    Runs(Box<TwoRuns>),
}

pub(super) struct TwoRuns {
    name: String,
    setup: Setup,
    results: Results,
    differences: Vec<Difference>,
}

/// What `--json` has of it, under `against`. The keys are fixed: programs read them.
#[derive(Debug, Serialize)]
pub(super) struct PrintedAgainst<'a> {
    /// The other scenario or file, as it was given.
    name: &'a str,
    /// Of the other run: its own figures can be told from it. `None`: only its figures were given.
    digest: Option<&'a str>,
    /// The other run was interrupted.
    partial: bool,
    differences: Vec<PrintedDifference<'a>>,
}

/// A figure in both runs, in the unit of the figure of this name above.
#[derive(Debug, Serialize)]
struct PrintedDifference<'a> {
    name: &'a str,
    before: f64,
    after: f64,
    difference: f64,
    /// Where it lies with 95 % confidence, and whether it is more than luck; `null` where one run each can't tell.
    low: Option<f64>,
    high: Option<f64>,
    sure: Option<bool>,
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

    /// Runs it where there is something to run.
    pub(super) fn compare(
        self,
        first: &Setup,
        printed: &Printed<'_>,
        results: &Results,
        stop: &AtomicBool,
    ) -> Result<Compared, Failure> {
        match self {
            Self::Printed(name, before) => {
                let after = serde_json::to_value(printed)
                    .map_err(|error| Failure::run(format!("JSON: {error}")))?;
                Ok(Compared::Figures(name, report::compare(&before, &after)))
            }
            Self::Scenario(name, setup) => {
                let other = once(&setup, stop, None)?;
                let (before, after) = ((&setup.scenario, &other), (&first.scenario, results));
                let differences = report::differences(before, after);
                Ok(Compared::Runs(Box::new(TwoRuns {
                    differences,
                    name,
                    setup: *setup,
                    results: other,
                })))
            }
        }
    }
}

impl Compared {
    /// The table. On stderr, so that stdout has one run's figures.
    pub(super) fn print(&self) {
        match self {
            Self::Figures(name, figures) => print_figures(name, figures),
            Self::Runs(runs) => runs.print(),
        }
    }

    pub(super) fn printed(&self) -> PrintedAgainst<'_> {
        match self {
            Self::Figures(name, figures) => PrintedAgainst {
                name,
                digest: None,
                partial: false,
                differences: figures.iter().map(PrintedDifference::of_figure).collect(),
            },
            Self::Runs(runs) => PrintedAgainst {
                name: &runs.name,
                digest: Some(&runs.results.summary.digest),
                partial: runs.results.summary.partial,
                differences: runs.differences.iter().map(PrintedDifference::of).collect(),
            },
        }
    }

    /// Whether the other run was interrupted.
    pub(super) fn is_partial(&self) -> bool {
        matches!(self, Self::Runs(runs) if runs.results.summary.partial)
    }
}

impl<'a> PrintedDifference<'a> {
    fn of(one: &'a Difference) -> Self {
        Self {
            name: &one.name,
            before: one.before,
            after: one.after,
            difference: one.after - one.before,
            low: one.interval.map(|interval| interval.low),
            high: one.interval.map(|interval| interval.high),
            sure: one.is_sure(),
        }
    }

    fn of_figure(one: &'a Comparison) -> Self {
        Self {
            name: &one.name,
            before: one.before,
            after: one.after,
            difference: one.after - one.before,
            low: None,
            high: None,
            sure: None,
        }
    }
}

impl TwoRuns {
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

    /// All together, and what surely differs queue by queue.
    fn print(&self) {
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

fn print_figures(name: &str, figures: &[Comparison]) {
    let rows = figures.iter().map(|one| {
        // Nothing can't be so many per cent more.
        let change = match one.before {
            0.0 => "new".to_owned(),
            before => format!("{:+.1} %", 100.0 * (one.after - before) / before.abs()),
        };
        [
            one.name.clone(),
            format!("{:.4}", one.before),
            format!("{:.4}", one.after),
            change,
        ]
    });
    let table = show::table(["figure", "before", "now", "change"], rows);
    show::note(format_args!("against {name}\n{table}"));
}
