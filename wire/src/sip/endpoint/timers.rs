//! The one queue of timers.
//!
//! A timer that is stopped, or whose owner is gone, is taken out at once: most timers never ring, and what waits here for
//! nothing would be looked through by somebody at some moment, while calls wait.

use std::collections::BTreeSet;

use super::{
    border::{ConnectionId, SessionId, Timer, Wake},
    client::ClientKey,
    ident::Key,
};
use crate::time::Time;

/// Who set a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Client(ClientKey),
    Server(Key),
    Session(SessionId),
    Connection(ConnectionId),
}

/// A timer in the queue: first due first. Equal moments come in an order that a run repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) at: Time,
    pub(crate) timer: Timer,
    pub(crate) owner: Owner,
}

/// All timers of an endpoint that run.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<Entry>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Time, timer: Timer, owner: Owner) {
        self.queue.insert(Entry { at, timer, owner });
    }

    /// Takes a timer out that was set for then; nothing happens when it has rung.
    pub(crate) fn stop(&mut self, at: Time, timer: Timer, owner: Owner) {
        self.queue.remove(&Entry { at, timer, owner });
    }

    /// Takes out what a transaction has running.
    pub(crate) fn stop_all(&mut self, slots: &Slots, owner: Owner) {
        for (timer, at) in slots.again.into_iter().chain(slots.end) {
            self.stop(at, timer, owner);
        }
    }

    /// Starts a transaction's timer in place of what ran in its slot.
    pub(crate) fn start(&mut self, slots: &mut Slots, at: Time, timer: Timer, owner: Owner) {
        if let Some((before, at)) = slots.slot(timer).replace((timer, at)) {
            self.stop(at, before, owner);
        }
        self.set(at, timer, owner);
    }

    /// Stops what sends again for a transaction.
    pub(crate) fn quiet(&mut self, slots: &mut Slots, owner: Owner) {
        if let Some((timer, at)) = slots.again.take() {
            self.stop(at, timer, owner);
        }
    }

    /// The earliest.
    pub(crate) fn wake(&self) -> Option<Wake> {
        self.queue.first().map(|entry| Wake {
            at: entry.at,
            why: entry.timer,
        })
    }

    /// Takes the earliest when its moment has come.
    pub(crate) fn due(&mut self, now: Time) -> Option<Entry> {
        let first = self.queue.first()?;
        (first.at <= now).then(|| self.queue.pop_first()).flatten()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

/// The two timers a transaction can have running: one that sends again, one that ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slots {
    again: Option<(Timer, Time)>,
    end: Option<(Timer, Time)>,
}

impl Slots {
    /// Takes a timer that is due out of its slot; false when it was stopped or set anew meanwhile.
    pub(crate) fn take(&mut self, timer: Timer, at: Time) -> bool {
        let slot = self.slot(timer);
        let runs = *slot == Some((timer, at));
        if runs {
            *slot = None;
        }
        runs
    }

    fn slot(&mut self, timer: Timer) -> &mut Option<(Timer, Time)> {
        match timer {
            Timer::A | Timer::E | Timer::G | Timer::Ok => &mut self.again,
            _ => &mut self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const OWNER: Owner = Owner::Client(ClientKey::MIN);

    fn second(second: u64) -> Time {
        Time(Duration::from_secs(second))
    }

    #[test]
    fn the_first_due_comes_first_and_none_before_its_moment() {
        let mut timers = Timers::default();
        timers.set(second(2), Timer::B, OWNER);
        timers.set(second(1), Timer::A, OWNER);
        assert_eq!(timers.due(Time::default()), None);
        assert_eq!(timers.due(second(2)).map(|e| e.timer), Some(Timer::A));
        assert_eq!(timers.due(second(2)).map(|e| e.timer), Some(Timer::B));
        assert_eq!(timers.due(second(2)), None);
    }

    #[test]
    fn a_timer_set_again_takes_the_place_of_the_first() {
        let (mut timers, mut slots) = (Timers::default(), Slots::default());
        timers.start(&mut slots, second(1), Timer::A, OWNER);
        timers.start(&mut slots, second(2), Timer::A, OWNER);
        timers.start(&mut slots, second(3), Timer::B, OWNER);
        assert_eq!(timers.len(), 2);
        assert!(!slots.take(Timer::A, second(1)));
        assert!(slots.take(Timer::A, second(2)));
        assert!(!slots.take(Timer::A, second(2)));
    }

    #[test]
    fn what_is_stopped_leaves_nothing() {
        let (mut timers, mut slots) = (Timers::default(), Slots::default());
        timers.start(&mut slots, second(1), Timer::E, OWNER);
        timers.start(&mut slots, second(32), Timer::F, OWNER);
        timers.quiet(&mut slots, OWNER);
        timers.start(&mut slots, second(5), Timer::K, OWNER);
        assert_eq!(timers.wake().map(|wake| wake.at), Some(second(5)));
        timers.stop_all(&slots, OWNER);
        assert_eq!((timers.len(), timers.wake()), (0, None));
    }
}
