//! SDP for the switch's own legs: what it offers, answers and understands (RFC 3264).

use std::net::SocketAddr;

use wire::{
    sdp::{
        self, Accepted, AnswerError, Codec, Description, Direction, Origin, Preference, Source,
        Stream,
    },
    sip::message::{Body, StatusCode},
    siprec::multipart,
};

use crate::{
    crypto::OurCrypto,
    media::{Agreed, Control, Offered, Remote, Streams},
};

/// Label of the caller's stream in a recording (RFC 7866 section 7.1.1).
pub(crate) const CALLER_LABEL: &str = "1";
/// Label of the nurse's stream.
pub(crate) const NURSE_LABEL: &str = "2";

/// Which of our descriptions in a dialog it is: the session keeps the name that it had in the first, wherever its audio moves, and each
/// that follows has the next number (RFC 3264 section 8).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edition {
    /// Where the audio was in the first.
    first: SocketAddr,
    version: u64,
}

impl Edition {
    /// The first, with audio there.
    pub(crate) const fn first(local: SocketAddr) -> Self {
        Self {
            first: local,
            version: 0,
        }
    }

    /// The one that follows.
    pub(crate) const fn next(self) -> Self {
        Self {
            version: self.version.saturating_add(1),
            ..self
        }
    }

    fn origin(self) -> Origin {
        let first = Description::telephony(self.first).origin;
        Origin {
            version: first.version.saturating_add(self.version),
            ..first
        }
    }
}

/// Why an offer can't be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Not SDP, or broken.
    #[error("the body is not SDP that can be read")]
    Unreadable,
    /// Nothing in it that we speak.
    #[error(transparent)]
    Nothing(#[from] AnswerError),
}

impl Refused {
    /// 488 for what we don't speak, 400 for what can't be read.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::Nothing(_) => StatusCode::NOT_ACCEPTABLE_HERE,
        }
    }
}

/// The status for a body that is no SDP at all; `None` when it can be looked at further.
pub(crate) fn refusal(body: &Body) -> Option<StatusCode> {
    let kind = body
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !kind.eq_ignore_ascii_case(sdp::CONTENT_TYPE) {
        return Some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    Description::check(&body.bytes)
        .is_err()
        .then_some(StatusCode::BAD_REQUEST)
}

/// The session description of a body that holds other things too, such as a location (RFC 5621); else the body itself.
pub(crate) fn session_part(body: Body) -> Body {
    let is = |kind: &str, wanted: &str| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case(wanted)
    };
    if !is(&body.content_type, "multipart/mixed") {
        return body;
    }
    let parts = multipart::parse(&body.content_type, &body.bytes).unwrap_or_default();
    let session = parts
        .iter()
        .find(|part| is(part.content_type, sdp::CONTENT_TYPE));
    match session {
        Some(part) => Body {
            content_type: sdp::CONTENT_TYPE.into(),
            bytes: body.bytes.slice_ref(part.bytes),
        },
        None => body,
    }
}

/// Where a description says that its sender's audio is: of an offer, what [`answer`] would take; of an answer, what it took.
pub(crate) fn audio_at(body: &Body) -> Option<SocketAddr> {
    let description = Description::parse(&body.bytes).ok()?;
    let stream = description
        .streams
        .iter()
        .find(|stream| stream.is_usable() && !stream.is_rejected())?;
    Some(stream.address)
}

/// Answers an offer from one of our ports, encrypted when it offers keys. The caller's order of codecs counts, so that nothing is
/// converted needlessly. Audio goes no other way than `going`: who is held is held on, whatever it offers.
pub(crate) fn answer(
    offer: &Body,
    (local, edition, going): (SocketAddr, Edition, Direction),
    ours: &mut OurCrypto,
) -> Result<(Body, Agreed), Refused> {
    let offer = Description::parse(&offer.bytes).map_err(|_| Refused::Unreadable)?;
    // One audio stream: the first that can be used; every other is turned down.
    let place = offer.streams.iter().position(Stream::is_usable);
    let mut places = vec![None; offer.streams.len()];
    let mut key = None;
    if let Some(place) = place {
        places[place] = Some(local);
        key = ours.key_for(&offer.streams[place].crypto);
    }
    let mut answer = sdp::answer(
        &offer,
        edition.origin(),
        &places,
        &Codec::telephony(),
        Preference::Offerer,
        key.as_ref(),
    )?;
    for stream in &mut answer.description.streams {
        stream.direction = stream.direction.and(going);
    }
    for accepted in answer.accepted.iter_mut().flatten() {
        accepted.direction = accepted.direction.and(going);
    }
    let streams = answer.description.streams.iter().zip(&answer.accepted);
    let (stream, accepted) = streams
        .filter_map(|(stream, accepted)| Some((stream, accepted.as_ref()?)))
        .next()
        .ok_or(AnswerError::NoAudio)?;
    let offered = place.and_then(|place| offer.streams.get(place));
    let control = offered.map_or(Control::Off, |stream| Control::of(stream, stream.rtcp_mux));
    let agreed = accepted_by_us(accepted, control).ok_or(AnswerError::NoCommonCodec)?;
    ours.agree(stream, accepted.srtp.as_ref());
    Ok((answer.description.to_body(), agreed))
}

/// Our own offer of telephone audio.
pub(crate) fn offer(local: SocketAddr, ours: &OurCrypto) -> Body {
    offer_going(local, ours, Direction::SendRecv, Edition::first(local))
}

/// Our own offer again, going that way: hold is told to the side that is held.
pub(crate) fn offer_going(
    local: SocketAddr,
    ours: &OurCrypto,
    direction: Direction,
    edition: Edition,
) -> Body {
    let mut offer = Description::telephony(local);
    offer.origin = edition.origin();
    let streams = offer.streams.into_iter();
    offer.streams = streams
        .map(|stream| {
            let stream = ours.repeat(stream.going(direction));
            // Who can, sends reports with the audio; all others to the port after it.
            Stream {
                rtcp_mux: true,
                ..stream
            }
        })
        .collect();
    offer.to_body()
}

/// Which way the audio of a description goes, as its sender sees it.
pub(crate) fn direction(body: &Body) -> Option<Direction> {
    let description = Description::parse(&body.bytes).ok()?;
    let stream = description.audio()?;
    // The old way to hold: the address 0.0.0.0 (RFC 2543 section B.5).
    Some(if stream.address.ip().is_unspecified() {
        Direction::SendOnly
    } else {
        stream.direction
    })
}

/// Where the other side is and how it encrypts, from its answer to our offer.
pub(crate) fn agreed(answer: Option<&Body>, ours: &mut OurCrypto) -> Option<Agreed> {
    let answer = Description::parse(&session_part(answer?.clone()).bytes).ok()?;
    accepted_by_them(answer.audio()?, ours)
}

/// The offer of a recording session: two streams that only we send (RFC 7866 section 7.1). It tells their numbers, so that the
/// recorder may take both by one port; `cname` names us, and nobody else.
pub(crate) fn recording_offer(
    streams: Streams,
    cname: &str,
    [caller, far]: &[OurCrypto; 2],
) -> Description {
    let stream = |offered: Offered, label: &str, crypto: &OurCrypto| {
        let stream = Stream::audio(offered.local, vec![Codec::pcma(), Codec::pcmu()])
            .labelled(label)
            .from_source(Source {
                ssrc: offered.ssrc,
                cname: cname.into(),
            })
            .going(Direction::SendOnly);
        crypto.repeat(stream)
    };
    Description {
        origin: Edition::first(streams.caller.local).origin(),
        streams: vec![
            stream(streams.caller, CALLER_LABEL, caller),
            stream(streams.far, NURSE_LABEL, far),
        ],
    }
}

/// Where the recorder wants the two streams and how they are encrypted, from its answer.
pub(crate) fn recording_agreed(
    answer: &Body,
    [ours_caller, ours_far]: &mut [OurCrypto; 2],
) -> Option<(Agreed, Agreed)> {
    let answer = Description::parse(&session_part(answer.clone()).bytes).ok()?;
    let [caller, nurse] = answer.streams.as_slice() else {
        return None;
    };
    Some((
        accepted_by_them(caller, ours_caller)?,
        accepted_by_them(nurse, ours_far)?,
    ))
}

/// Whether a recorder that answers so hears anything of each stream: none is turned down (port 0), and none held.
pub(crate) fn hears(answer: &Body) -> bool {
    let answer = Description::parse(&session_part(answer.clone()).bytes);
    let deaf = |stream: &Stream| stream.is_rejected() || stream.is_held();
    !answer.is_ok_and(|answer| answer.streams.iter().any(deaf))
}

fn accepted_by_us(accepted: &Accepted, control: Control) -> Option<Agreed> {
    let held = accepted.remote.ip().is_unspecified();
    Some(Agreed {
        remote: Remote {
            address: accepted.remote,
            payload_type: accepted.codec.payload_type,
            law: accepted.codec.law()?,
            event_type: accepted.telephone_event,
            listens: accepted.direction.sends() && !held,
        },
        talks: accepted.direction == Direction::SendRecv && !held,
        control,
        signals_from: None,
        srtp: accepted.srtp.clone(),
    })
}

fn accepted_by_them(stream: &Stream, ours: &mut OurCrypto) -> Option<Agreed> {
    if stream.is_rejected() {
        return None;
    }
    let (codec, law) = stream
        .codecs
        .iter()
        .find_map(|codec| codec.law().map(|law| (codec, law)))?;
    Some(Agreed {
        remote: Remote {
            address: stream.address,
            payload_type: codec.payload_type,
            law,
            event_type: stream.telephone_event(),
            listens: !stream.is_held(),
        },
        talks: stream.direction == Direction::SendRecv && !stream.is_held(),
        // Each of our offers to a telephone says that it may.
        control: Control::of(stream, stream.rtcp_mux),
        signals_from: None,
        srtp: ours.answered(stream).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use wire::{g711::Law, rtp};

    use super::*;

    const LOCAL: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 10_000);

    fn body(sdp: &str) -> Body {
        Body {
            content_type: sdp::CONTENT_TYPE.into(),
            bytes: sdp.replace('\n', "\r\n").into_bytes().into(),
        }
    }

    fn offer_of(media: &str) -> Body {
        body(&format!(
            "v=0\no=- 1 1 IN IP4 127.0.0.2\ns=-\nc=IN IP4 127.0.0.2\nt=0 0\n{media}\n"
        ))
    }

    fn answered(media: &str) -> Result<Agreed, Refused> {
        let ours = &mut OurCrypto::default();
        let own = (LOCAL, Edition::first(LOCAL), Direction::SendRecv);
        answer(&offer_of(media), own, ours).map(|(_, agreed)| agreed)
    }

    #[test]
    fn an_answer_among_other_parts_is_read() {
        let among = |media: &str| {
            let sdp = offer_of(media).bytes;
            let mut bytes = b"--b\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n\
                --b\r\nContent-Type: application/sdp\r\n\r\n"
                .to_vec();
            bytes.extend_from_slice(&sdp);
            bytes.extend_from_slice(b"\r\n--b--\r\n");
            Body {
                content_type: "multipart/mixed;boundary=b".into(),
                bytes: bytes.into(),
            }
        };
        let one = "m=audio 4000 RTP/AVP 8";
        let found = agreed(Some(&among(one)), &mut OurCrypto::default());
        assert_eq!(found.expect("audio").remote.address.port(), 4000);
        let two = format!("{one}\nm=audio 4002 RTP/AVP 8");
        let found = recording_agreed(&among(&two), &mut Default::default());
        let (caller, far) = found.expect("both");
        let ports = [caller, far].map(|agreed| agreed.remote.address.port());
        assert_eq!(ports, [4000, 4002]);
    }

    #[test]
    fn an_encrypted_stream_is_taken_before_the_plain_one_and_the_other_way_round() {
        let key =
            "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        let (secure, plain) = (
            format!("m=audio 4000 RTP/SAVP 8\n{key}"),
            "m=audio 4002 RTP/AVP 8",
        );
        for (media, port, encrypted) in [
            (format!("{secure}\n{plain}"), 4000, true),
            (format!("{plain}\n{secure}"), 4002, false),
            (format!("m=audio 4004 RTP/SAVP 8\n{plain}"), 4002, false),
        ] {
            let agreed = answered(&media).expect("an answer");
            let taken = (agreed.remote.address.port(), agreed.srtp.is_some());
            assert_eq!(taken, (port, encrypted), "{media}");
        }
    }

    #[test]
    fn the_callers_first_codec_is_taken() {
        let media = "m=audio 4000 RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000";
        let remote = answered(media).expect("both are spoken").remote;
        assert_eq!(
            (remote.law, remote.payload_type, remote.event_type),
            (Law::U, rtp::PCMU, Some(101))
        );
        assert_eq!(remote.address.to_string(), "127.0.0.2:4000");
        assert!(remote.listens);
    }

    #[test]
    fn a_caller_on_hold_is_not_played_to() {
        let agreed = answered("m=audio 4000 RTP/AVP 8\na=sendonly").expect("spoken");
        assert!(!agreed.remote.listens);
    }

    #[test]
    fn what_is_not_spoken_is_refused_by_status() {
        for media in [
            "m=audio 4000 RTP/AVP 9\na=rtpmap:9 G722/8000",
            "m=audio 4000 RTP/SAVP 8",
            "m=audio 4000 RTP/SAVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=",
        ] {
            let refused = answered(media).expect_err(media);
            assert_eq!(refused.status(), StatusCode::NOT_ACCEPTABLE_HERE, "{media}");
        }
        assert_eq!(refusal(&body("nonsense")), Some(StatusCode::BAD_REQUEST));
        let text = Body {
            content_type: "text/plain".into(),
            bytes: bytes::Bytes::new(),
        };
        assert_eq!(refusal(&text), Some(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }

    fn offered(port: u16, ssrc: u32) -> Offered {
        Offered {
            local: SocketAddr::new(LOCAL.ip(), port),
            ssrc,
        }
    }

    #[test]
    fn a_recording_has_two_labelled_and_numbered_streams() {
        let streams = Streams {
            caller: offered(10_000, 7),
            far: offered(10_002, 8),
        };
        let offer = recording_offer(streams, "k7Vn", &Default::default());
        let text = String::from_utf8(offer.write().to_vec()).expect("SDP is text");
        for line in [
            "a=label:1",
            "a=label:2",
            "a=sendonly",
            "a=ssrc:7 cname:k7Vn",
            "a=ssrc:8 cname:k7Vn",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_recording_is_encrypted_by_a_key_a_stream_or_refused() {
        let streams = Streams {
            caller: offered(10_000, 7),
            far: offered(10_002, 8),
        };
        let mut ours = [(); 2].map(|()| OurCrypto::offering(callcore::scenario::Srtp::Require));
        let offer = recording_offer(streams, "k7Vn", &ours);
        assert!(offer.streams.iter().all(Stream::is_secure));
        let keys = [0, 1].map(|place: usize| offer.streams[place].crypto[0].key.clone());
        assert_ne!(keys[0], keys[1]);

        let mut answer = offer.clone();
        for stream in &mut answer.streams {
            stream.sources.clear();
            stream.direction = Direction::RecvOnly;
        }
        let agreed = recording_agreed(&answer.to_body(), &mut ours).expect("both encrypted");
        let sealed_by = [agreed.0, agreed.1].map(|one| one.srtp.map(|srtp| srtp.ours.key));
        assert_eq!(sealed_by, keys.map(Some));
        assert_eq!(
            recording_offer(streams, "k7Vn", &ours).streams,
            offer.streams
        );

        let mut plain = answer;
        plain.streams[1].crypto.clear();
        plain.streams[1].protocol = sdp::PLAIN_RTP.into();
        assert!(recording_agreed(&plain.to_body(), &mut ours).is_none());
    }
}
