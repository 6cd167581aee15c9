//! Gives out places on shared ports, and carries what a session says to the thread that has them.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc},
};

use rustix::event::{EventfdFlags, epoll, eventfd};
use tokio::sync::oneshot;
use transport::media::{PortsError, RtpPorts};

use super::{
    super::track::{Control, Owed, Track},
    table::Key,
    thread::{self, Order},
};
use crate::board::Board;

/// Streams on one port. A socket's receive buffer is 208 kB where nobody has set another, and asked for twice that: what 64
/// streams send in some 150 ms, each packet in a buffer of its own, so that the thread may be late by that.
const SEATS_MAX: usize = 64;

/// A port's number among all that were ever opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) struct RoomId(pub(super) u64);

/// A stream's number among all that ever had a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) struct SeatId(u64);

/// The shared ports, as the server's task knows them.
#[derive(Debug)]
pub(in crate::server) struct SharedPorts {
    ports: RtpPorts,
    orders: Orders,
    /// What the thread waits at.
    pub(super) epoll: Arc<OwnedFd>,
    rooms: Vec<Weak<Room>>,
    taken: Arc<Mutex<BTreeSet<Key>>>,
    next: u64,
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    sender: mpsc::Sender<Order>,
    waker: Arc<OwnedFd>,
}

/// An open port; closed with the last place on it.
#[derive(Debug)]
struct Room {
    id: RoomId,
    local: SocketAddr,
    orders: Orders,
}

/// A place for one stream on a shared port. Its number is free again when this is dropped.
#[derive(Debug)]
pub(in crate::server) struct Claim {
    pub(super) key: Key,
    seat: SeatId,
    room: Arc<Room>,
    taken: Arc<Mutex<BTreeSet<Key>>>,
}

/// A stream that is recorded on a shared port. Dropped, it ends.
#[derive(Debug)]
pub(in crate::server) struct Seat {
    key: Key,
    id: SeatId,
    room: RoomId,
    orders: Orders,
}

impl SharedPorts {
    /// Starts the thread.
    pub(in crate::server) fn start(ports: RtpPorts, board: Arc<Board>) -> io::Result<Self> {
        let (shared, inbox) = Self::idle(ports)?;
        let waker = Arc::clone(&shared.orders.waker);
        thread::start(inbox, waker, Arc::clone(&shared.epoll), board)?;
        Ok(shared)
    }

    /// Without a thread: whoever has the other end carries the orders out.
    pub(super) fn idle(ports: RtpPorts) -> io::Result<(Self, mpsc::Receiver<Order>)> {
        let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, inbox) = mpsc::channel();
        let shared = Self {
            ports,
            orders: Orders { sender, waker },
            epoll: Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?),
            rooms: Vec::new(),
            taken: Arc::default(),
            next: 0,
        };
        Ok((shared, inbox))
    }

    /// Places for the streams of one session, all on one port; `None` when one of them can't be told from another stream.
    pub(in crate::server) fn claim(
        &mut self,
        keys: &[Key],
    ) -> Result<Option<Vec<Claim>>, PortsError> {
        let distinct: BTreeSet<_> = keys.iter().collect();
        let free = {
            let taken = lock(&self.taken);
            keys.iter().all(|key| !taken.contains(key))
        };
        if distinct.len() < keys.len() || !free {
            return Ok(None);
        }
        let Some(room) = self.room_for(keys.len())? else {
            return Ok(None);
        };
        let claims = keys.iter().map(|&key| self.seat_in(Arc::clone(&room), key));
        Ok(claims.collect())
    }

    /// A place for the same stream under another name, on the port where it is; `None` when the name is another's.
    pub(in crate::server) fn claim_beside(&mut self, seat: &Seat, key: Key) -> Option<Claim> {
        let rooms = self.rooms.iter().filter_map(Weak::upgrade);
        let room = rooms.into_iter().find(|room| room.id == seat.room)?;
        self.seat_in(room, key)
    }

    /// Resolves when everything that was said until now is obeyed: what comes from then on is taken so.
    pub(in crate::server) fn obeyed(&self) -> oneshot::Receiver<()> {
        let (done, obeyed) = oneshot::channel();
        self.orders.give(Order::Obeyed(done));
        obeyed
    }

    fn seat_in(&mut self, room: Arc<Room>, key: Key) -> Option<Claim> {
        self.next += 1;
        lock(&self.taken).insert(key).then(|| Claim {
            key,
            seat: SeatId(self.next),
            room,
            taken: Arc::clone(&self.taken),
        })
    }

    /// A port with so many free places; `None` when nobody would listen on it.
    fn room_for(&mut self, seats: usize) -> Result<Option<Arc<Room>>, PortsError> {
        self.rooms.retain(|room| room.strong_count() > 0);
        let has_room = |room: &&Weak<Room>| room.strong_count() + seats <= SEATS_MAX;
        if let Some(room) = self.rooms.iter().find(has_room).and_then(Weak::upgrade) {
            return Ok(Some(room));
        }
        let socket = self.ports.open_polled()?;
        let local = socket.local_addr();
        self.next += 1;
        let id = RoomId(self.next);
        // Here: a port that nobody can listen on isn't offered to anybody.
        let watched = match thread::watch(&self.epoll, id, socket) {
            Ok(watched) => watched,
            Err(error) => {
                tracing::error!(%error, "the system can't watch another shared port: streams have ports of their own");
                return Ok(None);
            }
        };
        if !self.orders.give(Order::Open(id, watched)) {
            tracing::error!(
                "the thread of the shared ports is gone: streams have ports of their own"
            );
            return Ok(None);
        }
        let orders = self.orders.clone();
        let room = Arc::new(Room { id, local, orders });
        self.rooms.push(Arc::downgrade(&room));
        Ok(Some(room))
    }
}

impl Drop for SharedPorts {
    fn drop(&mut self) {
        self.orders.give(Order::Stop);
    }
}

impl Orders {
    /// The channel has no bound of its own: a session gives a few orders a step of its dialog, and sessions are bounded.
    /// False when nobody takes orders any more.
    fn give(&self, order: Order) -> bool {
        let given = self.sender.send(order).is_ok();
        // Fails only when it is awake already.
        let _woken = rustix::io::write(&*self.waker, &1_u64.to_ne_bytes());
        given
    }
}

impl Claim {
    /// Where the stream is received.
    pub(in crate::server) fn local(&self) -> SocketAddr {
        self.room.local
    }

    /// Begins to record. The receiver resolves when the stream has ended and all of it was handed over.
    pub(in crate::server) fn begin(self, track: Track) -> (Seat, oneshot::Receiver<Vec<Owed>>) {
        let (done, ended) = oneshot::channel();
        let seat = Seat {
            key: self.key,
            id: self.seat,
            room: self.room.id,
            orders: self.room.orders.clone(),
        };
        let begins = Order::Begin(seat.room, seat.id, Box::new((self, track, done)));
        seat.orders.give(begins);
        (seat, ended)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.key);
    }
}

impl Seat {
    /// What it is known by.
    pub(in crate::server) const fn key(&self) -> Key {
        self.key
    }

    pub(in crate::server) fn tell(&self, told: Control) {
        self.orders
            .give(Order::Tell(self.room, self.id, Box::new(told)));
    }

    /// From now on it is known by another name.
    pub(in crate::server) fn rename(&mut self, claim: Claim) {
        self.key = claim.key;
        self.orders.give(Order::Rename(self.room, self.id, claim));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.orders.give(Order::Leave(self.room, self.id));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.orders.give(Order::Close(self.id));
    }
}

/// What is in it is whole between any two statements.
fn lock(taken: &Mutex<BTreeSet<Key>>) -> MutexGuard<'_, BTreeSet<Key>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
