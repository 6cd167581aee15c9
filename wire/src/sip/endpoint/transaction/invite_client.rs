//! INVITE client transaction (RFC 3261 section 17.1.1, RFC 6026 section 7.2).

use std::time::Duration;

use super::{super::border::Timer, Class, Rules, Step, Steps, TIMER_C, TIMER_D};

/// Where an INVITE of ours stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InviteClient {
    /// Sent; nothing came.
    Calling {
        /// When it is sent again.
        interval: Duration,
    },
    /// A provisional response came.
    Proceeding,
    /// A 2xx came; more may (other forks, repetitions).
    Accepted,
    /// A 3xx-6xx came; repetitions of it get an ACK.
    Completed,
}

impl InviteClient {
    /// The INVITE was sent.
    pub(crate) const fn start(rules: Rules) -> (Self, Steps) {
        let state = Self::Calling { interval: rules.t1 };
        let b = Step::Set(Timer::B, rules.patience());
        let steps = if rules.reliable {
            Steps::one(b)
        } else {
            Steps::two(b, Step::Set(Timer::A, rules.t1))
        };
        (state, steps)
    }

    pub(crate) fn on_response(&mut self, rules: Rules, class: Class) -> Steps {
        match (*self, class) {
            (Self::Calling { .. }, Class::Provisional) => {
                *self = Self::Proceeding;
                Steps::three(Step::Quiet, Step::Set(Timer::C, TIMER_C), Step::Deliver)
            }
            (Self::Proceeding, Class::Provisional) | (Self::Accepted, Class::Success) => {
                Steps::one(Step::Deliver)
            }
            (Self::Calling { .. } | Self::Proceeding, Class::Success) => {
                *self = Self::Accepted;
                Steps::three(
                    Step::Quiet,
                    Step::Set(Timer::M, rules.patience()),
                    Step::Deliver,
                )
            }
            (Self::Calling { .. } | Self::Proceeding, Class::Failure) => {
                *self = Self::Completed;
                Steps::four(
                    Step::Quiet,
                    Step::Ack,
                    Step::Set(Timer::D, rules.linger(TIMER_D)),
                    Step::Deliver,
                )
            }
            (Self::Completed, Class::Failure) => Steps::one(Step::Ack),
            _ => Steps::NONE,
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer) -> Steps {
        match (&mut *self, timer) {
            (Self::Calling { interval }, Timer::A) => {
                *interval = interval.saturating_mul(2);
                Steps::two(Step::Repeat, Step::Set(Timer::A, *interval))
            }
            (Self::Calling { .. } | Self::Proceeding, Timer::B) => {
                Steps::two(Step::Timeout, Step::Done)
            }
            (Self::Proceeding, Timer::C) => Steps::one(Step::RangTooLong),
            (Self::Accepted, Timer::M) | (Self::Completed, Timer::D) => Steps::one(Step::Done),
            _ => Steps::NONE,
        }
    }

    /// A CANCEL went out: a final response has to come now, or never will (RFC 3261 section 9.1).
    pub(crate) const fn on_cancel(self, rules: Rules) -> Steps {
        match self {
            Self::Proceeding => Steps::one(Step::Set(Timer::B, rules.patience())),
            _ => Steps::NONE,
        }
    }

    /// Whether a final response came.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Accepted | Self::Completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: Rules = Rules {
        t1: Duration::from_millis(500),
        reliable: false,
    };
    const TCP: Rules = Rules {
        reliable: true,
        ..UDP
    };

    #[test]
    fn repeats_double_without_bound_until_b() {
        let (mut machine, steps) = InviteClient::start(UDP);
        assert!(steps.into_iter().any(|s| s == Step::Set(Timer::A, UDP.t1)));
        for doubled in [1000, 2000, 4000, 8000] {
            let again = Step::Set(Timer::A, Duration::from_millis(doubled));
            assert_eq!(machine.on_timer(Timer::A), Steps::two(Step::Repeat, again));
        }
        assert_eq!(
            machine.on_timer(Timer::B),
            Steps::two(Step::Timeout, Step::Done)
        );
    }

    #[test]
    fn nothing_is_repeated_by_tcp() {
        let (_, steps) = InviteClient::start(TCP);
        assert_eq!(steps, Steps::one(Step::Set(Timer::B, TCP.patience())));
    }

    #[test]
    fn a_failure_is_acknowledged_each_time_and_delivered_once() {
        let (mut machine, _) = InviteClient::start(UDP);
        let first = machine.on_response(UDP, Class::Failure);
        assert_eq!(
            first
                .into_iter()
                .filter(|s| matches!(s, Step::Ack | Step::Deliver))
                .count(),
            2
        );
        assert_eq!(
            machine.on_response(UDP, Class::Failure),
            Steps::one(Step::Ack)
        );
        assert_eq!(machine.on_response(UDP, Class::Success), Steps::NONE);
        assert_eq!(machine.on_timer(Timer::D), Steps::one(Step::Done));
    }

    #[test]
    fn accepted_passes_every_success_and_no_failure() {
        let (mut machine, _) = InviteClient::start(UDP);
        machine.on_response(UDP, Class::Success);
        assert_eq!(
            machine.on_response(UDP, Class::Success),
            Steps::one(Step::Deliver)
        );
        assert_eq!(machine.on_response(UDP, Class::Failure), Steps::NONE);
        assert_eq!(machine.on_response(UDP, Class::Provisional), Steps::NONE);
    }
}
