//! Offers before the answer that meet, are left, challenged, or come from elsewhere (RFC 3262, RFC 3311 section 5).

mod sip_net;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sip_net::{
    Net, address, call, end_raw, raw, raw_called, reply, request, response, sdp, status, tag_of,
    with_body,
};
use wire::{
    auth::{Algorithm, Credentials},
    sip::{
        endpoint::{Ending, Event, SessionError, SessionId},
        message::{HeaderName, Message, Method, Request, Response, StatusCode},
    },
};

const RELIABLE: &str = "Require: 100rel\r\n";

/// Node 0 calls a raw peer, whose phone `a` describes itself reliably and takes UPDATE.
struct Early {
    net: Net,
    peer: usize,
    caller: SessionId,
    invite: Request,
}

impl Early {
    fn rings() -> Self {
        let mut it = Self::called();
        it.describes();
        let prack = request(&mut it.net, it.peer);
        it.net.send_raw(it.peer, 0, &reply(&prack, 200, "", ""));
        it.net.millis(50);
        it
    }

    fn called() -> Self {
        let mut net = Net::featured(1);
        let (peer, caller, invite) = raw_called(&mut net);
        Self {
            net,
            peer,
            caller,
            invite,
        }
    }

    fn describes(&mut self) {
        let more = format!(
            "Contact: <sip:raw@{}>\r\nAllow: UPDATE\r\n{RELIABLE}RSeq: 7\r\n",
            address(self.peer)
        );
        let early = reply(&self.invite, 183, "a", &more);
        self.net.send_raw(self.peer, 0, &with_body(&early, "early"));
        self.net.millis(50);
        self.net.progressed(0);
    }

    /// The phone's own UPDATE, with an offer.
    fn updates(&mut self) {
        let ours = self.invite.from().expect("a From");
        let ours = ours.tag().expect("a tag").to_owned();
        let update = raw(&Method::Update, self.peer, "z9hG4bK7", ("a", &ours), 1, "");
        let call_id = self.invite.call_id().expect("a Call-ID");
        let update = update.replace("Call-ID: raw-1", &format!("Call-ID: {call_id}"));
        self.net
            .send_raw(self.peer, 0, &with_body(&update, "theirs"));
        self.net.millis(50);
    }

    fn changes(&mut self) -> Request {
        let caller = self.caller;
        self.net.at(0, |ep, now| {
            ep.change(now, caller, sdp("ours")).expect("asked")
        });
        self.net.millis(50);
        request(&mut self.net, self.peer)
    }

    /// The phone with this tag takes the call; its Contact.
    fn is_answered_by(&mut self, tag: &str) -> String {
        let contact = format!("Contact: <sip:raw@{}>\r\n", address(self.peer));
        let ok = with_body(&reply(&self.invite, 200, tag, &contact), "answer");
        self.net.send_raw(self.peer, 0, &ok);
        self.net.millis(50);
        contact
    }

    fn ends_refused(mut self) {
        self.net
            .send_raw(self.peer, 0, &reply(&self.invite, 486, "a", ""));
        self.net.millis(50);
        assert_eq!(self.net.rejected(0), (486, true));
        self.net.assert_clean();
    }
}

/// RFC 3311 section 5.2: 491 while our own offer has no answer; 500 is for two of theirs.
#[test]
fn two_updates_that_meet_before_the_answer_are_491() {
    let mut it = Early::rings();
    let ours = it.changes();
    it.updates();
    assert_eq!(status(&mut it.net, it.peer), 491);
    it.net.send_raw(it.peer, 0, &reply(&ours, 491, "", ""));
    it.net.millis(50);
    assert_eq!(it.net.changed(0), Err(491));
    it.ends_refused();
}

/// The phone is answered in that moment, and answers our offer after it: the change is under way until then.
#[test]
fn an_update_that_the_200_overtakes_has_its_answer_all_the_same() {
    let mut it = Early::rings();
    let ours = it.changes();
    let contact = it.is_answered_by("a");
    it.net.answered(0);
    let caller = it.caller;
    let again = it.net.at(0, |ep, now| ep.change(now, caller, sdp("more")));
    assert_eq!(again, Err(SessionError::WrongState), "one at a time");
    let agreed = reply(&ours, 200, "", &contact);
    it.net.send_raw(it.peer, 0, &with_body(&agreed, "theirs"));
    it.net.millis(50);
    assert_eq!(it.net.changed(0), Ok(sdp("theirs")));
    it.net.nodes[it.peer].inbox.clear();
    end_raw(&mut it.net, caller, it.peer);
    it.net.assert_clean();
}

/// Another phone took the call: what the first says to our offer is of no use.
#[test]
fn an_update_to_a_phone_that_does_not_get_the_call_has_come_to_nothing() {
    let mut it = Early::rings();
    it.changes();
    it.is_answered_by("b");
    assert_eq!(it.net.changed(0), Err(491));
    it.net.answered(0);
}

/// A change that nobody has answered yet is answered when the call is given up, or nothing ever ends it.
#[test]
fn an_update_is_answered_when_the_call_is_given_up() {
    let mut it = Early::rings();
    it.updates();
    it.net.change_requested(0);
    let caller = it.caller;
    it.net
        .at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    it.net.millis(50);
    it.net.nodes[it.peer].inbox.clear();
    it.net
        .send_raw(it.peer, 0, &reply(&it.invite, 487, "a", ""));
    it.net.secs(1);
    assert_eq!(it.net.ended(0), Ending::Ours);
    it.net.assert_clean();
}

#[test]
fn an_update_is_answered_when_an_18x_is_never_acknowledged() {
    let mut net = Net::featured(1);
    let (peer, session, early) = described(&mut net);
    let tag = tag_of(&early);
    let update = raw(&Method::Update, peer, "z9hG4bKu", ("t", &tag), 11, "");
    net.send_raw(peer, 0, &with_body(&update, "theirs"));
    net.millis(50);
    net.change_requested(0);
    net.secs(40);
    assert_eq!(net.ended(0), Ending::NoAck);
    net.at(0, |ep, now| {
        assert!(ep.accept_change(now, session, None).is_err());
    });
    let ack = raw(&Method::Ack, peer, "z9hG4bK1", ("t", &tag), 10, "");
    net.send_raw(peer, 0, &ack);
    net.assert_clean();
}

/// A raw peer calls with an offer, and node 0 describes itself in a reliable 183 that isn't acknowledged yet: its node, the session
/// and the 183.
fn described(net: &mut Net) -> (usize, SessionId, Response) {
    let peer = net.add(None);
    let invite = raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 10, RELIABLE);
    net.send_raw(peer, 0, &with_body(&invite, "offer"));
    net.millis(50);
    let (session, _) = net.incoming(0);
    net.at(0, |ep, now| {
        ep.progress(now, session, StatusCode::SESSION_PROGRESS, sdp("early"))
            .expect("early media");
    });
    let early = response(net, peer);
    (peer, session, early)
}

/// The PRACK of what [`described`] said, with an offer perhaps.
fn acknowledges(net: &mut Net, peer: usize, early: &Response, offer: Option<&str>) {
    let (tag, rseq) = (tag_of(early), early.headers.get(&HeaderName::RSeq));
    let rseq = rseq.expect("an RSeq");
    let more = format!("RAck: {rseq} 10 INVITE\r\n");
    let prack = raw(&Method::Prack, peer, "z9hG4bKp", ("t", &tag), 11, &more);
    let prack = offer.map_or(prack.clone(), |offer| with_body(&prack, offer));
    net.send_raw(peer, 0, &prack);
    net.millis(50);
    net.nodes[peer].inbox.clear();
}

/// Node 0 agrees to what its peer asks for, or doesn't.
fn answer_change(net: &mut Net, session: SessionId, agrees: bool) {
    net.at(0, |ep, now| {
        if agrees {
            ep.accept_change(now, session, sdp("agreed"))
        } else {
            ep.reject_change(now, session, StatusCode::NOT_ACCEPTABLE_HERE)
        }
        .expect("answered");
    });
}

/// RFC 3311 section 5.2: an offer while the INVITE's has no answer, or ours to an INVITE without one.
#[test]
fn an_update_that_offers_before_the_first_offer_has_its_answer_comes_too_early() {
    for (more, offers, expected) in [
        ("", true, 500),
        (RELIABLE, true, 500),
        (RELIABLE, false, 491),
    ] {
        let mut net = Net::featured(1);
        let peer = net.add(None);
        let invite = raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 10, more);
        let invite = if offers {
            with_body(&invite, "offer")
        } else {
            invite
        };
        net.send_raw(peer, 0, &invite);
        net.millis(50);
        let (session, _) = net.incoming(0);
        net.at(0, |ep, now| {
            let ours = (!offers).then(|| sdp("ours")).flatten();
            ep.progress(now, session, StatusCode::SESSION_PROGRESS, ours)
                .expect("rings");
        });
        let tag = tag_of(&response(&mut net, peer));
        let update = raw(&Method::Update, peer, "z9hG4bKu", ("t", &tag), 11, "");
        net.send_raw(peer, 0, &with_body(&update, "theirs"));
        let refused = response(&mut net, peer);
        assert_eq!(refused.status.code(), expected, "{more:?} {offers}");
        let after = refused.headers.get(&HeaderName::RetryAfter);
        let after = after.map(|after| after.parse::<u32>().expect("seconds"));
        assert_eq!(after.is_some_and(|after| after <= 10), expected == 500);
        net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
        let ack = raw(&Method::Ack, peer, "z9hG4bK1", ("t", &tag), 10, "");
        net.send_raw(peer, 0, &ack);
        net.millis(50);
        assert_eq!(net.ended(0), Ending::Ours);
        net.assert_clean();
    }
}

/// And by whom we called: our INVITE's offer has no answer while the phone only rings.
#[test]
fn an_update_of_a_phone_that_has_not_answered_our_offer_is_491() {
    let mut it = Early::called();
    let more = format!(
        "Contact: <sip:raw@{}>\r\nAllow: UPDATE\r\n{RELIABLE}RSeq: 7\r\n",
        address(it.peer)
    );
    let rings = reply(&it.invite, 180, "a", &more);
    it.net.send_raw(it.peer, 0, &rings);
    it.net.millis(50);
    it.net.progressed(0);
    let prack = request(&mut it.net, it.peer);
    it.net.send_raw(it.peer, 0, &reply(&prack, 200, "", ""));
    it.net.millis(50);
    it.updates();
    assert_eq!(status(&mut it.net, it.peer), 491);
    it.ends_refused();
}

/// A PRACK must have a 2xx (RFC 3262 section 3): when our user answers the call first, the 200 to the INVITE waits for it.
#[test]
fn a_call_that_is_answered_while_a_prack_offers_waits_for_the_answer_to_that() {
    let mut net = Net::featured(1);
    let (peer, session, early) = described(&mut net);
    let tag = tag_of(&early);
    acknowledges(&mut net, peer, &early, Some("theirs"));
    assert_eq!(net.change_requested(0), sdp("theirs"));
    net.at(0, |ep, now| {
        ep.answer(now, session, sdp("early")).expect("kept");
    });
    net.millis(50);
    assert_eq!((net.sent(0, "491"), net.sent(0, "200")), (0, 0), "neither");
    net.at(0, |ep, now| {
        ep.accept_change(now, session, sdp("agreed"))
            .expect("accepted");
    });
    net.millis(50);
    let inbox = net.nodes[peer].inbox.drain(..);
    let answers: Vec<_> = inbox
        .map(|bytes| match Message::parse(&bytes) {
            Ok(Message::Response(response)) => response.body(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answers, [sdp("agreed"), sdp("early")], "in this order");
    let ack = raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 10, "");
    net.send_raw(peer, 0, &ack);
    net.millis(50);
    net.confirmed(0);
    end_raw(&mut net, session, peer);
    net.assert_clean();
}

/// 491 is for an offer that meets one of ours and 500 for one too many (RFC 3311 section 5.2); here is neither. Whoever our user asks may
/// take the offer in that moment, and a caller told 491 would go on as before.
#[test]
fn an_update_that_our_200_overtakes_has_its_answer_all_the_same() {
    for accepts in [true, false] {
        let mut net = Net::featured(1);
        let (peer, session, early) = described(&mut net);
        let tag = tag_of(&early);
        acknowledges(&mut net, peer, &early, None);
        let update = raw(&Method::Update, peer, "z9hG4bKu", ("t", &tag), 12, "");
        net.send_raw(peer, 0, &with_body(&update, "theirs"));
        net.millis(50);
        assert_eq!(net.change_requested(0), sdp("theirs"));
        net.at(0, |ep, now| {
            ep.answer(now, session, sdp("early")).expect("answered");
        });
        let ok = response(&mut net, peer);
        assert_eq!((ok.status.code(), ok.body()), (200, sdp("early")));
        let ack = raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 10, "");
        net.send_raw(peer, 0, &ack);
        net.millis(50);
        net.confirmed(0);
        let again = net.at(0, |ep, now| ep.change(now, session, sdp("more")));
        assert_eq!(again, Err(SessionError::WrongState), "one at a time");
        answer_change(&mut net, session, accepts);
        let answer = response(&mut net, peer);
        let expected = if accepts {
            (200, sdp("agreed"))
        } else {
            (488, None)
        };
        assert_eq!((answer.status.code(), answer.body()), expected);
        end_raw(&mut net, session, peer);
        net.assert_clean();
    }
}

/// UPDATE is a target refresh before the answer too (RFC 3311 section 5.2).
#[test]
fn the_contact_of_an_update_before_the_answer_is_where_the_bye_goes() {
    let mut net = Net::featured(1);
    let (peer, session, early) = described(&mut net);
    let tag = tag_of(&early);
    acknowledges(&mut net, peer, &early, None);
    let update = raw(&Method::Update, peer, "z9hG4bKu", ("t", &tag), 12, "");
    let update = update.replace("<sip:raw@", "<sip:moved@");
    net.send_raw(peer, 0, &with_body(&update, "theirs"));
    net.millis(50);
    net.change_requested(0);
    net.at(0, |ep, now| {
        ep.accept_change(now, session, sdp("agreed"))
            .expect("accepted");
        ep.answer(now, session, sdp("answer")).expect("answered");
    });
    net.millis(50);
    let ack = raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 10, "");
    net.send_raw(peer, 0, &ack);
    net.millis(50);
    net.confirmed(0);
    let bye = end_raw(&mut net, session, peer);
    assert_eq!(bye.uri.user.as_deref(), Some("moved"));
    net.assert_clean();
}

/// A PRACK must be answered by 2xx (RFC 3262 section 3), also when the 200 to the INVITE only waited for it: the offer in it first.
#[test]
fn a_200_waits_for_the_answer_to_an_offer_in_the_prack() {
    for accepts in [true, false] {
        let mut net = Net::featured(1);
        let peer = net.add(None);
        let invite = raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 10, RELIABLE);
        net.send_raw(peer, 0, &with_body(&invite, "offer"));
        net.millis(50);
        let (session, _) = net.incoming(0);
        net.at(0, |ep, now| {
            ep.progress(now, session, StatusCode::SESSION_PROGRESS, sdp("early"))
                .expect("early media");
            ep.answer(now, session, sdp("early")).expect("kept");
        });
        let early = response(&mut net, peer);
        let (tag, rseq) = (tag_of(&early), early.headers.get(&HeaderName::RSeq));
        let more = format!("RAck: {} 10 INVITE\r\n", rseq.expect("an RSeq"));
        let prack = raw(&Method::Prack, peer, "z9hG4bKp", ("t", &tag), 11, &more);
        net.send_raw(peer, 0, &with_body(&prack, "theirs"));
        net.millis(50);
        assert_eq!(net.change_requested(0), sdp("theirs"));
        assert_eq!(net.sent(0, "200"), 0, "neither");
        answer_change(&mut net, session, accepts);
        net.millis(50);
        let refused = usize::from(!accepts);
        assert_eq!(
            (net.sent(0, "200"), net.sent(0, "488")),
            (2 - refused, refused)
        );
        let ack = raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 10, "");
        net.send_raw(peer, 0, &ack);
        net.millis(50);
        net.confirmed(0);
        net.nodes[peer].inbox.clear();
        end_raw(&mut net, session, peer);
        net.assert_clean();
    }
}

/// Our user doesn't hear of 18x inside the session, so none is asked to be reliable: nobody would acknowledge it.
#[test]
fn a_change_asks_for_no_reliable_18x() {
    let mut net = Net::featured(2);
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.millis(50);
    let (callee, invite) = net.incoming(1);
    assert!(invite.headers.lists(&HeaderName::Supported, "100rel"));
    net.at(1, |ep, now| {
        ep.answer(now, callee, sdp("answer")).expect("answered")
    });
    net.secs(1);
    net.answered(0);
    net.confirmed(1);
    let asks = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asks);
    net.drop_if = Some(Box::new(move |text| {
        let reliable = text.starts_with("INVITE") && text.contains("100rel");
        seen.fetch_or(reliable, Ordering::Relaxed);
        false
    }));
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("hold")).expect("asked")
    });
    net.millis(50);
    assert!(!asks.load(Ordering::Relaxed));
    net.change_requested(1);
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("held"))
            .expect("accepted")
    });
    net.secs(1);
    assert!(net.changed(0).is_ok());
    net.change_confirmed(1);
    sip_net::hang_up(&mut net, caller);
}

/// What stands in a 401 for the realm `medhelp`, whose `trunk` is known.
const ASKS: &str =
    "WWW-Authenticate: Digest realm=\"medhelp\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";

fn proves(it: &mut Early) {
    let mut own = Credentials::default();
    let algorithm = Algorithm::Sha256;
    own.add(
        "trunk",
        "medhelp",
        algorithm,
        algorithm.ha1("trunk", "medhelp", "secret"),
    );
    let caller = it.caller;
    it.net.at(0, |ep, _| {
        ep.prove(caller, Arc::new(own)).expect("it has just begun")
    });
}

#[test]
fn a_prack_and_an_update_that_are_challenged_bear_the_proof() {
    let mut it = Early::called();
    proves(&mut it);
    it.describes();
    let prack = request(&mut it.net, it.peer);
    it.net.send_raw(it.peer, 0, &reply(&prack, 401, "", ASKS));
    it.net.millis(50);
    assert_eq!(it.net.nodes[it.peer].inbox.len(), 1, "it comes again");
    let again = request(&mut it.net, it.peer);
    let rack = |request: &Request| request.headers.get(&HeaderName::RAck).map(str::to_owned);
    assert_eq!(
        (&again.method, rack(&again)),
        (&Method::Prack, rack(&prack))
    );
    assert!(again.headers.get(&HeaderName::Authorization).is_some());
    let number = |request: &Request| request.cseq().expect("a CSeq").number;
    assert_eq!(number(&again), number(&prack) + 1);
    it.net.send_raw(it.peer, 0, &reply(&again, 200, "", ""));
    it.net.millis(50);
    let update = it.changes();
    let stale = ASKS.replace("nonce=\"n\"", "nonce=\"m\", stale=true");
    it.net
        .send_raw(it.peer, 0, &reply(&update, 401, "", &stale));
    it.net.millis(50);
    let again = request(&mut it.net, it.peer);
    let proof = again.headers.get(&HeaderName::Authorization);
    assert!(proof.is_some_and(|proof| proof.contains("nonce=\"m\"")));
    assert_eq!(again.body(), sdp("ours"));
    let agreed = reply(&again, 200, "", "Contact: <sip:raw@192.0.2.2:5060>\r\n");
    it.net.send_raw(it.peer, 0, &with_body(&agreed, "agreed"));
    it.net.millis(50);
    assert_eq!(it.net.changed(0), Ok(sdp("agreed")));
    assert!(
        it.net
            .event(0)
            .is_none_or(|event| !matches!(event, Event::Ended { .. }))
    );
    it.ends_refused();
}
