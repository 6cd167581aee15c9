//! Ports and sockets for audio.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    io::Errno,
    net::{self, RecvFlags, SendFlags},
};
use socket2::SockRef;
use tokio::net::UdpSocket;

use crate::bind;

/// Ports for audio, of 5000 streams.
pub const DEFAULT_RANGE: RangeInclusive<u16> = 10_000..=19_999;
/// Long enough for any RTP packet of audio on any usual network (an Ethernet frame).
pub const PACKET_LEN_MAX: usize = 1500;

/// Gives out even UDP ports of a range, of those whose next, for RTCP, is in it too (RFC 3550 section 11). Clones share the range.
#[derive(Debug, Clone)]
pub struct RtpPorts {
    ip: IpAddr,
    pool: Arc<Mutex<Pool>>,
    /// Those of other addresses of this machine.
    others: Arc<Mutex<BTreeMap<IpAddr, Arc<Mutex<Pool>>>>>,
    /// What helps when none is left.
    remedy: &'static str,
}

#[derive(Debug)]
struct Pool {
    range: RangeInclusive<u16>,
    used: BTreeSet<u16>,
    /// Where to look first. It goes round, so that a port rests before the next call has it: late packets of one
    /// call are not to be heard in another.
    next: u16,
}

/// Why there's no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// All are in use, by us or by others.
    #[error(
        "no UDP port free for audio on {ip}, ports {first} to {last}: streams here hold {used} pairs of them. {remedy}"
    )]
    NoneLeft {
        /// The address.
        ip: IpAddr,
        /// The first port.
        first: u16,
        /// The last port.
        last: u16,
        /// How many we use ourselves, each with the one after it.
        used: usize,
        /// What to do.
        remedy: &'static str,
    },
    /// There are ports, but this process, or the machine, may open no more files.
    #[error(
        "no socket for audio on {ip} beside the {used} open here: the limit of open files is reached. Raise it (LimitNOFILE= in systemd, else ulimit -Hn)"
    )]
    NoMoreFiles {
        /// The address.
        ip: IpAddr,
        /// How many ports we use.
        used: usize,
    },
    /// The address itself is refused.
    #[error("no audio on {ip}: this machine has no such address")]
    NoSuchAddress {
        /// The address.
        ip: IpAddr,
    },
}

impl RtpPorts {
    /// Ports of `range` on `ip`, the ends included.
    pub fn new(ip: IpAddr, range: RangeInclusive<u16>) -> Self {
        Self {
            ip,
            pool: Arc::new(Mutex::new(Pool::new(range))),
            others: Arc::default(),
            remedy: "Carry fewer streams at once",
        }
    }

    /// The same where this helps when none is left, such as a wider range by the setting's name.
    pub fn with_remedy(self, remedy: &'static str) -> Self {
        Self { remedy, ..self }
    }

    /// The same range at another address of this machine. Clones share those, too.
    pub fn at(&self, ip: IpAddr) -> Self {
        if ip == self.ip {
            return self.clone();
        }
        let range = lock(&self.pool).range.clone();
        let mut others = lock(&self.others);
        let new = || Arc::new(Mutex::new(Pool::new(range)));
        Self {
            ip,
            pool: Arc::clone(others.entry(ip).or_insert_with(new)),
            others: Arc::clone(&self.others),
            remedy: self.remedy,
        }
    }

    /// A socket on a free port. Those that the system refuses are passed over. Must be called inside a tokio runtime.
    pub fn open(&self) -> Result<RtpSocket, PortsError> {
        let (socket, lease) = self.lease(|socket| UdpSocket::from_std(socket))?;
        Ok(RtpSocket { socket, lease })
    }

    /// As [`RtpPorts::open`], for an owner that polls its sockets itself; needs no runtime.
    pub fn open_polled(&self) -> Result<PolledSocket, PortsError> {
        let (socket, lease) = self.lease(Ok)?;
        Ok(PolledSocket { socket, lease })
    }

    /// As [`RtpPorts::open_polled`], with the port after it for RTCP (RFC 3550 section 11).
    pub fn open_pair(&self) -> Result<PolledPair, PortsError> {
        let both = |audio: std::net::UdpSocket| {
            let mut beside = audio.local_addr()?;
            // Ours is even, so there is one after it.
            beside.set_port(beside.port() | 1);
            Ok((audio, ControlSocket(bind::udp(beside)?)))
        };
        let ((socket, control), lease) = self.lease(both)?;
        let socket = PolledSocket { socket, lease };
        Ok(PolledPair { socket, control })
    }

    fn lease<S>(
        &self,
        make: impl Fn(std::net::UdpSocket) -> io::Result<S>,
    ) -> Result<(S, Lease), PortsError> {
        let mut pool = lock(&self.pool);
        for _ in 0..pool.len() {
            let port = pool.step();
            if pool.used.contains(&port) {
                continue;
            }
            let address = SocketAddr::new(self.ip, port);
            match bind::udp(address).and_then(&make) {
                Ok(socket) => {
                    pool.used.insert(port);
                    let lease = Lease {
                        local: address,
                        pool: Arc::clone(&self.pool),
                    };
                    return Ok((socket, lease));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                    return Err(PortsError::NoSuchAddress { ip: self.ip });
                }
                // Every other port would say the same, thousands of times.
                Err(error) if is_out_of_files(&error) => {
                    let used = pool.used.len();
                    return Err(PortsError::NoMoreFiles { ip: self.ip, used });
                }
                Err(error) => tracing::debug!(%address, %error, "audio port passed over"),
            }
        }
        let (first, last) = (*pool.range.start(), *pool.range.end());
        Err(PortsError::NoneLeft {
            ip: self.ip,
            first,
            last,
            used: pool.used.len(),
            remedy: self.remedy,
        })
    }

    /// Ports in use.
    pub fn used(&self) -> usize {
        lock(&self.pool).used.len()
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|full| number == Some(full.raw_os_error()))
}

impl Pool {
    fn new(range: RangeInclusive<u16>) -> Self {
        let mut pool = Self {
            next: *range.start(),
            range,
            used: BTreeSet::new(),
        };
        pool.next = pool.first();
        pool
    }

    /// The first even port that isn't 0.
    fn first(&self) -> u16 {
        self.range
            .start()
            .saturating_add(self.range.start() % 2)
            .max(2)
    }

    /// Even ports whose next is in the range too.
    fn len(&self) -> u16 {
        self.range
            .end()
            .checked_sub(self.first())
            .map_or(0, |span| span.div_ceil(2))
    }

    /// The next port in turn, used or not.
    fn step(&mut self) -> u16 {
        let port = self.next;
        let has_next = |port: &u16| self.range.contains(&(port | 1));
        let following = port.checked_add(2).filter(has_next);
        self.next = following.unwrap_or_else(|| self.first());
        port
    }
}

/// What the pool holds is whole between any two statements, so a panic elsewhere doesn't spoil it.
fn lock<T>(pool: &Mutex<T>) -> MutexGuard<'_, T> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A UDP socket for one stream. Its port is free again when it is dropped.
#[derive(Debug)]
pub struct RtpSocket {
    socket: UdpSocket,
    lease: Lease,
}

/// A non-blocking UDP socket for one stream, for an owner with an event loop of its own. Its port is free again when it
/// is dropped.
#[derive(Debug)]
pub struct PolledSocket {
    socket: std::net::UdpSocket,
    lease: Lease,
}

/// A socket for one stream, and that of its RTCP.
#[derive(Debug)]
pub struct PolledPair {
    /// For reports. Closed first: with the other the pair is free for the next.
    pub control: ControlSocket,
    /// For audio.
    pub socket: PolledSocket,
}

/// A non-blocking UDP socket for RTCP.
#[derive(Debug)]
pub struct ControlSocket(std::net::UdpSocket);

impl ControlSocket {
    /// A datagram that is there already; `WouldBlock` when there's none.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buffer)
    }

    /// Sends a datagram now or not at all; the next report says the same.
    pub fn send_to(&self, datagram: &[u8], peer: SocketAddr) {
        let _ = self.0.send_to(datagram, peer);
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A port in use; free again when dropped.
#[derive(Debug)]
struct Lease {
    local: SocketAddr,
    pool: Arc<Mutex<Pool>>,
}

impl RtpSocket {
    /// Where it receives: what goes into SDP.
    pub const fn local_addr(&self) -> SocketAddr {
        self.lease.local
    }

    /// Waits for a datagram. May be dropped at any time.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer).await
    }

    /// Sends a datagram when the system takes it.
    pub async fn send_to(&self, datagram: &[u8], peer: SocketAddr) -> io::Result<usize> {
        self.socket.send_to(datagram, peer).await
    }

    /// A datagram that is there already; `WouldBlock` when there's none.
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_recv_from(buffer)
    }

    /// Sends a datagram now or not at all. Audio that comes late is worth nothing.
    pub fn try_send_to(&self, datagram: &[u8], peer: SocketAddr) -> io::Result<usize> {
        // Past tokio, which refuses to try before it has seen the socket writable once: the first packet would be lost.
        SockRef::from(&self.socket).send_to(datagram, &peer.into())
    }

    /// Takes datagrams from this peer only, and learns from ICMP when nobody listens there any more: the next send
    /// fails with `ConnectionRefused`.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        SockRef::from(&self.socket).connect(&peer.into())
    }

    /// Waits until there is something to receive.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }
}

impl PolledSocket {
    /// Where it receives: what goes into SDP.
    pub const fn local_addr(&self) -> SocketAddr {
        self.lease.local
    }

    /// A datagram that is there already; `WouldBlock` when there's none.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        // Past libc, as in `send_to`: its way in and out of each call has a price, and there are many calls.
        let (len, _, from) = net::recvfrom(&self.socket, buffer, RecvFlags::empty())?;
        let from = from.and_then(|from| SocketAddr::try_from(from).ok());
        from.map(|from| (len, from))
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Sends a datagram now or not at all. Audio that comes late is worth nothing.
    pub fn send_to(&self, datagram: &[u8], peer: SocketAddr) -> io::Result<usize> {
        Ok(net::sendto(
            &self.socket,
            datagram,
            SendFlags::empty(),
            &peer,
        )?)
    }

    /// Sends to this peer, faster than [`PolledSocket::send_to`]: [`PolledSocket::connect`] named it.
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.socket.send(datagram)
    }

    /// Takes datagrams from this peer only, and learns from ICMP when nobody listens there any more: the next send
    /// fails with `ConnectionRefused`.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.socket.connect(peer)
    }
}

impl AsFd for PolledSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.pool).used.remove(&self.local.port());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A small range of ports that were free a moment ago. Each test looks in a band of its own, so that two that run
    /// at once don't find the same one; all lie below the ports that the system gives out.
    fn free_range(band: std::ops::Range<u16>) -> RangeInclusive<u16> {
        for first in band.step_by(10) {
            if (first..first + 6).all(|port| std::net::UdpSocket::bind((LOOPBACK, port)).is_ok()) {
                return first..=first + 5;
            }
        }
        panic!("no free ports");
    }

    #[tokio::test]
    async fn even_ports_in_turn_until_none_is_left() {
        let range = free_range(3_000..4_000);
        let first = *range.start();
        let ports = RtpPorts::new(LOOPBACK, range.clone()).with_remedy("Widen it");
        let taken =
            std::net::UdpSocket::bind((LOOPBACK, first + 2)).expect("another program's port");
        let one = ports.open().expect("a port");
        let two = ports.open().expect("a port");
        assert_eq!(
            (one.local_addr().port(), two.local_addr().port()),
            (first, first + 4)
        );
        let none = ports.open().expect_err("none left");
        assert_eq!(
            none,
            PortsError::NoneLeft {
                ip: LOOPBACK,
                first,
                last: first + 5,
                used: 2,
                remedy: "Widen it",
            }
        );
        assert!(none.to_string().ends_with("hold 2 pairs of them. Widen it"));
        drop(taken);
        drop(one);
        assert_eq!(ports.used(), 1);
        assert_eq!(ports.open().expect("a port").local_addr().port(), first);
        // The one just given back rests while another is free.
        assert_eq!(ports.open().expect("a port").local_addr().port(), first + 2);
    }

    #[test]
    fn a_pair_is_two_ports_that_nobody_else_has() {
        let range = free_range(4_000..5_000);
        let first = *range.start();
        let ports = RtpPorts::new(LOOPBACK, range);
        let taken =
            std::net::UdpSocket::bind((LOOPBACK, first + 1)).expect("another program's port");
        let pair = ports.open_pair().expect("a pair");
        assert_eq!(pair.socket.local_addr().port(), first + 2);
        let beside = pair.control.0.local_addr().expect("it is bound");
        assert_eq!(beside.port(), first + 3);
        drop(taken);
    }

    #[test]
    fn a_stream_s_port_for_reports_lies_within_the_range_too() {
        let free = free_range(2_000..3_000);
        let first = *free.start();
        for (range, expected) in [
            (first..=first + 4, &[0, 2][..]),
            (first + 1..=first + 5, &[2, 4]),
            (first..=first + 1, &[0]),
            (first..=first, &[]),
            (first + 1..=first + 2, &[]),
            (u16::MAX..=u16::MAX, &[]),
        ] {
            let ports = RtpPorts::new(LOOPBACK, range.clone());
            let held: Vec<_> = std::iter::from_fn(|| ports.open_pair().ok()).collect();
            let at = |pair: &PolledPair| pair.socket.local_addr().port() - first;
            let found: Vec<u16> = held.iter().map(at).collect();
            assert_eq!(found, expected, "{range:?}");
        }
    }

    #[test]
    fn each_address_has_the_whole_range_and_clones_share_it() {
        let range = free_range(4_900..4_990);
        let ports = RtpPorts::new(LOOPBACK, range);
        let second = IpAddr::from([127, 0, 0, 2]);
        let held: Vec<_> = (0..3)
            .map(|_| ports.clone().at(second).open_pair().expect("a pair"))
            .collect();
        assert!(ports.at(second).open_pair().is_err(), "none is left there");
        assert_eq!((ports.at(second).used(), ports.used()), (3, 0));
        let here = ports.open_pair().expect("a pair").socket.local_addr();
        assert_eq!(here.ip(), LOOPBACK);
        assert!(
            held.iter()
                .all(|pair| pair.socket.local_addr().ip() == second)
        );
    }

    #[tokio::test]
    async fn a_foreign_address_is_named() {
        let ports = RtpPorts::new([192, 0, 2, 1].into(), DEFAULT_RANGE);
        assert!(matches!(
            ports.open(),
            Err(PortsError::NoSuchAddress { .. })
        ));
    }

    #[tokio::test]
    async fn the_first_packet_goes_at_once() {
        let range = free_range(4_000..4_900);
        let ports = RtpPorts::new(LOOPBACK, range);
        let (one, two) = (ports.open().expect("a port"), ports.open().expect("a port"));
        one.try_send_to(b"hello", two.local_addr()).expect("sent");
        let mut buffer = [0; PACKET_LEN_MAX];
        let (len, from) = two.recv_from(&mut buffer).await.expect("received");
        assert_eq!((&buffer[..len], from), (&b"hello"[..], one.local_addr()));
    }
}
