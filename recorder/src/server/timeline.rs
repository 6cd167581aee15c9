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
    /// Where the audio that is newest ends.
    end: u32,
    gap: Option<Gap>,
    paused: bool,
}

/// This timestamp lies at this position.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    timestamp: u32,
    position: u32,
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
            gap: None,
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
        let arrival = self.receiver.receive(Time(since), packet);
        if matches!(arrival, Arrival::Duplicate | Arrival::Doubtful)
            || packet.payload.len() > PAYLOAD_MAX
        {
            return Placed::Dropped;
        }
        if packet.payload_type != self.payload_type || packet.payload.is_empty() {
            return Placed::Other;
        }
        // What is no packet of the codec isn't kept: nobody could say how long it is.
        let Some(length) = self.codec.samples(packet.payload) else {
            return Placed::Dropped;
        };
        let position = self.position(
            since,
            packet.timestamp,
            matches!(arrival, Arrival::First { .. }),
        );
        match arrival {
            Arrival::Next { missing, .. } if missing > 0 => {
                self.open_gap(position, u32::from(missing) * length, out)
            }
            Arrival::Late { .. } => self.fill_gap(position, position.saturating_add(length)),
            _ => {}
        }
        self.end = self.end.max(position.saturating_add(length));
        out.push(self.codec.kind(), position, length, packet.payload);
        self.age_gap(out);
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
        black_box((self.receiver.ssrc(), self.gap.map(|gap| gap.from)));
    }

    /// The sender pauses (a=inactive). Nothing is missing until [`resume`](Self::resume).
    pub(crate) fn pause(&mut self, out: &mut Batch) {
        if !self.paused {
            self.paused = true;
            self.report_gap(out);
            out.paused(self.end);
        }
    }

    /// Somebody else took over: marked, though nothing is missing.
    pub(crate) fn mark(&mut self, out: &mut Batch) {
        if !self.paused {
            self.report_gap(out);
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
        self.report_gap(out);
    }

    fn position(&mut self, since: Duration, timestamp: u32, first: bool) -> u32 {
        let clock = samples(since);
        if !first && let Some(anchor) = self.anchor {
            // Signed: a late packet lies before the anchor.
            let offset = timestamp.wrapping_sub(anchor.timestamp).cast_signed();
            let offset = i64::from(offset) / i64::from(self.codec.per_sample());
            let position = i64::from(anchor.position) + offset;
            if position.abs_diff(i64::from(clock)) <= u64::from(DRIFT_MAX) {
                return u32::try_from(position).unwrap_or(0);
            }
        }
        // Never back over what is there.
        let position = clock.max(self.end);
        self.anchor = Some(Anchor {
            timestamp,
            position,
        });
        position
    }

    /// A jump of the timestamps without as many packets is silence that wasn't sent: only packets can be lost.
    fn open_gap(&mut self, position: u32, lost_max: u32, out: &mut Batch) {
        self.report_gap(out);
        let from = self.end.max(position.saturating_sub(lost_max));
        if from < position {
            self.gap = Some(Gap {
                from,
                until: position,
                packets_since: 0,
            });
        }
    }

    fn fill_gap(&mut self, from: u32, until: u32) {
        let Some(gap) = &mut self.gap else { return };
        // In the middle it would leave two: the first half counts as come.
        if from <= gap.from || until < gap.until {
            gap.from = gap.from.max(until.min(gap.until));
        } else {
            gap.until = gap.until.min(from);
        }
        if gap.from >= gap.until {
            self.gap = None;
        }
    }

    fn age_gap(&mut self, out: &mut Batch) {
        if let Some(gap) = &mut self.gap {
            gap.packets_since += 1;
            if gap.packets_since > LATE_PACKETS_MAX {
                self.report_gap(out);
            }
        }
    }

    fn report_gap(&mut self, out: &mut Batch) {
        if let Some(gap) = self.gap.take() {
            out.lost(gap.from, gap.until - gap.from);
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
