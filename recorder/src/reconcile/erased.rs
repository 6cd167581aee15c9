//! Recordings that went under a decision: their calls miss them rightly.
//!
//! The register names a recording's call so that only the store's signing key can tell which it was: that call, and no other, may be
//! without so many recordings. What an earlier version wrote has controller and month only: so many calls of that month may then be
//! without theirs, and which of them nobody can say any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use callcore::retention::ObjectClass;
use jiff::Timestamp;

use super::{Asked, CALL_MAX, calls::CallFact, compare::APART_MAX};
use crate::{
    gallring::{self, Destroyed, GallringError, REGISTER},
    ledger::{self, PSEUDONYM_LEN, Signer},
    text::unhex,
    vault::Vault,
};

/// Recordings that were erased and aren't accounted for by a call yet.
#[derive(Debug, Clone, Default)]
pub struct Erased {
    /// By the names of their calls.
    calls: BTreeSet<[u8; PSEUDONYM_LEN]>,
    /// Those without, by controller and month.
    months: BTreeMap<(String, String), u64>,
    /// By their numbers: of one that was lost for good nobody makes the names any more.
    signers: Arc<BTreeMap<usize, Signer>>,
}

impl Erased {
    /// As the destruction register says of the months that are asked for, where it is signed: whoever only writes in the store
    /// excuses nothing.
    pub(super) fn read(vault: &Vault, asked: &Asked) -> Result<Self, GallringError> {
        let from = asked.from.checked_sub(CALL_MAX).unwrap_or(asked.from);
        let (first, last) = (month(from), month(asked.until));
        let mut erased = Self {
            signers: Arc::new(Signer::all_there(vault)?),
            ..Self::default()
        };
        let keys = ledger::public_keys(vault.keys())?;
        gallring::register(vault, true, |line| {
            let mut gone = line.destroyed;
            let key = keys.as_ref().map(|it| it.generation(REGISTER, line.seq));
            if !key.is_some_and(|key| erased.signers.contains_key(&key)) {
                gone.call.clear();
            }
            let class = ObjectClass::parse(&gone.class);
            let is_recording = !matches!(
                class,
                Some(ObjectClass::TelephoneNumber | ObjectClass::AccessLog)
            );
            if is_recording && (first.as_str()..=last.as_str()).contains(&gone.month.as_str()) {
                erased.add(gone);
            }
        })?;
        Ok(erased)
    }

    fn add(&mut self, gone: Destroyed) {
        let call = unhex(&gone.call).and_then(|name| name.try_into().ok());
        if let Some(call) = call {
            // Several of one call in one minute are of that call all the same.
            self.calls.insert(call);
        } else {
            *self
                .months
                .entry((gone.controller, gone.month))
                .or_default() += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.months.is_empty()
    }

    /// Takes what was erased of that call, or one that may have been of it; `false` when there is nothing.
    pub(super) fn take(&mut self, call: &CallFact) -> bool {
        // A call of New Year's Eve may be recorded in the new year.
        self.take_known(call)
            || self.take_unknown(call, call.offered)
            || self.take_unknown(call, call.ended)
    }

    /// Every piece of it, whenever in the call it began.
    fn take_known(&mut self, call: &CallFact) -> bool {
        if self.calls.is_empty() {
            return false;
        }
        let early = call
            .offered
            .saturating_sub(APART_MAX)
            .unwrap_or(call.offered);
        let late = call.ended.saturating_add(APART_MAX).unwrap_or(call.ended);
        let last = late.min(call.offered.saturating_add(CALL_MAX).unwrap_or(late));
        let minutes = gallring::minute(early)..=gallring::minute(last);
        let name_by = |signer: &Signer, minute| {
            gallring::call_name(signer, &call.controller, call.call, minute)
        };
        let signers = self.signers.values();
        let names: Vec<_> = signers
            .flat_map(|signer| minutes.clone().map(move |minute| name_by(signer, minute)))
            .collect();
        let taken = names.iter().filter(|name| self.calls.remove(*name));
        taken.count() > 0
    }

    fn take_unknown(&mut self, call: &CallFact, began: Timestamp) -> bool {
        let of = (call.controller.clone(), month(began));
        let left = self.months.get_mut(&of).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }
}

fn month(moment: Timestamp) -> String {
    moment.to_string().get(..7).unwrap_or_default().to_owned()
}
