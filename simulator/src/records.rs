//! What a run knows of each call in progress.

use std::collections::VecDeque;

use callcore::{route::Destination, scenario::QueueId, switch::CallId, time::Time};

use crate::{
    callers::Caller,
    event::{SUBJECT_BITS, Ticket},
};

/// What the run knows of a call in progress. Small, since it is moved twice: hence [`NEVER`] for no moment.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) caller: Caller,
    /// When it joined the queue: waits, or has an agent rung at once.
    pub(crate) joined: Time,
    /// Since when the agent is busy with it.
    pub(crate) rung: Time,
    pub(crate) answered: Time,
    /// When the caller was promised to be called back.
    pub(crate) promised: Time,
    /// Since when it is recorded.
    pub(crate) recorded: Time,
    /// The queue that records it.
    pub(crate) recorded_by: Option<QueueId>,
    /// Where it is now: as decided, unless a full queue or a failed provider sent it on. `None` when no rule took it.
    pub(crate) place: Option<Destination>,
    /// Whether it was decided to be a provider's, wherever it is now.
    pub(crate) decided_out: bool,
    /// Whether it counts: what comes in during the warm-up doesn't.
    pub(crate) counts: bool,
    pub(crate) waited: bool,
    pub(crate) taken_over: bool,
    /// Whether the caller will take the offer to be called back, once it has been heard to its end.
    pub(crate) accepts: bool,
    /// Whether the agent is kept for a caller who is called back.
    pub(crate) called_back: bool,
    /// How often the caller was called back.
    pub(crate) attempts: u8,
    /// The announcement that plays.
    pub(crate) playing: Option<Ticket>,
    /// The phone that rings.
    pub(crate) ringing: Option<Ticket>,
    /// The end of patience, or of the conversation: whichever comes next.
    pub(crate) leaving: Option<Ticket>,
}

/// What has not happened.
pub(crate) const NEVER: Time = Time::from_micros(i64::MIN);

/// A moment, unless it is [`NEVER`].
pub(crate) fn happened(at: Time) -> Option<Time> {
    (at != NEVER).then_some(at)
}

impl Record {
    const fn new(caller: Caller, counts: bool) -> Self {
        Self {
            caller,
            joined: NEVER,
            rung: NEVER,
            answered: NEVER,
            promised: NEVER,
            recorded: NEVER,
            recorded_by: None,
            place: None,
            decided_out: false,
            counts,
            waited: false,
            taken_over: false,
            accepts: false,
            called_back: false,
            attempts: 0,
            playing: None,
            ringing: None,
            leaving: None,
        }
    }

    /// Joins the queue, unless it had before.
    pub(crate) fn join(&mut self, now: Time) {
        if self.joined == NEVER {
            self.joined = now;
        }
    }
}

/// The records by call. Calls are numbered in the order in which they come in and few are in progress at a time,
/// so that a window over the numbers finds a record without searching.
#[derive(Debug, Default)]
pub(crate) struct Records {
    window: VecDeque<Option<Record>>,
    /// The number of the first place in the window, less one.
    before: u64,
}

impl Records {
    pub(crate) fn open(&mut self, caller: Caller, counts: bool) -> CallId {
        self.window.push_back(Some(Record::new(caller, counts)));
        CallId(self.before + self.window.len() as u64)
    }

    pub(crate) fn get(&mut self, call: CallId) -> Option<&mut Record> {
        let place = self.place(call)?;
        self.window.get_mut(place)?.as_mut()
    }

    pub(crate) fn close(&mut self, call: CallId) -> Option<Record> {
        let place = self.place(call)?;
        let record = self.window.get_mut(place)?.take();
        while let Some(None) = self.window.front() {
            self.window.pop_front();
            self.before += 1;
        }
        record
    }

    /// The call whose number ends in these bits; the window is never as long as to hold two.
    pub(crate) const fn named(&self, subject: u32) -> CallId {
        let mask = (1_u64 << SUBJECT_BITS) - 1;
        let ahead = (subject as u64).wrapping_sub(self.before) & mask;
        CallId(self.before + ahead)
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.window.is_empty()
    }

    pub(crate) fn in_progress(&self) -> usize {
        self.window.iter().flatten().count()
    }

    fn place(&self, call: CallId) -> Option<usize> {
        usize::try_from(call.0.checked_sub(self.before + 1)?).ok()
    }
}
