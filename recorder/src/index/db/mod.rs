//! The database under the index: SQLite beside the audio, or PostgreSQL by URL. Both take the same SQL with `?` for values.

mod postgres;
mod session;
mod sqlite;
mod tls;

pub(super) use self::{postgres::Postgres, sqlite::Sqlite};
use super::IndexError;

/// The database of one store.
#[derive(Debug)]
pub(super) enum Db {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// What stands in a row, or is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

/// A statement with its values.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// A row by the names of its columns.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) names: &'a [String],
    pub(super) values: Vec<Value>,
}

/// What came of a question whose rows are handled one at a time.
pub(super) type Each<'a> = &'a mut dyn FnMut(&Row<'_>) -> Result<(), IndexError>;

impl Db {
    /// Asks; each row goes to `each`. Also for changes that return rows: one statement goes whole or not at all.
    pub(super) fn query(
        &self,
        sql: &str,
        values: &[Value],
        each: Each<'_>,
    ) -> Result<(), IndexError> {
        match self {
            Self::Sqlite(db) => db.query(sql, values, each),
            Self::Postgres(db) => db.query(sql, values, each),
        }
    }

    /// Changes all of it or nothing; gives how many rows each statement changed.
    pub(super) fn change(&self, changes: Vec<Change>) -> Result<Vec<u64>, IndexError> {
        match self {
            Self::Sqlite(db) => db.change(&changes),
            Self::Postgres(db) => db.change(changes),
        }
    }

    /// Every later change waits until it is on disk. PostgreSQL waits anyway.
    pub(super) fn wait_for_disk(&self) -> Result<(), IndexError> {
        match self {
            Self::Sqlite(db) => db.wait_for_disk(),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Which index to answer from: SQLite has no figures to choose by until it is told to gather them.
    pub(super) fn by(&self, index: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("INDEXED BY {index}"),
            Self::Postgres(_) => String::new(),
        }
    }

    /// Keeps what was found from being changed until this change is done. SQLite lets one in at a time anyway.
    pub(super) const fn kept_still(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => "FOR UPDATE OF recordings",
        }
    }
}

impl Change {
    pub(super) fn new(sql: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Self {
        Self {
            sql: sql.into(),
            values: values.into_iter().collect(),
        }
    }
}

impl Row<'_> {
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        match self.value(name)? {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(format!("{name} is no text")),
        }
    }

    pub(super) fn text_if_any(&self, name: &str) -> Result<Option<String>, String> {
        match self.value(name)? {
            Value::Null => Ok(None),
            _ => self.text(name).map(Some),
        }
    }

    /// A count; none is below zero.
    pub(super) fn count(&self, name: &str) -> Result<u64, String> {
        match self.value(name)? {
            Value::Int(number) => Ok(u64::try_from(*number).unwrap_or(0)),
            Value::Null => Ok(0),
            _ => Err(format!("{name} is no number")),
        }
    }

    /// Whether that stands for a number that nobody knows.
    pub(super) fn is_negative(&self, name: &str) -> Result<bool, String> {
        Ok(matches!(self.value(name)?, Value::Int(number) if *number < 0))
    }

    fn value(&self, name: &str) -> Result<&Value, String> {
        let at = self.names.iter().position(|known| known == name);
        at.and_then(|at| self.values.get(at))
            .ok_or_else(|| format!("{name} is missing"))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Int(yes.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}
