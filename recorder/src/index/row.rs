//! A row of the index as a value.

use std::fmt;

use callcore::tag::RecordingTag;
use jiff::Timestamp;
use rusqlite::Row;

use super::IndexError;
use crate::{names::RecordingId, tally::Tally};

/// How far a recording has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being written.
    Open,
    /// Ended as it should.
    Closed,
    /// The recorder stopped, or the disk refused, in the middle.
    Truncated,
}

impl State {
    /// Its name in the index and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Truncated => "truncated",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Closed, Self::Truncated]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One recording in the index.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: RecordingId,
    /// How far it has come.
    pub state: State,
    /// Whose it is and how long it stays.
    pub tag: RecordingTag,
    /// When it ended; `None` while it is open.
    pub ended: Option<Timestamp>,
    /// Bytes it takes in the store.
    pub bytes: u64,
    /// What its streams hold together.
    pub tally: Tally,
    /// Its stream files, relative to the store.
    pub files: Vec<String>,
}

/// What is known of a recording when it ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    /// Closed or truncated.
    pub state: State,
    /// When.
    pub ended: Timestamp,
    /// Bytes it takes in the store.
    pub bytes: u64,
    /// What its streams hold together.
    pub tally: Tally,
    /// Its stream files, relative to the store.
    pub files: Vec<String>,
}

/// Fifteen fields of the tag and what the index adds; the order of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<Entry, IndexError> {
    let id_text: String = column(row, "id", "")?;
    let wrong = |what: &str| IndexError::Row {
        id: id_text.clone(),
        what: what.to_owned(),
    };
    let state: String = column(row, "state", &id_text)?;
    let ended: Option<String> = column(row, "ended", &id_text)?;
    let files: String = column(row, "files", &id_text)?;
    let number = |name: &'static str| {
        column::<i64>(row, name, &id_text).map(|n| u64::try_from(n).unwrap_or(0))
    };
    let samples = number("samples")?;
    Ok(Entry {
        id: RecordingId::parse(&id_text).map_err(|_| wrong("id"))?,
        state: State::parse(&state).ok_or_else(|| wrong("state"))?,
        tag: read_tag(row, &id_text)?,
        ended: ended
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| wrong("ended"))?,
        bytes: number("bytes")?,
        tally: Tally {
            packets: number("packets")?,
            packets_lost: number("packets_lost")?,
            gaps: number("gaps")?,
            end: u32::try_from(samples).unwrap_or(u32::MAX),
        },
        files: serde_json::from_str(&files).map_err(|_| wrong("files"))?,
    })
}

fn read_tag(row: &Row<'_>, id: &str) -> Result<RecordingTag, IndexError> {
    let texts = super::TAG_COLUMNS
        .iter()
        .map(|name| Ok((*name, column::<String>(row, name, id)?)))
        .collect::<Result<Vec<_>, IndexError>>()?;
    let lookup = |name: &str| {
        texts
            .iter()
            .find(|(have, _)| *have == name)
            .map(|(_, text)| text.as_str())
    };
    RecordingTag::from_fields(lookup).map_err(|error| IndexError::Row {
        id: id.to_owned(),
        what: error.to_string(),
    })
}

fn column<T: rusqlite::types::FromSql>(
    row: &Row<'_>,
    name: &str,
    id: &str,
) -> Result<T, IndexError> {
    row.get(name).map_err(|error| IndexError::Row {
        id: id.to_owned(),
        what: error.to_string(),
    })
}
