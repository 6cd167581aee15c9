//! The two parts of a backup, in two places: audio that never changes, and one key part that does.

use std::{fs, os::unix::fs::PermissionsExt};

use jiff::SignedDuration;
use recorder::{
    backup::{self, BackupError, Catalogue, Where},
    envelope::Identity,
    lost,
    store::{self, StoreError},
};

use super::{
    Backups, POLICY, by, sound,
    stored::{REGION, now},
};

/// As of several commands that end together: none may fail, and the last one has what none before it had.
#[test]
fn renewals_of_the_key_part_at_once_come_one_after_the_other() {
    let backups = Backups::of(3);
    backups.create();
    let place = backups.bench.vault.place().clone();
    std::thread::scope(|scope| {
        let renewals: Vec<_> = (0..8)
            .map(|_| {
                let place = place.clone();
                scope.spawn(move || {
                    let store = store::open_to_change_place(place).expect("opens");
                    let (vault, index) = store.parts();
                    let part = backup::refresh(vault, index, now()).expect("replaced");
                    part.expect("one").files
                })
            })
            .collect();
        for renewal in renewals {
            // Three data keys, and what is there whatever was recorded.
            assert_eq!(renewal.join().expect("ended"), 8);
        }
    });
}

#[test]
fn a_destroyed_key_is_gone_from_the_backups_when_the_key_part_is_replaced() {
    let backups = Backups::of(2);
    let created = backups.create();
    backups.erase_all();
    backups.refresh();
    let catalogue = Catalogue::read(&backups.bench.vault).expect("read");
    let part = catalogue.keys.expect("one");
    // Controller key, two of signing, two heads, register, and a month of access log: no data key.
    assert_eq!((part.register_lines, part.files), (2, 7));
    assert!(created.kept.audio.exists(), "the audio part is as it was");
}

#[test]
fn a_changed_part_is_refused_says_where_and_leaves_no_store_that_serves() {
    let backups = Backups::of(2);
    let created = backups.create();
    let from = backups.from(&created);
    let whole = fs::read(&from.audio).expect("there");
    for (number, at) in (0..whole.len()).step_by(whole.len() / 7).enumerate() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&from.audio, &changed).expect("ours");
        let to = format!("try-{number}");
        let refused = backups.restore(&from, &to).expect_err("changed");
        assert!(refused.to_string().contains(".audio.age"), "{refused}");
        if at == 0 {
            assert!(!backups.path(&to).exists(), "it is no backup at all");
            continue;
        }
        let unswept = backup::refuse_unswept(&backups.path(&to).join("store"));
        assert!(
            matches!(unswept, Err(BackupError::Unswept { .. })),
            "byte {at}"
        );
        let (half, keys) = (
            backups.path(&to).join("store"),
            backups.path(&to).join("keys"),
        );
        let opened = store::open_existing(&half, &keys);
        assert!(
            matches!(opened, Err(StoreError::Unswept(_))),
            "nor is it read"
        );
    }
    let [_, stranger] = [(); 2].map(|()| Identity::generate().expect("random"));
    fs::write(&from.audio, &whole).expect("ours");
    let place = backups.path("stranger");
    let refused = backup::restore(&from, &[stranger], &place, &by(), now());
    assert!(matches!(refused, Err(BackupError::Envelope { .. })));
    assert!(
        !place.exists(),
        "the right key finds the place as new as it was"
    );
}

#[test]
fn the_same_disk_is_refused_and_so_are_parts_in_one_place() {
    let backups = Backups::of(1);
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let create =
        |place: &Where| backup::create((vault, index), place, POLICY, &by(), now(), &mut || {});
    assert!(matches!(
        create(&backups.place(false)),
        Err(BackupError::SameVolume { .. })
    ));
    let inside = Where {
        keys: backups.path("backup/keys"),
        ..backups.place(true)
    };
    assert!(matches!(create(&inside), Err(BackupError::NotApart { .. })));
    let in_store = Where {
        audio: vault.store().join("backup"),
        ..backups.place(true)
    };
    assert!(matches!(
        create(&in_store),
        Err(BackupError::NotApart { .. })
    ));
    let nobody = Where {
        recipient: None,
        ..backups.place(true)
    };
    assert!(matches!(create(&nobody), Err(BackupError::NoRecipient)));
    backups.create();
    // Now it is known for whom; names are by the second.
    let later = now() + SignedDuration::from_secs(1);
    backup::create((vault, index), &nobody, POLICY, &by(), later, &mut || {}).expect("made");
}

#[test]
fn a_lost_key_does_not_replace_the_key_part() {
    let backups = Backups::of(2);
    let created = backups.create();
    let part = backups.from(&created).keys;
    let before = fs::read(&part).expect("there");
    let id = backups.bench.ids()[0];
    let key = backups.path("keys").join(format!("data/{id}.key"));
    fs::remove_file(&key).expect("ours");
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let refused = backup::refresh(vault, index, now());
    assert!(matches!(
        refused,
        Err(BackupError::KeysLost { count: 1, .. })
    ));
    assert_eq!(fs::read(&part).expect("there"), before);
    let restored = backups
        .restore(&backups.from(&created), "new")
        .expect("restored");
    assert!(restored.keys.join(format!("data/{id}.key")).exists());
}

/// It would be the end of all backups, and keys that were destroyed since would stay in the part.
#[test]
fn a_key_that_is_lost_for_good_ends_no_backups_once_it_is_said() {
    let backups = Backups::of(2);
    backups.create();
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let id = backups.bench.ids()[0];
    let lost = || lost::recording_key_lost(vault, index, &id.to_string(), &by(), now());
    assert!(lost().is_err_and(|error| error.to_string().contains("is there")));
    fs::remove_file(vault.keys().join(format!("data/{id}.key"))).expect("there");
    assert!(backup::refresh(vault, index, now()).is_err());
    assert_eq!(lost().expect("said"), id);
    backups.refresh();
    let later = now() + SignedDuration::from_hours(1);
    let created = backups.create_at(later).expect("made");
    assert_eq!((created.kept.recordings, created.wrong.len()), (1, 1));
    // What was said of it goes with it.
    backups.erase_all();
    let left = fs::read_dir(vault.keys().join("data"))
        .expect("there")
        .count();
    assert_eq!(left, 0);
}

/// Audio without a key part beside it would be taken for a backup.
#[test]
fn a_backup_whose_keys_cannot_be_written_is_not_left() {
    let backups = Backups::of(2);
    let id = backups.bench.ids()[0];
    let key = backups.path("keys").join(format!("data/{id}.key"));
    // Its file stays closed, so that only its key is missing when the second part is made.
    fs::remove_file(&key).expect("ours");
    let refused = backups.create_at(now());
    assert!(matches!(refused, Err(BackupError::KeysLost { .. })));
    let left = fs::read_dir(backups.path("backup")).expect("made").count();
    assert_eq!(left, 0);
    let catalogue = Catalogue::read(&backups.bench.vault).expect("read");
    assert!(catalogue.backups.is_empty());
}

/// Two would fill one store side by side, and the first that ended take the mark away under the other.
#[test]
fn of_restores_to_one_place_at_once_one_goes_on() {
    let backups = Backups::of(2);
    let created = backups.create();
    let from = backups.from(&created);
    let identities = std::slice::from_ref(&backups.identity);
    for round in 0..5 {
        let to = backups.path(&format!("new-{round}"));
        let all_here = std::sync::Barrier::new(4);
        let restore = || {
            all_here.wait();
            backup::restore(&from, identities, &to, &by(), now())
        };
        let restored: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4).map(|_| scope.spawn(restore)).collect();
            let ended = tries.into_iter().map(|one| one.join().expect("ended"));
            ended.collect()
        });
        let there = |one: &&Result<_, _>| matches!(one, Err(BackupError::There { .. }));
        assert_eq!(restored.iter().filter(there).count(), 3, "{restored:?}");
        let done: Vec<_> = restored.into_iter().flatten().collect();
        assert_eq!(done.iter().map(sound).collect::<Vec<_>>(), [2]);
    }
}

/// The key part may have the last copy of a key of a controller, and is replaced.
#[test]
fn the_key_part_stays_as_it_is_while_a_controllers_key_is_gone() {
    let backups = Backups::of(2);
    let created = backups.create();
    let from = backups.from(&created);
    let before = fs::read(&from.keys).expect("there");
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    fs::remove_file(vault.keys().join("controllers/region-23.key")).expect("there");
    let refused = backup::refresh(vault, index, now());
    assert!(
        matches!(refused, Err(BackupError::ControllersKeyLost { .. })),
        "{refused:?}"
    );
    assert!(
        backups
            .create_at(now() + SignedDuration::from_hours(1))
            .is_err()
    );
    assert_eq!(fs::read(&from.keys).ok(), Some(before));
    lost::key_lost(vault, index, REGION, &by(), now()).expect("said");
    backups.refresh();
}

/// A disk that breaks later may not take with it what a key opens that is found.
#[test]
fn what_is_under_a_lost_key_comes_back_as_it_lies_and_opens_when_the_key_turns_up() {
    let backups = Backups::of(2);
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let name = "controllers/region-23.key";
    let found = fs::read(vault.keys().join(name)).expect("there");
    fs::remove_file(vault.keys().join(name)).expect("there");
    lost::key_lost(vault, index, REGION, &by(), now()).expect("said");
    let created = backups.create();
    assert_eq!((created.kept.recordings, created.locked), (2, 2));
    assert_eq!(created.wrong, []);
    let tried = backups.tried().expect("tried");
    assert!(tried.tested.sound, "{:?}", tried.wrong);
    let restored = backups
        .restore(&backups.from(&created), "back")
        .expect("restored");
    let key = restored.keys.join(name);
    fs::write(&key, found).expect("ours");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("ours");
    assert_eq!(sound(&restored), 2);
}

/// Nor while the key is gone that signs what was erased and looked at. A store that comes back is checked over both keys.
#[test]
fn the_key_part_stays_as_it_is_while_the_signing_key_is_gone() {
    let backups = Backups::of(2);
    let from = backups.from(&backups.create());
    let before = fs::read(&from.keys).expect("there");
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    fs::remove_file(vault.keys().join("signing.key")).expect("there");
    let refused = backup::refresh(vault, index, now());
    assert!(
        matches!(refused, Err(BackupError::SigningKeyLost { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read(&from.keys).ok(), Some(before));
    let said = lost::signing_key_lost(vault, &by(), now()).expect("said");
    backups.refresh();
    let restored = backups.restore(&from, "across").expect("restored");
    let store = store::open_existing(&restored.store, &restored.keys).expect("opens");
    let whole = store.verify(|wrong| panic!("{wrong:?}")).expect("verified");
    assert_eq!((whole.recordings, whole.key_changes), (2, vec![said]));
    // And goes on from what was erased since.
    backups.erase_all();
    backups.refresh();
    let restored = backups.restore(&from, "erased").expect("restored");
    assert_eq!((restored.recordings, restored.erased_since), (0, 2));
}

/// Also of a key part that was made before keys had the mark of their store.
#[test]
fn keys_that_come_back_from_a_backup_are_the_stores() {
    for is_marked in [true, false] {
        let backups = Backups::of(2);
        let live = backups.bench.vault.place().clone();
        if is_marked {
            // As a recorder does that starts.
            for path in [live.keys.join("store.id"), live.store.join(".keys.id")] {
                fs::write(&path, "5e").expect("ours");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
            }
        }
        let restored = backups
            .restore(&backups.from(&backups.create()), "back")
            .expect("restored");
        assert_eq!(sound(&restored), 2, "marked: {is_marked}");
        fs::remove_dir_all(&live.keys).expect("ours");
        fs::rename(&restored.keys, &live.keys).expect("ours");
        let opened = store::open_to_change_place(live);
        assert!(opened.is_ok(), "marked: {is_marked}: {opened:?}");
        let mark = fs::read(restored.store.join(".keys.id")).ok();
        assert_eq!(mark.is_some(), is_marked);
    }
}
