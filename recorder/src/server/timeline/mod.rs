//! Lays one stream's RTP packets on the recording's timeline, and says where audio is missing.
//!
//! Positions follow the RTP timestamps, which have no jitter; the clock only says where a stream begins, and
//! where it goes on after a pause or a jump.

use std::{hint::black_box, time::Duration};

use wire::{
    rtp::{self, Arrival, Receiver},
    time::Time,
};

use crate::{
    tally::RATE,
    vault::{Batch, Codec, PAYLOAD_MAX},
};

/// Timestamps and clock may differ by this much before the clock is believed: more than any jitter buffer holds,
/// less than a listener would take for a pause.
const DRIFT_MAX: u32 = 2 * RATE;
/// A gap is reported when this many packets have come after it: until then what is missing may only be late.
const LATE_PACKETS_MAX: u32 = 10;

/// Sequence numbers there are.
const SEQUENCES: u32 = 1 << 16;

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It is audio, and lies on the timeline.
    Audio,
    /// It isn't audio of this stream (key presses, comfort noise), but belongs to it.
    Other,
    /// It came before, makes no sense, or is too large.
    Dropped,
    /// The stream is paused.
    Paused,
}

/// The timeline of one stream.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// What audio goes by; other payload types are key presses or comfort noise.
    payload_type: u8,
    codec: Codec,
    receiver: Receiver,
    anchor: Option<Anchor>,
    /// Where the audio that is newest ends, that which didn't come included.
    end: u32,
    /// The number of the newest packet, and how long the newest of audio is.
    newest: u16,
    length: u32,
    /// What may still come late, the oldest first. A packet makes one at most, and each waits for [`LATE_PACKETS_MAX`] more.
    gaps: Vec<Gap>,
    paused: bool,
}

/// This timestamp lies at this position.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    timestamp: u32,
    position: u32,
}

/// Packets that weren't heard.
#[derive(Debug, Clone, Copy)]
enum Skipped {
    Just(u16),
    /// So many, or as many and some rounds of the sequence numbers.
    OrRounds(u16),
}

/// Audio that hasn't come yet.
#[derive(Debug, Clone, Copy)]
struct Gap {
    from: u32,
    until: u32,
    packets_since: u32,
}

impl Timeline {
    pub(crate) fn new(payload_type: u8, codec: Codec) -> Self {
        Self {
            payload_type,
            codec,
            receiver: Receiver::new(RATE * codec.per_sample()),
            anchor: None,
            end: 0,
            newest: 0,
            length: 0,
            gaps: Vec::new(),
            paused: false,
        }
    }

    /// Takes a packet that came `since` after the recording began; what is to be written goes to `out`.
    pub(crate) fn receive(
        &mut self,
        since: Duration,
        packet: &rtp::Packet<'_>,
        out: &mut Batch,
    ) -> Placed {
        if self.paused {
            return Placed::Paused;
        }
        let known = self.receiver.ssrc() == Some(packet.ssrc);
        let arrival = self.receiver.receive(Time(since), packet);
        if matches!(arrival, Arrival::Duplicate | Arrival::Doubtful)
            || packet.payload.len() > PAYLOAD_MAX
        {
            return Placed::Dropped;
        }
        let skipped = self.skipped(arrival, known, packet.sequence);
        if packet.payload_type != self.payload_type || packet.payload.is_empty() {
            // What was lost before it was audio as far as it lies before it: a key press stays where it began.
            if let Some(position) = self.anchored(since, packet.timestamp) {
                self.open_gap(position, skipped);
            }
            return Placed::Other;
        }
        // What is no packet of the codec isn't kept: nobody could say how long it is.
        let Some(length) = self.codec.samples(packet.payload) else {
            return Placed::Dropped;
        };
        self.length = length;
        let new = matches!(arrival, Arrival::First { .. }) && !known;
        let anchored = self.anchored(since, packet.timestamp).filter(|_| !new);
        let position = anchored.unwrap_or_else(|| self.anchor(since, packet.timestamp));
        match (arrival, anchored) {
            (Arrival::Late { .. }, _) => {
                self.fill_gaps(position, position.saturating_add(length));
            }
            // Its timestamps begin anew, too: nobody can say what was lost.
            (Arrival::First { .. }, None) => {}
            _ => self.open_gap(position, skipped),
        }
        self.end = self.end.max(position.saturating_add(length));
        out.push(self.codec.kind(), position, length, packet.payload);
        self.age_gaps(out);
        Placed::Audio
    }

    /// As [`Track::fetch`](super::track::Track::fetch).
    pub(crate) fn fetch(&self) {
        black_box((
            self.payload_type,
            self.end,
            self.paused,
            self.anchor.map(|one| one.position),
        ));
        black_box((self.receiver.ssrc(), self.gaps.len()));
    }

    /// The sender pauses (a=inactive). Nothing is missing until [`resume`](Self::resume).
    pub(crate) fn pause(&mut self, out: &mut Batch) {
        if !self.paused {
            self.paused = true;
            self.report_gaps(out);
            out.paused(self.end);
        }
    }

    /// Somebody else took over: marked, though nothing is missing.
    pub(crate) fn mark(&mut self, out: &mut Batch) {
        if !self.paused {
            self.report_gaps(out);
            out.paused(self.end);
        }
    }

    /// The sender goes on.
    pub(crate) fn resume(&mut self) {
        if self.paused {
            self.paused = false;
            // What it sent to nobody meanwhile isn't lost.
            self.receiver = Receiver::new(RATE * self.codec.per_sample());
            self.anchor = None;
        }
    }

    /// The stream ends: what is still missing is lost.
    pub(crate) fn finish(&mut self, out: &mut Batch) {
        self.report_gaps(out);
    }

    /// From here on positions follow the timestamps from this one.
    fn anchor(&mut self, since: Duration, timestamp: u32) -> u32 {
        // Never back over what is there.
        let position = samples(since).max(self.end);
        self.anchor = Some(Anchor {
            timestamp,
            position,
        });
        position
    }

    /// Where that timestamp lies by those before it; `None` when there are none, or the clock says something else.
    fn anchored(&self, since: Duration, timestamp: u32) -> Option<u32> {
        let anchor = self.anchor?;
        // Signed: a late packet lies before the anchor.
        let offset = timestamp.wrapping_sub(anchor.timestamp).cast_signed();
        let offset = i64::from(offset) / i64::from(self.codec.per_sample());
        let position = i64::from(anchor.position) + offset;
        let near = position.abs_diff(samples(since).into()) <= u64::from(DRIFT_MAX);
        near.then(|| u32::try_from(position).unwrap_or(0))
    }

    /// Packets between this one and the newest before it. After so many that its numbers seem to begin anew, a source that was
    /// heard before has gone on all the time: what came meanwhile never arrived.
    fn skipped(&mut self, arrival: Arrival, known: bool, sequence: u16) -> Skipped {
        let before = self.newest;
        if !matches!(arrival, Arrival::Late { .. }) {
            self.newest = sequence;
        }
        match arrival {
            Arrival::Next { missing, .. } => Skipped::Just(missing),
            Arrival::First { .. } if known => {
                Skipped::OrRounds(sequence.wrapping_sub(before).wrapping_sub(1))
            }
            _ => Skipped::Just(0),
        }
    }

    /// A jump of the timestamps without as many packets is silence that wasn't sent: only packets can be lost.
    fn open_gap(&mut self, position: u32, skipped: Skipped) {
        let room = position.saturating_sub(self.end);
        let from = position.saturating_sub(skipped.samples(room, self.length));
        let from = from.max(self.end);
        if from < position {
            self.end = position;
            self.gaps.push(Gap {
                from,
                until: position,
                packets_since: 0,
            });
        }
    }

    /// What came late in the middle of a gap leaves two.
    fn fill_gaps(&mut self, from: u32, until: u32) {
        for gap in std::mem::take(&mut self.gaps) {
            let (before, after) = (gap.until.min(from), gap.from.max(until));
            let left = [(gap.from, before), (after, gap.until)].into_iter();
            let left = left.filter(|(from, until)| from < until);
            self.gaps
                .extend(left.map(|(from, until)| Gap { from, until, ..gap }));
        }
    }

    fn age_gaps(&mut self, out: &mut Batch) {
        self.gaps.retain_mut(|gap| {
            gap.packets_since += 1;
            let waits = gap.packets_since <= LATE_PACKETS_MAX;
            if !waits {
                gap.report(out);
            }
            waits
        });
    }

    fn report_gaps(&mut self, out: &mut Batch) {
        self.gaps.drain(..).for_each(|gap| gap.report(out));
    }
}

impl Gap {
    fn report(self, out: &mut Batch) {
        out.lost(self.from, self.until - self.from);
    }
}

impl Skipped {
    /// How much of the timeline they would fill, of which that much is empty.
    fn samples(self, room: u32, length: u32) -> u32 {
        match self {
            Self::Just(packets) => u32::from(packets).saturating_mul(length),
            Self::OrRounds(packets) => {
                let fit = room.checked_div(length).unwrap_or(0);
                let rounds = fit.saturating_sub(packets.into()) / SEQUENCES;
                let packets = u32::from(packets) + rounds * SEQUENCES;
                packets.min(fit).saturating_mul(length)
            }
        }
    }
}

/// How many samples a span has.
pub(crate) fn samples(span: Duration) -> u32 {
    let part = u64::from(span.subsec_nanos()) * u64::from(RATE) / 1_000_000_000;
    let whole = span.as_secs().saturating_mul(RATE.into());
    u32::try_from(whole.saturating_add(part)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Kind;

    /// Feeds packets of 20 ms by number, each at its time; gives what is written as (kind, position, samples).
    fn feed(timeline: &mut Timeline, numbers: &[u16], start_ms: u64) -> Vec<(Kind, u32, u32)> {
        let mut out = Batch::default();
        for &number in numbers {
            let since = Duration::from_millis(start_ms + 20 * u64::from(number));
            timeline.receive(
                since,
                &packet(number, 1_000_000 + 160 * u32::from(number)),
                &mut out,
            );
        }
        shown(&out)
    }

    fn shown(out: &Batch) -> Vec<(Kind, u32, u32)> {
        out.packets()
            .iter()
            .map(|packet| (packet.kind, packet.position, packet.samples()))
            .collect()
    }

    fn alaw() -> Timeline {
        Timeline::new(8, Codec::G711(wire::g711::Law::A))
    }

    /// A phone that says nothing sends nothing (DTX); what is lost is told from that by the sequence numbers.
    #[test]
    fn opus_counts_at_48_khz_and_silence_that_is_not_sent_is_no_loss() {
        let mut timeline = Timeline::new(111, Codec::Opus);
        let mut out = Batch::default();
        let mut send = |ms: u64, sequence: u16, payload: &'static [u8]| {
            let packet = rtp::Packet {
                payload_type: 111,
                timestamp: 5000 + 48 * ms as u32,
                payload,
                ..packet(sequence, 0)
            };
            timeline.receive(Duration::from_millis(ms), &packet, &mut out)
        };
        let spoken: &[u8] = &[0x78, 1, 2, 3];
        assert_eq!(send(0, 1, spoken), Placed::Audio);
        assert_eq!(send(20, 2, spoken), Placed::Audio);
        // A second of silence, then a frame that says so.
        assert_eq!(send(1000, 3, &[0x78]), Placed::Audio);
        // Two are lost.
        assert_eq!(send(1060, 6, spoken), Placed::Audio);
        assert_eq!(send(1080, 7, &[0x7B, 0]), Placed::Dropped);
        timeline.finish(&mut out);
        let expected = [
            (Kind::Opus, 0, 160),
            (Kind::Opus, 160, 160),
            (Kind::Opus, 8000, 160),
            (Kind::Opus, 8480, 160),
            (Kind::Lost, 8160, 320),
        ];
        assert_eq!(shown(&out), expected);
    }

    fn packet(sequence: u16, timestamp: u32) -> rtp::Packet<'static> {
        rtp::Packet {
            payload_type: 8,
            marker: false,
            sequence,
            timestamp,
            ssrc: 7,
            payload: &[0xD5; 160],
        }
    }

    #[test]
    fn a_stream_begins_where_it_came() {
        let mut timeline = alaw();
        assert_eq!(
            feed(&mut timeline, &[0, 1], 500),
            [(Kind::Audio, 4000, 160), (Kind::Audio, 4160, 160)]
        );
    }

    #[test]
    fn what_is_lost_is_reported_once_it_cannot_be_late() {
        let mut timeline = alaw();
        let numbers: Vec<u16> = (0..3).chain(5..20).collect();
        let out = feed(&mut timeline, &numbers, 0);
        let lost: Vec<_> = out
            .iter()
            .filter(|(kind, ..)| *kind == Kind::Lost)
            .collect();
        assert_eq!(lost, [&(Kind::Lost, 480, 320)]);
    }

    #[test]
    fn what_comes_late_is_not_lost() {
        let mut timeline = alaw();
        let out = feed(
            &mut timeline,
            &[0, 1, 4, 3, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
            0,
        );
        assert!(out.iter().all(|(kind, ..)| *kind == Kind::Audio), "{out:?}");
        assert_eq!(
            out[3..5],
            [(Kind::Audio, 480, 160), (Kind::Audio, 320, 160)]
        );
    }

    fn lost(written: &[(Kind, u32, u32)]) -> Vec<(u32, u32)> {
        let lost = written.iter().filter(|(kind, ..)| *kind == Kind::Lost);
        lost.map(|(_, position, samples)| (*position, *samples))
            .collect()
    }

    /// Two ways through the network, one of them three packets longer.
    #[test]
    fn packets_that_overtake_one_another_all_along_are_not_lost() {
        let mut timeline = alaw();
        let late = (2..20).flat_map(|number| [2 * number, 2 * number - 3]);
        let numbers: Vec<u16> = [0, 2].into_iter().chain(late).collect();
        let mut written = feed(&mut timeline, &numbers, 0);
        let mut out = Batch::default();
        timeline.finish(&mut out);
        written.extend(shown(&out));
        // The one that would have come next.
        assert_eq!(lost(&written), [(37 * 160, 160)]);
    }

    #[test]
    fn what_comes_late_in_the_middle_of_a_gap_leaves_both_its_ends() {
        let mut timeline = alaw();
        feed(&mut timeline, &[0, 4, 2], 0);
        let mut out = Batch::default();
        timeline.finish(&mut out);
        assert_eq!(lost(&shown(&out)), [(160, 160), (480, 160)]);
    }

    #[test]
    fn what_is_lost_before_a_key_press_is_told_and_a_key_press_is_not() {
        let mut timeline = alaw();
        let mut written = feed(&mut timeline, &[0, 1], 0);
        let mut out = Batch::default();
        // Packets 2 and 3 were audio; 5 was of the key press, which lasts as long as two packets.
        for sequence in [4, 6] {
            let key = rtp::Packet {
                payload_type: 101,
                ..packet(sequence, 1_000_000 + 4 * 160)
            };
            let since = Duration::from_millis(20 * u64::from(sequence));
            assert_eq!(timeline.receive(since, &key, &mut out), Placed::Other);
        }
        written.extend(feed(&mut timeline, &[7], 0));
        timeline.finish(&mut out);
        written.extend(shown(&out));
        assert_eq!(lost(&written), [(320, 320)]);
    }

    /// After a minute its sequence numbers look like those of another beginning, and after 22 they have gone round.
    #[test]
    fn a_network_that_was_away_for_long_is_a_gap() {
        for away in [6_000_u32, 70_000] {
            let mut timeline = alaw();
            let mut out = Batch::default();
            for number in [0, 1, away, away + 1, away + 2] {
                let packet = packet(number as u16, 160 * number);
                let since = Duration::from_millis(20 * u64::from(number));
                timeline.receive(since, &packet, &mut out);
            }
            timeline.finish(&mut out);
            // The first to come again can't be told from noise.
            let expected = (320, (away + 1) * 160 - 320);
            assert_eq!(lost(&shown(&out)), [expected], "{away}");
        }
    }

    #[test]
    fn what_comes_far_too_late_moves_nothing() {
        let mut timeline = alaw();
        let numbers: Vec<u16> = (0..110).chain([3, 4]).collect();
        feed(&mut timeline, &numbers, 0);
        let mut out = Batch::default();
        for number in [110, 111] {
            let since = Duration::from_millis(20 * u64::from(number));
            let packet = packet(number, 1_000_000 + 160 * u32::from(number));
            timeline.receive(since, &packet, &mut out);
        }
        timeline.finish(&mut out);
        let expected = [(Kind::Audio, 17_600, 160), (Kind::Audio, 17_760, 160)];
        assert_eq!(shown(&out), expected);
    }

    #[test]
    fn the_end_reports_what_is_missing() {
        let mut timeline = alaw();
        feed(&mut timeline, &[0, 2], 0);
        let mut out = Batch::default();
        timeline.finish(&mut out);
        assert_eq!(shown(&out), [(Kind::Lost, 160, 160)]);
    }

    #[test]
    fn a_pause_is_no_loss_and_keeps_its_length() {
        let mut timeline = alaw();
        let mut out = Batch::default();
        feed(&mut timeline, &[0, 1], 0);
        timeline.pause(&mut out);
        timeline.pause(&mut out);
        assert_eq!(shown(&out), [(Kind::Paused, 320, 0)]);
        assert_eq!(
            timeline.receive(Duration::from_secs(1), &packet(50, 0), &mut out),
            Placed::Paused
        );
        timeline.resume();
        assert_eq!(
            feed(&mut timeline, &[100], 1000),
            [(Kind::Audio, 24_000, 160)]
        );
    }

    #[test]
    fn a_jump_of_the_timestamps_follows_the_clock() {
        let mut timeline = alaw();
        feed(&mut timeline, &[0, 1], 0);
        let mut out = Batch::default();
        timeline.receive(
            Duration::from_millis(40),
            &packet(2, 4_000_000_000),
            &mut out,
        );
        timeline.receive(
            Duration::from_millis(60),
            &packet(3, 4_000_000_160),
            &mut out,
        );
        assert_eq!(
            shown(&out),
            [(Kind::Audio, 320, 160), (Kind::Audio, 480, 160)]
        );
    }

    #[test]
    fn silence_that_is_not_sent_is_no_loss() {
        let mut timeline = alaw();
        let mut out = Batch::default();
        timeline.receive(Duration::ZERO, &packet(0, 0), &mut out);
        timeline.receive(Duration::from_secs(3), &packet(1, 24_000), &mut out);
        timeline.finish(&mut out);
        assert_eq!(
            shown(&out),
            [(Kind::Audio, 0, 160), (Kind::Audio, 24_000, 160)]
        );
    }

    #[test]
    fn key_presses_and_other_codecs_are_not_audio() {
        let mut timeline = alaw();
        let mut out = Batch::default();
        let mut other = packet(0, 0);
        for payload_type in [0, 101, 13] {
            other.payload_type = payload_type;
            other.sequence += 1;
            assert_eq!(
                timeline.receive(Duration::ZERO, &other, &mut out),
                Placed::Other
            );
        }
        assert!(out.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_the_end_stays_near_the_clock(
            packets in proptest::collection::vec((0_u64..200, proptest::num::u16::ANY, proptest::num::u32::ANY, 0_u32..3), 0..200),
        ) {
            let (mut timeline, mut out, mut now) = (alaw(), Batch::default(), Duration::ZERO);
            let mut audio = 0;
            for (wait, sequence, timestamp, ssrc) in packets {
                now += Duration::from_millis(wait);
                let packet = rtp::Packet { ssrc, ..packet(sequence, timestamp) };
                audio += u32::from(timeline.receive(now, &packet, &mut out) == Placed::Audio);
            }
            timeline.finish(&mut out);
            // No peer can make a recording much longer than the time it took and the audio it sent.
            let bound = samples(now) + DRIFT_MAX + (audio + 1) * 160;
            proptest::prop_assert!(out.packets().iter().all(|p| p.position + p.samples() <= bound));
        }
    }
}
