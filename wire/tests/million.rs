//! A million mutilated inputs, the same ones each time: no parser panics, and what prints itself does so stably.
//!
//! The fuzz targets in `fuzz/` look further and by coverage; this is what every run of the tests can afford.

use std::{path::Path, time::Duration};

use proptest::{
    prelude::any,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use wire::{
    auth::{Algorithm, Credentials},
    rtp::{Packet, Receiver, ToneEvent, control},
    sdp::Description,
    sip::{
        header::{CSeq, MediaType, NameAddr, Via},
        message::Message,
        stream::Framer,
        uri::Uri,
    },
    siprec::{self, Metadata},
    time::Time,
};

/// Cases of each of the eight tests: a million in all.
const CASES: u32 = 125_000;
/// Changes to one input.
const CHANGES_MAX: u64 = 6;
/// What parsers stumble over.
const STUMBLES: [&[u8]; 16] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b" ",
    b"\t",
    b";",
    b",",
    b"\"",
    b"<",
    b">",
    b"%00",
    b"\0",
    b"\xff",
    b"=",
    b"4294967296",
    b"--b\r\n",
];

/// Runs one property on as many seeds as a test has cases.
fn all(property: impl Fn(u64)) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
        .run(&any::<u64>(), |seed| {
            property(seed);
            Ok(())
        })
        .expect("holds for every seed");
}

/// Numbers that follow from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap_or(0)
    }
}

/// One of these inputs, mutilated.
fn mutilated(seed: u64, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut chance = Chance(seed);
    let mut bytes = inputs[chance.below(inputs.len())].clone();
    for _ in 0..=chance.below(CHANGES_MAX as usize) {
        let at = chance.below(bytes.len());
        match chance.below(6) {
            0 => drop(bytes.splice(
                at..at,
                STUMBLES[chance.below(STUMBLES.len())].iter().copied(),
            )),
            1 if at < bytes.len() => bytes[at] = chance.below(256) as u8,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + chance.below(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = chance.below(bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            _ => {
                let other = &inputs[chance.below(inputs.len())];
                let from = chance.below(other.len());
                let end = (from + chance.below(60)).min(other.len());
                drop(bytes.splice(at..at, other[from..end].iter().copied()));
            }
        }
    }
    bytes
}

fn mutilated_text(seed: u64, inputs: &[&str]) -> String {
    let inputs: Vec<Vec<u8>> = inputs.iter().map(|text| text.as_bytes().to_vec()).collect();
    String::from_utf8_lossy(&mutilated(seed, &inputs)).into_owned()
}

/// The torture messages as they stand in their files, but with CRLF; the longest are left out for time.
fn messages() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let files = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("text"));
    texts
        .map(|text| text.replace('\n', "\r\n").into_bytes())
        .filter(|bytes| bytes.len() < 1500)
        .collect()
}

#[test]
fn messages_are_read_or_refused() {
    let inputs = messages();
    all(|seed| match Message::parse(&mutilated(seed, &inputs)) {
        Ok(message) => {
            let printed = message.to_bytes();
            let again = Message::parse(&printed).expect("what was printed can be read");
            assert_eq!(again.to_bytes(), printed);
        }
        Err(error) => drop(error.bad_request().map(|response| response.to_bytes())),
    });
}

#[test]
fn streams_are_cut_the_same_wherever_they_break() {
    let inputs = messages();
    all(|seed| {
        let bytes = mutilated(seed, &inputs);
        let cut = 1 + Chance(seed).below(bytes.len());
        let frames = |cut: usize| {
            let mut framer = Framer::default();
            let mut found = (0, 0);
            for piece in bytes.chunks(cut) {
                framer.push(piece);
                while let Some(frame) = framer.next() {
                    if frame.is_ok() {
                        found.0 += 1;
                    } else {
                        found.1 += 1;
                    }
                }
            }
            found
        };
        assert_eq!(frames(bytes.len().max(1)), frames(cut));
    });
}

#[test]
fn uris_are_read_or_refused() {
    let inputs = [
        "sip:a;b=c?d@[2001:db8::1]:5070;transport=tcp;lr?Subject=x%20y",
        "sips:%61%2B4670@example.com;kommun-id=0180",
        "tel:+46701740605;phone-context=example.com",
    ];
    all(|seed| {
        let text = mutilated_text(seed, &inputs);
        if let Ok(uri) = Uri::parse(&text) {
            let printed = uri.to_string();
            let again = Uri::parse(&printed);
            assert_eq!(again.as_ref(), Ok(&uri), "{text:?} prints as {printed:?}");
            assert!(!printed.contains(['\r', '\n']));
            let _ = (uri.address(), uri.user_decoded().is_some());
        }
    });
}

#[test]
fn header_values_are_read_or_refused() {
    let inputs = [
        "SIP / 2.0 / UDP [2001:db8::9]:5060;branch=z9hG4bKx;rport;received=192.0.2.1",
        r#""A \" B" <sip:u@h;x=y?z=w>;tag=1;q=0.5"#,
        "36 INVITE",
        "multipart/mixed;boundary=\"b\"",
    ];
    all(|seed| {
        let text = mutilated_text(seed, &inputs);
        if let Ok(via) = Via::parse(&text) {
            assert!(Via::parse(&via.to_string()).is_ok());
        }
        if let Ok(address) = NameAddr::parse(&text) {
            assert!(NameAddr::parse(&address.to_string()).is_ok());
        }
        let _ = (CSeq::parse(&text), MediaType::parse(&text));
    });
}

#[test]
fn session_descriptions_are_read_or_refused() {
    let inputs = ["v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8 0 101\r\n\
        a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=label:1\r\na=sendonly\r\n\
        m=video 0 RTP/AVP 99\r\na=inactive\r\n"
        .as_bytes()
        .to_vec()];
    all(|seed| drop(Description::parse(&mutilated(seed, &inputs))));
}

#[test]
fn audio_packets_are_read_or_refused() {
    let mut plain = vec![0x80, 8, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4];
    plain.extend([0xd5; 160]);
    let extended = vec![
        0xb1, 101, 0, 2, 0, 0, 1, 64, 1, 2, 3, 4, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 1, 10,
        3, 32, 4,
    ];
    let mut report = Vec::new();
    let told = control::Report {
        ssrc: 7,
        sent: None,
        heard: None,
        cname: "c",
    };
    told.append(&mut report);
    let inputs = [plain, extended, report];
    all(|seed| {
        let mut receiver = Receiver::new(8000);
        for step in 0..3 {
            let datagram = mutilated(seed.wrapping_add(step), &inputs);
            let _ = control::Told::read(&datagram, 7);
            if let Ok(packet) = Packet::parse(&datagram) {
                receiver.receive(Time(Duration::from_millis(20 * step)), &packet);
                let _ = ToneEvent::parse(packet.payload);
            }
        }
    });
}

#[test]
fn recordings_bodies_are_split_or_refused() {
    let metadata = r#"<?xml version="1.0" encoding="UTF-8"?><recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<group group_id="7+OTCyoxTmqmqyA/1weDAg=="/><session session_id="hVpd7YQgRW2nD22h7q60JQ=="><group-ref>7+OTCyoxTmqmqyA/1weDAg==</group-ref></session>
<participant participant_id="srfBElmCRp2QB23b7Mpk0w=="><nameID aor="sip:a@example.com"/></participant>
<stream stream_id="UAAMm5GRQKSCMVvLyl4rFw==" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>96</label></stream></recording>"#;
    let body = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n{metadata}\r\n--b--\r\n"
    );
    let inputs = [body.into_bytes(), metadata.as_bytes().to_vec()];
    all(|seed| {
        let bytes = mutilated(seed, &inputs);
        let _ = siprec::split("multipart/mixed;boundary=b", &bytes);
        let _ = Metadata::parse(&bytes);
    });
}

#[test]
fn challenges_are_answered_or_refused() {
    let inputs = [
        r#"Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth,auth-int", opaque="o\"p", stale=true"#,
        r#"Digest realm="r", nonce="n", algorithm=MD5, qop="auth""#,
    ];
    let mut known = Credentials::default();
    for algorithm in Algorithm::ALL {
        known.add("u", "r", algorithm, algorithm.ha1("u", "r", "p"));
    }
    all(|seed| {
        let text = mutilated_text(seed, &inputs);
        let _ = Credentials::parse(&text);
        if let Some(chosen) = known.choose([&*text].into_iter())
            && let Some(answer) = known.answer(&chosen, "INVITE", "sip:a@b", "c", 1)
        {
            assert!(!answer.value.contains(['\r', '\n']));
        }
    });
}
