//! Takes a receipt: what it proves to be with its controller counts as handed over, and goes here when retention lets it go.

use std::ops::ControlFlow;

use callcore::{scenario::Scenario, time::Time};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    HandoverError, Receipt, Record, list, proven,
    receipt::{fingerprint, is_named},
};
use crate::{
    access::{self, Access},
    gallring::{self, Report, Step},
    index::Index,
    ledger::parse_public,
    store::By,
    vault::Vault,
};

/// Told to an index at once by a recorder that starts: a second's work.
const AT_ONCE_MAX: usize = 1000;

/// What came of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// The hand-over.
    pub handover: String,
    /// Recordings that count as handed over now.
    pub recordings: u64,
    /// What was erased of them, under the decision.
    pub erased: Report,
    /// Recordings that stay for now: `vaxel gallring plan` says why.
    pub stay: u64,
    /// Recordings that weren't in the package: none of them was erased.
    pub left_out: u64,
}

/// Closes a hand-over by its receipt, and erases what retention lets go of it. `watch` is told every step of erasing.
///
/// # Errors
/// When the receipt isn't of a hand-over of this store, isn't true, is by another key than the scenario names, or was taken before:
/// then nothing is erased.
pub fn close(
    (vault, index): (&Vault, &Index),
    scenario: &Scenario,
    receipt: &Receipt,
    (by, now): (&By, Timestamp),
    watch: &mut (dyn FnMut(Step) -> ControlFlow<()> + Send),
) -> Result<Closed, HandoverError> {
    let mut record = Record::read(vault, &receipt.handover)?;
    record.refuse_changed(vault)?;
    holds(&record, receipt)?;
    let taken = record.receipt.as_ref();
    if taken.is_some_and(|taken| holds(&record, taken).is_ok()) {
        return Err(HandoverError::Closed(record.closed));
    }
    let print = fingerprint(&record.recipient, &record.receipt_key);
    is_named(scenario, &record.controller, &print)?;
    let access = Access {
        who: by.who.clone(),
        controller: record.controller.clone(),
        action: "hand-over-closed".to_owned(),
        object: record.id.clone(),
        purpose: by.purpose.clone(),
    };
    access::write(vault, now, &[access])?;
    let ids = record.ids()?;
    // Before it is written down that it was taken: it is taken once.
    index.wait_for_disk()?;
    index.handed_over(&ids, &record.id)?;
    record.closed = now.to_string();
    record.receipt = Some(receipt.clone());
    record.write(vault)?;
    let today = Time::from(now).in_sweden().date();
    let erased = gallring::run_handed_over(vault, index, scenario, today, now, &record.id, watch)?;
    let stay = ids.iter().filter(|id| index.get(**id).is_ok()).count();
    Ok(Closed {
        handover: record.id,
        recordings: ids.len() as u64,
        erased,
        stay: stay as u64,
        left_out: record.left_out.len() as u64,
    })
}

/// Has an index that has forgotten it know what was handed over.
pub(crate) fn take_again(vault: &Vault, index: &Index) -> Result<(), HandoverError> {
    let closed = list(vault)?.into_iter();
    for record in closed.filter(|record| !record.closed.is_empty()) {
        let Some(ids) = proven(vault, &record.id) else {
            continue;
        };
        for some in ids.chunks(AT_ONCE_MAX) {
            index.handed_over(some, &record.id)?;
        }
    }
    Ok(())
}

/// Whether a receipt is of this hand-over, and true.
pub(super) fn holds(record: &Record, receipt: &Receipt) -> Result<(), HandoverError> {
    let key = parse_public(&record.receipt_key).ok_or(HandoverError::Receiver)?;
    if !receipt.is_signed_by(&key) {
        return Err(HandoverError::Forged("the receiver didn't sign it"));
    }
    let stated = (
        &receipt.controller,
        &receipt.manifest,
        receipt.recordings,
        receipt.files,
        receipt.bytes,
        receipt.left_out,
        &receipt.handover,
    );
    let packed = (
        &record.controller,
        &record.manifest,
        record.recordings.len() as u64,
        record.files,
        record.bytes,
        record.left_out.len() as u64,
        &record.id,
    );
    if stated != packed {
        return Err(HandoverError::Forged(
            "it states something else than was packed",
        ));
    }
    Ok(())
}
