//! How long nothing has come from a side that should be heard: its line may be cut, and SIP needn't notice.

use std::time::{Duration, Instant};

/// Since when a side has been silent.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// `None`: it isn't there yet, or may be silent.
    since: Option<Instant>,
}

impl Silence {
    /// What is agreed holds from now on: whether the side must be heard.
    pub(super) fn begins(&mut self, talks: bool, now: Instant) {
        self.since = talks.then_some(now);
    }

    /// Something came.
    pub(super) const fn broken(&mut self, now: Instant) {
        if let Some(since) = &mut self.since {
            *since = now;
        }
    }

    /// Whether it has been silent for longer than that; then it begins anew.
    pub(super) fn is_over(&mut self, now: Instant, max: Duration) -> bool {
        let over = self
            .since
            .is_some_and(|since| now.saturating_duration_since(since) >= max);
        if over {
            self.since = Some(now);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_side_that_must_be_heard_is_missed_and_once_each_time() {
        let (begun, max) = (Instant::now(), Duration::from_secs(60));
        let mut silence = Silence::default();
        assert!(!silence.is_over(begun + max * 9, max), "nobody there");
        silence.begins(true, begun);
        assert!(!silence.is_over(begun + max / 2, max));
        silence.broken(begun + max / 2);
        assert!(!silence.is_over(begun + max, max), "it was heard meanwhile");
        assert!(silence.is_over(begun + max * 3 / 2, max));
        assert!(!silence.is_over(begun + max * 3 / 2, max), "reported");
        assert!(silence.is_over(begun + max * 5 / 2, max));
        silence.begins(false, begun + max * 3);
        silence.broken(begun + max * 3);
        assert!(!silence.is_over(begun + max * 9, max), "on hold");
    }
}
