//! Changes inside a call: hold passed on to the other side, and sessions kept alive by re-INVITE.
//!
//! Hold and transfer close a recording; the next begins with the conversation (design: three to four files a call).

use callcore::switch::{CallId, Input};
use transport::SipDriver;
use wire::{
    sdp::Direction,
    sip::{
        endpoint::{SessionError, SessionId},
        message::{Body, StatusCode},
    },
};

use super::{
    Exchange,
    call::{Far, Leg, PassedOn},
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
        let body = body.map(negotiate::session_part);
        if let Some(problem) = body.as_ref().and_then(negotiate::refusal) {
            let _ = sip.endpoint().reject_change(now, session, problem);
            return;
        }
        if let Leg::Recording(id) = leg {
            return self.recorder_changes(sip, id, session, body.as_ref());
        }
        if let Some(other) = self.passes_through(leg) {
            let status = match sip.endpoint().change(now, other, body.clone()) {
                Ok(()) => {
                    if let Some(call) = leg.call().and_then(|id| self.calls.get_mut(&id)) {
                        call.proposed = body;
                    }
                    return;
                }
                // Asked again it would say the same, until it is answered (RFC 3311 section 5.2).
                Err(SessionError::NotBeforeAnswer) => StatusCode::SERVER_TIMEOUT,
                Err(_) => StatusCode::REQUEST_PENDING,
            };
            let _ = sip.endpoint().reject_change(now, session, status);
            return;
        }
        match self.reply_to_change((session, leg), body.as_ref()) {
            Ok(answer) => {
                let _ = sip.endpoint().accept_change(now, session, Some(answer));
                self.pass_hold_on(sip, leg, body.as_ref());
            }
            Err(status) => {
                let _ = sip.endpoint().reject_change(now, session, status);
            }
        }
    }

    fn reply_to_change(
        &mut self,
        (session, leg): (SessionId, Leg),
        body: Option<&Body>,
    ) -> Result<Body, StatusCode> {
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
        let edition = call.hold.next_edition(side, session, local);
        // One that is held is held on.
        let going = call.hold.passed_on[side as usize].told;
        let Some(offer) = body else {
            return Ok(negotiate::offer_going(local, ours, going, edition));
        };
        let own = (media, &self.media);
        let reply = ports::answer_offer(own, side, (offer, Some((edition, going))), ours)?;
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
        if let Some(other) = self.passes_through(leg) {
            return self.changed_there(sip, (session, leg), other, result);
        }
        if let Leg::Recording(id) = leg {
            let answer = result
                .as_ref()
                .map(Option::as_ref)
                .map_err(|status| *status);
            return self.recording_changed(sip, id, session, answer);
        }
        if self.new_port_refused(sip, session, result.is_ok()) {
            return;
        }
        if let Ok(body) = result {
            if let Some((id, side)) = leg.side()
                && let Some(call) = self.calls.get_mut(&id)
            {
                let passed_on = &mut call.hold.passed_on[side as usize];
                passed_on.taken = passed_on.told;
            }
            self.agreed(sip, leg, body.as_ref());
        }
        self.change_through(sip, session);
    }

    /// A change of ours met one of that side's, which came first. What it told is told anew, with the next version (RFC 3264 section 8);
    /// who asked for it in a `direct` call asks again.
    pub(super) fn change_overtaken(&mut self, sip: &mut SipDriver, session: SessionId) {
        let Some(leg) = self.legs.get(&session).copied() else {
            return;
        };
        if self.passes_through(leg).is_some() {
            return self.changed(sip, session, Err(StatusCode::REQUEST_PENDING));
        }
        if let Leg::Recording(id) = leg {
            return self.refresh_recording(sip, id, session);
        }
        let Some((id, side)) = leg.side() else {
            return;
        };
        if let Some(call) = self.calls.get_mut(&id) {
            let passed_on = &mut call.hold.passed_on[side as usize];
            passed_on.told = passed_on.taken;
            let port = call.new_port.as_mut();
            if let Some(port) = port.filter(|port| port.session == session) {
                port.told = false;
            }
        }
        self.change_through(sip, session);
    }

    /// The same of a `direct` call, where the other side waits for it; unless it was a refresh of ours.
    fn changed_there(
        &mut self,
        sip: &mut SipDriver,
        (session, leg): (SessionId, Leg),
        other: SessionId,
        result: Result<Option<Body>, StatusCode>,
    ) {
        let now = sip.now();
        let call = leg.call().and_then(|id| self.calls.get_mut(&id));
        let proposed = call.and_then(|call| call.proposed.take());
        let body = match result {
            Ok(body) => body,
            Err(status) => {
                // A refresh of ours was asked for by nobody.
                let _ = sip.endpoint().reject_change(now, other, status);
                return;
            }
        };
        let taken = sip.endpoint().accept_change(now, other, body.clone());
        if taken.is_err() && proposed.is_some() {
            // It was taken back (CANCEL): what was said before holds.
            let before = self.said_to(leg);
            let _ = sip.endpoint().change(now, session, before);
            return;
        }
        if let Some(from) = self.legs.get(&other).copied() {
            self.note_description(from, proposed.as_ref());
        }
        self.note_description(leg, body.as_ref());
    }

    /// What the other side of a `direct` call last told this one.
    fn said_to(&self, leg: Leg) -> Option<Body> {
        let call = self.calls.get(&leg.call()?)?;
        match leg {
            Leg::Caller(_) => call.described.clone(),
            _ => call.offer.clone(),
        }
    }

    /// Keeps what one side of a `direct` call last told the other, to tell it again when a session must be refreshed.
    pub(super) fn note_description(&mut self, from: Leg, body: Option<&Body>) {
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
        let far = call
            .far
            .session()
            .filter(|_| call.is_direct() && !call.hears_us())?;
        Some(if matches!(leg, Leg::Caller(_)) {
            far
        } else {
            call.caller
        })
    }

    /// Tells the other side that it is held, or no more. Both may hold each other: they talk again when neither does. A caller who holds
    /// while nobody talks, in a queue perhaps, holds whoever answers.
    pub(super) fn pass_hold_on(&mut self, sip: &mut SipDriver, leg: Leg, body: Option<&Body>) {
        let (Some((id, side)), Some(direction)) = (leg.side(), body.and_then(negotiate::direction))
        else {
            return;
        };
        let talks = self.switch.talks(id);
        let Some(call) = self
            .calls
            .get_mut(&id)
            .filter(|_| talks || side == Side::Caller)
        else {
            return;
        };
        let holds = call.hold.holds(side, direction);
        let was_held = call.hold.is_held();
        if std::mem::replace(&mut call.hold.by[side as usize], holds) == holds {
            return;
        }
        let is_held = call.hold.is_held();
        let regional = matches!(call.far, Far::Agent(..) | Far::Nurse(_));
        call.hold.passed_on[side.other() as usize].wanted = direction;
        if talks {
            self.tell_hold(sip, id, side.other());
            if regional && was_held != is_held {
                self.note_hold(sip, id, is_held);
            }
        }
    }

    /// Somebody else is there instead of who was, or will be: nobody holds the caller.
    pub(super) fn far_is_another(&mut self, sip: &mut SipDriver, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.hold.far_is_another();
            self.tell_hold(sip, id, Side::Caller);
        }
    }

    /// A change of this session is through: one that had to wait for it is made.
    pub(super) fn change_through(&mut self, sip: &mut SipDriver, session: SessionId) {
        if let Some((id, side)) = self.legs.get(&session).copied().and_then(Leg::side) {
            self.tell_new_port(sip, id);
            self.tell_hold(sip, id, side);
        }
    }

    /// Tells a side of hold or resume, when it has not been told. While another change of its session is under way this
    /// one waits: [`Exchange::change_through`] makes it.
    pub(super) fn tell_hold(&mut self, sip: &mut SipDriver, id: CallId, side: Side) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let PassedOn { wanted, told, .. } = call.hold.passed_on[side as usize];
        let Some(session) = call.session(side).filter(|_| told != wanted) else {
            return;
        };
        let Some(offer) = self.own_description(id, side, wanted) else {
            return;
        };
        let now = sip.now();
        if sip.endpoint().change(now, session, Some(offer)).is_ok()
            && let Some(call) = self.calls.get_mut(&id)
        {
            call.hold.passed_on[side as usize].told = wanted;
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

    /// Our own description for a side, with the next version.
    pub(super) fn own_description(
        &mut self,
        id: CallId,
        side: Side,
        direction: Direction,
    ) -> Option<Body> {
        let call = self.calls.get_mut(&id)?;
        let session = call.session(side)?;
        let media = call.media.as_ref()?;
        let (local, ours) = match side {
            Side::Caller => (media.caller_local(), &call.crypto.caller),
            Side::Far => (media.far_local()?, &call.crypto.far),
        };
        let edition = call.hold.next_edition(side, session, local);
        Some(negotiate::offer_going(local, ours, direction, edition))
    }

    /// A session that must be refreshed by re-INVITE: what was said last is said again.
    pub(super) fn refresh_due(&mut self, sip: &mut SipDriver, session: SessionId) {
        let Some(leg) = self.legs.get(&session).copied() else {
            return;
        };
        if let Leg::Recording(id) = leg {
            return self.refresh_recording(sip, id, session);
        }
        let Some((id, side)) = leg.side() else {
            return;
        };
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let body = if call.media.is_some() {
            let direction = call.hold.passed_on[side as usize].told;
            self.own_description(id, side, direction)
        } else {
            self.said_to(leg)
        };
        if let Some(body) = body {
            let now = sip.now();
            let _ = sip.endpoint().change(now, session, Some(body));
        }
    }
}

#[cfg(test)]
mod tests;
