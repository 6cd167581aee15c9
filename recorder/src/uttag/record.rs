//! Extracts between their steps: a small file in the store for each.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use callcore::{
    time::Time,
    uttag::{Any, Saved, Step},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{FOLDER, ID_LEN, UttagError, file};
use crate::{
    ledger::{self, PublicKeys, Signer, Statement},
    text::hex,
    vault::{StoreLock, Vault, folder},
};

#[derive(Serialize, Deserialize)]
struct Record {
    form: BTreeMap<String, String>,
    steps: Vec<Taken>,
    supplier: String,
    delivery: String,
    /// Signature of the store's signing key over all of that: others may write in the store.
    #[serde(default)]
    seal: String,
}

#[derive(Serialize, Deserialize)]
struct Taken {
    name: String,
    at: String,
    by: String,
}

impl Record {
    fn restore(self, vault: &Vault, id: &str) -> Result<Any, UttagError> {
        let steps: Option<Vec<Step>> = self
            .steps
            .into_iter()
            .map(|step| {
                let at: Timestamp = step.at.parse().ok()?;
                Step::parse(&step.name, Time::from(at), &step.by)
            })
            .collect();
        let saved = Saved {
            form: self.form.into_iter().collect(),
            steps: steps.unwrap_or_default(),
            supplier: self.supplier,
            delivery: self.delivery,
        };
        let path = path(vault, id)?;
        saved.restore()?.ok_or(UttagError::Torn { path })
    }

    /// Of every field with its length before it, so that no two records share it.
    fn digest(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |field: &str| digest.update(format!("{}:{field}\n", field.len()));
        add(&self.form.len().to_string());
        for (name, value) in &self.form {
            add(name);
            add(value);
        }
        for step in &self.steps {
            add(&step.name);
            add(&step.at);
            add(&step.by);
        }
        add(&self.supplier);
        add(&self.delivery);
        hex(&digest.finalize())
    }

    fn is_sealed(&self, id: &str, keys: &PublicKeys) -> bool {
        keys.vouch_for(&name(id), &self.digest(), &self.seal)
    }
}

/// What the signature is of: no ledger has that name.
fn name(id: &str) -> String {
    format!("{FOLDER}/{id}")
}

/// Writes down with the keys what the lost signing key vouched for: it vouches for nothing else from then on.
pub(crate) fn pin(vault: &Vault, keys: Option<&PublicKeys>, statement: &mut Statement) {
    // What can't be read proves nothing, and is no reason to go on without a key.
    for id in ids(vault).unwrap_or_default() {
        let bytes = path(vault, &id).ok().and_then(|path| fs::read(path).ok());
        let record = bytes.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        if let Some(record) = record
            && keys.is_none_or(|keys| record.is_sealed(&id, keys))
        {
            statement.pin(&name(&id), 0, &record.digest());
        }
    }
}

pub(super) fn write(vault: &Vault, id: &str, saved: &Saved) -> Result<(), UttagError> {
    let taken = |step: &Step| Taken {
        name: step.name.to_owned(),
        at: step.at.timestamp().to_string(),
        by: step.by.clone(),
    };
    let mut record = Record {
        form: saved.form.iter().cloned().collect(),
        steps: saved.steps.iter().map(taken).collect(),
        supplier: saved.supplier.clone(),
        delivery: saved.delivery.clone(),
        seal: String::new(),
    };
    record.seal = Signer::of(vault)?.sign(&name(id), &record.digest());
    let path = path(vault, id)?;
    let bytes =
        serde_json::to_vec_pretty(&record).map_err(|error| file(&path)(io::Error::other(error)))?;
    Ok(folder::keep(&path, &bytes)?)
}

/// Keeps every other command from taking a step while it lives: two that read `sent` would both deliver.
pub(super) fn alone(vault: &Vault) -> Result<StoreLock, UttagError> {
    let path = vault.store().join(FOLDER);
    folder::make_private(&path)?;
    StoreLock::take_folder(&path)?.ok_or(UttagError::Busy)
}

/// For whoever goes on with it: only what is signed.
pub(super) fn read(vault: &Vault, id: &str) -> Result<Any, UttagError> {
    let record = read_record(vault, id)?;
    let keys = ledger::public_keys(vault.keys())?;
    match keys.is_some_and(|keys| record.is_sealed(id, &keys)) {
        true => record.restore(vault, id),
        false => Err(UttagError::Changed {
            path: path(vault, id)?,
        }),
    }
}

/// For a list: also what an earlier version wrote, which signed none.
pub(super) fn read_to_list(vault: &Vault, id: &str) -> Result<Any, UttagError> {
    let record = read_record(vault, id)?;
    match record.seal.is_empty() {
        true => record.restore(vault, id),
        false => read(vault, id),
    }
}

fn read_record(vault: &Vault, id: &str) -> Result<Record, UttagError> {
    let path = path(vault, id)?;
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => UttagError::Unknown(id.to_owned()),
        _ => file(&path)(error),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| file(&path)(io::Error::other(error)))
}

/// The numbers of all there are.
pub(super) fn ids(vault: &Vault) -> Result<Vec<String>, UttagError> {
    let folder = vault.store().join(FOLDER);
    folder::ids(&folder).map_err(file(&folder))
}

/// A number that is one leads nowhere else.
fn path(vault: &Vault, id: &str) -> Result<PathBuf, UttagError> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if id.len() != ID_LEN || !id.bytes().all(hex) {
        return Err(UttagError::Unknown(id.chars().take(ID_LEN).collect()));
    }
    Ok(vault.store().join(FOLDER).join(format!("{id}.json")))
}
