//! The vault: encrypted audio in one folder, keys in another, each recording bound to its tag (invariant 3).
//!
//! ```text
//! store/<controller>/<yyyy>/<mm>/<recording id>/tag.json      whose it is and how long it stays; no person in it
//!                                              /<label>.vax   one stream of audio
//!                                              /meta.vax      who spoke
//! keys/controllers/<controller>.key                           32 random bytes (others beside it: see `keys::controllers`)
//! keys/data/<recording id>.key                                the recording's key, wrapped by the controller's
//! ```
//!
//! Without the key folder nothing in the store can be heard; without the tag as it was, neither.

mod batch;
mod bucket;
mod codec;
mod destroy;
mod error;
#[cfg(test)]
pub(crate) mod faults;
pub(crate) mod folder;
mod format;
pub(crate) mod keys;
mod lock;
mod lying;
mod meta;
pub(crate) mod outside;
mod reader;
mod recording;
mod whole;
mod writer;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use callcore::tag::RecordingTag;

#[cfg(test)]
pub(crate) use self::batch::STREAM_BYTES_MAX;
#[cfg(test)]
pub(crate) use self::bucket::stub;
pub(crate) use self::{
    batch::Batch,
    bucket::{
        Remote,
        listing::{Far, FarFiles},
    },
    keys::{lost::Unopened, mark, nonce as random, rotation::Wrapped},
};
pub use self::{
    bucket::upload::Waiting,
    codec::Codec,
    error::VaultError,
    format::{Kind, PAYLOAD_MAX, Packet},
    lock::StoreLock,
    meta::{Meta, Party},
    reader::{Ending, StreamReader},
    recording::Recording,
    writer::{CHUNK_AGE_MAX, StreamWriter},
};
use crate::{
    names::{ControllerName, RecordingId},
    place::Place,
};

/// A store and its keys.
#[derive(Debug, Clone)]
pub struct Vault {
    place: Arc<Place>,
    /// Where ended recordings go; `None`: they stay in the folder.
    remote: Option<Arc<Remote>>,
    /// Held while a controller's key is read or made: two first recordings of one controller must not make two keys.
    making_key: Arc<Mutex<()>>,
}

impl Vault {
    /// Opens a vault, making its folders when they aren't there.
    ///
    /// # Errors
    /// When the keys lie inside the store, are gone from where they were or are another's, others can reach a folder, or a folder
    /// can't be written.
    pub fn open(store: &Path, keys: &Path) -> Result<Self, VaultError> {
        Self::open_place(Place::folders(store, keys))
    }

    /// The same, wherever its parts are.
    ///
    /// # Errors
    /// The same.
    pub fn open_place(place: Place) -> Result<Self, VaultError> {
        let (store, keys) = (&place.store, &place.keys);
        folder::check_apart(store, keys)?;
        // Before its empty folder is made, or found: what is recorded with new keys can't be told from what they open.
        keys::missing::refuse_keys_away(store, keys)?;
        for path in [store, keys, &keys.join("controllers"), &keys.join("data")] {
            folder::make_private(path)?;
        }
        let vault = Self::at(place)?;
        mark::refuse_foreign(&vault)?;
        Ok(vault)
    }

    /// Opens a vault to read from it; makes nothing.
    ///
    /// # Errors
    /// The same, and when there is no vault.
    pub fn open_existing(store: &Path, keys: &Path) -> Result<Self, VaultError> {
        Self::open_existing_place(Place::folders(store, keys))
    }

    /// The same, wherever its parts are.
    ///
    /// # Errors
    /// The same.
    pub fn open_existing_place(place: Place) -> Result<Self, VaultError> {
        folder::check_apart(&place.store, &place.keys)?;
        for path in [&place.store, &place.keys] {
            if !path.is_dir() {
                return Err(VaultError::NoStore {
                    path: path.to_owned(),
                });
            }
            folder::check_private(path)?;
        }
        Self::at(place)
    }

    /// Refuses keys that aren't there, and were, or others in their place: for whoever may make new ones.
    ///
    /// # Errors
    /// When the store has what was made with keys, and there are none, or none of those.
    pub(crate) fn refuse_keys_away(&self) -> Result<(), VaultError> {
        keys::missing::refuse_keys_away(self.store(), self.keys())?;
        mark::refuse_foreign(self)
    }

    fn at(place: Place) -> Result<Self, VaultError> {
        Ok(Self {
            remote: Remote::of(&place)?,
            place: Arc::new(place),
            making_key: Arc::default(),
        })
    }

    /// Where its parts are.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The store's folder.
    pub fn store(&self) -> &Path {
        &self.place.store
    }

    /// Keeps every other recorder out of this store.
    ///
    /// # Errors
    /// When there is one already.
    pub fn lock(&self) -> Result<StoreLock, VaultError> {
        let path = self.store().join(".lock");
        let Some(mut lock) = StoreLock::take(&path)? else {
            return Err(VaultError::InUse {
                path: self.store().to_owned(),
                pid: fs::read_to_string(&path).unwrap_or_default(),
            });
        };
        lock.sign(&path)?;
        Ok(lock)
    }

    /// Begins a recording: its key, its folder and its tag are on disk when this returns, before any audio.
    ///
    /// # Errors
    /// When a name can't be used, a key is missing, or the disk refuses.
    pub fn begin(&self, id: RecordingId, tag: &RecordingTag) -> Result<Recording, VaultError> {
        Ok(self.begin_with(id, tag, |_| Ok(()))?.0)
    }

    /// The same with what it holds from its beginning: that is on disk by the same waits.
    pub(crate) fn begin_with<T>(
        &self,
        id: RecordingId,
        tag: &RecordingTag,
        fill: impl FnOnce(&Recording) -> Result<T, VaultError>,
    ) -> Result<(Recording, T), VaultError> {
        let controller = ControllerName::parse(&tag.controller)?;
        let relative = relative_folder(&controller, id, tag)?;
        let master = self.key_to_write(&controller)?;
        let path = self.store().join(&relative);
        let made = folder::make(&path)?;
        // The tag before the key: a key that no tag leads to could be neither used nor erased. Without a key all of it counts
        // for nothing.
        recording::write_tag(&path, tag)?;
        let bound = tag.canonical();
        let recording = Recording::new(id, self, relative, keys::Key::random()?, bound.clone());
        let filled = fill(&recording)?;
        folder::sync_made(&path, &made)?;
        let (path, key) = (self.key_path(id), recording.key());
        keys::wrap_data_key(&path, key, &master, id, &bound)?;
        let now = self.key_to_write(&controller)?;
        if now.print() != master.print() {
            // The controller's key was changed meanwhile; the old one is about to go.
            keys::wrap_data_key(&path, key, &now, id, &bound)?;
        }
        self.sync_keys()?;
        Ok((recording, filled))
    }

    fn key_to_write(&self, controller: &ControllerName) -> Result<keys::Key, VaultError> {
        let _alone = self
            .making_key
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A controller with audio and no key has lost its key: a new one would hide that.
        let nothing_stored = !self.store().join(controller.as_str()).exists();
        keys::controllers::key_to_write(self.keys(), controller, nothing_stored)
    }

    /// Opens a recording under its tag.
    ///
    /// # Errors
    /// When the tag or the controller's key isn't the one it was made under, or a key is missing or damaged.
    pub fn unlock(&self, id: RecordingId, tag: &RecordingTag) -> Result<Recording, VaultError> {
        let controller = ControllerName::parse(&tag.controller)?;
        let relative = relative_folder(&controller, id, tag)?;
        let bound = tag.canonical();
        let key = self.data_key(&controller, id, &bound)?;
        Ok(Recording::new(id, self, relative, key, bound))
    }

    /// The key folder.
    pub fn keys(&self) -> &Path {
        &self.place.keys
    }

    /// Refuses a path inside the store or the keys.
    pub(crate) fn refuse_inside(&self, path: &Path) -> Result<(), ()> {
        let apart = |folder: &Path| folder::check_apart(folder, path).is_ok();
        if apart(self.store()) && apart(self.keys()) {
            Ok(())
        } else {
            Err(())
        }
    }

    fn key_path(&self, id: RecordingId) -> PathBuf {
        self.keys().join("data").join(format!("{id}.key"))
    }
}

/// Where a recording lies in the store, by the Swedish month it began in.
fn relative_folder(
    controller: &ControllerName,
    id: RecordingId,
    tag: &RecordingTag,
) -> Result<PathBuf, VaultError> {
    let started = tag.started.in_sweden();
    if !(2000..=9999).contains(&started.year()) {
        return Err(VaultError::Year);
    }
    let month = format!("{:04}/{:02}", started.year(), started.month());
    Ok(Path::new(controller.as_str())
        .join(month)
        .join(id.to_string()))
}

/// Makes an empty file 0600 when there is none; what can't be made is found by who opens it.
pub(crate) fn touch_private(path: &Path) {
    let _made = folder::create_private(path, false);
}

#[cfg(test)]
pub(crate) use tests::{left_open as test_recording, tag as test_tag};
#[cfg(test)]
mod tests;
