//! Keys that a caller presses, told once each (RFC 4733).

use std::time::{Duration, Instant};

use callcore::digit::Digit;
use wire::rtp::{self, ToneEvent};

/// The shortest time that a key and the pause after it take on average: ITU-T Q.24 wants 40 ms of each to be heard.
const KEY_TAKES: Duration = Duration::from_millis(50);

/// Keys that may come faster than that in one go, as from a dialler's memory.
const BURST_MAX: u32 = 32;

/// Packets of a key that come so much after the next key's, in samples, belong to the key before: five seconds.
const LATE_MAX: u32 = 5 * rtp::CLOCK_RATE;

/// What was pressed so far.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Source and timestamp of the latest key: every packet of one key bears the moment it was pressed (section 2.3.1).
    latest: Option<(u32, u32)>,
    /// The moment until which the keys so far would have taken at an ordinary pace.
    paced: Option<Instant>,
}

impl Keys {
    /// The key that a packet tells of for the first time. Keys that come faster than anybody presses are dropped: each
    /// costs the switch a step, and a stranger could send a thousand a second.
    pub(super) fn pressed(
        &mut self,
        now: Instant,
        (source, timestamp): (u32, u32),
        payload: &[u8],
    ) -> Option<Digit> {
        let event = ToneEvent::parse(payload)?;
        let told =
            |(of, latest): (u32, u32)| of == source && latest.wrapping_sub(timestamp) < LATE_MAX;
        if self.latest.is_some_and(told) {
            return None;
        }
        self.latest = Some((source, timestamp));
        let digit = Digit::from_event(event.event)?;
        let paced = self.paced.map_or(now, |paced| paced.max(now));
        if paced.duration_since(now) > KEY_TAKES * BURST_MAX {
            return None;
        }
        self.paced = Some(paced + KEY_TAKES);
        Some(digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(key: char, end: bool) -> [u8; 4] {
        ToneEvent::of_key(key, end, 400).expect("a key").to_bytes()
    }

    #[test]
    fn a_key_is_told_once_however_many_packets_it_takes() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        assert_eq!(
            keys.pressed(now, (7, 100), &payload('1', false)),
            Digit::parse("1")
        );
        assert_eq!(keys.pressed(now, (7, 100), &payload('1', false)), None);
        assert_eq!(keys.pressed(now, (7, 100), &payload('1', true)), None);
        assert_eq!(
            keys.pressed(now, (7, 900), &payload('1', true)),
            Digit::parse("1"),
            "pressed again; its beginning was lost"
        );
        assert_eq!(
            keys.pressed(now, (7, 1700), &[16, 0, 0, 0]),
            None,
            "flash is no key"
        );
        assert_eq!(keys.pressed(now, (7, 2500), &[1]), None);
    }

    /// The end of a key is sent three times, and may be overtaken by the beginning of the next.
    #[test]
    fn a_key_whose_end_comes_after_the_next_ones_beginning_is_told_once_and_so_is_the_next() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let near_the_end = u32::MAX - 100;
        let first = (7, near_the_end);
        let second = (7, near_the_end.wrapping_add(800));
        assert_eq!(
            keys.pressed(now, first, &payload('1', true)),
            Digit::parse("1")
        );
        assert_eq!(
            keys.pressed(now, second, &payload('2', false)),
            Digit::parse("2")
        );
        assert_eq!(keys.pressed(now, first, &payload('1', true)), None);
        assert_eq!(keys.pressed(now, second, &payload('2', true)), None);
        let other = (8, near_the_end);
        assert_eq!(
            keys.pressed(now, other, &payload('3', true)),
            Digit::parse("3"),
            "another source counts by itself"
        );
    }

    #[test]
    fn keys_faster_than_anybody_presses_are_dropped() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let told = |keys: &mut Keys, source, now| {
            (0..1000_u32)
                .filter(|&n| {
                    keys.pressed(now, (source, n), &payload('5', true))
                        .is_some()
                })
                .count()
        };
        assert_eq!(told(&mut keys, 1, now), BURST_MAX as usize + 1);
        let later = now + KEY_TAKES * 10;
        assert_eq!(
            told(&mut keys, 2, later),
            10,
            "and are heard again at an ordinary pace"
        );
    }
}
