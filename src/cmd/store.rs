//! `vaxel store`: tries what is kept as a stranger would, tells a new index what lies in S3, and changes a controller's key.

use std::{ops::ControlFlow, process::ExitCode};

use jiff::Timestamp;
use recorder::{
    check::{self, Targets},
    index::IndexError,
    lost::{self, LostError},
    recover,
    rotate::{self, RotateError},
    store::{self, By},
    vault::VaultError,
};
use serde::Serialize;

use super::recordings::by;
use crate::{
    cli::{Asker, StoreArgs, StoreCommand, StoreOf, StrangerArgs},
    failure::Failure,
    files, show,
};

pub(crate) fn run(args: StoreArgs) -> Result<ExitCode, Failure> {
    match args.what {
        StoreCommand::Check(what) => try_all(&args.store, what),
        StoreCommand::Recover => recover(&args.store),
        StoreCommand::RotateKey { controller } => rotate_key(&args.store, &controller),
        StoreCommand::RecordingsLost {
            controller,
            reason: None,
            ..
        } => recordings_without(&args.store, &controller),
        StoreCommand::RecordingsLost {
            controller,
            reason: purpose,
            who,
        } => recordings_lost(&args.store, &controller, &by(Asker { purpose, who })?),
        StoreCommand::LogLost {
            controller,
            reason,
            who,
        } => {
            let purpose = Some(reason);
            log_lost(&args.store, &controller, &by(Asker { purpose, who })?)
        }
        StoreCommand::KeyLost {
            controller,
            recording,
            signing_key,
            reason: purpose,
            who,
        } => {
            let purpose = Some(purpose);
            let by = by(Asker { purpose, who })?;
            match (controller, recording) {
                _ if signing_key => signing_key_lost(&args.store, &by),
                (Some(controller), _) => key_lost(&args.store, &controller, &by),
                (None, recording) => {
                    recording_key_lost(&args.store, &recording.unwrap_or_default(), &by)
                }
            }
        }
    }
}

fn try_all(of: &StoreOf, what: StrangerArgs) -> Result<ExitCode, Failure> {
    let mut scenario = files::load(&of.config)?.scenario;
    files::settle(&mut scenario, of.data.as_deref());
    gateway::shift(&mut scenario, what.shift)?;
    let mut targets = Targets::of(&scenario);
    let further = what
        .listener
        .into_iter()
        .map(|at| ("listener".to_owned(), at));
    targets.listeners.extend(further);
    if what.every_port {
        targets.others = check::listening().map_err(|error| {
            let text = format!("what listens on this machine can't be read: {error}");
            Failure::run(text)
        })?;
    }
    let bar = show::bar(None, "looking");
    let checked = check::check(Some(&scenario), &targets);
    bar.finish_and_clear();
    if of.json {
        show::json(&checked)?;
    } else {
        for finding in &checked.findings {
            let severity = finding.severity.name();
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

fn recover(of: &StoreOf) -> Result<ExitCode, Failure> {
    let failed = |error: String| Failure::run(error);
    let place = files::kept(of)?.place;
    let store = store::open_to_recover(place).map_err(Failure::store)?;
    let (vault, index) = store.parts();
    let bar = show::bar(None, "recordings in S3");
    let found = recover::recover_far(vault, index, &mut |more| {
        bar.inc(more);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let found = found.map_err(|error| failed(error.to_string()))?;
    if of.json {
        show::json(&found)?;
    } else {
        show::line(format_args!(
            "{} recordings in S3: {} entered again, {} that the register says were erased removed, {} stay unknown (the log says which)",
            found.recordings, found.entered, found.removed, found.unopened
        ))?;
    }
    Ok(ExitCode::from(u8::from(found.unopened > 0)))
}

fn key_lost(of: &StoreOf, controller: &str, by: &By) -> Result<ExitCode, Failure> {
    let kept = files::kept(of)?;
    let store = store::open_to_change_place(kept.place).map_err(Failure::store)?;
    let (vault, index) = store.parts();
    lost::key_lost(vault, index, controller, by, Timestamp::now()).map_err(not_lost)?;
    if of.json {
        show::json(&serde_json::json!({ "controller": controller }))?;
    } else {
        show::line(format_args!(
            "{controller}'s key is given up, and a new one made for what is recorded from now on; recordings without a key of their own go with the next `vaxel gallring run`, under its decisions. Back up the new one: `vaxel backup keys`"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn recording_key_lost(of: &StoreOf, recording: &str, by: &By) -> Result<ExitCode, Failure> {
    let kept = files::kept(of)?;
    let store = store::open_to_change_place(kept.place).map_err(Failure::store)?;
    let (vault, index) = store.parts();
    let given_up = lost::recording_key_lost(vault, index, recording, by, Timestamp::now());
    let id = given_up.map_err(not_lost)?.to_string();
    if of.json {
        show::json(&serde_json::json!({ "recording": id }))?;
    } else {
        show::line(format_args!(
            "{id}'s key is given up: nothing waits for it any more; it goes under its controller's decisions as before"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn recordings_without(of: &StoreOf, controller: &str) -> Result<ExitCode, Failure> {
    let kept = files::kept(of)?;
    let store = store::open_to_change_place(kept.place).map_err(Failure::store)?;
    let (vault, index) = store.parts();
    let found = lost::recordings_without(vault, index, controller).map_err(not_lost)?;
    let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
    if of.json {
        show::json(&serde_json::json!({ "controller": controller, "recordings": ids }))?;
    } else if ids.is_empty() {
        show::line(format_args!(
            "Every key of {controller}'s recordings has its recording here, or somebody has said that it is lost."
        ))?;
    } else {
        for id in &ids {
            show::line(id)?;
        }
        show::line(format_args!(
            "{} keys whose recordings are neither in the index nor in the store. Restore those from a newer backup, or say that they are lost for good: `--reason \"...\"`; the next `vaxel store rotate-key` then destroys their keys with the old one",
            ids.len()
        ))?;
    }
    Ok(ExitCode::from(u8::from(!ids.is_empty())))
}

fn recordings_lost(of: &StoreOf, controller: &str, by: &By) -> Result<ExitCode, Failure> {
    let kept = files::kept(of)?;
    let store = store::open_to_change_place(kept.place).map_err(Failure::store)?;
    let (vault, index) = store.parts();
    let lost = lost::recordings_lost(vault, index, controller, by, Timestamp::now());
    let lost = lost.map_err(not_lost)?;
    if of.json {
        show::json(&serde_json::json!({ "controller": controller, "lost": lost }))?;
    } else {
        show::line(format_args!(
            "{lost} recordings are given up, each in {controller}'s access log; their keys go with the old one at the next `vaxel store rotate-key --controller {controller}`"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn log_lost(of: &StoreOf, controller: &str, by: &By) -> Result<ExitCode, Failure> {
    let kept = files::kept(of)?;
    let store = store::open_to_change_place(kept.place).map_err(Failure::store)?;
    let (vault, index) = store.parts();
    lost::log_lost(vault, index, controller, by, Timestamp::now()).map_err(not_lost)?;
    if of.json {
        show::json(&serde_json::json!({ "controller": controller }))?;
    } else {
        show::line(format_args!(
            "What {controller}'s access log said of holds where it is broken is given up: `vaxel recordings holds` shows those that count now. Look through them before the next `vaxel gallring run`"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn signing_key_lost(of: &StoreOf, by: &By) -> Result<ExitCode, Failure> {
    let kept = files::kept(of)?;
    let store = store::open_to_change_place(kept.place).map_err(Failure::store)?;
    let (vault, _) = store.parts();
    let change = lost::signing_key_lost(vault, by, Timestamp::now()).map_err(not_lost)?;
    let code = super::key_part::renew_with_signing_key(&store);
    if of.json {
        show::json(&change)?;
        return Ok(code);
    }
    show::line("The signing key is given up. Access logs and register go on under another:")?;
    show::line(show::key_change(&change))?;
    show::line(
        "Hand the new one to whoever checks the register, by another way: nothing in the store proves that it is yours",
    )?;
    Ok(code)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives the error away"
)]
fn not_lost(error: LostError) -> Failure {
    match error {
        LostError::Index(IndexError::NotFound(_) | IndexError::Ambiguous(_)) => {
            Failure::usage(error.to_string())
        }
        LostError::Vault(VaultError::Unusable { .. })
        | LostError::Index(_)
        | LostError::Gallring(_)
        | LostError::Unlisted
        | LostError::Ledger(_) => Failure::run(error.to_string()),
        _ => Failure::usage(error.to_string()),
    }
}

#[derive(Debug, Serialize)]
struct NewKey<'a> {
    controller: &'a str,
    wrapped: u64,
    passed_over: u64,
    locked: u64,
    given_up: u64,
    resumed: bool,
}

fn rotate_key(of: &StoreOf, controller: &str) -> Result<ExitCode, Failure> {
    let kept = files::kept(of)?;
    let failed = |error: String| Failure::run(error);
    let store = store::open_to_change_place(kept.place).map_err(Failure::store)?;
    let (vault, index) = store.parts();
    let bar = show::bar(None, "data keys");
    let done = rotate::rotate(vault, index, controller, |more| bar.inc(more));
    bar.finish_and_clear();
    let done = done.map_err(|error| match error {
        RotateError::Nobody { .. } | RotateError::Vault(VaultError::Name(_)) => {
            Failure::usage(error.to_string())
        }
        _ => failed(error.to_string()),
    })?;
    // The old key goes from the backups too.
    let code = super::key_part::renew(&store);
    if of.json {
        show::json(&NewKey {
            controller,
            wrapped: done.wrapped,
            passed_over: done.passed_over,
            locked: done.locked,
            given_up: done.given_up,
            resumed: done.resumed,
        })?;
        return Ok(code);
    }
    let again = if done.resumed { ", gone on with" } else { "" };
    show::line(format_args!(
        "{controller} has a new key{again}: {} data keys wrapped anew, {} were already; the old key is destroyed",
        done.wrapped, done.passed_over
    ))?;
    if done.given_up > 0 {
        show::line(format_args!(
            "{} keys of recordings that were said to be lost went with it",
            done.given_up
        ))?;
    }
    if done.locked > 0 {
        show::line(format_args!(
            "{} of those are under a key that was said to be lost: they open if it turns up",
            done.locked
        ))?;
    }
    Ok(code)
}
