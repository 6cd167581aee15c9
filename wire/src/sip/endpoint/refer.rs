//! REFER inside a session, both ways, and the NOTIFYs that tell what came of it (RFC 3515, RFC 6665 section 4.4.1).
//!
//! One at a time in each direction. The subscription that a REFER makes ends with the final status, with the session,
//! or after [`PATIENCE`].

use std::time::Duration;

use bytes::Bytes;

use super::{
    Endpoint,
    border::{Event, SessionError, SessionId, Timer},
    client::Purpose,
    ident::Key,
    servers::{Answer, Incoming},
    session::{Phase, put_body},
    timers::Owner,
    transaction::Class,
};
use crate::{
    sip::{
        header::NameAddr,
        message::{Body, HeaderName, HeaderValue, Headers, Method, Request, StatusCode},
    },
    time::Time,
};

/// The event package (RFC 3515 section 3).
const EVENT: &str = "refer";
/// How long what a REFER asked for may take: longer than a phone rings anywhere.
const PATIENCE: Duration = Duration::from_secs(180);
/// What a NOTIFY's body is (RFC 3420).
const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// The REFERs of a session.
#[derive(Debug, Default)]
pub(crate) struct Referral {
    ours: Option<Ours>,
    theirs: Option<Theirs>,
    /// One of ours was followed by another before its outcome was told: what doesn't say of which it tells is of that one.
    passed_over: bool,
    /// The peer has sent one: what tells of another must say of which.
    heard: bool,
    /// The sooner end of the two.
    at: Option<Time>,
}

/// A REFER that we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ours {
    until: Time,
    /// Its CSeq, by which a NOTIFY may name it.
    number: u32,
    /// It has its response; only its outcome is not known.
    answered: bool,
}

/// A REFER that the peer sent.
#[derive(Debug)]
struct Theirs {
    /// `Some`: it has no response yet.
    server: Option<Key>,
    until: Time,
    /// What was reported last.
    status: StatusCode,
    /// Its CSeq, for all but the first.
    number: Option<u32>,
}

/// Why a REFER of the peer is followed no further.
#[derive(Debug, Clone, Copy)]
enum Left {
    WithSession,
    TooLate,
}

impl Referral {
    pub(crate) const fn due(&self) -> Option<Time> {
        self.at
    }

    /// The peer's, when it has no response yet.
    pub(crate) fn unanswered(&self) -> Option<Key> {
        self.theirs.as_ref()?.server
    }

    fn next(&self) -> Option<Time> {
        let (ours, theirs) = (
            self.ours.map(|ours| ours.until),
            self.theirs.as_ref().map(|theirs| theirs.until),
        );
        ours.into_iter().chain(theirs).min()
    }
}

impl Endpoint {
    /// Asks the peer to call somebody else (REFER). `ReferAnswered` follows, then `ReferProgress`. The headers may hold
    /// `Referred-By`. Once it is answered another may be asked for, and of what comes of the first no more is told: there are
    /// phones that never tell.
    pub fn refer(
        &mut self,
        now: Time,
        id: SessionId,
        to: &NameAddr,
        headers: &Headers,
    ) -> Result<(), SessionError> {
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(SessionError::NoSuchSession)?;
        let before = session.refer.as_ref().and_then(|refer| refer.ours);
        let free = before.is_none_or(|ours| ours.answered);
        let (Phase::Up { .. }, true, Some(dialog)) = (&session.phase, free, &mut session.dialog)
        else {
            return Err(SessionError::WrongState);
        };
        let (mut request, hop) = (dialog.request(Method::Refer), dialog.hop());
        let contact = session.contact.clone();
        let refer = session.refer.get_or_insert_default();
        refer.passed_over |= before.is_some();
        refer.ours = Some(Ours {
            until: now + PATIENCE,
            number: request.cseq().map_or(0, |cseq| cseq.number),
            answered: false,
        });
        self.introduce(&mut request.headers, &contact);
        request.headers.push(HeaderName::ReferTo, to);
        super::session::add_extra(&mut request.headers, headers);
        self.request(now, request, hop, Purpose::Refer(id));
        self.watch_refer(id);
        Ok(())
    }

    /// Takes on what the peer's REFER asks for: 202, and a first NOTIFY. `report_refer` says the rest.
    pub fn accept_refer(&mut self, now: Time, id: SessionId) -> Result<(), SessionError> {
        let server = self.asked_to_refer(id)?;
        let mut answer = Answer::new(StatusCode::ACCEPTED);
        if let Some(session) = self.sessions.get(&id) {
            answer.headers.push(HeaderName::Contact, &session.contact);
        }
        self.respond(now, server, answer);
        self.report_refer(now, id, StatusCode::TRYING)
    }

    /// Refuses the peer's REFER with 300-699.
    pub fn reject_refer(
        &mut self,
        now: Time,
        id: SessionId,
        status: StatusCode,
    ) -> Result<(), SessionError> {
        if Class::of(status.code()) != Class::Failure {
            return Err(SessionError::WrongStatus);
        }
        let server = self.asked_to_refer(id)?;
        self.counters.refuse(status.code());
        self.respond(now, server, Answer::new(status));
        self.forget_theirs(id);
        Ok(())
    }

    /// Tells the peer what came of its REFER: the status of the call that it asked for. A final one is the last.
    pub fn report_refer(
        &mut self,
        now: Time,
        id: SessionId,
        status: StatusCode,
    ) -> Result<(), SessionError> {
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(SessionError::NoSuchSession)?;
        let theirs = session
            .refer
            .as_mut()
            .and_then(|refer| refer.theirs.as_mut());
        let Some(theirs) = theirs.filter(|theirs| theirs.server.is_none()) else {
            return Err(SessionError::WrongState);
        };
        theirs.status = status;
        let (left, number) = (theirs.until.since(now), theirs.number);
        let state = if status.is_final() {
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={}", left.as_secs())
        };
        self.notify(now, id, (status, number), &state);
        if status.is_final() {
            self.forget_theirs(id);
        }
        Ok(())
    }

    /// REFER inside a session.
    pub(crate) fn on_refer(&mut self, now: Time, id: SessionId, incoming: &Incoming) {
        if !self.config.transfers {
            return self.on_unknown(incoming);
        }
        let Some(to) = refer_to(&incoming.request) else {
            self.counters.refuse(StatusCode::BAD_REQUEST.code());
            return self.conclude(now, incoming, Answer::new(StatusCode::BAD_REQUEST));
        };
        let has_room = self.has_room();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let free = session
            .refer
            .as_ref()
            .is_none_or(|refer| refer.theirs.is_none());
        if !has_room || !free || !matches!(session.phase, Phase::Up { .. }) {
            return self.try_later(now, incoming);
        }
        let refer = session.refer.get_or_insert_default();
        let again = std::mem::replace(&mut refer.heard, true);
        refer.theirs = Some(Theirs {
            server: Some(incoming.key),
            until: now + PATIENCE,
            status: StatusCode::TRYING,
            number: again.then_some(incoming.cseq),
        });
        let Some(dialog_to) = incoming.request.headers.value(&HeaderName::To).cloned() else {
            return;
        };
        self.serve(incoming, dialog_to, Some(id), None);
        self.watch_refer(id);
        let by = incoming
            .request
            .headers
            .value(&HeaderName::ReferredBy)
            .cloned();
        self.tell(Event::Referred {
            session: id,
            to: Box::new(to),
            by,
        });
    }

    /// Our REFER was challenged, and is sent once more by that number.
    pub(crate) fn renumber_refer(&mut self, id: SessionId, number: u32) {
        let refer = self.sessions.get_mut(&id).and_then(|it| it.refer.as_mut());
        if let Some(ours) = refer.and_then(|refer| refer.ours.as_mut()) {
            ours.number = number;
        }
    }

    /// A NOTIFY about a REFER of ours; false when it is none.
    pub(crate) fn on_refer_notified(&mut self, id: SessionId, request: &Request) -> bool {
        let event = request.headers.get(&HeaderName::Event).unwrap_or_default();
        let mut event = event.split(';');
        let package = event.next();
        let of = event.find_map(|param| param.trim().strip_prefix("id="));
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let Some(refer) = session.refer.as_mut().filter(|refer| refer.ours.is_some()) else {
            return false;
        };
        if !package.is_some_and(|package| package.trim().eq_ignore_ascii_case(EVENT)) {
            return false;
        }
        let status = sipfrag_status(&request.body);
        let state = request
            .headers
            .get(&HeaderName::SubscriptionState)
            .unwrap_or_default();
        let terminated = state
            .split(';')
            .next()
            .is_some_and(|state| state.trim().eq_ignore_ascii_case("terminated"));
        let over = terminated || status.is_some_and(StatusCode::is_final);
        let latest = match of {
            Some(of) => refer.ours.is_some_and(|ours| of.parse() == Ok(ours.number)),
            None => !refer.passed_over,
        };
        if !latest {
            refer.passed_over &= of.is_some() || !over;
            return true;
        }
        if over {
            refer.ours = None;
        }
        self.tell(Event::ReferProgress {
            session: id,
            status,
            over,
        });
        true
    }

    /// The response to our REFER; `None`: there was none.
    pub(crate) fn on_refer_answered(&mut self, id: SessionId, status: Option<StatusCode>) {
        let Some(refer) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.refer.as_mut())
        else {
            return;
        };
        let result = match status {
            Some(status) if status.is_success() => Ok(()),
            status => Err(status.unwrap_or(StatusCode::REQUEST_TIMEOUT)),
        };
        // A NOTIFY may have overtaken the 202 and told all.
        if result.is_err() && refer.ours.take().is_none() {
            return;
        }
        if let Some(ours) = &mut refer.ours {
            ours.answered = true;
        }
        self.tell(Event::ReferAnswered {
            session: id,
            result,
        });
    }

    /// The session ends: a subscription that is left is ended with it.
    pub(crate) fn leave_refer(&mut self, now: Time, id: SessionId) {
        self.drop_theirs(now, id, |_| true, Left::WithSession);
    }

    pub(crate) fn on_refer_timer(&mut self, now: Time, id: SessionId, at: Time) {
        let Some(refer) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.refer.as_mut())
        else {
            return;
        };
        if refer.due() != Some(at) {
            return;
        }
        refer.at = None;
        if refer.ours.take_if(|ours| ours.until <= now).is_some() {
            self.tell(Event::ReferProgress {
                session: id,
                status: None,
                over: true,
            });
        }
        let late = |theirs: &Theirs| theirs.until <= now;
        self.drop_theirs(now, id, late, Left::TooLate);
        self.watch_refer(id);
    }

    /// Follows the peer's REFER no further, if that is so: refuses it, or tells by a last NOTIFY what came of it so far.
    fn drop_theirs(
        &mut self,
        now: Time,
        id: SessionId,
        is_so: impl Fn(&Theirs) -> bool,
        why: Left,
    ) {
        let Some(refer) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.refer.as_mut())
        else {
            return;
        };
        let (refusal, reason) = match why {
            Left::WithSession => (StatusCode::REQUEST_TERMINATED, "noresource"),
            Left::TooLate => (StatusCode::SERVER_TIMEOUT, "timeout"),
        };
        match refer.theirs.take_if(|theirs| is_so(theirs)) {
            Some(Theirs {
                server: Some(server),
                ..
            }) => {
                self.respond(now, server, Answer::new(refusal));
            }
            Some(Theirs { status, number, .. }) => {
                self.notify(
                    now,
                    id,
                    (status, number),
                    &format!("terminated;reason={reason}"),
                );
            }
            None => {}
        }
    }

    /// `number` tells which REFER it is about; without it, the first (RFC 3515 section 2.4.6).
    fn notify(
        &mut self,
        now: Time,
        id: SessionId,
        (status, number): (StatusCode, Option<u32>),
        state: &str,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let contact = session.contact.clone();
        let Some(dialog) = &mut session.dialog else {
            return;
        };
        let (mut request, hop) = (dialog.request(Method::Notify), dialog.hop());
        request.headers.push(HeaderName::Contact, &contact);
        let event = match number {
            Some(number) => format!("{EVENT};id={number}"),
            None => EVENT.to_owned(),
        };
        request.headers.push(HeaderName::Event, event);
        request.headers.push(HeaderName::SubscriptionState, state);
        let line = format!("SIP/2.0 {status} {}\r\n", status.phrase());
        put_body(
            &mut request,
            Some(Body {
                content_type: SIPFRAG.into(),
                bytes: Bytes::from(line),
            }),
        );
        self.request(now, request, hop, Purpose::Told(id));
    }

    fn asked_to_refer(&mut self, id: SessionId) -> Result<Key, SessionError> {
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(SessionError::NoSuchSession)?;
        let theirs = session
            .refer
            .as_mut()
            .and_then(|refer| refer.theirs.as_mut());
        theirs
            .and_then(|theirs| theirs.server.take())
            .ok_or(SessionError::WrongState)
    }

    fn forget_theirs(&mut self, id: SessionId) {
        if let Some(refer) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.refer.as_mut())
        {
            refer.theirs = None;
        }
    }

    fn watch_refer(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(refer) = &mut session.refer else {
            return;
        };
        if let Some(before) = refer.at {
            self.timers.stop(before, Timer::Refer, Owner::Session(id));
        }
        refer.at = refer.next();
        match refer.at {
            Some(at) => self.timers.set(at, Timer::Refer, Owner::Session(id)),
            None if refer.heard => {}
            None => session.refer = None,
        }
    }
}

/// The one address of a Refer-To (RFC 3515 section 2.4.1).
fn refer_to(request: &Request) -> Option<NameAddr> {
    let mut values = request.headers.values(&HeaderName::ReferTo);
    let value: &HeaderValue = values.next()?;
    let one = values.next().is_none();
    NameAddr::parse(value.as_str()).ok().filter(|_| one)
}

/// The status in a sipfrag that begins with a status line (RFC 3420).
fn sipfrag_status(body: &[u8]) -> Option<StatusCode> {
    let line = body.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.strip_prefix("SIP/2.0 ")?;
    StatusCode::new(rest.get(..3)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{StatusCode, sipfrag_status};

    #[test]
    fn a_sipfrag_begins_with_a_status_line() {
        assert_eq!(
            sipfrag_status(b"SIP/2.0 180 Ringing\r\n"),
            Some(StatusCode::RINGING)
        );
        assert_eq!(sipfrag_status(b"SIP/2.0 603"), Some(StatusCode::DECLINE));
        for bad in [
            &b""[..],
            b"SIP/2.0 1",
            b"SIP/2.0 099 x",
            b"SIP/2.0 +99 x",
            b"INVITE",
            b"\xff\xfe",
        ] {
            assert_eq!(sipfrag_status(bad), None);
        }
    }
}
