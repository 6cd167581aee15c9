//! What the index knows for gallring: what is alike, what is held, what is being erased.

use jiff::Timestamp;
use rusqlite::{Row, named_params, params};
use serde::Serialize;

use super::{Entry, Index, IndexError};
use crate::names::RecordingId;

/// Recordings of one controller, class and month that retention can't tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// Whose.
    pub controller: String,
    /// Of which class.
    pub class: String,
    /// The month they began in, `2026-11`, by UTC.
    pub month: String,
    /// First day they may go, ISO 8601.
    pub earliest: String,
    /// Last day they may be there; empty when there is none.
    pub latest: String,
    /// Whether a hold is on them.
    pub held: bool,
    /// The receipt of their hand-over; empty when there was none.
    pub handed_over: String,
    /// How many.
    pub recordings: u64,
    /// Bytes they take.
    pub bytes: u64,
}

/// Recordings of one controller and day whose telephone numbers are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumbersAlike {
    /// Whose.
    pub controller: String,
    /// The day they began, ISO 8601, by UTC.
    pub day: String,
    /// Whether a hold is on them.
    pub held: bool,
    /// The receipt of their hand-over; empty when there was none.
    pub handed_over: String,
    /// How many.
    pub recordings: u64,
}

/// Which part of a recording is being erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// All of it.
    Recording,
    /// Who spoke.
    Numbers,
}

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

/// Neither being written nor being erased.
const AT_REST: &str = "state <> 'open' AND erasing IS NULL";

impl Index {
    /// Everything at rest, grouped by what retention looks at. Reads one index, not the rows.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn alike(&self) -> Result<Vec<Alike>, IndexError> {
        let sql = format!(
            "SELECT controller, class, month, earliest, latest, held, handed_over, COUNT(*), SUM(bytes) \
             FROM recordings INDEXED BY recordings_alike WHERE {AT_REST} GROUP BY 1, 2, 3, 4, 5, 6, 7"
        );
        self.rows(&sql, [], |row| {
            Ok(Alike {
                controller: row.get(0)?,
                class: row.get(1)?,
                month: row.get(2)?,
                earliest: row.get(3)?,
                latest: row.get(4)?,
                held: row.get(5)?,
                handed_over: row.get(6)?,
                recordings: count(row, 7)?,
                bytes: count(row, 8)?,
            })
        })
    }

    /// Recordings whose numbers are kept, grouped by what retention looks at.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn numbers_alike(&self) -> Result<Vec<NumbersAlike>, IndexError> {
        let sql = format!(
            "SELECT controller, day, held, handed_over, COUNT(*) FROM recordings \
             INDEXED BY recordings_numbers WHERE {AT_REST} AND numbers = 'kept' GROUP BY 1, 2, 3, 4"
        );
        self.rows(&sql, [], |row| {
            Ok(NumbersAlike {
                controller: row.get(0)?,
                day: row.get(1)?,
                held: row.get(2)?,
                handed_over: row.get(3)?,
                recordings: count(row, 4)?,
            })
        })
    }

    /// Some of a group's recordings: as many as are erased at once.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn some_alike(&self, group: &Alike, limit: usize) -> Result<Vec<Entry>, IndexError> {
        let sql = format!(
            "SELECT * FROM recordings INDEXED BY recordings_alike WHERE {AT_REST} AND controller = :controller \
             AND class = :class AND month = :month AND earliest = :earliest AND latest = :latest AND held = :held \
             AND handed_over = :handed_over LIMIT :limit"
        );
        self.entries(
            &sql,
            named_params! {
                ":controller": group.controller, ":class": group.class, ":month": group.month,
                ":earliest": group.earliest, ":latest": group.latest, ":held": group.held,
                ":handed_over": group.handed_over, ":limit": limit as i64,
            },
        )
    }

    /// Some of a group's recordings whose numbers are kept.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn some_numbers(
        &self,
        group: &NumbersAlike,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        let sql = format!(
            "SELECT * FROM recordings INDEXED BY recordings_numbers WHERE {AT_REST} AND numbers = 'kept' \
             AND controller = :controller AND day = :day AND held = :held AND handed_over = :handed_over LIMIT :limit"
        );
        self.entries(
            &sql,
            named_params! {
                ":controller": group.controller, ":day": group.day, ":held": group.held,
                ":handed_over": group.handed_over, ":limit": limit as i64,
            },
        )
    }

    /// Every later change waits until it is on disk: for gallring, where an order of events must survive a power cut.
    ///
    /// # Errors
    /// When the index refuses.
    pub fn wait_for_disk(&self) -> Result<(), IndexError> {
        self.db
            .pragma_update(None, "synchronous", "FULL")
            .map_err(|error| self.failed(error))
    }

    /// Marks recordings as being erased under a decision, all or none. What was marked, held or opened meanwhile is left
    /// out: gives those that were marked.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn mark(
        &self,
        what: Mark,
        ids: &[RecordingId],
        decision: &str,
    ) -> Result<Vec<RecordingId>, IndexError> {
        let (set, value) = match what {
            Mark::Recording => ("erasing", decision.to_owned()),
            Mark::Numbers => ("numbers", format!("erasing {decision}")),
        };
        let sql =
            format!("UPDATE recordings SET {set} = ? WHERE id = ? AND held = 0 AND {AT_REST}");
        let write = || {
            let change = self.db.unchecked_transaction()?;
            let mut marked = Vec::with_capacity(ids.len());
            {
                let mut update = change.prepare_cached(&sql)?;
                for id in ids {
                    if update.execute(params![value, id.to_string()])? == 1 {
                        marked.push(*id);
                    }
                }
            }
            change.commit().map(|()| marked)
        };
        write().map_err(|error| self.failed(error))
    }

    /// Takes marks back: nothing of these was erased.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn unmark(&self, what: Mark, ids: &[RecordingId]) -> Result<(), IndexError> {
        self.each(
            ids,
            match what {
                Mark::Recording => "UPDATE recordings SET erasing = NULL WHERE id = ?",
                Mark::Numbers => "UPDATE recordings SET numbers = 'kept' WHERE id = ?",
            },
        )
    }

    /// What was marked and not finished, with the decision it was marked under.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn marked(&self, what: Mark) -> Result<Vec<(Entry, String)>, IndexError> {
        let (column, condition) = match what {
            Mark::Recording => ("erasing", "erasing IS NOT NULL"),
            Mark::Numbers => ("numbers", "numbers LIKE 'erasing%'"),
        };
        let entries = self.entries(
            &format!("SELECT * FROM recordings WHERE {condition} ORDER BY id"),
            [],
        )?;
        let marks = self.rows(
            &format!("SELECT {column} FROM recordings WHERE {condition} ORDER BY id"),
            [],
            |row| row.get::<_, String>(0),
        )?;
        let decision = |mark: String| {
            mark.strip_prefix("erasing ")
                .map_or(mark.clone(), str::to_owned)
        };
        Ok(entries
            .into_iter()
            .zip(marks.into_iter().map(decision))
            .collect())
    }

    /// Forgets what was erased: the register remembers it.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn forget(&self, what: Mark, ids: &[RecordingId]) -> Result<(), IndexError> {
        self.each(
            ids,
            match what {
                Mark::Recording => "DELETE FROM recordings WHERE id = ?",
                Mark::Numbers => "UPDATE recordings SET numbers = 'erased' WHERE id = ?",
            },
        )
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
        let write = || {
            let change = self.db.unchecked_transaction()?;
            let there = change.execute(
                "UPDATE recordings SET held = 1 WHERE id = ? AND erasing IS NULL",
                [id.to_string()],
            )?;
            if there == 1 {
                change.execute(
                    "INSERT INTO holds (id, reason, placed, placed_by) VALUES (?, ?, ?, ?)",
                    params![id.to_string(), reason, at.to_string(), by],
                )?;
            }
            change.commit().map(|()| there == 1)
        };
        write().map_err(|error| self.failed(error))
    }

    /// Ends every hold on a recording; gives how many there were.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn release(&self, id: RecordingId, by: &str, at: Timestamp) -> Result<usize, IndexError> {
        let write = || {
            let change = self.db.unchecked_transaction()?;
            let ended = change.execute(
                "UPDATE holds SET released = ?, released_by = ? WHERE id = ? AND released IS NULL",
                params![at.to_string(), by, id.to_string()],
            )?;
            change.execute(
                "UPDATE recordings SET held = 0 WHERE id = ?",
                [id.to_string()],
            )?;
            change.commit().map(|()| ended)
        };
        write().map_err(|error| self.failed(error))
    }

    /// Every hold that there is or was, latest first.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn holds(&self) -> Result<Vec<Hold>, IndexError> {
        let sql = "SELECT id, reason, placed, placed_by, released, released_by FROM holds ORDER BY placed DESC, id";
        self.rows(sql, [], |row| {
            Ok(Hold {
                id: row.get(0)?,
                reason: row.get(1)?,
                placed: row.get(2)?,
                placed_by: row.get(3)?,
                released: row.get::<_, Option<_>>(4)?.unwrap_or_default(),
                released_by: row.get::<_, Option<_>>(5)?.unwrap_or_default(),
            })
        })
    }

    /// Notes that the controller has confirmed that it has its copy.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn handed_over(&self, ids: &[RecordingId], receipt: &str) -> Result<(), IndexError> {
        let write = || {
            let change = self.db.unchecked_transaction()?;
            for id in ids {
                change.execute(
                    "UPDATE recordings SET handed_over = ? WHERE id = ?",
                    params![receipt, id.to_string()],
                )?;
            }
            change.commit()
        };
        write().map_err(|error| self.failed(error))
    }

    fn each(&self, ids: &[RecordingId], sql: &str) -> Result<(), IndexError> {
        let write = || {
            let change = self.db.unchecked_transaction()?;
            {
                let mut update = change.prepare_cached(sql)?;
                for id in ids {
                    update.execute([id.to_string()])?;
                }
            }
            change.commit()
        };
        write().map_err(|error| self.failed(error))
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, IndexError> {
        let collect = || -> rusqlite::Result<Vec<T>> {
            self.db
                .prepare_cached(sql)?
                .query_map(values, read)?
                .collect()
        };
        collect().map_err(|error| self.failed(error))
    }
}

fn count(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at)
        .map(|number| u64::try_from(number).unwrap_or(0))
}
