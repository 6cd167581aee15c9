//! The streams of a shared port, without a thread: what comes, what is said, and when, are arguments.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::AtomicU64, mpsc},
    time::{Duration, Instant},
};

use tokio::sync::oneshot::error::TryRecvError;
use transport::media::RtpPorts;
use wire::{g711::Law, rtp};

use super::{
    super::{
        media::OVERTAKEN_MAX,
        track::{Control, Flow, Line, NUMBER_SILENT_MIN, Owed, Target, Track},
    },
    *,
};
use crate::{
    board::Board,
    monitor::Figures,
    names::RecordingId,
    server::{RTP_PORTS, disk::Job},
    vault::CHUNK_AGE_MAX,
};
use table::{Table, WAITING_MAX};
use thread::Order;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
const TICK: Duration = Duration::from_millis(20);

struct Bench {
    table: Table,
    ports: SharedPorts,
    inbox: mpsc::Receiver<Order>,
    jobs: tokio::sync::mpsc::Sender<Job>,
    todo: tokio::sync::mpsc::Receiver<Job>,
    board: Arc<Board>,
    now: Instant,
}

struct Recorded {
    seat: Seat,
    ended: tokio::sync::oneshot::Receiver<Vec<Owed>>,
    control: Control,
    sequence: u16,
}

fn bench() -> Bench {
    let board = Arc::new(Board::new(Figures::default()).expect("metrics"));
    let (ports, inbox) = SharedPorts::idle(RtpPorts::new(HERE, RTP_PORTS)).expect("a waker");
    let (jobs, todo) = tokio::sync::mpsc::channel(100);
    Bench {
        table: Table::new(Arc::clone(&board)),
        ports,
        inbox,
        jobs,
        todo,
        board,
        now: Instant::now(),
    }
}

impl Bench {
    fn target(&self) -> Target {
        Target {
            id: RecordingId::random().expect("random"),
            number: 0,
            begun: self.now,
            _held: tokio::sync::mpsc::channel(1).0,
        }
    }

    fn record(&mut self, ssrc: u32) -> Recorded {
        let key = Key { ssrc, from: HERE };
        let claims = self.ports.claim(&[key]).expect("a port");
        let claim = claims.expect("free").remove(0);
        let control = Control {
            from: HERE,
            port: 4000,
            flow: Flow::Running,
            target: self.target(),
            marks: 0,
            crypto: None,
        };
        let line = Line {
            jobs: self.jobs.clone(),
            board: Arc::clone(&self.board),
            begun: self.now,
            heard_ms: Arc::new(AtomicU64::new(0)),
        };
        let track = Track::new((8, Law::A.into()), control.clone(), line);
        let (seat, ended) = claim.begin(track);
        self.obey();
        Recorded {
            seat,
            ended,
            control,
            sequence: 0,
        }
    }

    /// Carries out what was ordered, as the thread does.
    fn obey(&mut self) {
        for order in self.inbox.try_iter().collect::<Vec<_>>() {
            match order {
                Order::Begin(_, seat, begins) => self.table.begin(seat, *begins),
                Order::Tell(_, seat, told) => self.table.tell(seat, *told, self.now),
                Order::Rename(_, seat, claim) => self.table.rename(seat, claim),
                Order::Leave(_, seat) => self.table.leave(seat, self.now),
                _ => {}
            }
        }
    }

    fn tell(&mut self, one: &mut Recorded, change: impl FnOnce(&mut Control)) {
        change(&mut one.control);
        one.seat.tell(one.control.clone());
        self.obey();
    }

    /// A packet of 20 ms comes.
    fn hear(&mut self, ssrc: u32, sequence: u16, from: SocketAddr) {
        self.now += TICK;
        let packet = rtp::Packet {
            payload_type: 8,
            marker: false,
            sequence,
            timestamp: 160 * u32::from(sequence),
            ssrc,
            payload: &[0x55; 160],
        };
        let mut datagram = Vec::new();
        packet.write(&mut datagram);
        self.hear_bytes(&mut datagram, from);
    }

    fn hear_bytes(&mut self, datagram: &mut [u8], from: SocketAddr) {
        self.table.on_run(datagram, datagram.len(), from, self.now);
    }

    fn hear_next(&mut self, one: &mut Recorded, count: usize) {
        for _ in 0..count {
            one.sequence += 1;
            self.hear(one.seat.key().ssrc, one.sequence, (HERE, 4000).into());
        }
    }

    /// Packets that the writer was given, by recording.
    fn stored(&mut self) -> BTreeMap<RecordingId, u64> {
        self.table.hand_over_due(self.now + CHUNK_AGE_MAX);
        let mut stored = BTreeMap::new();
        while let Ok(job) = self.todo.try_recv() {
            if let Job::Audio(id, _, batch) = job {
                *stored.entry(id).or_default() += batch.tally().packets;
            }
        }
        stored
    }

    /// Packets that the writer was told are lost, by recording.
    fn lost(&mut self) -> Vec<(RecordingId, u64)> {
        let mut lost = Vec::new();
        while let Ok(job) = self.todo.try_recv() {
            if let Job::Audio(id, 0, batch) = job {
                lost.push((id, batch.tally().packets_lost));
            }
        }
        lost.retain(|(_, lost)| *lost > 0);
        lost
    }

    fn dropped(&self, reason: &str) -> u64 {
        let families = self.board.monitor().metrics.gather();
        let of = |family: &&prometheus::proto::MetricFamily| {
            family.name() == "vaxel_recorder_datagrams_dropped_total"
        };
        let metrics = families.iter().filter(of).flat_map(|one| one.get_metric());
        let fits = |metric: &&prometheus::proto::Metric| metric.get_label()[0].value() == reason;
        metrics
            .filter(fits)
            .map(|metric| metric.get_counter().get_value() as u64)
            .sum()
    }
}

#[test]
fn streams_are_told_apart_by_number_and_address() {
    let mut bench = bench();
    let (mut one, mut two) = (bench.record(1), bench.record(2));
    bench.hear_next(&mut one, 3);
    bench.hear_next(&mut two, 5);
    // Nobody's number; a stream's number from elsewhere; no RTP; a second sender at the offered address.
    bench.hear(3, 1, (HERE, 4000).into());
    bench.hear(1, 9, (THERE, 4000).into());
    bench.hear_bytes(&mut b"hello".to_owned(), (HERE, 4000).into());
    bench.hear_bytes(&mut [0x80], (HERE, 4000).into());
    bench.hear(1, 9, (HERE, 4001).into());
    let expected = [(one.control.target.id, 3), (two.control.target.id, 5)];
    assert_eq!(bench.stored(), expected.into());
    let dropped = ["ssrc", "malformed", "source"].map(|reason| bench.dropped(reason));
    assert_eq!(dropped, [2, 2, 1]);
}

/// As when `fs.epoll.max_user_watches` is reached: the streams get ports of their own.
#[test]
fn a_port_that_nobody_could_listen_on_is_offered_to_nobody() {
    let mut bench = bench();
    let none = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC);
    bench.ports.epoll = Arc::new(none.expect("a handle"));
    let key = Key {
        ssrc: 1,
        from: HERE,
    };
    assert!(bench.ports.claim(&[key]).expect("a port").is_none());
    assert_eq!(bench.inbox.try_iter().count(), 0);
}

/// A change names another port: what was on its way comes first, and nothing of what follows is lost.
#[test]
fn a_sender_that_moves_is_heard_from_its_first_packet() {
    let mut bench = bench();
    let mut one = bench.record(1);
    let id = one.control.target.id;
    bench.hear_next(&mut one, 3);
    bench.tell(&mut one, |control| control.port = 5000);
    bench.hear(1, 4, (HERE, 4000).into());
    for sequence in 5..10 {
        bench.hear(1, sequence, (HERE, 5000).into());
    }
    assert_eq!(bench.stored(), [(id, 9)].into());
    // From a port that it doesn't offer, too.
    bench.tell(&mut one, |control| control.port = 6000);
    bench.hear(1, 10, (HERE, 6002).into());
    bench.hear(1, 11, (HERE, 6004).into());
    assert_eq!(bench.stored(), [(id, 1)].into());
    assert_eq!(bench.dropped("source"), 1);
}

/// RFC 3550 section 8.2: a source that finds another with its number takes a new one, and so may one that begins anew.
#[test]
fn a_sender_that_takes_another_number_is_heard_on() {
    let mut bench = bench();
    let (mut one, mut two) = (bench.record(1), bench.record(2));
    let id = one.control.target.id;
    bench.hear_next(&mut one, 3);
    bench.hear(2, 1, (HERE, 4002).into());
    // While its own is heard, another is another's.
    bench.hear(9, 100, (HERE, 4000).into());
    bench.hear_next(&mut one, 1);
    bench.hear(9, 101, (HERE, 4000).into());
    assert_eq!(bench.dropped("ssrc"), 2);
    bench.now += NUMBER_SILENT_MIN;
    for number in 0..2 {
        bench.hear(9, 102 + number, (HERE, 4000).into());
    }
    // As often as it likes, without a trace of those before.
    for number in 10..2000 {
        bench.now += NUMBER_SILENT_MIN;
        bench.hear(number, 1, (HERE, 4000).into());
    }
    assert_eq!(bench.dropped("ssrc"), 2);
    let stored = bench.stored();
    assert_eq!(stored[&id], 6 + 1990);
    assert_eq!(stored[&two.control.target.id], 1);
    // Another stream's number stays that stream's, whoever sends it.
    bench.hear(2, 2, (HERE, 4002).into());
    bench.hear(2, 3, (HERE, 4000).into());
    assert_eq!(bench.dropped("source"), 1);
    // A report says nothing of a stream, and nobody is heard from where two are.
    bench.hear_bytes(&mut [0x80, 200, 0, 1, 0, 0, 0, 77], (HERE, 4000).into());
    let mut three = bench.record(3);
    bench.hear_next(&mut three, 1);
    bench.now += NUMBER_SILENT_MIN;
    bench.hear(88, 1, (HERE, 4000).into());
    assert_eq!(bench.dropped("ssrc"), 4);
    // The number it had taken is another's as soon as that one is offered.
    let mut again = bench.record(1999);
    bench.hear(1999, 2, (HERE, 4000).into());
    assert_eq!(bench.stored()[&again.control.target.id], 1);
    again.sequence = 2;
    for recorded in [&mut one, &mut two] {
        bench.tell(recorded, |control| control.flow = Flow::Ended);
    }
    bench.now += OVERTAKEN_MAX;
    bench.table.end_due(bench.now);
    bench.hear_next(&mut again, 1);
    assert_eq!(bench.stored()[&again.control.target.id], 1);
}

#[test]
fn a_stream_that_ends_leaves_the_others_and_waits_for_what_is_on_its_way() {
    let mut bench = bench();
    let (mut one, mut two) = (bench.record(1), bench.record(2));
    bench.hear_next(&mut one, 1);
    bench.tell(&mut one, |control| control.flow = Flow::Ended);
    // Each within 40 ms of the one before.
    bench.hear_next(&mut one, 3);
    assert_eq!(
        bench.table.end_due(bench.now),
        Some(bench.now + OVERTAKEN_MAX)
    );
    assert_eq!(one.ended.try_recv().err(), Some(TryRecvError::Empty));
    bench.now += OVERTAKEN_MAX;
    assert_eq!(bench.table.end_due(bench.now), None);
    assert!(one.ended.try_recv().is_ok_and(|owed| owed.is_empty()));
    bench.hear_next(&mut one, 1);
    bench.hear_next(&mut two, 2);
    let expected = [(one.control.target.id, 4), (two.control.target.id, 2)];
    assert_eq!(bench.stored(), expected.into());
    assert_eq!(bench.dropped("ssrc"), 1);
    // Its number is free, and a seat that is let go of late ends nobody else.
    let mut again = bench.record(1);
    drop(one);
    bench.obey();
    bench.hear_next(&mut again, 1);
    assert_eq!(bench.stored(), [(again.control.target.id, 1)].into());
}

#[test]
fn a_sender_that_never_stops_is_cut_off() {
    let mut bench = bench();
    let mut one = bench.record(1);
    drop(one.seat);
    bench.obey();
    let mut sequence = 0;
    while bench.table.end_due(bench.now).is_some() {
        sequence += 1;
        assert!(sequence < 1000, "it goes on");
        bench.hear(1, sequence, (HERE, 4000).into());
    }
    assert!(one.ended.try_recv().is_ok_and(|owed| owed.is_empty()));
    assert!(bench.table.is_empty());
}

#[test]
fn what_comes_between_two_recordings_is_kept_for_the_next() {
    let mut bench = bench();
    let mut one = bench.record(1);
    let before = one.control.target.id;
    bench.hear_next(&mut one, 2);
    bench.tell(&mut one, |control| control.flow = Flow::Waiting);
    bench.hear_next(&mut one, WAITING_MAX + 3);
    assert_eq!(bench.stored(), [(before, 2)].into());
    assert_eq!(bench.dropped("waiting"), 3);
    let next = bench.target();
    let after = next.id;
    bench.tell(&mut one, |control| control.target = next);
    bench.tell(&mut one, |control| control.flow = Flow::Running);
    assert_eq!(bench.stored(), [(after, WAITING_MAX as u64)].into());
    // There is no next one: it stays in this.
    bench.tell(&mut one, |control| control.flow = Flow::Waiting);
    bench.hear_next(&mut one, 4);
    bench.tell(&mut one, |control| control.flow = Flow::Ended);
    assert_eq!(bench.stored(), [(after, 4)].into());
}

#[test]
fn what_waits_for_the_next_recording_is_as_short_as_audio_is() {
    let mut bench = bench();
    let mut one = bench.record(1);
    bench.tell(&mut one, |control| control.flow = Flow::Waiting);
    let mut long = vec![0; 60_000];
    long[0] = 0x80;
    long[11] = 1;
    bench.hear_bytes(&mut long, (HERE, 4000).into());
    assert_eq!(bench.dropped("malformed"), 1);
}

#[test]
fn a_pause_keeps_nothing_and_counts_what_comes() {
    let mut bench = bench();
    let mut one = bench.record(1);
    bench.hear_next(&mut one, 2);
    bench.tell(&mut one, |control| control.flow = Flow::Paused);
    bench.hear_next(&mut one, 5);
    bench.tell(&mut one, |control| control.flow = Flow::Running);
    bench.hear_next(&mut one, 3);
    assert_eq!(bench.stored(), [(one.control.target.id, 5)].into());
    assert_eq!(bench.dropped("paused"), 5);
}

#[test]
fn a_number_that_is_taken_gets_no_place_until_it_is_free() {
    let mut bench = bench();
    let key = |ssrc| Key { ssrc, from: HERE };
    let mut claim = |keys: &[Key]| bench.ports.claim(keys).expect("a port");
    let held = claim(&[key(1), key(2)]).expect("free");
    assert_eq!(held[0].local(), held[1].local());
    assert!(claim(&[key(3), key(2)]).is_none(), "one is another's");
    assert!(claim(&[key(4), key(4)]).is_none(), "both are the same");
    let elsewhere = Key {
        ssrc: 2,
        from: THERE,
    };
    assert!(claim(&[elsewhere, key(3), key(4)]).is_some());
    drop(held);
    assert!(claim(&[key(1), key(2)]).is_some());
}

#[test]
fn a_port_is_opened_when_the_others_are_full_and_closed_with_its_last_stream() {
    let mut bench = bench();
    let keys: Vec<_> = (0..64).map(|ssrc| Key { ssrc, from: HERE }).collect();
    let full = bench.ports.claim(&keys).expect("a port").expect("free");
    let key = |ssrc| Key { ssrc, from: HERE };
    let more = bench.ports.claim(&[key(64)]).expect("a port");
    let more = more.expect("free");
    assert_ne!(full[0].local(), more[0].local());
    drop(full);
    let closed = |bench: &Bench| {
        let orders = bench.inbox.try_iter();
        orders
            .filter(|order| matches!(order, Order::Close(_)))
            .count()
    };
    assert_eq!(closed(&bench), 1);
    drop(more);
    assert_eq!(closed(&bench), 1);
}

#[test]
fn a_stream_can_change_its_name() {
    let mut bench = bench();
    let (mut one, _two) = (bench.record(1), bench.record(2));
    bench.hear_next(&mut one, 2);
    let key = |ssrc| Key { ssrc, from: HERE };
    assert!(bench.ports.claim_beside(&one.seat, key(2)).is_none());
    let claim = bench.ports.claim_beside(&one.seat, key(7)).expect("free");
    one.seat.rename(claim);
    bench.obey();
    bench.hear_next(&mut one, 3);
    bench.hear(1, 20, (HERE, 4000).into());
    assert_eq!(bench.stored(), [(one.control.target.id, 5)].into());
    assert_eq!(bench.dropped("ssrc"), 1);
    assert!(bench.ports.claim(&[key(1)]).expect("a port").is_some());
}

#[test]
fn what_the_writer_has_no_room_for_is_told_as_a_gap() {
    let mut bench = bench();
    let mut one = bench.record(1);
    bench.hear_next(&mut one, 25);
    let fill = || Job::Flush;
    while bench.jobs.try_send(fill()).is_ok() {}
    bench.table.hand_over_due(bench.now + CHUNK_AGE_MAX);
    while bench.todo.try_recv().is_ok() {}
    bench.hear_next(&mut one, 5);
    bench.table.hand_over_due(bench.now + CHUNK_AGE_MAX);
    let mut tally = crate::tally::Tally::default();
    while let Ok(job) = bench.todo.try_recv() {
        if let Job::Audio(_, _, batch) = job {
            tally.add(batch.tally());
        }
    }
    assert_eq!((tally.packets, tally.packets_lost, tally.gaps), (5, 25, 1));
}

#[tokio::test]
async fn a_gap_at_the_end_is_told_as_soon_as_the_writer_has_room() {
    let mut bench = bench();
    let mut one = bench.record(1);
    bench.hear_next(&mut one, 25);
    while bench.jobs.try_send(Job::Flush).is_ok() {}
    bench.tell(&mut one, |control| control.flow = Flow::Ended);
    bench.now += OVERTAKEN_MAX;
    assert_eq!(bench.table.end_due(bench.now), None);
    let owed = one.ended.try_recv().expect("ended");
    while bench.todo.try_recv().is_ok() {}
    for one in owed {
        one.tell(&bench.jobs).await;
    }
    assert_eq!(bench.lost(), [(one.control.target.id, 25)]);
}

#[test]
fn a_gap_at_the_end_of_the_recording_before_is_told_to_that() {
    let mut bench = bench();
    let mut one = bench.record(1);
    let before = one.control.target.id;
    bench.hear_next(&mut one, 25);
    while bench.jobs.try_send(Job::Flush).is_ok() {}
    let next = bench.target();
    bench.tell(&mut one, |control| control.target = next);
    while bench.todo.try_recv().is_ok() {}
    bench.hear_next(&mut one, 5);
    bench.table.hand_over_due(bench.now + CHUNK_AGE_MAX);
    assert_eq!(bench.lost(), [(before, 25)]);
}
