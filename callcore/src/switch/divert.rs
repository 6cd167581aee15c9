//! Where a call goes instead: along a route's failover list when providers fail, along a queue's overflow list when
//! it is full.

use std::sync::Arc;

use super::{
    Driver, Switch,
    call::{Attempt, CallHead, OutgoingCall, OutgoingStage, RegionalCall, RegionalStage, Way},
    io::{CallId, FactKind, Output},
};
use crate::{
    route::{Destination, External, Handover},
    scenario::{QueueId, Scenario},
    time::Time,
};

/// What is left of a list of places to go instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instead {
    list: List,
    tried: usize,
    pub(super) pass: Pass,
    caller: Caller,
}

/// Whether the caller has been answered, which takes away half of what can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Unanswered,
    /// Has heard the greeting. Only a provider to whom the caller is sent on (REFER) can take the call: one that is called from
    /// here would need the caller's own offer, which is used up.
    Answered,
}

/// Which of the providers' targets are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Those that aren't known to be down.
    Up,
    /// Those that are, or were when the call came, when nobody else took it: that a target answers no question doesn't prove
    /// that it would take no call.
    Down,
}

#[derive(Debug, Clone, Copy)]
enum List {
    Failover,
    Overflow(QueueId),
}

impl Instead {
    /// The failover list of the route that won.
    pub(super) const FAILOVER: Self = Self {
        list: List::Failover,
        tried: 0,
        pass: Pass::Up,
        caller: Caller::Unanswered,
    };

    /// The overflow list of a full queue. The lists of the queues in it aren't followed: two could name each other.
    pub(super) const fn overflow(queue: QueueId) -> Self {
        Self {
            list: List::Overflow(queue),
            tried: 0,
            pass: Pass::Up,
            caller: Caller::Unanswered,
        }
    }

    /// The same for a caller who has been answered.
    pub(super) const fn overflow_answered(queue: QueueId) -> Self {
        Self {
            caller: Caller::Answered,
            ..Self::overflow(queue)
        }
    }

    /// The same list from its beginning, for the targets that were passed over. `None` when that has been done.
    fn last_resort(self) -> Option<Self> {
        (self.pass == Pass::Up).then_some(Self {
            tried: 0,
            pass: Pass::Down,
            ..self
        })
    }

    fn can_leave_by(self, handover: Handover) -> bool {
        self.caller == Caller::Unanswered || handover == Handover::Release
    }

    fn take(&mut self, head: &CallHead, in_force: &Arc<Scenario>) -> Option<Destination> {
        let scenario = head.scenario(in_force);
        let list = match self.list {
            List::Failover => &scenario.routes.route(head.decision.route).failover,
            List::Overflow(queue) => &scenario.queue(queue).overflow,
        };
        let place = list.get(self.tried).copied();
        self.tried += 1;
        place
    }
}

impl<D: Driver> Switch<D> {
    /// Sends a call to the first place that can take it; false when there is none.
    pub(super) fn divert(&mut self, now: Time, id: CallId, mut instead: Instead) -> bool {
        while let Some(to) = self
            .calls
            .get(&id)
            .and_then(|call| instead.take(&call.head, &self.scenario))
        {
            match to {
                Destination::Queue(queue)
                    if instead.pass == Pass::Down || self.is_full(now, queue) => {}
                Destination::Queue(queue) => {
                    self.divert_to_queue(now, id, queue, instead);
                    return true;
                }
                Destination::External(external) if instead.can_leave_by(external.handover) => {
                    if let Some(target) = self.target_to_try(now, id, external, 0, instead.pass) {
                        self.divert_to_provider(now, id, external, target, instead);
                        return true;
                    }
                }
                Destination::External(_) => {}
            }
        }
        false
    }

    /// Nobody took the call: tries, once, the targets that were passed over.
    pub(super) fn divert_at_last(&mut self, now: Time, id: CallId, instead: Instead) -> bool {
        let Some(instead) = instead.last_resort() else {
            return false;
        };
        let decided = self.calls.get(&id).map(|call| call.head.decision.to);
        if let (List::Failover, Some(Destination::External(to))) = (instead.list, decided)
            && let Some(target) = self.target_to_try(now, id, to, 0, Pass::Down)
        {
            self.try_provider(
                now,
                id,
                Attempt {
                    to,
                    target,
                    instead,
                },
            );
            return true;
        }
        self.divert(now, id, instead)
    }

    fn divert_to_queue(&mut self, now: Time, id: CallId, queue: QueueId, instead: Instead) {
        self.change_queue(now, id, queue);
        match (instead.list, instead.caller) {
            (List::Overflow(_), Caller::Unanswered) => self.greet(now, id, queue),
            (_, Caller::Answered) => self.join(now, id, queue),
            // What the route announces is the provider, and the caller has heard it.
            (List::Failover, Caller::Unanswered) => {
                self.driver.carry_out(Output::Answer(id));
                self.join(now, id, queue);
            }
        }
    }

    pub(super) fn change_queue(&mut self, now: Time, id: CallId, queue: QueueId) {
        let stage = RegionalStage::Greeting;
        let way = Way::Regional(RegionalCall {
            queue,
            stage,
            since: now,
        });
        self.change_way(now, id, way, Destination::Queue(queue));
    }

    fn divert_to_provider(
        &mut self,
        now: Time,
        id: CallId,
        to: External,
        target: usize,
        instead: Instead,
    ) {
        let is_out = matches!(
            self.calls.get(&id).map(|call| &call.way),
            Some(Way::Outgoing(_))
        );
        if !is_out {
            let stage = OutgoingStage::Notice;
            let way = Way::Outgoing(OutgoingCall {
                stage,
                since: now,
                our_fault: false,
            });
            self.change_way(now, id, way, Destination::External(to));
        }
        let attempt = Attempt {
            to,
            target,
            instead,
        };
        self.try_provider(now, id, attempt);
    }

    fn change_way(&mut self, now: Time, id: CallId, way: Way, to: Destination) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.way = way;
            self.fact(now, id, FactKind::Diverted(to));
        }
    }
}
