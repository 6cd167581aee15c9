//! The streams of one shared port, told apart by address and SSRC. It has no socket and asks for no time.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{Hash, Hasher},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use tokio::sync::oneshot;
use wire::{rtp, sdp};

use super::{
    super::{
        media::{DATAGRAM_LEN_MAX, LAST_MAX, OVERTAKEN_MAX},
        track::{Control, Flow, Owed, Track},
    },
    allot::{Claim, SeatId},
};
use crate::{board::Board, server::offer};

/// Datagrams of a stream that wait for its next recording: ten seconds of audio, far longer than a disk takes to make one.
pub(super) const WAITING_MAX: usize = 512;

/// Numbers that streams had are remembered: twice those of a full port.
const ENDED_MAX: usize = 128;

/// What a stream on a shared port is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) struct Key {
    // First: comparing it is enough but for streams of one number from several addresses.
    pub(in crate::server) ssrc: u32,
    /// The offered address.
    pub(in crate::server) from: IpAddr,
}

impl Key {
    /// That of a stream as it is offered; `None` when it doesn't say one number, or no address to tell it by.
    pub(in crate::server) fn offered(stream: &sdp::Stream) -> Option<Self> {
        let ssrc = offer::one_source(stream)?;
        let from = stream.address.ip();
        (!from.is_unspecified()).then_some(Self { ssrc, from })
    }

    /// That of whoever sent a datagram; `None` when it is neither RTP nor RTCP.
    fn of(datagram: &[u8], source: SocketAddr) -> Option<Self> {
        let at = if rtp::is_rtcp(datagram) { 4 } else { 8 };
        let ssrc = datagram.get(at..)?.first_chunk()?;
        (datagram.first()? >> 6 == 2).then(|| Self {
            ssrc: u32::from_be_bytes(*ssrc),
            from: source.ip(),
        })
    }
}

/// By its number alone: few streams of a port have the same, from several addresses.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ssrc.hash(state);
    }
}

/// The streams of one port.
#[derive(Debug)]
pub(super) struct Table {
    /// By what their packets are known: where they are in `streams`. Looked up with every packet and never gone through: its order
    /// is nobody's concern.
    keys: HashMap<Key, usize>,
    /// By what their sessions call them.
    seats: BTreeMap<SeatId, usize>,
    streams: Vec<Option<Stream>>,
    /// Where there is none.
    free: Vec<usize>,
    /// How many were told to end and haven't yet.
    ending: usize,
    /// Numbers that streams had, the latest: what still comes of them is nobody else's.
    ended: VecDeque<Key>,
    /// Whose the datagrams of a run are; kept for its room.
    whose: Vec<Result<usize, &'static str>>,
    board: Arc<Board>,
}

#[derive(Debug)]
struct Stream {
    seat: SeatId,
    claim: Claim,
    /// The number that its source has taken since, without a word of its client: the latest, so that there is one at most.
    taken: Option<Key>,
    track: Track,
    waiting: VecDeque<Waiting>,
    ending: Option<Ending>,
    done: oneshot::Sender<Vec<Owed>>,
}

/// What came between two recordings.
#[derive(Debug)]
struct Waiting {
    datagram: Box<[u8]>,
    source: SocketAddr,
    came: Instant,
}

/// It was told to end, and audio may be on its way.
#[derive(Debug, Clone, Copy)]
struct Ending {
    at: Instant,
    taken: usize,
}

impl Table {
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self {
            keys: HashMap::new(),
            seats: BTreeMap::new(),
            streams: Vec::new(),
            free: Vec::new(),
            ending: 0,
            ended: VecDeque::new(),
            whose: Vec::new(),
            board,
        }
    }

    /// Whether audio of a stream that was told to end may be on its way.
    pub(super) const fn has_ending(&self) -> bool {
        self.ending > 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub(super) fn begin(
        &mut self,
        seat: SeatId,
        (claim, track, done): (Claim, Track, oneshot::Sender<Vec<Owed>>),
    ) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.streams.push(None);
            self.streams.len() - 1
        });
        self.know(claim.key, at);
        self.seats.insert(seat, at);
        self.streams[at] = Some(Stream {
            seat,
            claim,
            taken: None,
            track,
            waiting: VecDeque::new(),
            ending: None,
            done,
        });
    }

    fn stream(&mut self, seat: SeatId) -> Option<(usize, &mut Stream)> {
        let at = *self.seats.get(&seat)?;
        let stream = self.streams.get_mut(at)?;
        stream.as_mut().map(|stream| (at, stream))
    }

    /// Tells a stream what to do. What came before has to be given to it before.
    pub(super) fn tell(&mut self, seat: SeatId, told: Control, now: Instant) {
        // One that has ended is told nothing.
        if let Some((_, stream)) = self.stream(seat) {
            let ended = stream.ending.is_some();
            stream.tell(told, now);
            let ends = !ended && stream.ending.is_some();
            self.ending += usize::from(ends);
        }
    }

    /// Whoever steered a stream is gone.
    pub(super) fn leave(&mut self, seat: SeatId, now: Instant) {
        if let Some((_, stream)) = self.stream(seat) {
            let told = Control {
                flow: Flow::Ended,
                ..stream.track.control().clone()
            };
            self.tell(seat, told, now);
        }
    }

    pub(super) fn rename(&mut self, seat: SeatId, claim: Claim) {
        if let Some((at, stream)) = self.stream(seat) {
            let key = claim.key;
            let before = std::mem::replace(&mut stream.claim, claim);
            forget((&mut self.keys, &mut self.ended), before.key);
            self.know(key, at);
        }
    }

    /// From now on packets known by that are this stream's; who had taken the number without a word has it no more.
    fn know(&mut self, key: Key, at: usize) {
        let before = self.keys.insert(key, at);
        let before = before.and_then(|other| self.streams.get_mut(other)?.as_mut());
        if let Some(stream) = before {
            stream.taken = stream.taken.filter(|taken| *taken != key);
        }
    }

    /// A number that nobody has: a source takes another when it begins anew or meets its own (RFC 3550 section 8.2), and RFC 7866
    /// has it tell nobody. It is the stream's whose source sends it now instead, when there is one such.
    fn taken(
        &mut self,
        key: Key,
        datagram: &[u8],
        (source, now): (SocketAddr, Instant),
    ) -> Option<usize> {
        let payload_type = datagram.get(1)? & 0x7f;
        if rtp::is_rtcp(datagram) || self.ended.contains(&key) {
            return None;
        }
        let is_its = |stream: &Stream| stream.track.is_from(source, payload_type);
        let streams = self.streams.iter().enumerate();
        let mut its = streams.filter(|(_, stream)| stream.as_ref().is_some_and(is_its));
        let (Some((at, _)), None) = (its.next(), its.next()) else {
            return None;
        };
        let stream = self.streams[at].as_mut();
        let stream = stream.filter(|stream| stream.track.may_be_another(now))?;
        self.keys.insert(key, at);
        if let Some(before) = stream.taken.replace(key) {
            self.keys.remove(&before);
        }
        Some(at)
    }

    /// Takes datagrams of one sender, each of that length but the last.
    pub(super) fn on_run(&mut self, run: &mut [u8], len: usize, source: SocketAddr, now: Instant) {
        // Whose all of them are before anything is done with the first: looked up one after the other, the processor waits for
        // the memory of each stream in turn.
        let mut whose = std::mem::take(&mut self.whose);
        let from = (source, now);
        whose.extend(run.chunks(len).map(|datagram| self.whose(datagram, from)));
        for (datagram, whose) in run.chunks_mut(len).zip(whose.drain(..)) {
            match whose.map(|at| self.streams[at].as_mut()) {
                Ok(Some(stream)) => stream.on_datagram(datagram, source, now, &self.board),
                Ok(None) => self.board.dropped("ssrc"),
                Err(reason) => self.board.dropped(reason),
            }
        }
        self.whose = whose;
    }

    /// The place of the stream that a datagram is of, or why it is nobody's.
    fn whose(
        &mut self,
        datagram: &[u8],
        from: (SocketAddr, Instant),
    ) -> Result<usize, &'static str> {
        if datagram.len() > DATAGRAM_LEN_MAX {
            // Those that wait for a recording would fill memory.
            return Err("malformed");
        }
        let key = Key::of(datagram, from.0).ok_or("malformed")?;
        let at = match self.keys.get(&key) {
            Some(at) => *at,
            None => self.taken(key, datagram, from).ok_or("ssrc")?,
        };
        if let Some(Some(stream)) = self.streams.get(at) {
            stream.track.fetch();
        }
        Ok(at)
    }

    /// Gives the writer what is old enough for a chunk.
    pub(super) fn hand_over_due(&mut self, now: Instant) {
        for stream in self.streams.iter_mut().flatten() {
            stream.track.hand_over_due(now);
        }
    }

    /// Lets go of the streams that have ended; says when the next one will have. What came until `now` has to be given to
    /// them before.
    pub(super) fn end_due(&mut self, now: Instant) -> Option<Instant> {
        if self.ending == 0 {
            return None;
        }
        let over = |stream: &mut Stream| stream.ending.is_some_and(|ending| ending.at <= now);
        for (at, place) in self.streams.iter_mut().enumerate() {
            let Some(stream) = place.take_if(over) else {
                continue;
            };
            self.free.push(at);
            self.seats.remove(&stream.seat);
            for key in [Some(stream.claim.key), stream.taken].into_iter().flatten() {
                forget((&mut self.keys, &mut self.ended), key);
            }
            self.ending -= 1;
            // The session may be gone.
            let _told = stream.done.send(stream.track.end());
        }
        let left = self.streams.iter().flatten();
        left.filter_map(|stream| Some(stream.ending?.at)).min()
    }
}

/// Nobody is known by that any more, and what still comes of it is nobody's.
fn forget((keys, ended): (&mut HashMap<Key, usize>, &mut VecDeque<Key>), key: Key) {
    keys.remove(&key);
    if ended.len() == ENDED_MAX {
        ended.pop_front();
    }
    ended.push_back(key);
}

impl Stream {
    fn tell(&mut self, told: Control, now: Instant) {
        let ends = told.flow == Flow::Ended && self.ending.is_none();
        let waits = told.flow == Flow::Waiting;
        if !waits && self.track.takes_before(&told) {
            self.take_waiting();
        }
        self.track.obey(told);
        if !waits {
            self.take_waiting();
        }
        if ends {
            self.ending = Some(Ending {
                at: now + OVERTAKEN_MAX,
                taken: 0,
            });
        }
    }

    fn on_datagram(
        &mut self,
        datagram: &mut [u8],
        source: SocketAddr,
        now: Instant,
        board: &Board,
    ) {
        if self.track.flow() == Flow::Waiting {
            return self.wait(datagram, source, now, board);
        }
        self.track.on_datagram(datagram, source, now);
        if let Some(ending) = &mut self.ending {
            ending.taken += 1;
            // A sender that never stops is cut off.
            ending.at = if ending.taken < LAST_MAX {
                now + OVERTAKEN_MAX
            } else {
                now
            };
        }
    }

    fn wait(&mut self, datagram: &[u8], source: SocketAddr, came: Instant, board: &Board) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(Waiting {
                datagram: datagram.into(),
                source,
                came,
            });
        } else {
            board.dropped("waiting");
        }
    }

    fn take_waiting(&mut self) {
        for mut one in std::mem::take(&mut self.waiting) {
            self.track
                .on_datagram(&mut one.datagram, one.source, one.came);
        }
    }
}
