//! The other side of a call: a simulated nurse, an agent's phone, or a care provider.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use callcore::{
    scenario::{AgentId, Contact, Srtp},
    switch::{CallId, Input, LegFailure},
};
use rand::RngExt;
use transport::SipDriver;
use wire::{
    auth::Credentials,
    sip::{
        endpoint::{Invite, Local, SessionId, TransportKind},
        header::MaxForwards,
        message::{Body, HeaderName, Headers, Response, StatusCode},
        uri::Uri,
    },
};

use super::{
    Exchange, NURSE_RINGS_S, NurseStep,
    call::{Asked, Call, CallerStage, Far, Leg},
    history::VISITED,
    own_uri, ports,
};
use crate::{
    crypto::OurCrypto,
    media::{Reached, Side},
    negotiate, origin,
    registrar::Way,
};

impl Exchange {
    pub(super) fn ring_agent(&mut self, sip: &mut SipDriver, id: CallId, agent: AgentId) {
        match self.scenario.agents[agent.0 as usize].contact.clone() {
            Contact::Simulated => {
                let rings = Duration::from_secs_f64(self.rng.random_range(NURSE_RINGS_S));
                self.nurses
                    .insert((Instant::now() + rings, id, NurseStep::Answer(agent)));
                if let Some(call) = self.calls.get_mut(&id) {
                    call.far = Far::Nurse(agent);
                }
                self.input(Input::AgentRinging(id));
            }
            Contact::Registers(user) => self.ring_registered(sip, id, agent, &user),
            Contact::Sip(uri) => {
                if let Err(failure) = self.ring_phone(sip, id, agent, &uri) {
                    self.input(Input::AgentFailed(id, failure));
                }
            }
        }
    }

    pub(super) fn ring_phone(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        agent: AgentId,
        uri: &str,
    ) -> Result<(), LegFailure> {
        self.forget_hosts(id);
        let srtp = self.scenario.agent(agent).srtp;
        let session = self.invite_with_our_media(sip, id, uri, srtp)?;
        self.agent_knows_us(sip, id, (session, agent));
        if let Some(call) = self.calls.get_mut(&id) {
            call.far = Far::Agent(agent, session);
        }
        Ok(())
    }

    pub(super) fn nurse_does(&mut self, id: CallId, step: NurseStep) {
        let Some(Far::Nurse(agent)) = self.calls.get(&id).map(|call| call.far) else {
            return;
        };
        match step {
            NurseStep::Answer(rung) if rung == agent => self.input(Input::AgentAnswered(id)),
            NurseStep::Answer(_) => {}
            NurseStep::HangUp => self.input(Input::FarEndGone(id)),
        }
    }

    pub(super) fn bridge(&mut self, sip: &mut SipDriver, id: CallId) {
        let nurse = self.library.clip("nurse.wav");
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(media) = &mut call.media else { return };
        match call.far {
            Far::Nurse(_) => {
                media.nurse(nurse);
                if let Some(talks) = self.nurse_talks.clone().filter(|talks| !talks.is_empty()) {
                    let talks = self.rng.random_range(talks);
                    self.nurses
                        .insert((Instant::now() + talks, id, NurseStep::HangUp));
                }
            }
            Far::Agent(..) | Far::Provider(..) => {
                media.join();
                self.tell_hold(sip, id, Side::Far);
            }
            Far::Nobody | Far::Phones(_) | Far::Referred(..) => {}
        }
    }

    pub(super) fn stop_far(&mut self, sip: &mut SipDriver, id: CallId) {
        self.nurses.retain(|(_, call, _)| *call != id);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let far = std::mem::replace(&mut call.far, Far::Nobody);
        if let Some(media) = &mut call.media {
            media.far_left();
        }
        let phones = call.phones.take();
        self.stop_phones(sip, phones, None);
        if let Some(session) = far.session() {
            self.legs.remove(&session);
            let now = sip.now();
            let _ = sip.endpoint().end(now, session, None);
        }
    }

    pub(super) fn invite_with_our_media(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        uri: &str,
        srtp: Srtp,
    ) -> Result<SessionId, LegFailure> {
        let (own, host) = self.ends_to(sip, id, uri)?;
        let local = self.open_far(id, own, host)?;
        let call = self.calls.get_mut(&id).ok_or(LegFailure::Unavailable)?;
        call.crypto.far = OurCrypto::offering(srtp);
        let offer = negotiate::offer(local, &call.crypto.far);
        self.invite(sip, id, uri, Some(own), Some(offer))
    }

    /// The address of ours from which a target will be called, and the target's host.
    pub(super) fn ends_to(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        uri: &str,
    ) -> Result<(Local, Option<IpAddr>), LegFailure> {
        let target = Uri::parse(uri).map_err(|_| LegFailure::Unavailable)?;
        let mut kind = TransportKind::asked_by(&target);
        let mut address = target.address();
        if address.is_none() {
            let way = self.first_way(id, &target).ok_or(LegFailure::Unavailable)?;
            (address, kind) = (Some(way.address), way.kind.or(kind));
        }
        let address = address.ok_or(LegFailure::Unavailable)?;
        let own = self.way_out(sip, address, kind)?;
        Ok((own, Some(address.ip())))
    }

    /// Our address for audio on the far leg, in the network of the far side's signalling; it may depend on the host that will be
    /// called, when that is known.
    pub(super) fn open_far(
        &mut self,
        id: CallId,
        own: Local,
        host: Option<IpAddr>,
    ) -> Result<SocketAddr, LegFailure> {
        let call = self.calls.get_mut(&id).ok_or(LegFailure::Unavailable)?;
        let media = Self::media_of((&mut self.media, &self.homes), call, id);
        let media = media.map_err(|_| LegFailure::OurFault)?;
        let home = self.homes.ip(own);
        media.reached(Side::Far, Reached { home, from: host });
        let local = media.open_far(&mut self.media, home, host);
        local.map_err(|error| ports::our_fault(id, &error))
    }

    pub(super) fn invite(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        uri: &str,
        own: Option<Local>,
        body: Option<Body>,
    ) -> Result<SessionId, LegFailure> {
        let target = Uri::parse(uri).map_err(|_| LegFailure::Unavailable)?;
        let session = self.call_far(sip, id, (target, own), body, &Headers::default())?;
        self.legs.insert(session, Leg::Far(id));
        Ok(session)
    }

    /// Calls the phone that is to take over from an agent's, with our media.
    pub(super) fn invite_taking_over(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        agent: AgentId,
        (target, own, way): (Uri, Local, Option<&Way>),
        crypto: &OurCrypto,
        headers: &Headers,
    ) -> Result<SessionId, LegFailure> {
        let call = self.calls.get_mut(&id).ok_or(LegFailure::Unavailable)?;
        let media = call.media.as_mut().ok_or(LegFailure::Unavailable)?;
        let home = self.homes.ip(own);
        // Where its audio will come from, its answer says.
        let local = media.far_local().filter(|local| local.ip() == home);
        let local = local.map_or_else(|| media.open_far(&mut self.media, home, None), Ok);
        let local = local.map_err(|error| ports::our_fault(id, &error))?;
        let offer = negotiate::offer(local, crypto);
        let Some(way) = way else {
            let session = self.call_far(sip, id, (target, Some(own)), Some(offer), headers)?;
            self.agent_knows_us(sip, id, (session, agent));
            return Ok(session);
        };
        call.asked.history.goes_to(&target.to_string());
        self.call_phone(sip, id, target, way, Some(offer), headers)
    }

    /// Calls whom the scenario names. Should somebody there ask who we are: whoever calls knows whom to tell.
    fn call_far(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        (target, own): (Uri, Option<Local>),
        body: Option<Body>,
        more: &Headers,
    ) -> Result<SessionId, LegFailure> {
        let call = self.calls.get_mut(&id).ok_or(LegFailure::Unavailable)?;
        call.asked.history.goes_to(&target.to_string());
        let (next_hop, kind) = self.next_way(sip, id, &target);
        self.call_by(sip, id, target, (next_hop, kind, own), body, more)
    }

    /// Calls a phone by the way that its REGISTER came: two users may have named themselves by the same address behind their walls.
    /// Should it ask who we are, it isn't told: what proves it to a phone would prove it to a trunk for whom the phone asks.
    pub(super) fn call_phone(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        contact: Uri,
        way: &Way,
        body: Option<Body>,
        more: &Headers,
    ) -> Result<SessionId, LegFailure> {
        let mut headers = Headers::default();
        way.path.route(&mut headers);
        headers.append(more);
        let next = (Some(way.peer), Some(way.kind), Some(way.local));
        self.call_by(sip, id, contact, next, body, &headers)
    }

    fn call_by(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        target: Uri,
        (next_hop, transport, own): (Option<SocketAddr>, Option<TransportKind>, Option<Local>),
        body: Option<Body>,
        more: &Headers,
    ) -> Result<SessionId, LegFailure> {
        let call = self.calls.get(&id).ok_or(LegFailure::Unavailable)?;
        if call.hops_left == 0 {
            return Err(LegFailure::Refused);
        }
        let at = next_hop.or_else(|| target.address());
        let at = at.ok_or(LegFailure::Unavailable)?;
        let own = match own {
            Some(own) => own,
            None => {
                let kind = transport.or_else(|| TransportKind::asked_by(&target));
                self.way_out(sip, at, kind)?
            }
        };
        let call = self.calls.get(&id).ok_or(LegFailure::Unavailable)?;
        let trusts = self.trusted.contains(at.ip());
        let here = self.homes.here(own);
        let mut headers = call.headers_to_far(here, trusts);
        let visits = format!("{};n={}", self.mark, call.asked.visits.saturating_add(1));
        headers.push(VISITED.clone(), visits);
        for mark in &call.asked.others_marks {
            headers.push(VISITED.clone(), mark.as_str());
        }
        headers.append(more);
        let invite = Invite {
            target,
            next_hop,
            transport,
            local: Some(own),
            from: call.caller_address(here).into(),
            to: None,
            headers,
            max_forwards: Some(MaxForwards(call.hops_left)),
            body,
        };
        let now = sip.now();
        sip.endpoint()
            .invite(now, invite)
            .map_err(|_| LegFailure::Unavailable)
    }

    pub(super) fn far_progress(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        status: StatusCode,
        body: Option<Body>,
    ) {
        let id = match self.legs.get(&session).copied() {
            Some(Leg::Far(id)) => id,
            Some(Leg::Transfer(id)) => return self.transfer_rings(sip, id, status),
            Some(Leg::Phone(id)) => return self.phone_rings(id),
            _ => return,
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let Some(media) = call.media.as_ref().filter(|_| !call.is_direct())
            && let Some(remote) = body.as_ref().and_then(negotiate::audio_at)
        {
            media.far_will_be(remote);
        }
        match call.far {
            Far::Provider(..) => {
                if call.caller_stage == CallerStage::Offered && status != StatusCode::TRYING {
                    // Without an offer of the caller's, what an 18x describes is one of the provider's, and unreliable.
                    let passed = body.filter(|_| call.is_direct() && call.offer.is_some());
                    call.describe(sip, passed.as_ref());
                    let now = sip.now();
                    let _ = sip.endpoint().progress(now, call.caller, status, passed);
                }
                self.input(Input::ProviderRinging(id));
            }
            _ => self.input(Input::AgentRinging(id)),
        }
    }

    pub(super) fn answered(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        response: &Response,
    ) {
        match self.legs.get(&session).copied() {
            Some(Leg::Far(id)) => self.far_answered(sip, id, response),
            Some(Leg::Phone(id)) => self.phone_answered(sip, id, session, response),
            Some(Leg::Recording(id)) => self.recording_answered(sip, id, response),
            Some(Leg::Transfer(id)) => self.transfer_answered(sip, id, response),
            Some(Leg::Closing(_)) => self.closing_answered(sip, session),
            Some(Leg::Caller(id)) if self.is_called_back(id) => {
                self.caller_picked_up(sip, id, response);
            }
            Some(Leg::Caller(_)) | None => {
                // Answered in the moment we gave it up.
                let now = sip.now();
                let _ = sip.endpoint().end(now, session, None);
            }
        }
    }

    fn far_answered(&mut self, sip: &mut SipDriver, id: CallId, response: &Response) {
        let body = response.body();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.is_direct() {
            call.media = None;
            self.send_answer(sip, id, body);
            return self.input(Input::ProviderAnswered(id));
        }
        let Some(agreed) = negotiate::agreed(body.as_ref(), &mut call.crypto.far) else {
            return self.far_unfit(sip, id, LegFailure::Refused);
        };
        let far = call.far;
        if self.remote_answered(sip, Leg::Far(id), agreed).is_err() {
            return self.far_unfit(sip, id, LegFailure::OurFault);
        }
        match far {
            Far::Provider(..) => {
                self.answer_if_offered(sip, id);
                self.bridge(sip, id);
                self.input(Input::ProviderAnswered(id));
            }
            _ => self.input(Input::AgentAnswered(id)),
        }
    }

    fn answer_if_offered(&mut self, sip: &mut SipDriver, id: CallId) {
        if self
            .calls
            .get(&id)
            .is_some_and(|call| call.caller_stage == CallerStage::Offered)
        {
            self.answer_caller(sip, id);
        }
    }

    pub(super) fn far_failed(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        status: StatusCode,
        from_peer: bool,
    ) {
        // Another host of the same target may be there (RFC 3263 section 4.3).
        let absent = !from_peer || status == StatusCode::SERVICE_UNAVAILABLE;
        if absent && self.tries_next_way(sip, id) {
            return;
        }
        let far = self.calls.get_mut(&id).map(|call| {
            call.asked.history.refused(status);
            call.far
        });
        if let Some(Far::Agent(agent, _)) = far.filter(|_| matches!(status.code(), 401 | 407)) {
            self.note_unknown_to(id, agent);
        }
        if let Some(Far::Provider(external, _)) = far.filter(|_| status.is_redirect()) {
            let provider = self.scenario_of(id).provider(external.provider);
            self.observer.redirected(id, &provider.name, status);
        }
        self.input_far_failed(id, failure_of(status, from_peer));
    }

    pub(super) fn input_far_failed(&mut self, id: CallId, failure: LegFailure) {
        if let Some(call) = self.calls.get_mut(&id) {
            let far = std::mem::replace(&mut call.far, Far::Nobody);
            self.input(far.failed(id, failure));
        }
    }

    /// Who answered can't be talked with, and is hung up on.
    pub(super) fn far_unfit(&mut self, sip: &mut SipDriver, id: CallId, failure: LegFailure) {
        if let Some(far) = self.calls.get(&id).map(|call| call.far) {
            self.stop_far(sip, id);
            self.input(far.failed(id, failure));
        }
    }

    pub(super) fn far_over(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.far = Far::Nobody;
        }
    }
}

/// Says who we are in a session, should its peers ask.
pub(super) fn prove(sip: &mut SipDriver, session: SessionId, own: Arc<Credentials>) {
    // It has just begun, so it is there.
    let _ = sip.endpoint().prove(session, own);
}

/// What a final status other than 2xx, or its absence, means for whoever was called.
pub(super) fn failure_of(status: StatusCode, from_peer: bool) -> LegFailure {
    match (status.code(), from_peer) {
        (_, false) => LegFailure::Unavailable,
        (486 | 600, true) => LegFailure::Busy,
        (408 | 480, true) => LegFailure::NoAnswer,
        (500..=599, true) => LegFailure::Unavailable,
        _ => LegFailure::Refused,
    }
}

impl Call {
    fn caller_address(&self, here: &str) -> String {
        match &self.number {
            Some(number) if !self.asked.private => own_uri(number.reveal().as_str(), here),
            _ => "<sip:anonymous@anonymous.invalid>".to_owned(),
        }
    }

    /// What the other side gets to know: the kommun-ID, where the call has been, and the number that a trusted network
    /// asserts. One that its owner keeps private goes to trusted networks only (RFC 3325 section 7).
    fn headers_to_far(&self, here: &str, trusts: bool) -> Headers {
        let mut headers = Headers::default();
        if let Some(kommun) = &self.kommun {
            headers.push(origin::KOMMUN_HEADER.clone(), kommun.as_str());
        }
        let Asked {
            private, asserted, ..
        } = self.asked;
        if let Some(number) = self
            .number
            .as_ref()
            .filter(|_| asserted && (trusts || !private))
        {
            let uri = own_uri(number.reveal().as_str(), here);
            headers.push(HeaderName::PAssertedIdentity, uri.as_str());
        }
        if private {
            headers.push(HeaderName::Privacy, "id");
        }
        if trusts {
            headers.push(HeaderName::HistoryInfo, self.asked.history.written());
        }
        headers
    }
}
