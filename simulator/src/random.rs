//! Chance, in streams: each purpose draws from its own, so that a change in one leaves the others as they were.
//!
//! Two scenarios under one seed then see the same callers with the same patience and the same conversations, and
//! the difference between their summaries is the scenarios' and not luck's. The callers of each region have streams
//! of their own too, so that regions can run apart.

use rand::SeedableRng;
use rand_pcg::Pcg64;
use sha2::{Digest, Sha256};

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// When calls come in.
    Arrivals,
    /// Which kommun they come from.
    Origins,
    /// How long they talk.
    Talk,
    /// How long they wait.
    Patience,
    /// How long agents let it ring.
    Ring,
    /// How many files the recording becomes.
    Files,
}

/// The stream for a purpose at a place. Hashed, because streams of one generator that differ in a number only can be
/// related.
pub fn stream(seed: u64, purpose: Purpose, place: &str) -> Pcg64 {
    let name = format!("vaxel {purpose:?} {place} {seed}");
    Pcg64::from_seed(Sha256::digest(name).into())
}

/// The seed of one of several replications; the first is the plan's own.
pub fn replication_seed(seed: u64, replication: u32) -> u64 {
    if replication == 0 {
        return seed;
    }
    let digest = Sha256::digest(format!("vaxel replication {replication} of {seed}"));
    digest[..8]
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// A number from 0 to 1 that is the same whenever it is asked for: who is ill on which day, who calls again.
pub fn fixed_chance(seed: u64, one: u64, other: u64) -> f64 {
    (fixed_word(seed, one, other) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The same as a word of random bits.
pub fn fixed_word(seed: u64, one: u64, other: u64) -> u64 {
    let mut word = seed ^ one.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ other.rotate_left(32);
    for _ in 0..3 {
        word = (word ^ word >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
    word
}
