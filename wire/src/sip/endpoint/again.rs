//! Trying again: a call that was refused for a reason that can be mended, a change that met another (RFC 3261
//! sections 8.1.3.5 and 14.1).

use std::time::Duration;

use super::{
    Endpoint, Hop,
    border::{Event, SessionId, Timer},
    client::{ClientKey, Inviting, Purpose},
    session::{Change, Phase, Session},
    timers::Owner,
};
use crate::{
    sip::{
        header::CSeq,
        message::{Body, HeaderName, Headers, Method, StatusCode},
    },
    time::Time,
};

/// Times that a change that met another is tried before our user hears of it.
const GLARE_TRIES_MAX: u8 = 5;
/// Who made the Call-ID waits 2.1 to 4 seconds, the other up to 2, in steps of 10 ms (RFC 3261 section 14.1).
const STEP: Duration = Duration::from_millis(10);
const OWNER_STEPS: std::ops::Range<u64> = 210..401;
const OTHER_STEPS: std::ops::Range<u64> = 0..201;

/// A change that is to be tried again.
#[derive(Debug)]
pub(crate) struct Glare {
    body: Option<Body>,
    /// `None`: it is under way again.
    at: Option<Time>,
    tries: u8,
    /// The peer's came in between.
    overtaken: bool,
}

impl Glare {
    /// When it is tried again.
    pub(crate) const fn due(&self) -> Option<Time> {
        self.at
    }

    pub(crate) const fn waits(&self) -> bool {
        self.at.is_some()
    }

    /// The peer's change comes first.
    pub(crate) const fn is_overtaken(&mut self) {
        self.overtaken = self.overtaken || self.waits();
    }
}

impl Session {
    /// Whether our user still wants an answer to that INVITE.
    pub(crate) fn waits_for(&self, key: ClientKey) -> bool {
        matches!(self.phase, Phase::Calling { client } | Phase::Heard { client } if client == key)
    }
}

impl Endpoint {
    /// Sends an INVITE of ours once more with other header fields: same Call-ID and From, next CSeq. `None` when it was
    /// tried so often already, or nobody waits for it any more.
    pub(crate) fn call_again(
        &mut self,
        now: Time,
        key: ClientKey,
        tries_max: u32,
        change: impl FnOnce(&mut Headers),
    ) -> Option<ClientKey> {
        let client = self.clients.get_mut(&key)?;
        let flow = client.flow;
        let mut request = client.request.as_deref()?.clone();
        let inviting = client.inviting()?;
        let (id, late_offer, tries) = (inviting.session, inviting.late_offer, inviting.tries + 1);
        let session = self.sessions.get(&id);
        let wanted = session.is_some_and(|session| session.waits_for(key));
        let cseq = request.cseq().ok()?;
        if !wanted || tries >= tries_max {
            return None;
        }
        request.headers.remove_first(&HeaderName::Via);
        let number = cseq.number + 1;
        request.headers.set(
            HeaderName::CSeq,
            &CSeq {
                number,
                method: Method::Invite,
            },
        );
        change(&mut request.headers);
        let hop = Hop {
            peer: flow.peer(),
            kind: flow.kind(),
            local: flow.local(),
            connection: flow.connection(),
        };
        let inviting = Inviting {
            tries,
            ..Inviting::new(id, false, late_offer)
        };
        let client = self.request(now, request, hop, Purpose::Invite(inviting));
        self.set_phase(id, Phase::Calling { client });
        Some(client)
    }

    /// A change of ours was told 491: waits and tries again. False when it was tried often enough.
    pub(crate) fn wait_out_glare(&mut self, now: Time, key: ClientKey, id: SessionId) -> bool {
        let client = self.clients.get(&key);
        let Some(change) = client.and_then(|client| client.request.as_ref()) else {
            return false;
        };
        let body = change.body();
        let draw = self.names.fresh();
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let tries = session.glare.as_ref().map_or(0, |glare| glare.tries) + 1;
        if tries > GLARE_TRIES_MAX {
            session.glare = None;
            return false;
        }
        session.phase = Phase::Up {
            change: Change::None,
        };
        let at = now + wait(draw, session.ours);
        session.glare = Some(Box::new(Glare {
            body,
            at: Some(at),
            tries,
            overtaken: false,
        }));
        self.timers.set(at, Timer::Glare, Owner::Session(id));
        true
    }

    pub(crate) fn on_glare_timer(&mut self, now: Time, id: SessionId, at: Time) {
        let draw = self.names.fresh();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(glare) = session.glare.as_mut().filter(|glare| glare.at == Some(at)) else {
            return;
        };
        let Phase::Up { change } = &session.phase else {
            return;
        };
        let idle =
            matches!(change, Change::None) && session.ok.is_none() && session.ack_due.is_none();
        if idle && glare.overtaken {
            session.glare = None;
            return self.tell(Event::ChangeOvertaken { session: id });
        }
        if idle {
            glare.at = None;
            let body = glare.body.take();
            return self.send_change(now, id, body);
        }
        // Theirs came first; ours is tried after it.
        glare.tries += 1;
        if glare.tries > GLARE_TRIES_MAX {
            session.glare = None;
            return self.tell(Event::Changed {
                session: id,
                result: Err(StatusCode::REQUEST_PENDING),
            });
        }
        let at = now + wait(draw, session.ours);
        glare.at = Some(at);
        self.timers.set(at, Timer::Glare, Owner::Session(id));
    }
}

fn wait(draw: u64, owner: bool) -> Duration {
    let steps = if owner { OWNER_STEPS } else { OTHER_STEPS };
    let step = steps.start + draw % (steps.end - steps.start);
    STEP.saturating_mul(u32::try_from(step).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_made_the_call_id_waits_longer() {
        for draw in 0..1000 {
            assert!((2100..=4000).contains(&wait(draw, true).as_millis()));
            assert!(wait(draw, false).as_millis() <= 2000);
        }
    }
}
