//! `vaxel gallring`: what is due, erasing it, and the destruction register.

use std::{ops::ControlFlow, process::ExitCode};

use callcore::scenario::Scenario;
use jiff::{Timestamp, civil::Date};
use recorder::{
    gallring::{self, Destroyed, GallringError, Plan, Register, Report, Step},
    store::{self, Store},
};
use serde::Serialize;

use crate::{
    cli::{GallringArgs, GallringCommand},
    failure::Failure,
    files, show,
};

pub(crate) fn run(args: &GallringArgs) -> Result<ExitCode, Failure> {
    let kept = files::kept(&args.store)?;
    let store = store::open_to_change_place(kept.place.clone()).map_err(Failure::store)?;
    match &args.what {
        GallringCommand::Plan { at } => {
            let day = files::day(at.as_deref())?;
            plan(&store, &kept.scenario, day, args.store.json)
        }
        GallringCommand::Run { at, today } => {
            let day = files::day(at.as_deref())?;
            let said = today
                .as_deref()
                .map(|it| files::day(Some(it)))
                .transpose()?;
            let (vault, index) = store.parts();
            gallring::refuse_jump(vault, index, Timestamp::now(), said).map_err(no_day)?;
            erase(&store, &kept.scenario, day, args.store.json)
        }
        GallringCommand::Register { verify } => register(&store, *verify, args.store.json),
    }
}

fn plan(store: &Store, scenario: &Scenario, day: Date, json: bool) -> Result<ExitCode, Failure> {
    let (vault, index) = store.parts();
    let plan = gallring::plan(vault, index, scenario, day).map_err(failed)?;
    note_lifted(store)?;
    if json {
        show::json(&plan)?;
    } else {
        print_plan(&plan)?;
    }
    Ok(ExitCode::from(u8::from(plan.overdue > 0)))
}

/// What the index says of holds isn't all that counts.
pub(super) fn note_lifted(store: &Store) -> Result<u64, Failure> {
    let lifted = store.lifted().map_err(failed)?;
    if lifted > 0 {
        show::note(format_args!(
            "vaxel: {lifted} recordings are held by the access log, and the index doesn't say so: `vaxel gallring run` holds them again before it erases anything, `vaxel recordings verify` shows which; find out who changed the index"
        ));
    }
    Ok(lifted)
}

fn erase(store: &Store, scenario: &Scenario, day: Date, json: bool) -> Result<ExitCode, Failure> {
    let (vault, index) = store.parts();
    let bar = show::bar(None, "erased");
    let mut watch = |step| {
        if step == Step::Destroyed {
            bar.inc(1);
        }
        ControlFlow::Continue(())
    };
    let ran = gallring::run(vault, index, scenario, day, Timestamp::now(), &mut watch);
    bar.finish_and_clear();
    // Also after a run that stopped half-way: what it destroyed goes from the backups too.
    let code = super::key_part::renew(store);
    let report = ran.map_err(no_day)?;
    if json {
        show::json(&report)?;
    } else {
        print_report(&report)?;
    }
    if report.refused > 0 || report.held_again > 0 || !report.logs_unread.is_empty() {
        return Ok(ExitCode::from(1));
    }
    Ok(code)
}

#[derive(Serialize)]
struct Shown {
    verified: Option<recorder::ledger::Verified>,
    entries: Vec<Register>,
}

fn register(store: &Store, verify: bool, json: bool) -> Result<ExitCode, Failure> {
    let (vault, _) = store.parts();
    let mut entries = Vec::new();
    let verified = match gallring::register(vault, verify, |entry| entries.push(entry)) {
        Ok(verified) => verified,
        // A register that doesn't hold is what somebody looked for: a finding.
        Err(error) if verify => {
            show::note(format_args!("vaxel: {error}"));
            return Ok(ExitCode::from(1));
        }
        Err(error) => return Err(failed(error)),
    };
    if json {
        show::json(&Shown { verified, entries })?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = entries.len();
    if count == 0 {
        show::line("The destruction register is empty: nothing was erased here.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = entries.into_iter().map(|entry| {
        let gone = entry.destroyed;
        let object = gone.object.get(..20).unwrap_or(&gone.object).to_owned();
        let at = entry.at.get(..19).unwrap_or_default().to_owned();
        let (class, decision) = what_and_why(&gone);
        [
            entry.seq.to_string(),
            at,
            gone.controller,
            class,
            object,
            decision,
        ]
    });
    let header = [
        "no",
        "erased (UTC)",
        "controller",
        "class",
        "object",
        "decision",
    ];
    show::line(show::table(header, rows))?;
    match verified {
        Some(found) => {
            show::line(format_args!(
                "{} lines, {} signatures hold, {} not signed yet; last hash {}",
                found.lines, found.signatures, found.unsigned, found.hash
            ))?;
            for change in &found.key_changes {
                show::line(show::key_change(change))?;
            }
        }
        None => show::line(format_args!(
            "{count} erased; `--verify` checks the chain and the signatures"
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The classes of what went, and the decisions it went under.
fn what_and_why(gone: &Destroyed) -> (String, String) {
    let (mut class, mut decision) = (gone.class.clone(), gone.decision.clone());
    if let Some(numbers) = &gone.numbers {
        class += ", telephone-number";
        if numbers.decision != decision {
            decision += &format!(", {}", numbers.decision);
        }
    }
    (class, decision)
}

fn print_plan(plan: &Plan) -> Result<(), Failure> {
    let rows = plan.groups.iter().map(|group| {
        [
            group.controller.clone(),
            group.class.clone(),
            group.month.clone(),
            group.objects.to_string(),
            verdict(group),
            group.earliest.clone(),
            group.latest.clone(),
            group.why.clone(),
        ]
    });
    let header = [
        "controller",
        "class",
        "of",
        "count",
        "",
        "from",
        "by",
        "why",
    ];
    show::line(show::table(header, rows))?;
    show::line(format_args!(
        "{}: {} due ({} bytes), {} stay; {} have outstayed their ceiling",
        plan.at, plan.due, plan.due_bytes, plan.stay, plan.overdue
    ))
}

fn verdict(group: &gallring::Group) -> String {
    match (group.verdict, group.overdue) {
        ("erase", _) => "erase".to_owned(),
        (_, 0) => "stays".to_owned(),
        _ => "OVERDUE".to_owned(),
    }
}

fn print_report(report: &Report) -> Result<(), Failure> {
    show::line(format_args!(
        "{}: {} recordings erased ({} bytes), numbers of {} recordings, {} months of access logs",
        report.at, report.recordings, report.bytes, report.numbers, report.access_logs
    ))?;
    if report.finished > 0 {
        show::line(format_args!(
            "{} of an earlier run finished",
            report.finished
        ))?;
    }
    if report.refused > 0 {
        show::line(format_args!(
            "{} refused by the store or S3 (the log says which and why); the next run tries again",
            report.refused
        ))?;
    }
    for controller in &report.logs_unread {
        show::line(format_args!(
            "nothing of {controller} is erased: its access log, which has every hold, isn't as it was written. Restore it from the key part of a backup; where none has it: `vaxel store log-lost --controller {controller} --reason \"...\"`"
        ))?;
    }
    if report.held_again > 0 {
        show::line(format_args!(
            "{} recordings were held by the access log and not by the index, and are held again: find out who changed the index",
            report.held_again
        ))?;
    }
    show::line(format_args!(
        "register: {} lines, last hash {}",
        report.register_lines, report.register_hash
    ))
}

fn no_day(error: GallringError) -> Failure {
    match error {
        GallringError::NotYet { .. } | GallringError::OtherDay { .. } => {
            Failure::usage(error.to_string())
        }
        _ => failed(error),
    }
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::run(error.to_string())
}
