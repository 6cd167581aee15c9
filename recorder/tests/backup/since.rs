//! What happened after a backup was made, and what only seems to have.

use std::{fs, ops::ControlFlow};

use jiff::civil::date;
use recorder::{access, backup::From, gallring, index::Mark, store};
use sha2::{Digest, Sha256};

use super::{Backups, by, now, scenario, stored::REGION};

/// What must stay for a dispute would be erased by the first gallring after a restore.
#[test]
fn a_hold_placed_since_comes_back_and_one_released_since_does_no_harm() {
    let backups = Backups::of(3);
    let bench = &backups.bench;
    let [first, second, third] = [0, 1, 2].map(|at| bench.ids()[at].to_string());
    let live = || store::open_to_change_place(bench.vault.place().clone()).expect("opens");
    live().hold(&third, &by()).expect("held");
    let created = backups.create();
    live().hold(&first, &by()).expect("held");
    live().hold(&second, &by()).expect("held");
    live().release(&second, &by()).expect("released");
    backups.refresh();
    let restored = backups
        .restore(&backups.from(&created), "new")
        .expect("restored");
    let store = store::open_to_change(&restored.store, &restored.keys).expect("opens");
    let mut held: Vec<_> = store.holds().expect("read");
    held.retain(|hold| hold.released.is_empty());
    let mut ids: Vec<_> = held.iter().map(|hold| hold.id.clone()).collect();
    ids.sort();
    let mut expected = [first, third];
    expected.sort();
    assert_eq!(ids, expected);
    assert!(held.iter().all(|hold| hold.reason == by().purpose));
}

/// Whoever can write in the store could keep recordings from ever coming back.
#[test]
fn an_erasure_that_nobody_signed_keeps_nothing_away() {
    let backups = Backups::of(2);
    let created = backups.create();
    let entry = serde_json::json!({
        "object": backups.bench.ids()[0].to_string(),
        "controller": REGION,
        "class": "audio",
        "month": "2022-11",
        "earliest": "2024-11-01",
        "latest": "",
        "decision": "RS/1/2022",
        "judged": "2025-01-01",
        "bytes": 1,
        "key_destroyed": true,
    });
    let line = serde_json::json!({
        "seq": 1,
        "prev": recorder::ledger::GENESIS,
        "at": now().to_string(),
        "entry": entry,
    })
    .to_string();
    let hash = Sha256::digest(line.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let register = backups.path("forged.log");
    fs::write(&register, format!("{line}\t{hash}\n")).expect("ours");
    let from = From {
        register: Some(register),
        ..backups.from(&created)
    };
    let restored = backups.restore(&from, "new").expect("restored");
    assert_eq!((restored.recordings, restored.erased_since), (2, 0));
}

/// Nor is what must stay let go by whoever can write in the store.
#[test]
fn a_release_that_nobody_signed_releases_nothing() {
    let backups = Backups::of(1);
    let (bench, created) = (&backups.bench, backups.create());
    let id = bench.ids()[0].to_string();
    let live = store::open_to_change_place(bench.vault.place().clone()).expect("opens");
    live.hold(&id, &by()).expect("held");
    let folder = bench.vault.store().join(".access").join(REGION);
    for log in fs::read_dir(folder).expect("there") {
        let log = log.expect("there").path();
        let text = fs::read_to_string(&log).expect("text");
        let last = text.trim_end().rsplit('\n').next().expect("lines");
        let parts: Vec<&str> = last.split('\t').collect();
        let seq: serde_json::Value = serde_json::from_str(parts[0]).expect("JSON");
        let line = serde_json::json!({
            "seq": seq["seq"].as_u64().expect("a number") + 1,
            "prev": parts[1],
            "at": "2099-01-01T00:00:00Z",
            "entry": { "who": "anna", "controller": REGION, "action": "release", "object": id, "purpose": "settled" },
        });
        let line = line.to_string();
        let hash = Sha256::digest(line.as_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(&log, format!("{text}{line}\t{hash}\n")).expect("ours");
    }
    let mut said = Vec::new();
    let read = access::read(&bench.vault, REGION, |_, one| said.push(one.action));
    read.expect("read");
    assert!(!said.contains(&"release".to_owned()), "{said:?}");
    backups.refresh();
    let restored = backups
        .restore(&backups.from(&created), "new")
        .expect("restored");
    let store = store::open_to_change(&restored.store, &restored.keys).expect("opens");
    let held = store.holds().expect("read");
    assert_eq!(held.iter().map(|hold| &*hold.id).collect::<Vec<_>>(), [id]);
}

/// Of one the register knows; the other never had any.
#[test]
fn numbers_that_were_gone_before_a_backup_are_gone_in_what_is_restored() {
    let backups = Backups::of(2);
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let [without, _] = backups.bench.ids()[..] else {
        panic!("two")
    };
    fs::remove_file(backups.bench.folder(without).join("meta.vax")).expect("ours");
    index.forget(Mark::Numbers, &[without]).expect("written");
    let mut watch = |_| ControlFlow::Continue(());
    let day = date(2021, 6, 1);
    let report = gallring::run(vault, index, &scenario(), day, now(), &mut watch).expect("ran");
    assert_eq!(report.numbers, 1);
    let created = backups.create();
    let restored = backups
        .restore(&backups.from(&created), "new")
        .expect("restored");
    assert_eq!((restored.recordings, restored.numbers_erased_since), (2, 0));
    let store = store::open_existing(&restored.store, &restored.keys).expect("opens");
    let (_, index) = store.parts();
    assert_eq!(index.numbers_alike().expect("read"), []);
}
