//! The threads that carry audio.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use callcore::switch::CallId;
use prometheus::IntCounter;
use rustix::event::{EventfdFlags, eventfd};
use transport::{
    media::RtpPorts,
    shared::{RunBuffer, SharedSocket},
};

use super::{
    Command, Dropped, Side,
    call::{CallMedia, Report, Ways},
    dropped::Why,
    lane::Lanes,
    leg::LegSocket,
    places::Places,
    reports::{Counters, Rounds},
    rooms::Rooms,
    seats::RoomId,
    token::Token,
    turns::Turns,
    watch::Watch,
};

/// Room for a datagram: more than any that is taken, so that one that was cut off is seen to be too long.
const DATAGRAM_MAX: usize = 2048;
/// Runs in a row from one shared port, some 1000 packets: who floods it keeps no other port waiting.
const RUNS_MAX: usize = 32;
/// One thread carries some 200 000 packets a second; more threads than this only share the cores with signalling.
const THREADS_MAX: usize = 4;
/// How often calls are looked through for silent ones: so much later than said they may be noticed.
const SILENCE_LOOK: Duration = Duration::from_secs(1);
/// The threads.
#[derive(Debug)]
pub(crate) struct Engine {
    threads: Vec<Arc<Thread>>,
}

/// A call's way to its thread. Dropping it ends the call's audio.
#[derive(Debug)]
pub(super) struct Line {
    call: CallId,
    thread: Arc<Thread>,
}

/// The handle on a thread; it ends with the last of these.
#[derive(Debug)]
struct Thread {
    orders: Sender<Order>,
    waker: Arc<OwnedFd>,
}

#[derive(Debug)]
enum Order {
    Begin(CallId, LegSocket, Option<Duration>),
    /// Listen on a shared port too.
    Open(SharedSocket),
    Tell(CallId, Command),
    End(CallId),
    Stop,
}

impl Engine {
    /// Starts the threads. Fails when the system has no more descriptors or threads.
    pub(crate) fn start(
        ports: &RtpPorts,
        events: tokio::sync::mpsc::UnboundedSender<super::MediaEvent>,
        received: &IntCounter,
        dropped: &Dropped,
        reports: &Counters,
    ) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let report = Report {
            events,
            dropped: dropped.clone(),
            reports: reports.clone(),
        };
        let start = |_| {
            let lanes = Lanes::new(ports.clone());
            Thread::start(report.clone(), received.clone(), lanes).map(Arc::new)
        };
        let threads = (0..cores.div_ceil(2).min(THREADS_MAX)).map(start);
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
        })
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// The thread that a call is on.
    pub(super) fn thread_of(&self, call: CallId) -> usize {
        call.0 as usize % self.threads.len()
    }

    /// Adds a shared port to a thread.
    pub(super) fn open(&self, thread: usize, socket: SharedSocket) {
        self.threads[thread].order(Order::Open(socket));
    }

    /// Begins a call's audio with the socket of the caller's leg.
    pub(super) fn begin(
        &self,
        call: CallId,
        socket: LegSocket,
        silence_max: Option<Duration>,
    ) -> Line {
        let thread = Arc::clone(&self.threads[self.thread_of(call)]);
        thread.order(Order::Begin(call, socket, silence_max));
        Line { call, thread }
    }
}

impl Line {
    pub(super) fn tell(&self, command: Command) {
        self.thread.order(Order::Tell(self.call, command));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.thread.order(Order::End(self.call));
    }
}

impl Thread {
    fn start(report: Report, received: IntCounter, lanes: Lanes) -> io::Result<Self> {
        let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (orders, inbox) = channel();
        let running = Running {
            watch: Watch::new(&waker, Instant::now())?,
            waker: Arc::clone(&waker),
            inbox,
            calls: Places::new(),
            slots: BTreeMap::new(),
            turns: Turns::new(Instant::now()),
            ways: Ways {
                lanes,
                rooms: Rooms::default(),
            },
            run: RunBuffer::new()?,
            next_look: Instant::now(),
            rounds: Rounds::new(Instant::now()),
            report,
            received,
        };
        thread::Builder::new()
            .name("audio".to_owned())
            .spawn(move || running.run())?;
        Ok(Self { orders, waker })
    }

    /// The channel has no bound of its own: a call sends one order a step of its dialog, and calls are bounded.
    fn order(&self, order: Order) {
        // Both fail only when the thread is gone, and then there is nothing left to tell.
        let _ = self.orders.send(order);
        let _ = rustix::io::write(&*self.waker, &1_u64.to_ne_bytes());
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.order(Order::Stop);
    }
}

/// What a thread works on.
#[derive(Debug)]
struct Running {
    watch: Watch,
    waker: Arc<OwnedFd>,
    inbox: Receiver<Order>,
    calls: Places<CallMedia>,
    slots: BTreeMap<CallId, usize>,
    turns: Turns,
    ways: Ways,
    /// What comes to shared ports.
    run: RunBuffer,
    /// When calls are next looked through for silent ones.
    next_look: Instant,
    /// Which calls' reports are due.
    rounds: Rounds,
    report: Report,
    received: IntCounter,
}

impl Running {
    fn run(mut self) {
        let (mut look_at, mut buffer) = (Vec::new(), [0; DATAGRAM_MAX]);
        loop {
            let now = Instant::now();
            let at_most = self.until_next(now);
            let rooms = &self.ways.rooms;
            if let Err(error) = self.watch.wait(now, at_most, rooms, &mut look_at) {
                tracing::error!(%error, "audio stops: the system can't wait for packets");
                return;
            }
            let now = Instant::now();
            let (mut woken, mut received) = (false, 0);
            for token in look_at.drain(..) {
                received += match token {
                    Token::Waker => {
                        woken = true;
                        0
                    }
                    Token::Room(id) => self.receive_shared(id, now),
                    Token::Leg(slot, side) => self.receive(slot, side, now, &mut buffer),
                    Token::LegControl(slot, side) => {
                        self.receive_control(slot, side, now, &mut buffer);
                        0
                    }
                    Token::RoomControl(id) => {
                        self.receive_shared_control(id, now, &mut buffer);
                        0
                    }
                };
            }
            self.received.inc_by(received);
            self.watch.received(received, now);
            self.turns.take(now, |slot| {
                self.calls.get_mut(slot).is_some_and(|call| {
                    call.tick(now, &mut self.ways);
                    call.plays()
                })
            });
            self.send_reports(now);
            self.ways.rooms.flush();
            self.look_for_silence(now);
            self.ways.lanes.flush_due(now);
            // After the packets: an order may end a call whose packet is in this very batch, and its slot is another's then.
            let mut stops = false;
            if woken {
                stops = self.take_orders(now).is_break();
                // Who ended says so.
                self.ways.rooms.flush();
            }
            if stops {
                return;
            }
            self.tell_refused();
        }
    }

    /// Until something is to be done without a packet; `None` while there is no call.
    fn until_next(&self, now: Instant) -> Option<Duration> {
        let look = (!self.slots.is_empty()).then(|| {
            let silence = self.next_look.saturating_duration_since(now);
            silence.min(self.rounds.until_next(now))
        });
        let (turn, lane) = (self.turns.until_next(now), self.ways.lanes.until_next(now));
        [look, turn, lane].into_iter().flatten().min()
    }

    fn tell_refused(&mut self) {
        while let Some((lane, id)) = self.ways.lanes.take_refused() {
            let slot = self.slots.get(&id);
            if let Some(call) = slot.and_then(|&slot| self.calls.get_mut(slot)) {
                call.lane_refused(lane);
            }
        }
    }

    fn send_reports(&mut self, now: Instant) {
        for slot in self.rounds.take(now, self.calls.end()) {
            if let Some(call) = self.calls.get_mut(slot) {
                call.send_reports(now, &mut self.ways);
            }
        }
    }

    fn look_for_silence(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + SILENCE_LOOK;
        for call in self.calls.iter_mut() {
            call.listen_for_silence(now);
        }
    }

    /// How many packets were there.
    fn receive(&mut self, slot: usize, side: Side, now: Instant, buffer: &mut [u8]) -> u64 {
        let Some(call) = self.calls.get_mut(slot) else {
            return 0;
        };
        let Some(pair) = call.socket(side).and_then(LegSocket::own) else {
            return 0;
        };
        // One packet a look: who sends faster than we look waits in his own socket, and nobody else does.
        let Ok((len, from)) = pair.socket.recv_from(buffer) else {
            return 0;
        };
        call.heard(side, &mut buffer[..len], from, now, &mut self.ways);
        1
    }

    /// One datagram a look, as of audio.
    fn receive_control(&mut self, slot: usize, side: Side, now: Instant, buffer: &mut [u8]) {
        if let Some(call) = self.calls.get_mut(slot)
            && let Some(pair) = call.socket(side).and_then(LegSocket::own)
            && let Ok((len, from)) = pair.control.recv_from(buffer)
        {
            call.told(side, &mut buffer[..len], from, now);
        }
    }

    fn receive_shared_control(&mut self, id: RoomId, now: Instant, buffer: &mut [u8]) {
        for _ in 0..RUNS_MAX {
            let came = self.ways.rooms.receive_control(id, buffer);
            let Some((len, from, whose)) = came else {
                return;
            };
            if let Some(Token::Leg(slot, side)) = whose
                && let Some(call) = self.calls.get_mut(slot)
            {
                call.told(side, &mut buffer[..len], from, now);
            }
        }
    }

    /// How many packets were at a shared port.
    fn receive_shared(&mut self, id: RoomId, now: Instant) -> u64 {
        let mut received = 0;
        for _ in 0..RUNS_MAX {
            let run = self.ways.rooms.receive(id, &mut self.run);
            // Whose all of them are before anything is done with the first: looked up one after the other, the processor waits for
            // the memory of several at once.
            let whose = |(datagram, from)| (self.ways.rooms.whose(id, from), datagram, from);
            let run: Vec<_> = run.map(whose).collect();
            let len = run.len();
            for (whose, datagram, from) in run {
                let Some(Token::Leg(slot, side)) = whose else {
                    self.report.dropped.count(Why::Stray);
                    continue;
                };
                if let Some(call) = self.calls.get_mut(slot) {
                    call.heard(side, datagram, from, now, &mut self.ways);
                }
            }
            received += len as u64;
            if len < RunBuffer::RUN_MAX {
                break;
            }
        }
        received
    }

    fn take_orders(&mut self, now: Instant) -> std::ops::ControlFlow<()> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.waker, &mut count);
        while let Ok(order) = self.inbox.try_recv() {
            match order {
                Order::Begin(id, socket, silence_max) => self.begin(id, socket, silence_max),
                Order::Tell(id, command) => self.tell(id, command, now),
                Order::End(id) => self.end(id, now),
                Order::Open(socket) => self.open(socket),
                Order::Stop => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn open(&mut self, socket: SharedSocket) {
        self.ways.rooms.open(socket);
        self.watch.add_room(&self.ways.rooms);
    }

    fn begin(&mut self, id: CallId, socket: LegSocket, silence_max: Option<Duration>) {
        let report = self.report.clone();
        let slot = self
            .calls
            .put(|slot| CallMedia::new((id, slot), socket, silence_max, report));
        self.slots.insert(id, slot);
        if let Some(call) = self.calls.get_mut(slot) {
            self.watch.add_leg(call, slot, Side::Caller);
        }
    }

    fn tell(&mut self, id: CallId, command: Command, now: Instant) {
        let Some(&slot) = self.slots.get(&id) else {
            return;
        };
        let Some(call) = self.calls.get_mut(slot) else {
            return;
        };
        let opens = match &command {
            Command::Socket(side, _) => Some(*side),
            _ => None,
        };
        call.command(command, now, &mut self.ways);
        if let Some(side) = opens {
            self.watch.add_leg(call, slot, side);
        }
        if call.plays() {
            self.turns.join(slot);
        }
    }

    fn end(&mut self, id: CallId, now: Instant) {
        if let Some(slot) = self.slots.remove(&id) {
            // Closing its sockets takes them out of the epoll as well.
            if let Some(call) = self.calls.take(slot) {
                call.end(now, &mut self.ways);
            }
            self.turns.leave(slot);
        }
    }
}
