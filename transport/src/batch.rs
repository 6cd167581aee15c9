//! A socket that sends many datagrams by one system call: the kernel cuts them apart (UDP GSO).

use std::{io, net::SocketAddr};

use quinn_udp::{Transmit, UdpSocketState};

use crate::media::PolledSocket;

/// Bytes of one send: what an IP packet counts to, less its headers.
const RUN_LEN_MAX: usize = 65_000;

/// A UDP socket that is connected to one peer. Sends now or not at all.
#[derive(Debug)]
pub struct BatchSocket {
    socket: PolledSocket,
    state: UdpSocketState,
    peer: SocketAddr,
}

impl BatchSocket {
    /// Connects a socket, and asks the system what it can do.
    pub fn connect(socket: PolledSocket, peer: SocketAddr) -> io::Result<Self> {
        socket.connect(peer)?;
        Ok(Self {
            state: UdpSocketState::new((&socket).into())?,
            socket,
            peer,
        })
    }

    /// The socket's own address.
    pub const fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Datagrams of that length that go in one send. One, where the system can't cut.
    pub fn run_max(&self, len: usize) -> usize {
        let fitting = RUN_LEN_MAX.checked_div(len).unwrap_or(1);
        self.state.max_gso_segments().min(fitting).max(1)
    }

    /// Sends datagrams of `len` bytes each, that lie one after another; the last may be shorter. They are [`BatchSocket::run_max`]
    /// at most. Fails with `ConnectionRefused` when nobody listened to an earlier one.
    pub fn send_run(&self, datagrams: &[u8], len: usize) -> io::Result<()> {
        let run_max = self.run_max(len);
        match self.send(datagrams, len) {
            // The device can't cut, as is known from now on.
            Err(_) if self.run_max(len) < run_max => datagrams
                .chunks(len.max(1))
                .try_for_each(|datagram| self.send(datagram, len)),
            sent => sent,
        }
    }

    fn send(&self, datagrams: &[u8], len: usize) -> io::Result<()> {
        let transmit = Transmit {
            destination: self.peer,
            ecn: None,
            contents: datagrams,
            segment_size: Some(len),
            src_ip: None,
        };
        self.state.try_send((&self.socket).into(), &transmit)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr, UdpSocket},
        time::Duration,
    };

    use super::*;
    use crate::media::{DEFAULT_RANGE, RtpPorts};

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn peer() -> UdpSocket {
        let peer = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
        let patience = Some(Duration::from_secs(10));
        peer.set_read_timeout(patience).expect("a timeout");
        peer
    }

    fn connected(peer: &UdpSocket) -> BatchSocket {
        let socket = RtpPorts::new(LOOPBACK, DEFAULT_RANGE).open_polled();
        let to = peer.local_addr().expect("an address");
        BatchSocket::connect(socket.expect("a port"), to).expect("connected")
    }

    #[test]
    fn a_run_arrives_as_datagrams_in_their_order() {
        let peer = peer();
        let socket = connected(&peer);
        let bytes: Vec<u8> = (0..=255).collect();
        let run = &bytes[..30 * socket.run_max(30).min(8) - 10];
        socket.send_run(run, 30).expect("sent");
        let mut buffer = [0; 100];
        for datagram in run.chunks(30) {
            let (len, from) = peer.recv_from(&mut buffer).expect("a datagram");
            assert_eq!((&buffer[..len], from), (datagram, socket.local_addr()));
        }
    }

    #[test]
    fn runs_are_as_long_as_a_packet_of_the_network_can_be() {
        let socket = connected(&peer());
        for len in [0, 1, 172, 1500, RUN_LEN_MAX + 1] {
            let max = socket.run_max(len);
            assert!(max >= 1 && (max == 1 || max * len <= RUN_LEN_MAX), "{len}");
        }
    }

    #[test]
    fn who_does_not_listen_is_noticed() {
        let socket = connected(&peer());
        let refused = (0..10_000)
            .find_map(|_| socket.send_run(b"hello", 5).err())
            .map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
    }
}
