//! The caller's leg: offered, answered, announced to, changed, hung up.

use callcore::{
    scenario::AnnouncementId,
    switch::{CallId, Input, Outcome},
};
use transport::SipDriver;
use wire::sip::{
    endpoint::{Flow, SessionId, TransportKind},
    header::MaxForwards,
    message::{Body, HeaderName, Headers, Method, Request, StatusCode},
};

use super::{
    Exchange,
    call::{Asked, Call, CallerStage, Leg},
    history::{self, History, VISITS_MAX},
    ports,
};
use crate::{
    crypto::OurCrypto,
    homes::Homes,
    media::{Media, MediaFactory, Peer, PlayId, Reached, Side},
    negotiate, origin,
};

impl Exchange {
    pub(super) fn incoming(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        request: &Request,
        flow: Flow,
    ) {
        let peer = flow.peer();
        let Some(trusted) = self.let_in(sip, session, request, flow) else {
            return;
        };
        if !takes_sdp(request) {
            return refuse(sip, session, StatusCode::NOT_ACCEPTABLE);
        }
        let offer = request.body().map(negotiate::session_part);
        if let Some(problem) = offer.as_ref().and_then(negotiate::refusal) {
            return refuse(sip, session, problem);
        }
        let visits = history::visits(request, &self.mark);
        if visits > VISITS_MAX {
            return refuse(sip, session, StatusCode::LOOP_DETECTED);
        }
        self.knows_us(sip, session, flow);
        let asked = self.wishes(request, flow, trusted.contains(peer.ip()), visits);
        let sources = &self.scenario.listen.kommun_sources;
        let found = origin::read(request, peer.ip(), &trusted, sources);
        let origin = found.origin;
        self.note_claim(origin);
        let id = CallId(self.next_call);
        self.next_call += 1;
        self.observer.found(id, &found);
        self.legs.insert(session, Leg::Caller(id));
        self.calls.insert(
            id,
            Box::new(Call {
                trusted: trusted.contains(peer.ip()),
                caller_stage: CallerStage::Offered,
                offer,
                number: origin::caller(request, peer.ip(), &trusted),
                kommun: origin.kommun().map(|kommun| kommun.to_string()),
                hops_left: hops_left(request),
                private_signalling: matches!(flow.kind(), TransportKind::Tls | TransportKind::Wss),
                asked,
                ..Call::new(session, peer, flow.local())
            }),
        );
        let reachable = self
            .calls
            .get(&id)
            .is_some_and(|call| call.number.is_some())
            && self.leads_back(flow);
        self.input(Input::Offered {
            call: id,
            origin,
            reachable,
        });
    }

    /// Whether a caller can be called back later. A datagram's source can be; a connection leads to nobody once it is closed, so
    /// there it takes the trunk of whichever queue the caller comes to.
    fn leads_back(&self, flow: Flow) -> bool {
        let mut callbacks = self
            .scenario
            .queues
            .iter()
            .filter_map(|queue| queue.callback.as_ref());
        flow.kind() == TransportKind::Udp || callbacks.all(|callback| callback.via.is_some())
    }

    /// What the INVITE asks for beside a call.
    fn wishes(&self, request: &Request, flow: Flow, trusted: bool, visits: u8) -> Asked {
        let here = self.homes.here(flow.local());
        let here = ["sip:", origin::SERVICE_NUMBER, "@", here].concat();
        Asked {
            takes_refer: request
                .headers
                .lists(&HeaderName::Allow, Method::Refer.as_str()),
            private: origin::is_private(request),
            asserted: trusted
                && request
                    .headers
                    .get(&HeaderName::PAssertedIdentity)
                    .is_some(),
            history: History::of(request, trusted, &here),
            visits,
            others_marks: history::others_marks(request, &self.mark),
        }
    }

    /// The answer to a late offer comes in the ACK, or in the PRACK when an 18x made the offer. Between caller and provider
    /// of a `direct` call it goes on to the other side.
    pub(super) fn confirmed(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        body: Option<&Body>,
    ) {
        let Some(leg) = self.legs.get(&session).copied() else {
            return;
        };
        if let Some(other) = self.passes_through(leg) {
            let now = sip.now();
            self.note_description(leg, body);
            // Most ACKs bring no answer, and then no other waits for one.
            let _ = sip.endpoint().ack(now, other, body.cloned());
            return;
        }
        // Of the first description no more is asked than of one in an INVITE: whoever says there that it only sends holds nobody.
        let in_change = leg.side().is_some_and(|(id, side)| {
            let call = self.calls.get(&id);
            call.is_some_and(|call| call.hold.is_changed(side, session))
        });
        match (leg, body) {
            (Leg::Caller(id), Some(answer)) if self.offered_late(id) => {
                self.late_answer(sip, id, answer, !in_change);
            }
            (Leg::Far(id), Some(answer)) => self.late_answer_of_far(sip, id, answer),
            _ => self.agreed(sip, leg, body),
        }
        self.pass_hold_on(sip, leg, body.filter(|_| in_change));
        // One who took another's place while the caller holds hears of it now.
        self.change_through(sip, session);
    }

    /// The same of a phone that took another's place without an offer.
    fn late_answer_of_far(&mut self, sip: &mut SipDriver, id: CallId, answer: &Body) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let agreed = negotiate::agreed(Some(answer), &mut call.crypto.far);
        let heard = agreed.map(|agreed| self.remote_answered(sip, Leg::Far(id), agreed));
        if !matches!(heard, Some(Ok(()))) {
            self.give_far_up(sip, id, None);
        }
    }

    fn offered_late(&self, id: CallId) -> bool {
        self.calls.get(&id).is_some_and(|call| call.offer.is_none())
    }

    /// The answer to our offer to a caller, the first or one in a change. One that doesn't fit, such as plain audio where it must be
    /// encrypted, ends the call: nobody would be heard.
    fn late_answer(&mut self, sip: &mut SipDriver, id: CallId, answer: &Body, first: bool) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match negotiate::agreed(Some(answer), &mut call.crypto.caller) {
            Some(agreed) => {
                if first && agreed.srtp.is_some() {
                    self.observer.encrypts(call.private_signalling);
                }
                if self.remote_answered(sip, Leg::Caller(id), agreed).is_err() {
                    self.input(Input::CallLost(id));
                }
            }
            None => self.input(Input::CallerIncompatible(id)),
        }
    }

    /// The answer to an offer of ours tells where the other end of a leg is.
    pub(super) fn agreed(&mut self, sip: &mut SipDriver, leg: Leg, answer: Option<&Body>) {
        let Some((id, side)) = leg.side() else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let ours = match side {
            Side::Caller => &mut call.crypto.caller,
            Side::Far => &mut call.crypto.far,
        };
        if let Some(agreed) = negotiate::agreed(answer, ours)
            && self.remote_answered(sip, leg, agreed).is_err()
        {
            self.input(Input::CallLost(id));
        }
    }

    pub(super) fn answer_caller(&mut self, sip: &mut SipDriver, id: CallId) {
        if let Err(status) = self.try_answer(sip, id) {
            self.give_up(sip, id, status);
        }
    }

    fn try_answer(&mut self, sip: &mut SipDriver, id: CallId) -> Result<(), StatusCode> {
        let answer = self.local_answer(id)?;
        self.send_answer(sip, id, Some(answer));
        Ok(())
    }

    /// 200 to the caller, with the route's name for a peer that may know it.
    pub(super) fn send_answer(&mut self, sip: &mut SipDriver, id: CallId, answer: Option<Body>) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.caller_stage = CallerStage::Answered;
        call.describe(sip, answer.as_ref());
        let mut headers = Headers::default();
        if let Some(route) = self.observer.route_of(id).filter(|_| call.trusted) {
            headers.push(origin::ROUTE_HEADER.clone(), route);
        }
        let now = sip.now();
        // A caller who cancelled in this moment is told by an event of its own.
        let _ = sip
            .endpoint()
            .answer_with(now, call.caller, &headers, answer);
    }

    pub(super) fn announce(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        announcement: AnnouncementId,
    ) {
        let clip = self
            .library
            .clip(&self.scenario_of(id).announcement(announcement).file);
        let answer = match self.local_answer(id) {
            Ok(answer) => answer,
            Err(status) => return self.give_up(sip, id, status),
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.caller_stage == CallerStage::Offered {
            call.describe(sip, Some(&answer));
            let now = sip.now();
            let _ = sip.endpoint().progress(
                now,
                call.caller,
                StatusCode::SESSION_PROGRESS,
                Some(answer),
            );
        }
        if let Some(media) = &mut call.media {
            media.play_once(clip);
        }
    }

    /// A clip is over. What was played before something else was asked for tells nothing any more.
    pub(super) fn played(&mut self, id: CallId, clip: PlayId) {
        let media = self.calls.get(&id).and_then(|call| call.media.as_ref());
        if media.is_some_and(|media| media.plays(clip)) {
            self.input(Input::AnnouncementDone(id));
        }
    }

    pub(super) fn music(&mut self, id: CallId, announcement: AnnouncementId) {
        let clip = self
            .library
            .clip(&self.scenario_of(id).announcement(announcement).file);
        if let Some(media) = self.calls.get_mut(&id).and_then(|call| call.media.as_mut()) {
            media.play_on(clip);
        }
    }

    /// Our side of the caller's audio: made once, so that early media and the 200 say the same (RFC 3261 section 13.2.1).
    fn local_answer(&mut self, id: CallId) -> Result<Body, StatusCode> {
        let srtp = self.scenario_of(id).listen.srtp;
        let Some(call) = self.calls.get_mut(&id) else {
            return Err(StatusCode::SERVER_INTERNAL_ERROR);
        };
        if let Some(answer) = &call.answer {
            return Ok(answer.clone());
        }
        let local = Self::media_of((&mut self.media, &self.homes), call, id)?.caller_local();
        let ours = &mut call.crypto.caller;
        let answer = match (&call.offer, &mut call.media) {
            (Some(offer), Some(media)) => {
                let own = (media, &self.media);
                let reply = ports::answer_offer(own, Side::Caller, (offer, None), ours)?;
                if reply.encrypted {
                    self.observer.encrypts(call.private_signalling);
                }
                reply.body
            }
            _ => {
                *ours = OurCrypto::offering(srtp);
                negotiate::offer(local, ours)
            }
        };
        call.answer = Some(answer.clone());
        Ok(answer)
    }

    /// The call's media, started when first needed.
    pub(super) fn media_of<'a>(
        (factory, homes): (&mut MediaFactory, &Homes),
        call: &'a mut Call,
        id: CallId,
    ) -> Result<&'a mut Media, StatusCode> {
        if call.media.is_none() {
            let remote = call.offer.as_ref().and_then(negotiate::audio_at);
            let caller = remote.map_or(Peer::Unknown, Peer::Describes);
            let home = homes.ip(call.local);
            let mut media = factory.start(id, home, caller).map_err(|error| {
                ports::log_none(id, &error);
                StatusCode::SERVICE_UNAVAILABLE
            })?;
            let from = Some(call.peer.ip());
            media.reached(Side::Caller, Reached { home, from });
            call.media = Some(media);
        }
        call.media.as_mut().ok_or(StatusCode::SERVER_INTERNAL_ERROR)
    }

    pub(super) fn caller_over(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.caller_stage = CallerStage::Over;
        }
    }

    /// The call can't be carried: tells the caller why and the call machine that it is lost.
    pub(super) fn give_up(&mut self, sip: &mut SipDriver, id: CallId, status: StatusCode) {
        if let Some(call) = self
            .calls
            .get_mut(&id)
            .filter(|call| call.caller_stage == CallerStage::Offered)
        {
            call.caller_stage = CallerStage::Over;
            self.legs.remove(&call.caller);
            refuse(sip, call.caller, status);
        }
        // Between 400 and 499 it is the caller's own offer (RFC 3261 section 21.4).
        self.input(if (400..500).contains(&status.code()) {
            Input::CallerIncompatible(id)
        } else {
            Input::CallLost(id)
        });
    }

    pub(super) fn hang_up(&mut self, sip: &mut SipDriver, id: CallId, outcome: Outcome) {
        self.nurses.retain(|(_, call, _)| *call != id);
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        let (now, reason) = (sip.now(), call.reason(outcome));
        match call.caller_stage {
            CallerStage::Offered => {
                self.legs.remove(&call.caller);
                refuse(sip, call.caller, status_of(outcome));
            }
            CallerStage::Answered | CallerStage::Called => {
                let _ = sip.endpoint().end(now, call.caller, reason);
            }
            CallerStage::Over => {}
        }
        self.stop_phones(sip, call.phones, reason);
        let transfer = call.transfer.map(|transfer| transfer.to);
        for session in call.far.session().into_iter().chain(transfer) {
            let _ = sip.endpoint().end(now, session, reason);
        }
        if let Some(leg) = call.recording {
            self.close_recording(sip, id, *leg, false);
        }
    }
}

/// What an unanswered caller is told when the call ends that way.
const fn status_of(outcome: Outcome) -> StatusCode {
    match outcome {
        // Another switch may be able to (RFC 3261 section 21.5.4).
        Outcome::OurFault => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::Incompatible => StatusCode::NOT_ACCEPTABLE_HERE,
        _ => StatusCode::TEMPORARILY_UNAVAILABLE,
    }
}

pub(super) fn refuse(sip: &mut SipDriver, session: SessionId, status: StatusCode) {
    let now = sip.now();
    // A session that is gone already needs no refusal.
    let _ = sip
        .endpoint()
        .reject(now, session, status, &Headers::default());
}

/// Whether the caller can read our answer: it names SDP, or says nothing of what it reads (RFC 3261 section 20.1).
fn takes_sdp(request: &Request) -> bool {
    let mut kinds = request.headers.list(&HeaderName::Accept).peekable();
    let fits = |kind: &str| {
        let kind = kind.split(';').next().unwrap_or(kind).trim();
        ["application/sdp", "application/*", "*/*"]
            .iter()
            .any(|known| kind.eq_ignore_ascii_case(known))
    };
    kinds.peek().is_none() || kinds.any(fits)
}

/// How many elements the call may still pass after this one (RFC 3261 section 8.1.1.6).
fn hops_left(request: &Request) -> u8 {
    let hops = request.max_forwards().unwrap_or(MaxForwards::DEFAULT);
    hops.0.saturating_sub(1)
}

#[cfg(test)]
mod tests;
