//! What is said before the recorder has answered: kept, and sent to it then. Where nothing was kept, silence: both sides begin at
//! the same moment, so that a recorder that begins its clock with the first packet hears them beside each other as they were.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use wire::{g711::Law, rtp};

use super::{
    Side,
    call::SILENCE,
    out::{Content, Frame},
};

/// A recorder that takes longer to answer doesn't record, and so long what is said is kept for it. It answers in milliseconds, but not
/// before key and tag are safe: on a disk that is busy, in seconds.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How much is kept of each side, the newest, while the recorder hears of a pause: under the two seconds by which ours lets audio
/// and clock differ.
const TOLD_MAX: Duration = Duration::from_millis(1500);
const FRAME: Duration = Duration::from_millis(20);

/// Both sides since the recorder was asked.
#[derive(Debug)]
pub(super) struct Early {
    kept: VecDeque<Kept>,
    /// How much of each side.
    kept_for: Duration,
}

/// A frame, and when it was said.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) side: Side,
    pub(super) at: Instant,
    source: u32,
    timestamp: u32,
    marker: bool,
    /// `None`: a key press.
    law: Option<Law>,
    payload: Box<[u8]>,
}

impl Default for Early {
    fn default() -> Self {
        Self::of(TOLD_MAX)
    }
}

impl Early {
    /// Until the recorder answers: all that is said, some 250 kB a call at most.
    pub(super) fn until_answered() -> Self {
        Self::of(ANSWER_MAX)
    }

    fn of(kept_for: Duration) -> Self {
        Self {
            kept: VecDeque::new(),
            kept_for,
        }
    }

    /// Both sides in frames of 20 ms, and half as many again for those who send shorter ones.
    fn frames_max(&self) -> usize {
        let frames = self.kept_for.as_millis() / FRAME.as_millis() * 3;
        usize::try_from(frames).unwrap_or(usize::MAX)
    }

    pub(super) fn keep(&mut self, side: Side, frame: Frame<'_>, now: Instant) {
        let (kept_for, frames_max) = (self.kept_for, self.frames_max());
        let old = |kept: &Kept| now.saturating_duration_since(kept.at) > kept_for;
        while self.kept.len() >= frames_max || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept::of(side, frame, now));
    }

    /// All of it in the order in which it was said.
    pub(super) fn said(self, now: Instant) -> VecDeque<Kept> {
        let mut said = Vec::with_capacity(self.kept.len());
        self.replay(now, |side, frame, at| said.push(Kept::of(side, frame, at)));
        said.sort_by_key(|kept| kept.at);
        said.into()
    }

    /// Says it all again, one side after the other: side, frame, and when it was said.
    pub(super) fn replay(self, now: Instant, mut say: impl FnMut(Side, Frame<'_>, Instant)) {
        let Some(begun) = self.kept.front().map(|kept| kept.at) else {
            return;
        };
        for side in [Side::Caller, Side::Far] {
            let mut said = self.kept.iter().filter(|kept| kept.side == side).peekable();
            let (until, follows) = match said.peek() {
                Some(first) => (first.at, first.timestamp),
                None => (now, 0),
            };
            let source = said.peek().map_or(0, |first| first.source);
            let silent = until.saturating_duration_since(begun).as_millis() / FRAME.as_millis();
            // Ten seconds have 500.
            let silent = u32::try_from(silent).unwrap_or(0);
            for before in (1..=silent).rev() {
                let samples = before * rtp::SAMPLES_PER_PACKET as u32;
                let frame = Frame {
                    source,
                    timestamp: follows.wrapping_sub(samples),
                    marker: false,
                    content: Content::Audio(Law::A, &SILENCE),
                };
                say(side, frame, until - FRAME * before);
            }
            for kept in said {
                say(side, kept.frame(), kept.at);
            }
        }
    }
}

impl Kept {
    pub(super) fn of(side: Side, frame: Frame<'_>, at: Instant) -> Self {
        let (law, payload) = match frame.content {
            Content::Audio(law, payload) => (Some(law), payload),
            Content::Event(payload) => (None, payload),
        };
        Self {
            side,
            at,
            source: frame.source,
            timestamp: frame.timestamp,
            marker: frame.marker,
            law,
            payload: payload.into(),
        }
    }

    pub(super) fn frame(&self) -> Frame<'_> {
        Frame {
            source: self.source,
            timestamp: self.timestamp,
            marker: self.marker,
            content: match self.law {
                Some(law) => Content::Audio(law, &self.payload),
                None => Content::Event(&self.payload),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Side, timestamp, first byte and milliseconds of what is said again.
    fn replayed(early: Early, begun: Instant, now: Instant) -> Vec<(Side, u32, u8, u128)> {
        let mut said = Vec::new();
        early.replay(now, |side, frame, at| {
            let (Content::Audio(_, bytes) | Content::Event(bytes)) = frame.content;
            let at = at.duration_since(begun).as_millis();
            said.push((side, frame.timestamp, bytes[0], at));
        });
        said
    }

    fn frame(timestamp: u32, payload: &[u8]) -> Frame<'_> {
        Frame {
            source: 7,
            timestamp,
            marker: false,
            content: Content::Audio(Law::A, payload),
        }
    }

    #[test]
    fn what_was_said_is_said_again_and_the_later_side_was_silent_before() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut early = Early::default();
        early.keep(Side::Caller, frame(1000, &[1]), at(0));
        early.keep(Side::Caller, frame(1160, &[2]), at(20));
        early.keep(Side::Far, frame(80, &[3]), at(45));
        let quiet = SILENCE[0];
        assert_eq!(
            replayed(early, begun, at(60)),
            [
                (Side::Caller, 1000, 1, 0),
                (Side::Caller, 1160, 2, 20),
                (Side::Far, 80_u32.wrapping_sub(320), quiet, 5),
                (Side::Far, 80_u32.wrapping_sub(160), quiet, 25),
                (Side::Far, 80, 3, 45),
            ]
        );
    }

    #[test]
    fn who_has_said_nothing_was_silent_until_now() {
        let begun = Instant::now();
        let mut early = Early::default();
        early.keep(Side::Far, frame(0, &[9]), begun);
        let said = replayed(early, begun, begun + Duration::from_millis(100));
        let silent = said.iter().filter(|one| one.0 == Side::Caller).count();
        assert_eq!((said.len(), silent), (6, 5));
        assert_eq!(replayed(Early::default(), begun, begun), []);
    }

    /// Ten seconds of both sides, and that one may follow the other.
    #[test]
    fn all_that_is_said_until_the_answer_is_kept_in_its_order() {
        let begun = Instant::now();
        let mut early = Early::until_answered();
        let frames = ANSWER_MAX.as_millis() / FRAME.as_millis();
        for number in 0..u32::try_from(frames).expect("500") {
            for (side, late) in [(Side::Caller, 0), (Side::Far, 7)] {
                let at = begun + FRAME * number + Duration::from_millis(late);
                early.keep(side, frame(number * 160, &[1]), at);
            }
        }
        let said = early.said(begun + ANSWER_MAX);
        assert_eq!(said.len(), 1000);
        assert!(said.iter().is_sorted_by_key(|kept| kept.at));
        let sides = said.iter().take(4).map(|kept| kept.side);
        let turns = [Side::Caller, Side::Far, Side::Caller, Side::Far];
        assert!(sides.eq(turns), "{said:?}");
    }

    #[test]
    fn only_the_newest_is_kept() {
        let begun = Instant::now();
        let mut early = Early::default();
        for number in 0..500_u32 {
            let now = begun + FRAME * number;
            early.keep(Side::Caller, frame(number * 160, &[1]), now);
            assert!(early.kept.len() <= 76);
        }
        for number in 0..1000 {
            early.keep(Side::Far, frame(number, &[1]), begun + FRAME * 500);
            assert!(early.kept.len() <= 225);
        }
    }
}
