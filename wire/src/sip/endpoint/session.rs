//! A session: one INVITE dialog or the attempt at one, from first message to last.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Endpoint,
    again::Glare,
    border::{Ending, Event, SessionError, SessionId, Timer, TransportKind},
    client::{ClientKey, Purpose},
    dialog::Dialog,
    ident::{self, Key},
    local::Local,
    offers::EarlyChange,
    proof::Proving,
    refer::Referral,
    refresh::Refresh,
    reliable::Reliable,
    servers::{Answer, Back, Incoming},
    timers::Owner,
    transaction::T2,
};
use crate::{
    sip::message::{Body, HeaderName, HeaderValue, Headers, Method, Request, StatusCode},
    time::Time,
};

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) call_id: HeaderValue,
    /// Our tag.
    pub(crate) tag: u64,
    /// We called, so the Call-ID is ours.
    pub(crate) ours: bool,
    pub(crate) phase: Phase,
    /// Our Contact in every request and response of it.
    pub(crate) contact: HeaderValue,
    /// `None`: our INVITE has not been accepted.
    pub(crate) dialog: Option<Box<Dialog>>,
    /// A 2xx of ours without its ACK.
    pub(crate) ok: Option<Box<OkRepeat>>,
    /// A 2xx of theirs that waits for our answer in the ACK.
    pub(crate) ack_due: Option<AckDue>,
    /// An offer before the answer to the INVITE.
    pub(crate) early_change: Option<Box<EarlyChange>>,
    /// The caller's wish for reliable 18x.
    pub(crate) reliable: Option<Box<Reliable>>,
    pub(crate) timer: Option<Refresh>,
    pub(crate) glare: Option<Box<Glare>>,
    pub(crate) refer: Option<Box<Referral>>,
    /// `None`: whoever asks who we are gets no answer.
    pub(crate) proving: Option<Box<Proving>>,
}

/// How far a session has come.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Called; no final response sent. `cseq` is the INVITE's.
    Ringing { server: Key, cseq: u32 },
    /// Calling; no response yet.
    Calling { client: ClientKey },
    /// Calling; a provisional response came.
    Heard { client: ClientKey },
    /// To be ended, but CANCEL may not be sent before a provisional response (RFC 3261 section 9.1).
    GivingUp {
        client: ClientKey,
        reason: Option<Box<str>>,
    },
    /// CANCEL was sent.
    Cancelling { client: ClientKey },
    /// Both sides agreed.
    Up { change: Change },
    /// To be ended, but BYE may not be sent before the ACK (RFC 3261 section 15).
    EndingAfterAck { reason: Option<Box<str>> },
    /// BYE was sent.
    Ending,
}

/// A re-INVITE or UPDATE under way.
#[derive(Debug)]
pub(crate) enum Change {
    None,
    Ours {
        client: ClientKey,
    },
    /// `invite`: the CSeq its ACK will have; `None` for UPDATE. `timer`: how it wants the session kept alive, once it is accepted.
    Theirs {
        server: Key,
        invite: Option<u32>,
        timer: Option<Refresh>,
    },
}

/// A 2xx that is repeated until its ACK comes (RFC 3261 section 13.3.1.4).
#[derive(Debug)]
pub(crate) struct OkRepeat {
    pub(crate) cseq: u32,
    /// It answered the first INVITE, not a change.
    pub(crate) first: bool,
    bytes: Bytes,
    pub(crate) back: Back,
    interval: Duration,
    pub(crate) next: Time,
    until: Time,
}

/// An ACK that waits for the user's answer.
#[derive(Debug)]
pub(crate) struct AckDue {
    pub(crate) client: ClientKey,
    pub(crate) cseq: u32,
}

impl Session {
    /// A session that begins.
    pub(crate) fn new(call_id: HeaderValue, tag: u64, phase: Phase, contact: HeaderValue) -> Self {
        Self {
            call_id,
            tag,
            ours: matches!(phase, Phase::Calling { .. }),
            phase,
            contact,
            dialog: None,
            ok: None,
            ack_due: None,
            early_change: None,
            reliable: None,
            timer: None,
            glare: None,
            refer: None,
            proving: None,
        }
    }

    /// The timers that run for it, and when each is due.
    pub(crate) fn running(&self) -> impl Iterator<Item = (Timer, Time)> {
        let due = [
            (Timer::Ok, self.ok.as_ref().map(|ok| ok.next)),
            (
                Timer::Reliable,
                self.reliable.as_ref().and_then(|reliable| reliable.due()),
            ),
            (Timer::Refresh, self.timer.and_then(Refresh::due)),
            (
                Timer::Glare,
                self.glare.as_ref().and_then(|glare| glare.due()),
            ),
            (
                Timer::Refer,
                self.refer.as_ref().and_then(|refer| refer.due()),
            ),
        ];
        due.into_iter().filter_map(|(timer, at)| Some((timer, at?)))
    }

    /// What the peer asked inside it and our user may not have answered.
    fn unanswered(&self) -> impl Iterator<Item = Key> + use<> {
        let early = match self.early_change.as_deref() {
            Some(EarlyChange::Theirs { server, .. }) => Some(*server),
            _ => None,
        };
        let refer = self.refer.as_ref().and_then(|refer| refer.unanswered());
        self.their_change().into_iter().chain(early).chain(refer)
    }

    const fn their_change(&self) -> Option<Key> {
        match self.phase {
            Phase::Up {
                change: Change::Theirs { server, .. },
            } => Some(server),
            _ => None,
        }
    }

    /// The INVITE of ours that has no final response.
    pub(crate) fn calls_by(&self, key: ClientKey) -> bool {
        match self.phase {
            Phase::Calling { client }
            | Phase::Heard { client }
            | Phase::GivingUp { client, .. }
            | Phase::Cancelling { client } => client == key,
            _ => false,
        }
    }

    pub(crate) fn changes_by(&self, key: ClientKey) -> bool {
        matches!(self.phase, Phase::Up { change: Change::Ours { client } } if client == key)
    }
}

impl Endpoint {
    /// Ends a session from whatever state it is in: CANCEL, 603 or BYE, now or as soon as the RFC allows.
    /// [`Event::Ended`] with [`Ending::Ours`] follows. `reason` is a value for the Reason field (RFC 3326), such as
    /// `Q.850;cause=16`.
    pub fn end(
        &mut self,
        now: Time,
        id: SessionId,
        reason: Option<&str>,
    ) -> Result<(), SessionError> {
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(SessionError::NoSuchSession)?;
        let kept = || reason.map(Box::from);
        match &session.phase {
            Phase::Ringing { server, .. } => {
                let server = *server;
                self.withdraw_early(now, id);
                self.respond(now, server, Answer::new(StatusCode::DECLINE));
                self.finish(now, id, Ending::Ours);
            }
            Phase::Calling { client } => {
                session.phase = Phase::GivingUp {
                    client: *client,
                    reason: kept(),
                }
            }
            Phase::Heard { client } => {
                let client = *client;
                session.phase = Phase::Cancelling { client };
                self.send_cancel(now, client, reason);
            }
            Phase::Up { .. } if session.ok.is_some() => {
                self.withdraw(now, id);
                self.set_phase(id, Phase::EndingAfterAck { reason: kept() });
            }
            Phase::Up { .. } => {
                self.withdraw(now, id);
                self.send_bye(now, id, reason);
            }
            Phase::GivingUp { .. }
            | Phase::Cancelling { .. }
            | Phase::EndingAfterAck { .. }
            | Phase::Ending => {
                return Err(SessionError::WrongState);
            }
        }
        Ok(())
    }

    /// Sends BYE; the session ends when it is answered.
    pub(crate) fn send_bye(&mut self, now: Time, id: SessionId, reason: Option<&str>) {
        self.leave_refer(now, id);
        if self.bye(now, id, reason, Purpose::Bye(Some(id))) {
            self.set_phase(id, Phase::Ending);
        } else {
            self.finish(now, id, Ending::Ours);
        }
    }

    /// Ends a session that the peer may still believe in: BYE is sent and nobody waits for its answer.
    pub(crate) fn abandon(&mut self, now: Time, id: SessionId, why: Ending) {
        self.leave_refer(now, id);
        self.bye(now, id, None, Purpose::Bye(None));
        self.finish(now, id, why);
    }

    fn bye(&mut self, now: Time, id: SessionId, reason: Option<&str>, purpose: Purpose) -> bool {
        let Some(dialog) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.dialog.as_mut())
        else {
            return false;
        };
        let (mut request, hop) = bye_of(dialog, reason);
        if purpose.session().is_none() {
            // Should it be challenged, nobody is left to answer.
            self.authorize(id, &mut request);
        }
        self.request(now, request, hop, purpose);
        true
    }

    /// What is under way inside a session that ends: their change is refused, their 2xx is acknowledged.
    pub(crate) fn withdraw(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let theirs = session.their_change();
        let due = session.ack_due.is_some();
        if let Some(server) = theirs {
            self.respond(now, server, Answer::new(StatusCode::REQUEST_TERMINATED));
        }
        if due {
            self.send_due_ack(id, None);
        }
    }

    /// Refuses what the peer asked to change before the answer, and tells our user that ours came to nothing.
    pub(crate) fn withdraw_early(&mut self, now: Time, id: SessionId) {
        let change = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.early_change.take());
        match change.map(|change| *change) {
            Some(EarlyChange::Theirs { server, .. }) => {
                self.respond(now, server, Answer::new(StatusCode::REQUEST_PENDING));
            }
            Some(EarlyChange::Ours { .. }) => self.came_to_nothing(id),
            None => {}
        }
    }

    /// Waits no more for what becomes of an offer of ours before the answer.
    pub(crate) fn give_up_early(&mut self, id: SessionId) {
        let change = self.sessions.get_mut(&id).and_then(|session| {
            let ours = |change: &mut Box<EarlyChange>| matches!(**change, EarlyChange::Ours { .. });
            session.early_change.take_if(ours)
        });
        if change.is_some() {
            self.came_to_nothing(id);
        }
    }

    fn came_to_nothing(&mut self, id: SessionId) {
        let result = Err(StatusCode::REQUEST_PENDING);
        self.tell(Event::Changed {
            session: id,
            result,
        });
    }

    /// The session is over; says so.
    pub(crate) fn finish(&mut self, now: Time, id: SessionId, why: Ending) {
        if self.forget_session(now, id).is_some() {
            self.tell(Event::Ended { session: id, why });
        }
    }

    pub(crate) fn forget_session(&mut self, now: Time, id: SessionId) -> Option<Box<Session>> {
        let session = self.sessions.remove(&id)?;
        // Nobody will answer it any more, and its transaction would stay for ever.
        for server in session.unanswered() {
            self.respond(now, server, Answer::new(StatusCode::REQUEST_TERMINATED));
        }
        self.by_tag.remove(&session.tag);
        for (timer, at) in session.running() {
            self.timers.stop(at, timer, Owner::Session(id));
        }
        for left in session.reliable.iter().flat_map(|reliable| reliable.left()) {
            self.by_tag.remove(left);
        }
        Some(session)
    }

    pub(crate) fn set_phase(&mut self, id: SessionId, phase: Phase) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.phase = phase;
        }
    }

    /// Repeats this 2xx until its ACK comes.
    pub(crate) fn repeat_ok(
        &mut self,
        now: Time,
        id: SessionId,
        cseq: u32,
        first: bool,
        (bytes, back): (Bytes, Back),
    ) {
        let rules_t1 = self.config.t1;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let next = now + rules_t1;
        let until = now + rules_t1.saturating_mul(64);
        let before = session.ok.replace(Box::new(OkRepeat {
            cseq,
            first,
            bytes,
            back,
            interval: rules_t1,
            next,
            until,
        }));
        if let Some(before) = before {
            self.timers.stop(before.next, Timer::Ok, Owner::Session(id));
        }
        self.timers.set(next, Timer::Ok, Owner::Session(id));
    }

    pub(crate) fn on_session_timer(&mut self, now: Time, id: SessionId, timer: Timer, at: Time) {
        match timer {
            Timer::Ok => self.on_ok_timer(now, id, at),
            Timer::Reliable => self.on_reliable_timer(now, id, at),
            Timer::Refresh => self.on_refresh_timer(now, id, at),
            Timer::Glare => self.on_glare_timer(now, id, at),
            Timer::Refer => self.on_refer_timer(now, id, at),
            _ => {}
        }
    }

    fn on_ok_timer(&mut self, now: Time, id: SessionId, at: Time) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(ok) = session.ok.as_mut().filter(|ok| ok.next == at) else {
            return;
        };
        if now >= ok.until {
            let wanted = matches!(session.phase, Phase::EndingAfterAck { .. });
            self.withdraw(now, id);
            return self.abandon(now, id, if wanted { Ending::Ours } else { Ending::NoAck });
        }
        ok.interval = ok.interval.saturating_mul(2).min(T2);
        ok.next = (now + ok.interval).min(ok.until);
        let (next, back, bytes) = (ok.next, ok.back, ok.bytes.clone());
        self.timers.set(next, Timer::Ok, Owner::Session(id));
        self.counters.retransmitted += 1;
        self.send_back(back, bytes);
    }

    /// A name for a new session, and a tag no other has.
    pub(crate) fn fresh_session(&mut self) -> (SessionId, u64) {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        (id, self.fresh_tag(id))
    }

    /// A tag no other session has, for this one.
    pub(crate) fn fresh_tag(&mut self, id: SessionId) -> u64 {
        let tag = loop {
            let tag = self.names.fresh();
            if !self.by_tag.contains_key(&tag) {
                break tag;
            }
        };
        self.by_tag.insert(tag, id);
        tag
    }

    /// The session a request names by its To tag and Call-ID; whether its From tag fits is the caller's to see.
    pub(crate) fn session_of(&self, incoming: &Incoming) -> Option<(SessionId, &Session)> {
        let id = self
            .by_tag
            .get(&ident::read(incoming.to_tag.as_deref()?)?)?;
        let session = self.sessions.get(id)?;
        (incoming.request.call_id().ok()? == session.call_id.as_str()).then_some((*id, session))
    }

    /// Our Contact, when the user gave none: what feature tags are added to (RFC 3840).
    pub fn default_contact(&self, local: Local, kind: TransportKind) -> HeaderValue {
        self.own.locals.contact(local, kind).clone()
    }

    /// Contact, Allow and Supported: what every INVITE and 2xx to one says of us.
    pub(crate) fn introduce(&self, headers: &mut Headers, contact: &HeaderValue) {
        headers.push(HeaderName::Contact, contact);
        headers.push(HeaderName::Allow, &self.own.allow);
        if let Some(supported) = &self.own.supported {
            headers.push(HeaderName::Supported, supported);
        }
    }
}

/// A BYE and where it goes.
pub(crate) fn bye_of(dialog: &mut Dialog, reason: Option<&str>) -> (Request, super::Hop) {
    let mut request = dialog.request(Method::Bye);
    if let Some(reason) = reason {
        request.headers.push(HeaderName::Reason, reason);
    }
    (request, dialog.hop())
}

/// Adds the user's header fields, but none that are the endpoint's own to set.
pub(crate) fn add_extra(headers: &mut Headers, extra: &Headers) {
    for (name, value) in extra.iter() {
        let own = matches!(
            name,
            HeaderName::Via
                | HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq
                | HeaderName::Contact
                | HeaderName::MaxForwards
                | HeaderName::RecordRoute
                | HeaderName::ContentType
                | HeaderName::ContentLength
        );
        if !own {
            headers.push(name.clone(), value);
        }
    }
}

/// A body to send, on a request.
pub(crate) fn put_body(request: &mut Request, body: Option<Body>) {
    if body.is_some() {
        request.set_body(body);
    }
}
