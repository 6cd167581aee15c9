//! Opening every socket that a driver listens on, and what is told to others of each.

use std::net::SocketAddr;

use tokio::net::{TcpListener, UdpSocket};
use wire::sip::endpoint::{Local, LocalAddress, TransportKind};

use crate::{
    bind::{self, BindError, Protocol},
    listen::Listen,
    streams::Door,
};

/// What is open.
pub(crate) struct Open {
    /// One for each address for UDP and TCP, in their order.
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) doors: Vec<Door>,
    /// The addresses for UDP and TCP, then those where only TLS is spoken.
    pub(crate) locals: Vec<LocalAddress>,
    /// The first that is listened on.
    pub(crate) local: SocketAddr,
}

/// Opens what `listen` names. `told`: what others are told in place of each address.
pub(crate) fn open(listen: &Listen, told: &[LocalAddress]) -> Result<Open, BindError> {
    let (mut udp, mut doors) = (Vec::new(), Vec::new());
    let (mut locals, mut bound) = (Vec::new(), Vec::new());
    for (place, &address) in listen.sip.iter().enumerate() {
        let (datagrams, listener) = bind::both(address, &listen.inherited)?;
        let datagrams =
            UdpSocket::from_std(datagrams).map_err(bind::refused(address, Protocol::Udp))?;
        let own = datagrams
            .local_addr()
            .map_err(bind::refused(address, Protocol::Udp))?;
        let wanted = told.get(place).map_or(own, LocalAddress::socket);
        locals.push(LocalAddress::plain(advertised(wanted, own)?));
        let local = place_of(place);
        bound.push(own);
        udp.push(datagrams);
        doors.push(Door {
            listener: watched(listener, own)?,
            local,
            kind: TransportKind::Tcp,
        });
    }
    for &address in listen.tls.iter().flat_map(|secure| &secure.addresses) {
        let listener = watched(bind::stream(address, &listen.inherited)?, address)?;
        let own = listener
            .local_addr()
            .map_err(bind::refused(address, Protocol::Tcp))?;
        doors.push(Door {
            listener,
            local: beside(own, &bound, &mut locals)?,
            kind: TransportKind::Tls,
        });
    }
    let first = || locals.first().map(LocalAddress::socket);
    let local = bound.first().copied().or_else(first);
    Ok(Open {
        udp,
        doors,
        local: local.ok_or(BindError::Nowhere)?,
        locals,
    })
}

/// The address that a listener for TLS goes with: that for UDP and TCP of the same network, if there is one.
fn beside(
    own: SocketAddr,
    bound: &[SocketAddr],
    locals: &mut Vec<LocalAddress>,
) -> Result<Local, BindError> {
    let goes = |(sip, local): &(&SocketAddr, &mut LocalAddress)| {
        let same =
            sip.ip() == own.ip() || own.ip().is_unspecified() && sip.is_ipv4() == own.is_ipv4();
        same && local.tls_port.is_none()
    };
    let mut pairs = bound.iter().zip(locals.iter_mut()).enumerate();
    if let Some((place, (_, local))) = pairs.find(|(_, pair)| goes(pair)) {
        local.tls_port = Some(own.port());
        return Ok(place_of(place));
    }
    if own.ip().is_unspecified() {
        return Err(BindError::NothingToAdvertise { address: own });
    }
    locals.push(LocalAddress {
        ip: own.ip(),
        port: None,
        tls_port: Some(own.port()),
    });
    Ok(place_of(locals.len() - 1))
}

fn place_of(place: usize) -> Local {
    Local(u8::try_from(place).unwrap_or(u8::MAX))
}

/// A listener of the system as one of tokio's.
fn watched(listener: std::net::TcpListener, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::from_std(listener).map_err(bind::refused(address, Protocol::Tcp))
}

fn advertised(wanted: SocketAddr, local: SocketAddr) -> Result<SocketAddr, BindError> {
    let ip = if wanted.ip().is_unspecified() {
        local.ip()
    } else {
        wanted.ip()
    };
    if ip.is_unspecified() {
        return Err(BindError::NothingToAdvertise { address: local });
    }
    Ok(SocketAddr::new(
        ip,
        if wanted.port() == 0 {
            local.port()
        } else {
            wanted.port()
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_to_others_is_filled_in() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let told = |wanted, local| advertised(address(wanted), address(local)).ok();
        assert_eq!(
            told("0.0.0.0:0", "127.0.0.1:5060"),
            Some(address("127.0.0.1:5060"))
        );
        assert_eq!(
            told("192.0.2.1:0", "0.0.0.0:5070"),
            Some(address("192.0.2.1:5070"))
        );
        assert_eq!(
            told("192.0.2.1:9", "0.0.0.0:5070"),
            Some(address("192.0.2.1:9"))
        );
        assert_eq!(told("0.0.0.0:0", "0.0.0.0:5060"), None);
    }
}
