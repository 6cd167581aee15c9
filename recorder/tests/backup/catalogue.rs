//! Which backups there are, which trial is due, and what goes when its time is over.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::SignedDuration;
use recorder::{
    access,
    backup::{self, BackupError, Catalogue, Policy},
    envelope::Identity,
    store::By,
};

use super::{
    Backups, POLICY, by, sound,
    stored::{REGION, now},
};

#[test]
fn a_trial_tells_what_comes_back_and_when_the_next_is_due() {
    let backups = Backups::of(2);
    let created = backups.create();
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let scratch = backups.path("scratch");
    let test = || backups.tried();
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
    let stranger = [Identity::generate().expect("random")];
    let refused = backup::trial(
        (vault, index),
        None,
        &stranger,
        &scratch,
        POLICY,
        &by(),
        now(),
    );
    assert!(matches!(refused, Err(BackupError::Envelope { .. })));
    let still = catalogue().tested.expect("one was tried");
    assert!(still.sound, "another's key says nothing of the backup");
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

/// Only whoever runs it can say that a disk won't come back.
#[test]
fn a_place_that_is_said_to_be_gone_for_good_is_forgotten() {
    let backups = Backups::of(2);
    let created = backups.create();
    let (vault, index) = (&backups.bench.vault, &backups.bench.index);
    let place = backups.path("backup");
    let lost = |place: &Path, purpose: &str| {
        let by = By {
            purpose: purpose.to_owned(),
            ..by()
        };
        Catalogue::give_up((vault, index), place, &by, now())
    };
    let there = lost(&place, "a fire");
    assert!(matches!(there, Err(BackupError::PlaceThere { .. })));
    fs::remove_dir_all(&place).expect("ours");
    let later = now() + SignedDuration::from_hours(24 * 36);
    assert!(Catalogue::prune(vault, later).is_err());
    assert!(matches!(lost(&place, " "), Err(BackupError::HowLost)));
    let elsewhere = lost(&backups.path("other"), "a fire");
    assert!(matches!(elsewhere, Err(BackupError::NothingThere { .. })));
    assert_eq!(
        lost(&place, "a fire").expect("forgotten"),
        [created.kept.name]
    );
    let catalogue = Catalogue::read(vault).expect("read");
    assert!(catalogue.backups.is_empty() && catalogue.keys.is_some());
    assert_eq!(
        Catalogue::prune(vault, later).expect("nothing"),
        Vec::<String>::new()
    );
    let mut said = Vec::new();
    let read = access::read(vault, REGION, |_, one| said.push((one.action, one.purpose)));
    read.expect("whole");
    let last = said.pop().expect("one");
    assert_eq!(last, ("backup-lost".to_owned(), "a fire".to_owned()));
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
