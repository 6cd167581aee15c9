//! The RTP that we send: audio on its way through, and the stream that it becomes.

use std::time::Instant;

use wire::{
    g711::Law,
    rtp::{self, Packet},
};

use super::Remote;

/// Audio on its way through: who made it, and its place in that stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Tells sources apart: a change of source restarts the timestamp mapping.
    pub(super) source: u32,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) content: Content<'a>,
}

/// What is in a frame.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    /// G.711.
    Audio(Law, &'a [u8]),
    /// A key press (RFC 4733), passed on as it is.
    Event(&'a [u8]),
}

/// A stream that we send: one SSRC, sequence and timestamp without jumps, whatever the sources behind it.
#[derive(Debug)]
pub(super) struct OutStream {
    ssrc: u32,
    sequence: u16,
    packets: u32,
    octets: u32,
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    source: u32,
    timestamp: u32,
    /// Ours minus the source's.
    offset: u32,
    sent: Instant,
}

impl OutStream {
    pub(super) fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            sequence: rand::random(),
            packets: 0,
            octets: 0,
            last: None,
        }
    }

    /// Writes a frame after what is in `datagrams`, in the remote's codec. Nothing, when the remote doesn't want it.
    pub(super) fn write(
        &mut self,
        remote: &Remote,
        frame: &Frame<'_>,
        now: Instant,
        datagrams: &mut Vec<u8>,
    ) {
        if !remote.listens {
            return;
        }
        let (payload_type, payload, law) = match frame.content {
            Content::Audio(law, bytes) => (remote.payload_type, bytes, law),
            Content::Event(bytes) => match remote.event_type {
                Some(event_type) => (event_type, bytes, remote.law),
                None => return,
            },
        };
        let (timestamp, changed) = self.timestamp(frame, now);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        // A datagram's length fits.
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        let packet = Packet {
            payload_type,
            marker: frame.marker || changed,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            payload,
        };
        let start = datagrams.len();
        packet.append(datagrams);
        if law != remote.law {
            for byte in datagrams.iter_mut().skip(start + rtp::HEADER_LEN) {
                *byte = remote.law.encode(law.decode(*byte));
            }
        }
    }

    pub(super) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets so far; wraps.
    pub(super) const fn packets(&self) -> u32 {
        self.packets
    }

    /// Bytes of payload so far; wraps.
    pub(super) const fn octets(&self) -> u32 {
        self.octets
    }

    /// That moment as the stream counts it; `None` before its first packet.
    pub(super) fn timestamp_at(&self, now: Instant) -> Option<u32> {
        let last = self.last?;
        let millis = now.saturating_duration_since(last.sent).as_millis();
        let since = u32::try_from(millis).unwrap_or(0);
        let samples = since.wrapping_mul(rtp::CLOCK_RATE / 1000);
        Some(last.timestamp.wrapping_add(samples))
    }

    /// Where in the stream a frame goes, and whether its source has changed.
    fn timestamp(&mut self, frame: &Frame<'_>, now: Instant) -> (u32, bool) {
        let (offset, changed) = match self.last {
            Some(last) if last.source == frame.source => (last.offset, false),
            Some(last) => {
                let millis = u32::try_from(now.duration_since(last.sent).as_millis()).unwrap_or(0);
                let gap = millis
                    .saturating_mul(rtp::CLOCK_RATE / 1000)
                    .max(rtp::SAMPLES_PER_PACKET as u32);
                let follows = last.timestamp.wrapping_add(gap);
                (follows.wrapping_sub(frame.timestamp), true)
            }
            None => (rand::random(), true),
        };
        let timestamp = frame.timestamp.wrapping_add(offset);
        self.last = Some(Last {
            source: frame.source,
            timestamp,
            offset,
            sent: now,
        });
        (timestamp, changed)
    }
}
