//! The way to the recorder: what a caller and the far side say, as two streams that only we send.
//!
//! From the moment the recorder is asked nothing is lost: until it answers, what is said is [kept](super::early), and then sent faster
//! than it was said, but not all at once: where a disk stood still, many calls are answered in one moment.
//!
//! Each stream has a port of its own, as its offer says. A recorder that answers both with one address takes them by a
//! [lane](super::lane), which many calls share.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use callcore::switch::CallId;
use transport::media::{PortsError, RtpPorts};
use wire::srtp::Sealer;

use super::{
    Agreed, Remote, Side,
    early::{Early, Kept},
    lane::{LaneId, Lanes},
    out::{Frame, OutStream},
    port::{Port, Refused},
};

/// Frames that are sent for each that is said, while what was said before is still to be sent: ten seconds in one and a half.
const CATCH_UP: usize = 8;

/// A call's two streams.
#[derive(Debug)]
pub(super) enum Fork {
    Off,
    /// Offered, and not answered yet.
    Open(Box<Open>),
    /// Answered; what was said before isn't sent yet, not all of it.
    Behind(Box<Behind>),
    Ports(Box<Ports>),
    Lane {
        id: LaneId,
        caller: Sent,
        far: Sent,
    },
}

/// Two streams that wait for the answer.
#[derive(Debug)]
pub(super) struct Open {
    caller: Port,
    far: Port,
    early: Early,
}

/// Where it goes, and what is sent there before what is said now.
#[derive(Debug)]
pub(super) struct Behind {
    to: Fork,
    said: VecDeque<Kept>,
}

/// Two streams with a port each.
#[derive(Debug)]
pub(super) struct Ports {
    caller: Port,
    far: Port,
    /// What is being written.
    datagram: Vec<u8>,
}

/// A stream without a port.
#[derive(Debug)]
pub(super) struct Sent {
    remote: Remote,
    out: OutStream,
    /// `None`: plain RTP.
    seal: Option<Box<Seal>>,
}

/// Encrypts a stream that goes by a lane.
#[derive(Debug)]
struct Seal {
    sealer: Sealer,
    /// The packet that is being sealed: those of a lane stand one after another.
    datagram: Vec<u8>,
}

/// What an offer says of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streams {
    pub(crate) caller: Offered,
    pub(crate) far: Offered,
}

/// What an offer says of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offered {
    /// Its port of ours.
    pub(crate) local: SocketAddr,
    /// What its packets carry.
    pub(crate) ssrc: u32,
}

/// Gives each stream to a recorder a number of its own. By these the recorder tells apart what comes by one lane, so none may come
/// twice, as among random ones it might: from a random one they go on through all there are, in steps of a random length.
#[derive(Debug)]
pub(crate) struct Sources {
    last: u32,
    step: u32,
}

impl Sources {
    pub(crate) fn random() -> Self {
        Self {
            last: rand::random(),
            step: rand::random(),
        }
    }

    fn draw(&mut self) -> u32 {
        // An odd step comes to every number before it comes to one again.
        self.last = self.last.wrapping_add(self.step | 1);
        self.last
    }
}

impl Fork {
    /// Opens two ports.
    pub(super) fn open(
        ports: &RtpPorts,
        sources: &mut Sources,
    ) -> Result<(Self, Streams), PortsError> {
        let mut open = || {
            let (socket, ssrc) = (ports.open_polled()?, sources.draw());
            let local = socket.local_addr();
            Ok((Port::sending(socket, ssrc), Offered { local, ssrc }))
        };
        let (caller, caller_offered) = open()?;
        let (far, far_offered) = open()?;
        let streams = Streams {
            caller: caller_offered,
            far: far_offered,
        };
        let early = Early::until_answered();
        Ok((Self::Open(Box::new(Open { caller, far, early })), streams))
    }

    /// The recorder has answered. It gets what was said meanwhile, and from now on all that is said.
    pub(super) fn begin(
        &mut self,
        call: CallId,
        agreed: (Agreed, Agreed),
        now: Instant,
        lanes: &mut Lanes,
    ) {
        match std::mem::replace(self, Self::Off) {
            Self::Open(open) => {
                let Open { caller, far, early } = *open;
                *self = Self::Behind(Box::new(Behind {
                    to: begun(call, (caller, far), agreed, now, lanes),
                    said: early.said(now),
                }));
                // A recorder that refuses will refuse the next packet too, and that is heeded.
                let _ = self.catch_up(CATCH_UP, lanes);
            }
            before => *self = before,
        }
    }

    /// Sends a frame of that side.
    pub(super) fn send(
        &mut self,
        side: Side,
        frame: Frame<'_>,
        now: Instant,
        lanes: &mut Lanes,
    ) -> Result<(), Refused> {
        match self {
            Self::Off => Ok(()),
            Self::Open(open) => {
                open.early.keep(side, frame, now);
                Ok(())
            }
            Self::Behind(behind) => {
                behind.said.push_back(Kept::of(side, frame, now));
                self.catch_up(CATCH_UP, lanes)
            }
            Self::Ports(ports) => {
                let Ports {
                    caller,
                    far,
                    datagram,
                } = &mut **ports;
                of(side, caller, far).send(frame, now, datagram)
            }
            Self::Lane { id, caller, far } => {
                let sent = of(side, caller, far);
                lanes.push(*id, now, |datagrams| sent.write(&frame, now, datagrams));
                Ok(())
            }
        }
    }

    /// Sends so many frames of what was said before; after the last, what is said goes on at once.
    fn catch_up(&mut self, frames: usize, lanes: &mut Lanes) -> Result<(), Refused> {
        let Self::Behind(behind) = self else {
            return Ok(());
        };
        let Behind { to, said } = &mut **behind;
        let mut sent = Ok(());
        for kept in said.drain(..frames.min(said.len())) {
            sent = sent.and(to.send(kept.side, kept.frame(), kept.at, lanes));
        }
        if said.is_empty() {
            *self = std::mem::replace(to, Self::Off);
        }
        sent
    }

    /// What the caller's packets carry.
    pub(super) fn callers_ssrc(&self) -> Option<u32> {
        match self {
            Self::Off => None,
            Self::Behind(behind) => behind.to.callers_ssrc(),
            Self::Open(open) => Some(open.caller.out.ssrc()),
            Self::Ports(ports) => Some(ports.caller.out.ssrc()),
            Self::Lane { caller, .. } => Some(caller.out.ssrc()),
        }
    }

    /// Whether it goes by that lane.
    pub(super) fn is_by(&self, lane: LaneId) -> bool {
        match self {
            Self::Lane { id, .. } => *id == lane,
            Self::Behind(behind) => behind.to.is_by(lane),
            _ => false,
        }
    }

    /// Sends at once what waits.
    pub(super) fn flush(&mut self, lanes: &mut Lanes) {
        // Whoever refuses this refuses the next packet too.
        let _ = self.catch_up(usize::MAX, lanes);
        if let Self::Lane { id, .. } = self {
            lanes.flush(*id);
        }
    }

    /// Ends it.
    pub(super) fn end(&mut self, call: CallId, lanes: &mut Lanes) {
        let _ = self.catch_up(usize::MAX, lanes);
        if let Self::Lane { id, .. } = self {
            lanes.leave(*id, call);
        }
        *self = Self::Off;
    }
}

impl Sent {
    fn new(port: Port, agreed: Agreed) -> Self {
        let seal = agreed.srtp.map(|srtp| Seal {
            sealer: Sealer::new(&srtp.ours),
            datagram: Vec::new(),
        });
        Self {
            remote: agreed.remote,
            out: port.into_stream(),
            seal: seal.map(Box::new),
        }
    }

    /// Writes a frame after what is in `datagrams`; nothing, when it isn't wanted or can't be encrypted where it must be.
    fn write(&mut self, frame: &Frame<'_>, now: Instant, datagrams: &mut Vec<u8>) {
        let Self { remote, out, seal } = self;
        let Some(seal) = seal else {
            return out.write(remote, frame, now, datagrams);
        };
        seal.datagram.clear();
        out.write(remote, frame, now, &mut seal.datagram);
        if !seal.datagram.is_empty() && seal.sealer.seal(&mut seal.datagram).is_ok() {
            datagrams.extend_from_slice(&seal.datagram);
        }
    }
}

fn begun(
    call: CallId,
    (mut caller, mut far): (Port, Port),
    (caller_agreed, far_agreed): (Agreed, Agreed),
    now: Instant,
    lanes: &mut Lanes,
) -> Fork {
    let (home, address) = (
        caller.socket.local_addr().ip(),
        caller_agreed.remote.address,
    );
    let shared = address == far_agreed.remote.address;
    if let Some(id) = shared.then(|| lanes.join(call, home, address)).flatten() {
        return Fork::Lane {
            id,
            caller: Sent::new(caller, caller_agreed),
            far: Sent::new(far, far_agreed),
        };
    }
    caller.set_only_remote(caller_agreed, now);
    far.set_only_remote(far_agreed, now);
    let datagram = Vec::new();
    Fork::Ports(Box::new(Ports {
        caller,
        far,
        datagram,
    }))
}

const fn of<'a, S>(side: Side, caller: &'a mut S, far: &'a mut S) -> &'a mut S {
    match side {
        Side::Caller => caller,
        Side::Far => far,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        net::{IpAddr, Ipv4Addr, UdpSocket},
        time::Duration,
    };

    use transport::media::DEFAULT_RANGE;
    use wire::{
        g711::Law,
        rtp::{self, Packet},
        srtp::{Crypto, MasterKey, Opener, Srtp, Suite},
    };

    use super::*;
    use crate::media::out::Content;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn recorder() -> UdpSocket {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).expect("a timeout");
        socket
    }

    fn agreed(at: &UdpSocket, srtp: Option<Srtp>) -> Agreed {
        let remote = Remote {
            address: at.local_addr().expect("an address"),
            payload_type: rtp::PCMU,
            law: Law::U,
            event_type: None,
            listens: true,
        };
        Agreed {
            remote,
            talks: false,
            control: crate::media::Control::Off,
            signals_from: None,
            srtp,
        }
    }

    /// Encrypted by a key made of that byte.
    fn srtp(byte: u8) -> Srtp {
        let line = |byte| {
            let key = MasterKey::new([byte; MasterKey::LEN]);
            Crypto::new(1, Suite::AesCm128HmacSha1_80, key)
        };
        Srtp {
            ours: line(byte),
            theirs: line(0),
        }
    }

    fn frame(payload: &[u8], timestamp: u32) -> Frame<'_> {
        Frame {
            source: 1,
            timestamp,
            marker: false,
            content: Content::Audio(Law::A, payload),
        }
    }

    /// What came, opened by the key that was agreed: whence, by which number, and what.
    fn heard(at: &UdpSocket, srtp: Option<Srtp>) -> (SocketAddr, u32, Vec<u8>) {
        let mut buffer = [0; 2000];
        let (mut len, from) = at.recv_from(&mut buffer).expect("a packet");
        if let Some(srtp) = srtp {
            let opened = Opener::new(srtp.ours).open(&mut buffer[..len]);
            len = opened.expect("closed by the stream's key").len();
        }
        let packet = Packet::parse(&buffer[..len]).expect("RTP");
        (from, packet.ssrc, packet.payload.into())
    }

    /// Forks to the recorders that answer, and says something on both sides: what came to each.
    fn forked(answers: [&UdpSocket; 2]) -> (Streams, [(SocketAddr, u32, Vec<u8>); 2]) {
        forked_by(answers, [None, None])
    }

    /// The same by those keys.
    fn forked_by(
        answers: [&UdpSocket; 2],
        keys: [Option<Srtp>; 2],
    ) -> (Streams, [(SocketAddr, u32, Vec<u8>); 2]) {
        let ports = RtpPorts::new(LOOPBACK, DEFAULT_RANGE);
        let mut lanes = Lanes::new(ports.clone());
        let (mut fork, streams) = Fork::open(&ports, &mut Sources::random()).expect("two ports");
        let (call, now) = (CallId(1), Instant::now());
        let caller = agreed(answers[0], keys[0].clone());
        let far = agreed(answers[1], keys[1].clone());
        fork.begin(call, (caller, far), now, &mut lanes);
        for (side, said) in [(Side::Caller, [0xd5; 3]), (Side::Far, [0x55; 3])] {
            let sent = fork.send(side, frame(&said, 0), now, &mut lanes);
            assert_eq!(sent, Ok(()));
        }
        fork.end(call, &mut lanes);
        let [caller, far] = keys;
        let heard = [heard(answers[0], caller), heard(answers[1], far)];
        (streams, heard)
    }

    #[test]
    fn a_recorder_with_one_port_for_both_gets_both_by_a_lane_in_its_codec() {
        let recorder = recorder();
        let (streams, [caller, far]) = forked([&recorder, &recorder]);
        assert_eq!(caller.0, far.0, "one socket");
        let heard = [(caller.1, caller.2), (far.1, far.2)];
        let law = |byte| vec![Law::U.encode(Law::A.decode(byte)); 3];
        assert_eq!(
            heard,
            [
                (streams.caller.ssrc, law(0xd5)),
                (streams.far.ssrc, law(0x55))
            ]
        );
    }

    #[test]
    fn a_recorder_with_two_ports_gets_each_from_the_port_of_the_offer() {
        let recorders = [recorder(), recorder()];
        let (streams, [caller, far]) = forked([&recorders[0], &recorders[1]]);
        let from = [(caller.0, caller.1), (far.0, far.1)];
        let offered = [streams.caller, streams.far].map(|one| (one.local, one.ssrc));
        assert_eq!(from, offered);
    }

    #[test]
    fn each_stream_is_encrypted_by_its_own_key_by_a_lane_and_by_ports() {
        let (one, other) = (recorder(), recorder());
        for answers in [[&one, &one], [&one, &other]] {
            let keys = [Some(srtp(1)), Some(srtp(2))];
            let (streams, [caller, far]) = forked_by(answers, keys);
            let law = |byte| vec![Law::U.encode(Law::A.decode(byte)); 3];
            assert_eq!((caller.1, caller.2), (streams.caller.ssrc, law(0xd5)));
            assert_eq!((far.1, far.2), (streams.far.ssrc, law(0x55)));
        }
    }

    #[test]
    fn what_was_said_before_the_answer_is_heard_first() {
        for one_port in [true, false] {
            let (ours, other) = (recorder(), recorder());
            let both = [&ours, if one_port { &ours } else { &other }];
            let ports = RtpPorts::new(LOOPBACK, DEFAULT_RANGE);
            let mut lanes = Lanes::new(ports.clone());
            let (mut fork, streams) = Fork::open(&ports, &mut Sources::random()).expect("ports");
            let (call, begun) = (CallId(1), Instant::now());
            let now = begun + Duration::from_millis(40);
            let _ = fork.send(Side::Caller, frame(&[1; 3], 0), begun, &mut lanes);
            let _ = fork.send(Side::Far, frame(&[2; 3], 0), now, &mut lanes);
            fork.begin(
                call,
                (agreed(both[0], None), agreed(both[1], None)),
                now,
                &mut lanes,
            );
            let _ = fork.send(Side::Caller, frame(&[3; 3], 160), now, &mut lanes);
            fork.end(call, &mut lanes);
            let law = |byte| Law::U.encode(Law::A.decode(byte));
            let mut said = [0; 5].map(|_| None);
            for (index, said) in said.iter_mut().enumerate() {
                let at = both[usize::from((1..4).contains(&index))];
                let (_, ssrc, payload) = heard(at, None);
                *said = Some((ssrc == streams.caller.ssrc, payload[0]));
            }
            let silence = (false, law(0xd5));
            let expected = [
                (true, law(1)),
                silence,
                silence,
                (false, law(2)),
                (true, law(3)),
            ];
            assert_eq!(said, expected.map(Some), "one port: {one_port}");
        }
    }

    /// Where many calls are answered at once, no port of the recorder holds all that was said meanwhile.
    #[test]
    fn what_was_said_long_before_the_answer_is_not_sent_all_at_once() {
        let (ours, begun) = (recorder(), Instant::now());
        let ports = RtpPorts::new(LOOPBACK, DEFAULT_RANGE);
        let mut lanes = Lanes::new(ports.clone());
        let (mut fork, _) = Fork::open(&ports, &mut Sources::random()).expect("ports");
        let waiting = |fork: &Fork| match fork {
            Fork::Behind(behind) => behind.said.len(),
            _ => 0,
        };
        let say = |fork: &mut Fork, number: u8, lanes: &mut Lanes| {
            let at = begun + Duration::from_millis(20) * number.into();
            let said = [number; 3];
            let sent = fork.send(
                Side::Caller,
                frame(&said, u32::from(number) * 160),
                at,
                lanes,
            );
            assert_eq!(sent, Ok(()));
        };
        (0..100).for_each(|number| say(&mut fork, number, &mut lanes));
        let both = (agreed(&ours, None), agreed(&ours, None));
        let answered = begun + Duration::from_secs(2);
        fork.begin(CallId(1), both, answered, &mut lanes);
        // A hundred frames of the caller, and as many of silence beside them.
        let mut left = 200 - CATCH_UP;
        let mut number = 100;
        while left > 0 {
            assert_eq!(waiting(&fork), left);
            say(&mut fork, number, &mut lanes);
            left = (left + 1).saturating_sub(CATCH_UP);
            number += 1;
        }
        fork.end(CallId(1), &mut lanes);
        let law = |byte| Law::U.encode(Law::A.decode(byte));
        let expected = (0..number).flat_map(|number| match number < 100 {
            true => vec![law(number), law(0xd5)],
            false => vec![law(number)],
        });
        for byte in expected {
            assert_eq!(heard(&ours, None).2[0], byte);
        }
    }

    #[test]
    fn no_number_is_drawn_twice() {
        for (last, step) in [(0, 0), (u32::MAX, 2), (7, u32::MAX)] {
            let mut sources = Sources { last, step };
            let drawn: BTreeSet<u32> = (0..100_000).map(|_| sources.draw()).collect();
            assert_eq!(drawn.len(), 100_000);
        }
    }
}
