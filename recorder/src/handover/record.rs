//! What was handed over: a file in the store for each, so that a receipt can be held against it, whenever it comes.

use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{FOLDER, HandoverError, Receipt, bag::RECORDINGS_MAX, file};
use crate::{
    names::RecordingId,
    vault::{Vault, folder},
};

/// The id of every recording, indented, and a dozen short fields.
const RECORD_LEN_MAX: u64 = (RECORDINGS_MAX * 48 + 64 * 1024) as u64;

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
    /// Recordings that should have been in the package and aren't: they didn't open, or were spoilt or erased meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Signature of the store's signing key over all of that: others may write in the store.
    #[serde(default)]
    pub seal: String,
    /// When the receipt came; empty while it hasn't.
    pub closed: String,
    /// The receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl Record {
    pub(super) fn read(vault: &Vault, id: &str) -> Result<Self, HandoverError> {
        // An id that is one leads nowhere else.
        let id = RecordingId::parse(id).map_err(|_| HandoverError::Foreign)?;
        let path = path(vault, &id.to_string());
        let mut bytes = Vec::new();
        let read = fs::File::open(&path)
            .and_then(|file| file.take(RECORD_LEN_MAX + 1).read_to_end(&mut bytes));
        match read {
            Ok(length) if length as u64 > RECORD_LEN_MAX => Err(file(&path)(io::Error::other(
                "it is longer than a hand-over",
            ))),
            Ok(_) => {
                serde_json::from_slice(&bytes).map_err(|error| file(&path)(io::Error::other(error)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(HandoverError::Foreign),
            Err(error) => Err(file(&path)(error)),
        }
    }

    /// The recordings in it.
    pub(super) fn ids(&self) -> Result<Vec<RecordingId>, HandoverError> {
        let ids = self.recordings.iter().map(|id| RecordingId::parse(id));
        Ok(ids.collect::<Result<_, _>>()?)
    }

    pub(super) fn write(&self, vault: &Vault) -> Result<(), HandoverError> {
        let path = path(vault, &self.id);
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| file(&path)(io::Error::other(error)))?;
        Ok(folder::keep(&path, &bytes)?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::faults;

    /// Its package may be with the receiver by then: a receipt of something unknown is refused.
    #[test]
    fn a_hand_over_is_known_after_a_power_cut() {
        let place = tempfile::tempdir().expect("a folder");
        let (store, keys) = (place.path().join("store"), place.path().join("keys"));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let record = Record {
            id: RecordingId::random().expect("random").to_string(),
            controller: "region-23".into(),
            decision: "RS/1/2022".into(),
            at: "2025-01-01T09:00:00Z".into(),
            by: "anna".into(),
            recipient: String::new(),
            receipt_key: String::new(),
            manifest: String::new(),
            files: 0,
            bytes: 0,
            recordings: Vec::new(),
            left_out: Vec::new(),
            seal: String::new(),
            closed: String::new(),
            receipt: None,
        };
        faults::plan(u64::MAX, io::ErrorKind::Other);
        record.write(&vault).expect("written");
        faults::end().cut_power().expect("ours");
        assert_eq!(list(&vault).expect("read"), [record]);
    }
}
