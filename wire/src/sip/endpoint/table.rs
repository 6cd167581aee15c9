//! A table of what is found by its key alone and never looked through: no order shows, so the same input gives the same output
//! although it is a hashed one.
//!
//! A busy endpoint holds hundreds of thousands of transactions, each for half a minute after its end, and every message asks for some of
//! them: in a tree that is a dozen places in memory that no cache holds, here it is one or two.
#![expect(
    clippy::disallowed_types,
    reason = "hashed without chance, and nothing here gives its entries in their order"
)]

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher},
};

/// Parts that grow for themselves: growing moves all entries, and while those of all parts were moved, calls would wait.
const PARTS: usize = 64;
/// A part with room for more than this gives back what it doesn't need.
const ROOM_KEPT: usize = 64;
/// And that is when it uses less than one in so many.
const SPARSE: usize = 8;

/// Values by key. Keys must be names that nobody outside can choose ([`super::ident`]), or numbers given in order.
pub(crate) struct Table<K, V> {
    parts: Box<[Part<K, V>]>,
    len: usize,
}

type Part<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Keys are spread already, or count up: a multiplication spreads those.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(ODD);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

impl<K: Hash + Eq, V> Table<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            parts: (0..PARTS).map(|_| Part::default()).collect(),
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.parts.get(part_of(key))?.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.parts.get_mut(part_of(key))?.get_mut(key)
    }

    /// Gives what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.parts.get_mut(part_of(&key))?.insert(key, value);
        self.len += usize::from(before.is_none());
        before
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let part = self.parts.get_mut(part_of(key))?;
        let value = part.remove(key)?;
        self.len -= 1;
        if part.is_empty() {
            // After a rush, the room of each part would stand alone in a page of the allocator's that is free but for it.
            *part = Part::default();
        } else if part.capacity() > ROOM_KEPT.max(part.len() * SPARSE) {
            part.shrink_to(part.len() * 2);
        }
        Some(value)
    }

    #[cfg(test)]
    fn room(&self) -> usize {
        self.parts.iter().map(Part::capacity).sum()
    }
}

/// By bits that the part itself doesn't go by.
fn part_of<K: Hash>(key: &K) -> usize {
    let hash = BuildHasherDefault::<Spread>::default().hash_one(key);
    (hash >> 40) as usize % PARTS
}

impl<K, V> fmt::Debug for Table<K, V> {
    /// Only how many: their order would show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} entries)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 100_000;

    #[test]
    fn what_is_put_in_is_found_and_its_room_is_given_back() {
        let mut table = Table::new();
        for key in 0..MANY {
            assert_eq!(table.insert(key, key), None);
        }
        assert_eq!(table.insert(7, 70), Some(7));
        assert_eq!((table.len(), table.get(&7)), (100_000, Some(&70)));
        assert!(table.contains_key(&99_999) && !table.contains_key(&MANY));
        let largest = table.parts.iter().map(Part::len).max();
        assert!(largest < Some(2 * MANY as usize / PARTS), "{largest:?}");
        for key in 0..MANY {
            assert!(table.remove(&key).is_some() && table.remove(&key).is_none());
        }
        assert_eq!((table.len(), table.room()), (0, 0));
    }
}
