//! A UDP socket that many streams share: a run of datagrams by one system call, in and out.

use std::{
    array,
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    slice,
};

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use rustix::{
    io::Errno,
    net::{
        MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, addr::SocketAddrArg, sendmmsg,
        sockopt,
    },
};

use crate::media::{ControlSocket, PolledPair, PolledSocket, PortsError, RtpPorts};

/// Streams on one socket, whatever its buffer holds: who floods a port disturbs no more than these.
const STREAMS_MAX: usize = 1024;
/// What a telephone sends while its switch has the processor taken from it for 100 ms, and that seldom happens.
const PACKETS_WAITING: usize = 5;
/// What a packet of telephone audio takes of the buffer: the system counts the whole piece of memory that the network's driver
/// gave it, half a page with many.
const PACKET_COST: usize = 2304;
/// The buffers asked for. The system doubles it for its own books, and counts these against it.
const BUFFER_BYTES: usize = STREAMS_MAX * PACKETS_WAITING * PACKET_COST / 2;
/// Room for a datagram: more than any that is taken, so that one that was cut off is seen to be too long; and an odd number of the
/// processor's lines, or those of a run would all want the same few places of its cache.
const DATAGRAM_MAX: usize = 1728;
/// Datagrams that are sent together: what a send of more would save is not measurable.
const SEND_MAX: usize = 64;

/// A non-blocking UDP socket for many streams.
#[derive(Debug)]
pub struct SharedSocket {
    // Closed first: with the other the pair is free for the next.
    control: ControlSocket,
    socket: PolledSocket,
    streams_max: usize,
}

/// Where runs of datagrams are received; one is enough for a thread.
#[derive(Debug)]
pub struct RunBuffer {
    // Of a socket that nobody uses: what it sets there for QUIC (runs glued together, a packet's own address, its mark) costs time
    // with every packet, and none of it is needed to receive.
    state: UdpSocketState,
    bytes: Box<[u8]>,
    metas: [RecvMeta; BATCH_SIZE],
}

/// Datagrams that wait to be sent together.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<(SocketAddrAny, usize)>,
}

impl SharedSocket {
    /// A socket on a free port, with as large buffers as the system gives.
    pub fn open(ports: &RtpPorts) -> Result<Self, PortsError> {
        let PolledPair { socket, control } = ports.open_pair()?;
        // Beyond the system's own bounds where we may, else within them; less is no reason not to begin.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES));
        let _ = sockopt::set_socket_send_buffer_size_force(&socket, BUFFER_BYTES)
            .or_else(|_| sockopt::set_socket_send_buffer_size(&socket, BUFFER_BYTES));
        let got = sockopt::socket_recv_buffer_size(&socket).unwrap_or(0);
        Ok(Self {
            socket,
            control,
            streams_max: streams_held(got),
        })
    }

    /// Where it receives: what goes into SDP.
    pub const fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// The socket of its streams' RTCP.
    pub const fn control(&self) -> &ControlSocket {
        &self.control
    }

    /// Streams that it is to carry at most, so that none loses a packet while nobody looks for a tenth of a second.
    pub const fn streams_max(&self) -> usize {
        self.streams_max
    }

    /// What has come, up to a run of datagrams with who sent each; [`RunBuffer::RUN_MAX`] of them say that there may be more.
    pub fn receive<'a>(
        &self,
        buffer: &'a mut RunBuffer,
    ) -> impl ExactSizeIterator<Item = (&'a mut [u8], SocketAddr)> + use<'a> {
        let RunBuffer {
            state,
            bytes,
            metas,
        } = buffer;
        let mut places = bytes.chunks_mut(DATAGRAM_MAX);
        let mut places: [_; BATCH_SIZE] =
            array::from_fn(|_| IoSliceMut::new(places.next().unwrap_or_default()));
        // An error is that there is nothing.
        let count = state
            .recv((&self.socket).into(), &mut places, metas)
            .unwrap_or(0);
        let metas: &'a [RecvMeta] = metas;
        let places = bytes.chunks_mut(DATAGRAM_MAX);
        places.zip(metas).take(count).map(|(place, meta)| {
            let len = meta.len.min(place.len());
            (&mut place[..len], meta.addr)
        })
    }

    /// Sends what is in an outbox, now or not at all. Audio that comes late is worth nothing.
    pub fn send(&self, outbox: &mut Outbox) {
        let mut bytes = outbox.bytes.as_slice();
        for datagrams in outbox.datagrams.chunks(SEND_MAX) {
            bytes = self.send_together(datagrams, bytes);
        }
        outbox.bytes.clear();
        outbox.datagrams.clear();
    }

    /// Gives back what of the bytes belongs to the datagrams after these.
    fn send_together<'a>(&self, datagrams: &[(SocketAddrAny, usize)], bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        let contents: Vec<IoSlice<'_>> = datagrams
            .iter()
            .map(|(_, len)| {
                let (datagram, after) = rest.split_at(*len);
                rest = after;
                IoSlice::new(datagram)
            })
            .collect();
        let mut nothing: Vec<SendAncillaryBuffer<'_, '_, '_>> = Vec::new();
        nothing.resize_with(datagrams.len(), SendAncillaryBuffer::default);
        let parts = datagrams.iter().zip(&contents).zip(&mut nothing);
        let mut messages: Vec<MMsgHdr<'_>> = parts
            .map(|(((to, _), content), nothing)| {
                MMsgHdr::new_with_addr(to, slice::from_ref(content), nothing)
            })
            .collect();
        let mut left = messages.as_mut_slice();
        while !left.is_empty() {
            let done = match sendmmsg(&self.socket, left, SendFlags::empty()) {
                Ok(sent) => sent.max(1),
                Err(Errno::INTR) => 0,
                // The first of them can't be sent: nobody's way leads there, or the buffer is full.
                Err(_) => 1,
            };
            left = &mut left[done..];
        }
        rest
    }
}

impl AsFd for SharedSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl RunBuffer {
    /// Datagrams that one look brings at most.
    pub const RUN_MAX: usize = BATCH_SIZE;

    /// An empty one. Fails when the system has no more sockets.
    pub fn new() -> io::Result<Self> {
        let unused = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .or_else(|_| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)))?;
        Ok(Self {
            state: UdpSocketState::new((&unused).into())?,
            bytes: vec![0; BATCH_SIZE * DATAGRAM_MAX].into(),
            metas: [RecvMeta::default(); BATCH_SIZE],
        })
    }
}

impl Outbox {
    /// Adds a datagram. True when there are so many now that waiting for more saves nothing.
    pub fn push(&mut self, datagram: &[u8], to: SocketAddr) -> bool {
        self.bytes.extend_from_slice(datagram);
        self.datagrams.push((to.as_any(), datagram.len()));
        self.datagrams.len() >= SEND_MAX
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }
}

/// How many streams a buffer of that size holds; one, where it holds none for as long as it should.
fn streams_held(buffer: usize) -> usize {
    (buffer / (PACKETS_WAITING * PACKET_COST)).clamp(1, STREAMS_MAX)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        net::IpAddr,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::media::DEFAULT_RANGE;

    fn shared(ip: IpAddr) -> SharedSocket {
        SharedSocket::open(&RtpPorts::new(ip, DEFAULT_RANGE)).expect("a port")
    }

    fn peers(ip: IpAddr, count: usize) -> Vec<UdpSocket> {
        let peer = |_| {
            let peer = UdpSocket::bind((ip, 0)).expect("a socket");
            let patience = Some(Duration::from_secs(10));
            peer.set_read_timeout(patience).expect("a timeout");
            peer
        };
        (0..count).map(peer).collect()
    }

    fn address(peer: &UdpSocket) -> SocketAddr {
        peer.local_addr().expect("it is bound")
    }

    #[test]
    fn a_run_comes_whole_with_who_sent_each() {
        for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            let (socket, mut buffer) = (shared(ip), RunBuffer::new().expect("a buffer"));
            let peers = peers(ip, 3);
            let mut expected = BTreeSet::new();
            for number in 0..100_u8 {
                let peer = &peers[usize::from(number) % 3];
                let datagram = vec![number; usize::from(number)];
                peer.send_to(&datagram, socket.local_addr()).expect("sent");
                expected.insert((datagram, address(peer)));
            }
            let (mut came, until) = (BTreeSet::new(), Instant::now() + Duration::from_secs(10));
            while came.len() < expected.len() && Instant::now() < until {
                let run = socket.receive(&mut buffer);
                assert!(run.len() <= RunBuffer::RUN_MAX);
                came.extend(run.map(|(datagram, from)| (datagram.to_vec(), from)));
            }
            assert_eq!(came, expected);
            assert_eq!(socket.receive(&mut buffer).len(), 0);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_glued_to_nothing() {
        let ip = Ipv4Addr::LOCALHOST.into();
        let (socket, mut buffer) = (shared(ip), RunBuffer::new().expect("a buffer"));
        let peers = peers(ip, 1);
        for len in [60_000, 10] {
            peers[0]
                .send_to(&vec![7; len], socket.local_addr())
                .expect("sent");
        }
        let (mut lens, until) = (Vec::new(), Instant::now() + Duration::from_secs(10));
        while lens.len() < 2 && Instant::now() < until {
            lens.extend(
                socket
                    .receive(&mut buffer)
                    .map(|(datagram, _)| datagram.len()),
            );
        }
        assert_eq!(lens, [DATAGRAM_MAX, 10]);
    }

    #[test]
    fn each_hears_what_was_sent_to_it_in_its_order_and_the_box_is_empty_again() {
        for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            let (socket, peers) = (shared(ip), peers(ip, 3));
            let mut outbox = Outbox::default();
            let mut full = Vec::new();
            for number in 0..150_u8 {
                let to = address(&peers[usize::from(number) % 3]);
                full.push(outbox.push(&vec![number; usize::from(number)], to));
            }
            assert_eq!(full.iter().position(|full| *full), Some(SEND_MAX - 1));
            socket.send(&mut outbox);
            assert!(outbox.is_empty());
            socket.send(&mut outbox);
            let mut buffer = [0; 300];
            for number in 0..150_u8 {
                let peer = &peers[usize::from(number) % 3];
                let (len, from) = peer.recv_from(&mut buffer).expect("a datagram");
                assert_eq!(from, socket.local_addr());
                assert_eq!(buffer[..len], vec![number; usize::from(number)]);
            }
        }
    }

    #[test]
    fn one_that_cannot_be_sent_takes_no_other_with_it() {
        let ip = Ipv4Addr::LOCALHOST.into();
        let (socket, peers) = (shared(ip), peers(ip, 1));
        let mut outbox = Outbox::default();
        let nowhere = SocketAddr::from(([255, 255, 255, 255], 9));
        for to in [nowhere, address(&peers[0]), nowhere, nowhere] {
            outbox.push(b"hello", to);
        }
        outbox.push(b"again", address(&peers[0]));
        socket.send(&mut outbox);
        let mut buffer = [0; 100];
        for expected in [b"hello", b"again"] {
            let len = peers[0].recv(&mut buffer).expect("a datagram");
            assert_eq!(&buffer[..len], expected);
        }
    }

    #[test]
    fn streams_are_as_many_as_the_buffer_holds_packets_for() {
        let limits = [0, 425_984, 8 << 20, 1 << 30].map(streams_held);
        assert_eq!(limits, [1, 36, 728, STREAMS_MAX]);
        assert!(shared(Ipv4Addr::LOCALHOST.into()).streams_max() >= 1);
    }
}
