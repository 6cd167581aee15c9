//! Orders that a recording stay, whatever its ceiling says.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Index, IndexError,
    db::{Change, Row, Value},
    gallring::{NAMED_MAX, UNMARKED, places},
};
use crate::names::RecordingId;

/// An order that a recording stay. It has no end of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The recording.
    pub id: String,
    /// Why.
    pub reason: String,
    /// When it was placed, RFC 3339 in UTC.
    pub placed: String,
    /// By whom.
    pub placed_by: String,
    /// When it was released; empty while it holds.
    pub released: String,
    /// By whom.
    pub released_by: String,
}

/// What there is of who spoke in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// All of it.
    Kept,
    /// It is being erased.
    Going,
    /// Nothing.
    Erased,
}

impl Index {
    /// Which of these are held.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn held(&self, ids: &[RecordingId]) -> Result<BTreeSet<RecordingId>, IndexError> {
        let mut held = BTreeSet::new();
        for some in ids.chunks(NAMED_MAX) {
            let places = places(some.len());
            let sql = format!("SELECT id FROM recordings WHERE held <> 0 AND id IN ({places})");
            let values: Vec<Value> = some.iter().map(|id| id.to_string().into()).collect();
            let found = self.rows(&sql, &values, |row| row.text("id"))?;
            held.extend(found.iter().filter_map(|id| RecordingId::parse(id).ok()));
        }
        Ok(held)
    }

    /// Orders that a recording stay, until [`release`](Self::release).
    ///
    /// # Errors
    /// When the index can't be written; false when the recording is gone or being erased.
    pub fn hold(
        &self,
        id: RecordingId,
        reason: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, IndexError> {
        // Whoever was told that it stays relies on it, also after a power cut.
        self.wait_for_disk()?;
        let id = id.to_string();
        // Waits for whoever is marking it: what comes after sees the mark.
        let still = Change::new(
            "UPDATE recordings SET held = held WHERE id = ?",
            [(&*id).into()],
        );
        let set = Change::new(
            format!("UPDATE recordings SET held = 1 WHERE id = ? AND {UNMARKED}"),
            [(&*id).into()],
        );
        let note = Change::new(
            format!(
                "INSERT INTO holds (id, reason, placed, placed_by) SELECT CAST(? AS TEXT), CAST(? AS TEXT), \
                 CAST(? AS TEXT), CAST(? AS TEXT) WHERE EXISTS (SELECT 1 FROM recordings WHERE id = ? AND {UNMARKED})"
            ),
            [
                (&*id).into(),
                reason.into(),
                at.to_string().into(),
                by.into(),
                (&*id).into(),
            ],
        );
        let changed = self.db.change(vec![still, set, note])?;
        Ok(changed == [1, 1, 1])
    }

    /// What there is of who spoke in a recording.
    ///
    /// # Errors
    /// When the index can't be read, or doesn't know the recording.
    pub fn numbers(&self, id: RecordingId) -> Result<Numbers, IndexError> {
        let sql = "SELECT numbers, (SELECT COUNT(*) FROM marked_numbers WHERE marked_numbers.id = recordings.id) AS going \
                   FROM recordings WHERE id = ?";
        let found = self.rows(sql, &[id.to_string().into()], |row| {
            Ok((row.text("numbers")?, row.count("going")?))
        })?;
        match found.first() {
            None => Err(IndexError::NotFound(id.to_string())),
            Some((kept, _)) if kept != "kept" => Ok(Numbers::Erased),
            Some((_, 0)) => Ok(Numbers::Kept),
            Some(_) => Ok(Numbers::Going),
        }
    }

    /// Ends every hold on a recording; gives how many there were.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn release(&self, id: RecordingId, by: &str, at: Timestamp) -> Result<usize, IndexError> {
        let id = id.to_string();
        let end = Change::new(
            "UPDATE holds SET released = ?, released_by = ? WHERE id = ? AND released IS NULL",
            [at.to_string().into(), by.into(), (&*id).into()],
        );
        let free = Change::new(
            "UPDATE recordings SET held = 0 WHERE id = ?",
            [(&*id).into()],
        );
        let changed = self.db.change(vec![end, free])?;
        Ok(changed
            .first()
            .map_or(0, |ended| usize::try_from(*ended).unwrap_or(usize::MAX)))
    }

    /// Every hold that there is or was, latest first.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn holds(&self) -> Result<Vec<Hold>, IndexError> {
        let sql = "SELECT id, reason, placed, placed_by, released, released_by FROM holds ORDER BY placed DESC, id";
        self.rows(sql, &[], |row: &Row<'_>| {
            Ok(Hold {
                id: row.text("id")?,
                reason: row.text("reason")?,
                placed: row.text("placed")?,
                placed_by: row.text("placed_by")?,
                released: row.text_if_any("released")?.unwrap_or_default(),
                released_by: row.text_if_any("released_by")?.unwrap_or_default(),
            })
        })
    }
}
