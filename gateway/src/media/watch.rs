//! How a thread waits for packets. While few come, it is told of each by one `epoll`, in place of a task and two system calls more a
//! packet. While many come, it looks in steps, so that one wake-up serves many of them. Nobody watches shared ports meanwhile: the
//! system tells whoever watches a socket of every packet that comes to it, and of the room that every one leaves which it has sent.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{Timespec, epoll},
    io::Errno,
};

use super::{Side, call::CallMedia, leg::LegSocket, rooms::Rooms, token::Token};

/// Sockets told of by one look at them.
const EVENTS_MAX: usize = 256;
/// So many packets at once, and the thread is busy.
const BUSY: u64 = 4;
/// It stays so until fewer have come for as long: a switch that plays to many sends once a millisecond.
const BUSY_FOR: Duration = Duration::from_millis(2);
/// A step. A packet waits for it, for the work on those that came with it, and for the processor: measured, all of that is under the
/// millisecond that a packet may be late through us for 99.9 % of them with this step, and not with 0.6 ms (docs/benchmarks.md).
const STEP: Duration = Duration::from_micros(400);

/// What a thread waits for.
#[derive(Debug)]
pub(super) struct Watch {
    epoll: OwnedFd,
    busy_until: Instant,
    /// It looks at shared ports in steps, and they aren't watched.
    in_steps: bool,
}

impl Watch {
    /// For the orders that wake the thread. Fails when the system has no more descriptors.
    pub(super) fn new(waker: &OwnedFd, now: Instant) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        add(&epoll, waker, Token::Waker)?;
        Ok(Self {
            epoll,
            busy_until: now,
            in_steps: false,
        })
    }

    /// From now on the thread is told when something has come to a leg. One on a shared port needs no watching of its own.
    pub(super) fn add_leg(&self, call: &CallMedia, slot: usize, side: Side) {
        if let Some(pair) = call.socket(side).and_then(LegSocket::own) {
            self.add(&pair.socket, Token::Leg(slot, side));
            self.add(&pair.control, Token::LegControl(slot, side));
        }
    }

    /// The same of the shared port that was opened last.
    pub(super) fn add_room(&self, rooms: &Rooms) {
        if let Some((id, socket)) = rooms.all().last() {
            if !self.in_steps {
                self.add(socket, Token::Room(id));
            }
            self.add(socket.control(), Token::RoomControl(id));
        }
    }

    /// So many packets were there.
    pub(super) fn received(&mut self, packets: u64, now: Instant) {
        if packets >= BUSY {
            self.busy_until = now + BUSY_FOR;
        }
    }

    /// Waits until something has come, for a step, or for as long as is said (`None`: for ever), and says where to look.
    pub(super) fn wait(
        &mut self,
        now: Instant,
        at_most: Option<Duration>,
        rooms: &Rooms,
        look_at: &mut Vec<Token>,
    ) -> io::Result<()> {
        self.go_in_steps(now < self.busy_until, rooms);
        let mut at_most = at_most;
        if self.in_steps {
            thread::sleep(STEP);
            at_most = Some(Duration::ZERO);
            look_at.extend(rooms.all().map(|(id, _)| Token::Room(id)));
        }
        let at_most = at_most.map(timespec);
        let mut events = [const { MaybeUninit::uninit() }; EVENTS_MAX];
        let events = match epoll::wait(&self.epoll, &mut events, at_most.as_ref()) {
            Ok((events, _)) => &*events,
            Err(Errno::INTR) => &[],
            Err(error) => return Err(error.into()),
        };
        look_at.extend(events.iter().map(|event| Token::of(event.data.u64())));
        Ok(())
    }

    fn add(&self, socket: impl AsFd, token: Token) {
        if let Err(error) = add(&self.epoll, socket, token) {
            tracing::error!(%error, "calls will not be heard: the system can't watch a socket");
        }
    }

    fn go_in_steps(&mut self, in_steps: bool, rooms: &Rooms) {
        if in_steps == self.in_steps {
            return;
        }
        self.in_steps = in_steps;
        for (id, socket) in rooms.all() {
            if in_steps {
                // It fails for one that couldn't be watched, and is looked at now.
                let _ = epoll::delete(&self.epoll, socket);
            } else {
                self.add(socket, Token::Room(id));
            }
        }
    }
}

fn add(epoll: &OwnedFd, socket: impl AsFd, token: Token) -> rustix::io::Result<()> {
    let data = epoll::EventData::new_u64(token.number());
    epoll::add(epoll, socket, data, epoll::EventFlags::IN)
}

fn timespec(wait: Duration) -> Timespec {
    Timespec {
        // A packet's length at most.
        tv_sec: wait.as_secs().cast_signed(),
        tv_nsec: wait.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use rustix::event::{EventfdFlags, eventfd};
    use transport::{
        media::{DEFAULT_RANGE, RtpPorts},
        shared::{RunBuffer, SharedSocket},
    };

    use super::*;
    use crate::media::seats::RoomId;

    const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

    #[test]
    fn a_busy_thread_looks_unasked_and_one_that_is_quiet_again_is_told_again() {
        let now = Instant::now();
        let waker = eventfd(0, EventfdFlags::NONBLOCK).expect("a waker");
        let mut watch = Watch::new(&waker, now).expect("an epoll");
        let mut rooms = Rooms::default();
        let ports = RtpPorts::new(Ipv4Addr::LOCALHOST.into(), DEFAULT_RANGE);
        let socket = SharedSocket::open(&ports).expect("a port");
        let (room, local) = (Token::Room(RoomId(0)), socket.local_addr());
        rooms.open(socket);
        watch.add_room(&rooms);
        let waited = |watch: &mut Watch, rooms: &Rooms, now| {
            let mut look_at = Vec::new();
            watch
                .wait(now, PATIENCE, rooms, &mut look_at)
                .expect("waited");
            look_at
        };
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        peer.send_to(b"hello", local).expect("sent");
        watch.received(BUSY - 1, now);
        assert_eq!(waited(&mut watch, &rooms, now), [room], "told");
        watch.received(BUSY, now);
        assert_eq!(
            waited(&mut watch, &rooms, now),
            [room],
            "unasked, and not told too"
        );
        let mut run = RunBuffer::new().expect("a buffer");
        assert_eq!(rooms.receive(RoomId(0), &mut run).count(), 1);
        assert_eq!(
            waited(&mut watch, &rooms, now),
            [room],
            "also when there is nothing"
        );
        peer.send_to(b"hello", local).expect("sent");
        assert_eq!(
            waited(&mut watch, &rooms, now + BUSY_FOR),
            [room],
            "told again"
        );
    }
}
