//! How a stream's audio is coded: as it came, never converted.

use wire::{g711::Law, sdp};

use super::Kind;
use crate::{opus, tally::RATE};

/// In a file's header: not a payload type that anything else has there.
const OPUS_CODE: u8 = 111;

/// A stream's codec; a file has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711, a byte a sample.
    G711(Law),
    /// Opus (RFC 6716), as RFC 7587 carries it.
    Opus,
}

impl Codec {
    /// The one that SDP names, when we store it.
    pub(crate) fn of(named: &sdp::Codec) -> Option<Self> {
        let opus = named.is_same_as(&Self::opus_in_sdp());
        named.law().map(Self::G711).or(opus.then_some(Self::Opus))
    }

    /// Those that are taken.
    pub(crate) fn offered() -> [sdp::Codec; 3] {
        [sdp::Codec::pcma(), sdp::Codec::pcmu(), Self::opus_in_sdp()]
    }

    /// Always so, whatever is in the packets (RFC 7587 section 7).
    fn opus_in_sdp() -> sdp::Codec {
        sdp::Codec {
            channels: 2,
            ..sdp::Codec::new(OPUS_CODE, "opus", RATE * opus::PER_SAMPLE)
        }
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::G711(law) => law.payload_type(),
            Self::Opus => OPUS_CODE,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            OPUS_CODE => Some(Self::Opus),
            other => Law::from_payload_type(other).map(Self::G711),
        }
    }

    /// What a stored packet of it is.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::G711(_) => Kind::Audio,
            Self::Opus => Kind::Opus,
        }
    }

    /// What its RTP timestamps count for each sample of the timeline.
    pub(crate) const fn per_sample(self) -> u32 {
        match self {
            Self::G711(_) => 1,
            Self::Opus => opus::PER_SAMPLE,
        }
    }

    /// Samples of the timeline in a packet's payload; `None` when it is none of this codec.
    pub(crate) fn samples(self, payload: &[u8]) -> Option<u32> {
        match self {
            Self::G711(_) => u32::try_from(payload.len()).ok(),
            Self::Opus => opus::samples(payload).map(|samples| samples / opus::PER_SAMPLE),
        }
    }

    /// Its name, as people know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::G711(Law::A) => "PCMA",
            Self::G711(Law::U) => "PCMU",
            Self::Opus => "opus",
        }
    }
}

impl From<Law> for Codec {
    fn from(law: Law) -> Self {
        Self::G711(law)
    }
}
