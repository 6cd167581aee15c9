//! Ports for programs that are told theirs. Each is given once, and from where the system itself gives none: a port that it was
//! asked for and gave back would be the next socket's of a test beside this one, before the program has it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below what Linux gives out by itself (32768 and up), above our programs' own ports for audio.
const FIRST: u16 = 22_000;
const LAST: u16 = 31_999;
/// SIPp takes four from the one that it's told for audio: audio and video, with a port for RTCP each.
const TOGETHER: u16 = 4;

/// A port that nobody has now, neither for UDP nor for TCP, even, as audio wants it, and with three free ones after it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST);
    loop {
        let first = NEXT.fetch_add(TOGETHER, Ordering::Relaxed);
        assert!(first + TOGETHER <= LAST, "more ports than these tests need");
        if (first..first + TOGETHER).all(is_free) {
            return first;
        }
    }
}

/// The same as an address.
pub(crate) fn free_address() -> SocketAddr {
    at(free_port())
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind(at(port)).is_ok() && TcpListener::bind(at(port)).is_ok()
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
