//! Which receipts prove that recordings are with their controller: the index only says so, and lies where others may write.

use std::collections::BTreeMap;

use super::matter::Matter;
use crate::{handover, names::RecordingId, vault::Vault};

/// Receipts that were looked at, each once.
pub(super) struct Receipts<'a> {
    vault: &'a Vault,
    /// What each covers, sorted: 16 bytes a recording. `None` when it proves nothing.
    known: BTreeMap<String, Option<Vec<RecordingId>>>,
}

impl<'a> Receipts<'a> {
    pub(super) const fn of(vault: &'a Vault) -> Self {
        Self {
            vault,
            known: BTreeMap::new(),
        }
    }

    /// What a receipt covers. Nothing is handed over by an empty one.
    pub(super) fn covered(&mut self, receipt: &str) -> Option<&[RecordingId]> {
        if receipt.is_empty() {
            return None;
        }
        let vault = self.vault;
        let known = self.known.entry(receipt.to_owned());
        let proven = || handover::proven(vault, receipt);
        known.or_insert_with(proven).as_deref()
    }

    /// The same group for each of its recordings.
    pub(super) fn of_each<'m>(&'m mut self, matter: &'m Matter) -> OfEach<'m> {
        OfEach {
            covered: self.covered(matter.handed_over()),
            not_covered: matter.not_covered(),
            matter,
        }
    }
}

/// A group as it is judged for each of its recordings: one that its receipt doesn't cover isn't handed over.
pub(super) struct OfEach<'m> {
    matter: &'m Matter,
    not_covered: Matter,
    covered: Option<&'m [RecordingId]>,
}

impl OfEach<'_> {
    pub(super) fn of(&self, id: &RecordingId) -> &Matter {
        let is_covered = |ids: &[RecordingId]| ids.binary_search(id).is_ok();
        if self.covered.is_none_or(is_covered) {
            self.matter
        } else {
            &self.not_covered
        }
    }
}
