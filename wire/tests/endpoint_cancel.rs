//! Giving up a call, at each stage of it (RFC 3261 sections 9 and 15).

mod sip_net;

use std::time::Duration;

use sip_net::{
    Net, address, call, raw, raw_called, raw_caller, reply, request, response, sdp, tag_of,
};
use wire::sip::{
    endpoint::{Ending, SessionId, TransportKind},
    message::{Method, StatusCode},
};

fn ringing(net: &mut Net) -> (SessionId, SessionId) {
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.millis(100);
    let (callee, _) = net.incoming(1);
    net.at(1, |ep, now| {
        ep.progress(now, callee, StatusCode::RINGING, None)
            .expect("rings")
    });
    net.millis(100);
    assert_eq!(net.progressed(0), 180);
    (caller, callee)
}

#[test]
fn cancel_while_it_rings() {
    let mut net = Net::new(2);
    let (caller, _) = ringing(&mut net);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!(
        (net.ended(0), net.ended(1)),
        (Ending::Ours, Ending::Cancelled)
    );
    assert_eq!(
        (
            net.sent(0, "CANCEL"),
            net.sent(1, "200"),
            net.sent(1, "487"),
            net.sent(0, "ACK")
        ),
        (1, 1, 1, 1)
    );
    net.assert_clean();
}

#[test]
fn cancel_waits_for_the_first_provisional_response() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(peer))).expect("invited")
    });
    net.millis(100);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.millis(100);
    assert_eq!(net.sent(0, "CANCEL"), 0, "no CANCEL before a response");
    let invite = request(&mut net, peer);
    net.send_raw(peer, 0, &reply(&invite, 100, "", ""));
    net.millis(100);
    assert_eq!(net.sent(0, "CANCEL"), 1);
    let cancel = request(&mut net, peer);
    assert_eq!(
        cancel.headers.get(&wire::sip::message::HeaderName::Via),
        invite.headers.get(&wire::sip::message::HeaderName::Via)
    );
    net.send_raw(peer, 0, &reply(&cancel, 200, "x", ""));
    net.send_raw(peer, 0, &reply(&invite, 487, "x", ""));
    net.millis(100);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

#[test]
fn an_end_with_no_response_at_all_ends_by_itself() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(peer))).expect("invited")
    });
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(33);
    assert_eq!(net.ended(0), Ending::Ours);
    assert_eq!(net.sent(0, "CANCEL"), 0);
    net.assert_clean();
}

#[test]
fn a_cancel_nobody_honours_ends_after_64_t1() {
    let mut net = Net::new(1);
    let (peer, caller, invite) = raw_called(&mut net);
    net.send_raw(peer, 0, &reply(&invite, 180, "x", ""));
    net.millis(50);
    net.progressed(0);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(33);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

/// The 200 and the CANCEL meet on the way: the call is up at the callee, so it gets ACK and BYE.
#[test]
fn a_200_that_crosses_the_cancel_gets_ack_and_bye() {
    let mut net = Net::new(2);
    let (caller, callee) = ringing(&mut net);
    net.at(1, |ep, now| {
        ep.answer(now, callee, sdp("answer")).expect("answered")
    });
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    net.confirmed(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    assert_eq!(
        (net.sent(1, "487"), net.sent(0, "ACK"), net.sent(0, "BYE")),
        (0, 1, 1)
    );
    net.assert_clean();
}

#[test]
fn a_cancel_after_the_final_response_changes_nothing() {
    let mut net = Net::new(1);
    let (peer, callee) = raw_caller(&mut net, "");
    net.at(0, |ep, now| {
        ep.answer(now, callee, sdp("answer")).expect("answered")
    });
    net.send_raw(
        peer,
        0,
        &raw(&Method::Cancel, peer, "z9hG4bK1", ("t", ""), 10, ""),
    );
    net.millis(50);
    assert_eq!(net.ep(0).sessions(), 1, "the session lives");
    assert_eq!((net.sent(0, "200"), net.sent(0, "487")), (2, 0));
    // And one for nothing at all is told so.
    net.send_raw(
        peer,
        0,
        &raw(&Method::Cancel, peer, "z9hG4bKb", ("t", ""), 10, ""),
    );
    net.millis(50);
    assert_eq!(net.sent(0, "481"), 1);
    net.secs(40);
    assert_eq!(net.ended(0), Ending::NoAck);
    net.assert_clean();
}

#[test]
fn the_callee_declines_or_is_left_by_bye_before_it_answered() {
    let mut net = Net::new(2);
    let (_, callee) = ringing(&mut net);
    net.at(1, |ep, now| ep.end(now, callee, None).expect("declined"));
    net.secs(1);
    assert_eq!(net.ended(1), Ending::Ours);
    assert_eq!(net.rejected(0), (603, true));
    net.assert_clean();
}

/// The caller may leave an early dialog by BYE (RFC 3261 section 15).
#[test]
fn a_bye_before_the_answer_is_as_a_cancel() {
    let mut net = Net::new(1);
    let (peer, callee) = raw_caller(&mut net, "");
    net.at(0, |ep, now| {
        ep.progress(now, callee, StatusCode::RINGING, None)
            .expect("rings")
    });
    let tag = tag_of(&response(&mut net, peer));
    net.send_raw(
        peer,
        0,
        &raw(&Method::Bye, peer, "z9hG4bKb", ("t", &tag), 11, ""),
    );
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Cancelled);
    assert_eq!((net.sent(0, "200"), net.sent(0, "487")), (1, 1));
    net.assert_clean();
}

/// RFC 3261 section 15: the callee may not send BYE before the ACK.
#[test]
fn an_end_before_the_ack_waits_for_it() {
    let mut net = Net::new(2);
    let (_, callee) = ringing(&mut net);
    net.at(1, |ep, now| {
        ep.answer(now, callee, sdp("answer")).expect("answered")
    });
    net.at(1, |ep, now| ep.end(now, callee, None).expect("ended"));
    assert_eq!(net.sent(1, "BYE"), 0);
    net.secs(1);
    net.answered(0);
    assert_eq!(net.sent(1, "BYE"), 1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Bye, Ending::Ours));
    net.assert_clean();
}

#[test]
fn both_end_at_once() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.at(1, |ep, now| ep.end(now, callee, None).expect("ended"));
    net.run(Duration::from_secs(1));
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Ours));
    net.assert_clean();
}
