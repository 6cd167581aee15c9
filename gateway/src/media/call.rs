//! One call's audio: who is heard by whom, what is played, what goes to the recorder. No socket is polled and no time is read
//! here; the [engine](super::engine) does that.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use callcore::switch::CallId;
use tokio::sync::mpsc;
use wire::{g711::Law, rtp};

use super::{
    Command, Dropped, Gate, MediaEvent, Mode, PlayId, Side,
    early::Early,
    fork::Fork,
    keys::{KeyPacket, Keys},
    lane::{LaneId, Lanes},
    leg::LegSocket,
    out::{Content, Frame},
    port::{Port, Refused},
    reports::Counters,
    rooms::Rooms,
    token::Token,
};
use crate::audio::Clip;

/// How long a simulated nurse listens between two turns, in samples: a second and a half.
const NURSE_PAUSE: usize = 12_000;

/// A-law's silence.
pub(super) const SILENCE: [u8; rtp::SAMPLES_PER_PACKET] = [0xd5; rtp::SAMPLES_PER_PACKET];

/// One call's audio.
#[derive(Debug)]
pub(super) struct CallMedia {
    id: CallId,
    /// Its place among the thread's calls.
    slot: usize,
    caller: Port<LegSocket>,
    far: Option<Port<LegSocket>>,
    joined: bool,
    player: Option<Player>,
    fork: Fork,
    fork_gate: Gate,
    /// While the gate says so.
    kept: Early,
    keys: Keys,
    silence_max: Option<Duration>,
    report: Report,
}

/// Where a call's audio reports, and counts.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) events: mpsc::UnboundedSender<MediaEvent>,
    pub(super) dropped: Dropped,
    pub(super) reports: Counters,
}

/// What the calls of a thread share on their ways out.
#[derive(Debug)]
pub(super) struct Ways {
    /// To recorders.
    pub(super) lanes: Lanes,
    /// To the legs' other ends.
    pub(super) rooms: Rooms,
}

/// A clip being played.
#[derive(Debug)]
struct Player {
    id: PlayId,
    clip: Clip,
    mode: Mode,
    position: usize,
    timestamp: u32,
    source: u32,
}

impl CallMedia {
    pub(super) fn new(
        (id, slot): (CallId, usize),
        caller: LegSocket,
        silence_max: Option<Duration>,
        report: Report,
    ) -> Self {
        Self {
            id,
            slot,
            caller: Port::new(caller),
            far: None,
            joined: false,
            player: None,
            fork: Fork::Off,
            fork_gate: Gate::Open,
            kept: Early::default(),
            keys: Keys::default(),
            silence_max,
            report,
        }
    }

    /// The socket of one side, when it is open.
    pub(super) fn socket(&self, side: Side) -> Option<&LegSocket> {
        match side {
            Side::Caller => Some(&self.caller.socket),
            Side::Far => self.far.as_ref().map(|far| &far.socket),
        }
    }

    /// Whether something is being played: then [`CallMedia::tick`] is wanted every 20 ms.
    pub(super) const fn plays(&self) -> bool {
        self.player.is_some()
    }

    pub(super) fn command(&mut self, command: Command, now: Instant, ways: &mut Ways) {
        let Ways { lanes, rooms } = ways;
        // What was said before it is heard before what is signalled of it, such as hold.
        self.fork.flush(lanes);
        match command {
            Command::Socket(side, socket) => match self.port(side) {
                Some((port, own, counters)) => {
                    port.move_to(socket, (own, rooms), (now, counters));
                }
                // The caller's is there from the beginning.
                None => self.far = Some(Port::new(socket)),
            },
            Command::At(side, agreed, pair) => {
                if let Some((port, own, counters)) = self.port(side) {
                    port.agree(*agreed, pair, (own, rooms), (now, counters));
                }
            }
            Command::FarLeft => {
                // Nobody has told whoever sends there still that it is over, perhaps.
                self.joined = false;
                if let Some((port, own, counters)) = self.port(Side::Far) {
                    port.remote_left((own, rooms), (now, counters));
                }
            }
            Command::ForkOpen(fork) => {
                self.fork.end(self.id, lanes);
                self.fork = *fork;
                (self.fork_gate, self.kept) = Default::default();
            }
            Command::Play { id, clip, mode } => {
                self.joined = false;
                self.player = Some(Player {
                    id,
                    clip,
                    mode,
                    position: 0,
                    timestamp: 0,
                    source: rand::random(),
                });
            }
            Command::Join => {
                self.player = None;
                self.joined = true;
            }
            Command::ForkTo(agreed) => self.fork.begin(self.id, *agreed, now, lanes),
            Command::ForkGate(gate) => self.turn_gate(gate, now, lanes),
            Command::ForkOff => self.fork.end(self.id, lanes),
        }
    }

    /// The call is over.
    pub(super) fn end(mut self, now: Instant, ways: &mut Ways) {
        self.fork.end(self.id, &mut ways.lanes);
        for side in [Side::Caller, Side::Far] {
            if let Some((port, own, counters)) = self.port(side) {
                port.leave((own, &mut ways.rooms), (now, counters));
            }
        }
    }

    fn port(&mut self, side: Side) -> Option<(&mut Port<LegSocket>, Token, &Counters)> {
        let own = Token::Leg(self.slot, side);
        let port = match side {
            Side::Caller => Some(&mut self.caller),
            Side::Far => self.far.as_mut(),
        };
        port.map(|port| (port, own, &self.report.reports))
    }

    /// A datagram has come to that side's socket for reports.
    pub(super) fn told(&mut self, side: Side, datagram: &mut [u8], from: SocketAddr, now: Instant) {
        let Report {
            dropped, reports, ..
        } = &self.report;
        let port = match side {
            Side::Caller => Some(&mut self.caller),
            Side::Far => self.far.as_mut(),
        };
        if let Some(port) = port {
            port.told(datagram, from, now, (reports, dropped));
        }
    }

    /// Sends both sides what reports are due.
    pub(super) fn send_reports(&mut self, now: Instant, ways: &mut Ways) {
        for port in [Some(&mut self.caller), self.far.as_mut()]
            .into_iter()
            .flatten()
        {
            port.report(now, &mut ways.rooms, &self.report.reports);
        }
    }

    /// A datagram has come to that side's socket.
    pub(super) fn heard(
        &mut self,
        side: Side,
        datagram: &mut [u8],
        from: SocketAddr,
        now: Instant,
        ways: &mut Ways,
    ) {
        match side {
            _ if rtp::is_rtcp(datagram) => self.told(side, datagram, from, now),
            Side::Caller => self.caller_heard(datagram, from, now, ways),
            Side::Far => self.far_heard(datagram, from, now, ways),
        }
    }

    fn caller_heard(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        now: Instant,
        ways: &mut Ways,
    ) {
        let dropped = &self.report.dropped;
        let Some(frame) = self.caller.accept(datagram, from, now, dropped) else {
            return;
        };
        // What is pressed for a nurse or a provider is not for us to read.
        if let (false, Content::Event(payload)) = (self.joined, frame.content) {
            let packet = KeyPacket {
                source: frame.source,
                timestamp: frame.timestamp,
                marker: frame.marker,
                payload,
            };
            if let Some(digit) = self.keys.pressed(now, packet) {
                self.report(MediaEvent::Key(self.id, digit));
            }
        }
        if let (true, Some(far)) = (self.joined, &mut self.far) {
            // A far end that refuses audio is noticed by SIP; the caller's words still go to the recorder.
            let _ = far.send(frame, now, &mut ways.rooms);
        }
        self.fork_frame(Side::Caller, frame, now, &mut ways.lanes);
    }

    fn far_heard(&mut self, datagram: &mut [u8], from: SocketAddr, now: Instant, ways: &mut Ways) {
        let Some(far) = &mut self.far else { return };
        let dropped = &self.report.dropped;
        let Some(frame) = far.accept(datagram, from, now, dropped) else {
            return;
        };
        if self.joined {
            let _ = self.caller.send(frame, now, &mut ways.rooms);
            self.fork_frame(Side::Far, frame, now, &mut ways.lanes);
        }
    }

    /// Reports a side that has been silent too long.
    pub(super) fn listen_for_silence(&mut self, now: Instant) {
        let Some(max) = self.silence_max else { return };
        let far = self.far.as_mut().map(|far| (Side::Far, far));
        for (side, port) in [(Side::Caller, &mut self.caller)].into_iter().chain(far) {
            if port.silence.is_over(now, max) {
                let event = MediaEvent::Silent(self.id, side);
                let _ = self.report.events.send(event);
            }
        }
    }

    /// Plays the next 20 ms.
    pub(super) fn tick(&mut self, now: Instant, ways: &mut Ways) {
        let Some(player) = &mut self.player else {
            return;
        };
        let mut samples = SILENCE;
        let over = player.fill(&mut samples);
        let frame = Frame {
            source: player.source,
            timestamp: player.timestamp,
            marker: false,
            content: Content::Audio(Law::A, &samples),
        };
        player.timestamp = player.timestamp.wrapping_add(samples.len() as u32);
        let (id, nurse) = (player.id, player.mode == Mode::Nurse);
        let _ = self.caller.send(frame, now, &mut ways.rooms);
        if nurse {
            self.fork_frame(Side::Far, frame, now, &mut ways.lanes);
        }
        if over {
            self.player = None;
            self.report(MediaEvent::PlayedToEnd(self.id, id));
        }
    }

    fn turn_gate(&mut self, gate: Gate, now: Instant, lanes: &mut Lanes) {
        self.fork_gate = gate;
        // What is kept when a second pause comes before the recorder has heard of the end of the first was said all the same.
        if gate == Gate::Open {
            let kept = std::mem::take(&mut self.kept);
            kept.replay(now, |side, frame, at| {
                // A recorder that refuses will refuse the next packet too, and that is heeded.
                let _ = self.fork.send(side, frame, at, lanes);
            });
        }
    }

    fn fork_frame(&mut self, side: Side, frame: Frame<'_>, now: Instant, lanes: &mut Lanes) {
        let sent = match self.fork_gate {
            Gate::Open => self.fork.send(side, frame, now, lanes),
            Gate::Keep => {
                self.kept.keep(side, frame, now);
                Ok(())
            }
            Gate::Shut => Ok(()),
        };
        if sent == Err(Refused::Unreachable) {
            self.fork_refused();
        }
    }

    /// That lane led to nobody, and is closed.
    pub(super) fn lane_refused(&mut self, lane: LaneId) {
        if self.fork.is_by(lane) {
            self.fork_refused();
        }
    }

    fn fork_refused(&mut self) {
        let refused = std::mem::replace(&mut self.fork, Fork::Off);
        if let Some(ssrc) = refused.callers_ssrc() {
            self.report(MediaEvent::ForkRefused(self.id, ssrc));
        }
    }

    fn report(&self, event: MediaEvent) {
        // Unbounded, yet bounded by the calls: one report a command at most, and so many keys a second. It fails only while the switch
        // stops.
        let _ = self.report.events.send(event);
    }
}

impl Player {
    /// Writes the next 20 ms and says whether a clip that is played once is over with it.
    fn fill(&mut self, samples: &mut [u8; rtp::SAMPLES_PER_PACKET]) -> bool {
        let pause = if self.mode == Mode::Nurse {
            NURSE_PAUSE
        } else {
            0
        };
        let length = self.clip.len() + pause;
        for sample in samples.iter_mut() {
            if self.position >= length {
                if self.mode == Mode::Once || length == 0 {
                    break;
                }
                self.position = 0;
            }
            *sample = self.clip.get(self.position).copied().unwrap_or(SILENCE[0]);
            self.position += 1;
        }
        self.mode == Mode::Once && self.position >= length
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};

    use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts};
    use transport::media::{DEFAULT_RANGE, RtpPorts};
    use wire::rtp::Packet;

    use super::*;
    use crate::media::{Agreed, Control, Remote, fork::Sources};

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn report() -> Report {
        let labelled = |label| IntCounterVec::new(Opts::new("packets", "of it"), &[label]);
        let loss = Histogram::with_opts(HistogramOpts::new("loss", "of it"));
        let packets = labelled("direction").expect("a metric");
        Report {
            events: mpsc::unbounded_channel().0,
            dropped: Dropped::new(&labelled("reason").expect("a metric")),
            reports: Counters::new(&packets, &loss.expect("a metric")),
        }
    }

    fn at(recorder: &UdpSocket) -> Agreed {
        let remote = Remote {
            address: recorder.local_addr().expect("an address"),
            payload_type: rtp::PCMA,
            law: Law::A,
            event_type: None,
            listens: true,
        };
        Agreed {
            remote,
            talks: false,
            control: Control::Off,
            signals_from: None,
            srtp: None,
        }
    }

    /// Also of a recorder that has not answered yet; and what is said while it is asked to go on is heard when it does.
    #[test]
    fn what_is_said_in_a_pause_goes_to_no_recorder() {
        let recorder = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
        let patience = Some(Duration::from_secs(10));
        recorder.set_read_timeout(patience).expect("a timeout");
        let ports = RtpPorts::new(LOOPBACK, DEFAULT_RANGE);
        let caller = LegSocket::Own(ports.open_pair().expect("a pair").into());
        let mut call = CallMedia::new((CallId(1), 0), caller, None, report());
        let mut ways = Ways {
            lanes: Lanes::new(ports.clone()),
            rooms: Rooms::default(),
        };
        let now = Instant::now();
        let (fork, _) = Fork::open(&ports, &mut Sources::random()).expect("ports");
        call.command(Command::ForkOpen(Box::new(fork)), now, &mut ways);
        let (open, shut, keep) = (Gate::Open, Gate::Shut, Gate::Keep);
        let gates = [
            open, shut, open, open, shut, keep, open, shut, keep, shut, open,
        ];
        for (said, gate) in (1..).zip(gates) {
            call.command(Command::ForkGate(gate), now, &mut ways);
            let frame = Frame {
                source: 1,
                timestamp: 160 * u32::from(said),
                marker: false,
                content: Content::Audio(Law::A, &[said; 160]),
            };
            call.fork_frame(Side::Caller, frame, now, &mut ways.lanes);
            if said == 3 {
                let answer = (at(&recorder), at(&recorder));
                call.command(Command::ForkTo(Box::new(answer)), now, &mut ways);
            }
        }
        call.command(Command::ForkOff, now, &mut ways);
        let mut buffer = [0; 2000];
        let mut heard = Vec::new();
        while heard.last() != Some(&11) {
            let len = recorder.recv(&mut buffer).expect("a packet");
            let packet = Packet::parse(&buffer[..len]).expect("RTP");
            heard.push(packet.payload[0]);
        }
        // Silence stands for the side that said nothing.
        heard.retain(|said| *said != SILENCE[0]);
        assert_eq!(heard, [1, 3, 4, 6, 7, 9, 11]);
    }
}
