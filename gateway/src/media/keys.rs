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

/// The longest that the packets of one key can tell; a key held longer is told in segments (section 2.5.1.3).
const SEGMENT: u32 = u16::MAX as u32;

/// What was pressed so far.
#[derive(Debug, Default)]
pub(super) struct Keys {
    latest: Option<Latest>,
    pace: Pace,
}

/// How fast keys come: the moment until which those so far would have taken at an ordinary pace.
#[derive(Debug, Default)]
pub(crate) struct Pace(Option<Instant>);

impl Pace {
    /// Whether one more may be told now.
    pub(crate) fn takes(&mut self, now: Instant) -> bool {
        let paced = self.0.map_or(now, |paced| paced.max(now));
        let takes = paced.duration_since(now) <= KEY_TAKES * BURST_MAX;
        if takes {
            self.0 = Some(paced + KEY_TAKES);
        }
        takes
    }
}

/// The latest key. Every packet of one key bears the moment it was pressed (section 2.3.1), and of a key that is held very long,
/// the moment at which the segment began.
#[derive(Debug)]
struct Latest {
    source: u32,
    timestamp: u32,
    event: u8,
    /// In samples, the segments before this one.
    held_before: u32,
    let_go: bool,
}

impl Latest {
    /// Whether a packet is of this key, or of one before it.
    fn told(&self, source: u32, timestamp: u32) -> bool {
        let before = self.timestamp.wrapping_sub(timestamp);
        self.source == source && before < self.held_before.saturating_add(LATE_MAX)
    }

    /// Whether a packet begins the next segment of this key, which is held yet. Who presses it anew sets the marker.
    fn goes_on(&self, source: u32, timestamp: u32, marker: bool, event: u8) -> bool {
        let same = self.source == source && self.event == event;
        same && !self.let_go && !marker && timestamp.wrapping_sub(self.timestamp) == SEGMENT
    }
}

/// A packet of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyPacket<'a> {
    pub(super) source: u32,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: &'a [u8],
}

impl Keys {
    /// The key that a packet tells of for the first time. Keys that come faster than anybody presses are dropped: each
    /// costs the switch a step, and a stranger could send a thousand a second.
    pub(super) fn pressed(&mut self, now: Instant, packet: KeyPacket<'_>) -> Option<Digit> {
        let KeyPacket {
            source, timestamp, ..
        } = packet;
        let ToneEvent { event, end, .. } = ToneEvent::parse(packet.payload)?;
        if let Some(latest) = &mut self.latest {
            if latest.told(source, timestamp) {
                latest.let_go |= end && latest.timestamp == timestamp;
                return None;
            }
            if latest.goes_on(source, timestamp, packet.marker, event) {
                latest.timestamp = timestamp;
                latest.held_before = latest.held_before.saturating_add(SEGMENT);
                latest.let_go = end;
                return None;
            }
        }
        self.latest = Some(Latest {
            source,
            timestamp,
            event,
            held_before: 0,
            let_go: end,
        });
        let digit = Digit::from_event(event)?;
        self.pace.takes(now).then_some(digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(key: char, end: bool) -> [u8; 4] {
        ToneEvent::of_key(key, end, 400).expect("a key").to_bytes()
    }

    fn press(
        keys: &mut Keys,
        now: Instant,
        (source, timestamp): (u32, u32),
        payload: &[u8],
    ) -> Option<Digit> {
        let packet = KeyPacket {
            source,
            timestamp,
            marker: false,
            payload,
        };
        keys.pressed(now, packet)
    }

    #[test]
    fn a_key_is_told_once_however_many_packets_it_takes() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        assert_eq!(
            press(&mut keys, now, (7, 100), &payload('1', false)),
            Digit::parse("1")
        );
        assert_eq!(press(&mut keys, now, (7, 100), &payload('1', false)), None);
        assert_eq!(press(&mut keys, now, (7, 100), &payload('1', true)), None);
        assert_eq!(
            press(&mut keys, now, (7, 900), &payload('1', true)),
            Digit::parse("1"),
            "pressed again; its beginning was lost"
        );
        assert_eq!(
            press(&mut keys, now, (7, 1700), &[16, 0, 0, 0]),
            None,
            "flash is no key"
        );
        assert_eq!(press(&mut keys, now, (7, 2500), &[1]), None);
    }

    /// Of a key that is held so long, each segment has a timestamp of its own (section 2.5.1.3).
    #[test]
    fn a_key_held_for_half_a_minute_is_told_once() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let pressed = u32::MAX - 100_000;
        let mut told = Vec::new();
        for segment in 0..4 {
            let timestamp = pressed.wrapping_add(segment * 0xFFFF);
            told.extend(press(&mut keys, now, (7, timestamp), &payload('1', false)));
            if segment > 0 {
                let late = (7, timestamp.wrapping_sub(0xFFFF));
                told.extend(press(&mut keys, now, late, &payload('1', false)));
            }
        }
        let last = (7, pressed.wrapping_add(3 * 0xFFFF));
        told.extend(press(&mut keys, now, last, &payload('1', true)));
        assert_eq!(told, Digit::parse("1").as_slice());
        let again = (7, pressed.wrapping_add(4 * 0xFFFF));
        assert_eq!(
            press(&mut keys, now, again, &payload('1', false)),
            Digit::parse("1"),
            "it was let go"
        );
        let other = (7, pressed.wrapping_add(5 * 0xFFFF));
        assert_eq!(
            press(&mut keys, now, other, &payload('2', false)),
            Digit::parse("2"),
            "another key"
        );
        let marked = KeyPacket {
            source: 7,
            timestamp: pressed.wrapping_add(6 * 0xFFFF),
            marker: true,
            payload: &payload('2', false),
        };
        let told = keys.pressed(now, marked);
        assert_eq!(told, Digit::parse("2"), "its end was lost");
    }

    /// The end of a key is sent three times, and may be overtaken by the beginning of the next.
    #[test]
    fn a_key_whose_end_comes_after_the_next_ones_beginning_is_told_once_and_so_is_the_next() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let near_the_end = u32::MAX - 100;
        let first = (7, near_the_end);
        let second = (7, near_the_end.wrapping_add(800));
        assert_eq!(
            press(&mut keys, now, first, &payload('1', true)),
            Digit::parse("1")
        );
        assert_eq!(
            press(&mut keys, now, second, &payload('2', false)),
            Digit::parse("2")
        );
        assert_eq!(press(&mut keys, now, first, &payload('1', true)), None);
        assert_eq!(press(&mut keys, now, second, &payload('2', true)), None);
        let other = (8, near_the_end);
        assert_eq!(
            press(&mut keys, now, other, &payload('3', true)),
            Digit::parse("3"),
            "another source counts by itself"
        );
    }

    #[test]
    fn keys_faster_than_anybody_presses_are_dropped() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let told = |keys: &mut Keys, source, now| {
            (0..1000_u32)
                .filter(|&n| press(keys, now, (source, n), &payload('5', true)).is_some())
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
