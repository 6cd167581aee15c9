//! What shows that a recording is with its controller. What lies in the store, index and hand-overs, may be changed by whoever writes
//! there: so a hand-over carries a signature by the store's key, and the receipt with which it was closed. Both are looked at again
//! before anything is erased.

use sha2::{Digest, Sha256};

use super::{FOLDER, HandoverError, Record, close::holds, list};
use crate::{
    ledger::{self, LedgerError, PublicKeys, Signer, Statement},
    names::RecordingId,
    text::hex,
    vault::Vault,
};

impl Record {
    /// Signs it, once all of it is known.
    pub(super) fn seal(&mut self, vault: &Vault) -> Result<(), LedgerError> {
        self.seal = Signer::of(vault)?.sign(&self.name(), &self.digest());
        Ok(())
    }

    /// Refuses one that isn't as it was made here.
    pub(super) fn refuse_changed(&self, vault: &Vault) -> Result<(), HandoverError> {
        let keys = ledger::public_keys(vault.keys())?;
        match keys.is_some_and(|keys| self.is_sealed(&keys)) {
            true => Ok(()),
            false => Err(HandoverError::Changed(self.id.clone())),
        }
    }

    fn is_sealed(&self, keys: &PublicKeys) -> bool {
        keys.vouch_for(&self.name(), &self.digest(), &self.seal)
    }

    /// Whether its receipt came, and is of it.
    fn is_closed(&self, keys: &PublicKeys) -> bool {
        let receipt = self.receipt.as_ref();
        receipt.is_some_and(|receipt| holds(self, receipt).is_ok()) && self.is_sealed(keys)
    }

    /// What the signature is of: no ledger has that name.
    fn name(&self) -> String {
        format!("{FOLDER}/{}", self.id)
    }

    /// Of every field with its length before it, so that no two records share it; not of what comes later.
    fn digest(&self) -> String {
        let numbers = [self.files, self.bytes].map(|number| number.to_string());
        let texts = [
            &self.id,
            &self.controller,
            &self.decision,
            &self.at,
            &self.by,
            &self.recipient,
            &self.receipt_key,
            &self.manifest,
        ];
        let mut digest = Sha256::new();
        let mut add = |field: &str| digest.update(format!("{}:{field}\n", field.len()));
        texts.into_iter().chain(&numbers).for_each(|it| add(it));
        for ids in [&self.recordings, &self.left_out] {
            add(&ids.len().to_string());
            ids.iter().for_each(|id| add(id));
        }
        hex(&digest.finalize())
    }
}

/// The recordings that a hand-over proves to be with their controller, sorted; `None` when it proves nothing.
pub(crate) fn proven(vault: &Vault, handover: &str) -> Option<Vec<RecordingId>> {
    // A key that can't be read is told of elsewhere; here it proves nothing.
    let keys = ledger::public_keys(vault.keys()).ok().flatten();
    let record = Record::read(vault, handover).ok();
    let record = record.zip(keys);
    let record = record.filter(|(record, keys)| record.is_closed(keys));
    let record = record.map(|(record, _)| record);
    let Some(record) = record.filter(|record| record.id == handover) else {
        tracing::error!(
            handover,
            "the index has recordings as handed over, and nothing proves it: they stay. Restore the hand-over's file from a backup, or hand them over again"
        );
        return None;
    };
    let mut ids = record.ids().ok()?;
    ids.sort_unstable();
    Some(ids)
}

/// Writes down with the keys what the lost signing key vouched for: it vouches for nothing else from then on.
pub(crate) fn pin(vault: &Vault, keys: Option<&PublicKeys>, statement: &mut Statement) {
    // What can't be read proves nothing, and is no reason to go on without a key.
    for record in list(vault).unwrap_or_default() {
        if keys.is_none_or(|keys| record.is_sealed(keys)) {
            statement.pin(&record.name(), 0, &record.digest());
        }
    }
}
