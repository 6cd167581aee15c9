//! What can be wrong with the index.

use std::path::PathBuf;

use crate::{credentials::CredentialsError, vault::VaultError};

/// Why the index refuses.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not a sound SQLite database.
    #[error("the index {} is corrupt: move it away and restore it from a backup; the audio itself is untouched", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
    },
    /// It can't be opened or written.
    #[error("the index {} can't be used ({source}): give this user write access and free space there", path.display())]
    Unusable {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// What is known of the file can't be written down beside it.
    #[error(transparent)]
    Note(VaultError),
    /// PostgreSQL can't be reached, or refuses.
    #[error(
        "the index {place} can't be used ({what}): check `index` under [recorder], and that the database answers"
    )]
    Database {
        /// Database and host.
        place: String,
        /// What was said.
        what: String,
    },
    /// Another recorder has it.
    #[error(
        "another recorder works with the index {place}: stop it, or set another `index` under [recorder]"
    )]
    InUse {
        /// Database and host.
        place: String,
    },
    /// The index has been gone for too long.
    #[error("the index is gone, and {waiting} beginnings and ends wait for it: bring it back")]
    Backlog {
        /// How many.
        waiting: usize,
    },
    /// The secrets can't be had.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Written by another version.
    #[error("the index {place} has version {found}, this program knows {known}: {}", if found < known { "start the recorder once, which brings it up to date" } else { "use the program that wrote it" })]
    Version {
        /// The database.
        place: String,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// There is no index.
    #[error("there is no index {}: check `store` under [recorder], or record something first", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There are no tables of ours in the database.
    #[error(
        "there is no index in {place}: check `index` under [recorder], or record something first"
    )]
    NoTables {
        /// Database and host.
        place: String,
    },
    /// A row that no recorder writes.
    #[error(
        "the index holds a row for {id} that can't be read ({what}): restore the index from a backup"
    )]
    Row {
        /// Its recording.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// No recording of that id.
    #[error("no recording begins with {0}: `vaxel recordings list` shows which there are")]
    NotFound(String),
    /// Several recordings begin so.
    #[error("several recordings begin with {0}: give more digits of the id")]
    Ambiguous(String),
}

impl IndexError {
    /// Whether its disk is full.
    pub(crate) fn is_full(&self) -> bool {
        let Self::Unusable { source, .. } = self else {
            return false;
        };
        source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}
