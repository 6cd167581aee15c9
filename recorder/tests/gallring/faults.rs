//! Crashes, power cuts, lost indexes and what can't be removed: index, store and register agree again.

use std::{collections::BTreeSet, ops::ControlFlow};

use jiff::civil::date;
use recorder::{
    access, gallring,
    index::Mark,
    lost::{self, LostError},
    recover,
    store::By,
};

use super::{
    OTHER,
    stored::{Bench, REGION, now, scenario},
    with_other,
};

#[test]
fn what_a_killed_program_wrote_beside_a_key_or_who_spoke_goes_with_it() {
    let (bench, scenario) = (Bench::with(1), scenario());
    let id = bench.ids()[0];
    let halves = [
        bench.folder(id).join("meta.vax.new"),
        bench.vault.keys().join(format!("data/{id}.key.new")),
    ];
    for half in &halves {
        std::fs::write(half, "half").expect("ours");
    }
    assert_eq!(
        bench.run(&scenario, date(2021, 6, 1)).expect("ran").numbers,
        1
    );
    assert!(!halves[0].exists() && halves[1].exists());
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 1))
            .expect("ran")
            .recordings,
        1
    );
    assert!(!halves[1].exists());
}

/// Stops after every single step in turn, as a crash would, and goes on.
#[test]
fn a_crash_at_any_step_leaves_index_and_store_agreeing() {
    let scenario = with_other();
    let mut steps_seen = 0;
    for stop_at in 0.. {
        let bench = Bench::with(2);
        for call in 2..4 {
            bench.record(OTHER, call);
        }
        let ids = bench.ids();
        let mut steps = 0;
        let mut watch = |_| {
            steps += 1;
            if steps > stop_at {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let day = date(2025, 8, 1);
        let stopped = gallring::run(
            &bench.vault,
            &bench.index,
            &scenario,
            day,
            now(),
            &mut watch,
        );
        // What the recorder does when it starts.
        gallring::recover(&bench.vault, &bench.index, now()).expect("recovers");
        for id in &ids {
            bench.agrees(*id, &format!("stopped at step {stop_at}"));
        }
        // And the next run finishes.
        bench.run(&scenario, day).expect("runs");
        assert!(ids.iter().all(|id| !bench.agrees(*id, "in the end")));
        let objects: Vec<_> = bench
            .registered()
            .into_iter()
            .map(|line| (line.destroyed.object, line.destroyed.class))
            .collect();
        let once: BTreeSet<_> = objects.iter().cloned().collect();
        assert_eq!(once.len(), objects.len(), "each stands once");
        steps_seen = stop_at;
        if stopped.is_ok() {
            break;
        }
    }
    // Twice: mark, two keys, sync, two removals, register, forget.
    assert!(steps_seen >= 16, "{steps_seen}");
}

/// What a disk that was waited for has no more, a power cut may bring back; what nobody can open is no loss then.
#[test]
fn what_a_power_cut_brought_back_goes_with_the_next_start() {
    let (bench, scenario) = (Bench::with(1), scenario());
    let id = bench.ids()[0];
    let (folder, copy) = (bench.folder(id), bench.place.path().join("copy"));
    std::fs::create_dir(&copy).expect("ours");
    let files: Vec<_> = std::fs::read_dir(&folder)
        .expect("there")
        .map(|entry| entry.expect("read").file_name())
        .collect();
    // More than the beginning of a stream.
    std::fs::write(folder.join("1.vax"), [7; 4096]).expect("ours");
    for name in &files {
        std::fs::copy(folder.join(name), copy.join(name)).expect("ours");
    }
    let ran = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!(ran.recordings, 1);
    std::fs::rename(&copy, &folder).expect("back");
    let found = recover::recover(&bench.vault, &bench.index).expect("recovers");
    assert_eq!((found.removed, folder.exists()), (1, false));
}

/// One that the disk doesn't let go keeps no other, and isn't said to be erased before it is.
#[test]
fn what_cannot_be_removed_keeps_no_other() {
    let (bench, scenario) = (Bench::with(5), scenario());
    let [key, folder] = [0, 1].map(|at| bench.ids()[at]);
    // Nobody removes a folder as a file, nor renames one over what isn't a folder.
    let path = bench.vault.keys().join(format!("data/{key}.key"));
    let kept = path.with_extension("kept");
    std::fs::rename(&path, &kept).expect("ours");
    std::fs::create_dir(&path).expect("ours");
    let name = folder.to_string();
    let gone = bench.vault.store().join(".gone");
    let in_the_way = gone.join(&name[..2]);
    std::fs::create_dir(&gone).expect("ours");
    std::fs::write(&in_the_way, "x").expect("ours");
    let run = |bench: &Bench| bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    for again in [0, 1] {
        let ran = run(&bench);
        assert_eq!(
            (ran.recordings, ran.refused, ran.register_lines),
            (if again == 0 { 4 } else { 0 }, 2, 3),
            "{again}"
        );
        assert_eq!(gallring::refused(&bench.vault), 2);
    }
    assert!(bench.index.get(key).is_ok(), "nothing of it is gone");
    assert_eq!(bench.ids(), [key]);
    std::fs::remove_dir(&path).expect("ours");
    std::fs::rename(&kept, &path).expect("ours");
    std::fs::remove_file(&in_the_way).expect("ours");
    let ran = run(&bench);
    assert_eq!((ran.finished, ran.recordings, ran.refused), (1, 1, 0));
    assert_eq!(
        (ran.register_lines, gallring::refused(&bench.vault)),
        (5, 0)
    );
    assert!(
        [key, folder]
            .iter()
            .all(|id| !bench.agrees(*id, "in the end"))
    );
}

/// The register has each once, whatever index there is.
#[test]
fn what_was_erased_is_not_erased_again_under_a_new_index() {
    let (bench, scenario) = (Bench::with(3), scenario());
    let day = date(2021, 6, 1);
    assert_eq!(bench.run(&scenario, day).expect("ran").numbers, 3);
    // Of this one the key is lost, and only who spoke was erased.
    let lost = bench.ids()[0];
    std::fs::write(bench.folder(lost).join("1.vax"), [7; 4096]).expect("ours");
    std::fs::remove_file(bench.vault.keys().join(format!("data/{lost}.key"))).expect("ours");
    let bench = bench.with_new_index();
    assert_eq!(bench.ids().len(), 2);
    assert!(bench.folder(lost).exists());
    assert_eq!(bench.plan(&scenario, day).due, 0);
    let again = bench.run(&scenario, day).expect("ran");
    assert_eq!((again.numbers, again.register_lines), (0, 3));
}

/// A disk of keys that can't be read tells nothing of what was destroyed.
#[test]
fn a_key_that_cannot_be_looked_for_is_not_gone() {
    let bench = Bench::with(1);
    let id = bench.ids()[0];
    let marked = bench
        .index
        .mark(Mark::Recording, &[id], "2025-08-01 RS/903/2025");
    assert_eq!(marked.expect("marked"), [id]);
    let key = bench.vault.keys().join(format!("data/{id}.key"));
    let (kept, beside) = (key.with_extension("kept"), key.with_extension("loop"));
    std::fs::rename(&key, &kept).expect("ours");
    // Who looks here gets an error that isn't "nothing there".
    std::os::unix::fs::symlink(&beside, &key).expect("ours");
    std::os::unix::fs::symlink(&key, &beside).expect("ours");
    gallring::recover(&bench.vault, &bench.index, now()).expect("recovers");
    std::fs::rename(&kept, &key).expect("ours");
    assert!(bench.agrees(id, "the disk is back"));
}

/// Nor is one that isn't there with its controller's: then it is the disk that isn't there, and it comes back.
#[test]
fn a_key_that_is_gone_with_its_disk_was_not_destroyed() {
    let (bench, scenario) = (Bench::with(2), scenario());
    let nothing_yet = bench.run(&scenario, date(2020, 1, 1)).expect("ran");
    assert_eq!(nothing_yet.register_lines, 0);
    let id = bench.ids()[0];
    let marked = bench
        .index
        .mark(Mark::Recording, &[id], "2025-08-01 RS/903/2025");
    assert_eq!(marked.expect("marked"), [id]);
    let (keys, disk) = (bench.vault.keys(), bench.place.path().join("disk"));
    std::fs::rename(keys, &disk).expect("ours");
    std::fs::create_dir_all(keys.join("data")).expect("ours");
    std::fs::create_dir(keys.join("controllers")).expect("ours");
    assert!(gallring::recover(&bench.vault, &bench.index, now()).is_err());
    assert!(bench.run(&scenario, date(2025, 8, 1)).is_err());
    std::fs::remove_dir_all(keys).expect("ours");
    std::fs::rename(&disk, keys).expect("back");
    gallring::recover(&bench.vault, &bench.index, now()).expect("recovers");
    for id in bench.ids() {
        assert!(bench.agrees(id, "the disk is mounted"));
    }
    assert_eq!(bench.ids().len(), 2);
}

/// A controller's key that is lost for good, after a run that was killed between a recording's key and the index: nobody but the
/// operator can say that it isn't the disk.
#[test]
fn what_has_no_key_goes_once_its_controllers_is_said_to_be_lost() {
    let (bench, scenario) = (Bench::with(2), scenario());
    bench.record(OTHER, 2);
    let [begun, whole] = bench.of(REGION);
    let marked = bench
        .index
        .mark(Mark::Recording, &[begun], "2025-08-01 RS/903/2025");
    assert_eq!(marked.expect("marked"), [begun]);
    let keys = bench.vault.keys();
    std::fs::remove_file(keys.join(format!("data/{begun}.key"))).expect("there");
    let key = keys.join(format!("controllers/{REGION}.key"));
    let by = |purpose: &str| By {
        who: "ana".into(),
        purpose: purpose.into(),
    };
    let lost = |controller, purpose| {
        let by = by(purpose);
        lost::key_lost(&bench.vault, &bench.index, controller, &by, now())
    };
    let refused = lost(REGION, "a fire").expect_err("it is there");
    assert!(refused.to_string().contains("is there"), "{refused}");
    std::fs::remove_file(key).expect("there");
    let before = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!((before.recordings, before.refused), (1, 1));
    assert!(bench.index.get(begun).is_ok() && bench.index.get(whole).is_err());
    assert!(matches!(
        lost("region-09", "a fire"),
        Err(LostError::Nobody(_))
    ));
    assert!(matches!(lost(REGION, " "), Err(LostError::Reason)));
    lost(REGION, "a fire").expect("written down");
    let after = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!((after.recordings, after.refused), (1, 0));
    assert!(!bench.agrees(begun, "it is lost"));
    let mut said = Vec::new();
    let read = access::read(&bench.vault, REGION, |_, access| said.push(access.action));
    read.expect("whole");
    assert_eq!(said, ["key-lost"]);
}
