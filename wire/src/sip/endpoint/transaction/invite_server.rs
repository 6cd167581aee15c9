//! INVITE server transaction (RFC 3261 section 17.2.1, RFC 6026 section 7.1).

use std::time::Duration;

use super::{super::border::Timer, Class, Rules, Step, Steps, T2, T4};

/// Where somebody's INVITE stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InviteServer {
    /// No final response yet.
    Proceeding,
    /// A 2xx was sent; repeating it is the dialog's duty.
    Accepted,
    /// A 3xx-6xx was sent; no ACK yet.
    Completed {
        /// When it is sent again.
        interval: Duration,
    },
    /// The ACK came.
    Confirmed,
}

impl InviteServer {
    /// The INVITE came once more.
    pub(crate) const fn on_repeat(self) -> Steps {
        match self {
            Self::Proceeding | Self::Completed { .. } => Steps::one(Step::Repeat),
            Self::Accepted | Self::Confirmed => Steps::NONE,
        }
    }

    /// We answered; the response is on its way.
    pub(crate) fn on_sent(&mut self, rules: Rules, class: Class) -> Steps {
        match (*self, class) {
            (Self::Proceeding, Class::Success) => {
                *self = Self::Accepted;
                Steps::one(Step::Set(Timer::L, rules.patience()))
            }
            (Self::Proceeding, Class::Failure) => {
                *self = Self::Completed { interval: rules.t1 };
                let h = Step::Set(Timer::H, rules.patience());
                if rules.reliable {
                    Steps::one(h)
                } else {
                    Steps::two(h, Step::Set(Timer::G, rules.t1))
                }
            }
            _ => Steps::NONE,
        }
    }

    /// An ACK with the INVITE's branch came.
    pub(crate) fn on_ack(&mut self, rules: Rules) -> Steps {
        match *self {
            Self::Completed { .. } => {
                *self = Self::Confirmed;
                Steps::two(Step::Quiet, Step::Set(Timer::I, rules.linger(T4)))
            }
            // Some user agents give the ACK of a 2xx the branch of the INVITE.
            Self::Accepted => Steps::one(Step::Deliver),
            Self::Proceeding | Self::Confirmed => Steps::NONE,
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer) -> Steps {
        match (&mut *self, timer) {
            (Self::Completed { interval }, Timer::G) => {
                *interval = interval.saturating_mul(2).min(T2);
                Steps::two(Step::Repeat, Step::Set(Timer::G, *interval))
            }
            (Self::Completed { .. }, Timer::H)
            | (Self::Confirmed, Timer::I)
            | (Self::Accepted, Timer::L) => Steps::one(Step::Done),
            _ => Steps::NONE,
        }
    }

    /// Whether no final response was sent.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Proceeding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: Rules = Rules {
        t1: Duration::from_millis(500),
        reliable: false,
    };

    #[test]
    fn a_failure_is_repeated_up_to_t2_until_the_ack() {
        let mut machine = InviteServer::Proceeding;
        machine.on_sent(UDP, Class::Failure);
        for millis in [1000, 2000, 4000, 4000] {
            let again = Step::Set(Timer::G, Duration::from_millis(millis));
            assert_eq!(machine.on_timer(Timer::G), Steps::two(Step::Repeat, again));
        }
        assert_eq!(
            machine.on_ack(UDP),
            Steps::two(Step::Quiet, Step::Set(Timer::I, T4))
        );
        assert_eq!(machine.on_ack(UDP), Steps::NONE);
        assert_eq!(machine.on_timer(Timer::I), Steps::one(Step::Done));
    }

    #[test]
    fn accepted_absorbs_repeats() {
        let mut machine = InviteServer::Proceeding;
        assert_eq!(machine.on_repeat(), Steps::one(Step::Repeat));
        machine.on_sent(UDP, Class::Success);
        assert_eq!(machine.on_repeat(), Steps::NONE);
        assert_eq!(machine.on_timer(Timer::L), Steps::one(Step::Done));
    }
}
