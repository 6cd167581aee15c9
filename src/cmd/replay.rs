//! `vaxel replay`: a switch's journal fed to a fresh call machine, and what comes out compared.

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read},
    path::Path,
    process::ExitCode,
};

use callcore::{
    journal::{Replay, ReplayError, Report},
    scenario::SCENARIO_LEN_MAX,
};
use serde::Serialize;

use crate::{cli::ReplayArgs, failure::Failure, show};

/// The longest line: a whole scenario, each of its characters escaped.
const LINE_LEN_MAX: u64 = 2 * SCENARIO_LEN_MAX as u64 + 1024;

/// What a replay found, for programs.
#[derive(Debug, Serialize)]
struct Found {
    identical: bool,
    inputs: u64,
    outputs: u64,
    calls: u64,
    /// Whether the journal was closed in good order, and not cut.
    whole: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<First>,
}

/// The first difference.
#[derive(Debug, Serialize)]
struct First {
    line: u64,
    after: String,
    journal: String,
    replay: String,
}

pub(crate) fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    match repeat(&args.journal)? {
        Ok(report) => same(&report, args.json),
        Err(ReplayError::Difference(found)) => {
            if args.json {
                show::json(&Found {
                    identical: false,
                    inputs: 0,
                    outputs: 0,
                    calls: 0,
                    whole: false,
                    difference: Some(First {
                        line: found.line,
                        after: found.after,
                        journal: found.journal,
                        replay: found.replay,
                    }),
                })?;
            } else {
                show::line(format_args!("{found}"))?;
            }
            Ok(ExitCode::from(1))
        }
        Err(error) => {
            let file = args.journal.display();
            Err(Failure::usage(format!("{file}: {error}")))
        }
    }
}

fn same(report: &Report, json: bool) -> Result<ExitCode, Failure> {
    if json {
        show::json(&Found {
            identical: true,
            inputs: report.inputs,
            outputs: report.outputs,
            calls: report.calls,
            whole: report.whole,
            difference: None,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let Report {
        inputs,
        outputs,
        calls,
        whole,
    } = report;
    show::line(format_args!(
        "identical: {calls} calls, {inputs} inputs, {outputs} outputs"
    ))?;
    if !whole {
        show::line(format_args!(
            "the journal was cut (the switch was killed, or runs still): repeated up to there"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads line by line: a journal may be larger than memory.
fn repeat(file: &Path) -> Result<Result<Report, ReplayError>, Failure> {
    let unreadable = |error: std::io::Error| {
        let text = format!("the journal {} can't be read: {error}", file.display());
        match error.kind() {
            ErrorKind::NotFound => Failure::usage(text),
            _ => Failure::run(text),
        }
    };
    let mut lines = BufReader::new(File::open(file).map_err(unreadable)?);
    let mut replay = Replay::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines
            .by_ref()
            .take(LINE_LEN_MAX)
            .read_until(b'\n', &mut line)
            .map_err(unreadable)?;
        // A line without an end was cut while it was written.
        if read == 0 || line.pop() != Some(b'\n') {
            return Ok(replay.finish());
        }
        if let Err(error) = replay.line(&String::from_utf8_lossy(&line)) {
            return Ok(Err(error));
        }
    }
}
