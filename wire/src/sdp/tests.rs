//! Descriptions as phones write them.

use proptest::prelude::*;

use super::*;
use crate::srtp::MasterKey;

const PHONE: &str = "v=0\r\n\
o=- 3747 3747 IN IP4 192.0.2.10\r\n\
s=phone\r\n\
c=IN IP4 192.0.2.10\r\n\
t=0 0\r\n\
m=audio 40000 RTP/AVP 96 0 8 101\r\n\
a=rtpmap:96 opus/48000/2\r\n\
a=fmtp:96 useinbandfec=1\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=ptime:20\r\n\
m=video 40002 RTP/AVP 97\r\n\
a=rtpmap:97 H264/90000\r\n";

fn parse(text: &str) -> Description {
    Description::parse(text.as_bytes()).expect("a description")
}

fn origin() -> Origin {
    Origin::new(7, "198.51.100.1".parse().expect("an address"))
}

fn local(port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::new(
        "198.51.100.1".parse().expect("an address"),
        port,
    ))
}

#[test]
fn a_phones_offer_is_understood() {
    let offer = parse(PHONE);
    assert_eq!(offer.origin.version, 3747);
    let [audio, video] = &offer.streams[..] else {
        panic!("two streams")
    };
    assert_eq!(
        audio.address,
        "192.0.2.10:40000".parse().expect("an address")
    );
    let names: Vec<_> = audio
        .codecs
        .iter()
        .map(|codec| (&*codec.name, codec.clock, codec.channels))
        .collect();
    assert_eq!(
        names,
        [
            ("opus", 48000, 2),
            ("PCMU", 8000, 1),
            ("PCMA", 8000, 1),
            ("telephone-event", 8000, 1)
        ]
    );
    assert_eq!(audio.codecs[0].fmtp.as_deref(), Some("useinbandfec=1"));
    assert_eq!(
        (audio.direction, audio.ptime, audio.telephone_event()),
        (Direction::SendRecv, Some(20), Some(101))
    );
    assert_eq!(
        video.kind,
        Kind::Other {
            media: "video".into(),
            formats: "97".into()
        }
    );
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let mut description = Description {
        origin: origin().next(),
        streams: vec![
            Stream::audio(local(10000).expect("an address"), Codec::telephony()).labelled("caller"),
            Stream::audio(
                "[2001:db8::1]:10002".parse().expect("an address"),
                vec![Codec::pcmu()],
            )
            .going(Direction::SendOnly),
        ],
    };
    description.streams[0].rtcp_off = true;
    description.streams[1].rtcp_mux = true;
    description.streams[1].rtcp_at = "[2001:db8::1]:10005".parse().ok();
    description.streams[1].sources = [1, u32::MAX]
        .map(|ssrc| Source {
            ssrc,
            cname: "k7Vn2Qe8".into(),
        })
        .into();
    assert_eq!(Description::parse(&description.write()), Ok(description));
}

#[test]
fn the_text_is_that_of_the_standard() {
    let stream = Stream::audio(local(10000).expect("an address"), Codec::telephony()).labelled("1");
    let text = Description {
        origin: origin(),
        streams: vec![stream],
    }
    .write();
    let expected = "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
        m=audio 10000 RTP/AVP 8 0 101\r\nc=IN IP4 198.51.100.1\r\n\
        a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\na=label:1\r\n";
    assert_eq!(std::str::from_utf8(&text), Ok(expected));
}

#[test]
fn an_answer_takes_our_order_or_theirs_and_turns_video_down() {
    let offer = parse(PHONE);
    for (preference, first, name) in [
        (Preference::Answerer, 8, "PCMA"),
        (Preference::Offerer, 0, "PCMU"),
    ] {
        let answer = answer(
            &offer,
            origin(),
            &[local(10000), local(10002)],
            &Codec::telephony(),
            preference,
            None,
        )
        .expect("an answer");
        let [audio, video] = &answer.description.streams[..] else {
            panic!("two streams")
        };
        let types: Vec<_> = audio
            .codecs
            .iter()
            .map(|codec| codec.payload_type)
            .collect();
        assert_eq!((types[0], types[2], types.len()), (first, 101, 3));
        assert!(video.is_rejected());
        let accepted = answer.accepted[0].as_ref().expect("audio");
        assert_eq!(
            (&*accepted.codec.name, accepted.telephone_event),
            (name, Some(101))
        );
        assert_eq!(accepted.remote, offer.streams[0].address);
        assert_eq!(answer.accepted[1], None);
        let read = read_answer(
            &offer,
            &Description::parse(&answer.description.write()).expect("a description"),
        );
        assert_eq!(
            read.expect("agreed")[0]
                .as_ref()
                .map(|one| one.codec.payload_type),
            Some(first)
        );
    }
}

#[test]
fn no_common_codec_and_no_audio_are_different_errors() {
    let text = PHONE.replace("RTP/AVP 96 0 8 101", "RTP/AVP 96 101");
    let refused = |text: &str| {
        answer(
            &parse(text),
            origin(),
            &[local(10000)],
            &Codec::telephony(),
            Preference::Answerer,
            None,
        )
        .map(|_| ())
    };
    assert_eq!(refused(&text), Err(AnswerError::NoCommonCodec));
    let encrypted = PHONE.replace("40000 RTP/AVP", "40000 RTP/SAVP");
    assert_eq!(refused(&encrypted), Err(AnswerError::NoCommonCrypto));
    let dtls = PHONE.replace("40000 RTP/AVP", "40000 UDP/TLS/RTP/SAVP");
    assert_eq!(refused(&dtls), Err(AnswerError::NoAudio));
    assert_eq!(
        refused("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"),
        Ok(())
    );
}

/// The example of RFC 4568 section 4.1, and a line that nobody here speaks before it.
const KEYS: &str = "a=crypto:1 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4\r\n\
a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20\r\n\
a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";

fn with_keys(protocol: &str) -> Description {
    let text = PHONE.replace("40000 RTP/AVP", &format!("40000 {protocol}"));
    parse(&text.replace("a=ptime:20\r\n", KEYS))
}

#[test]
fn keys_are_answered_with_ours_by_the_first_line_that_can_be_spoken() {
    let key = MasterKey::new([7; MasterKey::LEN]);
    for protocol in ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP"] {
        let offer = with_keys(protocol);
        let ours = Codec::telephony();
        let preference = Preference::Answerer;
        let answer = answer(&offer, origin(), &[local(1)], &ours, preference, Some(&key))
            .expect("an answer");
        let text = String::from_utf8(answer.description.write().to_vec()).expect("text");
        let line = "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\r\n";
        assert!(text.contains(line) && text.contains(protocol), "{text}");
        let agreed = answer.accepted[0]
            .as_ref()
            .and_then(|one| one.srtp.as_ref());
        let agreed = agreed.expect("encrypted");
        assert_eq!(
            (agreed.ours.tag, &agreed.theirs),
            (2, &offer.streams[0].crypto[0])
        );
        // And the other side reads it so.
        let read = read_answer(&offer, &parse(&text)).expect("agreed");
        let read = read[0].as_ref().and_then(|one| one.srtp.as_ref());
        assert_eq!(
            read.map(|both| (&both.theirs, &both.ours)),
            Some((&agreed.ours, &agreed.theirs))
        );
    }
}

#[test]
fn without_a_key_of_ours_plain_audio_stays_plain_and_the_rest_is_refused() {
    let ours = Codec::telephony();
    let answered = |protocol: &str| {
        let offer = with_keys(protocol);
        answer(
            &offer,
            origin(),
            &[local(1)],
            &ours,
            Preference::Answerer,
            None,
        )
    };
    let plain = answered("RTP/AVP").expect("an answer");
    assert_eq!(
        plain.accepted[0].as_ref().map(|one| one.srtp.is_some()),
        Some(false)
    );
    assert!(plain.description.streams[0].crypto.is_empty());
    assert_eq!(
        answered("RTP/SAVP").map(|_| ()),
        Err(AnswerError::NoCommonCrypto)
    );
}

#[test]
fn an_answer_in_the_clear_to_an_encrypted_offer_is_none() {
    let offer = with_keys("RTP/SAVP");
    let answer = parse(PHONE);
    assert_eq!(
        read_answer(&offer, &answer),
        Err(AnswerError::NoCommonCodec)
    );
    let beside = read_answer(&with_keys("RTP/AVP"), &answer).expect("plain");
    assert!(beside[0].as_ref().is_some_and(|one| one.srtp.is_none()));
}

#[test]
fn hold_is_seen_in_all_its_forms() {
    let held = |from: &str, to: &str| parse(&PHONE.replace(from, to)).streams[0].clone();
    assert!(held("a=ptime:20", "a=sendonly").is_held());
    assert!(held("a=ptime:20", "a=inactive").is_held());
    assert!(held("c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0").is_held());
    assert!(held("t=0 0", "t=0 0\r\na=sendonly").is_held());
    assert!(!held("a=ptime:20", "a=recvonly").is_held());
    assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
    assert_eq!(Direction::Inactive.reversed(), Direction::Inactive);
}

#[test]
fn the_address_may_stand_at_the_stream() {
    let text = PHONE
        .replace("c=IN IP4 192.0.2.10\r\n", "")
        .replace("a=rtpmap:96", "c=IN IP6 2001:db8::2\r\na=rtpmap:96");
    assert_eq!(
        Description::parse(text.as_bytes()),
        Err(ParseError::NoAddress { stream: 1 })
    );
    let only_audio = text.split("m=video").next().expect("audio");
    assert_eq!(
        parse(only_audio).streams[0].address,
        "[2001:db8::2]:40000".parse().expect("an address")
    );
}

#[test]
fn limits_hold() {
    let long = format!("{PHONE}a=x:{}\r\n", "y".repeat(LEN_MAX));
    assert!(matches!(
        Description::parse(long.as_bytes()),
        Err(ParseError::TooLong { .. })
    ));
    let streams = format!("{PHONE}{}", "m=audio 0 RTP/AVP 0\r\n".repeat(STREAMS_MAX));
    assert!(matches!(
        Description::parse(streams.as_bytes()),
        Err(ParseError::TooManyStreams { count: 34 })
    ));
    let codecs = PHONE.replace("96 0 8 101", &"8 ".repeat(CODECS_MAX + 1));
    assert_eq!(
        Description::parse(codecs.as_bytes()),
        Err(ParseError::TooManyCodecs { stream: 0 })
    );
    assert!(matches!(
        Description::parse(b"hello"),
        Err(ParseError::Line(_))
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Description::parse(&bytes);
    }

    #[test]
    fn a_broken_offer_is_answered_or_refused(cut in 0..PHONE.len(), at in 0..PHONE.len(), byte in any::<u8>()) {
        let mut bytes = PHONE.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(cut);
        let Ok(offer) = Description::parse(&bytes) else { return Ok(()) };
        let ours = Codec::telephony();
        if let Ok(answer) = answer(&offer, origin(), &[local(1)], &ours, Preference::Answerer, None) {
            prop_assert_eq!(answer.description.streams.len(), offer.streams.len());
            prop_assert!(Description::parse(&answer.description.write()).is_ok());
        }
    }
}

#[test]
fn where_reports_go_is_read_in_both_forms_and_nonsense_passed_over() {
    let read = |line: &str| {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n{line}\r\n"
        );
        let description = Description::parse(text.as_bytes()).expect("a description");
        let stream = &description.streams[0];
        (stream.rtcp_at, stream.rtcp_off)
    };
    let at = |text: &str| text.parse().ok();
    assert_eq!(read("a=rtcp:53020"), (at("127.0.0.2:53020"), false));
    let elsewhere = read("a=rtcp:53020 IN IP4 192.0.2.7");
    assert_eq!(elsewhere, (at("192.0.2.7:53020"), false));
    for nonsense in ["a=rtcp:0", "a=rtcp:x", "a=rtcp:9 IN IP4 nowhere", "a=rtcp"] {
        assert_eq!(read(nonsense).0, None, "{nonsense}");
    }
    assert!(read("b=RS:0\r\nb=RR:0").1);
    assert!(!read("b=RS:0").1 && !read("b=RS:0\r\nb=RR:800").1);
}

#[test]
fn that_no_reports_are_wanted_may_be_said_once_for_all_streams() {
    let read = |line: &str| {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nb=RS:0\r\nb=RR:0\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP 8\r\n{line}"
        );
        let description = Description::parse(text.as_bytes()).expect("a description");
        description.streams[0].rtcp_off
    };
    assert!(read(""));
    assert!(!read("b=RR:800\r\n"), "a stream's own line counts more");
}
