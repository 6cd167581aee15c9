//! Reliable provisional responses, offers before the answer, and calls that a proxy forks (RFC 3262, RFC 3311).

mod sip_net;

use std::time::Duration;

use sip_net::{
    CALM, Net, Weather, address, call, end_raw, hang_up, raw, raw_called, raw_caller, reply,
    request, response, sdp, status, tag_of, with_body,
};
use wire::sip::{
    endpoint::{Ending, Event, Invite, SessionError, SessionId},
    message::{Body, HeaderName, Method, Response, StatusCode},
};

const RELIABLE: &str = "Require: 100rel\r\n";

/// Node 0 calls node 1; the names at both.
fn ringing(net: &mut Net) -> (SessionId, SessionId) {
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.millis(50);
    (caller, net.incoming(1).0)
}

fn early(net: &mut Net, callee: SessionId, text: &str) {
    net.at(1, |ep, now| {
        ep.progress(now, callee, StatusCode::SESSION_PROGRESS, sdp(text))
            .expect("early media");
    });
}

fn rseq_of(response: &Response) -> u32 {
    response
        .headers
        .get(&HeaderName::RSeq)
        .expect("an RSeq")
        .parse()
        .expect("a number")
}

#[test]
fn a_reliable_18x_is_acknowledged_and_the_200_waits_for_that() {
    let mut net = Net::featured(2);
    let (caller, callee) = ringing(&mut net);
    early(&mut net, callee, "early");
    net.at(1, |ep, now| {
        ep.answer(now, callee, sdp("answer")).expect("kept");
        assert_eq!(ep.answer(now, callee, None), Err(SessionError::WrongState));
    });
    assert_eq!(net.sent(1, "200"), 0, "the 200 waits");
    net.secs(1);
    assert_eq!((net.sent(0, "PRACK"), net.sent(1, "183")), (1, 1));
    assert_eq!(
        (net.progressed(0), net.answered(0).status),
        (183, StatusCode::OK)
    );
    net.confirmed(1);
    hang_up(&mut net, caller);
}

#[test]
fn a_reliable_18x_or_its_prack_that_is_lost_is_sent_again() {
    for lost in ["SIP/2.0 183", "PRACK", "SIP/2.0 200"] {
        let mut net = Net::featured(2);
        let (caller, callee) = ringing(&mut net);
        let mut left = 2;
        net.drop_if = Some(Box::new(move |text| {
            let drops = left > 0 && text.starts_with(lost);
            left -= u32::from(drops);
            drops
        }));
        early(&mut net, callee, "early");
        net.secs(4);
        assert_eq!(net.progressed(0), 183, "{lost}: once");
        net.at(1, |ep, now| {
            ep.answer(now, callee, sdp("answer")).expect("answered")
        });
        net.secs(4);
        net.answered(0);
        net.confirmed(1);
        hang_up(&mut net, caller);
    }
}

#[test]
fn one_that_only_supports_it_hears_of_ringing_the_plain_way() {
    let mut net = Net::featured(2);
    let (caller, callee) = ringing(&mut net);
    net.at(1, |ep, now| {
        ep.progress(now, callee, StatusCode::RINGING, None)
            .expect("rings");
        ep.answer(now, callee, sdp("answer")).expect("answered");
    });
    net.secs(1);
    assert_eq!(net.sent(0, "PRACK"), 0);
    net.progressed(0);
    net.answered(0);
    net.confirmed(1);
    hang_up(&mut net, caller);
}

fn with_offer(text: &str) -> String {
    with_body(text, "offer")
}

#[test]
fn a_prack_for_nothing_that_waits_is_481() {
    let mut net = Net::featured(1);
    let peer = net.add(None);
    let invite = with_offer(&raw(
        &Method::Invite,
        peer,
        "z9hG4bK1",
        ("t", ""),
        10,
        RELIABLE,
    ));
    net.send_raw(peer, 0, &invite);
    net.millis(50);
    let (session, _) = net.incoming(0);
    net.at(0, |ep, now| {
        ep.progress(now, session, StatusCode::RINGING, None)
            .expect("rings");
        ep.progress(now, session, StatusCode::SESSION_PROGRESS, sdp("early"))
            .expect("waits");
    });
    let rings = response(&mut net, peer);
    assert_eq!(rings.status, StatusCode::RINGING);
    assert!(rings.headers.lists(&HeaderName::Require, "100rel"));
    let (tag, rseq) = (tag_of(&rings), rseq_of(&rings));
    for (cseq, rack) in [
        (11, format!("{} 10 INVITE", rseq + 1)),
        (12, format!("{rseq} 9 INVITE")),
        (13, "x".into()),
    ] {
        let branch = format!("z9hG4bKp{cseq}");
        let more = format!("RAck: {rack}\r\n");
        net.send_raw(
            peer,
            0,
            &raw(&Method::Prack, peer, &branch, ("t", &tag), cseq, &more),
        );
        assert_eq!(status(&mut net, peer), 481, "{rack}");
    }
    let more = format!("RAck: {rseq} 10 INVITE\r\n");
    net.send_raw(
        peer,
        0,
        &raw(&Method::Prack, peer, "z9hG4bKp14", ("t", &tag), 14, &more),
    );
    let next = response(&mut net, peer);
    assert_eq!(
        (next.status, rseq_of(&next)),
        (StatusCode::SESSION_PROGRESS, rseq + 1),
        "one at a time, in order"
    );
    net.secs(40);
    assert_eq!(
        response(&mut net, peer).status,
        StatusCode::SERVER_TIMEOUT,
        "never acknowledged"
    );
    assert_eq!(net.ended(0), Ending::NoAck);
    let ack = raw(&Method::Ack, peer, "z9hG4bK1", ("t", &tag), 10, "");
    net.send_raw(peer, 0, &ack);
    net.assert_clean();
}

#[test]
fn without_an_offer_in_the_invite_the_18x_makes_it_and_the_prack_answers() {
    let mut net = Net::featured(1);
    let (peer, session) = raw_caller(&mut net, RELIABLE);
    net.at(0, |ep, now| {
        ep.progress(now, session, StatusCode::RINGING, None)
            .expect("not to be sent");
        ep.progress(now, session, StatusCode::SESSION_PROGRESS, sdp("offer"))
            .expect("sent");
    });
    let offer = response(&mut net, peer);
    assert_eq!(offer.status, StatusCode::SESSION_PROGRESS);
    let (tag, rseq) = (tag_of(&offer), rseq_of(&offer));
    let more = format!("RAck: {rseq} 10 INVITE\r\n");
    let prack = with_offer(&raw(
        &Method::Prack,
        peer,
        "z9hG4bK2",
        ("t", &tag),
        11,
        &more,
    ));
    net.send_raw(peer, 0, &prack);
    assert_eq!(response(&mut net, peer).status, StatusCode::OK);
    let answer: Option<Body> = net.expect(0, "ProgressConfirmed", |event| match event {
        Event::ProgressConfirmed { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(answer, sdp("offer"));
    net.at(0, |ep, now| {
        ep.reject(now, session, StatusCode::BUSY_HERE, &Default::default())
            .expect("refused")
    });
    net.millis(50);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Ack, peer, "z9hG4bK1", ("t", &tag), 10, ""),
    );
    net.assert_clean();
}

/// The answer came in a reliable 18x, so the 200 needn't bring it again (RFC 3262 section 5); and an UPDATE that was agreed to
/// since then says where the phone is now. Another phone's 200 has nothing of it.
#[test]
fn an_answer_that_came_early_and_reliably_is_told_with_a_200_that_brings_none() {
    for (by, updates, expected) in [
        ("a", false, sdp("early")),
        ("a", true, sdp("offer")),
        ("b", true, None),
    ] {
        let mut net = Net::featured(1);
        let (peer, caller, invite) = raw_called(&mut net);
        let contact = format!("Contact: <sip:raw@{}>\r\n", address(peer));
        let early = reply(
            &invite,
            183,
            "a",
            &format!("{contact}{RELIABLE}RSeq: 7\r\n"),
        );
        net.send_raw(peer, 0, &with_body(&early, "early"));
        net.millis(50);
        net.progressed(0);
        let prack = request(&mut net, peer);
        net.send_raw(peer, 0, &reply(&prack, 200, "", ""));
        if updates {
            let from = invite.from().expect("a From");
            let ours = from.tag().expect("a tag");
            let update = raw(&Method::Update, peer, "z9hG4bK7", ("a", ours), 1, "");
            let call_id = invite.call_id().expect("a Call-ID");
            let update = update.replace("Call-ID: raw-1", &format!("Call-ID: {call_id}"));
            net.send_raw(peer, 0, &with_offer(&update));
            net.millis(50);
            assert_eq!(net.change_requested(0), sdp("offer"));
            net.at(0, |ep, now| {
                ep.accept_change(now, caller, sdp("agreed"))
                    .expect("accepted")
            });
            net.millis(50);
            net.nodes[peer].inbox.clear();
        }
        net.send_raw(peer, 0, &reply(&invite, 200, by, &contact));
        net.millis(50);
        assert_eq!(net.answered(0).body(), expected, "{by} {updates}");
        net.nodes[peer].inbox.clear();
        end_raw(&mut net, caller, peer);
        net.assert_clean();
    }
}

/// Early media comes from one place and the answer from another, and the first is still to be acknowledged.
#[test]
fn a_call_that_branches_off_is_acknowledged_in_both_dialogs() {
    let mut net = Net::featured(2);
    let (caller, callee) = ringing(&mut net);
    early(&mut net, callee, "early");
    net.at(1, |ep, now| {
        ep.branch_off(callee).expect("not answered yet");
        ep.answer(now, callee, sdp("answer")).expect("kept");
    });
    net.secs(1);
    assert_eq!((net.sent(0, "PRACK"), net.sent(1, "481")), (1, 0));
    net.progressed(0);
    assert_eq!(net.answered(0).body(), sdp("answer"));
    net.confirmed(1);
    hang_up(&mut net, caller);
}

#[test]
fn an_update_changes_the_session_before_the_answer() {
    let mut net = Net::featured(2);
    let (caller, callee) = ringing(&mut net);
    assert_eq!(
        net.at(0, |ep, now| ep.change(now, caller, sdp("x"))),
        Err(SessionError::WrongState)
    );
    early(&mut net, callee, "early");
    net.secs(1);
    net.progressed(0);
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("moved")).expect("asked")
    });
    net.secs(1);
    assert_eq!(net.change_requested(1), sdp("moved"));
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("agreed"))
            .expect("accepted")
    });
    net.secs(1);
    assert_eq!(net.changed(0), Ok(sdp("agreed")));
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("again")).expect("asked")
    });
    net.secs(1);
    net.change_requested(1);
    net.at(1, |ep, now| {
        ep.answer(now, callee, sdp("answer")).expect("answered")
    });
    net.secs(1);
    net.answered(0);
    net.confirmed(1);
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("late"))
            .expect("accepted")
    });
    net.secs(1);
    assert_eq!(net.changed(0), Ok(sdp("late")), "the answer overtook it");
    hang_up(&mut net, caller);
}

#[test]
fn cancel_and_refusal_end_a_call_whose_18x_waits() {
    for cancels in [true, false] {
        let mut net = Net::featured(2);
        let (caller, callee) = ringing(&mut net);
        net.drop_if = Some(Box::new(|text| text.starts_with("PRACK")));
        early(&mut net, callee, "early");
        net.millis(100);
        net.progressed(0);
        if cancels {
            net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
        } else {
            let headers = Default::default();
            net.at(1, |ep, now| {
                ep.reject(now, callee, StatusCode::BUSY_HERE, &headers)
                    .expect("refused")
            });
        }
        net.secs(1);
        if cancels {
            assert_eq!(
                (net.ended(0), net.ended(1)),
                (Ending::Ours, Ending::Cancelled)
            );
        } else {
            assert_eq!(net.rejected(0), (486, true));
        }
        net.assert_clean();
    }
}

#[test]
fn forks_are_told_apart_and_the_second_to_accept_is_ended() {
    let mut net = Net::featured(1);
    let (peer, caller, invite) = raw_called(&mut net);
    let contact = format!("Contact: <sip:raw@{}>\r\n", address(peer));
    for tag in ["a", "b", "a"] {
        net.send_raw(peer, 0, &reply(&invite, 180, tag, &contact));
        net.millis(50);
    }
    for fork in [0, 1, 0] {
        let heard = net.expect(0, "Progress", |event| match event {
            Event::Progress { fork, .. } => Some(*fork),
            _ => None,
        });
        assert_eq!(heard, fork);
    }
    for many in 0..20 {
        net.send_raw(peer, 0, &reply(&invite, 180, &format!("x{many}"), &contact));
    }
    net.millis(50);
    assert_eq!(net.nodes[0].events.len(), 6, "eight in all");
    net.nodes[0].events.clear();
    net.send_raw(peer, 0, &reply(&invite, 200, "b", &contact));
    net.millis(50);
    net.answered(0);
    net.nodes[peer].inbox.clear();
    net.send_raw(peer, 0, &reply(&invite, 200, "a", &contact));
    net.millis(50);
    let bye = request(&mut net, peer);
    assert_eq!(
        (bye.method.clone(), bye.to().expect("a To").tag()),
        (Method::Bye, Some("a"))
    );
    net.send_raw(peer, 0, &reply(&bye, 200, "", ""));
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.millis(50);
    let bye = request(&mut net, peer);
    assert_eq!(bye.to().expect("a To").tag(), Some("b"));
    net.send_raw(peer, 0, &reply(&bye, 200, "", ""));
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

/// Each fork counts its own RSeq; what is out of order is not acknowledged.
#[test]
fn each_fork_counts_for_itself() {
    let mut net = Net::featured(1);
    let (peer, caller, invite) = raw_called(&mut net);
    let rings = |tag: &str, rseq: u32| {
        let more = format!(
            "Contact: <sip:raw@{}>\r\nRequire: 100rel\r\nRSeq: {rseq}\r\n",
            address(1)
        );
        reply(&invite, 180, tag, &more)
    };
    for (tag, rseq, rack) in [
        ("a", 7, Some("7 1 INVITE")),
        ("b", 900, Some("900 1 INVITE")),
        ("a", 7, None),
        ("a", 9, None),
        ("a", 8, Some("8 1 INVITE")),
    ] {
        net.nodes[peer].inbox.clear();
        net.send_raw(peer, 0, &rings(tag, rseq));
        net.millis(50);
        let prack = (!net.nodes[peer].inbox.is_empty()).then(|| request(&mut net, peer));
        let got = prack
            .as_ref()
            .and_then(|prack| prack.headers.get(&HeaderName::RAck));
        assert_eq!(got, rack, "{tag} {rseq}");
        if let Some(prack) = prack {
            net.send_raw(peer, 0, &reply(&prack, 200, "", ""));
            net.millis(50);
        }
    }
    net.nodes[0].events.clear();
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.millis(50);
    let cancel = request(&mut net, peer);
    net.send_raw(peer, 0, &reply(&cancel, 200, "a", ""));
    net.send_raw(peer, 0, &reply(&invite, 487, "a", ""));
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

#[test]
fn calls_with_early_media_come_through_loss_and_reordering() {
    let storm = Weather {
        loss: 25,
        duplication: 10,
        delay_max: Duration::from_millis(300),
        ..CALM
    };
    for seed in 0..20 {
        let mut net = Net::featured(2).seeded(seed, storm);
        let caller = net.at(0, |ep, now| {
            let invite = Invite { ..call(address(1)) };
            ep.invite(now, invite).expect("invited")
        });
        net.secs(8);
        let Some(callee) = net.find_incoming(1) else {
            continue;
        };
        // What is lost for 32 seconds ends the call; then these verbs find no session.
        net.at(1, |ep, now| {
            let _ = ep.progress(now, callee, StatusCode::SESSION_PROGRESS, sdp("early"));
            let _ = ep.answer(now, callee, sdp("answer"));
        });
        net.secs(20);
        let answered = net.nodes[0]
            .events
            .iter()
            .any(|event| matches!(event, Event::Answered { .. }));
        assert!(answered, "seed {seed}: {:#?}", net.trace);
        let _ = net.at(0, |ep, now| ep.end(now, caller, None));
        net.secs(60);
        net.nodes.iter_mut().for_each(|node| node.events.clear());
        net.assert_clean();
    }
}
