//! Lanes to recorders: what many calls' streams send to one address, by one socket and many packets at a time. The packets carry
//! numbers (SSRC) by which the recorder tells the streams apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use callcore::switch::CallId;
use transport::{batch::BatchSocket, media::RtpPorts};

/// How long a packet waits for others. A recording doesn't mind; after a call's end its recorder listens longer than this.
const WAIT_MAX: Duration = Duration::from_millis(10);
/// Packets that wait: what the kernel cuts out of one send at most.
const PACKETS_MAX: usize = 64;

/// Names a lane; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(u64);

/// The lanes of one thread: one an address.
#[derive(Debug)]
pub(super) struct Lanes {
    ports: RtpPorts,
    open: BTreeMap<LaneId, Lane>,
    next: u64,
    refused: Vec<(LaneId, CallId)>,
}

/// One address, and who sends there.
#[derive(Debug)]
struct Lane {
    socket: BatchSocket,
    peer: SocketAddr,
    calls: BTreeSet<CallId>,
    batch: Batch,
}

/// Packets one after another.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    lens: Vec<usize>,
    /// When the first of them came.
    since: Option<Instant>,
}

/// Packets of one length, but for the last, which may be shorter: what one send takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl Lanes {
    pub(super) const fn new(ports: RtpPorts) -> Self {
        Self {
            ports,
            open: BTreeMap::new(),
            next: 0,
            refused: Vec::new(),
        }
    }

    /// The lane to an address from one of ours, for a call; `None` when there is no port for it.
    pub(super) fn join(&mut self, call: CallId, home: IpAddr, peer: SocketAddr) -> Option<LaneId> {
        let known = self.open.iter_mut().find(|(_, lane)| lane.peer == peer);
        if let Some((id, lane)) = known {
            lane.calls.insert(call);
            return Some(*id);
        }
        let socket = self.ports.at(home).open_polled().ok()?;
        let lane = Lane {
            socket: BatchSocket::connect(socket, peer).ok()?,
            peer,
            calls: [call].into(),
            batch: Batch::default(),
        };
        let id = LaneId(self.next);
        self.next += 1;
        self.open.insert(id, lane);
        Some(id)
    }

    /// The call sends no more. Its last packets go before this returns; the lane closes after its last call.
    pub(super) fn leave(&mut self, id: LaneId, call: CallId) {
        self.flush(id);
        let Some(lane) = self.open.get_mut(&id) else {
            return;
        };
        lane.calls.remove(&call);
        if lane.calls.is_empty() {
            self.open.remove(&id);
        }
    }

    /// Adds the packet that `write` writes, if it does.
    pub(super) fn push(&mut self, id: LaneId, now: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(lane) = self.open.get_mut(&id) else {
            return;
        };
        lane.batch.push(now, write);
        if lane.batch.is_full() {
            self.flush(id);
        }
    }

    /// Sends what waits in a lane.
    pub(super) fn flush(&mut self, id: LaneId) {
        let sent = self.open.get_mut(&id).map(Lane::flush);
        if sent == Some(Err(Unheard))
            && let Some(lane) = self.open.remove(&id)
        {
            let calls = lane.calls.into_iter();
            self.refused.extend(calls.map(|call| (id, call)));
        }
    }

    /// Sends what has waited long enough.
    pub(super) fn flush_due(&mut self, now: Instant) {
        let due = |lane: &Lane| lane.batch.due().is_some_and(|due| due <= now);
        while let Some((&id, _)) = self.open.iter().find(|(_, lane)| due(lane)) {
            self.flush(id);
        }
    }

    /// Until something has waited long enough; `None` while nothing waits.
    pub(super) fn until_next(&self, now: Instant) -> Option<Duration> {
        let due = self.open.values().filter_map(|lane| lane.batch.due());
        due.min().map(|due| due.saturating_duration_since(now))
    }

    /// A call whose lane led to nobody. The lane is closed.
    pub(super) fn take_refused(&mut self) -> Option<(LaneId, CallId)> {
        self.refused.pop()
    }
}

/// Nobody listens there (ICMP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unheard;

impl Lane {
    fn flush(&mut self) -> Result<(), Unheard> {
        let socket = &self.socket;
        // A full buffer only loses packets, as it would those of a stream of its own.
        let is_unheard = |run: Run<'_>| {
            let sent = socket.send_run(run.bytes, run.len);
            sent.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        let unheard = self.batch.runs(|len| socket.run_max(len)).any(is_unheard);
        self.batch.clear();
        if unheard { Err(Unheard) } else { Ok(()) }
    }
}

impl Batch {
    fn push(&mut self, now: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let len = self.bytes.len() - start;
        if len > 0 {
            self.lens.push(len);
            self.since.get_or_insert(now);
        }
    }

    fn is_full(&self) -> bool {
        self.lens.len() >= PACKETS_MAX
    }

    fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + WAIT_MAX)
    }

    /// All of it in its order, in runs of `max` packets of a length.
    fn runs(&self, max: impl Fn(usize) -> usize) -> impl Iterator<Item = Run<'_>> {
        let (mut bytes, mut lens) = (self.bytes.as_slice(), self.lens.as_slice());
        std::iter::from_fn(move || {
            let &len = lens.first()?;
            let alike = lens.iter().take(max(len)).take_while(|&&next| next == len);
            let mut count = alike.count();
            if count < max(len) && lens.get(count).is_some_and(|&next| next < len) {
                count += 1;
            }
            let (taken, left) = lens.split_at(count);
            let (run, rest) = bytes.split_at(taken.iter().sum());
            (bytes, lens) = (rest, left);
            Some(Run { bytes: run, len })
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.lens.clear();
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};

    use transport::media::DEFAULT_RANGE;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const A: CallId = CallId(1);
    const B: CallId = CallId(2);

    fn lanes() -> Lanes {
        Lanes::new(RtpPorts::new(LOOPBACK, DEFAULT_RANGE))
    }

    fn recorder() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).expect("a timeout");
        let address = socket.local_addr().expect("an address");
        (socket, address)
    }

    /// The next packets that come.
    fn heard(recorder: &UdpSocket, count: usize) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2000];
        let mut next = || {
            let len = recorder.recv(&mut buffer).expect("a packet");
            buffer[..len].to_vec()
        };
        (0..count).map(|_| next()).collect()
    }

    fn say(lanes: &mut Lanes, id: LaneId, now: Instant, packet: &[u8]) {
        lanes.push(id, now, |bytes| bytes.extend_from_slice(packet));
    }

    #[test]
    fn packets_wait_for_each_other_and_no_longer_than_said() {
        let (recorder, address) = recorder();
        let (mut lanes, now) = (lanes(), Instant::now());
        let id = lanes.join(A, LOOPBACK, address).expect("a lane");
        assert_eq!(lanes.until_next(now), None);
        say(&mut lanes, id, now, b"one");
        let later = now + Duration::from_millis(4);
        say(&mut lanes, id, later, b"two");
        lanes.push(id, later, |_| ());
        lanes.flush_due(later);
        assert_eq!(lanes.until_next(later), Some(Duration::from_millis(6)));
        lanes.flush_due(now + WAIT_MAX);
        assert_eq!(lanes.until_next(later), None);
        assert_eq!(heard(&recorder, 2), [b"one", b"two"]);
    }

    #[test]
    fn a_full_batch_goes_at_once() {
        let (recorder, address) = recorder();
        let (mut lanes, now) = (lanes(), Instant::now());
        let id = lanes.join(A, LOOPBACK, address).expect("a lane");
        let sent: Vec<Vec<u8>> = (0..=PACKETS_MAX).map(|n| vec![n as u8; 172]).collect();
        for packet in &sent {
            say(&mut lanes, id, now, packet);
        }
        assert_eq!(heard(&recorder, PACKETS_MAX), sent[..PACKETS_MAX]);
        lanes.leave(id, A);
        assert_eq!(heard(&recorder, 1), sent[PACKETS_MAX..]);
    }

    #[test]
    fn calls_to_one_address_share_a_lane_and_its_port_is_free_after_the_last() {
        let (recorder, address) = recorder();
        let (mut lanes, now) = (lanes(), Instant::now());
        let id = lanes.join(A, LOOPBACK, address).expect("a lane");
        assert_eq!(lanes.join(B, LOOPBACK, address), Some(id));
        let (_other, elsewhere) = self::recorder();
        assert_ne!(lanes.join(B, LOOPBACK, elsewhere), Some(id));
        assert_eq!(lanes.ports.used(), 2);
        say(&mut lanes, id, now, b"a");
        lanes.leave(id, A);
        say(&mut lanes, id, now, b"b");
        lanes.leave(id, B);
        assert_eq!(heard(&recorder, 2), [b"a", b"b"]);
        assert_eq!(lanes.ports.used(), 1);
        // Too late: there is no lane any more.
        say(&mut lanes, id, now, b"c");
        assert_eq!(lanes.until_next(now), None);
    }

    #[test]
    fn a_lane_to_nobody_is_refused_to_all_its_calls_once() {
        let (recorder, address) = recorder();
        drop(recorder);
        let (mut lanes, now) = (lanes(), Instant::now());
        let id = lanes.join(A, LOOPBACK, address).expect("a lane");
        assert_eq!(lanes.join(B, LOOPBACK, address), Some(id));
        let refused = (0..10_000).find_map(|_| {
            say(&mut lanes, id, now, b"anybody?");
            lanes.flush(id);
            lanes.take_refused()
        });
        let refused = [refused, lanes.take_refused(), lanes.take_refused()];
        assert_eq!(refused, [Some((id, B)), Some((id, A)), None]);
        assert_eq!((lanes.ports.used(), lanes.until_next(now)), (0, None));
    }

    #[test]
    fn a_run_is_of_one_length_and_its_last_may_be_shorter() {
        let mut batch = Batch::default();
        for len in [3, 3, 3, 3, 2, 2, 5, 5, 1, 1, 7] {
            batch.push(Instant::now(), |bytes| bytes.resize(bytes.len() + len, 0));
        }
        let runs = |max: usize| -> Vec<(usize, usize)> {
            let runs = batch.runs(move |_| max);
            runs.map(|run| (run.bytes.len(), run.len)).collect()
        };
        assert_eq!(runs(64), [(14, 3), (2, 2), (11, 5), (1, 1), (7, 7)]);
        assert_eq!(runs(3), [(9, 3), (5, 3), (2, 2), (11, 5), (1, 1), (7, 7)]);
        let alone = [3, 3, 3, 3, 2, 2, 5, 5, 1, 1, 7].map(|len| (len, len));
        assert_eq!(runs(1), alone);
    }
}
