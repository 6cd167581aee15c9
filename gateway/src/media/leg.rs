//! One end of a leg: a port of its own, whose first packet shows where the other end really is, or a place on a shared port, where
//! only what comes from the very address that was agreed is its own.

use std::{
    mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

use transport::media::PolledPair;
use wire::rtp::{Packet, control::Told};

use super::{
    Agreed, Dropped,
    dropped::Why,
    latch::Latch,
    out::{Frame, OutStream},
    port::{Port, Refused, send_now},
    reports::{Counters, Reports},
    rooms::Rooms,
    seats::{Pair, RoomId},
    token::Token,
};

/// Longest payload that is taken: 200 ms, ten times the usual packet.
const MAX_PAYLOAD: usize = 1600;
/// Longest datagram that is taken: such a payload with the longest header that phones write, and a tag.
const DATAGRAM_LEN_MAX: usize = MAX_PAYLOAD + 100;
/// Another source is let in on a shared port when the one before has been silent for five packets: two that talk at once are not
/// one remote.
const SOURCE_ALIVE: Duration = Duration::from_millis(100);

/// A leg's socket.
#[derive(Debug)]
pub(super) enum LegSocket {
    /// On a port of its own.
    Own(Box<PolledPair>),
    /// That of a port which it shares.
    Shared(Place),
}

/// A place on a shared port.
#[derive(Debug)]
pub(super) struct Place {
    room: RoomId,
    /// Whom the port knows for its remote.
    at: Option<Box<Pair>>,
    source: Option<Source>,
}

/// Who was heard last.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    last: Instant,
}

/// What [`Port`] says of its size.
const _: () = assert!(size_of::<Port<LegSocket>>() == 3 * 64);

impl LegSocket {
    /// A place in a room, where nobody is heard yet.
    pub(super) const fn shared(room: RoomId) -> Self {
        Self::Shared(Place {
            room,
            at: None,
            source: None,
        })
    }

    /// The socket, when it is the leg's own.
    pub(super) const fn own(&self) -> Option<&PolledPair> {
        match self {
            Self::Own(pair) => Some(pair),
            Self::Shared(_) => None,
        }
    }
}

impl Port<LegSocket> {
    /// The remote is known, or has moved; on a shared port by a pair of its own, unless it is where it was.
    pub(super) fn agree(
        &mut self,
        agreed: Agreed,
        pair: Option<Pair>,
        (own, rooms): (Token, &mut Rooms),
        (now, counters): (Instant, &Counters),
    ) {
        if self.latch.moves_to(agreed.remote.address) {
            self.say_bye(now, rooms, counters);
        }
        let control = agreed.control;
        self.set_remote(agreed, now);
        let begin = || Box::new(Reports::begin(now));
        self.reports.get_or_insert_with(begin).go_to(control);
        if let LegSocket::Shared(place) = &mut self.socket {
            if let Some(pair) = pair {
                place.hear(pair, own, rooms);
            }
            // It sends from where it said.
            self.latch.heard();
        }
    }

    /// From now on it has that socket, and waits to hear where its remote is.
    pub(super) fn move_to(
        &mut self,
        socket: LegSocket,
        (own, rooms): (Token, &mut Rooms),
        (now, counters): (Instant, &Counters),
    ) {
        self.leave((own, rooms), (now, counters));
        self.socket = socket;
        self.remote = None;
        self.latch = Latch::default();
    }

    /// Its stream ends here, and nothing that comes to a shared port is its own any more.
    pub(super) fn leave(
        &mut self,
        (own, rooms): (Token, &mut Rooms),
        (now, counters): (Instant, &Counters),
    ) {
        self.say_bye(now, rooms, counters);
        if let LegSocket::Shared(place) = &mut self.socket
            && let Some(before) = place.at.take()
        {
            rooms.forget(place.room, before.remote(), own);
        }
    }

    /// Its remote has hung up: it hears that the stream ends, and nothing more, and need not be heard. Where it was is kept, so that
    /// it isn't taken for who comes after it.
    pub(super) fn remote_left(
        &mut self,
        own_rooms: (Token, &mut Rooms),
        now_counters: (Instant, &Counters),
    ) {
        self.silence.begins(false, now_counters.0);
        self.leave(own_rooms, now_counters);
        if let Some(remote) = &mut self.remote {
            remote.listens = false;
        }
    }

    /// Reads a datagram as audio from our remote. `None`: not RTP, not for us, or from a stranger; that is counted.
    pub(super) fn accept<'a>(
        &mut self,
        datagram: &'a mut [u8],
        from: SocketAddr,
        now: Instant,
        dropped: &Dropped,
    ) -> Option<Frame<'a>> {
        let frame = self.read(datagram, from, now);
        frame.map_err(|why| dropped.count(why)).ok().flatten()
    }

    fn read<'a>(
        &mut self,
        datagram: &'a mut [u8],
        from: SocketAddr,
        now: Instant,
    ) -> Result<Option<Frame<'a>>, Why> {
        let Some(remote) = &mut self.remote else {
            return Ok(None);
        };
        if !self.latch.takes(from, remote.address, now) {
            return Err(Why::Stray);
        }
        if datagram.len() > DATAGRAM_LEN_MAX {
            return Err(Why::TooLong);
        }
        let datagram = match &mut self.protection {
            None => datagram,
            Some(protection) => protection.open(datagram)?,
        };
        let packet = Packet::parse(datagram).map_err(|_| Why::Malformed)?;
        if let LegSocket::Shared(place) = &mut self.socket
            && !place.takes(packet.ssrc, now)
        {
            return Err(Why::Stray);
        }
        // Also by what isn't for us, such as comfort noise: somebody is there.
        self.silence.broken(now);
        if let Some(reports) = &mut self.reports {
            reports.heard(&packet, now);
        }
        let content = remote.content(&packet).ok_or(Why::PayloadType)?;
        // Only now: what can't be read must not draw our audio elsewhere.
        remote.address = from;
        self.latch.heard();
        Ok(Some(Frame {
            source: packet.ssrc,
            timestamp: packet.timestamp,
            marker: packet.marker,
            content,
        }))
    }

    /// Sends a frame to the remote, in its codec: on a shared port together with others. `Err` when the remote refuses (ICMP).
    pub(super) fn send(
        &mut self,
        frame: Frame<'_>,
        now: Instant,
        rooms: &mut Rooms,
    ) -> Result<(), Refused> {
        let Some(to) = self.write(frame, now, &mut rooms.datagram)? else {
            return Ok(());
        };
        match &self.socket {
            LegSocket::Own(pair) => send_now(&pair.socket, &rooms.datagram, to),
            LegSocket::Shared(place) => {
                rooms.push(place.room, to);
                Ok(())
            }
        }
    }
}

/// Reports.
impl Port<LegSocket> {
    /// Reads a datagram as a report of our remote's.
    pub(super) fn told(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        now: Instant,
        (counters, dropped): (&Counters, &Dropped),
    ) {
        match self.read_report(datagram, from, now) {
            Ok(Some(told)) => counters.received(&told),
            Ok(None) => {}
            Err(why) => dropped.count(why),
        }
    }

    fn read_report(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        now: Instant,
    ) -> Result<Option<Told>, Why> {
        let (Some(remote), Some(reports)) = (&self.remote, &mut self.reports) else {
            return Ok(None);
        };
        // Of its port nothing is known until then; its host is the remote's, or what it named.
        if !self.latch.knows_host(from, remote.address) && !reports.expects(from) {
            return Err(Why::Stray);
        }
        let datagram = match &mut self.protection {
            None => datagram,
            Some(protection) => protection.open_control(datagram)?,
        };
        let told = Told::read(datagram, self.out.ssrc()).ok_or(Why::Malformed)?;
        reports.told(&told, from, now);
        // Who says nothing but this is there, and silent; unless it is that it goes, which is for its signalling to say.
        if !told.ended {
            self.silence.broken(now);
        }
        Ok(Some(told))
    }

    /// Sends the next report, when it is due.
    pub(super) fn report(&mut self, now: Instant, rooms: &mut Rooms, counters: &Counters) {
        let Some(reports) = &mut self.reports else {
            return;
        };
        if let Some(beside) = reports.due(now) {
            reports.write(&self.out, now, &mut rooms.datagram);
            self.send_report(beside, rooms, counters);
        }
    }

    /// Tells the remote that our stream ends, if it ever began (RFC 3550 section 6.6). What is sent after that is another, by a number
    /// of its own: whoever hears it from elsewhere, or elsewhere, has not heard of its end (section 8.1).
    fn say_bye(&mut self, now: Instant, rooms: &mut Rooms, counters: &Counters) {
        let Some(mut reports) = self.reports.take() else {
            return;
        };
        let out = mem::replace(&mut self.out, OutStream::new(rand::random()));
        if let Some(beside) = reports.last_due(&out) {
            reports.write_last(&out, now, &mut rooms.datagram);
            self.send_report(beside, rooms, counters);
        }
    }

    /// Sends what was written there, or to where the audio goes.
    fn send_report(&mut self, beside: Option<SocketAddr>, rooms: &mut Rooms, counters: &Counters) {
        let Some(remote) = &self.remote else {
            return;
        };
        let to = beside.unwrap_or(remote.address);
        // On hold in the old way it is nowhere.
        if to.ip().is_unspecified() || to.port() == 0 {
            return;
        }
        if let Some(protection) = &mut self.protection
            && protection.seal_control(&mut rooms.datagram).is_err()
        {
            return;
        }
        counters.sent();
        match (&self.socket, beside) {
            (LegSocket::Own(pair), None) => {
                let _ = pair.socket.send_to(&rooms.datagram, to);
            }
            (LegSocket::Own(pair), Some(_)) => pair.control.send_to(&rooms.datagram, to),
            (LegSocket::Shared(place), None) => rooms.push(place.room, to),
            (LegSocket::Shared(place), Some(_)) => rooms.send_control(place.room, to),
        }
    }
}

impl Place {
    fn hear(&mut self, pair: Pair, own: Token, rooms: &mut Rooms) {
        let remote = pair.remote();
        let before = self.at.replace(Box::new(pair)).map(|pair| pair.remote());
        if let Some(before) = before.filter(|before| *before != remote) {
            rooms.forget(self.room, before, own);
        }
        self.source = None;
        rooms.hear(self.room, remote, own);
    }

    /// Whether that source may be our remote's: nothing but its number tells it from another call's that has the same address.
    fn takes(&mut self, ssrc: u32, now: Instant) -> bool {
        if let Some(source) = &mut self.source
            && source.ssrc == ssrc
        {
            source.last = now;
            return true;
        }
        let talks = |source: Source| now.saturating_duration_since(source.last) < SOURCE_ALIVE;
        let doubted = |pair: &Pair| pair.is_doubted(now);
        if self.source.is_some_and(talks) || self.at.as_deref().is_none_or(doubted) {
            return false;
        }
        self.source = Some(Source { ssrc, last: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts};
    use transport::media::{DEFAULT_RANGE, RtpPorts};

    use super::*;
    use crate::{
        media::{
            Control, Remote, Side,
            seats::{Peer, SharedPorts},
        },
        origin::TrustedPeers,
    };

    const A_WHILE: Duration = Duration::from_millis(200);

    fn counters() -> Counters {
        let labelled = IntCounterVec::new(Opts::new("packets", "of it"), &["direction"]);
        let loss = Histogram::with_opts(HistogramOpts::new("loss", "of it"));
        Counters::new(&labelled.expect("a metric"), &loss.expect("a metric"))
    }

    #[test]
    fn who_only_reports_is_there_and_a_strangers_report_says_nothing() {
        let ports = RtpPorts::new(Ipv4Addr::LOCALHOST.into(), DEFAULT_RANGE);
        let mut port = Port::new(LegSocket::Own(ports.open_pair().expect("a pair").into()));
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 9], port));
        let (remote, beside) = (at(9), at(10));
        let agreed = Agreed {
            remote: Remote {
                address: remote,
                payload_type: 8,
                law: wire::g711::Law::A,
                event_type: None,
                listens: true,
            },
            talks: true,
            control: Control::At(beside),
            signals_from: None,
            srtp: None,
        };
        let (begun, max) = (Instant::now(), Duration::from_secs(60));
        let mut rooms = Rooms::default();
        port.agree(
            agreed,
            None,
            (Token::Waker, &mut rooms),
            (begun, &counters()),
        );
        let mut report = Vec::new();
        let said = wire::rtp::control::Report {
            ssrc: 1,
            sent: None,
            heard: None,
            cname: "c",
        };
        said.append(&mut report);
        let stranger = SocketAddr::from(([127, 0, 0, 8], 10));
        let read = port.read_report(&mut report, stranger, begun + max);
        assert_eq!(read.err(), Some(Why::Stray));
        assert_eq!(
            port.read_report(&mut [0; 3], beside, begun).err(),
            Some(Why::Malformed)
        );
        let read = port.read_report(&mut report, beside, begun + max / 2);
        assert!(read.is_ok_and(|told| told.is_some()));
        assert!(!port.silence.is_over(begun + max, max), "it was heard of");
        assert!(port.silence.is_over(begun + max * 3 / 2, max));
    }

    #[test]
    fn two_that_talk_from_one_address_are_not_one_and_one_of_a_doubted_address_is_who_it_was() {
        let ip = Ipv4Addr::LOCALHOST.into();
        let ports = RtpPorts::new(ip, DEFAULT_RANGE);
        let mut shared = SharedPorts::new(ports, 1, TrustedPeers::new(vec![(ip, 8)]));
        let remote = SocketAddr::new(ip, 9);
        let seated = shared
            .seat(0, ip, Peer::Describes(remote))
            .expect("a place");
        let mut seat = seated.seat;
        let mut rooms = Rooms::default();
        rooms.open(seated.opened.expect("a port"));
        let mut place = Place {
            room: seat.room(),
            at: None,
            source: None,
        };
        let pair = seat.take(remote).expect("free").expect("to be given");
        place.hear(pair, Token::Leg(0, Side::Far), &mut rooms);

        let now = Instant::now();
        assert!(place.takes(1, now));
        assert!(!place.takes(2, now + SOURCE_ALIVE / 2));
        assert!(place.takes(2, now + A_WHILE), "it took over");
        let other = shared
            .seat(0, ip, Peer::CalledAt(ip))
            .expect("a place")
            .seat;
        other.doubt(remote);
        assert!(!place.takes(3, now + A_WHILE * 2), "whose?");
        assert!(place.takes(2, now + A_WHILE * 3));
    }
}
