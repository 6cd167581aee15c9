//! The UDP sockets for signalling, one for each address listened on, and what waits to go out by each.

use std::{collections::VecDeque, future::poll_fn, io, net::SocketAddr, task::Poll};

use bytes::Bytes;
use tokio::net::UdpSocket;
use wire::sip::endpoint::Local;

/// Datagrams that wait when the system takes no more; the ones after are lost, as on any network.
const UNSENT_MAX: usize = 1024;

/// One socket.
#[derive(Debug)]
struct Socket {
    udp: UdpSocket,
    unsent: VecDeque<(SocketAddr, Bytes)>,
}

/// All of them, in the order of the addresses.
#[derive(Debug)]
pub(crate) struct Datagrams {
    sockets: Box<[Socket]>,
    /// Who is read first: one that is flooded must not keep the others from being heard.
    turn: usize,
}

impl Datagrams {
    pub(crate) fn new(sockets: Vec<UdpSocket>) -> Self {
        let sockets = sockets.into_iter().map(|udp| Socket {
            udp,
            unsent: VecDeque::new(),
        });
        Self {
            sockets: sockets.collect(),
            turn: 0,
        }
    }

    /// Waits until something has come to one of them. May be dropped: nothing is lost.
    pub(crate) async fn readable(&self) {
        poll_fn(|context| {
            // An error is that of an earlier datagram; reading takes it.
            let ready = |socket: &Socket| socket.udp.poll_recv_ready(context).is_ready();
            if self.sockets.iter().any(ready) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Each address, beginning with another one each time.
    pub(crate) fn in_turn(&mut self) -> impl Iterator<Item = Local> + use<> {
        let (count, first) = (self.sockets.len(), self.turn);
        self.turn = (self.turn + 1) % count.max(1);
        let all = Local::all(count).skip(first);
        all.chain(Local::all(first))
    }

    /// A datagram that is there already.
    pub(crate) fn receive(&self, local: Local, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        // An error is that of an earlier datagram (ICMP); readiness goes with it, so this doesn't spin.
        let socket = self.sockets.get(local.place())?;
        socket.udp.try_recv_from(buffer).ok()
    }

    /// Sends now, or when the system takes it; an error when it never will.
    pub(crate) fn send(&mut self, local: Local, peer: SocketAddr, bytes: Bytes) -> io::Result<()> {
        let Some(socket) = self.sockets.get_mut(local.place()) else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        if !socket.unsent.is_empty() {
            socket.keep(peer, bytes);
            return Ok(());
        }
        match socket.udp.try_send_to(&bytes, peer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.keep(peer, bytes),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(())
    }

    /// Whether anything waits.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sockets.iter().any(|socket| !socket.unsent.is_empty())
    }

    /// Waits until what waits may go on. May be dropped: nothing is lost.
    pub(crate) async fn writable(&self) {
        poll_fn(|context| {
            let mut waiting = self.sockets.iter().filter(|one| !one.unsent.is_empty());
            if waiting.any(|socket| socket.udp.poll_send_ready(context).is_ready()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Sends what waits, as far as the system takes it; gives those to whom it never will.
    pub(crate) fn send_unsent(&mut self) -> Vec<(Local, SocketAddr, io::Error)> {
        let mut refused = Vec::new();
        for (local, socket) in Local::all(self.sockets.len()).zip(self.sockets.iter_mut()) {
            while let Some((peer, bytes)) = socket.unsent.front() {
                match socket.udp.try_send_to(bytes, *peer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => refused.push((local, *peer, error)),
                    Ok(_) => {}
                }
                socket.unsent.pop_front();
            }
        }
        refused
    }

    /// The sockets themselves.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.sockets.iter().map(|socket| &socket.udp)
    }
}

impl Socket {
    fn keep(&mut self, peer: SocketAddr, bytes: Bytes) {
        if self.unsent.len() < UNSENT_MAX {
            self.unsent.push_back((peer, bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_address_has_its_turn() {
        let mut sockets = Vec::new();
        for _ in 0..3 {
            sockets.push(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
        }
        let mut datagrams = Datagrams::new(sockets);
        let mut turns = || -> Vec<u8> { datagrams.in_turn().map(|local| local.0).collect() };
        let seen = [turns(), turns(), turns(), turns()];
        assert_eq!(seen, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }
}
