//! What a driver knows of its calls from the outputs alone: every leg that it opened and has to close, every recording, every
//! agent. Asserts at each step that it is never told to do what can't be done.

use std::collections::{BTreeMap, BTreeSet};

use callcore::{
    route::Destination,
    scenario::AgentId,
    switch::{CallId, FactKind, Input, Output, Switch},
};

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) offered: BTreeSet<CallId>,
    pub(crate) ended: BTreeMap<CallId, u32>,
    hung_up: BTreeMap<CallId, u32>,
    /// Decided to leave, or taken over by a provider: never to be recorded.
    external: BTreeSet<CallId>,
    agent_of: BTreeMap<AgentId, CallId>,
    open: BTreeMap<CallId, Open>,
}

/// What is open for a call.
#[derive(Default, Debug)]
struct Open {
    answered: bool,
    /// Promised a call, without a line.
    promised: bool,
    /// The caller's phone rings.
    called_back: bool,
    /// Rung or talked with.
    agent: Option<AgentId>,
    talks: bool,
    /// A provider is tried or has taken over.
    provider: bool,
    records: bool,
}

impl Books {
    /// An input that fitted: what it says of the legs.
    pub(crate) fn heard(&mut self, input: &Input) {
        match input {
            Input::AgentFailed(call, _) => self.agent_is_free(*call),
            Input::ProviderFailed(call, _) => self.at(*call).provider = false,
            Input::CallerAnswered(call) => {
                let open = self.at(*call);
                (open.called_back, open.promised) = (false, false);
            }
            Input::CallerFailed(call, _) => self.at(*call).called_back = false,
            Input::RecordingLost(call) => self.at(*call).records = false,
            Input::AgentAnswered(call) => self.at(*call).talks = true,
            Input::AgentLost(call) => {
                self.agent_is_free(*call);
                self.at(*call).talks = false;
            }
            _ => {}
        }
    }

    /// The agent's phone that was transferred to has the call, and the desk agrees.
    pub(crate) fn taken_by(&mut self, call: CallId, agent: AgentId) {
        self.agent_of.retain(|_, of| *of != call);
        assert_eq!(self.agent_of.insert(agent, call), None, "taken while busy");
        self.at(call).agent = Some(agent);
    }

    pub(crate) fn enter(&mut self, output: &Output) {
        self.enter_agent(output);
        self.enter_leg(output);
        self.enter_recording(output);
        match output {
            Output::Answer(call) => {
                let open = self.at(*call);
                assert!(!open.answered, "answered twice");
                open.answered = true;
            }
            Output::Announce(call, _) | Output::Speak(call, _) | Output::Music(call, _) => {
                let open = self.at(*call);
                assert!(!open.promised || open.called_back, "played to nobody");
            }
            Output::Promise(call) => {
                let open = self.at(*call);
                assert!(open.answered && !open.promised && open.agent.is_none());
                open.promised = true;
            }
            Output::HangUp(call, _) => {
                *self.hung_up.entry(*call).or_default() += 1;
                self.agent_of.retain(|_, of| of != call);
                let open = self.open.remove(call).unwrap_or_default();
                assert!(!open.records, "a recording is left open: {open:?}");
            }
            Output::Fact(fact) => self.enter_fact(fact.call, &fact.what),
            _ => {}
        }
    }

    fn enter_agent(&mut self, output: &Output) {
        match output {
            Output::RingAgent(call, agent) => {
                let before = self.agent_of.insert(*agent, *call);
                assert_eq!(before, None, "an agent in two calls");
                let open = self.at(*call);
                assert_eq!(open.agent.replace(*agent), None, "two agents for a call");
                assert!(open.answered && !open.promised && !open.provider);
            }
            Output::StopRinging(call, agent) => {
                assert!(!self.at(*call).talks, "stopped in mid-talk");
                assert_eq!(self.agent_of.get(agent), Some(call));
                self.agent_is_free(*call);
            }
            Output::Bridge(call) => {
                let open = self.at(*call);
                assert!(open.answered && open.agent.is_some() && open.talks);
            }
            _ => {}
        }
    }

    fn enter_leg(&mut self, output: &Output) {
        match output {
            Output::CallBack(call) => {
                let open = self.at(*call);
                assert!(open.promised && !open.called_back, "called twice");
                (open.called_back, open.answered) = (true, true);
            }
            Output::StopCallingBack(call) => {
                let open = self.at(*call);
                assert!(open.called_back, "nobody is called");
                open.called_back = false;
            }
            Output::HandOver(out) => {
                let open = self.at(out.call);
                assert!(!open.provider && open.agent.is_none() && !open.promised);
                open.provider = true;
            }
            Output::StopTrying(call) => {
                let tried = std::mem::take(&mut self.at(*call).provider);
                assert!(tried, "nobody is tried");
            }
            _ => {}
        }
    }

    fn enter_recording(&mut self, output: &Output) {
        match output {
            Output::StartRecording(call, _) => {
                assert!(!self.external.contains(call), "an external call recorded");
                let open = self.at(*call);
                assert!(open.talks && !open.provider, "nothing to record");
                assert!(!open.records, "two recordings at once");
                open.records = true;
            }
            Output::StopRecording(call) => {
                let ran = std::mem::take(&mut self.at(*call).records);
                assert!(ran, "nothing is recorded");
            }
            _ => {}
        }
    }

    fn enter_fact(&mut self, call: CallId, what: &FactKind) {
        match what {
            FactKind::Ended(_) => *self.ended.entry(call).or_default() += 1,
            FactKind::TakenOver(_) => {
                self.external.insert(call);
            }
            FactKind::Routed { decision, .. } => {
                if let Destination::External(_) = decision.to {
                    self.external.insert(call);
                }
            }
            FactKind::Callback(callcore::switch::CallbackStep::Kept { .. }) => {
                self.at(call).promised = true;
            }
            _ => {}
        }
    }

    fn agent_is_free(&mut self, call: CallId) {
        self.agent_of.retain(|_, of| *of != call);
        self.at(call).agent = None;
    }

    fn at(&mut self, call: CallId) -> &mut Open {
        assert!(
            !self.ended.contains_key(&call),
            "told of a call that is over"
        );
        self.open.entry(call).or_default()
    }

    /// Every offered call is in progress or has ended, every one that waits is in exactly one queue, and switch and driver agree on
    /// who is with whom and what is recorded.
    pub(crate) fn balance(&self, switch: &Switch) {
        let ended = self.ended.values().sum::<u32>() as usize;
        assert_eq!(self.offered.len(), ended + switch.calls_in_progress());
        assert!(self.ended.values().all(|&times| times == 1), "ended twice");
        assert_eq!(self.ended, self.hung_up);
        self.agents_agree(switch);
        let views = switch.queue_views();
        let of = |wanted: &[&str]| {
            switch
                .calls()
                .filter(|call| wanted.contains(&call.state))
                .count()
        };
        let waiting: usize = views.iter().map(|queue| queue.waiting).sum();
        assert_eq!(waiting, of(&["waiting"]));
        let promised: usize = views.iter().map(|queue| queue.promised).sum();
        let kept = of(&["promised", "calling_back"]);
        assert_eq!(
            promised, kept,
            "a promise is kept as long as the call, and no longer"
        );
        for (queue, agents) in views.iter().zip([2, 1, 1, 1, 1]) {
            let all = queue.ready + queue.ringing + queue.talking + queue.wrap_up + queue.away;
            assert_eq!(all, agents);
            let idle = queue.waiting > 0 && queue.ready > 0;
            assert!(!idle, "a caller waits while an agent is idle");
        }
    }

    fn agents_agree(&self, switch: &Switch) {
        let mut busy = BTreeMap::new();
        for view in switch.calls() {
            let open = self.open.get(&view.call);
            let records = open.is_some_and(|open| open.records);
            assert_eq!(view.recording == Some(true), records, "{view:?}");
            // While a caller is called back an agent is kept free, whose phone doesn't ring.
            if let Some(agent) = view.agent {
                let other = busy.insert(agent, view.call);
                assert_eq!(other, None, "an agent in two calls");
                let rings = view.state != "calling_back";
                let told = self.agent_of.get(&agent) == Some(&view.call);
                assert_eq!(rings, told, "{view:?}");
            }
        }
        let views = switch.queue_views();
        let desks: usize = views
            .iter()
            .map(|queue| queue.ringing + queue.talking)
            .sum();
        assert_eq!(
            desks,
            busy.len(),
            "a desk waits for a call that isn't there"
        );
    }

    /// After the last call nothing is open, and nobody is lost.
    pub(crate) fn all_is_over(&self, switch: &Switch) {
        assert_eq!(switch.calls_in_progress(), 0);
        assert!(self.open.is_empty() && self.agent_of.is_empty());
        assert_eq!(switch.wake(), None);
        for queue in switch.queue_views() {
            let at_work = (
                queue.waiting,
                queue.promised,
                queue.ringing,
                queue.talking,
                queue.wrap_up,
            );
            assert_eq!(at_work, (0, 0, 0, 0, 0));
        }
    }
}
