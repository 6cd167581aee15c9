//! `vaxel explain CODE`: what a finding means, why it matters, and what to do.

use std::process::ExitCode;

use callcore::check::{CATALOGUE, entry, explanation};

use crate::{cli::ExplainArgs, failure::Failure, show};

pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    match &args.code {
        None => {
            for entry in CATALOGUE {
                show::line(format_args!(
                    "{} {:7} {}",
                    entry.code,
                    entry.severity.name(),
                    entry.title
                ))?;
            }
        }
        Some(code) => match entry(code) {
            Some(entry) => show::line(format_args!("{}", explanation(entry).trim_end()))?,
            None => {
                return Err(Failure::usage(format!(
                    "no finding has the code {code}; `vaxel explain` lists them all"
                )));
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}
