//! `vaxel routes schema`: the JSON Schema of scenarios, so that editors complete keys.

use std::process::ExitCode;

use crate::{failure::Failure, show};

pub(crate) fn run() -> Result<ExitCode, Failure> {
    show::line(format_args!("{}", callcore::scenario::json_schema()))?;
    Ok(ExitCode::SUCCESS)
}
