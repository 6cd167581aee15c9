//! Packets of one stream on their way to its writer, already in the bytes that a chunk holds: one message and one allocation
//! for many of them. The writer seals and writes them from the same bytes.

use std::time::Instant;

use zeroize::Zeroizing;

use super::format::{self, Kind, PACKET_HEADER_LEN, SEAL_LEN, SEALED_MAX};
use crate::tally::Tally;

/// Room made with the first packet: what comes until a chunk is due and somebody looks, 0.6 s of G.711 in packets of 20 ms, and its
/// seal, with some to spare: what outgrows its room is moved, and wiped where it was.
const ROOM_BYTES: usize = 6 * 1024;

/// Memory that a stream's audio takes at most on its way: what is gathered for the writer, and what waits there for a chunk.
#[cfg(test)]
pub(crate) const STREAM_BYTES_MAX: usize = 2 * SEALED_MAX;

/// Packets of one stream, in the order they came.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Zeroizing<Vec<u8>>,
    tally: Tally,
    from: u32,
    since: Option<Instant>,
}

impl Batch {
    /// Adds a packet that covers so many samples. Whoever calls has held its payload against
    /// [`PAYLOAD_MAX`](super::PAYLOAD_MAX): a larger one is passed over.
    pub(crate) fn push(&mut self, kind: Kind, position: u32, samples: u32, payload: &[u8]) {
        if self.bytes.is_empty() {
            self.from = position;
        }
        let needed = self.bytes.len() + PACKET_HEADER_LEN + payload.len() + SEAL_LEN;
        make_room(&mut self.bytes, needed);
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

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes, to be sealed where they are.
    pub(crate) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }

    /// Memory that it takes.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
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

/// Room for so much, without leaving a copy of audio in memory that is given back: that of a usual batch, else that of the
/// largest chunk.
pub(super) fn make_room(bytes: &mut Zeroizing<Vec<u8>>, needed: usize) {
    if needed <= bytes.capacity() {
        return;
    }
    let room = if needed <= ROOM_BYTES {
        ROOM_BYTES
    } else {
        needed.max(SEALED_MAX)
    };
    let mut roomy = Zeroizing::new(Vec::with_capacity(room));
    roomy.extend_from_slice(bytes);
    *bytes = roomy;
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
