//! The index: what recordings there are and whose, without anything of the people who spoke.
//!
//! SQLite beside the audio, or PostgreSQL by URL; the same questions to both.

mod db;
mod enter;
mod error;
mod gallring;
mod holds;
mod log;
mod note;
mod row;
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use jiff::Timestamp;

use self::{
    db::{Change, Db, Postgres, Row, Sqlite, Value},
    note::{Kept, Note, Word},
};

pub(crate) use self::log::Log;
pub use self::{
    error::IndexError,
    gallring::{Alike, Mark, NumbersAlike},
    holds::{Hold, Numbers},
    row::{Closing, Entry, State},
};
use crate::{monitor::Stored, names::RecordingId, place::IndexPlace, tally::RATE, vault::Vault};

/// The database's name in the store: with a dot, so that it never is a controller's folder.
const FILE: &str = "index.sqlite";
const VERSION: u32 = 4;
/// Recordings read at once when all are read: a page of memory, not all of it.
const PAGE: usize = 1000;
/// More rows than a person reads or a page shows.
pub const LIST_MAX: usize = 10_000;

/// The tag's fields as columns, named as they are.
const TAG_COLUMNS: [&str; 15] = [
    "controller",
    "processor",
    "operator",
    "region",
    "kommun",
    "purpose",
    "basis",
    "agreement",
    "class",
    "earliest",
    "latest",
    "route",
    "table",
    "call",
    "started",
];

/// Which recordings to list; newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only this controller's.
    pub controller: Option<String>,
    /// Only from this kommun-ID.
    pub kommun: Option<String>,
    /// Only from this region, by its two-digit code.
    pub region: Option<String>,
    /// Only of this call of the switch.
    pub call: Option<u64>,
    /// Only what began then or later.
    pub from: Option<Timestamp>,
    /// Only what began earlier.
    pub until: Option<Timestamp>,
    /// Only what comes after this one in the list: the last one of the page before.
    pub after: Option<(Timestamp, RecordingId)>,
    /// At most so many; [`LIST_MAX`] is the most there are.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            controller: None,
            kommun: None,
            region: None,
            call: None,
            from: None,
            until: None,
            after: None,
            limit: 100,
        }
    }
}

/// The index of one store.
#[derive(Debug)]
pub struct Index {
    db: Db,
    /// Of a recorder's own file.
    note: Option<Note>,
    check: Option<Check>,
}

/// The reading through of an index that is used already.
#[derive(Debug)]
pub struct Check {
    path: PathBuf,
    note: Note,
}

impl Check {
    /// Reads the whole file.
    ///
    /// # Errors
    /// When it is corrupt, which is written down for every later opening, or can't be read.
    pub fn run(self) -> Result<(), IndexError> {
        let found = Sqlite::open_existing(self.path).and_then(|db| db.check());
        if let Err(IndexError::Corrupt { .. }) = &found {
            self.note.write(Word::Damaged)?;
        }
        found
    }
}

impl Index {
    /// Opens the index of a store for a recorder, making it when there is none. A file that may have come to harm is read
    /// through first, any other [behind](Self::take_check) that; a database in PostgreSQL is kept from other recorders.
    ///
    /// # Errors
    /// When it is corrupt, in use, from a later version, or can't be written.
    pub fn open(vault: &Vault) -> Result<Self, IndexError> {
        let db = match vault.place().index.clone() {
            IndexPlace::Postgres(url) => {
                Db::Postgres(Postgres::open(&url, &vault.place().credentials()?, true)?)
            }
            near => return Self::open_file(file(vault, near)),
        };
        Ok(Self::of(db))
    }

    fn open_file(path: PathBuf) -> Result<Self, IndexError> {
        let note = Note::beside(&path);
        let kept = note.read();
        let db = Sqlite::open(path.clone())?;
        let check = if kept == Kept::Sound {
            let note = note.clone();
            Some(Check { path, note })
        } else {
            db.check()?;
            None
        };
        note.write(Word::Open)?;
        Ok(Self {
            db: Db::Sqlite(db),
            note: Some(note),
            check,
        })
    }

    const fn of(db: Db) -> Self {
        Self {
            db,
            note: None,
            check: None,
        }
    }

    /// What is still to be read through, when it was opened without that.
    pub const fn take_check(&mut self) -> Option<Check> {
        self.check.take()
    }

    /// Writes down that all was written: the next opening may rely on it.
    ///
    /// # Errors
    /// When the index or the note can't be written.
    pub fn close_whole(&self) -> Result<(), IndexError> {
        match (&self.db, &self.note) {
            (Db::Sqlite(db), Some(note)) if note.read() == Kept::Sound => {
                db.settle()?;
                note.write(Word::Closed)
            }
            _ => Ok(()),
        }
    }

    /// The same without reading the whole file: for a command that changes a few rows beside a recorder.
    ///
    /// # Errors
    /// When it is from a later version, can't be written, or was found to be corrupt.
    pub fn open_to_change(vault: &Vault) -> Result<Self, IndexError> {
        let db = match vault.place().index.clone() {
            IndexPlace::Postgres(url) => {
                Db::Postgres(Postgres::open(&url, &vault.place().credentials()?, false)?)
            }
            near => {
                let path = file(vault, near);
                if Note::beside(&path).read() == Kept::Damaged {
                    return Err(IndexError::Corrupt { path });
                }
                Db::Sqlite(Sqlite::open(path)?)
            }
        };
        Ok(Self::of(db))
    }

    /// Opens the index of a store to read; changes nothing.
    ///
    /// # Errors
    /// When there is none, it is corrupt or from a later version.
    pub fn open_existing(vault: &Vault) -> Result<Self, IndexError> {
        let db = match vault.place().index.clone() {
            IndexPlace::Postgres(url) => Db::Postgres(Postgres::open_existing(
                &url,
                &vault.place().credentials()?,
            )?),
            near => Db::Sqlite(Sqlite::open_existing(file(vault, near))?),
        };
        Ok(Self::of(db))
    }

    /// Which index this is: one that was made anew or restored under the same name is another.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn identity(&self) -> Result<String, IndexError> {
        let sql = "SELECT CAST(CAST('recordings' AS regclass) AS oid)::bigint AS made";
        match &self.db {
            Db::Sqlite(db) => {
                let file = Note::beside(db.path()).file().unwrap_or_default();
                let starts = self.rows("SELECT mark FROM starts", &[], |row| row.text("mark"))?;
                Ok(format!("{file} {}", starts.concat()))
            }
            Db::Postgres(db) => {
                let made = self.rows(sql, &[], |row| row.count("made"))?;
                let table = made.first().map(|oid| format!("table {oid}"));
                let starts = if db.has_starts()? {
                    self.rows("SELECT mark FROM vaxel_starts", &[], |row| row.text("mark"))?
                } else {
                    Vec::new()
                };
                Ok(format!("{} {}", table.unwrap_or_default(), starts.concat()))
            }
        }
    }

    /// Marks a start, and gives which index this is from now on. A copy that was made before has another mark, also when it is
    /// written over the same file.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn mark_start(&self) -> Result<String, IndexError> {
        let (forget, enter) = match &self.db {
            Db::Postgres(db) if !db.has_starts()? => return self.identity(),
            Db::Postgres(_) => (
                "DELETE FROM vaxel_starts",
                "INSERT INTO vaxel_starts (mark) VALUES (?)",
            ),
            Db::Sqlite(_) => ("DELETE FROM starts", "INSERT INTO starts (mark) VALUES (?)"),
        };
        if let Ok(mark) = RecordingId::random() {
            let forget = Change::new(forget, []);
            let enter = Change::new(enter, [mark.to_string().into()]);
            self.db.change(vec![forget, enter])?;
        }
        self.identity()
    }

    /// Lists recordings, newest first.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Entry>, IndexError> {
        let limit = filter.limit.min(LIST_MAX) as u64;
        let mut sql = format!("SELECT * FROM recordings WHERE {}", gallring::UNMARKED);
        let mut values: Vec<Value> = Vec::new();
        // Only what is asked for stands in the question, so that an index answers it.
        let call = filter.call.map(|call| call.to_string());
        for (column, value) in [
            ("controller", &filter.controller),
            ("kommun", &filter.kommun),
            ("region", &filter.region),
            ("call", &call),
        ] {
            if let Some(value) = value {
                sql.push_str(&format!(" AND {column} = ?"));
                values.push(Value::from(&**value));
            }
        }
        for (sign, moment) in [(">=", filter.from), ("<", filter.until)] {
            if let Some(moment) = moment {
                sql.push_str(&format!(" AND started_micros {sign} ?"));
                values.push(moment.as_microsecond().into());
            }
        }
        if let Some((started, id)) = filter.after {
            // The first part is what an index answers.
            sql.push_str(" AND started_micros <= ? AND (started_micros < ? OR id > ?)");
            values.push(started.as_microsecond().into());
            values.push(started.as_microsecond().into());
            values.push(id.to_string().into());
        }
        sql.push_str(&format!(" ORDER BY started_micros DESC, id LIMIT {limit}"));
        self.entries(&sql, &values)
    }

    /// Every recording that isn't being written or erased, one at a time.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn every(&self, mut each: impl FnMut(Entry)) -> Result<(), IndexError> {
        let sql = format!(
            "SELECT * FROM recordings WHERE id > ? AND state <> 'open' AND {} ORDER BY id LIMIT {PAGE}",
            gallring::UNMARKED
        );
        let mut after = String::new();
        loop {
            let page = self.entries(&sql, &[after.into()])?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.id.to_string();
            page.into_iter().for_each(&mut each);
        }
    }

    /// A page of a controller's recordings, whatever their state, after one of them.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn of_controller(
        &self,
        controller: &str,
        after: Option<RecordingId>,
    ) -> Result<Vec<Entry>, IndexError> {
        let sql = format!(
            "SELECT * FROM recordings WHERE id > ? AND controller = ? ORDER BY id LIMIT {PAGE}"
        );
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.entries(&sql, &[after.into(), controller.into()])
    }

    /// Recordings that no one closed.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn left_open(&self) -> Result<Vec<Entry>, IndexError> {
        self.entries(
            "SELECT * FROM recordings WHERE state = 'open' ORDER BY started_micros, id",
            &[],
        )
    }

    /// One recording.
    ///
    /// # Errors
    /// When there is none, or the index can't be read.
    pub fn get(&self, id: RecordingId) -> Result<Entry, IndexError> {
        self.find(&id.to_string())
    }

    /// Which of these it knows, whatever their state.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn known(&self, ids: &[RecordingId]) -> Result<BTreeSet<RecordingId>, IndexError> {
        let mut known = BTreeSet::new();
        for some in ids.chunks(PAGE) {
            let places = vec!["?"; some.len()].join(", ");
            let sql = format!("SELECT id FROM recordings WHERE id IN ({places})");
            let values: Vec<Value> = some.iter().map(|id| id.to_string().into()).collect();
            let found = self.rows(&sql, &values, |row| row.text("id"))?;
            known.extend(found.iter().filter_map(|id| RecordingId::parse(id).ok()));
        }
        Ok(known)
    }

    /// The one recording whose id begins so.
    ///
    /// # Errors
    /// When there is none or more than one, or the index can't be read.
    pub fn find(&self, beginning: &str) -> Result<Entry, IndexError> {
        let hex = !beginning.is_empty()
            && beginning
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex {
            return Err(IndexError::NotFound(beginning.chars().take(32).collect()));
        }
        // 'g' sorts after every digit, so this is the range of ids that begin so.
        let sql = "SELECT * FROM recordings WHERE id >= ? AND id < ? LIMIT 2";
        let until = format!("{beginning}g");
        let mut found = self.entries(sql, &[beginning.into(), until.into()])?;
        match (found.pop(), found.pop()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(IndexError::NotFound(beginning.to_owned())),
            _ => Err(IndexError::Ambiguous(beginning.to_owned())),
        }
    }

    /// What is stored, by controller. Reads a row for each of its days, however many recordings there are.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn figures(&self) -> Result<BTreeMap<String, Stored>, IndexError> {
        let sql = "SELECT controller, CAST(SUM(recordings) AS BIGINT) AS recordings, \
             CAST(SUM(bytes) AS BIGINT) AS bytes, CAST(SUM(samples) AS BIGINT) AS samples, \
             MIN(earliest) AS earliest FROM figures WHERE recordings > 0 GROUP BY controller";
        let found = self.rows(sql, &[], |row| {
            let stored = Stored {
                recordings: row.count("recordings")?,
                bytes: row.count("bytes")?,
                seconds: row.count("samples")? as f64 / f64::from(RATE),
                next_due: row.text("earliest")?,
            };
            Ok((row.text("controller")?, stored))
        })?;
        Ok(found.into_iter().collect())
    }

    fn entries(&self, sql: &str, values: &[Value]) -> Result<Vec<Entry>, IndexError> {
        let mut found = Vec::new();
        self.db.query(sql, values, &mut |row| {
            found.push(row::read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: &[Value],
        read: impl Fn(&Row<'_>) -> Result<T, String>,
    ) -> Result<Vec<T>, IndexError> {
        let mut found = Vec::new();
        self.db.query(sql, values, &mut |row| {
            let id = || row.text("id").unwrap_or_default();
            found.push(read(row).map_err(|what| IndexError::Row { id: id(), what })?);
            Ok(())
        })?;
        Ok(found)
    }
}

fn file(vault: &Vault, place: IndexPlace) -> std::path::PathBuf {
    match place {
        IndexPlace::File(path) => path,
        _ => vault.store().join(FILE),
    }
}

#[cfg(test)]
mod tests;
