//! A call from INVITE to BYE, by UDP and TCP.

mod sip_net;

use sip_net::{Net, address, call, hang_up, raw_called, reply, sdp};
use wire::sip::{
    endpoint::{Ending, Event, Invite, SessionError, TransportKind},
    message::{HeaderName, Headers, StatusCode},
};

#[test]
fn a_call_rings_is_answered_and_ended_by_the_caller() {
    for transport in [TransportKind::Udp, TransportKind::Tcp] {
        let mut net = Net::new(2);
        let caller = net.at(0, |ep, now| {
            ep.invite(
                now,
                Invite {
                    transport: Some(transport),
                    ..call(address(1))
                },
            )
            .expect("invited")
        });
        net.millis(100);
        let (callee, request) = net.incoming(1);
        assert_eq!(
            request.body().map(|b| b.bytes),
            sdp("offer").map(|b| b.bytes)
        );
        assert_eq!(net.sent(1, "100"), 1, "100 Trying goes out at once");

        net.at(1, |ep, now| {
            ep.progress(now, callee, StatusCode::RINGING, None)
                .expect("rings")
        });
        net.millis(100);
        assert_eq!(net.progressed(0), 180);

        net.at(1, |ep, now| {
            ep.answer(now, callee, sdp("answer")).expect("answered")
        });
        net.millis(100);
        assert_eq!(
            net.answered(0).body().map(|b| b.bytes),
            sdp("answer").map(|b| b.bytes)
        );
        assert_eq!(net.confirmed(1), None);
        assert_eq!(
            net.ep(0).call_id(caller).map(str::to_owned),
            net.ep(1).call_id(callee).map(str::to_owned)
        );

        net.at(0, |ep, now| {
            ep.end(now, caller, Some("Q.850;cause=16")).expect("ended")
        });
        net.millis(100);
        assert_eq!(net.ended(1), Ending::Bye);
        assert_eq!(net.ended(0), Ending::Ours);
        assert_eq!(
            net.ep(0).end(sip_net::CALM_TIME, caller, None),
            Err(SessionError::NoSuchSession)
        );
        for node in 0..2 {
            let counters = net.ep(node).counters();
            assert_eq!(
                (counters.retransmitted, counters.repeated, counters.stray),
                (0, 0, 0),
                "{transport:?}"
            );
        }
        net.assert_clean();
    }
}

#[test]
fn the_callee_ends_over_the_connection_the_caller_opened() {
    let mut net = Net::new(2);
    let (_, callee) = net.call_up(TransportKind::Tcp);
    net.at(1, |ep, now| ep.end(now, callee, None).expect("ended"));
    net.secs(1);
    assert_eq!(net.ended(0), Ending::Bye);
    assert_eq!(net.ended(1), Ending::Ours);
    assert_eq!(
        (net.ep(0).connections(), net.ep(1).connections()),
        (1, 1),
        "one connection serves both ways"
    );
    net.assert_clean();
}

#[test]
fn the_callee_refuses_or_sends_on() {
    let mut net = Net::new(2);
    net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.millis(100);
    let (callee, _) = net.incoming(1);
    net.at(1, |ep, now| {
        ep.reject(now, callee, StatusCode::BUSY_HERE, &Headers::new())
            .expect("refused")
    });
    net.millis(100);
    assert_eq!(net.rejected(0), (486, true));

    net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.millis(100);
    let (callee, _) = net.incoming(1);
    let target = wire::sip::uri::Uri::sip(Some("elsewhere"), address(5));
    net.at(1, |ep, now| {
        ep.redirect(now, callee, vec![target.clone()])
            .expect("sent on")
    });
    net.millis(100);
    let (status, contacts) = net.expect(0, "Rejected", |event| match event {
        Event::Rejected {
            status, contacts, ..
        } => Some((status.code(), contacts.clone())),
        _ => None,
    });
    assert_eq!((status, contacts), (302, vec![target]));
    net.assert_clean();
}

#[test]
fn a_late_offer_waits_for_the_answer_in_the_ack() {
    let mut net = Net::new(2);
    let caller = net.at(0, |ep, now| {
        ep.invite(
            now,
            Invite {
                body: None,
                ..call(address(1))
            },
        )
        .expect("invited")
    });
    net.millis(100);
    let (callee, request) = net.incoming(1);
    assert_eq!(request.body(), None);
    net.at(1, |ep, now| {
        ep.answer(now, callee, sdp("offer")).expect("answered")
    });
    net.millis(700);
    assert!(net.answered(0).body().is_some());
    assert_eq!(net.sent(0, "ACK"), 0, "the ACK waits");
    net.at(0, |ep, now| {
        ep.ack(now, caller, sdp("answer")).expect("acknowledged")
    });
    assert_eq!(
        net.at(0, |ep, now| ep.ack(now, caller, None)),
        Err(SessionError::WrongState)
    );
    net.millis(100);
    assert_eq!(
        net.confirmed(1).map(|b| b.bytes),
        sdp("answer").map(|b| b.bytes)
    );
    hang_up(&mut net, caller);
}

#[test]
fn extra_headers_and_contact_features_go_along() {
    let mut net = Net::new(2);
    let mut headers = Headers::new();
    headers.push(HeaderName::Contact, "<sip:srs@192.0.2.2:5060>;+sip.srs");
    headers.push(HeaderName::parse("X-Test").expect("a token"), "1");
    headers.push(HeaderName::CallId, "not yours to set");
    net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.millis(100);
    let (callee, _) = net.incoming(1);
    net.at(1, |ep, now| {
        ep.answer_with(now, callee, &headers, sdp("answer"))
            .expect("answered")
    });
    net.millis(100);
    let response = net.answered(0);
    assert_eq!(
        response.headers.get(&HeaderName::Contact),
        Some("<sip:srs@192.0.2.2:5060>;+sip.srs")
    );
    assert_eq!(response.headers.get_all(&HeaderName::Contact).count(), 1);
    assert_eq!(response.headers.get_all(&HeaderName::CallId).count(), 1);
    assert!(
        response
            .headers
            .get(&HeaderName::parse("X-Test").expect("a token"))
            .is_some()
    );
    net.confirmed(1);
    net.at(1, |ep, now| ep.end(now, callee, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Bye, Ending::Ours));
    net.assert_clean();
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let mut net = Net::new(2);
        let (caller, _) = net.call_up(TransportKind::Udp);
        let id = net.ep(0).call_id(caller).map(str::to_owned);
        (id, net.trace)
    };
    assert_eq!(run(), run());
}

/// A proxy that forked: two phones accept. The first has the call, the second gets ACK and BYE.
#[test]
fn the_second_of_two_that_accept_gets_ack_and_bye() {
    let mut net = Net::new(1);
    let (peer, caller, invite) = raw_called(&mut net);
    let contact = format!("Contact: <sip:raw@{}>\r\n", address(peer));
    net.send_raw(peer, 0, &reply(&invite, 180, "a", &contact));
    net.send_raw(peer, 0, &reply(&invite, 180, "b", &contact));
    net.millis(50);
    assert_eq!((net.progressed(0), net.progressed(0)), (180, 180));
    for tag in ["a", "b", "a", "b"] {
        net.send_raw(peer, 0, &reply(&invite, 200, tag, &contact));
        net.millis(50);
    }
    net.answered(0);
    assert_eq!(
        (net.sent(0, "ACK"), net.sent(0, "BYE")),
        (4, 1),
        "each 200 has its ACK, the second phone one BYE"
    );
    let byes: Vec<String> = net.nodes[peer]
        .inbox
        .iter()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .filter(|text| text.starts_with("BYE"))
        .collect();
    assert!(byes[0].contains(";tag=b\r\n"), "{byes:?}");
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(40);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}
