//! A call's state: each stage holds only what that stage has.

use std::sync::Arc;

use super::{divert::Instead, io::CallId, menu::Choosing, timers::TimerKey};
use crate::{
    origin::Origin,
    queue::Place,
    route::{Decision, External},
    scenario::{AgentId, ProviderId, QueueId, Scenario},
    time::Time,
};

/// A call in progress.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) head: CallHead,
    pub(super) way: Way,
}

/// What stays the same for the whole call: a new table changes nothing for it.
#[derive(Debug)]
pub(super) struct CallHead {
    pub(super) id: CallId,
    pub(super) origin: Origin,
    pub(super) decision: Decision,
    /// The rule set it came under, once another is in force.
    pub(super) earlier: Option<Arc<Scenario>>,
    pub(super) offered: Time,
    /// Whether the caller could be called back.
    pub(super) reachable: bool,
    /// Whether it may be recorded, as far as the program says that it was taken over from.
    pub(super) recordable: bool,
}

impl CallHead {
    /// The rule set it came under.
    #[inline]
    pub(super) fn scenario<'a>(&'a self, in_force: &'a Arc<Scenario>) -> &'a Arc<Scenario> {
        self.earlier.as_ref().unwrap_or(in_force)
    }
}

/// Which of the two ways the call went. There is no way from one to the other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Regional(RegionalCall),
    Outgoing(OutgoingCall),
}

/// A call to a queue of this switch's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegionalCall {
    pub(super) queue: QueueId,
    pub(super) stage: RegionalStage,
    pub(super) since: Time,
}

/// Where a regional call stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum RegionalStage {
    /// Hears the route's announcement.
    Greeting,
    /// Hears the route's menu, or has heard it and may press a key.
    Choosing(Choosing),
    /// Hears that the queue is full; is hung up after it.
    TurningAway,
    /// Stands in the queue.
    Waiting(Spot),
    /// An agent is rung for it.
    Ringing {
        spot: Spot,
        agent: AgentId,
        timer: TimerKey,
    },
    /// Talks with an agent.
    Talking {
        agent: AgentId,
        recording: Recording,
        /// Where the caller stood, should the agent be lost.
        spot: Spot,
    },
    /// Hears that the call back is promised; is hung up after it.
    Promising(Promise),
    /// Stands in the queue without a line.
    Promised(Promise),
    /// Is called back; an agent is kept free for it.
    CallingBack {
        promise: Promise,
        agent: AgentId,
        timer: TimerKey,
    },
    /// Couldn't be reached; is tried again later.
    Resting { promise: Promise, timer: TimerKey },
}

/// A caller's place in the queue, which it keeps while an agent is rung for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) place: Place,
    /// When the wait began; `None` when an agent was free at once.
    pub(super) queued: Option<Time>,
    pub(super) hears: Hears,
    /// Whether the caller has been offered to be called back: the key is taken from then on.
    pub(super) offered: bool,
    /// Runs while music plays, until place and wait are said again.
    pub(super) speaks: Option<TimerKey>,
}

/// A place in the queue that is kept for a caller without a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    pub(super) place: Place,
    /// When the wait began.
    pub(super) queued: Option<Time>,
    /// How often the caller has been called in vain.
    pub(super) tried: u8,
}

/// What a waiting caller hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    /// The queue's announcement; music follows.
    Notice,
    /// Place and expected wait.
    Place,
    /// The offer to be called back; music follows.
    Offer,
    /// Music, or silence in a queue that has none.
    Music,
}

/// How the recording of a bridged call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recording {
    /// The queue doesn't record, or no retention rule lets it.
    None,
    /// Asked for.
    Running,
    /// The recorder is gone; asked for again when it is back.
    Lost,
    /// Closed while the conversation is held; begun anew with it.
    Paused,
}

/// A call on its way out to a provider. Nothing here leads to a recording.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutgoingCall {
    pub(super) stage: OutgoingStage,
    pub(super) since: Time,
    /// Somebody could not be called by a fault of our own, and might have taken the call.
    pub(super) our_fault: bool,
}

/// Where an external call stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum OutgoingStage {
    /// Hears the route's announcement, as early media.
    Notice,
    /// A provider is tried.
    Trying { attempt: Attempt, timer: TimerKey },
    /// The provider took it.
    TakenOver(ProviderId),
    /// No provider could; hears that, and is hung up after it.
    Apology,
}

/// Which provider and which of its targets is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) to: External,
    /// Which SIP target of the provider, from 0.
    pub(super) target: usize,
    /// Where the call goes when this provider fails.
    pub(super) instead: Instead,
}
