//! Challenges of a peer to our requests, answered (RFC 3261 section 22.2, RFC 8760).
//!
//! A request that is challenged is sent once more with the proof; and once more when the nonce was too old. What a session
//! has learnt it proves at once in every later request, each time with the next nonce count.

use std::sync::Arc;

use super::{
    Endpoint,
    border::{SessionError, SessionId},
    client::{ClientKey, Inviting, Purpose},
    ident,
    offers::EarlyChange,
    session::{Change, Phase},
};
use crate::{
    auth::{Challenge, Credentials},
    sip::message::{HeaderName, Request, Response, StatusCode},
    time::Time,
};

/// Challenges that one session proves at once: some proxies on the way and the one called.
const CHALLENGES_MAX: usize = 4;
/// Times that one request is sent again: challenged by a proxy, by the one called, and once because a nonce was too old.
const TRIES_MAX: u8 = 3;

/// Who we are in a session, and to whom we proved it.
#[derive(Debug)]
pub(crate) struct Proving {
    credentials: Arc<Credentials>,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    by_proxy: bool,
    challenge: Challenge,
    /// How often its nonce was used.
    count: u32,
}

impl Endpoint {
    /// Answers challenges to the requests of this session by these credentials from now on.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn prove(
        &mut self,
        id: SessionId,
        credentials: Arc<Credentials>,
    ) -> Result<(), SessionError> {
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(SessionError::NoSuchSession)?;
        session.proving = Some(Box::new(Proving {
            credentials,
            known: Vec::new(),
        }));
        Ok(())
    }

    /// Adds to a request what the session's peers want to be proved.
    pub(crate) fn authorize(&mut self, id: SessionId, request: &mut Request) {
        let Some(proving) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.proving.as_mut())
            .filter(|proving| !proving.known.is_empty())
        else {
            return;
        };
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            request.headers.remove(&name);
        }
        let (uri, cnonce) = (request.uri.to_string(), ident::text(self.names.fresh()));
        for known in &mut proving.known {
            known.count = known.count.saturating_add(1);
            let answer = proving.credentials.answer(
                &known.challenge,
                request.method.as_str(),
                &uri,
                &cnonce,
                known.count,
            );
            if let Some(answer) = answer {
                request
                    .headers
                    .push(proof_header(known.by_proxy), answer.value);
            }
        }
    }

    /// Sends a request that was challenged once more, with the proof. False when it is no challenge, none that can be met, or
    /// was met often enough: then it is a refusal as any other.
    pub(crate) fn meets_challenge(
        &mut self,
        now: Time,
        key: ClientKey,
        response: &Response,
    ) -> bool {
        let by_proxy = match response.status {
            StatusCode::UNAUTHORIZED => false,
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => true,
            _ => return false,
        };
        let Some(client) = self.clients.get(&key) else {
            return false;
        };
        let (tries, Some(id)) = (client.proved, client.purpose.session()) else {
            return false;
        };
        let learnt = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.proving.as_mut())
            .is_some_and(|proving| proving.learn(by_proxy, tries, response));
        if !learnt {
            return false;
        }
        let again = if self.calls_outside(key) {
            self.call_again(now, key, u32::MAX, |_| ())
        } else {
            self.send_again_inside(now, key, id)
        };
        let Some(client) = again.and_then(|again| self.clients.get_mut(&again)) else {
            return false;
        };
        client.proved = tries + 1;
        true
    }

    fn calls_outside(&mut self, key: ClientKey) -> bool {
        self.clients
            .get_mut(&key)
            .and_then(|client| client.inviting())
            .is_some_and(|inviting| !inviting.change)
    }

    /// Sends a request of a dialog once more, as the next in it.
    pub(crate) fn send_again_inside(
        &mut self,
        now: Time,
        key: ClientKey,
        id: SessionId,
    ) -> Option<ClientKey> {
        let session = self.sessions.get(&id)?;
        let (changes, changes_early) = (session.changes_by(key), session.changes_early_by(key));
        let client = self.clients.get(&key)?;
        let mut request = client.request.as_deref()?.clone();
        let purpose = match &client.purpose {
            // The session has gone on to something else.
            Purpose::Invite(_) if !changes => return None,
            Purpose::Invite(inviting) => {
                let tries = inviting.tries;
                let again = Inviting::new(id, true, inviting.late_offer);
                Purpose::Invite(Inviting { tries, ..again })
            }
            Purpose::Bye(_) => Purpose::Bye(Some(id)),
            Purpose::Refresh(_) => Purpose::Refresh(id),
            Purpose::Refer(_) => Purpose::Refer(id),
            Purpose::Told(_) => Purpose::Told(id),
            Purpose::Ask(_) => Purpose::Ask(id),
            Purpose::Update(_) if changes_early => Purpose::Update(id),
            Purpose::Update(_) | Purpose::Cancel | Purpose::Ping(_) => return None,
        };
        let tag = request.headers.tag(&HeaderName::To)?;
        let dialog = self.dialog_with(id, tag)?;
        let next = dialog.request(request.method.clone());
        let hop = dialog.hop();
        request.headers.remove_first(&HeaderName::Via);
        let cseq = next.headers.value(&HeaderName::CSeq)?;
        request.headers.set(HeaderName::CSeq, cseq);
        if let (Purpose::Refer(id), Ok(cseq)) = (&purpose, request.cseq()) {
            self.renumber_refer(*id, cseq.number);
        }
        let client = self.request(now, request, hop, purpose);
        if changes {
            let change = Change::Ours { client };
            self.set_phase(id, Phase::Up { change });
        }
        if changes_early && let Some(session) = self.sessions.get_mut(&id) {
            session.early_change = Some(Box::new(EarlyChange::Ours { client }));
        }
        Some(client)
    }

    /// The ACK of a 2xx bears the proofs of its INVITE (RFC 3261 section 22.1).
    pub(crate) fn copy_proofs(&self, invite: ClientKey, ack: &mut Request) {
        let client = self.clients.get(&invite);
        let Some(invite) = client.and_then(|client| client.request.as_ref()) else {
            return;
        };
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            for proof in invite.headers.values(&name) {
                ack.headers.push(name.clone(), proof);
            }
        }
    }
}

impl Proving {
    /// Takes a challenge in. False when it can't be met, or when it was met in this very request: then we aren't believed.
    fn learn(&mut self, by_proxy: bool, tries: u8, response: &Response) -> bool {
        let name = challenge_header(by_proxy);
        let challenges = response.headers.get_all(&name);
        let Some(challenge) = self.credentials.choose(challenges) else {
            return false;
        };
        let known = self.known.iter_mut().find(|known| {
            known.by_proxy == by_proxy && known.challenge.realm() == challenge.realm()
        });
        let fresh = |challenge| Known {
            by_proxy,
            challenge,
            count: 0,
        };
        match known {
            Some(known) => {
                let worth = tries == 0 || (challenge.is_stale() && tries + 1 < TRIES_MAX);
                if worth {
                    *known = fresh(challenge);
                }
                worth
            }
            None => {
                let worth = tries < TRIES_MAX && self.known.len() < CHALLENGES_MAX;
                if worth {
                    self.known.push(fresh(challenge));
                }
                worth
            }
        }
    }
}

const fn challenge_header(by_proxy: bool) -> HeaderName {
    if by_proxy {
        HeaderName::ProxyAuthenticate
    } else {
        HeaderName::WwwAuthenticate
    }
}

const fn proof_header(by_proxy: bool) -> HeaderName {
    if by_proxy {
        HeaderName::ProxyAuthorization
    } else {
        HeaderName::Authorization
    }
}
