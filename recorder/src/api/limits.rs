//! How often anybody may ask: a bucket for each token and each address, and a stricter one for who gets tokens wrong.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A program that fetches a page of recordings and plays them asks some times a second; nobody reads faster.
const TOKEN: Rate = Rate::new(20.0, 60.0);
/// Several people behind one address.
const ADDRESS: Rate = Rate::new(100.0, 300.0);
/// A person mistypes a few times; a guesser of 256 bits gets nowhere at any rate, but is heard of.
const WRONG: Rate = Rate::new(0.2, 10.0);
/// Buckets of one kind; beyond that, strangers wait.
pub(super) const BUCKETS_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    const fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst }
    }
}

/// All limits of one API.
#[derive(Debug)]
pub(super) struct Limits {
    addresses: Mutex<Buckets<IpAddr>>,
    wrong: Mutex<Buckets<IpAddr>>,
    tokens: Mutex<Buckets<String>>,
}

/// Too often; when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooOften {
    pub(super) retry_after_s: u64,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            addresses: Mutex::new(Buckets::new(ADDRESS)),
            wrong: Mutex::new(Buckets::new(WRONG)),
            tokens: Mutex::new(Buckets::new(TOKEN)),
        }
    }

    pub(super) fn address(&self, from: IpAddr, now: Instant) -> Result<(), TooOften> {
        locked(&self.addresses).take(network(from), now, 1.0)
    }

    /// Whether an address may still try tokens; it costs only when the token was wrong.
    pub(super) fn may_try(&self, from: IpAddr, now: Instant) -> Result<(), TooOften> {
        locked(&self.wrong).take(network(from), now, 0.0)
    }

    pub(super) fn was_wrong(&self, from: IpAddr, now: Instant) {
        // Refused the next time.
        let _counted = locked(&self.wrong).take(network(from), now, 1.0);
    }

    pub(super) fn token(&self, id: &str, now: Instant) -> Result<(), TooOften> {
        locked(&self.tokens).take(id.to_owned(), now, 1.0)
    }
}

fn locked<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One subscriber has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => four.into(),
            None => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
        },
        four => four,
    }
}

#[derive(Debug)]
struct Buckets<K> {
    rate: Rate,
    kept: BTreeMap<K, (f64, Instant)>,
}

impl<K: Ord> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            kept: BTreeMap::new(),
        }
    }

    /// Takes from a bucket that fills as time goes; what is asked must be in it, and one at least.
    fn take(&mut self, key: K, now: Instant, cost: f64) -> Result<(), TooOften> {
        let Rate { per_second, burst } = self.rate;
        let filled = |(left, at): (f64, Instant)| {
            let since: Duration = now.saturating_duration_since(at);
            (left + since.as_secs_f64() * per_second).min(burst)
        };
        if self.kept.len() >= BUCKETS_MAX && !self.kept.contains_key(&key) {
            // A full bucket says nothing that a new one wouldn't.
            self.kept.retain(|_, bucket| filled(*bucket) < burst);
            if self.kept.len() >= BUCKETS_MAX {
                return Err(TooOften { retry_after_s: 1 });
            }
        }
        let left = self.kept.get(&key).map_or(burst, |bucket| filled(*bucket));
        if left < 1.0 {
            let wait = (1.0 - left) / per_second;
            return Err(TooOften {
                retry_after_s: wait.ceil().max(1.0) as u64,
            });
        }
        if cost > 0.0 {
            self.kept.insert(key, (left - cost, now));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let mut buckets = Buckets::new(Rate::new(2.0, 4.0));
        let begun = Instant::now();
        for _ in 0..4 {
            assert_eq!(buckets.take("a", begun, 1.0), Ok(()));
        }
        assert_eq!(
            buckets.take("a", begun, 1.0),
            Err(TooOften { retry_after_s: 1 })
        );
        assert_eq!(buckets.take("b", begun, 1.0), Ok(()), "another's own");
        let later = begun + Duration::from_millis(500);
        assert_eq!(buckets.take("a", later, 1.0), Ok(()));
        assert!(buckets.take("a", later, 1.0).is_err());
    }

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

    #[test]
    fn strangers_without_number_take_no_memory() {
        let mut buckets = Buckets::new(Rate::new(1.0, 10.0));
        let begun = Instant::now();
        for key in 0..BUCKETS_MAX {
            assert_eq!(buckets.take(key, begun, 1.0), Ok(()));
        }
        assert!(buckets.take(BUCKETS_MAX, begun, 1.0).is_err());
        let later = begun + Duration::from_secs(1);
        assert_eq!(buckets.take(BUCKETS_MAX, later, 1.0), Ok(()));
        assert_eq!(buckets.kept.len(), 1, "those that were full again are gone");
    }

    #[test]
    fn a_subscribers_addresses_count_as_one() {
        let one: IpAddr = "2001:db8::1".parse().expect("an address");
        let other: IpAddr = "2001:db8::ffff:2".parse().expect("an address");
        assert_eq!(network(one), network(other));
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(network(mapped), IpAddr::from([192, 0, 2, 1]));
    }
}
