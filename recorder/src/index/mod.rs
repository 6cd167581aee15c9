//! The index: what recordings there are and whose, without anything of the people who spoke.
//!
//! SQLite beside the audio. One recorder writes it; commands read it at the same time (WAL).

mod error;
mod gallring;
mod row;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use callcore::tag::RecordingTag;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, named_params, params_from_iter, types::Value};

pub use self::{
    error::IndexError,
    gallring::{Alike, Hold, Mark, NumbersAlike},
    row::{Closing, Entry, State},
};
use crate::{monitor::Stored, names::RecordingId, vault::Vault};

/// The database's name in the store: with a dot, so that it never is a controller's folder.
const FILE: &str = "index.sqlite";
const VERSION: u32 = 2;
/// How long a reader waits for a writer, and the other way round.
const BUSY_MAX: Duration = Duration::from_secs(5);
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

const SCHEMA: &str = r#"
CREATE TABLE recordings (
    id TEXT PRIMARY KEY NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'truncated')),
    controller TEXT NOT NULL, processor TEXT NOT NULL, operator TEXT NOT NULL,
    region TEXT NOT NULL, kommun TEXT NOT NULL,
    purpose TEXT NOT NULL, basis TEXT NOT NULL, agreement TEXT NOT NULL,
    class TEXT NOT NULL, earliest TEXT NOT NULL, latest TEXT NOT NULL,
    route TEXT NOT NULL, "table" TEXT NOT NULL, call TEXT NOT NULL,
    started TEXT NOT NULL, started_micros INTEGER NOT NULL,
    ended TEXT,
    bytes INTEGER NOT NULL DEFAULT 0, samples INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
    streams INTEGER NOT NULL DEFAULT 0, packets INTEGER NOT NULL DEFAULT 0,
    packets_lost INTEGER NOT NULL DEFAULT 0, gaps INTEGER NOT NULL DEFAULT 0,
    files TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX recordings_started ON recordings (started_micros);
CREATE INDEX recordings_controller ON recordings (controller, started_micros);
CREATE INDEX recordings_open ON recordings (state) WHERE state = 'open';
"#;

/// What gallring needs to know. Its index answers the plan without touching a row: whatever is alike stands together.
const SCHEMA_2: &str = r#"
ALTER TABLE recordings ADD COLUMN month TEXT GENERATED ALWAYS AS (substr(started, 1, 7)) VIRTUAL;
ALTER TABLE recordings ADD COLUMN day TEXT GENERATED ALWAYS AS (substr(started, 1, 10)) VIRTUAL;
ALTER TABLE recordings ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recordings ADD COLUMN handed_over TEXT NOT NULL DEFAULT '';
ALTER TABLE recordings ADD COLUMN erasing TEXT;
ALTER TABLE recordings ADD COLUMN numbers TEXT NOT NULL DEFAULT 'kept';
CREATE TABLE holds (
    id TEXT NOT NULL, reason TEXT NOT NULL, placed TEXT NOT NULL, placed_by TEXT NOT NULL,
    released TEXT, released_by TEXT
) STRICT;
CREATE INDEX holds_id ON holds (id);
CREATE INDEX recordings_kommun ON recordings (kommun, started_micros);
CREATE INDEX recordings_alike ON recordings (controller, class, month, earliest, latest, held, handed_over, bytes)
    WHERE state <> 'open' AND erasing IS NULL;
CREATE INDEX recordings_numbers ON recordings (controller, day, held, handed_over)
    WHERE state <> 'open' AND erasing IS NULL AND numbers = 'kept';
CREATE INDEX recordings_erasing ON recordings (erasing) WHERE erasing IS NOT NULL;
CREATE INDEX recordings_numbers_erasing ON recordings (numbers) WHERE numbers LIKE 'erasing%';
PRAGMA user_version = 2;
"#;

/// Indexes that an earlier program can do without.
const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS recordings_call ON recordings (call, started_micros);
CREATE INDEX IF NOT EXISTS recordings_region ON recordings (region, started_micros);
";

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
    db: Connection,
    path: PathBuf,
}

impl Index {
    /// Opens the index of a store to write, making it when there is none. Checks the whole file.
    ///
    /// # Errors
    /// When it is corrupt, from a later version, or can't be written.
    pub fn open(vault: &Vault) -> Result<Self, IndexError> {
        let index = Self::open_to_change(vault)?;
        let health: String = index.ask("PRAGMA quick_check(1)")?;
        if health != "ok" {
            return Err(IndexError::Corrupt { path: index.path });
        }
        Ok(index)
    }

    /// The same without reading the whole file: for a command that changes a few rows beside a recorder.
    ///
    /// # Errors
    /// When it is from a later version, or can't be written.
    pub fn open_to_change(vault: &Vault) -> Result<Self, IndexError> {
        let path = vault.store().join(FILE);
        crate::vault::touch_private(&path);
        let index = Self::connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        index.prepare().map_err(|error| index.failed(error))?;
        index.check_version()?;
        Ok(index)
    }

    /// Opens the index of a store to read; changes nothing.
    ///
    /// # Errors
    /// When there is none, it is corrupt or from a later version.
    pub fn open_existing(vault: &Vault) -> Result<Self, IndexError> {
        let path = vault.store().join(FILE);
        if !path.is_file() {
            return Err(IndexError::Missing { path });
        }
        let index = Self::connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        index.check_version()?;
        Ok(index)
    }

    /// Enters a recording that begins.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn insert_open(&self, id: RecordingId, tag: &RecordingTag) -> Result<(), IndexError> {
        let names = TAG_COLUMNS.map(|name| format!("\"{name}\"")).join(", ");
        let marks = ["?"; TAG_COLUMNS.len()].join(", ");
        let sql = format!(
            "INSERT INTO recordings (id, state, started_micros, {names}) VALUES (?, 'open', ?, {marks})"
        );
        let mut values = vec![id.to_string(), tag.started.as_micros().to_string()];
        values.extend(tag.fields().into_iter().map(|(_, text)| text));
        let mut insert = self
            .db
            .prepare_cached(&sql)
            .map_err(|error| self.failed(error))?;
        insert
            .execute(params_from_iter(values))
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Enters a recording's end. A recording ends once: false when it isn't open.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn close(&self, id: RecordingId, closing: &Closing) -> Result<bool, IndexError> {
        let sql = "UPDATE recordings SET state = :state, ended = :ended, bytes = :bytes, samples = :samples, \
             seconds = :seconds, streams = :streams, packets = :packets, packets_lost = :lost, gaps = :gaps, \
             files = :files WHERE id = :id AND state = 'open'";
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let values = named_params! {
            ":state": closing.state.name(),
            ":ended": closing.ended.to_string(),
            ":bytes": count(closing.bytes),
            ":samples": closing.tally.end,
            ":seconds": closing.tally.seconds(),
            ":streams": count(closing.files.len() as u64),
            ":packets": count(closing.tally.packets),
            ":lost": count(closing.tally.packets_lost),
            ":gaps": count(closing.tally.gaps),
            ":files": serde_json::Value::from(closing.files.clone()).to_string(),
            ":id": id.to_string(),
        };
        let mut update = self
            .db
            .prepare_cached(sql)
            .map_err(|error| self.failed(error))?;
        let changed = update.execute(values).map_err(|error| self.failed(error))?;
        Ok(changed == 1)
    }

    /// Lists recordings, newest first.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Entry>, IndexError> {
        let limit = filter.limit.min(LIST_MAX) as u64;
        let mut sql = "SELECT * FROM recordings WHERE erasing IS NULL".to_owned();
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
                values.push(value.clone().into());
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
        self.entries(&sql, params_from_iter(values))
    }

    /// Every recording that isn't being written or erased, one at a time.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn every(&self, mut each: impl FnMut(Entry)) -> Result<(), IndexError> {
        let sql = "SELECT * FROM recordings WHERE state <> 'open' AND erasing IS NULL ORDER BY id";
        let mut select = self.db.prepare(sql).map_err(|error| self.failed(error))?;
        let mut rows = select.query([]).map_err(|error| self.failed(error))?;
        while let Some(row) = rows.next().map_err(|error| self.failed(error))? {
            each(row::read(row)?);
        }
        Ok(())
    }

    /// Recordings that no one closed.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn left_open(&self) -> Result<Vec<Entry>, IndexError> {
        self.entries(
            "SELECT * FROM recordings WHERE state = 'open' ORDER BY started_micros, id",
            [],
        )
    }

    /// One recording.
    ///
    /// # Errors
    /// When there is none, or the index can't be read.
    pub fn get(&self, id: RecordingId) -> Result<Entry, IndexError> {
        self.find(&id.to_string())
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
        let sql = "SELECT * FROM recordings WHERE id >= :from AND id < :until LIMIT 2";
        let until = format!("{beginning}g");
        let mut found = self.entries(sql, named_params! {":from": beginning, ":until": until})?;
        match (found.pop(), found.pop()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(IndexError::NotFound(beginning.to_owned())),
            _ => Err(IndexError::Ambiguous(beginning.to_owned())),
        }
    }

    /// What is stored, by controller. Reads every row: for the start, not for every call.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn figures(&self) -> Result<BTreeMap<String, Stored>, IndexError> {
        let sql = "SELECT controller, COUNT(*), SUM(bytes), SUM(seconds), MIN(earliest) FROM recordings \
             WHERE state <> 'open' GROUP BY controller";
        let read = || -> rusqlite::Result<BTreeMap<String, Stored>> {
            let mut select = self.db.prepare(sql)?;
            let rows = select.query_map([], |row| {
                let count = |at| {
                    row.get::<_, i64>(at)
                        .map(|number| u64::try_from(number).unwrap_or(0))
                };
                let stored = Stored {
                    recordings: count(1)?,
                    bytes: count(2)?,
                    seconds: row.get(3)?,
                    next_due: row.get(4)?,
                };
                Ok((row.get(0)?, stored))
            })?;
            rows.collect()
        };
        read().map_err(|error| self.failed(error))
    }

    fn connect(path: PathBuf, flags: OpenFlags) -> Result<Self, IndexError> {
        let opened = Connection::open_with_flags(&path, flags)
            .and_then(|db| db.busy_timeout(BUSY_MAX).map(|()| db));
        match opened {
            Ok(db) => Ok(Self { db, path }),
            Err(source) => Err(failed(path, source)),
        }
    }

    /// Makes the table when there is none. WAL: a reader never stops the recorder.
    fn prepare(&self) -> rusqlite::Result<()> {
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        let version: u32 = self
            .db
            .pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables: u32 = self
            .db
            .query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if version == 0 && tables == 0 {
            self.db
                .execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} {SCHEMA_2} COMMIT;"))?;
        } else if version == 1 {
            self.db
                .execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA_2} COMMIT;"))?;
        }
        if version <= VERSION {
            self.db.execute_batch(INDEXES)?;
        }
        Ok(())
    }

    fn check_version(&self) -> Result<(), IndexError> {
        let found: u32 = self.ask("PRAGMA user_version")?;
        if found == VERSION {
            return Ok(());
        }
        Err(IndexError::Version {
            path: self.path.clone(),
            found,
            known: VERSION,
        })
    }

    fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T, IndexError> {
        self.db
            .query_row(sql, [], |row| row.get(0))
            .map_err(|error| self.failed(error))
    }

    fn entries(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Entry>, IndexError> {
        let mut select = self
            .db
            .prepare_cached(sql)
            .map_err(|error| self.failed(error))?;
        let mut rows = select.query(values).map_err(|error| self.failed(error))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(|error| self.failed(error))? {
            found.push(row::read(row)?);
        }
        Ok(found)
    }

    fn failed(&self, source: rusqlite::Error) -> IndexError {
        failed(self.path.clone(), source)
    }
}

fn failed(path: PathBuf, source: rusqlite::Error) -> IndexError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => IndexError::Corrupt { path },
        _ => IndexError::Unusable { path, source },
    }
}

#[cfg(test)]
mod tests;
