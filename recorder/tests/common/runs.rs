//! Many packets in one call.

use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{Transmit, UdpSocketState};

/// A socket that sends runs of packets of one length in one call, as a switch with many streams does.
pub(crate) struct Runs {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Runs {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let state = UdpSocketState::new((&socket).into()).expect("a socket");
        Self { socket, state }
    }

    pub(crate) fn send(&self, to: SocketAddr, datagrams: &[Vec<u8>]) {
        let each = datagrams.first().map_or(0, Vec::len);
        for run in datagrams.chunks(self.state.max_gso_segments()) {
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents: &run.concat(),
                segment_size: Some(each),
                src_ip: None,
            };
            self.state
                .send((&self.socket).into(), &transmit)
                .expect("sent");
        }
    }
}
