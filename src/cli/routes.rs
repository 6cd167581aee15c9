//! The arguments of `vaxel routes`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    #[command(subcommand)]
    pub(crate) what: RoutesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// Read scenarios like a compiler: callers without a route, rules that never win, and what the law says
    Check(CheckArgs),
    /// Say what happens to one call, and why
    Explain(ExplainCallArgs),
    /// Where every kommun's calls go at a moment
    Table(TableArgs),
    /// Run the `expect` tests inside scenarios
    Test(TestArgs),
    /// What another rule set would change: for whom, when, and for how many calls
    Diff(DiffArgs),
    /// Print the JSON Schema of scenarios, for editors
    Schema,
    /// Put a scenario's rules in force at a running switch, whole or not at all
    Apply(ApplyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The scenario file, or the name of a built-in one
    pub(crate) scenario: String,
    /// The switch's web address
    #[arg(long, default_value = "http://127.0.0.1:1177")]
    pub(crate) to: String,
    /// The file with the token that the switch was started with (--admin-token)
    #[arg(long, value_name = "FILE")]
    pub(crate) token: PathBuf,
    /// Who asks, for the switch's history
    #[arg(long, default_value = "vaxel routes apply")]
    pub(crate) by: String,
    /// Print the change as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Scenario files, or names of built-in ones
    #[arg(default_value = "today")]
    pub(crate) scenarios: Vec<String>,
    /// The day on which agreements and decisions are in force or not (default: today)
    #[arg(long)]
    pub(crate) on: Option<String>,
    /// Print the findings as JSON on stdout
    #[arg(long, conflicts_with = "sarif")]
    pub(crate) json: bool,
    /// Print the findings as SARIF 2.1.0 on stdout, for code review tools
    #[arg(long)]
    pub(crate) sarif: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainCallArgs {
    /// The scenario file, or the name of a built-in one
    #[arg(long, default_value = "imy-2019")]
    pub(crate) config: String,
    /// The kommun-ID as it comes with the call; empty for a call without one
    #[arg(long)]
    pub(crate) kommun: String,
    /// When the call comes, Swedish time, such as 2018-11-05T22:15 (default: now)
    #[arg(long)]
    pub(crate) at: Option<String>,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// The scenario file, or the name of a built-in one
    #[arg(long, default_value = "imy-2019")]
    pub(crate) config: String,
    /// The moment, Swedish time (default: now)
    #[arg(long)]
    pub(crate) at: Option<String>,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Scenario files, or names of built-in ones (default: every built-in one)
    pub(crate) scenarios: Vec<String>,
    /// Print JUnit XML on stdout
    #[arg(long, conflicts_with = "json")]
    pub(crate) junit: bool,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The scenario as it is: a file, or the name of a built-in one
    pub(crate) a: String,
    /// The scenario as it would be
    pub(crate) b: String,
    /// The year that is looked at (default: the days that the first scenario simulates, or the second's, else this year)
    #[arg(long)]
    pub(crate) year: Option<i16>,
    /// Calls to try, one a line: a moment and a kommun-ID, as in 2019-03-01T12:00,0180
    #[arg(long, conflicts_with_all = ["calls", "seed"])]
    pub(crate) traffic: Option<PathBuf>,
    /// Simulated calls a year (default: what the first scenario says)
    #[arg(long)]
    pub(crate) calls: Option<u32>,
    /// Seed of everything drawn by chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}
