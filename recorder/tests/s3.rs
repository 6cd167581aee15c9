//! A store in S3: recordings go there when they end and are heard from there; while S3 refuses, they wait in the spool.

mod bucket;
mod common;

use std::{path::Path, time::Duration};

use bucket::{Door, Server};
use callcore::scenario::RecorderSettings;
use common::{CONTROLLER, Client, level, metadata, metric, tag};
use recorder::{
    Options, Recorder, RecorderHandle,
    place::Place,
    store::{self, Filter, Store},
    vault::Vault,
};
use tempfile::TempDir;
use wire::sip::{endpoint::TransportKind, message::StatusCode};

struct Bench {
    place: TempDir,
    server: Server,
}

impl Bench {
    fn new() -> Self {
        Self {
            place: tempfile::tempdir().expect("a folder"),
            server: Server::start(),
        }
    }

    fn settings(&self) -> RecorderSettings {
        let near = common::settings(self.place.path());
        RecorderSettings {
            store: "s3://audio/1177/a".into(),
            spool: Some(near.store.clone()),
            credentials: Some(self.server.credentials(self.place.path()).into()),
            ..near
        }
    }

    async fn start(&self) -> RecorderHandle {
        self.start_with(|_| {}).await
    }

    async fn start_with(&self, adapt: impl FnOnce(&mut Options)) -> RecorderHandle {
        let mut options = Options::new([CONTROLLER.to_owned()]);
        adapt(&mut options);
        Recorder::start(&self.settings(), options)
            .await
            .expect("starts")
    }

    fn store(&self) -> Store {
        store::open_existing_place(Place::of(&self.settings()).expect("a place")).expect("a store")
    }

    fn spooled(&self) -> usize {
        let place = Place::of(&self.settings()).expect("a place");
        let vault = Vault::open_existing_place(place).expect("a vault");
        vault.recordings_near(None).expect("listed").len()
    }

    /// Half a second of a tone, from INVITE to BYE.
    async fn call(&self, handle: &RecorderHandle) {
        let mut client = Client::new();
        let recording = client
            .record(handle.sip_addr(), TransportKind::Tcp, &metadata(&tag()))
            .await
            .expect("accepted");
        client.send(&recording, 0, 1000.0, 25);
        client.bye(recording).await;
    }

    /// What is stored is heard, wherever it lies.
    fn is_heard(&self) {
        let store = self.store();
        let row = store.list(&Filter::default()).expect("listed").remove(0);
        assert_eq!(
            (row.state, row.packets, row.packets_lost),
            ("closed", Some(25), Some(0))
        );
        let (left, _) = common::export(&store, &self.place, &row.id);
        assert!(level(&left[left.len() - 2000..], 1000.0) > 7000.0);
        let shown = store.show(&row.id, &common::asker()).expect("opens");
        // The nurse said nothing.
        let conditions: Vec<&str> = shown.files.iter().map(|file| &*file.condition).collect();
        assert_eq!(conditions, ["whole", "empty"], "{shown:?}");
    }
}

async fn until(handle: &RecorderHandle, name: &str, at_least: f64) {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while metric(handle, name, &[]) < at_least {
        look.tick().await;
    }
}

const MOVED: &str = "vaxel_recorder_uploads_total";
const FAILED: &str = "vaxel_recorder_upload_failures_total";

#[tokio::test]
async fn what_has_ended_goes_to_s3_and_is_heard_from_there() {
    let bench = Bench::new();
    let handle = bench.start().await;
    bench.call(&handle).await;
    until(&handle, MOVED, 1.0).await;
    assert_eq!(bench.spooled(), 0);
    assert!(!holds(bench.place.path(), "vax"), "no audio is left here");
    bench.is_heard();
    assert!(metric(&handle, "vaxel_recorder_spool_bytes", &[]) < 1.0);
    handle.stop().await;
    let sound = bench
        .store()
        .verify(|wrong| panic!("{wrong:?}"))
        .expect("verified");
    assert_eq!(sound.recordings, 1);
}

/// The disk with the index is lost, and what was recorded lies in S3: the next start finds it there.
#[tokio::test]
async fn a_lost_index_is_told_again_of_what_lies_in_s3() {
    let bench = Bench::new();
    let handle = bench.start().await;
    bench.call(&handle).await;
    until(&handle, MOVED, 1.0).await;
    handle.stop().await;
    let before = bench.store().list(&Filter::default()).expect("listed");
    let near = Place::of(&bench.settings()).expect("a place").store;
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _gone = std::fs::rename(near.join(name), bench.place.path().join(name));
    }
    let handle = bench.start().await;
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while metric(&handle, "vaxel_recorder_index_incomplete", &[]) > 0.0 {
        look.tick().await;
    }
    let after = bench.store().list(&Filter::default()).expect("listed");
    let told = |row: &store::Row| (row.id.clone(), row.state, row.seconds, row.bytes);
    assert_eq!(
        before.iter().map(told).collect::<Vec<_>>(),
        after.iter().map(told).collect::<Vec<_>>()
    );
    let (left, _) = common::export(&bench.store(), &bench.place, &after[0].id);
    assert!(level(&left[left.len() - 2000..], 1000.0) > 7000.0);
    handle.stop().await;
}

#[tokio::test]
async fn what_s3_refuses_waits_and_is_heard_meanwhile() {
    for how in [Door::Shut, Door::Lying] {
        let bench = Bench::new();
        let handle = bench.start().await;
        bench.server.turn(how);
        bench.call(&handle).await;
        until(&handle, FAILED, 1.0).await;
        assert_eq!((bench.spooled(), metric(&handle, MOVED, &[])), (1, 0.0));
        assert!(metric(&handle, "vaxel_recorder_spool_bytes", &[]) > 4000.0);
        if how == Door::Lying {
            // Nobody asks S3 for what is still here, but for what else there might be.
            bench.server.turn(Door::Open);
            bench.is_heard();
        }
        bench.server.turn(Door::Open);
        until(&handle, MOVED, 1.0).await;
        assert_eq!(bench.spooled(), 0);
        bench.is_heard();
        handle.stop().await;
    }
}

#[tokio::test]
async fn slow_answers_cost_no_audio() {
    let bench = Bench::new();
    let handle = bench.start().await;
    bench.server.turn(Door::Slow);
    bench.call(&handle).await;
    bench.call(&handle).await;
    until(&handle, MOVED, 2.0).await;
    bench.server.turn(Door::Open);
    bench.is_heard();
    handle.stop().await;
}

#[tokio::test]
async fn what_waits_is_found_by_the_next_start() {
    let bench = Bench::new();
    let handle = bench.start().await;
    bench.server.turn(Door::Shut);
    bench.call(&handle).await;
    until(&handle, FAILED, 1.0).await;
    handle.stop().await;
    bench.server.turn(Door::Open);
    let again = bench.start().await;
    until(&again, MOVED, 1.0).await;
    bench.is_heard();
    again.stop().await;
}

#[tokio::test]
async fn a_full_spool_takes_no_more() {
    let bench = Bench::new();
    let handle = bench
        .start_with(|options| options.spool_bytes_max = 1000)
        .await;
    bench.server.turn(Door::Shut);
    bench.call(&handle).await;
    until(&handle, FAILED, 1.0).await;
    let refused = Client::new()
        .record(handle.sip_addr(), TransportKind::Tcp, &metadata(&tag()))
        .await;
    assert_eq!(refused.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert!((metric(&handle, "vaxel_recorder_refused_total", &["spool-full"]) - 1.0).abs() < 0.5);
    bench.server.turn(Door::Open);
    until(&handle, MOVED, 1.0).await;
    bench.call(&handle).await;
    handle.stop().await;
}

fn holds(folder: &Path, ending: &str) -> bool {
    let entries = std::fs::read_dir(folder).expect("readable").flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            holds(&path, ending)
        } else {
            path.extension().is_some_and(|found| found == ending)
        }
    })
}
