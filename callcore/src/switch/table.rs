//! The calls in progress, found by number.

use super::{
    call::{Call, Way},
    io::CallId,
};

/// Calls by number: open addressing on the low bits of the number. Numbers count up, so that neighbours never meet,
/// and a call that lasts long costs later ones a step at most.
#[derive(Debug, Default)]
pub(super) struct CallTable {
    /// At most half of them are taken. Their number is a power of two, or zero.
    places: Vec<Option<Call>>,
    len: usize,
    /// How many stand elsewhere than their numbers say, because another stood there.
    displaced: usize,
}

const PLACES_MIN: usize = 64;
/// A table with more places than this gives most of them back when it is nearly empty. Calls stand in all of them in turn, so
/// what a rush once took would stay in memory for good.
const PLACES_KEPT: usize = 1024;
/// And that is when less than one in so many is taken.
const SPARSE: usize = 16;

impl CallTable {
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn contains_key(&self, id: &CallId) -> bool {
        self.find(*id).is_some()
    }

    #[inline]
    pub(super) fn get(&self, id: &CallId) -> Option<&Call> {
        self.places[self.find(*id)?].as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: &CallId) -> Option<&mut Call> {
        let place = self.find(*id)?;
        self.places[place].as_mut()
    }

    /// Takes a call in that isn't there yet.
    #[inline]
    pub(super) fn insert(&mut self, call: Call) {
        debug_assert!(
            !self.contains_key(&call.head.id),
            "a call number is used once"
        );
        if (self.len + 1) * 2 > self.places.len() {
            self.resize((self.places.len() * 2).max(PLACES_MIN));
        }
        self.put(call);
        self.len += 1;
    }

    /// Takes a call out; what is left of it is where it stood.
    #[inline]
    pub(super) fn remove(&mut self, id: &CallId) -> Option<Way> {
        let place = self.find(*id)?;
        let way = self.places[place].as_ref()?.way;
        self.places[place] = None;
        self.len -= 1;
        self.displaced -= usize::from(place != self.home(*id));
        if self.displaced > 0 {
            self.close_gap(place);
        }
        if self.places.len() > PLACES_KEPT && self.len * SPARSE < self.places.len() {
            // A quarter taken then at most: it takes as many calls again before it grows.
            self.resize(self.places.len() / 4);
        }
        Some(way)
    }

    /// The calls, oldest first.
    pub(super) fn in_order(&self) -> Vec<&Call> {
        let mut calls: Vec<&Call> = self.places.iter().flatten().collect();
        calls.sort_unstable_by_key(|call| call.head.id);
        calls
    }

    /// The calls, in no order.
    pub(super) fn every(&mut self) -> impl Iterator<Item = &mut Call> {
        self.places.iter_mut().flatten()
    }

    #[inline]
    fn find(&self, id: CallId) -> Option<usize> {
        let mask = self.mask();
        let mut place = self.home(id);
        loop {
            // Half of the places are free, so that this ends; and without places it ends at once.
            if self.places.get(place)?.as_ref()?.head.id == id {
                return Some(place);
            }
            place = (place + 1) & mask;
        }
    }

    #[inline]
    const fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    const fn home(&self, id: CallId) -> usize {
        id.0 as usize & self.mask()
    }

    #[inline]
    fn put(&mut self, call: Call) {
        let home = self.home(call.head.id);
        let mut place = home;
        while self.places[place].is_some() {
            place = (place + 1) & self.mask();
        }
        self.displaced += usize::from(place != home);
        self.places[place] = Some(call);
    }

    #[cold]
    fn resize(&mut self, len: usize) {
        let places = std::iter::repeat_with(|| None).take(len).collect();
        let before = std::mem::replace(&mut self.places, places);
        self.displaced = 0;
        before.into_iter().flatten().for_each(|call| self.put(call));
    }

    /// Moves up what stood behind a place that became free and would no longer be found across the gap.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.mask();
        let mut place = (gap + 1) & mask;
        while let Some(call) = &self.places[place] {
            let home = self.home(call.head.id);
            if (place.wrapping_sub(home) & mask) >= (place.wrapping_sub(gap) & mask) {
                self.places[gap] = self.places[place].take();
                self.displaced -= usize::from(gap == home);
                gap = place;
            }
            place = (place + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        origin::{Origin, UnknownReason},
        route::{Decision, Destination, Digest},
        scenario::{QueueId, RouteId},
        switch::call::{CallHead, RegionalCall, RegionalStage},
        time::Time,
    };

    fn call(number: u64) -> Call {
        let (now, queue) = (Time::from_micros(0), QueueId(0));
        Call {
            head: CallHead {
                id: CallId(number),
                origin: Origin::Unknown(UnknownReason::Missing),
                decision: Decision {
                    route: RouteId(0),
                    to: Destination::Queue(queue),
                    announcement: None,
                    digest: Digest(0),
                },
                earlier: None,
                offered: now,
                recordable: true,
                reachable: true,
            },
            way: Way::Regional(RegionalCall {
                queue,
                stage: RegionalStage::Greeting,
                since: now,
            }),
        }
    }

    #[test]
    fn calls_are_found_however_their_numbers_meet_and_whoever_left_before() {
        let (mut table, mut there) = (CallTable::default(), BTreeSet::new());
        let mut word = 1_u64;
        for _ in 0..20_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few low bits, so that many want the same place.
            let number = (word >> 33) % 8 + 64 * ((word >> 40) % 64);
            if there.insert(number) {
                table.insert(call(number));
            } else {
                there.remove(&number);
                assert!(table.remove(&CallId(number)).is_some());
            }
            assert_eq!(
                table.get(&CallId(number)).is_some(),
                there.contains(&number)
            );
        }
        assert_eq!(table.len(), there.len());
        let found = table.in_order().into_iter().map(|call| call.head.id.0);
        assert!(found.eq(there.iter().copied()));
        for number in there {
            table.remove(&CallId(number));
        }
        assert_eq!((table.len(), table.displaced), (0, 0));
    }

    #[test]
    fn what_a_rush_took_is_given_back() {
        let mut table = CallTable::default();
        for number in 0..20_000 {
            table.insert(call(number));
        }
        assert_eq!(table.places.len(), 65_536);
        // Some last longer than the others, and stay where they are found.
        let long = |number: &u64| number.is_multiple_of(500);
        for number in (0..20_000).filter(|number| !long(number)) {
            assert!(table.remove(&CallId(number)).is_some());
        }
        assert!(table.places.len() <= PLACES_KEPT, "{}", table.places.len());
        for number in (0..20_000).filter(long) {
            assert!(table.remove(&CallId(number)).is_some(), "{number}");
        }
        assert_eq!((table.len(), table.displaced), (0, 0));
    }
}
