//! How often anybody may ask: a bucket for each token and each address, and a stricter one for who gets tokens wrong.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

pub(super) use transport::buckets::TooOften;
use transport::buckets::{Buckets, Rate, subscriber};
use wire::time::Time;

/// A program that fetches a page of recordings and plays them asks some times a second; nobody reads faster.
const TOKEN: Rate = Rate {
    per_second: 20.0,
    burst: 60.0,
};
/// Several people behind one address.
const ADDRESS: Rate = Rate {
    per_second: 100.0,
    burst: 300.0,
};
/// A person mistypes a few times; a guesser of 256 bits gets nowhere at any rate, but is heard of.
const WRONG: Rate = Rate {
    per_second: 0.2,
    burst: 10.0,
};
/// Buckets of one kind; beyond that, strangers wait.
const BUCKETS_MAX: usize = 10_000;

/// All limits of one API.
#[derive(Debug)]
pub(super) struct Limits {
    begun: Instant,
    addresses: Mutex<Buckets<IpAddr>>,
    wrong: Mutex<Buckets<IpAddr>>,
    tokens: Mutex<Buckets<String>>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            addresses: Mutex::new(Buckets::new(ADDRESS, BUCKETS_MAX)),
            wrong: Mutex::new(Buckets::new(WRONG, BUCKETS_MAX)),
            tokens: Mutex::new(Buckets::new(TOKEN, BUCKETS_MAX)),
        }
    }

    pub(super) fn address(&self, from: IpAddr, now: Instant) -> Result<(), TooOften> {
        locked(&self.addresses).take(self.time(now), subscriber(from), 1.0)
    }

    /// Whether an address may still try tokens; it costs only when the token was wrong.
    pub(super) fn may_try(&self, from: IpAddr, now: Instant) -> Result<(), TooOften> {
        let looked = locked(&self.wrong).look(self.time(now), &subscriber(from), 1.0);
        looked.map(drop)
    }

    pub(super) fn was_wrong(&self, from: IpAddr, now: Instant) {
        // Refused the next time.
        let _counted = locked(&self.wrong).take(self.time(now), subscriber(from), 1.0);
    }

    pub(super) fn token(&self, id: &str, now: Instant) -> Result<(), TooOften> {
        locked(&self.tokens).take(self.time(now), id.to_owned(), 1.0)
    }

    fn time(&self, now: Instant) -> Time {
        Time(now.saturating_duration_since(self.begun))
    }
}

fn locked<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trying_costs_only_when_it_was_wrong() {
        let limits = Limits::new();
        let (now, from) = (Instant::now(), IpAddr::from([127, 0, 0, 1]));
        for _ in 0..100 {
            assert_eq!(limits.may_try(from, now), Ok(()));
        }
        for _ in 0..10 {
            limits.was_wrong(from, now);
        }
        assert_eq!(
            limits.may_try(from, now),
            Err(TooOften { retry_after_s: 5 })
        );
    }
}
