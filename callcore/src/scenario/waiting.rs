//! What callers are offered while they wait.

use super::AnnouncementId;
use crate::{digit::Digit, time::Span};

/// To be called back instead of waiting on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Offered to those who must expect to wait this long.
    pub after_expected_wait: Span,
    /// How many promises to call back may stand at once.
    pub at_most: usize,
    /// What offers it: "press 1 and we will call you back".
    pub offer: AnnouncementId,
    /// What confirms it, before the switch hangs up.
    pub accepted: Option<AnnouncementId>,
    /// The key that accepts.
    pub digit: Digit,
    /// How often the caller is tried before the promise is given up.
    pub attempts_max: u8,
    /// How long after an attempt in vain the next is made at the earliest.
    pub again_after: Span,
    /// How long the caller's phone rings.
    pub ring_max: Span,
    /// The SIP address of the trunk that calls are made through; `None` for the peer that brought the call.
    pub via: Option<Box<str>>,
}
