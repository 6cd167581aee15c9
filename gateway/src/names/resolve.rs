//! From a name to ways (RFC 3263 section 4): NAPTR says by what transport, SRV which hosts and ports, A and AAAA where they are.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig},
    lookup::Lookup,
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};
use wire::sip::endpoint::TransportKind;

use super::{Place, Way};
use crate::homes::Families;

/// Records of one answer that are used, those with the lowest priority; a provider with more hosts has a proxy before them.
const RECORDS_MAX: usize = 16;

/// What a name leads to.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) ways: Vec<Ranked>,
    /// When to ask again.
    pub(super) until: Instant,
    /// NAPTR, or the SRV of a service, couldn't be asked for, so it was left out.
    pub(super) unsure: bool,
    /// SRV told it: ports and hosts that the name's own address doesn't.
    pub(super) by_service: bool,
}

/// What was known once holds while it can't be asked for: leaving it out might turn TLS into UDP, or lead to another host.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Insists {
    pointers: bool,
    services: bool,
}

impl Found {
    /// What a name itself leads to.
    pub(super) const fn new(ways: Vec<Ranked>, until: Instant) -> Self {
        Self {
            ways,
            until,
            unsure: false,
            by_service: false,
        }
    }
}

impl Insists {
    /// On what is known so far.
    pub(super) fn on(known: Option<&Found>) -> Self {
        Self {
            pointers: known.is_some_and(|found| !found.unsure),
            services: known.is_some_and(|found| !found.unsure || found.by_service),
        }
    }
}

/// A way, with what its SRV record says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranked {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) way: Way,
    /// The same host's way by the other family, where both are spoken: tried right after the first.
    pub(super) second: Option<Way>,
}

/// Asks this name server, or the system's.
pub(super) fn resolver(
    server: Option<SocketAddr>,
    families: Families,
) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        Some(address) => {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
        None => TokioResolver::builder_tokio()?,
    };
    if families.four && families.six {
        // Else AAAA is asked for only where there is no A.
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    }
    builder.build()
}

/// Where a place is. Empty when the name service knows nothing of it; an error when it can't be asked. Not being told of NAPTR or
/// SRV is such an error too for whoever `insists`; else the rest is asked for without it, as there are servers that never answer for
/// such types.
pub(super) async fn resolve(
    resolver: &TokioResolver,
    place: &Place,
    families: Families,
    insists: Insists,
) -> Result<Found, NetError> {
    let asked = Asked {
        resolver,
        place,
        families,
    };
    // A port says that there is nothing to choose (RFC 3263 section 4.2).
    if let Some(port) = place.port {
        return asked.addresses(port).await;
    }
    let (pointed, unsure) = match asked.pointers().await {
        Ok(pointed) => (pointed, false),
        Err(error) if insists.pointers => return Err(error),
        Err(error) => {
            tracing::debug!(host = %place.host, %error, "NAPTR is left out");
            (Vec::new(), true)
        }
    };
    let chosen = !pointed.is_empty();
    let mut doubt = None;
    for (service, kind) in asked.services(pointed) {
        match asked.servers(&service, kind).await {
            Ok(found) if found.ways.is_empty() => {}
            Ok(found) => {
                let unsure = unsure || doubt.is_some();
                return Ok(Found { unsure, ..found });
            }
            Err(error) if insists.services => return Err(error),
            Err(error) => {
                tracing::debug!(host = %place.host, service, %error, "SRV is left out");
                doubt = Some(error);
            }
        }
    }
    let unsure = unsure || doubt.is_some();
    // By what transport was said: the host itself says nothing of it.
    if let Some(error) = doubt.filter(|_| chosen) {
        return Err(error);
    }
    let found = asked.addresses(place.default_port).await?;
    Ok(Found { unsure, ..found })
}

struct Asked<'a> {
    resolver: &'a TokioResolver,
    place: &'a Place,
    families: Families,
}

impl Asked<'_> {
    /// The SRV names to ask for, in order; `pointed`: what NAPTR said.
    fn services(&self, pointed: Vec<(String, TransportKind)>) -> Vec<(String, TransportKind)> {
        let Place { host, kind, .. } = self.place;
        let named = |service: &str, kind| (format!("{service}.{host}."), kind);
        let all = [
            named("_sip._udp", TransportKind::Udp),
            named("_sip._tcp", TransportKind::Tcp),
            named("_sips._tcp", TransportKind::Tls),
        ];
        if let Some(kind) = kind {
            let own = all.into_iter().filter(|(_, known)| known == kind);
            return own.collect();
        }
        if pointed.is_empty() {
            all.into()
        } else {
            pointed
        }
    }

    /// What NAPTR records say, in the order they ask for; nothing, when the target itself says by what.
    async fn pointers(&self) -> Result<Vec<(String, TransportKind)>, NetError> {
        if self.place.kind.is_some() {
            return Ok(Vec::new());
        }
        let host = format!("{}.", self.place.host);
        let lookup = self.resolver.lookup(host, RecordType::NAPTR).await;
        let Some(lookup) = known(lookup)? else {
            return Ok(Vec::new());
        };
        let mut pointers: Vec<_> = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::NAPTR(naptr) => {
                    let kind = kind_of_service(&naptr.services)?;
                    let fits = naptr.flags.eq_ignore_ascii_case(b"s");
                    let rank = (naptr.order, naptr.preference);
                    fits.then(|| (rank, naptr.replacement.to_ascii(), kind))
                }
                _ => None,
            })
            .collect();
        pointers.sort_unstable_by_key(|(rank, ..)| *rank);
        pointers.truncate(RECORDS_MAX);
        let plain = |(_, name, kind)| (name, kind);
        Ok(pointers.into_iter().map(plain).collect())
    }

    /// The hosts of an SRV name, each with its addresses; one whose address can't be had takes none of the others away.
    async fn servers(&self, service: &str, kind: TransportKind) -> Result<Found, NetError> {
        let mut found = Found {
            by_service: true,
            ..Found::new(Vec::new(), Instant::now())
        };
        let Some(lookup) = known(self.resolver.srv_lookup(service).await)? else {
            return Ok(found);
        };
        found.until = lookup.valid_until();
        let mut records: Vec<_> = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                // The root: the service is decidedly not there (RFC 2782).
                RData::SRV(srv) if !srv.target.is_root() => Some(srv),
                _ => None,
            })
            .collect();
        records.sort_unstable_by_key(|srv| (srv.priority, srv.weight));
        let mut unknown = None;
        for srv in records.into_iter().take(RECORDS_MAX) {
            let ips = self.ips_of(srv.target.to_ascii(), &mut found.until);
            match ips.await {
                Ok(ips) => {
                    let ranked = Ranked::new(ips, srv.port, Some(kind));
                    found.ways.extend(ranked.map(|ranked| Ranked {
                        priority: srv.priority,
                        weight: srv.weight,
                        ..ranked
                    }));
                }
                Err(error) => unknown = Some(error),
            }
        }
        match unknown {
            Some(error) if found.ways.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    /// The host itself, at this port.
    async fn addresses(&self, port: u16) -> Result<Found, NetError> {
        let mut until = Instant::now() + super::REFRESH_MAX;
        let ips = self.ips_of(self.place.host.to_string(), &mut until);
        let ranked = Ranked::new(ips.await?, port, self.place.kind);
        Ok(Found::new(ranked.into_iter().collect(), until))
    }

    /// Addresses of a host: one of each family that this switch speaks, IPv6 first (RFC 6724), or any.
    async fn ips_of(
        &self,
        host: String,
        until: &mut Instant,
    ) -> Result<[Option<IpAddr>; 2], NetError> {
        let lookup = match self.resolver.lookup_ip(host).await {
            Ok(lookup) => lookup,
            Err(error) if is_nothing(&error) => return Ok([None; 2]),
            Err(error) => return Err(error),
        };
        *until = (*until).min(lookup.valid_until());
        let own = |four: bool| {
            let mut all = lookup.iter();
            all.find(|ip| ip.is_ipv4() == four && self.families.has(*ip))
        };
        // One that can't be reached is told of when it is called.
        Ok(match [own(false), own(true)] {
            [None, None] => [lookup.iter().next(), None],
            own => own,
        })
    }
}

impl Ranked {
    /// The ways to a host of these addresses; `None`: it has none.
    fn new(ips: [Option<IpAddr>; 2], port: u16, kind: Option<TransportKind>) -> Option<Self> {
        let mut ways = ips.into_iter().flatten().map(|ip| Way {
            address: SocketAddr::new(ip, port),
            kind,
        });
        Some(Self {
            priority: 0,
            weight: 0,
            way: ways.next()?,
            second: ways.next(),
        })
    }
}

fn kind_of_service(services: &[u8]) -> Option<TransportKind> {
    let is = |name: &[u8]| services.eq_ignore_ascii_case(name);
    match () {
        () if is(b"SIP+D2U") => Some(TransportKind::Udp),
        () if is(b"SIP+D2T") => Some(TransportKind::Tcp),
        () if is(b"SIPS+D2T") => Some(TransportKind::Tls),
        () => None,
    }
}

/// That there is no such record is an answer.
fn known(lookup: Result<Lookup, NetError>) -> Result<Option<Lookup>, NetError> {
    match lookup {
        Ok(lookup) => Ok(Some(lookup)),
        Err(error) if is_nothing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_nothing(error: &NetError) -> bool {
    error.is_no_records_found() || error.is_nx_domain()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::UdpSocket;

    use super::*;

    /// A name server that tells addresses, and of other types that it can't tell now.
    async fn name_server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut query).await {
                let name_len = query[12..len].iter().position(|&byte| byte == 0);
                let question = &query[12..12 + name_len.expect("a name") + 5];
                let is_a = question.ends_with(&[0, 1, 0, 1]);
                let code = if is_a { 0x80 } else { 0x82 };
                let mut answer = query[..2].to_vec();
                answer.extend([0x85, code, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
                answer.extend(question);
                if is_a {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 9]);
                }
                let _ = socket.send_to(&answer, from).await;
            }
        });
        address
    }

    /// RFC 3263 section 4.2: where SRV tells nothing, the name's own address may; but not in place of what SRV has told before.
    #[tokio::test]
    async fn a_service_that_cannot_be_asked_for_leaves_the_host_and_what_was_known() {
        let families = Families {
            four: true,
            six: false,
        };
        let resolver = resolver(Some(name_server().await), families).expect("a resolver");
        let place = Place {
            host: "provider.test".into(),
            port: None,
            kind: None,
            default_port: 5060,
        };
        let at = |found: &Found| -> Vec<SocketAddr> {
            found.ways.iter().map(|ranked| ranked.way.address).collect()
        };
        let found = resolve(&resolver, &place, families, Insists::default()).await;
        let found = found.expect("its own address");
        assert_eq!(at(&found), [([127, 0, 0, 9], 5060).into()]);
        assert!(found.unsure, "SRV is asked for again");
        let again = resolve(&resolver, &place, families, Insists::on(Some(&found))).await;
        assert_eq!(at(&again.expect("as before")), at(&found));
        let until = Instant::now() + Duration::from_secs(60);
        let told = Found {
            by_service: true,
            unsure: true,
            ..Found::new(Vec::new(), until)
        };
        let kept = resolve(&resolver, &place, families, Insists::on(Some(&told))).await;
        assert!(kept.is_err(), "what SRV told holds");
    }
}
