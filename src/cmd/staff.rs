//! `vaxel staff`: nurses by hour for a service level.

use std::process::ExitCode;

use crate::{cli::StaffArgs, failure::Failure};

pub(crate) fn run(args: &StaffArgs) -> Result<ExitCode, Failure> {
    Err(Failure::usage(format!("not yet for {}", args.region)))
}
