//! Key presses as packets (RFC 4733).

/// A telephone event: one key, held for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToneEvent {
    /// 0 to 9, 10 is `*`, 11 is `#`, 12 to 15 are A to D; others aren't keys.
    pub event: u8,
    /// The key has been let go; sent three times, for one may be lost.
    pub end: bool,
    /// How long it has been held, in samples.
    pub duration: u16,
}

/// Power we send, in -dBm0 (RFC 4733 section 2.3.4): what phones commonly use.
const VOLUME: u8 = 10;

impl ToneEvent {
    /// Reads a payload. `None` when it is shorter than four bytes.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, high, low] = *payload.first_chunk()?;
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The payload.
    pub const fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [
            self.event,
            if self.end { 0x80 | VOLUME } else { VOLUME },
            high,
            low,
        ]
    }

    /// The key, `0` to `9`, `*`, `#`, `A` to `D`.
    pub fn key(self) -> Option<char> {
        KEYS.get(usize::from(self.event))
            .map(|&key| char::from(key))
    }

    /// The event of a key.
    pub fn of_key(key: char, end: bool, duration: u16) -> Option<Self> {
        let event = KEYS
            .iter()
            .position(|&known| char::from(known) == key.to_ascii_uppercase())?;
        Some(Self {
            event: u8::try_from(event).ok()?,
            end,
            duration,
        })
    }
}

const KEYS: &[u8; 16] = b"0123456789*#ABCD";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_there_and_back() {
        let star = ToneEvent::of_key('*', true, 800).expect("a key");
        assert_eq!(star.to_bytes(), [10, 0x8A, 3, 0x20]);
        assert_eq!(ToneEvent::parse(&star.to_bytes()), Some(star));
        assert_eq!(star.key(), Some('*'));
        assert_eq!(
            ToneEvent::parse(&[16, 0, 0, 0]).and_then(ToneEvent::key),
            None
        );
        assert_eq!(ToneEvent::parse(&[1, 0, 0]), None);
        assert_eq!(ToneEvent::of_key('x', false, 0), None);
    }
}
