//! What a load run found.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

/// The figures of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LoadReport {
    /// INVITEs sent for new calls.
    pub placed: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were answered and ended by BYE from either side.
    pub completed: u64,
    /// Calls that their callers gave up, since nobody had answered for so long.
    pub abandoned: u64,
    /// Calls that reached nobody: nothing came back until their callers gave up, or they couldn't be sent at all, as by TCP to a
    /// port at which nobody listens.
    pub unreached: u64,
    /// Calls that were refused or timed out, by status.
    pub failed: BTreeMap<u16, u64>,
    /// Calls not placed since too many were in progress.
    pub not_placed: u64,
    /// Calls by where they went: the route that a Vaxel switch names, else the answering server's address.
    pub by_route: BTreeMap<String, u64>,
    /// Calls sent on by a 302.
    pub redirected: u64,
    /// Answered calls in which no audio was heard.
    pub silent: u64,
    /// Answered calls whose audio was encrypted (SRTP): those by TLS to a switch that takes keys.
    pub encrypted: u64,
    /// RTP packets sent.
    pub rtp_sent: u64,
    /// RTP packets heard.
    pub rtp_heard: u64,
    /// Of those expected by sequence number, lost.
    pub rtp_lost: u64,
    /// INVITE to the first ringing or answer (RFC 6076 session request delay).
    pub setup_delay: Delays,
    /// How long after its time each call was placed: what the load generator, and not the switch, was late.
    pub placed_late: Delays,
    /// Seconds that the run took.
    pub seconds: f64,
}

/// One call in a hundred placed later than this, and the generator is what holds the load up. A tenth of a second is what a
/// busy machine may keep a program waiting, and a fifth of the time after which an INVITE is sent again (RFC 3261's T1).
pub const PLACED_LATE_MAX: Duration = Duration::from_millis(100);

/// Percentiles of a delay, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Delays {
    /// The median.
    pub p50_ms: f64,
    /// Nine in ten are at most this.
    pub p90_ms: f64,
    /// 99 in 100.
    pub p99_ms: f64,
    /// 999 in 1000.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl LoadReport {
    /// Calls that failed, whatever the status.
    pub fn failed_total(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Whether calls were placed so late that the figures say more of the generator than of the switch.
    pub fn is_placed_too_late(&self) -> bool {
        self.placed_late.p99_ms > PLACED_LATE_MAX.as_secs_f64() * 1000.0
    }
}

/// Collects delays of up to a day, to three digits: nobody lets it ring as long.
#[derive(Debug)]
pub(super) struct DelayRecorder(Histogram<u64>);

impl DelayRecorder {
    pub(super) fn new() -> Self {
        // Bounds that are constants and valid: 1 µs to a day, three significant digits.
        Self(
            Histogram::new_with_bounds(1, 86_400_000_000, 3)
                .unwrap_or_else(|_| unreachable!("constant bounds")),
        )
    }

    pub(super) fn add(&mut self, delay: Duration) {
        self.0
            .saturating_record(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len()
    }

    pub(super) fn delays(&self) -> Delays {
        if self.0.is_empty() {
            return Delays::default();
        }
        let at = |quantile: f64| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        Delays {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A provider that lets callers hear nothing for minutes is not the same as one that does so for a minute.
    #[test]
    fn a_delay_is_told_as_long_as_it_was() {
        let mut recorder = DelayRecorder::new();
        for seconds in [1, 2, 90, 600] {
            recorder.add(Duration::from_secs(seconds));
        }
        let delays = recorder.delays();
        for (found, expected) in [(delays.p50_ms, 2e3), (delays.max_ms, 6e5)] {
            assert!((found / expected - 1.0).abs() < 1e-3, "{found}");
        }
    }
}
