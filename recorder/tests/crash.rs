//! kill -9 in the middle of a recording: what was on disk is kept, and says that it is truncated.

mod common;

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::{CONTROLLER, Client, metadata, start_in, store_in, tag};
use recorder::{Options, store::Filter};
use wire::sip::endpoint::TransportKind;

/// Where the recorder that is to be killed keeps its things; unset in an ordinary run.
const PLACE: &str = "VAXEL_TEST_CRASH_PLACE";

#[tokio::test]
async fn a_killed_recorder_loses_less_than_a_second() {
    if let Some(place) = std::env::var_os(PLACE) {
        return be_killed(Path::new(&place)).await;
    }
    let place = tempfile::tempdir().expect("a folder");
    let (mut victim, to) = start_victim(place.path());
    let mut client = Client::new();
    let recording = client
        .record(to, TransportKind::Tcp, &metadata(&tag()))
        .await
        .expect("accepted");
    // A second and a half of audio: the writer has to have written one second of it at least.
    for _ in 0..3 {
        client.send(&recording, 0, 1000.0, 25);
    }
    let mut wait = tokio::time::interval(Duration::from_millis(5));
    while stored(&place.path().join("store")) < 8000 {
        wait.tick().await;
        assert!(victim.try_wait().expect("ours").is_none(), "it still runs");
    }
    // SIGKILL.
    victim.kill().expect("ours");
    victim.wait().expect("ours");

    let row = store_in(&place)
        .list(&Filter::default())
        .expect("the index is whole")
        .remove(0);
    assert_eq!(row.state, "open");
    let again = start_in(&place, Options::new([CONTROLLER.to_owned()]))
        .await
        .expect("starts");
    again.stop().await;
    let store = store_in(&place);
    let row = store.list(&Filter::default()).expect("listed").remove(0);
    assert_eq!(row.state, "truncated");
    assert!(row.packets >= 25 && row.seconds >= 0.5, "{row:?}");
    let (left, _) = common::export(&store, &place, &row.id);
    assert!(common::level(&left[left.len() - 2000..], 1000.0) > 7000.0);
}

/// The recorder in a process of its own: this test again, with a place to work in.
fn start_victim(place: &Path) -> (Child, SocketAddr) {
    let program = std::env::current_exe().expect("running");
    let mut victim = Command::new(program)
        .args([
            "--exact",
            "a_killed_recorder_loses_less_than_a_second",
            "--nocapture",
        ])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let out = BufReader::new(victim.stdout.take().expect("piped"));
    let says = out
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("listens on ")?.1.to_owned()));
    let address = says
        .expect("an address")
        .trim()
        .parse()
        .expect("an address");
    (victim, address)
}

#[expect(clippy::print_stdout, reason = "the parent reads the address")]
async fn be_killed(place: &Path) {
    let handle = common::start_at(place, Options::new([CONTROLLER.to_owned()]))
        .await
        .expect("starts");
    println!("listens on {}", handle.sip_addr());
    std::future::pending::<()>().await;
}

/// The bytes of the largest stream file.
fn stored(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return stored(&path);
        }
        let is_stream = path.extension().is_some_and(|end| end == "vax");
        if is_stream {
            entry.metadata().map_or(0, |found| found.len())
        } else {
            0
        }
    });
    sizes.max().unwrap_or(0)
}
