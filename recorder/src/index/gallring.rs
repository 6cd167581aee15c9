//! What the index knows for gallring: what is alike, what is held, what is being erased.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Entry, Index, IndexError,
    db::{Change, Value},
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

/// Recordings named in one statement: SQLite takes 32,766 values, PostgreSQL twice that.
pub(super) const NAMED_MAX: usize = 5000;

/// Not being erased. They are never many: two batches. (So written, PostgreSQL looks for them in a table in memory, whatever else
/// it does, and its way to the rows stays the same.)
pub(super) const UNMARKED: &str = "id NOT IN (SELECT id FROM marked_recordings)";

/// Neither being written nor being erased; with the words by which its indexes are found.
const AT_REST: &str =
    "state <> 'open' AND erasing IS NULL AND id NOT IN (SELECT id FROM marked_recordings)";
/// And who spoke is kept.
const NUMBERS_KEPT: &str = "numbers = 'kept' AND id NOT IN (SELECT id FROM marked_numbers)";

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
pub(super) fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests;
