//! The event list: what callers, nurses and providers will do, by moment.

use std::{cmp::Reverse, collections::BinaryHeap, num::NonZeroU32};

use callcore::time::Time;

/// What kind of thing will happen; the subject is a number that the owner of the list understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Happens {
    /// The announcement that plays to this caller ends.
    AnnouncementEnds,
    /// The phone that rings for this call is answered.
    FarEndAnswers,
    /// The caller hangs up unless somebody has answered.
    PatienceEnds,
    /// The caller who is called back answers.
    CallerAnswers,
    /// Caller and far end have nothing more to say.
    TalkEnds,
    /// Somebody who gave up calls again.
    CallsAgain,
    /// Nurses come and go.
    ShiftChanges,
}

/// The name of one event in the list. An event that was overtaken stays in the list and isn't looked for there:
/// whoever expects it remembers the ticket, and passes over any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(NonZeroU32);

/// An event that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    /// When.
    pub(crate) at: Time,
    /// Its name.
    pub(crate) ticket: Ticket,
    /// What.
    pub(crate) what: Happens,
    /// To whom: the low 28 bits of a number.
    pub(crate) subject: u32,
}

/// The bits that a subject has.
pub(crate) const SUBJECT_BITS: u32 = 28;

/// Events by moment; at the same moment, in the order in which they were put in. Sixteen bytes each: the moment above,
/// then the ticket, the kind and the subject, so that one comparison of numbers orders them.
///
/// The next few lie sorted, and the rest in a heap behind them: what is put in is soon due as a rule and moves two or
/// three others, where a heap would let it rise all the way and then sink another.
#[derive(Debug, Default)]
pub(crate) struct EventList {
    /// The last is next. None is later than any of `far`.
    near: Vec<u128>,
    far: BinaryHeap<Reverse<u128>>,
    tickets: u32,
}

/// How many lie sorted: beyond it, moving them costs more than a heap.
const NEAR_MAX: usize = 96;
/// How many are compared one by one first.
const SOON: usize = 6;

impl EventList {
    /// Puts an event in.
    pub(crate) fn put(&mut self, at: Time, what: Happens, subject: u32) -> Ticket {
        let ticket = self.next_ticket();
        let moment = at.as_micros().cast_unsigned() ^ (1 << 63);
        let low = u64::from(ticket.0.get()) << 32
            | u64::from(what as u8) << SUBJECT_BITS
            | u64::from(subject & ((1 << SUBJECT_BITS) - 1));
        self.insert(u128::from(moment) << 64 | u128::from(low));
        ticket
    }

    /// Takes the next event out, if it is before a moment.
    pub(crate) fn take_before(&mut self, until: Time) -> Option<Event> {
        let packed = *self.near.last()?;
        let at = moment(packed);
        if at >= until {
            return None;
        }
        self.near.pop();
        if self.near.is_empty() {
            self.refill();
        }
        Some(Event {
            at,
            ticket: Ticket(NonZeroU32::new((packed >> 32) as u32)?),
            what: kind((packed as u32 >> SUBJECT_BITS) as u8),
            subject: packed as u32 & ((1 << SUBJECT_BITS) - 1),
        })
    }

    /// Tickets go round after four thousand million; events so far apart aren't in the list together.
    fn next_ticket(&mut self) -> Ticket {
        self.tickets = self.tickets.wrapping_add(1).max(1);
        Ticket(NonZeroU32::new(self.tickets).unwrap_or(NonZeroU32::MIN))
    }

    fn insert(&mut self, packed: u128) {
        let is_far = |first: &Reverse<u128>| packed > first.0;
        if self.far.peek().is_some_and(is_far) {
            self.far.push(Reverse(packed));
            return;
        }
        // Soon due as a rule: looked for from the end, while what is due sooner moves up; and only then by halves.
        let mut place = self.near.len();
        self.near.push(packed);
        let soon = place.saturating_sub(SOON);
        while place > soon && self.near[place - 1] < packed {
            self.near[place] = self.near[place - 1];
            place -= 1;
        }
        if place == soon && place > 0 {
            let until = place;
            place = self.near[..until].partition_point(|&other| other > packed);
            self.near.copy_within(place..until, place + 1);
        }
        self.near[place] = packed;
        if self.near.len() > NEAR_MAX {
            let later = self.near.drain(..NEAR_MAX / 2);
            self.far.extend(later.map(Reverse));
        }
    }

    fn refill(&mut self) {
        for _ in 0..NEAR_MAX / 2 {
            let Some(Reverse(packed)) = self.far.pop() else {
                break;
            };
            self.near.push(packed);
        }
        self.near.reverse();
    }
}

fn moment(packed: u128) -> Time {
    Time::from_micros((((packed >> 64) as u64) ^ (1 << 63)).cast_signed())
}

const fn kind(byte: u8) -> Happens {
    match byte {
        0 => Happens::AnnouncementEnds,
        1 => Happens::FarEndAnswers,
        2 => Happens::PatienceEnds,
        3 => Happens::CallerAnswers,
        4 => Happens::TalkEnds,
        5 => Happens::CallsAgain,
        _ => Happens::ShiftChanges,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDLESS: Time = Time::from_micros(i64::MAX);

    #[test]
    fn events_come_by_moment_and_then_in_the_order_they_were_put_in() {
        let mut list = EventList::default();
        for (moment, call) in [(20, 1), (-10, 3), (-10, 2)] {
            list.put(Time::from_micros(moment), Happens::TalkEnds, call);
        }
        assert_eq!(list.take_before(Time::from_micros(-10)), None);
        let order: Vec<_> = std::iter::from_fn(|| list.take_before(ENDLESS))
            .map(|event| (event.at.as_micros(), event.what, event.subject))
            .collect();
        let ends = Happens::TalkEnds;
        assert_eq!(order, [(-10, ends, 3), (-10, ends, 2), (20, ends, 1)]);
    }

    #[test]
    fn many_events_come_in_order_whenever_they_are_put_in() {
        let mut list = EventList::default();
        let (mut word, mut now) = (1_u64, 0);
        let (mut put, mut taken) = (0, Vec::new());
        while taken.len() < 5_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // More are put in than taken for a while, then the other way round.
            if put < 5_000 && (word >> 60) < if put < 3_000 { 10 } else { 7 } {
                let after = (word >> 33) as i64 % 1_000;
                list.put(Time::from_micros(now + after), Happens::TalkEnds, put);
                put += 1;
            } else if let Some(event) = list.take_before(ENDLESS) {
                now = event.at.as_micros();
                taken.push((now, event.ticket));
            }
        }
        assert!(taken.is_sorted(), "by moment, then by ticket");
        assert_eq!(list.take_before(ENDLESS), None);
    }

    #[test]
    fn every_kind_comes_out_as_it_went_in() {
        use Happens::{
            AnnouncementEnds, CallerAnswers, CallsAgain, FarEndAnswers, PatienceEnds, ShiftChanges,
            TalkEnds,
        };
        let mut list = EventList::default();
        for what in [
            AnnouncementEnds,
            FarEndAnswers,
            PatienceEnds,
            CallerAnswers,
            TalkEnds,
            CallsAgain,
            ShiftChanges,
        ] {
            let ticket = list.put(Time::from_micros(5), what, (1 << SUBJECT_BITS) - 1);
            let event = list.take_before(ENDLESS).expect("it was put in");
            assert_eq!((event.what, event.ticket), (what, ticket));
        }
    }
}
