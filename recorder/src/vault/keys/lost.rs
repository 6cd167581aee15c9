//! A controller's key that is lost for good: another takes its place under a name of its own, so that it can lie beside if it turns up.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
    sync::PoisonError,
};

use super::{
    Print,
    controllers::{self, Generation},
    print_over,
};
use crate::{
    names::{ControllerName, RecordingId},
    vault::{Vault, VaultError, folder},
};

/// How many data keys name each key that isn't there.
#[derive(Debug, Default)]
pub(crate) struct Unopened(BTreeMap<Print, u64>);

impl Vault {
    /// Refuses to take a key for lost.
    ///
    /// # Errors
    /// When it is there, or may be on a disk that isn't.
    pub(crate) fn refuse_key_there(&self, controller: &ControllerName) -> Result<(), VaultError> {
        self.refuse_keys_away()?;
        let path = Generation::current(self.keys(), controller).key();
        match path.try_exists().map_err(folder::unusable(&path))? {
            true => Err(VaultError::KeyThere { path }),
            false => Ok(()),
        }
    }

    /// Counts the data keys of these recordings that are under no key which is there, nor under one that was lost before.
    pub(crate) fn count_unopened(
        &self,
        controller: &ControllerName,
        recordings: impl Iterator<Item = RecordingId>,
        counted: &mut Unopened,
    ) -> Result<(), VaultError> {
        let mut known = controllers::lost_prints(self.keys(), controller)?;
        let others = controllers::others(self.keys(), controller)?;
        known.extend(others.iter().map(|(_, key)| key.print()));
        for id in recordings {
            let print = print_over(&self.key_path(id))?;
            if let Some(print) = print.filter(|print| !known.contains(print)) {
                *counted.0.entry(print).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Makes the next key, and writes down with the keys that this one is lost. On disk when this returns.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn give_up_key(
        &self,
        controller: &ControllerName,
        unopened: &Unopened,
    ) -> Result<(), VaultError> {
        let _alone = self
            .making_key
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let lost = Generation::current(self.keys(), controller);
        // Made by a run that was stopped before it said so: nothing is under it yet.
        let next = lost.next().key();
        if !next.try_exists().map_err(folder::unusable(&next))? {
            controllers::make(lost.next())?;
        }
        controllers::write_lost(lost, &unopened.prints())
    }

    /// Refuses to take a recording's own key for lost.
    ///
    /// # Errors
    /// When it is there, or its controller's isn't: then it is that one that is lost, or the disk that is away.
    pub(crate) fn refuse_data_key_there(
        &self,
        id: RecordingId,
        controller: &ControllerName,
    ) -> Result<(), VaultError> {
        self.refuse_keys_away()?;
        controllers::key_to_write(self.keys(), controller, false)?;
        let path = self.key_path(id);
        match path.try_exists().map_err(folder::unusable(&path))? {
            true => Err(VaultError::KeyThere { path }),
            false => Ok(()),
        }
    }

    /// Writes down with the keys that a recording's own key is lost, or the recording itself. On disk when this returns.
    pub(crate) fn give_up_data_key(&self, id: RecordingId) -> Result<(), VaultError> {
        folder::keep(&self.given_up().join(id.to_string()), b"")
    }

    /// Whether somebody said so.
    pub(crate) fn is_data_key_given_up(&self, id: RecordingId) -> bool {
        let mut marks = self.data_lost(id).into_iter();
        marks.any(|mark| mark.try_exists().unwrap_or(false))
    }

    /// Forgets that somebody said so.
    pub(crate) fn take_back_data_key(&self, id: RecordingId) -> Result<(), VaultError> {
        for mark in self.data_lost(id) {
            folder::remove_if_there(&mark)?;
        }
        Ok(())
    }

    /// Of which recordings somebody said so. Few, in a folder of their own: among millions of keys they would take long to find.
    pub(crate) fn data_keys_given_up(&self) -> Result<Vec<RecordingId>, VaultError> {
        let folder = self.given_up();
        let unusable = folder::unusable(&folder);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(&unusable)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(&unusable)?.file_name();
            found.extend(name.to_str().and_then(|name| RecordingId::parse(name).ok()));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Where it may be written down; the second as an earlier version did.
    pub(in crate::vault) fn data_lost(&self, id: RecordingId) -> [PathBuf; 2] {
        let earlier = self.keys().join("data").join(format!("{id}.lost"));
        [self.given_up().join(id.to_string()), earlier]
    }

    fn given_up(&self) -> PathBuf {
        self.keys().join("given-up")
    }

    /// Keys that were said to be lost and are there again, and that nobody was told of yet.
    pub(crate) fn keys_found(&self) -> Result<Vec<Found>, VaultError> {
        let folder = controllers::folder_of(self.keys());
        let unusable = folder::unusable(&folder);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(&unusable)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(&unusable)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".lost"));
            let Some(stem) = stem else { continue };
            let id = stem.split('.').next().unwrap_or_default();
            let key = format!("{stem}.key");
            if let Ok(controller) = ControllerName::parse(id)
                && folder.join(&key).exists()
                && !folder.join(format!("{stem}.found")).exists()
            {
                found.push(Found { controller, key });
            }
        }
        found.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(found)
    }

    /// Writes down that somebody was told.
    pub(crate) fn told_of(&self, found: &Found) -> Result<(), VaultError> {
        let stem = found.key.strip_suffix(".key").unwrap_or(&found.key);
        let path = controllers::folder_of(self.keys()).join(format!("{stem}.found"));
        folder::keep(&path, b"")
    }
}

/// A key that was lost and is there again.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) controller: ControllerName,
    /// Its file.
    pub(crate) key: String,
}

impl Unopened {
    /// Those of the lost key, and of what it was being changed from. One that a single data key names, beside others, is a data key
    /// that is spoilt: it may come back from a backup.
    fn prints(&self) -> BTreeSet<Print> {
        let most = self.0.values().max().copied().unwrap_or_default();
        let is_lost = |count: u64| count == most || count > 1;
        let lost = self.0.iter().filter(|(_, count)| is_lost(**count));
        lost.map(|(print, _)| *print).collect()
    }
}
