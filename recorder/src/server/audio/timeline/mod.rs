//! Lays one stream's RTP packets on the recording's timeline, and says where audio is missing.
//!
//! Positions follow the RTP timestamps, which have no jitter; the clock only says where a stream begins, and
//! where it goes on after a pause or a jump.

mod gaps;
#[cfg(test)]
mod tests;

use std::{hint::black_box, time::Duration};

use wire::{
    rtp::{self, Arrival, Receiver},
    time::Time,
};

use self::gaps::{Gaps, Skipped};
use crate::{
    tally::RATE,
    vault::{Batch, Codec, PAYLOAD_MAX},
};

/// Timestamps and clock may differ by this much before the clock is believed: more than any jitter buffer holds,
/// less than a listener would take for a pause.
const DRIFT_MAX: u32 = 2 * RATE;

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It is audio, and lies on the timeline.
    Audio,
    /// It isn't audio of this stream (key presses, comfort noise), but belongs to it.
    Other,
    /// It came before, makes no sense, or is too large.
    Dropped,
    /// The stream is paused.
    Paused,
}

/// The timeline of one stream.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// What audio goes by; other payload types are key presses or comfort noise.
    payload_type: u8,
    codec: Codec,
    receiver: Receiver,
    anchor: Option<Anchor>,
    /// Where the audio that is newest ends, that which didn't come included.
    end: u32,
    /// The number of the newest packet, and how long the newest of audio is.
    newest: u16,
    length: u32,
    /// What may still come late.
    gaps: Gaps,
    paused: bool,
}

/// This timestamp lies at this position.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    timestamp: u32,
    position: u32,
}

impl Timeline {
    pub(crate) fn new(payload_type: u8, codec: Codec) -> Self {
        Self {
            payload_type,
            codec,
            receiver: Receiver::new(RATE * codec.per_sample()),
            anchor: None,
            end: 0,
            newest: 0,
            length: 0,
            gaps: Gaps::default(),
            paused: false,
        }
    }

    /// Takes a packet that came `since` after the recording began; what is to be written goes to `out`.
    pub(crate) fn receive(
        &mut self,
        since: Duration,
        packet: &rtp::Packet<'_>,
        out: &mut Batch,
    ) -> Placed {
        if self.paused {
            return Placed::Paused;
        }
        let known = self.receiver.ssrc() == Some(packet.ssrc);
        let arrival = self.receiver.receive(Time(since), packet);
        if matches!(arrival, Arrival::Duplicate | Arrival::Doubtful)
            || packet.payload.len() > PAYLOAD_MAX
        {
            return Placed::Dropped;
        }
        let skipped = self.skipped(arrival, known, packet.sequence);
        if packet.payload_type != self.payload_type || packet.payload.is_empty() {
            // What was lost before it was audio as far as it lies before it: a key press stays where it began.
            if let Some(position) = self.anchored(since, packet.timestamp) {
                self.open_gap(position, skipped);
            }
            self.gaps.age(out);
            return Placed::Other;
        }
        // What is no packet of the codec isn't kept: nobody could say how long it is.
        let Some(length) = self.codec.samples(packet.payload) else {
            return Placed::Dropped;
        };
        self.length = length;
        let position = self.place((arrival, known), (since, packet.timestamp), skipped);
        self.end = self.end.max(position.saturating_add(length));
        out.push(self.codec.kind(), position, length, packet.payload);
        self.gaps.age(out);
        Placed::Audio
    }

    /// Where a packet of audio lies. What is missing before it is a gap, and what came late is missing no more.
    fn place(
        &mut self,
        (arrival, known): (Arrival, bool),
        (since, timestamp): (Duration, u32),
        skipped: Skipped,
    ) -> u32 {
        let new = matches!(arrival, Arrival::First { .. }) && !known;
        let anchored = self.anchored(since, timestamp).filter(|_| !new);
        let position = anchored.unwrap_or_else(|| self.anchor(since, timestamp));
        match (arrival, anchored) {
            (Arrival::Late { .. }, _) => {
                self.gaps
                    .fill(position, position.saturating_add(self.length));
            }
            // Its timestamps begin anew, too: nobody can say what was lost.
            (Arrival::First { .. }, None) => {}
            _ => self.open_gap(position, skipped),
        }
        position
    }

    /// As [`Track::fetch`](super::track::Track::fetch).
    pub(crate) fn fetch(&self) {
        black_box((
            self.payload_type,
            self.end,
            self.paused,
            self.anchor.map(|one| one.position),
        ));
        black_box((self.receiver.ssrc(), self.gaps.len()));
    }

    /// The sender pauses (a=inactive). Nothing is missing until [`resume`](Self::resume).
    pub(crate) fn pause(&mut self, out: &mut Batch) {
        if !self.paused {
            self.paused = true;
            self.gaps.report(out);
            out.paused(self.end);
        }
    }

    /// Somebody else took over: marked, though nothing is missing.
    pub(crate) fn mark(&mut self, out: &mut Batch) {
        if !self.paused {
            self.gaps.report(out);
            out.paused(self.end);
        }
    }

    /// The sender goes on.
    pub(crate) fn resume(&mut self) {
        if self.paused {
            self.paused = false;
            // What it sent to nobody meanwhile isn't lost.
            self.receiver = Receiver::new(RATE * self.codec.per_sample());
            self.anchor = None;
        }
    }

    /// The stream ends: what is still missing is lost.
    pub(crate) fn finish(&mut self, out: &mut Batch) {
        self.gaps.report(out);
    }

    /// From here on positions follow the timestamps from this one.
    fn anchor(&mut self, since: Duration, timestamp: u32) -> u32 {
        // Never back over what is there.
        let position = samples(since).max(self.end);
        self.anchor = Some(Anchor {
            timestamp,
            position,
        });
        position
    }

    /// Where that timestamp lies by those before it; `None` when there are none, or the clock says something else.
    fn anchored(&self, since: Duration, timestamp: u32) -> Option<u32> {
        let anchor = self.anchor?;
        // Signed: a late packet lies before the anchor.
        let offset = timestamp.wrapping_sub(anchor.timestamp).cast_signed();
        let offset = i64::from(offset) / i64::from(self.codec.per_sample());
        let position = i64::from(anchor.position) + offset;
        let near = position.abs_diff(samples(since).into()) <= u64::from(DRIFT_MAX);
        near.then(|| u32::try_from(position).unwrap_or(0))
    }

    /// Packets between this one and the newest before it. After so many that its numbers seem to begin anew, a source that was
    /// heard before has gone on all the time: what came meanwhile never arrived.
    fn skipped(&mut self, arrival: Arrival, known: bool, sequence: u16) -> Skipped {
        let before = self.newest;
        if !matches!(arrival, Arrival::Late { .. }) {
            self.newest = sequence;
        }
        match arrival {
            Arrival::Next { missing, .. } => Skipped::Just(missing),
            Arrival::First { .. } if known => {
                Skipped::OrRounds(sequence.wrapping_sub(before).wrapping_sub(1))
            }
            _ => Skipped::Just(0),
        }
    }

    /// A jump of the timestamps without as many packets is silence that wasn't sent: only packets can be lost.
    fn open_gap(&mut self, position: u32, skipped: Skipped) {
        let room = position.saturating_sub(self.end);
        let from = position.saturating_sub(skipped.samples(room, self.length));
        let from = from.max(self.end);
        if from < position {
            self.end = position;
            self.gaps.open(from, position);
        }
    }
}

/// How many samples a span has.
pub(crate) fn samples(span: Duration) -> u32 {
    let part = u64::from(span.subsec_nanos()) * u64::from(RATE) / 1_000_000_000;
    let whole = span.as_secs().saturating_mul(RATE.into());
    u32::try_from(whole.saturating_add(part)).unwrap_or(u32::MAX)
}
