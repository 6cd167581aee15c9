//! Counts what a stream holds, the same way while it is written and when it is read back.

use crate::vault::{Ending, Kind, Packet, StreamReader, VaultError};

/// Samples of G.711 in a second.
pub(crate) const RATE: u32 = 8000;
/// What a sender puts into a packet when nothing says otherwise: 20 ms (RFC 3551 section 4.2).
const PACKET_SAMPLES: u32 = 160;

/// The part of its packets that a bad line loses, and that can be listened through. More is what a recorder lost.
const LINE_LOSS_MAX: f64 = 0.1;

/// What one or several streams hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets of audio.
    pub packets: u64,
    /// Packets that should have been there, reckoned at 20 ms each.
    pub packets_lost: u64,
    /// Stretches without the audio that should have been there.
    pub gaps: u64,
    /// Where the last audio ends, in samples since the recording began.
    pub end: u32,
    /// Only that was looked at: nobody knows the others.
    pub uncounted: bool,
}

impl Tally {
    /// Counts one packet.
    pub fn count(&mut self, packet: &Packet) {
        self.note(packet.kind, packet.position, packet.samples());
    }

    pub(crate) fn note(&mut self, kind: Kind, position: u32, samples: u32) {
        match kind {
            Kind::Audio | Kind::Opus => self.packets += 1,
            Kind::Lost => {
                self.gaps += 1;
                self.packets_lost += u64::from(samples.div_ceil(PACKET_SAMPLES));
            }
            Kind::Paused => {}
        }
        self.end = self.end.max(position.saturating_add(samples));
    }

    /// Adds another stream of the same recording.
    pub fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.packets_lost += other.packets_lost;
        self.gaps += other.gaps;
        self.end = self.end.max(other.end);
        self.uncounted |= other.uncounted;
    }

    /// One of the counts, where somebody counted.
    pub fn known(&self, count: u64) -> Option<u64> {
        (!self.uncounted).then_some(count)
    }

    /// How long the recording is, in seconds.
    pub fn seconds(&self) -> f64 {
        f64::from(self.end) / f64::from(RATE)
    }

    /// The seconds of it that hold audio, in so many streams together. What a bad line loses counts as heard: others tell of it.
    pub(crate) fn seconds_heard(&self, streams: usize) -> f64 {
        let samples = self.packets_lost as f64 * f64::from(PACKET_SAMPLES);
        let lost = samples / f64::from(RATE) / streams.max(1) as f64;
        let all = self.seconds();
        if lost > all * LINE_LOSS_MAX {
            (all - lost).max(0.0)
        } else {
            all
        }
    }

    /// Reads a stream to its end, counting. What was whole is counted even when the rest is damaged.
    pub fn read(reader: &mut StreamReader) -> (Self, Result<Ending, VaultError>) {
        let (mut tally, mut damage) = (Self::default(), None);
        loop {
            match reader.next_packet() {
                Ok(Some(packet)) => tally.count(&packet),
                Ok(None) => {
                    let ending = reader.ending().unwrap_or(Ending::Truncated);
                    return (tally, damage.map_or(Ok(ending), Err));
                }
                Err(error @ VaultError::Damaged { .. }) => {
                    damage.get_or_insert(error);
                }
                Err(error) => return (tally, Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn audio_gaps_and_ends_are_counted() {
        let mut tally = Tally::default();
        let audio = |position| Packet::audio(position, Bytes::from_static(&[0; 160]));
        for packet in [
            audio(0),
            Packet::lost(160, 330),
            Packet::paused(490),
            audio(8000),
        ] {
            tally.count(&packet);
        }
        assert_eq!(
            tally,
            Tally {
                packets: 2,
                packets_lost: 3,
                gaps: 1,
                end: 8160,
                uncounted: false,
            }
        );
        assert!((tally.seconds() - 1.02).abs() < 1e-9);
    }
}
