//! What a stream holds in memory while it is recorded: as much after an hour as after a minute, whatever its sender does.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use wire::{g711::Law, rtp};

use super::track::{Control, Flow, Line, Target, Track};
use crate::{
    names::{RecordingId, StreamLabel},
    server::disk::Job,
    vault::{STREAM_BYTES_MAX, StreamWriter, Vault, test_tag},
};

const TICK: Duration = Duration::from_millis(20);
const MINUTE_TICKS: u32 = 50 * 60;
const SENDER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4000);

/// A stream from its socket to its file.
struct Recorded {
    _place: tempfile::TempDir,
    track: Track,
    todo: mpsc::Receiver<Job>,
    writer: StreamWriter,
    now: Instant,
    number: u32,
    /// The most that it held at any time.
    most: usize,
}

fn recorded() -> Recorded {
    let place = tempfile::tempdir().expect("a folder");
    let vault =
        Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
    let (id, now) = (RecordingId::random().expect("random"), Instant::now());
    let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
    let label = StreamLabel::parse("1").expect("a label");
    let (jobs, todo) = mpsc::channel(8);
    let control = Control {
        from: SENDER.ip(),
        port: SENDER.port(),
        flow: Flow::Running,
        target: Target::first_of(id, now),
        marks: 0,
        crypto: None,
    };
    let line = Line::alone(jobs, now);
    Recorded {
        _place: place,
        track: Track::new((8, Law::A.into()), control, line),
        todo,
        writer: recording.stream_writer(&label, Law::A).expect("a stream"),
        now,
        number: 0,
        most: 0,
    }
}

impl Recorded {
    /// A minute of audio: some of it lost, late, twice or not sent at all.
    fn minute(&mut self) {
        for _ in 0..MINUTE_TICKS {
            self.now += TICK;
            self.number += 1;
            match self.number % 250 {
                7 => {}
                20 => self.hear(self.number + 1),
                21 => self.hear(self.number - 1),
                40 => (0..3).for_each(|_| self.hear(self.number)),
                200.. => {}
                _ => self.hear(self.number),
            }
            // As the thread of the shared ports looks, and the writer after it.
            if self.number.is_multiple_of(5) {
                self.track.hand_over_due(self.now);
                self.look();
                self.write();
            }
            self.look();
        }
    }

    fn hear(&mut self, number: u32) {
        self.hear_from(SENDER, number);
    }

    fn hear_from(&mut self, source: SocketAddr, number: u32) {
        let packet = rtp::Packet {
            payload_type: 8,
            marker: false,
            sequence: number as u16,
            timestamp: 160 * number,
            ssrc: 7,
            payload: &[0x55; 160],
        };
        let mut datagram = Vec::new();
        packet.write(&mut datagram);
        self.track.on_datagram(&mut datagram, source, self.now);
    }

    fn write(&mut self) {
        while let Ok(job) = self.todo.try_recv() {
            if let Job::Audio(_, _, batch) = job {
                self.writer.push_batch(batch, self.now).expect("written");
                self.look();
            }
        }
        self.writer.flush_due(self.now).expect("written");
    }

    fn look(&mut self) {
        let held = self.track.held_bytes() + self.writer.held_bytes();
        self.most = self.most.max(held);
    }
}

#[test]
fn a_stream_holds_no_more_after_an_hour_than_after_a_minute() {
    let mut stream = recorded();
    stream.minute();
    let minute = stream.most;
    assert!((1..=STREAM_BYTES_MAX).contains(&minute), "{minute}");
    for _ in 1..60 {
        stream.minute();
    }
    assert_eq!(stream.most, minute);
    let written = stream.writer.finish().expect("whole");
    assert!(
        written > 20_000_000,
        "an hour's audio was written: {written}"
    );
}

/// A client may send from another port after a change, and nobody tells which: only its address is agreed.
#[test]
fn a_source_that_falls_silent_may_have_moved_and_one_that_speaks_is_alone() {
    let mut stream = recorded();
    let elsewhere = SocketAddr::new(SENDER.ip(), SENDER.port() + 2);
    let written = |stream: &mut Recorded| {
        stream.track.finish();
        let mut packets = 0;
        while let Ok(job) = stream.todo.try_recv() {
            if let Job::Audio(_, _, batch) = job {
                packets += batch.tally().packets;
            }
        }
        packets
    };
    for number in 0..30 {
        stream.now += TICK;
        stream.hear(number);
        stream.hear_from(elsewhere, 1000 + number);
    }
    assert_eq!(written(&mut stream), 30);
    // From here on only the other one.
    for number in 30..80 {
        stream.now += TICK;
        stream.hear_from(elsewhere, number);
    }
    assert_eq!(written(&mut stream), 50 - 24, "half a second is nobody's");
    stream.hear(80);
    assert_eq!(written(&mut stream), 0, "it has moved");
}
