//! The audio of one stream: from its socket to the writer, by a task of its own.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use transport::media::{PACKET_LEN_MAX, RtpSocket};
use wire::rtp;

use super::{
    disk::Job,
    timeline::{Placed, Timeline},
};
use crate::{
    board::Board,
    names::RecordingId,
    vault::{Codec, Packet},
};

/// Datagrams taken in a row before the task looks whether it is to stop.
const BATCH_MAX: usize = 64;

/// How far behind its BYE audio may come.
const OVERTAKEN_MAX: Duration = Duration::from_millis(40);
/// Datagrams taken after the end: a sender that never stops doesn't keep the recording open.
const LAST_MAX: usize = 256;

/// What a stream's task is told.
#[derive(Debug, Clone)]
pub(super) struct Control {
    /// The only address that audio is taken from: the offered one.
    pub(super) from: IpAddr,
    pub(super) flow: Flow,
    /// The recording it is written to.
    pub(super) target: Target,
    /// Counts places in one recording where somebody else took over: each is marked in the timeline.
    pub(super) marks: u32,
}

/// A recording, as a stream is written to it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) id: RecordingId,
    /// The stream's number in it.
    pub(super) number: usize,
    /// When it began.
    pub(super) begun: Instant,
    /// While anybody holds this, more may be written to it.
    pub(super) _held: mpsc::Sender<Infallible>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Running,
    Paused,
    /// It goes on in a recording that is being made: until then what comes waits in the socket.
    Waiting,
    /// Take what is there, then end.
    Ended,
}

/// What a stream's task has in common with the other streams of its session.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) board: Arc<Board>,
    /// When the session began.
    pub(super) begun: Instant,
    /// Milliseconds after that of the last datagram of any of its streams.
    pub(super) heard_ms: Arc<AtomicU64>,
}

/// One stream being recorded.
pub(super) struct Recorder {
    socket: RtpSocket,
    control: watch::Receiver<Control>,
    line: Line,
    payload_type: u8,
    codec: Codec,
    /// What it does now, until it obeys.
    flow: Flow,
    target: Target,
    marks: u32,
    timeline: Timeline,
    /// The source that was heard first.
    source: Option<SocketAddr>,
    packets: Vec<Packet>,
    /// Timeline that the writer had no room for.
    unsent: Option<Unsent>,
}

#[derive(Debug, Clone, Copy)]
struct Unsent {
    from: u32,
    until: u32,
}

impl Recorder {
    pub(super) fn new(
        socket: RtpSocket,
        (payload_type, codec): (u8, Codec),
        control: watch::Receiver<Control>,
        line: Line,
    ) -> Self {
        let (flow, target, marks) = {
            let told = control.borrow();
            (told.flow, told.target.clone(), told.marks)
        };
        Self {
            socket,
            control,
            line,
            payload_type,
            codec,
            flow,
            target,
            marks,
            timeline: Timeline::new(payload_type, codec),
            source: None,
            packets: Vec::new(),
            unsent: None,
        }
    }

    /// Records until told to end.
    pub(super) async fn run(mut self) {
        let mut buffer = [0; PACKET_LEN_MAX];
        self.obey();
        while self.control.borrow().flow != Flow::Ended {
            tokio::select! {
                changed = self.control.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.take_before(&mut buffer);
                    self.obey();
                }
                received = self.socket.recv_from(&mut buffer), if self.flow != Flow::Waiting => {
                    if let Ok((length, source)) = received {
                        self.on_datagram(&buffer[..length], source);
                        self.take_waiting(&mut buffer);
                    }
                }
            }
        }
        if self.control.has_changed().unwrap_or(false) {
            // Told together with the end.
            self.take_before(&mut buffer);
            self.obey();
        }
        self.take_last(&mut buffer).await;
        self.timeline.finish(&mut self.packets);
        self.hand_over();
        self.tell_unsent();
    }

    /// What was sent before a change belongs before it; what waits for the next recording is left for that.
    fn take_before(&mut self, buffer: &mut [u8]) {
        if self.flow == Flow::Waiting {
            let told = self.control.borrow();
            if told.target.id != self.target.id || told.flow == Flow::Waiting {
                return;
            }
            // There is no next one.
            drop(told);
            self.timeline.resume();
        }
        self.take_waiting(buffer);
    }

    fn obey(&mut self) {
        let control = self.control.borrow_and_update().clone();
        if control.target.id != self.target.id {
            self.leave_for(control.target);
        }
        if control.marks != self.marks {
            self.marks = control.marks;
            self.timeline.mark(&mut self.packets);
        }
        match control.flow {
            Flow::Running => self.timeline.resume(),
            Flow::Paused => self.timeline.pause(&mut self.packets),
            Flow::Waiting | Flow::Ended => {}
        }
        self.flow = control.flow;
        self.source = self.source.filter(|source| source.ip() == control.from);
        self.hand_over();
    }

    /// The next recording of the call begins.
    fn leave_for(&mut self, target: Target) {
        self.timeline.finish(&mut self.packets);
        self.hand_over();
        self.tell_unsent();
        self.unsent = None;
        self.target = target;
        self.timeline = Timeline::new(self.payload_type, self.codec);
    }

    fn take_waiting(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH_MAX {
            // An error is that of an earlier datagram (ICMP), or there is nothing more.
            let Ok((length, source)) = self.socket.try_recv_from(buffer) else {
                break;
            };
            self.on_datagram(buffer.get(..length).unwrap_or_default(), source);
        }
    }

    /// Takes what the BYE overtook on its way.
    async fn take_last(&mut self, buffer: &mut [u8]) {
        for _ in 0..LAST_MAX {
            let Ok(Ok((length, source))) =
                timeout(OVERTAKEN_MAX, self.socket.recv_from(buffer)).await
            else {
                break;
            };
            self.on_datagram(buffer.get(..length).unwrap_or_default(), source);
        }
    }

    fn on_datagram(&mut self, datagram: &[u8], source: SocketAddr) {
        match self.place(datagram, source) {
            Ok(()) => self.hand_over(),
            Err(reason) => self
                .line
                .board
                .datagrams_dropped
                .with_label_values(&[reason])
                .inc(),
        }
    }

    /// Puts a datagram on the timeline, or says why not.
    fn place(&mut self, datagram: &[u8], source: SocketAddr) -> Result<(), &'static str> {
        if source.ip() != self.control.borrow().from
            || self.source.is_some_and(|known| known != source)
        {
            return Err("source");
        }
        let heard = u64::try_from(self.line.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.line.heard_ms.fetch_max(heard, Ordering::Relaxed);
        if rtp::is_rtcp(datagram) {
            return Ok(());
        }
        let packet = rtp::Packet::parse(datagram).map_err(|_| "malformed")?;
        self.source = Some(source);
        let since = self.target.begun.elapsed();
        match self.timeline.receive(since, &packet, &mut self.packets) {
            Placed::Dropped => Err("duplicate"),
            Placed::Paused => Err("paused"),
            Placed::Other | Placed::Audio => Ok(()),
        }
    }

    /// Gives the writer what is ready. What it has no room for is a gap.
    fn hand_over(&mut self) {
        for packet in std::mem::take(&mut self.packets) {
            let (audio, from, samples) =
                (packet.kind.is_audio(), packet.position, packet.samples());
            if self.tell_unsent() && self.send(packet) {
                if audio {
                    self.line.board.packets.inc();
                } else {
                    self.line.board.packets_lost.inc_by(lost_packets(samples));
                }
                continue;
            }
            let until = from.saturating_add(samples);
            let unsent = self.unsent.get_or_insert(Unsent { from, until });
            unsent.from = unsent.from.min(from);
            unsent.until = unsent.until.max(until);
        }
    }

    /// Tells the writer what it missed; false when it has still no room.
    fn tell_unsent(&mut self) -> bool {
        let Some(Unsent { from, until }) = self.unsent else {
            return true;
        };
        let told = self.send(Packet::lost(from, until.saturating_sub(from)));
        if told {
            self.line
                .board
                .packets_lost
                .inc_by(lost_packets(until.saturating_sub(from)));
            self.unsent = None;
        }
        told
    }

    fn send(&self, packet: Packet) -> bool {
        self.line
            .jobs
            .try_send(Job::Packet(self.target.id, self.target.number, packet))
            .is_ok()
    }
}

/// Packets of 20 ms in a gap.
fn lost_packets(samples: u32) -> u64 {
    u64::from(samples.div_ceil(160))
}
