//! The log in which SQLite writes down what it is told and, while it records, doesn't wait for: a power cut may take its end.

use std::path::PathBuf;

use super::{Index, db::Db};
use crate::vault::{VaultError, folder};

/// For whoever must know that what was entered outlives a power cut, and keeps nobody waiting who enters.
#[derive(Debug, Clone)]
pub(crate) struct Log(Option<PathBuf>);

impl Index {
    /// Its log; a database in PostgreSQL waits by itself.
    pub(crate) fn log(&self) -> Log {
        Log(match &self.db {
            Db::Sqlite(db) => {
                let mut path = db.path().as_os_str().to_owned();
                path.push("-wal");
                Some(path.into())
            }
            Db::Postgres(_) => None,
        })
    }
}

impl Log {
    /// Waits until all that was entered by now is on disk. SQLite itself waits before it carries the log into its file.
    pub(crate) fn make_safe(&self) -> Result<(), VaultError> {
        self.0.as_deref().map_or(Ok(()), folder::sync_written)
    }
}
