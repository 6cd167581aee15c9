//! PostgreSQL by URL, through a [`Session`] that waits for it and comes back when it was gone.

use super::{
    Change, Each, Row, Value,
    session::{Answer, Ask, Session},
};
use crate::{
    credentials::Credentials,
    index::{IndexError, VERSION, schema},
};

/// Keeps a second recorder off the index for as long as the session lives: "vaxe" in a number. It goes with the schema, so
/// that several recorders may have one each in a database.
const LOCK: i32 = 0x7661_7865;

/// What brings the first tables, which are of version 2, up to date: each from the version that stands before it.
const STEPS: [(u64, &str); 2] = [(2, schema::POSTGRES_3), (3, schema::POSTGRES_4)];

/// A PostgreSQL database.
#[derive(Debug)]
pub(in crate::index) struct Postgres(Session);

impl Postgres {
    /// Opens it to write, making the tables when there are none. `alone`: for a recorder, which shares it with no other.
    pub(in crate::index) fn open(
        url: &str,
        secrets: &Credentials,
        alone: bool,
    ) -> Result<Self, IndexError> {
        let lock = alone.then_some(LOCK);
        let db = Self(Session::open(url, secrets, lock)?);
        if !db.has_tables()? {
            db.make_tables()?;
        }
        db.bring_up()?;
        db.check_version()?;
        if alone {
            db.make_starts();
        }
        Ok(db)
    }

    /// Opens it to read; makes nothing.
    pub(in crate::index) fn open_existing(
        url: &str,
        secrets: &Credentials,
    ) -> Result<Self, IndexError> {
        let db = Self(Session::open(url, secrets, None)?);
        if !db.has_tables()? {
            return Err(IndexError::NoTables {
                place: db.0.place().to_owned(),
            });
        }
        db.check_version()?;
        Ok(db)
    }

    pub(super) fn query(
        &self,
        sql: &str,
        values: &[Value],
        each: Each<'_>,
    ) -> Result<(), IndexError> {
        let change = Change::new(numbered(sql), values.to_vec());
        let Answer { names, rows, .. } = self.0.ask(Ask::Query(change))?;
        for values in rows {
            each(&Row {
                names: &names,
                values,
            })?;
        }
        Ok(())
    }

    pub(super) fn change(&self, changes: Vec<Change>) -> Result<Vec<u64>, IndexError> {
        let numbered = changes.into_iter().map(|change| Change {
            sql: numbered(&change.sql),
            values: change.values,
        });
        Ok(self.0.ask(Ask::Change(numbered.collect()))?.counts)
    }

    fn has_tables(&self) -> Result<bool, IndexError> {
        self.has("version")
    }

    /// Whether starts can be marked.
    pub(in crate::index) fn has_starts(&self) -> Result<bool, IndexError> {
        self.has("starts")
    }

    /// Whether there is a table of ours of that name.
    fn has(&self, table: &str) -> Result<bool, IndexError> {
        let mut found = false;
        let sql = "SELECT 1 AS one FROM information_schema.tables WHERE table_name = 'vaxel_' || ? \
             AND table_schema = current_schema()";
        self.query(sql, &[table.into()], &mut |_| {
            found = true;
            Ok(())
        })?;
        Ok(found)
    }

    /// It is no part of a version: where it may not be made, recordings are made all the same.
    fn make_starts(&self) {
        let made = match self.has_starts() {
            Ok(false) => self.0.ask(Ask::Script(schema::POSTGRES_STARTS.to_owned())),
            other => other.map(|_| Answer::default()),
        };
        if let Err(error) = made {
            tracing::warn!(%error, "a restored index can't be told from this one: let the recorder's role make a table");
        }
    }

    /// Another program may make them at the same moment: then they are there, and that is what was wanted.
    fn make_tables(&self) -> Result<(), IndexError> {
        let made = self.0.ask(Ask::Script(format!(
            "{} {}",
            schema::POSTGRES,
            schema::INDEXES
        )));
        match made {
            Err(error) if !self.has_tables()? => Err(error),
            _ => Ok(()),
        }
    }

    /// From the versions before. Should another program have done so at the same moment, it is done.
    fn bring_up(&self) -> Result<(), IndexError> {
        for (before, step) in STEPS {
            if self.version()? != before {
                continue;
            }
            let made = self.0.ask(Ask::Script(step.to_owned()));
            if let Err(error) = made
                && self.version()? == before
            {
                return Err(error);
            }
        }
        Ok(())
    }

    fn version(&self) -> Result<u64, IndexError> {
        let mut found = 0;
        self.query("SELECT version FROM vaxel_version", &[], &mut |row| {
            found = row.count("version").unwrap_or(0);
            Ok(())
        })?;
        Ok(found)
    }

    fn check_version(&self) -> Result<(), IndexError> {
        let found = self.version()?;
        if found == u64::from(VERSION) {
            return Ok(());
        }
        Err(IndexError::Version {
            place: self.0.place().to_owned(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            known: VERSION,
        })
    }
}

/// `?` becomes `$1`, `$2` and so on; no statement of ours has one in a text.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        text.push_str(&format!("${}", at + 1));
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_are_numbered() {
        assert_eq!(super::numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(super::numbered("nothing"), "nothing");
    }
}
