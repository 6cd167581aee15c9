//! One number for all that happened: SHA-256 over the facts, in order.

use callcore::{
    origin::Origin,
    route::{Destination, External},
    switch::{Fact, FactKind},
};
use sha2::{Digest, Sha256};

/// Facts are gathered up to this many bytes before they are hashed: a call to the hash for every fact costs more
/// than the hashing.
const BUFFER_LEN: usize = 16 * 1024;

/// The digest of the facts so far.
#[derive(Debug, Default)]
pub(crate) struct FactDigest {
    hash: Sha256,
    buffer: Vec<u8>,
}

impl FactDigest {
    pub(crate) fn add(&mut self, fact: &Fact) {
        self.word(fact.at.as_micros().cast_unsigned());
        self.word(fact.call.0);
        self.add_kind(&fact.what);
        if self.buffer.len() >= BUFFER_LEN {
            self.hash.update(&self.buffer);
            self.buffer.clear();
        }
    }

    pub(crate) fn finish(mut self) -> String {
        self.hash.update(&self.buffer);
        self.hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn add_kind(&mut self, what: &FactKind) {
        match what {
            FactKind::Routed { origin, decision } => {
                self.mark(1);
                self.origin(*origin);
                self.word(decision.route.index() as u64);
                self.destination(decision.to);
            }
            FactKind::Unrouted { origin } => {
                self.mark(2);
                self.origin(*origin);
            }
            FactKind::Diverted(to) => {
                self.mark(12);
                self.destination(*to);
            }
            FactKind::Queued(queue) => {
                self.mark(3);
                self.word(queue.index() as u64);
            }
            FactKind::Ringing => self.mark(4),
            FactKind::Connected { queue, agent } => {
                self.mark(5);
                self.word(queue.index() as u64);
                self.word(u64::from(agent.0));
            }
            FactKind::Tried(external) => {
                self.mark(6);
                self.external(*external);
            }
            FactKind::TakenOver(external) => {
                self.mark(7);
                self.external(*external);
            }
            FactKind::ProviderFailed(external, failure) => {
                self.mark(8);
                self.external(*external);
                self.mark(*failure as u8);
            }
            FactKind::Recording => self.mark(9),
            FactKind::RecordingGap => self.mark(10),
            FactKind::Ended(outcome) => {
                self.mark(11);
                self.mark(*outcome as u8);
            }
        }
    }

    fn origin(&mut self, origin: Origin) {
        match origin.kommun() {
            Some(kommun) => self.word(kommun.index() as u64),
            None => self.buffer.extend(origin.reason().as_bytes()),
        }
    }

    fn destination(&mut self, to: Destination) {
        match to {
            Destination::Queue(queue) => self.word(queue.index() as u64),
            Destination::External(external) => self.external(external),
        }
    }

    fn external(&mut self, external: External) {
        self.word(external.provider.index() as u64);
        self.mark(external.handover as u8);
    }

    fn word(&mut self, word: u64) {
        self.buffer.extend(word.to_le_bytes());
    }

    fn mark(&mut self, byte: u8) {
        self.buffer.push(byte);
    }
}
