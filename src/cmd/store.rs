//! `vaxel store check`: tries what is kept as a stranger would.

use std::process::ExitCode;

use recorder::check::{self, Severity, Targets};

use crate::{
    cli::{StoreArgs, StoreCommand},
    failure::Failure,
    files, show,
};

pub(crate) fn run(args: StoreArgs) -> Result<ExitCode, Failure> {
    let StoreCommand::Check {
        config,
        data,
        listener,
        json,
    } = args.what;
    let mut scenario = files::load(&config)?.scenario;
    files::settle(&mut scenario, data.as_deref());
    let mut targets = Targets::of(&scenario);
    let further = listener.into_iter().map(|at| ("listener".to_owned(), at));
    targets.listeners.extend(further);
    let bar = show::bar(None, "looking");
    let checked = check::check(Some(&scenario), &targets);
    bar.finish_and_clear();
    if json {
        show::json(&checked)?;
    } else {
        for finding in &checked.findings {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            show::line(format_args!(
                "{} {severity} {}: {}",
                finding.code, finding.r#where, finding.message
            ))?;
        }
        show::line(format_args!(
            "{} files and {} listeners tried: {} findings",
            checked.files,
            checked.listeners,
            checked.findings.len()
        ))?;
    }
    Ok(ExitCode::from(u8::from(!checked.findings.is_empty())))
}
