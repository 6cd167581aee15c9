//! Puts a backup back into a new place, without what was erased since.
//!
//! The destruction register is read first, then keys, then audio: what it says was erased is never put there at all. The
//! store carries its mark ([`refuse_unswept`](super::refuse_unswept)) until everything else is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufReader, ErrorKind, Read, Seek},
    path::{Path, PathBuf},
};

use callcore::retention::ObjectClass;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    BackupError, INDEX, KEYS, LEDGERS, MANIFEST, STORE, UNSWEPT, envelope, file, holds,
    log_restore, rows::Line,
};
use crate::{
    archive,
    archive::Hashed,
    envelope::{Identity, open},
    gallring::{Destroyed, REGISTER},
    index::{Index, IndexError, Mark},
    names::RecordingId,
    store::By,
    vault::{Vault, folder, mark},
};

/// More text of an index or a manifest isn't ours: a month of a controller with a million recordings.
const TEXT_LEN_MAX: u64 = 1024 * 1024 * 1024;

/// Which parts are restored.
#[derive(Debug, Clone)]
pub struct From {
    /// The audio part of the backup.
    pub audio: PathBuf,
    /// The key part.
    pub keys: PathBuf,
    /// The destruction register of the live store, when there still is one: it may know of later erasures.
    pub register: Option<PathBuf>,
}

/// What was restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The store's new folder.
    pub store: PathBuf,
    /// The keys' new folder.
    pub keys: PathBuf,
    /// Recordings that are there again.
    pub recordings: u64,
    /// Recordings of the backup that had been erased since, and so stay away.
    pub erased_since: u64,
    /// Recordings whose telephone numbers had been erased since, and so stay away.
    pub numbers_erased_since: u64,
    /// Recordings that are held by an order given after the backup was made, as the access logs have it.
    pub held_since: u64,
    /// Files whose digests were compared.
    pub files: u64,
    /// Lines of the destruction register they were held against.
    pub register_lines: u64,
}

/// Restores a backup below a folder, as `store` and `keys`.
///
/// # Errors
/// When there is something already, or a part is sealed for somebody else or isn't one: then nothing is made. When a part isn't
/// what was backed up: then it says which file.
pub fn restore(
    from: &From,
    identities: &[Identity],
    to: &Path,
    by: &By,
    now: Timestamp,
) -> Result<Restored, BackupError> {
    let (store, keys) = (to.join("store"), to.join("keys"));
    for path in [&store, &keys] {
        if path.exists() {
            return Err(BackupError::There { path: path.clone() });
        }
    }
    // Before anything is made: whoever named a wrong file or key tries again at the same place.
    opens(from, identities)?;
    let (key_part, audio_part) = (Part::open(&from.keys)?, Part::open(&from.audio)?);
    for path in [&store, &keys] {
        make_alone(path)?;
    }
    let vault = Vault::open(&store, &keys)?;
    folder::write_private(&store.join(UNSWEPT), b"")?;
    let gone = Gone::read(&key_part, from.register.as_deref(), identities, &vault)?;
    unpack_keys(&key_part, identities, &vault, &gone)?;
    let index = Index::open(&vault)?;
    let mut restoring = Restoring {
        vault: &vault,
        index: &index,
        gone: &gone,
        pending: BTreeMap::new(),
        done: Restored {
            register_lines: gone.lines,
            store: store.clone(),
            keys: keys.clone(),
            ..Restored::default()
        },
    };
    audio_part.each_file(identities, |name, _, bytes| restoring.take(name, bytes))?;
    let mut done = restoring.done;
    done.held_since = holds::place_again(&vault, &index)?;
    log_restore((&vault, &index), from, by, now)?;
    fs::remove_file(store.join(UNSWEPT)).map_err(file(&store))?;
    super::keys::sync(&store)?;
    Ok(done)
}

/// Makes a folder that nobody else has made: of two that restore to one place at once, one goes on.
fn make_alone(path: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    if let Some(parent) = path.parent() {
        let made = builder.recursive(true).create(parent);
        made.map_err(folder::unusable(parent))?;
    }
    match builder.recursive(false).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(BackupError::There {
            path: path.to_owned(),
        }),
        made => Ok(made.map_err(folder::unusable(path))?),
    }
}

/// What the register says was erased.
#[derive(Debug, Default)]
struct Gone {
    recordings: BTreeSet<String>,
    numbers: BTreeSet<String>,
    logs: BTreeSet<String>,
    lines: u64,
}

impl Gone {
    /// Puts the register and what it is checked with into the new place, checks it, and reads it.
    fn read(
        part: &Part,
        live: Option<&Path>,
        identities: &[Identity],
        vault: &Vault,
    ) -> Result<Self, BackupError> {
        let register = format!("{LEDGERS}{REGISTER}");
        part.each_file(identities, |name, _, bytes| {
            let checks = |key: &str| {
                // Public halves, and what was said of keys that were lost.
                let signing = key.starts_with("signing.") && !key.ends_with(".key");
                signing || key.starts_with("heads/")
            };
            match name.strip_prefix(KEYS) {
                Some(key) if checks(key) => put(vault.keys(), key, bytes).map(drop),
                _ if name == register => put(vault.store(), REGISTER, bytes).map(drop),
                _ => Ok(()),
            }
        })?;
        if let Some(live) = live {
            take_longer(live, vault)?;
        }
        let mut gone = Self::default();
        if !vault.store().join(REGISTER).exists() {
            return Ok(gone);
        }
        crate::gallring::register(vault, true, |line| gone.add(line.destroyed))?;
        Ok(gone)
    }

    fn add(&mut self, destroyed: Destroyed) {
        self.lines += 1;
        match ObjectClass::parse(&destroyed.class) {
            Some(ObjectClass::TelephoneNumber) => self.numbers.insert(destroyed.object),
            Some(ObjectClass::AccessLog) => self.logs.insert(destroyed.object),
            _ => self.recordings.insert(destroyed.object),
        };
    }

    /// Whether a file of the store or of the keys is of something that was erased.
    fn holds(&self, name: &str) -> bool {
        let mut parts = name.rsplit('/');
        let last = parts.next().unwrap_or_default();
        let folder = parts.next().unwrap_or_default();
        let stem = last.split('.').next().unwrap_or_default();
        self.logs.contains(name)
            || self.recordings.contains(folder)
            || self.recordings.contains(stem)
            || (last == "meta.vax" && self.numbers.contains(folder))
    }
}

/// The live store's register instead of the backup's, when it goes on from it.
fn take_longer(live: &Path, vault: &Vault) -> Result<(), BackupError> {
    let ours = vault.store().join(REGISTER);
    // One that was named and isn't there would let come back what it knows of.
    let theirs = fs::metadata(live).map_err(file(live))?.len();
    if theirs > fs::metadata(&ours).map_or(0, |found| found.len()) {
        let bytes = fs::read(live).map_err(file(live))?;
        // That it goes on from where the backup's was signed is checked when it is read.
        folder::write_private(&ours, &bytes)?;
    }
    Ok(())
}

fn unpack_keys(
    part: &Part,
    identities: &[Identity],
    vault: &Vault,
    gone: &Gone,
) -> Result<(), BackupError> {
    let register = format!("{LEDGERS}{REGISTER}");
    let mut are_marked = false;
    part.each_file(identities, |name, _, bytes| {
        if let Some(key) = name.strip_prefix(KEYS) {
            are_marked |= key == mark::OF_KEYS;
            if !gone.holds(key) {
                put(vault.keys(), key, bytes)?;
            }
        } else if let Some(log) = name.strip_prefix(LEDGERS)
            && name != register
            && !gone.holds(log)
        {
            put(vault.store(), log, bytes)?;
        }
        Ok(())
    })?;
    // These keys are to be known again as those of the store that was backed up.
    match are_marked {
        true => Ok(mark::mark(vault)?),
        false => Ok(()),
    }
}

/// The audio part on its way into a store.
struct Restoring<'a> {
    vault: &'a Vault,
    index: &'a Index,
    gone: &'a Gone,
    /// Files put there whose digests haven't been compared yet: those of one group.
    pending: BTreeMap<String, String>,
    done: Restored,
}

impl Restoring<'_> {
    fn take(&mut self, name: &str, bytes: &mut dyn Read) -> io::Result<()> {
        if let Some(name) = name.strip_prefix(STORE) {
            if name != UNSWEPT && !self.gone.holds(name) {
                let digest = put(self.vault.store(), name, bytes)?;
                if !name.starts_with('.') {
                    self.pending.insert(name.to_owned(), digest);
                }
            }
        } else if name.starts_with(MANIFEST) {
            self.compare(&text(bytes)?)?;
        } else if name.starts_with(INDEX) {
            for line in text(bytes)?.lines() {
                self.enter(line)?;
            }
        }
        Ok(())
    }

    /// Holds what was put there against the digests that were taken when it was backed up.
    fn compare(&mut self, manifest: &str) -> io::Result<()> {
        for line in manifest.lines() {
            let (digest, name) = line
                .split_once("  ")
                .ok_or_else(|| damaged("a manifest that isn't one"))?;
            match self.pending.remove(name) {
                Some(found) if found == digest => self.done.files += 1,
                None if self.gone.holds(name) => {}
                Some(_) => return Err(damaged(&format!("{name} isn't what was backed up"))),
                None => return Err(damaged(&format!("{name} is missing"))),
            }
        }
        match self.pending.first_key_value() {
            None => Ok(()),
            Some((name, _)) => Err(damaged(&format!("{name} stands in no manifest"))),
        }
    }

    fn enter(&mut self, line: &str) -> io::Result<()> {
        let row = Line::read(line).ok_or_else(|| damaged("a row that isn't one"))?;
        let id = row.id.to_string();
        if self.gone.recordings.contains(&id) {
            self.done.erased_since += 1;
            return Ok(());
        }
        self.index
            .insert_open(row.id, &row.tag)
            .and_then(|()| self.index.close(row.id, &row.closing))
            .map_err(unentered)?;
        if !row.handed_over.is_empty() {
            self.index
                .handed_over(&[row.id], &row.handed_over)
                .map_err(io::Error::other)?;
        }
        for (reason, who, since) in &row.holds {
            self.hold(row.id, reason, who, since)?;
        }
        let gone_since = !row.numbers_erased && self.gone.numbers.contains(&id);
        self.done.numbers_erased_since += u64::from(gone_since);
        if row.numbers_erased || gone_since {
            self.index
                .forget(Mark::Numbers, &[row.id])
                .map_err(io::Error::other)?;
        }
        self.done.recordings += 1;
        Ok(())
    }

    fn hold(&self, id: RecordingId, reason: &str, who: &str, since: &str) -> io::Result<()> {
        let since: Timestamp = since
            .parse()
            .map_err(|_| damaged("a hold without its day"))?;
        let held = self.index.hold(id, reason, who, since);
        held.map(drop).map_err(io::Error::other)
    }
}

/// Whether both parts are there and sealed for one of these identities; what is in them isn't read yet.
pub(super) fn opens(from: &From, identities: &[Identity]) -> Result<(), BackupError> {
    for part in [&from.keys, &from.audio] {
        let input = BufReader::new(File::open(part).map_err(file(part))?);
        open(input, identities).map_err(envelope(part))?;
    }
    Ok(())
}

/// A part as it was when it was opened: gallring and changes of keys put another key part in its place, and what says of one that it
/// wasn't cut off says nothing of the next.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn open(path: &Path) -> Result<Self, BackupError> {
        Ok(Self {
            path: path.to_owned(),
            file: File::open(path).map_err(file(path))?,
        })
    }

    /// Gives each file in it, in order, to its end.
    fn each_file(
        &self,
        identities: &[Identity],
        each: impl FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), BackupError> {
        (&self.file).rewind().map_err(file(&self.path))?;
        let input = BufReader::new(&self.file);
        let opener = open(input, identities).map_err(envelope(&self.path))?;
        archive::read(opener, each).map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                BackupError::Full(error.to_string())
            }
            _ => BackupError::Damaged {
                part: self.path.clone(),
                what: error.to_string(),
            },
        })
    }
}

/// Writes a file below a folder, private, with its parents; gives its SHA-256.
fn put(root: &Path, name: &str, bytes: &mut dyn Read) -> io::Result<String> {
    let path = root.join(name);
    if let Some(parent) = path.parent() {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut hashed = Hashed::new(bytes);
    let mut out = folder::create_private(&path, true)?;
    io::copy(&mut hashed, &mut out)?;
    out.sync_data()?;
    Ok(hashed.digest())
}

fn text(bytes: &mut dyn Read) -> io::Result<String> {
    let mut text = String::new();
    bytes.take(TEXT_LEN_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A disk that is full is said as the system says it.
fn unentered(error: IndexError) -> io::Error {
    let kind = match error.is_full() {
        true => ErrorKind::StorageFull,
        false => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::seal;

    fn sealed(path: &Path, identity: &Identity, name: &str) {
        let sealer = seal(Vec::new(), &[identity.recipient()]).expect("a key");
        let mut archive = archive::Writer::new(sealer);
        archive.add_bytes(name, b"x").expect("in memory");
        let bytes = archive.finish().and_then(crate::envelope::Sealer::finish);
        fs::write(path, bytes.expect("in memory")).expect("ours");
    }

    #[test]
    fn a_key_part_that_is_replaced_meanwhile_is_read_on_as_it_was() {
        let place = tempfile::tempdir().expect("a folder");
        let identity = Identity::generate().expect("chance");
        let (part, next) = (place.path().join("part"), place.path().join("next"));
        sealed(&part, &identity, "before");
        sealed(&next, &identity, "after");
        let opened = Part::open(&part).expect("there");
        let names = || {
            let mut names = Vec::new();
            let read = opened.each_file(std::slice::from_ref(&identity), |name, _, _| {
                names.push(name.to_owned());
                Ok(())
            });
            read.map(|()| names)
        };
        assert_eq!(names().expect("whole"), ["before"]);
        fs::rename(&next, &part).expect("ours");
        assert_eq!(names().expect("whole"), ["before"]);
    }
}
