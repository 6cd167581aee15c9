//! Places on ports that many legs share. A packet that comes to such a port is told by whom it is from, so every leg there has a
//! remote of its own; the address that the remote's description names must be the one it sends from.
//!
//! The exchange gives places out, and knows each pair of port and remote that is taken. The thread of the port is given the pairs
//! themselves ([`Pair`]) and tells by them whom it hears; one that it lets go rests, and then is free.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use transport::{media::RtpPorts, shared::SharedSocket};

use super::latch::FORMER_MAX;
use crate::origin::TrustedPeers;

/// How long a remote that answered two calls with one address is doubted: after this a change of our port was taken or the call
/// is over (RFC 3261's timer B).
const DOUBT_MAX: Duration = Duration::from_secs(32);

/// Names a shared port among those of its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoomId(pub(super) usize);

/// The shared ports, as the exchange knows them.
#[derive(Debug)]
pub(crate) struct SharedPorts {
    ports: RtpPorts,
    /// Those whose descriptions tell the truth.
    truthful: Arc<TrustedPeers>,
    /// By thread. None is ever closed: there are as many as the most legs at once needed.
    rooms: Vec<Vec<Arc<Room>>>,
    next: u64,
}

/// What is known of a leg's other end when its port is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Its description names where its audio is.
    Describes(SocketAddr),
    /// It is called there, and will say.
    CalledAt(IpAddr),
    /// Nothing.
    Unknown,
}

/// A shared port.
#[derive(Debug)]
struct Room {
    id: RoomId,
    local: SocketAddr,
    seats_max: usize,
    books: Mutex<Books>,
}

/// Who is in a room.
#[derive(Debug, Default)]
struct Books {
    seats: usize,
    pairs: BTreeMap<SocketAddr, Held>,
    /// Pairs that rest, by when they are free.
    resting: VecDeque<(Instant, SocketAddr, u64)>,
    next: u64,
}

/// A pair that is taken.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Which of all that were ever given out: one that was let go is not mistaken for one that was taken anew.
    number: u64,
    by: SeatId,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Heard,
    /// Another call's remote says that it is there too.
    Doubted(Instant),
    Resting,
}

/// Names a leg among all that ever had a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SeatId(u64);

/// A leg's place on a shared port; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    id: SeatId,
    room: Arc<Room>,
    /// Whom the thread hears there.
    at: Option<SocketAddr>,
    /// Taken, and not given to the thread yet.
    claimed: Option<Pair>,
}

/// A remote at a port: what comes from there is one leg's. Rests when it is dropped, and is free after that.
#[derive(Debug)]
pub(super) struct Pair {
    remote: SocketAddr,
    number: u64,
    room: Arc<Room>,
}

/// No place with that remote: somebody else has it, or it isn't one that may share a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken;

/// A place, and the socket when the port is a new one.
pub(super) struct Seated {
    pub(super) seat: Seat,
    pub(super) opened: Option<SharedSocket>,
}

impl SharedPorts {
    /// For so many threads, and remotes in these networks.
    pub(crate) fn new(ports: RtpPorts, threads: usize, truthful: TrustedPeers) -> Self {
        Self {
            ports,
            truthful: Arc::new(truthful),
            rooms: vec![Vec::new(); threads],
            next: 0,
        }
    }

    /// Whether that host's descriptions tell the truth.
    pub(super) fn may_share(&self, host: IpAddr) -> bool {
        self.truthful.contains(host)
    }

    /// A place for a leg of a thread, on a port of that address of ours; `None`: it needs a port of its own.
    pub(super) fn seat(&mut self, thread: usize, home: IpAddr, peer: Peer) -> Option<Seated> {
        let (host, remote) = match peer {
            Peer::Describes(remote) => (remote.ip(), Some(remote)),
            Peer::CalledAt(host) => (host, None),
            Peer::Unknown => return None,
        };
        if !self.may_share(host) {
            return None;
        }
        let rooms = self.rooms.get_mut(thread)?;
        self.next += 1;
        let id = SeatId(self.next);
        let mut full = true;
        for room in rooms.iter() {
            if room.local.ip() != home || !room.has_seat() {
                continue;
            }
            full = false;
            if let Ok(seat) = room.seat(id, remote) {
                return Some(Seated { seat, opened: None });
            }
        }
        // A remote that is heard in every room that has places would be alone in a new one.
        if !full {
            return None;
        }
        let opened = SharedSocket::open(&self.ports.at(home)).ok()?;
        let room = Arc::new(Room {
            id: RoomId(rooms.len()),
            local: opened.local_addr(),
            seats_max: opened.streams_max(),
            books: Mutex::default(),
        });
        rooms.push(Arc::clone(&room));
        let seat = room.seat(id, remote).ok()?;
        let opened = Some(opened);
        Some(Seated { seat, opened })
    }
}

impl Room {
    fn has_seat(&self) -> bool {
        self.lock().seats < self.seats_max
    }

    fn seat(self: &Arc<Self>, id: SeatId, remote: Option<SocketAddr>) -> Result<Seat, Taken> {
        let claimed = remote.map(|remote| self.claim(id, remote)).transpose()?;
        self.lock().seats += 1;
        Ok(Seat {
            id,
            room: Arc::clone(self),
            at: None,
            claimed,
        })
    }

    /// Takes a pair, also one that the same leg let go.
    fn claim(self: &Arc<Self>, by: SeatId, remote: SocketAddr) -> Result<Pair, Taken> {
        // What we send to ourselves is another leg's, which says so when it knows.
        if remote == self.local || remote.ip().is_unspecified() {
            return Err(Taken);
        }
        let mut books = self.lock();
        books.let_rested_go(Instant::now());
        if books.pairs.get(&remote).is_some_and(|held| held.by != by) {
            return Err(Taken);
        }
        books.next += 1;
        let number = books.next;
        let state = State::Heard;
        books.pairs.insert(remote, Held { number, by, state });
        drop(books);
        Ok(Pair {
            remote,
            number,
            room: Arc::clone(self),
        })
    }

    /// What is in them is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn let_rested_go(&mut self, now: Instant) {
        while self.resting.front().is_some_and(|(free, ..)| *free <= now) {
            let Some((_, remote, number)) = self.resting.pop_front() else {
                return;
            };
            if self
                .pairs
                .get(&remote)
                .is_some_and(|it| it.number == number)
            {
                self.pairs.remove(&remote);
            }
        }
    }

    fn held(&mut self, remote: SocketAddr, number: u64) -> Option<&mut Held> {
        let held = self.pairs.get_mut(&remote);
        held.filter(|held| held.number == number)
    }
}

impl Seat {
    pub(super) fn local(&self) -> SocketAddr {
        self.room.local
    }

    pub(super) fn room(&self) -> RoomId {
        self.room.id
    }

    /// What the thread must be given so that this remote is heard here; nothing, when it is already or is nowhere, as on hold.
    pub(super) fn take(&mut self, remote: SocketAddr) -> Result<Option<Pair>, Taken> {
        let claimed = self.claimed.take();
        if self.at == Some(remote) || remote.ip().is_unspecified() {
            return Ok(None);
        }
        match claimed {
            Some(pair) if pair.remote == remote => Ok(Some(pair)),
            _ => self.room.claim(self.id, remote).map(Some),
        }
    }

    /// The thread is given that.
    pub(super) fn given(&mut self, pair: &Pair) {
        self.at = Some(pair.remote);
    }

    /// The thread hears nobody there any more.
    pub(super) fn left(&mut self) {
        self.at = None;
    }

    /// A remote that isn't here yet says where it will be: whoever is heard from there may be it from now on.
    pub(super) fn doubt(&self, remote: SocketAddr) {
        let mut books = self.room.lock();
        let held = books.pairs.get_mut(&remote);
        if let Some(held) = held.filter(|held| held.by != self.id) {
            held.state = State::Doubted(Instant::now() + DOUBT_MAX);
        }
    }
}

/// What the thread must be given so that a leg's remote is heard in its place, if it is one that may share a port.
pub(super) fn seat_of(
    seat: &mut Seat,
    remote: SocketAddr,
    shared: &SharedPorts,
) -> Result<Option<Pair>, Taken> {
    let held = remote.ip().is_unspecified();
    if !held && !shared.may_share(remote.ip()) {
        return Err(Taken);
    }
    // Whoever has it may be heard by the wrong call until this remote has another port of ours.
    seat.take(remote).inspect_err(|_| seat.doubt(remote))
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.lock().seats -= 1;
    }
}

impl Pair {
    pub(super) const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Whether a packet from there may be another call's.
    pub(super) fn is_doubted(&self, now: Instant) -> bool {
        let mut books = self.room.lock();
        let held = books.held(self.remote, self.number);
        held.is_some_and(|held| matches!(held.state, State::Doubted(until) if now < until))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let (remote, number) = (self.remote, self.number);
        let free = Instant::now() + FORMER_MAX;
        let mut books = self.room.lock();
        if let Some(held) = books.held(remote, number) {
            held.state = State::Resting;
            books.resting.push_back((free, remote, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use transport::media::DEFAULT_RANGE;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn shared() -> SharedPorts {
        let ports = RtpPorts::new(HOME, DEFAULT_RANGE);
        SharedPorts::new(ports, 2, TrustedPeers::new(vec![(INSIDE, 8)]))
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::new(INSIDE, port)
    }

    fn seat(shared: &mut SharedPorts, peer: Peer) -> Seat {
        shared.seat(0, HOME, peer).expect("a place").seat
    }

    #[test]
    fn only_those_who_tell_the_truth_share_a_port() {
        let mut shared = shared();
        let outside = SocketAddr::new(OUTSIDE, 4000);
        for peer in [
            Peer::Unknown,
            Peer::CalledAt(OUTSIDE),
            Peer::Describes(outside),
        ] {
            assert!(shared.seat(0, HOME, peer).is_none(), "{peer:?}");
        }
        let first = shared
            .seat(0, HOME, Peer::Describes(at(4000)))
            .expect("a place");
        let second = shared
            .seat(0, HOME, Peer::CalledAt(INSIDE))
            .expect("a place");
        assert!(first.opened.is_some() && second.opened.is_none());
        assert_eq!(first.seat.local(), second.seat.local());
        let elsewhere = shared
            .seat(1, HOME, Peer::CalledAt(INSIDE))
            .expect("a place");
        assert_ne!(elsewhere.seat.local(), first.seat.local());
    }

    #[test]
    fn a_pair_is_one_legs_and_rests_after_it() {
        let mut shared = shared();
        let mut first = seat(&mut shared, Peer::Describes(at(4000)));
        let pair = first.take(at(4000)).expect("free").expect("to be given");
        first.given(&pair);
        assert!(
            shared.seat(0, HOME, Peer::Describes(at(4000))).is_none(),
            "taken"
        );
        let mut second = seat(&mut shared, Peer::CalledAt(INSIDE));
        assert_eq!(second.take(at(4000)).err(), Some(Taken));
        assert!(first.take(at(4000)).is_ok_and(|pair| pair.is_none()));
        drop((pair, first));
        assert_eq!(second.take(at(4000)).err(), Some(Taken), "it rests");
        second
            .room
            .lock()
            .let_rested_go(Instant::now() + FORMER_MAX);
        assert!(second.take(at(4000)).is_ok_and(|pair| pair.is_some()));
    }

    #[test]
    fn a_leg_that_moves_away_may_come_back_at_once() {
        let mut shared = shared();
        let mut leg = seat(&mut shared, Peer::Describes(at(4000)));
        let mut pair = None;
        for port in [4000, 4002, 4000, 4002, 4000] {
            let next = leg.take(at(port)).expect("its own").expect("to be given");
            leg.given(&next);
            // The thread lets the one before go only now.
            pair = Some(next);
        }
        let hold = SocketAddr::from(([0, 0, 0, 0], 4000));
        assert!(leg.take(hold).is_ok_and(|pair| pair.is_none()));
        leg.room
            .lock()
            .let_rested_go(Instant::now() + FORMER_MAX * 2);
        let mut other = seat(&mut shared, Peer::CalledAt(INSIDE));
        assert_eq!(other.take(at(4000)).err(), Some(Taken));
        assert!(other.take(at(4002)).is_ok());
        drop(pair);
    }

    #[test]
    fn a_remote_that_another_call_names_too_is_doubted_for_a_while() {
        let mut shared = shared();
        let mut first = seat(&mut shared, Peer::Describes(at(4000)));
        let pair = first.take(at(4000)).expect("free").expect("to be given");
        let (second, now) = (seat(&mut shared, Peer::CalledAt(INSIDE)), Instant::now());
        first.doubt(at(4000));
        second.doubt(at(4002));
        assert!(!pair.is_doubted(now));
        second.doubt(at(4000));
        assert!(pair.is_doubted(now) && !pair.is_doubted(now + DOUBT_MAX * 2));
    }

    #[test]
    fn a_full_port_is_followed_by_another_and_places_come_back() {
        let mut shared = shared();
        let first = seat(&mut shared, Peer::CalledAt(INSIDE));
        let max = first.room.seats_max;
        let seats: Vec<Seat> = (1..max)
            .map(|_| seat(&mut shared, Peer::CalledAt(INSIDE)))
            .collect();
        assert!(seats.iter().all(|seat| seat.local() == first.local()));
        let beyond = seat(&mut shared, Peer::CalledAt(INSIDE));
        assert_ne!(beyond.local(), first.local());
        let local = first.local();
        drop(first);
        assert_eq!(seat(&mut shared, Peer::CalledAt(INSIDE)).local(), local);
    }

    #[test]
    fn each_address_of_ours_has_ports_of_its_own() {
        let mut shared = shared();
        let second = IpAddr::from([127, 0, 0, 2]);
        let mut at = |home| {
            let seated = shared.seat(0, home, Peer::CalledAt(INSIDE));
            seated.expect("a place").seat.local()
        };
        let (one, two, again) = (at(HOME), at(second), at(HOME));
        assert_eq!((one.ip(), two.ip()), (HOME, second));
        assert_eq!(one, again);
    }

    #[test]
    fn our_own_port_is_nobodys_remote() {
        let mut shared = shared();
        let mut leg = seat(&mut shared, Peer::CalledAt(INSIDE));
        let own = leg.local();
        assert_eq!(leg.take(own).err(), Some(Taken));
    }
}
