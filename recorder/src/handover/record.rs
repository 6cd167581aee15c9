//! What was handed over: a file in the store for each, so that a receipt can be held against it, whenever it comes.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{FOLDER, HandoverError, file};
use crate::{
    names::RecordingId,
    vault::{Vault, folder},
};

/// One hand-over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// Whose recordings.
    pub controller: String,
    /// The diary number of the decision.
    pub decision: String,
    /// When the package was made, RFC 3339 in UTC.
    pub at: String,
    /// By whom.
    pub by: String,
    /// For whom it is sealed.
    pub recipient: String,
    /// Whose signature the receipt must carry.
    pub receipt_key: String,
    /// SHA-256 of the bag's manifest.
    pub manifest: String,
    /// Files in the bag's payload.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The recordings.
    pub recordings: Vec<String>,
    /// When the receipt came; empty while it hasn't.
    pub closed: String,
}

impl Record {
    pub(super) fn read(vault: &Vault, id: &str) -> Result<Self, HandoverError> {
        // An id that is one leads nowhere else.
        let id = RecordingId::parse(id).map_err(|_| HandoverError::Foreign)?;
        let path = path(vault, &id.to_string());
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| file(&path)(io::Error::other(error)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(HandoverError::Foreign),
            Err(error) => Err(file(&path)(error)),
        }
    }

    pub(super) fn write(&self, vault: &Vault) -> Result<(), HandoverError> {
        folder::make_private(&vault.store().join(FOLDER))?;
        let path = path(vault, &self.id);
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| file(&path)(io::Error::other(error)))?;
        Ok(folder::write_private(&path, &bytes)?)
    }
}

fn path(vault: &Vault, id: &str) -> PathBuf {
    vault.store().join(FOLDER).join(format!("{id}.json"))
}

/// Every hand-over of a store, oldest first.
///
/// # Errors
/// When one can't be read.
pub fn list(vault: &Vault) -> Result<Vec<Record>, HandoverError> {
    let folder = vault.store().join(FOLDER);
    let ids = folder::ids(&folder).map_err(file(&folder))?;
    let records = ids.iter().map(|id| Record::read(vault, id));
    let mut found = records.collect::<Result<Vec<_>, _>>()?;
    found.sort_by(|one, other| one.at.cmp(&other.at));
    Ok(found)
}
