//! Places of a thread's calls: the lowest that is free is given out first, so that the memory of a rush goes back by and by.

use std::collections::BTreeSet;

/// Places for which room is kept; what a rush took beyond that is given back.
const ROOM_KEPT: usize = 64;

/// What is at each place.
#[derive(Debug)]
pub(super) struct Places<T> {
    /// The last is never empty.
    all: Vec<Option<T>>,
    /// Those before the last that are empty.
    free: BTreeSet<usize>,
}

impl<T> Places<T> {
    pub(super) const fn new() -> Self {
        Self {
            all: Vec::new(),
            free: BTreeSet::new(),
        }
    }

    /// Puts what is made for it at the lowest place that is free.
    pub(super) fn put(&mut self, make: impl FnOnce(usize) -> T) -> usize {
        let place = self.free.pop_first().unwrap_or(self.all.len());
        let made = Some(make(place));
        match self.all.get_mut(place) {
            Some(empty) => *empty = made,
            None => self.all.push(made),
        }
        place
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.all.get_mut(place)?.as_mut()
    }

    pub(super) fn take(&mut self, place: usize) -> Option<T> {
        let taken = self.all.get_mut(place)?.take()?;
        self.free.insert(place);
        while let Some(None) = self.all.last() {
            self.all.pop();
            self.free.remove(&self.all.len());
        }
        if self.all.capacity() > (4 * self.all.len()).max(ROOM_KEPT) {
            self.all.shrink_to((2 * self.all.len()).max(ROOM_KEPT));
        }
        Some(taken)
    }

    /// All are below this.
    pub(super) const fn end(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.all.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_that_a_rush_took_is_given_back_while_calls_go_on() {
        let mut places = Places::new();
        for number in 0..10_000 {
            assert_eq!(places.put(|place| place), number);
        }
        for place in (1..10_000).step_by(2).chain((2..9_999).step_by(2)) {
            assert_eq!(places.take(place), Some(place));
            assert_eq!(places.take(place), None);
        }
        assert_eq!(places.end(), 1, "the first goes on");
        assert_eq!(places.put(|place| place), 1);
        assert_eq!(places.take(1), Some(1));
        assert!(places.all.capacity() <= 2 * ROOM_KEPT && places.free.is_empty());
        assert_eq!(places.get_mut(0), Some(&mut 0));
        assert_eq!(places.iter_mut().count(), 1);
    }

    #[test]
    fn the_lowest_place_is_taken_first() {
        let mut places = Places::new();
        for _ in 0..5 {
            places.put(|place| place);
        }
        for place in [3, 1] {
            places.take(place);
        }
        let next: Vec<usize> = (0..3).map(|_| places.put(|place| place)).collect();
        assert_eq!(next, [1, 3, 5]);
    }
}
