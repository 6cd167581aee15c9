//! Which database the tests use: SQLite, or the PostgreSQL that `tests/with-postgres` has started, a schema for each store.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    process::Command,
};

/// Set by `tests/with-postgres`: a URL without a schema.
const URL: &str = "VAXEL_TEST_POSTGRES";

/// The index of a store in this folder, in PostgreSQL when the tests are run so.
pub(crate) fn index_of(folder: &Path) -> Option<String> {
    let url = std::env::var(URL).ok()?;
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    let schema = format!("t{:016x}", hasher.finish());
    run(&url, &format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
    Some(format!("{url}?options=-csearch_path%3D{schema}"))
}

/// Changes a database beside whoever has it open.
pub(crate) fn run(url: &str, sql: &str) {
    let ended = Command::new("psql")
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .status()
        .expect("psql runs");
    assert!(ended.success(), "{sql}");
}
