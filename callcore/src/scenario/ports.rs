//! The UDP ports for calls' audio.

use std::{ops::RangeInclusive, str::FromStr};

/// Below it lie the ports that only the system's own programs may use.
const FIRST_MIN: u16 = 1024;

/// UDP ports for audio, from the first to the last: a stream has an even one, and its reports (RTCP) the one after it (RFC 3550
/// section 11). There is one such pair at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioPorts {
    first: u16,
    last: u16,
}

/// Why a text is no [`AudioPorts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AudioPortsError {
    /// Not two numbers.
    #[error("this is no range of ports")]
    NoRange,
    /// More than 16 bits.
    #[error("there is no port above {}", u16::MAX)]
    NoPort,
    /// The wrong way round.
    #[error("the first port, {first}, comes after the last, {last}")]
    Reversed {
        /// The first.
        first: u16,
        /// The last.
        last: u16,
    },
    /// Those of the system.
    #[error("ports below {FIRST_MIN} are the system's own")]
    Systems,
    /// Not an even port and the one after it.
    #[error("there is room for no stream")]
    NoRoom,
}

impl AudioPorts {
    /// A switch's when its scenario doesn't say.
    pub const SWITCH: Self = Self {
        first: 10_000,
        last: 19_999,
    };

    /// All of them, both ends included.
    pub const fn range(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl FromStr for AudioPorts {
    type Err = AudioPortsError;

    /// Reads `10000-19999`.
    fn from_str(text: &str) -> Result<Self, AudioPortsError> {
        let (first, last) = text.split_once('-').ok_or(AudioPortsError::NoRange)?;
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(AudioPortsError::Reversed { first, last });
        }
        if first < FIRST_MIN {
            return Err(AudioPortsError::Systems);
        }
        // An odd one at the beginning, or an even one at the end, has no other half.
        if u32::from(first).next_multiple_of(2) + 1 > last.into() {
            return Err(AudioPortsError::NoRoom);
        }
        Ok(Self { first, last })
    }
}

impl AudioPortsError {
    /// What to write instead.
    pub(super) fn remedy(self) -> String {
        match self {
            Self::NoRange => "write the first and the last, such as `10000-19999`".to_owned(),
            Self::NoPort => format!("end at {} at the latest", u16::MAX),
            Self::Reversed { first, last } => format!("write `{last}-{first}`"),
            Self::Systems => format!("begin at {FIRST_MIN} or later"),
            Self::NoRoom => "a stream takes an even port and the one after it, for its reports (RTCP): begin with an even one and end with an odd, such as `10000-19999`".to_owned(),
        }
    }
}

fn port(text: &str) -> Result<u16, AudioPortsError> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AudioPortsError::NoRange);
    }
    text.parse().map_err(|_| AudioPortsError::NoPort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_has_room_for_a_stream_and_its_reports() {
        for (text, range) in [
            ("10000-19999", 10_000..=19_999),
            (" 1024 - 1025 ", 1024..=1025),
            ("10001-10003", 10_001..=10_003),
            ("65534-65535", 65_534..=65_535),
        ] {
            let read = text.parse::<AudioPorts>();
            assert_eq!(read.map(AudioPorts::range), Ok(range), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told_apart() {
        use AudioPortsError::{NoPort, NoRange, NoRoom, Reversed, Systems};
        let reversed = Reversed {
            first: 19_999,
            last: 10_000,
        };
        for (text, error) in [
            ("", NoRange),
            ("10000", NoRange),
            ("10000-", NoRange),
            ("-10000-19999", NoRange),
            ("+10000-19999", NoRange),
            ("10000..19999", NoRange),
            ("10000-19999-20000", NoRange),
            ("10000-65536", NoPort),
            ("10000-99999999999999999999", NoPort),
            ("19999-10000", reversed),
            ("0-19999", Systems),
            ("1023-19999", Systems),
            ("10000-10000", NoRoom),
            ("10001-10001", NoRoom),
            ("10001-10002", NoRoom),
            ("65535-65535", NoRoom),
        ] {
            assert_eq!(text.parse::<AudioPorts>(), Err(error), "{text}");
        }
    }
}
