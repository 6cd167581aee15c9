//! Folders in the store, here and in the bucket, that have no tag, or that the index doesn't know: nobody could say whose they are.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use jiff::{ToSpan, civil::Date};

use super::{Asked, CALL_MAX, ReconcileError};
use crate::{
    index::{Index, IndexError},
    names::{ControllerName, RecordingId},
    vault::{Vault, VaultError},
};

/// A folder that was made this moment may not be in the index yet.
const FRESH: Duration = Duration::from_secs(60);
/// Months asked for one by one.
const MONTHS_MAX: usize = 12;

/// Controller and folder of each, in the months of the time.
pub(super) fn find(
    vault: &Vault,
    index: &Index,
    known: &BTreeSet<RecordingId>,
    asked: &Asked,
) -> Result<Vec<(String, String)>, ReconcileError> {
    let mut found = Vec::new();
    for controller in names(vault.store()) {
        if ControllerName::parse(&controller).is_err() {
            continue;
        }
        for month in months(asked) {
            let place = vault.store().join(&controller).join(month);
            for name in names(&place) {
                let path = place.join(&name);
                let tagged = path.join("tag.json").exists() && is_known(index, known, &name)?;
                if !tagged && !is_fresh(&path) {
                    found.push((controller.clone(), name));
                }
            }
        }
    }
    if !asked.bucket {
        return Ok(found);
    }
    match far(vault, index, known, asked, &mut found) {
        // What is here is told all the same.
        Err(ReconcileError::Vault(error @ VaultError::Remote { .. })) => {
            tracing::warn!(%error, "what lies in S3 isn't held against the index");
        }
        other => other?,
    }
    Ok(found)
}

/// The same of what has left for the bucket, a page at a time.
fn far(
    vault: &Vault,
    index: &Index,
    known: &BTreeSet<RecordingId>,
    asked: &Asked,
    found: &mut Vec<(String, String)>,
) -> Result<(), ReconcileError> {
    let months: BTreeSet<PathBuf> = months(asked).into_iter().collect();
    for controller in vault.controllers_far()? {
        // Each month is a question of its own: of many, all that there is is asked for at once.
        let under: Vec<String> = if months.len() > MONTHS_MAX {
            vec![controller]
        } else {
            let month = |month: &PathBuf| format!("{controller}/{}", month.display());
            months.iter().map(month).collect()
        };
        for under in under {
            for page in vault.recordings_far(Some(&under)).into_iter().flatten() {
                let mut page = page?;
                let of_time = |month: Option<&Path>| month.is_some_and(|one| months.contains(one));
                page.retain(|one| {
                    of_time(one.month()) && !known.contains(&one.id) && !is_recent(one.put)
                });
                let ids: Vec<RecordingId> = page.iter().map(|one| one.id).collect();
                let entered = index.known(&ids)?;
                let unknown = page.into_iter().filter(|one| !entered.contains(&one.id));
                found.extend(unknown.map(|one| (one.controller, one.id.to_string())));
            }
        }
    }
    Ok(())
}

fn is_known(
    index: &Index,
    known: &BTreeSet<RecordingId>,
    name: &str,
) -> Result<bool, ReconcileError> {
    let Ok(id) = RecordingId::parse(name) else {
        return Ok(false);
    };
    if known.contains(&id) {
        return Ok(true);
    }
    match index.get(id) {
        Ok(_) => Ok(true),
        Err(IndexError::NotFound(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The Swedish months that the time touches, as folders.
fn months(asked: &Asked) -> Vec<PathBuf> {
    let day = |at| callcore::time::Time::from(at).in_sweden().date();
    let first = asked.from.checked_sub(CALL_MAX).unwrap_or(asked.from);
    let (mut month, last): (Date, Date) = (day(first).first_of_month(), day(asked.until));
    let mut months = Vec::new();
    while month <= last {
        months.push(PathBuf::from(format!(
            "{:04}/{:02}",
            month.year(),
            month.month()
        )));
        match month.checked_add(1.month()) {
            Ok(next) => month = next,
            Err(_) => break,
        }
    }
    months
}

fn is_fresh(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|meta| meta.modified());
    changed.is_ok_and(is_recent)
}

fn is_recent(changed: SystemTime) -> bool {
    let age = SystemTime::now().duration_since(changed);
    age.is_ok_and(|age| age < FRESH)
}

/// The names in a folder; none when it isn't there, as of a store elsewhere.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
