//! Requests inside a session: BYE, re-INVITE, UPDATE, INFO (RFC 3261 sections 12.2.2, 14.2, 15.1.2; RFC 3311; RFC 6086).

use std::ops::ControlFlow;

use super::{
    Endpoint,
    border::{Ending, Event, SessionError, SessionId, Timer},
    client::Purpose,
    dialog::Dialog,
    servers::{Answer, Incoming},
    session::{Change, OkRepeat, Phase, put_body},
    timers::Owner,
};
use crate::{
    sip::message::{Body, HeaderName, Headers, Method, StatusCode},
    time::Time,
};

/// "Randomly chosen between 0 and 10 seconds" (RFC 3261 section 14.2): below this.
const RETRY_BELOW_SECONDS: u64 = 11;

impl Endpoint {
    /// Tells the peer something inside a session that is up (INFO, RFC 6086). What it answers is told to nobody.
    pub fn inform(&mut self, now: Time, id: SessionId, body: Body) -> Result<(), SessionError> {
        let session = self.sessions.get_mut(&id);
        let session = session.ok_or(SessionError::NoSuchSession)?;
        let (Phase::Up { .. }, Some(dialog)) = (&session.phase, &mut session.dialog) else {
            return Err(SessionError::WrongState);
        };
        let (mut request, hop) = (dialog.request(Method::Info), dialog.hop());
        put_body(&mut request, Some(body));
        self.request(now, request, hop, Purpose::Told(id));
        Ok(())
    }

    /// A request with a To tag, other than ACK and CANCEL.
    pub(crate) fn on_inside(&mut self, now: Time, incoming: Incoming) {
        let Some((id, here)) = self.session_of_dialog(&incoming) else {
            return self.refuse(&incoming, Answer::new(StatusCode::CALL_DOES_NOT_EXIST));
        };
        if !here {
            return self.refuse_stranger(&incoming);
        }
        let is_prack = incoming.request.method == Method::Prack;
        if self.is_left(id, &incoming) {
            if is_prack {
                return self.on_prack(now, id, &incoming);
            }
            return self.refuse(&incoming, Answer::new(StatusCode::CALL_DOES_NOT_EXIST));
        }
        if !self.advance(id, &incoming) {
            return self.try_later(now, &incoming);
        }
        match incoming.request.method {
            Method::Bye => self.on_bye(now, id, &incoming),
            Method::Invite | Method::Update => self.on_change(now, id, &incoming),
            Method::Prack if self.config.reliable => self.on_prack(now, id, &incoming),
            Method::Refer => self.on_refer(now, id, &incoming),
            Method::Info | Method::Notify | Method::Message => {
                self.conclude(now, &incoming, Answer::new(StatusCode::OK));
                if !self.on_refer_notified(id, &incoming.request) {
                    self.tell(Event::InSession {
                        session: id,
                        request: Box::new(incoming.request),
                    });
                }
            }
            _ => self.on_outside(now, incoming),
        }
    }

    /// Refuses what bears a session's names and comes from an address that has no part in it.
    pub(crate) fn refuse_stranger(&mut self, incoming: &Incoming) {
        self.counters.from_elsewhere += 1;
        self.refuse(incoming, Answer::new(StatusCode::FORBIDDEN));
    }

    /// Whether it names an early dialog that was left by branching off.
    fn is_left(&self, id: SessionId, incoming: &Incoming) -> bool {
        let tag = incoming.to_tag.as_deref().and_then(super::ident::read);
        self.sessions
            .get(&id)
            .is_some_and(|session| Some(session.tag) != tag)
    }

    /// The session that a request belongs to by Call-ID and both tags, and whether it comes from where it may.
    pub(crate) fn session_of_dialog(&mut self, incoming: &Incoming) -> Option<(SessionId, bool)> {
        let (id, _) = self.session_of(incoming)?;
        let ip = incoming.flow.peer().ip();
        let dialog = self.dialog_with(id, &incoming.from_tag)?;
        Some((id, dialog.knows(ip)))
    }

    /// INVITE and UPDATE say where their sender is from now on.
    pub(crate) fn refresh_target(&mut self, id: SessionId, incoming: &Incoming) {
        if let Some(dialog) = self.dialog_with(id, &incoming.from_tag) {
            dialog.refresh(&incoming.request.headers);
            dialog.comes_by(incoming.flow);
        }
    }

    /// The session's dialog with this tag; before the answer to our INVITE there may be several.
    pub(crate) fn dialog_with(&mut self, id: SessionId, tag: &str) -> Option<&mut Dialog> {
        if self.sessions.get(&id)?.dialog.is_none() {
            return self.early_of(id, tag);
        }
        let dialog = self.sessions.get_mut(&id)?.dialog.as_deref_mut()?;
        (dialog.remote_tag() == tag).then_some(dialog)
    }

    fn advance(&mut self, id: SessionId, incoming: &Incoming) -> bool {
        self.dialog_with(id, &incoming.from_tag)
            .is_some_and(|dialog| dialog.advance(incoming.cseq))
    }

    pub(crate) fn try_later(&mut self, now: Time, incoming: &Incoming) {
        let mut answer = Answer::new(StatusCode::SERVER_INTERNAL_ERROR);
        answer.headers.push(
            HeaderName::RetryAfter,
            self.names.fresh() % RETRY_BELOW_SECONDS,
        );
        self.counters.refuse(answer.status.code());
        self.conclude(now, incoming, answer);
    }

    fn on_bye(&mut self, now: Time, id: SessionId, incoming: &Incoming) {
        self.conclude(now, incoming, Answer::new(StatusCode::OK));
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let why = match session.phase {
            Phase::Ringing { server, .. } => {
                self.withdraw_early(now, id);
                self.respond(now, server, Answer::new(StatusCode::REQUEST_TERMINATED));
                Ending::Cancelled
            }
            // Who is called sends no BYE before the answer (RFC 3261 section 15); our CANCEL or its answer ends it.
            Phase::Calling { .. } | Phase::Heard { .. } => return,
            Phase::EndingAfterAck { .. } | Phase::Ending => Ending::Ours,
            _ => {
                self.withdraw(now, id);
                Ending::Bye
            }
        };
        self.leave_refer(now, id);
        self.finish(now, id, why);
    }

    /// re-INVITE or UPDATE.
    fn on_change(&mut self, now: Time, id: SessionId, incoming: &Incoming) {
        if let Some(answer) = self.too_brief(&incoming.request.headers) {
            self.counters.refuse(answer.status.code());
            return self.conclude(now, incoming, answer);
        }
        self.forget_lost_answer(id, incoming.cseq);
        if self.begin_change(now, id, incoming).is_break() {
            return;
        }
        let is_invite = incoming.request.method == Method::Invite;
        let body = incoming.request.body();
        let offers = is_invite || body.is_some();
        self.refresh_target(id, incoming);
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let up = matches!(session.phase, Phase::Up { .. });
        if !offers {
            let contact = session.contact.clone();
            let mut answer = Answer::new(StatusCode::OK);
            self.introduce(&mut answer.headers, &contact);
            if up {
                self.grant_timer(
                    now,
                    id,
                    &mut answer.headers,
                    Some(&incoming.request.headers),
                );
            }
            return self.conclude(now, incoming, answer);
        }
        let Some(to) = incoming.request.headers.value(&HeaderName::To).cloned() else {
            return;
        };
        self.serve(incoming, to, Some(id), None);
        if is_invite {
            let headers = Headers::new();
            self.respond(
                now,
                incoming.key,
                Answer {
                    status: StatusCode::TRYING,
                    headers,
                    body: None,
                },
            );
        }
        self.tell(Event::ChangeRequested { session: id, body });
    }

    /// Our answer to a change of the peer's went into a connection that is gone, and now it asks anew: it waits for that answer no more.
    fn forget_lost_answer(&mut self, id: SessionId, cseq: u32) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let net = &self.net;
        let is_lost = |ok: &mut Box<OkRepeat>| {
            let connection = ok.back.connection();
            !ok.first && ok.cseq < cseq && connection.is_some_and(|it| net.get(it).is_none())
        };
        let up = matches!(session.phase, Phase::Up { .. });
        if let Some(ok) = session.ok.take_if(|ok| up && is_lost(ok)) {
            self.timers.stop(ok.next, Timer::Ok, Owner::Session(id));
        }
    }

    /// Whether the change may begin now. When not, it is answered, or kept for later, here.
    fn begin_change(&mut self, now: Time, id: SessionId, incoming: &Incoming) -> ControlFlow<()> {
        let has_room = self.has_room();
        let timer = self.timer_asked(&incoming.request.headers);
        let Some(session) = self.sessions.get_mut(&id) else {
            return ControlFlow::Break(());
        };
        let is_invite = incoming.request.method == Method::Invite;
        let body = incoming.request.body();
        let offers = is_invite || body.is_some();
        let unsettled = session.ok.is_some() || session.ack_due.is_some();
        match &mut session.phase {
            Phase::Ringing { .. } | Phase::Heard { .. } | Phase::Up { .. } if !offers => {
                return ControlFlow::Continue(());
            }
            Phase::Ringing { .. } | Phase::Heard { .. } if !is_invite => {
                self.offered_early(now, id, incoming, body);
            }
            Phase::Ringing { .. }
            | Phase::Up {
                change: Change::Theirs { .. },
            } => self.try_later(now, incoming),
            Phase::Up { change } if unsettled || matches!(change, Change::Ours { .. }) => {
                self.counters.refuse(StatusCode::REQUEST_PENDING.code());
                self.conclude(now, incoming, Answer::new(StatusCode::REQUEST_PENDING));
            }
            Phase::Up { .. } if !has_room => {
                self.refuse(incoming, Answer::new(StatusCode::SERVICE_UNAVAILABLE));
            }
            Phase::Up { change } => {
                let cseq = incoming.cseq;
                if let Some(glare) = &mut session.glare {
                    glare.is_overtaken();
                }
                *change = Change::Theirs {
                    server: incoming.key,
                    invite: is_invite.then_some(cseq),
                    timer,
                };
                return ControlFlow::Continue(());
            }
            _ => self.conclude(now, incoming, Answer::new(StatusCode::CALL_DOES_NOT_EXIST)),
        }
        ControlFlow::Break(())
    }
}
