//! `vaxel backup restore`: needs nothing of the live store, and takes from it what isn't said.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::Timestamp;
use recorder::{
    backup::{self, BackupError, Catalogue, From, KEY_PART, Restored},
    envelope::Identity,
    gallring::{self, REGISTER},
    ledger::LedgerError,
    store,
    vault::VaultError,
};

use super::{by, failed, open, told};
use crate::{
    cli::Asker,
    failure::Failure,
    files::{self, Kept},
    show,
};

/// A file, or a name in the catalogue of the live store; what isn't said comes from there too.
pub(super) fn source(
    kept: &Kept,
    backup: &str,
    keys: Option<PathBuf>,
    register: Option<PathBuf>,
) -> Result<From, Failure> {
    for named in [&keys, &register].into_iter().flatten() {
        if !named.is_file() {
            let text = format!("{} isn't there: say where it is", named.display());
            return Err(Failure::usage(text));
        }
    }
    let live = kept.place.store.join(REGISTER);
    let register = register.or_else(|| live.exists().then_some(live));
    let audio = PathBuf::from(backup);
    if let (true, Some(keys)) = (audio.is_file(), keys.clone()) {
        return Ok(From {
            audio,
            keys,
            register,
        });
    }
    if audio.is_file() && !kept.place.store.exists() {
        // Whoever restores where nothing else is left has no catalogue to look it up in.
        return Err(no_key_part());
    }
    let store = &kept.place.store;
    if !store.is_dir() {
        let path = store.clone();
        return Err(Failure::store(VaultError::NoStore { path }.into()));
    }
    // Not opened: its keys may be what is to be restored.
    let catalogue = Catalogue::read_at(store).map_err(told)?;
    let part = catalogue.keys.as_ref().map(|part| part.path.clone());
    let audio = if audio.is_file() {
        audio
    } else {
        catalogue.find(Some(backup)).map_err(told)?.audio.clone()
    };
    let keys = keys.or(part).ok_or_else(no_key_part)?;
    Ok(From {
        audio,
        keys,
        register,
    })
}

fn no_key_part() -> Failure {
    Failure::usage(format!(
        "say where the key part is: `--keys .../{KEY_PART}`"
    ))
}

pub(super) fn restore(
    kept: &Kept,
    from: &From,
    identities: &[Identity],
    to: &Path,
    asker: Asker,
    json: bool,
) -> Result<ExitCode, Failure> {
    backup::refuse_inside(&kept.place, to).map_err(told)?;
    let (by, now) = (by(asker)?, Timestamp::now());
    // It needs nothing of the old store. When that is there, its controllers are to know.
    if let Ok(live) = open(kept) {
        match backup::log_restore(live.parts(), from, &by, now) {
            // It is what is to be restored.
            Err(BackupError::Ledger(
                error @ (LedgerError::KeyLost { .. } | LedgerError::Key { .. }),
            )) => show::note(format_args!(
                "vaxel: the access logs of {} can't say that it is restored: {error}",
                kept.place.store.display()
            )),
            other => other.map_err(told)?,
        }
    }
    let bar = show::bar(None, "restoring");
    let restored = backup::restore(from, identities, to, &by, now);
    bar.finish_and_clear();
    let restored = restored.map_err(|error| stopped(error, to))?;
    let store = store::open_to_change(&restored.store, &restored.keys).map_err(failed)?;
    let (vault, index) = store.parts();
    let plan = gallring::plan(vault, index, &kept.scenario, files::day(None)?).map_err(failed)?;
    if json {
        show::json(
            &serde_json::json!({ "restored": restored, "due": plan.due, "overdue": plan.overdue }),
        )?;
    } else {
        print_restored(&restored, plan.due)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A half of a store is in the way of the next try.
fn stopped(error: BackupError, to: &Path) -> Failure {
    let half = !matches!(error, BackupError::There { .. }) && to.join("store").exists();
    let failure = told(error);
    if half {
        show::note(format_args!(
            "vaxel: what was restored until then lies in {0}, and no command opens it: remove `store` and `keys` there before the next try",
            to.display()
        ));
    }
    failure
}

fn print_restored(restored: &Restored, due: u64) -> Result<(), Failure> {
    show::line(format_args!(
        "{} recordings in {}, keys in {}; {} files as they were backed up",
        restored.recordings,
        restored.store.display(),
        restored.keys.display(),
        restored.files
    ))?;
    show::line(format_args!(
        "held against {} lines of the destruction register: {} recordings and the numbers of {} stay away",
        restored.register_lines, restored.erased_since, restored.numbers_erased_since
    ))?;
    if restored.held_since > 0 {
        show::line(format_args!(
            "{} recordings are held by an order given after the backup was made",
            restored.held_since
        ))?;
    }
    show::line(format_args!(
        "to serve from there, name both folders as `store` and `keys` under [recorder]; `vaxel recordings verify` reads all of it"
    ))?;
    if due > 0 {
        show::line(format_args!(
            "{due} things are due to be erased now: `vaxel gallring run` before it serves"
        ))?;
    }
    Ok(())
}
