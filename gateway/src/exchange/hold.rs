//! Changes inside a call: hold passed on to the other side, and sessions kept alive by re-INVITE.
//!
//! Hold and transfer close a recording; the next begins with the conversation (design: three to four files a call).

use callcore::switch::{CallId, Input};
use transport::SipDriver;
use wire::{
    sdp::Direction,
    sip::{
        endpoint::SessionId,
        message::{Body, StatusCode},
    },
};

use super::{
    Exchange,
    call::{CallerStage, Far, Leg, PassedOn},
    ports,
};
use crate::{media::Side, negotiate};

impl Exchange {
    /// A change of the session: a `direct` call's is the other side's to answer; else it is answered here, and the other
    /// side hears of hold and resume.
    pub(super) fn change_requested(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        body: Option<Body>,
    ) {
        let now = sip.now();
        let Some(leg) = self.legs.get(&session).copied() else {
            let _ = sip
                .endpoint()
                .reject_change(now, session, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        if let Some(other) = self.passes_through(leg) {
            self.note_description(leg, body.as_ref());
            if sip.endpoint().change(now, other, body).is_err() {
                let _ = sip
                    .endpoint()
                    .reject_change(now, session, StatusCode::REQUEST_PENDING);
            }
            return;
        }
        match self.reply_to_change(leg, body.as_ref()) {
            Ok(answer) => {
                let _ = sip.endpoint().accept_change(now, session, Some(answer));
                self.pass_hold_on(sip, leg, body.as_ref());
            }
            Err(status) => {
                let _ = sip.endpoint().reject_change(now, session, status);
            }
        }
    }

    fn reply_to_change(&mut self, leg: Leg, body: Option<&Body>) -> Result<Body, StatusCode> {
        let (id, side) = leg.side().ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
        let call = self
            .calls
            .get_mut(&id)
            .ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
        let media = call.media.as_mut().ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
        let (local, ours) = match side {
            Side::Caller => (media.caller_local(), &mut call.crypto.caller),
            Side::Far => {
                let local = media.far_local().ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
                (local, &mut call.crypto.far)
            }
        };
        let Some(offer) = body else {
            return Ok(negotiate::offer(local, ours));
        };
        let reply = ports::answer_offer((media, &self.media), side, offer, ours)?;
        Ok(reply.body)
    }

    /// What became of a change of ours: one that was passed on is answered where it came from, one that we made tells where
    /// the other end is.
    pub(super) fn changed(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        result: Result<Option<Body>, StatusCode>,
    ) {
        let Some(leg) = self.legs.get(&session).copied() else {
            return;
        };
        let now = sip.now();
        if let Some(other) = self.passes_through(leg) {
            let _ = match result {
                Ok(body) => {
                    self.note_description(leg, body.as_ref());
                    sip.endpoint().accept_change(now, other, body)
                }
                Err(status) => sip.endpoint().reject_change(now, other, status),
            };
            return;
        }
        if let Leg::Recording(id) = leg {
            return self.recording_turned(sip, id);
        }
        if self.new_port_refused(sip, session, result.is_ok()) {
            return;
        }
        if let Ok(body) = result {
            self.agreed(sip, leg, body.as_ref());
        }
        self.change_through(sip, session);
    }

    /// Keeps what one side of a `direct` call last told the other, to tell it again when a session must be refreshed.
    fn note_description(&mut self, from: Leg, body: Option<&Body>) {
        let (Leg::Caller(id) | Leg::Far(id)) = from else {
            return;
        };
        let (Some(call), Some(body)) = (self.calls.get_mut(&id), body) else {
            return;
        };
        let kept = if matches!(from, Leg::Caller(_)) {
            &mut call.offer
        } else {
            &mut call.described
        };
        *kept = Some(body.clone());
    }

    /// The leg opposite to this one, when the two negotiate with each other and not with us.
    pub(super) fn passes_through(&self, leg: Leg) -> Option<SessionId> {
        let (Leg::Caller(id) | Leg::Far(id)) = leg else {
            return None;
        };
        let call = self.calls.get(&id)?;
        // An announcement before the answer is ours.
        let far = call
            .far
            .session()
            .filter(|_| call.is_direct() && call.media.is_none())?;
        Some(if matches!(leg, Leg::Caller(_)) {
            far
        } else {
            call.caller
        })
    }

    /// Tells the other side that it is held, or no more.
    fn pass_hold_on(&mut self, sip: &mut SipDriver, leg: Leg, body: Option<&Body>) {
        let (Leg::Caller(id) | Leg::Far(id)) = leg else {
            return;
        };
        let Some(direction) = body.and_then(negotiate::direction) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let held = direction != Direction::SendRecv;
        let talks = call.caller_stage == CallerStage::Answered && call.far != Far::Nobody;
        if !talks || call.hold.held == held {
            return;
        }
        call.hold.held = held;
        let regional = matches!(call.far, Far::Agent(..) | Far::Phones(_) | Far::Nurse(_));
        let to = match leg {
            Leg::Caller(_) => Leg::Far(id),
            _ => Leg::Caller(id),
        };
        let before = call.hold.passed_on.filter(|passed| passed.to == to);
        call.hold.passed_on = Some(PassedOn {
            to,
            wanted: direction,
            told: before.map_or(Direction::SendRecv, |passed| passed.told),
        });
        self.tell_hold(sip, id);
        if regional {
            self.note_hold(sip, id, held);
        }
    }

    /// Who held has left, and somebody else is there instead, whom nobody holds: the other side talks again.
    pub(super) fn hold_is_over(&mut self, sip: &mut SipDriver, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.hold.held = false;
        call.hold.paused = false;
        match &mut call.hold.passed_on {
            Some(passed) if passed.to == Leg::Caller(id) => passed.wanted = Direction::SendRecv,
            // The caller held; whoever came was told of no hold.
            passed => *passed = None,
        }
        self.tell_hold(sip, id);
    }

    /// A change of this session is through: one that had to wait for it is made.
    pub(super) fn change_through(&mut self, sip: &mut SipDriver, session: SessionId) {
        if let Some(Leg::Caller(id) | Leg::Far(id)) = self.legs.get(&session).copied() {
            self.tell_new_port(sip, id);
            self.tell_hold(sip, id);
        }
    }

    /// Tells the other side of hold or resume, when it has not been told. While another change of its session is under way this
    /// one waits: [`Exchange::change_through`] makes it.
    fn tell_hold(&mut self, sip: &mut SipDriver, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let Some(passed) = call.hold.passed_on else {
            return;
        };
        let session = match passed.to {
            Leg::Caller(_) => Some(call.caller),
            _ => call.far.session(),
        };
        let Some(session) = session.filter(|_| passed.told != passed.wanted) else {
            return;
        };
        let Some(offer) = self.own_description(passed.to, passed.wanted) else {
            return;
        };
        let now = sip.now();
        if sip.endpoint().change(now, session, Some(offer)).is_ok()
            && let Some(call) = self.calls.get_mut(&id)
        {
            call.hold.passed_on = Some(PassedOn {
                told: passed.wanted,
                ..passed
            });
        }
    }

    /// Closes the recording for a hold, and begins another after it. The last that a call may have is paused instead.
    fn note_hold(&mut self, sip: &mut SipDriver, id: CallId, held: bool) {
        let further = self.segments_further();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if held {
            call.hold.paused = call.segments < further;
            if call.hold.paused {
                self.input(Input::Held(id));
            } else {
                self.turn_recording(sip, id, Direction::Inactive);
            }
        } else if std::mem::take(&mut call.hold.paused) {
            self.new_segment(id, Input::Resumed(id));
        } else {
            self.turn_recording(sip, id, Direction::SendOnly);
        }
    }

    /// A new recording begins, if the call hasn't too many already; false when it goes on in the one there is.
    pub(super) fn new_segment(&mut self, id: CallId, input: Input) -> bool {
        let further = self.segments_further();
        let Some(call) = self
            .calls
            .get_mut(&id)
            .filter(|call| call.segments < further)
        else {
            return false;
        };
        call.segments += 1;
        self.input(input);
        true
    }

    /// Our own description for a leg, with the next version.
    pub(super) fn own_description(&mut self, leg: Leg, direction: Direction) -> Option<Body> {
        let (Leg::Caller(id) | Leg::Far(id)) = leg else {
            return None;
        };
        let call = self.calls.get_mut(&id)?;
        let media = call.media.as_ref()?;
        let (local, ours) = if matches!(leg, Leg::Caller(_)) {
            (media.caller_local(), &call.crypto.caller)
        } else {
            (media.far_local()?, &call.crypto.far)
        };
        call.hold.version += 1;
        let version = call.hold.version;
        Some(negotiate::offer_going(local, ours, direction, version))
    }

    /// A session that must be refreshed by re-INVITE: what was said last is said again.
    pub(super) fn refresh_due(&mut self, sip: &mut SipDriver, session: SessionId) {
        let Some(leg) = self.legs.get(&session).copied() else {
            return;
        };
        let (Leg::Caller(id) | Leg::Far(id)) = leg else {
            return;
        };
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let body = match leg {
            _ if call.media.is_some() => {
                let passed = call.hold.passed_on.filter(|passed| passed.to == leg);
                let direction = passed.map_or(Direction::SendRecv, |passed| passed.told);
                self.own_description(leg, direction)
            }
            Leg::Caller(_) => call.described.clone(),
            _ => call.offer.clone(),
        };
        if let Some(body) = body {
            let now = sip.now();
            let _ = sip.endpoint().change(now, session, Some(body));
        }
    }
}
