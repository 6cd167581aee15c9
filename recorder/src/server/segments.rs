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
use sha2::{Digest, Sha256};

/// A call of which nothing began for so long is over: longer than any hold. A switch that was started anew counts its calls from 1
/// again, and a client may give them no names of their own.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2 * 60 * 60);
/// Calls remembered: far more than begin in that time on the busiest day. With more, the oldest is forgotten.
const CALLS_MAX: usize = 100_000;

/// How many recordings each call has.
#[derive(Debug)]
pub(super) struct Segments {
    max: usize,
    calls: BTreeMap<Call, Count>,
}

/// A call: its switch's number, and what its client's metadata names it (RFC 7865 section 6.3), which another call of that number
/// isn't named. A digest, as a name may be long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    operator: Box<str>,
    number: u64,
    named: [u8; NAME_LEN],
}

/// Two calls of one number share it once in 2^64 of them.
const NAME_LEN: usize = 16;

impl Call {
    pub(super) fn of(tag: &RecordingTag, named: &str) -> Self {
        let digest = Sha256::digest(named.as_bytes());
        Self {
            operator: tag.operator.clone(),
            number: tag.call.0,
            named: digest.first_chunk().copied().unwrap_or_default(),
        }
    }
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
    pub(super) fn may_begin(&self, call: &Call, now: Instant) -> bool {
        self.calls
            .get(call)
            .is_none_or(|count| count.is_over(now) || count.begun < self.max)
    }

    /// A recording of that call was asked for.
    pub(super) fn begins(&mut self, call: Call, now: Instant) {
        if self.calls.len() >= CALLS_MAX {
            self.forget(now);
        }
        let count = self.calls.entry(call).or_insert(Count {
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

#[cfg(test)]
mod tests {
    use callcore::switch::CallId;

    use super::*;
    use crate::vault::test_tag;

    fn call(number: u64) -> Call {
        named(number, "one")
    }

    fn named(number: u64, named: &str) -> Call {
        let tag = RecordingTag {
            call: CallId(number),
            ..test_tag("region-01")
        };
        Call::of(&tag, named)
    }

    #[test]
    fn each_call_has_its_own_count() {
        let (mut segments, now) = (Segments::new(2), Instant::now());
        assert!(segments.may_begin(&call(1), now));
        segments.begins(call(1), now);
        assert!(segments.may_begin(&call(1), now));
        segments.begins(call(1), now);
        assert!(!segments.may_begin(&call(1), now) && segments.may_begin(&call(2), now));
    }

    #[test]
    fn a_call_that_is_named_otherwise_is_another() {
        let (mut segments, now) = (Segments::new(1), Instant::now());
        segments.begins(named(1, "before"), now);
        assert!(!segments.may_begin(&named(1, "before"), now));
        assert!(segments.may_begin(&named(1, "after"), now));
    }

    /// Of a switch that was started anew for the tenth time no call would be cut into segments any more.
    #[test]
    fn another_call_of_that_number_is_counted_anew() {
        let (mut segments, now) = (Segments::new(2), Instant::now());
        (0..2).for_each(|_| segments.begins(call(1), now));
        let later = now + FORGOTTEN_AFTER;
        assert!(!segments.may_begin(&call(1), now));
        assert!(segments.may_begin(&call(1), later));
        segments.begins(call(1), later);
        assert!(segments.may_begin(&call(1), later));
        segments.begins(call(1), later);
        assert!(!segments.may_begin(&call(1), later));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (mut segments, now) = (Segments::new(1), Instant::now());
        for number in 0..=CALLS_MAX as u64 {
            segments.begins(call(number), now + Duration::from_micros(number));
        }
        assert_eq!(segments.calls.len(), CALLS_MAX);
        assert!(segments.may_begin(&call(0), now) && !segments.may_begin(&call(1), now));
        segments.begins(call(u64::MAX), now + FORGOTTEN_AFTER + FORGOTTEN_AFTER);
        assert_eq!(segments.calls.len(), 1);
    }
}
