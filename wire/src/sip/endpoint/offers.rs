//! Offers before the INVITE has its answer: one at a time, in UPDATE or PRACK (RFC 3262 section 5, RFC 3311 section 5).

use super::{
    Endpoint,
    border::{Event, SessionId},
    client::ClientKey,
    ident::Key,
    servers::{Answer, Incoming},
    session::{Change, Phase, Session},
};
use crate::{
    sip::message::{Body, HeaderName, Method, StatusCode},
    time::Time,
};

/// An UPDATE (or PRACK with an offer) before the INVITE has its answer.
#[derive(Debug)]
pub(crate) enum EarlyChange {
    Ours {
        client: ClientKey,
    },
    /// `tag`: of whom it came. `by_prack`: by a PRACK, which must have a 2xx (RFC 3262 section 3).
    Theirs {
        server: Key,
        tag: Box<str>,
        offer: Option<Body>,
        by_prack: bool,
    },
}

/// The side whose offer waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    None,
    Ours,
    Theirs,
}

impl Session {
    /// Whether a PRACK's offer waits for our user's answer.
    pub(crate) fn offered_by_prack(&self) -> bool {
        matches!(
            self.early_change.as_deref(),
            Some(EarlyChange::Theirs { by_prack: true, .. })
        )
    }

    pub(crate) fn changes_early_by(&self, key: ClientKey) -> bool {
        matches!(self.early_change.as_deref(), Some(EarlyChange::Ours { client }) if *client == key)
    }
}

impl Endpoint {
    /// An offer inside the early dialog: a PRACK's or an UPDATE's. One at a time, the INVITE's first: 491 while ours has no answer,
    /// 500 while theirs hasn't (RFC 3311 section 5.2).
    pub(crate) fn offered_early(
        &mut self,
        now: Time,
        id: SessionId,
        incoming: &Incoming,
        body: Option<Body>,
    ) -> bool {
        let has_room = self.has_room();
        let first = self.first_offer(id, &incoming.from_tag);
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        match (session.early_change.as_deref(), first) {
            (Some(EarlyChange::Ours { .. }), _) | (_, Offer::Ours) => {
                self.counters.refuse(StatusCode::REQUEST_PENDING.code());
                self.conclude(now, incoming, Answer::new(StatusCode::REQUEST_PENDING));
                return false;
            }
            (None, Offer::None) if has_room => {}
            _ => {
                self.try_later(now, incoming);
                return false;
            }
        }
        let Some(to) = incoming.request.headers.value(&HeaderName::To).cloned() else {
            return false;
        };
        session.early_change = Some(Box::new(EarlyChange::Theirs {
            server: incoming.key,
            tag: incoming.from_tag.clone(),
            offer: body.clone(),
            by_prack: incoming.request.method == Method::Prack,
        }));
        if incoming.request.method == Method::Update {
            self.refresh_target(id, incoming);
        }
        self.serve(incoming, to, Some(id), None);
        self.tell(Event::ChangeRequested { session: id, body });
        true
    }

    /// The caller's UPDATE that has no answer when our 2xx to the INVITE goes: it is under way as any change, until our user answers it.
    ///
    /// RFC 3311 section 5.2 has 491 for an offer that meets one of ours, and 500 for one that comes before we answered another: here is
    /// neither, and whoever our user asks may be taking the offer in this moment. Nothing forbids the 2xx meanwhile: the INVITE's own offer
    /// has its answer (RFC 3264 section 4), and what the 2xx describes is that once more.
    pub(crate) fn overtakes(&mut self, id: SessionId) -> Change {
        let session = self.sessions.get_mut(&id);
        match session.and_then(|session| session.early_change.take()) {
            Some(change) => match *change {
                EarlyChange::Theirs { server, .. } => Change::Theirs {
                    server,
                    invite: None,
                    timer: None,
                },
                EarlyChange::Ours { client } => Change::Ours { client },
            },
            None => Change::None,
        }
    }

    /// Which side's offer, made by the INVITE or because it made none, has no answer yet in this early dialog. To a caller who takes
    /// no reliable 18x it has none before the 2xx.
    fn first_offer(&mut self, id: SessionId, tag: &str) -> Offer {
        let Some(session) = self.sessions.get(&id) else {
            return Offer::None;
        };
        let client = match session.phase {
            Phase::Ringing { .. } => {
                let reliable = session.reliable.as_ref();
                return reliable.map_or(Offer::Theirs, |reliable| reliable.first_offer());
            }
            Phase::Calling { client } | Phase::Heard { client } => client,
            _ => return Offer::None,
        };
        if self.is_described(id, tag) {
            return Offer::None;
        }
        let client = self.clients.get_mut(&client);
        let inviting = client.and_then(|client| client.inviting());
        if inviting.is_some_and(|inviting| inviting.late_offer) {
            Offer::Theirs
        } else {
            Offer::Ours
        }
    }
}
