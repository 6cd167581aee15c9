//! One line of a ledger.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LINE_LEN_MAX, LedgerError};
use crate::text::sha256;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// The hash of the line before it.
    pub prev: String,
    /// When it was written, RFC 3339 in UTC.
    pub at: String,
    /// What happened.
    pub entry: Value,
}

/// A line as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub(super) line: Line,
    pub(super) hash: String,
    pub(super) signature: Option<String>,
}

impl Line {
    /// The line's text without its end, and its hash.
    pub(super) fn text(&self) -> Result<(String, String), LedgerError> {
        // Numbers, texts and times have no form that JSON lacks; a map with other keys than texts isn't made here.
        let json = serde_json::to_string(self).map_err(|_| LedgerError::TooLong { bytes: 0 })?;
        if json.len() > LINE_LEN_MAX {
            return Err(LedgerError::TooLong { bytes: json.len() });
        }
        let hash = sha256(json.as_bytes());
        Ok((format!("{json}\t{hash}"), hash))
    }
}

impl Written {
    /// Reads a line without its end; says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        // JSON writes a tab within a text as \t, so the first tab ends it.
        let mut parts = text.split('\t');
        let json = parts.next().unwrap_or_default();
        let hash = parts.next().ok_or("it has no hash")?;
        let signature = parts.next();
        if parts.next().is_some() {
            return Err("something follows its signature");
        }
        if sha256(json.as_bytes()) != hash {
            return Err("it was changed: its hash is another");
        }
        Ok(Self {
            line: serde_json::from_str(json).map_err(|_| "it isn't a line of a ledger")?,
            hash: hash.to_owned(),
            signature: signature.map(str::to_owned),
        })
    }
}
