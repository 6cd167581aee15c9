//! Extracts between their steps: a small file in the store for each.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use callcore::{
    time::Time,
    uttag::{Any, Saved, Step},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FOLDER, ID_LEN, UttagError, file};
use crate::vault::{StoreLock, Vault, folder};

#[derive(Serialize, Deserialize)]
struct Record {
    form: BTreeMap<String, String>,
    steps: Vec<Taken>,
    supplier: String,
    delivery: String,
}

#[derive(Serialize, Deserialize)]
struct Taken {
    name: String,
    at: String,
    by: String,
}

pub(super) fn write(vault: &Vault, id: &str, saved: &Saved) -> Result<(), UttagError> {
    let taken = |step: &Step| Taken {
        name: step.name.to_owned(),
        at: step.at.timestamp().to_string(),
        by: step.by.clone(),
    };
    let record = Record {
        form: saved.form.iter().cloned().collect(),
        steps: saved.steps.iter().map(taken).collect(),
        supplier: saved.supplier.clone(),
        delivery: saved.delivery.clone(),
    };
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

pub(super) fn read(vault: &Vault, id: &str) -> Result<Any, UttagError> {
    let path = path(vault, id)?;
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => UttagError::Unknown(id.to_owned()),
        _ => file(&path)(error),
    })?;
    let record: Record =
        serde_json::from_slice(&bytes).map_err(|error| file(&path)(io::Error::other(error)))?;
    let steps: Option<Vec<Step>> = record
        .steps
        .into_iter()
        .map(|step| {
            let at: Timestamp = step.at.parse().ok()?;
            Step::parse(&step.name, Time::from(at), &step.by)
        })
        .collect();
    let saved = Saved {
        form: record.form.into_iter().collect(),
        steps: steps.unwrap_or_default(),
        supplier: record.supplier,
        delivery: record.delivery,
    };
    saved.restore()?.ok_or(UttagError::Torn { path })
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
