//! What comes in any order, and what becomes of it.

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

#[test]
fn what_waits_to_be_told_as_lost_is_bounded_whatever_comes() {
    let mut timeline = alaw();
    feed(&mut timeline, &[0], 0);
    let mut out = Batch::default();
    for number in 1..1000_u16 {
        // Every second packet is lost, and none of those that come is audio.
        let sequence = 2 * number;
        let key = rtp::Packet {
            payload_type: 101,
            ..packet(sequence, 1_000_000 + 160 * u32::from(sequence))
        };
        let since = Duration::from_millis(20 * u64::from(sequence));
        timeline.receive(since, &key, &mut out);
        assert!(timeline.gaps.len() <= 11, "{number}");
    }
    assert!(lost(&shown(&out)).len() > 900);
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
