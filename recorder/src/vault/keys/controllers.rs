//! A controller's keys: the one that it records under, and others that recordings of before are still under.
//!
//! ```text
//! controllers/ID.key        what is recorded is under it
//! controllers/ID.old.key    what a rotation is moving away from
//! controllers/ID.lost       says that ID.key was lost for good, and by which prints data keys name it
//! controllers/ID.2.key      made when that was said: what is recorded since is under it (ID.2.old.key, ID.2.lost, ID.3.key)
//! ```
//!
//! None is ever written over but by a rotation, which keeps the one before. One that was lost and turns up is put back under its
//! own name, and opens what was recorded under it.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Key, Print, read_key, store_key};
use crate::{
    names::ControllerName,
    text::{hex, unhex},
    vault::{VaultError, folder},
};

/// A controller's key, from 1: the next is made when one is lost for good. No controller's name has a dot in it.
#[derive(Debug, Clone, Copy)]
pub(in crate::vault) struct Generation<'a> {
    keys: &'a Path,
    controller: &'a ControllerName,
    number: u32,
}

impl<'a> Generation<'a> {
    /// The one that is recorded under: the first that nobody has said to be lost.
    pub(in crate::vault) fn current(keys: &'a Path, controller: &'a ControllerName) -> Self {
        let mut generation = Self {
            keys,
            controller,
            number: 1,
        };
        while generation.is_lost() {
            generation = generation.next();
        }
        generation
    }

    /// The one that takes its place when it is lost.
    pub(in crate::vault) const fn next(self) -> Self {
        Self {
            number: self.number.saturating_add(1),
            ..self
        }
    }

    /// Whether there was none before it.
    const fn is_first(self) -> bool {
        self.number == 1
    }

    /// Whoever can't tell takes it for the one in use: then its key is missing, and nothing is recorded under another.
    fn is_lost(self) -> bool {
        self.lost().try_exists().unwrap_or(false)
    }

    pub(in crate::vault) fn key(self) -> PathBuf {
        self.path("key")
    }

    pub(in crate::vault) fn old(self) -> PathBuf {
        self.path("old.key")
    }

    /// Says that the key is lost for good. With the keys, so that it is gone while they are.
    pub(in crate::vault) fn lost(self) -> PathBuf {
        self.path("lost")
    }

    fn path(self, what: &str) -> PathBuf {
        let id = self.controller.as_str();
        let name = match self.number {
            1 => format!("{id}.{what}"),
            number => format!("{id}.{number}.{what}"),
        };
        folder_of(self.keys).join(name)
    }
}

pub(in crate::vault) fn folder_of(keys: &Path) -> PathBuf {
    keys.join("controllers")
}

/// The key to record under: read, or made when this controller has nothing stored yet (`may_make`).
pub(in crate::vault) fn key_to_write(
    keys: &Path,
    controller: &ControllerName,
    may_make: bool,
) -> Result<Key, VaultError> {
    let generation = Generation::current(keys, controller);
    let path = generation.key();
    if let Some(key) = read_key(&path)? {
        return Ok(key);
    }
    // A later one was made when the one before was said to be lost: if it isn't there it is lost as well.
    if !(may_make && generation.is_first()) {
        return Err(VaultError::KeyMissing { path });
    }
    make(generation)
}

/// Makes a key that isn't there; safe on disk when this returns, as everything recorded under it is lost with it.
pub(in crate::vault) fn make(generation: Generation<'_>) -> Result<Key, VaultError> {
    let key = Key::random()?;
    store_key(&generation.key(), &key)?;
    folder::sync_folder(&folder_of(generation.keys))?;
    Ok(key)
}

/// Every key file of a controller but that which is recorded under: what a rotation moves away from, and those that turned up again.
pub(in crate::vault) fn others(
    keys: &Path,
    controller: &ControllerName,
) -> Result<Vec<(PathBuf, Key)>, VaultError> {
    let (folder, current) = (folder_of(keys), Generation::current(keys, controller).key());
    let mut found = Vec::new();
    for path in of(&folder, controller, ".key")? {
        // One that went meanwhile was destroyed by the end of a rotation.
        if path != current
            && let Some(key) = read_key(&path)?
        {
            found.push((path, key));
        }
    }
    Ok(found)
}

/// By which prints data keys name keys that were said to be lost.
pub(in crate::vault) fn lost_prints(
    keys: &Path,
    controller: &ControllerName,
) -> Result<BTreeSet<Print>, VaultError> {
    let mut prints = BTreeSet::new();
    for path in of(&folder_of(keys), controller, ".lost")? {
        let text = fs::read_to_string(&path).map_err(folder::unusable(&path))?;
        let read = text.lines().filter_map(unhex);
        prints.extend(read.filter_map(|print| Print::try_from(print.as_slice()).ok()));
    }
    Ok(prints)
}

/// Writes down that a key is lost for good, and by which prints it is named. On disk when this returns.
pub(in crate::vault) fn write_lost(
    generation: Generation<'_>,
    prints: &BTreeSet<Print>,
) -> Result<(), VaultError> {
    let text: String = prints.iter().map(|print| hex(print) + "\n").collect();
    folder::keep(&generation.lost(), text.as_bytes())
}

/// A controller's files whose names end so.
fn of(folder: &Path, controller: &ControllerName, end: &str) -> Result<Vec<PathBuf>, VaultError> {
    let unusable = folder::unusable(folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(&unusable)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(&unusable)?.file_name();
        let name = name.to_string_lossy();
        let rest = name.strip_prefix(controller.as_str());
        if rest.is_some_and(|rest| rest.starts_with('.') && rest.ends_with(end)) {
            found.push(folder.join(&*name));
        }
    }
    found.sort();
    Ok(found)
}
