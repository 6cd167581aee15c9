//! Asking whether a peer is there: OPTIONS outside any session, or whether it still has one: OPTIONS inside (RFC 3261
//! sections 11 and 12.2).

use std::net::SocketAddr;

use super::{
    Endpoint, Hop,
    border::{Ending, Event, PingId, SessionError, SessionId, TransportKind, Unanswered},
    client::Purpose,
    ident,
    local::Local,
    route,
    session::Phase,
};
use crate::{
    sip::{
        header::{CSeq, MaxForwards, NameAddr},
        headers::HeaderValue,
        message::{HeaderName, Method, Request, StatusCode},
        uri::Uri,
    },
    time::Time,
};

impl Endpoint {
    /// Asks a peer whether it is there. One [`Event::Pong`] follows: it has the final response, or says that
    /// none came (Timer F, 64 times T1) or that the way is broken. `transport`: by which, when not as the target says; `local`: by which
    /// address of ours, as for [`Endpoint::invite`].
    ///
    /// # Errors
    /// When the target has no numeric address and no next hop is given, or no address of ours is of its family.
    pub fn ping(
        &mut self,
        now: Time,
        target: Uri,
        next_hop: Option<SocketAddr>,
        transport: Option<TransportKind>,
        local: Option<Local>,
    ) -> Result<PingId, SessionError> {
        let peer = next_hop.or_else(|| target.address());
        let kind = transport.or_else(|| route::kind_of(&target));
        let hop = self.first_hop(peer, kind, local)?;
        let id = PingId(self.names.fresh());
        let request = self.options(target, hop);
        self.request(now, request, hop, Purpose::Ping(id));
        Ok(id)
    }

    /// Asks a peer whether it still has a session that is up; any peer answers that, whether it knows session timers or not.
    /// When no response comes, or one that says no, the session ends: [`Ending::Lost`]. Else nothing follows.
    ///
    /// # Errors
    /// When there is no such session, or it isn't up.
    pub fn ask(&mut self, now: Time, id: SessionId) -> Result<(), SessionError> {
        let session = self.sessions.get_mut(&id);
        let session = session.ok_or(SessionError::NoSuchSession)?;
        let contact = session.contact.clone();
        let (Phase::Up { .. }, Some(dialog)) = (&session.phase, &mut session.dialog) else {
            return Err(SessionError::WrongState);
        };
        let (mut request, hop) = (dialog.request(Method::Options), dialog.hop());
        self.introduce(&mut request.headers, &contact);
        self.request(now, request, hop, Purpose::Ask(id));
        Ok(())
    }

    /// What became of a question; `None`: no response came.
    pub(crate) fn on_asked(&mut self, now: Time, id: SessionId, status: Option<StatusCode>) {
        let up = |phase: &Phase| matches!(phase, Phase::Up { .. });
        if !self.sessions.get(&id).is_some_and(|it| up(&it.phase)) {
            return;
        }
        match status {
            Some(StatusCode::CALL_DOES_NOT_EXIST) => {
                self.withdraw(now, id);
                self.finish(now, id, Ending::Lost);
            }
            None | Some(StatusCode::REQUEST_TIMEOUT) => {
                self.withdraw(now, id);
                self.abandon(now, id, Ending::Lost);
            }
            Some(_) => {}
        }
    }

    pub(crate) fn pong(&mut self, ping: PingId, answer: Result<StatusCode, Unanswered>) {
        self.tell(Event::Pong { ping, answer });
    }

    fn options(&mut self, target: Uri, hop: Hop) -> Request {
        let contact = self.default_contact(hop.local, hop.kind);
        let tag = ident::text(self.names.fresh());
        let from =
            NameAddr::new(Uri::sip(Some("ping"), self.own.locals.socket(hop.local))).with_tag(&tag);
        let to = NameAddr::new(target.clone());
        let mut request = Request::new(Method::Options, target);
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, u32::from(MaxForwards::DEFAULT.0));
        headers.push(HeaderName::From, &from);
        headers.push(HeaderName::To, &to);
        let call_id = HeaderValue::from(ident::text(self.names.fresh()));
        headers.push(HeaderName::CallId, &call_id);
        let cseq = CSeq {
            number: 1,
            method: Method::Options,
        };
        headers.push(HeaderName::CSeq, &cseq);
        self.introduce(headers, &contact);
        request
    }
}
