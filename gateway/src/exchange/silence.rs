//! Sides that are gone without a word: their audio stopped, or they answer no more.

use std::time::Duration;

use callcore::{
    scenario::Scenario,
    switch::{CallId, Input, Outcome},
};

use transport::SipDriver;

use super::{
    Exchange,
    call::{Call, CallerStage},
};
use crate::media::Side;

impl Exchange {
    /// Nothing has come from one side for as long as the scenario allows. A call that isn't up, or is held, may be silent.
    pub(super) fn silent(&mut self, sip: &mut SipDriver, id: CallId, side: Side) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let there = match side {
            Side::Caller => call.caller_stage == CallerStage::Answered,
            Side::Far => call.far.session().is_some(),
        };
        if !there || call.hold.is_held() {
            return;
        }
        let far = call.far.session().filter(|_| side == Side::Far);
        self.observer.silent(id, side);
        // Who sends the call on and is gone isn't who will talk with the caller.
        if let Some(session) = far.filter(|session| self.transferor_left(*session, id)) {
            self.legs.remove(&session);
            let now = sip.now();
            let _ = sip.endpoint().end(now, session, None);
            return;
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.silent = true;
        }
        self.input(Input::Vanished(id));
    }
}

impl Call {
    /// Why both sides are hung up on, for the Reason field (RFC 3326); `None` where one of them did it.
    pub(super) const fn reason(&self, outcome: Outcome) -> Option<&'static str> {
        match outcome {
            // Recovery on timer expiry (ITU-T Q.850).
            Outcome::Vanished if self.silent => Some("Q.850;cause=102;text=\"No RTP\""),
            Outcome::Vanished => Some("Q.850;cause=102;text=\"No answer in the call\""),
            _ => None,
        }
    }
}

/// How long a side may be silent, as the media threads count.
pub(crate) fn silence_max(scenario: &Scenario) -> Option<Duration> {
    let micros = scenario.media.silence_max?.as_micros();
    u64::try_from(micros).ok().map(Duration::from_micros)
}
