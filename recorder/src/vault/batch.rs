//! Packets of one stream on their way to its writer, already in the bytes that a chunk holds: one message and one allocation
//! for many of them.

use std::time::Instant;

use super::format::{self, Kind};
use crate::tally::Tally;

/// Room made with the first packet: what comes until a chunk is due, G.711 in packets of 20 ms.
const ROOM_BYTES: usize = 5 * 1024;

/// Packets of one stream, in the order they came.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    tally: Tally,
    from: u32,
    since: Option<Instant>,
}

impl Batch {
    /// Adds a packet that covers so many samples. Whoever calls has held its payload against
    /// [`PAYLOAD_MAX`](super::PAYLOAD_MAX): a larger one is passed over.
    pub(crate) fn push(&mut self, kind: Kind, position: u32, samples: u32, payload: &[u8]) {
        if self.bytes.is_empty() {
            self.bytes.reserve(ROOM_BYTES);
            self.from = position;
        }
        if format::put(kind, position, payload, &mut self.bytes).is_ok() {
            self.from = self.from.min(position);
            self.tally.note(kind, position, samples);
        }
    }

    /// Adds audio that should have been there.
    pub(crate) fn lost(&mut self, position: u32, samples: u32) {
        self.push(Kind::Lost, position, samples, &samples.to_be_bytes());
    }

    /// Adds the beginning of a pause.
    pub(crate) fn paused(&mut self, position: u32) {
        self.push(Kind::Paused, position, 0, &[]);
    }

    /// Says when what it holds came; the first word counts.
    pub(crate) fn came(&mut self, now: Instant) {
        if !self.is_empty() {
            self.since.get_or_insert(now);
        }
    }

    /// When the oldest of it came; `None` before anybody has said.
    pub(crate) const fn since(&self) -> Option<Instant> {
        self.since
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it holds, counted.
    pub(crate) const fn tally(&self) -> Tally {
        self.tally
    }

    /// Where the first of it begins on the timeline.
    pub(crate) const fn from(&self) -> u32 {
        self.from
    }
}

/// Never the audio itself.
impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} from {} ({} bytes)",
            self.tally,
            self.from,
            self.bytes.len()
        )
    }
}

#[cfg(test)]
impl Batch {
    /// One packet that came then.
    pub(crate) fn of(packet: &super::Packet, now: Instant) -> Self {
        let mut batch = Self::default();
        batch.push(
            packet.kind,
            packet.position,
            packet.samples(),
            &packet.payload,
        );
        batch.came(now);
        batch
    }

    /// What it holds, as a reader finds it.
    pub(crate) fn packets(&self) -> Vec<super::Packet> {
        let mut bytes = bytes::Bytes::copy_from_slice(&self.bytes);
        std::iter::from_fn(|| super::Packet::take(&mut bytes)).collect()
    }
}
