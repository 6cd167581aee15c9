//! Reliable provisional responses to callers (RFC 3262 section 3): 18x repeated until PRACK, one at a time.
//!
//! To a caller who requires them every 18x is reliable, to one who only supports them those with a session description.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    Endpoint,
    border::{Ending, Event, SessionError, SessionId, Timer},
    ident::Key,
    offers::Offer,
    servers::{Answer, Back, Incoming},
    session::Phase,
    timers::Owner,
};
use crate::{
    sip::message::{Body, HeaderName, Headers, Method, Request, StatusCode},
    time::Time,
};

/// The option tag (RFC 3262 section 8.1).
pub(crate) const OPTION_TAG: &str = "100rel";
/// 18x that may wait for the one before to be acknowledged; a call has no more to tell.
const WAITING_MAX: usize = 4;
/// Early dialogs left behind whose PRACK is still taken.
const LEFT_MAX: usize = 4;

/// The reliable responses of one INVITE.
#[derive(Debug)]
pub(crate) struct Reliable {
    /// The caller takes no others.
    required: bool,
    takes_update: bool,
    /// The INVITE made no offer: the first reliable response has to.
    late_offer: bool,
    /// The first offer has its answer, so another may follow: ours went out reliably, or theirs came.
    agreed: bool,
    /// The last RSeq used.
    rseq: u32,
    pending: Option<Pending>,
    waiting: VecDeque<(StatusCode, Option<Body>)>,
    /// The 2xx, which may not overtake an 18x with a session description.
    answer: Option<(Headers, Option<Body>)>,
    /// Tags of early dialogs that were left.
    left: Vec<u64>,
}

/// The one that is not acknowledged.
#[derive(Debug)]
struct Pending {
    rseq: u32,
    bytes: Bytes,
    back: Back,
    interval: Duration,
    /// `None`: a final response was sent, nothing is repeated.
    next: Option<Time>,
    until: Time,
    /// It has a session description.
    describes: bool,
    /// That is our offer: the PRACK brings the answer.
    offers: bool,
}

/// How an 18x is sent.
enum Way {
    Plain,
    Reliable {
        offers: bool,
    },
    /// It can't be: the caller wants it reliable, and it lacks the offer that the first must bring.
    NotAtAll,
}

impl Reliable {
    /// What this INVITE asks for; `None`: nothing.
    pub(crate) fn asked(request: &Request) -> Option<Box<Self>> {
        let required = request.headers.lists(&HeaderName::Require, OPTION_TAG);
        let wanted = required || request.headers.lists(&HeaderName::Supported, OPTION_TAG);
        wanted.then(|| {
            Box::new(Self {
                required,
                takes_update: request
                    .headers
                    .lists(&HeaderName::Allow, Method::Update.as_str()),
                late_offer: request.body.is_empty(),
                agreed: false,
                rseq: 0,
                pending: None,
                waiting: VecDeque::new(),
                answer: None,
                left: Vec::new(),
            })
        })
    }

    /// When the one that waits for its PRACK is sent again.
    pub(crate) fn due(&self) -> Option<Time> {
        self.pending.as_ref()?.next
    }

    pub(crate) const fn answers(&self) -> bool {
        self.answer.is_some()
    }

    /// The early dialogs that were left.
    pub(crate) fn left(&self) -> &[u64] {
        &self.left
    }

    /// Keeps a left dialog's tag while its PRACK may come; false when it need not be kept.
    pub(crate) fn leave(&mut self, tag: u64) -> bool {
        // What waits, and what was agreed, is of the dialog that is left.
        self.waiting.clear();
        self.agreed = false;
        let kept = self.pending.is_some() && self.left.len() < LEFT_MAX;
        if kept {
            self.left.push(tag);
        }
        kept
    }

    pub(crate) const fn takes_update(&self) -> bool {
        self.takes_update
    }

    /// Whether the caller has heard all that was said so far, and nothing of it waits for an answer.
    pub(crate) fn is_settled(&self) -> bool {
        self.agreed && self.pending.is_none() && self.waiting.is_empty()
    }

    /// The side whose first offer has no answer yet.
    pub(crate) fn first_offer(&self) -> Offer {
        let ours = self.pending.as_ref().is_some_and(|pending| pending.offers);
        match (self.agreed, ours) {
            (true, _) => Offer::None,
            (false, true) => Offer::Ours,
            (false, false) => Offer::Theirs,
        }
    }

    fn way(&self, body: Option<&Body>) -> Way {
        match body {
            None if self.required && self.late_offer && self.rseq == 0 => Way::NotAtAll,
            None if !self.required => Way::Plain,
            _ => Way::Reliable {
                offers: self.late_offer && self.rseq == 0,
            },
        }
    }
}

impl Endpoint {
    /// Sends 101-199 in the way that the caller asked for.
    pub(crate) fn send_progress(
        &mut self,
        now: Time,
        id: SessionId,
        server: Key,
        status: StatusCode,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Err(SessionError::NoSuchSession);
        };
        let Some(reliable) = &mut session.reliable else {
            self.send_plain(now, id, server, status, body);
            return Ok(());
        };
        match reliable.way(body.as_ref()) {
            Way::NotAtAll => {}
            Way::Plain => self.send_plain(now, id, server, status, body),
            Way::Reliable { .. } if reliable.pending.is_some() => {
                if reliable.waiting.len() >= WAITING_MAX {
                    return Err(SessionError::WrongState);
                }
                reliable.waiting.push_back((status, body));
            }
            Way::Reliable { offers } => self.send_reliable(now, id, server, (status, body), offers),
        }
        Ok(())
    }

    /// Whether a 2xx has to wait for a PRACK, or for what answers the offer in one, which must be a 2xx too; keeps it if so.
    pub(crate) fn holds_answer(
        &mut self,
        id: SessionId,
        headers: &Headers,
        body: &Option<Body>,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let asked = session.offered_by_prack();
        let Some(reliable) = &mut session.reliable else {
            return false;
        };
        reliable.waiting.clear();
        let pending = reliable.pending.as_ref();
        let waits = asked || pending.is_some_and(|pending| pending.describes);
        if waits {
            reliable.answer = Some((headers.clone(), body.clone()));
        }
        waits
    }

    /// A final response was sent: nothing is repeated, but a PRACK may still come.
    pub(crate) fn settle_reliable(&mut self, id: SessionId) {
        let reliable = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.reliable.as_mut());
        let Some(reliable) = reliable else { return };
        reliable.waiting.clear();
        match &mut reliable.pending {
            Some(pending) => {
                let next = pending.next.take();
                self.stop_repeating(id, next);
            }
            None => self.forget_reliable(id),
        }
    }

    fn stop_repeating(&mut self, id: SessionId, next: Option<Time>) {
        if let Some(at) = next {
            self.timers.stop(at, Timer::Reliable, Owner::Session(id));
        }
    }

    /// Nothing is left to acknowledge.
    fn forget_reliable(&mut self, id: SessionId) {
        let reliable = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.reliable.take());
        for left in reliable.iter().flat_map(|reliable| reliable.left()) {
            self.by_tag.remove(left);
        }
    }

    pub(crate) fn on_reliable_timer(&mut self, now: Time, id: SessionId, at: Time) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Phase::Ringing { server, .. } = session.phase else {
            return;
        };
        let pending = session
            .reliable
            .as_mut()
            .and_then(|reliable| reliable.pending.as_mut());
        let Some(pending) = pending.filter(|pending| pending.next == Some(at)) else {
            return;
        };
        if now >= pending.until {
            self.respond(now, server, Answer::new(StatusCode::SERVER_TIMEOUT));
            return self.finish(now, id, Ending::NoAck);
        }
        pending.interval = pending.interval.saturating_mul(2);
        let next = (now + pending.interval).min(pending.until);
        pending.next = Some(next);
        let (back, bytes) = (pending.back, pending.bytes.clone());
        self.timers.set(next, Timer::Reliable, Owner::Session(id));
        self.counters.retransmitted += 1;
        self.send_back(back, bytes);
    }

    /// PRACK. One that names no response that waits is answered 481.
    pub(crate) fn on_prack(&mut self, now: Time, id: SessionId, incoming: &Incoming) {
        let Some(pending) = self.take_acknowledged(id, incoming) else {
            self.counters.refuse(StatusCode::CALL_DOES_NOT_EXIST.code());
            return self.conclude(now, incoming, Answer::new(StatusCode::CALL_DOES_NOT_EXIST));
        };
        let body = incoming.request.body();
        if pending.offers {
            self.first_is_agreed(id);
            self.conclude(now, incoming, Answer::new(StatusCode::OK));
            self.tell(Event::ProgressConfirmed { session: id, body });
        } else if body.is_some() {
            if self.offered_early(now, id, incoming, body) {
                // What waits goes once that has its answer.
                return;
            }
        } else {
            self.conclude(now, incoming, Answer::new(StatusCode::OK));
        }
        self.send_next(now, id);
    }

    fn take_acknowledged(&mut self, id: SessionId, incoming: &Incoming) -> Option<Pending> {
        let session = self.sessions.get_mut(&id)?;
        let reliable = session.reliable.as_mut()?;
        let invite = match session.phase {
            Phase::Ringing { cseq, .. } => Some(cseq),
            // The 2xx overtook it.
            _ => None,
        };
        let (rseq, cseq) = rack(incoming.request.headers.get(&HeaderName::RAck)?)?;
        let fits = reliable
            .pending
            .as_ref()
            .is_some_and(|pending| pending.rseq == rseq)
            && invite.is_none_or(|invite| invite == cseq);
        if !fits {
            return None;
        }
        let pending = reliable.pending.take()?;
        self.stop_repeating(id, pending.next);
        if invite.is_none() {
            self.forget_reliable(id);
        }
        Some(pending)
    }

    fn first_is_agreed(&mut self, id: SessionId) {
        let session = self.sessions.get_mut(&id);
        if let Some(reliable) = session.and_then(|session| session.reliable.as_mut()) {
            reliable.agreed = true;
        }
    }

    /// The next 18x that waits, or the 2xx, when nothing waits for its PRACK or the answer to one.
    pub(crate) fn send_next(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.offered_by_prack() {
            return;
        }
        let (Phase::Ringing { server, cseq }, Some(reliable)) =
            (&session.phase, &mut session.reliable)
        else {
            return;
        };
        if reliable.pending.is_some() {
            return;
        }
        let (server, cseq) = (*server, *cseq);
        if let Some((headers, body)) = reliable.answer.take() {
            self.accept(now, id, server, (cseq, true), &headers, body);
        } else if let Some(next) = reliable.waiting.pop_front() {
            self.send_reliable(now, id, server, next, false);
        }
    }

    fn send_plain(
        &mut self,
        now: Time,
        id: SessionId,
        server: Key,
        status: StatusCode,
        body: Option<Body>,
    ) {
        let mut headers = Headers::new();
        if let Some(session) = self.sessions.get(&id) {
            headers.push(HeaderName::Contact, &session.contact);
        }
        self.respond(
            now,
            server,
            Answer {
                status,
                headers,
                body,
            },
        );
    }

    fn send_reliable(
        &mut self,
        now: Time,
        id: SessionId,
        server: Key,
        (status, body): (StatusCode, Option<Body>),
        offers: bool,
    ) {
        let first = 1 + (self.names.fresh() % u64::from(RSEQ_START_BELOW)) as u32;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(reliable) = &mut session.reliable else {
            return;
        };
        reliable.rseq = if reliable.rseq == 0 {
            first
        } else {
            reliable.rseq.saturating_add(1)
        };
        let (rseq, describes) = (reliable.rseq, body.is_some());
        let contact = session.contact.clone();
        let mut headers = Headers::new();
        self.introduce(&mut headers, &contact);
        headers.push(HeaderName::Require, OPTION_TAG);
        headers.push(HeaderName::RSeq, rseq);
        let Some((bytes, back)) = self.respond(
            now,
            server,
            Answer {
                status,
                headers,
                body,
            },
        ) else {
            return;
        };
        let t1 = self.config.t1;
        let next = now + t1;
        let pending = Pending {
            rseq,
            bytes,
            back,
            interval: t1,
            next: Some(next),
            until: now + t1.saturating_mul(64),
            describes,
            offers: offers && describes,
        };
        if let Some(reliable) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.reliable.as_mut())
        {
            reliable.agreed |= pending.describes && !pending.offers;
            reliable.pending = Some(pending);
        }
        self.timers.set(next, Timer::Reliable, Owner::Session(id));
    }
}

/// The first RSeq is random and below this, so that there is room to count up (RFC 3262 section 3 allows 2^31).
const RSEQ_START_BELOW: u32 = 1 << 16;

/// RSeq and CSeq number of a RAck about an INVITE (RFC 3262 section 7.2).
fn rack(value: &str) -> Option<(u32, u32)> {
    let mut words = value.split_ascii_whitespace();
    let (rseq, cseq, method) = (words.next()?, words.next()?, words.next()?);
    let about_invite = method == Method::Invite.as_str() && words.next().is_none();
    about_invite.then_some((rseq.parse().ok()?, cseq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::rack;

    #[test]
    fn a_rack_names_a_response_to_an_invite() {
        assert_eq!(rack("776656 1 INVITE"), Some((776_656, 1)));
        for bad in [
            "",
            "1 INVITE",
            "1 1 UPDATE",
            "1 1 INVITE x",
            "-1 1 INVITE",
            "1 99999999999 INVITE",
        ] {
            assert_eq!(rack(bad), None, "{bad}");
        }
    }
}
