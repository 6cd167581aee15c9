//! One end of a stream: a socket, whom it talks to, and the RTP stream it sends.

use std::{net::SocketAddr, time::Instant};

use transport::media::PolledSocket;
use wire::{
    g711::Law,
    rtp::{self, Packet},
};

use super::{
    Agreed, Dropped, Remote,
    dropped::Why,
    latch::Latch,
    out::{Content, Frame, OutStream},
    protection::Protection,
    silence::Silence,
};

/// A socket with the remote it belongs to.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) socket: PolledSocket,
    remote: Option<Remote>,
    latch: Latch,
    protection: Option<Box<Protection>>,
    pub(super) silence: Silence,
    out: OutStream,
    datagram: Vec<u8>,
}

impl Port {
    pub(super) fn new(socket: PolledSocket) -> Self {
        Self::sending(socket, rand::random())
    }

    /// As [`Port::new`], and its packets carry this SSRC.
    pub(super) fn sending(socket: PolledSocket, ssrc: u32) -> Self {
        Self {
            socket,
            remote: None,
            latch: Latch::default(),
            protection: None,
            silence: Silence::default(),
            out: OutStream::new(ssrc),
            datagram: Vec::with_capacity(200),
        }
    }

    /// The remote is known, or has moved.
    pub(super) fn set_remote(&mut self, agreed: Agreed, now: Instant) {
        let found = self.remote.map(|remote| remote.address);
        self.latch.named(agreed.remote.address, found, now);
        self.silence.begins(agreed.remote.talks, now);
        self.remote = Some(agreed.remote);
        self.protection = Protection::agreed(self.protection.take(), agreed.srtp);
    }

    /// As [`Port::set_remote`] for a stream that we only send, and learns from ICMP when nobody listens there any more.
    pub(super) fn set_only_remote(&mut self, remote: Remote, now: Instant) {
        // Without it only the notice is missing: the recorder is still watched by OPTIONS.
        let _ = self.socket.connect(remote.address);
        self.set_remote(Agreed { remote, srtp: None }, now);
    }

    /// Reads a datagram as audio from our remote. `None`: not RTP, not for us, or from a stranger; that is counted.
    pub(super) fn accept<'a>(
        &mut self,
        datagram: &'a mut [u8],
        from: SocketAddr,
        now: Instant,
        dropped: &Dropped,
    ) -> Option<Frame<'a>> {
        let frame = self.read(datagram, from, now);
        frame.map_err(|why| dropped.count(why)).ok().flatten()
    }

    fn read<'a>(
        &mut self,
        datagram: &'a mut [u8],
        from: SocketAddr,
        now: Instant,
    ) -> Result<Option<Frame<'a>>, Why> {
        let Some(remote) = &mut self.remote else {
            return Ok(None);
        };
        if !self.latch.takes(from, remote.address, now) {
            return Err(Why::Stray);
        }
        if datagram.len() > DATAGRAM_LEN_MAX {
            return Err(Why::TooLong);
        }
        if rtp::is_rtcp(datagram) {
            return Ok(None);
        }
        let datagram = match &mut self.protection {
            None => datagram,
            Some(protection) => protection.open(datagram)?,
        };
        let packet = Packet::parse(datagram).map_err(|_| Why::Malformed)?;
        // Also by what isn't for us, such as comfort noise: somebody is there.
        self.silence.broken(now);
        let content = remote.content(&packet).ok_or(Why::PayloadType)?;
        // Only now: what can't be read must not draw our audio elsewhere.
        remote.address = from;
        self.latch.heard();
        Ok(Some(Frame {
            source: packet.ssrc,
            timestamp: packet.timestamp,
            marker: packet.marker,
            content,
        }))
    }

    /// Sends a frame to the remote, in its codec. `Err` when the remote refuses (ICMP); a full buffer only loses the packet.
    pub(super) fn send(&mut self, frame: Frame<'_>, now: Instant) -> Result<(), Refused> {
        let Some(remote) = &self.remote else {
            return Ok(());
        };
        self.datagram.clear();
        self.out.write(remote, &frame, now, &mut self.datagram);
        if self.datagram.is_empty() {
            return Ok(());
        }
        if let Some(protection) = &mut self.protection {
            protection.seal(&mut self.datagram)?;
        }
        match self.socket.send_to(&self.datagram, remote.address) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Err(Refused::Unreachable)
            }
            _ => Ok(()),
        }
    }

    /// The stream that it sends, to go on by another way.
    pub(super) fn into_stream(self) -> OutStream {
        self.out
    }
}

impl Remote {
    /// What a packet of its holds; `None`: nothing that was agreed.
    fn content<'a>(&self, packet: &Packet<'a>) -> Option<Content<'a>> {
        Some(match packet.payload_type {
            audio if audio == self.payload_type => Content::Audio(self.law, packet.payload),
            rtp::PCMA => Content::Audio(Law::A, packet.payload),
            rtp::PCMU => Content::Audio(Law::U, packet.payload),
            event if Some(event) == self.event_type => Content::Event(packet.payload),
            _ => return None,
        })
    }
}

/// Longest payload that is taken: 200 ms, ten times the usual packet.
const MAX_PAYLOAD: usize = 1600;
/// Longest datagram that is taken: such a payload with the longest header that phones write, and a tag.
const DATAGRAM_LEN_MAX: usize = MAX_PAYLOAD + 100;

/// Why a frame was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody listens there.
    Unreachable,
    /// Not encrypted where it must be.
    Unsealed,
}
