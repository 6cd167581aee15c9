//! Programs killed at a random step, power cuts, full disks: what is left is whole, and index and store agree.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::oneshot;
use wire::g711::Law;

use super::{
    Begin, DiskError,
    entering::{Entering, Entry},
    open::Open,
};
use crate::{
    board::Board,
    index::{Index, Mark, State},
    monitor::Figures,
    names::{RecordingId, StreamLabel},
    place::Place,
    recover::{self, Recovered},
    tally::Tally,
    vault::{Batch, Ending, Meta, Packet, Vault, VaultError, faults, test_tag},
};

/// Packets of 20 ms in a call: six seconds.
const PACKETS: u64 = 300;
/// What a killed program may lose of a stream: a second.
const KILLED_MAX: u64 = 50;
/// What a power cut may take of a stream: five seconds.
const CUT_MAX: u64 = 250;
/// The writer has files made safe every two seconds.
const SYNC_EVERY: u64 = 100;

struct Bench {
    place: tempfile::TempDir,
    vault: Vault,
    index: Index,
}

/// A call whose client was told that it is recorded.
#[derive(Debug)]
struct Answered {
    id: RecordingId,
    pushed: u64,
    ended: bool,
}

fn bench() -> Bench {
    // In memory where there is such a place: thousands of waits for a disk are another test's.
    let memory = std::path::Path::new("/dev/shm");
    let place = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let place = place.expect("a folder");
    let vault =
        Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
    let index = Index::open(&vault).expect("fresh");
    recover::recover(&vault, &index).expect("nothing there");
    Bench {
        place,
        vault,
        index,
    }
}

impl Bench {
    /// Three calls as the writer, its hands and the index's thread handle them, one step after the other.
    fn work(&self, answered: &mut Vec<Answered>) -> Result<(), DiskError> {
        for _ in 0..3 {
            let id = RecordingId::random().expect("random");
            let begin = Begin {
                id,
                tag: test_tag("region-01"),
                meta: Meta::default(),
                streams: ["1", "2"]
                    .map(|label| (StreamLabel::parse(label).expect("a label"), Law::A.into()))
                    .into(),
                begun: oneshot::channel().0,
            };
            let mut open = Open::make(&self.vault, &begin)?;
            killed_here()?;
            self.index.insert_open(id, &begin.tag)?;
            killed_here()?;
            answered.push(Answered {
                id,
                pushed: 0,
                ended: false,
            });
            let mut now = Instant::now();
            for number in 0..PACKETS {
                now += Duration::from_millis(20);
                let audio = Packet::audio(number as u32 * 160, Bytes::from_static(&[1; 160]));
                for stream in [0, 1] {
                    open.push(stream, Batch::of(&audio, now), now)?;
                }
                answered.last_mut().expect("just there").pushed = number + 1;
                if number % SYNC_EVERY == SYNC_EVERY - 1 {
                    for file in open.unsynced() {
                        file.sync().map_err(disk)?;
                    }
                }
            }
            let (_, closing) = open.finish(State::Closed).make_safe();
            killed_here()?;
            self.index.close(id, &closing)?;
            killed_here()?;
            answered.last_mut().expect("just there").ended = true;
        }
        Ok(())
    }

    /// The next program on the same disk; nobody lets go of anything properly.
    fn again(self) -> Self {
        let Self {
            place,
            vault: _,
            index,
        } = self;
        drop(index);
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("opens");
        let index = Index::open(&vault).expect("opens");
        Self {
            place,
            vault,
            index,
        }
    }

    /// Everything answered is there but for `loss_max` packets a stream; index, folders and keys name the same recordings.
    fn is_sound(&self, answered: &[Answered], loss_max: u64, what: &str) {
        recover::recover(&self.vault, &self.index).expect(what);
        let mut rows = BTreeSet::new();
        self.index
            .every(|entry| {
                rows.insert(entry.id);
            })
            .expect(what);
        assert_eq!(self.index.left_open().expect(what), [], "{what}");
        let near = self.vault.recordings_near(None).expect(what);
        let folders: BTreeSet<_> = near.iter().map(|one| one.id).collect();
        assert_eq!(rows, folders, "{what}: rows and folders");
        let keys = std::fs::read_dir(self.vault.keys().join("data")).expect(what);
        let keys: BTreeSet<_> = keys.map(|one| one.expect(what).file_name()).collect();
        let named = rows.iter().map(|id| format!("{id}.key").into());
        assert_eq!(
            named.collect::<BTreeSet<_>>(),
            keys,
            "{what}: rows and keys"
        );
        for one in &near {
            self.vault
                .unlock(one.id, &self.index.get(one.id).expect(what).tag)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        for one in answered {
            let entry = self
                .index
                .get(one.id)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            // Two streams.
            let least = 2 * one.pushed.saturating_sub(loss_max);
            assert!(
                entry.tally.packets >= least,
                "{what}: {one:?} {:?}",
                entry.tally
            );
            if one.ended {
                assert_eq!(
                    (entry.state, entry.tally.packets),
                    (State::Closed, 2 * PACKETS),
                    "{what}"
                );
            }
            self.reads_through(one.id, what);
        }
        let nothing = Recovered::default();
        assert_eq!(
            recover::recover(&self.vault, &self.index).expect(what),
            nothing,
            "{what}: a second start"
        );
    }

    fn reads_through(&self, id: RecordingId, what: &str) {
        let entry = self.index.get(id).expect(what);
        let recording = self.vault.unlock(id, &entry.tag).expect(what);
        for label in recording.labels().expect(what) {
            let Ok(mut reader) = recording.stream_reader(&label) else {
                assert_eq!(
                    entry.state,
                    State::Truncated,
                    "{what}: torn in its first bytes"
                );
                continue;
            };
            let (_, ending) = Tally::read(&mut reader);
            let ending = ending.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(
                ending == Ending::Whole || entry.state == State::Truncated,
                "{what}"
            );
        }
    }
}

fn disk(source: std::io::Error) -> DiskError {
    DiskError::Vault(VaultError::Unusable {
        path: "a file".into(),
        source,
    })
}

fn killed_here() -> Result<(), DiskError> {
    faults::step().map_err(disk)
}

/// How many steps three calls take.
fn steps() -> u64 {
    let bench = bench();
    faults::plan(u64::MAX, ErrorKind::Other);
    bench.work(&mut Vec::new()).expect("nothing happens");
    faults::end().taken
}

/// Places all over the work, none of them twice in a row: seed and number name each.
fn places(count: u64) -> impl Iterator<Item = u64> {
    let all = steps();
    (0..count).map(move |seed| (seed * 0x9E37_79B9 + 7) % all)
}

#[test]
fn two_hundred_killed_programs_lose_less_than_a_second_and_index_and_store_agree() {
    for at in places(200) {
        let bench = bench();
        let mut answered = Vec::new();
        faults::plan(at, ErrorKind::Other);
        assert!(bench.work(&mut answered).is_err(), "killed at step {at}");
        faults::end();
        bench
            .again()
            .is_sound(&answered, KILLED_MAX, &format!("killed at step {at}"));
    }
}

#[test]
fn a_power_cut_takes_five_seconds_at_most() {
    for at in places(60) {
        let bench = bench();
        let mut answered = Vec::new();
        faults::plan(at, ErrorKind::Other);
        assert!(bench.work(&mut answered).is_err(), "cut at step {at}");
        let plan = faults::end();
        let store = bench.vault.store().to_owned();
        drop(bench.index);
        plan.cut_power().expect("ours");
        // The index waits for no disk while it records: the worst is that it has nothing.
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            let _gone = std::fs::remove_file(store.join(name));
        }
        let index = Index::open(&bench.vault).expect("fresh");
        let bench = Bench { index, ..bench };
        bench
            .again()
            .is_sound(&answered, CUT_MAX, &format!("cut at step {at}"));
    }
}

#[test]
fn a_full_disk_ends_one_recording_and_spoils_none() {
    for at in places(40) {
        let bench = bench();
        let mut answered = Vec::new();
        faults::plan(at, ErrorKind::StorageFull);
        let full = bench.work(&mut answered).expect_err("full");
        assert!(full.to_string().contains("make room") || at > 0, "{full}");
        faults::end();
        // There is room again: the program goes on as it was.
        let mut later = Vec::new();
        bench.work(&mut later).expect("goes on");
        assert!(later.iter().all(|one| one.ended));
        answered.extend(later);
        bench
            .again()
            .is_sound(&answered, KILLED_MAX, &format!("full at step {at}"));
    }
}

/// A recording with one stream, to begin.
pub(super) fn one_stream() -> Begin {
    Begin {
        id: RecordingId::random().expect("random"),
        tag: test_tag("region-01"),
        meta: Meta::default(),
        streams: vec![(StreamLabel::parse("1").expect("a label"), Law::A.into())],
        begun: oneshot::channel().0,
    }
}

/// A recording with one stream, of that many packets.
fn recorded(bench: &Bench) -> (RecordingId, Begin, Open) {
    let begin = one_stream();
    let id = begin.id;
    let mut open = Open::make(&bench.vault, &begin).expect("begins");
    for number in 0..PACKETS {
        let audio = Packet::audio(number as u32 * 160, Bytes::from_static(&[1; 160]));
        let now = Instant::now();
        open.push(0, Batch::of(&audio, now), now).expect("written");
    }
    (id, begin, open)
}

#[test]
fn an_index_that_cannot_be_written_costs_no_recording() {
    let bench = bench();
    let board = Arc::new(Board::new(Figures::default()).expect("metrics"));
    let (jobs, _todo) = tokio::sync::mpsc::channel(1);
    let read_only = Index::open_existing(&bench.vault).expect("there");
    let entering =
        Entering::start(read_only, Arc::clone(&board), jobs.downgrade(), None).expect("a thread");
    let (id, begin, open) = recorded(&bench);
    let (told, answer) = oneshot::channel();
    entering.enter(Entry::Open(id, Box::new(begin.tag), told));
    answer
        .blocking_recv()
        .expect("answered")
        .expect("recorded all the same");
    entering.enter(Entry::Closed(
        id,
        Box::new(open.finish(State::Closed).make_safe()),
    ));
    entering.end();
    assert_eq!(board.index_backlog.get(), 2, "an alarm");
    let answered = Answered {
        id,
        pushed: PACKETS / 2,
        ended: false,
    };
    let bench = bench.again();
    bench.is_sound(&[answered], 0, "the index can be written again");
    assert_eq!(bench.index.get(id).expect("there").state, State::Closed);
}

#[test]
fn a_damaged_chunk_is_found_and_the_rest_is_heard() {
    let bench = bench();
    let (id, begin, open) = recorded(&bench);
    bench.index.insert_open(id, &begin.tag).expect("entered");
    let (tag, closing) = open.finish(State::Closed).make_safe();
    bench.index.close(id, &closing).expect("closed");
    let path = bench.vault.store().join(&closing.files[0]);
    let mut bytes = std::fs::read(&path).expect("there");
    // In the second chunk of several.
    bytes[9000] ^= 1;
    std::fs::write(&path, bytes).expect("ours");
    let recording = bench.vault.unlock(id, &tag).expect("opens");
    let label = StreamLabel::parse("1").expect("a label");
    let (tally, ending) = Tally::read(&mut recording.stream_reader(&label).expect("opens"));
    assert!(
        matches!(ending, Err(VaultError::Damaged { chunk: 1, .. })),
        "{ending:?}"
    );
    assert!(
        (PACKETS - 50..PACKETS).contains(&tally.packets),
        "{tally:?}"
    );
    assert_eq!(tally.end, PACKETS as u32 * 160, "the end is heard");
    let out = bench.place.path().join("out.wav");
    let exported = crate::export::export(&bench.vault, &bench.index, id, &out).expect("exports");
    assert_eq!((exported.damaged_chunks, exported.whole), (1, false));
    assert_eq!(exported.packets, tally.packets);
}

#[test]
fn a_second_recorder_is_told_whose_the_store_is() {
    let bench = bench();
    let _held = bench.vault.lock().expect("free");
    let refused = bench.vault.lock().expect_err("held").to_string();
    assert!(
        refused.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
}

#[test]
fn a_lost_key_is_said_and_nothing_is_recorded_under_a_new_one() {
    let bench = bench();
    let (id, begin, open) = recorded(&bench);
    drop(open.finish(State::Closed));
    std::fs::remove_file(bench.vault.keys().join("controllers/region-01.key")).expect("ours");
    let missing = |error: VaultError| matches!(error, VaultError::KeyMissing { .. });
    assert!(bench.vault.unlock(id, &begin.tag).is_err_and(missing));
    let again = Begin {
        id: RecordingId::random().expect("random"),
        ..begin
    };
    let error = Open::make(&bench.vault, &again).expect_err("refused");
    assert!(matches!(error, VaultError::KeyMissing { .. }));
    assert_eq!(
        DiskError::from(error).reason(),
        crate::server::RefusalReason::Key
    );
}

/// A gallring was stopped before it had removed what is in S3, and S3 is gone: calls are recorded all the same.
#[test]
fn what_cannot_be_removed_from_s3_yet_keeps_no_recorder_from_starting() {
    let place = tempfile::tempdir().expect("a folder");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = nobody.local_addr().expect("bound");
    drop(nobody);
    let secrets = place.path().join("secrets");
    let text = format!(
        "AWS_ACCESS_KEY_ID = a\nAWS_SECRET_ACCESS_KEY = b\nAWS_ENDPOINT_URL = http://{endpoint}\n"
    );
    crate::vault::folder::write_private(&secrets, text.as_bytes()).expect("ours");
    let at = Place {
        bucket: Some(crate::place::Bucket {
            name: "audio".to_owned(),
            prefix: String::new(),
        }),
        credentials: Some(secrets),
        ..Place::folders(&place.path().join("store"), &place.path().join("keys"))
    };
    let vault = Vault::open_place(at.clone()).expect("fresh");
    let index = Index::open(&vault).expect("fresh");
    let begin = one_stream();
    let open = Open::make(&vault, &begin).expect("begins");
    index.insert_open(begin.id, &begin.tag).expect("entered");
    let (_, closing) = open.finish(State::Closed).make_safe();
    index.close(begin.id, &closing).expect("closed");
    let marked = index.mark(Mark::Recording, &[begin.id], "2029-01-01 RS/1");
    assert_eq!(marked.expect("written"), [begin.id]);
    let key = format!("data/{}.key", begin.id);
    std::fs::remove_file(vault.keys().join(key)).expect("ours");
    drop((index, vault));
    let opened = crate::server::open(at).expect("it starts");
    let waits = opened.index.marked(Mark::Recording).expect("read");
    assert_eq!(waits.len(), 1, "the next run goes on with it");
}
