//! The first packets of a stream whose recording was long in being made, kept for a moment. A client that has kept what was said
//! meanwhile sends it faster than it was said, another goes on as it is said: one packet doesn't tell which it is, some do.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use wire::rtp;

use super::timeline::samples;
use crate::{tally::RATE, vault::Codec};

/// For how long after the last packet that was faster than it was said.
const KEPT_FOR: Duration = Duration::from_millis(100);
/// So much nearer to when it was said is faster; less is how unevenly packets come.
const NEARER_MIN: i64 = RATE as i64 / 50;
/// Ten seconds in packets of 10 ms, as long as ours waits for an answer, and those that come meanwhile: some 300 kB, while it lasts.
const KEPT_MAX: usize = 1280;
/// Less is how exactly a client knows when it asked: two packets, and the way here.
const LOST_MIN: u32 = RATE / 10;

/// What has come of a stream so far.
#[derive(Debug)]
pub(in crate::server) struct Early {
    /// How long the recording was in being made, in samples.
    late: u32,
    begun: Instant,
    audio: (u8, Codec),
    /// The first of audio: whose it is, and its timestamp.
    first: Option<(u32, u32)>,
    /// How many samples after the beginning that would have come if nobody had kept it, by what has come so far; and since when.
    start: Option<(i64, Instant)>,
    kept: Vec<Kept>,
}

/// A datagram, and when it came; once it is known, when it would have come if nobody had kept it.
#[derive(Debug)]
pub(in crate::server) struct Kept {
    pub(in crate::server) datagram: Box<[u8]>,
    pub(in crate::server) source: SocketAddr,
    pub(in crate::server) came: Instant,
}

impl Early {
    /// For a recording that began then, and audio of that type.
    pub(in crate::server) const fn new(late: u32, begun: Instant, audio: (u8, Codec)) -> Self {
        Self {
            late,
            begun,
            audio,
            first: None,
            start: None,
            kept: Vec::new(),
        }
    }

    pub(in crate::server) fn keep(&mut self, datagram: &[u8], source: SocketAddr, came: Instant) {
        if let Some(after) = self.after(datagram) {
            let since = i64::from(samples(came.saturating_duration_since(self.begun)));
            let start = (since - after).max(0);
            match &mut self.start {
                Some((before, _)) if *before - start < NEARER_MIN => *before = start.min(*before),
                before => *before = Some((start, came)),
            }
        }
        self.kept.push(Kept {
            datagram: datagram.into(),
            source,
            came,
        });
    }

    /// By the sender's clock, how many samples after the first of audio.
    fn after(&mut self, datagram: &[u8]) -> Option<i64> {
        let (payload_type, codec) = self.audio;
        let packet = rtp::Packet::parse(datagram).ok()?;
        if packet.payload_type != payload_type {
            return None;
        }
        let (ssrc, first) = *self.first.get_or_insert((packet.ssrc, packet.timestamp));
        let after = packet.timestamp.wrapping_sub(first).cast_signed();
        (packet.ssrc == ssrc).then(|| i64::from(after) / i64::from(codec.per_sample()))
    }

    /// Whether anything has come.
    pub(in crate::server) fn is_heard(&self) -> bool {
        !self.kept.is_empty()
    }

    /// When enough has come to tell.
    pub(in crate::server) fn due(&self) -> Option<Instant> {
        let first = self.kept.first()?.came;
        if self.kept.len() >= KEPT_MAX {
            return Some(first);
        }
        Some(self.start.map_or(first, |(_, since)| since) + KEPT_FOR)
    }

    /// How many samples from the recording's beginning went by unheard, and what was kept of the others. Without a packet all of the
    /// time it took is lost: nobody can say more.
    pub(in crate::server) fn settle(mut self) -> (u32, Vec<Kept>) {
        let Some((start, _)) = self.start else {
            return (self.late, self.kept);
        };
        let mut kept = std::mem::take(&mut self.kept);
        for one in &mut kept {
            if let Some(after) = self.after(&one.datagram) {
                let said = u64::try_from(start + after).unwrap_or(0) * 1_000_000 / u64::from(RATE);
                one.came = one.came.min(self.begun + Duration::from_micros(said));
            }
        }
        let lost = u32::try_from(start).unwrap_or(u32::MAX).min(self.late);
        (if lost < LOST_MIN { 0 } else { lost }, kept)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use wire::g711::Law;

    use super::{
        super::track::{Control, Flow, Line, Target, Track},
        *,
    };
    use crate::{names::RecordingId, server::disk::Job};

    const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Packets that are told as lost of a stream whose recording was three seconds in being made.
    fn lost(flow: Flow) -> u64 {
        let (jobs, mut todo) = mpsc::channel(10);
        let now = Instant::now();
        let control = Control {
            from: HERE,
            port: 4000,
            flow,
            target: Target::first_of(RecordingId::random().expect("random"), now),
            marks: 0,
            crypto: None,
        };
        let line = Line::alone(jobs, now);
        let track = Track::new((8, Law::A.into()), control, line).begins_late(24_000);
        assert!(track.end().is_empty(), "there is room");
        let mut lost = 0;
        while let Ok(Job::Audio(_, _, batch)) = todo.try_recv() {
            assert_eq!(batch.from(), 0);
            lost += batch.tally().packets_lost;
        }
        lost
    }

    #[test]
    fn what_went_by_before_a_recording_could_begin_is_lost_unless_nothing_was_sent() {
        assert_eq!(lost(Flow::Running), 150);
        assert_eq!(lost(Flow::Paused), 0);
    }

    /// Packets told as lost at its beginning, where its audio begins, and how many packets there are, of a stream whose recording
    /// was so long in being made; each packet said and came so many milliseconds after it was asked for.
    fn heard(late_ms: u64, packets: impl Iterator<Item = (u64, u64)>) -> (u64, u32, u64) {
        let (jobs, mut todo) = mpsc::channel(100);
        let now = Instant::now();
        let control = Control {
            from: HERE,
            port: 4000,
            flow: Flow::Running,
            target: Target::first_of(RecordingId::random().expect("random"), now),
            marks: 0,
            crypto: None,
        };
        let track = Track::new((8, Law::A.into()), control, Line::alone(jobs, now));
        let mut track = track.begins_late(8 * late_ms as u32);
        let mut datagram = Vec::new();
        for (number, (said, came)) in packets.enumerate() {
            let packet = rtp::Packet {
                payload_type: 8,
                marker: false,
                sequence: number as u16,
                timestamp: u32::MAX.wrapping_add(8 * said as u32),
                ssrc: 7,
                payload: &[0x55; 160],
            };
            packet.write(&mut datagram);
            let came = now + Duration::from_millis(came);
            track.on_datagram(&mut datagram, SocketAddr::from((HERE, 4000)), came);
            track.hand_over_due(came);
        }
        assert!(track.end().is_empty(), "there is room");
        let (mut lost, mut from, mut packets) = (0, None, 0);
        while let Ok(Job::Audio(_, _, batch)) = todo.try_recv() {
            lost += batch.tally().packets_lost;
            if batch.tally().packets > 0 {
                from.get_or_insert(batch.from());
            }
            packets += batch.tally().packets;
        }
        (lost, from.unwrap_or(u32::MAX), packets)
    }

    /// One client has kept the last second and a half and sends it at once, another nothing of it, and both go on.
    #[test]
    fn a_late_recording_tells_what_its_client_did_not_keep() {
        let goes_on = |from: u64| (from..from + 2000).step_by(20).map(|said| (said, said));
        let kept = (1500..3000).step_by(20).map(|said| (said, 3000));
        assert_eq!(heard(3000, kept.chain(goes_on(3000))), (75, 12_000, 175));
        let all = (0..600).step_by(20).map(|said| (said, 600));
        assert_eq!(heard(600, all.chain(goes_on(600))), (0, 0, 130));
        assert_eq!(heard(600, goes_on(600)), (30, 4_800, 100));
        // One that is silent at first; and the moment isn't over yet.
        assert_eq!(heard(600, goes_on(5000)), (30, 40_000, 100));
        assert_eq!(heard(600, goes_on(600).take(2)), (30, 4_800, 2));
    }

    /// Ten seconds of a disk that stood still, sent four times as fast as they were said while the call goes on.
    #[test]
    fn what_was_kept_for_long_and_comes_bit_by_bit_is_laid_where_it_was_said() {
        let said = |number: u64| number * 20;
        let came =
            |number: u64| 10_000 + (number / 4 * 20).max(said(number).saturating_sub(10_000));
        let all = (0..1000).map(|number| (said(number), came(number)));
        assert_eq!(heard(10_000, all), (0, 0, 1000));
    }

    #[test]
    fn whatever_a_late_recordings_client_sends_is_taken_and_not_kept_for_long() {
        let times =
            (0..1000_u64).map(|number| (number.wrapping_mul(0x9E37_79B9) % 500_000_000, 700));
        assert!(heard(600, times).2 <= 1000);
        let came = Instant::now();
        let mut early = Early::new(1, came, (8, Law::A.into()));
        for _ in 0..KEPT_MAX {
            assert!(early.due().is_none_or(|due| due > came));
            early.keep(&[], SocketAddr::from((HERE, 4000)), came);
        }
        assert!(
            early.due().is_some_and(|due| due <= came),
            "no more is kept"
        );
        let (lost, from, packets) = heard(600, std::iter::repeat_n((700, 700), 1000));
        assert_eq!((lost, from), (30, 5_600));
        assert!(packets > 0);
    }
}
