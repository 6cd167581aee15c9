//! kill -9 in the middle of a recording: what was on disk is kept, and says that it is truncated.

mod common;

use std::{path::Path, time::Duration};

use common::{CONTROLLER, Client, metadata, start_in, store_in, tag, victim};
use recorder::{Options, store::Filter};
use wire::sip::endpoint::TransportKind;

/// The test that starts itself once more.
const TEST: &str = "a_killed_recorder_loses_less_than_a_second";

#[tokio::test]
async fn a_killed_recorder_loses_less_than_a_second() {
    if let Some(place) = victim::place() {
        return victim::be_killed(Path::new(&place)).await;
    }
    let place = tempfile::tempdir().expect("a folder");
    let (mut victim, to) = victim::start(TEST, place.path());
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
    assert!(row.packets >= Some(25) && row.seconds >= 0.5, "{row:?}");
    let (left, _) = common::export(&store, &place, &row.id);
    assert!(common::level(&left[left.len() - 2000..], 1000.0) > 7000.0);
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
