//! Early dialogs of our calls: one for each phone that a proxy forked to (RFC 3261 section 12.1, RFC 3262 section 4).

use super::{
    Endpoint, Hop,
    border::{Event, SessionError, SessionId},
    client::{ClientKey, Inviting, Purpose},
    dialog::Dialog,
    offers::EarlyChange,
    reliable::OPTION_TAG,
    responses::FORKS_MAX,
    session::{Change, Phase, put_body},
};
use crate::{
    sip::message::{Body, HeaderName, Headers, Method, Request, Response},
    time::Time,
};

/// One phone that rings.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) tag: Box<str>,
    /// `None`: nothing reliable came, so nothing is said inside it.
    pub(crate) dialog: Option<Box<Dialog>>,
    /// The last RSeq; the next is one higher.
    rseq: Option<u32>,
    /// What the phone said of itself last: the answer to our offer, once that came reliably; then another offer may follow.
    described: Option<Body>,
    takes_update: bool,
}

impl Early {
    /// The call has its final response: what the phone said of itself is needed no more.
    pub(crate) fn settle(&mut self) {
        self.described = None;
    }
}

/// What an 18x turned out to be.
pub(crate) enum Heard {
    /// News from this fork.
    Fork(u8),
    /// Nothing new, or out of order, or one fork too many.
    Nothing,
}

impl Endpoint {
    /// Finds out which fork an 18x is of, and acknowledges one that is reliable.
    pub(crate) fn hear(&mut self, now: Time, key: ClientKey, response: &Response) -> Heard {
        let tag = response.headers.tag(&HeaderName::To).unwrap_or_default();
        let Some(client) = self.clients.get_mut(&key) else {
            return Heard::Nothing;
        };
        let (flow, reliable) = (client.flow, self.config.reliable);
        let rseq = rseq(&response.headers).filter(|_| reliable);
        let Some(request) = &client.request else {
            return Heard::Nothing;
        };
        let dialog = || Dialog::of_caller(request, response, flow).map(Box::new);
        let fresh = rseq.and_then(|_| dialog());
        let cseq = request.cseq().map_or(1, |cseq| cseq.number);
        let Some(inviting) = client.inviting() else {
            return Heard::Nothing;
        };
        let Some(at) = inviting.early_at(tag) else {
            self.counters.shed += 1;
            return Heard::Nothing;
        };
        let (id, late_offer) = (inviting.session, inviting.late_offer);
        let early = &mut inviting.early[at];
        let fork = u8::try_from(at).unwrap_or(u8::MAX);
        let Some(rseq) = rseq else {
            return Heard::Fork(fork);
        };
        if early.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            self.counters.repeated += 1;
            return Heard::Nothing;
        }
        early.rseq = Some(rseq);
        if !late_offer && early.described.is_none() {
            early.described = response.body();
        }
        early.takes_update |= response
            .headers
            .lists(&HeaderName::Allow, Method::Update.as_str());
        if early.dialog.is_none() {
            early.dialog = fresh;
        }
        let Some(dialog) = &mut early.dialog else {
            return Heard::Fork(fork);
        };
        let mut prack = dialog.request(Method::Prack);
        prack.headers.push(
            HeaderName::RAck,
            format!("{rseq} {cseq} {}", Method::Invite),
        );
        let hop = dialog.hop();
        self.request(now, prack, hop, Purpose::Told(id));
        Heard::Fork(fork)
    }

    /// A change before the answer: UPDATE (RFC 3311), when exactly one phone rings and allows it.
    pub(crate) fn change_early(
        &mut self,
        now: Time,
        id: SessionId,
        client: ClientKey,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let session = self.sessions.get(&id).ok_or(SessionError::NoSuchSession)?;
        let idle = session.early_change.is_none() && body.is_some();
        let inviting = self
            .clients
            .get_mut(&client)
            .and_then(|client| client.inviting());
        let (true, Some([early])) = (idle, inviting.map(|inviting| inviting.early.as_mut_slice()))
        else {
            return Err(SessionError::WrongState);
        };
        let (true, Some(dialog)) = (
            early.described.is_some() && early.takes_update,
            &mut early.dialog,
        ) else {
            return Err(SessionError::NotBeforeAnswer);
        };
        let (request, hop) = (dialog.request(Method::Update), dialog.hop());
        self.update(now, id, (request, hop), body);
        Ok(())
    }

    /// The same of a call to us: once the caller, who allows it, has acknowledged what was agreed by a reliable 18x.
    pub(crate) fn change_ringing(
        &mut self,
        now: Time,
        id: SessionId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let session = self.sessions.get_mut(&id);
        let session = session.ok_or(SessionError::NoSuchSession)?;
        let reliable = session.reliable.as_ref();
        let reliable = reliable.filter(|reliable| reliable.takes_update());
        let (Some(reliable), Some(dialog)) = (reliable, &mut session.dialog) else {
            return Err(SessionError::NotBeforeAnswer);
        };
        if session.early_change.is_some() || body.is_none() || !reliable.is_settled() {
            return Err(SessionError::WrongState);
        }
        let (request, hop) = (dialog.request(Method::Update), dialog.hop());
        self.update(now, id, (request, hop), body);
        Ok(())
    }

    fn update(
        &mut self,
        now: Time,
        id: SessionId,
        (mut request, hop): (Request, Hop),
        body: Option<Body>,
    ) {
        if let Some(session) = self.sessions.get(&id) {
            self.introduce(&mut request.headers, &session.contact);
        }
        put_body(&mut request, body);
        let client = self.request(now, request, hop, Purpose::Update(id));
        if let Some(session) = self.sessions.get_mut(&id) {
            session.early_change = Some(Box::new(EarlyChange::Ours { client }));
        }
    }

    /// Our UPDATE to the phone with this tag, which has just taken the call: it is under way as any change, until its answer comes.
    pub(crate) fn overtaken(&mut self, id: SessionId, tag: &str) -> Option<ClientKey> {
        let session = self.sessions.get_mut(&id)?;
        let ringing = matches!(session.phase, Phase::Calling { .. } | Phase::Heard { .. });
        let change = session.early_change.take_if(|change| match &**change {
            EarlyChange::Ours { client } => {
                let update = self.clients.get(client).and_then(|it| it.request.as_ref());
                ringing && update.is_some_and(|it| it.headers.tag(&HeaderName::To) == Some(tag))
            }
            EarlyChange::Theirs { .. } => false,
        });
        change.and_then(|change| match *change {
            EarlyChange::Ours { client } => Some(client),
            EarlyChange::Theirs { .. } => None,
        })
    }

    /// What became of an UPDATE of ours before the answer; `None`: no response came.
    pub(crate) fn on_early_changed(
        &mut self,
        key: ClientKey,
        id: SessionId,
        response: Option<&Response>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.changes_by(key) {
            session.phase = Phase::Up {
                change: Change::None,
            };
        } else if session.changes_early_by(key) {
            session.early_change = None;
        } else {
            return;
        }
        let result = match response {
            Some(response) if response.status.is_success() => {
                let tag = response.headers.tag(&HeaderName::To).unwrap_or_default();
                if let Some(dialog) = self.dialog_with(id, tag) {
                    dialog.refresh(&response.headers);
                }
                self.describes(id, tag, response.body());
                Ok(response.body())
            }
            Some(response) => Err(response.status),
            None => Err(crate::sip::message::StatusCode::REQUEST_TIMEOUT),
        };
        self.tell(Event::Changed {
            session: id,
            result,
        });
    }

    /// The early dialog of a call of ours that a request from this tag is in.
    pub(crate) fn early_of(&mut self, id: SessionId, tag: &str) -> Option<&mut Dialog> {
        self.ringing_phone(id, tag)?.dialog.as_deref_mut()
    }

    /// Whether the phone with this tag has described itself reliably.
    pub(crate) fn is_described(&mut self, id: SessionId, tag: &str) -> bool {
        self.ringing_phone(id, tag)
            .is_some_and(|early| early.described.is_some())
    }

    /// A phone that rings describes itself anew: by an offer of its own that is accepted, or the answer to another of ours.
    pub(crate) fn describes(&mut self, id: SessionId, tag: &str, body: Option<Body>) {
        if let (Some(early), Some(body)) = (self.ringing_phone(id, tag), body) {
            early.described = Some(body);
        }
    }

    fn ringing_phone(&mut self, id: SessionId, tag: &str) -> Option<&mut Early> {
        let (Phase::Calling { client } | Phase::Heard { client }) = self.sessions.get(&id)?.phase
        else {
            return None;
        };
        let inviting = self.clients.get_mut(&client)?.inviting()?;
        inviting.early.iter_mut().find(|early| &*early.tag == tag)
    }
}

impl Inviting {
    /// What the phone with this tag has said of itself reliably while it rang: its 2xx needn't say it again (RFC 3262
    /// section 5).
    pub(crate) fn take_described(&mut self, tag: &str) -> Option<Body> {
        let early = self.early.iter_mut().find(|early| &*early.tag == tag)?;
        early.described.take()
    }

    /// The place of the fork with this tag, new or known; `None`: one too many.
    fn early_at(&mut self, tag: &str) -> Option<usize> {
        if let Some(at) = self.early.iter().position(|early| &*early.tag == tag) {
            return Some(at);
        }
        if self.early.len() >= FORKS_MAX {
            return None;
        }
        self.early.push(Early {
            tag: tag.into(),
            dialog: None,
            rseq: None,
            described: None,
            takes_update: false,
        });
        Some(self.early.len() - 1)
    }
}

/// The RSeq of a response that wants PRACK.
fn rseq(headers: &Headers) -> Option<u32> {
    let number = headers.get(&HeaderName::RSeq)?.parse().ok()?;
    headers
        .lists(&HeaderName::Require, OPTION_TAG)
        .then_some(number)
}
