//! Digest authentication as the side that is asked (RFC 3261 section 22, RFC 8760).

mod sip_net;

use std::sync::Arc;

use sip_net::{Net, address, call, reply, request, sdp};
use wire::{
    auth::{Algorithm, Authenticator, Credentials, Doubt},
    sip::{
        endpoint::{Ending, Event, Invite, SessionId},
        message::{HeaderName, Headers, Method, Request},
    },
    time::Time,
};

/// The user `trunk` in a realm, as a file for both algorithms has it.
fn known(realm: &str, password: &str) -> Credentials {
    let mut known = Credentials::default();
    for algorithm in Algorithm::ALL {
        let ha1 = algorithm.ha1("trunk", realm, password);
        known.add("trunk", realm, algorithm, ha1);
    }
    known
}

/// What stands in a 401, and with another name in a 407.
fn lines(challenge: &Headers, name: &str) -> String {
    challenge
        .iter()
        .map(|(_, value)| format!("{name}: {value}\r\n"))
        .collect()
}

/// A provider that asks who calls, played by hand; and the endpoint's call to it.
struct Asking {
    net: Net,
    peer: usize,
    session: SessionId,
    asks: Authenticator,
}

impl Asking {
    fn called_by(password: Option<&str>) -> Self {
        Self::called_with(password, "offer")
    }

    fn called_with(password: Option<&str>, offer: &str) -> Self {
        let mut net = Net::new(1);
        let peer = net.add(None);
        let invite = Invite {
            body: sdp(offer),
            ..call(address(peer))
        };
        let session = net.at(0, |ep, now| {
            let session = ep.invite(now, invite).expect("invited");
            if let Some(password) = password {
                let own = Arc::new(known("medhelp", password));
                ep.prove(session, own).expect("it has just begun");
            }
            session
        });
        net.millis(50);
        Self {
            net,
            peer,
            session,
            asks: Authenticator::new("medhelp", [9; 32]),
        }
    }

    fn hears(&mut self) -> Request {
        request(&mut self.net, self.peer)
    }

    fn says(&mut self, to: &Request, status: u16, more: &str) {
        let text = reply(to, status, "p", more);
        self.net.send_raw(self.peer, 0, &text);
        self.net.millis(50);
    }

    fn challenges(&mut self, to: &Request, doubt: Doubt) {
        let challenge = self
            .asks
            .challenge(self.net.now, doubt, &Credentials::default());
        self.says(to, 401, &lines(&challenge, "WWW-Authenticate"));
    }

    fn believes(&mut self, request: &Request) -> Result<Box<str>, Doubt> {
        let users = known("medhelp", "secret");
        self.asks.check(self.net.now, request, &users)
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:raw@{}>\r\n", address(self.peer))
    }
}

#[test]
fn a_challenge_is_met_and_the_proof_goes_along_from_then_on() {
    let mut it = Asking::called_by(Some("secret"));
    let first = it.hears();
    assert_eq!(it.believes(&first), Err(Doubt::Missing));
    it.challenges(&first, Doubt::Missing);
    let again = it.hears();
    assert_eq!(
        (again.method.clone(), again.cseq().expect("a CSeq").number),
        (Method::Invite, 2)
    );
    assert_eq!(again.call_id(), first.call_id());
    assert_eq!(again.body(), sdp("offer"));
    let proof = again.headers.get(&HeaderName::Authorization);
    assert!(proof.is_some_and(|proof| proof.contains("algorithm=SHA-256")));
    assert_eq!(it.believes(&again).as_deref(), Ok("trunk"));
    assert_eq!(it.net.sent(0, "ACK"), 1, "the refusal is acknowledged");

    let contact = it.contact();
    it.says(&again, 200, &contact);
    it.net.answered(0);
    let ack = it.hears();
    assert_eq!(ack.method, Method::Ack);
    let proofs = |request: &Request| {
        request
            .headers
            .get(&HeaderName::Authorization)
            .map(str::to_owned)
    };
    assert_eq!(
        proofs(&ack),
        proofs(&again),
        "an ACK bears its INVITE's proof"
    );
    let session = it.session;
    it.net
        .at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    it.net.millis(50);
    let bye = it.hears();
    assert!(proofs(&bye).is_some_and(|proof| proof.contains("nc=00000002")));
    assert_eq!(it.believes(&bye).as_deref(), Ok("trunk"));
    it.says(&bye, 200, "");
    assert_eq!(it.net.ended(0), Ending::Ours);
    it.net.assert_clean();
}

#[test]
fn a_proof_that_is_not_believed_is_a_refusal() {
    for (password, invites) in [(Some("guess"), 2), (None, 1)] {
        let mut it = Asking::called_by(password);
        for _ in 0..invites {
            let invite = it.hears();
            assert!(it.believes(&invite).is_err());
            it.challenges(&invite, Doubt::Wrong);
        }
        assert_eq!(it.net.rejected(0), (401, true));
        assert_eq!(it.net.sent(0, "INVITE"), invites);
        it.net.assert_clean();
    }
}

#[test]
fn a_nonce_too_old_is_met_once_more_and_not_for_ever() {
    let mut it = Asking::called_by(Some("secret"));
    for _ in 0..3 {
        let invite = it.hears();
        it.challenges(&invite, Doubt::Stale);
    }
    assert_eq!(it.net.rejected(0), (401, true));
    assert_eq!(it.net.sent(0, "INVITE"), 3);
    it.net.assert_clean();
}

/// A proxy on the way asks, and so does who is called: each gets its own proof, with a count that goes up.
#[test]
fn a_proxy_and_the_one_called_both_ask() {
    let mut it = Asking::called_by(Some("secret"));
    let first = it.hears();
    let proxy = it
        .asks
        .challenge(it.net.now, Doubt::Missing, &Credentials::default());
    it.says(&first, 407, &lines(&proxy, "Proxy-Authenticate"));
    let second = it.hears();
    assert!(second.headers.get(&HeaderName::Authorization).is_none());
    it.challenges(&second, Doubt::Missing);
    let third = it.hears();
    assert_eq!(it.believes(&third).as_deref(), Ok("trunk"));
    let to_proxy = third.headers.get(&HeaderName::ProxyAuthorization);
    assert!(to_proxy.is_some_and(|proof| proof.contains("nc=00000002")));
    it.says(&third, 486, "");
    assert_eq!(it.net.rejected(0), (486, true));
    it.net.assert_clean();
}

#[test]
fn a_bye_and_a_change_are_challenged_too() {
    let mut it = Asking::called_by(Some("secret"));
    let invite = it.hears();
    let contact = it.contact();
    it.says(&invite, 200, &contact);
    it.net.answered(0);
    let session = it.session;
    it.net.at(0, |ep, now| {
        ep.change(now, session, sdp("hold")).expect("asked")
    });
    it.net.millis(50);
    let change = it.hears();
    it.challenges(&change, Doubt::Missing);
    let again = it.hears();
    assert_eq!(it.believes(&again).as_deref(), Ok("trunk"));
    assert_eq!(again.body(), sdp("hold"));
    it.says(&again, 200, &contact);
    assert!(it.net.changed(0).is_ok());
    it.net
        .at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    it.net.secs(1);
    let bye = it.hears();
    it.challenges(&bye, Doubt::Stale);
    let again = it.hears();
    assert_eq!(
        again.cseq().expect("a CSeq").number,
        bye.cseq().expect("a CSeq").number + 1
    );
    assert_eq!(it.believes(&again).as_deref(), Ok("trunk"));
    it.says(&again, 200, "");
    assert_eq!(it.net.ended(0), Ending::Ours);
    it.net.assert_clean();
}

/// Whoever asks in another realm learns nothing of a hash that isn't for it.
#[test]
fn another_realm_is_told_nothing() {
    let mut it = Asking::called_by(Some("secret"));
    let invite = it.hears();
    let other = Authenticator::new("vaxel", [1; 32]).challenge(
        Time::default(),
        Doubt::Missing,
        &Credentials::default(),
    );
    it.says(&invite, 401, &lines(&other, "WWW-Authenticate"));
    assert_eq!(it.net.rejected(0), (401, true));
    assert!(
        it.net
            .event(0)
            .is_none_or(|event| !matches!(event, Event::Answered { .. }))
    );
    it.net.assert_clean();
}

/// A request too large for UDP, which has to go by it after all, is still the same request: its proof was refused once.
#[test]
fn a_large_call_whose_proof_is_not_believed_is_refused_too() {
    let mut it = Asking::called_with(Some("guess"), &"a=x\r\n".repeat(400));
    let mut invites = 0;
    while invites < 10 && !it.net.nodes[it.peer].inbox.is_empty() {
        let invite = it.hears();
        if invite.method != Method::Invite {
            continue;
        }
        invites += 1;
        it.challenges(&invite, Doubt::Wrong);
    }
    assert_eq!(invites, 2);
    assert_eq!(it.net.rejected(0), (401, true));
    it.net.assert_clean();
}

/// A BYE whose answer nobody waits for is challenged like any other, and there is nobody left to answer: it bears what is known.
#[test]
fn a_bye_that_nobody_follows_up_bears_the_proof() {
    let mut it = Asking::called_by(Some("secret"));
    let first = it.hears();
    it.challenges(&first, Doubt::Missing);
    let invite = it.hears();
    let contact = it.contact();
    it.says(&invite, 200, &contact);
    it.net.answered(0);
    it.net.nodes[it.peer].inbox.clear();
    let fork = reply(&invite, 200, "q", &contact);
    it.net.send_raw(it.peer, 0, &fork);
    it.net.millis(50);
    let bye = it.hears();
    assert_eq!(bye.to().expect("a To").tag(), Some("q"));
    assert_eq!(it.believes(&bye).as_deref(), Ok("trunk"));
    it.says(&bye, 200, "");
    let session = it.session;
    it.net
        .at(0, |ep, now| ep.ask(now, session).expect("it is up"));
    it.net.millis(50);
    let asked = it.hears();
    it.says(&asked, 408, "");
    let bye = it.hears();
    assert_eq!(bye.method, Method::Bye);
    assert_eq!(it.believes(&bye).as_deref(), Ok("trunk"));
    it.says(&bye, 200, "");
    assert_eq!(it.net.ended(0), Ending::Lost);
    it.net.assert_clean();
}
