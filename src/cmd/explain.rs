//! `vaxel explain CODE`: what a finding means, why it matters, and what to do.

use std::process::ExitCode;

use callcore::check::{CATALOGUE, entry, explanation};
use recorder::check::catalogue as stranger;

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
            for entry in &stranger::CATALOGUE {
                let severity = entry.severity.name();
                show::line(format_args!("{} {severity:7} {}", entry.code, entry.title))?;
            }
        }
        Some(code) => match (entry(code), stranger::entry(code)) {
            (Some(entry), _) => show::line(format_args!("{}", explanation(entry).trim_end()))?,
            (None, Some(entry)) => {
                let text = stranger::explanation(entry);
                show::line(format_args!("{}", text.trim_end()))?;
            }
            (None, None) => {
                return Err(Failure::usage(format!(
                    "no finding has the code {code}; `vaxel explain` lists them all"
                )));
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}
