//! The calls in progress, found by number.

use super::{
    call::{Call, Way},
    io::CallId,
};

/// Calls by number: open addressing on the low bits of the number. Numbers count up, so that neighbours never meet,
/// and a call that lasts long costs later ones a step at most.
#[derive(Debug, Default)]
pub(super) struct CallTable {
    /// For each place the slot of a call, counted from 1; 0 for none. Its length is a power of two, or zero.
    index: Vec<u32>,
    slots: Vec<Option<Call>>,
    free: Vec<u32>,
    len: usize,
}

const INDEX_LEN_MIN: usize = 64;

impl CallTable {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains_key(&self, id: &CallId) -> bool {
        self.find(*id).is_some()
    }

    pub(super) fn get(&self, id: &CallId) -> Option<&Call> {
        let (_, slot) = self.find(*id)?;
        self.slots[slot].as_ref()
    }

    pub(super) fn get_mut(&mut self, id: &CallId) -> Option<&mut Call> {
        let (_, slot) = self.find(*id)?;
        self.slots[slot].as_mut()
    }

    /// Takes a call in that isn't there yet.
    pub(super) fn insert(&mut self, id: CallId, call: Call) {
        debug_assert!(!self.contains_key(&id), "a call number is used once");
        if (self.len + 1) * 2 > self.index.len() {
            self.grow();
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(call);
                slot
            }
            None => {
                self.slots.push(Some(call));
                self.slots.len() as u32 - 1
            }
        };
        self.put(id, slot + 1);
        self.len += 1;
    }

    /// Takes a call out; what is left of it is where it stood.
    pub(super) fn remove(&mut self, id: &CallId) -> Option<Way> {
        let (place, slot) = self.find(*id)?;
        let way = self.slots[slot].as_ref().map(|call| call.way);
        self.slots[slot] = None;
        self.free.push(slot as u32);
        self.len -= 1;
        self.close_gap(place);
        way
    }

    /// The calls, oldest first.
    pub(super) fn in_order(&self) -> Vec<&Call> {
        let mut calls: Vec<&Call> = self.slots.iter().flatten().collect();
        calls.sort_unstable_by_key(|call| call.head.id);
        calls
    }

    /// The place in the index and the slot.
    fn find(&self, id: CallId) -> Option<(usize, usize)> {
        let mask = self.index.len().checked_sub(1)?;
        let mut place = id.0 as usize & mask;
        loop {
            let slot = (self.index[place] as usize).checked_sub(1)?;
            if self.id_in(slot) == Some(id) {
                return Some((place, slot));
            }
            place = (place + 1) & mask;
        }
    }

    fn id_in(&self, slot: usize) -> Option<CallId> {
        self.slots[slot].as_ref().map(|call| call.head.id)
    }

    fn put(&mut self, id: CallId, entry: u32) {
        let mask = self.index.len() - 1;
        let mut place = id.0 as usize & mask;
        while self.index[place] != 0 {
            place = (place + 1) & mask;
        }
        self.index[place] = entry;
    }

    fn grow(&mut self) {
        let len = (self.index.len() * 2).max(INDEX_LEN_MIN);
        self.index = vec![0; len];
        for slot in 0..self.slots.len() {
            if let Some(id) = self.id_in(slot) {
                self.put(id, slot as u32 + 1);
            }
        }
    }

    /// Moves up what stood behind a place that became free and would no longer be found across the gap.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.index.len() - 1;
        self.index[gap] = 0;
        let mut place = (gap + 1) & mask;
        while let Some(slot) = (self.index[place] as usize).checked_sub(1) {
            let home = self.id_in(slot).map_or(place, |id| id.0 as usize & mask);
            if (place.wrapping_sub(home) & mask) >= (place.wrapping_sub(gap) & mask) {
                self.index[gap] = self.index[place];
                self.index[place] = 0;
                gap = place;
            }
            place = (place + 1) & mask;
        }
    }
}
