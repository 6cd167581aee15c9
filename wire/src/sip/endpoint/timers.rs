//! The one queue of timers.
//!
//! Nothing is searched for when a timer is stopped: its owner forgets the moment, and an entry whose owner doesn't
//! name that moment any more is dead. The dead are dropped at the head, and all at once when they have become many.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::{
    border::{ConnectionId, SessionId, Timer, Wake},
    clients::ClientKey,
    ident::Key,
};
use crate::time::Time;

/// Below this many entries the queue is never searched for dead ones; the memory isn't worth it.
const COMPACT_MIN: usize = 4096;

/// Who set a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Client(ClientKey),
    Server(Key),
    Session(SessionId),
    Connection(ConnectionId),
}

/// A timer in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) at: Time,
    /// Breaks ties in the order of setting, so that a run repeats.
    order: u64,
    pub(crate) timer: Timer,
    pub(crate) owner: Owner,
}

/// All timers of an endpoint, dead ones included.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    order: u64,
    compact_at: usize,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Time, timer: Timer, owner: Owner) {
        self.order += 1;
        self.heap.push(Reverse(Entry {
            at,
            order: self.order,
            timer,
            owner,
        }));
    }

    /// The earliest. Only after [`Timers::prune`] is it sure to be alive.
    pub(crate) fn wake(&self) -> Option<Wake> {
        self.heap.peek().map(|Reverse(entry)| Wake {
            at: entry.at,
            why: entry.timer,
        })
    }

    /// Takes the earliest when its moment has come.
    pub(crate) fn due(&mut self, now: Time) -> Option<Entry> {
        let Reverse(entry) = self.heap.peek().copied()?;
        (entry.at <= now).then(|| {
            self.heap.pop();
            entry
        })
    }

    /// Drops dead entries at the head, and everywhere when the queue has doubled since the last time.
    pub(crate) fn prune(&mut self, alive: impl Fn(&Entry) -> bool) {
        while self.heap.peek().is_some_and(|Reverse(entry)| !alive(entry)) {
            self.heap.pop();
        }
        if self.heap.len() > self.compact_at.max(COMPACT_MIN) {
            self.heap.retain(|Reverse(entry)| alive(entry));
            self.compact_at = self.heap.len() * 2;
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

/// The two timers a transaction can have running: one that sends again, one that ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slots {
    again: Option<(Timer, Time)>,
    end: Option<(Timer, Time)>,
}

impl Slots {
    /// Starts a timer in place of what ran in its slot.
    pub(crate) fn set(&mut self, now: Time, timer: Timer, span: Duration) -> Time {
        let at = now + span;
        *self.slot(timer) = Some((timer, at));
        at
    }

    /// Stops what sends again.
    pub(crate) fn quiet(&mut self) {
        self.again = None;
    }

    /// Whether this timer runs and is due then.
    pub(crate) fn runs(&self, timer: Timer, at: Time) -> bool {
        self.again == Some((timer, at)) || self.end == Some((timer, at))
    }

    /// Takes a timer that is due out of its slot; false when it was stopped or set anew meanwhile.
    pub(crate) fn take(&mut self, timer: Timer, at: Time) -> bool {
        let runs = self.runs(timer, at);
        if runs {
            *self.slot(timer) = None;
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
    use super::*;

    const OWNER: Owner = Owner::Client(ClientKey::MIN);

    #[test]
    fn equal_moments_come_in_the_order_they_were_set() {
        let mut timers = Timers::default();
        let at = Time(Duration::from_secs(1));
        timers.set(at, Timer::B, OWNER);
        timers.set(at, Timer::A, OWNER);
        assert_eq!(timers.due(at).map(|e| e.timer), Some(Timer::B));
        assert_eq!(timers.due(at).map(|e| e.timer), Some(Timer::A));
        assert_eq!(timers.due(at), None);
    }

    #[test]
    fn the_dead_do_not_pile_up() {
        let mut timers = Timers::default();
        timers.set(Time(Duration::ZERO), Timer::B, OWNER);
        for second in 1..100_000 {
            timers.set(Time(Duration::from_secs(second)), Timer::A, OWNER);
            timers.prune(|entry| entry.timer == Timer::B);
        }
        assert!(timers.len() <= COMPACT_MIN + 1, "{} entries", timers.len());
    }

    #[test]
    fn a_timer_set_again_makes_the_first_one_dead() {
        let mut slots = Slots::default();
        let now = Time::default();
        let first = slots.set(now, Timer::A, Duration::from_secs(1));
        let second = slots.set(now, Timer::A, Duration::from_secs(2));
        assert!(!slots.take(Timer::A, first));
        assert!(slots.take(Timer::A, second));
        assert!(!slots.take(Timer::A, second));
    }
}
