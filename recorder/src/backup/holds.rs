//! Holds that an index doesn't know of: one that was restored from a backup made before they were placed, or made anew. The access
//! logs, which come with the key part, know of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::BackupError;
use crate::{
    access::{self, Access},
    index::Index,
    names::RecordingId,
    store::{HOLD, RELEASE},
    vault::Vault,
};

/// Holds again what was held since, and not released. What was released since stays held: that does no harm, and whoever released
/// it does so again. Gives how many recordings there were.
///
/// # Errors
/// When an access log can't be read, or the index can't be written.
pub(crate) fn place_again(vault: &Vault, index: &Index) -> Result<u64, BackupError> {
    let in_force = index.holds()?.into_iter();
    let held: BTreeSet<String> = in_force
        .filter(|hold| hold.released.is_empty())
        .map(|hold| hold.id)
        .collect();
    let segments = access::segments(vault.store())?.into_iter();
    let controllers: BTreeSet<String> = segments.map(|segment| segment.controller).collect();
    let mut placed = 0;
    for controller in controllers {
        for (id, hold) in ordered(vault, &controller)? {
            if held.contains(&id.to_string()) {
                continue;
            }
            // False: it was erased since, and isn't here.
            let (at, access) = hold;
            placed += u64::from(index.hold(id, &access.purpose, &access.who, at)?);
        }
    }
    Ok(placed)
}

/// The latest order that each of a controller's recordings stay, where none has released it.
fn ordered(
    vault: &Vault,
    controller: &str,
) -> Result<BTreeMap<RecordingId, (Timestamp, Access)>, BackupError> {
    let mut ordered = BTreeMap::new();
    access::read(vault, controller, |at, access| {
        let (Ok(id), Ok(at)) = (RecordingId::parse(&access.object), at.parse()) else {
            return;
        };
        match &*access.action {
            HOLD => {
                ordered.insert(id, (at, access));
            }
            RELEASE => {
                ordered.remove(&id);
            }
            _ => {}
        }
    })?;
    Ok(ordered)
}
