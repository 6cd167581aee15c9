//! The answering places: who is ready, rung, talking, in wrap-up or away.

use super::{
    Driver, Switch,
    call::RegionalStage,
    io::{CallId, WakeReason},
    timers::TimerKey,
};
use crate::{
    queue::Line,
    scenario::{AgentId, Contact, QueueId, Scenario},
    time::{Span, Time},
};

/// How long an agent who was rung in vain is left alone at the least, also in a queue without wrap-up:
/// a phone that refuses at once would otherwise be rung in a tight loop.
pub(super) const SET_ASIDE_MIN: Span = Span::from_secs(5);

/// One answering place.
#[derive(Debug)]
pub(super) struct AgentDesk {
    pub(super) queue: QueueId,
    pub(super) state: AgentState,
    /// Of one who is away, and had a call of another program's: until when the notes on it take.
    pub(super) writes_until: Option<Time>,
}

/// What an agent does.
#[derive(Debug, Clone, Copy)]
pub(super) enum AgentState {
    Ready,
    Ringing(CallId),
    Talking { call: CallId, then: Then },
    WrapUp(TimerKey),
    Away,
}

/// What an agent does after the call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    WrapUp,
    Away,
}

impl AgentDesk {
    /// Everyone is ready at the start, but those whose phones must register first.
    pub(super) fn at_start(scenario: &Scenario, lines: &mut [Line]) -> Vec<Self> {
        (0..)
            .map(AgentId)
            .zip(&scenario.agents)
            .map(|(id, agent)| {
                let state = if matches!(agent.contact, Contact::Registers(_)) {
                    AgentState::Away
                } else {
                    lines[agent.queue.index()].staff_came();
                    lines[agent.queue.index()].agent_idle(id);
                    AgentState::Ready
                };
                Self {
                    queue: agent.queue,
                    state,
                    writes_until: None,
                }
            })
            .collect()
    }
}

impl<D: Driver> Switch<D> {
    pub(super) fn agent_ready(&mut self, now: Time, agent: AgentId) -> bool {
        match self.desk(agent).map(|desk| desk.state) {
            Some(AgentState::Away) => {
                self.staff_came(agent);
                self.agent_came(now, agent);
            }
            Some(AgentState::WrapUp(timer)) => {
                self.timers.stop(timer);
                self.agent_free(now, agent);
            }
            Some(AgentState::Talking {
                call,
                then: Then::Away,
            }) => {
                self.put(
                    agent,
                    AgentState::Talking {
                        call,
                        then: Then::WrapUp,
                    },
                );
            }
            _ => return false,
        }
        true
    }

    pub(super) fn agent_away(&mut self, now: Time, agent: AgentId) -> bool {
        let Some(desk) = self.desk(agent) else {
            return false;
        };
        let (queue, state) = (desk.queue, desk.state);
        match state {
            AgentState::Away
            | AgentState::Talking {
                then: Then::Away, ..
            } => return false,
            // Who talks finishes the call first.
            AgentState::Talking {
                call,
                then: Then::WrapUp,
            } => {
                self.put(
                    agent,
                    AgentState::Talking {
                        call,
                        then: Then::Away,
                    },
                );
                return true;
            }
            AgentState::Ready => self.line(queue).agent_leaves(agent),
            AgentState::WrapUp(timer) => self.timers.stop(timer),
            AgentState::Ringing(_) => {}
        }
        self.goes_away(agent, queue);
        if let AgentState::Ringing(call) = state {
            self.ring_withdrawn(now, call);
        }
        true
    }

    pub(super) fn agent_rings(&mut self, agent: AgentId, call: CallId) {
        self.put(agent, AgentState::Ringing(call));
    }

    pub(super) fn agent_talks(&mut self, agent: AgentId, call: CallId) {
        self.put(
            agent,
            AgentState::Talking {
                call,
                then: Then::WrapUp,
            },
        );
    }

    /// The agent's call is over.
    pub(super) fn agent_done(&mut self, now: Time, agent: AgentId) {
        let Some(desk) = self.desk(agent) else { return };
        let (queue, state) = (desk.queue, desk.state);
        match (state, self.scenario.queue(queue).wrap_up) {
            (
                AgentState::Talking {
                    then: Then::Away, ..
                },
                _,
            ) => self.goes_away(agent, queue),
            (_, Span::ZERO) => self.agent_free(now, agent),
            (_, wrap_up) => self.wrap_up(now, agent, wrap_up),
        }
    }

    /// The agent's call is over for the agent alone: the same caller must not ring there again at once.
    pub(super) fn agent_gave_up(&mut self, now: Time, agent: AgentId) {
        let leaves = matches!(
            self.desk(agent).map(|desk| desk.state),
            Some(AgentState::Talking {
                then: Then::Away,
                ..
            })
        );
        if leaves {
            self.agent_done(now, agent);
        } else {
            self.agent_set_aside(now, agent);
        }
    }

    /// Another agent has the call now; whoever she was rung for is put back. One whose desk says that she is in another call is left
    /// as she is, and so is the first: then that desk answers for the call to its end.
    pub(super) fn taken_by(&mut self, now: Time, id: CallId, agent: AgentId) -> bool {
        let Some(RegionalStage::Talking { agent: before, .. }) = self.stage(id) else {
            return false;
        };
        let Some(desk) = self.desk(agent).filter(|_| before != agent) else {
            return false;
        };
        let (queue, state) = (desk.queue, desk.state);
        let then = match state {
            AgentState::Ready => {
                self.line(queue).agent_leaves(agent);
                Then::WrapUp
            }
            AgentState::WrapUp(timer) => {
                self.timers.stop(timer);
                Then::WrapUp
            }
            AgentState::Away => {
                self.staff_came(agent);
                Then::Away
            }
            AgentState::Ringing(_) => Then::WrapUp,
            AgentState::Talking { .. } => return false,
        };
        if let Some(call) = self.regional(id)
            && let RegionalStage::Talking { agent: has, .. } = &mut call.stage
        {
            *has = agent;
        }
        self.put(agent, AgentState::Talking { call: id, then });
        // Before the first is free, who then is there for the longest waiting.
        if let AgentState::Ringing(other) = state {
            self.ring_withdrawn(now, other);
        }
        self.agent_done(now, before);
        true
    }

    /// The agent was rung in vain.
    pub(super) fn agent_set_aside(&mut self, now: Time, agent: AgentId) {
        let Some(desk) = self.desk(agent) else { return };
        let wrap_up = self.scenario.queue(desk.queue).wrap_up;
        self.wrap_up(now, agent, wrap_up.max(SET_ASIDE_MIN));
    }

    pub(super) fn wrap_up_done(&mut self, now: Time, agent: AgentId) {
        if let Some(AgentState::WrapUp(_)) = self.desk(agent).map(|desk| desk.state) {
            self.agent_free(now, agent);
        }
    }

    /// The agent is there, and can take a call unless there are notes to write yet.
    fn agent_came(&mut self, now: Time, agent: AgentId) {
        let desk = self.agents.get_mut(agent.0 as usize);
        let until = desk.and_then(|desk| desk.writes_until.take());
        match until.map(|until| until.since(now)) {
            Some(left) if left > Span::ZERO => self.writes_on(now, agent, left),
            _ => self.agent_free(now, agent),
        }
    }

    /// The agent can take a call at once.
    pub(super) fn agent_free(&mut self, now: Time, agent: AgentId) {
        let Some(queue) = self.desk(agent).map(|desk| desk.queue) else {
            return;
        };
        self.put(agent, AgentState::Ready);
        self.line(queue).agent_idle(agent);
        self.serve(now, queue);
    }

    pub(super) fn wrap_up(&mut self, now: Time, agent: AgentId, span: Span) {
        let timer = self.timers.set(now, span, WakeReason::WrapUpDone(agent));
        self.put(agent, AgentState::WrapUp(timer));
    }

    fn goes_away(&mut self, agent: AgentId, queue: QueueId) {
        self.line(queue).staff_left();
        self.put(agent, AgentState::Away);
    }

    fn staff_came(&mut self, agent: AgentId) {
        if let Some(queue) = self.desk(agent).map(|desk| desk.queue) {
            self.line(queue).staff_came();
        }
    }

    fn put(&mut self, agent: AgentId, state: AgentState) {
        if let Some(desk) = self.agents.get_mut(agent.0 as usize) {
            desk.state = state;
        }
    }

    pub(super) fn desk(&self, agent: AgentId) -> Option<&AgentDesk> {
        self.agents.get(agent.0 as usize)
    }
}
