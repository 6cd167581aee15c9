//! One end of a stream: a socket, whom it talks to, and the RTP stream it sends.

use std::{net::SocketAddr, time::Instant};

use transport::media::PolledSocket;
use wire::{
    g711::Law,
    rtp::{self, Packet},
};

use super::Remote;

/// A socket with the remote it belongs to.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) socket: PolledSocket,
    remote: Option<Remote>,
    latched: bool,
    out: OutStream,
    datagram: Vec<u8>,
}

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

impl Port {
    pub(super) fn new(socket: PolledSocket) -> Self {
        Self {
            socket,
            remote: None,
            latched: false,
            out: OutStream::new(),
            datagram: Vec::with_capacity(200),
        }
    }

    /// The remote is known, or has moved.
    pub(super) fn set_remote(&mut self, remote: Remote) {
        self.latched = false;
        self.remote = Some(remote);
    }

    /// As [`Port::set_remote`], and learns from ICMP when nobody listens there any more.
    pub(super) fn set_only_remote(&mut self, remote: Remote) {
        // Without it only the notice is missing: the recorder is still watched by OPTIONS.
        let _ = self.socket.connect(remote.address);
        self.set_remote(remote);
    }

    /// Reads a datagram as audio from our remote. `None`: not RTP, not for us, or from a stranger (then `stray` counts).
    pub(super) fn accept<'a>(
        &mut self,
        datagram: &'a [u8],
        from: SocketAddr,
        stray: &prometheus::IntCounter,
    ) -> Option<Frame<'a>> {
        let remote = self.remote.as_mut()?;
        if from != remote.address {
            // Symmetric RTP: the port may differ from SDP once, the host never (RTP bleed).
            if self.latched || from.ip() != remote.address.ip() {
                stray.inc();
                return None;
            }
            remote.address = from;
        }
        if rtp::is_rtcp(datagram) {
            return None;
        }
        let packet = Packet::parse(datagram).ok()?;
        self.latched = true;
        let content = if packet.payload_type == remote.payload_type {
            Content::Audio(remote.law, packet.payload)
        } else if packet.payload_type == rtp::PCMA {
            Content::Audio(Law::A, packet.payload)
        } else if packet.payload_type == rtp::PCMU {
            Content::Audio(Law::U, packet.payload)
        } else if Some(packet.payload_type) == remote.event_type {
            Content::Event(packet.payload)
        } else {
            return None;
        };
        Some(Frame {
            source: packet.ssrc,
            timestamp: packet.timestamp,
            marker: packet.marker,
            content,
        })
    }

    /// Sends a frame to the remote, in its codec. `Err` when the remote refuses (ICMP); a full buffer only loses the packet.
    pub(super) fn send(&mut self, frame: Frame<'_>, now: Instant) -> Result<(), Refused> {
        let Some(remote) = self.remote.filter(|remote| remote.listens) else {
            return Ok(());
        };
        let mut converted = [0; MAX_PAYLOAD];
        let (payload_type, payload) = match frame.content {
            Content::Audio(law, bytes) if law == remote.law => (remote.payload_type, bytes),
            Content::Audio(law, bytes) => {
                let converted = converted.get_mut(..bytes.len()).ok_or(Refused::TooLong)?;
                for (to, from) in converted.iter_mut().zip(bytes) {
                    *to = remote.law.encode(law.decode(*from));
                }
                (remote.payload_type, &*converted)
            }
            Content::Event(bytes) => match remote.event_type {
                Some(event_type) => (event_type, bytes),
                None => return Ok(()),
            },
        };
        self.out
            .write(payload_type, &frame, payload, now, &mut self.datagram);
        match self.socket.send_to(&self.datagram, remote.address) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Err(Refused::Unreachable)
            }
            _ => Ok(()),
        }
    }
}

/// Longest payload that is converted between A-law and µ-law: 200 ms, ten times the usual packet.
const MAX_PAYLOAD: usize = 1600;

/// Why a frame was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody listens there.
    Unreachable,
    /// Longer than any packet should be.
    TooLong,
}

/// The RTP stream that a port sends: one SSRC, sequence and timestamp without jumps, whatever the sources behind it.
#[derive(Debug)]
struct OutStream {
    ssrc: u32,
    sequence: u16,
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
    fn new() -> Self {
        Self {
            ssrc: rand::random(),
            sequence: rand::random(),
            last: None,
        }
    }

    fn write(
        &mut self,
        payload_type: u8,
        frame: &Frame<'_>,
        payload: &[u8],
        now: Instant,
        datagram: &mut Vec<u8>,
    ) {
        let (offset, changed) = match self.last {
            Some(last) if last.source == frame.source => (last.offset, false),
            Some(last) => {
                let millis = u32::try_from(now.duration_since(last.sent).as_millis()).unwrap_or(0);
                let gap = millis
                    .saturating_mul(rtp::CLOCK_RATE / 1000)
                    .max(rtp::SAMPLES_PER_PACKET as u32);
                (
                    last.timestamp
                        .wrapping_add(gap)
                        .wrapping_sub(frame.timestamp),
                    true,
                )
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
        self.sequence = self.sequence.wrapping_add(1);
        let marker = frame.marker || changed;
        datagram.clear();
        Packet {
            payload_type,
            marker,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            payload,
        }
        .write(datagram);
    }
}
