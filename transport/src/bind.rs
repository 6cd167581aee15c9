//! Sockets that listen, and what to tell a person when they can't.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
};

use socket2::{Domain, SockRef, Socket, Type};

use crate::handed::Inherited;

/// Receive buffer asked for; the system may give less. Two seconds of a thousand messages a second of 2 KiB.
const RECEIVE_BUFFER_LEN: usize = 4 * 1024 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Ports tried until one is free for both UDP and TCP, when the system is to pick.
const PICKS_MAX: usize = 32;

/// What a socket was to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// Why it can't listen. The text names the address and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refused the socket.
    #[error(
        "can't listen on {address} ({protocol:?}): {source}. {}",
        remedy(source)
    )]
    Refused {
        /// Where.
        address: SocketAddr,
        /// For what.
        protocol: Protocol,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No address is named.
    #[error("no address to listen on: name one of this machine's, such as 192.0.2.10")]
    Nowhere,
    /// Listens on all addresses and has none to tell others.
    #[error(
        "others are told the address that is listened on, and {address} leads nobody here: name one of this machine's, such as 192.0.2.10"
    )]
    NothingToAdvertise {
        /// Where it was to listen.
        address: SocketAddr,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "Another program has the port: stop it, or choose another port",
        io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: choose one of its own, or 127.0.0.1"
        }
        io::ErrorKind::PermissionDenied => "Ports under 1024 need privileges: choose a higher one",
        _ => "Choose another address or port",
    }
}

/// UDP and TCP on one port; port 0 lets the system pick. What was inherited is used first.
pub(crate) fn both(
    address: SocketAddr,
    inherited: &Inherited,
) -> Result<(UdpSocket, TcpListener), BindError> {
    let mut picks = 1;
    loop {
        let listener = stream(address, inherited)?;
        let picked = listener
            .local_addr()
            .map_err(refused(address, Protocol::Tcp))?;
        let udp = inherited.udp(picked).map_or_else(|| udp(picked), Ok);
        match udp.map(for_many) {
            Ok(udp) => return Ok((udp, listener)),
            // The port that TCP got may be another's for UDP: let the system pick again.
            Err(error)
                if address.port() == 0
                    && error.kind() == io::ErrorKind::AddrInUse
                    && picks < PICKS_MAX =>
            {
                picks += 1;
            }
            Err(error) => return Err(refused(picked, Protocol::Udp)(error)),
        }
    }
}

pub(crate) fn refused(address: SocketAddr, protocol: Protocol) -> impl Fn(io::Error) -> BindError {
    move |source| BindError::Refused {
        address,
        protocol,
        source,
    }
}

/// A listener for streams: one that was inherited, or a new one.
pub(crate) fn stream(address: SocketAddr, inherited: &Inherited) -> Result<TcpListener, BindError> {
    let inherited = inherited.tcp(address);
    let listener = inherited.map_or_else(|| tcp(address), Ok);
    listener.map_err(refused(address, Protocol::Tcp))
}

/// A UDP socket whose receive buffer is that of the system: seconds of one call's audio.
pub(crate) fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// For signalling: what all calls send comes here.
fn for_many(socket: UdpSocket) -> UdpSocket {
    // Less is no reason not to start.
    if let Err(error) = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_LEN) {
        tracing::debug!(%error, "receive buffer stays as it is");
    }
    socket
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // On Unix this only passes over connections of an earlier run that linger; two listeners still can't share.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_for_both_and_an_error_that_helps() {
        let (udp, tcp) =
            both(SocketAddr::from(([127, 0, 0, 1], 0)), &Inherited::default()).expect("a port");
        let address = udp.local_addr().expect("an address");
        assert_eq!(address, tcp.local_addr().expect("an address"));
        let text = both(address, &Inherited::default())
            .expect_err("in use")
            .to_string();
        assert!(
            text.contains(&address.to_string()) && text.contains("choose another port"),
            "{text}"
        );
        drop(tcp);
        let text = both(address, &Inherited::default())
            .expect_err("UDP in use")
            .to_string();
        assert!(text.contains("Udp"), "{text}");
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let text = both(SocketAddr::from(([192, 0, 2, 1], 0)), &Inherited::default())
            .expect_err("not ours")
            .to_string();
        assert!(
            text.contains("192.0.2.1") && text.contains("no such address"),
            "{text}"
        );
    }
}
