//! One end of a stream: a socket, whom it talks to, and the RTP stream it sends.

use std::{net::SocketAddr, time::Instant};

use transport::media::PolledSocket;
use wire::{
    g711::Law,
    rtp::{self, Packet},
};

use super::{
    Agreed, Remote,
    latch::Latch,
    out::{Content, Frame, OutStream},
    protection::Protection,
    reports::Reports,
    silence::Silence,
};

/// A socket with the remote it belongs to. Every packet asks for most of this, and of a thousand streams the next packet's is in no
/// cache: it fills three of the processor's lines, and what is seldom asked for lies elsewhere.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Port<S = PolledSocket> {
    pub(super) socket: S,
    pub(super) remote: Option<Remote>,
    pub(super) latch: Latch,
    pub(super) protection: Option<Box<Protection>>,
    pub(super) silence: Silence,
    /// Of a leg; nothing is reported of what goes to a recorder.
    pub(super) reports: Option<Box<Reports>>,
    pub(super) out: OutStream,
}

impl<S> Port<S> {
    pub(super) fn new(socket: S) -> Self {
        Self::sending(socket, rand::random())
    }

    /// As [`Port::new`], and its packets carry this SSRC.
    pub(super) fn sending(socket: S, ssrc: u32) -> Self {
        Self {
            socket,
            remote: None,
            latch: Latch::default(),
            protection: None,
            silence: Silence::default(),
            reports: None,
            out: OutStream::new(ssrc),
        }
    }

    /// The remote is known, or has moved.
    pub(super) fn set_remote(&mut self, agreed: Agreed, now: Instant) {
        let found = self.remote.map(|remote| remote.address);
        self.latch
            .named(agreed.remote.address, agreed.signals_from, found, now);
        self.silence.begins(agreed.talks, now);
        self.remote = Some(agreed.remote);
        self.protection = Protection::agreed(self.protection.take(), agreed.srtp);
    }

    /// Writes a frame for the remote, in its codec and in place of what is in `datagram`, and says where it is; `None`: it doesn't
    /// want the frame.
    pub(super) fn write(
        &mut self,
        frame: Frame<'_>,
        now: Instant,
        datagram: &mut Vec<u8>,
    ) -> Result<Option<SocketAddr>, Refused> {
        let Some(remote) = &self.remote else {
            return Ok(None);
        };
        datagram.clear();
        self.out.write(remote, &frame, now, datagram);
        if datagram.is_empty() {
            return Ok(None);
        }
        if let Some(protection) = &mut self.protection {
            protection.seal(datagram)?;
        }
        Ok(Some(remote.address))
    }

    /// The stream that it sends, to go on by another way.
    pub(super) fn into_stream(self) -> OutStream {
        self.out
    }
}

impl Port {
    /// As [`Port::set_remote`] for a stream that we only send, and learns from ICMP when nobody listens there any more.
    pub(super) fn set_only_remote(&mut self, agreed: Agreed, now: Instant) {
        // Without it only the notice is missing: the recorder is still watched by OPTIONS.
        let _ = self.socket.connect(agreed.remote.address);
        self.set_remote(agreed, now);
    }

    /// Sends a frame to the remote, in its codec; it is written into `datagram`. `Err` when the remote refuses (ICMP); a full buffer
    /// only loses the packet.
    pub(super) fn send(
        &mut self,
        frame: Frame<'_>,
        now: Instant,
        datagram: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let to = self.write(frame, now, datagram)?;
        to.map_or(Ok(()), |to| send_now(&self.socket, datagram, to))
    }
}

/// Sends a datagram now or not at all. `Err` when nobody listens there (ICMP).
pub(super) fn send_now(
    socket: &PolledSocket,
    datagram: &[u8],
    to: SocketAddr,
) -> Result<(), Refused> {
    match socket.send_to(datagram, to) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Err(Refused::Unreachable)
        }
        _ => Ok(()),
    }
}

impl Remote {
    /// What a packet of its holds; `None`: nothing that was agreed.
    pub(super) fn content<'a>(&self, packet: &Packet<'a>) -> Option<Content<'a>> {
        Some(match packet.payload_type {
            audio if audio == self.payload_type => Content::Audio(self.law, packet.payload),
            rtp::PCMA => Content::Audio(Law::A, packet.payload),
            rtp::PCMU => Content::Audio(Law::U, packet.payload),
            event if Some(event) == self.event_type => Content::Event(packet.payload),
            _ => return None,
        })
    }
}

/// Why a frame was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody listens there.
    Unreachable,
    /// Not encrypted where it must be.
    Unsealed,
}
