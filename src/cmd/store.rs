//! `vaxel store`: tries what is kept as a stranger would, and changes a controller's key.

use std::{path::Path, process::ExitCode};

use recorder::{
    check::{self, Severity, Targets},
    rotate, store,
};

use crate::{
    cli::{StoreArgs, StoreCommand},
    failure::Failure,
    files, ports, show,
};

pub(crate) fn run(args: StoreArgs) -> Result<ExitCode, Failure> {
    let (config, data, listener, shift, json) = match args.what {
        StoreCommand::Check {
            config,
            data,
            listener,
            shift,
            json,
        } => (config, data, listener, shift, json),
        StoreCommand::RotateKey {
            controller,
            config,
            data,
        } => return rotate_key(&controller, &config, data.as_deref()),
    };
    let mut scenario = files::load(&config)?.scenario;
    files::settle(&mut scenario, data.as_deref());
    ports::shift(&mut scenario, shift)?;
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

fn rotate_key(controller: &str, config: &str, data: Option<&Path>) -> Result<ExitCode, Failure> {
    let kept = files::kept(config, data)?;
    let failed = |error: String| Failure::run(error);
    let store =
        store::open_to_change_place(kept.place).map_err(|error| failed(error.to_string()))?;
    let (vault, index) = store.parts();
    let bar = show::bar(None, "data keys");
    let done = rotate::rotate(vault, index, controller, |more| bar.inc(more));
    bar.finish_and_clear();
    let done = done.map_err(|error| failed(error.to_string()))?;
    // The old key goes from the backups too.
    super::backup::renew_key_part(&store);
    let again = if done.resumed { ", gone on with" } else { "" };
    show::line(format_args!(
        "{controller} has a new key{again}: {} data keys wrapped anew, {} were already; the old key is destroyed",
        done.wrapped, done.passed_over
    ))?;
    Ok(ExitCode::SUCCESS)
}
