//! The only ways out of a vault: the key first, then what nobody can open any more.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use callcore::{retention::ErasurePermit, tag::RecordingTag};

use super::{
    Vault, VaultError, bucket::Remote, folder, keys::controllers::Generation, recording::META_FILE,
    relative_folder,
};
use crate::names::{ControllerName, RecordingId};

/// Where what can't be opened any more is removed from: with a dot, so that it never is a controller's folder.
const GONE: &str = ".gone";

impl Vault {
    /// Destroys a recording's key: from here on no copy of its audio can be opened, in backups neither. Uses the permit
    /// up (invariant 4). It survives a power cut after [`sync_keys`](Self::sync_keys).
    ///
    /// The file is removed, not written over: on the disks there are now the old blocks stay either way, and what they
    /// hold is wrapped by the controller's key.
    ///
    /// # Errors
    /// When the key can't be removed.
    pub fn destroy_key(&self, id: RecordingId, permit: ErasurePermit) -> Result<(), VaultError> {
        let _used = permit.into_decision();
        let path = self.key_path(id);
        // What a rotation that was stopped had wrapped anew is a key as well. It goes first: once the key is gone nobody
        // looks for it.
        folder::remove_half(&path)?;
        remove(&path)?;
        self.take_back_data_key(id)
    }

    /// Whether a recording's key is there. Whoever can't tell must take it to be: what is there is never said to be destroyed.
    pub fn has_key(&self, id: RecordingId) -> bool {
        self.key_path(id).try_exists().unwrap_or(true)
    }

    /// Whether a recording's key was destroyed. One that isn't there with its controller's may be on a disk that isn't either, unless
    /// somebody said that the controller's is lost: then there is another.
    pub(crate) fn is_key_destroyed(&self, id: RecordingId, tag: &RecordingTag) -> bool {
        let Ok(controller) = ControllerName::parse(&tag.controller) else {
            return false;
        };
        !self.has_key(id) && self.has_controllers_key(&controller)
    }

    /// Whether a recording has lost its key, or it was destroyed, and others have theirs: their disk is there.
    pub(crate) fn is_key_gone_alone(&self, id: RecordingId, tag: &RecordingTag) -> bool {
        let others =
            || fs::read_dir(self.keys().join("data")).is_ok_and(|mut it| it.next().is_some());
        self.is_key_destroyed(id, tag) && others()
    }

    /// Whether the key is there that is recorded under for a controller.
    pub(crate) fn has_controllers_key(&self, controller: &ControllerName) -> bool {
        let key = Generation::current(self.keys(), controller).key();
        key.try_exists().unwrap_or(false)
    }

    /// Refuses a tag that isn't the one a recording was made under: its key opens under that only. What no key opens can't be
    /// asked, nor heard.
    ///
    /// # Errors
    /// When it is another, or the key is spoilt.
    pub(crate) fn refuse_other_tag(
        &self,
        id: RecordingId,
        tag: &RecordingTag,
    ) -> Result<(), VaultError> {
        let controller = ControllerName::parse(&tag.controller)?;
        match self.data_key(&controller, id, &tag.canonical()) {
            Err(error @ VaultError::TagChanged { .. }) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until keys that were destroyed are gone from the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync_keys(&self) -> Result<(), VaultError> {
        folder::sync_folder(&self.keys().join("data"))
    }

    /// Removes what is left of a recording whose key was destroyed. Needs no permit: what is left can't be opened.
    ///
    /// # Errors
    /// When the key is still there, or the disk refuses.
    pub fn remove_remains(&self, id: RecordingId, tag: &RecordingTag) -> Result<(), VaultError> {
        if self.has_key(id) {
            return Err(VaultError::KeyStillThere { id });
        }
        let relative = self.folder_of(id, tag)?;
        let path = self.store().join(&relative);
        // A month's folder lets one removal in at a time; set aside first, many go side by side.
        let aside = self.aside(id);
        set_aside(&path, &aside)
            .and_then(|()| ignore_missing(fs::remove_dir_all(&aside)))
            .map_err(folder::unusable(&path))?;
        match &self.remote {
            Some(remote) => remote.remove_all(&relative.to_string_lossy()),
            None => Ok(()),
        }
    }

    fn aside(&self, id: RecordingId) -> PathBuf {
        let name = id.to_string();
        self.store().join(GONE).join(&name[..2]).join(name)
    }

    /// Removes what a stopped erasure had set aside: none of it can be opened.
    pub(crate) fn clear_aside(&self) -> Result<(), VaultError> {
        let path = self.store().join(GONE);
        ignore_missing(fs::remove_dir_all(&path)).map_err(folder::unusable(&path))
    }

    /// Erases who spoke, and waits until it is gone from the disk. Uses the permit up.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn erase_numbers(
        &self,
        id: RecordingId,
        tag: &RecordingTag,
        permit: ErasurePermit,
    ) -> Result<(), VaultError> {
        let _used = permit.into_decision();
        let relative = self.folder_of(id, tag)?;
        let folder = self.store().join(&relative);
        let path = folder.join(META_FILE);
        folder::remove_half(&path)?;
        remove(&path)?;
        if folder.is_dir() {
            folder::sync_folder(&folder)?;
        }
        match &self.remote {
            // Its key stays, so that an older version would open.
            Some(remote) => remote.remove_for_good(&format!("{}/{META_FILE}", relative.display())),
            None => Ok(()),
        }
    }

    /// Whether it is stored who spoke, also where only an older version of it is.
    pub fn has_numbers(&self, id: RecordingId, tag: &RecordingTag) -> bool {
        let Ok(relative) = self.folder_of(id, tag) else {
            return false;
        };
        let name = format!("{}/{META_FILE}", relative.display());
        // Whoever can't tell must take it to be there: what is there is never said to be erased.
        let far = |remote: &Arc<Remote>| remote.exists_in_any_version(&name).unwrap_or(true);
        let near = self.store().join(&name).try_exists().unwrap_or(true);
        near || self.remote.as_ref().is_some_and(far)
    }

    pub(super) fn folder_of(
        &self,
        id: RecordingId,
        tag: &RecordingTag,
    ) -> Result<PathBuf, VaultError> {
        relative_folder(&ControllerName::parse(&tag.controller)?, id, tag)
    }
}

/// Gone already is gone: a run that was stopped is gone on with.
fn remove(path: &Path) -> Result<(), VaultError> {
    ignore_missing(fs::remove_file(path)).map_err(folder::unusable(path))
}

/// Gives a folder another name, unless a stopped run had done so, or nothing is there.
fn set_aside(path: &Path, aside: &Path) -> io::Result<()> {
    let Err(error) = fs::rename(path, aside) else {
        return Ok(());
    };
    if !path.exists() {
        return Ok(());
    }
    match (error.kind(), aside.parent()) {
        (io::ErrorKind::NotFound, Some(beside)) => fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(beside)?,
        // What lies there lay there before: the folder came back from a backup.
        _ => ignore_missing(fs::remove_dir_all(aside))?,
    }
    // A recorder that starts clears what was set aside, also under our hands: the next run goes on.
    fs::rename(path, aside)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
