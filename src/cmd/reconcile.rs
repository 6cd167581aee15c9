//! `vaxel recordings reconcile`: what the switch says of its calls against what is stored, both ways.

use std::{path::PathBuf, process::ExitCode};

use jiff::Timestamp;
use recorder::{
    reconcile::{self, Asked, Report},
    store::Store,
};

use crate::{cli::ReconcileArgs, failure::Failure, files, show};

/// Differences told one by one; `--json` has more.
const TOLD_MAX: usize = 50;

pub(crate) fn run(
    store: &Store,
    calls: Option<PathBuf>,
    args: &ReconcileArgs,
    json: bool,
) -> Result<ExitCode, Failure> {
    let (vault, index) = store.parts();
    if let Some(named) = args.calls.as_ref().filter(|it| !it.is_dir()) {
        return Err(Failure::usage(format!(
            "{} is no folder: name the one that `vaxel gateway --calls` writes",
            named.display()
        )));
    }
    let calls = args.calls.clone().or(calls);
    let failed = |error: reconcile::ReconcileError| Failure::run(error.to_string());
    let known = reconcile::known(vault, calls.as_deref()).map_err(failed)?;
    let (begin, end) = known.unwrap_or((Timestamp::UNIX_EPOCH, Timestamp::now()));
    let moment = |text: Option<&str>, default| text.map_or(Ok(default), files::moment);
    let all = Asked {
        from: moment(args.from.as_deref(), begin)?,
        until: moment(args.until.as_deref(), end)?,
        folders: true,
        bucket: true,
        erased: true,
    };
    if all.from > all.until && (args.from.is_some() || args.until.is_some()) {
        return Err(Failure::usage(format!(
            "--from, {}, is after --until, {}: give both, the earlier one first",
            all.from, all.until
        )));
    }
    // Whoever names an end means it.
    let asked = if args.until.is_some() {
        all
    } else {
        all.settled(Timestamp::now())
    };
    if known.is_none() {
        show::note(
            "no switch has said which calls there were: every recording is extra. `vaxel gateway --calls FOLDER` writes them, POST /api/calls takes them",
        );
    }
    let bar = show::bar(None, "recordings held against calls");
    let report = reconcile::reconcile(vault, index, calls.as_deref(), &asked).map_err(failed);
    bar.finish_and_clear();
    let mut report = report?;
    if known.is_none() && args.from.is_none() {
        // The time begins nowhere.
        report.from = None;
    }
    if json {
        show::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(ExitCode::from(u8::from(report.found() > 0)))
}

fn print(report: &Report) -> Result<(), Failure> {
    let rows = report.controllers.iter().map(|(controller, line)| {
        [
            controller.clone(),
            line.expected.to_string(),
            line.stored.to_string(),
            line.missing.to_string(),
            line.extra.to_string(),
            line.short.to_string(),
            line.untagged.to_string(),
            line.erased.to_string(),
            line.unended.to_string(),
        ]
    });
    let header = [
        "controller",
        "expected",
        "stored",
        "missing",
        "extra",
        "short",
        "untagged",
        "erased",
        "unended",
    ];
    show::line(show::table(header, rows))?;
    for one in report.differences.iter().take(TOLD_MAX) {
        let call = one.call.map(|call| format!("call {call} "));
        show::line(format_args!(
            "{} {}: {}{} {}: {}",
            one.kind,
            one.controller,
            call.unwrap_or_default(),
            one.at,
            one.recording,
            one.why
        ))?;
    }
    let time = match &report.from {
        Some(from) => format!("{from} to {}", report.until),
        None => format!("until {}", report.until),
    };
    show::line(format_args!(
        "{time}: {} calls, {} of them left for a provider with {} recordings here; {} differences, {} unreadable lines",
        report.calls,
        report.external_calls,
        report.external_recordings,
        report.found() - report.unreadable,
        report.unreadable
    ))
}
