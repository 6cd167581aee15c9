//! The call machine: one task or one event list feeds it inputs in order and carries out its outputs.
//!
//! Three verbs: [`Switch::handle`], [`Switch::poll_output`], [`Switch::wake`]. It works at call level:
//! retransmissions live in the SIP transactions, and audio never enters.
//!
//! Whoever drives it polls until `None` after every input, and wakes it with [`Input::TimePassed`] when the moment of
//! [`Switch::wake`] has come; or is a [`Driver`] that is told every output at once. An input that doesn't fit (a call
//! that has ended, an answer nobody waits for) is what every network brings sooner or later: it is counted and changes
//! nothing.

mod agents;
mod call;
mod callback;
mod divert;
mod external;
mod health;
mod io;
mod kept;
mod menu;
mod permit;
mod recording;
mod regional;
mod spoken;
mod table;
mod timers;
mod view;
mod waiting;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use self::{
    agents::AgentDesk,
    call::{CallHead, Way},
    callback::Promises,
    permit::Floors,
    table::CallTable,
    timers::Timers,
};
pub use self::{
    io::{
        CallId, CallbackStep, ExternalCall, Fact, FactKind, Input, LegFailure, OUTCOMES, Outcome,
        Output, Wake, WakeReason,
    },
    kept::Kept,
    permit::RecordingPermit,
    view::{CallView, Counts, QueueView},
};
use crate::{
    origin::Origin,
    queue::Line,
    route::Destination,
    scenario::{ProviderId, Queue, QueueId, Scenario},
    time::{Span, Time},
};

/// How many calls may be in progress; the next is refused as our fault.
/// Two hundred times the thousand at once of the 2020 peak, and under half a gigabyte of state.
pub const CALLS_MAX: usize = 200_000;

/// The call machine.
#[derive(Debug)]
pub struct Switch<D = Outbox> {
    scenario: Arc<Scenario>,
    calls: CallTable,
    lines: Vec<Line>,
    /// By queue.
    promises: Vec<Promises>,
    agents: Vec<AgentDesk>,
    /// Targets that don't answer, in the providers of the rule set in force.
    down: BTreeSet<(ProviderId, u16)>,
    /// Targets that were down and answer again, and since when.
    up_again: BTreeMap<(ProviderId, u16), Time>,
    timers: Timers,
    floors: Floors,
    /// Callers who were promised to be called back wait for the program that takes this one's place.
    leaves_callbacks: bool,
    driver: D,
    counts: Counts,
}

/// Whoever carries out what a switch says.
pub trait Driver {
    /// Carries out one thing, or notes it. Told while the switch still handles its input: the next input waits until
    /// that is over.
    fn carry_out(&mut self, output: Output);
}

/// Notes what is to be carried out, until it is [polled](Switch::poll_output).
#[derive(Debug, Default)]
pub struct Outbox(VecDeque<Output>);

impl Driver for Outbox {
    fn carry_out(&mut self, output: Output) {
        self.0.push_back(output);
    }
}

/// Why another rule set can't take over while calls are in progress.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// A queue differs.
    #[error(
        "queue `{queue}` is new, gone or changed; only routes, providers and announcements can be replaced \
         while the switch runs: restart it, or leave the queues as they are"
    )]
    Queue {
        /// The first queue that differs, by the name it has or had.
        queue: Box<str>,
    },
    /// The answering places of a queue differ.
    #[error(
        "the agents of queue `{queue}` changed; only routes, providers and announcements can be replaced \
         while the switch runs: restart it, or leave the agents as they are"
    )]
    Agents {
        /// The queue whose agents differ.
        queue: Box<str>,
    },
}

impl Switch {
    /// A switch without calls, all of whose agents are ready, in the order in which the scenario names them.
    pub fn new(scenario: Arc<Scenario>) -> Self {
        Self::driven(scenario, Outbox::default())
    }

    /// The next thing the driver is to do; `None` when it has been told everything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.driver.0.pop_front()
    }
}

impl<D: Driver> Switch<D> {
    /// The same, for a driver that carries out at once what it is told.
    pub fn driven(scenario: Arc<Scenario>, driver: D) -> Self {
        let mut lines = first_lines(&scenario);
        let agents = AgentDesk::at_start(&scenario, &mut lines);
        Self {
            scenario,
            calls: CallTable::default(),
            promises: vec![Promises::default(); lines.len()],
            lines,
            agents,
            down: BTreeSet::new(),
            up_again: BTreeMap::new(),
            timers: Timers::default(),
            floors: Floors::default(),
            leaves_callbacks: false,
            driver,
            counts: Counts::default(),
        }
    }

    /// Takes one input. Inputs come in the order of their times.
    pub fn handle(&mut self, now: Time, input: Input) {
        let fits = match input {
            Input::Offered {
                call,
                origin,
                reachable,
            } => self.offered(now, call, origin, reachable),
            Input::AnnouncementDone(call) => self.announcement_done(now, call),
            Input::AgentRinging(call) | Input::ProviderRinging(call) => {
                self.far_end_rings(now, call, &input)
            }
            Input::AgentAnswered(call) => self.agent_answered(now, call),
            Input::AgentFailed(call, _) => self.agent_failed(now, call),
            Input::ProviderAnswered(call) => self.provider_answered(now, call),
            Input::ProviderFailed(call, failure) => self.provider_failed(now, call, failure),
            Input::Digit(call, digit) => self.digit(now, call, digit),
            Input::CallerAnswered(call) => self.caller_answered(now, call),
            Input::CallerFailed(call, failure) => self.caller_failed(now, call, failure),
            Input::CallbacksWait => self.callbacks_wait(),
            Input::CallbacksGoOn => self.callbacks_go_on(now),
            Input::CallbackWithdrawn(call) => self.callback_withdrawn_by_driver(now, call),
            Input::CallbackKept(call, kept) => self.callback_kept(now, call, *kept),
            Input::AgentWrites(agent, left) => self.agent_writes(now, agent, left),
            Input::TargetDown(provider, target) => self.target_is(now, provider, target, false),
            Input::TargetUp(provider, target) => self.target_is(now, provider, target, true),
            Input::CallerGone(call) => self.caller_gone(now, call),
            Input::FarEndGone(call) => self.far_end_gone(now, call),
            Input::AgentLost(call) => self.agent_lost(now, call),
            Input::Held(call) => self.held(call),
            Input::Resumed(call) => self.resumed(now, call),
            Input::Transferred(call) => self.transferred(now, call),
            Input::TakenBy(call, agent) => self.taken_by(now, call, agent),
            Input::CallLost(call) => {
                self.keeps_promise(now, call) || self.end(now, call, Outcome::OurFault)
            }
            Input::CallerIncompatible(call) => {
                self.keeps_promise(now, call) || self.end(now, call, Outcome::Incompatible)
            }
            Input::Vanished(call) => {
                self.keeps_promise(now, call) || self.end(now, call, Outcome::Vanished)
            }
            Input::RecordingStarted(call) => self.recording_started(now, call),
            Input::RecordingLost(call) => self.recording_lost(now, call),
            Input::RecorderBack => self.recorder_back(now),
            Input::AgentReady(agent) => self.agent_ready(now, agent),
            Input::AgentAway(agent) => self.agent_away(now, agent),
            Input::TableReplaced(scenario) => self.replace(scenario).is_ok(),
            Input::TimePassed => self.time_passed(now),
        };
        if !fits {
            self.counts.stray_inputs += 1;
        }
    }

    /// Whoever carries out what it says.
    pub const fn driver(&self) -> &D {
        &self.driver
    }

    /// The same, to be changed.
    pub const fn driver_mut(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Gives back whoever carried out what it said, when it is over.
    pub fn into_driver(self) -> D {
        self.driver
    }

    /// When, and why, the switch wants [`Input::TimePassed`]; `None` while it waits for others only.
    pub fn wake(&self) -> Option<Wake> {
        self.timers.next()
    }

    /// The moment of [`Switch::wake`] alone, for drivers that ask after every input.
    pub fn wake_at(&self) -> Option<Time> {
        self.timers.next_at()
    }

    /// Lets another rule set decide for new calls. Calls in progress keep the one they came under.
    ///
    /// # Errors
    /// When the queues or their agents differ: callers wait in them.
    pub fn replace(&mut self, scenario: Arc<Scenario>) -> Result<(), ReplaceError> {
        let (old, new) = (&self.scenario, &scenario);
        let longer = if old.queues.len() >= new.queues.len() {
            old
        } else {
            new
        };
        let differs = (0..longer.queues.len()).find(|&at| old.queues.get(at) != new.queues.get(at));
        if let Some(at) = differs {
            return Err(ReplaceError::Queue {
                queue: longer.queues[at].name.clone(),
            });
        }
        let longer = if old.agents.len() >= new.agents.len() {
            old
        } else {
            new
        };
        let differs = (0..longer.agents.len()).find(|&at| old.agents.get(at) != new.agents.get(at));
        if let Some(at) = differs {
            return Err(ReplaceError::Agents {
                queue: longer.queue(longer.agents[at].queue).name.clone(),
            });
        }
        let before = std::mem::replace(&mut self.scenario, scenario);
        for call in self.calls.every() {
            call.head.earlier.get_or_insert_with(|| Arc::clone(&before));
        }
        // The providers may be others now; who watches them tells again.
        self.down.clear();
        self.up_again.clear();
        self.floors = Floors::default();
        Ok(())
    }

    /// The rule set that decides for new calls.
    pub const fn scenario(&self) -> &Arc<Scenario> {
        &self.scenario
    }

    fn offered(&mut self, now: Time, id: CallId, origin: Origin, reachable: bool) -> bool {
        if self.calls.contains_key(&id) {
            return false;
        }
        self.counts.offered += 1;
        if self.calls.len() >= CALLS_MAX {
            self.close(now, id, Outcome::OurFault);
            return true;
        }
        let Some(decision) = self.scenario.routes.decide(origin, now) else {
            self.fact(now, id, FactKind::Unrouted { origin });
            self.close(now, id, Outcome::ProviderFailed);
            return true;
        };
        self.fact(now, id, FactKind::Routed { origin, decision });
        let head = CallHead {
            id,
            origin,
            decision,
            earlier: None,
            offered: now,
            reachable,
            recordable: true,
        };
        match decision.to {
            Destination::Queue(queue) => self.offer_regional(now, head, queue),
            Destination::External(external) => self.offer_external(now, head, external),
        }
        true
    }

    fn announcement_done(&mut self, now: Time, id: CallId) -> bool {
        match self.calls.get(&id).map(|call| &call.way) {
            Some(Way::Regional(_)) => self.regional_announcement_done(now, id),
            Some(Way::Outgoing(_)) => self.outgoing_announcement_done(now, id),
            None => false,
        }
    }

    fn far_end_rings(&mut self, now: Time, id: CallId, input: &Input) -> bool {
        let Some(call) = self.calls.get(&id) else {
            return false;
        };
        let fits = match (&call.way, input) {
            (Way::Regional(call), Input::AgentRinging(_)) => call.rings(),
            (Way::Outgoing(call), Input::ProviderRinging(_)) => call.tries(),
            _ => false,
        };
        if fits {
            self.fact(now, id, FactKind::Ringing);
        }
        fits
    }

    fn caller_gone(&mut self, now: Time, id: CallId) -> bool {
        if self.keeps_promise(now, id) {
            return true;
        }
        let Some(call) = self.calls.get(&id) else {
            return false;
        };
        let outcome = match &call.way {
            Way::Regional(call) => call.outcome_if_caller_leaves(),
            Way::Outgoing(call) => call.outcome_if_caller_leaves(),
        };
        self.end(now, id, outcome)
    }

    fn far_end_gone(&mut self, now: Time, id: CallId) -> bool {
        self.talks(id) && self.end(now, id, Outcome::Completed)
    }

    fn time_passed(&mut self, now: Time) -> bool {
        let mut woken = false;
        while let Some(why) = self.timers.take_due(now) {
            woken = true;
            match why {
                WakeReason::RingTimeout(call) => self.ring_timeout(now, call),
                WakeReason::ProviderTimeout(call) => self.provider_timeout(now, call),
                WakeReason::WrapUpDone(agent) => self.wrap_up_done(now, agent),
                WakeReason::CallbackTimeout(call) => self.callback_timeout(now, call),
                WakeReason::CallbackAgain(call) => self.callback_again(now, call),
                WakeReason::MenuTimeout(call) => self.menu_timeout(now, call),
                WakeReason::SpeakAgain(call) => self.speak_again(now, call),
            }
        }
        woken
    }

    /// Ends a call, whatever its state. The only way out of the list of calls.
    fn end(&mut self, now: Time, id: CallId, outcome: Outcome) -> bool {
        let Some(way) = self.calls.remove(&id) else {
            return false;
        };
        match way {
            Way::Regional(regional) => {
                self.stop_regional(id, &regional);
                self.close(now, id, outcome);
                self.release_agent(now, &regional);
            }
            Way::Outgoing(outgoing) => {
                self.stop_outgoing(&outgoing);
                self.close(now, id, outcome);
            }
        }
        true
    }

    /// Says that a call is over: the one place for [`FactKind::Ended`] and [`Output::HangUp`] (invariant 5).
    fn close(&mut self, now: Time, id: CallId, outcome: Outcome) {
        self.counts.ended[outcome as usize] += 1;
        self.fact(now, id, FactKind::Ended(outcome));
        self.driver.carry_out(Output::HangUp(id, outcome));
    }

    // Inlined so that each kind of fact is written where it goes, and not copied there.
    #[inline(always)]
    fn fact(&mut self, at: Time, call: CallId, what: FactKind) {
        self.driver.carry_out(Output::Fact(Fact { at, call, what }));
    }

    const fn line(&mut self, queue: QueueId) -> &mut Line {
        &mut self.lines.as_mut_slice()[queue.index()]
    }
}

/// The queues before the first call: a call is taken to last as long as calls are said to last.
fn first_lines(scenario: &Scenario) -> Vec<Line> {
    let talk = scenario.traffic.talk_mean.as_micros();
    let handling = |queue: &Queue| Span::from_micros(talk + queue.wrap_up.as_micros());
    let lines = scenario.queues.iter().map(handling);
    lines.map(Line::new).collect()
}
