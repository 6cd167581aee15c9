//! Whose packets a port takes: signalling names an address, and the first packet shows where the other end really sends from
//! (symmetric RTP, RFC 4961).

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// How long a phone that was there before may go on sending: it stops at our BYE, which may be lost three times.
pub(super) const FORMER_MAX: Duration = Duration::from_secs(5);

/// What a port knows of its other end's address.
#[derive(Debug, Default)]
pub(super) struct Latch {
    /// It has been heard since signalling named it.
    latched: bool,
    said: Box<Said>,
}

/// What signalling said.
#[derive(Debug, Default)]
struct Said {
    /// Where it is.
    named: Option<SocketAddr>,
    /// The host that its signalling comes from.
    signals_from: Option<IpAddr>,
    former: Option<Former>,
}

/// Who was here before: a phone that handed the call on talks for a moment longer.
#[derive(Debug)]
struct Former {
    /// Where it was said to be, and where it was found.
    at: [Option<SocketAddr>; 2],
    until: Instant,
}

impl Latch {
    /// Signalling names an address; `found` is where audio went until now.
    pub(super) fn named(
        &mut self,
        address: SocketAddr,
        signals_from: Option<IpAddr>,
        found: Option<SocketAddr>,
        now: Instant,
    ) {
        let said = &mut *self.said;
        if said.named != Some(address) {
            // Who takes over may be heard before we know of it, and was taken for who was here.
            let at = [said.named, found].map(|at| at.filter(|at| *at != address));
            let until = now + FORMER_MAX;
            said.former = Some(Former { at, until });
            said.named = Some(address);
        }
        said.signals_from = signals_from;
        self.latched = false;
    }

    /// Whether signalling that names this address says that our remote is no longer where it was; on hold in the old way it is
    /// nowhere, and comes back.
    pub(super) fn moves_to(&self, address: SocketAddr) -> bool {
        let somewhere = |at: &SocketAddr| !at.ip().is_unspecified();
        let before = self.said.named.filter(somewhere);
        before.is_some_and(|before| before != address) && somewhere(&address)
    }

    /// Whether a packet from there may be our remote's. The port may differ from what was named, once; the host may be that which
    /// its signalling comes from, for behind NAT nobody knows what others see of him; never another (RTP bleed). What was named is
    /// believed again whoever came first: on a port that was another call's a moment ago, that call's end at the same host.
    pub(super) fn takes(&self, from: SocketAddr, remote: SocketAddr, now: Instant) -> bool {
        from == remote
            || self.said.named == Some(from)
            || !self.latched && self.knows_host(from, remote) && !self.is_former(from, now)
    }

    /// Whether it is a host of our remote's.
    pub(super) fn knows_host(&self, from: SocketAddr, remote: SocketAddr) -> bool {
        from.ip() == remote.ip() || self.said.signals_from == Some(from.ip())
    }

    /// A packet was taken: from now on there is no other.
    pub(super) const fn heard(&mut self) {
        self.latched = true;
    }

    fn is_former(&self, from: SocketAddr, now: Instant) -> bool {
        let former = self
            .said
            .former
            .as_ref()
            .filter(|former| now < former.until);
        former.is_some_and(|former| former.at.contains(&Some(from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_port_may_differ_once_the_host_never() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        latch.named(at(10), None, None, now);
        assert!(latch.takes(at(10), at(10), now) && latch.takes(at(12), at(10), now));
        assert!(!latch.takes(SocketAddr::from(([127, 0, 0, 2], 10)), at(10), now));
        latch.heard();
        assert!(latch.takes(at(12), at(12), now) && !latch.takes(at(14), at(12), now));
    }

    #[test]
    fn who_was_named_is_heard_also_when_another_call_of_its_host_came_first() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        latch.named(at(10), None, None, now);
        assert!(latch.takes(at(12), at(10), now));
        latch.heard();
        assert!(latch.takes(at(10), at(12), now));
        assert!(!latch.takes(at(12), at(10), now), "and then no other");
    }

    #[test]
    fn behind_nat_the_host_is_the_one_that_signals() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        let seen = SocketAddr::from(([192, 0, 2, 7], 40_000));
        latch.named(at(10), None, None, now);
        assert!(!latch.takes(seen, at(10), now));
        latch.named(at(10), Some(seen.ip()), None, now);
        assert!(latch.takes(seen, at(10), now));
        latch.heard();
        let other = SocketAddr::new(seen.ip(), 40_002);
        assert!(!latch.takes(other, seen, now), "once");
    }

    #[test]
    fn who_handed_the_call_on_is_not_taken_for_who_has_it_also_when_the_new_one_was_quick() {
        for quick in [false, true] {
            let (mut latch, now) = (Latch::default(), Instant::now());
            let (first, second) = (at(10), at(20));
            latch.named(first, None, None, now);
            let mut found = first;
            if quick {
                assert!(latch.takes(second, found, now));
                latch.heard();
                found = second;
            }
            latch.named(second, None, Some(found), now);
            assert!(!latch.takes(first, second, now), "quick: {quick}");
            assert!(latch.takes(second, second, now));
        }
    }

    #[test]
    fn who_is_on_hold_has_not_moved() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 10));
        assert!(!latch.moves_to(at(10)), "it was nowhere before");
        latch.named(at(10), None, None, now);
        assert!(!latch.moves_to(at(10)) && !latch.moves_to(nowhere));
        assert!(latch.moves_to(at(12)));
        latch.named(nowhere, None, Some(at(10)), now);
        assert!(!latch.moves_to(at(10)));
    }

    #[test]
    fn a_phone_that_is_named_anew_and_sends_from_where_it_was_is_heard_again() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        latch.named(at(10), None, None, now);
        latch.heard();
        latch.named(at(30), None, Some(at(12)), now);
        assert!(!latch.takes(at(12), at(30), now));
        assert!(latch.takes(at(12), at(30), now + FORMER_MAX));
    }
}
