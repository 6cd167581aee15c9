//! A call that leaves to a care provider. Nothing in this file knows of recordings (invariant 2).

use super::{
    Driver, Switch,
    call::{Attempt, Call, CallHead, OutgoingCall, OutgoingStage, Way},
    divert::Instead,
    io::{CallId, ExternalCall, FactKind, LegFailure, Outcome, Output, WakeReason},
};
use crate::{
    route::{Destination, External, Handover},
    time::Time,
};

impl OutgoingCall {
    pub(super) const fn tries(&self) -> bool {
        matches!(self.stage, OutgoingStage::Trying { .. })
    }

    pub(super) const fn talks(&self) -> bool {
        matches!(self.stage, OutgoingStage::TakenOver(_))
    }

    /// A caller who hears that nobody could answer has been failed, also when hanging up before the end of it.
    pub(super) const fn outcome_if_caller_leaves(&self) -> Outcome {
        match self.stage {
            OutgoingStage::Apology => self.outcome_if_nobody_can(),
            OutgoingStage::TakenOver(_) => Outcome::Completed,
            OutgoingStage::Notice | OutgoingStage::Trying { .. } => Outcome::Abandoned,
        }
    }

    /// Of several who were tried, one whom we could not call may be the one who would have answered.
    const fn outcome_if_nobody_can(&self) -> Outcome {
        if self.our_fault {
            Outcome::OurFault
        } else {
            Outcome::ProviderFailed
        }
    }

    const fn go(&mut self, now: Time, stage: OutgoingStage) {
        self.stage = stage;
        self.since = now;
    }
}

impl<D: Driver> Switch<D> {
    pub(super) fn offer_external(&mut self, now: Time, head: CallHead, to: External) {
        let id = head.id;
        // A caller who is sent on (302) can't be played anything first: that would need an answer.
        let notice = head
            .decision
            .announcement
            .filter(|_| to.handover != Handover::Release);
        let call = OutgoingCall {
            stage: OutgoingStage::Notice,
            since: now,
            our_fault: false,
        };
        let way = Way::Outgoing(call);
        self.calls.insert(Call { head, way });
        match notice {
            Some(notice) => self.driver.carry_out(Output::Announce(id, notice)),
            None => self.try_first(now, id, to),
        }
    }

    pub(super) fn outgoing_announcement_done(&mut self, now: Time, id: CallId) -> bool {
        let Some(Call {
            head,
            way: Way::Outgoing(call),
        }) = self.calls.get(&id)
        else {
            return false;
        };
        match call.stage {
            OutgoingStage::Notice => {
                let Destination::External(to) = head.decision.to else {
                    return false;
                };
                self.try_first(now, id, to);
                true
            }
            OutgoingStage::Apology => {
                let outcome = call.outcome_if_nobody_can();
                self.end(now, id, outcome)
            }
            OutgoingStage::Trying { .. } | OutgoingStage::TakenOver(_) => false,
        }
    }

    pub(super) fn provider_answered(&mut self, now: Time, id: CallId) -> bool {
        let Some(call) = self.outgoing(id) else {
            return false;
        };
        let OutgoingStage::Trying { attempt, timer } = call.stage else {
            return false;
        };
        call.go(now, OutgoingStage::TakenOver(attempt.to.provider));
        self.timers.stop(timer);
        self.fact(now, id, FactKind::TakenOver(attempt.to));
        if attempt.to.handover == Handover::Release {
            self.end(now, id, Outcome::HandedOver);
        }
        true
    }

    pub(super) fn provider_failed(&mut self, now: Time, id: CallId, failure: LegFailure) -> bool {
        let Some(OutgoingStage::Trying { attempt, timer }) =
            self.outgoing(id).map(|call| call.stage)
        else {
            return false;
        };
        self.timers.stop(timer);
        self.give_up(now, id, attempt, failure);
        true
    }

    pub(super) fn provider_timeout(&mut self, now: Time, id: CallId) {
        if let Some(OutgoingStage::Trying { attempt, .. }) =
            self.outgoing(id).map(|call| call.stage)
        {
            self.driver.carry_out(Output::StopTrying(id));
            self.give_up(now, id, attempt, LegFailure::NoAnswer);
        }
    }

    /// Stops what goes on for a call that is over.
    pub(super) fn stop_outgoing(&mut self, call: &OutgoingCall) {
        if let OutgoingStage::Trying { timer, .. } = call.stage {
            self.timers.stop(timer);
        }
    }

    fn give_up(&mut self, now: Time, id: CallId, attempt: Attempt, failure: LegFailure) {
        self.fact(now, id, FactKind::ProviderFailed(attempt.to, failure));
        // Whoever comes next may need no port, or one in another network.
        if failure == LegFailure::OurFault
            && let Some(call) = self.outgoing(id)
        {
            call.our_fault = true;
        }
        self.try_next(now, id, attempt.to, attempt.target + 1, attempt.instead);
    }

    fn try_first(&mut self, now: Time, id: CallId, to: External) {
        self.try_next(now, id, to, 0, Instead::FAILOVER);
    }

    /// Tries the provider's targets from this one on, then whoever comes instead, then those that were passed over.
    fn try_next(&mut self, now: Time, id: CallId, to: External, from: usize, instead: Instead) {
        if let Some(target) = self.target_to_try(now, id, to, from, instead.pass) {
            let attempt = Attempt {
                to,
                target,
                instead,
            };
            self.try_provider(now, id, attempt);
        } else if !self.divert(now, id, instead) && !self.divert_at_last(now, id, instead) {
            self.apologise(now, id);
        }
    }

    pub(super) fn try_provider(&mut self, now: Time, id: CallId, attempt: Attempt) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let External { provider, handover } = attempt.to;
        let ring_max = call
            .head
            .scenario(&self.scenario)
            .provider(provider)
            .ring_max;
        let timer = self
            .timers
            .set(now, ring_max, WakeReason::ProviderTimeout(id));
        if let Some(call) = self.outgoing(id) {
            call.go(now, OutgoingStage::Trying { attempt, timer });
        }
        self.fact(now, id, FactKind::Tried(attempt.to));
        let call = ExternalCall {
            call: id,
            provider,
            target: attempt.target,
            handover,
        };
        self.driver.carry_out(Output::HandOver(call));
    }

    fn apologise(&mut self, now: Time, id: CallId) {
        let Some(call) = self.outgoing(id) else {
            return;
        };
        call.go(now, OutgoingStage::Apology);
        let outcome = call.outcome_if_nobody_can();
        match self.scenario_of(id).and_then(|scenario| scenario.no_answer) {
            Some(apology) => self.driver.carry_out(Output::Announce(id, apology)),
            None => {
                self.end(now, id, outcome);
            }
        }
    }

    fn outgoing(&mut self, id: CallId) -> Option<&mut OutgoingCall> {
        match self.calls.get_mut(&id)? {
            Call {
                way: Way::Outgoing(call),
                ..
            } => Some(call),
            Call {
                way: Way::Regional(_),
                ..
            } => None,
        }
    }
}
