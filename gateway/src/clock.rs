//! The switch's clock: real time, or real time moved to another day (`--at`), so that a scenario of 2018 can run live today.

use std::time::Instant;

use callcore::time::{Span, Time};
use jiff::Timestamp;

/// A clock that runs at the pace of the machine's monotonic one from a chosen moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    begun: Instant,
    at: Time,
}

impl Clock {
    /// A clock that shows `at` now, or the real time.
    pub(crate) fn start(at: Option<Timestamp>) -> Self {
        Self {
            begun: Instant::now(),
            at: at.unwrap_or_else(Timestamp::now).into(),
        }
    }

    /// What it shows.
    pub(crate) fn now(&self) -> Time {
        self.time_of(Instant::now())
    }

    /// What it showed at `moment`; its beginning, for one before that.
    pub(crate) fn time_of(&self, moment: Instant) -> Time {
        let since = moment.saturating_duration_since(self.begun);
        self.at + Span::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// When, on the machine's monotonic clock, this one will show `at`.
    pub(crate) fn instant_of(&self, at: Time) -> Instant {
        let ahead = u64::try_from(at.since(self.at).as_micros()).unwrap_or(0);
        self.begun + std::time::Duration::from_micros(ahead)
    }
}

/// A moment as RFC 3339 in Swedish time.
pub(crate) fn swedish(at: Time) -> String {
    at.in_sweden().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
