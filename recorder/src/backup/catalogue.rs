//! What backups there are: a small file in the store. Restoring needs nothing of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use callcore::time::Time;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BackupError, Policy, file, keys::sync};
use crate::{
    gallring,
    vault::{Vault, folder},
};

const FILE: &str = ".backups.json";

/// Every backup that there is, oldest first, and the key part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// For whom they are sealed, as `age` writes it; empty before the first.
    pub recipient: String,
    /// The backups.
    pub backups: Vec<Kept>,
    /// The one key part.
    pub keys: Option<KeyPart>,
    /// The latest trial of a restore, of whichever backup.
    #[serde(default)]
    pub tested: Option<Tested>,
    /// What is being made: half a backup, or a scratch place with keys in it. Whoever comes next removes what a program that was
    /// killed has left.
    #[serde(default)]
    pub unfinished: Vec<PathBuf>,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name, `vaxel-<moment>`.
    pub name: String,
    /// When it was made, RFC 3339 in UTC.
    pub at: String,
    /// Its audio part.
    pub audio: PathBuf,
    /// Recordings in it.
    pub recordings: u64,
    /// Bytes of the audio part.
    pub bytes: u64,
    /// SHA-256 of the audio part.
    pub sha256: String,
    /// First day on which it must be gone, ISO 8601; empty when the scenario decides nothing.
    pub expires: String,
    /// Its latest trial.
    pub tested: Option<Tested>,
}

/// The key part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPart {
    /// Where it is.
    pub path: PathBuf,
    /// When it was replaced last, RFC 3339 in UTC.
    pub at: String,
    /// Files in it.
    pub files: u64,
    /// Lines of the destruction register in it: what was erased later is still in it.
    pub register_lines: u64,
}

/// A trial of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Of which backup.
    pub name: String,
    /// Whether all of it came back.
    pub sound: bool,
    /// When the next one is due, ISO 8601; empty when the scenario decides nothing.
    pub next: String,
}

impl Catalogue {
    /// The catalogue of a store; empty when nothing was backed up.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read(vault: &Vault) -> Result<Self, BackupError> {
        Self::read_at(vault.store())
    }

    /// The same of a store whose keys may be gone: it says where their backup is.
    ///
    /// # Errors
    /// The same.
    pub fn read_at(store: &Path) -> Result<Self, BackupError> {
        let path = store.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| file(&path)(io::Error::other(error)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(file(&path)(error)),
        }
    }

    /// Changes the catalogue as it is now: a backup takes hours, and others change it meanwhile.
    pub(super) fn change<T>(
        vault: &Vault,
        change: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, BackupError> {
        let store = vault.store();
        let alone = fs::File::open(store).and_then(|folder| folder.lock().map(|()| folder));
        let _alone = alone.map_err(file(store))?;
        let mut catalogue = Self::read(vault)?;
        let changed = change(&mut catalogue);
        catalogue.write(vault)?;
        Ok(changed)
    }

    /// Notes what is about to be made.
    pub(super) fn begin(vault: &Vault, path: &Path) -> Result<(), BackupError> {
        Self::change(vault, |catalogue| {
            catalogue.unfinished.push(path.to_owned())
        })
    }

    /// It is whole, or gone.
    pub(super) fn end(&mut self, path: &Path) {
        self.unfinished.retain(|one| one != path);
    }

    /// Removes what programs that were killed have left: half backups, when nobody makes one now, and scratch places that
    /// nobody works in.
    pub(super) fn clear(vault: &Vault, nobody_makes_one: bool) -> Result<(), BackupError> {
        let unfinished = Self::read(vault)?.unfinished.into_iter();
        for path in unfinished.filter(|path| is_reachable(path)) {
            let removed = if path.is_dir() {
                let free =
                    fs::File::open(&path).and_then(|it| it.try_lock().map_err(io::Error::from));
                free.is_ok().then(|| fs::remove_dir_all(&path))
            } else {
                nobody_makes_one.then(|| fs::remove_file(&path))
            };
            match removed {
                None => continue,
                Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(file(&path)(error));
                }
                Some(_) => Self::change(vault, |catalogue| catalogue.end(&path))?,
            }
        }
        Ok(())
    }

    fn write(&self, vault: &Vault) -> Result<(), BackupError> {
        let path = vault.store().join(FILE);
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| file(&path)(io::Error::other(error)))?;
        Ok(folder::keep(&path, &bytes)?)
    }

    /// The backup of that name; the newest when nothing is named.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, name: Option<&str>) -> Result<&Kept, BackupError> {
        let Some(name) = name else {
            return self.backups.last().ok_or(BackupError::None);
        };
        self.backups
            .iter()
            .find(|kept| kept.name == name)
            .ok_or_else(|| BackupError::Unknown(name.to_owned()))
    }

    /// The backups whose time is over on a day.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Kept> {
        let today = day(now);
        self.backups
            .iter()
            .filter(move |kept| !kept.expires.is_empty() && kept.expires <= today)
    }

    /// Whether a trial is due: none was made, the last one failed, or its time is over.
    pub fn test_due(&self, policy: Policy, now: Timestamp) -> bool {
        match &self.tested {
            None => policy.restore_test.is_some() && !self.backups.is_empty(),
            Some(tested) => !tested.sound || (!tested.next.is_empty() && tested.next <= day(now)),
        }
    }

    /// Whether there should be a backup and is none: how long it is kept or how often it is tried was decided.
    pub const fn is_due(&self, policy: Policy) -> bool {
        let decided = policy.lifetime.is_some() || policy.restore_test.is_some();
        decided && self.backups.is_empty()
    }

    /// Whether there are backups, and their keys are not where they were put: then none of them opens.
    pub fn lacks_keys(&self) -> bool {
        let there = |part: &KeyPart| part.path.is_file();
        !self.backups.is_empty() && !self.keys.as_ref().is_some_and(there)
    }

    /// Removes the backups whose time is over; gives their names.
    ///
    /// # Errors
    /// When one can't be removed.
    pub fn prune(vault: &Vault, now: Timestamp) -> Result<Vec<String>, BackupError> {
        let nobody_makes_one = gallring::lock(vault).ok();
        Self::clear(vault, nobody_makes_one.is_some())?;
        let gone: Vec<Kept> = Self::read(vault)?.expired(now).cloned().collect();
        let (gone, away): (Vec<Kept>, Vec<Kept>) =
            gone.into_iter().partition(|kept| is_reachable(&kept.audio));
        for kept in &gone {
            match fs::remove_file(&kept.audio) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(file(&kept.audio)(error));
                }
                // Before it is forgotten: nobody would remove what a power cut brings back.
                _ => sync(kept.audio.parent().unwrap_or(Path::new(".")))?,
            }
            Self::change(vault, |catalogue| {
                catalogue.backups.retain(|one| one.name != kept.name);
            })?;
        }
        if let Some(kept) = away.first() {
            let why = "its time is over, and its folder isn't there: mount its disk; if that was destroyed, say so: `vaxel backup prune --lost FOLDER --purpose \"how\"`";
            return Err(file(&kept.audio)(io::Error::new(
                io::ErrorKind::NotFound,
                why,
            )));
        }
        Ok(gone.into_iter().map(|kept| kept.name).collect())
    }
}

/// Whether the folder that something was in is there: else it isn't gone, only its disk.
fn is_reachable(path: &Path) -> bool {
    path.parent().is_some_and(Path::is_dir)
}

/// The Swedish day of a moment, ISO 8601.
pub(super) fn day(now: Timestamp) -> String {
    Time::from(now).in_sweden().date().to_string()
}

/// The day that lies a period after a moment; empty when there is no period.
pub(super) fn after(now: Timestamp, period: Option<callcore::retention::Period>) -> String {
    let today = Time::from(now).in_sweden().date();
    period.map_or(String::new(), |period| period.after(today).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::faults;

    /// Half a backup, or a scratch place with keys in it, that nobody would remove; or a backup whose time is never over.
    #[test]
    fn what_was_made_or_is_being_made_is_known_after_a_power_cut() {
        let place = tempfile::tempdir().expect("a folder");
        let (store, keys) = (place.path().join("store"), place.path().join("keys"));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let half = place.path().join("half");
        faults::plan(u64::MAX, io::ErrorKind::Other);
        Catalogue::begin(&vault, &half).expect("noted");
        faults::end().cut_power().expect("ours");
        assert_eq!(Catalogue::read(&vault).expect("read").unfinished, [half]);
    }
}
