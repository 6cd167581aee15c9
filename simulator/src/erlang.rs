//! The closed forms of queueing: Erlang B (nobody waits), C (everybody waits) and A (callers give up, Palm).
//!
//! Calls come as a Poisson process at `lambda`, conversations are exponential at `mu` for each of `agents`, patience is
//! exponential at `theta`; all three in the same unit of time.

/// The queue of a formula.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    /// Calls a unit of time.
    pub lambda: f64,
    /// Conversations that one agent ends a unit of time.
    pub mu: f64,
    /// How often a waiting caller gives up a unit of time; 0 for never.
    pub theta: f64,
    /// Agents.
    pub agents: u32,
}

/// What a formula says of a queue. Waits are in its unit of time, and count all callers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steady {
    /// Have to wait.
    pub p_wait: f64,
    /// Give up.
    pub p_abandon: f64,
    /// Mean wait, until answered or given up.
    pub mean_wait: f64,
    /// The share of their time that agents talk.
    pub occupancy: f64,
    /// In the state with all agents busy and nobody waiting: what the distribution of waits is built on. As a logarithm: in
    /// an overload it is less than a float can be.
    ln_just_full: f64,
}

/// The states with callers waiting against the one just full, in a unit that suits them.
struct Waiting {
    /// The weight of the state just full, as a logarithm.
    ln_just_full: f64,
    /// Their weights together.
    count: f64,
    /// The same times how many wait.
    length: f64,
}

/// Terms that add less than this to a sum of ones are left out.
const NEGLIGIBLE: f64 = 1e-18;

/// Erlang B: the share of calls lost when none can wait, for an offered load in erlangs.
pub fn erlang_b(agents: u32, load: f64) -> f64 {
    let inverse = (1..=agents).fold(1.0, |inverse, agents| {
        1.0 + inverse * f64::from(agents) / load
    });
    1.0 / inverse
}

/// Erlang C: the share of calls that wait when all can; 1 when the load is more than the agents can carry.
pub fn erlang_c(agents: u32, load: f64) -> f64 {
    let use_of_each = load / f64::from(agents);
    if use_of_each >= 1.0 {
        return 1.0;
    }
    let blocked = erlang_b(agents, load);
    blocked / (1.0 - use_of_each * (1.0 - blocked))
}

impl Queue {
    /// The load offered, in erlangs.
    pub fn load(&self) -> f64 {
        self.lambda / self.mu
    }

    /// What Erlang A says, or Erlang C when nobody gives up; `None` for a queue that grows for ever or has no agents.
    pub fn steady(&self) -> Option<Steady> {
        let sane = self.lambda > 0.0 && self.mu > 0.0 && self.theta >= 0.0 && self.agents > 0;
        let grows = self.theta == 0.0 && self.load() >= f64::from(self.agents);
        if !sane || grows {
            return None;
        }
        let Waiting {
            ln_just_full,
            count,
            length,
        } = self.waiting();
        let just_full = ln_just_full.exp();
        // All states up to the one just full, against that one: 1/B.
        let all = just_full / erlang_b(self.agents, self.load()) + count;
        let waiting = length / all;
        let p_abandon = self.theta * waiting / self.lambda;
        Some(Steady {
            p_wait: (just_full + count) / all,
            p_abandon,
            mean_wait: waiting / self.lambda,
            occupancy: self.load() * (1.0 - p_abandon) / f64::from(self.agents),
            ln_just_full: ln_just_full - all.ln(),
        })
    }

    fn waiting(&self) -> Waiting {
        /// A weight that is larger is taken for a unit, before it becomes larger than a float can be.
        const LARGE: f64 = 1e200;
        let all_busy = f64::from(self.agents) * self.mu;
        if self.theta == 0.0 {
            let ratio = self.lambda / all_busy;
            return Waiting {
                ln_just_full: 0.0,
                count: ratio / (1.0 - ratio),
                length: ratio / (1.0 - ratio).powi(2),
            };
        }
        let (mut weight, mut waiting) = (1.0, 0.0);
        let mut sum = Waiting {
            ln_just_full: 0.0,
            count: 0.0,
            length: 0.0,
        };
        loop {
            waiting += 1.0;
            let ratio = self.lambda / (all_busy + waiting * self.theta);
            weight *= ratio;
            sum.count += weight;
            sum.length += weight * waiting;
            if ratio < 1.0 && weight * waiting <= NEGLIGIBLE * sum.length * (1.0 - ratio) {
                return sum;
            }
            if weight > LARGE {
                weight /= LARGE;
                sum.count /= LARGE;
                sum.length /= LARGE;
                sum.ln_just_full -= LARGE.ln();
            }
        }
    }

    /// The share of all callers who are answered within a time.
    pub fn answered_within(&self, time: f64) -> Option<f64> {
        let steady = self.steady()?;
        let all_busy = f64::from(self.agents) * self.mu;
        // Who finds so many waiting is served when all of them have left; summed over how many that is, the time until
        // then has this density, and e^(-theta t) is the chance of still being there.
        let density = |at: f64| {
            let gone = if self.theta > 0.0 {
                -(-self.theta * at).exp_m1() / self.theta
            } else {
                at
            };
            let exponent = self.lambda * gone - (all_busy + self.theta) * at;
            all_busy * (steady.ln_just_full + exponent).exp()
        };
        Some(1.0 - steady.p_wait + integral(density, time, all_busy + self.lambda + self.theta))
    }

    /// The fewest agents with whom at least `share` of all callers are answered within `time`.
    pub fn agents_for(self, share: f64, time: f64) -> Option<u32> {
        /// More than any call centre has.
        const AGENTS_MAX: u32 = 100_000;
        let reaches = |agents| {
            let queue = Self { agents, ..self };
            queue
                .answered_within(time)
                .is_some_and(|reached| reached >= share)
        };
        let mut enough = 1;
        while !reaches(enough) {
            enough *= 2;
            if enough > AGENTS_MAX {
                return None;
            }
        }
        let (mut too_few, mut enough) = (enough / 2, enough);
        while enough - too_few > 1 {
            let middle = too_few.midpoint(enough);
            if reaches(middle) {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        Some(enough)
    }
}

/// From 0 to `until`, by Gauss and Legendre's rule with five points in each of many pieces: short ones against how fast
/// the function changes.
fn integral(function: impl Fn(f64) -> f64, until: f64, fastest: f64) -> f64 {
    let pieces = (until * fastest).clamp(400.0, 1e6) as u32;
    const POINTS: [(f64, f64); 5] = [
        (0.0, 0.568_888_888_888_888_9),
        (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (0.906_179_845_938_664, 0.236_926_885_056_189_08),
        (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    ];
    let half = until / f64::from(pieces) / 2.0;
    (0..pieces)
        .map(|piece| {
            let middle = half * f64::from(2 * piece + 1);
            let sum: f64 = POINTS
                .iter()
                .map(|(point, weight)| weight * function(middle + half * point))
                .sum();
            sum * half
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-9,
            "{found} against {expected}"
        );
    }

    /// By the definition, with factorials: fine for few agents.
    fn b_by_definition(agents: u32, load: f64) -> f64 {
        let mut term = 1.0;
        let mut sum = 1.0;
        for place in 1..=agents {
            term *= load / f64::from(place);
            sum += term;
        }
        term / sum
    }

    #[test]
    fn erlang_b_is_what_its_definition_says() {
        // One agent: a/(1+a). Two: (a^2/2)/(1+a+a^2/2).
        near(erlang_b(1, 1.0), 0.5);
        near(erlang_b(2, 1.0), 0.2);
        near(erlang_b(2, 2.0), 0.4);
        near(erlang_b(3, 2.0), 4.0 / 19.0);
        for (agents, load) in [(5, 3.0), (10, 12.0), (30, 26.7), (60, 10.0)] {
            near(erlang_b(agents, load), b_by_definition(agents, load));
        }
    }

    #[test]
    fn erlang_c_is_what_textbooks_print() {
        // M/M/1: the load itself. M/M/2 with a load of 1: 1/3. M/M/3 with 2: 4/9.
        near(erlang_c(1, 0.7), 0.7);
        near(erlang_c(2, 1.0), 1.0 / 3.0);
        near(erlang_c(3, 2.0), 4.0 / 9.0);
        near(erlang_c(4, 4.0), 1.0);
    }

    #[test]
    fn without_impatience_erlang_a_is_erlang_c() {
        let queue = Queue {
            lambda: 2.0,
            mu: 1.0,
            theta: 0.0,
            agents: 3,
        };
        let steady = queue.steady().expect("three carry two");
        near(steady.p_wait, 4.0 / 9.0);
        near(steady.p_abandon, 0.0);
        near(steady.mean_wait, 4.0 / 9.0);
        near(steady.occupancy, 2.0 / 3.0);
        let within = queue.answered_within(0.5).expect("it is steady");
        near(within, 1.0 - 4.0 / 9.0 * (-0.5_f64).exp());
        assert_eq!(Queue { agents: 2, ..queue }.steady(), None);
    }

    /// Patience as long as talk: the number of callers is that of M/M/infinity, Poisson with the load as its mean.
    #[test]
    fn when_callers_are_as_patient_as_they_talk_the_number_of_them_is_poisson() {
        let (lambda, agents) = (4.0_f64, 3_u32);
        let queue = Queue {
            lambda,
            mu: 1.0,
            theta: 1.0,
            agents,
        };
        let mut term = (-lambda).exp();
        let (mut below, mut waiting, mut idle) = (0.0, 0.0, 0.0);
        for state in 0..200_u32 {
            if state < agents {
                below += term;
                idle += f64::from(agents - state) * term;
            } else {
                waiting += f64::from(state - agents) * term;
            }
            term *= lambda / f64::from(state + 1);
        }
        let steady = queue.steady().expect("who waits gives up");
        near(steady.p_wait, 1.0 - below);
        near(steady.mean_wait, waiting / lambda);
        near(steady.p_abandon, waiting / lambda);
        near(steady.occupancy, 1.0 - idle / f64::from(agents));
    }

    #[test]
    fn everyone_is_answered_or_gives_up_in_the_end() {
        for agents in [1, 5, 26, 27, 60] {
            let queue = Queue {
                lambda: 200.0,
                mu: 7.5,
                theta: 6.0,
                agents,
            };
            let steady = queue.steady().expect("who waits gives up");
            let answered = queue.answered_within(20.0).expect("it is steady");
            near(answered, 1.0 - steady.p_abandon);
            near(
                queue.answered_within(0.0).expect("it is steady"),
                1.0 - steady.p_wait,
            );
        }
    }

    /// The states' weights are then larger than a float can be.
    #[test]
    fn many_more_callers_than_agents_give_an_answer() {
        for (lambda, agents) in [(8_000.0, 30), (100_000.0, 30), (5_000.0, 1)] {
            let queue = Queue {
                lambda,
                mu: 7.5,
                theta: 6.0,
                agents,
            };
            let steady = queue.steady().expect("who waits gives up");
            near(steady.p_wait, 1.0);
            near(steady.occupancy, 1.0);
            near(
                steady.p_abandon,
                1.0 - f64::from(agents) * queue.mu / lambda,
            );
            near(steady.mean_wait, steady.p_abandon / queue.theta);
            let answered = queue.answered_within(20.0).expect("it is steady");
            near(answered, 1.0 - steady.p_abandon);
            let at_once = queue.answered_within(0.01).expect("it is steady");
            assert!(at_once.abs() < 1e-6, "{at_once}");
        }
    }

    /// The weight of a second who waits is then less than a float can be.
    #[test]
    fn hardly_a_caller_or_hardly_any_patience_gives_an_answer() {
        for (lambda, theta) in [(1e-300, 6.0), (10.0, 1e300)] {
            let queue = Queue {
                lambda,
                mu: 7.5,
                theta,
                agents: 3,
            };
            let steady = queue.steady().expect("who waits gives up");
            assert!(steady.mean_wait < 1e-200, "{steady:?}");
        }
    }

    #[test]
    fn the_fewest_agents_reach_the_goal_and_one_less_does_not() {
        let queue = Queue {
            lambda: 200.0,
            mu: 7.5,
            theta: 6.0,
            agents: 0,
        };
        let agents = queue.agents_for(0.8, 180.0 / 3600.0).expect("a number");
        let reached = |agents| {
            Queue { agents, ..queue }
                .answered_within(0.05)
                .expect("it is steady")
        };
        assert!(reached(agents) >= 0.8 && reached(agents - 1) < 0.8);
        assert_eq!(Queue { agents: 0, ..queue }.steady(), None);
    }
}
