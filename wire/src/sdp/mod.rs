//! SDP for telephone audio (RFC 8866) and its offers and answers (RFC 3264).
//!
//! A [`Description`] is what matters of a session description: the streams, where they go, in which directions, with
//! which codecs. Line-level reading and writing is the `sdp-types` crate's.

mod answer;
mod codec;
mod glance;
mod read;
mod source;
mod write;

use std::net::{IpAddr, SocketAddr};

use crate::srtp::Crypto;
pub use answer::{Accepted, Answer, AnswerError, Preference, answer, read_answer};
pub use codec::Codec;
pub use read::{CODECS_MAX, LEN_MAX, ParseError, STREAMS_MAX};
pub use source::Source;

/// The media type of SDP in a message.
pub const CONTENT_TYPE: &str = "application/sdp";

/// A session description: an offer or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Whose it is, and which version.
    pub origin: Origin,
    /// The streams in order; an answer has as many as its offer.
    pub streams: Vec<Stream>,
}

impl Description {
    /// One stream of telephone audio, heard at `local`. The session id need only differ between sessions at one
    /// address (RFC 8866 section 5.2): the port does.
    pub fn telephony(local: SocketAddr) -> Self {
        Self {
            origin: Origin::new(u64::from(local.port()) + 1, local.ip()),
            streams: vec![Stream::audio(local, Codec::telephony())],
        }
    }

    /// The first audio stream that isn't turned down.
    pub fn audio(&self) -> Option<&Stream> {
        self.streams
            .iter()
            .find(|stream| stream.kind == Kind::Audio && !stream.is_rejected())
    }
}

/// The `o=` line: names the description and counts its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Names the session, together with the address; digits.
    pub session_id: Box<str>,
    /// Goes up with every change (RFC 3264 section 8).
    pub version: u64,
    /// The maker's address; a peer may give a host name.
    pub address: Box<str>,
}

impl Origin {
    /// The first version of a description made at `address`.
    pub fn new(session_id: u64, address: IpAddr) -> Self {
        Self {
            session_id: session_id.to_string().into(),
            version: 1,
            address: address.to_string().into(),
        }
    }

    /// The same, changed once more.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            version: self.version.wrapping_add(1),
            ..self.clone()
        }
    }
}

/// One `m=` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What it carries.
    pub kind: Kind,
    /// `RTP/AVP` for plain audio, `RTP/SAVP` for encrypted.
    pub protocol: Box<str>,
    /// Where its receiver listens. Port 0: the stream is rejected or gone. Address 0.0.0.0: on hold the old way.
    pub address: SocketAddr,
    /// As its writer sees it.
    pub direction: Direction,
    /// In the order of preference. Empty when the kind isn't audio.
    pub codecs: Vec<Codec>,
    /// Milliseconds of audio a packet, when given.
    pub ptime: Option<u32>,
    /// What other documents call it (RFC 4574); SIPREC metadata does.
    pub label: Option<Box<str>>,
    /// RTCP comes on the same port (RFC 5761).
    pub rtcp_mux: bool,
    /// Where RTCP comes when it is neither there nor at the next port (RFC 3605).
    pub rtcp_at: Option<SocketAddr>,
    /// RTCP isn't wanted (RFC 3556: no bandwidth for it).
    pub rtcp_off: bool,
    /// By which keys its writer would encrypt, in the order of preference (RFC 4568); only lines that can be spoken here.
    pub crypto: Vec<Crypto>,
    /// Whom its packets say they are of (RFC 5576), when its writer tells.
    pub sources: Vec<Source>,
}

/// What a stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Something we take no part in, kept so that an answer can turn it down.
    Other {
        /// `video`, `image`, `application` ...
        media: Box<str>,
        /// The formats of the `m=` line as they came.
        formats: Box<str>,
    },
}

impl Stream {
    /// An audio stream both ways.
    pub fn audio(address: SocketAddr, codecs: Vec<Codec>) -> Self {
        Self {
            kind: Kind::Audio,
            protocol: PLAIN_RTP.into(),
            address,
            direction: Direction::SendRecv,
            codecs,
            ptime: Some(20),
            label: None,
            rtcp_mux: false,
            rtcp_at: None,
            rtcp_off: false,
            crypto: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// The same with a label.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<Box<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same with packets of this source.
    #[must_use]
    pub fn from_source(mut self, source: Source) -> Self {
        self.sources = vec![source];
        self
    }

    /// The same encrypted, when the other side can: plain RTP with keys beside it (RFC 8643).
    #[must_use]
    pub fn offering(mut self, crypto: Vec<Crypto>) -> Self {
        self.crypto = crypto;
        self
    }

    /// The same, and only encrypted.
    #[must_use]
    pub fn requiring(self, crypto: Vec<Crypto>) -> Self {
        Self {
            protocol: SECURE_RTP.into(),
            ..self.offering(crypto)
        }
    }

    /// The same in another direction.
    #[must_use]
    pub const fn going(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Whether it is encrypted or nothing (`RTP/SAVP`, `RTP/SAVPF`).
    pub fn is_secure(&self) -> bool {
        let known = [SECURE_RTP, "RTP/SAVPF"];
        known
            .iter()
            .any(|known| self.protocol.eq_ignore_ascii_case(known))
    }

    /// Whether audio can come of it here: it is plain, or offers a key that can be used.
    pub fn is_usable(&self) -> bool {
        answer::is_usable(self, true)
    }

    /// Whether the stream is turned down or taken away.
    pub const fn is_rejected(&self) -> bool {
        self.address.port() == 0
    }

    /// Whether its writer doesn't want to hear us: on hold, in the new way or the old (RFC 3264 section 8.4).
    pub const fn is_held(&self) -> bool {
        !self.direction.receives() || self.address.ip().is_unspecified()
    }

    /// The payload type of key presses, when agreed.
    pub fn telephone_event(&self) -> Option<u8> {
        self.codecs
            .iter()
            .find(|codec| codec.is_telephone_event())
            .map(|codec| codec.payload_type)
    }
}

/// Plain RTP (RTP/AVPF, with earlier feedback, is taken as such too).
pub const PLAIN_RTP: &str = "RTP/AVP";
/// Encrypted RTP (RFC 3711; RTP/SAVPF as well).
pub const SECURE_RTP: &str = "RTP/SAVP";

/// Which way a stream goes, as its writer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// The writer only sends.
    SendOnly,
    /// The writer only receives.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// From its two halves.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same as the other side sees it.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::new(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    const ALL: [Self; 4] = [
        Self::SendRecv,
        Self::SendOnly,
        Self::RecvOnly,
        Self::Inactive,
    ];
}

#[cfg(test)]
mod tests;
