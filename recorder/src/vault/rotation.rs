//! A controller's key being changed: two keys for a while, and data keys moving from one to the other.

use std::{fs, io, path::PathBuf};

use callcore::tag::RecordingTag;

use super::{
    Vault, VaultError, folder,
    keys::{self, Key},
};
use crate::names::{ControllerName, RecordingId};

/// What became of some data keys.
#[derive(Debug, Default)]
pub(crate) struct Wrapped {
    /// Wrapped anew.
    pub(crate) wrapped: u64,
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
        let current = keys::controller_key(self.keys(), controller, false)?;
        let old = keys::old_controller_key(self.keys(), controller)?;
        let resumed = old.is_some_and(|old| old.print() != current.print());
        if !resumed {
            let folder = self.keys().join("controllers");
            keys::store_key(&self.old_key_path(controller), &current)?;
            folder::sync_folder(&folder)?;
            keys::store_key(
                &folder.join(format!("{}.key", controller.as_str())),
                &Key::random()?,
            )?;
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
        let new = keys::controller_key(self.keys(), controller, false)?;
        let mut done = Wrapped::default();
        let Some(old) = keys::old_controller_key(self.keys(), controller)? else {
            return Ok(done);
        };
        for (id, tag) in recordings {
            match self.wrap_one((id, tag), &old, &new) {
                Ok(wrapped) => done.wrapped += u64::from(wrapped),
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
        old: &Key,
        new: &Key,
    ) -> Result<bool, VaultError> {
        let (path, bound) = (self.key_path(id), tag.canonical());
        match keys::open_data_key(&path, old, id, &bound) {
            Ok(data) => keys::wrap_data_key(&path, &data, new, id, &bound).map(|()| true),
            Err(VaultError::KeyMissing { .. }) => Ok(false),
            Err(VaultError::WrongKey { .. }) => {
                keys::open_data_key(&path, new, id, &bound).map(|_| false)
            }
            Err(error) => Err(error),
        }
    }

    /// How many data keys are still under the old key, whoever's recordings they are.
    pub(crate) fn keys_under_old(&self, controller: &ControllerName) -> Result<usize, VaultError> {
        let Some(old) = keys::old_controller_key(self.keys(), controller)? else {
            return Ok(0);
        };
        let folder = self.keys().join("data");
        let unusable = folder::unusable(&folder);
        let mut count = 0;
        for entry in fs::read_dir(&folder).map_err(&unusable)? {
            let path = entry.map_err(&unusable)?.path();
            let is_key = path.extension().is_some_and(|end| end == "key");
            count += usize::from(is_key && keys::is_under(&path, &old)?);
        }
        Ok(count)
    }

    /// Destroys the old key: nothing is under it any more.
    pub(crate) fn end_rotation(&self, controller: &ControllerName) -> Result<(), VaultError> {
        // What was wrapped anew must be safe before what it was wrapped with goes.
        self.sync_keys()?;
        let path = self.old_key_path(controller);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(folder::unusable(&path)(error));
            }
            _ => {}
        }
        folder::sync_folder(&self.keys().join("controllers"))
    }

    /// Opens a data key with whichever of the controller's keys it names.
    pub(super) fn data_key(
        &self,
        controller: &ControllerName,
        id: RecordingId,
        bound: &[u8],
    ) -> Result<Key, VaultError> {
        let path = self.key_path(id);
        let current = keys::controller_key(self.keys(), controller, false)?;
        match keys::open_data_key(&path, &current, id, bound) {
            Err(VaultError::WrongKey { id }) => {
                match keys::old_controller_key(self.keys(), controller)? {
                    Some(old) => match keys::open_data_key(&path, &old, id, bound) {
                        // Wrapped anew between two looks.
                        Err(VaultError::WrongKey { .. }) => {
                            let current = keys::controller_key(self.keys(), controller, false)?;
                            keys::open_data_key(&path, &current, id, bound)
                        }
                        other => other,
                    },
                    None => Err(VaultError::WrongKey { id }),
                }
            }
            other => other,
        }
    }

    fn old_key_path(&self, controller: &ControllerName) -> PathBuf {
        keys::old_path(self.keys(), controller)
    }
}
