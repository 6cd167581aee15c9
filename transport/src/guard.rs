//! Who may send how much: floods and crowds of connections from one address are refused before anything is read.
//!
//! Networks that are trusted (our own phones, trunks, load tests) are exempt: one address there is a whole operator.

use std::{collections::BTreeMap, net::IpAddr};

use wire::time::Time;

use crate::buckets::{Buckets, Rate, subscriber};

/// Messages a second from one address: a phone sends one in many seconds, a ward behind one address a few a second.
const RATE_MAX: u32 = 50;
/// And how many at once: every phone of a ward that comes back after a power cut.
const BURST_MAX: u32 = 400;
/// Connections from one address (of IPv6: one /64), for the same ward.
const CONNECTIONS_OF_ONE_MAX: usize = 64;
/// Subscribers remembered at once, some 5 MiB; beyond, those whose budget is whole again are forgotten.
const ADDRESSES_MAX: usize = 65_536;
/// Bytes of a stream that count as one message.
const STREAM_UNIT_LEN: usize = 512;

/// IP networks, as address and prefix length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<(IpAddr, u8)>);

/// How much one address may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// To whom none of this applies.
    pub exempt: Networks,
    /// Messages a second, in the long run.
    pub rate_max: u32,
    /// Messages at once.
    pub burst_max: u32,
    /// Connections open at once.
    pub connections_of_one_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            exempt: Networks::default(),
            rate_max: RATE_MAX,
            burst_max: BURST_MAX,
            connections_of_one_max: CONNECTIONS_OF_ONE_MAX,
        }
    }
}

/// What was refused before it was read, by reason; for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Datagrams and stream bytes over one address's rate.
    pub flood: u64,
    /// Connections over one address's number, from there or to there.
    pub connections_of_one: u64,
    /// Connections over the number for all.
    pub connections: u64,
    /// TLS handshakes that failed or took too long.
    pub handshake: u64,
    /// Connections on which nothing came for too long.
    pub idle: u64,
    /// Connections closed because their peer didn't read.
    pub unread: u64,
}

impl Networks {
    /// Every network.
    pub fn everyone() -> Self {
        let v4 = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        let v6 = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        Self(vec![(v4, 0), (v6, 0)])
    }

    /// These networks.
    pub const fn new(networks: Vec<(IpAddr, u8)>) -> Self {
        Self(networks)
    }

    /// Whether an address is in one of them. An IPv4 address that came by an IPv6 socket counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0
            .iter()
            .any(|&(network, prefix)| is_in(network, prefix, address))
    }
}

fn is_in(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let (differing, unused) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (
            u128::from(u32::from(network) ^ u32::from(address)),
            32_u32.saturating_sub(prefix.into()),
        ),
        (IpAddr::V6(network), IpAddr::V6(address)) => (
            u128::from(network) ^ u128::from(address),
            128_u32.saturating_sub(prefix.into()),
        ),
        _ => return false,
    };
    differing.checked_shr(unused).unwrap_or(0) == 0
}

/// Counts what each subscriber sends.
#[derive(Debug)]
pub(crate) struct Guard {
    limits: Limits,
    budgets: Buckets<IpAddr>,
    connections: BTreeMap<IpAddr, usize>,
    pub(crate) refusals: Refusals,
}

impl Guard {
    pub(crate) fn new(limits: Limits) -> Self {
        let rate = Rate {
            per_second: limits.rate_max.into(),
            burst: limits.burst_max.into(),
        };
        Self {
            limits,
            budgets: Buckets::new(rate, ADDRESSES_MAX),
            connections: BTreeMap::new(),
            refusals: Refusals {
                flood: 0,
                connections_of_one: 0,
                connections: 0,
                handshake: 0,
                idle: 0,
                unread: 0,
            },
        }
    }

    /// Whether a datagram may be read.
    pub(crate) fn admits_datagram(&mut self, now: Time, from: IpAddr) -> bool {
        self.admits(now, from, 1.0)
    }

    /// Whether bytes of a stream may be read.
    pub(crate) fn admits_bytes(&mut self, now: Time, from: IpAddr, len: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a read has few bytes")]
        let cost = (len as f64 / STREAM_UNIT_LEN as f64).max(0.1);
        self.admits(now, from, cost)
    }

    fn admits(&mut self, now: Time, from: IpAddr, cost: f64) -> bool {
        if self.limits.exempt.contains(from) {
            return true;
        }
        let admitted = self.budgets.take(now, subscriber(from), cost).is_ok();
        self.refusals.flood += u64::from(!admitted);
        admitted
    }

    /// Whether one more connection may be had from there, or to there; if so it counts until [`Guard::gone`].
    pub(crate) fn admits_connection(&mut self, from: IpAddr) -> bool {
        let held = self.connections.entry(subscriber(from)).or_default();
        if *held >= self.limits.connections_of_one_max && !self.limits.exempt.contains(from) {
            self.refusals.connections_of_one += 1;
            return false;
        }
        *held += 1;
        true
    }

    /// A connection from there is no more.
    pub(crate) fn gone(&mut self, from: IpAddr) {
        let from = subscriber(from);
        if let Some(held) = self.connections.get_mut(&from) {
            *held -= 1;
            if *held == 0 {
                self.connections.remove(&from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_flood_is_stopped_and_others_are_heard() {
        let mut guard = Guard::new(Limits::default());
        let (flooder, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let mut now = Time(Duration::ZERO);
        let passed = (0..10_000)
            .filter(|_| guard.admits_datagram(now, flooder))
            .count();
        assert_eq!((passed, guard.refusals.flood), (400, 9_600));
        assert!(guard.admits_datagram(now, other));
        now = now + Duration::from_secs(1);
        let passed = (0..10_000)
            .filter(|_| guard.admits_datagram(now, flooder))
            .count();
        assert_eq!(passed, 50);
    }

    #[test]
    fn trusted_networks_are_exempt_and_memory_is_bounded() {
        let mut guard = Guard::new(Limits {
            exempt: Networks::new(vec![(address("127.0.0.0"), 8)]),
            ..Limits::default()
        });
        let now = Time(Duration::ZERO);
        assert!((0..10_000).all(|_| guard.admits_datagram(now, address("127.1.2.3"))));
        assert!((0..1000).all(|_| guard.admits_connection(address("::ffff:127.0.0.1"))));
        for number in 0..100_000_u32 {
            guard.admits_datagram(now, IpAddr::V4(std::net::Ipv4Addr::from(number)));
        }
        assert_eq!(guard.budgets.len(), ADDRESSES_MAX);
        // Each has rested: room again.
        let later = now + Duration::from_secs(10);
        assert!(guard.admits_datagram(later, address("192.0.2.1")));
        assert_eq!(guard.budgets.len(), 1);
    }

    #[test]
    fn connections_of_one_address_are_counted_up_and_down() {
        let mut guard = Guard::new(Limits::default());
        let from = address("2001:db8::1");
        assert_eq!(
            (0..100).filter(|_| guard.admits_connection(from)).count(),
            64
        );
        guard.gone(from);
        assert!(guard.admits_connection(from));
        (0..64).for_each(|_| guard.gone(from));
        assert!(guard.connections.is_empty());
    }

    /// Who has a line with IPv6 has 2^64 addresses: one budget all the same.
    #[test]
    fn a_flood_from_a_slash_64_is_a_flood_from_one() {
        let mut guard = Guard::new(Limits::default());
        let from = |number: u128| IpAddr::V6((0x2001_0db8_u128 << 96 | number).into());
        let now = Time::default();
        let passed = (0..10_000)
            .filter(|number| guard.admits_datagram(now, from(*number)))
            .count();
        assert_eq!((passed, guard.budgets.len()), (400, 1));
        assert!(guard.admits_datagram(now, from(1 << 64)), "another line");
        let connected = (0..100)
            .filter(|number| guard.admits_connection(from(*number)))
            .count();
        assert_eq!(connected, CONNECTIONS_OF_ONE_MAX);
        (0..64).for_each(|number| guard.gone(from(number)));
        assert!(guard.connections.is_empty());
    }

    #[test]
    fn networks_of_both_families() {
        let networks = Networks::new(vec![(address("10.0.0.0"), 8), (address("2001:db8::"), 32)]);
        for (text, inside) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(networks.contains(address(text)), inside, "{text}");
        }
        assert!(Networks::new(vec![(address("0.0.0.0"), 0)]).contains(address("192.0.2.1")));
    }
}
