//! Called back instead of waiting on the line: the caller hangs up, the place in the queue stays.
//!
//! It is one call from the first ring to the last word, with one outcome (invariant 5). Its turn comes when the place is
//! first and an agent is idle; the agent is kept free while the caller's phone rings, so that nobody who was promised a
//! call is put on hold. The number stays with the driver: this machine knows only whether there is one.

use super::{
    Driver, Switch,
    agents::SET_ASIDE_MIN,
    call::{Call, Hears, Promise, RegionalCall, RegionalStage, Spot, Way},
    io::{CallId, CallbackStep, FactKind, LegFailure, Outcome, Output, WakeReason},
};
use crate::{
    digit::Digit,
    scenario::{AgentId, AnnouncementId, Callback, QueueId},
    time::{Span, Time},
};

/// The promises of one queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Promises {
    open: usize,
    in_line: usize,
}

impl Promises {
    /// One more.
    pub(super) const fn promised(&mut self) {
        self.open += 1;
    }

    /// One stands in the line no more.
    pub(super) const fn leaves_line(&mut self) {
        self.in_line -= 1;
    }

    /// Callers who are to be called back, wherever they are in that.
    pub(super) const fn open(self) -> usize {
        self.open
    }

    /// Those of them who stand in the line: neither being called nor resting after a call in vain.
    pub(super) const fn in_line(self) -> usize {
        self.in_line
    }
}

impl<D: Driver> Switch<D> {
    /// How long the next caller will probably wait; nothing at all while an agent is idle.
    pub(super) fn expected_wait(&self, queue: QueueId) -> Option<Span> {
        let line = &self.lines[queue.index()];
        if line.idle() > 0 {
            return Some(Span::ZERO);
        }
        line.expected_wait(line.waiting())
    }

    /// What offers a waiting caller to be called back, when that is to be offered now.
    pub(super) fn callback_due(&self, id: CallId) -> Option<AnnouncementId> {
        let (spot, queue, callback) = self.callback_of(id)?;
        if spot.offered || self.promises[queue.index()].open >= callback.at_most {
            return None;
        }
        let line = &self.lines[queue.index()];
        // While nobody is there to answer, any wait is too long.
        let expected = line.expected_wait(line.ahead(spot.place));
        let long = expected.is_none_or(|wait| wait >= callback.after_expected_wait);
        long.then_some(callback.offer)
    }

    /// A key was pressed. One that means nothing where it is pressed is no fault: people press keys.
    pub(super) fn digit(&mut self, now: Time, id: CallId, digit: Digit) -> bool {
        match self.stage(id) {
            // What it leads to has been said to nobody yet, such as that this key accepts it.
            Some(RegionalStage::Choosing(choosing)) => {
                self.menu_key(now, id, choosing, digit);
                return true;
            }
            None if !self.calls.contains_key(&id) => return false,
            _ => {}
        }
        let accepted = self.callback_of(id).and_then(|(spot, queue, callback)| {
            let room = self.promises[queue.index()].open < callback.at_most;
            let accepts = spot.offered && room && callback.digit == digit;
            accepts.then_some((spot, queue, callback.accepted))
        });
        if let Some((spot, queue, confirmation)) = accepted {
            self.accept(now, id, spot, queue);
            match confirmation {
                Some(confirmation) => self.driver.carry_out(Output::Announce(id, confirmation)),
                None => self.promise(now, id),
            }
        }
        true
    }

    fn accept(&mut self, now: Time, id: CallId, spot: Spot, queue: QueueId) {
        self.line(queue).leave(spot.place);
        self.stop_speaking(spot);
        self.promises[queue.index()].promised();
        let promise = Promise {
            place: spot.place,
            queued: spot.queued,
            tried: 0,
        };
        self.go(now, id, RegionalStage::Promising(promise));
        self.fact(now, id, FactKind::Callback(CallbackStep::Promised));
    }

    /// Whoever hangs up on the confirmation, or whose line is cut then, by whomever, has asked to be called back, and the
    /// number is known: the promise stands. False for everybody else.
    pub(super) fn keeps_promise(&mut self, now: Time, id: CallId) -> bool {
        let promising = matches!(self.stage(id), Some(RegionalStage::Promising(_)));
        if promising {
            self.promise(now, id);
        }
        promising
    }

    /// Lets go of the caller's line and keeps the place.
    pub(super) fn promise(&mut self, now: Time, id: CallId) {
        if let Some(RegionalStage::Promising(promise)) = self.stage(id) {
            self.driver.carry_out(Output::Promise(id));
            self.stand(now, id, promise);
        }
    }

    pub(super) fn call_back(
        &mut self,
        now: Time,
        id: CallId,
        queue: QueueId,
        promise: Promise,
        agent: AgentId,
    ) {
        self.promises[queue.index()].in_line -= 1;
        let rings = self
            .callback_settings(id)
            .map_or_else(|| self.scenario.queue(queue).ring_max, |c| c.ring_max);
        let timer = self.timers.set(now, rings, WakeReason::CallbackTimeout(id));
        let stage = RegionalStage::CallingBack {
            promise,
            agent,
            timer,
        };
        self.go(now, id, stage);
        self.agent_rings(agent, id);
        self.fact(now, id, FactKind::Callback(CallbackStep::Tried));
        self.driver.carry_out(Output::CallBack(id));
    }

    pub(super) fn caller_answered(&mut self, now: Time, id: CallId) -> bool {
        let Some((promise, agent)) = self.called_back(id) else {
            return false;
        };
        let Some(queue) = self.regional(id).map(|call| call.queue) else {
            return false;
        };
        self.promises[queue.index()].open -= 1;
        self.fact(now, id, FactKind::Callback(CallbackStep::Reached));
        self.play_music(id, queue);
        let spot = Spot {
            place: promise.place,
            queued: promise.queued,
            hears: Hears::Music,
            offered: true,
            speaks: None,
        };
        self.ring(now, id, spot, agent);
        true
    }

    pub(super) fn caller_failed(&mut self, now: Time, id: CallId, failure: LegFailure) -> bool {
        let Some((promise, agent)) = self.called_back(id) else {
            return false;
        };
        self.unreached(now, id, promise, agent, failure);
        true
    }

    pub(super) fn callback_timeout(&mut self, now: Time, id: CallId) {
        if let Some(RegionalStage::CallingBack { promise, agent, .. }) = self.stage(id) {
            self.driver.carry_out(Output::StopCallingBack(id));
            self.unreached(now, id, promise, agent, LegFailure::NoAnswer);
        }
    }

    fn unreached(
        &mut self,
        now: Time,
        id: CallId,
        promise: Promise,
        agent: AgentId,
        failure: LegFailure,
    ) {
        self.fact(now, id, FactKind::Callback(CallbackStep::Failed(failure)));
        // The caller's phone hasn't rung when we could not call.
        let ours = failure == LegFailure::OurFault;
        let promise = Promise {
            tried: promise.tried.saturating_add(u8::from(!ours)),
            ..promise
        };
        let again = self
            .callback_settings(id)
            .filter(|callback| promise.tried < callback.attempts_max)
            .map(|callback| callback.again_after)
            // A fault of ours is no attempt: without a pause there would be no end of them.
            .map(|after| {
                if ours {
                    after.max(SET_ASIDE_MIN)
                } else {
                    after
                }
            });
        match again {
            Some(after) => {
                let timer = self.timers.set(now, after, WakeReason::CallbackAgain(id));
                self.go(now, id, RegionalStage::Resting { promise, timer });
                self.agent_free(now, agent);
            }
            None if ours => {
                self.end(now, id, Outcome::OurFault);
            }
            None => {
                self.end(now, id, Outcome::Unreached);
            }
        }
    }

    pub(super) fn callback_again(&mut self, now: Time, id: CallId) {
        if let Some(RegionalStage::Resting { promise, .. }) = self.stage(id) {
            // How long the caller was left alone says nothing of how long others must wait.
            let queued = Some(now);
            self.stand(now, id, Promise { queued, ..promise });
        }
    }

    /// The agent who was kept for the caller signed out; false when the call isn't one that is called back.
    pub(super) fn callback_withdrawn(&mut self, now: Time, id: CallId) -> bool {
        let Some((promise, _)) = self.called_back(id) else {
            return false;
        };
        self.driver.carry_out(Output::StopCallingBack(id));
        self.stand(now, id, promise);
        true
    }

    /// Stops what goes on for a call that is over.
    pub(super) fn stop_callback(&mut self, call: &RegionalCall) {
        let promises = &mut self.promises[call.queue.index()];
        promises.open -= 1;
        match call.stage {
            // It stands nowhere: it waits for another program.
            RegionalStage::Promised(_) if self.leaves_callbacks => {}
            RegionalStage::Promised(promise) => {
                promises.in_line -= 1;
                self.line(call.queue).leave(promise.place);
            }
            RegionalStage::CallingBack { timer, .. } | RegionalStage::Resting { timer, .. } => {
                self.timers.stop(timer);
            }
            _ => {}
        }
    }

    /// Whose phone rings because they were promised a call, and the agent kept for them; it is waited for no longer.
    fn called_back(&mut self, id: CallId) -> Option<(Promise, AgentId)> {
        let RegionalStage::CallingBack {
            promise,
            agent,
            timer,
        } = self.stage(id)?
        else {
            return None;
        };
        self.timers.stop(timer);
        Some((promise, agent))
    }

    /// Puts a promise at its place in the line.
    pub(super) fn stand(&mut self, now: Time, id: CallId, promise: Promise) {
        self.go(now, id, RegionalStage::Promised(promise));
        if self.leaves_callbacks {
            return;
        }
        let Some(queue) = self.regional(id).map(|call| call.queue) else {
            return;
        };
        self.promises[queue.index()].in_line += 1;
        self.line(queue).wait(promise.place, id);
        self.serve(now, queue);
    }

    /// The place, the queue and its settings, of a waiting caller who could be called back.
    fn callback_of(&self, id: CallId) -> Option<(Spot, QueueId, &Callback)> {
        let Call {
            head,
            way:
                Way::Regional(RegionalCall {
                    queue,
                    stage: RegionalStage::Waiting(spot),
                    ..
                }),
        } = self.calls.get(&id)?
        else {
            return None;
        };
        let callback = head
            .scenario(&self.scenario)
            .queue(*queue)
            .callback
            .as_ref()?;
        head.reachable.then_some((*spot, *queue, callback))
    }

    /// The queue that could promise a caller at once to call back, and what confirms it.
    pub(super) fn callback_possible(
        &self,
        id: CallId,
    ) -> Option<(QueueId, Option<AnnouncementId>)> {
        let head = &self.calls.get(&id)?.head;
        let queue = self.calls.get(&id)?.queue()?;
        let callback = head
            .scenario(&self.scenario)
            .queue(queue)
            .callback
            .as_ref()?;
        let room = self.promises[queue.index()].open < callback.at_most;
        (room && head.reachable).then_some((queue, callback.accepted))
    }

    fn callback_settings(&self, id: CallId) -> Option<&Callback> {
        let call = self.calls.get(&id)?;
        let Way::Regional(RegionalCall { queue, .. }) = &call.way else {
            return None;
        };
        call.head
            .scenario(&self.scenario)
            .queue(*queue)
            .callback
            .as_ref()
    }

    pub(super) fn stage(&self, id: CallId) -> Option<RegionalStage> {
        match &self.calls.get(&id)?.way {
            Way::Regional(call) => Some(call.stage),
            Way::Outgoing(_) => None,
        }
    }

    pub(super) fn go(&mut self, now: Time, id: CallId, stage: RegionalStage) {
        if let Some(call) = self.regional(id) {
            call.go(now, stage);
        }
    }
}
