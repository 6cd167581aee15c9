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
mod tests;
