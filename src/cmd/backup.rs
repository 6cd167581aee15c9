//! `vaxel backup`: copies in another place, tried by restoring them.

mod restore;

use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::Timestamp;
use recorder::{
    backup::{self, BackupError, Catalogue, Created, Policy, Tried, Where},
    envelope::{self, EnvelopeError, Identity},
    store::{self, Store},
};
use serde::Serialize;

use super::recordings::by;
use crate::{
    cli::{Asker, BackupArgs, BackupCommand},
    failure::Failure,
    files::{self, Kept},
    show,
};

pub(crate) fn run(args: BackupArgs) -> Result<ExitCode, Failure> {
    let json = args.store.json;
    if let BackupCommand::Key { out } = &args.what {
        return key(out, json);
    }
    let kept = files::kept(&args.store)?;
    match args.what {
        BackupCommand::Key { .. } => Ok(ExitCode::SUCCESS),
        BackupCommand::Create {
            to,
            keys_to,
            recipient,
            force,
            asker,
        } => {
            let recipient = recipient.as_deref().map(envelope::read_recipient);
            let place = Where {
                keys: keys_to.unwrap_or_else(|| beside(&to)),
                audio: to,
                recipient: recipient.transpose().map_err(usage)?,
                force,
            };
            create(&kept, &place, asker, json)
        }
        BackupCommand::Keys => keys(&kept, json),
        BackupCommand::List => list(&kept, json),
        BackupCommand::Test {
            name,
            identity,
            scratch,
            asker,
        } => {
            let identities = envelope::read_identities(&identity).map_err(usage)?;
            let scratch = scratch.unwrap_or_else(std::env::temp_dir);
            test(&kept, name.as_deref(), &identities, &scratch, asker, json)
        }
        BackupCommand::Restore {
            backup,
            keys,
            identity,
            to,
            register,
            asker,
        } => {
            let identities = envelope::read_identities(&identity).map_err(usage)?;
            let from = restore::source(&kept, &backup, keys, register)?;
            restore::restore(&kept, &from, &identities, &to, asker, json)
        }
        BackupCommand::Prune { lost, asker } => prune(&kept, lost.as_deref(), asker, json),
    }
}

fn key(out: &Path, json: bool) -> Result<ExitCode, Failure> {
    let identity = Identity::generate().map_err(failed)?;
    write_key(out, &identity)?;
    let recipient = identity.recipient().to_string();
    if json {
        show::json(&serde_json::json!({ "recipient": recipient, "file": out }))?;
    } else {
        show::line(recipient)?;
        show::note(format_args!(
            "vaxel: the line above is for `vaxel backup create --recipient`; {} opens every backup sealed for it: keep it apart from them, and another copy of it",
            out.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// A new secret key as `age-keygen` writes it; never over one that is there.
pub(super) fn write_key(out: &Path, identity: &Identity) -> Result<(), Failure> {
    use std::io::Write;
    let text = format!(
        "# created: {}\n# public key: {}\n{}\n",
        Timestamp::now(),
        identity.recipient(),
        identity.to_text().as_str()
    );
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .map_err(|error| Failure::usage(format!("{} can't be made: {error}", out.display())))
}

fn beside(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push("-keys");
    PathBuf::from(name)
}

fn open(kept: &Kept) -> Result<Store, Failure> {
    store::open_to_change_place(kept.place.clone()).map_err(Failure::store)
}

fn create(kept: &Kept, place: &Where, asker: Asker, json: bool) -> Result<ExitCode, Failure> {
    let store = open(kept)?;
    let policy = Policy::of(&kept.scenario);
    let by = by(asker)?;
    let bar = show::bar(None, "backed up");
    let made = backup::create(
        store.parts(),
        place,
        policy,
        &by,
        Timestamp::now(),
        &mut || bar.inc(1),
    );
    bar.finish_and_clear();
    let created = made.map_err(told)?;
    let code = ExitCode::from(u8::from(!created.wrong.is_empty()));
    if json {
        show::json(&created)?;
    } else {
        print_created(&created)?;
    }
    Ok(code)
}

fn print_created(created: &Created) -> Result<(), Failure> {
    for (id, why) in &created.wrong {
        show::line(format_args!("{id} isn't in it: {why}"))?;
    }
    if created.locked > 0 {
        show::line(format_args!(
            "{} of those in it are under a key that was said to be lost: they open if it turns up",
            created.locked
        ))?;
    }
    let kept = &created.kept;
    if let Some(before) = &created.until_now_for {
        show::line(format_args!(
            "sealed for somebody else than the ones before: {}, not {before}",
            created.sealed_for
        ))?;
    }
    show::line(format_args!(
        "{}: {} recordings, {} bytes in {}",
        kept.name,
        kept.recordings,
        kept.bytes,
        kept.audio.display()
    ))?;
    show::line(format_args!(
        "keys and ledgers: {} files in {}",
        created.keys.files,
        created.keys.path.display()
    ))?;
    if kept.expires.is_empty() {
        show::line(
            "how long it is kept isn't decided: add `lifetime` to the store's `backup` in the scenario",
        )
    } else {
        show::line(format_args!("it must be gone on {}", kept.expires))
    }
}

fn keys(kept: &Kept, json: bool) -> Result<ExitCode, Failure> {
    let store = open(kept)?;
    let (vault, index) = store.parts();
    let part = backup::refresh(vault, index, Timestamp::now()).map_err(told)?;
    let part = part.ok_or_else(|| told(BackupError::None))?;
    if json {
        show::json(&part)?;
    } else {
        show::line(format_args!(
            "{} replaced: {} files, {} lines of the destruction register",
            part.path.display(),
            part.files,
            part.register_lines
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    catalogue: Catalogue,
    expired: Vec<String>,
    test_due: bool,
    /// There should be one, and is none.
    backup_due: bool,
    /// The key part isn't where it was put: none of them opens.
    keys_missing: bool,
}

fn list(kept: &Kept, json: bool) -> Result<ExitCode, Failure> {
    let store = open(kept)?;
    let now = Timestamp::now();
    let policy = Policy::of(&kept.scenario);
    let catalogue = Catalogue::read(store.parts().0).map_err(told)?;
    let listed = Listed {
        expired: catalogue.expired(now).map(|one| one.name.clone()).collect(),
        test_due: catalogue.test_due(policy, now),
        backup_due: catalogue.is_due(policy),
        keys_missing: catalogue.lacks_keys(),
        catalogue,
    };
    let missing = listed.catalogue.backups.iter().any(|one| !one.is_there());
    let overdue = listed.test_due || listed.backup_due || !listed.expired.is_empty();
    let wrong = overdue || missing || listed.keys_missing;
    if json {
        show::json(&listed)?;
    } else {
        print_list(&listed)?;
    }
    Ok(ExitCode::from(u8::from(wrong)))
}

fn print_list(listed: &Listed) -> Result<(), Failure> {
    if listed.catalogue.backups.is_empty() {
        return show::line(BackupError::None);
    }
    let rows = listed.catalogue.backups.iter().map(|one| {
        let state = match (one.is_there(), listed.expired.contains(&one.name)) {
            (false, _) => "MISSING",
            (true, true) => "EXPIRED",
            (true, false) => "kept",
        };
        let tested = one.tested.as_ref().map_or("never".to_owned(), |tested| {
            let day = tested.at.get(..10).unwrap_or_default();
            let how = if tested.sound { "" } else { ", FAILED" };
            format!("{day}{how}")
        });
        [
            one.name.clone(),
            one.recordings.to_string(),
            one.bytes.to_string(),
            one.expires.clone(),
            state.to_owned(),
            tested,
        ]
    });
    let header = [
        "backup",
        "recordings",
        "bytes",
        "gone by",
        "state",
        "restore tried",
    ];
    show::line(show::table(header, rows))?;
    if listed.keys_missing {
        show::line(
            "the key part is MISSING, so that none of them opens: `vaxel backup keys` makes it anew from the store",
        )?;
    }
    if listed.test_due {
        show::line("a trial of a restore is due: `vaxel backup test --identity FILE`")?;
    }
    if !listed.expired.is_empty() {
        show::line("`vaxel backup prune` removes what has expired")?;
    }
    Ok(())
}

fn test(
    kept: &Kept,
    name: Option<&str>,
    identities: &[Identity],
    scratch: &Path,
    asker: Asker,
    json: bool,
) -> Result<ExitCode, Failure> {
    let store = open(kept)?;
    let policy = Policy::of(&kept.scenario);
    let by = by(asker)?;
    let bar = show::bar(None, "restoring");
    let tried = backup::trial(
        store.parts(),
        name,
        identities,
        scratch,
        policy,
        &by,
        Timestamp::now(),
    );
    bar.finish_and_clear();
    let tried = tried.map_err(told)?;
    let code = ExitCode::from(u8::from(!tried.tested.sound));
    if json {
        show::json(&tried)?;
    } else {
        print_tried(&tried)?;
    }
    Ok(code)
}

fn print_tried(tried: &Tried) -> Result<(), Failure> {
    for wrong in &tried.wrong {
        show::line(format_args!("{}: {}", wrong.what, wrong.why))?;
    }
    if let Some(back) = &tried.restored {
        show::line(format_args!(
            "{}: {} recordings came back, {} files as they were backed up, {} erased since stayed away",
            tried.tested.name, back.recordings, back.files, back.erased_since
        ))?;
    }
    if tried.tested.next.is_empty() {
        show::line(
            "how often it is tried isn't decided: add `restore_test` to the store's `backup` in the scenario",
        )
    } else {
        show::line(format_args!(
            "the next trial is due on {}",
            tried.tested.next
        ))
    }
}

fn prune(kept: &Kept, lost: Option<&Path>, asker: Asker, json: bool) -> Result<ExitCode, Failure> {
    let (store, now) = (open(kept)?, Timestamp::now());
    let (gone, what) = match lost {
        Some(place) => {
            let gone = Catalogue::give_up(store.parts(), place, &by(asker)?, now);
            (gone, "forgotten")
        }
        None => (Catalogue::prune(store.parts().0, now), "removed"),
    };
    let gone = gone.map_err(told)?;
    if json {
        show::json(&serde_json::json!({ what: gone }))?;
    } else {
        show::line(format_args!("{} {what}", gone.len()))?;
        gone.iter().try_for_each(show::line)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives the error away"
)]
fn told(error: BackupError) -> Failure {
    match error {
        BackupError::SameVolume { .. }
        | BackupError::NotApart { .. }
        | BackupError::NoRecipient
        | BackupError::None
        | BackupError::Unknown(_)
        | BackupError::InsideStore { .. }
        | BackupError::PlaceThere { .. }
        | BackupError::NothingThere { .. }
        | BackupError::HowLost
        | BackupError::Envelope {
            source: EnvelopeError::NotForUs,
            ..
        }
        | BackupError::There { .. } => Failure::usage(error.to_string()),
        BackupError::File { ref source, .. } => Failure::file(source, error.to_string()),
        _ => Failure::run(error.to_string()),
    }
}

fn usage(error: impl std::error::Error) -> Failure {
    Failure::usage(error.to_string())
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::run(error.to_string())
}
