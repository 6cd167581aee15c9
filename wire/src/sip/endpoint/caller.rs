//! Calls of ours: INVITE, ACK, re-INVITE (RFC 3261 sections 13.2, 14.1).

use std::net::SocketAddr;

use super::{
    Endpoint, Hop,
    border::{Invite, SessionError, SessionId, TransportKind},
    client::{Inviting, Purpose},
    ident,
    local::Local,
    route,
    session::{Change, Phase, Session, add_extra, put_body},
};
use crate::{
    sip::{
        header::{CSeq, MaxForwards, NameAddr},
        message::{Body, HeaderName, HeaderValue, Headers, Method, Request},
    },
    time::Time,
};

impl Endpoint {
    /// Calls. `Progress`, then `Answered` or `Rejected` follow. A `Contact` among the headers replaces our own, so that it can
    /// carry feature tags (RFC 3840).
    pub fn invite(&mut self, now: Time, invite: Invite) -> Result<SessionId, SessionError> {
        if self.sessions.len() >= self.config.sessions_max {
            return Err(SessionError::Full);
        }
        let hop = self.hop_of(&invite)?;
        let from = NameAddr::parse(&invite.from).map_err(|_| SessionError::BadAddress)?;
        let to = match &invite.to {
            Some(to) => NameAddr::parse(to).map_err(|_| SessionError::BadAddress)?,
            None => NameAddr::new(invite.target.clone()),
        };
        let (id, tag) = self.fresh_session();
        let call_id = [self.names.fresh(), self.names.fresh()].map(ident::text);
        let call_id = HeaderValue::from(call_id.concat());
        let contact = invite.headers.value(&HeaderName::Contact).cloned();
        let contact = contact.unwrap_or_else(|| self.default_contact(hop.local, hop.kind));

        let mut request = Request::new(Method::Invite, invite.target);
        let headers = &mut request.headers;
        let hops_left = invite.max_forwards.unwrap_or(MaxForwards::DEFAULT);
        headers.push(HeaderName::MaxForwards, u32::from(hops_left.0));
        headers.push(HeaderName::From, &from.with_tag(&ident::text(tag)));
        headers.push(HeaderName::To, &to);
        headers.push(HeaderName::CallId, &call_id);
        headers.push(
            HeaderName::CSeq,
            &CSeq {
                number: 1,
                method: Method::Invite,
            },
        );
        let late_offer = invite.body.is_none();
        self.introduce(headers, &contact);
        if late_offer {
            self.without_reliable(headers);
        }
        self.ask_timer(headers, None);
        add_extra(headers, &invite.headers);
        put_body(&mut request, invite.body);

        let purpose = Purpose::Invite(Inviting::new(id, false, late_offer));
        let client = self.request(now, request, hop, purpose);
        let phase = Phase::Calling { client };
        let session = Session::new(call_id, tag, phase, contact);
        self.sessions.insert(id, Box::new(session));
        Ok(id)
    }

    /// Acknowledges a 2xx that brought the offer, with the answer. Only then: with an offer in the INVITE the ACK goes
    /// by itself.
    pub fn ack(
        &mut self,
        _now: Time,
        id: SessionId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let session = self.sessions.get(&id).ok_or(SessionError::NoSuchSession)?;
        if session.ack_due.is_none() {
            return Err(SessionError::WrongState);
        }
        self.send_due_ack(id, body);
        Ok(())
    }

    /// Asks to change the session (re-INVITE; before the answer UPDATE, when the caller, or the one phone that rings, allows it and
    /// was agreed with reliably). `Changed` follows. With no body, the peer makes the offer.
    pub fn change(
        &mut self,
        now: Time,
        id: SessionId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let session = self.sessions.get(&id).ok_or(SessionError::NoSuchSession)?;
        let idle = match session.phase {
            Phase::Heard { client } => return self.change_early(now, id, client, body),
            Phase::Ringing { .. } => return self.change_ringing(now, id, body),
            Phase::Up {
                change: Change::None,
            } => session.ok.is_none() && session.ack_due.is_none(),
            _ => false,
        };
        let waits = session.glare.as_ref().is_some_and(|glare| glare.waits());
        if !idle || waits || session.dialog.is_none() {
            return Err(SessionError::WrongState);
        }
        self.send_change(now, id, body);
        Ok(())
    }

    /// Sends the re-INVITE of a session that is up and in which nothing is under way.
    pub(crate) fn send_change(&mut self, now: Time, id: SessionId, body: Option<Body>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (contact, timer) = (session.contact.clone(), session.timer);
        let Some(dialog) = &mut session.dialog else {
            return;
        };
        let (mut request, hop) = (dialog.request(Method::Invite), dialog.hop());
        let late_offer = body.is_none();
        self.introduce(&mut request.headers, &contact);
        // What comes before its final response is told to nobody, so none would be acknowledged.
        self.without_reliable(&mut request.headers);
        self.ask_timer(&mut request.headers, timer);
        put_body(&mut request, body);
        let purpose = Purpose::Invite(Inviting::new(id, true, late_offer));
        let client = self.request(now, request, hop, purpose);
        let change = Change::Ours { client };
        self.set_phase(id, Phase::Up { change });
    }

    /// An INVITE without an offer asks for no reliable 18x: one could bring an offer, whose answer our user gives in the
    /// ACK only.
    fn without_reliable(&self, headers: &mut Headers) {
        if !self.config.reliable {
            return;
        }
        let others: Vec<&str> = super::supported(&self.config)
            .into_iter()
            .filter(|tag| *tag != super::reliable::OPTION_TAG)
            .collect();
        headers.remove(&HeaderName::Supported);
        if !others.is_empty() {
            headers.push(HeaderName::Supported, others.join(", "));
        }
    }

    pub(crate) fn send_due_ack(&mut self, id: SessionId, body: Option<Body>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let (Some(due), Some(dialog)) = (session.ack_due.take(), &session.dialog) {
            let (mut request, hop) = (dialog.ack(due.cseq), dialog.hop());
            let tag: Box<str> = dialog.remote_tag().into();
            put_body(&mut request, body);
            self.acknowledge(due.client, &tag, request, hop);
        }
    }

    /// Where a call goes first: the next hop given, or the address in its target.
    fn hop_of(&self, invite: &Invite) -> Result<Hop, SessionError> {
        let kind = invite.transport.or_else(|| route::kind_of(&invite.target));
        let peer = invite.next_hop.or_else(|| invite.target.address());
        self.first_hop(peer, kind, invite.local)
    }

    /// The hop of a request that is in no dialog yet.
    pub(crate) fn first_hop(
        &self,
        peer: Option<SocketAddr>,
        kind: Option<TransportKind>,
        local: Option<Local>,
    ) -> Result<Hop, SessionError> {
        let peer = peer.ok_or(SessionError::NoRoute)?;
        let kind = kind.unwrap_or(TransportKind::Udp);
        let local = self
            .own
            .locals
            .to(local.unwrap_or_default(), peer.ip(), kind)
            .ok_or(SessionError::NoLocal)?;
        Ok(Hop {
            peer,
            kind,
            local,
            connection: None,
        })
    }
}
