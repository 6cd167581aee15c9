//! What an endpoint refuses, and what it holds no more of than it may.

mod sip_net;

use sip_net::{Net, RawSession, address, call, config, raw, raw_session, response, sdp};
use wire::sip::{
    endpoint::{Ending, Endpoint, Event, SessionError},
    message::{HeaderName, Headers, Method, Response, StatusCode},
};

fn answer_to(net: &mut Net, peer: usize, text: &str) -> Response {
    net.nodes[peer].inbox.clear();
    net.send_raw(peer, 0, text);
    response(net, peer)
}

#[test]
fn each_unfit_request_has_its_status() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let other = Method::parse("DANCE").expect("a token");
    let tags = ("t", "");
    let inside = ("t", "0123456789abcdef");
    let cases: Vec<(String, u16)> = vec![
        (raw(&Method::Register, peer, "z9hG4bKa", tags, 1, ""), 405),
        (raw(&Method::Subscribe, peer, "z9hG4bKb", tags, 1, ""), 405),
        (raw(&Method::Message, peer, "z9hG4bKc", tags, 1, ""), 405),
        (raw(&other, peer, "z9hG4bKd", tags, 1, ""), 501),
        (raw(&Method::Bye, peer, "z9hG4bKe", inside, 1, ""), 481),
        (raw(&Method::Invite, peer, "z9hG4bKf", inside, 1, ""), 481),
        (raw(&Method::Bye, peer, "z9hG4bKg", tags, 1, ""), 481),
        (raw(&Method::Cancel, peer, "z9hG4bKh", tags, 1, ""), 481),
        (
            raw(
                &Method::Invite,
                peer,
                "z9hG4bKi",
                tags,
                1,
                "Require: 100rel, telepathy\r\n",
            ),
            420,
        ),
        (
            raw(&Method::Invite, peer, "z9hG4bKj", tags, 1, "")
                .replace("Forwards: 70", "Forwards: 0"),
            483,
        ),
        (
            raw(&Method::Invite, peer, "z9hG4bKk", tags, 1, "")
                .replace("sip:1177@192.0.2.1 ", "news:x "),
            416,
        ),
        (
            raw(&Method::Invite, peer, "z9hG4bKl", tags, 1, "").replace("Contact:", "Nothing:"),
            400,
        ),
        (raw(&Method::Options, peer, "z9hG4bKm", tags, 1, ""), 200),
    ];
    for (text, status) in &cases {
        let first = answer_to(&mut net, peer, text);
        assert_eq!(first.status.code(), *status, "{text}");
        let second = answer_to(&mut net, peer, text);
        assert_eq!(first, second, "the same request has the same answer");
        assert!(first.headers.to().expect("a To").tag().is_some(), "{text}");
    }
    assert!(net.event(0).is_none());
    assert_eq!(
        (net.ep(0).sessions(), net.ep(0).transactions()),
        (0, 0),
        "nothing is kept of them"
    );
    let unsupported = answer_to(&mut net, peer, &cases[8].0);
    assert_eq!(
        unsupported.headers.get(&HeaderName::Unsupported),
        Some("100rel, telepathy")
    );
    let options = answer_to(&mut net, peer, &cases[12].0);
    for name in [HeaderName::Allow, HeaderName::Accept, HeaderName::Supported] {
        assert!(options.headers.get(&name).is_some(), "{name}");
    }
    net.assert_clean();
}

#[test]
fn garbage_is_counted_and_a_broken_request_is_told_400() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    for text in [
        "",
        "\r\n\r\n",
        "hello",
        "\0\0",
        "SIP/2.0 200 OK\r\n\r\n",
        "INVITE\r\n\r\n",
    ] {
        net.send_raw(peer, 0, text);
    }
    net.secs(1);
    assert_eq!(net.nodes[peer].inbox.len(), 0);
    assert_eq!(
        net.ep(0).counters().malformed,
        3,
        "empty ones only keep a NAT open"
    );
    let broken = raw(&Method::Invite, peer, "z9hG4bKa", ("t", ""), 1, "")
        .replace("Content-Length: 0", "Content-Length: x");
    assert_eq!(answer_to(&mut net, peer, &broken).status.code(), 400);
    net.assert_clean();
}

#[test]
fn an_invite_that_comes_by_two_ways_is_482() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Invite, peer, "z9hG4bKa", ("t", ""), 1, ""),
    );
    net.millis(50);
    let (session, _) = net.incoming(0);
    let second = answer_to(
        &mut net,
        peer,
        &raw(&Method::Invite, peer, "z9hG4bKb", ("t", ""), 1, ""),
    );
    assert_eq!(second.status.code(), 482);
    net.at(0, |ep, now| ep.end(now, session, None).expect("declined"));
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

#[test]
fn more_calls_than_allowed_are_503_and_so_are_all_while_draining() {
    let mut net = Net::new(0);
    net.add(Some(Endpoint::new(wire::sip::endpoint::Config {
        sessions_max: 2,
        ..config(0)
    })));
    let peer = net.add(None);
    for call in 0..2 {
        let text = raw(
            &Method::Invite,
            peer,
            &format!("z9hG4bK{call}"),
            ("t", ""),
            1,
            "",
        );
        net.send_raw(
            peer,
            0,
            &text.replace("Call-ID: ", &format!("Call-ID: {call}-")),
        );
        net.millis(50);
    }
    let (first, _) = net.incoming(0);
    let (second, _) = net.incoming(0);
    let third = answer_to(
        &mut net,
        peer,
        &raw(&Method::Invite, peer, "z9hG4bK3", ("t", ""), 1, ""),
    );
    assert_eq!(third.status.code(), 503);
    assert!(third.headers.get(&HeaderName::RetryAfter).is_some());
    assert_eq!(
        net.at(0, |ep, now| ep.invite(now, call(address(1)))),
        Err(SessionError::Full)
    );

    net.at(0, |ep, now| ep.end(now, first, None).expect("declined"));
    net.ep(0).set_draining(true);
    let fourth = answer_to(
        &mut net,
        peer,
        &raw(&Method::Invite, peer, "z9hG4bK4", ("t", ""), 1, ""),
    );
    assert_eq!(fourth.status.code(), 503);
    net.ep(0).set_draining(false);
    net.at(0, |ep, now| ep.end(now, second, None).expect("declined"));
    assert_eq!((net.ended(0), net.ended(0)), (Ending::Ours, Ending::Ours));
    assert_eq!(net.ep(0).counters().refused.get(&503), Some(&2));
    assert_eq!(net.ep(0).counters().drained, 1, "the other had no place");
    net.assert_clean();
}

/// RFC 3261 section 8.2.3: whoever sends a body that isn't understood is told which are.
#[test]
fn a_body_of_the_wrong_kind_is_told_which_kinds_are_right() {
    let wrong = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let mut net = Net::new(1);
    let peer = net.add(None);
    let invite = raw(&Method::Invite, peer, "z9hG4bKa", ("t", ""), 1, "");
    net.send_raw(peer, 0, &invite);
    net.millis(50);
    let (first, _) = net.incoming(0);
    net.nodes[peer].inbox.clear();
    net.at(0, |ep, now| {
        ep.reject(now, first, wrong, &Headers::new())
            .expect("refused")
    });
    let begun = response(&mut net, peer);

    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
    let again = raw(&Method::Invite, peer, "z9hG4bKb", ("t", &tag), 11, "");
    net.send_raw(peer, 0, &again);
    net.millis(50);
    net.expect(0, "ChangeRequested", |event| {
        matches!(event, Event::ChangeRequested { .. }).then_some(())
    });
    net.nodes[peer].inbox.clear();
    net.at(0, |ep, now| {
        ep.reject_change(now, session, wrong).expect("refused")
    });
    let changed = response(&mut net, peer);
    for refused in [begun, changed] {
        assert_eq!(refused.status, wrong);
        let right = refused.headers.get(&HeaderName::Accept);
        assert_eq!(right, Some("application/sdp, multipart/mixed"));
    }
}

#[test]
fn an_extension_that_was_announced_may_be_required() {
    let mut net = Net::new(0);
    net.add(Some(Endpoint::new(wire::sip::endpoint::Config {
        supported: vec!["siprec".into()],
        ..config(0)
    })));
    let peer = net.add(None);
    let invite = raw(
        &Method::Invite,
        peer,
        "z9hG4bKa",
        ("t", ""),
        1,
        "Require: siprec\r\n",
    );
    assert_eq!(answer_to(&mut net, peer, &invite).status.code(), 100);
    let (session, _) = net.incoming(0);
    net.at(0, |ep, now| {
        ep.answer(now, session, sdp("answer")).expect("answered")
    });
    net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    net.secs(80);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

/// A peer of before RFC 3261 has no branch to go by.
#[test]
fn requests_without_the_cookie_are_matched_the_old_way() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let old = |method: &Method| raw(method, peer, "1", ("t", ""), 1, "").replace(";branch=1", "");
    assert_eq!(
        answer_to(&mut net, peer, &old(&Method::Invite))
            .status
            .code(),
        100
    );
    assert_eq!(
        answer_to(&mut net, peer, &old(&Method::Invite))
            .status
            .code(),
        100,
        "repeated, not new"
    );
    net.incoming(0);
    assert!(net.event(0).is_none());
    assert_eq!(
        answer_to(&mut net, peer, &old(&Method::Cancel))
            .status
            .code(),
        487
    );
    assert_eq!(net.ended(0), Ending::Cancelled);
    net.assert_clean();
}
