//! The four transaction machines of RFC 3261 section 17, with the Accepted states of RFC 6026.
//!
//! They know no bytes, no moments and no peers: an event goes in, [`Steps`] come out, and the endpoint carries them out.

mod invite_client;
mod invite_server;
mod other_client;
mod other_server;

use std::time::Duration;

pub(crate) use invite_client::InviteClient;
pub(crate) use invite_server::InviteServer;
pub(crate) use other_client::OtherClient;
pub(crate) use other_server::OtherServer;

use super::border::Timer;

/// T2, the longest interval between repetitions (RFC 3261 section 17.1.2.2).
pub(crate) const T2: Duration = Duration::from_secs(4);
/// T4, how long a message can stay in the network (RFC 3261 section 17.1.2.2).
pub(crate) const T4: Duration = Duration::from_secs(5);
/// Timer C: how long an INVITE of ours may ring (RFC 3261 section 16.6 wants more than three minutes of proxies; a
/// caller may give up when it likes).
pub(crate) const TIMER_C: Duration = Duration::from_secs(180);
/// Timer D over UDP is "at least 32 seconds" (RFC 3261 section 17.1.1.2).
const TIMER_D: Duration = Duration::from_secs(32);

/// What a machine has to know of its surroundings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The round-trip estimate.
    pub(crate) t1: Duration,
    /// TCP: nothing is repeated, and nothing lingers to absorb repetitions.
    pub(crate) reliable: bool,
}

impl Rules {
    /// 64*T1: how long a transaction tries.
    pub(crate) const fn patience(self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// How long to linger for repetitions that only an unreliable transport makes.
    const fn linger(self, span: Duration) -> Duration {
        if self.reliable { Duration::ZERO } else { span }
    }
}

/// One thing a machine asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send what was sent last once more.
    Repeat,
    /// Start this timer.
    Set(Timer, Duration),
    /// Stop repeating.
    Quiet,
    /// Acknowledge this final response (RFC 3261 section 17.1.1.3).
    Ack,
    /// The response (or the ACK) is news to the user of the transaction.
    Deliver,
    /// No final response came in time.
    Timeout,
    /// It rang for too long: cancel.
    RangTooLong,
    /// The transaction is over; forget it.
    Done,
}

/// What a machine asks for, in order. No event asks for more than four things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Steps([Option<Step>; 4]);

impl Steps {
    const NONE: Self = Self([None; 4]);

    const fn one(step: Step) -> Self {
        Self([Some(step), None, None, None])
    }

    const fn two(first: Step, second: Step) -> Self {
        Self([Some(first), Some(second), None, None])
    }

    const fn three(first: Step, second: Step, third: Step) -> Self {
        Self([Some(first), Some(second), Some(third), None])
    }

    const fn four(first: Step, second: Step, third: Step, fourth: Step) -> Self {
        Self([Some(first), Some(second), Some(third), Some(fourth)])
    }
}

impl IntoIterator for Steps {
    type Item = Step;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Step>, 4>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

/// What kind of response it is to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx to 6xx.
    Failure,
}

impl Class {
    pub(crate) const fn of(status: u16) -> Self {
        match status {
            ..200 => Self::Provisional,
            200..300 => Self::Success,
            _ => Self::Failure,
        }
    }
}
