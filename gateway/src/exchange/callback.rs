//! Calling back a caller who was promised it: the line let go, the number kept, a new leg when the turn has come.

use std::{net::SocketAddr, time::Instant};

use callcore::switch::{CallId, Input, LegFailure};
use transport::SipDriver;
use wire::sip::{
    endpoint::{Invite, SessionId, TransportKind},
    message::{Response, StatusCode},
    uri::Uri,
};

use super::{
    Exchange,
    call::{Call, CallerStage, Hold, Leg},
    far::{failure_of, prove},
    own_uri,
};
use crate::{
    crypto::OurCrypto,
    media::{Reached, Side},
    negotiate,
    origin::SERVICE_NUMBER,
};

impl Exchange {
    /// Hangs up on the caller; number and place stay.
    pub(super) fn promise(&mut self, sip: &mut SipDriver, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        self.legs.remove(&call.caller);
        if call.caller_stage == CallerStage::Answered {
            let now = sip.now();
            let _ = sip.endpoint().end(now, call.caller, None);
        }
        call.let_go();
    }

    pub(super) fn call_back(&mut self, sip: &mut SipDriver, id: CallId) {
        match self.invite_caller(sip, id) {
            Ok(session) => {
                self.legs.insert(session, Leg::Caller(id));
            }
            Err(failure) => self.input(Input::CallerFailed(id, failure)),
        }
    }

    fn invite_caller(&mut self, sip: &mut SipDriver, id: CallId) -> Result<SessionId, LegFailure> {
        let via = self.trunk_of(id);
        let srtp = self.scenario_of(id).listen.srtp;
        let call = self.calls.get(&id).ok_or(LegFailure::Unavailable)?;
        let (target, at) = call.address_to_call(via.as_deref())?;
        let own = self.way_out(sip, at, TransportKind::asked_by(&target))?;
        let call = self.calls.get_mut(&id).ok_or(LegFailure::Unavailable)?;
        call.local = own;
        let media = Self::media_of((&mut self.media, &self.homes), call, id);
        let media = media.map_err(|_| LegFailure::OurFault)?;
        let (home, from) = (self.homes.ip(own), Some(at.ip()));
        media.reached(Side::Caller, Reached { home, from });
        let local = media.caller_local();
        // A trunk is another peer than the one that brought the call.
        if via.is_some() || !call.crypto.caller.is_some() {
            call.crypto.caller = OurCrypto::offering(srtp);
        }
        let invite = Invite {
            next_hop: Some(at),
            local: Some(own),
            from: own_uri(SERVICE_NUMBER, self.homes.here(own)).into(),
            body: Some(negotiate::offer(local, &call.crypto.caller)),
            ..Invite::anonymous(target)
        };
        let now = sip.now();
        let session = sip
            .endpoint()
            .invite(now, invite)
            .map_err(|_| LegFailure::Unavailable)?;
        // The peer that brought the call may be anybody; a trunk is the scenario's.
        let known = via.is_some() || self.trusted.contains(at.ip());
        if let Some(own) = self.own.to_trunks().filter(|_| known) {
            prove(sip, session, own.clone());
        }
        call.caller = session;
        call.caller_stage = CallerStage::Called;
        call.begun = Instant::now();
        Ok(session)
    }

    pub(super) fn stop_calling_back(&mut self, sip: &mut SipDriver, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        self.legs.remove(&call.caller);
        let now = sip.now();
        let _ = sip.endpoint().end(now, call.caller, None);
        call.let_go();
    }

    pub(super) fn is_called_back(&self, id: CallId) -> bool {
        self.calls
            .get(&id)
            .is_some_and(|call| call.caller_stage == CallerStage::Called)
    }

    pub(super) fn caller_picked_up(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        response: &Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let agreed = negotiate::agreed(response.body().as_ref(), &mut call.crypto.caller);
        call.caller_stage = CallerStage::Answered;
        let heard = agreed.map(|agreed| self.remote_answered(sip, Leg::Caller(id), agreed));
        match heard {
            Some(Ok(())) => self.input(Input::CallerAnswered(id)),
            unheard => {
                self.stop_calling_back(sip, id);
                let failure = unheard.map_or(LegFailure::Refused, |_| LegFailure::OurFault);
                self.input(Input::CallerFailed(id, failure));
            }
        }
    }

    /// The caller's own leg was refused by the other side: only one that we called can be.
    pub(super) fn caller_not_reached(&mut self, id: CallId, status: StatusCode, from_peer: bool) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.caller_stage == CallerStage::Called {
            call.let_go();
            self.input(Input::CallerFailed(id, failure_of(status, from_peer)));
        }
    }

    /// The trunk through which the queue calls back, when it names one.
    fn trunk_of(&self, id: CallId) -> Option<Box<str>> {
        let view = self.switch.call(id)?;
        let queue = self.scenario_of(id).queue(view.queue?);
        queue.callback.as_ref()?.via.clone()
    }
}

impl Call {
    /// Whether the caller has no line and is to be called back.
    pub(super) const fn is_promised(&self) -> bool {
        matches!(self.caller_stage, CallerStage::Over) && self.promised
    }

    /// Nothing is left of the caller's leg: what was negotiated on it holds no more.
    fn let_go(&mut self) {
        self.caller_stage = CallerStage::Over;
        self.promised = true;
        (self.offer, self.answer, self.described) = (None, None, None);
        self.media = None;
        (self.hold, self.new_port) = (Hold::default(), None);
        self.keys_by = None;
        // The line that was cut is no more; what ends the next one is another matter.
        self.silent = false;
        // Who was encrypted is so again, by another key.
        self.crypto.caller = self.crypto.caller.anew();
    }

    /// The caller's number at the trunk, or at the peer that brought the call, and where that is: the interface of a link-local address
    /// stands in no URI (RFC 3986 section 3.2.2). The number goes nowhere else.
    fn address_to_call(&self, via: Option<&str>) -> Result<(Uri, SocketAddr), LegFailure> {
        let number = self.number.as_ref().ok_or(LegFailure::Unavailable)?;
        let user = number.reveal().as_str();
        let Some(via) = via else {
            return Ok((Uri::sip(Some(user), self.peer), self.peer));
        };
        let mut trunk = Uri::parse(via).map_err(|_| LegFailure::Unavailable)?;
        trunk.user = Some(user.into());
        let at = trunk.address().ok_or(LegFailure::Unavailable)?;
        Ok((trunk, at))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use wire::{
        auth::Algorithm,
        sip::{
            endpoint::Local,
            message::{HeaderName, Headers, Method},
        },
    };

    use super::*;
    use crate::{
        exchange::{
            bench::{Bench, GREETED_QUEUE, Peer},
            call::NewPort,
            scenario_of_tests,
        },
        listen::Own,
        origin::TrustedPeers,
    };

    /// Whoever may call may ask to be called back, and whoever is called may ask who calls.
    #[tokio::test]
    async fn who_is_called_back_where_nobody_is_trusted_is_told_no_proof() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("own.ha1");
        let hash = Algorithm::Sha256.hash(&["vaxel", "trunk", "secret"]);
        std::fs::write(&file, format!("vaxel:trunk:SHA-256:{hash}\n")).expect("a file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("ours");
        let mut scenario = scenario_of_tests(GREETED_QUEUE);
        scenario.listen.own_credentials = Some("own.ha1".into());
        for (networks, told) in [(vec![], false), (scenario.listen.trusted.clone(), true)] {
            let (mut bench, caller) = (Bench::new(GREETED_QUEUE), Peer::new().await);
            bench.exchange.own = Own::of(&scenario, folder.path()).expect("read");
            bench.exchange.trusted = TrustedPeers::new(networks);
            let switch = bench.address();
            let offer = Peer::sdp(5000);
            let called = async {
                caller.asks(switch, ("INVITE", 1, ""), &offer).await;
                caller.is_told(200).await
            };
            bench.until(called).await;
            let (id, _) = bench.state().expect("a call");
            bench.exchange.promise(&mut bench.sip, id);
            bench.exchange.call_back(&mut bench.sip, id);
            let asks = async {
                let asked = caller.is_asked(Method::Invite).await;
                let challenge = "WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";
                let unknown = ("401 Unauthorized", challenge);
                caller.answers(switch, &asked, unknown, "").await;
                caller.is_asked(Method::Ack).await;
                // What follows comes before the answer to this.
                caller.asks(switch, ("OPTIONS", 9, ""), "").await;
                let is_proof =
                    |headers: &Headers| headers.get(&HeaderName::Authorization).is_some();
                caller
                    .until_told(200, |asked| is_proof(&asked.headers))
                    .await
            };
            assert_eq!(bench.until(asks).await, told);
        }
    }

    #[test]
    fn who_came_from_a_link_local_address_is_called_back_by_its_interface() {
        let peer: SocketAddr = "[fe80::7%3]:5060".parse().expect("an address");
        let mut call = Call::new(SessionId(1), peer, Local::FIRST);
        call.number = Some(callcore::test_numbers::test_number(0));
        let (target, at) = call.address_to_call(None).expect("a number");
        assert_eq!(at, peer);
        assert!(!target.to_string().contains('%'));
    }

    #[test]
    fn who_held_and_was_promised_a_call_holds_nobody_when_called_back() {
        let session = SessionId(1);
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 5060));
        let mut call = Call::new(session, peer, Local::FIRST);
        call.hold.by[Side::Caller as usize] = true;
        call.new_port = Some(NewPort {
            leg: Leg::Caller(CallId(1)),
            session,
            told: true,
        });
        call.let_go();
        assert!(!call.hold.is_held() && call.new_port.is_none());
    }
}
