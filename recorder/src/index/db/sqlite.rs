//! SQLite: one file beside the audio. One recorder writes it; commands read it at the same time (WAL).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, ToSql, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};

use super::{Change, Each, Row, Value};
use crate::index::{
    IndexError, VERSION,
    schema::{INDEXES, SCHEMA, SCHEMA_2, SCHEMA_3, SCHEMA_4, STARTS},
};

/// How long a reader waits for a writer, and the other way round.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// How much of the file gallring keeps in memory. A batch touches some thousand pages of 4 KiB; in the usual 2 MB each was
/// read several times, and written before the batch's end.
const ERASING_CACHE_KIB: i32 = 64 << 10;
/// How long its log may grow before it is carried into the file: 32 MB, some ten batches. Most of them change the same
/// pages of the indexes, which are then written once.
const ERASING_LOG_PAGES: i32 = 8192;

/// A SQLite database.
#[derive(Debug)]
pub(in crate::index) struct Sqlite {
    db: Connection,
    path: PathBuf,
}

impl Sqlite {
    /// Opens it to write, making it when there is none.
    pub(in crate::index) fn open(path: PathBuf) -> Result<Self, IndexError> {
        crate::vault::touch_private(&path);
        let db = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.prepare().map_err(|error| db.failed(error))?;
        db.check_version()?;
        Ok(db)
    }

    /// Opens it to read; changes nothing.
    pub(in crate::index) fn open_existing(path: PathBuf) -> Result<Self, IndexError> {
        if !path.is_file() {
            return Err(IndexError::Missing { path });
        }
        let db = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.check_version()?;
        Ok(db)
    }

    /// Reads the whole file.
    pub(in crate::index) fn check(&self) -> Result<(), IndexError> {
        let health: String = self.ask("PRAGMA quick_check(1)")?;
        if health == "ok" {
            return Ok(());
        }
        Err(IndexError::Corrupt {
            path: self.path.clone(),
        })
    }

    /// Where it is.
    pub(in crate::index) fn path(&self) -> &Path {
        &self.path
    }

    /// Carries what stands in the log into the file.
    pub(in crate::index) fn settle(&self) -> Result<(), IndexError> {
        self.ask("PRAGMA wal_checkpoint(TRUNCATE)")
            .map(|_busy: i64| ())
    }

    pub(super) fn query(
        &self,
        sql: &str,
        values: &[Value],
        each: Each<'_>,
    ) -> Result<(), IndexError> {
        let failed = |error| self.failed(error);
        let mut select = self.db.prepare_cached(sql).map_err(failed)?;
        let names: Vec<String> = select.column_names().map(str::to_owned).collect();
        let mut rows = select.query(params_from_iter(values)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let values: Result<Vec<Value>, _> = (0..names.len())
                .map(|at| row.get_ref(at).map(Value::from))
                .collect();
            each(&Row {
                names: &names,
                values: values.map_err(failed)?,
            })?;
        }
        Ok(())
    }

    pub(super) fn change(&self, changes: &[Change]) -> Result<Vec<u64>, IndexError> {
        let write = || {
            let all = self.db.unchecked_transaction()?;
            let mut counts = Vec::with_capacity(changes.len());
            for change in changes {
                let mut statement = all.prepare_cached(&change.sql)?;
                counts.push(statement.execute(params_from_iter(&change.values))? as u64);
            }
            all.commit().map(|()| counts)
        };
        write().map_err(|error| self.failed(error))
    }

    pub(super) fn wait_for_disk(&self) -> Result<(), IndexError> {
        let set = || {
            self.db.pragma_update(None, "synchronous", "FULL")?;
            self.db
                .pragma_update(None, "cache_size", -ERASING_CACHE_KIB)?;
            self.db
                .pragma_update(None, "wal_autocheckpoint", ERASING_LOG_PAGES)
        };
        set().map_err(|error| self.failed(error))
    }

    fn connect(path: PathBuf, flags: OpenFlags) -> Result<Self, IndexError> {
        let opened = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .and_then(|db| {
                db.busy_timeout(BUSY_MAX)?;
                // Each page is looked at when it is read: a damaged one is never taken for a sound one that says little.
                db.pragma_update(None, "cell_size_check", true)?;
                Ok(db)
            });
        match opened {
            Ok(db) => Ok(Self { db, path }),
            Err(source) => Err(failed(path, source)),
        }
    }

    /// Makes the tables when there are none. WAL: a reader never stops the recorder.
    fn prepare(&self) -> rusqlite::Result<()> {
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        let version: u32 = self
            .db
            .pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables: u32 = self
            .db
            .query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let steps = match version {
            0 if tables == 0 => [SCHEMA, SCHEMA_2, SCHEMA_3, SCHEMA_4].concat(),
            1 => [SCHEMA_2, SCHEMA_3, SCHEMA_4].concat(),
            2 => [SCHEMA_3, SCHEMA_4].concat(),
            3 => SCHEMA_4.to_owned(),
            _ => String::new(),
        };
        if !steps.is_empty() {
            self.db
                .execute_batch(&format!("BEGIN IMMEDIATE; {steps} COMMIT;"))?;
        }
        if version <= VERSION {
            self.db.execute_batch(INDEXES)?;
            self.db.execute_batch(STARTS)?;
        }
        Ok(())
    }

    fn check_version(&self) -> Result<(), IndexError> {
        let found: u32 = self.ask("PRAGMA user_version")?;
        if found == VERSION {
            return Ok(());
        }
        Err(IndexError::Version {
            place: self.path.display().to_string(),
            found,
            known: VERSION,
        })
    }

    fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T, IndexError> {
        self.db
            .query_row(sql, [], |row| row.get(0))
            .map_err(|error| self.failed(error))
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

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(number) => Self::Int(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Null | ValueRef::Blob(_) => Self::Null,
        }
    }
}
