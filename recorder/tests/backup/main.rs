//! Backups: what was kept comes back whole, what was erased doesn't, and what can't be opened says so.

mod since;
#[path = "../stored/mod.rs"]
mod stored;

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use callcore::retention::Period;
use jiff::{SignedDuration, Timestamp, civil::date};
use recorder::{
    access,
    backup::{self, BackupError, Catalogue, Created, From, Policy, Restored, Where},
    envelope::Identity,
    gallring,
    names::RecordingId,
    place::Place,
    store::{self, By, StoreError},
};
use stored::{Bench, REGION, now, scenario};

const POLICY: Policy = Policy {
    lifetime: Some(Period::Days(35)),
    restore_test: Some(Period::Months(6)),
};

fn by() -> By {
    By {
        who: "anna".into(),
        purpose: "nightly".into(),
    }
}

/// A filled store, a place for its backups, and the key they are sealed for.
struct Backups {
    bench: Bench,
    identity: Identity,
}

impl Backups {
    fn of(recordings: u64) -> Self {
        Self {
            bench: Bench::with(recordings),
            identity: Identity::generate().expect("random"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.place.path().join(name)
    }

    fn place(&self, force: bool) -> Where {
        Where {
            audio: self.path("backup"),
            keys: self.path("backup-keys"),
            recipient: Some(self.identity.recipient()),
            force,
        }
    }

    fn create_at(&self, at: Timestamp) -> Result<Created, BackupError> {
        let (vault, index) = (&self.bench.vault, &self.bench.index);
        backup::create(
            (vault, index),
            &self.place(true),
            POLICY,
            &by(),
            at,
            &mut || {},
        )
    }

    fn create(&self) -> Created {
        self.create_at(now()).expect("made")
    }

    fn restore(&self, from: &From, to: &str) -> Result<Restored, BackupError> {
        let identities = std::slice::from_ref(&self.identity);
        backup::restore(from, identities, &self.path(to), &by(), now())
    }

    fn from(&self, created: &Created) -> From {
        From {
            audio: created.kept.audio.clone(),
            keys: self.path("backup-keys").join(backup::KEY_PART),
            register: None,
        }
    }

    fn erase_all(&self) {
        let (vault, index) = (&self.bench.vault, &self.bench.index);
        let mut watch = |_| ControlFlow::Continue(());
        let day = date(2025, 8, 1);
        let report = gallring::run(vault, index, &scenario(), day, now(), &mut watch);
        assert!(report.expect("ran").recordings > 0);
    }

    fn refresh(&self) {
        let (vault, index) = (&self.bench.vault, &self.bench.index);
        let part = backup::refresh(vault, index, now()).expect("replaced");
        assert!(part.is_some());
    }
}

/// What a store says of itself, read through to its end.
fn sound(restored: &Restored) -> u64 {
    let store = store::open_existing(&restored.store, &restored.keys).expect("opens");
    let sound = store.verify(|wrong| panic!("{wrong:?}")).expect("read");
    sound.recordings
}

fn copy_of(path: &Path, to: &Path) -> PathBuf {
    fs::copy(path, to).expect("ours");
    to.to_owned()
}

#[test]
fn everything_comes_back_as_it_was() {
    let backups = Backups::of(3);
    let (bench, id) = (&backups.bench, backups.bench.ids()[0]);
    assert!(
        bench
            .index
            .hold(id, "a dispute", "anna", now())
            .expect("held")
    );
    let other = bench.ids()[1];
    bench.index.handed_over(&[other], "receipt").expect("noted");
    let created = backups.create();
    assert_eq!((created.kept.recordings, created.wrong.len()), (3, 0));
    assert_eq!(created.kept.expires, "2026-02-19");
    let restored = backups
        .restore(&backups.from(&created), "new")
        .expect("restored");
    // Two streams, who spoke, and the tag.
    assert_eq!((restored.recordings, restored.files), (3, 12));
    assert_eq!(sound(&restored), 3);
    let store = store::open_to_change(&restored.store, &restored.keys).expect("opens");
    let (vault, index) = store.parts();
    for id in bench.ids() {
        let entry = index.get(id).expect("there");
        assert_eq!(entry, bench.index.get(id).expect("there"));
        let meta = vault.unlock(id, &entry.tag).expect("opens").meta();
        assert_eq!(
            meta.expect("readable").expect("kept").parties[0].address,
            stored::CALLER
        );
    }
    assert_eq!(
        index.holds().expect("read"),
        bench.index.holds().expect("read")
    );
    assert_eq!(
        index.alike().expect("read"),
        bench.index.alike().expect("read")
    );
    assert!(
        access::verify(vault).expect("whole")[0].lines >= 2,
        "backup and restore"
    );
    assert!(backup::refuse_unswept(&restored.store).is_ok());
}

#[test]
fn what_was_erased_since_does_not_come_back() {
    let backups = Backups::of(3);
    let created = backups.create();
    let from = backups.from(&created);
    let old_keys = copy_of(&from.keys, &backups.path("old-keys.age"));
    let ids = backups.bench.ids();
    backups.erase_all();
    let later = backups.bench.record(REGION, 9);
    backups.refresh();

    // The replaced key part has neither the keys nor what they opened.
    let restored = backups.restore(&from, "new").expect("restored");
    assert_eq!((restored.recordings, restored.erased_since), (0, 3));
    // A key part that somebody put aside has the keys: the live store's register keeps them away.
    let aside = From {
        keys: old_keys.clone(),
        register: Some(backups.bench.vault.store().join(gallring::REGISTER)),
        ..from.clone()
    };
    let restored_aside = backups.restore(&aside, "aside").expect("restored");
    assert_eq!(
        (restored_aside.recordings, restored_aside.erased_since),
        (0, 3)
    );
    for back in [&restored, &restored_aside] {
        for id in &ids {
            assert_no_trace(back, *id);
        }
    }
    // Without any register that knows, it comes back: so the key part is replaced, and old ones are not kept.
    let forgetful = From {
        keys: old_keys,
        ..from
    };
    let restored = backups.restore(&forgetful, "forgetful").expect("restored");
    assert_eq!(restored.recordings, 3);
    // What was recorded since is in none of them.
    assert!(!restored.keys.join(format!("data/{later}.key")).exists());
}

fn assert_no_trace(restored: &Restored, id: RecordingId) {
    let name = id.to_string();
    let mut folders = vec![restored.store.clone(), restored.keys.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("there") {
            let path = entry.expect("there").path();
            let file = path
                .file_name()
                .and_then(|file| file.to_str())
                .expect("text");
            assert!(!file.starts_with(&name), "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    let store = store::open_existing(&restored.store, &restored.keys).expect("opens");
    assert!(store.parts().1.get(id).is_err());
}

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
fn numbers_erased_since_stay_away_and_the_audio_comes_back() {
    let backups = Backups::of(2);
    let created = backups.create();
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let mut watch = |_| ControlFlow::Continue(());
    // The decision of 2021: numbers only.
    let day = date(2021, 6, 1);
    let report = gallring::run(vault, index, &scenario(), day, now(), &mut watch).expect("ran");
    assert_eq!((report.recordings, report.numbers), (0, 2));
    backups.refresh();
    let restored = backups
        .restore(&backups.from(&created), "new")
        .expect("restored");
    assert_eq!((restored.recordings, restored.numbers_erased_since), (2, 2));
    let store = store::open_existing(&restored.store, &restored.keys).expect("opens");
    for id in backups.bench.ids() {
        let (vault, index) = store.parts();
        let tag = index.get(id).expect("there").tag;
        let recording = vault.unlock(id, &tag).expect("its audio opens");
        assert_eq!(recording.meta().expect("readable"), None);
    }
    assert_eq!(sound(&restored), 2);
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

#[test]
fn a_trial_tells_what_comes_back_and_when_the_next_is_due() {
    let backups = Backups::of(2);
    let created = backups.create();
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let identities = std::slice::from_ref(&backups.identity);
    let scratch = backups.path("scratch");
    fs::create_dir(&scratch).expect("ours");
    let test = || {
        backup::trial(
            (vault, index),
            None,
            identities,
            &scratch,
            POLICY,
            &by(),
            now(),
        )
    };
    let due =
        |catalogue: Catalogue, at: &str| catalogue.test_due(POLICY, at.parse().expect("a moment"));
    let catalogue = || Catalogue::read(vault).expect("read");
    assert!(due(catalogue(), "2026-01-15T12:00:00Z"), "none was made");
    let tried = test().expect("tried");
    assert!(tried.tested.sound, "{:?}", tried.wrong);
    assert_eq!(tried.tested.next, "2026-07-15");
    assert_eq!(tried.restored.expect("came back").recordings, 2);
    assert!(!due(catalogue(), "2026-07-14T12:00:00Z") && due(catalogue(), "2026-07-15T12:00:00Z"));
    assert_eq!(
        fs::read_dir(&scratch).expect("there").count(),
        0,
        "no key is left"
    );
    let mut bytes = fs::read(&created.kept.audio).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&created.kept.audio, bytes).expect("ours");
    let tried = test().expect("tried");
    assert!(!tried.tested.sound && tried.wrong.len() == 1);
    assert!(due(catalogue(), "2026-01-16T12:00:00Z"), "it failed");
    assert_eq!(
        fs::read_dir(&scratch).expect("there").count(),
        0,
        "no key is left"
    );
}

#[test]
fn a_backup_whose_time_is_over_is_told_of_and_removed() {
    let backups = Backups::of(1);
    let first = backups.create();
    let later = now() + SignedDuration::from_hours(24 * 10);
    let second = backups.create_at(later).expect("made");
    let vault = &backups.bench.vault;
    let at = |days: i64| now() + SignedDuration::from_hours(24 * days);
    let expired = |days| {
        Catalogue::read(vault)
            .expect("read")
            .expired(at(days))
            .count()
    };
    assert_eq!((expired(34), expired(35), expired(45)), (0, 1, 2));
    // Its disk isn't mounted: it is there all the same.
    let (place, elsewhere) = (backups.place(true).audio, backups.path("elsewhere"));
    fs::rename(&place, &elsewhere).expect("ours");
    let away = Catalogue::prune(vault, at(35));
    assert!(matches!(away, Err(BackupError::File { .. })), "{away:?}");
    fs::rename(&elsewhere, &place).expect("ours");
    assert_eq!(
        Catalogue::prune(vault, at(35)).expect("removed"),
        [first.kept.name]
    );
    assert!(!first.kept.audio.exists() && second.kept.audio.exists());
    assert_eq!(
        Catalogue::prune(vault, at(35)).expect("removed"),
        Vec::<String>::new()
    );
}

#[test]
fn nothing_in_a_backup_is_readable() {
    let backups = Backups::of(1);
    let created = backups.create();
    let keys = fs::read(
        backups
            .path("keys/controllers")
            .join(format!("{REGION}.key")),
    )
    .expect("there");
    for part in [&created.kept.audio, &backups.from(&created).keys] {
        let bytes = fs::read(part).expect("there");
        for secret in [REGION.as_bytes(), stored::CALLER.as_bytes(), &keys] {
            assert!(
                !bytes.windows(secret.len()).any(|window| window == secret),
                "{part:?}"
            );
        }
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(part).expect("there").permissions().mode() & 0o777,
            0o600
        );
    }
}

/// A backup takes hours: what others did to the catalogue meanwhile stays done.
#[test]
fn a_backup_that_is_removed_while_the_next_is_made_stays_removed() {
    let backups = Backups::of(1);
    let first = backups.create();
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let later = now() + SignedDuration::from_hours(24 * 36);
    let mut each = || {
        let gone = Catalogue::prune(vault, later).expect("removed");
        assert_eq!(gone, std::slice::from_ref(&first.kept.name));
    };
    let place = backups.place(true);
    let second = backup::create((vault, index), &place, POLICY, &by(), later, &mut each);
    let second = second.expect("made").kept;
    assert!(second.audio.exists());
    assert_eq!(Catalogue::read(vault).expect("read").backups, [second]);
}

#[test]
fn two_backups_in_one_second_leave_the_first_whole() {
    let backups = Backups::of(1);
    let created = backups.create();
    assert!(matches!(
        backups.create_at(now()),
        Err(BackupError::Made { .. })
    ));
    let restored = backups
        .restore(&backups.from(&created), "back")
        .expect("restored");
    assert_eq!(sound(&restored), 1);
}

/// Killed, a trial leaves keys in its scratch place, and a backup half a file that no list has.
#[test]
fn what_a_killed_backup_or_trial_left_is_removed_by_the_next_gallring() {
    let backups = Backups::of(1);
    let created = backups.create();
    let vault = &backups.bench.vault;
    let [half, scratch, busy] =
        ["backup/half.age", "scratch", "busy"].map(|name| backups.path(name));
    fs::write(&half, "half").expect("ours");
    for path in [&scratch, &busy] {
        fs::create_dir_all(path.join("keys")).expect("ours");
    }
    let working = fs::File::open(&busy).expect("there");
    working.lock().expect("free");
    let mut catalogue = Catalogue::read(vault).expect("read");
    assert_eq!(catalogue.unfinished, Vec::<PathBuf>::new());
    catalogue.unfinished = vec![half.clone(), scratch.clone(), busy.clone()];
    let text = serde_json::to_vec(&catalogue).expect("JSON");
    fs::write(vault.store().join(".backups.json"), text).expect("ours");
    backups.erase_all();
    backups.refresh();
    assert!(!half.exists() && !scratch.exists() && busy.exists());
    assert_eq!(Catalogue::read(vault).expect("read").unfinished, [busy]);
    assert!(created.kept.audio.exists());
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

#[test]
fn a_register_that_was_named_and_is_not_there_is_no_register() {
    let backups = Backups::of(1);
    let created = backups.create();
    let misspelt = From {
        register: Some(backups.path("store/destroyed.ledgre")),
        ..backups.from(&created)
    };
    let refused = backups.restore(&misspelt, "new");
    assert!(matches!(refused, Err(BackupError::File { .. })));
    let unswept = backup::refuse_unswept(&backups.path("new/store"));
    assert!(unswept.is_err(), "nothing that serves");
}

#[test]
fn nothing_is_restored_or_tried_within_the_store() {
    let backups = Backups::of(1);
    backups.create();
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let live = Place::folders(vault.store(), vault.keys());
    for inside in ["store/new", "keys", "store"] {
        let refused = backup::refuse_inside(&live, &backups.path(inside));
        assert!(
            matches!(refused, Err(BackupError::InsideStore { .. })),
            "{inside}"
        );
    }
    assert!(backup::refuse_inside(&live, &backups.path("new")).is_ok());
    let identities = std::slice::from_ref(&backups.identity);
    let parts = (vault, index);
    let tried = backup::trial(parts, None, identities, vault.store(), POLICY, &by(), now());
    assert!(matches!(tried, Err(BackupError::InsideStore { .. })));
}

#[test]
fn that_there_is_no_backup_or_no_key_part_is_told() {
    let backups = Backups::of(1);
    let vault = &backups.bench.vault;
    let catalogue = || Catalogue::read(vault).expect("read");
    assert!(catalogue().is_due(POLICY) && !catalogue().is_due(Policy::default()));
    assert!(!catalogue().lacks_keys());
    let created = backups.create();
    assert!(!catalogue().is_due(POLICY) && !catalogue().lacks_keys());
    fs::remove_file(backups.from(&created).keys).expect("ours");
    assert!(catalogue().lacks_keys());
}

/// Whoever names another recipient gets all there is, and from then on.
#[test]
fn that_somebody_else_opens_the_backups_is_told_and_written_down() {
    let backups = Backups::of(1);
    let first = backups.create();
    assert_eq!(first.until_now_for, None);
    let other = Identity::generate().expect("random").recipient();
    let place = Where {
        recipient: Some(other),
        ..backups.place(true)
    };
    let parts = (&backups.bench.vault, &backups.bench.index);
    let later = now() + SignedDuration::from_secs(1);
    let second = backup::create(parts, &place, POLICY, &by(), later, &mut || {}).expect("made");
    assert_eq!(second.sealed_for, other.to_string());
    assert_eq!(second.until_now_for, Some(first.sealed_for));
    let mut objects = Vec::new();
    access::read(parts.0, REGION, |_, access| {
        if access.action == "backup-recipient" {
            objects.push(access.object);
        }
    })
    .expect("read");
    assert_eq!(objects, [other.to_string()]);
}

#[test]
fn a_restore_is_in_the_access_log_of_the_store_that_is_there() {
    let backups = Backups::of(1);
    let created = backups.create();
    let parts = (&backups.bench.vault, &backups.bench.index);
    backup::log_restore(parts, &backups.from(&created), &by(), now()).expect("written");
    let mut actions = Vec::new();
    access::read(parts.0, REGION, |_, access| actions.push(access.action)).expect("read");
    assert_eq!(actions, ["backup", "restore"]);
}
