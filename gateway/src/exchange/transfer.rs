//! A nurse sends a call on: REFER from an agent's phone (RFC 3515).
//!
//! Only an agent's phone in a conversation may ask for it, and only to an agent of the same rule set: a switch that calls
//! whom it is told to is a way to free calls. A call that left for a provider is not sent on from here.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use callcore::{
    scenario::{AgentId, Contact},
    switch::{CallId, LegFailure},
};
use transport::SipDriver;
use wire::sip::{
    endpoint::{Local, SessionId, TransportKind},
    header::NameAddr,
    message::{HeaderName, HeaderValue, Headers, Response, StatusCode},
    uri::Uri,
};

use super::{
    Exchange,
    call::{Call, CallerStage, Far, Leg, Transfer},
};
use crate::{
    crypto::OurCrypto,
    media::{Reached, Side},
    negotiate,
    registrar::Way,
};

/// How long the phone that is to take over may ring; the nurse may have hung up, and then nobody talks to the caller.
pub(super) const TRANSFER_RING_MAX: Duration = Duration::from_secs(45);

impl Exchange {
    pub(super) fn referred(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        to: &NameAddr,
        by: Option<HeaderValue>,
    ) {
        let now = sip.now();
        let (target, agent) = match self.transfer_target(session, to) {
            Ok(found) => found,
            Err(status) => {
                let _ = sip.endpoint().reject_refer(now, session, status);
                return;
            }
        };
        let Some(Leg::Far(id)) = self.legs.get(&session).copied() else {
            return;
        };
        let mut headers = Headers::default();
        if let Some(by) = by {
            headers.push(HeaderName::ReferredBy, by);
        }
        if let Some(replaces) = to.uri.headers.as_deref().and_then(replaces_in) {
            headers.push(HeaderName::Replaces, replaces);
        }
        self.forget_hosts(id);
        let crypto = OurCrypto::offering(self.scenario_of(id).agent(agent).srtp);
        let way = self.registered_way(id, agent, &target);
        let ends = self.ends_to_phone(sip, &target, way.as_ref());
        let called = ends.and_then(|(own, host)| {
            let target = (target, own, way.as_ref());
            let called = self.invite_taking_over(sip, id, agent, target, &crypto, &headers);
            called.map(|called| (called, own, host))
        });
        let Ok((called, own, host)) = called else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let _ = sip.endpoint().reject_refer(now, session, status);
            return;
        };
        self.legs.insert(called, Leg::Transfer(id));
        if let Some(call) = self.calls.get_mut(&id) {
            call.transfer = Some(Transfer {
                from: session,
                to: called,
                agent,
                left: false,
                begun: Instant::now(),
                reached: Reached {
                    home: self.homes.ip(own),
                    from: Some(host),
                },
                crypto,
            });
        }
        tracing::info!(call = id.0, "a nurse sends the call on");
        let _ = sip.endpoint().accept_refer(now, session);
    }

    /// The address of ours from which a phone is called, and the phone's host.
    fn ends_to_phone(
        &self,
        sip: &mut SipDriver,
        target: &Uri,
        way: Option<&Way>,
    ) -> Result<(Local, IpAddr), LegFailure> {
        if let Some(way) = way {
            return Ok((way.local, way.peer.ip()));
        }
        let at = target.address().ok_or(LegFailure::Unavailable)?;
        let own = self.way_out(sip, at, TransportKind::asked_by(target))?;
        Ok((own, at.ip()))
    }

    /// By what way an agent's phone has registered here; `None` for one that the scenario names.
    fn registered_way(&self, id: CallId, agent: AgentId, phone: &Uri) -> Option<Way> {
        match &self.scenario_of(id).agent(agent).contact {
            Contact::Registers(user) => self.registrar.way_of(user, phone).cloned(),
            Contact::Simulated | Contact::Sip(_) => None,
        }
    }

    /// Whom the phone may have us call; the status that refuses it.
    fn transfer_target(
        &self,
        session: SessionId,
        to: &NameAddr,
    ) -> Result<(Uri, AgentId), StatusCode> {
        let Some(Leg::Far(id)) = self.legs.get(&session).copied() else {
            return Err(StatusCode::FORBIDDEN);
        };
        let call = self.calls.get(&id).ok_or(StatusCode::FORBIDDEN)?;
        if !call.talks_to_agent(session) {
            return Err(StatusCode::FORBIDDEN);
        }
        if call.transfer.is_some() {
            return Err(StatusCode::REQUEST_PENDING);
        }
        let mut target = to.uri.clone();
        target.headers = None;
        if let Some((phone, agent)) = self.phone_of(id, &target) {
            return Ok((phone, agent));
        }
        let agent = self.agent_at(id, &target).ok_or(StatusCode::FORBIDDEN)?;
        Ok((target, agent))
    }

    /// The phone of an agent who registers here and is named as telephones know each other, by user and this switch: the most
    /// wanted, of those the latest.
    fn phone_of(&self, id: CallId, named: &Uri) -> Option<(Uri, AgentId)> {
        let elsewhere = |at: SocketAddr| !self.homes.is_here(at.ip());
        if named.address().is_some_and(elsewhere) {
            return None;
        }
        let user = named.user_decoded()?;
        let agents = (0..).map(AgentId).zip(&self.scenario_of(id).agents);
        let mut registering = agents.filter(|(_, agent)| match &agent.contact {
            Contact::Registers(own) => **own == *user,
            Contact::Simulated | Contact::Sip(_) => false,
        });
        let (agent, _) = registering.next()?;
        let mut phones = self.registrar.phones_of(&user);
        let phone = phones.pop_front()?.pop()?;
        Some((phone.contact, agent))
    }

    /// Whose phone is there, by the rule set that a call came under. Of the places of one that takes several calls at once: the one that
    /// has this call already, else one that has no other.
    pub(super) fn agent_at(&self, id: CallId, at: &Uri) -> Option<AgentId> {
        let is_it = |uri: &str| Uri::parse(uri).is_ok_and(|uri| is_same(&uri, at));
        let agents = &self.scenario_of(id).agents;
        let phones = (0..).map(AgentId).zip(agents);
        let places = phones.filter(|(_, agent)| match &agent.contact {
            Contact::Simulated => false,
            Contact::Sip(uri) => is_it(uri),
            Contact::Registers(user) => {
                let mut contacts = self.registrar.contacts_of(user);
                contacts.any(|contact| is_same(contact, at))
            }
        });
        let places: Vec<AgentId> = places.map(|(agent, _)| agent).collect();
        let (first, others) = places.split_first()?;
        if others.is_empty() {
            return Some(*first);
        }
        let has = self.calls.get(&id).and_then(|call| call.far.agent());
        if let Some(has) = has.filter(|has| places.contains(has)) {
            return Some(has);
        }
        let calls = self.calls.values();
        let taken: BTreeSet<AgentId> = calls.filter_map(|call| call.far.agent()).collect();
        let free = places.iter().find(|place| !taken.contains(place));
        Some(*free.unwrap_or(first))
    }

    pub(super) fn transfer_rings(&mut self, sip: &mut SipDriver, id: CallId, status: StatusCode) {
        let transfer = self
            .calls
            .get(&id)
            .and_then(|call| call.transfer.as_ref())
            .filter(|transfer| !transfer.left);
        if let Some(transfer) = transfer {
            let now = sip.now();
            let _ = sip.endpoint().report_refer(now, transfer.from, status);
        }
    }

    pub(super) fn transfer_answered(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        response: &Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(mut transfer) = call.transfer.take() else {
            return;
        };
        let agreed = negotiate::agreed(response.body().as_ref(), &mut transfer.crypto);
        let now = sip.now();
        let (Some(agreed), Some(media)) = (agreed, &mut call.media) else {
            self.legs.remove(&transfer.to);
            let _ = sip.endpoint().end(now, transfer.to, None);
            return self.transfer_over(sip, id, &transfer, StatusCode::NOT_ACCEPTABLE_HERE);
        };
        media.reached(Side::Far, transfer.reached);
        call.crypto.far = std::mem::take(&mut transfer.crypto);
        self.take_over(sip, id, transfer.to, Some(transfer.agent));
        if !transfer.left {
            let _ = sip
                .endpoint()
                .report_refer(now, transfer.from, StatusCode::OK);
            let _ = sip.endpoint().end(now, transfer.from, None);
        }
        // The caller is there, and whoever asked is not.
        match self.remote_answered(sip, Leg::Far(id), agreed) {
            Ok(()) => self.tell_hold(sip, id, Side::Far),
            Err(_) => self.give_far_up(sip, id, None),
        }
    }

    pub(super) fn transfer_failed(&mut self, sip: &mut SipDriver, id: CallId, status: StatusCode) {
        let transfer = self
            .calls
            .get_mut(&id)
            .and_then(|call| call.transfer.take());
        if let Some(transfer) = transfer {
            self.transfer_over(sip, id, &transfer, status);
        }
    }

    /// It came to nothing: the nurse who asked is told and goes on talking, or has left and the caller waits again.
    fn transfer_over(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        transfer: &Transfer,
        status: StatusCode,
    ) {
        if transfer.left {
            return self.far_lost(sip, id);
        }
        let now = sip.now();
        let _ = sip.endpoint().report_refer(now, transfer.from, status);
    }

    /// Gives up phones that ring too long.
    pub(super) fn sweep_transfers(&mut self, sip: &mut SipDriver, now: Instant) {
        let stale: Vec<(CallId, SessionId)> = self
            .calls
            .iter()
            .filter_map(|(id, call)| Some((*id, call.transfer.as_ref()?)))
            .filter(|(_, transfer)| now - transfer.begun > TRANSFER_RING_MAX)
            .map(|(id, transfer)| (id, transfer.to))
            .collect();
        for (id, session) in stale {
            self.legs.remove(&session);
            let at = sip.now();
            let _ = sip.endpoint().end(at, session, None);
            self.transfer_failed(sip, id, StatusCode::REQUEST_TIMEOUT);
        }
    }

    /// The nurse who asked hangs up, or is gone without a word, before the other has answered: the call waits for the other.
    pub(super) fn transferor_left(&mut self, session: SessionId, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        let from = |transfer: &&mut Transfer| transfer.from == session;
        let Some(transfer) = call.transfer.as_mut().filter(from) else {
            return false;
        };
        transfer.left = true;
        if let Some(media) = &mut call.media {
            media.far_left();
        }
        true
    }
}

impl Call {
    /// Whether this is the session of an agent's phone that talks with the caller through here.
    pub(super) fn talks_to_agent(&self, session: SessionId) -> bool {
        let agents = matches!(self.far, Far::Agent(_, own) if own == session);
        agents && self.caller_stage == CallerStage::Answered && self.media.is_some()
    }
}

/// The same phone: user and address.
fn is_same(a: &Uri, b: &Uri) -> bool {
    a.user == b.user && a.address().is_some() && a.address() == b.address()
}

/// The Replaces among a URI's header fields (RFC 3891 section 4), unescaped.
fn replaces_in(headers: &str) -> Option<HeaderValue> {
    let (_, value) = headers
        .split('&')
        .filter_map(|field| field.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("Replaces"))?;
    HeaderValue::parse(&unescaped(value)?)
}

/// `%3B` and the like as the characters they mean; `None` when they aren't UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use wire::sip::{
        endpoint::{Ending, Event},
        message::Method,
    };

    use super::*;
    use crate::{
        exchange::bench::{Bench, Peer},
        media::MediaEvent,
    };

    #[test]
    fn replaces_is_read_out_of_a_uri() {
        let read = |text: &str| replaces_in(text).map(|value| value.as_str().to_owned());
        let named = "Accept=x&replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2";
        assert_eq!(read(named).as_deref(), Some("a@b;to-tag=1;from-tag=2"));
        for bad in [
            "",
            "Replaces",
            "Replaces=%4",
            "Replaces=%zz",
            "Replaces=a%0d%0ab",
            "Replaces=%ff",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    /// Of three places at one address: the call's own, else one without a call.
    #[tokio::test]
    async fn who_takes_several_calls_at_once_is_sent_another_at_a_free_place() {
        let (nurse, desk) = (Peer::new().await, Peer::new().await);
        let entries = format!(
            r#"
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = ["sip:a@{}", {{ sip = "sip:b@{}", at_once = 3 }}], ring_s = 10 }}]
route = [{{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }}]
"#,
            nurse.at(),
            desk.at()
        );
        let mut bench = Bench::new(&entries);
        let switch = bench.address();
        let (mut callers, mut calls) = (Vec::new(), Vec::new());
        for phone in [&nurse, &desk, &desk] {
            let caller = Peer::new().await;
            let talks = async {
                let offer = Peer::sdp(5000);
                caller.asks(switch, ("INVITE", 1, ""), &offer).await;
                let asked = phone.is_asked(Method::Invite).await;
                let ok = ("200 OK", "");
                phone.answers(switch, &asked, ok, &Peer::sdp(5002)).await;
                phone.is_asked(Method::Ack).await;
            };
            bench.until(talks).await;
            callers.push(caller);
            calls.push(bench.exchange.calls.last_key_value().map(|(id, _)| *id));
        }
        let at = Uri::sip(Some("b"), desk.at());
        for (call, place) in calls.into_iter().zip([3, 1, 2]) {
            let found = bench.exchange.agent_at(call.expect("a call"), &at);
            assert_eq!(found, Some(AgentId(place)));
        }
    }

    /// How she who asked is gone.
    #[derive(Debug, Clone, Copy)]
    enum Gone {
        HangsUp,
        Lost,
        Silent,
    }

    /// However she goes: the caller waits for the other nurse, and in the queue when that one doesn't take it.
    #[tokio::test]
    async fn a_caller_who_was_sent_on_and_taken_by_nobody_is_back_in_the_queue() {
        for gone in [Gone::HangsUp, Gone::Lost, Gone::Silent] {
            let (mut bench, [_caller, first, second], asked) = Bench::talking().await;
            let switch = bench.address();
            let (id, session) = (bench.state().expect("a call").0, bench.far());
            let to = NameAddr::new(Uri::sip(Some("b"), second.at()));
            bench.exchange.on_sip(
                &mut bench.sip,
                Event::Referred {
                    session,
                    to: Box::new(to),
                    by: None,
                },
            );
            let called = bench.until(second.is_asked(Method::Invite)).await;
            match gone {
                Gone::HangsUp => {
                    let leaves = async {
                        first.asks_back(switch, &asked, ("BYE", 7), "").await;
                        first.is_told(200).await
                    };
                    bench.until(leaves).await;
                }
                Gone::Lost => {
                    let why = Ending::Lost;
                    let lost = Event::Ended { session, why };
                    bench.exchange.on_sip(&mut bench.sip, lost);
                }
                Gone::Silent => {
                    let silent = MediaEvent::Silent(id, Side::Far);
                    bench.exchange.on_media(&mut bench.sip, silent);
                    bench.until(first.is_asked(Method::Bye)).await;
                }
            }
            assert_eq!(bench.state(), Some((id, "talking")), "{gone:?}");
            let busy = async {
                let busy = ("486 Busy Here", "");
                second.answers(switch, &called, busy, "").await;
                second.is_asked(Method::Ack).await;
                second.is_asked(Method::Invite).await
            };
            bench.until(busy).await;
            assert_eq!(bench.state(), Some((id, "ringing")), "{gone:?}");
            let lost = u64::from(!matches!(gone, Gone::HangsUp));
            assert_eq!(bench.agents_lost("sormland"), lost, "{gone:?}");
        }
    }
}
