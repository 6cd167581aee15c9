//! What goes into the switch and what comes out of it: the whole border between the rules and a driver.

use std::sync::Arc;

use super::{kept::Kept, permit::RecordingPermit};
use crate::{
    digit::Digit,
    origin::Origin,
    route::{Decision, Destination, External, Handover},
    scenario::{AgentId, AnnouncementId, ProviderId, QueueId, Scenario},
    speech::Spoken,
    time::{Span, Time},
};

/// A call in this switch. Counts up from 1 and is never used again within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// What happens to the switch.
#[derive(Debug, Clone)]
pub enum Input {
    /// A call reached the switch.
    Offered {
        /// The driver's name for it; new.
        call: CallId,
        /// Where it comes from.
        origin: Origin,
        /// Whether the caller could be called back: a number came with the call.
        reachable: bool,
    },
    /// The announcement that was asked for has been played to its end.
    AnnouncementDone(CallId),
    /// The agent's phone rings. For facts only.
    AgentRinging(CallId),
    /// The agent that was rung answered.
    AgentAnswered(CallId),
    /// The agent that was rung can't or won't take the call.
    AgentFailed(CallId, LegFailure),
    /// The provider's side rings.
    ProviderRinging(CallId),
    /// The provider answered (direct, relay), or the caller was sent on (release).
    ProviderAnswered(CallId),
    /// The provider could not be reached at the target that was tried.
    ProviderFailed(CallId, LegFailure),
    /// The caller pressed a key.
    Digit(CallId, Digit),
    /// The caller who is called back answered.
    CallerAnswered(CallId),
    /// The caller who is called back couldn't be reached this time.
    CallerFailed(CallId, LegFailure),
    /// Another program takes this one's place soon: nobody is called back from now on, and promises wait for that one.
    CallbacksWait,
    /// No other program comes after all: callers who wait for it are called back from here again.
    CallbacksGoOn,
    /// The caller whose phone rings is let alone, and called back by that program.
    CallbackWithdrawn(CallId),
    /// A promise that the program before this one made.
    CallbackKept(CallId, Box<Kept>),
    /// An agent writes notes yet, of a call of that program's; one whose phone has to register first does so after that.
    AgentWrites(AgentId, Span),
    /// A provider's target doesn't answer any more when asked whether it is there: it is passed over until it does.
    TargetDown(ProviderId, u16),
    /// It answers again.
    TargetUp(ProviderId, u16),
    /// The caller hung up or cancelled.
    CallerGone(CallId),
    /// The far end (agent or provider) hung up.
    FarEndGone(CallId),
    /// Whoever had the call is gone, or gave it to somebody who doesn't take it; the caller is there.
    AgentLost(CallId),
    /// One side holds the other: there is no conversation to record.
    Held(CallId),
    /// The conversation goes on after it was held.
    Resumed(CallId),
    /// Another phone took over from the agent's: what is said now is another recording.
    Transferred(CallId),
    /// That phone is this agent's: who had the call before writes notes now.
    TakenBy(CallId, AgentId),
    /// The driver lost the call by a fault of its own (no port for audio, a call of four hours).
    CallLost(CallId),
    /// The caller's session description can't be agreed to: no codec in common, no encryption where it must be.
    CallerIncompatible(CallId),
    /// One side gives no sign of life: no ACK, no answer to a session timer, no audio.
    Vanished(CallId),
    /// The recorder accepted the recording of this call.
    RecordingStarted(CallId),
    /// The recorder is gone or refused; the call goes on and the gap is counted.
    RecordingLost(CallId),
    /// The recorder can be reached again: recordings that were lost resume.
    RecorderBack,
    /// An agent signed in, or is free again.
    AgentReady(AgentId),
    /// An agent signed out.
    AgentAway(AgentId),
    /// Another rule set takes over for new calls; calls in progress keep their decision.
    TableReplaced(Arc<Scenario>),
    /// The moment named by [`Switch::wake`](super::Switch::wake) has come.
    TimePassed,
}

/// Why a leg to an agent or a provider failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LegFailure {
    /// 486 or 600.
    Busy,
    /// Rang too long, or 480/408 after ringing.
    NoAnswer,
    /// 4xx or 6xx other than busy.
    Refused,
    /// 5xx, a timeout, or a transport error.
    Unavailable,
    /// The driver couldn't call by a fault of its own (no port for audio): nobody was asked.
    OurFault,
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Output {
    /// Answer the caller (200 OK); audio can flow from now on.
    Answer(CallId),
    /// Play this once to the caller, then say [`Input::AnnouncementDone`]. To a caller who has not been
    /// answered it is early media (183).
    Announce(CallId, AnnouncementId),
    /// Say this once to the caller, put together from recorded words, then say [`Input::AnnouncementDone`].
    Speak(CallId, Spoken),
    /// Play this over and over to the caller, until something else is asked for.
    Music(CallId, AnnouncementId),
    /// Ring this agent for this call.
    RingAgent(CallId, AgentId),
    /// Stop ringing this agent: it took too long or the caller left.
    StopRinging(CallId, AgentId),
    /// Hang up on the caller, but keep the number: the call goes on without a line, and the caller is called back.
    Promise(CallId),
    /// Call the caller back: a new leg to the number, and say [`Input::CallerAnswered`] or [`Input::CallerFailed`].
    CallBack(CallId),
    /// The caller's phone rang too long: cancel the leg that the last [`Output::CallBack`] asked for.
    StopCallingBack(CallId),
    /// Join the caller and the agent that answered.
    Bridge(CallId),
    /// Try a provider: an outgoing call (`direct`, `relay`) or a 302 (`release`).
    HandOver(ExternalCall),
    /// The provider rang too long: cancel the leg that the last [`Output::HandOver`] asked for.
    StopTrying(CallId),
    /// Record the call that is bridged. The permit is the only key to a recording and is used up by it.
    StartRecording(CallId, RecordingPermit),
    /// The call ended or was held: close its recording.
    StopRecording(CallId),
    /// End every leg that is left; an unanswered caller gets the SIP status that fits the outcome.
    HangUp(CallId, Outcome),
    /// Something happened that is logged, counted and shown.
    Fact(Fact),
}

/// An external call on its way out. It has no permit to record and no method that leads to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalCall {
    /// The call.
    pub call: CallId,
    /// The provider to try.
    pub provider: ProviderId,
    /// Which of the provider's SIP targets, counted from 0.
    pub target: usize,
    /// How the call leaves.
    pub handover: Handover,
}

/// How a call ended. Every call ends once, with one of these (invariant 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Caller and nurse (or provider) talked, and either hung up.
    Completed,
    /// Sent on to a provider by `release`; what follows is not ours to see.
    HandedOver,
    /// The caller hung up before anybody answered.
    Abandoned,
    /// The overload guard turned the caller away after an announcement.
    TurnedAway,
    /// No rule, no provider or no agent could take it.
    ProviderFailed,
    /// The switch or its network failed.
    OurFault,
    /// A caller who was promised to be called back could not be reached, as often as the queue tries.
    Unreached,
    /// One side gave no sign of life any more: its line is cut, or its telephone is dead.
    Vanished,
    /// Caller and switch have no form of audio in common (488).
    Incompatible,
}

/// Every outcome, in the order they are listed.
pub const OUTCOMES: [Outcome; 9] = [
    Outcome::Completed,
    Outcome::HandedOver,
    Outcome::Abandoned,
    Outcome::TurnedAway,
    Outcome::ProviderFailed,
    Outcome::OurFault,
    Outcome::Unreached,
    Outcome::Vanished,
    Outcome::Incompatible,
];

impl Outcome {
    /// A short word for logs and metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::HandedOver => "handed_over",
            Self::Abandoned => "abandoned",
            Self::TurnedAway => "turned_away",
            Self::ProviderFailed => "provider_failed",
            Self::OurFault => "our_fault",
            Self::Unreached => "unreached",
            Self::Vanished => "vanished",
            Self::Incompatible => "incompatible",
        }
    }
}

/// One thing that happened, typed: the log line, the metric and the ledger entry are all made from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// When.
    pub at: Time,
    /// To which call.
    pub call: CallId,
    /// What.
    pub what: FactKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum FactKind {
    /// A call came in and was decided upon.
    Routed {
        /// Where it came from.
        origin: Origin,
        /// What the table said, and by which rule.
        decision: Decision,
    },
    /// A call came in and no rule of the table takes it.
    Unrouted {
        /// Where it came from.
        origin: Origin,
    },
    /// A queue that is full, or providers that all failed, sent the call to another place than was decided.
    /// Whether it may be recorded is still the decision's to say: what was to be external is not recorded here.
    Diverted(Destination),
    /// The caller began to wait. Once a call, also when it goes back to the queue.
    Queued(QueueId),
    /// The caller is, or will be, called back.
    Callback(CallbackStep),
    /// The far end's phone rings.
    Ringing,
    /// An agent and the caller talk.
    Connected {
        /// Whose queue.
        queue: QueueId,
        /// Who.
        agent: AgentId,
    },
    /// A provider was tried.
    Tried(External),
    /// A provider, or some of its targets, was passed over: they are known to be down.
    PassedOver(External),
    /// A provider took the call.
    TakenOver(External),
    /// A provider failed.
    ProviderFailed(External, LegFailure),
    /// The recorder confirmed the recording.
    Recording,
    /// The recorder was lost in mid-call, or never answered.
    RecordingGap,
    /// The call is over.
    Ended(Outcome),
}

/// How far a promise to call back has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackStep {
    /// The caller is offered it.
    Offered,
    /// The caller took the offer; from now on the place is kept without a line.
    Promised,
    /// The caller's turn has come, and the switch calls.
    Tried,
    /// The caller couldn't be reached this time.
    Failed(LegFailure),
    /// The caller answered.
    Reached,
    /// The program before this one promised it, and this one keeps it.
    Kept {
        /// When the wait began.
        since: Time,
        /// Whether the call may be recorded.
        recordable: bool,
    },
}

impl CallbackStep {
    /// A short word for logs and metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Promised => "promised",
            Self::Tried => "tried",
            Self::Failed(_) => "failed",
            Self::Reached => "reached",
            Self::Kept { .. } => "kept",
        }
    }
}

/// When, and why, the switch wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// The moment.
    pub at: Time,
    /// The reason.
    pub why: WakeReason,
}

/// Why the switch wakes: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WakeReason {
    /// An agent has rung long enough.
    RingTimeout(CallId),
    /// A provider has rung long enough.
    ProviderTimeout(CallId),
    /// An agent's wrap-up is over.
    WrapUpDone(AgentId),
    /// The phone of a caller who is called back has rung long enough.
    CallbackTimeout(CallId),
    /// A caller who couldn't be reached is to be tried again.
    CallbackAgain(CallId),
    /// A caller has pressed no key for long enough.
    MenuTimeout(CallId),
    /// A waiting caller is to be told place and wait again.
    SpeakAgain(CallId),
}
