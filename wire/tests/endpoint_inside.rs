//! Inside a session: changes from both sides, glare, INFO, what is out of order, route sets.

mod sip_net;

use sip_net::{Net, address, call, raw, read, reply, request, sdp};
use wire::sip::{
    endpoint::{Ending, Event, SessionError, SessionId, TransportKind},
    message::{HeaderName, Message, Method, StatusCode},
};

#[test]
fn changes_go_both_ways() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    for (asks, from, grants, to) in [(0, caller, 1, callee), (1, callee, 0, caller)] {
        net.at(asks, |ep, now| {
            ep.change(now, from, sdp("hold")).expect("asked")
        });
        assert_eq!(
            net.at(asks, |ep, now| ep.change(now, from, None)),
            Err(SessionError::WrongState)
        );
        net.secs(1);
        assert_eq!(net.change_requested(grants), sdp("hold"));
        net.at(grants, |ep, now| {
            ep.accept_change(now, to, sdp("held")).expect("accepted")
        });
        net.secs(1);
        assert_eq!(net.changed(asks), Ok(sdp("held")));

        net.at(asks, |ep, now| {
            ep.change(now, from, sdp("video")).expect("asked")
        });
        net.secs(1);
        net.change_requested(grants);
        net.at(grants, |ep, now| {
            ep.reject_change(now, to, StatusCode::NOT_ACCEPTABLE_HERE)
                .expect("refused")
        });
        net.secs(1);
        assert_eq!(net.changed(asks), Err(488));
    }
    hang_up(&mut net, caller);
}

#[test]
fn a_change_without_offer_has_its_answer_in_the_ack() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    net.at(0, |ep, now| ep.change(now, caller, None).expect("asked"));
    net.secs(1);
    assert_eq!(net.change_requested(1), None);
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("offer"))
            .expect("accepted")
    });
    net.secs(1);
    assert_eq!(net.changed(0), Ok(sdp("offer")));
    net.at(0, |ep, now| {
        ep.ack(now, caller, sdp("answer")).expect("acknowledged")
    });
    net.secs(1);
    assert_eq!(net.confirmed(1), sdp("answer"));
    hang_up(&mut net, caller);
}

/// RFC 3261 section 14.1: both are told 491 and try again, each after a time of its own; both get through.
#[test]
fn changes_that_meet_are_tried_again() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("a")).expect("asked")
    });
    net.at(1, |ep, now| {
        ep.change(now, callee, sdp("b")).expect("asked")
    });
    net.millis(100);
    assert_eq!((net.sent(0, "491"), net.sent(1, "491")), (1, 1));
    assert_eq!(
        net.at(0, |ep, now| ep.change(now, caller, sdp("c"))),
        Err(SessionError::WrongState),
        "one waits already"
    );
    net.millis(2050);
    assert_eq!(net.change_requested(0), sdp("b"), "who was called is first");
    net.at(0, |ep, now| {
        ep.accept_change(now, caller, sdp("b")).expect("accepted")
    });
    net.secs(4);
    assert_eq!(net.changed(1), Ok(sdp("b")));
    assert_eq!(net.change_requested(1), sdp("a"));
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("a")).expect("accepted")
    });
    net.secs(1);
    assert_eq!(net.changed(0), Ok(sdp("a")));
    hang_up(&mut net, caller);
}

#[test]
fn a_change_whose_ack_is_lost_ends_the_session() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("a")).expect("asked")
    });
    net.millis(50);
    net.change_requested(1);
    net.drop_if = Some(Box::new(|text| text.starts_with("ACK")));
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("a")).expect("accepted")
    });
    net.secs(33);
    assert!(net.changed(0).is_ok());
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Bye, Ending::NoAck));
    net.assert_clean();
}

#[test]
fn a_bye_ends_a_change_under_way() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("a")).expect("asked")
    });
    net.secs(1);
    net.change_requested(1);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    assert_eq!(net.sent(1, "487"), 1, "the change is refused");
    assert_eq!(
        net.at(1, |ep, now| ep.accept_change(now, callee, None)),
        Err(SessionError::NoSuchSession)
    );
    net.assert_clean();
}

/// A raw caller (node 1) in a session with the endpoint (node 0); the endpoint's tag.
fn raw_session(net: &mut Net, more: &str) -> (usize, SessionId, String) {
    let peer = net.add(None);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 10, more),
    );
    net.millis(50);
    let (session, _) = net.incoming(0);
    net.at(0, |ep, now| {
        ep.answer(now, session, sdp("answer")).expect("answered")
    });
    net.millis(50);
    let tag = match read(&net.nodes[peer].inbox.pop_back().expect("a 200 came")) {
        Message::Response(response) => response
            .headers
            .to()
            .expect("a To")
            .tag()
            .expect("a tag")
            .to_owned(),
        Message::Request(request) => panic!("a response expected, {request:?} came"),
    };
    net.send_raw(
        peer,
        0,
        &raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 10, ""),
    );
    net.millis(50);
    net.confirmed(0);
    net.nodes[peer].inbox.clear();
    (peer, session, tag)
}

/// The To tag of the last response that a raw peer got.
fn last_tag(net: &mut Net, peer: usize) -> String {
    net.millis(50);
    let bytes = net.nodes[peer].inbox.pop_back().expect("something came");
    let Message::Response(response) = read(&bytes) else {
        panic!("a response expected");
    };
    let to = response.headers.to().expect("a To");
    to.tag().expect("a tag").to_owned()
}

/// Early media from one place, the answer from another: to the caller two branches, each with a description of its own.
#[test]
fn a_call_that_branches_off_leaves_its_early_dialog() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let invite = raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 10, "");
    net.send_raw(peer, 0, &invite);
    net.millis(50);
    let (session, _) = net.incoming(0);
    net.at(0, |ep, now| {
        ep.progress(now, session, StatusCode::SESSION_PROGRESS, sdp("early"))
            .expect("early media");
    });
    let early = last_tag(&mut net, peer);
    net.at(0, |ep, now| {
        ep.branch_off(session).expect("not answered yet");
        ep.answer(now, session, sdp("answer")).expect("answered");
        assert_eq!(ep.branch_off(session), Err(SessionError::WrongState));
    });
    let answered = last_tag(&mut net, peer);
    assert_ne!(early, answered);

    let ack = raw(&Method::Ack, peer, "z9hG4bK2", ("t", &answered), 10, "");
    net.send_raw(peer, 0, &ack);
    net.millis(50);
    assert_eq!(net.confirmed(0), None);
    let stale = raw(&Method::Info, peer, "z9hG4bK3", ("t", &early), 11, "");
    net.send_raw(peer, 0, &stale);
    assert_eq!(last_status(&mut net, peer), 481);
    net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    net.millis(50);
    let bye = request(&mut net, peer);
    assert_eq!(bye.from().expect("a From").tag(), Some(&*answered));
    net.send_raw(peer, 0, &reply(&bye, 200, "t", ""));
    net.secs(40);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

fn last_status(net: &mut Net, peer: usize) -> u16 {
    net.millis(50);
    let bytes = net.nodes[peer].inbox.pop_back().expect("something came");
    match read(&bytes) {
        Message::Response(response) => response.status.code(),
        Message::Request(request) => panic!("a response expected, {request:?} came"),
    }
}

#[test]
fn requests_inside_are_answered_by_their_kind_and_order() {
    let mut net = Net::new(1);
    let (peer, _, tag) = raw_session(&mut net, "");
    let tags = ("t", tag.as_str());
    let info = raw(&Method::Info, peer, "z9hG4bK3", tags, 11, "");
    net.send_raw(peer, 0, &info);
    assert_eq!(last_status(&mut net, peer), 200);
    net.expect(0, "InSession", |event| {
        matches!(event, Event::InSession { .. }).then_some(())
    });
    net.send_raw(peer, 0, &info);
    assert_eq!(last_status(&mut net, peer), 200);
    assert!(net.event(0).is_none(), "the same INFO again is no news");

    net.send_raw(peer, 0, &raw(&Method::Info, peer, "z9hG4bK4", tags, 9, ""));
    assert_eq!(last_status(&mut net, peer), 500, "lower CSeq");
    net.send_raw(
        peer,
        0,
        &raw(&Method::Options, peer, "z9hG4bK5", tags, 12, ""),
    );
    assert_eq!(last_status(&mut net, peer), 200);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Subscribe, peer, "z9hG4bK6", tags, 13, ""),
    );
    assert_eq!(last_status(&mut net, peer), 405);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Update, peer, "z9hG4bK7", tags, 14, ""),
    );
    assert_eq!(
        last_status(&mut net, peer),
        200,
        "UPDATE without offer only refreshes"
    );
    net.send_raw(
        peer,
        0,
        &raw(&Method::Bye, peer, "z9hG4bK8", ("other", &tag), 15, ""),
    );
    assert_eq!(
        last_status(&mut net, peer),
        481,
        "another From tag is another dialog"
    );
    net.send_raw(peer, 0, &raw(&Method::Bye, peer, "z9hG4bK9", tags, 16, ""));
    assert_eq!(last_status(&mut net, peer), 200);
    assert_eq!(net.ended(0), Ending::Bye);
    net.send_raw(peer, 0, &raw(&Method::Bye, peer, "z9hG4bK10", tags, 17, ""));
    assert_eq!(last_status(&mut net, peer), 481);
    net.assert_clean();
}

#[test]
fn update_with_an_offer_asks_for_a_change() {
    let mut net = Net::new(1);
    let (peer, session, tag) = raw_session(&mut net, "");
    let update = raw(
        &Method::Update,
        peer,
        "z9hG4bK3",
        ("t", &tag),
        11,
        "Content-Type: application/sdp\r\n",
    )
    .replace("Content-Length: 0\r\n\r\n", "Content-Length: 4\r\n\r\nhold");
    net.send_raw(peer, 0, &update);
    net.millis(50);
    assert_eq!(net.change_requested(0), sdp("hold"));
    net.at(0, |ep, now| {
        ep.accept_change(now, session, sdp("held"))
            .expect("accepted")
    });
    assert_eq!(last_status(&mut net, peer), 200);
    net.secs(40);
    assert_eq!(
        net.ep(0).sessions(),
        1,
        "an UPDATE's 200 has no ACK to wait for"
    );
    net.send_raw(
        peer,
        0,
        &raw(&Method::Bye, peer, "z9hG4bK9", ("t", &tag), 16, ""),
    );
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Bye);
    net.assert_clean();
}

#[test]
fn a_change_taken_back_is_gone() {
    let mut net = Net::new(1);
    let (peer, session, tag) = raw_session(&mut net, "");
    net.send_raw(
        peer,
        0,
        &raw(&Method::Invite, peer, "z9hG4bK3", ("t", &tag), 11, ""),
    );
    net.millis(50);
    net.change_requested(0);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Cancel, peer, "z9hG4bK3", ("t", &tag), 11, ""),
    );
    assert_eq!(last_status(&mut net, peer), 487);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Ack, peer, "z9hG4bK3", ("t", &tag), 11, ""),
    );
    assert_eq!(
        net.at(0, |ep, now| ep.accept_change(now, session, None)),
        Err(SessionError::WrongState)
    );
    net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    net.secs(40);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

/// The BYE goes by the proxies that recorded themselves, to the Contact; a strict router gets the Request-URI.
#[test]
fn route_sets_are_followed() {
    for (record, uri, routes) in [
        (
            "Record-Route: <sip:192.0.2.3;lr>, <sip:192.0.2.4;lr>\r\n",
            "sip:raw@192.0.2.2:5060",
            vec!["<sip:192.0.2.3;lr>", "<sip:192.0.2.4;lr>"],
        ),
        (
            "Record-Route: <sip:192.0.2.3>\r\nRecord-Route: <sip:192.0.2.4;lr>\r\n",
            "sip:192.0.2.3",
            vec!["<sip:192.0.2.4;lr>", "<sip:raw@192.0.2.2:5060>"],
        ),
    ] {
        let mut net = Net::new(1);
        let (_, session, _) = raw_session(&mut net, record);
        let proxy = net.add(None);
        net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
        net.millis(50);
        let bye = request(&mut net, proxy);
        assert_eq!(bye.method, Method::Bye);
        assert_eq!(bye.uri.to_string(), uri);
        assert_eq!(
            bye.headers.list(&HeaderName::Route).collect::<Vec<_>>(),
            routes
        );
        net.send_raw(proxy, 0, &reply(&bye, 200, "", ""));
        net.millis(50);
        assert_eq!(net.ended(0), Ending::Ours);
        net.assert_clean();
    }
}

/// The caller sees the proxies of the 2xx the other way round (RFC 3261 section 12.1.2).
#[test]
fn the_callers_route_set_is_the_reverse() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let proxy = net.add(None);
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(peer))).expect("invited")
    });
    net.millis(50);
    let invite = request(&mut net, peer);
    let more = format!(
        "Record-Route: <sip:192.0.2.9;lr>\r\nRecord-Route: <sip:192.0.2.3;lr>\r\nContact: <sip:raw@{}>\r\n",
        address(peer)
    );
    net.send_raw(peer, 0, &reply(&invite, 200, "x", &more));
    net.millis(50);
    net.answered(0);
    let ack = request(&mut net, proxy);
    assert_eq!(ack.method, Method::Ack);
    let routes: Vec<_> = ack.headers.list(&HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:192.0.2.3;lr>", "<sip:192.0.2.9;lr>"]);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(40);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

/// An ACK of another CSeq acknowledges nothing.
#[test]
fn only_the_ack_of_its_invite_stops_a_200() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 10, ""),
    );
    net.millis(50);
    let (session, _) = net.incoming(0);
    net.at(0, |ep, now| {
        ep.answer(now, session, sdp("answer")).expect("answered")
    });
    net.millis(50);
    let Message::Response(ok) = read(&net.nodes[peer].inbox.pop_back().expect("a 200 came")) else {
        panic!("a response expected");
    };
    let tag = ok
        .headers
        .to()
        .expect("a To")
        .tag()
        .expect("a tag")
        .to_owned();
    net.send_raw(
        peer,
        0,
        &raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 9, ""),
    );
    net.secs(40);
    assert_eq!(net.ended(0), Ending::NoAck);
    net.assert_clean();
}

#[test]
fn the_contact_of_a_change_is_where_the_bye_goes() {
    let mut net = Net::new(1);
    let (peer, session, tag) = raw_session(&mut net, "");
    let moved = net.add(None);
    let update = raw(&Method::Update, peer, "z9hG4bK3", ("t", &tag), 11, "");
    net.send_raw(
        peer,
        0,
        &update.replace("<sip:raw@192.0.2.2:5060>", "<sip:raw@192.0.2.3:5060>"),
    );
    net.millis(50);
    net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    net.millis(50);
    let bye = request(&mut net, moved);
    net.send_raw(moved, 0, &reply(&bye, 200, "", ""));
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

/// RFC 3581: a phone behind a NAT names an address of its own in Via and Contact; what it is sent goes to where it
/// sent from.
#[test]
fn a_peer_behind_a_nat_is_answered_where_it_is() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let inner = |text: String| text.replace("192.0.2.2:5060", "10.0.0.9:5062");
    net.send_raw(
        peer,
        0,
        &inner(raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 1, "")),
    );
    net.millis(50);
    let (session, _) = net.incoming(0);
    net.at(0, |ep, now| {
        ep.answer(now, session, sdp("answer")).expect("answered")
    });
    net.millis(50);
    let Message::Response(ok) = read(&net.nodes[peer].inbox.pop_back().expect("a 200 came")) else {
        panic!("a response expected");
    };
    let via = ok.via_top().expect("a Via");
    assert_eq!(via.rport(), Some(Some(5060)));
    assert_eq!(via.received(), Some(address(peer).ip()));
    let tag = ok
        .headers
        .to()
        .expect("a To")
        .tag()
        .expect("a tag")
        .to_owned();
    net.send_raw(
        peer,
        0,
        &inner(raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 1, "")),
    );
    net.millis(50);
    net.confirmed(0);
    net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    net.millis(50);
    let bye = request(&mut net, peer);
    assert_eq!(bye.method, Method::Bye);
    net.send_raw(peer, 0, &reply(&bye, 200, "", ""));
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

fn hang_up(net: &mut Net, caller: SessionId) {
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    net.assert_clean();
}
