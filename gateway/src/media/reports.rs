//! RTCP of one leg (RFC 3550 section 6): the switch is the other end of each leg's audio, so it tells both sides how they are heard
//! and reads what they tell. A report is never audio: nothing of it goes to the other side or to a recorder.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use prometheus::{Histogram, IntCounter, IntCounterVec};
use wire::{
    rtp::{
        CLOCK_RATE, Packet, Receiver,
        control::{Heard, Report, Sent, Told},
    },
    sdp::Stream,
    time::Time,
};

use super::out::OutStream;

/// Between two reports, on average: the shortest of section 6.2, and what telephones do.
const INTERVAL: Duration = Duration::from_secs(5);
/// Each is drawn from half to one and a half of it, so that many calls' don't come together (section 6.2).
const SPREAD: std::ops::Range<f64> = 0.5..1.5;
/// A call is looked at so often; one that is due may be so much later.
const LOOK: Duration = Duration::from_secs(1);
/// Calls are looked through in so many parts: reports of a thousand calls at once would keep audio waiting.
const PARTS: u32 = 20;
/// Seconds from 1900, where RTCP's clock begins, to 1970.
const NTP_OF_UNIX: u64 = 2_208_988_800;

/// Where a stream's RTCP goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// With the audio (RFC 5761).
    Muxed,
    At(SocketAddr),
    /// It isn't wanted.
    Off,
}

/// What is counted of all legs' RTCP.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    sent: IntCounter,
    received: IntCounter,
    loss: Histogram,
}

/// What one leg tells its other end, and was told. First what every packet asks for: two of the processor's lines.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Reports {
    /// Where this leg's time begins.
    begun: Instant,
    receiver: Receiver,
    to: Control,
    /// Where reports came from: behind NAT, not where the description says.
    found: Option<SocketAddr>,
    /// Packets received and lost when this was last told.
    before: (u64, u64),
    /// Packets sent when this was last told.
    sent_before: u32,
    /// The last sender's report: the middle of its time, and when it came.
    last_report: Option<(u32, Instant)>,
    next: Instant,
    /// A report has gone out.
    begun_to_tell: bool,
    /// Drawn by chance, for this leg alone (RFC 7022).
    cname: String,
}

/// Which calls' reports are looked for next.
#[derive(Debug)]
pub(super) struct Rounds {
    next: Instant,
    place: usize,
}

impl Control {
    /// Where a description wants it; `muxed`: both sides said so.
    pub(crate) fn of(stream: &Stream, muxed: bool) -> Self {
        let mut beside = stream.address;
        beside.set_port(beside.port().saturating_add(1));
        match stream.rtcp_at {
            _ if stream.rtcp_off => Self::Off,
            _ if muxed => Self::Muxed,
            Some(at) => Self::At(at),
            None => Self::At(beside),
        }
    }
}

impl Counters {
    pub(crate) fn new(packets: &IntCounterVec, loss: &Histogram) -> Self {
        Self {
            sent: packets.with_label_values(&["sent"]),
            received: packets.with_label_values(&["received"]),
            loss: loss.clone(),
        }
    }

    pub(super) fn sent(&self) {
        self.sent.inc();
    }

    pub(super) fn received(&self, told: &Told) {
        self.received.inc();
        if let Some(heard) = told.heard {
            self.loss.observe(f64::from(heard.fraction_lost) / 256.0);
        }
    }
}

impl Reports {
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            begun: now,
            receiver: Receiver::new(CLOCK_RATE),
            to: Control::Off,
            found: None,
            before: (0, 0),
            sent_before: 0,
            last_report: None,
            // The first comes earlier (section 6.2).
            next: now + INTERVAL.mul_f64(rand::random_range(SPREAD) / 2.0),
            begun_to_tell: false,
            cname: format!("{:016x}", rand::random::<u64>()),
        }
    }

    /// The other end wants reports there from now on.
    pub(super) fn go_to(&mut self, to: Control) {
        if self.to != to {
            (self.to, self.found) = (to, None);
        }
    }

    /// Whether the other end has named this address for its own reports.
    pub(super) fn expects(&self, from: SocketAddr) -> bool {
        self.to == Control::At(from)
    }

    /// Audio came.
    pub(super) fn heard(&mut self, packet: &Packet<'_>, now: Instant) {
        if self.receiver.ssrc().is_some_and(|ssrc| ssrc != packet.ssrc) {
            // Counts are a stream's.
            self.receiver = Receiver::new(CLOCK_RATE);
            (self.before, self.last_report) = ((0, 0), None);
        }
        let now = Time(now.saturating_duration_since(self.begun));
        self.receiver.receive(now, packet);
    }

    /// A report came.
    pub(super) fn told(&mut self, told: &Told, from: SocketAddr, now: Instant) {
        self.found = Some(from);
        if let Some(sent) = told.sent {
            let middle = (sent.ntp >> 16 & u64::from(u32::MAX)) as u32;
            self.last_report = Some((middle, now));
        }
    }

    /// Whether it is time for the next, and where it goes; `None` for the address of the audio.
    pub(super) fn due(&self, now: Instant) -> Option<Option<SocketAddr>> {
        if now < self.next {
            return None;
        }
        self.way()
    }

    /// Where the last goes, which says that the stream has ended. Of a stream that never was nothing is said (section 6.3.7).
    pub(super) fn last_due(&self, out: &OutStream) -> Option<Option<SocketAddr>> {
        let was = self.begun_to_tell || out.packets() > 0;
        self.way().filter(|_| was)
    }

    fn way(&self) -> Option<Option<SocketAddr>> {
        match self.to {
            Control::Off => None,
            Control::Muxed => Some(None),
            Control::At(named) => Some(Some(self.found.unwrap_or(named))),
        }
    }

    /// Writes the next report of what the leg sends and hears.
    pub(super) fn write(&mut self, out: &OutStream, now: Instant, datagram: &mut Vec<u8>) {
        self.next = now + INTERVAL.mul_f64(rand::random_range(SPREAD));
        self.begun_to_tell = true;
        datagram.clear();
        self.report(out, now).append(datagram);
    }

    /// Writes the last.
    pub(super) fn write_last(&mut self, out: &OutStream, now: Instant, datagram: &mut Vec<u8>) {
        datagram.clear();
        self.report(out, now).append_last(datagram);
    }

    fn report(&mut self, out: &OutStream, now: Instant) -> Report<'_> {
        let packets = out.packets();
        let sends = packets != self.sent_before;
        self.sent_before = packets;
        let sent = out
            .timestamp_at(now)
            .filter(|_| sends)
            .map(|timestamp| Sent {
                ntp: ntp(SystemTime::now()),
                timestamp,
                packets,
                octets: out.octets(),
            });
        Report {
            ssrc: out.ssrc(),
            sent,
            heard: self.hears(now),
            cname: &self.cname,
        }
    }

    fn hears(&mut self, now: Instant) -> Option<Heard> {
        let ssrc = self.receiver.ssrc()?;
        let stats = self.receiver.stats();
        let (received, lost) = self.before;
        self.before = (stats.received, stats.lost);
        let received = stats.received.saturating_sub(received);
        if received == 0 {
            return None;
        }
        // What comes late is no longer lost: then less than nothing was.
        let lost = stats.lost.saturating_sub(lost);
        let fraction = lost * 256 / (received + lost);
        let (last_report, delay) = match self.last_report {
            Some((middle, at)) => (middle, in_65536ths(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        Some(Heard {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: u32::try_from(stats.lost).unwrap_or(u32::MAX),
            // The receiver counts from the second round.
            highest: (stats.highest.saturating_sub(1 << 16) & u64::from(u32::MAX)) as u32,
            jitter: stats.jitter,
            last_report,
            delay,
        })
    }
}

impl Rounds {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            next: now,
            place: 0,
        }
    }

    pub(super) fn until_next(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// The places to look at now, of so many.
    pub(super) fn take(&mut self, now: Instant, places: usize) -> std::ops::Range<usize> {
        if now < self.next {
            return 0..0;
        }
        self.next = now + LOOK / PARTS;
        let first = if self.place < places { self.place } else { 0 };
        self.place = places.min(first + places.div_ceil(PARTS as usize));
        first..self.place
    }
}

/// A moment as RTCP writes it.
fn ntp(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    since.as_secs().wrapping_add(NTP_OF_UNIX) << 32 | fraction
}

fn in_65536ths(span: Duration) -> u32 {
    u32::try_from((span.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use wire::rtp::PCMA;

    use super::*;

    fn packet(ssrc: u32, sequence: u16) -> Packet<'static> {
        Packet {
            payload_type: PCMA,
            marker: false,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc,
            payload: &[0; 160],
        }
    }

    fn at(now: Instant, reports: &mut Reports, ours: u32) -> Told {
        let mut datagram = Vec::new();
        reports.write(&OutStream::new(ours), now, &mut datagram);
        Told::read(&datagram, 5).expect("RTCP")
    }

    #[test]
    fn what_was_lost_since_the_last_report_and_in_all_is_told() {
        let now = Instant::now();
        let mut reports = Reports::begin(now);
        assert_eq!(at(now, &mut reports, 7).heard, None, "nothing heard yet");
        // From 65 530 over the border, every fourth lost.
        let sequence = |number: u16| 65_530_u16.wrapping_add(number);
        for number in (0..40).filter(|number| number % 4 != 1) {
            reports.heard(&packet(5, sequence(number)), now);
        }
        let heard = at(now, &mut reports, 7).heard.expect("a block");
        assert_eq!((heard.ssrc, heard.fraction_lost, heard.lost), (5, 64, 10));
        assert_eq!(heard.highest, 1 << 16 | u32::from(sequence(39)));
        for number in 40..50 {
            reports.heard(&packet(5, sequence(number)), now);
        }
        let heard = at(now, &mut reports, 7).heard.expect("a block");
        assert_eq!((heard.fraction_lost, heard.lost), (0, 10));
        assert_eq!(at(now, &mut reports, 7).heard, None, "nothing since");
    }

    #[test]
    fn another_source_is_counted_anew_and_a_senders_report_is_answered() {
        let now = Instant::now();
        let mut reports = Reports::begin(now);
        for sequence in [1, 2, 9] {
            reports.heard(&packet(4, sequence), now);
        }
        reports.heard(&packet(5, 100), now);
        let sent = Sent {
            ntp: 0x1111_2222_3333_4444,
            timestamp: 0,
            packets: 0,
            octets: 0,
        };
        let told = Told {
            ssrc: 5,
            sent: Some(sent),
            ..Told::default()
        };
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        reports.told(&told, from, now);
        let later = now + Duration::from_millis(1500);
        let heard = at(later, &mut reports, 7).heard.expect("a block");
        assert_eq!((heard.ssrc, heard.lost), (5, 0));
        assert_eq!((heard.last_report, heard.delay), (0x2222_3333, 98_304));
    }

    #[test]
    fn reports_go_where_they_come_from_and_in_their_time() {
        let now = Instant::now();
        let (named, found) = ([9, 8])
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .into();
        let mut reports = Reports::begin(now);
        reports.go_to(Control::At(named));
        assert_eq!(reports.due(now), None, "not at once");
        let later = now + INTERVAL;
        assert_eq!(reports.due(later), Some(Some(named)));
        reports.told(&Told::default(), found, now);
        assert_eq!(reports.due(later), Some(Some(found)));
        at(later, &mut reports, 7);
        assert_eq!(reports.due(later + INTERVAL / 3), None);
        assert_eq!(reports.due(later + INTERVAL * 2), Some(Some(found)));
        reports.go_to(Control::Off);
        assert_eq!(reports.due(later + INTERVAL * 2), None);
    }

    #[test]
    fn the_end_of_a_stream_that_was_is_told_where_reports_go() {
        let now = Instant::now();
        let named = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut reports = Reports::begin(now);
        let out = OutStream::new(7);
        reports.go_to(Control::At(named));
        assert_eq!(reports.last_due(&out), None, "nothing was said");
        assert!(!at(now, &mut reports, 7).ended);
        assert_eq!(reports.last_due(&out), Some(Some(named)));
        let mut datagram = vec![1];
        reports.write_last(&out, now, &mut datagram);
        assert!(Told::read(&datagram, 5).expect("RTCP").ended);
        reports.go_to(Control::Off);
        assert_eq!(reports.last_due(&out), None, "it isn't wanted");
    }

    #[test]
    fn every_place_is_looked_at_once_a_second() {
        let begun = Instant::now();
        for places in [0, 1, 19, 20, 1000, 1003] {
            let mut rounds = Rounds::new(begun);
            let mut seen = vec![0; places];
            for step in 0..PARTS {
                let now = begun + LOOK / PARTS * step;
                for place in rounds.take(now, places) {
                    seen[place] += 1;
                }
                assert!(rounds.take(now, places).is_empty());
            }
            assert!(seen.iter().all(|&times| times >= 1), "{places}");
        }
    }
}
