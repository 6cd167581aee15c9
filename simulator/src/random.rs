//! Chance, in streams: each purpose draws from its own, so that a change in one leaves the others as they were.
//!
//! Two scenarios under one seed then see the same callers with the same patience and the same conversations, and
//! the difference between their summaries is the scenarios' and not luck's.

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
}

/// The stream for a purpose. Hashed, because streams of one generator that differ in a number only can be related.
pub fn stream(seed: u64, purpose: Purpose) -> Pcg64 {
    let name = format!("vaxel {purpose:?} {seed}");
    Pcg64::from_seed(Sha256::digest(name).into())
}
