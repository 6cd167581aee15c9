//! A switch on a bench: what goes in is written down in the test, what comes out is told in short words.

use std::sync::Arc;

use callcore::{
    digit::Digit,
    origin::Origin,
    scenario::{AgentId, Scenario},
    switch::{CallId, Input, Output, RecordingPermit, Switch},
    tag::RecordingTag,
    time::{Span, Time},
};

/// 2026-03-02 09:00 in Sweden, a Monday.
pub(crate) const MORNING: i64 = 1_772_438_400_000_000;

pub(crate) const RECORDED: &str = "0180";
pub(crate) const UNRECORDED: &str = "0380";
pub(crate) const DIRECT: &str = "0480";
pub(crate) const RELAY: &str = "1780";
pub(crate) const CALLS_BACK: &str = "2380";
pub(crate) const SPEAKS: &str = "2280";
pub(crate) const MENU: &str = "2180";
pub(crate) const SMALL: &str = "2480";
pub(crate) const FAILS_OVER: &str = "2580";
pub(crate) const RELEASE: &str = "1880";

pub(crate) struct Bench {
    pub(crate) switch: Switch,
    pub(crate) now: Time,
    /// Permits that came out, newest last.
    pub(crate) permits: Vec<RecordingPermit>,
    calls: u64,
}

pub(crate) fn scenario() -> Arc<Scenario> {
    Arc::new(
        Scenario::from_toml(include_str!("scenario.toml"), "scenario.toml")
            .expect("the tests' scenario is valid"),
    )
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(scenario())
    }

    /// By other rules.
    pub(crate) fn with(scenario: Arc<Scenario>) -> Self {
        Self {
            switch: Switch::new(scenario),
            now: Time::from_micros(MORNING),
            permits: Vec::new(),
            calls: 0,
        }
    }

    /// What the recording that was asked for last must be tagged with.
    pub(crate) fn tag(&mut self) -> Option<RecordingTag> {
        self.permits.pop()?.into_tag(&self.switch)
    }

    /// Lets time pass, without telling the switch.
    pub(crate) fn wait(&mut self, seconds: u32) -> &mut Self {
        self.now = self.now + Span::from_secs(seconds);
        self
    }

    /// A call comes in from a kommun.
    pub(crate) fn call(&mut self, kommun: &str) -> (CallId, String) {
        self.calls += 1;
        let call = CallId(self.calls);
        let heard = self.tell(Input::Offered {
            call,
            origin: Origin::from_code(kommun),
            reachable: true,
        });
        (call, heard)
    }

    /// The caller presses a key.
    pub(crate) fn press(&mut self, call: CallId, key: &str) -> String {
        let digit = Digit::parse(key).expect("a key");
        self.tell(Input::Digit(call, digit))
    }

    /// A call that talks with an agent by now.
    pub(crate) fn connected(&mut self, kommun: &str) -> CallId {
        let (call, _) = self.call(kommun);
        if kommun == RECORDED {
            self.tell(Input::AnnouncementDone(call));
        }
        let heard = self.tell(Input::AgentAnswered(call));
        assert!(heard.starts_with("bridge"), "{heard}");
        call
    }

    /// Gives one input; what comes out, in short words joined by spaces. Facts are in brackets.
    pub(crate) fn tell(&mut self, input: Input) -> String {
        self.switch.handle(self.now, input);
        let mut heard = Vec::new();
        while let Some(output) = self.switch.poll_output() {
            heard.push(self.short(output));
        }
        heard.join(" ")
    }

    /// Lets the switch's next timer run out.
    pub(crate) fn next_timer(&mut self) -> String {
        self.now = self.switch.wake().expect("a timer runs").at;
        self.tell(Input::TimePassed)
    }

    pub(crate) fn away(&mut self, agents: impl IntoIterator<Item = u32>) {
        for agent in agents {
            self.tell(Input::AgentAway(AgentId(agent)));
        }
    }

    fn short(&mut self, output: Output) -> String {
        let scenario = Arc::clone(self.switch.scenario());
        let name = |id: callcore::scenario::AnnouncementId| {
            scenario.announcements[id.index()].name.to_string()
        };
        match output {
            Output::Answer(_) => "answer".to_owned(),
            Output::Announce(_, id) => format!("announce:{}", name(id)),
            Output::Speak(_, spoken) => format!(
                "speak:{}/{}",
                spoken.place.unwrap_or(0),
                spoken.wait.map_or(-1, |wait| wait.as_micros() / 1_000_000)
            ),
            Output::Music(_, id) => format!("music:{}", name(id)),
            Output::RingAgent(call, agent) => format!("ring:{}<-{}", agent.0, call.0),
            Output::StopRinging(_, agent) => format!("stop-ringing:{}", agent.0),
            Output::Promise(_) => "promise".to_owned(),
            Output::CallBack(call) => format!("call-back:{}", call.0),
            Output::StopCallingBack(_) => "stop-calling-back".to_owned(),
            Output::Bridge(_) => "bridge".to_owned(),
            Output::HandOver(out) => {
                let provider = &scenario.provider(out.provider).name;
                format!(
                    "hand-over:{provider}/{}/{}",
                    out.target,
                    out.handover.name()
                )
            }
            Output::StopTrying(_) => "stop-trying".to_owned(),
            Output::StartRecording(_, permit) => {
                self.permits.push(permit);
                "record".to_owned()
            }
            Output::StopRecording(_) => "stop-recording".to_owned(),
            Output::HangUp(_, outcome) => format!("hang-up:{}", outcome.label()),
            Output::Fact(fact) => format!("[{}]", short_fact(&fact.what)),
        }
    }
}

fn short_fact(what: &callcore::switch::FactKind) -> String {
    let text = format!("{what:?}");
    let word: String = text
        .chars()
        .take_while(|c| c.is_ascii_alphabetic())
        .collect();
    word.to_lowercase()
}
