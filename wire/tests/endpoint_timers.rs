//! Session timers (RFC 4028): who refreshes, what is too brief, and a peer that vanishes.

mod sip_net;

use sip_net::{
    Net, RawSession, address, call, hang_up, raw, raw_bye, raw_session, reply, request, response,
    sdp,
};
use wire::sip::{
    endpoint::{Ending, Event, Input, Local, TransportKind},
    message::{HeaderName, Method},
};

const INTERVAL: u64 = 600;

#[test]
fn a_session_is_refreshed_for_as_long_as_it_lasts() {
    let mut net = Net::featured(2);
    let (caller, _) = net.call_up(TransportKind::Udp);
    net.secs(3 * INTERVAL - 10);
    assert_eq!(
        (net.sent(0, "UPDATE"), net.sent(1, "UPDATE")),
        (5, 0),
        "who called refreshes, each half interval"
    );
    assert!(
        net.nodes.iter().all(|node| node.events.is_empty()),
        "nobody hears of it"
    );
    hang_up(&mut net, caller);
}

#[test]
fn a_peer_that_vanishes_ends_the_session_on_both_sides() {
    let mut net = Net::featured(2);
    net.call_up(TransportKind::Udp);
    net.drop_if = Some(Box::new(|_| true));
    net.secs(INTERVAL);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Lost, Ending::Lost));
    for node in 0..2 {
        assert_eq!(net.ep(node).counters().expired, 1);
        assert!(net.sent(node, "BYE") > 0, "the other may hear it");
    }
    net.assert_clean();
}

#[test]
fn what_the_caller_asks_for_is_granted_within_limits() {
    for (asked, granted, requires) in [
        ("", "600;refresher=uas", false),
        ("Supported: timer\r\n", "600;refresher=uac", true),
        (
            "Supported: timer\r\nSession-Expires: 120;refresher=uas\r\n",
            "120;refresher=uas",
            false,
        ),
        (
            "Supported: timer\r\nSession-Expires: 120;Refresher=UAS\r\n",
            "120;refresher=uas",
            false,
        ),
        (
            "Supported: timer\r\nx: 3600;refresher=uac\r\n",
            "600;refresher=uac",
            true,
        ),
        (
            "Supported: timer\r\nSession-Expires: 3600\r\nMin-SE: 1800\r\n",
            "1800;refresher=uac",
            true,
        ),
        // Who doesn't know session timers isn't held to them.
        ("Session-Expires: 10\r\n", "600;refresher=uas", false),
    ] {
        let mut net = Net::featured(1);
        let RawSession { peer, ok, tag, .. } = raw_session(&mut net, asked);
        assert_eq!(
            ok.headers.get(&HeaderName::SessionExpires),
            Some(granted),
            "{asked}"
        );
        assert_eq!(
            ok.headers.lists(&HeaderName::Require, "timer"),
            requires,
            "{asked}"
        );
        raw_bye(&mut net, peer, &tag);
    }
}

#[test]
fn too_brief_an_interval_is_422() {
    let mut net = Net::featured(1);
    let peer = net.add(None);
    let more = "Supported: timer\r\nSession-Expires: 89\r\n";
    net.send_raw(
        peer,
        0,
        &raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 10, more),
    );
    let refused = response(&mut net, peer);
    assert_eq!(
        (
            refused.status.code(),
            refused.headers.get(&HeaderName::MinSe)
        ),
        (422, Some("90"))
    );
    net.assert_clean();
}

#[test]
fn a_422_is_answered_with_a_longer_interval() {
    let mut net = Net::featured(1);
    let peer = net.add(None);
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(peer))).expect("invited")
    });
    net.millis(50);
    let first = request(&mut net, peer);
    net.send_raw(peer, 0, &reply(&first, 422, "x", "Min-SE: 3600\r\n"));
    net.millis(50);
    let again = request(&mut net, peer);
    assert_eq!(again.method, Method::Invite);
    assert_eq!(again.call_id(), first.call_id());
    assert_eq!(again.cseq().expect("a CSeq").number, 2);
    assert_eq!(again.body(), first.body());
    for name in [HeaderName::SessionExpires, HeaderName::MinSe] {
        assert_eq!(again.headers.get(&name), Some("3600"));
    }
    let contact = format!(
        "Contact: <sip:raw@{}>\r\nSession-Expires: 3600;refresher=uas\r\n",
        address(peer)
    );
    net.send_raw(peer, 0, &reply(&again, 200, "y", &contact));
    net.millis(50);
    net.answered(0);
    let ack = request(&mut net, peer);
    assert_eq!(
        (ack.method.clone(), ack.cseq().expect("a CSeq").number),
        (Method::Ack, 2)
    );
    // The other side is to refresh, and doesn't.
    net.secs(3600 - 32 - 1);
    assert!(net.event(0).is_none());
    net.secs(2);
    assert_eq!(net.ended(0), Ending::Lost);
    let bye = request(&mut net, peer);
    assert_eq!(bye.method, Method::Bye);
    net.send_raw(peer, 0, &reply(&bye, 200, "", ""));
    assert!(net.ep(0).call_id(caller).is_none());
    net.assert_clean();
}

#[test]
fn a_422_for_ever_fails_the_call() {
    let mut net = Net::featured(1);
    let peer = net.add(None);
    net.at(0, |ep, now| {
        ep.invite(now, call(address(peer))).expect("invited")
    });
    for tries in 1..=3 {
        net.millis(50);
        let invite = request(&mut net, peer);
        assert_eq!(invite.cseq().expect("a CSeq").number, tries);
        net.send_raw(
            peer,
            0,
            &reply(&invite, 422, "x", &format!("Min-SE: {}\r\n", 1000 * tries)),
        );
    }
    net.millis(50);
    assert_eq!(net.rejected(0), (422, true));
    net.assert_clean();
}

/// Neither session timers nor UPDATE: our user sends the session description again; a vanished peer is found out.
#[test]
fn a_peer_that_knows_nothing_of_it_is_asked_by_reinvite() {
    let mut net = Net::featured(1);
    let RawSession { peer, session, .. } = raw_session(&mut net, "");
    net.secs(INTERVAL / 2 + 1);
    net.expect(0, "RefreshDue", |event| {
        matches!(event, Event::RefreshDue { .. }).then_some(())
    });
    net.at(0, |ep, now| {
        ep.change(now, session, sdp("as before")).expect("asked")
    });
    net.millis(50);
    let again = request(&mut net, peer);
    assert_eq!(
        (again.method.clone(), again.body()),
        (Method::Invite, sdp("as before"))
    );
    net.send_raw(peer, 0, &reply(&again, 200, "", ""));
    net.millis(50);
    assert!(net.changed(0).is_ok());
    net.secs(INTERVAL / 2 + 1);
    net.expect(0, "RefreshDue", |event| {
        matches!(event, Event::RefreshDue { .. }).then_some(())
    });
    net.at(0, |ep, now| {
        ep.change(now, session, sdp("as before")).expect("asked")
    });
    net.secs(40);
    assert_eq!(net.ended(0), Ending::Lost, "nobody answers");
    net.assert_clean();
}

#[test]
fn a_refresh_that_cannot_be_now_is_tried_again() {
    let mut net = Net::featured(1);
    let RawSession { peer, .. } = raw_session(&mut net, "Allow: INVITE, UPDATE\r\n");
    net.secs(INTERVAL / 2);
    for (status, more) in [
        (491, ""),
        (500, "Retry-After: 1\r\n"),
        (422, "Min-SE: 1200\r\n"),
    ] {
        let update = request(&mut net, peer);
        assert_eq!(update.method, Method::Update, "{status}");
        net.send_raw(peer, 0, &reply(&update, status, "", more));
        net.secs(6);
    }
    let update = request(&mut net, peer);
    assert_eq!(
        update.headers.get(&HeaderName::SessionExpires),
        Some("1200;refresher=uac")
    );
    net.send_raw(peer, 0, &reply(&update, 481, "", ""));
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Lost, "the peer knows it no more");
    net.assert_clean();
}

/// Else it is asked as fast as it answers, for as long as it likes.
#[test]
fn a_peer_that_wants_ever_longer_intervals_is_asked_so_often_at_most() {
    let mut net = Net::featured(1);
    let RawSession { peer, tag, .. } = raw_session(&mut net, "Allow: INVITE, UPDATE\r\n");
    net.secs(INTERVAL / 2);
    let mut asked = 0;
    for least in 700..800 {
        if net.nodes[peer].inbox.is_empty() {
            break;
        }
        let update = request(&mut net, peer);
        assert_eq!(update.method, Method::Update);
        asked += 1;
        let longer = format!("Min-SE: {least}\r\n");
        net.send_raw(peer, 0, &reply(&update, 422, "", &longer));
        net.millis(50);
    }
    assert_eq!(asked, 3);
    // The next refresh is due all the same.
    net.secs(INTERVAL / 2);
    assert_eq!(request(&mut net, peer).method, Method::Update);
    raw_bye(&mut net, peer, &tag);
}

/// A change that is refused leaves the session as it was: whoever refreshed it goes on doing so.
#[test]
fn a_change_that_is_refused_or_withdrawn_changes_nothing_of_who_refreshes() {
    const THEIRS: &str =
        "Allow: INVITE, UPDATE\r\nSupported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    for refused in [true, false] {
        let mut net = Net::featured(1);
        let ours = THEIRS.replace("=uac", "=uas");
        let RawSession {
            peer, session, tag, ..
        } = raw_session(&mut net, &ours);
        let asks = |method, cseq| raw(&method, peer, "z9hG4bK3", ("t", &tag), cseq, THEIRS);
        net.send_raw(peer, 0, &asks(Method::Invite, 11));
        net.millis(50);
        net.expect(0, "ChangeRequested", |event| {
            matches!(event, Event::ChangeRequested { .. }).then_some(())
        });
        if refused {
            net.at(0, |ep, now| {
                let status = wire::sip::message::StatusCode::NOT_ACCEPTABLE_HERE;
                ep.reject_change(now, session, status).expect("refused");
            });
        } else {
            net.send_raw(peer, 0, &asks(Method::Cancel, 11));
        }
        net.millis(50);
        net.send_raw(peer, 0, &asks(Method::Ack, 11));
        net.secs(INTERVAL / 2);
        let update = request(&mut net, peer);
        assert_eq!(update.method, Method::Update, "ours to refresh as before");
        net.send_raw(peer, 0, &reply(&update, 200, "", ""));
        net.millis(50);
        raw_bye(&mut net, peer, &tag);
    }
}

/// Who is told "not now" for ever has a peer that lost the session: it ends when it expires (RFC 4028 section 10).
#[test]
fn a_session_that_is_never_refreshed_ends_when_it_expires() {
    let mut net = Net::featured(1);
    let known =
        "Allow: INVITE, UPDATE\r\nSupported: timer\r\nSession-Expires: 120;refresher=uas\r\n";
    let RawSession { peer, .. } = raw_session(&mut net, known);
    net.secs(60);
    for _ in 0..30 {
        if !net.nodes[peer].inbox.is_empty() {
            let asked = request(&mut net, peer);
            let bye = asked.method == Method::Bye;
            let status = if bye { 200 } else { 503 };
            net.send_raw(peer, 0, &reply(&asked, status, "", ""));
        }
        net.secs(3);
    }
    assert_eq!(net.ended(0), Ending::Lost);
    assert_eq!(net.ep(0).counters().expired, 1);
    assert!(net.sent(0, "UPDATE") > 10, "tried all the time");
    net.assert_clean();
}

/// A network that is away for a moment is no peer that is gone.
#[test]
fn a_refresh_that_cannot_be_sent_is_sent_again() {
    let mut net = Net::featured(2);
    let (caller, _) = net.call_up(TransportKind::Udp);
    net.secs(INTERVAL / 2 - 5);
    for _ in 0..10_000 {
        if net.sent(0, "UPDATE") > 0 {
            break;
        }
        net.millis(1);
    }
    net.at(0, |ep, now| {
        let (local, peer) = (Local::FIRST, address(1));
        ep.handle(now, Input::Unreachable { local, peer });
    });
    net.secs(INTERVAL);
    assert!(net.sent(0, "UPDATE") > 2);
    hang_up(&mut net, caller);
}
