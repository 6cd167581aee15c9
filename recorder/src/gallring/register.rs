//! The destruction register: what was erased, when, under which decision. Holds nothing of a caller.

use callcore::scenario::Scenario;
use serde::{Deserialize, Serialize};

use super::{GallringError, REGISTER};
use crate::{
    index::Entry,
    ledger::{self, LedgerError, Line, Verified},
    vault::Vault,
};

/// One entry of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// The recording's id, or the access log's name.
    pub object: String,
    /// Whose it was.
    pub controller: String,
    /// Of which class.
    pub class: String,
    /// The month it was of.
    pub month: String,
    /// The floor that had passed.
    pub earliest: String,
    /// The ceiling; empty when there was none.
    pub latest: String,
    /// The diary number of the decision.
    pub decision: String,
    /// The day on which gallring judged, ISO 8601.
    pub judged: String,
    /// Bytes that went.
    pub bytes: u64,
    /// Whether its key was destroyed, so that copies in backups can't be opened either.
    pub key_destroyed: bool,
    /// What the object was bound to: of an access log its last hash, so that the next one's chain can be checked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_hash: String,
}

/// A line of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Register {
    /// Its number.
    pub seq: u64,
    /// When it was written, RFC 3339 in UTC.
    pub at: String,
    /// What it says.
    #[serde(flatten)]
    pub destroyed: Destroyed,
}

impl Destroyed {
    pub(super) fn recording(entry: &Entry, class: &str, decision: &Decided) -> Self {
        Self {
            object: entry.id.to_string(),
            controller: entry.tag.controller.to_string(),
            class: class.to_owned(),
            month: entry
                .tag
                .started
                .timestamp()
                .to_string()
                .get(..7)
                .unwrap_or_default()
                .to_owned(),
            earliest: entry.tag.earliest.to_string(),
            latest: entry
                .tag
                .latest
                .map(|day| day.to_string())
                .unwrap_or_default(),
            decision: decision.diary_number.clone(),
            judged: decision.judged.clone(),
            bytes: entry.bytes,
            key_destroyed: true,
            last_hash: String::new(),
        }
    }
}

/// Under what something goes: written down with the mark, so that a run that was stopped can be finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decided {
    pub(super) diary_number: String,
    pub(super) judged: String,
}

impl Decided {
    pub(super) fn new(scenario: &Scenario, place: usize, judged: jiff::civil::Date) -> Self {
        Self {
            diary_number: scenario.decisions[place].diary_number.to_string(),
            judged: judged.to_string(),
        }
    }

    /// As it stands in the index.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.judged, self.diary_number)
    }

    pub(super) fn parse(text: &str) -> Self {
        let (judged, diary_number) = text.split_once(' ').unwrap_or(("", text));
        Self {
            diary_number: diary_number.to_owned(),
            judged: judged.to_owned(),
        }
    }
}

/// Reads the register, oldest first; `verify` also checks every signature and that its end is there.
///
/// # Errors
/// At the first line that isn't what was written, and what `each` returns.
pub fn register(
    vault: &Vault,
    verify: bool,
    mut each: impl FnMut(Register),
) -> Result<Option<Verified>, GallringError> {
    if !vault.store().join(REGISTER).exists() {
        return Ok(None);
    }
    let found = if verify {
        let key = ledger::public_key(vault.keys())?.ok_or_else(|| LedgerError::Key {
            path: vault.keys().join("signing.pub"),
        })?;
        Some(ledger::verify(
            vault.store(),
            Some(vault.keys()),
            &key,
            REGISTER,
        )?)
    } else {
        None
    };
    ledger::read::<GallringError>(vault.store(), REGISTER, |line| {
        each(read(vault, line)?);
        Ok(())
    })?;
    Ok(found)
}

fn read(vault: &Vault, line: &Line) -> Result<Register, LedgerError> {
    let destroyed =
        serde_json::from_value(line.entry.clone()).map_err(|_| LedgerError::Broken {
            path: vault.store().join(REGISTER),
            line: line.seq,
            what: "it isn't an entry of the register",
        })?;
    Ok(Register {
        seq: line.seq,
        at: line.at.clone(),
        destroyed,
    })
}
