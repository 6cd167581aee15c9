//! How often anybody may do something: a bucket for each name, which empties as it is used and fills as time goes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use wire::time::Time;

/// A pause between looking through all buckets: made-up names must not cost more than others.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// How long buckets that are full again stay where there is room: what a rush of strangers took is given back, and looking through
/// the largest table so often costs next to nothing.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// How fast a bucket fills, and how much is in a full one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// In the long run.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

/// A bucket for each of `K`, at most so many at once.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    kept_max: usize,
    kept: BTreeMap<K, Bucket>,
    /// When all were last looked through for those to forget; at first, when anybody came.
    swept: Option<Time>,
}

/// What is left, and as of when.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Time,
}

/// There isn't so much in the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOften {
    /// When there will be, in whole seconds.
    pub retry_after_s: u64,
}

impl<K: Ord> Buckets<K> {
    /// Full buckets for everybody; `kept_max` that aren't full are remembered, and beyond those strangers wait.
    pub const fn new(rate: Rate, kept_max: usize) -> Self {
        Self {
            rate,
            kept_max,
            kept: BTreeMap::new(),
            swept: None,
        }
    }

    /// Takes so much out.
    ///
    /// # Errors
    /// When there is less in it; then nothing is taken.
    pub fn take(&mut self, now: Time, key: K, cost: f64) -> Result<(), TooOften> {
        let left = self.look(now, &key, cost)? - cost;
        self.kept.insert(key, Bucket { left, at: now });
        Ok(())
    }

    /// Gives what is in it, when that is so much.
    ///
    /// # Errors
    /// When there is less in it.
    pub fn look(&mut self, now: Time, key: &K, cost: f64) -> Result<f64, TooOften> {
        let Rate { per_second, burst } = self.rate;
        let known = self.kept.get(key).copied();
        if known.is_none() && !self.has_room(now) {
            return Err(TooOften { retry_after_s: 1 });
        }
        let left = known.map_or(burst, |bucket| bucket.filled(now, self.rate));
        if left < cost {
            let wait = ((cost - left) / per_second).ceil().max(1.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a wait is short and not negative"
            )]
            return Err(TooOften {
                retry_after_s: wait as u64,
            });
        }
        Ok(left)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether all buckets are full.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether one more may be remembered. A full bucket says nothing that a new one wouldn't, so those are forgotten.
    fn has_room(&mut self, now: Time) -> bool {
        let room = self.kept.len() < self.kept_max;
        let pause = if room { FORGET_AFTER } else { SWEEP_PAUSE };
        if now.since(*self.swept.get_or_insert(now)) >= pause {
            self.swept = Some(now);
            let rate = self.rate;
            self.kept
                .retain(|_, bucket| bucket.filled(now, rate) < rate.burst);
        }
        self.kept.len() < self.kept_max
    }
}

impl Bucket {
    fn filled(self, now: Time, rate: Rate) -> f64 {
        let passed = now.since(self.at).as_secs_f64();
        (self.left + passed * rate.per_second).min(rate.burst)
    }
}

/// What stands for a subscriber among addresses: an IPv4 address, or a whole /64 of IPv6, which is what one line is given
/// (RFC 6177). An IPv4 address that came by an IPv6 socket counts as IPv4.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT_MAX: usize = 1000;

    fn buckets<K: Ord>(per_second: f64, burst: f64) -> Buckets<K> {
        Buckets::new(Rate { per_second, burst }, KEPT_MAX)
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let mut buckets = buckets(2.0, 4.0);
        let begun = Time::default();
        for _ in 0..4 {
            assert_eq!(buckets.take(begun, "a", 1.0), Ok(()));
        }
        let refused = Err(TooOften { retry_after_s: 1 });
        assert_eq!(buckets.take(begun, "a", 1.0), refused);
        assert_eq!(buckets.take(begun, "b", 1.0), Ok(()), "another's own");
        let later = begun + Duration::from_millis(500);
        assert_eq!(buckets.take(later, "a", 1.0), Ok(()));
        assert!(buckets.take(later, "a", 1.0).is_err());
        assert_eq!(
            buckets.look(later, &"a", 4.0),
            Err(TooOften { retry_after_s: 2 })
        );
    }

    #[test]
    fn looking_costs_nothing() {
        let mut buckets = buckets(1.0, 2.0);
        let now = Time::default();
        assert!((0..100).all(|_| buckets.look(now, &"a", 1.0) == Ok(2.0)));
        assert!(buckets.is_empty());
    }

    #[test]
    fn strangers_without_number_take_no_memory() {
        let mut buckets = buckets(1.0, 10.0);
        let begun = Time::default();
        for key in 0..KEPT_MAX {
            assert_eq!(buckets.take(begun, key, 1.0), Ok(()));
        }
        assert!(buckets.take(begun, KEPT_MAX, 1.0).is_err());
        let later = begun + Duration::from_secs(1);
        assert_eq!(buckets.take(later, KEPT_MAX, 1.0), Ok(()));
        assert_eq!(buckets.len(), 1, "those that were full again are gone");
    }

    #[test]
    fn what_a_rush_of_strangers_took_is_given_back_though_there_was_room() {
        let mut buckets = buckets(1.0, 10.0);
        let begun = Time::default();
        for key in 0..KEPT_MAX / 2 {
            assert_eq!(buckets.take(begun, key, 1.0), Ok(()));
        }
        let later = begun + FORGET_AFTER;
        assert_eq!(buckets.take(later, KEPT_MAX, 1.0), Ok(()));
        assert_eq!(buckets.len(), 1);
    }

    /// Whoever makes up names may not have all buckets looked through for each of them.
    #[test]
    fn a_full_table_is_swept_once_a_second() {
        let mut buckets = buckets(1000.0, 10.0);
        let begun = Time::default();
        for key in 0..KEPT_MAX {
            assert_eq!(buckets.take(begun, key, 1.0), Ok(()));
        }
        assert!(buckets.take(begun, KEPT_MAX, 1.0).is_err());
        let rested = begun + Duration::from_millis(999);
        assert!(
            buckets.take(rested, KEPT_MAX, 1.0).is_err(),
            "not looked through again so soon"
        );
        assert!(
            buckets.take(rested, 0, 1.0).is_ok(),
            "who is known is heard"
        );
        assert!(buckets.take(begun + SWEEP_PAUSE, KEPT_MAX, 1.0).is_ok());
    }

    #[test]
    fn a_subscribers_addresses_count_as_one() {
        let network = |text: &str| subscriber(text.parse().expect("an address"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
