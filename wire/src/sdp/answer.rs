//! Offer and answer (RFC 3264 sections 6 and 7).

use std::net::{IpAddr, SocketAddr};

use super::{Codec, Description, Direction, Kind, Origin, Stream};

/// Whose order of codecs counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// Ours.
    Answerer,
    /// The peer's.
    Offerer,
}

/// An answer, and what came of each stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// To be sent.
    pub description: Description,
    /// For each stream of the offer in order: what was agreed, or `None` when it is turned down.
    pub accepted: Vec<Option<Accepted>>,
}

/// What both sides agreed for one stream, as our side sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What we send.
    pub codec: Codec,
    /// The payload type of key presses, when both take them.
    pub telephone_event: Option<u8>,
    /// Where we send to; unspecified when the peer holds the old way.
    pub remote: SocketAddr,
    /// Which way it goes, as we see it.
    pub direction: Direction,
    /// Milliseconds of audio in a packet that the peer wants.
    pub ptime: Option<u32>,
    /// What the peer calls the stream.
    pub label: Option<Box<str>>,
}

/// Why there's no answer: reject the offer by 488 Not Acceptable Here (RFC 3261 section 21.4.26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No audio stream that we have a place for.
    #[error("the SDP offers no plain audio stream (RTP/AVP): nothing to answer")]
    NoAudio,
    /// Audio, but none in a codec of ours.
    #[error("the SDP offers no codec that is spoken here: PCMA or PCMU is needed")]
    NoCommonCodec,
    /// The peer's answer doesn't fit our offer.
    #[error("the SDP answer has {answered} streams where {offered} were offered")]
    StreamCount {
        /// Streams in the offer.
        offered: usize,
        /// Streams in the answer.
        answered: usize,
    },
}

/// Answers an offer. `local` has, for each stream of the offer, where we would receive it; `None` or a missing one
/// turns the stream down, as do other protocols, other media and no common codec. `codecs` are ours in our order.
pub fn answer(
    offer: &Description,
    origin: Origin,
    local: &[Option<SocketAddr>],
    codecs: &[Codec],
    preference: Preference,
) -> Result<Answer, AnswerError> {
    let mut streams = Vec::with_capacity(offer.streams.len());
    let mut accepted = Vec::with_capacity(offer.streams.len());
    for (index, offered) in offer.streams.iter().enumerate() {
        let place = local
            .get(index)
            .copied()
            .flatten()
            .filter(|_| is_usable(offered));
        let common = common_codecs(offered, codecs, preference);
        let agreed = place.and_then(|address| accept(offered, address, common));
        let (stream, result) = agreed.map_or_else(
            || (rejected(offered), None),
            |(stream, one)| (stream, Some(one)),
        );
        streams.push(stream);
        accepted.push(result);
    }
    if accepted.iter().all(Option::is_none) && !offer.streams.iter().all(Stream::is_rejected) {
        let any_audio = offer.streams.iter().any(is_usable);
        return Err(if any_audio {
            AnswerError::NoCommonCodec
        } else {
            AnswerError::NoAudio
        });
    }
    Ok(Answer {
        description: Description { origin, streams },
        accepted,
    })
}

/// Reads the peer's answer to our offer: what was agreed for each stream.
pub fn read_answer(
    offer: &Description,
    answer: &Description,
) -> Result<Vec<Option<Accepted>>, AnswerError> {
    let (offered, answered) = (offer.streams.len(), answer.streams.len());
    if offered != answered {
        return Err(AnswerError::StreamCount { offered, answered });
    }
    let pairs = offer.streams.iter().zip(&answer.streams);
    let accepted: Vec<_> = pairs.map(|(ours, theirs)| agreed(ours, theirs)).collect();
    let any =
        accepted.iter().any(Option::is_some) || answer.streams.iter().all(Stream::is_rejected);
    if any {
        Ok(accepted)
    } else {
        Err(AnswerError::NoCommonCodec)
    }
}

/// Audio in plain RTP that isn't rejected.
fn is_usable(stream: &Stream) -> bool {
    let plain = ["RTP/AVP", "RTP/AVPF"]
        .iter()
        .any(|known| stream.protocol.eq_ignore_ascii_case(known));
    stream.kind == Kind::Audio && plain && !stream.is_rejected()
}

/// The codecs of both, by the offer's payload types (RFC 3264 section 6.1), key presses last.
fn common_codecs(offered: &Stream, ours: &[Codec], preference: Preference) -> Vec<Codec> {
    let theirs = &offered.codecs;
    let mut common: Vec<Codec> = match preference {
        Preference::Offerer => theirs
            .iter()
            .filter(|codec| ours.iter().any(|known| known.is_same_as(codec)))
            .cloned()
            .collect(),
        Preference::Answerer => ours
            .iter()
            .filter_map(|known| theirs.iter().find(|codec| codec.is_same_as(known)))
            .cloned()
            .collect(),
    };
    common.sort_by_key(Codec::is_telephone_event);
    common
}

fn accept(offered: &Stream, address: SocketAddr, codecs: Vec<Codec>) -> Option<(Stream, Accepted)> {
    let direction = offered.direction.reversed();
    let stream = Stream {
        kind: Kind::Audio,
        protocol: offered.protocol.clone(),
        address,
        direction,
        codecs,
        ptime: offered.ptime,
        label: offered.label.clone(),
        rtcp_mux: offered.rtcp_mux,
    };
    let accepted = Accepted {
        codec: sound(&stream.codecs)?.clone(),
        telephone_event: stream.telephone_event(),
        remote: offered.address,
        direction,
        ptime: offered.ptime,
        label: offered.label.clone(),
    };
    Some((stream, accepted))
}

fn agreed(ours: &Stream, theirs: &Stream) -> Option<Accepted> {
    if !is_usable(theirs) || ours.is_rejected() {
        return None;
    }
    // Their first that we offered; some peers answer with more than they were offered.
    let mut both = theirs
        .codecs
        .iter()
        .filter(|codec| ours.codecs.iter().any(|known| known.is_same_as(codec)));
    let codec = both.find(|codec| !codec.is_telephone_event())?.clone();
    Some(Accepted {
        codec,
        telephone_event: ours.telephone_event().and(theirs.telephone_event()),
        remote: theirs.address,
        direction: theirs.direction.reversed().and(ours.direction),
        ptime: theirs.ptime,
        label: ours.label.clone(),
    })
}

/// The first that isn't key presses.
fn sound(codecs: &[Codec]) -> Option<&Codec> {
    codecs.iter().find(|codec| !codec.is_telephone_event())
}

fn rejected(offered: &Stream) -> Stream {
    let nowhere: IpAddr = match offered.address.ip() {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    Stream {
        address: SocketAddr::new(nowhere, 0),
        direction: Direction::Inactive,
        ..offered.clone()
    }
}
