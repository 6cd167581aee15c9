//! What the switch waits for, by moment.

use std::collections::BTreeMap;

use super::io::{Wake, WakeReason};
use crate::time::Time;

/// A timer that runs; needed to stop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey(Time, u64);

/// The timers that run, first due first; at the same moment, first set first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    running: BTreeMap<TimerKey, WakeReason>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Time, why: WakeReason) -> TimerKey {
        self.set += 1;
        let key = TimerKey(at, self.set);
        self.running.insert(key, why);
        key
    }

    pub(super) fn stop(&mut self, key: TimerKey) {
        self.running.remove(&key);
    }

    pub(super) fn next(&self) -> Option<Wake> {
        self.running
            .first_key_value()
            .map(|(key, &why)| Wake { at: key.0, why })
    }

    /// Takes the first timer that is due at `now`.
    pub(super) fn take_due(&mut self, now: Time) -> Option<WakeReason> {
        let first = self.running.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
