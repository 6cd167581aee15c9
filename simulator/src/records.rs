//! What a run knows of each call in progress.

use callcore::{
    route::Destination,
    scenario::QueueId,
    switch::CallId,
    time::{Span, Time},
};

use crate::{
    callers::{Caller, between},
    event::{SUBJECT_BITS, Ticket},
};

/// What a caller's luck is asked for: the second agent who is rung, and those after.
const RINGS: u64 = 0x2_0000;

/// What the run knows of a call in progress. Small, since it is moved twice: hence [`NEVER`] for no moment.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) caller: Caller,
    /// When it joined the queue: waits, or has an agent rung at once.
    pub(crate) joined: Time,
    /// Since when the agent is busy with it.
    pub(crate) rung: Time,
    pub(crate) answered: Time,
    /// When the caller was promised to be called back; [`NEVER`] again once that has been done.
    pub(crate) promised: Time,
    /// Since when it is recorded.
    pub(crate) recorded: Time,
    /// The queue that records it.
    pub(crate) recorded_by: Option<QueueId>,
    /// Where it is now: as decided, unless a full queue or a failed provider sent it on. `None` when no rule took it.
    pub(crate) place: Option<Destination>,
    /// The queue that was called: its callers' patience is this caller's, wherever the call is sent on.
    pub(crate) called: Option<QueueId>,
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
    /// How many agents were rung for it.
    pub(crate) agents_rung: u32,
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
            called: None,
            decided_out: false,
            counts,
            waited: false,
            taken_over: false,
            accepts: false,
            called_back: false,
            attempts: 0,
            agents_rung: 0,
            playing: None,
            ringing: None,
            leaving: None,
        }
    }

    /// The queue that it is in.
    pub(crate) const fn queue(&self) -> Option<QueueId> {
        match self.place {
            Some(Destination::Queue(queue)) => Some(queue),
            _ => None,
        }
    }

    /// Goes to a place: the first, or one it is sent on to.
    pub(crate) fn go(&mut self, to: Destination) {
        self.place = Some(to);
        self.called = self.called.or(self.queue());
    }

    /// Whether it is known what becomes of it: answered, or taken over by a provider.
    pub(crate) fn is_settled(&self) -> bool {
        self.answered != NEVER || self.taken_over
    }

    /// How long the agent who is rung now takes to answer. Each takes a time of her own: another for a caller whom the first
    /// didn't answer.
    pub(crate) fn rings(&mut self, seed: u64, answer: (Span, Span)) -> Span {
        let before = self.agents_rung;
        self.agents_rung = before.wrapping_add(1);
        match before {
            0 => self.caller.ring,
            _ => between(
                answer,
                &mut self.caller.luck(seed, RINGS + u64::from(before)),
            ),
        }
    }

    /// Whether the caller was promised to be called back, and hasn't been reached.
    pub(crate) fn is_promised(&self) -> bool {
        self.promised != NEVER
    }

    /// Joins the queue, unless it had before.
    pub(crate) fn join(&mut self, now: Time) {
        if self.joined == NEVER {
            self.joined = now;
        }
    }
}

/// The records by call. Calls are numbered in the order in which they come in and few are in progress at a time,
/// so that a ring over the numbers finds a record without searching.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Its length is a power of two, or zero; a call's place is that of the low bits of its number.
    ring: Vec<Option<Record>>,
    /// Every call up to this number is over.
    before: u64,
    /// The number of the latest.
    latest: u64,
}

const RING_MIN: usize = 64;

impl Records {
    pub(crate) fn open(&mut self, caller: Caller, counts: bool) -> CallId {
        if self.latest - self.before == self.ring.len() as u64 {
            self.grow();
        }
        self.latest += 1;
        let place = self.place(self.latest);
        self.ring[place] = Some(Record::new(caller, counts));
        CallId(self.latest)
    }

    pub(crate) fn get(&mut self, call: CallId) -> Option<&mut Record> {
        if call.0 <= self.before || call.0 > self.latest {
            return None;
        }
        let place = self.place(call.0);
        self.ring[place].as_mut()
    }

    pub(crate) fn close(&mut self, call: CallId) -> Option<Record> {
        if call.0 <= self.before || call.0 > self.latest {
            return None;
        }
        let place = self.place(call.0);
        let record = self.ring[place].take();
        while self.before < self.latest && self.ring[self.place(self.before + 1)].is_none() {
            self.before += 1;
        }
        record
    }

    /// The call whose number ends in these bits; so many are never in progress that two could be meant.
    pub(crate) const fn named(&self, subject: u32) -> CallId {
        let mask = (1_u64 << SUBJECT_BITS) - 1;
        let ahead = (subject as u64).wrapping_sub(self.before) & mask;
        CallId(self.before + ahead)
    }

    pub(crate) const fn are_closed(&self) -> bool {
        self.before == self.latest
    }

    /// Those in progress.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Record> {
        self.ring.iter().flatten()
    }

    /// The calls whose callers were promised to be called back, and haven't been, in the order in which they came in.
    pub(crate) fn promised(&mut self) -> Vec<CallId> {
        let calls = (self.before + 1..=self.latest).map(CallId);
        calls
            .filter(|&call| self.get(call).is_some_and(|record| record.is_promised()))
            .collect()
    }

    pub(crate) fn in_progress(&self) -> usize {
        self.all().count()
    }

    const fn place(&self, number: u64) -> usize {
        number as usize & self.ring.len().wrapping_sub(1)
    }

    fn grow(&mut self) {
        let len = (self.ring.len() * 2).max(RING_MIN);
        let ring = std::iter::repeat_with(|| None).take(len).collect();
        let mut narrow = Self {
            ring: std::mem::replace(&mut self.ring, ring),
            ..*self
        };
        for number in self.before + 1..=self.latest {
            let (from, to) = (narrow.place(number), self.place(number));
            self.ring[to] = narrow.ring[from].take();
        }
    }
}
