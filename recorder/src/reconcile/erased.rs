//! Recordings that went under a decision: their calls miss them rightly.
//!
//! The register knows a recording's controller and month, and no call. So many calls of that month as recordings were erased may be
//! without theirs; which of them, nobody can say any more.

use std::collections::BTreeMap;

use callcore::retention::ObjectClass;

use super::calls::CallFact;
use crate::{
    gallring::{self, GallringError},
    vault::Vault,
};

/// How many recordings of a controller's month were erased and aren't accounted for by a call yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased(BTreeMap<(String, String), u64>);

impl Erased {
    /// As the destruction register says, where it is signed: whoever only writes in the store excuses nothing.
    pub(super) fn read(vault: &Vault) -> Result<Self, GallringError> {
        let mut erased = Self::default();
        gallring::register(vault, true, |line| {
            let gone = line.destroyed;
            let class = ObjectClass::parse(&gone.class);
            let is_recording = !matches!(
                class,
                Some(ObjectClass::TelephoneNumber | ObjectClass::AccessLog)
            );
            if is_recording {
                erased.add(gone.controller, gone.month);
            }
        })?;
        Ok(erased)
    }

    fn add(&mut self, controller: String, month: String) {
        *self.0.entry((controller, month)).or_default() += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one that may have been of that call; `false` when there is none left.
    pub(super) fn take(&mut self, call: &CallFact) -> bool {
        // A call of New Year's Eve may be recorded in the new year.
        [call.offered, call.ended].into_iter().any(|moment| {
            let month = moment.to_string().get(..7).unwrap_or_default().to_owned();
            match self.0.get_mut(&(call.controller.clone(), month)) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    true
                }
                _ => false,
            }
        })
    }
}
