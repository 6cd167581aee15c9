//! An agent's phones: those most wanted ring at once, and the first that answers has the call (RFC 3261 sections 16.6, 16.7).
//!
//! The call machine knows one agent who is rung; which of the agent's phones that is, it needn't know. A phone that is less wanted
//! rings too once all before it have refused, or have rung for their share of the time: whoever is slow to get to the desk phone
//! still finds it ringing.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use callcore::{
    scenario::AgentId,
    switch::{CallId, Input, LegFailure},
    time::Span,
};
use transport::SipDriver;
use wire::sip::{
    endpoint::SessionId,
    message::{Headers, Response, StatusCode},
    uri::Uri,
};

use super::{
    Exchange,
    call::{Far, Leg},
    far::failure_of,
};
use crate::{
    crypto::OurCrypto,
    media::{Reached, Side},
    negotiate,
    registrar::Phone,
};

/// What phones are told that stop ringing because another of theirs was answered (RFC 3326): it is no missed call.
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// The phones of an agent who is rung.
#[derive(Debug)]
pub(super) struct Phones {
    agent: AgentId,
    rung: Vec<Rung>,
    /// Those to ring after them, the most wanted first.
    later: VecDeque<Vec<Phone>>,
    /// How long phones that are equally wanted ring before others do too.
    share: Duration,
    /// When that is.
    due: Option<Instant>,
    /// Whether one of them has said that it rings.
    rings: bool,
    refused: Option<Refused>,
}

/// A phone that rings.
#[derive(Debug)]
struct Rung {
    session: SessionId,
    phone: Phone,
    /// Where it is called.
    reached: Reached,
    /// Each phone is offered a key of its own.
    crypto: OurCrypto,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused {
    status: StatusCode,
    from_peer: bool,
}

impl Exchange {
    pub(super) fn ring_registered(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        agent: AgentId,
        user: &str,
    ) {
        let queue = self.scenario.agent(agent).queue;
        let ring_max = self.scenario.queue(queue).ring_max;
        let phones = Phones::new(agent, self.registrar.phones_of(user), ring_max);
        if let Some(call) = self.calls.get_mut(&id) {
            // The nurse is whom the call goes to; which phones she has is her own affair.
            let nurse = Uri::sip(Some(user), self.homes.address(call.local));
            call.asked.history.goes_to(&nurse.to_string());
            call.far = Far::Phones(agent);
            call.phones = Some(Box::new(phones));
            self.ring_next(sip, id);
        }
    }

    /// Rings those who are next. Nobody rings and nobody is next: the agent can't be reached.
    fn ring_next(&mut self, sip: &mut SipDriver, id: CallId) {
        while let Some((agent, next)) = self.phones_mut(id).and_then(Phones::next) {
            for phone in next {
                let rung = self.ring_one(sip, id, agent, phone);
                let Some(phones) = self.phones_mut(id) else {
                    return;
                };
                match rung {
                    Ok(rung) => phones.rung.push(rung),
                    Err(_) => phones.refuses(Refused::UNREACHABLE),
                }
            }
            if self
                .phones_mut(id)
                .is_some_and(|phones| !phones.rung.is_empty())
            {
                break;
            }
        }
        let Some(phones) = self.phones_mut(id) else {
            return;
        };
        if phones.rung.is_empty() {
            let why = phones.refused.unwrap_or(Refused::UNREACHABLE);
            return self.all_refused(id, why);
        }
        if let Some(due) = phones.begin_share(Instant::now()) {
            self.shares.insert((due, id));
        }
    }

    fn ring_one(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        agent: AgentId,
        phone: Phone,
    ) -> Result<Rung, LegFailure> {
        // Where its audio will come from, its answer says.
        let local = self.open_far(id, phone.way.local, None)?;
        let crypto = OurCrypto::offering(self.scenario.agent(agent).srtp);
        let offer = negotiate::offer(local, &crypto);
        let (contact, way) = (phone.contact.clone(), &phone.way);
        let nothing = Headers::default();
        let session = self.call_phone(sip, id, contact, way, Some(offer), &nothing)?;
        self.legs.insert(session, Leg::Phone(id));
        let reached = Reached {
            home: self.homes.ip(way.local),
            from: Some(way.peer.ip()),
        };
        Ok(Rung {
            session,
            phone,
            reached,
            crypto,
        })
    }

    fn phones_mut(&mut self, id: CallId) -> Option<&mut Phones> {
        self.calls.get_mut(&id)?.phones.as_deref_mut()
    }

    pub(super) fn phone_rings(&mut self, id: CallId) {
        let first = self
            .phones_mut(id)
            .is_some_and(|phones| !std::mem::replace(&mut phones.rings, true));
        if first {
            self.input(Input::AgentRinging(id));
        }
    }

    /// The first that answers has the call; the others stop ringing.
    pub(super) fn phone_answered(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        session: SessionId,
        response: &Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(phones) = call.phones.as_deref_mut() else {
            return;
        };
        let Some(mut rung) = phones.take(session) else {
            return;
        };
        let agreed = negotiate::agreed(response.body().as_ref(), &mut rung.crypto);
        let (Some(agreed), Some(media)) = (agreed, &mut call.media) else {
            self.legs.remove(&session);
            let now = sip.now();
            let _ = sip.endpoint().end(now, session, None);
            return self.phone_out(sip, id, Refused::INCOMPATIBLE);
        };
        media.reached(Side::Far, rung.reached);
        call.crypto.far = rung.crypto;
        call.far = Far::Agent(phones.agent, session);
        let others = call.phones.take();
        self.legs.insert(session, Leg::Far(id));
        self.stop_phones(sip, others, Some(ELSEWHERE));
        if self.remote_answered(sip, Leg::Far(id), agreed).is_err() {
            return self.far_unfit(sip, id, LegFailure::OurFault);
        }
        self.input(Input::AgentAnswered(id));
    }

    pub(super) fn phone_failed(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        session: SessionId,
        status: StatusCode,
        from_peer: bool,
    ) {
        let taken = self.phones_mut(id).and_then(|phones| phones.take(session));
        let Some(Rung { phone, .. }) = taken else {
            return;
        };
        let why = Refused { status, from_peer };
        self.phone_out(sip, id, why);
        // Only now: who goes while rung for a call is another matter.
        if why == Refused::UNREACHABLE
            && let Some(change) = self.registrar.lost(&phone)
        {
            self.presence(change);
        }
    }

    /// One phone less. A refusal that speaks for the user (6xx) is the user's: no other phone rings on (section 16.7, step 5).
    fn phone_out(&mut self, sip: &mut SipDriver, id: CallId, why: Refused) {
        let Some(phones) = self.phones_mut(id) else {
            return;
        };
        phones.refuses(why);
        if why.is_final() {
            let phones = self.calls.get_mut(&id).and_then(|call| call.phones.take());
            self.stop_phones(sip, phones, None);
            return self.all_refused(id, why);
        }
        if phones.rung.is_empty() {
            self.ring_next(sip, id);
        }
    }

    fn all_refused(&mut self, id: CallId, why: Refused) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.phones = None;
            call.asked.history.refused(why.status);
        }
        self.input_far_failed(id, failure_of(why.status, why.from_peer));
    }

    /// Lets the next phones ring too where those before them have had their share of the time.
    pub(super) fn ring_more(&mut self, sip: &mut SipDriver, now: Instant) {
        while self.shares.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, id)) = self.shares.pop_first() else {
                return;
            };
            // One that was rung in vain may ring for the same call again: then another moment counts.
            if self
                .phones_mut(id)
                .is_some_and(|phones| phones.due == Some(at))
            {
                self.ring_next(sip, id);
            }
        }
    }

    /// Stops what rings.
    pub(super) fn stop_phones(
        &mut self,
        sip: &mut SipDriver,
        phones: Option<Box<Phones>>,
        reason: Option<&str>,
    ) {
        for rung in phones.into_iter().flat_map(|phones| phones.rung) {
            self.legs.remove(&rung.session);
            let now = sip.now();
            // One that answers in this moment is acknowledged and hung up on by the endpoint.
            let _ = sip.endpoint().end(now, rung.session, reason);
        }
    }
}

impl Phones {
    fn new(agent: AgentId, later: VecDeque<Vec<Phone>>, ring_max: Span) -> Self {
        let groups = u64::try_from(later.len()).unwrap_or(1).max(1);
        let micros = u64::try_from(ring_max.as_micros()).unwrap_or(0);
        Self {
            agent,
            rung: Vec::new(),
            later,
            share: Duration::from_micros(micros / groups),
            due: None,
            rings: false,
            refused: None,
        }
    }

    fn next(&mut self) -> Option<(AgentId, Vec<Phone>)> {
        let next = self.later.pop_front()?;
        Some((self.agent, next))
    }

    /// Until when those who ring now ring alone; `None` when nobody comes after them.
    fn begin_share(&mut self, now: Instant) -> Option<Instant> {
        self.due = (!self.later.is_empty()).then(|| now + self.share);
        self.due
    }

    fn take(&mut self, session: SessionId) -> Option<Rung> {
        let at = self.rung.iter().position(|rung| rung.session == session)?;
        Some(self.rung.swap_remove(at))
    }

    /// Keeps what says most of why nobody answers (section 16.7, step 6).
    fn refuses(&mut self, why: Refused) {
        if self.refused.is_none_or(|before| why.rank() < before.rank()) {
            self.refused = Some(why);
        }
    }
}

impl Refused {
    const UNREACHABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        from_peer: false,
    };
    const INCOMPATIBLE: Self = Self {
        status: StatusCode::NOT_ACCEPTABLE_HERE,
        from_peer: true,
    };

    const fn is_final(self) -> bool {
        self.from_peer && self.status.code() >= 600
    }

    /// The lowest is what counts: a refusal for all phones, then one of the phone's user, then a phone that isn't there.
    const fn rank(self) -> u8 {
        match self.status.code() {
            600.. if self.from_peer => 0,
            300..500 if self.from_peer => 1,
            _ => 2,
        }
    }
}
