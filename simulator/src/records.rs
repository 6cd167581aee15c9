//! What a run knows of each call in progress.

use std::collections::BTreeMap;

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
/// so that a ring over the numbers finds a record without searching. A few that outlast very many others are kept apart:
/// the ring would have to be as long as all that came in since.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Its length is a power of two, or zero; a call's place is that of the low bits of its number.
    ring: Vec<Option<Record>>,
    /// Every call up to this number is over, or kept apart.
    before: u64,
    /// The number of the latest.
    latest: u64,
    /// Those in progress up to `before`, by the low bits of their numbers.
    outlasting: BTreeMap<u32, (CallId, Record)>,
}

const RING_MIN: usize = 64;
/// From this length on the ring grows only when a quarter of it is in use: some sixteen megabytes.
const RING_SPARSE: usize = 1 << 16;

impl Records {
    pub(crate) fn open(&mut self, caller: Caller, counts: bool) -> CallId {
        if self.latest - self.before == self.ring.len() as u64 {
            self.make_room();
        }
        self.latest += 1;
        let place = self.place(self.latest);
        self.ring[place] = Some(Record::new(caller, counts));
        CallId(self.latest)
    }

    pub(crate) fn get(&mut self, call: CallId) -> Option<&mut Record> {
        if call.0 > self.latest {
            return None;
        }
        if call.0 <= self.before {
            let (known, record) = self.outlasting.get_mut(&low_bits(call))?;
            return (*known == call).then_some(record);
        }
        let place = self.place(call.0);
        self.ring[place].as_mut()
    }

    pub(crate) fn close(&mut self, call: CallId) -> Option<Record> {
        if call.0 > self.latest {
            return None;
        }
        if call.0 <= self.before {
            self.get(call)?;
            return Some(self.outlasting.remove(&low_bits(call))?.1);
        }
        let place = self.place(call.0);
        let record = self.ring[place].take();
        self.pass_over();
        record
    }

    fn pass_over(&mut self) {
        while self.before < self.latest && self.ring[self.place(self.before + 1)].is_none() {
            self.before += 1;
        }
    }

    /// The call whose number ends in these bits; so many are never in progress that two could be meant.
    pub(crate) fn named(&self, subject: u32) -> CallId {
        if let Some((call, _)) = self.outlasting.get(&subject) {
            return *call;
        }
        let mask = (1_u64 << SUBJECT_BITS) - 1;
        let ahead = u64::from(subject).wrapping_sub(self.before) & mask;
        CallId(self.before + ahead)
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.before == self.latest && self.outlasting.is_empty()
    }

    /// Those in progress.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Record> {
        let outlasting = self.outlasting.values().map(|(_, record)| record);
        outlasting.chain(self.ring.iter().flatten())
    }

    /// How many calls there were, those that are over too.
    pub(crate) const fn opened(&self) -> u64 {
        self.latest
    }

    /// When the first of those in progress that count came in.
    pub(crate) fn earliest(&self) -> Option<Time> {
        let counted = self.all().filter(|record| record.counts);
        counted.map(|record| record.caller.at).min()
    }

    /// The calls whose callers were promised to be called back, and haven't been, in the order in which they came in.
    pub(crate) fn promised(&mut self) -> Vec<CallId> {
        let outlasting = self.outlasting.values().map(|(call, _)| *call);
        let others = (self.before + 1..=self.latest).map(CallId);
        let calls: Vec<CallId> = outlasting.chain(others).collect();
        calls
            .into_iter()
            .filter(|&call| self.get(call).is_some_and(|record| record.is_promised()))
            .collect()
    }

    pub(crate) fn in_progress(&self) -> usize {
        self.all().count()
    }

    const fn place(&self, number: u64) -> usize {
        number as usize & self.ring.len().wrapping_sub(1)
    }

    /// Makes room for another call in a ring that is full of calls and of what they left.
    fn make_room(&mut self) {
        let in_use = self.ring.iter().flatten().count();
        if self.ring.len() < RING_SPARSE || in_use > self.ring.len() / 4 {
            self.grow();
            return;
        }
        // The older half goes: it is as many calls again until this is done anew.
        let until = self.before + self.ring.len() as u64 / 2;
        for number in self.before + 1..=until {
            let place = self.place(number);
            if let Some(record) = self.ring[place].take() {
                let call = CallId(number);
                self.outlasting.insert(low_bits(call), (call, record));
            }
        }
        self.before = until;
        self.pass_over();
    }

    fn grow(&mut self) {
        let len = (self.ring.len() * 2).max(RING_MIN);
        let ring = std::iter::repeat_with(|| None).take(len).collect();
        let mut narrow = Self {
            ring: std::mem::replace(&mut self.ring, ring),
            ..Self::default()
        };
        for number in self.before + 1..=self.latest {
            let (from, to) = (narrow.place(number), self.place(number));
            self.ring[to] = narrow.ring[from].take();
        }
    }
}

const fn low_bits(call: CallId) -> u32 {
    call.0 as u32 & ((1 << SUBJECT_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{callers::everyone, plan::Plan, tests::today};

    #[test]
    fn a_call_that_outlasts_very_many_others_takes_no_more_room_than_they() {
        let plan = Plan::new(&today(), date(2026, 3, 2), 1, 1);
        let caller = everyone(&plan).next().expect("somebody calls");
        let mut records = Records::default();
        let long = [0; 3].map(|_| records.open(caller, true));
        for _ in 0..1_000_000 {
            let call = records.open(caller, true);
            assert_eq!(records.named(call.0 as u32 & 0x0fff_ffff), call);
            assert!(records.close(call).is_some());
            assert!(records.close(call).is_none());
        }
        assert!(records.ring.len() <= RING_SPARSE);
        assert_eq!(records.in_progress(), 3);
        for call in long {
            assert_eq!(records.named(call.0 as u32), call);
            assert!(records.get(call).is_some());
            assert!(!records.are_closed());
            assert!(records.close(call).is_some());
            assert!(records.close(call).is_none());
        }
        assert!(records.are_closed());
    }
}
