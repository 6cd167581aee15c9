//! Requests inside a session: BYE, re-INVITE, UPDATE, INFO (RFC 3261 sections 12.2.2, 14.2, 15.1.2; RFC 3311; RFC 6086).

use super::{
    Endpoint,
    border::{Ending, Event, SessionId},
    servers::{Answer, Incoming},
    session::{Change, Phase},
};
use crate::{
    sip::message::{HeaderName, Headers, Method, StatusCode},
    time::Time,
};

/// "Randomly chosen between 0 and 10 seconds" (RFC 3261 section 14.2): below this.
const RETRY_BELOW_SECONDS: u64 = 11;

impl Endpoint {
    /// A request with a To tag, other than ACK and CANCEL.
    pub(crate) fn on_inside(&mut self, now: Time, incoming: Incoming) {
        let Some(id) = self.session_of_dialog(&incoming) else {
            return self.refuse(&incoming, Answer::new(StatusCode::CALL_DOES_NOT_EXIST));
        };
        if !self.advance(id, &incoming) {
            return self.try_later(now, &incoming);
        }
        match incoming.request.method {
            Method::Bye => self.on_bye(now, id, &incoming),
            Method::Invite | Method::Update => self.on_change(now, id, &incoming),
            Method::Info | Method::Notify | Method::Message => {
                self.conclude(now, &incoming, Answer::new(StatusCode::OK));
                self.tell(Event::InSession {
                    session: id,
                    request: Box::new(incoming.request),
                });
            }
            _ => self.on_outside(now, incoming),
        }
    }

    /// The session that a request belongs to by Call-ID and both tags.
    pub(crate) fn session_of_dialog(&mut self, incoming: &Incoming) -> Option<SessionId> {
        let (id, session) = self.session_of(incoming)?;
        let dialog = session.dialog.as_ref()?;

        if &*incoming.from_tag != dialog.remote_tag() {
            return None;
        }
        let elsewhere = dialog.peer() != incoming.flow.peer();
        self.counters.from_elsewhere += u64::from(elsewhere);
        Some(id)
    }

    fn advance(&mut self, id: SessionId, incoming: &Incoming) -> bool {
        let dialog = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.dialog.as_mut());
        dialog.is_some_and(|dialog| dialog.advance(incoming.cseq))
    }

    fn try_later(&mut self, now: Time, incoming: &Incoming) {
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
            Phase::Ringing { server } => {
                self.respond(now, server, Answer::new(StatusCode::REQUEST_TERMINATED));
                Ending::Cancelled
            }
            Phase::EndingAfterAck { .. } | Phase::Ending => Ending::Ours,
            _ => {
                self.withdraw(now, id);
                Ending::Bye
            }
        };
        self.finish(id, why);
    }

    /// re-INVITE or UPDATE.
    fn on_change(&mut self, now: Time, id: SessionId, incoming: &Incoming) {
        let has_room = self.has_room();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let is_invite = incoming.request.method == Method::Invite;
        let body = incoming.request.body();
        let offers = is_invite || body.is_some();
        let unsettled = session.ok.is_some() || session.ack_due.is_some();
        match &mut session.phase {
            Phase::Ringing { .. } | Phase::Up { .. } if !offers => {}
            Phase::Ringing { .. }
            | Phase::Up {
                change: Change::Theirs { .. },
            } => return self.try_later(now, incoming),
            Phase::Up { change } if unsettled || matches!(change, Change::Ours { .. }) => {
                self.counters.refuse(StatusCode::REQUEST_PENDING.code());
                return self.conclude(now, incoming, Answer::new(StatusCode::REQUEST_PENDING));
            }
            Phase::Up { .. } if !has_room => {
                return self.refuse(incoming, Answer::new(StatusCode::SERVICE_UNAVAILABLE));
            }
            Phase::Up { change } => {
                let cseq = incoming.cseq;
                *change = Change::Theirs {
                    server: incoming.key,
                    invite: is_invite.then_some(cseq),
                };
            }
            _ => return self.conclude(now, incoming, Answer::new(StatusCode::CALL_DOES_NOT_EXIST)),
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(dialog) = &mut session.dialog {
            dialog.refresh(&incoming.request.headers);
        }
        if !offers {
            let contact = session.contact.clone();
            let mut answer = Answer::new(StatusCode::OK);
            self.introduce(&mut answer.headers, &contact);
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
}
