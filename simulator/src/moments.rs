//! When calls come in: a Poisson process whose rate follows the hours and the surges of a plan.

use std::sync::Arc;

use callcore::{scenario::Surge, time::Time};
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;

use crate::hours::{HOUR, Hours};

/// The moments of one source's calls, in order.
#[derive(Debug)]
pub(crate) struct Moments {
    hours: Arc<Hours>,
    share: f64,
    surges: Vec<Surge>,
    /// The hour the next call may lie in, and how far into it, from 0 to 1.
    hour: usize,
    into: f64,
    /// Expected calls of that hour.
    rate: f64,
}

impl Moments {
    /// The moments of a source that makes a share of all calls.
    pub(crate) fn new(hours: &Arc<Hours>, share: f64, surges: Vec<Surge>) -> Self {
        let mut moments = Self {
            hours: Arc::clone(hours),
            share,
            surges,
            hour: 0,
            into: 0.0,
            rate: 0.0,
        };
        moments.rate = moments.rate_of(0);
        moments
    }

    pub(crate) const fn share(&self) -> f64 {
        self.share
    }

    /// Expected calls in an hour.
    pub(crate) fn rate_of(&self, hour: usize) -> f64 {
        let Some(of_all) = self.hours.hours.get(hour) else {
            return 0.0;
        };
        let begins = self.hours.first.as_micros() + hour as i64 * HOUR.as_micros();
        let ends = begins + HOUR.as_micros();
        let surge: f64 = self
            .surges
            .iter()
            .map(|surge| {
                let from = surge.from.as_micros().max(begins);
                let until = surge.until.as_micros().min(ends);
                let part = (until - from).max(0) as f64 / HOUR.as_micros() as f64;
                1.0 + (surge.factor - 1.0) * part
            })
            .product();
        of_all.calls * self.share * surge
    }

    /// The next moment, by running the unit-rate process through the hours' rates; `None` after the last hour.
    pub(crate) fn next(&mut self, rng: &mut Pcg64) -> Option<Time> {
        let mut needed: f64 = Exp1.sample(rng);
        loop {
            let left = (1.0 - self.into) * self.rate;
            if needed < left {
                self.into += needed / self.rate;
                let micros = (self.into * HOUR.as_micros() as f64) as i64;
                let begins = self.hour as i64 * HOUR.as_micros();
                return Some(Time::from_micros(
                    self.hours.first.as_micros() + begins + micros.min(HOUR.as_micros() - 1),
                ));
            }
            needed -= left;
            self.hour += 1;
            self.into = 0.0;
            if self.hour >= self.hours.hours.len() {
                // Once at the end, always at the end.
                self.rate = 0.0;
                return None;
            }
            self.rate = self.rate_of(self.hour);
        }
    }
}
