//! A call to a queue of this switch's own: greeting, queue, agent, conversation, recording.

use super::{
    Driver, Switch,
    call::{Call, CallHead, Hears, Recording, RegionalCall, RegionalStage, Spot, Way},
    divert::Instead,
    io::{CallId, FactKind, Outcome, Output},
};
use crate::{
    scenario::QueueId,
    time::{Span, Time},
};

impl RegionalCall {
    pub(super) const fn rings(&self) -> bool {
        matches!(self.stage, RegionalStage::Ringing { .. })
    }

    pub(super) const fn talks(&self) -> bool {
        matches!(self.stage, RegionalStage::Talking { .. })
    }

    /// A caller who hears that the queue is full has been turned away, also when hanging up before the end of it.
    pub(super) const fn outcome_if_caller_leaves(&self) -> Outcome {
        match self.stage {
            RegionalStage::TurningAway => Outcome::TurnedAway,
            RegionalStage::Talking { .. } => Outcome::Completed,
            RegionalStage::Greeting
            | RegionalStage::Choosing(_)
            | RegionalStage::Waiting(_)
            | RegionalStage::Ringing { .. }
            | RegionalStage::Promising(_)
            | RegionalStage::Promised(_)
            | RegionalStage::CallingBack { .. }
            | RegionalStage::Resting { .. } => Outcome::Abandoned,
        }
    }

    #[inline]
    pub(super) const fn go(&mut self, now: Time, stage: RegionalStage) {
        self.stage = stage;
        self.since = now;
    }
}

impl<D: Driver> Switch<D> {
    pub(super) fn offer_regional(&mut self, now: Time, head: CallHead, queue: QueueId) {
        let id = head.id;
        let call = RegionalCall {
            queue,
            stage: RegionalStage::Greeting,
            since: now,
        };
        let way = Way::Regional(call);
        self.calls.insert(Call { head, way });
        // A full queue is checked before the answer too, so that those turned away hear one thing only.
        if self.is_full(now, queue) {
            self.overflows(now, id, Instead::overflow(queue));
        } else {
            self.greet(now, id, queue);
        }
    }

    /// Answers a caller for whom there is room in the queue.
    pub(super) fn greet(&mut self, now: Time, id: CallId, queue: QueueId) {
        self.driver.carry_out(Output::Answer(id));
        let greeting = self
            .calls
            .get(&id)
            .and_then(|call| call.head.decision.announcement);
        match greeting {
            Some(announcement) => self.driver.carry_out(Output::Announce(id, announcement)),
            None if self.choose(now, id) => {}
            None => self.join(now, id, queue),
        }
    }

    pub(super) fn regional_announcement_done(&mut self, now: Time, id: CallId) -> bool {
        let Some(call) = self.regional(id) else {
            return false;
        };
        let queue = call.queue;
        match &mut call.stage {
            RegionalStage::Greeting => {
                if !self.choose(now, id) {
                    self.greeted(now, id, queue);
                }
            }
            RegionalStage::Choosing(choosing) => {
                let choosing = *choosing;
                return self.menu_heard(now, id, choosing);
            }
            RegionalStage::TurningAway => {
                self.end(now, id, Outcome::TurnedAway);
            }
            RegionalStage::Waiting(spot) if spot.hears != Hears::Music => self.hear_next(now, id),
            RegionalStage::Ringing { spot, .. } if spot.hears != Hears::Music => {
                spot.hears = Hears::Music;
                self.play_music(id, queue);
            }
            RegionalStage::Promising(_) => self.promise(now, id),
            _ => return false,
        }
        true
    }

    pub(super) fn agent_answered(&mut self, now: Time, id: CallId) -> bool {
        let Some(call) = self.regional(id) else {
            return false;
        };
        let RegionalStage::Ringing { spot, agent, timer } = call.stage else {
            return false;
        };
        let queue = call.queue;
        call.go(
            now,
            RegionalStage::Talking {
                agent,
                recording: Recording::None,
                spot,
            },
        );
        self.timers.stop(timer);
        self.agent_talks(agent, id);
        self.driver.carry_out(Output::Bridge(id));
        self.fact(now, id, FactKind::Connected { queue, agent });
        self.start_recording(now, id);
        true
    }

    pub(super) fn agent_failed(&mut self, now: Time, id: CallId) -> bool {
        let Some(RegionalStage::Ringing { spot, agent, timer }) =
            self.regional(id).map(|call| call.stage)
        else {
            return false;
        };
        self.timers.stop(timer);
        self.put_back(now, id, spot);
        self.agent_set_aside(now, agent);
        true
    }

    /// The caller stands again where they stood, before all who came later.
    pub(super) fn agent_lost(&mut self, now: Time, id: CallId) -> bool {
        let Some(call) = self.regional(id).copied() else {
            return false;
        };
        let RegionalStage::Talking {
            agent,
            recording,
            spot,
        } = call.stage
        else {
            return false;
        };
        if recording == Recording::Running {
            self.driver.carry_out(Output::StopRecording(id));
        }
        self.talked(now, &call);
        self.play_music(id, call.queue);
        let spot = Spot {
            // How long the caller has talked says nothing of how long others must wait.
            queued: spot.queued.map(|_| now),
            hears: Hears::Music,
            ..spot
        };
        self.put_back(now, id, spot);
        self.agent_gave_up(now, agent);
        true
    }

    pub(super) fn ring_timeout(&mut self, now: Time, id: CallId) {
        let Some(RegionalStage::Ringing { spot, agent, .. }) =
            self.regional(id).map(|call| call.stage)
        else {
            return;
        };
        self.driver.carry_out(Output::StopRinging(id, agent));
        self.put_back(now, id, spot);
        self.agent_set_aside(now, agent);
    }

    /// An agent who was rung signed out.
    pub(super) fn ring_withdrawn(&mut self, now: Time, id: CallId) {
        if self.callback_withdrawn(now, id) {
            return;
        }
        let Some(RegionalStage::Ringing { spot, agent, timer }) =
            self.regional(id).map(|call| call.stage)
        else {
            return;
        };
        self.timers.stop(timer);
        self.driver.carry_out(Output::StopRinging(id, agent));
        self.put_back(now, id, spot);
    }

    /// Stops what goes on for a call that is over.
    pub(super) fn stop_regional(&mut self, id: CallId, call: &RegionalCall) {
        match call.stage {
            RegionalStage::Greeting | RegionalStage::TurningAway => {}
            RegionalStage::Choosing(choosing) => self.stop_choosing(choosing),
            RegionalStage::Waiting(spot) => {
                self.stop_speaking(spot);
                self.line(call.queue).leave(spot.place);
            }
            RegionalStage::Ringing { agent, timer, .. } => {
                self.timers.stop(timer);
                self.driver.carry_out(Output::StopRinging(id, agent));
            }
            RegionalStage::Talking { recording, .. } => {
                if recording == Recording::Running {
                    self.driver.carry_out(Output::StopRecording(id));
                }
            }
            RegionalStage::Promising(_)
            | RegionalStage::Promised(_)
            | RegionalStage::CallingBack { .. }
            | RegionalStage::Resting { .. } => self.stop_callback(call),
        }
    }

    /// Frees the agent of a call that is over; the agent may be rung for the next at once.
    pub(super) fn release_agent(&mut self, now: Time, call: &RegionalCall) {
        match call.stage {
            RegionalStage::Ringing { agent, .. } | RegionalStage::CallingBack { agent, .. } => {
                self.agent_free(now, agent);
            }
            RegionalStage::Talking { agent, .. } => {
                self.talked(now, call);
                self.agent_done(now, agent);
            }
            RegionalStage::Greeting
            | RegionalStage::Choosing(_)
            | RegionalStage::TurningAway
            | RegionalStage::Waiting(_)
            | RegionalStage::Promising(_)
            | RegionalStage::Promised(_)
            | RegionalStage::Resting { .. } => {}
        }
    }

    /// A conversation is over, and kept an agent that long.
    fn talked(&mut self, now: Time, call: &RegionalCall) {
        let wrap_up = self.scenario.queue(call.queue).wrap_up;
        let took = now.since(call.since).as_micros() + wrap_up.as_micros();
        self.line(call.queue).handled(Span::from_micros(took));
    }

    /// The queue may have filled up while the caller was greeted.
    pub(super) fn greeted(&mut self, now: Time, id: CallId, queue: QueueId) {
        if self.is_full(now, queue) {
            self.overflows(now, id, Instead::overflow_answered(queue));
        } else {
            self.join(now, id, queue);
        }
    }

    /// The queue is full: the caller goes where there is room.
    fn overflows(&mut self, now: Time, id: CallId, instead: Instead) {
        if !self.divert(now, id, instead) && !self.divert_at_last(now, id, instead) {
            self.turn_away(now, id);
        }
    }

    fn turn_away(&mut self, now: Time, id: CallId) {
        let Some(call) = self.regional(id) else {
            return;
        };
        call.go(now, RegionalStage::TurningAway);
        let queue = call.queue;
        let busy = self
            .scenario_of(id)
            .and_then(|scenario| scenario.queue(queue).busy_announcement.or(scenario.busy));
        match busy {
            Some(busy) => self.driver.carry_out(Output::Announce(id, busy)),
            None => {
                self.end(now, id, Outcome::TurnedAway);
            }
        }
    }

    pub(super) fn regional(&mut self, id: CallId) -> Option<&mut RegionalCall> {
        match self.calls.get_mut(&id)? {
            Call {
                way: Way::Regional(call),
                ..
            } => Some(call),
            Call {
                way: Way::Outgoing(_),
                ..
            } => None,
        }
    }
}
