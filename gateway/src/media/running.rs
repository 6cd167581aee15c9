//! What a thread that carries audio does: it waits, does what was ordered, takes what came, and sends what is due.

use std::{
    collections::BTreeMap,
    io,
    ops::ControlFlow,
    os::fd::OwnedFd,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use callcore::switch::CallId;
use prometheus::IntCounter;
use transport::shared::{RunBuffer, SharedSocket};

use super::{
    Command, Side,
    call::{CallMedia, Report, Ways},
    dropped::Why,
    engine::Order,
    lane::Lanes,
    leg::LegSocket,
    places::Places,
    reports::Rounds,
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
/// How often calls are looked through for silent ones: so much later than said they may be noticed.
const SILENCE_LOOK: Duration = Duration::from_secs(1);

/// What a thread works on.
#[derive(Debug)]
pub(super) struct Running {
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
    /// Fails when the system has no more descriptors.
    pub(super) fn new(
        (inbox, waker): (Receiver<Order>, &Arc<OwnedFd>),
        (report, received): (Report, IntCounter),
        lanes: Lanes,
    ) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            watch: Watch::new(waker, now)?,
            waker: Arc::clone(waker),
            inbox,
            calls: Places::new(),
            slots: BTreeMap::new(),
            turns: Turns::new(now),
            ways: Ways {
                lanes,
                rooms: Rooms::default(),
            },
            run: RunBuffer::new()?,
            next_look: now,
            rounds: Rounds::new(now),
            report,
            received,
        })
    }

    /// Carries audio until it is told to stop.
    pub(super) fn run(mut self) {
        let (mut look_at, mut buffer) = (Vec::new(), [0; DATAGRAM_MAX]);
        loop {
            let now = Instant::now();
            let at_most = self.until_next(now);
            let rooms = &self.ways.rooms;
            if let Err(error) = self.watch.wait(now, at_most, rooms, &mut look_at) {
                tracing::error!(%error, "audio stops: the system can't wait for packets");
                return;
            }
            if self.look(&mut look_at, &mut buffer).is_break() {
                return;
            }
        }
    }

    /// Does what was ordered, takes what came, sends what is due.
    fn look(&mut self, look_at: &mut Vec<Token>, buffer: &mut [u8]) -> ControlFlow<()> {
        let now = Instant::now();
        // Before the packets: who was just told where we are may have sent his first, and it is his.
        let (ended, goes_on) = self.take_orders(look_at.contains(&Token::Waker), now);
        let mut received = 0;
        for token in look_at.drain(..) {
            received += match token {
                Token::Waker => 0,
                Token::Room(id) => self.receive_shared(id, now),
                Token::Leg(slot, side) => self.receive(slot, side, now, buffer),
                Token::LegControl(slot, side) => {
                    self.receive_control(slot, side, now, buffer);
                    0
                }
                Token::RoomControl(id) => {
                    self.receive_shared_control(id, now, buffer);
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
        self.look_for_silence(now);
        // After the packets: one of this very batch may be the call's that ends, and its slot is another's then. Who ended says so.
        for id in ended {
            self.end(id, now);
        }
        self.ways.rooms.flush();
        self.ways.lanes.flush_due(now);
        self.tell_refused();
        goes_on
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

    /// Does all orders but those to end a call, and says which calls those are, and whether to go on.
    fn take_orders(&mut self, woken: bool, now: Instant) -> (Vec<CallId>, ControlFlow<()>) {
        let mut ended = Vec::new();
        if woken {
            // Before the orders are looked at, so that one that comes meanwhile wakes the thread again.
            let _ = rustix::io::read(&*self.waker, &mut [0; 8]);
        }
        while let Ok(order) = self.inbox.try_recv() {
            match order {
                Order::Begin(id, socket, silence_max) => self.begin(id, socket, silence_max),
                Order::Tell(id, command) => self.tell(id, command, now),
                Order::End(id) => ended.push(id),
                Order::Open(socket) => self.open(socket),
                Order::Stop => return (ended, ControlFlow::Break(())),
            }
        }
        (ended, ControlFlow::Continue(()))
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

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, UdpSocket},
        sync::mpsc::channel,
    };

    use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts};
    use rustix::event::{EventfdFlags, eventfd};
    use tokio::sync::mpsc;
    use transport::media::{DEFAULT_RANGE, RtpPorts};
    use wire::{
        g711::Law,
        rtp::{self, ToneEvent},
    };

    use super::*;
    use crate::media::{
        Agreed, Control, Dropped, MediaEvent, Remote, engine::Thread, reports::Counters,
    };

    const CALL: CallId = CallId(1);
    const EVENTS: u8 = 101;

    fn report() -> (Report, mpsc::UnboundedReceiver<MediaEvent>) {
        let labelled = |label| IntCounterVec::new(Opts::new("packets", "of it"), &[label]);
        let loss = Histogram::with_opts(HistogramOpts::new("loss", "of it"));
        let packets = labelled("direction").expect("a metric");
        let (events, told) = mpsc::unbounded_channel();
        let report = Report {
            events,
            dropped: Dropped::new(&labelled("reason").expect("a metric")),
            reports: Counters::new(&packets, &loss.expect("a metric")),
        };
        (report, told)
    }

    fn at(caller: &UdpSocket) -> Agreed {
        Agreed {
            remote: Remote {
                address: caller.local_addr().expect("an address"),
                payload_type: rtp::PCMA,
                law: Law::A,
                event_type: Some(EVENTS),
                listens: true,
            },
            talks: true,
            control: Control::Off,
            signals_from: None,
            srtp: None,
        }
    }

    /// The key 1, pressed and let go in one packet.
    fn pressed() -> Vec<u8> {
        let (mut sender, mut packet) = (rtp::Sender::new(rtp::PCMA, 1, 1, 1), Vec::new());
        let key = ToneEvent::of_key('1', true, 800).expect("a key");
        sender.next_as(EVENTS, &key.to_bytes(), 160, true, &mut packet);
        packet
    }

    /// The thread may have had no processor since before our answer went out, and finds the order and the packet together.
    #[test]
    fn the_first_packet_of_who_was_just_told_where_we_are_is_heard() {
        let caller = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let ports = RtpPorts::new(Ipv4Addr::LOCALHOST.into(), DEFAULT_RANGE);
        let pair = ports.open_pair().expect("a pair");
        let ours = pair.socket.local_addr();
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let waker = Arc::new(eventfd(0, flags).expect("an eventfd"));
        let (orders, inbox) = channel();
        let (report, mut told) = report();
        let received = IntCounter::new("received", "packets").expect("a metric");
        let lanes = Lanes::new(ports.clone());
        let mut running =
            Running::new((inbox, &waker), (report, received), lanes).expect("a system");
        let thread = Thread { orders, waker };

        let (mut look_at, mut buffer) = (Vec::new(), [0; DATAGRAM_MAX]);
        let mut goes_on = |running: &mut Running| {
            let (now, rooms) = (Instant::now(), &running.ways.rooms);
            let waited = running.watch.wait(now, None, rooms, &mut look_at);
            waited.expect("an epoll");
            running.look(&mut look_at, &mut buffer).is_continue()
        };
        thread.order(Order::Begin(CALL, LegSocket::Own(pair.into()), None));
        assert!(goes_on(&mut running));
        thread.order(Order::Tell(
            CALL,
            Command::At(Side::Caller, Box::new(at(&caller)), None),
        ));
        caller.send_to(&pressed(), ours).expect("sent");
        assert!(goes_on(&mut running));
        assert!(matches!(told.try_recv(), Ok(MediaEvent::Key(CALL, _))));

        thread.order(Order::End(CALL));
        drop(thread);
        assert!(!goes_on(&mut running));
        assert_eq!(running.calls.end(), 0);
    }
}
