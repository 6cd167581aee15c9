//! A call to a queue of this switch's own: greeting, queue, agent, conversation, recording.

use super::{
    Switch,
    call::{Call, CallHead, Hears, Recording, RegionalCall, RegionalStage, Spot, Way},
    divert::Instead,
    io::{CallId, FactKind, Outcome, Output, WakeReason},
};
use crate::{
    queue::Place,
    scenario::{AgentId, QueueId},
    time::Time,
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
            RegionalStage::Greeting | RegionalStage::Waiting(_) | RegionalStage::Ringing { .. } => {
                Outcome::Abandoned
            }
        }
    }

    const fn go(&mut self, now: Time, stage: RegionalStage) {
        self.stage = stage;
        self.since = now;
    }
}

impl Switch {
    pub(super) fn offer_regional(&mut self, now: Time, head: CallHead, queue: QueueId) {
        let id = head.id;
        let call = RegionalCall {
            queue,
            stage: RegionalStage::Greeting,
            since: now,
        };
        self.calls.insert(
            id,
            Call {
                head,
                way: Way::Regional(call),
            },
        );
        // A full queue is checked before the answer too, so that those turned away hear one thing only.
        if !self.is_full(now, queue) {
            self.greet(now, id, queue);
        } else if !self.divert(now, id, Instead::overflow(queue)) {
            self.turn_away(now, id);
        }
    }

    /// Answers a caller for whom there is room in the queue.
    pub(super) fn greet(&mut self, now: Time, id: CallId, queue: QueueId) {
        self.outputs.push_back(Output::Answer(id));
        let greeting = self
            .calls
            .get(&id)
            .and_then(|call| call.head.decision.announcement);
        match greeting {
            Some(announcement) => self.outputs.push_back(Output::Announce(id, announcement)),
            None => self.join(now, id, queue),
        }
    }

    pub(super) fn regional_announcement_done(&mut self, now: Time, id: CallId) -> bool {
        let Some(call) = self.regional(id) else {
            return false;
        };
        let queue = call.queue;
        match &mut call.stage {
            RegionalStage::Greeting => self.greeted(now, id, queue),
            RegionalStage::TurningAway => {
                self.end(now, id, Outcome::TurnedAway);
            }
            RegionalStage::Waiting(spot) | RegionalStage::Ringing { spot, .. }
                if spot.hears == Hears::Notice =>
            {
                spot.hears = Hears::Music;
                self.play_music(id, queue);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn agent_answered(&mut self, now: Time, id: CallId) -> bool {
        let Some(call) = self.regional(id) else {
            return false;
        };
        let RegionalStage::Ringing { agent, timer, .. } = call.stage else {
            return false;
        };
        let queue = call.queue;
        call.go(
            now,
            RegionalStage::Talking {
                agent,
                recording: Recording::None,
            },
        );
        self.timers.stop(timer);
        self.agent_talks(agent, id);
        self.outputs.push_back(Output::Bridge(id));
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

    pub(super) fn ring_timeout(&mut self, now: Time, id: CallId) {
        let Some(RegionalStage::Ringing { spot, agent, .. }) =
            self.regional(id).map(|call| call.stage)
        else {
            return;
        };
        self.outputs.push_back(Output::StopRinging(id, agent));
        self.put_back(now, id, spot);
        self.agent_set_aside(now, agent);
    }

    /// An agent who was rung signed out.
    pub(super) fn ring_withdrawn(&mut self, now: Time, id: CallId) {
        let Some(RegionalStage::Ringing { spot, agent, timer }) =
            self.regional(id).map(|call| call.stage)
        else {
            return;
        };
        self.timers.stop(timer);
        self.outputs.push_back(Output::StopRinging(id, agent));
        self.put_back(now, id, spot);
    }

    pub(super) fn recording_started(&mut self, now: Time, id: CallId) -> bool {
        let running = self
            .recording(id)
            .is_some_and(|recording| *recording == Recording::Running);
        if running {
            self.fact(now, id, FactKind::Recording);
        }
        running
    }

    pub(super) fn recording_lost(&mut self, now: Time, id: CallId) -> bool {
        let Some(recording @ Recording::Running) = self.recording(id) else {
            return false;
        };
        *recording = Recording::Lost;
        self.counts.recording_gaps += 1;
        self.fact(now, id, FactKind::RecordingGap);
        true
    }

    pub(super) fn recorder_back(&mut self, now: Time) -> bool {
        let lost = |call: &Call| match &call.way {
            Way::Regional(call) => {
                matches!(
                    call.stage,
                    RegionalStage::Talking {
                        recording: Recording::Lost,
                        ..
                    }
                )
            }
            Way::Outgoing(_) => false,
        };
        let lacking: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, call)| lost(call))
            .map(|(&id, _)| id)
            .collect();
        for id in lacking {
            self.start_recording(now, id);
        }
        true
    }

    /// Lets the longest waiting callers be answered while agents are idle.
    pub(super) fn serve(&mut self, now: Time, queue: QueueId) {
        while let Some((id, agent)) = self.line(queue).take_pair() {
            let Some(RegionalStage::Waiting(spot)) = self.regional(id).map(|call| call.stage)
            else {
                debug_assert!(false, "only waiting calls stand in a line");
                self.line(queue).agent_idle(agent);
                continue;
            };
            self.ring(now, id, spot, agent);
        }
    }

    /// Stops what goes on for a call that is over.
    pub(super) fn stop_regional(&mut self, head: &CallHead, call: &RegionalCall) {
        match call.stage {
            RegionalStage::Greeting | RegionalStage::TurningAway => {}
            RegionalStage::Waiting(spot) => self.line(call.queue).leave(spot.place),
            RegionalStage::Ringing { agent, timer, .. } => {
                self.timers.stop(timer);
                self.outputs.push_back(Output::StopRinging(head.id, agent));
            }
            RegionalStage::Talking { recording, .. } => {
                if recording == Recording::Running {
                    self.outputs.push_back(Output::StopRecording(head.id));
                }
            }
        }
    }

    /// Frees the agent of a call that is over; the agent may be rung for the next at once.
    pub(super) fn release_agent(&mut self, now: Time, call: &RegionalCall) {
        match call.stage {
            RegionalStage::Ringing { agent, .. } => self.agent_free(now, agent),
            RegionalStage::Talking { agent, .. } => self.agent_done(now, agent),
            RegionalStage::Greeting | RegionalStage::TurningAway | RegionalStage::Waiting(_) => {}
        }
    }

    /// The queue may have filled up while the caller was greeted.
    fn greeted(&mut self, now: Time, id: CallId, queue: QueueId) {
        if !self.is_full(now, queue) {
            self.join(now, id, queue);
        } else if !self.divert_answered(now, id, Instead::overflow(queue)) {
            self.turn_away(now, id);
        }
    }

    pub(super) fn join(&mut self, now: Time, id: CallId, queue: QueueId) {
        let place = self.line(queue).take_place();
        match self.line(queue).take_agent() {
            Some(agent) => {
                self.play_music(id, queue);
                self.ring(
                    now,
                    id,
                    Spot {
                        place,
                        queued: None,
                        hears: Hears::Music,
                    },
                    agent,
                );
            }
            None => self.begin_to_wait(now, id, queue, place),
        }
    }

    fn begin_to_wait(&mut self, now: Time, id: CallId, queue: QueueId, place: Place) {
        self.fact(now, id, FactKind::Queued(queue));
        let notice = self
            .scenario_of(id)
            .and_then(|scenario| scenario.queue(queue).announcement);
        let hears = match notice {
            Some(notice) => {
                self.outputs.push_back(Output::Announce(id, notice));
                Hears::Notice
            }
            None => {
                self.play_music(id, queue);
                Hears::Music
            }
        };
        self.wait(
            now,
            id,
            Spot {
                place,
                queued: Some(now),
                hears,
            },
        );
    }

    /// Sends a call for which an agent was rung in vain back to where it stood.
    fn put_back(&mut self, now: Time, id: CallId, mut spot: Spot) {
        if let Some(call) = self.regional(id)
            && spot.queued.is_none()
        {
            spot.queued = Some(now);
            let queue = call.queue;
            self.fact(now, id, FactKind::Queued(queue));
        }
        self.wait(now, id, spot);
        if let Some(call) = self.regional(id) {
            let queue = call.queue;
            self.serve(now, queue);
        }
    }

    fn wait(&mut self, now: Time, id: CallId, spot: Spot) {
        let Some(call) = self.regional(id) else {
            return;
        };
        call.go(now, RegionalStage::Waiting(spot));
        let queue = call.queue;
        self.line(queue).wait(spot.place, id);
    }

    fn ring(&mut self, now: Time, id: CallId, spot: Spot, agent: AgentId) {
        let Some(queue) = self.regional(id).map(|call| call.queue) else {
            return;
        };
        let until = now + self.scenario.queue(queue).ring_max;
        let timer = self.timers.set(until, WakeReason::RingTimeout(id));
        if let Some(call) = self.regional(id) {
            call.go(now, RegionalStage::Ringing { spot, agent, timer });
        }
        self.agent_rings(agent, id);
        self.outputs.push_back(Output::RingAgent(id, agent));
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
            Some(busy) => self.outputs.push_back(Output::Announce(id, busy)),
            None => {
                self.end(now, id, Outcome::TurnedAway);
            }
        }
    }

    fn start_recording(&mut self, now: Time, id: CallId) {
        let Some(Call {
            head,
            way: Way::Regional(call),
        }) = self.calls.get_mut(&id)
        else {
            return;
        };
        let permit = call.recording_permit(head, now);
        let wanted = call.is_to_be_recorded(head);
        let RegionalStage::Talking { recording, .. } = &mut call.stage else {
            return;
        };
        match permit {
            Some(permit) => {
                *recording = Recording::Running;
                self.counts.recordings += 1;
                self.outputs
                    .push_back(Output::StartRecording(id, Box::new(permit)));
            }
            // A recording that should be there and isn't is a gap, whatever the reason.
            None if wanted => {
                self.counts.recording_gaps += 1;
                self.fact(now, id, FactKind::RecordingGap);
            }
            None => {}
        }
    }

    fn play_music(&mut self, id: CallId, queue: QueueId) {
        if let Some(music) = self
            .scenario_of(id)
            .and_then(|scenario| scenario.queue(queue).music)
        {
            self.outputs.push_back(Output::Music(id, music));
        }
    }

    /// The overload guard: too many wait, or the first of them has waited longer than a caller is let in for.
    pub(super) fn is_full(&self, now: Time, queue: QueueId) -> bool {
        let line = &self.lines[queue.index()];
        let limits = self.scenario.queue(queue);
        let too_long = || {
            let first = line.first().and_then(|id| self.calls.get(&id));
            first
                .and_then(Call::queued)
                .is_some_and(|since| now.since(since) >= limits.wait_max)
        };
        line.idle() == 0 && (line.waiting() >= limits.len_max || too_long())
    }

    fn regional(&mut self, id: CallId) -> Option<&mut RegionalCall> {
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

    fn recording(&mut self, id: CallId) -> Option<&mut Recording> {
        match &mut self.regional(id)?.stage {
            RegionalStage::Talking { recording, .. } => Some(recording),
            _ => None,
        }
    }
}
