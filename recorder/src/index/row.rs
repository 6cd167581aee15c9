//! A row of the index as a value.

use std::fmt;

use callcore::tag::RecordingTag;
use jiff::Timestamp;

use super::{IndexError, db::Row};
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

/// Fifteen fields of the tag and what the index adds.
pub(super) fn read(row: &Row<'_>) -> Result<Entry, IndexError> {
    let id = row.text("id").unwrap_or_default();
    entry(row, &id).map_err(|what| IndexError::Row { id, what })
}

fn entry(row: &Row<'_>, id: &str) -> Result<Entry, String> {
    let ended = row.text_if_any("ended")?;
    Ok(Entry {
        id: RecordingId::parse(id).map_err(|_| "id")?,
        state: State::parse(&row.text("state")?).ok_or("state")?,
        tag: tag(row)?,
        ended: ended
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| "ended")?,
        bytes: row.count("bytes")?,
        tally: Tally {
            packets: row.count("packets")?,
            packets_lost: row.count("packets_lost")?,
            gaps: row.count("gaps")?,
            end: u32::try_from(row.count("samples")?).unwrap_or(u32::MAX),
            uncounted: row.is_negative("packets")?,
        },
        files: serde_json::from_str(&row.text("files")?).map_err(|_| "files")?,
    })
}

fn tag(row: &Row<'_>) -> Result<RecordingTag, String> {
    let texts = super::TAG_COLUMNS
        .iter()
        .map(|name| Ok((*name, row.text(name)?)))
        .collect::<Result<Vec<_>, String>>()?;
    let lookup = |name: &str| {
        texts
            .iter()
            .find(|(have, _)| *have == name)
            .map(|(_, text)| text.as_str())
    };
    RecordingTag::from_fields(lookup).map_err(|error| error.to_string())
}
