//! What callers are offered while they wait.

use super::{AnnouncementId, QueueId};
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

/// What a waiting caller is told about the place and the wait, between the music.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speak {
    /// The place in the queue.
    pub place: bool,
    /// How long it will probably take.
    pub wait: bool,
    /// How often it is said again.
    pub every: Span,
}

/// Keys to choose by, after the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// What names the keys.
    pub announcement: AnnouncementId,
    /// How long after it a key may still be pressed.
    pub timeout: Span,
    /// How often it is said again to those who press nothing; they go on then as if there were no menu.
    pub repeats: u8,
    /// What each key is for.
    pub choices: Vec<(Digit, Choice)>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Another queue of this switch.
    Queue(QueueId),
    /// To be called back by the route's own queue; who can't be goes on.
    Callback,
    /// On, as if there were no menu.
    Continue,
}

impl Menu {
    /// What a key is for; `None` for one that the menu doesn't name.
    pub fn choice(&self, digit: Digit) -> Option<Choice> {
        let named = self.choices.iter().find(|(named, _)| *named == digit);
        named.map(|(_, choice)| *choice)
    }
}

/// When new calls are refused, so that those in progress go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Calls held at once.
    pub calls_max: usize,
    /// New calls a second.
    pub rate_max: u32,
    /// How late the switch's own work may be.
    pub late_max: Span,
}
