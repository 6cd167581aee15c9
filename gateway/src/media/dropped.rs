//! Packets that are neither passed on nor recorded, by reason.

use prometheus::{IntCounter, IntCounterVec};
use wire::srtp::OpenError;

/// Why a packet is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// From another address than the call's own: somebody else's, or an attacker's (RTP bleed).
    Stray,
    /// No RTP.
    Malformed,
    /// Longer than any telephone's.
    TooLong,
    /// Nothing that was agreed.
    PayloadType,
    /// SRTP that isn't by the peer's key.
    Unauthenticated,
    /// SRTP that came before.
    Replayed,
}

/// A counter for each reason.
#[derive(Debug, Clone)]
pub(crate) struct Dropped([IntCounter; Why::ALL.len()]);

impl Dropped {
    /// Of a family of counters with one label.
    pub(crate) fn new(counters: &IntCounterVec) -> Self {
        Self(Why::ALL.map(|why| counters.with_label_values(&[why.label()])))
    }

    pub(super) fn count(&self, why: Why) {
        self.0[why as usize].inc();
    }
}

impl Why {
    /// In the order in which they are listed.
    const ALL: [Self; 6] = [
        Self::Stray,
        Self::Malformed,
        Self::TooLong,
        Self::PayloadType,
        Self::Unauthenticated,
        Self::Replayed,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Stray => "stray",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::PayloadType => "payload_type",
            Self::Unauthenticated => "unauthenticated",
            Self::Replayed => "replayed",
        }
    }
}

impl From<OpenError> for Why {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Malformed => Self::Malformed,
            OpenError::Replayed => Self::Replayed,
            OpenError::Unauthenticated => Self::Unauthenticated,
        }
    }
}
