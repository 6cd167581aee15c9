//! Changes to a session that is up, from both sides: re-INVITE, UPDATE, late offers, glare.

mod sip_net;

use sip_net::{Net, RawSession, hang_up, raw, raw_session, sdp, status};
use wire::sip::{
    endpoint::{Ending, SessionError, TransportKind},
    message::{Method, StatusCode},
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
        net.change_confirmed(grants);

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

/// RFC 3261 section 14.1: both are told 491 and try again, each after a time of its own. Who comes second makes the offer anew: what it
/// described is of before the other's.
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
    net.change_confirmed(0);
    net.change_overtaken(0);
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("a2")).expect("asked")
    });
    net.secs(1);
    assert_eq!(net.change_requested(1), sdp("a2"));
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("a2")).expect("accepted")
    });
    net.secs(1);
    assert_eq!(net.changed(0), Ok(sdp("a2")));
    net.change_confirmed(1);
    hang_up(&mut net, caller);
}

/// Nothing came in between: it is tried again as it was.
#[test]
fn a_change_that_was_refused_by_491_is_tried_again() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("a")).expect("asked")
    });
    net.millis(100);
    net.change_requested(1);
    net.at(1, |ep, now| {
        ep.reject_change(now, callee, StatusCode::REQUEST_PENDING)
            .expect("refused")
    });
    net.secs(5);
    assert_eq!(net.change_requested(1), sdp("a"));
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("b")).expect("accepted")
    });
    net.secs(1);
    assert_eq!(net.changed(0), Ok(sdp("b")));
    net.change_confirmed(1);
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

#[test]
fn update_with_an_offer_asks_for_a_change() {
    let mut net = Net::new(1);
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
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
    assert_eq!(status(&mut net, peer), 200);
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
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
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
    assert_eq!(status(&mut net, peer), 487);
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
