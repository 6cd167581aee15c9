//! Makes a backup: the audio part first, then the key part.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    AUDIO_SUFFIX, BackupError, Catalogue, INDEX, Kept, MANIFEST, Policy, STORE, UNSWEPT,
    catalogue::after,
    envelope, file,
    keys::{self, sync},
    log,
    rows::Line,
};
use crate::{
    archive,
    archive::Hashed,
    envelope::{Recipient, Sealer, seal},
    gallring,
    index::{Alike, Index},
    store::By,
    vault::{Vault, VaultError, folder},
};

/// Where a backup goes, and who may open it.
#[derive(Debug, Clone)]
pub struct Where {
    /// The folder of audio parts.
    pub audio: PathBuf,
    /// The folder of the key part; never inside the other.
    pub keys: PathBuf,
    /// For whom it is sealed; `None` for whom the last one was.
    pub recipient: Option<Recipient>,
    /// Whether a place on the same disk will do.
    pub force: bool,
}

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created {
    /// The backup.
    #[serde(flatten)]
    pub kept: Kept,
    /// The key part.
    pub keys: super::KeyPart,
    /// Recordings that don't open, and so aren't in it: their ids and why.
    pub wrong: Vec<(String, String)>,
    /// Recordings under a key that was said to be lost: they are in it as they lie, and open if that turns up.
    pub locked: u64,
    /// Recordings that were being made, and come with the next backup.
    pub open: u64,
    /// Who opens it: `age1...`.
    pub sealed_for: String,
    /// Who opens the one before, when that was somebody else.
    pub until_now_for: Option<String>,
}

type Archive = archive::Writer<Sealer<BufWriter<File>>>;

/// Backs up everything at rest. Works beside a running recorder; gallring waits meanwhile. `each` is told of every recording.
///
/// # Errors
/// When the place is on the same disk, or something can't be read or written: then no backup is left behind.
pub fn create(
    (vault, index): (&Vault, &Index),
    place: &Where,
    policy: Policy,
    by: &By,
    now: Timestamp,
    each: &mut dyn FnMut(),
) -> Result<Created, BackupError> {
    let before = Catalogue::read(vault)?.recipient;
    let recipient = match place.recipient {
        Some(recipient) => recipient,
        None => Recipient::parse(&before).map_err(|_| BackupError::NoRecipient)?,
    };
    let until_now_for = (!before.is_empty() && before != recipient.to_string()).then_some(before);
    check_places(vault, place)?;
    // Nothing is erased between the two parts.
    let _alone = gallring::lock(vault)?;
    Catalogue::clear(vault, true)?;
    let moment = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = format!("vaxel-{moment}");
    log(vault, index, "backup", &name, by, now)?;
    if until_now_for.is_some() {
        // From now on somebody else opens all of it.
        log(
            vault,
            index,
            "backup-recipient",
            &recipient.to_string(),
            by,
            now,
        )?;
    }
    let path = absolute(&place.audio)?.join(format!("{name}{AUDIO_SUFFIX}"));
    if path.exists() {
        return Err(BackupError::Made { path });
    }
    let mut found = Found::default();
    Catalogue::begin(vault, &path)?;
    let making = Making {
        vault,
        index,
        place,
        policy,
        recipient,
        now,
    };
    let made = making.both((name, &path), &mut found, each);
    let (kept, keys) = made.inspect_err(|_| {
        // Half a backup would pass for one, and so would audio without its keys.
        let _gone = fs::remove_file(&path);
    })?;
    Ok(Created {
        kept,
        keys,
        wrong: found.wrong,
        locked: found.locked,
        open: index.left_open()?.len() as u64,
        sealed_for: recipient.to_string(),
        until_now_for,
    })
}

/// What was found of recordings that don't open.
#[derive(Default)]
struct Found {
    wrong: Vec<(String, String)>,
    locked: u64,
}

/// What both parts of a backup are made of.
struct Making<'a> {
    vault: &'a Vault,
    index: &'a Index,
    place: &'a Where,
    policy: Policy,
    recipient: Recipient,
    now: Timestamp,
}

impl Making<'_> {
    /// Writes the audio part, then the key part, and enters both in the catalogue.
    fn both(
        &self,
        (name, path): (String, &Path),
        found: &mut Found,
        each: &mut dyn FnMut(),
    ) -> Result<(Kept, super::KeyPart), BackupError> {
        let (vault, recipient) = (self.vault, self.recipient);
        let recordings = fill(vault, self.index, path, recipient, found, each)?;
        sync(&self.place.audio)?;
        let _alone = keys::alone(vault)?;
        let keys = keys::write(vault, self.index, &self.place.keys, recipient, self.now)?;
        let (bytes, sha256) = digest(path)?;
        let kept = Kept {
            name,
            at: self.now.to_string(),
            audio: path.to_owned(),
            recordings,
            bytes,
            sha256,
            expires: after(self.now, self.policy.lifetime),
            tested: None,
        };
        let part = super::KeyPart {
            path: absolute(&keys.path)?,
            ..keys.clone()
        };
        Catalogue::change(vault, |catalogue| {
            catalogue.recipient = recipient.to_string();
            catalogue.end(&kept.audio);
            catalogue.backups.push(kept.clone());
            catalogue.keys = Some(part);
        })?;
        Ok((kept, keys))
    }
}

/// Makes the two places, and refuses those where a copy would be lost, or found, with what it is of.
fn check_places(vault: &Vault, place: &Where) -> Result<(), BackupError> {
    for path in [&place.audio, &place.keys] {
        folder::make_private(path)?;
        if !place.force && same_volume(vault, path)? {
            return Err(BackupError::SameVolume { path: path.clone() });
        }
    }
    folder::check_apart(&place.audio, &place.keys).map_err(|_| BackupError::NotApart {
        audio: place.audio.clone(),
        keys: place.keys.clone(),
    })?;
    for path in [&place.audio, &place.keys] {
        vault
            .refuse_inside(path)
            .map_err(|()| BackupError::NotApart {
                audio: path.clone(),
                keys: vault.store().to_owned(),
            })?;
    }
    Ok(())
}

/// Writes the audio part; gives how many recordings are in it.
fn fill(
    vault: &Vault,
    index: &Index,
    path: &Path,
    recipient: Recipient,
    found: &mut Found,
    each: &mut dyn FnMut(),
) -> Result<u64, BackupError> {
    let out = folder::create_private(path, false).map_err(file(path))?;
    let sealer = seal(BufWriter::new(out), &[recipient]).map_err(envelope(path))?;
    let mut archive = archive::Writer::new(sealer);
    let what = b"Held against the destruction register by `vaxel backup restore` only; it removes this file.\n";
    archive
        .add_bytes(&format!("{STORE}{UNSWEPT}"), what)
        .map_err(file(path))?;
    for name in records(vault)? {
        add(&mut archive, vault, &name).map_err(file(path))?;
    }
    let mut recordings = 0;
    let holds = holds(index)?;
    for (number, group) in index.alike()?.iter().enumerate() {
        let group = (number, group, &holds);
        recordings += add_group(&mut archive, vault, index, group, found, each).map_err(
            |error| match error {
                GroupError::Io(source) => file(path)(source),
                GroupError::Other(error) => *error,
            },
        )?;
    }
    archive
        .finish()
        .and_then(Sealer::finish)
        .and_then(|out| out.get_ref().sync_all())
        .map_err(file(path))?;
    Ok(recordings)
}

/// Orders in force that a recording stay, by its id: reason, by whom, since when.
type Holds = BTreeMap<String, Vec<(String, String, String)>>;

fn holds(index: &Index) -> Result<Holds, BackupError> {
    let mut found = Holds::new();
    let in_force = index.holds()?.into_iter();
    for hold in in_force.filter(|hold| hold.released.is_empty()) {
        let one = (hold.reason, hold.placed_by, hold.placed);
        found.entry(hold.id).or_default().push(one);
    }
    Ok(found)
}

/// Either the archive can't be written, or something else refuses.
enum GroupError {
    Io(io::Error),
    Other(Box<BackupError>),
}

impl<E: Into<BackupError>> std::convert::From<E> for GroupError {
    fn from(error: E) -> Self {
        Self::Other(Box::new(error.into()))
    }
}

/// One day of a controller: its files, their digests, and its rows. All that is held in memory at once.
fn add_group(
    archive: &mut Archive,
    vault: &Vault,
    index: &Index,
    (number, group, holds): (usize, &Alike, &Holds),
    found: &mut Found,
    each: &mut dyn FnMut(),
) -> Result<u64, GroupError> {
    let (mut rows, mut digests, mut recordings) = (String::new(), String::new(), 0);
    let limit = usize::try_from(group.recordings).unwrap_or(usize::MAX);
    for entry in index.some_alike(group, None, limit)? {
        each();
        // One that doesn't open under its tag isn't worth keeping, and somebody has to know.
        let opened = match vault.unlock(entry.id, &entry.tag) {
            // But for one that opens when a key turns up: it and what it is wrapped in are copied as they lie.
            Err(VaultError::UnderLostKey { .. }) => {
                found.locked += 1;
                Ok(())
            }
            other => other.map(drop),
        };
        let lying = opened.and_then(|()| vault.lying(entry.id, &entry.tag));
        let files = lying.and_then(|lying| lying.files().map(|files| (lying, files)));
        let (lying, files) = match files {
            Ok(found) => found,
            // It isn't this one that refuses: without S3 there would be a backup of nothing.
            Err(error @ VaultError::Remote { .. }) => return Err(error.into()),
            Err(error) => {
                let wrong = (entry.id.to_string(), error.to_string());
                found.wrong.push(wrong);
                continue;
            }
        };
        for (name, length) in files {
            let mut source = lying.raw(&name)?;
            let name = format!("{}/{name}", lying.relative().display());
            let digest = archive
                .add(&format!("{STORE}{name}"), length, &mut source)
                .map_err(GroupError::Io)?;
            digests += &format!("{digest}  {name}\n");
        }
        let id = entry.id.to_string();
        let holds = holds.get(&id).cloned().unwrap_or_default();
        let line = Line::of(&entry, holds, &group.handed_over, group.numbers);
        rows += &serde_json::to_string(&line).map_err(|error| GroupError::Io(error.into()))?;
        rows.push('\n');
        recordings += 1;
    }
    let parts = [
        (format!("{MANIFEST}{number}.sha256"), digests),
        (format!("{INDEX}{number}.jsonl"), rows),
    ];
    for (name, text) in parts {
        archive
            .add_bytes(&name, text.as_bytes())
            .map_err(GroupError::Io)?;
    }
    Ok(recordings)
}

/// What else stands in the store and isn't a recording: extracts and hand-overs under way.
fn records(vault: &Vault) -> Result<Vec<String>, BackupError> {
    let mut found = Vec::new();
    for folder in [crate::handover::FOLDER, crate::uttag::FOLDER] {
        let path = vault.store().join(folder);
        if path.is_dir() {
            let names = keys::below(&path)?.into_iter();
            found.extend(names.map(|name| format!("{folder}/{name}")));
        }
    }
    Ok(found)
}

fn add(archive: &mut Archive, vault: &Vault, name: &str) -> io::Result<String> {
    let mut source = File::open(vault.store().join(name))?;
    let length = source.metadata()?.len();
    archive.add(&format!("{STORE}{name}"), length, &mut source)
}

/// Length and SHA-256 of a file.
fn digest(path: &Path) -> Result<(u64, String), BackupError> {
    let mut hashed = Hashed::new(File::open(path).map_err(file(path))?);
    let length = io::copy(&mut hashed, &mut io::sink()).map_err(file(path))?;
    Ok((length, hashed.digest()))
}

fn same_volume(vault: &Vault, path: &Path) -> Result<bool, BackupError> {
    let device = |path: &Path| {
        fs::metadata(path)
            .map(|found| found.dev())
            .map_err(file(path))
    };
    let there = device(path)?;
    Ok(there == device(vault.store())? || there == device(vault.keys())?)
}

fn absolute(path: &Path) -> Result<PathBuf, BackupError> {
    path.canonicalize().map_err(file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        envelope::Identity,
        vault::{
            stub::{self, Stub},
            test_tag,
        },
    };

    /// It would be the newest, and the older ones go by their time.
    #[test]
    fn without_s3_there_is_no_backup_rather_than_one_of_nothing() {
        let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
        let vault = stub.vault(place.path());
        let index = Index::open(&vault).expect("fresh");
        stub::entered(&vault, &index, &test_tag("region-01"));
        let to = Where {
            audio: place.path().join("audio"),
            keys: place.path().join("key-part"),
            recipient: Some(Identity::generate().expect("random").recipient()),
            force: true,
        };
        let by = By {
            who: "anna".to_owned(),
            purpose: "nightly".to_owned(),
        };
        let backup = || {
            let now = Timestamp::now();
            let policy = Policy::default();
            create((&vault, &index), &to, policy, &by, now, &mut || {})
        };
        stub.be_away(true);
        let refused = backup();
        assert!(matches!(
            refused,
            Err(BackupError::Vault(VaultError::Remote { .. }))
        ));
        assert_eq!(Catalogue::read(&vault).expect("read").backups, []);
        assert_eq!(fs::read_dir(&to.audio).expect("there").count(), 0);
        stub.be_away(false);
        let made = backup().expect("made");
        assert_eq!((made.kept.recordings, made.wrong.len()), (1, 0));
    }
}
