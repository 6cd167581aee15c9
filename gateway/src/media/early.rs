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

/// How much is kept of each side, the newest: a recorder answers in milliseconds, on a busy disk in a second. Under the two seconds
/// by which our recorder lets audio and clock differ, and 35 kB a call.
const KEPT_MAX: Duration = Duration::from_millis(1500);
/// Frames kept of both sides: [`KEPT_MAX`] of 20 ms each, and half as many again for those who send shorter ones.
const FRAMES_MAX: usize = 225;
const FRAME: Duration = Duration::from_millis(20);

/// Both sides since the recorder was asked.
#[derive(Debug, Default)]
pub(super) struct Early {
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    side: Side,
    at: Instant,
    source: u32,
    timestamp: u32,
    marker: bool,
    /// `None`: a key press.
    law: Option<Law>,
    payload: Box<[u8]>,
}

impl Early {
    pub(super) fn keep(&mut self, side: Side, frame: Frame<'_>, now: Instant) {
        let old = |kept: &Kept| now.saturating_duration_since(kept.at) > KEPT_MAX;
        while self.kept.len() >= FRAMES_MAX || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
        }
        let (law, payload) = match frame.content {
            Content::Audio(law, payload) => (Some(law), payload),
            Content::Event(payload) => (None, payload),
        };
        self.kept.push_back(Kept {
            side,
            at: now,
            source: frame.source,
            timestamp: frame.timestamp,
            marker: frame.marker,
            law,
            payload: payload.into(),
        });
    }

    /// Says it all again: side, frame, and when it was said.
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
            // A second and a half has 75.
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
    fn frame(&self) -> Frame<'_> {
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
            assert!(early.kept.len() <= FRAMES_MAX);
        }
    }
}
