//! Calls to us: INVITE, our responses, ACK, CANCEL (RFC 3261 sections 13.3, 9.2).

use super::{
    Endpoint, Key,
    border::{Ending, Event, SessionError, SessionId, Timer},
    dialog::Dialog,
    ident,
    local::Local,
    offers::EarlyChange,
    receive::ACCEPT,
    refresh::Refresh,
    reliable::Reliable,
    servers::{Answer, Back, Incoming},
    session::{Change, Phase, Session, add_extra},
    timers::Owner,
    transaction::Class,
};
use crate::{
    sip::{
        header::NameAddr,
        message::{Body, HeaderName, Headers, StatusCode},
        uri::Uri,
    },
    time::Time,
};

/// What callers we have no room for are told to wait, in seconds.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 10;

/// A change that the peer asks for.
struct Asked {
    server: Key,
    /// The CSeq that its ACK will have; `None` for UPDATE.
    invite: Option<u32>,
    timer: Option<Refresh>,
    /// Before the answer to our INVITE: of whom it came, and what it offers.
    early: Option<(Box<str>, Option<Body>)>,
}

impl Endpoint {
    /// Sends 101-199, such as 180, with early media's SDP if there is a body. Reliably (RFC 3262) to a caller who requires
    /// that, and with a body also to one who supports it; it may then wait for the one before to be acknowledged.
    pub fn progress(
        &mut self,
        now: Time,
        id: SessionId,
        status: StatusCode,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let (server, _) = self.ringing(id)?;
        if !status.is_provisional() || status == StatusCode::TRYING {
            return Err(SessionError::WrongStatus);
        }
        self.send_progress(now, id, server, status, body)
    }

    /// Goes on as another branch of the call, as if a proxy had forked it: later responses bear another To tag.
    ///
    /// In one dialog the first session description is the answer and later ones are ignored (RFC 3261 section 13.2.1), so a call whose early
    /// media came from elsewhere than its answer does needs two. Requests inside the early dialog that is left get 481.
    pub fn branch_off(&mut self, id: SessionId) -> Result<(), SessionError> {
        let (server, _) = self.ringing(id)?;
        // What we asked to change is of the dialog that is left.
        self.give_up_early(id);
        let tag = self.fresh_tag(id);
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(SessionError::NoSuchSession)?;
        let left = std::mem::replace(&mut session.tag, tag);
        let Phase::Ringing { cseq, .. } = session.phase else {
            return Err(SessionError::WrongState);
        };
        let to = session
            .dialog
            .as_mut()
            .and_then(|dialog| dialog.retag(&ident::text(tag), cseq));
        let kept = session
            .reliable
            .as_mut()
            .is_some_and(|reliable| reliable.leave(left));
        if !kept {
            self.by_tag.remove(&left);
        }
        if let Some(to) = to {
            self.answer_as(server, to);
        }
        Ok(())
    }

    /// Answers with 200, which is repeated until its ACK comes; then `Confirmed` follows. The body is the answer, or the offer when
    /// the INVITE made none.
    pub fn answer(
        &mut self,
        now: Time,
        id: SessionId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        self.answer_with(now, id, &Headers::new(), body)
    }

    /// As [`Endpoint::answer`], with further header fields. A `Contact` among them replaces our own, so that it can carry feature tags
    /// (RFC 3840).
    pub fn answer_with(
        &mut self,
        now: Time,
        id: SessionId,
        headers: &Headers,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let (server, cseq) = self.ringing(id)?;
        if let (Some(contact), Some(session)) = (
            headers.value(&HeaderName::Contact),
            self.sessions.get_mut(&id),
        ) {
            session.contact = contact.clone();
        }
        if !self.holds_answer(id, headers, &body) {
            self.accept(now, id, server, (cseq, true), headers, body);
        }
        Ok(())
    }

    /// Refuses with 300-699. The session is over; no event follows.
    pub fn reject(
        &mut self,
        now: Time,
        id: SessionId,
        status: StatusCode,
        headers: &Headers,
    ) -> Result<(), SessionError> {
        let (server, _) = self.ringing(id)?;
        if Class::of(status.code()) != Class::Failure {
            return Err(SessionError::WrongStatus);
        }
        let mut all = match headers.get(&HeaderName::Warning) {
            Some(_) => Headers::new(),
            None => self.told_with(status, server),
        };
        add_extra(&mut all, headers);
        for contact in headers.values(&HeaderName::Contact) {
            all.push(HeaderName::Contact, contact);
        }
        self.withdraw_early(now, id);
        self.respond(
            now,
            server,
            Answer {
                status,
                headers: all,
                body: None,
            },
        );
        self.forget_session(now, id);
        Ok(())
    }

    /// Sends the caller on to the first of these that takes the call (302). The session is over; no event follows.
    pub fn redirect(
        &mut self,
        now: Time,
        id: SessionId,
        contacts: Vec<Uri>,
    ) -> Result<(), SessionError> {
        let mut headers = Headers::new();
        for uri in contacts {
            headers.push(HeaderName::Contact, &NameAddr::new(uri));
        }
        self.reject(now, id, StatusCode::MOVED_TEMPORARILY, &headers)
    }

    /// Accepts the change asked for; the body is the answer, or the offer when the change made none.
    pub fn accept_change(
        &mut self,
        now: Time,
        id: SessionId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let Asked {
            server,
            invite,
            timer,
            early,
        } = self.take_asked_change(id)?;
        self.take_timer_asked(id, timer);
        let is_early = early.is_some();
        if let Some((tag, offer)) = early {
            self.describes(id, &tag, offer);
        }
        match invite {
            Some(cseq) => self.accept(now, id, server, (cseq, false), &Headers::new(), body),
            None => {
                let mut headers = Headers::new();
                if let Some(session) = self.sessions.get(&id) {
                    self.introduce(&mut headers, &session.contact);
                }
                if self
                    .sessions
                    .get(&id)
                    .is_some_and(|session| matches!(session.phase, Phase::Up { .. }))
                {
                    self.grant_timer(now, id, &mut headers, None);
                }
                self.respond(
                    now,
                    server,
                    Answer {
                        status: StatusCode::OK,
                        headers,
                        body,
                    },
                );
            }
        }
        if is_early {
            self.send_next(now, id);
        }
        Ok(())
    }

    /// Refuses the change asked for with 300-699, such as 488; the session stays as it was.
    pub fn reject_change(
        &mut self,
        now: Time,
        id: SessionId,
        status: StatusCode,
    ) -> Result<(), SessionError> {
        if Class::of(status.code()) != Class::Failure {
            return Err(SessionError::WrongStatus);
        }
        let Asked { server, early, .. } = self.take_asked_change(id)?;
        let headers = self.told_with(status, server);
        let body = None;
        let answer = Answer {
            status,
            headers,
            body,
        };
        self.respond(now, server, answer);
        if early.is_some() {
            self.send_next(now, id);
        }
        Ok(())
    }

    /// What goes with a refusal: why a description isn't taken (RFC 3261 section 21.4.26), which bodies are (section 8.2.3).
    fn told_with(&self, status: StatusCode, server: Key) -> Headers {
        let mut headers = Headers::new();
        match status {
            StatusCode::NOT_ACCEPTABLE_HERE => {
                headers.push(HeaderName::Warning, self.warning(server));
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => headers.push(HeaderName::Accept, ACCEPT),
            _ => {}
        }
        headers
    }

    /// A new call.
    pub(crate) fn on_invite(&mut self, now: Time, incoming: Incoming) {
        let replaces = self.replaced_by(&incoming.request.headers);
        if !self.admits(&replaces) {
            self.count_full(0);
            return self.refuse(&incoming, Self::full());
        }
        let merged = self.merged_key(&incoming);
        if self.merged.contains_key(&merged) {
            return self.refuse(&incoming, Answer::new(StatusCode::LOOP_DETECTED));
        }
        if let Some(answer) = self.too_brief(&incoming.request.headers) {
            return self.refuse(&incoming, answer);
        }
        let replaces = match replaces {
            Ok(replaces) => replaces,
            Err(status) => return self.refuse(&incoming, Answer::new(status)),
        };
        let (id, tag) = self.fresh_session();
        let dialog = incoming
            .to_with_tag(&ident::text(tag))
            .and_then(|to| Some((Dialog::of_callee(&incoming, &to)?, to)));
        let Some((dialog, to)) = dialog else {
            self.by_tag.remove(&tag);
            return self.refuse(&incoming, Answer::new(StatusCode::BAD_REQUEST));
        };
        let phase = Phase::Ringing {
            server: incoming.key,
            cseq: incoming.cseq,
        };
        let contact = self.default_contact(incoming.flow.local(), incoming.flow.kind());
        let headers = &incoming.request.headers;
        let session = Session {
            reliable: Reliable::asked(&incoming.request).filter(|_| self.config.reliable),
            timer: self.timer_asked(headers),
            dialog: None,
            ..Session::new(dialog.call_id().clone(), tag, phase, contact)
        };
        self.sessions.insert(
            id,
            Box::new(Session {
                dialog: Some(Box::new(dialog)),
                ..session
            }),
        );
        self.serve(&incoming, to, Some(id), Some(merged));
        self.respond(now, incoming.key, Answer::new(StatusCode::TRYING));
        let Incoming { request, flow, .. } = incoming;
        self.tell(Event::Incoming {
            session: id,
            request: Box::new(request),
            peer: flow.peer(),
            flow,
            replaces,
        });
    }

    /// An ACK. That of a failure ends its transaction, that of a 2xx belongs to the session.
    pub(crate) fn on_ack(&mut self, now: Time, incoming: &Incoming) {
        if self.on_server_ack(now, incoming.key) {
            return;
        }
        let Some((id, here)) = self.session_of_dialog(incoming) else {
            let tag = ident::text(self.names.stateless_tag(incoming.key));
            let refused = incoming.to_tag.as_deref() == Some(&*tag);
            self.counters.stray += u64::from(!refused);
            return;
        };
        if !here {
            self.counters.from_elsewhere += 1;
            return;
        }
        let cseq = incoming.cseq;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(ok) = session.ok.take_if(|ok| ok.cseq == cseq) else {
            self.counters.repeated += 1;
            return;
        };
        self.timers.stop(ok.next, Timer::Ok, Owner::Session(id));
        if let Phase::EndingAfterAck { reason } = &mut session.phase {
            let reason = reason.take();
            return self.send_bye(now, id, reason.as_deref());
        }
        let body = incoming.request.body();
        self.tell(if ok.first || body.is_some() {
            Event::Confirmed { session: id, body }
        } else {
            Event::ChangeConfirmed { session: id }
        });
    }

    /// CANCEL: 200 for itself, and 487 for its INVITE unless that has its final response (RFC 3261 section 9.2).
    pub(crate) fn on_cancel(&mut self, now: Time, incoming: &Incoming) {
        let Some(server) = self.servers.get(&incoming.key) else {
            return self.refuse(incoming, Answer::new(StatusCode::CALL_DOES_NOT_EXIST));
        };
        if server.back.ip() != incoming.flow.peer().ip() {
            return self.refuse_stranger(incoming);
        }
        let (open, id) = (server.is_open(), server.session);
        let session = id.and_then(|id| self.sessions.get(&id));
        match session.and_then(|session| incoming.to_with_tag(&ident::text(session.tag))) {
            Some(to) => self.respond_once(incoming, to, Answer::new(StatusCode::OK)),
            None => self.refuse(incoming, Answer::new(StatusCode::OK)),
        }
        if !open {
            return;
        }
        self.respond(
            now,
            incoming.key,
            Answer::new(StatusCode::REQUEST_TERMINATED),
        );
        let Some((id, phase)) =
            id.and_then(|id| Some((id, &mut self.sessions.get_mut(&id)?.phase)))
        else {
            return;
        };
        match phase {
            Phase::Ringing { server, .. } if *server == incoming.key => {
                self.withdraw_early(now, id);
                self.finish(now, id, Ending::Cancelled)
            }
            Phase::Up {
                change: change @ Change::Theirs { .. },
            } => *change = Change::None,
            _ => {}
        }
    }

    /// 200 to an INVITE, repeated until its ACK.
    pub(crate) fn accept(
        &mut self,
        now: Time,
        id: SessionId,
        server: Key,
        (cseq, first): (u32, bool),
        extra: &Headers,
        body: Option<Body>,
    ) {
        let change = self.overtakes(id);
        self.settle_reliable(id);
        let mut headers = Headers::new();
        if let Some(session) = self.sessions.get(&id) {
            self.introduce(&mut headers, &session.contact);
        }
        self.grant_timer(now, id, &mut headers, None);
        add_extra(&mut headers, extra);
        let sent: Option<(bytes::Bytes, Back)> = self.respond(
            now,
            server,
            Answer {
                status: StatusCode::OK,
                headers,
                body,
            },
        );
        self.set_phase(id, Phase::Up { change });
        if let Some(sent) = sent {
            self.repeat_ok(now, id, cseq, first, sent);
        }
    }

    /// The INVITE that has no final response, and its CSeq.
    fn ringing(&self, id: SessionId) -> Result<(Key, u32), SessionError> {
        let session = self.sessions.get(&id).ok_or(SessionError::NoSuchSession)?;
        let answered = session
            .reliable
            .as_ref()
            .is_some_and(|reliable| reliable.answers());
        match session.phase {
            Phase::Ringing { server, cseq } if !answered => Ok((server, cseq)),
            _ => Err(SessionError::WrongState),
        }
    }

    /// The change that the peer asks for: it is about to be answered.
    fn take_asked_change(&mut self, id: SessionId) -> Result<Asked, SessionError> {
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(SessionError::NoSuchSession)?;
        if let Phase::Up {
            change: change @ Change::Theirs { .. },
        } = &mut session.phase
            && let Change::Theirs {
                server,
                invite,
                timer,
            } = std::mem::replace(change, Change::None)
        {
            return Ok(Asked {
                server,
                invite,
                timer,
                early: None,
            });
        }
        match session.early_change.take().map(|change| *change) {
            Some(EarlyChange::Theirs {
                server, tag, offer, ..
            }) => Ok(Asked {
                server,
                invite: None,
                timer: None,
                early: Some((tag, offer)),
            }),
            other => {
                session.early_change = other.map(Box::new);
                Err(SessionError::WrongState)
            }
        }
    }

    /// Why a session description was not acceptable (RFC 3261 section 20.43).
    fn warning(&self, server: Key) -> String {
        let server = self.servers.get(&server);
        let local = server.map_or(Local::FIRST, |server| server.back.local());
        let here = self.own.locals.socket(local);
        format!("305 {here} \"Incompatible media format\"")
    }

    /// What two copies of one INVITE share whatever way they came (RFC 3261 section 8.2.2.2).
    fn merged_key(&self, incoming: &Incoming) -> Key {
        let cseq = incoming
            .request
            .headers
            .get(&HeaderName::CSeq)
            .unwrap_or_default();
        let call_id = incoming.request.call_id().unwrap_or_default();
        self.names.key(&[
            call_id.as_bytes(),
            incoming.from_tag.as_bytes(),
            cseq.as_bytes(),
        ])
    }
}
