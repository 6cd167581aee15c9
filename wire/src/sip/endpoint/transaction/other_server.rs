//! Server transaction of any request but INVITE (RFC 3261 section 17.2.2).

use std::time::Duration;

use super::{super::border::Timer, Class, Rules, Step, Steps};

/// Where somebody's request stands. `Trying` and `Proceeding` are one state here: with nothing sent yet, there is
/// nothing to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherServer {
    /// No final response yet.
    Open,
    /// A final response was sent.
    Completed,
}

impl OtherServer {
    /// The request came once more.
    pub(crate) const fn on_repeat(self) -> Steps {
        match self {
            Self::Open => Steps::NONE,
            Self::Completed => Steps::one(Step::Repeat),
        }
    }

    /// We answered; the response is on its way.
    pub(crate) fn on_sent(&mut self, rules: Rules, class: Class) -> Steps {
        match (*self, class) {
            (Self::Open, Class::Success | Class::Failure) => {
                *self = Self::Completed;
                Steps::one(Step::Set(Timer::J, self.absorbs(rules)))
            }
            _ => Steps::NONE,
        }
    }

    pub(crate) fn on_timer(self, timer: Timer) -> Steps {
        if self == Self::Completed && timer == Timer::J {
            Steps::one(Step::Done)
        } else {
            Steps::NONE
        }
    }

    const fn absorbs(self, rules: Rules) -> Duration {
        rules.linger(rules.patience())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_is_repeated_for_each_repetition_until_j() {
        let udp = Rules {
            t1: Duration::from_millis(500),
            reliable: false,
        };
        let mut machine = OtherServer::Open;
        assert_eq!(machine.on_repeat(), Steps::NONE);
        assert_eq!(
            machine.on_sent(udp, Class::Success),
            Steps::one(Step::Set(Timer::J, udp.patience()))
        );
        assert_eq!(machine.on_repeat(), Steps::one(Step::Repeat));
        assert_eq!(machine.on_timer(Timer::J), Steps::one(Step::Done));
    }
}
