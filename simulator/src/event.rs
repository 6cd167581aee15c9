//! The event list: what callers, nurses and providers will do, by moment.

use std::{cmp::Reverse, collections::BinaryHeap};

use callcore::{switch::CallId, time::Time};

/// Something that will happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The announcement that plays to this caller ends.
    AnnouncementEnds(CallId),
    /// The phone that rings for this call is answered.
    FarEndAnswers(CallId),
    /// The caller hangs up unless somebody has answered.
    PatienceEnds(CallId),
    /// Caller and far end have nothing more to say.
    TalkEnds(CallId),
}

/// The name of one event in the list. An event that was overtaken stays in the list and isn't looked for there:
/// whoever expects it remembers the ticket, and passes over any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Events by moment; at the same moment, in the order in which they were put in.
#[derive(Debug, Default)]
pub struct EventList {
    heap: BinaryHeap<Reverse<(Time, Ticket, Event)>>,
    tickets: u64,
}

impl EventList {
    /// Puts an event in.
    pub fn put(&mut self, at: Time, event: Event) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.heap.push(Reverse((at, ticket, event)));
        ticket
    }

    /// When the next event is.
    pub fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next event out.
    pub fn take(&mut self) -> Option<(Time, Ticket, Event)> {
        self.heap.pop().map(|Reverse(next)| next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_moment_and_then_in_the_order_they_were_put_in() {
        let mut list = EventList::default();
        let at = Time::from_micros;
        for (moment, call) in [(20, 1), (10, 3), (10, 2)] {
            list.put(at(moment), Event::TalkEnds(CallId(call)));
        }
        assert_eq!(list.next_at(), Some(at(10)));
        let order: Vec<_> = std::iter::from_fn(|| list.take())
            .map(|(_, _, event)| event)
            .collect();
        assert_eq!(order, [3, 2, 1].map(|call| Event::TalkEnds(CallId(call))));
    }
}
