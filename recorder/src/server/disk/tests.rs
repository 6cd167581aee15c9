//! What the writer does with what it is given.

use std::sync::Arc;

use super::*;
use crate::{
    board::Board,
    index::Index,
    monitor::Figures,
    server::disk::faults::one_stream,
    vault::{Packet, Party, faults, test_tag},
};

struct Bench {
    _place: tempfile::TempDir,
    vault: Vault,
    board: Arc<Board>,
    jobs: mpsc::Sender<Job>,
    broken: mpsc::UnboundedReceiver<RecordingId>,
    writer: JoinHandle<()>,
}

fn disk(
    board: &Arc<Board>,
) -> (
    tempfile::TempDir,
    Disk,
    mpsc::Sender<Job>,
    mpsc::Receiver<Job>,
) {
    let place = tempfile::tempdir().expect("a folder");
    let vault =
        Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
    let (jobs, todo) = mpsc::channel(100);
    let index = Index::open(&vault).expect("fresh");
    let disk = Disk {
        entering: Entering::start(index, Arc::clone(board), jobs.downgrade(), None)
            .expect("a thread"),
        rounds: Rounds::new(vault.store(), Instant::now())
            .expect("there")
            .into(),
        waiting: RefCell::default(),
        ended: RefCell::default(),
        storing: RefCell::default(),
        looked: Cell::new(Instant::now()),
        leaving: None,
        _relisting: super::relisting::Relisting::none(),
        _room: super::room::Room::unwatched(),
        lock: vault.lock().expect("free"),
        broken: mpsc::unbounded_channel().0,
        jobs: jobs.downgrade(),
        vault,
    };
    (place, disk, jobs, todo)
}

fn board() -> Arc<Board> {
    Arc::new(Board::new(Figures::default()).expect("metrics"))
}

fn bench() -> Bench {
    let board = board();
    let (place, disk, jobs, todo) = disk(&board);
    let vault = disk.vault.clone();
    let (broken_sender, broken) = mpsc::unbounded_channel();
    let disk = Disk {
        broken: broken_sender,
        ..disk
    };
    Bench {
        _place: place,
        vault,
        board,
        jobs,
        broken,
        writer: disk.start(todo).expect("a thread"),
    }
}

impl Bench {
    fn begin(&self, controller: &str) -> (RecordingId, Result<(), DiskError>) {
        let (id, (begun, told)) = (RecordingId::random().expect("random"), oneshot::channel());
        let streams = vec![(
            StreamLabel::parse("1").expect("a label"),
            wire::g711::Law::A.into(),
        )];
        let begin = Begin {
            id,
            tag: test_tag(controller),
            meta: Meta::default(),
            streams,
            begun,
        };
        self.jobs
            .blocking_send(Job::Begin(Box::new(begin)))
            .expect("it runs");
        (id, told.blocking_recv().expect("it answers"))
    }
}

#[test]
fn a_recording_that_fails_is_told_once_and_closed_as_truncated() {
    let mut bench = bench();
    let (id, begun) = bench.begin("region-01");
    begun.expect("begun");
    assert_eq!(bench.board.monitor().figures.borrow().open, 1);
    let again = vec![(
        StreamLabel::parse("1").expect("a label"),
        wire::g711::Law::A.into(),
    )];
    for _ in 0..2 {
        bench
            .jobs
            .blocking_send(Job::AddStreams(id, again.clone()))
            .expect("it runs");
    }
    assert_eq!(bench.broken.blocking_recv(), Some(id));
    bench
        .jobs
        .blocking_send(Job::Finish(id, State::Closed))
        .expect("it runs");
    drop(bench.jobs);
    bench.writer.join().expect("it ends");
    assert_eq!(bench.broken.blocking_recv(), None);
    let entry = Index::open_existing(&bench.vault)
        .and_then(|index| index.get(id))
        .expect("there");
    assert_eq!(entry.state, State::Truncated);
    assert_eq!(bench.board.monitor().figures.borrow().open, 0);
}

#[test]
fn what_cannot_begin_leaves_no_row() {
    let bench = bench();
    let (_, begun) = bench.begin("../../etc");
    assert!(matches!(begun, Err(DiskError::Vault(VaultError::Name(_)))));
    drop(bench.jobs);
    bench.writer.join().expect("it ends");
    let index = Index::open_existing(&bench.vault).expect("there");
    assert_eq!(index.left_open().expect("read"), []);
}

#[test]
fn the_end_of_the_server_closes_what_is_open() {
    let bench = bench();
    let (id, begun) = bench.begin("region-01");
    begun.expect("begun");
    let audio = Packet::audio(0, bytes::Bytes::from_static(&[1; 160]));
    let batch = Batch::of(&audio, Instant::now());
    bench
        .jobs
        .blocking_send(Job::Audio(id, 0, batch))
        .expect("it runs");
    drop(bench.jobs);
    bench.writer.join().expect("it ends");
    let entry = Index::open_existing(&bench.vault)
        .and_then(|index| index.get(id))
        .expect("there");
    assert_eq!((entry.state, entry.tally.packets), (State::Truncated, 1));
}

#[test]
fn the_writer_waits_for_no_disk_when_it_is_told_who_takes_part() {
    let (_place, disk, _jobs, mut todo) = disk(&board());
    let hands = Hands::start(&disk.vault).expect("threads");
    let begin = one_stream();
    let (id, tag) = (begin.id, begin.tag.clone());
    let mut open = BTreeMap::from([(id, Open::make(&disk.vault, &begin).expect("begun"))]);
    faults::plan(u64::MAX, io::ErrorKind::Other);
    for name in ["anna", "berit", "cecilia"] {
        let party = Party {
            name: name.to_owned(),
            ..Party::default()
        };
        let meta = Meta {
            parties: vec![party],
        };
        disk.handle(&hands, &mut open, Job::Meta(id, Box::new(meta)));
    }
    disk.handle(&hands, &mut open, Job::Finish(id, State::Closed));
    assert_eq!(faults::end().taken, 0);
    while open.contains_key(&id) {
        let job = todo.blocking_recv().expect("a hand's word");
        disk.handle(&hands, &mut open, job);
    }
    let recording = disk.vault.unlock(id, &tag).expect("opens");
    let meta = recording.meta().expect("readable").expect("kept");
    assert_eq!(meta.parties[0].name, "cecilia", "the last");
}

/// A channel that is full all the time has no room for a word that it is time.
#[test]
fn what_is_due_is_made_safe_also_when_the_writer_is_behind() {
    let (_place, disk, _jobs, _todo) = disk(&board());
    let hands = Hands::start(&disk.vault).expect("threads");
    let begin = one_stream();
    let made = Open::make(&disk.vault, &begin).expect("begun");
    let mut open = BTreeMap::from([(begin.id, made)]);
    let now = Instant::now();
    let long_ago = now.checked_sub(Duration::from_secs(3)).expect("in range");
    *disk.rounds.borrow_mut() = Rounds::new(disk.vault.store(), long_ago).expect("there");
    disk.looked.set(long_ago);
    let audio = Packet::audio(0, bytes::Bytes::from_static(&[1; 160]));
    let job = Job::Audio(begin.id, 0, Batch::of(&audio, now));
    disk.handle(&hands, &mut open, job);
    let left = open.values_mut().flat_map(Open::unsynced).count();
    assert_eq!(left, 0, "a round has begun");
}
