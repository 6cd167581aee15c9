//! The destruction register: what was erased, when, under which decision. Holds nothing of a caller.

use callcore::{
    retention::{ObjectClass, Period},
    scenario::Scenario,
};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{GallringError, REGISTER};
use crate::{
    index::Entry,
    ledger::{
        self, GENESIS, KeyChange, Ledger, LedgerError, Line, PSEUDONYM_LEN, Signer, Verified,
    },
    text::hex,
    vault::Vault,
};

/// What stands in place of an erasure where the signing key was lost and another took its place.
const KEY_CHANGE: &str = "signing_key_lost";

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
    /// Of a recording who spoke in it went with, unless that had gone before by an entry of its own. An entry that an earlier
    /// version wrote says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumbersToo>,
    /// Of a recording, a name for its call that only the store's signing key makes of the call's number: the call misses it rightly
    /// as long as its switch tells of it. An entry that an earlier version wrote has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub call: String,
    /// What the object was bound to: of an access log its last hash, so that the next one's chain can be checked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_hash: String,
}

/// Under what a recording's telephone numbers went with it: a class of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumbersToo {
    /// The diary number of the decision on them.
    pub decision: String,
    /// The floor that had passed.
    pub earliest: String,
    /// The ceiling; empty when there was none.
    pub latest: String,
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
            numbers: None,
            call: String::new(),
            last_hash: String::new(),
        }
    }

    /// The same of a recording, by the call that it was of.
    pub(super) fn of_call(self, entry: &Entry, signer: &Signer) -> Self {
        let began = minute(entry.tag.started.timestamp());
        let name = call_name(signer, &self.controller, entry.tag.call.0, began);
        Self {
            call: hex(&name),
            ..self
        }
    }

    /// The same with its telephone numbers, where those go with it.
    pub(super) fn with_numbers(self, entry: &Entry, decided: &Decided) -> Self {
        let numbers = decided.numbers.as_deref().map(|decided| {
            let (earliest, latest) = decided.window_of(entry);
            NumbersToo {
                decision: decided.diary_number.clone(),
                earliest,
                latest,
            }
        });
        Self { numbers, ..self }
    }
}

/// Stands for a call, of which a controller's recording began in that minute: another call of that number has another.
pub(crate) fn call_name(
    signer: &Signer,
    controller: &str,
    call: u64,
    minute: i64,
) -> [u8; PSEUDONYM_LEN] {
    signer.pseudonym(&["call", controller, &call.to_string(), &minute.to_string()])
}

/// Since 1970.
pub(crate) fn minute(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(60)
}

/// Under what something goes: written down with the mark, so that a run that was stopped can be finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decided {
    pub(super) diary_number: String,
    pub(super) judged: String,
    /// How long it had to stay, and might, when no tag of its own says so: `2 years/3 years`; else empty.
    pub(super) periods: String,
    /// Under what who spoke goes with a recording; `None` when that went before.
    pub(super) numbers: Option<Box<Self>>,
}

/// Between the day and the periods; no day has one.
const PERIODS: char = '~';
/// Before what stands of the numbers: no diary number has one.
const NUMBERS: char = '\u{1f}';

impl Decided {
    pub(super) fn new(scenario: &Scenario, place: usize, judged: Date) -> Self {
        Self {
            diary_number: scenario.decisions[place].diary_number.to_string(),
            judged: judged.to_string(),
            periods: String::new(),
            numbers: None,
        }
    }

    /// The same for a recording that takes who spoke with it.
    pub(super) fn and_numbers(self, numbers: Self) -> Self {
        Self {
            numbers: Some(Box::new(numbers)),
            ..self
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

    /// Floor and ceiling by these periods of something that came to be with a recording; else the recording's own.
    pub(super) fn window_of(&self, entry: &Entry) -> (String, String) {
        self.window(entry.tag.started.in_sweden().date())
            .unwrap_or_else(|| {
                let latest = entry.tag.latest.map(|day| day.to_string());
                (entry.tag.earliest.to_string(), latest.unwrap_or_default())
            })
    }

    /// `None` when there are none.
    fn window(&self, from: Date) -> Option<(String, String)> {
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
        let numbers = self.numbers.as_ref();
        let numbers = numbers.map(|numbers| format!("{NUMBERS}{}", numbers.text()));
        let numbers = numbers.unwrap_or_default();
        format!("{}{periods} {}{numbers}", self.judged, self.diary_number)
    }

    pub(super) fn parse(text: &str) -> Self {
        let (text, numbers) = match text.split_once(NUMBERS) {
            Some((text, numbers)) => (text, Some(Box::new(Self::parse(numbers)))),
            None => (text, None),
        };
        let (judged, diary_number) = text.split_once(' ').unwrap_or(("", text));
        let (judged, periods) = judged.split_once(PERIODS).unwrap_or((judged, ""));
        Self {
            diary_number: diary_number.to_owned(),
            judged: judged.to_owned(),
            periods: periods.replace('-', " "),
            numbers,
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
            return Err(register_gone(vault).into());
        }
        return Ok(None);
    }
    let found = if verify {
        let key = ledger::public_keys(vault.keys())?.ok_or_else(|| LedgerError::Key {
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
        if line.seq <= signed && line.entry.get(KEY_CHANGE).is_none() {
            each(read(vault, line)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Writes into the register that its signing key was lost and another took its place, so that whoever is given the register and
/// nothing else knows where the signatures change. One that has no lines yet needs none.
pub(crate) fn note_key_change(
    vault: &Vault,
    signer: &Signer,
    change: &KeyChange,
    now: Timestamp,
) -> Result<(), LedgerError> {
    if !vault.store().join(REGISTER).exists() {
        return Ok(());
    }
    let mut register = Ledger::open(vault.store(), vault.keys(), REGISTER, GENESIS)?;
    if register.lines() == 0 {
        return Ok(());
    }
    let entry = json!({ KEY_CHANGE: { "before": change.before, "now": change.now } });
    register.add(signer, now, &[entry])
}

/// A register that was written and isn't there: what was erased can't be shown any more.
pub(crate) fn register_gone(vault: &Vault) -> LedgerError {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_with_a_mark_is_read_as_it_was_written() {
        let of = |diary_number: &str, periods: &str| Decided {
            diary_number: diary_number.to_owned(),
            judged: "2025-08-01".to_owned(),
            periods: periods.to_owned(),
            numbers: None,
        };
        let numbers = of("RS 284/2021", "2 years/3 years");
        let both = of("RS/903/2025", "").and_numbers(numbers.clone());
        for decided in [of("RS/903/2025", ""), numbers, both] {
            assert_eq!(Decided::parse(&decided.text()), decided);
        }
        let earlier = Decided::parse("2025-08-01 RS/903/2025");
        assert_eq!(earlier, of("RS/903/2025", ""));
    }
}
