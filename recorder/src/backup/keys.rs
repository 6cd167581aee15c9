//! The key part: keys and ledgers. There is one, and it is replaced.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    BackupError, Catalogue, KEY_PART, KEYS, KeyPart, LEDGERS, catalogue::Kept, envelope, file,
};
use crate::{
    access, archive,
    envelope::{Recipient, Sealer, seal},
    gallring::{self, REGISTER},
    index::Index,
    ledger::{self, Signer},
    names::ControllerName,
    vault::{StoreLock, Vault, folder},
};

/// Held while the key part is written.
const LOCK: &str = ".backup-keys";
/// Longer than the keys of a million recordings take to be sealed and written.
const WAIT_MAX: Duration = Duration::from_secs(10 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Replaces the key part of a store's backups, so that keys destroyed since are gone from it. `None`: no backup was ever
/// made, so there is nothing to replace.
///
/// # Errors
/// When the place can't be reached, or keys are missing that nobody destroyed: then the old one stays.
pub fn refresh(
    vault: &Vault,
    index: &Index,
    now: Timestamp,
) -> Result<Option<KeyPart>, BackupError> {
    if Catalogue::read(vault)?.keys.is_none() {
        return Ok(None);
    }
    let _alone = alone(vault)?;
    // Only now: whoever had it before may have made a part for another receiver, in another place.
    let catalogue = Catalogue::read(vault)?;
    let Some(old) = &catalogue.keys else {
        return Ok(None);
    };
    let place = old.path.parent().unwrap_or(Path::new(".")).to_owned();
    let recipient = Recipient::parse(&catalogue.recipient).map_err(envelope(&old.path))?;
    let part = write(vault, index, &place, recipient, now)?;
    Catalogue::change(vault, |catalogue| catalogue.keys = Some(part.clone()))?;
    // A scratch place may hold keys that were destroyed since.
    let nobody_makes_one = gallring::lock(vault).ok();
    Catalogue::clear(vault, nobody_makes_one.is_some())?;
    Ok(Some(part))
}

/// Keeps every other renewal of the key part out until it is written and in the catalogue: of two at once the later one would fail,
/// and the part would have the keys that were destroyed before that.
pub(crate) fn alone(vault: &Vault) -> Result<StoreLock, BackupError> {
    let path = vault.store().join(LOCK);
    let until = Instant::now() + WAIT_MAX;
    loop {
        match StoreLock::take(&path)? {
            Some(lock) => return Ok(lock),
            None if Instant::now() < until => thread::sleep(LOOK_EVERY),
            None => return Err(BackupError::KeysBusy),
        }
    }
}

/// Writes the key part into a folder: a new one beside the old, then in its place.
pub(super) fn write(
    vault: &Vault,
    index: &Index,
    place: &Path,
    recipient: Recipient,
    now: Timestamp,
) -> Result<KeyPart, BackupError> {
    let path = place.join(KEY_PART);
    nothing_lost(vault, index, &path)?;
    let (files, register_lines) = folder::whole(&path, file(&path), |out| {
        let (files, register_lines, gone) = fill(vault, out, &path, recipient)?;
        if gone > 0 {
            // Destroyed meanwhile, if it isn't the keys' disk that went.
            nothing_lost(vault, index, &path)?;
        }
        Ok::<_, BackupError>((files, register_lines))
    })?;
    sync(place)?;
    Ok(KeyPart {
        path,
        at: now.to_string(),
        files,
        register_lines,
    })
}

/// Gives how many files are in it, the lines of the register among them, and how many files went meanwhile.
fn fill(
    vault: &Vault,
    out: &File,
    path: &Path,
    recipient: Recipient,
) -> Result<(u64, u64, u64), BackupError> {
    let sealer = seal(BufWriter::new(out), &[recipient]).map_err(envelope(path))?;
    let mut archive = archive::Writer::new(sealer);
    let (mut files, mut gone) = (0, 0);
    let mut count = |added| if added { files += 1 } else { gone += 1 };
    // Where ledgers were when they were signed goes before the ledgers: longer than that they may be, not shorter.
    for name in below(vault.keys())? {
        count(add(&mut archive, vault.keys(), &name, KEYS)?);
    }
    let mut ledgers: Vec<String> = access::segments(vault.store())?
        .into_iter()
        .map(|segment| segment.name)
        .collect();
    let mut register_lines = 0;
    if vault.store().join(REGISTER).exists() {
        ledger::read::<BackupError>(vault.store(), REGISTER, |_| {
            register_lines += 1;
            Ok(())
        })?;
        ledgers.push(REGISTER.to_owned());
    }
    for name in ledgers {
        count(add(&mut archive, vault.store(), &name, LEDGERS)?);
    }
    archive
        .finish()
        .and_then(Sealer::finish)
        .map_err(file(path))?;
    Ok((files, register_lines, gone))
}

pub(super) fn sync(place: &Path) -> Result<(), BackupError> {
    File::open(place)
        .and_then(|folder| folder.sync_all())
        .map_err(file(place))
}

/// Adds a file that may grow meanwhile: what it had when it was opened. One that is gone meanwhile isn't added: gallring works
/// beside.
fn add<W: Write>(
    archive: &mut archive::Writer<W>,
    root: &Path,
    name: &str,
    under: &str,
) -> Result<bool, BackupError> {
    let path = root.join(name);
    let open = || {
        let source = File::open(&path)?;
        let length = source.metadata()?.len();
        Ok::<_, io::Error>((source, length))
    };
    let (source, length) = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_go(name) => return Ok(false),
        other => other.map_err(file(&path))?,
    };
    let mut source = std::io::Read::take(source, length);
    archive
        .add(&format!("{under}{name}"), length, &mut source)
        .map(|_| true)
        .map_err(file(&path))
}

/// Data keys, access logs, and where those were when they were signed. Neither a controller's key nor the register ever goes.
fn may_go(name: &str) -> bool {
    let other = ["controllers/", "signing", REGISTER];
    !other.iter().any(|other| name.starts_with(other))
}

/// Every file below a folder by its relative name, in order. What is being written (`.new`, `.probe`) isn't told of.
pub(super) fn below(root: &Path) -> Result<Vec<String>, BackupError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(relative) = folders.pop() {
        let path = root.join(&relative);
        for entry in fs::read_dir(&path).map_err(file(&path))? {
            let entry = entry.map_err(file(&path))?;
            let inside = relative.join(entry.file_name());
            let kind = entry.file_type().map_err(file(&path))?;
            let unfinished = |name: &str| name.ends_with(".new") || name.ends_with(".probe");
            match inside.to_str() {
                _ if kind.is_dir() => folders.push(inside),
                Some(name) if kind.is_file() && !unfinished(name) => found.push(name.to_owned()),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Every recording has its key, every controller its own, and the ledgers theirs. What lacks one wasn't erased, or the index wouldn't know it any more.
fn nothing_lost(vault: &Vault, index: &Index, part: &Path) -> Result<(), BackupError> {
    if Signer::is_lost(vault.keys())? {
        return Err(BackupError::SigningKeyLost {
            part: part.to_owned(),
        });
    }
    for controller in index.figures()?.into_keys() {
        if !vault.has_controllers_key(&ControllerName::parse(&controller)?) {
            return Err(BackupError::ControllersKeyLost {
                controller,
                part: part.to_owned(),
            });
        }
    }
    let (mut count, mut first) = (0, String::new());
    index.every(|entry| {
        if !vault.has_key(entry.id) && !vault.is_data_key_given_up(entry.id) {
            count += 1;
            if first.is_empty() {
                first = entry.id.to_string();
            }
        }
    })?;
    if count == 0 {
        return Ok(());
    }
    Err(BackupError::KeysLost {
        count,
        first,
        part: part.to_owned(),
    })
}

impl Kept {
    /// Whether its file is still where it was put.
    pub fn is_there(&self) -> bool {
        self.audio.is_file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_destroyed_meanwhile_stops_no_renewal() {
        let place = tempfile::tempdir().expect("a folder");
        fs::create_dir(place.path().join("data")).expect("ours");
        fs::write(place.path().join("data/1.key"), "key").expect("ours");
        let mut archive = archive::Writer::new(Vec::new());
        let mut add = |name| add(&mut archive, place.path(), name, KEYS).ok();
        let names = ["data/1.key", "data/2.key", "controllers/region-01.key"];
        assert_eq!(names.map(&mut add), [Some(true), Some(false), None]);
    }
}
