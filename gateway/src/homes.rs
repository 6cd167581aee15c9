//! The addresses of this switch, one for each network it stands in, as its calls name them.

use std::net::{IpAddr, SocketAddr};

use wire::sip::endpoint::{Local, LocalAddress};

/// All of them.
#[derive(Debug, Clone)]
pub(crate) struct Homes(Box<[Home]>);

#[derive(Debug, Clone)]
struct Home {
    address: SocketAddr,
    /// As it is written in URIs.
    here: Box<str>,
}

impl Homes {
    /// Those that a driver listens on: at least one.
    pub(crate) fn new(locals: &[LocalAddress]) -> Self {
        let home = |local: &LocalAddress| {
            let address = local.socket();
            let here = address.to_string().into();
            Home { address, here }
        };
        Self(locals.iter().map(home).collect())
    }

    fn of(&self, local: Local) -> &Home {
        self.0.get(local.place()).unwrap_or(&self.0[0])
    }

    /// Where calls are taken there.
    pub(crate) fn address(&self, local: Local) -> SocketAddr {
        self.of(local).address
    }

    /// What audio of calls there comes to.
    pub(crate) fn ip(&self, local: Local) -> IpAddr {
        self.of(local).address.ip()
    }

    /// The address as URIs have it.
    pub(crate) fn here(&self, local: Local) -> &str {
        &self.of(local).here
    }

    /// Whether this switch is there.
    pub(crate) fn is_here(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|home| home.address.ip() == ip)
    }

    /// Which of them that is.
    pub(crate) fn find(&self, address: SocketAddr) -> Option<Local> {
        let mut all = Local::all(self.0.len()).zip(self.0.iter());
        let found = all.find(|(_, home)| home.address == address);
        found.map(|(local, _)| local)
    }

    /// Whether there is a choice.
    pub(crate) fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// Each family (IPv4: true) that is spoken.
    pub(crate) fn families(&self) -> Families {
        let any = |four: bool| self.0.iter().any(|home| home.address.is_ipv4() == four);
        Families {
            four: any(true),
            six: any(false),
        }
    }
}

/// What a switch speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Families {
    /// IPv4.
    pub(crate) four: bool,
    /// IPv6.
    pub(crate) six: bool,
}

impl Families {
    pub(crate) const fn has(self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(_) => self.four,
            IpAddr::V6(_) => self.six,
        }
    }
}

/// Where UDP and TCP are spoken.
pub(crate) fn plain_of(locals: &[LocalAddress]) -> Vec<SocketAddr> {
    let plain = locals.iter().filter(|local| local.port.is_some());
    plain.map(LocalAddress::socket).collect()
}

/// Where TLS is spoken.
pub(crate) fn tls_of(locals: &[LocalAddress]) -> Vec<SocketAddr> {
    let at = |local: &LocalAddress| Some(SocketAddr::new(local.ip, local.tls_port?));
    locals.iter().filter_map(at).collect()
}
