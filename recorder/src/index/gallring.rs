//! What the index knows for gallring: what is alike, what is held, what is being erased.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Entry, Index, IndexError,
    db::{Change, Row, Value},
    row,
};
use crate::names::RecordingId;

/// Recordings of one controller, class and day that retention can't tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// Whose.
    pub controller: String,
    /// Of which class.
    pub class: String,
    /// The month they began in, `2026-11`, by UTC.
    pub month: String,
    /// The day of it, ISO 8601.
    pub day: String,
    /// First day they may go, ISO 8601.
    pub earliest: String,
    /// Last day they may be there; empty when there is none.
    pub latest: String,
    /// Whether a hold is on them.
    pub held: bool,
    /// The receipt of their hand-over, as the index has it; empty when there was none.
    pub handed_over: String,
    /// Whether that receipt was looked at, and proves it: here nobody has.
    pub proven: bool,
    /// Whether it is stored who spoke in them.
    pub numbers: bool,
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
    /// The receipt of their hand-over, as the index has it; empty when there was none.
    pub handed_over: String,
    /// Whether that receipt was looked at, and proves it: here nobody has.
    pub proven: bool,
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

impl Mark {
    /// Where what is marked so stands.
    const fn table(self) -> &'static str {
        match self {
            Self::Recording => "marked_recordings",
            Self::Numbers => "marked_numbers",
        }
    }
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

/// Recordings named in one statement: SQLite takes 32,766 values, PostgreSQL twice that.
const NAMED_MAX: usize = 5000;

/// Not being erased. They are never many: two batches. (So written, PostgreSQL looks for them in a table in memory, whatever else
/// it does, and its way to the rows stays the same.)
pub(super) const UNMARKED: &str = "id NOT IN (SELECT id FROM marked_recordings)";

/// Neither being written nor being erased; with the words by which its indexes are found.
const AT_REST: &str =
    "state <> 'open' AND erasing IS NULL AND id NOT IN (SELECT id FROM marked_recordings)";
/// And who spoke is kept.
const NUMBERS_KEPT: &str = "numbers = 'kept' AND id NOT IN (SELECT id FROM marked_numbers)";

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
    /// Everything at rest, grouped by what retention looks at. Reads figures and what is marked, not the rows.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn alike(&self) -> Result<Vec<Alike>, IndexError> {
        let key = "controller, class, day, earliest, latest, held, handed_over, numbers";
        let sql = grouped(
            key,
            "1, 2, 3, 4, 5, 6, 7, 8",
            "recordings <> 0",
            "SELECT id FROM marked_recordings",
        );
        self.rows(&sql, &[], |row| {
            let day = row.text("day")?;
            Ok(Alike {
                controller: row.text("controller")?,
                class: row.text("class")?,
                month: day.get(..7).unwrap_or_default().to_owned(),
                day,
                earliest: row.text("earliest")?,
                latest: row.text("latest")?,
                held: row.count("held")? != 0,
                handed_over: row.text("handed_over")?,
                proven: false,
                numbers: row.text("numbers")? == "kept",
                recordings: row.count("recordings")?,
                bytes: row.count("bytes")?,
            })
        })
    }

    /// Recordings whose numbers are kept, grouped by what retention looks at.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn numbers_alike(&self) -> Result<Vec<NumbersAlike>, IndexError> {
        let key = "controller, day, held, handed_over";
        let marked = "SELECT id FROM marked_recordings UNION SELECT id FROM marked_numbers";
        let sql = grouped(key, "1, 2, 3, 4", "numbers = 'kept'", marked);
        self.rows(&sql, &[], |row| {
            Ok(NumbersAlike {
                controller: row.text("controller")?,
                day: row.text("day")?,
                held: row.count("held")? != 0,
                handed_over: row.text("handed_over")?,
                proven: false,
                recordings: row.count("recordings")?,
            })
        })
    }

    /// Some of a group's recordings: as many as are erased at once; only of those that began before a moment, when one is named.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn some_alike(
        &self,
        group: &Alike,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        let (of_group, mut values) = self.alike_of(group, before);
        values.push((limit as u64).into());
        self.entries(&format!("SELECT * {of_group} LIMIT ?"), &values)
    }

    /// How many of a group's recordings began before a moment, and their bytes.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn count_alike(&self, group: &Alike, before: Timestamp) -> Result<(u64, u64), IndexError> {
        let (of_group, values) = self.alike_of(group, Some(before));
        let sql =
            format!("SELECT COUNT(*) AS found, CAST(SUM(bytes) AS BIGINT) AS bytes {of_group}");
        let found = self.rows(&sql, &values, |row| {
            Ok((row.count("found")?, row.count("bytes")?))
        })?;
        Ok(found.first().copied().unwrap_or_default())
    }

    /// What both look at.
    fn alike_of(&self, group: &Alike, before: Option<Timestamp>) -> (String, Vec<Value>) {
        let sql = format!(
            "FROM recordings {} WHERE {AT_REST} AND controller = ? AND class = ? AND month = ? \
             AND earliest = ? AND latest = ? AND held = ? AND handed_over = ? AND day = ? \
             AND numbers = ? AND started_micros < ?",
            self.db.by("recordings_alike")
        );
        let values = vec![
            (&*group.controller).into(),
            (&*group.class).into(),
            (&*group.month).into(),
            (&*group.earliest).into(),
            (&*group.latest).into(),
            group.held.into(),
            (&*group.handed_over).into(),
            (&*group.day).into(),
            if group.numbers { "kept" } else { "erased" }.into(),
            before.map_or(i64::MAX, Timestamp::as_microsecond).into(),
        ];
        (sql, values)
    }

    /// Some of a group's recordings whose numbers are kept; only of those that began before a moment, when one is named.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn some_numbers(
        &self,
        group: &NumbersAlike,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        let (of_group, mut values) = self.numbers_of(group, before);
        values.push((limit as u64).into());
        self.entries(&format!("SELECT * {of_group} LIMIT ?"), &values)
    }

    /// How many of a group's recordings whose numbers are kept began before a moment.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn count_numbers(
        &self,
        group: &NumbersAlike,
        before: Timestamp,
    ) -> Result<u64, IndexError> {
        let (of_group, values) = self.numbers_of(group, Some(before));
        let sql = format!("SELECT COUNT(*) AS found {of_group}");
        let found = self.rows(&sql, &values, |row| row.count("found"))?;
        Ok(found.first().copied().unwrap_or_default())
    }

    /// What both look at.
    fn numbers_of(&self, group: &NumbersAlike, before: Option<Timestamp>) -> (String, Vec<Value>) {
        let sql = format!(
            "FROM recordings {} WHERE {AT_REST} AND {NUMBERS_KEPT} AND controller = ? AND day = ? AND held = ? \
             AND handed_over = ? AND started_micros < ?",
            self.db.by("recordings_numbers")
        );
        let values = vec![
            (&*group.controller).into(),
            (&*group.day).into(),
            group.held.into(),
            (&*group.handed_over).into(),
            before.map_or(i64::MAX, Timestamp::as_microsecond).into(),
        ];
        (sql, values)
    }

    /// Every later change waits until it is on disk: for gallring, where an order of events must survive a power cut. And
    /// there is room in memory for many of them.
    ///
    /// # Errors
    /// When the index refuses.
    pub fn wait_for_disk(&self) -> Result<(), IndexError> {
        self.db.wait_for_disk()
    }

    /// Marks recordings as being erased under a decision. What was marked, held or opened meanwhile is left
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
        let (marks, condition) = match what {
            Mark::Recording => (what.table(), AT_REST.to_owned()),
            Mark::Numbers => (what.table(), format!("{AT_REST} AND {NUMBERS_KEPT}")),
        };
        let mut marked = Vec::with_capacity(ids.len());
        for some in ids.chunks(NAMED_MAX) {
            // A hold that is being placed meanwhile comes before this or sees it.
            let sql = format!(
                "INSERT INTO {marks} (id, decision) SELECT id, CAST(? AS TEXT) FROM recordings \
                 WHERE id IN ({}) AND held = 0 AND {condition} {} RETURNING id",
                places(some.len()),
                self.db.kept_still()
            );
            let values: Vec<Value> = std::iter::once(decision.into())
                .chain(some.iter().map(|id| id.to_string().into()))
                .collect();
            let found = self.rows(&sql, &values, |row| row.text("id"))?;
            marked.extend(found.iter().filter_map(|id| RecordingId::parse(id).ok()));
        }
        Ok(marked)
    }

    /// Takes marks back: nothing of these was erased.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn unmark(&self, what: Mark, ids: &[RecordingId]) -> Result<(), IndexError> {
        self.each(ids, &[&format!("DELETE FROM {}", what.table())], &[])
    }

    /// The recordings that were marked and not finished.
    pub(crate) fn going(&self) -> Result<BTreeSet<RecordingId>, IndexError> {
        let marked = self.marked(Mark::Recording)?.into_iter();
        Ok(marked.map(|(entry, _)| entry.id).collect())
    }

    /// What was marked and not finished, with the decision it was marked under.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn marked(&self, what: Mark) -> Result<Vec<(Entry, String)>, IndexError> {
        let marks = what.table();
        // `CROSS JOIN`: SQLite then begins with the few that are marked.
        let sql = format!(
            "SELECT recordings.*, {marks}.decision FROM {marks} CROSS JOIN recordings \
             WHERE recordings.id = {marks}.id ORDER BY {marks}.id"
        );
        let mut found = Vec::new();
        self.db.query(&sql, &[], &mut |row| {
            let entry = row::read(row)?;
            let decision = row.text("decision").map_err(|what| IndexError::Row {
                id: entry.id.to_string(),
                what,
            })?;
            found.push((entry, decision));
            Ok(())
        })?;
        Ok(found)
    }

    /// Forgets what was erased: the register remembers it.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn forget(&self, what: Mark, ids: &[RecordingId]) -> Result<(), IndexError> {
        let sql: &[&str] = match what {
            Mark::Recording => &[
                "DELETE FROM recordings",
                "DELETE FROM marked_recordings",
                "DELETE FROM marked_numbers",
            ],
            Mark::Numbers => &[
                "UPDATE recordings SET numbers = 'erased'",
                "DELETE FROM marked_numbers",
            ],
        };
        self.each(ids, sql, &[])
    }

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

    /// Notes that the controller has confirmed that it has its copy.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn handed_over(&self, ids: &[RecordingId], receipt: &str) -> Result<(), IndexError> {
        self.each(
            ids,
            &["UPDATE recordings SET handed_over = ?"],
            &[receipt.into()],
        )
    }

    /// The same changes to each of these, all or none. `first` stands before the ids.
    fn each(&self, ids: &[RecordingId], sql: &[&str], first: &[Value]) -> Result<(), IndexError> {
        let change = |some: &[RecordingId], sql: &str| {
            let named = some.iter().map(|id| id.to_string().into());
            Change::new(
                format!("{sql} WHERE id IN ({})", places(some.len())),
                first.iter().cloned().chain(named),
            )
        };
        let changes: Vec<Change> = ids
            .chunks(NAMED_MAX)
            .flat_map(|some| sql.iter().map(move |sql| change(some, sql)))
            .collect();
        if !changes.is_empty() {
            self.db.change(changes)?;
        }
        Ok(())
    }
}

/// The figures by a key, without those that are marked. One question, so that both are of one moment.
fn grouped(key: &str, columns: &str, which: &str, marked: &str) -> String {
    format!(
        "SELECT {key}, CAST(SUM(recordings) AS BIGINT) AS recordings, CAST(SUM(bytes) AS BIGINT) AS bytes FROM \
         (SELECT * FROM figures UNION ALL SELECT controller, class, day, earliest, latest, held, handed_over, numbers, -1, -bytes, -samples FROM recordings WHERE state <> 'open' AND id IN ({marked})) \
         AS kept WHERE {which} GROUP BY {columns} HAVING SUM(recordings) > 0 ORDER BY {columns}"
    )
}

/// `?, ?, ?`
fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests;
