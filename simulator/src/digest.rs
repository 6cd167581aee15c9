//! One number for all that happened: a running mix over the facts, in order, closed by SHA-256.
//!
//! Two runs are compared by it, and nobody attacks it: a multiplication for each fact does, where a cryptographic hash
//! over every byte would cost as much as the call.

use callcore::{
    origin::Origin,
    route::{Destination, External},
    switch::{CallbackStep, Fact, FactKind},
};
use sha2::{Digest, Sha256};

/// The mix of the facts so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FactDigest {
    one: u64,
    other: u64,
    facts: u64,
}

/// Odd numbers with about as many ones as zeros.
const ONE: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER: u64 = 0xc2b2_ae3d_27d4_eb4f;

impl FactDigest {
    // Inlined so that each kind of fact has its own detail only.
    #[inline(always)]
    pub(crate) fn add(&mut self, fact: &Fact) {
        let at = fact.at.as_micros().cast_unsigned();
        let what = detail(&fact.what).wrapping_add(fact.call.0 << 36);
        let product = u128::from(self.one ^ at ^ ONE) * u128::from(what ^ OTHER);
        self.one = (product as u64) ^ ((product >> 64) as u64);
        self.other = (self.other.rotate_left(23) ^ at).wrapping_mul(ONE) ^ what;
        self.facts += 1;
    }

    /// The 32 bytes that stand for everything that was added.
    pub(crate) fn finish(&self) -> [u8; 32] {
        let words = [self.one, self.other, self.facts];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Sha256::digest(&bytes).into()
    }
}

/// SHA-256 of several digests in their order, in hexadecimal.
pub(crate) fn joined(digests: impl Iterator<Item = [u8; 32]>) -> String {
    let mut hash = Sha256::new();
    for digest in digests {
        hash.update(digest);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What happened, in 36 bits.
#[inline(always)]
fn detail(what: &FactKind) -> u64 {
    let (kind, detail) = match what {
        FactKind::Routed { origin, decision } => {
            let route = decision.route.index() as u64;
            (1, from(*origin) << 20 ^ route << 10 ^ to(decision.to))
        }
        FactKind::Unrouted { origin } => (2, from(*origin)),
        FactKind::Queued(queue) => (3, queue.index() as u64),
        FactKind::Ringing => (4, 0),
        FactKind::Connected { queue, agent } => (5, u64::from(agent.0) << 8 ^ queue.index() as u64),
        FactKind::Tried(external) => (6, out(*external)),
        FactKind::TakenOver(external) => (7, out(*external)),
        FactKind::ProviderFailed(external, failure) => (8, out(*external) << 3 ^ *failure as u64),
        FactKind::Recording => (9, 0),
        FactKind::RecordingGap => (10, 0),
        FactKind::Ended(outcome) => (11, *outcome as u64),
        FactKind::Diverted(place) => (12, to(*place)),
        FactKind::Callback(step) => (13, callback(*step)),
        FactKind::PassedOver(external) => (14, out(*external)),
    };
    kind | detail << 4
}

fn from(origin: Origin) -> u64 {
    match origin {
        Origin::Known(kommun) => kommun.index() as u64,
        Origin::Unknown(reason) => 300 + reason as u64,
        Origin::Invalid(reason) => 310 + reason as u64,
        Origin::Conflict(one, other) => 320 + one.index() as u64 * 290 + other.index() as u64,
    }
}

fn callback(step: CallbackStep) -> u64 {
    match step {
        CallbackStep::Offered => 0,
        CallbackStep::Promised => 1,
        CallbackStep::Tried => 2,
        CallbackStep::Reached => 3,
        CallbackStep::Kept { .. } => u64::MAX,
        CallbackStep::Failed(failure) => 4 + failure as u64,
    }
}

fn to(place: Destination) -> u64 {
    match place {
        Destination::Queue(queue) => queue.index() as u64 * 2,
        Destination::External(external) => out(external) * 2 + 1,
    }
}

fn out(external: External) -> u64 {
    external.provider.index() as u64 * 4 + external.handover as u64
}
