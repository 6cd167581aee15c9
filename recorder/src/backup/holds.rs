//! Holds that an index doesn't know of: one that was restored from a backup made before they were placed, or made anew, or in which
//! somebody has lifted them. The access logs, which are signed and come with the key part, know of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::BackupError;
use crate::{
    access::{self, Access, Segment},
    index::{Hold, Index, IndexError},
    ledger::LedgerError,
    lost,
    names::RecordingId,
    store::{HOLD, RELEASE},
    vault::Vault,
};

/// Between who ordered it and when, in what is written down again.
const SINCE: &str = " (since ";

/// Orders in force that an index doesn't have.
#[derive(Debug, Default)]
pub(crate) struct Lifted {
    orders: Vec<(RecordingId, Timestamp, Access)>,
    /// Whose access logs can't be read, and why: what they order nobody knows.
    pub(crate) unread: BTreeMap<String, LedgerError>,
}

impl Lifted {
    /// Asks the access logs, which have every order and every end of one.
    ///
    /// # Errors
    /// When logs can't be found, or the index can't be read.
    pub(crate) fn find<E>(vault: &Vault, index: &Index) -> Result<Self, E>
    where
        E: From<IndexError> + From<LedgerError>,
    {
        let segments = access::segments(vault.store())?.into_iter();
        let mut controllers: BTreeSet<String> = segments.map(|one| one.controller).collect();
        let mut found = Self::default();
        for (controller, error) in access::gone(vault)? {
            controllers.remove(&controller);
            found.unread.insert(controller, error);
        }
        let noted: BTreeSet<String> = in_force(index)?.map(|hold| hold.id).collect();
        for controller in controllers {
            match ordered(vault, &controller) {
                Ok(ordered) => found.add(index, &noted, ordered)?,
                Err(error) => {
                    found.unread.insert(controller, error);
                }
            }
        }
        found
            .unread
            .retain(|controller, error| !lost::is_log_given_up(vault, controller, error));
        Ok(found)
    }

    /// What was erased since isn't there to be held.
    fn add(
        &mut self,
        index: &Index,
        noted: &BTreeSet<String>,
        ordered: BTreeMap<RecordingId, (Timestamp, Access)>,
    ) -> Result<(), IndexError> {
        let ids: Vec<RecordingId> = ordered.keys().copied().collect();
        let (known, held) = (index.known(&ids)?, index.held(&ids)?);
        let lifted = ordered.into_iter().filter(|(id, _)| {
            known.contains(id) && !(held.contains(id) && noted.contains(&id.to_string()))
        });
        self.orders
            .extend(lifted.map(|(id, (at, access))| (id, at, access)));
        Ok(())
    }

    /// The recordings they are of.
    pub(crate) fn ids(&self) -> impl Iterator<Item = RecordingId> + '_ {
        self.orders.iter().map(|(id, _, _)| *id)
    }

    /// Places them again. Gives how many there were.
    pub(crate) fn place(&self, index: &Index) -> Result<u64, IndexError> {
        let mut placed = 0;
        for (id, at, access) in &self.orders {
            // False: it is being erased.
            placed += u64::from(index.hold(*id, &access.purpose, &access.who, *at)?);
        }
        Ok(placed)
    }
}

/// Holds again what was held since, and not released. What was released since stays held: that does no harm, and whoever released
/// it does so again. Gives how many recordings there were.
///
/// # Errors
/// When an access log can't be read, or the index can't be written.
pub(crate) fn place_again(vault: &Vault, index: &Index) -> Result<u64, BackupError> {
    let mut lifted = Lifted::find::<BackupError>(vault, index)?;
    if let Some((_, error)) = lifted.unread.pop_first() {
        return Err(error.into());
    }
    Ok(lifted.place(index)?)
}

fn in_force(index: &Index) -> Result<impl Iterator<Item = Hold>, IndexError> {
    let holds = index.holds()?.into_iter();
    Ok(holds.filter(|hold| hold.released.is_empty()))
}

/// Writes down again, as of now, which orders in force stand nowhere but in a month of an access log that is about to be erased: a
/// hold has no end of its own, and an index that is lost learns of it from the logs only.
pub(crate) fn carry_over(
    vault: &Vault,
    index: &Index,
    segment: &Segment,
    now: Timestamp,
) -> Result<(), BackupError> {
    if in_force(index)?.next().is_none() {
        return Ok(());
    }
    let ordered = ordered(vault, &segment.controller)?;
    let later = |id: &RecordingId| {
        let at = ordered.get(id).map(|(at, _)| at.to_string());
        at.is_some_and(|at| at.get(..7) > Some(&segment.month))
    };
    write_again(vault, index, (&segment.controller, now), |id| !later(id))
}

/// Writes down again, as of now, the orders in force that an index has of a controller's recordings, of those that are meant.
pub(crate) fn write_again<E: From<IndexError> + From<LedgerError>>(
    vault: &Vault,
    index: &Index,
    (controller, now): (&str, Timestamp),
    is_meant: impl Fn(&RecordingId) -> bool,
) -> Result<(), E> {
    let mut again = Vec::new();
    for hold in in_force(index)? {
        let Ok(id) = RecordingId::parse(&hold.id) else {
            continue;
        };
        let theirs = match index.get(id) {
            Ok(entry) => *entry.tag.controller == *controller,
            Err(IndexError::NotFound(_)) => false,
            Err(error) => return Err(error.into()),
        };
        if theirs && is_meant(&id) {
            again.push(carried(hold, controller));
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
) -> Result<BTreeMap<RecordingId, (Timestamp, Access)>, LedgerError> {
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
