//! One stream being recorded: places what comes on its timeline, and hands it to the writer. It has no socket and asks for
//! no time, so that whoever has the socket, a task of its own or the thread of a shared port, drives the same thing.

use std::{
    convert::Infallible,
    hint::black_box,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use wire::{
    rtp,
    srtp::{Crypto, Opener},
};

use super::{
    early::Early,
    timeline::{Placed, Timeline},
};
use crate::{
    board::Board,
    names::RecordingId,
    server::{disk::Job, srtp},
    vault::{Batch, CHUNK_AGE_MAX, Codec},
};

/// What waits here is handed over when it has so many bytes: with the packet that comes then it still is one chunk.
const READY_BYTES_MAX: usize = 7 * 1024;
/// A source that says nothing for so long may have moved; until then nobody else is heard.
const SOURCE_SILENT_MIN: Duration = Duration::from_millis(500);
/// A number that was heard within this time is still its source's: two or three packets.
pub(in crate::server) const NUMBER_SILENT_MIN: Duration = Duration::from_millis(60);
/// How exactly a session knows when it was heard last, in milliseconds: it looks for a minute without a sound.
const HEARD_STEP_MS: u64 = 1000;

/// What a stream is told.
#[derive(Debug, Clone)]
pub(in crate::server) struct Control {
    /// The only address that audio is taken from: the offered one.
    pub(in crate::server) from: IpAddr,
    /// The offered port. Who sends from another is heard too, but must have had time to move there.
    pub(in crate::server) port: u16,
    pub(in crate::server) flow: Flow,
    /// The recording it is written to.
    pub(in crate::server) target: Target,
    /// Counts places in one recording where somebody else took over: each is marked in the timeline.
    pub(in crate::server) marks: u32,
    /// By which key it is encrypted; `None`: plain RTP.
    pub(in crate::server) crypto: Option<Crypto>,
}

/// A recording, as a stream is written to it.
#[derive(Debug, Clone)]
pub(in crate::server) struct Target {
    pub(in crate::server) id: RecordingId,
    /// The stream's number in it.
    pub(in crate::server) number: usize,
    /// When it began.
    pub(in crate::server) begun: Instant,
    /// While anybody holds this, more may be written to it.
    pub(in crate::server) _held: mpsc::Sender<Infallible>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Flow {
    Running,
    Paused,
    /// It goes on in a recording that is being made: until then what comes waits in the socket.
    Waiting,
    /// Take what is there, then end.
    Ended,
}

/// What a stream has in common with the others of its session.
#[derive(Debug)]
pub(in crate::server) struct Line {
    pub(in crate::server) jobs: mpsc::Sender<Job>,
    pub(in crate::server) board: Arc<Board>,
    /// When the session began.
    pub(in crate::server) begun: Instant,
    /// Milliseconds after that of the last datagram of any of its streams.
    pub(in crate::server) heard_ms: Arc<AtomicU64>,
}

#[cfg(test)]
impl Target {
    /// The first stream of a recording that nobody else writes to.
    pub(in crate::server) fn first_of(id: RecordingId, begun: Instant) -> Self {
        Self {
            id,
            number: 0,
            begun,
            _held: mpsc::channel(1).0,
        }
    }
}

#[cfg(test)]
impl Line {
    /// One that is counted nowhere else.
    pub(in crate::server) fn alone(jobs: mpsc::Sender<Job>, begun: Instant) -> Self {
        let board = Board::new(crate::monitor::Figures::default()).expect("metrics");
        Self {
            jobs,
            board: Arc::new(board),
            begun,
            heard_ms: Arc::new(AtomicU64::new(0)),
        }
    }
}

/// One stream being recorded.
#[derive(Debug)]
pub(in crate::server) struct Track {
    line: Line,
    payload_type: u8,
    codec: Codec,
    /// What it obeys.
    control: Control,
    timeline: Timeline,
    /// What has come of it until it is known where it begins.
    early: Option<Box<Early>>,
    /// Opens what is encrypted.
    opener: Option<Box<Opener>>,
    /// The source that is heard, and when it was last.
    source: Option<SocketAddr>,
    source_heard: Instant,
    /// It has said that it moves, and wasn't heard from there yet.
    moves: bool,
    /// What the writer is given next.
    ready: Batch,
    /// Milliseconds after the session began that `heard_ms` was told of last.
    told_heard_ms: u64,
    /// Timeline that the writer had no room for.
    unsent: Option<Unsent>,
    /// The same of recordings before this one: few, as none of them ends while it is here.
    owed: Vec<Owed>,
}

/// A gap that a recording is still to be told of, and stays open for.
#[derive(Debug)]
pub(in crate::server) struct Owed {
    target: Target,
    unsent: Unsent,
}

#[derive(Debug, Clone, Copy)]
struct Unsent {
    from: u32,
    until: u32,
}

impl Track {
    pub(in crate::server) fn new(
        (payload_type, codec): (u8, Codec),
        told: Control,
        line: Line,
    ) -> Self {
        let mut track = Self {
            payload_type,
            codec,
            timeline: Timeline::new(payload_type, codec),
            control: told.clone(),
            early: None,
            opener: opener(&told),
            source: None,
            source_heard: line.begun,
            moves: false,
            ready: Batch::default(),
            told_heard_ms: 0,
            unsent: None,
            owed: Vec::new(),
            line,
        };
        track.obey(told);
        track
    }

    /// So much of its timeline went by before its recording could begin: what was sound of it and wasn't kept is lost.
    pub(in crate::server) fn begins_late(mut self, samples: u32) -> Self {
        if samples > 0 && self.control.flow == Flow::Running {
            let begun = self.control.target.begun;
            let audio = (self.payload_type, self.codec);
            self.early = Some(Early::new(samples, begun, audio).into());
        }
        self
    }

    /// Lays what has come by now where it was said.
    fn settle(&mut self) {
        let Some(early) = self.early.take() else {
            return;
        };
        let (lost, kept) = early.settle();
        if lost > 0 {
            self.unsent = Some(Unsent {
                from: 0,
                until: lost,
            });
        }
        for mut one in kept {
            self.on_datagram(&mut one.datagram, one.source, one.came);
        }
    }

    /// What it was told last.
    pub(in crate::server) const fn control(&self) -> &Control {
        &self.control
    }

    /// What it does now.
    pub(in crate::server) const fn flow(&self) -> Flow {
        self.control.flow
    }

    /// Whether what came before it was told this belongs before it. What waits for the next recording is left for that.
    pub(in crate::server) fn takes_before(&mut self, told: &Control) -> bool {
        if self.control.flow == Flow::Waiting {
            if told.target.id != self.control.target.id || told.flow == Flow::Waiting {
                return false;
            }
            // There is no next one.
            self.timeline.resume();
        }
        true
    }

    pub(in crate::server) fn obey(&mut self, told: Control) {
        self.settle();
        if told.target.id != self.control.target.id {
            self.leave_for(told.target.clone());
        }
        if told.marks != self.control.marks {
            self.timeline.mark(&mut self.ready);
        }
        // By the same key it goes on counting: nothing is taken twice.
        if told.crypto != self.control.crypto {
            self.opener = opener(&told);
        }
        match told.flow {
            Flow::Running => self.timeline.resume(),
            Flow::Paused => {
                self.timeline.pause(&mut self.ready);
                if self.control.flow != Flow::Paused {
                    self.line.board.pauses.inc();
                }
            }
            Flow::Waiting | Flow::Ended => {}
        }
        // Whoever says that it has moved is heard from wherever it sends next.
        let stays = told.port == self.control.port;
        self.moves |= !stays;
        self.source = self
            .source
            .filter(|source| stays && source.ip() == told.from);
        self.control = told;
        self.hand_over();
    }

    /// The next recording of the call begins.
    fn leave_for(&mut self, target: Target) {
        self.finish();
        let before = std::mem::replace(&mut self.control.target, target);
        if let Some(unsent) = self.unsent.take() {
            self.owed.push(Owed {
                target: before,
                unsent,
            });
        }
        self.timeline = Timeline::new(self.payload_type, self.codec);
    }

    /// Nothing more comes for this recording.
    pub(in crate::server) fn finish(&mut self) {
        self.settle();
        self.timeline.finish(&mut self.ready);
        self.hand_over();
        self.tell_unsent();
    }

    /// Nothing more comes at all. Gives what the writer had no room for, for somebody who waits until it has.
    pub(in crate::server) fn end(mut self) -> Vec<Owed> {
        self.finish();
        let target = self.control.target;
        let last = self.unsent.map(|unsent| Owed { target, unsent });
        self.owed.extend(last);
        self.owed
    }

    /// When the writer is to be given what is ready, if nothing happens until then.
    pub(in crate::server) fn due(&self) -> Option<Instant> {
        match &self.early {
            Some(early) => early.due(),
            None => Some(self.ready.since()? + CHUNK_AGE_MAX),
        }
    }

    /// Gives the writer what is old enough for a chunk.
    pub(in crate::server) fn hand_over_due(&mut self, now: Instant) {
        if self.due().is_some_and(|due| due <= now) {
            self.settle();
            self.hand_over();
        }
    }

    /// Has the processor bring what the next packet is placed by, all of it at once.
    pub(in crate::server) fn fetch(&self) {
        let last = self.ready.bytes().last();
        black_box((
            self.control.from,
            self.control.flow,
            self.source,
            self.told_heard_ms,
        ));
        black_box((
            self.line.begun,
            self.control.target.begun,
            self.opener.is_some(),
        ));
        black_box((last.copied(), self.ready.tally(), self.ready.since()));
        self.timeline.fetch();
    }

    /// Takes a datagram; one that is encrypted is opened where it is.
    pub(in crate::server) fn on_datagram(
        &mut self,
        datagram: &mut [u8],
        source: SocketAddr,
        now: Instant,
    ) {
        if self.early.is_some() && source.ip() == self.control.from {
            return self.keep(datagram, source, now);
        }
        if let Err(reason) = self.place(datagram, source, now) {
            self.line.board.dropped(reason);
            return;
        }
        self.ready.came(now);
        if self.ready.bytes().len() >= READY_BYTES_MAX {
            self.hand_over();
        }
    }

    /// Whose it is shows when it is laid on the timeline.
    fn keep(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) {
        self.source_heard = now;
        if let Some(early) = &mut self.early {
            early.keep(datagram, source, now);
        }
        if self.due().is_some_and(|due| due <= now) {
            self.settle();
        }
    }

    /// Puts a datagram on the timeline, or says why not.
    fn place(
        &mut self,
        datagram: &mut [u8],
        source: SocketAddr,
        now: Instant,
    ) -> Result<(), &'static str> {
        if source.ip() != self.control.from || !self.may_send(source, now) {
            return Err("source");
        }
        if rtp::is_rtcp(datagram) {
            self.heard(now);
            return Ok(());
        }
        let datagram = srtp::open(self.opener.as_deref_mut(), datagram)?;
        self.heard(now);
        let packet = rtp::Packet::parse(datagram).map_err(|_| "malformed")?;
        (self.source, self.source_heard) = (Some(source), now);
        self.moves &= source.port() != self.control.port;
        let since = now.saturating_duration_since(self.control.target.begun);
        match self.timeline.receive(since, &packet, &mut self.ready) {
            Placed::Dropped => Err("duplicate"),
            Placed::Paused => Err("paused"),
            Placed::Other | Placed::Audio => Ok(()),
        }
    }

    /// Whether that is the source that is heard, or it has moved: after a change its client may send from another port.
    fn may_send(&self, source: SocketAddr, now: Instant) -> bool {
        let silent = now.saturating_duration_since(self.source_heard);
        // What was on its way from the port before the change doesn't keep out who sends from the offered one.
        let moves = self.moves && source.port() == self.control.port;
        self.source
            .is_none_or(|known| known == source || silent >= SOURCE_SILENT_MIN || moves)
    }

    /// Whether audio of that type is sent from there: where it was heard last, or is offered to be.
    pub(in crate::server) fn is_from(&self, source: SocketAddr, payload_type: u8) -> bool {
        let offered = SocketAddr::from((self.control.from, self.control.port));
        self.payload_type == payload_type && self.source.unwrap_or(offered) == source
    }

    /// Whether its source may have taken another number: it wasn't heard by its own for a while, or not at all.
    pub(in crate::server) fn may_be_another(&self, now: Instant) -> bool {
        let silent = now.saturating_duration_since(self.source_heard);
        let is_early = self.early.as_ref().is_some_and(|early| early.is_heard());
        (self.source.is_none() && !is_early) || silent >= NUMBER_SILENT_MIN
    }

    fn heard(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.line.begun).as_millis();
        let heard_ms = u64::try_from(age).unwrap_or(u64::MAX);
        if heard_ms >= self.told_heard_ms.saturating_add(HEARD_STEP_MS) {
            self.told_heard_ms = heard_ms;
            self.line.heard_ms.fetch_max(heard_ms, Ordering::Relaxed);
        }
    }

    /// Gives the writer what is ready. What it has no room for is a gap.
    fn hand_over(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let jobs = &self.line.jobs;
        self.owed.retain(|owed| jobs.try_send(owed.job()).is_err());
        let batch = std::mem::take(&mut self.ready);
        let (from, tally) = (batch.from(), batch.tally());
        if self.tell_unsent() && self.send(batch) {
            self.line.board.packets.inc_by(tally.packets);
            self.line.board.packets_lost.inc_by(tally.packets_lost);
            return;
        }
        let unsent = self.unsent.get_or_insert(Unsent {
            from,
            until: tally.end,
        });
        unsent.from = unsent.from.min(from);
        unsent.until = unsent.until.max(tally.end);
    }

    /// Tells the writer what it missed; false when it has still no room.
    fn tell_unsent(&mut self) -> bool {
        let Some(unsent) = self.unsent else {
            return true;
        };
        let gap = unsent.gap();
        let lost = gap.tally().packets_lost;
        let told = self.send(gap);
        if told {
            self.line.board.packets_lost.inc_by(lost);
            self.unsent = None;
        }
        told
    }

    /// Memory that its audio takes.
    #[cfg(test)]
    pub(in crate::server) fn held_bytes(&self) -> usize {
        self.ready.held_bytes()
    }

    fn send(&self, batch: Batch) -> bool {
        let Target { id, number, .. } = self.control.target;
        self.line
            .jobs
            .try_send(Job::Audio(id, number, batch))
            .is_ok()
    }
}

impl Unsent {
    fn gap(self) -> Batch {
        let mut gap = Batch::default();
        gap.lost(self.from, self.until.saturating_sub(self.from));
        gap
    }
}

impl Owed {
    fn job(&self) -> Job {
        Job::Audio(self.target.id, self.target.number, self.unsent.gap())
    }

    /// Waits until the writer has room for it; without a writer there is nobody to tell.
    pub(in crate::server) async fn tell(self, jobs: &mpsc::Sender<Job>) {
        let _told = jobs.send(self.job()).await;
    }
}

fn opener(told: &Control) -> Option<Box<Opener>> {
    told.crypto.clone().map(Opener::new).map(Box::new)
}
