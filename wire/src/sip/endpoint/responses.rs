//! What the responses to our requests mean for the session (RFC 3261 sections 13.2.2, 14.1).

use super::{
    Endpoint, Hop,
    border::{Ending, Event, SessionId, Unanswered},
    client::{ClientKey, Failure, Fork, Purpose},
    dialog::Dialog,
    early::Heard,
    session::{AckDue, Change, Phase, bye_of},
    transaction::Class,
};
use crate::{
    sip::{
        header::Contact,
        message::{HeaderName, Request, Response, StatusCode},
    },
    time::Time,
};

/// 2xx of different forks that get their ACK and BYE; a proxy that forks to more than this is no phone's.
pub(crate) const FORKS_MAX: usize = 8;

impl Endpoint {
    /// A response that is news.
    pub(crate) fn deliver(&mut self, now: Time, key: ClientKey, response: Response) {
        if self.meets_challenge(now, key, &response) {
            return;
        }
        let Some(client) = self.clients.get(&key) else {
            return;
        };
        match &client.purpose {
            Purpose::Invite(inviting) => {
                let (id, change) = (inviting.session, inviting.change);
                match Class::of(response.status.code()) {
                    Class::Provisional if change => {}
                    Class::Provisional => self.on_progress(now, key, id, &response),
                    Class::Success => self.on_success(now, key, id, change, response),
                    Class::Failure if change => {
                        self.on_change_refused(now, key, id, response.status)
                    }
                    Class::Failure if self.call_again_longer(now, key, &response) => {}
                    Class::Failure => self.on_rejected(now, key, id, &response),
                }
            }
            // A machine that isn't INVITE's delivers final responses only.
            Purpose::Bye(Some(id)) => {
                let id = *id;
                self.finish(now, id, Ending::Ours);
            }
            Purpose::Ping(ping) => {
                let ping = *ping;
                self.pong(ping, Ok(response.status));
            }
            Purpose::Update(id) => self.on_early_changed(key, *id, Some(&response)),
            Purpose::Refresh(id) => self.on_refreshed(now, *id, Some(&response)),
            Purpose::Refer(id) => self.on_refer_answered(*id, Some(response.status)),
            Purpose::Ask(id) => self.on_asked(now, *id, Some(response.status)),
            Purpose::Bye(None) | Purpose::Cancel | Purpose::Told(_) => {}
        }
    }

    /// There will be no response.
    pub(crate) fn client_failed(&mut self, now: Time, key: ClientKey, failure: Failure) {
        let Some(client) = self.clients.get(&key) else {
            return;
        };
        match &client.purpose {
            Purpose::Invite(inviting) if inviting.change => {
                let id = inviting.session;
                self.change_unanswered(now, key, id, failure);
            }
            Purpose::Invite(inviting) => {
                let status = match failure {
                    Failure::Timeout => StatusCode::REQUEST_TIMEOUT,
                    Failure::Transport => StatusCode::SERVICE_UNAVAILABLE,
                };
                let id = inviting.session;
                self.call_failed(now, key, id, status, Vec::new(), false);
            }
            Purpose::Bye(Some(id)) => {
                let id = *id;
                self.finish(now, id, Ending::Ours);
            }
            Purpose::Ping(ping) => {
                let ping = *ping;
                let why = match failure {
                    Failure::Timeout => Unanswered::Silent,
                    Failure::Transport => Unanswered::Unreachable,
                };
                self.pong(ping, Err(why));
            }
            Purpose::Update(id) => self.on_early_changed(key, *id, None),
            Purpose::Refresh(id) => self.refresh_failed(now, *id, failure),
            Purpose::Refer(id) => self.on_refer_answered(*id, None),
            Purpose::Ask(id) => self.on_asked(now, *id, None),
            Purpose::Bye(None) | Purpose::Cancel | Purpose::Told(_) => {}
        }
    }

    /// Timer C: the session is over for our user; what still comes is acknowledged and ended.
    pub(crate) fn rang_too_long(&mut self, now: Time, key: ClientKey) {
        self.send_cancel(now, key, None);
        self.client_failed(now, key, Failure::Timeout);
    }

    fn on_progress(&mut self, now: Time, key: ClientKey, id: SessionId, response: &Response) {
        let Some(session) = self
            .sessions
            .get_mut(&id)
            .filter(|session| session.calls_by(key))
        else {
            return;
        };
        match &mut session.phase {
            Phase::GivingUp { reason, .. } => {
                let reason = reason.take();
                session.phase = Phase::Cancelling { client: key };
                return self.send_cancel(now, key, reason.as_deref());
            }
            Phase::Calling { .. } => session.phase = Phase::Heard { client: key },
            _ => {}
        }
        let ours_to_tell =
            matches!(session.phase, Phase::Heard { .. }) && response.status != StatusCode::TRYING;
        if ours_to_tell && let Heard::Fork(fork) = self.hear(now, key, response) {
            self.tell(Event::Progress {
                session: id,
                status: response.status,
                body: response.body(),
                fork,
            });
        }
    }

    /// A 2xx: a first one, one of another fork, or one that came before.
    fn on_success(
        &mut self,
        now: Time,
        key: ClientKey,
        id: SessionId,
        change: bool,
        response: Response,
    ) {
        let tag: Box<str> = response
            .headers
            .tag(&HeaderName::To)
            .unwrap_or_default()
            .into();
        let tag = &*tag;
        let Some(inviting) = self
            .clients
            .get_mut(&key)
            .and_then(|client| client.inviting())
        else {
            return;
        };
        if let Some(fork) = inviting.forks.iter().find(|fork| &*fork.tag == tag) {
            let ack = fork.ack.clone();
            self.counters.repeated += 1;
            if let Some(ack) = ack {
                let sent = self.send_ack_again(ack);
                if let Some(fork) = self.fork(key, tag) {
                    fork.ack = Some(sent);
                }
            }
        } else if inviting.forks.len() >= FORKS_MAX {
            self.counters.shed += 1;
        } else if change {
            self.on_change_accepted(now, key, id, tag, &response);
        } else if self
            .sessions
            .get(&id)
            .is_some_and(|session| session.calls_by(key))
        {
            self.on_accepted(now, key, id, tag, response);
        } else {
            self.on_late_fork(now, (key, id), tag, &response);
        }
    }

    /// The first 2xx.
    fn on_accepted(
        &mut self,
        now: Time,
        key: ClientKey,
        id: SessionId,
        tag: &str,
        mut response: Response,
    ) {
        let Some((dialog, cseq, late_offer)) = self.dialog_of(key, &response) else {
            return;
        };
        let change = (!late_offer).then(|| self.overtaken(id, tag)).flatten();
        self.withdraw_early(now, id);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (ack, hop) = (dialog.ack(cseq), dialog.hop());
        session.dialog = Some(Box::new(dialog));
        let wanted = matches!(session.phase, Phase::Calling { .. } | Phase::Heard { .. });
        let reason = match &mut session.phase {
            Phase::GivingUp { reason, .. } => reason.take(),
            _ => None,
        };
        session.phase = Phase::Up {
            change: change.map_or(Change::None, |client| Change::Ours { client }),
        };
        if wanted && late_offer {
            session.ack_due = Some(AckDue { client: key, cseq });
            self.fork(key, tag);
        } else {
            self.acknowledge(key, tag, ack, hop);
        }
        self.agree_timer(now, id, &response.headers);
        if response.body.is_empty() {
            let client = self.clients.get_mut(&key);
            let inviting = client.and_then(|client| client.inviting());
            response.set_body(inviting.and_then(|inviting| inviting.take_described(tag)));
        }
        if wanted {
            self.tell(Event::Answered {
                session: id,
                response: Box::new(response),
            });
        } else {
            self.send_bye(now, id, reason.as_deref());
        }
    }

    /// A 2xx nobody waits for: of another fork, or after the session was given up. ACK, then BYE.
    fn on_late_fork(
        &mut self,
        now: Time,
        (key, id): (ClientKey, SessionId),
        tag: &str,
        response: &Response,
    ) {
        let Some((mut dialog, cseq, _)) = self.dialog_of(key, response) else {
            return;
        };
        let (ack, hop) = (dialog.ack(cseq), dialog.hop());
        self.acknowledge(key, tag, ack, hop);
        let (mut bye, hop) = bye_of(&mut dialog, None);
        self.authorize(id, &mut bye);
        self.request(now, bye, hop, Purpose::Bye(None));
    }

    fn on_change_accepted(
        &mut self,
        now: Time,
        key: ClientKey,
        id: SessionId,
        tag: &str,
        response: &Response,
    ) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let request = client.request.as_ref();
        let Some(cseq) = request.and_then(|request| request.cseq().ok()) else {
            return;
        };
        let cseq = cseq.number;
        let late_offer = client
            .inviting()
            .is_some_and(|inviting| inviting.late_offer);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let current = session.changes_by(key);
        let Some(dialog) = &mut session.dialog else {
            return;
        };
        if tag != dialog.remote_tag() {
            return;
        }
        dialog.refresh(&response.headers);
        let (ack, hop) = (dialog.ack(cseq), dialog.hop());
        if current {
            session.phase = Phase::Up {
                change: Change::None,
            };
        }
        if current && late_offer {
            session.ack_due = Some(AckDue { client: key, cseq });
            self.fork(key, tag);
        } else {
            self.acknowledge(key, tag, ack, hop);
        }
        if current {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.glare = None;
            }
            self.agree_timer(now, id, &response.headers);
            self.tell(Event::Changed {
                session: id,
                result: Ok(response.body()),
            });
        }
    }

    /// 481 and 408 mean that the peer has no such session (RFC 3261 section 12.2.1.2).
    fn on_change_refused(&mut self, now: Time, key: ClientKey, id: SessionId, status: StatusCode) {
        if !self
            .sessions
            .get(&id)
            .is_some_and(|session| session.changes_by(key))
        {
            return;
        }
        if status == StatusCode::REQUEST_PENDING && self.wait_out_glare(now, key, id) {
            return;
        }
        if status == StatusCode::CALL_DOES_NOT_EXIST {
            self.finish(now, id, Ending::Lost);
        } else if status == StatusCode::REQUEST_TIMEOUT {
            self.abandon(now, id, Ending::Lost);
        } else {
            self.change_refused(id, status);
        }
    }

    /// Whoever doesn't answer a change is gone (RFC 3261 section 14.1). A way that is broken, and another too, says nothing of the peer: the
    /// change is as good as refused by 503 (section 8.1.3.1), as long as the session would be noticed to be over.
    fn change_unanswered(&mut self, now: Time, key: ClientKey, id: SessionId, failure: Failure) {
        let Some(session) = self
            .sessions
            .get(&id)
            .filter(|session| session.changes_by(key))
        else {
            return;
        };
        let outlives = session.timer.is_none_or(|timer| timer.lasts(now));
        if failure == Failure::Transport && outlives {
            self.change_refused(id, StatusCode::SERVICE_UNAVAILABLE);
        } else {
            self.abandon(now, id, Ending::Lost);
        }
    }

    fn change_refused(&mut self, id: SessionId, status: StatusCode) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.glare = None;
            session.phase = Phase::Up {
                change: Change::None,
            };
        }
        self.tell(Event::Changed {
            session: id,
            result: Err(status),
        });
    }

    fn on_rejected(&mut self, now: Time, key: ClientKey, id: SessionId, response: &Response) {
        let contacts = match response.headers.contact() {
            Ok(Contact::Addresses(addresses)) if response.status.is_redirect() => {
                addresses.into_iter().map(|address| address.uri).collect()
            }
            _ => Vec::new(),
        };
        self.call_failed(now, key, id, response.status, contacts, true);
    }

    fn call_failed(
        &mut self,
        now: Time,
        key: ClientKey,
        id: SessionId,
        status: StatusCode,
        contacts: Vec<crate::sip::uri::Uri>,
        from_peer: bool,
    ) {
        let Some(session) = self
            .sessions
            .get(&id)
            .filter(|session| session.calls_by(key))
        else {
            return;
        };
        if matches!(
            session.phase,
            Phase::GivingUp { .. } | Phase::Cancelling { .. }
        ) {
            self.finish(now, id, Ending::Ours);
        } else {
            self.withdraw_early(now, id);
            self.forget_session(now, id);
            self.tell(Event::Rejected {
                session: id,
                status,
                contacts,
                from_peer,
            });
        }
    }

    /// The dialog a 2xx makes, the CSeq of its INVITE, and whether its ACK must bring the answer.
    fn dialog_of(&mut self, key: ClientKey, response: &Response) -> Option<(Dialog, u32, bool)> {
        let client = self.clients.get_mut(&key)?;
        let request = client.request.as_deref()?;
        let cseq = request.cseq().ok()?.number;
        let mut dialog = Dialog::of_caller(request, response, client.flow)?;
        let inviting = client.inviting()?;
        let early = inviting
            .early
            .iter()
            .find(|early| &*early.tag == dialog.remote_tag());
        if let Some(early) = early.and_then(|early| early.dialog.as_deref()) {
            dialog.continues(early);
        }
        Some((dialog, cseq, inviting.late_offer))
    }

    /// Sends the ACK of a 2xx, and keeps it for when the 2xx comes again.
    pub(crate) fn acknowledge(
        &mut self,
        key: ClientKey,
        tag: &str,
        mut request: Request,
        hop: Hop,
    ) {
        self.copy_proofs(key, &mut request);
        let sent = self.send_ack(request, hop);
        if let Some(fork) = self.fork(key, tag) {
            fork.ack = Some(sent);
        }
    }

    /// What is kept of the fork with this tag, from its first 2xx on. `None` when the transaction is over.
    fn fork(&mut self, key: ClientKey, tag: &str) -> Option<&mut Fork> {
        let forks = &mut self.clients.get_mut(&key)?.inviting()?.forks;
        let at = forks
            .iter()
            .position(|fork| &*fork.tag == tag)
            .unwrap_or(forks.len());
        if at == forks.len() {
            // Nearly always there is one.
            forks.reserve_exact(1);
            forks.push(Fork {
                tag: tag.into(),
                ack: None,
            });
        }
        forks.get_mut(at)
    }
}
