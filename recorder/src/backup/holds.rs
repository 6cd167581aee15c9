//! Holds that an index doesn't know of: one that was restored from a backup made before they were placed, or made anew. The access
//! logs, which come with the key part, know of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::BackupError;
use crate::{
    access::{self, Access, Segment},
    index::{Hold, Index, IndexError},
    names::RecordingId,
    store::{HOLD, RELEASE},
    vault::Vault,
};

/// Between who ordered it and when, in what is written down again.
const SINCE: &str = " (since ";

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

/// Writes down again, as of now, which orders in force stand nowhere but in a month of an access log that is about to be erased: a
/// hold has no end of its own, and an index that is lost learns of it from the logs only.
pub(crate) fn carry_over(
    vault: &Vault,
    index: &Index,
    segment: &Segment,
    now: Timestamp,
) -> Result<(), BackupError> {
    let holds = index.holds()?.into_iter();
    let in_force: Vec<Hold> = holds.filter(|hold| hold.released.is_empty()).collect();
    if in_force.is_empty() {
        return Ok(());
    }
    let ordered = ordered(vault, &segment.controller)?;
    let later = |id: &RecordingId| {
        let at = ordered.get(id).map(|(at, _)| at.to_string());
        at.is_some_and(|at| at.get(..7) > Some(&segment.month))
    };
    let mut again = Vec::new();
    for hold in in_force {
        let Ok(id) = RecordingId::parse(&hold.id) else {
            continue;
        };
        let theirs = match index.get(id) {
            Ok(entry) => *entry.tag.controller == *segment.controller,
            Err(IndexError::NotFound(_)) => false,
            Err(error) => return Err(error.into()),
        };
        if theirs && !later(&id) {
            again.push(carried(hold, &segment.controller));
        }
    }
    // Latest first, as the index has them: of several the latest is what counts.
    again.reverse();
    Ok(access::write(vault, now, &again)?)
}

/// As it was ordered, and since when.
fn carried(hold: Hold, controller: &str) -> Access {
    let since = hold.placed.get(..10).unwrap_or_default();
    let who = if hold.placed_by.contains(SINCE) {
        hold.placed_by
    } else {
        format!("{}{SINCE}{since})", hold.placed_by)
    };
    Access {
        who,
        controller: controller.to_owned(),
        action: HOLD.to_owned(),
        object: hold.id,
        purpose: hold.reason,
    }
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
