//! A loop of kill -9: a recorder in a process of its own, killed at a random moment while calls begin, go on and end, again and
//! again on one store. Nothing that was answered or ended is lost, index and store agree, and every start puts right what the
//! kill before left. `just kill-recorder 200` runs as many, and holds each against the second that a stream may lose.

#![expect(clippy::print_stdout, reason = "a person reads the figures")]

mod common;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use callcore::{switch::CallId, tag::RecordingTag};
use common::{CONTROLLER, Client, asker, metadata, start_in, store_in, tag, victim};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use recorder::{Options, names::RecordingId, store::Filter};
use tempfile::TempDir;
use wire::sip::endpoint::TransportKind;

/// How often it is killed, where somebody asks for it; and a seed.
const KILLS: &str = "VAXEL_KILLS";
const SEED: &str = "VAXEL_SEED";
/// In a run of all tests.
const KILLS_FEW: usize = 4;
/// What a killed program may lose of a stream.
const LOST_MAX: Duration = Duration::from_secs(1);
/// The same while other tests keep the machine busy: the second is a promise of a recorder that gets its time.
const LOST_BUSY_MAX: Duration = Duration::from_secs(5);
/// The longest that a program lives.
const LIFE_MAX_MS: u64 = 1800;
const TICK: Duration = Duration::from_millis(20);
/// Packets of a short call at most.
const SHORT_PACKETS_MAX: u64 = 12;
const STREAMS: usize = 2;

/// A call as its client saw it.
#[derive(Debug)]
struct Seen {
    call: u64,
    /// When each packet went out, in both streams; from the answer on.
    sent: Vec<Instant>,
    /// When its BYE was answered: its recording is closed soon after.
    ended: Option<Instant>,
}

type Diary = Arc<Mutex<Vec<Seen>>>;

/// The test that starts itself once more.
const TEST: &str = "recorders_killed_in_a_row_lose_less_than_a_second_and_no_call";

#[tokio::test]
async fn recorders_killed_in_a_row_lose_less_than_a_second_and_no_call() {
    if let Some(place) = victim::place() {
        return victim::be_killed(Path::new(&place)).await;
    }
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kills: Option<u64> = number(KILLS);
    let seed = number(SEED).unwrap_or(1);
    let lost_max = kills.map_or(LOST_BUSY_MAX, |_| LOST_MAX);
    let place = tempfile::tempdir().expect("a folder");
    let mut chance = StdRng::seed_from_u64(seed);
    let (mut calls, mut lost) = (0, Duration::ZERO);
    for kill in 0..kills.unwrap_or(KILLS_FEW as u64) {
        let life = Duration::from_millis(chance.random_range(0..LIFE_MAX_MS));
        let (seen, killed) = one_life(&place, kill, life, chance.random()).await;
        calls += seen.len();
        let what = format!("kill {kill} of {SEED}={seed}, after {life:?}");
        lost = lost.max(look_through(&place, &seen, killed, lost_max, &what).await);
    }
    println!("{calls} calls, the most that a stream lost: {lost:?}");
}

/// A recorder lives so long, with calls; what their clients saw of it, and when it was killed.
async fn one_life(place: &TempDir, kill: u64, life: Duration, seed: u64) -> (Vec<Seen>, Instant) {
    let (mut victim, to) = victim::start(TEST, place.path());
    let diary = Diary::default();
    let talks: Vec<_> = (0..4)
        .map(|line| {
            let first = kill * 10_000 + line * 1000;
            let chance = StdRng::seed_from_u64(seed ^ line);
            tokio::spawn(talk(to, line, first, chance, Arc::clone(&diary)))
        })
        .collect();
    tokio::time::sleep(life).await;
    let killed = Instant::now();
    // SIGKILL.
    victim.kill().expect("ours");
    victim.wait().expect("ours");
    for talk in talks {
        talk.abort();
        // A client that failed says so; an aborted one has nothing to say.
        if let Err(error) = talk.await {
            assert!(error.is_cancelled(), "{error}");
        }
    }
    let seen = std::mem::take(&mut *diary.lock().unwrap_or_else(PoisonError::into_inner));
    (seen, killed)
}

/// One line's calls: the first two lines talk all the time, the others begin and end; odd ones come to shared ports.
async fn talk(to: SocketAddr, line: u64, first: u64, mut chance: StdRng, diary: Diary) {
    let mut client = if line.is_multiple_of(2) {
        Client::new()
    } else {
        Client::sharing(1000 + 10 * line as u32)
    };
    let mut tick = tokio::time::interval(TICK);
    for call in first.. {
        let tag = tag_of(call);
        let begun = client.record(to, TransportKind::Tcp, &metadata(&tag)).await;
        let Ok(recording) = begun else { return };
        let place = write(&diary, |diary| {
            diary.push(Seen {
                call,
                sent: Vec::new(),
                ended: None,
            });
            diary.len() - 1
        });
        let short = chance.random_range(0..SHORT_PACKETS_MAX);
        let packets = if line < 2 { u64::MAX } else { short };
        for _ in 0..packets {
            tick.tick().await;
            for stream in 0..STREAMS {
                client.send_codes(&recording, stream, &[0x55; 160]);
            }
            write(&diary, |diary| diary[place].sent.push(Instant::now()));
        }
        client.bye(recording).await;
        write(&diary, |diary| diary[place].ended = Some(Instant::now()));
    }
}

fn write<T>(diary: &Diary, work: impl FnOnce(&mut Vec<Seen>) -> T) -> T {
    work(&mut diary.lock().unwrap_or_else(PoisonError::into_inner))
}

fn tag_of(call: u64) -> RecordingTag {
    RecordingTag {
        call: CallId(call),
        ..tag()
    }
}

/// What the next start makes of it: holds it against what the clients saw, and gives the most that a stream lost.
async fn look_through(
    place: &TempDir,
    seen: &[Seen],
    killed: Instant,
    lost_max: Duration,
    what: &str,
) -> Duration {
    let again = start_in(place, Options::new([CONTROLLER.to_owned()]))
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    again.stop().await;
    let (store, mut most) = (store_in(place), Duration::ZERO);
    for one in seen {
        let asked = Filter {
            call: Some(one.call),
            ..Filter::default()
        };
        let rows = store.list(&asked).expect("listed");
        let [row] = rows.as_slice() else {
            panic!("{what}: {one:?} was answered: {rows:?}");
        };
        // Reads every stream through.
        let shown = store
            .show(&row.id, &asker())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(shown.files.len(), STREAMS, "{what}: {shown:?}");
        let sent = one.sent.len();
        if one
            .ended
            .is_some_and(|at| killed.saturating_duration_since(at) > lost_max)
        {
            let whole = ("closed", Some((STREAMS * sent) as u64));
            assert_eq!((row.state, row.packets), whole, "{what}: {one:?}");
            continue;
        }
        for file in &shown.files {
            let kept = usize::try_from(file.packets).expect("few");
            // The first one that isn't there was lost, unless the kill came before it could be.
            let lost = one.sent.get(kept);
            let lost = lost.map_or(Duration::ZERO, |at| killed.saturating_duration_since(*at));
            assert!(lost <= lost_max, "{what}: {kept} of {sent}, {lost:?} lost");
            most = most.max(lost);
        }
    }
    agree(place, what);
    most
}

/// Every row has its folder and its key, and the other way round; none is open.
fn agree(place: &TempDir, what: &str) {
    let store = store_in(place);
    let (mut rows, mut filter) = (BTreeSet::new(), Filter::default());
    loop {
        let page = store.list(&filter).expect("listed");
        let Some(last) = page.last() else { break };
        filter.after = Some((
            last.started.parse().expect("a moment"),
            RecordingId::parse(&last.id).expect("an id"),
        ));
        for row in page {
            assert_ne!(row.state, "open", "{what}");
            rows.insert(row.id);
        }
    }
    for folder in ["store", "keys"] {
        let mut found = BTreeSet::new();
        ids_in(&place.path().join(folder), &mut found);
        let apart: Vec<_> = rows.symmetric_difference(&found).collect();
        assert_eq!(apart, Vec::<&String>::new(), "{what}: rows and {folder}");
    }
}

/// Every name below a folder that is a recording's, with or without an ending.
fn ids_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("there").flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let id = name.to_str().and_then(|name| name.split('.').next());
        if let Some(id) = id.filter(|id| id.len() == 32) {
            found.insert(id.to_owned());
        } else if path.is_dir() {
            ids_in(&path, found);
        }
    }
}
