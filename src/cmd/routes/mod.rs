//! `vaxel routes`: what routing rules whether they hold together, and what a change would do.

mod apply;
mod check;
mod diff;
mod explain;
mod junit;
mod sarif;
mod schema;
mod source;
mod table;
mod test;

use std::process::ExitCode;

use crate::{cli::RoutesCommand, failure::Failure};

pub(crate) fn run(what: RoutesCommand) -> Result<ExitCode, Failure> {
    match what {
        RoutesCommand::Check(args) => check::run(&args),
        RoutesCommand::Explain(args) => explain::run(&args),
        RoutesCommand::Table(args) => table::run(&args),
        RoutesCommand::Test(args) => test::run(&args),
        RoutesCommand::Diff(args) => diff::run(&args),
        RoutesCommand::Schema => schema::run(),
        RoutesCommand::Apply(args) => apply::run(&args),
    }
}
