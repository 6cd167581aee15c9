//! A controller's key being changed: two keys for a while, and data keys moving from one to the other.

use std::{collections::BTreeSet, fs, io, path::PathBuf};

use callcore::tag::RecordingTag;

use super::{
    Key, Print,
    controllers::{self, Generation},
    open_data_key, print_over, read_key, store_key, wrap_data_key,
};
use crate::{
    names::{ControllerName, RecordingId},
    vault::{Vault, VaultError, folder},
};

/// What became of some data keys.
#[derive(Debug, Default)]
pub(crate) struct Wrapped {
    /// Wrapped anew.
    pub(crate) wrapped: u64,
    /// Under a key that was said to be lost, and isn't there.
    pub(crate) locked: u64,
    /// Whose open with neither key.
    pub(crate) spoilt: Vec<RecordingId>,
}

impl Vault {
    /// Puts a new controller's key in the old one's place; the old one stays beside it. True when an earlier rotation has
    /// done so already.
    pub(crate) fn begin_rotation(&self, controller: &ControllerName) -> Result<bool, VaultError> {
        let _alone = self
            .making_key
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let current = controllers::key_to_write(self.keys(), controller, false)?;
        let generation = Generation::current(self.keys(), controller);
        let old = read_key(&generation.old())?;
        let resumed = old.is_some_and(|old| old.print() != current.print());
        if !resumed {
            let folder = controllers::folder_of(self.keys());
            store_key(&generation.old(), &current)?;
            folder::sync_folder(&folder)?;
            store_key(&generation.key(), &Key::random()?)?;
            folder::sync_folder(&folder)?;
        }
        Ok(resumed)
    }

    /// Wraps these recordings' data keys anew. One that opens with neither key is told of, and stays as it is: it keeps no other.
    pub(crate) fn wrap_anew<'a>(
        &self,
        controller: &ControllerName,
        recordings: impl Iterator<Item = (RecordingId, &'a RecordingTag)>,
    ) -> Result<Wrapped, VaultError> {
        let new = controllers::key_to_write(self.keys(), controller, false)?;
        let mut done = Wrapped::default();
        let old = controllers::others(self.keys(), controller)?;
        if old.is_empty() {
            return Ok(done);
        }
        for (id, tag) in recordings {
            match self.wrap_one((id, tag), &old, &new) {
                Ok(wrapped) => done.wrapped += u64::from(wrapped),
                // It opens again if that one turns up.
                Err(VaultError::WrongKey { .. }) if self.is_locked(controller, id)? => {
                    done.locked += 1
                }
                Err(
                    error @ (VaultError::KeyDamaged { .. }
                    | VaultError::WrongKey { .. }
                    | VaultError::TagChanged { .. }),
                ) => {
                    tracing::error!(recording = %id, %error, "its key can't be wrapped anew");
                    done.spoilt.push(id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// False when there is nothing to do: it is under the new key, or was destroyed.
    fn wrap_one(
        &self,
        (id, tag): (RecordingId, &RecordingTag),
        old: &[(PathBuf, Key)],
        new: &Key,
    ) -> Result<bool, VaultError> {
        let (path, bound) = (self.key_path(id), tag.canonical());
        for (_, old) in old {
            match open_data_key(&path, old, id, &bound) {
                Ok(data) => {
                    return wrap_data_key(&path, &data, new, id, &bound).map(|()| true);
                }
                Err(VaultError::KeyMissing { .. }) => return Ok(false),
                Err(VaultError::WrongKey { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        open_data_key(&path, new, id, &bound).map(|_| false)
    }

    /// The data keys that are still under an old key, whoever's recordings they are.
    pub(crate) fn keys_under_old(
        &self,
        controller: &ControllerName,
    ) -> Result<Vec<RecordingId>, VaultError> {
        let old = controllers::others(self.keys(), controller)?;
        self.keys_under(&old.iter().map(|(_, old)| old.print()).collect())
    }

    /// The same under any of a controller's keys.
    pub(crate) fn keys_under_any(
        &self,
        controller: &ControllerName,
    ) -> Result<Vec<RecordingId>, VaultError> {
        let current = read_key(&Generation::current(self.keys(), controller).key())?;
        let others = controllers::others(self.keys(), controller)?;
        let all = others.into_iter().map(|(_, key)| key).chain(current);
        self.keys_under(&all.map(|key| key.print()).collect())
    }

    /// What isn't named by a recording's id is no recording's key.
    fn keys_under(&self, prints: &BTreeSet<Print>) -> Result<Vec<RecordingId>, VaultError> {
        let mut found = Vec::new();
        if prints.is_empty() {
            return Ok(found);
        }
        let folder = self.keys().join("data");
        let unusable = folder::unusable(&folder);
        for entry in fs::read_dir(&folder).map_err(&unusable)? {
            let path = entry.map_err(&unusable)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let id = name.and_then(|name| name.strip_suffix(".key"));
            let Some(Ok(id)) = id.map(RecordingId::parse) else {
                continue;
            };
            if print_over(&path)?.is_some_and(|print| prints.contains(&print)) {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// Removes data keys whose recordings were said to be lost, once the key that they are under is destroyed: nobody opens them.
    pub(crate) fn remove_unopenable(&self, ids: &[RecordingId]) -> Result<(), VaultError> {
        for id in ids {
            folder::remove_if_there(&self.key_path(*id))?;
            self.take_back_data_key(*id)?;
        }
        Ok(())
    }

    /// Destroys the old keys: nothing is under them any more.
    pub(crate) fn end_rotation(&self, controller: &ControllerName) -> Result<(), VaultError> {
        // What was wrapped anew must be safe before what it was wrapped with goes.
        self.sync_keys()?;
        for (path, _) in controllers::others(self.keys(), controller)? {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(folder::unusable(&path)(error));
                }
                _ => {}
            }
        }
        folder::sync_folder(&controllers::folder_of(self.keys()))
    }

    /// Opens a data key with whichever of the controller's keys it names.
    pub(in crate::vault) fn data_key(
        &self,
        controller: &ControllerName,
        id: RecordingId,
        bound: &[u8],
    ) -> Result<Key, VaultError> {
        let path = self.key_path(id);
        let open = |key: &Key| match open_data_key(&path, key, id, bound) {
            Err(VaultError::WrongKey { .. }) => Ok(None),
            other => other.map(Some),
        };
        let current = read_key(&Generation::current(self.keys(), controller).key())?;
        if let Some(key) = &current
            && let Some(data) = open(key)?
        {
            return Ok(data);
        }
        for (_, other) in controllers::others(self.keys(), controller)? {
            if let Some(data) = open(&other)? {
                return Ok(data);
            }
        }
        // Wrapped anew between two looks.
        let current = controllers::key_to_write(self.keys(), controller, false)?;
        if let Some(data) = open(&current)? {
            return Ok(data);
        }
        Err(match self.is_locked(controller, id)? {
            true => VaultError::UnderLostKey { id },
            false => VaultError::WrongKey { id },
        })
    }

    /// Whether a recording is under a key that was said to be lost.
    fn is_locked(&self, controller: &ControllerName, id: RecordingId) -> Result<bool, VaultError> {
        let lost = controllers::lost_prints(self.keys(), controller)?;
        let print = print_over(&self.key_path(id))?;
        Ok(print.is_some_and(|print| lost.contains(&print)))
    }
}
