//! New calls are let in as far as they can be carried.

use std::time::{Duration, Instant};

use transport::SipDriver;

use super::Exchange;
use crate::admission::Full;

/// An overload (or what callers hear of a drain) is over when nobody has been refused for so long: calls come in bunches, and the log is to say it once.
const OVER_AFTER: Duration = Duration::from_secs(10);

/// Those who were refused, and whether it goes on.
#[derive(Debug, Default)]
pub(super) struct NotAdmitted {
    counted: u64,
    overload: Option<Overload>,
}

#[derive(Debug, Clone, Copy)]
struct Overload {
    refused: u64,
    last: Instant,
}

/// What the log is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Begins,
    /// And so many were refused in it.
    Over(u64),
}

impl NotAdmitted {
    /// So many have been refused since the start: how many are new, and what is to be told.
    fn seen(&mut self, now: Instant, counted: u64) -> (u64, Option<Word>) {
        let new = counted.saturating_sub(self.counted);
        self.counted = counted;
        let before = self.overload;
        if new > 0 {
            let refused = before.map_or(0, |overload| overload.refused) + new;
            self.overload = Some(Overload { refused, last: now });
            return (new, before.is_none().then_some(Word::Begins));
        }
        let over = before.filter(|it| now.saturating_duration_since(it.last) >= OVER_AFTER);
        if over.is_some() {
            self.overload = None;
        }
        (0, over.map(|it| Word::Over(it.refused)))
    }
}

impl Exchange {
    /// Tells the SIP endpoint how many new calls may come, and counts those that were too many.
    pub(crate) fn admit(&mut self, sip: &mut SipDriver) {
        let now = Instant::now();
        let left = sip.endpoint().admission();
        let counted = sip.endpoint().counters().not_admitted;
        let (refused, word) = self.not_admitted.seen(now, counted);
        if refused > 0 {
            self.observer.not_admitted(self.full, refused);
        }
        self.note_drained(now, sip.endpoint().counters().drained);
        match word {
            Some(Word::Begins) => {
                let reason = self.full.label();
                tracing::warn!(reason, "overload: new calls are refused (503)");
            }
            Some(Word::Over(refused)) => tracing::info!(refused, "the overload is over"),
            None => {}
        }
        let budget = self
            .admission
            .budget(now, self.calls.len(), left, sip.behind());
        self.full = budget.full;
        sip.endpoint().set_admission(budget.calls);
    }

    /// So many have been refused so far because none are taken any more: nobody is behind, but callers hear the same.
    fn note_drained(&mut self, now: Instant, counted: u64) {
        let (refused, word) = self.drained.seen(now, counted);
        if refused > 0 {
            self.observer.not_admitted(Full::Draining, refused);
        }
        match word {
            Some(Word::Begins) => {
                tracing::info!("draining: new calls are refused (503)");
            }
            Some(Word::Over(refused)) => {
                tracing::info!(refused, "new calls were refused while draining");
            }
            None => {}
        }
    }

    /// The probe that was due then is taken now: so late is this task.
    pub(crate) fn probed(&mut self, due: Instant) {
        self.admission.probed(due, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overload_is_told_of_when_it_begins_and_when_it_is_over() {
        let (mut not_admitted, begin) = (NotAdmitted::default(), Instant::now());
        let mut seen = |after_s: u64, counted| {
            not_admitted.seen(begin + Duration::from_secs(after_s), counted)
        };
        assert_eq!(seen(0, 0), (0, None));
        assert_eq!(seen(1, 3), (3, Some(Word::Begins)));
        assert_eq!(seen(10, 3), (0, None), "a pause between two bunches");
        assert_eq!(seen(10, 8), (5, None));
        assert_eq!(seen(20, 8), (0, Some(Word::Over(8))));
        assert_eq!(seen(60, 8), (0, None));
        assert_eq!(seen(61, 9), (1, Some(Word::Begins)));
    }
}
