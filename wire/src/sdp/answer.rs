//! Offer and answer (RFC 3264 sections 6 and 7).

use std::net::{IpAddr, SocketAddr};

use super::{Codec, Description, Direction, Kind, Origin, Stream};
use crate::srtp::{Crypto, MasterKey, Srtp};

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
    /// How both encrypt; `None`: plain RTP.
    pub srtp: Option<Srtp>,
}

/// Why there's no answer: reject the offer by 488 Not Acceptable Here (RFC 3261 section 21.4.26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No audio stream that we have a place for.
    #[error("the SDP offers no audio stream by RTP/AVP or RTP/SAVP: nothing to answer")]
    NoAudio,
    /// Encrypted audio only, in no way that is spoken here.
    #[error(
        "the SDP offers encrypted audio only, with no key that can be used here: AES_CM_128_HMAC_SHA1_80 or _32 is needed (RFC 4568)"
    )]
    NoCommonCrypto,
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
/// turns the stream down, as do other protocols, other media and no common codec. `codecs` are ours in our order. `key` is what we
/// encrypt with where keys are offered, also beside plain RTP (RFC 8643); without one only plain RTP is taken.
pub fn answer(
    offer: &Description,
    origin: Origin,
    local: &[Option<SocketAddr>],
    codecs: &[Codec],
    preference: Preference,
    key: Option<&MasterKey>,
) -> Result<Answer, AnswerError> {
    let mut streams = Vec::with_capacity(offer.streams.len());
    let mut accepted = Vec::with_capacity(offer.streams.len());
    for (index, offered) in offer.streams.iter().enumerate() {
        let place = local
            .get(index)
            .copied()
            .flatten()
            .filter(|_| is_usable(offered, key.is_some()));
        let common = common_codecs(offered, codecs, preference);
        let agreed = place.and_then(|address| accept(offered, address, common, key));
        let (stream, result) = agreed.map_or_else(
            || (rejected(offered), None),
            |(stream, one)| (stream, Some(one)),
        );
        streams.push(stream);
        accepted.push(result);
    }
    if accepted.iter().all(Option::is_none) && !offer.streams.iter().all(Stream::is_rejected) {
        return Err(why_none(offer, key.is_some()));
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

fn why_none(offer: &Description, encrypts: bool) -> AnswerError {
    let streams = &offer.streams;
    if streams.iter().any(|stream| is_usable(stream, encrypts)) {
        AnswerError::NoCommonCodec
    } else if streams.iter().any(is_secure_audio) {
        AnswerError::NoCommonCrypto
    } else {
        AnswerError::NoAudio
    }
}

/// Audio that isn't rejected, in plain RTP, or encrypted where `encrypts` and a key can be used.
pub(super) fn is_usable(stream: &Stream, encrypts: bool) -> bool {
    if is_secure_audio(stream) {
        return encrypts && !stream.crypto.is_empty();
    }
    let plain = ["RTP/AVP", "RTP/AVPF"]
        .iter()
        .any(|known| stream.protocol.eq_ignore_ascii_case(known));
    stream.kind == Kind::Audio && plain && !stream.is_rejected()
}

fn is_secure_audio(stream: &Stream) -> bool {
    stream.kind == Kind::Audio && stream.is_secure() && !stream.is_rejected()
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

fn accept(
    offered: &Stream,
    address: SocketAddr,
    codecs: Vec<Codec>,
    key: Option<&MasterKey>,
) -> Option<(Stream, Accepted)> {
    let direction = offered.direction.reversed();
    let srtp = offered.crypto.first().zip(key).map(|(theirs, key)| Srtp {
        ours: theirs.answered_with(key.clone()),
        theirs: theirs.clone(),
    });
    let stream = Stream {
        kind: Kind::Audio,
        protocol: offered.protocol.clone(),
        address,
        direction,
        codecs,
        ptime: offered.ptime,
        label: offered.label.clone(),
        rtcp_mux: offered.rtcp_mux,
        rtcp_at: None,
        rtcp_off: false,
        crypto: srtp.iter().map(|srtp| srtp.ours.clone()).collect(),
        sources: Vec::new(),
    };
    let accepted = Accepted {
        codec: sound(&stream.codecs)?.clone(),
        telephone_event: stream.telephone_event(),
        remote: offered.address,
        direction,
        ptime: offered.ptime,
        label: offered.label.clone(),
        srtp,
    };
    Some((stream, accepted))
}

fn agreed(ours: &Stream, theirs: &Stream) -> Option<Accepted> {
    if !is_usable(theirs, true) || ours.is_rejected() {
        return None;
    }
    let srtp = Crypto::agreed(&ours.crypto, &theirs.crypto);
    if srtp.is_none() && (ours.is_secure() || theirs.is_secure()) {
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
        srtp,
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
