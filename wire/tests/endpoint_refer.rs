//! REFER and Replaces (RFC 3515, RFC 3891), and requests from where a session has no part.

mod sip_net;

use sip_net::{
    Net, RawSession, hang_up, raw, raw_bye, raw_session, reply, request, response, status,
};
use wire::sip::{
    endpoint::{Ending, Event, SessionError, SessionId, TransportKind},
    header::NameAddr,
    message::{HeaderName, Headers, Method, StatusCode},
};

fn target() -> NameAddr {
    NameAddr::parse("<sip:nurse@192.0.2.9?Replaces=x%3Bto-tag%3Da%3Bfrom-tag%3Db>")
        .expect("an address")
}

fn refer(net: &mut Net, from: usize, session: SessionId) {
    net.at(from, |ep, now| {
        ep.refer(now, session, &target(), &Headers::new())
            .expect("asked")
    });
    net.millis(100);
}

fn progress(net: &mut Net, node: usize) -> (Option<u16>, bool) {
    net.expect(node, "ReferProgress", |event| match event {
        Event::ReferProgress { status, over, .. } => Some((status.map(StatusCode::code), *over)),
        _ => None,
    })
}

fn refer_answered(net: &mut Net, node: usize) -> Result<(), u16> {
    net.expect(node, "ReferAnswered", |event| match event {
        Event::ReferAnswered { result, .. } => Some(result.map_err(StatusCode::code)),
        _ => None,
    })
}

fn referred(net: &mut Net, node: usize) -> Box<NameAddr> {
    net.expect(node, "Referred", |event| match event {
        Event::Referred { to, .. } => Some(to.clone()),
        _ => None,
    })
}

#[test]
fn a_referral_is_accepted_and_followed_to_its_end() {
    let mut net = Net::featured(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    for (asks, from, does, to) in [(0, caller, 1, callee), (1, callee, 0, caller)] {
        refer(&mut net, asks, from);
        assert_eq!(*referred(&mut net, does), target());
        assert_eq!(
            net.at(asks, |ep, now| ep.refer(
                now,
                from,
                &target(),
                &Headers::new()
            )),
            Err(SessionError::WrongState),
            "one at a time"
        );
        net.at(does, |ep, now| ep.accept_refer(now, to).expect("accepted"));
        net.millis(100);
        assert_eq!(refer_answered(&mut net, asks), Ok(()));
        assert_eq!(progress(&mut net, asks), (Some(100), false));
        for (status, over) in [(180, false), (200, true)] {
            let status = StatusCode::new(status).expect("a status");
            net.at(does, |ep, now| {
                ep.report_refer(now, to, status).expect("told")
            });
            net.millis(100);
            assert_eq!(progress(&mut net, asks), (Some(status.code()), over));
        }
        assert_eq!(
            net.at(does, |ep, now| ep.report_refer(now, to, StatusCode::OK)),
            Err(SessionError::WrongState),
            "the subscription is over"
        );
    }
    hang_up(&mut net, caller);
}

#[test]
fn a_referral_is_refused_and_may_be_asked_again() {
    let mut net = Net::featured(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    for _ in 0..2 {
        refer(&mut net, 0, caller);
        referred(&mut net, 1);
        net.at(1, |ep, now| {
            ep.reject_refer(now, callee, StatusCode::FORBIDDEN)
                .expect("refused")
        });
        net.millis(100);
        assert_eq!(refer_answered(&mut net, 0), Err(403));
    }
    hang_up(&mut net, caller);
}

#[test]
fn a_referral_nobody_follows_up_ends_by_itself() {
    for accepted in [true, false] {
        let mut net = Net::featured(2);
        let (caller, callee) = net.call_up(TransportKind::Udp);
        refer(&mut net, 0, caller);
        referred(&mut net, 1);
        if accepted {
            net.at(1, |ep, now| ep.accept_refer(now, callee).expect("accepted"));
            net.secs(1);
            assert_eq!(refer_answered(&mut net, 0), Ok(()));
            assert_eq!(progress(&mut net, 0), (Some(100), false));
            net.secs(181);
            assert!(progress(&mut net, 0).1, "over");
        } else {
            net.secs(33);
            assert_eq!(refer_answered(&mut net, 0), Err(408), "no response");
            net.secs(150);
        }
        net.nodes[0].events.clear();
        hang_up(&mut net, caller);
    }
}

/// Such as a caller's phone that takes on to call one provider and never tells that it couldn't: the next has its turn.
#[test]
fn a_referral_whose_outcome_is_never_told_is_followed_by_another() {
    let mut net = Net::featured(1);
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
    let again = |net: &mut Net| {
        refer(net, 0, session);
        let asked = request(net, peer);
        assert_eq!(asked.method, Method::Refer);
        let cseq = asked.cseq().expect("a CSeq").number;
        net.send_raw(peer, 0, &reply(&asked, 202, "", ""));
        net.millis(50);
        assert_eq!(refer_answered(net, 0), Ok(()));
        cseq
    };
    let first = again(&mut net);
    let second = again(&mut net);
    let notify = |net: &mut Net, cseq: u32, of: &str, status: u16| {
        let more = format!(
            "Event: refer{of}\r\nSubscription-State: terminated\r\nContent-Type: message/sipfrag\r\n"
        );
        let branch = format!("z9hG4bKn{cseq}");
        let text = raw(&Method::Notify, peer, &branch, ("t", &tag), cseq, &more);
        let text = text.replace(
            "Content-Length: 0\r\n\r\n",
            &format!("Content-Length: 13\r\n\r\nSIP/2.0 {status} x"),
        );
        net.send_raw(peer, 0, &text);
        net.millis(50);
    };
    // Of the first, as a phone tells that and as another does.
    notify(&mut net, 20, &format!(";id={first}"), 404);
    notify(&mut net, 21, "", 404);
    notify(&mut net, 22, &format!(";id={second}"), 200);
    assert_eq!(progress(&mut net, 0), (Some(200), true));
    net.nodes[peer].inbox.clear();
    raw_bye(&mut net, peer, &tag);
}

#[test]
fn a_session_that_ends_ends_its_subscription() {
    let mut net = Net::featured(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    refer(&mut net, 0, caller);
    referred(&mut net, 1);
    net.at(1, |ep, now| ep.accept_refer(now, callee).expect("accepted"));
    net.millis(100);
    assert_eq!(refer_answered(&mut net, 0), Ok(()));
    progress(&mut net, 0);
    let before = net.sent(1, "NOTIFY");
    net.at(1, |ep, now| ep.end(now, callee, None).expect("ended"));
    net.secs(1);
    assert_eq!(net.sent(1, "NOTIFY"), before + 1, "the last one");
    assert!(progress(&mut net, 0).1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Bye, Ending::Ours));
    net.assert_clean();
}

#[test]
fn a_referral_outside_a_call_or_to_nobody_is_refused() {
    let mut net = Net::featured(1);
    let peer = net.add(None);
    let text = raw(
        &Method::Refer,
        peer,
        "z9hG4bK1",
        ("t", ""),
        10,
        "Refer-To: <sip:a@192.0.2.9>\r\n",
    );
    net.send_raw(peer, 0, &text);
    assert_eq!(status(&mut net, peer), 403);
    let RawSession { peer, tag, .. } = raw_session(&mut net, "");
    for (cseq, more) in [
        (11, ""),
        (12, "Refer-To: nonsense\r\n"),
        (13, "Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n"),
    ] {
        let branch = format!("z9hG4bKr{cseq}");
        net.send_raw(
            peer,
            0,
            &raw(&Method::Refer, peer, &branch, ("t", &tag), cseq, more),
        );
        assert_eq!(status(&mut net, peer), 400, "{more}");
    }
    raw_bye(&mut net, peer, &tag);
}

#[test]
fn an_invite_takes_the_place_of_a_session_that_is_up() {
    let mut net = Net::featured(1);
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
    let other = net.add(None);
    let named = format!("Replaces: raw-{peer};to-tag={tag};from-tag=t");
    for (branch, more, expected) in [
        ("z9hG4bKx1", format!("{named};early-only\r\n"), 486),
        (
            "z9hG4bKx2",
            format!("Replaces: raw-{peer};to-tag={tag};from-tag=u\r\n"),
            481,
        ),
        (
            "z9hG4bKx3",
            format!("Replaces: other;to-tag={tag};from-tag=t\r\n"),
            481,
        ),
        ("z9hG4bKx4", "Replaces: nonsense\r\n".to_owned(), 400),
        ("z9hG4bKx5", format!("{named}\r\n{named}\r\n"), 400),
    ] {
        net.send_raw(
            other,
            0,
            &raw(&Method::Invite, other, branch, ("u", ""), 1, &more),
        );
        assert_eq!(status(&mut net, other), expected, "{more}");
    }
    let invite = raw(
        &Method::Invite,
        other,
        "z9hG4bKx6",
        ("u", ""),
        2,
        &format!("Require: replaces\r\n{named}\r\n"),
    );
    net.send_raw(other, 0, &invite);
    net.millis(50);
    let (new, replaces) = replacing(&mut net);
    assert_eq!(replaces, Some(session));
    net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    net.millis(50);
    let late = raw(
        &Method::Invite,
        other,
        "z9hG4bKx7",
        ("v", ""),
        3,
        &format!("{named}\r\n"),
    );
    net.send_raw(other, 0, &late);
    assert_eq!(status(&mut net, other), 603, "it ends already");
    let bye = request(&mut net, peer);
    net.send_raw(peer, 0, &reply(&bye, 200, "", ""));
    net.at(0, |ep, now| ep.end(now, new, None).expect("ended"));
    net.secs(40);
    assert_eq!((net.ended(0), net.ended(0)), (Ending::Ours, Ending::Ours));
    net.assert_clean();
}

#[test]
fn a_drain_refuses_new_calls_but_not_one_that_takes_the_place_of_a_session() {
    let mut net = Net::featured(1);
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
    net.ep(0).set_draining(true);
    let other = net.add(None);
    for (branch, call, expected) in [
        ("z9hG4bKd1", "other".to_owned(), 503),
        ("z9hG4bKd2", format!("raw-{peer}"), 100),
    ] {
        let more = format!("Replaces: {call};to-tag={tag};from-tag=t\r\n");
        let invite = raw(&Method::Invite, other, branch, ("u", ""), 1, &more);
        net.send_raw(other, 0, &invite);
        assert_eq!(status(&mut net, other), expected, "{more}");
    }
    let (new, replaces) = replacing(&mut net);
    assert_eq!(replaces, Some(session));
    net.at(0, |ep, now| ep.end(now, new, None).expect("declined"));
    assert_eq!(net.ended(0), Ending::Ours);
    raw_bye(&mut net, peer, &tag);
    net.secs(40);
    net.assert_clean();
}

#[test]
fn what_comes_from_elsewhere_with_a_sessions_names_is_refused_and_counted() {
    let mut net = Net::featured(1);
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
    let stranger = net.add(None);
    for (cseq, method) in [
        (11, Method::Bye),
        (12, Method::Invite),
        (13, Method::Refer),
        (14, Method::Info),
    ] {
        // As the peer would write it, Via and all, but from another address.
        let text = raw(
            &method,
            peer,
            &format!("z9hG4bKs{cseq}"),
            ("t", &tag),
            cseq,
            "",
        );
        net.send_raw(stranger, 0, &text);
        assert_eq!(status(&mut net, stranger), 403, "{method}");
    }
    assert_eq!(net.ep(0).counters().from_elsewhere, 4);
    assert!(net.event(0).is_none() && net.ep(0).call_id(session).is_some());
    let invite = raw(&Method::Invite, peer, "z9hG4bKn", ("n", ""), 1, "")
        .replace("Call-ID: raw", "Call-ID: new");
    net.send_raw(peer, 0, &invite);
    net.millis(50);
    let (ringing, _) = net.incoming(0);
    let cancel = invite.replace("INVITE", "CANCEL");
    net.send_raw(stranger, 0, &cancel);
    assert_eq!(status(&mut net, stranger), 403);
    net.nodes[peer].inbox.clear();
    net.send_raw(peer, 0, &cancel);
    assert_eq!(status(&mut net, peer), 487);
    assert_eq!(net.ended(0), Ending::Cancelled);
    assert!(net.ep(0).call_id(ringing).is_none());
    raw_bye(&mut net, peer, &tag);
}

/// RFC 3515 section 2.4.6: of the second and later ones in a dialog, NOTIFY says which it is about.
#[test]
fn a_second_referral_is_told_of_by_its_number() {
    let mut net = Net::featured(1);
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
    for (cseq, event) in [(11, "refer"), (12, "refer;id=12")] {
        let more = "Refer-To: <sip:b@example.invalid>\r\n";
        let branch = format!("z9hG4bK{cseq}");
        let asked = raw(&Method::Refer, peer, &branch, ("t", &tag), cseq, more);
        net.send_raw(peer, 0, &asked);
        net.millis(50);
        referred(&mut net, 0);
        net.at(0, |ep, now| {
            ep.accept_refer(now, session).expect("taken on")
        });
        for status in [None, Some(StatusCode::OK)] {
            if let Some(status) = status {
                net.at(0, |ep, now| {
                    ep.report_refer(now, session, status).expect("told")
                });
            }
            net.millis(50);
            let told = request(&mut net, peer);
            assert_eq!(told.headers.get(&HeaderName::Event), Some(event));
            net.send_raw(peer, 0, &reply(&told, 200, "", ""));
            net.millis(50);
        }
        if cseq == 11 {
            net.secs(190);
        }
    }
    raw_bye(&mut net, peer, &tag);
}

#[test]
fn options_tells_what_is_spoken_and_503_while_draining() {
    let mut net = Net::featured(1);
    let peer = net.add(None);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Options, peer, "z9hG4bK1", ("t", ""), 1, ""),
    );
    let ok = response(&mut net, peer);
    assert_eq!(ok.status, StatusCode::OK);
    for method in ["PRACK", "UPDATE", "REFER"] {
        assert!(ok.headers.lists(&HeaderName::Allow, method), "{method}");
    }
    for tag in ["100rel", "timer", "replaces"] {
        assert!(ok.headers.lists(&HeaderName::Supported, tag), "{tag}");
    }
    assert_eq!(
        ok.headers.get(&HeaderName::Accept),
        Some("application/sdp, multipart/mixed")
    );
    net.ep(0).set_draining(true);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Options, peer, "z9hG4bK2", ("t", ""), 2, ""),
    );
    assert_eq!(status(&mut net, peer), 503);
    net.assert_clean();
}

/// A call that comes in, and the session whose place it is to take.
fn replacing(net: &mut Net) -> (SessionId, Option<SessionId>) {
    net.expect(0, "Incoming", |event| match event {
        Event::Incoming {
            session, replaces, ..
        } => Some((*session, *replaces)),
        _ => None,
    })
}
