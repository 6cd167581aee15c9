//! New calls over what is let in: told 503, and nothing is kept of them.

mod sip_net;

use bytes::Bytes;
use proptest::prelude::*;
use sip_net::{Net, address, config, raw, raw_bye, raw_session, read, response, tag_of};
use wire::{
    sip::{
        endpoint::{ConnectionId, Ending, Endpoint, Input, Local, Output, TransportKind},
        header::{NameAddr, Via},
        message::{HeaderName, Message, Method, Response, split_list},
    },
    time::Time,
};

/// An endpoint and a raw peer; no call is let in.
fn full() -> (Net, usize) {
    let mut net = Net::new(1);
    let peer = net.add(None);
    net.ep(0).set_admission(0);
    (net, peer)
}

fn answer_to(net: &mut Net, peer: usize, text: &str) -> Response {
    net.nodes[peer].inbox.clear();
    net.send_raw(peer, 0, text);
    response(net, peer)
}

#[test]
fn a_call_too_many_is_told_503_and_its_ack_is_taken() {
    let (mut net, peer) = full();
    let invite = raw(&Method::Invite, peer, "z9hG4bKa", ("t", ""), 1, "");
    let first = answer_to(&mut net, peer, &invite);
    assert_eq!(first.status.code(), 503);
    assert_eq!(first.headers.get(&HeaderName::RetryAfter), Some("10"));
    let second = answer_to(&mut net, peer, &invite);
    assert_eq!(first, second, "the same request has the same answer");

    let tag = tag_of(&first);
    for (branch, tag, stray) in [
        ("z9hG4bKa", tag.as_str(), 0),
        ("z9hG4bKa", &tag, 0),
        ("z9hG4bKother", &tag, 1),
        ("z9hG4bKa", "0123456789abcdef", 2),
    ] {
        let ack = raw(&Method::Ack, peer, branch, ("t", tag), 1, "");
        net.send_raw(peer, 0, &ack);
        net.millis(50);
        assert_eq!(net.ep(0).counters().stray, stray, "{branch} {tag}");
    }
    assert!(net.event(0).is_none());
    let counters = net.ep(0).counters().clone();
    assert_eq!((counters.not_admitted, counters.malformed), (2, 0));
    assert_eq!(counters.refused.get(&503), Some(&2));
    assert_eq!(counters.responses_sent.get(&503), Some(&2));
    assert_eq!(counters.requests_received.get("INVITE"), Some(&2));
    assert_eq!(counters.requests_received.get("ACK"), Some(&4));
    net.assert_clean();
}

#[test]
fn its_cancel_finds_nothing_and_it_may_come_again() {
    let (mut net, peer) = full();
    let invite = raw(&Method::Invite, peer, "z9hG4bKa", ("t", ""), 1, "");
    let cancel = raw(&Method::Cancel, peer, "z9hG4bKa", ("t", ""), 1, "");
    assert_eq!(answer_to(&mut net, peer, &invite).status.code(), 503);
    assert_eq!(answer_to(&mut net, peer, &cancel).status.code(), 481);
    net.ep(0).set_admission(1);
    assert_eq!(answer_to(&mut net, peer, &invite).status.code(), 100);
    assert_eq!(net.ep(0).admission(), 0);
    let repeated = answer_to(&mut net, peer, &invite);
    assert_eq!(repeated.status.code(), 100, "it was let in before");
    net.incoming(0);
    assert_eq!(answer_to(&mut net, peer, &cancel).status.code(), 487);
    assert_eq!(net.ended(0), Ending::Cancelled);
    net.assert_clean();
}

#[test]
fn only_new_calls_are_turned_away() {
    let mut net = Net::new(1);
    let up = raw_session(&mut net, "");
    net.ep(0).set_admission(0);
    let inside = ("t", up.tag.as_str());
    let change = raw(&Method::Invite, up.peer, "z9hG4bKc", inside, 11, "");
    assert_eq!(answer_to(&mut net, up.peer, &change).status.code(), 100);
    let options = raw(&Method::Options, up.peer, "z9hG4bKo", ("o", ""), 1, "");
    assert_eq!(answer_to(&mut net, up.peer, &options).status.code(), 200);
    assert_eq!(net.ep(0).counters().not_admitted, 0);
    net.at(0, |ep, now| {
        let status = wire::sip::message::StatusCode::NOT_ACCEPTABLE_HERE;
        ep.reject_change(now, up.session, status).expect("refused")
    });
    while net.event(0).is_some() {}
    let ack = raw(&Method::Ack, up.peer, "z9hG4bKc", inside, 11, "");
    net.send_raw(up.peer, 0, &ack);
    raw_bye(&mut net, up.peer, &up.tag);
}

#[test]
fn what_is_wrong_is_said_even_then() {
    let (mut net, peer) = full();
    let invite = |more: &str| raw(&Method::Invite, peer, "z9hG4bKa", ("t", ""), 1, more);
    let cases = [
        (invite("").replace("Length: 0", "Length: x"), 400),
        (invite("").replace("Length: 0", "Length: 9"), 400),
        (invite("").replace("<sip:raw", "sip:raw>"), 400),
        (invite("").replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400),
        (invite("X: a\x01b\r\n"), 400),
        (invite("no colon\r\n"), 400),
        (invite("Subject: bare\n"), 400),
        (invite("From: <sip:b@example.invalid>;tag=b\r\n"), 400),
        (invite("Require: telepathy\r\n"), 420),
        (invite("").replace("Forwards: 70", "Forwards: 0"), 483),
        (invite("").replace("sip:1177@192.0.2.1 ", "news:x "), 416),
        (invite("").replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), 505),
    ];
    for (text, status) in &cases {
        let answer = answer_to(&mut net, peer, text);
        assert_eq!(answer.status.code(), *status, "{text}");
    }
    assert_eq!(net.ep(0).counters().malformed, 9);
    for text in [
        invite("Subject: folded\r\n  once\r\n"),
        invite("").replace(";branch=z9hG4bKa", ";branch=old"),
        invite("Via: SIP/2.0/UDP a.invalid, SIP/2.0/UDP b.invalid\r\n"),
    ] {
        let answer = answer_to(&mut net, peer, &text);
        assert_eq!(answer.status.code(), 503, "{text}");
    }
    assert_eq!(net.ep(0).counters().not_admitted, 3);
    net.assert_clean();
}

/// What one endpoint sent.
fn sent(endpoint: &mut Endpoint) -> Vec<Bytes> {
    let outputs = std::iter::from_fn(|| endpoint.poll_output());
    let bytes = |output| match output {
        Output::Transmit { bytes, .. } => Some(bytes),
        _ => None,
    };
    outputs.filter_map(bytes).collect()
}

/// The same message by UDP, where a call too many is told from its bytes, and by a connection, where it is read first.
fn both_ways(message: &[u8]) -> [(Vec<Bytes>, Endpoint); 2] {
    let (now, peer) = (Time::default(), address(1));
    [false, true].map(|connected| {
        let mut endpoint = Endpoint::new(config(0));
        endpoint.set_admission(0);
        let connection = ConnectionId(2);
        let input = if connected {
            let kind = TransportKind::Ws;
            let opened = Input::Connected {
                local: Local::FIRST,
                connection,
                peer,
                kind,
            };
            endpoint.handle(now, opened);
            Input::Message {
                connection,
                bytes: message,
            }
        } else {
            Input::Datagram {
                local: Local::FIRST,
                peer,
                bytes: message,
            }
        };
        endpoint.handle(now, input);
        (sent(&mut endpoint), endpoint)
    })
}

/// A field's meaning, in a form that can be compared.
fn meaning(name: &HeaderName, value: &str) -> String {
    match name {
        HeaderName::Via => {
            let via = |via| Via::parse(via).expect("a Via").to_string();
            split_list(value).map(via).collect::<Vec<_>>().join(", ")
        }
        HeaderName::To => NameAddr::parse(value).expect("a To").to_string(),
        _ => value.to_owned(),
    }
}

fn meanings(response: &Response) -> Vec<(String, String)> {
    let fields = response.headers.iter();
    let mut all: Vec<_> = fields
        .map(|(name, value)| (name.as_str().to_owned(), meaning(name, value)))
        .collect();
    // Via values keep their order among themselves: a stable sort by name shows it.
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

const INVITE: &str = include_str!("torture/wsinv.sip");

fn usual() -> String {
    raw(
        &Method::Invite,
        1,
        "z9hG4bKa",
        ("t", ""),
        1,
        "Via: SIP/2.0/TCP  192.0.2.9:5070 ;received=192.0.2.9; branch=z9hG4bKb\r\n\
         Record-Route: <sip:192.0.2.20;lr>\r\nP-Asserted-Identity: \"Åsa\" <sip:a@example.invalid>\r\n",
    )
}

fn changed(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (at, byte, how) in changes {
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = *byte,
            1 => bytes.insert(at, *byte),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_call_too_many_is_answered_alike_by_every_way(
        torture: bool,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4),
    ) {
        let text = if torture { INVITE.replace('\n', "\r\n") } else { usual() };
        let [(told, quick), (read_first, slow)] = both_ways(&changed(text.into_bytes(), &changes));
        let (quick, slow) = (quick.counters(), slow.counters());
        prop_assert_eq!(quick, slow);
        let pairs = told.iter().zip(&read_first);
        prop_assert_eq!(told.len(), read_first.len());
        for (told, read_first) in pairs {
            if !told.starts_with(b"SIP/2.0 503 ") {
                prop_assert_eq!(told, read_first);
                continue;
            }
            let (Message::Response(told), Message::Response(read_first)) = (read(told), read(read_first)) else {
                return Err(TestCaseError::fail("an endpoint with nothing under way only answers"));
            };
            prop_assert_eq!(told.status, read_first.status);
            prop_assert_eq!(meanings(&told), meanings(&read_first));
        }
    }
}

#[test]
fn lower_vias_come_back_byte_for_byte_and_the_topmost_with_its_source() {
    let [(told, _), _] = both_ways(usual().as_bytes());
    let told = read(&told[0]);
    let vias: Vec<&str> = told.headers().get_all(&HeaderName::Via).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKa;rport=5060;received=192.0.2.2",
            "SIP/2.0/TCP  192.0.2.9:5070 ;received=192.0.2.9; branch=z9hG4bKb",
        ]
    );
    let without = usual().replace(";rport", "");
    let [(told, _), _] = both_ways(without.as_bytes());
    let top = read(&told[0])
        .headers()
        .get(&HeaderName::Via)
        .map(str::to_owned);
    assert_eq!(
        top.as_deref(),
        Some("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKa")
    );
}
