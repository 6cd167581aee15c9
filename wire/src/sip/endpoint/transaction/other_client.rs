//! Client transaction of any request but INVITE (RFC 3261 section 17.1.2).

use std::time::Duration;

use super::{super::border::Timer, Class, Rules, Step, Steps, T2, T4};

/// Where a request of ours stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherClient {
    /// Sent; nothing came.
    Trying {
        /// When it is sent again.
        interval: Duration,
    },
    /// A provisional response came.
    Proceeding,
    /// A final response came.
    Completed,
}

impl OtherClient {
    /// The request was sent.
    pub(crate) const fn start(rules: Rules) -> (Self, Steps) {
        let state = Self::Trying { interval: rules.t1 };
        let f = Step::Set(Timer::F, rules.patience());
        let steps = if rules.reliable {
            Steps::one(f)
        } else {
            Steps::two(f, Step::Set(Timer::E, rules.t1))
        };
        (state, steps)
    }

    pub(crate) fn on_response(&mut self, rules: Rules, class: Class) -> Steps {
        match (*self, class) {
            (Self::Completed, _) => Steps::NONE,
            (_, Class::Provisional) => {
                *self = Self::Proceeding;
                Steps::NONE
            }
            _ => {
                *self = Self::Completed;
                Steps::three(
                    Step::Quiet,
                    Step::Set(Timer::K, rules.linger(T4)),
                    Step::Deliver,
                )
            }
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer) -> Steps {
        match (&mut *self, timer) {
            (Self::Trying { interval }, Timer::E) => {
                *interval = interval.saturating_mul(2).min(T2);
                Steps::two(Step::Repeat, Step::Set(Timer::E, *interval))
            }
            (Self::Proceeding, Timer::E) => Steps::two(Step::Repeat, Step::Set(Timer::E, T2)),
            (Self::Trying { .. } | Self::Proceeding, Timer::F) => {
                Steps::two(Step::Timeout, Step::Done)
            }
            (Self::Completed, Timer::K) => Steps::one(Step::Done),
            _ => Steps::NONE,
        }
    }

    /// Whether a final response came.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Completed)
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
    fn repeats_double_up_to_t2() {
        let (mut machine, _) = OtherClient::start(UDP);
        for millis in [1000, 2000, 4000, 4000] {
            let again = Step::Set(Timer::E, Duration::from_millis(millis));
            assert_eq!(machine.on_timer(Timer::E), Steps::two(Step::Repeat, again));
        }
        machine.on_response(UDP, Class::Provisional);
        assert_eq!(
            machine.on_timer(Timer::E),
            Steps::two(Step::Repeat, Step::Set(Timer::E, T2))
        );
        assert_eq!(
            machine.on_timer(Timer::F),
            Steps::two(Step::Timeout, Step::Done)
        );
    }

    #[test]
    fn one_final_response_is_delivered() {
        let (mut machine, _) = OtherClient::start(UDP);
        assert!(
            machine
                .on_response(UDP, Class::Success)
                .into_iter()
                .any(|s| s == Step::Deliver)
        );
        assert_eq!(machine.on_response(UDP, Class::Failure), Steps::NONE);
    }
}
