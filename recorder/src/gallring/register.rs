//! The destruction register: what was erased, when, under which decision. Holds nothing of a caller.

use callcore::{
    retention::{ObjectClass, Period},
    scenario::Scenario,
};
use jiff::civil::Date;
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
    /// How long it had to stay, and might, when no tag of its own says so: `2 years/3 years`; else empty.
    pub(super) periods: String,
}

/// Between the day and the periods; no day has one.
const PERIODS: char = '~';

impl Decided {
    pub(super) fn new(scenario: &Scenario, place: usize, judged: Date) -> Self {
        Self {
            diary_number: scenario.decisions[place].diary_number.to_string(),
            judged: judged.to_string(),
            periods: String::new(),
        }
    }

    /// The same for what the scenario's rule of a class says how long it stays.
    pub(super) fn by_rule(self, scenario: &Scenario, controller: &str, class: ObjectClass) -> Self {
        let judged: Date = self.judged.parse().unwrap_or_default();
        let rule = scenario
            .org_by_id(controller)
            .and_then(|controller| scenario.retention_window(controller, class, judged));
        let periods = rule.map(|(_, rule)| {
            let latest = rule.latest.map(|latest| latest.to_string());
            format!("{}/{}", rule.earliest, latest.unwrap_or_default())
        });
        Self {
            periods: periods.unwrap_or_default(),
            ..self
        }
    }

    /// Floor and ceiling by these periods, counted from a day; `None` when there are none.
    pub(super) fn window(&self, from: Date) -> Option<(String, String)> {
        let (earliest, latest) = self.periods.split_once('/')?;
        let after =
            |period: &str| Period::parse(period).map(|period| period.after(from).to_string());
        Some((after(earliest)?, after(latest).unwrap_or_default()))
    }

    /// As it stands in the index.
    pub(super) fn text(&self) -> String {
        let periods = match &*self.periods {
            "" => String::new(),
            periods => format!("{PERIODS}{}", periods.replace(' ', "-")),
        };
        format!("{}{periods} {}", self.judged, self.diary_number)
    }

    pub(super) fn parse(text: &str) -> Self {
        let (judged, diary_number) = text.split_once(' ').unwrap_or(("", text));
        let (judged, periods) = judged.split_once(PERIODS).unwrap_or((judged, ""));
        Self {
            diary_number: diary_number.to_owned(),
            judged: judged.to_owned(),
            periods: periods.replace('-', " "),
        }
    }
}

/// Reads the register, oldest first; `verify` also checks every signature and that its end is there, and leaves out what stands
/// behind the last signature: nobody has erased that.
///
/// # Errors
/// At the first line that isn't what was written, and what `each` returns.
pub fn register(
    vault: &Vault,
    verify: bool,
    mut each: impl FnMut(Register),
) -> Result<Option<Verified>, GallringError> {
    if !vault.store().join(REGISTER).exists() {
        if verify && ledger::was_signed(vault.keys(), REGISTER) {
            return Err(gone(vault).into());
        }
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
    let signed = found
        .as_ref()
        .map_or(u64::MAX, |found| found.lines - found.unsigned);
    ledger::read::<GallringError>(vault.store(), REGISTER, |line| {
        if line.seq <= signed {
            each(read(vault, line)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// A register that was written and isn't there: what was erased can't be shown any more.
fn gone(vault: &Vault) -> LedgerError {
    LedgerError::Broken {
        path: vault.store().join(REGISTER),
        line: 0,
        what: "it was written and signed, and is gone",
    }
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
