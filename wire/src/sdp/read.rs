//! Bytes to a description.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sdp_types::{Connection, Media, Session};

use super::{Codec, Description, Direction, Kind, Origin, Stream, source};
use crate::srtp::{Crypto, LINES_MAX};

/// Bytes of a description. Real ones have less than 4 KiB, browsers' included.
pub const LEN_MAX: usize = 16 * 1024;
/// Streams of a description; SIPREC of a conference has a few.
pub const STREAMS_MAX: usize = 32;
/// Codecs of a stream; the longest lists of phones have about 20.
pub const CODECS_MAX: usize = 32;

/// Why bytes are no description. All of them are the peer's to mend: answer 400 or 488.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Longer than [`LEN_MAX`].
    #[error("SDP of {len} bytes, more than {LEN_MAX}")]
    TooLong {
        /// How long.
        len: usize,
    },
    /// More streams than [`STREAMS_MAX`].
    #[error("SDP with {count} streams, more than {STREAMS_MAX}")]
    TooManyStreams {
        /// How many.
        count: usize,
    },
    /// A stream with more codecs than [`CODECS_MAX`].
    #[error("SDP stream {stream} with more than {CODECS_MAX} codecs")]
    TooManyCodecs {
        /// Which stream, from 0.
        stream: usize,
    },
    /// A line breaks the grammar of RFC 8866.
    #[error("SDP line that can't be read: {0}")]
    Line(String),
    /// A stream in use has no IP address to send to.
    #[error("SDP stream {stream} has no IP address: it needs a c= line with one")]
    NoAddress {
        /// Which stream, from 0.
        stream: usize,
    },
}

impl Description {
    /// Reads a description.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > LEN_MAX {
            return Err(ParseError::TooLong { len: bytes.len() });
        }
        let session = Session::parse(bytes).map_err(|error| ParseError::Line(error.to_string()))?;
        let count = session.medias.len();
        if count > STREAMS_MAX {
            return Err(ParseError::TooManyStreams { count });
        }
        let streams = session
            .medias
            .iter()
            .enumerate()
            .map(|(index, media)| stream(&session, index, media));
        Ok(Self {
            origin: Origin {
                session_id: session.origin.sess_id.as_str().into(),
                version: session.origin.sess_version,
                address: session.origin.unicast_address.as_str().into(),
            },
            streams: streams.collect::<Result<_, _>>()?,
        })
    }
}

fn stream(session: &Session, index: usize, media: &Media) -> Result<Stream, ParseError> {
    let audio = media.media.eq_ignore_ascii_case("audio");
    let kind = if audio {
        Kind::Audio
    } else {
        Kind::Other {
            media: media.media.as_str().into(),
            formats: media.fmt.as_str().into(),
        }
    };
    let codecs = if audio {
        codecs(media, index)?
    } else {
        Vec::new()
    };
    let value = |name| media.get_first_attribute_value(name).flatten();
    Ok(Stream {
        kind,
        protocol: media.proto.as_str().into(),
        address: address(session, index, media)?,
        direction: direction(session, media),
        codecs,
        ptime: value("ptime").and_then(|ms| ms.trim().parse().ok()),
        label: value("label").map(|label| label.trim().into()),
        rtcp_mux: media.has_attribute("rtcp-mux"),
        rtcp_at: value("rtcp").and_then(|value| rtcp_at(session, media, value)),
        rtcp_off: ["RS", "RR"]
            .iter()
            .all(|kind| none_for(session, media, kind)),
        crypto: crypto(media),
        sources: source::read(media.get_attribute_values("ssrc").flatten()),
    })
}

/// `53020` or `53020 IN IP4 192.0.2.7` (RFC 3605 section 2.1).
fn rtcp_at(session: &Session, media: &Media, value: &str) -> Option<SocketAddr> {
    let mut words = value.split_whitespace();
    let port = words.next()?.parse().ok().filter(|port| *port != 0)?;
    let named = words.nth(2).map(str::parse);
    let ip = match named {
        Some(named) => named.ok()?,
        None => own_ip(session, media)?,
    };
    Some(SocketAddr::new(ip, port))
}

/// Whether the bandwidth for reports of that kind is said to be none, for this stream or else for all (RFC 3556 section 2).
fn none_for(session: &Session, media: &Media, kind: &str) -> bool {
    let mut said = media.bandwidths.iter().chain(&session.bandwidths);
    said.find(|one| one.bwtype.eq_ignore_ascii_case(kind))
        .is_some_and(|one| one.bandwidth == 0)
}

/// The lines of keys that can be spoken here. The others are passed over: a peer offers what it has, and we take what we know.
fn crypto(media: &Media) -> Vec<Crypto> {
    let values = media.get_attribute_values("crypto").flatten();
    let lines = values.take(LINES_MAX).map(Crypto::parse);
    lines.filter_map(Result::ok).collect()
}

/// The stream's own `c=` line, or the session's. One that's rejected needs none.
fn address(session: &Session, index: usize, media: &Media) -> Result<SocketAddr, ParseError> {
    match own_ip(session, media) {
        Some(ip) => Ok(SocketAddr::new(ip, media.port)),
        None if media.port == 0 => Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)),
        None => Err(ParseError::NoAddress { stream: index }),
    }
}

fn own_ip(session: &Session, media: &Media) -> Option<IpAddr> {
    let own = media.connections.first().or(session.connection.as_ref());
    own.and_then(ip)
}

fn ip(connection: &Connection) -> Option<IpAddr> {
    connection.try_address().ok().map(|address| address.ip)
}

fn direction(session: &Session, media: &Media) -> Direction {
    let of_media = Direction::ALL
        .into_iter()
        .find(|direction| media.has_attribute(direction.name()));
    let of_session = || {
        Direction::ALL
            .into_iter()
            .find(|direction| session.has_attribute(direction.name()))
    };
    of_media.or_else(of_session).unwrap_or_default()
}

/// The payload types of the `m=` line with what `rtpmap` and `fmtp` say of them. Unknown ones are left out.
fn codecs(media: &Media, stream: usize) -> Result<Vec<Codec>, ParseError> {
    let mut codecs = Vec::new();
    for payload_type in media
        .fmt
        .split_whitespace()
        .filter_map(|text| text.parse::<u8>().ok())
    {
        if codecs.len() == CODECS_MAX {
            return Err(ParseError::TooManyCodecs { stream });
        }
        let mapped = about(media, "rtpmap", payload_type).and_then(|map| codec(payload_type, map));
        if let Some(mut codec) = mapped.or_else(|| Codec::of_static(payload_type)) {
            codec.fmtp = about(media, "fmtp", payload_type).map(Into::into);
            codecs.push(codec);
        }
    }
    Ok(codecs)
}

/// What an attribute of the form `name:<payload type> <value>` says about one payload type.
fn about<'a>(media: &'a Media, name: &'a str, payload_type: u8) -> Option<&'a str> {
    media
        .get_attribute_values(name)
        .flatten()
        .find_map(|value| {
            let (number, rest) = value.trim().split_once(char::is_whitespace)?;
            (number.parse() == Ok(payload_type)).then(|| rest.trim())
        })
}

/// `PCMA/8000` or `opus/48000/2`.
fn codec(payload_type: u8, map: &str) -> Option<Codec> {
    let mut parts = map.split('/').map(str::trim);
    let (name, clock) = (parts.next()?, parts.next()?.parse().ok()?);
    let channels = parts.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    (payload_type < 128 && clock > 0).then(|| Codec {
        channels,
        ..Codec::new(payload_type, name, clock)
    })
}
