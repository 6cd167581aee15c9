//! Sides that are gone without a word: their audio stopped, or they answer no more.

use std::time::Duration;

use callcore::{
    scenario::Scenario,
    switch::{CallId, Input, Outcome},
};

use transport::SipDriver;
use wire::sip::endpoint::SessionId;

use super::{
    Exchange,
    call::{Call, CallerStage, Far},
};
use crate::media::Side;

/// Recovery on timer expiry (ITU-T Q.850).
const NO_RTP: &str = "Q.850;cause=102;text=\"No RTP\"";

impl Exchange {
    /// Nothing has come from one side for as long as the scenario allows. A call that isn't up, or is held, may be silent.
    pub(super) fn silent(&mut self, sip: &mut SipDriver, id: CallId, side: Side) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let there = match side {
            Side::Caller => call.caller_stage == CallerStage::Answered,
            // Of somebody else, while the next is rung, it may be late news.
            Side::Far => call.far.session().is_some() && self.switch.talks(id),
        };
        if !there || call.hold.is_held() {
            return;
        }
        self.observer.silent(id, side);
        if side == Side::Far && matches!(call.far, Far::Agent(..)) {
            return self.give_far_up(sip, id, Some(NO_RTP));
        }
        call.silent = true;
        self.input(Input::Vanished(id));
    }

    /// Hangs up on a nurse's phone with which nobody can talk.
    pub(super) fn give_far_up(&mut self, sip: &mut SipDriver, id: CallId, reason: Option<&str>) {
        let Some(session) = self.calls.get(&id).and_then(|call| call.far.session()) else {
            return;
        };
        self.legs.remove(&session);
        let now = sip.now();
        let _ = sip.endpoint().end(now, session, reason);
        self.far_gone(sip, session, id);
    }

    /// The far side gives no sign of life, or can't be talked with, and its session is over.
    pub(super) fn far_gone(&mut self, sip: &mut SipDriver, session: SessionId, id: CallId) {
        let agent = self.calls.get(&id).and_then(|call| call.far.agent());
        if let Some(agent) = agent {
            let scenario = self.scenario_of(id);
            let queue = scenario.queue(scenario.agent(agent).queue);
            self.observer.agent_lost(&queue.name);
        }
        // Who sends the call on and is gone isn't who will talk with the caller.
        if !self.transferor_left(session, id) {
            self.far_lost(sip, id);
        }
    }

    /// The far side is gone without a word, and its session over. The caller is still there: one who talked with a nurse is back in
    /// the queue, before all who came later.
    pub(super) fn far_lost(&mut self, sip: &mut SipDriver, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let far = std::mem::replace(&mut call.far, Far::Nobody);
        if !matches!(far, Far::Agent(..)) {
            return self.input(Input::Vanished(id));
        }
        tracing::warn!(call = id.0, "a nurse is gone; the caller waits again");
        if let Some(media) = &mut call.media {
            media.far_left();
        }
        // What is said with the next nurse is another.
        let paused = std::mem::take(&mut call.hold.paused);
        let recorded = u8::from(call.recording.is_some() || paused);
        call.segments = call.segments.saturating_add(recorded);
        call.new_port
            .take_if(|port| Some(port.session) == far.session());
        self.far_is_another(sip, id);
        self.input(Input::AgentLost(id));
    }
}

impl Call {
    /// Why both sides are hung up on, for the Reason field (RFC 3326); `None` where one of them did it.
    pub(super) const fn reason(&self, outcome: Outcome) -> Option<&'static str> {
        match outcome {
            Outcome::Vanished if self.silent => Some(NO_RTP),
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

#[cfg(test)]
mod tests {
    use wire::sip::{
        endpoint::{Ending, Event},
        message::{HeaderName, Method},
    };

    use super::*;
    use crate::{exchange::bench::Bench, media::MediaEvent};

    /// How her phone is noticed to be gone.
    #[derive(Debug, Clone, Copy)]
    enum Noticed {
        BySip(Ending),
        BySilence,
    }

    /// Her phone is dead, the caller is still there and has waited long enough.
    #[tokio::test]
    async fn a_caller_whose_nurse_is_gone_without_a_word_is_rung_for_again_at_once() {
        let (lost, unacknowledged) = (Ending::Lost, Ending::NoAck);
        for noticed in [
            Noticed::BySip(lost),
            Noticed::BySip(unacknowledged),
            Noticed::BySilence,
        ] {
            let (mut bench, [_caller, first, second], _) = Bench::talking().await;
            let (id, session) = (bench.state().expect("a call").0, bench.far());
            match noticed {
                Noticed::BySip(why) => {
                    let gone = Event::Ended { session, why };
                    bench.exchange.on_sip(&mut bench.sip, gone);
                }
                Noticed::BySilence => {
                    let silent = MediaEvent::Silent(id, Side::Far);
                    bench.exchange.on_media(&mut bench.sip, silent);
                    let bye = bench.until(first.is_asked(Method::Bye)).await;
                    let reason = bye.headers.get(&HeaderName::Reason);
                    assert_eq!(reason, Some("Q.850;cause=102;text=\"No RTP\""));
                }
            }
            bench.until(second.is_asked(Method::Invite)).await;
            assert_eq!(bench.state(), Some((id, "ringing")), "{noticed:?}");
            assert_eq!(bench.agents_lost("sormland"), 1, "{noticed:?}");
        }
    }
}
