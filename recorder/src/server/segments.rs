//! Segments: hold and transfer close one recording of a call and begin the next, so that each is a file of its own.
//!
//! A call has three or four on average, and no more than a scenario allows: beyond that its audio goes on in the last one,
//! with the pause marked in the timeline. A client that begins a session for every segment is counted with one that keeps
//! a single session and only pauses it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use callcore::tag::RecordingTag;

/// A call of which nothing began for so long is over: longer than any hold. A switch that was started anew counts its calls from 1
/// again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2 * 60 * 60);
/// Calls remembered: far more than begin in that time on the busiest day. With more, the oldest is forgotten.
const CALLS_MAX: usize = 100_000;

/// How many recordings each call has.
#[derive(Debug)]
pub(super) struct Segments {
    max: usize,
    calls: BTreeMap<(Box<str>, u64), Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    begun: usize,
    last: Instant,
}

impl Segments {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            max,
            calls: BTreeMap::new(),
        }
    }

    /// Whether another recording of that call may begin because of a hold or a transfer.
    pub(super) fn may_begin(&self, tag: &RecordingTag, now: Instant) -> bool {
        self.calls
            .get(&key(tag))
            .is_none_or(|count| count.is_over(now) || count.begun < self.max)
    }

    /// A recording of that call was asked for.
    pub(super) fn begins(&mut self, tag: &RecordingTag, now: Instant) {
        if self.calls.len() >= CALLS_MAX {
            self.forget(now);
        }
        let count = self.calls.entry(key(tag)).or_insert(Count {
            begun: 0,
            last: now,
        });
        if count.is_over(now) {
            count.begun = 0;
        }
        count.begun = count.begun.saturating_add(1);
        count.last = now;
    }

    fn forget(&mut self, now: Instant) {
        self.calls.retain(|_, count| !count.is_over(now));
        if self.calls.len() >= CALLS_MAX {
            let oldest = self.calls.iter().min_by_key(|(_, count)| count.last);
            if let Some(oldest) = oldest.map(|(call, _)| call.clone()) {
                self.calls.remove(&oldest);
            }
        }
    }
}

impl Count {
    /// Whether what begins now is of another call.
    fn is_over(self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= FORGOTTEN_AFTER
    }
}

/// A call's number is its switch's own.
fn key(tag: &RecordingTag) -> (Box<str>, u64) {
    (tag.operator.clone(), tag.call.0)
}

#[cfg(test)]
mod tests {
    use callcore::switch::CallId;

    use super::*;
    use crate::vault::test_tag;

    fn tag(call: u64) -> RecordingTag {
        RecordingTag {
            call: CallId(call),
            ..test_tag("region-01")
        }
    }

    #[test]
    fn each_call_has_its_own_count() {
        let (mut segments, now) = (Segments::new(2), Instant::now());
        assert!(segments.may_begin(&tag(1), now));
        segments.begins(&tag(1), now);
        assert!(segments.may_begin(&tag(1), now));
        segments.begins(&tag(1), now);
        assert!(!segments.may_begin(&tag(1), now) && segments.may_begin(&tag(2), now));
    }

    /// Of a switch that was started anew for the tenth time no call would be cut into segments any more.
    #[test]
    fn another_call_of_that_number_is_counted_anew() {
        let (mut segments, now) = (Segments::new(2), Instant::now());
        (0..2).for_each(|_| segments.begins(&tag(1), now));
        let later = now + FORGOTTEN_AFTER;
        assert!(!segments.may_begin(&tag(1), now));
        assert!(segments.may_begin(&tag(1), later));
        segments.begins(&tag(1), later);
        assert!(segments.may_begin(&tag(1), later));
        segments.begins(&tag(1), later);
        assert!(!segments.may_begin(&tag(1), later));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (mut segments, now) = (Segments::new(1), Instant::now());
        for call in 0..=CALLS_MAX as u64 {
            segments.begins(&tag(call), now + Duration::from_micros(call));
        }
        assert_eq!(segments.calls.len(), CALLS_MAX);
        assert!(segments.may_begin(&tag(0), now) && !segments.may_begin(&tag(1), now));
        segments.begins(&tag(u64::MAX), now + FORGOTTEN_AFTER + FORGOTTEN_AFTER);
        assert_eq!(segments.calls.len(), 1);
    }
}
