//! The thread that reads the shared ports: one `epoll` for all, a pause after each look so that the next one brings many
//! packets, and runs of packets in one call where the sender makes them (UDP GRO). What came is [placed](Arrivals) a few looks later.

use std::{
    array,
    collections::BTreeMap,
    io::{self, IoSliceMut},
    os::fd::OwnedFd,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec, epoll, poll},
};
use tokio::sync::oneshot;
use transport::media::PolledSocket;

use super::{
    super::track::{Control, Owed, Track},
    allot::{Claim, RoomId, SeatId},
    arrivals::Arrivals,
    table::Table,
};
use crate::board::Board;

/// Room for what one call gives: a run of datagrams is as long as the longest of UDP.
const RUN_BYTES_MAX: usize = 64 * 1024;
/// Ports told of by one look; the others are told of by the next.
const EVENTS_MAX: usize = 64;
/// The pause after a look at packets: nobody listens, so nothing is lost by it, and a packet of each stream comes meanwhile.
/// Longer, and one that is late would no longer find room for its packets in the socket.
const PAUSE: Duration = Duration::from_millis(20);
/// How often what came is placed, and the streams are looked through for what is old enough for a chunk: together they wake the
/// writer once.
const HAND_OVER_EVERY: Duration = Duration::from_millis(100);
/// Calls in a row to empty one socket, so that a flood on one port keeps no other waiting: more than its buffer holds.
const READS_MAX: usize = 64;
/// The receive buffer asked for; the system gives at most `net.core.rmem_max`, and keeps as much again for its own books.
const BUFFER_BYTES: usize = 512 * 1024;
/// The waker's token; ports have their number.
const WAKER: u64 = 0;

/// What the thread is to do. A session's orders come in the order it gave them.
#[derive(Debug)]
pub(super) enum Order {
    /// Listen there too.
    Open(RoomId, Watched),
    /// Nobody has a place there any more.
    Close(RoomId),
    Begin(RoomId, SeatId, Box<Begins>),
    Tell(RoomId, SeatId, Box<Control>),
    /// A stream is known by another name.
    Rename(RoomId, SeatId, Claim),
    /// Whoever steered it is gone.
    Leave(RoomId, SeatId),
    /// Say that all before this is done.
    Obeyed(oneshot::Sender<()>),
    /// End when every stream has.
    Stop,
}

/// A stream that begins, and whom to tell that it has ended.
pub(super) type Begins = (Claim, Track, oneshot::Sender<Vec<Owed>>);

impl Order {
    /// The port whose packets it is to come after.
    const fn room(&self) -> Option<RoomId> {
        match self {
            Self::Begin(id, ..)
            | Self::Tell(id, ..)
            | Self::Rename(id, ..)
            | Self::Leave(id, _) => Some(*id),
            Self::Open(..) | Self::Close(_) | Self::Obeyed(_) | Self::Stop => None,
        }
    }
}

/// A port whose packets wake the thread.
#[derive(Debug)]
pub(super) struct Watched {
    socket: PolledSocket,
    state: UdpSocketState,
}

/// Has a port's packets wake the thread that waits there; it ends with the socket.
pub(super) fn watch(epoll: &OwnedFd, id: RoomId, socket: PolledSocket) -> io::Result<Watched> {
    let state = UdpSocketState::new((&socket).into())?;
    state.set_recv_buffer_size((&socket).into(), BUFFER_BYTES)?;
    let data = epoll::EventData::new_u64(id.0);
    epoll::add(epoll, &socket, data, epoll::EventFlags::IN)?;
    Ok(Watched { socket, state })
}

/// Starts it. It ends by [`Order::Stop`].
pub(super) fn start(
    inbox: mpsc::Receiver<Order>,
    waker: Arc<OwnedFd>,
    epoll: Arc<OwnedFd>,
    board: Arc<Board>,
) -> io::Result<()> {
    let data = epoll::EventData::new_u64(WAKER);
    epoll::add(&epoll, &waker, data, epoll::EventFlags::IN)?;
    let running = Running {
        epoll,
        waker,
        inbox,
        rooms: BTreeMap::new(),
        next_hand_over: Instant::now(),
        next_end: None,
        stops: false,
        board,
    };
    thread::Builder::new()
        .name("recorder-audio".into())
        .spawn(move || running.run())?;
    Ok(())
}

#[derive(Debug)]
struct Running {
    epoll: Arc<OwnedFd>,
    waker: Arc<OwnedFd>,
    inbox: mpsc::Receiver<Order>,
    rooms: BTreeMap<RoomId, Room>,
    next_hand_over: Instant,
    /// When the next stream that was told to end has ended.
    next_end: Option<Instant>,
    stops: bool,
    board: Arc<Board>,
}

/// One port.
#[derive(Debug)]
struct Room {
    socket: PolledSocket,
    state: UdpSocketState,
    arrivals: Arrivals,
    table: Table,
}

impl Running {
    fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let mut buffer = vec![0; BATCH_SIZE * RUN_BYTES_MAX];
        while !(self.stops && self.rooms.values().all(|room| room.table.is_empty())) {
            let wait = self.until_next(Instant::now()).map(timespec);
            match epoll::wait(&*self.epoll, spare_capacity(&mut events), wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "shared ports are deaf: the system can't wait for packets");
                    return;
                }
            }
            let ready: Vec<u64> = events.drain(..).map(|event| event.data.u64()).collect();
            // Taken before the sockets are read: what was sent before an order was given is in them by now.
            let orders = self.orders(&ready);
            let now = Instant::now();
            for (id, room) in &mut self.rooms {
                let concerned = orders.iter().any(|order| order.room() == Some(*id));
                // An order comes after what came before it, and a stream's end is told by what still comes.
                let at_once = concerned || room.table.has_ending();
                if at_once || ready.contains(&id.0) {
                    room.receive(&mut buffer, now);
                }
                if at_once {
                    room.place();
                }
            }
            for order in orders {
                self.carry_out(order, now);
            }
            self.look_after(now);
            if ready.iter().any(|token| *token != WAKER) {
                self.pause();
            }
        }
    }

    /// Lets packets gather; an order is obeyed at once, as a peer waits for it.
    fn pause(&self) {
        let mut order = [PollFd::new(&self.waker, PollFlags::IN)];
        // An error is a shorter pause.
        let _woken = poll(&mut order, Some(&timespec(PAUSE)));
    }

    /// Until something is to be done without a packet or an order.
    fn until_next(&self, now: Instant) -> Option<Duration> {
        if self.rooms.is_empty() {
            return None;
        }
        let next = self
            .next_end
            .map_or(self.next_hand_over, |end| end.min(self.next_hand_over));
        Some(next.saturating_duration_since(now))
    }

    fn orders(&self, ready: &[u64]) -> Vec<Order> {
        if !ready.contains(&WAKER) {
            return Vec::new();
        }
        let mut count = [0; 8];
        // It only says that there is something in the inbox.
        let _read = rustix::io::read(&*self.waker, &mut count);
        self.inbox.try_iter().collect()
    }

    fn carry_out(&mut self, order: Order, now: Instant) {
        match order {
            Order::Open(id, Watched { socket, state }) => {
                let room = Room {
                    socket,
                    state,
                    arrivals: Arrivals::default(),
                    table: Table::new(Arc::clone(&self.board)),
                };
                self.rooms.insert(id, room);
            }
            Order::Close(id) => {
                self.rooms.remove(&id);
            }
            Order::Begin(id, seat, begins) => self.with(id, |table| table.begin(seat, *begins)),
            Order::Tell(id, seat, told) => self.with(id, |table| table.tell(seat, *told, now)),
            Order::Rename(id, seat, claim) => self.with(id, |table| table.rename(seat, claim)),
            Order::Leave(id, seat) => self.with(id, |table| table.leave(seat, now)),
            Order::Obeyed(done) => {
                // Whoever asked may have gone.
                let _told = done.send(());
            }
            Order::Stop => self.stops = true,
        }
    }

    fn with(&mut self, id: RoomId, work: impl FnOnce(&mut Table)) {
        if let Some(room) = self.rooms.get_mut(&id) {
            work(&mut room.table);
        }
    }

    fn look_after(&mut self, now: Instant) {
        let ends = self.rooms.values_mut().map(|room| room.table.end_due(now));
        self.next_end = ends.flatten().min();
        if self.next_hand_over <= now {
            self.next_hand_over = now + HAND_OVER_EVERY;
            for room in self.rooms.values_mut() {
                room.place();
                room.table.hand_over_due(now);
            }
        }
    }
}

impl Room {
    /// Takes what is in the socket.
    fn receive(&mut self, buffer: &mut [u8], now: Instant) {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        for _ in 0..READS_MAX {
            let mut parts = buffer.chunks_mut(RUN_BYTES_MAX);
            let mut runs: [_; BATCH_SIZE] =
                array::from_fn(|_| IoSliceMut::new(parts.next().unwrap_or_default()));
            // An error is that there is nothing more.
            let Ok(count) = self
                .state
                .recv((&self.socket).into(), &mut runs, &mut metas)
            else {
                return;
            };
            for (meta, run) in metas.iter().zip(&mut runs).take(count) {
                let run = run.get(..meta.len).unwrap_or_default();
                if !self.arrivals.has_room(run.len()) {
                    self.place();
                }
                self.arrivals.push(run, meta.stride, meta.addr, now);
            }
            if count < BATCH_SIZE {
                return;
            }
        }
    }

    /// Lays what has come on its streams' timelines.
    fn place(&mut self) {
        let table = &mut self.table;
        self.arrivals.take(|datagrams, run| {
            table.on_run(datagrams, run.stride, run.source, run.came);
        });
    }
}

fn timespec(wait: Duration) -> Timespec {
    Timespec {
        // A tenth of a second at most.
        tv_sec: wait.as_secs().cast_signed(),
        tv_nsec: wait.subsec_nanos().into(),
    }
}
