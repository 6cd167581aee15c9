//! The addresses that an endpoint has, one for each network it is in, and what it says of itself at each.
//!
//! They are told as data: which of them leads to a peer, where several could, its driver knows.

use std::net::{IpAddr, SocketAddr};

use super::{Config, border::TransportKind, clients::COOKIE, ident};
use crate::sip::{
    header::{NameAddr, Via},
    message::HeaderValue,
    uri::Uri,
};

/// One of an endpoint's addresses, by its place in [`Config::locals`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Local(pub u8);

impl Local {
    /// The only one, for most.
    pub const FIRST: Self = Self(0);

    /// Each of so many.
    pub fn all(count: usize) -> impl Iterator<Item = Self> + Clone {
        (0..=u8::MAX).map(Self).take(count)
    }

    /// Its place.
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// An address that an endpoint names as its own in Via and Contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub ip: IpAddr,
    /// The port for UDP and TCP; `None`: neither is spoken there.
    pub port: Option<u16>,
    /// The port for TLS; `None`: that of TCP is named (an element that only calls by TLS).
    pub tls_port: Option<u16>,
}

impl LocalAddress {
    /// UDP and TCP.
    pub const fn plain(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: Some(address.port()),
            tls_port: None,
        }
    }

    /// Whether what goes to that address may leave by this one.
    pub const fn reaches(&self, peer: IpAddr, kind: TransportKind) -> bool {
        match kind {
            // Browsers come by a web server, which may be anywhere.
            TransportKind::Ws | TransportKind::Wss => true,
            TransportKind::Tls => self.ip.is_ipv4() == peer.is_ipv4(),
            TransportKind::Udp | TransportKind::Tcp => {
                self.port.is_some() && self.ip.is_ipv4() == peer.is_ipv4()
            }
        }
    }

    /// Where it listens: by UDP and TCP, or by TLS where those aren't spoken.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.or(self.tls_port).unwrap_or_default())
    }

    /// The address named in Via and Contact for this transport.
    fn sent_by(&self, kind: TransportKind, ws: Option<SocketAddr>) -> SocketAddr {
        match kind {
            TransportKind::Udp | TransportKind::Tcp => self.socket(),
            TransportKind::Tls => {
                let port = self.tls_port.or(self.port).unwrap_or_default();
                SocketAddr::new(self.ip, port)
            }
            TransportKind::Ws | TransportKind::Wss => ws.unwrap_or_else(|| self.socket()),
        }
    }
}

/// All of them, and what messages say of us at each, made once.
#[derive(Debug)]
pub(crate) struct Locals(Box<[Names]>);

/// Values of header fields at one address; cloning one only counts a reference.
#[derive(Debug)]
struct Names {
    address: LocalAddress,
    contacts: Contacts,
    vias: [(TransportKind, Box<str>); 5],
}

/// Our Contact for each transport.
#[derive(Debug)]
struct Contacts {
    udp: HeaderValue,
    tcp: HeaderValue,
    tls: HeaderValue,
    ws: HeaderValue,
}

impl Locals {
    pub(crate) fn new(config: &Config) -> Self {
        let nowhere = LocalAddress::plain(SocketAddr::from(([0, 0, 0, 0], 0)));
        let first = config.locals.first().copied().unwrap_or(nowhere);
        let others = config.locals.iter().skip(1).copied();
        let all = std::iter::once(first).chain(others);
        Self(all.map(|address| Names::new(address, config)).collect())
    }

    fn of(&self, local: Local) -> &Names {
        self.0.get(local.place()).unwrap_or(&self.0[0])
    }

    /// Our Contact there.
    pub(crate) fn contact(&self, local: Local, kind: TransportKind) -> &HeaderValue {
        self.of(local).contacts.of(kind)
    }

    /// A Via of ours with that branch.
    pub(crate) fn via(&self, local: Local, kind: TransportKind, branch: u64) -> String {
        let own = self.of(local).vias.iter().find(|(own, _)| *own == kind);
        let own = own.map_or("", |(_, via)| via);
        let branch = ident::text(branch);
        [own, &branch].concat()
    }

    /// Where we are there.
    pub(crate) fn socket(&self, local: Local) -> SocketAddr {
        self.of(local).address.socket()
    }

    /// The address by which to send there: the one preferred if it can be, else the first that can; `None`: none is of
    /// the peer's family.
    pub(crate) fn to(&self, preferred: Local, peer: IpAddr, kind: TransportKind) -> Option<Local> {
        let known = self.0.get(preferred.place());
        if known.is_some_and(|own| own.address.reaches(peer, kind)) {
            return Some(preferred);
        }
        Local::all(self.0.len()).find(|local| self.of(*local).address.reaches(peer, kind))
    }
}

impl Names {
    fn new(address: LocalAddress, config: &Config) -> Self {
        use TransportKind::{Tcp, Tls, Udp, Ws, Wss};
        let sent_by = |kind| address.sent_by(kind, config.advertised_ws);
        // For each transport the Via of our requests as far as the number in its branch.
        let vias = [Udp, Tcp, Tls, Ws, Wss].map(|kind| {
            let via = Via::new(kind.as_str(), sent_by(kind), COOKIE);
            (kind, via.to_string().into())
        });
        Self {
            address,
            contacts: Contacts::new(&config.contact_user, sent_by),
            vias,
        }
    }
}

impl Contacts {
    fn new(user: &str, sent_by: impl Fn(TransportKind) -> SocketAddr) -> Self {
        let contact = |kind: TransportKind| {
            let mut uri = Uri::sip(Some(user), sent_by(kind));
            if let Some(name) = kind.param() {
                uri.params.set("transport", Some(name));
            }
            HeaderValue::from(&NameAddr::new(uri))
        };
        Self {
            udp: contact(TransportKind::Udp),
            tcp: contact(TransportKind::Tcp),
            tls: contact(TransportKind::Tls),
            ws: contact(TransportKind::Ws),
        }
    }

    const fn of(&self, kind: TransportKind) -> &HeaderValue {
        match kind {
            TransportKind::Udp => &self.udp,
            TransportKind::Tcp => &self.tcp,
            TransportKind::Tls => &self.tls,
            TransportKind::Ws | TransportKind::Wss => &self.ws,
        }
    }
}
