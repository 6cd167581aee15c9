//! Whose calls a route takes: a set over the 290 kommuner and the three ways of not knowing the kommun.

use std::fmt;

use crate::{
    kommun::{KOMMUNER_LEN, KommunId, kommuner},
    origin::Origin,
};

/// How many different answers to "who calls?" there are.
pub(super) const WHO_LEN: usize = KOMMUNER_LEN + 3;

/// Who calls, as far as routing tells callers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// A caller from this kommun.
    Kommun(KommunId),
    /// A caller whose kommun isn't known.
    Unknown,
    /// A caller whose kommun-ID is no such thing.
    Invalid,
    /// A caller for whom trusted sources name different kommuner.
    Conflict,
}

impl Who {
    /// Everyone: the kommuner in the order of their codes, then unknown, invalid, conflict.
    pub fn everyone() -> impl Iterator<Item = Self> {
        kommuner()
            .iter()
            .map(|kommun| Self::Kommun(kommun.id))
            .chain([Self::Unknown, Self::Invalid, Self::Conflict])
    }

    /// Its place in [`Who::everyone`].
    pub const fn index(self) -> usize {
        match self {
            Self::Kommun(kommun) => kommun.index(),
            Self::Unknown => KOMMUNER_LEN,
            Self::Invalid => KOMMUNER_LEN + 1,
            Self::Conflict => KOMMUNER_LEN + 2,
        }
    }
}

impl From<Origin> for Who {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Known(kommun) => Self::Kommun(kommun),
            Origin::Unknown(_) => Self::Unknown,
            Origin::Invalid(_) => Self::Invalid,
            Origin::Conflict(..) => Self::Conflict,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kommun(kommun) => write!(f, "kommun {kommun}"),
            Self::Unknown => f.write_str("unknown"),
            Self::Invalid => f.write_str("invalid"),
            Self::Conflict => f.write_str("conflict"),
        }
    }
}

/// A set of [`Who`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    words: [u64; WHO_LEN.div_ceil(64)],
}

impl Coverage {
    /// Adds one.
    pub const fn add(&mut self, who: Who) {
        self.words[who.index() / 64] |= 1 << (who.index() % 64);
    }

    /// Whether it holds one.
    pub const fn contains(&self, who: Who) -> bool {
        self.words[who.index() / 64] & (1 << (who.index() % 64)) != 0
    }

    /// Whether it holds nobody.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Whether both hold somebody in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Whether the other holds everyone that it holds.
    pub fn is_within(&self, other: &Self) -> bool {
        self.words
            .iter()
            .zip(&other.words)
            .all(|(a, b)| a & !b == 0)
    }

    /// All it holds, in the order of [`Who::everyone`].
    pub fn iter(&self) -> impl Iterator<Item = Who> {
        Who::everyone().filter(|&who| self.contains(who))
    }
}

impl FromIterator<Who> for Coverage {
    fn from_iter<I: IntoIterator<Item = Who>>(whos: I) -> Self {
        let mut coverage = Self::default();
        whos.into_iter().for_each(|who| coverage.add(who));
        coverage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_place_of_their_own() {
        assert_eq!(Who::everyone().count(), WHO_LEN);
        for (place, who) in Who::everyone().enumerate() {
            assert_eq!(who.index(), place);
            let only: Coverage = [who].into_iter().collect();
            assert_eq!(only.iter().collect::<Vec<_>>(), [who]);
        }
    }
}
