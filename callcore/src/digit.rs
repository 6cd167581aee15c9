//! A key of a telephone.

use std::fmt;

/// One key: `0` to `9`, `*`, `#`, `A` to `D`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

/// The keys in the order of their event codes (RFC 4733 section 3.2).
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

impl Digit {
    /// The key `1`.
    pub const ONE: Self = Self(b'1');

    /// The key that a single character names.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [key] if KEYS.contains(key) => Some(Self(*key)),
            _ => None,
        }
    }

    /// The key with this event code; `None` for an event that is no key.
    pub fn from_event(code: u8) -> Option<Self> {
        KEYS.get(usize::from(code)).copied().map(Self)
    }

    /// What stands on the key.
    pub const fn as_char(self) -> char {
        self.0 as char
    }
}

/// Keys pressed in a row can be a telephone number or a personnummer: none is ever shown (invariant 6).
impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_text_and_from_its_event_code_and_never_printed() {
        assert_eq!(Digit::parse("1"), Digit::from_event(1));
        assert_eq!(Digit::parse("#"), Digit::from_event(11));
        assert_eq!(Digit::from_event(15).map(Digit::as_char), Some('D'));
        for odd in ["", "12", "x", "é"] {
            assert_eq!(Digit::parse(odd), None, "{odd}");
        }
        assert_eq!(Digit::from_event(16), None, "flash is no key");
        assert_eq!(format!("{:?}", Digit::ONE), "[key]");
    }
}
