//! When new calls are refused.

use std::ops::RangeInclusive;

use super::Reader;
use crate::{
    scenario::{Overload, raw::RawOverload},
    switch::CALLS_MAX,
    time::Span,
};

/// Calls held at once: a good deal more than the 50,000 that one machine is asked to hold.
const CALLS_MAX_DEFAULT: u32 = 60_000;
/// New calls a second: more than one task can set up, so that lateness decides unless the scenario knows better.
const RATE_MAX_DEFAULT: u32 = 10_000;
const RATE_MAX: RangeInclusive<u32> = 1..=1_000_000;
/// A phone sends its INVITE again after half a second: what is later than this makes work of its own.
const LATE_MAX_DEFAULT_MS: u32 = 200;
const LATE_MAX_MS: RangeInclusive<u32> = 10..=10_000;

impl Reader<'_> {
    pub(super) fn overload(&mut self, raw: &RawOverload) -> Overload {
        let calls = 1..=u32::try_from(CALLS_MAX).unwrap_or(u32::MAX);
        let calls_max = raw.calls_max.as_ref().map_or(CALLS_MAX_DEFAULT, |max| {
            self.within(max, calls, "how many calls may be held")
        });
        let rate_max = raw.rate_max.as_ref().map_or(RATE_MAX_DEFAULT, |max| {
            self.within(max, RATE_MAX, "new calls a second")
        });
        let late_max = raw.late_max_ms.as_ref().map_or(LATE_MAX_DEFAULT_MS, |max| {
            self.within(
                max,
                LATE_MAX_MS,
                "how late the switch may be, in milliseconds",
            )
        });
        Overload {
            calls_max: calls_max as usize,
            rate_max,
            late_max: Span::from_millis(late_max.into()),
        }
    }
}
