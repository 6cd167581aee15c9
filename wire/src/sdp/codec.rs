//! Codecs as SDP names them (RFC 3551, RFC 8866 section 6.6).

use crate::{g711::Law, rtp};

/// A codec and the payload type it goes by in one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Encoding name, such as `PCMA`; compared without regard to case.
    pub name: Box<str>,
    /// Timestamp units a second.
    pub clock: u32,
    /// Channels; 1 unless said.
    pub channels: u8,
    /// Format parameters as they came.
    pub fmtp: Option<Box<str>>,
}

impl Codec {
    /// A codec of one channel without parameters.
    pub fn new(payload_type: u8, name: &str, clock: u32) -> Self {
        Self {
            payload_type,
            name: name.into(),
            clock,
            channels: 1,
            fmtp: None,
        }
    }

    /// A-law.
    pub fn pcma() -> Self {
        Self::new(rtp::PCMA, "PCMA", rtp::CLOCK_RATE)
    }

    /// µ-law.
    pub fn pcmu() -> Self {
        Self::new(rtp::PCMU, "PCMU", rtp::CLOCK_RATE)
    }

    /// Key presses, all sixteen.
    pub fn telephone_event() -> Self {
        let plain = Self::new(rtp::TELEPHONE_EVENT, TELEPHONE_EVENT, rtp::CLOCK_RATE);
        Self {
            fmtp: Some("0-15".into()),
            ..plain
        }
    }

    /// What we speak: A-law, µ-law and key presses.
    pub fn telephony() -> Vec<Self> {
        vec![Self::pcma(), Self::pcmu(), Self::telephone_event()]
    }

    /// The companding law, when it is one of the two.
    pub fn law(&self) -> Option<Law> {
        [(Self::pcma(), Law::A), (Self::pcmu(), Law::U)]
            .into_iter()
            .find_map(|(codec, law)| self.is_same_as(&codec).then_some(law))
    }

    /// Whether it is key presses and not sound.
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case(TELEPHONE_EVENT)
    }

    /// Whether both name the same encoding, by whatever payload type.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock == other.clock
            && self.channels == other.channels
    }

    /// The codec that a payload type means without an `rtpmap` (RFC 3551 table 4, the audio part that is in use).
    pub(super) fn of_static(payload_type: u8) -> Option<Self> {
        let (name, clock) = match payload_type {
            0 => ("PCMU", 8000),
            3 => ("GSM", 8000),
            4 => ("G723", 8000),
            8 => ("PCMA", 8000),
            9 => ("G722", 8000),
            13 => ("CN", 8000),
            15 => ("G728", 8000),
            18 => ("G729", 8000),
            _ => return None,
        };
        Some(Self::new(payload_type, name, clock))
    }
}

const TELEPHONE_EVENT: &str = "telephone-event";
