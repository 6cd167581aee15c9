//! The queue from a caller's side: joining, waiting, being rung for, going back to where one stood.

use super::{
    Driver, Switch,
    call::{Call, Hears, RegionalStage, Spot},
    io::{CallId, FactKind, Output, WakeReason},
};
use crate::{
    queue::Place,
    scenario::{AgentId, QueueId},
    time::Time,
};

impl<D: Driver> Switch<D> {
    /// Lets the longest waiting callers be answered while agents are idle.
    pub(super) fn serve(&mut self, now: Time, queue: QueueId) {
        while let Some((id, agent)) = self.line(queue).take_pair() {
            match self.regional(id).map(|call| call.stage) {
                Some(RegionalStage::Waiting(spot)) => self.ring(now, id, spot, agent),
                Some(RegionalStage::Promised(promise)) => {
                    self.call_back(now, id, queue, promise, agent);
                }
                _ => {
                    debug_assert!(false, "only those who wait stand in a line");
                    self.line(queue).agent_idle(agent);
                }
            }
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
                        offered: false,
                        speaks: None,
                    },
                    agent,
                );
            }
            None => self.begin_to_wait(now, id, queue, place),
        }
    }

    fn begin_to_wait(&mut self, now: Time, id: CallId, queue: QueueId, place: Place) {
        self.fact(now, id, FactKind::Queued(queue));
        self.wait(
            now,
            id,
            Spot {
                place,
                queued: Some(now),
                hears: Hears::Notice,
                offered: false,
                speaks: None,
            },
        );
        let notice = self
            .scenario_of(id)
            .and_then(|scenario| scenario.queue(queue).announcement);
        match notice {
            Some(notice) => self.driver.carry_out(Output::Announce(id, notice)),
            None => self.hear_next(now, id),
        }
    }

    /// Sends a call for which an agent was rung in vain back to where it stood.
    pub(super) fn put_back(&mut self, now: Time, id: CallId, mut spot: Spot) {
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
        self.speak_later(now, id);
    }

    fn wait(&mut self, now: Time, id: CallId, spot: Spot) {
        let Some(call) = self.regional(id) else {
            return;
        };
        call.go(now, RegionalStage::Waiting(spot));
        let queue = call.queue;
        self.line(queue).wait(spot.place, id);
    }

    pub(super) fn ring(&mut self, now: Time, id: CallId, mut spot: Spot, agent: AgentId) {
        self.stop_speaking(spot);
        spot.speaks = None;
        let Some(queue) = self.regional(id).map(|call| call.queue) else {
            return;
        };
        let ring_max = self.scenario.queue(queue).ring_max;
        let timer = self.timers.set(now, ring_max, WakeReason::RingTimeout(id));
        if let Some(call) = self.regional(id) {
            call.go(now, RegionalStage::Ringing { spot, agent, timer });
        }
        self.agent_rings(agent, id);
        self.driver.carry_out(Output::RingAgent(id, agent));
    }

    pub(super) fn play_music(&mut self, id: CallId, queue: QueueId) {
        if let Some(music) = self
            .scenario_of(id)
            .and_then(|scenario| scenario.queue(queue).music)
        {
            self.driver.carry_out(Output::Music(id, music));
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
}
