//! What one program leaves to the next that takes its place: callers who were promised to be called back, agents in wrap-up.
//!
//! A promise belongs to exactly one program. The one that goes stops calling back as it begins to drain
//! ([`Input::CallbacksWait`](super::Input)), and leaves what is open then; its books say nothing of those calls. The one that comes takes
//! each as a call of its own, by its own rules, and ends it once.
//!
//! Spans, not moments: the two may not agree on what time it is.

use super::{
    Driver, Switch,
    agents::AgentState,
    call::{Call, CallHead, Promise, RegionalCall, RegionalStage, Way},
    io::{CallId, CallbackStep, FactKind, Outcome, WakeReason},
};
use crate::{
    origin::Origin,
    queue::Place,
    route::Destination,
    scenario::{AgentId, QueueId},
    time::{Span, Time},
};

/// What is left of a pause after a call in vain is rounded up to this: each length of a timer costs a little for ever.
const REST_STEP: Span = Span::from_secs(30);
/// The same of wrap-up.
const WRAP_UP_STEP: Span = Span::from_secs(5);

/// A promise to call back, as it goes from one program to the next. The number is the driver's to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Where the call comes from.
    pub origin: Origin,
    /// The queue in which the caller has a place; `None` when there is no such queue any more: the rules name another.
    pub queue: Option<QueueId>,
    /// How long ago the wait began.
    pub waited: Span,
    /// How often the caller has been called in vain.
    pub tried: u8,
    /// How long the caller is left alone yet after a call in vain.
    pub rests: Span,
    /// Whether the caller came by a route whose calls may be recorded. What was not is not recorded under other rules either:
    /// the caller was told otherwise.
    pub recordable: bool,
}

impl<D: Driver> Switch<D> {
    /// The promises that are open, each with its call, in the order of their places. Of those whose phone rings none: see
    /// [`Input::CallbackWithdrawn`](super::Input).
    pub fn promises(&self, now: Time) -> Vec<(CallId, Kept)> {
        let open = self.calls.in_order().into_iter();
        let mut open: Vec<(Place, CallId, Kept)> =
            open.filter_map(|call| self.promise_of(now, call)).collect();
        open.sort_by_key(|(place, call, _)| (*place, *call));
        let kept = open.into_iter().map(|(_, call, kept)| (call, kept));
        kept.collect()
    }

    fn promise_of(&self, now: Time, call: &Call) -> Option<(Place, CallId, Kept)> {
        let Way::Regional(RegionalCall { queue, stage, .. }) = call.way else {
            return None;
        };
        let (promise, rests) = match stage {
            RegionalStage::Promised(promise) => (promise, Span::ZERO),
            RegionalStage::Resting { promise, timer } => {
                let due = self.timers.due(timer).unwrap_or(now);
                (promise, due.since(now).max(Span::ZERO))
            }
            _ => return None,
        };
        // The whole of it; `queued` begins anew after a pause.
        let began = promise.queued.filter(|_| promise.tried == 0);
        let since = began.unwrap_or(call.head.offered);
        let meant_for_us = matches!(call.head.decision.to, Destination::Queue(_));
        let kept = Kept {
            origin: call.head.origin,
            queue: Some(queue),
            waited: now.since(since).max(Span::ZERO),
            tried: promise.tried,
            rests,
            recordable: meant_for_us && call.head.recordable,
        };
        Some((promise.place, call.head.id, kept))
    }

    /// The agents in wrap-up, and for how long yet.
    pub fn wrap_ups(&self, now: Time) -> Vec<(AgentId, Span)> {
        let agents = (0..).map(AgentId).zip(&self.agents);
        let writing = agents.filter_map(|(agent, desk)| match desk.state {
            AgentState::WrapUp(timer) => Some((agent, self.timers.due(timer)?.since(now))),
            _ => None,
        });
        writing.filter(|(_, left)| *left > Span::ZERO).collect()
    }

    /// Whether nobody is called back here any more.
    pub const fn leaves_callbacks(&self) -> bool {
        self.leaves_callbacks
    }

    /// Nobody is called back from now on. Those whose phone rings already are let ring.
    pub(super) fn callbacks_wait(&mut self) -> bool {
        if std::mem::replace(&mut self.leaves_callbacks, true) {
            return false;
        }
        let standing =
            self.calls
                .in_order()
                .into_iter()
                .filter_map(|call| match (call.queue()?, &call.way) {
                    (
                        queue,
                        Way::Regional(RegionalCall {
                            stage: RegionalStage::Promised(promise),
                            ..
                        }),
                    ) => Some((queue, promise.place)),
                    _ => None,
                });
        let standing: Vec<(QueueId, Place)> = standing.collect();
        for (queue, place) in standing {
            self.promises[queue.index()].leaves_line();
            self.line(queue).leave(place);
        }
        true
    }

    /// All take their places in the line again, the first first.
    pub(super) fn callbacks_go_on(&mut self, now: Time) -> bool {
        if !std::mem::replace(&mut self.leaves_callbacks, false) {
            return false;
        }
        let calls = self.calls.in_order().into_iter();
        let promised = calls.filter_map(|call| match &call.way {
            Way::Regional(RegionalCall {
                stage: RegionalStage::Promised(promise),
                ..
            }) => Some((promise.place, call.head.id, *promise)),
            _ => None,
        });
        let mut promised: Vec<(Place, CallId, Promise)> = promised.collect();
        promised.sort_by_key(|(place, call, _)| (*place, *call));
        for (_, call, promise) in promised {
            self.stand(now, call, promise);
        }
        true
    }

    /// The caller whose phone rings is called by somebody else later.
    pub(super) fn callback_withdrawn_by_driver(&mut self, now: Time, id: CallId) -> bool {
        let Some(RegionalStage::CallingBack { agent, .. }) = self.stage(id) else {
            return false;
        };
        self.callback_withdrawn(now, id);
        self.agent_free(now, agent);
        true
    }

    /// A promise that another program made.
    pub(super) fn callback_kept(&mut self, now: Time, id: CallId, kept: Kept) -> bool {
        if self.calls.contains_key(&id) {
            return false;
        }
        self.counts.offered += 1;
        let since = Time::from_micros(now.as_micros().saturating_sub(kept.waited.as_micros()));
        let Some(decision) = self.scenario.routes.decide(kept.origin, now) else {
            self.fact(
                now,
                id,
                FactKind::Unrouted {
                    origin: kept.origin,
                },
            );
            self.close(now, id, Outcome::ProviderFailed);
            return true;
        };
        let origin = kept.origin;
        self.fact(now, id, FactKind::Routed { origin, decision });
        let decided = match decision.to {
            Destination::Queue(queue) => Some(queue),
            Destination::External(_) => None,
        };
        let known = kept.queue.filter(|queue| queue.index() < self.lines.len());
        let Some(queue) = known.or(decided) else {
            self.close(now, id, Outcome::ProviderFailed);
            return true;
        };
        if decided != Some(queue) {
            self.fact(now, id, FactKind::Diverted(Destination::Queue(queue)));
        }
        let head = CallHead {
            id,
            origin,
            decision,
            earlier: None,
            offered: since,
            reachable: true,
            recordable: kept.recordable,
        };
        self.keep(now, head, queue, kept);
        true
    }

    fn keep(&mut self, now: Time, head: CallHead, queue: QueueId, kept: Kept) {
        let (id, since) = (head.id, head.offered);
        let promise = Promise {
            place: self.line(queue).take_place(),
            queued: Some(if kept.tried == 0 { since } else { now }),
            tried: kept.tried,
        };
        let call = RegionalCall {
            queue,
            stage: RegionalStage::Promising(promise),
            since: now,
        };
        let way = Way::Regional(call);
        self.calls.insert(Call { head, way });
        self.promises[queue.index()].promised();
        let step = CallbackStep::Kept {
            since,
            recordable: kept.recordable,
        };
        self.fact(now, id, FactKind::Callback(step));
        if kept.rests > Span::ZERO {
            let rests = up_to(kept.rests, REST_STEP);
            let timer = self.timers.set(now, rests, WakeReason::CallbackAgain(id));
            self.go(now, id, RegionalStage::Resting { promise, timer });
        } else {
            self.stand(now, id, promise);
        }
    }

    /// An agent writes notes yet, of a call that another program had: one who is there, or whose phone has yet to register.
    pub(super) fn agent_writes(&mut self, now: Time, agent: AgentId, left: Span) -> bool {
        let Some(desk) = self.agents.get_mut(agent.0 as usize) else {
            return false;
        };
        match desk.state {
            AgentState::Ready => {
                let queue = desk.queue;
                self.line(queue).agent_leaves(agent);
                self.writes_on(now, agent, left);
            }
            AgentState::Away => desk.writes_until = Some(now + up_to(left, WRAP_UP_STEP)),
            _ => return false,
        }
        true
    }

    /// What is left of wrap-up begins.
    pub(super) fn writes_on(&mut self, now: Time, agent: AgentId, left: Span) {
        self.wrap_up(now, agent, up_to(left, WRAP_UP_STEP));
    }
}

/// The next multiple of `step`, and no more than a day.
fn up_to(span: Span, step: Span) -> Span {
    const DAY: i64 = 24 * 3600 * 1_000_000;
    let (span, step) = (span.as_micros().clamp(0, DAY), step.as_micros());
    Span::from_micros(span.div_euclid(step) * step + if span % step == 0 { 0 } else { step })
}
