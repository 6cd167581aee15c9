//! What the switch waits for, by moment.

use std::collections::VecDeque;

use super::io::{Wake, WakeReason};
use crate::time::{Span, Time};

/// A timer that runs; needed to stop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimerKey {
    lane: u32,
    number: u64,
}

/// Timers that an empty lane keeps room for; what a rush took beyond that is given back.
const ROOM_KEPT: usize = 1024;

/// The timers that run, first due first; at the same moment, first set first.
///
/// A switch has few different spans (how long phones ring, how long wrap-up takes), and time goes forward: the timers
/// of one span come due in the order in which they were set. Each span has a lane of its own, and setting, stopping and
/// taking look at the ends of lanes only.
#[derive(Debug, Default)]
pub(super) struct Timers {
    lanes: Vec<Lane>,
    set: u64,
    /// `None` while nothing runs.
    first: Option<Due>,
}

/// When a timer is due, and where it is; of two at the same moment the one that was set first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Time,
    set: u64,
    lane: u32,
}

#[derive(Debug)]
struct Lane {
    span: Span,
    /// Of the one at the front; `None` of an empty lane.
    first: Option<Due>,
    /// `None` for one that was stopped; never at the front.
    running: VecDeque<Option<Timer>>,
    /// The number, within the lane, of the one at the front.
    front: u64,
}

#[derive(Debug)]
struct Timer {
    due: Due,
    why: WakeReason,
}

impl Timers {
    /// Sets a timer to ring that long after `now`.
    #[inline]
    pub(super) fn set(&mut self, now: Time, span: Span, why: WakeReason) -> TimerKey {
        self.set += 1;
        let place = match self.lanes.iter().position(|lane| lane.span == span) {
            Some(place) => place,
            None => {
                self.lanes.push(Lane {
                    span,
                    first: None,
                    running: VecDeque::new(),
                    front: 0,
                });
                self.lanes.len() - 1
            }
        };
        let lane = &mut self.lanes[place];
        // A clock that was set back must not hide a timer behind a later one.
        let last = lane.running.back().and_then(Option::as_ref);
        let at = last.map_or(now + span, |last| last.due.at.max(now + span));
        let due = Due {
            at,
            set: self.set,
            lane: place as u32,
        };
        let key = TimerKey {
            lane: due.lane,
            number: lane.front + lane.running.len() as u64,
        };
        if lane.running.is_empty() {
            lane.first = Some(due);
            if self.first.is_none_or(|first| due < first) {
                self.first = Some(due);
            }
        }
        lane.running.push_back(Some(Timer { due, why }));
        key
    }

    #[inline]
    pub(super) fn stop(&mut self, key: TimerKey) {
        let Some(lane) = self.lanes.get_mut(key.lane as usize) else {
            return;
        };
        let place = key.number.checked_sub(lane.front);
        let Some(timer) = place.and_then(|place| lane.running.get_mut(place as usize)) else {
            return;
        };
        *timer = None;
        if key.number == lane.front {
            lane.drop_stopped();
            if self.first.is_some_and(|first| first.lane == key.lane) {
                self.find_first();
            }
        }
    }

    /// When a timer is due that runs.
    pub(super) fn due(&self, key: TimerKey) -> Option<Time> {
        let lane = self.lanes.get(key.lane as usize)?;
        let place = usize::try_from(key.number.checked_sub(lane.front)?).ok()?;
        Some(lane.running.get(place)?.as_ref()?.due.at)
    }

    pub(super) fn next(&self) -> Option<Wake> {
        let Due { at, lane, .. } = self.first?;
        let timer = self.lanes[lane as usize].running.front()?.as_ref()?;
        Some(Wake { at, why: timer.why })
    }

    /// When the first is due.
    #[inline]
    pub(super) fn next_at(&self) -> Option<Time> {
        self.first.map(|due| due.at)
    }

    /// Takes the first timer that is due at `now`.
    #[inline]
    pub(super) fn take_due(&mut self, now: Time) -> Option<WakeReason> {
        let due = self.first.filter(|due| due.at <= now)?;
        let lane = &mut self.lanes[due.lane as usize];
        let timer = lane.running.pop_front().flatten();
        lane.front += 1;
        lane.drop_stopped();
        self.find_first();
        timer.map(|timer| timer.why)
    }

    #[inline]
    fn find_first(&mut self) {
        self.first = self.lanes.iter().filter_map(|lane| lane.first).min();
    }
}

impl Lane {
    #[inline]
    fn drop_stopped(&mut self) {
        while let Some(None) = self.running.front() {
            self.running.pop_front();
            self.front += 1;
        }
        let first = self.running.front().and_then(Option::as_ref);
        self.first = first.map(|timer| timer.due);
        if self.first.is_none() && self.running.capacity() > ROOM_KEPT {
            self.running.shrink_to(ROOM_KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::AgentId;

    fn why(number: u32) -> WakeReason {
        WakeReason::WrapUpDone(AgentId(number))
    }

    #[test]
    fn timers_come_by_moment_and_then_as_they_were_set_whatever_their_spans() {
        let (mut timers, at) = (Timers::default(), Time::from_micros);
        timers.set(at(0), Span::from_micros(30), why(0));
        timers.set(at(10), Span::from_micros(20), why(1));
        timers.set(at(10), Span::from_micros(5), why(2));
        let stopped = timers.set(at(12), Span::from_micros(5), why(3));
        timers.set(at(12), Span::from_micros(30), why(4));
        timers.stop(stopped);
        assert_eq!(timers.next_at(), Some(at(15)));
        let order: Vec<_> = std::iter::from_fn(|| timers.take_due(at(100))).collect();
        assert_eq!(order, [2, 0, 1, 4].map(why));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn the_room_that_a_rush_took_is_given_back() {
        let (mut timers, at) = (Timers::default(), Time::from_micros);
        let keys: Vec<_> = (0..20_000)
            .map(|number| timers.set(at(number), Span::from_micros(30_000_000), why(0)))
            .collect();
        for key in keys.into_iter().rev() {
            timers.stop(key);
        }
        assert_eq!(timers.next(), None);
        assert!(timers.lanes[0].running.capacity() <= 2 * ROOM_KEPT);
    }

    #[test]
    fn a_timer_that_was_taken_cannot_stop_another() {
        let (mut timers, at) = (Timers::default(), Time::from_micros);
        let first = timers.set(at(0), Span::from_micros(5), why(0));
        timers.set(at(1), Span::from_micros(5), why(1));
        assert_eq!(timers.take_due(at(5)), Some(why(0)));
        timers.stop(first);
        assert_eq!(timers.take_due(at(5)), None);
        assert_eq!(timers.take_due(at(6)), Some(why(1)));
    }
}
