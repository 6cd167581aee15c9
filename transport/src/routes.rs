//! By which of our addresses a peer is reached: as the system's own routes say, which an engineer has set up.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use wire::{
    sip::endpoint::{Local, LocalAddress, TransportKind},
    time::Time,
};

/// Peers of which it is known: every host of every provider and every phone of a large region. Beyond, all are asked about anew.
const KNOWN_MAX: usize = 4096;
/// How long an answer holds: routes change when a network card fails or an engineer moves a network.
const VALID: Duration = Duration::from_secs(10);

/// What is known of routes.
#[derive(Debug)]
pub(crate) struct Routes {
    locals: Box<[LocalAddress]>,
    /// The source address that the system would take.
    known: BTreeMap<IpAddr, (Option<IpAddr>, Time)>,
}

impl Routes {
    pub(crate) fn new(locals: &[LocalAddress]) -> Self {
        Self {
            locals: locals.into(),
            known: BTreeMap::new(),
        }
    }

    /// The address of ours for a peer: the one that the system would send from, else the first of the peer's family; `None`:
    /// there is none of its family. The system is asked only where there is a choice.
    pub(crate) fn to(&mut self, now: Time, peer: IpAddr, kind: TransportKind) -> Option<Local> {
        let locals = Local::all(self.locals.len()).zip(self.locals.iter());
        let family = |ip: IpAddr| ip.is_ipv4() == peer.is_ipv4();
        // A browser is behind a web server; even so audio comes from its family.
        let mut reaching = locals
            .clone()
            .filter(|(_, own)| own.reaches(peer, kind) && family(own.ip));
        let (first, second) = (reaching.next(), reaching.next());
        let Some((first, _)) = first else {
            let any = locals.clone().find(|(_, own)| own.reaches(peer, kind));
            return any.map(|(local, _)| local);
        };
        if second.is_none() {
            return Some(first);
        }
        let source = self.source(now, peer);
        let mut reaching = Local::all(self.locals.len()).zip(self.locals.iter());
        let named =
            |(_, own): &(Local, &LocalAddress)| Some(own.ip) == source && own.reaches(peer, kind);
        Some(reaching.find(named).map_or(first, |(local, _)| local))
    }

    fn source(&mut self, now: Time, peer: IpAddr) -> Option<IpAddr> {
        if let Some((source, until)) = self.known.get(&peer)
            && now < *until
        {
            return *source;
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        let source = source_of(peer).ok();
        self.known.insert(peer, (source, now + VALID));
        source
    }
}

/// What the system would send from. Connecting a UDP socket sends nothing.
fn source_of(peer: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // Any port but 0 will do.
    socket.connect(SocketAddr::new(peer, 9))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(addresses: &[&str]) -> Routes {
        let address = |text: &&str| LocalAddress::plain(text.parse().expect("an address"));
        let locals: Vec<LocalAddress> = addresses.iter().map(address).collect();
        Routes::new(&locals)
    }

    fn to(routes: &mut Routes, peer: &str) -> Option<u8> {
        let peer = peer.parse().expect("an address");
        let local = routes.to(Time::default(), peer, TransportKind::Udp);
        local.map(|local| local.0)
    }

    #[test]
    fn the_system_says_by_which_of_several() {
        // What goes to 127.0.0.0/8 goes from 127.0.0.1.
        let mut both = routes(&["127.0.0.2:5060", "127.0.0.1:5060", "[::1]:5060"]);
        assert_eq!(to(&mut both, "127.0.0.9"), Some(1));
        assert_eq!(to(&mut both, "::1"), Some(2));
        assert_eq!(both.known.len(), 1, "with no choice nobody is asked");
        let mut other = routes(&["127.0.0.2:5060", "127.0.0.3:5060"]);
        assert_eq!(to(&mut other, "127.0.0.9"), Some(0), "the first");
    }

    #[test]
    fn a_family_that_is_not_spoken_has_no_way() {
        assert_eq!(to(&mut routes(&["127.0.0.1:5060"]), "::1"), None);
        assert_eq!(to(&mut routes(&["[::1]:5060"]), "127.0.0.1"), None);
    }

    #[test]
    fn what_is_known_is_limited_and_grows_old() {
        let mut routes = routes(&["127.0.0.2:5060", "127.0.0.1:5060"]);
        for number in 0..KNOWN_MAX as u32 + 10 {
            let peer = Ipv4Addr::from_bits(0x7f01_0000 + number);
            routes.to(Time::default(), peer.into(), TransportKind::Udp);
        }
        assert!(routes.known.len() <= KNOWN_MAX);
        let peer = IpAddr::from([127, 9, 9, 9]);
        routes
            .known
            .insert(peer, (Some([127, 0, 0, 2].into()), Time(VALID)));
        assert_eq!(to(&mut routes, "127.9.9.9"), Some(0), "as it is known");
        let later = routes.to(Time(VALID * 2), peer, TransportKind::Udp);
        assert_eq!(later, Some(Local(1)), "asked anew");
    }

    #[test]
    fn where_only_tls_is_spoken_nothing_else_leaves() {
        let own = LocalAddress {
            ip: [127, 0, 0, 1].into(),
            port: None,
            tls_port: Some(5061),
        };
        let mut routes = Routes::new(&[own]);
        let peer = IpAddr::from([127, 0, 0, 9]);
        let mut to = |kind| routes.to(Time::default(), peer, kind);
        assert_eq!(to(TransportKind::Tls), Some(Local::FIRST));
        assert_eq!(
            (to(TransportKind::Udp), to(TransportKind::Tcp)),
            (None, None)
        );
    }
}
