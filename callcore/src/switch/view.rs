//! What a dashboard may see of the switch: no telephone number is known here, so none can be shown.

use std::sync::Arc;

use super::{
    Driver, Switch,
    agents::AgentState,
    call::{Call, OutgoingStage, Recording, RegionalCall, RegionalStage, Way},
    io::{CallId, OUTCOMES, Outcome},
};
use crate::{
    kommun::RegionCode,
    origin::Origin,
    scenario::{AgentId, ProviderId, QueueId, RouteId, Scenario},
    time::{Span, Time},
};

/// A call in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallView {
    /// Which.
    pub call: CallId,
    /// Where it comes from.
    pub origin: Origin,
    /// The rule that won, in the scenario that [`Switch::scenario_of`] names.
    pub route: RouteId,
    /// A short word for what happens to it: `announcement`, `turned_away`, `waiting`, `ringing`, `talking`, `promised`,
    /// `calling_back`, `trying`, `taken_over` or `no_answer`.
    pub state: &'static str,
    /// When that began.
    pub since: Time,
    /// When the call came in.
    pub offered: Time,
    /// The queue, for a regional call.
    pub queue: Option<QueueId>,
    /// The region of the queue, if it serves one.
    pub region: Option<RegionCode>,
    /// The agent who is rung or talks.
    pub agent: Option<AgentId>,
    /// The provider that is tried or has taken over.
    pub provider: Option<ProviderId>,
    /// Whether it is being recorded here, or ought to be and isn't; `None` when it isn't to be recorded (now).
    pub recording: Option<bool>,
}

/// A queue at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueView {
    /// Which.
    pub queue: QueueId,
    /// How many wait on the line.
    pub waiting: usize,
    /// How many are to be called back instead.
    pub promised: usize,
    /// How long the next caller will probably wait; `None` while nobody is there to answer.
    pub expected_wait: Option<Span>,
    /// Since when the first of those who wait on the line has waited.
    pub waiting_since: Option<Time>,
    /// Agents who can take a call at once.
    pub ready: usize,
    /// Agents whose phone rings.
    pub ringing: usize,
    /// Agents in a call.
    pub talking: usize,
    /// Agents in wrap-up or set aside after a call they didn't take.
    pub wrap_up: usize,
    /// Agents who have signed out.
    pub away: usize,
}

/// What the switch has counted since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Calls that came in.
    pub offered: u64,
    /// Calls that ended, by outcome in the order of [`OUTCOMES`].
    pub ended: [u64; OUTCOMES.len()],
    /// Recordings asked for; one that is resumed counts again.
    pub recordings: u64,
    /// Times that a recording was lost or couldn't begin.
    pub recording_gaps: u64,
    /// Inputs that didn't fit the state of what they name.
    pub stray_inputs: u64,
}

impl Counts {
    /// Calls that ended so.
    pub const fn ended_as(&self, outcome: Outcome) -> u64 {
        self.ended[outcome as usize]
    }
}

impl<D: Driver> Switch<D> {
    /// The calls in progress, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = CallView> {
        let calls = self.calls.in_order().into_iter();
        calls.map(|call| call.view(&self.scenario))
    }

    /// One call, while it is in progress.
    pub fn call(&self, call: CallId) -> Option<CallView> {
        let call = self.calls.get(&call)?;
        Some(call.view(&self.scenario))
    }

    /// Whether the caller talks with an agent, or is with the provider that took the call.
    pub fn talks(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|call| match &call.way {
            Way::Regional(call) => call.talks(),
            Way::Outgoing(call) => call.talks(),
        })
    }

    /// How many calls are in progress.
    pub fn calls_in_progress(&self) -> usize {
        self.calls.len()
    }

    /// The rule set that a call came under; its ids belong to this one.
    pub fn scenario_of(&self, call: CallId) -> Option<&Arc<Scenario>> {
        let call = self.calls.get(&call)?;
        Some(call.head.scenario(&self.scenario))
    }

    /// The queues, in the scenario's order.
    pub fn queue_views(&self) -> Vec<QueueView> {
        let mut views: Vec<QueueView> = (0..)
            .map(QueueId)
            .zip(&self.lines)
            .map(|(queue, line)| {
                let mut callers = line.callers().filter_map(|id| self.calls.get(&id));
                QueueView {
                    queue,
                    waiting: line.waiting() - self.promises[queue.index()].in_line(),
                    promised: self.promises[queue.index()].open(),
                    expected_wait: self.expected_wait(queue),
                    waiting_since: callers.find_map(Call::on_the_line_since),
                    ready: line.idle(),
                    ringing: 0,
                    talking: 0,
                    wrap_up: 0,
                    away: 0,
                }
            })
            .collect();
        for agent in &self.agents {
            let view = &mut views[agent.queue.index()];
            match agent.state {
                AgentState::Ready => {}
                AgentState::Ringing(_) => view.ringing += 1,
                AgentState::Talking { .. } => view.talking += 1,
                AgentState::WrapUp(_) => view.wrap_up += 1,
                AgentState::Away => view.away += 1,
            }
        }
        views
    }

    /// What has been counted.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Call {
    fn view(&self, in_force: &Arc<Scenario>) -> CallView {
        let head = &self.head;
        let queue = match &self.way {
            Way::Regional(call) => Some(call.queue),
            Way::Outgoing(_) => None,
        };
        let empty = CallView {
            call: head.id,
            origin: head.origin,
            route: head.decision.route,
            state: "",
            since: head.offered,
            offered: head.offered,
            queue,
            region: queue.and_then(|queue| head.scenario(in_force).queue(queue).region),
            agent: None,
            provider: None,
            recording: None,
        };
        match &self.way {
            Way::Regional(call) => regional_view(
                call.stage,
                CallView {
                    since: call.since,
                    ..empty
                },
            ),
            Way::Outgoing(call) => outgoing_view(
                call.stage,
                CallView {
                    since: call.since,
                    ..empty
                },
            ),
        }
    }

    /// The queue of a regional call.
    #[inline]
    pub(super) const fn queue(&self) -> Option<QueueId> {
        match &self.way {
            Way::Regional(call) => Some(call.queue),
            Way::Outgoing(_) => None,
        }
    }

    /// Since when the caller waits and hears the line; nobody does who is to be called back.
    const fn on_the_line_since(&self) -> Option<Time> {
        match &self.way {
            Way::Regional(RegionalCall {
                stage: RegionalStage::Waiting(spot),
                ..
            }) => spot.queued,
            _ => None,
        }
    }

    #[inline]
    pub(super) const fn queued(&self) -> Option<Time> {
        match &self.way {
            Way::Regional(call) => match call.stage {
                RegionalStage::Waiting(spot) => spot.queued,
                RegionalStage::Promised(promise) => promise.queued,
                _ => None,
            },
            Way::Outgoing(_) => None,
        }
    }
}

fn regional_view(stage: RegionalStage, view: CallView) -> CallView {
    match stage {
        RegionalStage::Greeting | RegionalStage::Choosing(_) => CallView {
            state: "announcement",
            ..view
        },
        RegionalStage::TurningAway => CallView {
            state: "turned_away",
            ..view
        },
        RegionalStage::Waiting(_) => CallView {
            state: "waiting",
            ..view
        },
        RegionalStage::Ringing { agent, .. } => CallView {
            state: "ringing",
            agent: Some(agent),
            ..view
        },
        RegionalStage::Promising(_)
        | RegionalStage::Promised(_)
        | RegionalStage::Resting { .. } => CallView {
            state: "promised",
            ..view
        },
        RegionalStage::CallingBack { agent, .. } => CallView {
            state: "calling_back",
            agent: Some(agent),
            ..view
        },
        RegionalStage::Talking {
            agent, recording, ..
        } => {
            let recording = match recording {
                Recording::None | Recording::Paused => None,
                Recording::Running => Some(true),
                Recording::Lost => Some(false),
            };
            CallView {
                state: "talking",
                agent: Some(agent),
                recording,
                ..view
            }
        }
    }
}

fn outgoing_view(stage: OutgoingStage, view: CallView) -> CallView {
    match stage {
        OutgoingStage::Notice => CallView {
            state: "announcement",
            ..view
        },
        OutgoingStage::Trying { attempt, .. } => CallView {
            state: "trying",
            provider: Some(attempt.to.provider),
            ..view
        },
        OutgoingStage::TakenOver(provider) => CallView {
            state: "taken_over",
            provider: Some(provider),
            ..view
        },
        OutgoingStage::Apology => CallView {
            state: "no_answer",
            ..view
        },
    }
}
