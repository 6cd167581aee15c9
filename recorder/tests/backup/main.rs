//! Backups: what was kept comes back whole, what was erased doesn't, and what can't be opened says so.

mod catalogue;
mod parts;
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
    backup::{self, BackupError, Created, From, Policy, Restored, Where},
    envelope::Identity,
    gallring,
    names::RecordingId,
    place::Place,
    store::{self, By},
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

    /// The newest, restored to a scratch place.
    fn tried(&self) -> Result<backup::Tried, BackupError> {
        let scratch = self.path("scratch");
        fs::create_dir_all(&scratch).expect("ours");
        backup::trial(
            (&self.bench.vault, &self.bench.index),
            None,
            std::slice::from_ref(&self.identity),
            &scratch,
            POLICY,
            &by(),
            now(),
        )
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
