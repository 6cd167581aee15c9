//! What a signing key that is lost must leave checkable, and who may not pretend that one was.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::*;
use crate::{gallring::GallringError, index::Index, names::RecordingId, vault::test_tag};

const CONTROLLERS: [&str; 2] = ["region-01", "region-14"];

struct Bench {
    place: tempfile::TempDir,
    vault: Vault,
}

fn shown(controller: &str) -> Access {
    Access {
        who: "ana".into(),
        controller: controller.into(),
        action: "show".into(),
        object: "00".into(),
        purpose: "a complaint".into(),
    }
}

fn by() -> By {
    By {
        who: "ana".into(),
        purpose: "the disk burnt".into(),
    }
}

/// An erasure as the register has it.
fn erased(object: &str) -> serde_json::Value {
    json!({ "object": object, "controller": "region-01", "class": "audio", "month": "2020-01", "earliest": "2023-01-01",
        "latest": "", "decision": "RS/1", "judged": "2023-02-01", "bytes": 1, "key_destroyed": true })
}

impl Bench {
    /// A store with access logs of two controllers and a register.
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let [store, keys] = ["store", "keys"].map(|name| place.path().join(name));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let id = RecordingId::random().expect("random");
        let begun = vault.begin(id, &test_tag(CONTROLLERS[0]));
        begun.expect("with keys of its own");
        let bench = Self { place, vault };
        bench.access().expect("logged");
        bench.register("01").expect("registered");
        bench
    }

    fn index(&self) -> Index {
        Index::open(&self.vault).expect("opens")
    }

    fn access(&self) -> Result<(), LedgerError> {
        CONTROLLERS
            .iter()
            .try_for_each(|one| access::write(&self.vault, Timestamp::now(), &[shown(one)]))
    }

    fn register(&self, object: &str) -> Result<(), LedgerError> {
        let signer = Signer::of(&self.vault)?;
        self.register_by(&signer, object)
    }

    fn register_by(&self, signer: &Signer, object: &str) -> Result<(), LedgerError> {
        let (store, keys) = (self.vault.store(), self.vault.keys());
        Ledger::open(store, keys, REGISTER, GENESIS)?.add(
            signer,
            Timestamp::now(),
            &[erased(object)],
        )
    }

    fn key(&self, name: &str) -> PathBuf {
        self.vault.keys().join(name)
    }

    /// Away with the key, to where it may be found.
    fn lose(&self, names: &[&str]) {
        for name in names {
            fs::rename(self.key(name), self.place.path().join(name)).expect("there");
        }
    }

    fn say(&self) -> Result<KeyChange, LostError> {
        signing_key_lost(&self.vault, &by(), Timestamp::now())
    }

    /// Objects that the register says were erased, and how many changes of its key it is checked over.
    fn registered(&self) -> Result<(Vec<String>, usize), GallringError> {
        let mut found = Vec::new();
        let verified =
            gallring::register(&self.vault, true, |line| found.push(line.destroyed.object))?;
        Ok((found, verified.expect("there").key_changes.len()))
    }

    fn is_sound(&self) -> Result<(), GallringError> {
        access::verify(&self.vault)?;
        self.registered().map(drop)
    }

    fn edit(&self, name: &str, edit: impl FnOnce(String) -> String) {
        let path = self.vault.store().join(name);
        let text = fs::read_to_string(&path).expect("there");
        fs::write(path, edit(text)).expect("ours");
    }
}

#[test]
fn ledgers_go_on_under_another_key_and_are_checked_over_both() {
    let bench = Bench::new();
    let public = fs::read_to_string(bench.key("signing.pub")).expect("there");
    assert!(matches!(
        bench.say(),
        Err(LostError::SigningKeyThere { .. })
    ));
    bench.lose(&["signing.key"]);
    let stuck = bench.access().expect_err("no key");
    assert!(stuck.to_string().contains("--signing-key"), "{stuck}");
    let started = crate::lost::note_found(&bench.vault, &bench.index(), Timestamp::now());
    assert!(matches!(
        started,
        Err(LostError::Ledger(LedgerError::KeyLost { .. }))
    ));
    let change = bench.say().expect("said");
    assert_eq!(change.before, public.trim());
    bench.access().expect("logged again");
    bench.register("02").expect("registered again");
    assert_eq!(
        bench.registered().expect("whole"),
        (vec!["01".into(), "02".into()], 1)
    );
    let logs = access::verify(&bench.vault).expect("whole");
    assert!(
        logs.iter()
            .all(|log| (log.lines, log.signatures, log.key_changes.len()) == (3, 3, 1))
    );
    let mut said = Vec::new();
    let read = access::read(&bench.vault, CONTROLLERS[1], |_, one| {
        said.push((one.action, one.purpose));
    });
    read.expect("whole");
    assert_eq!(said[1], ("key-lost".into(), "the disk burnt".into()));
    // A second loss is another.
    bench.lose(&["signing.2.key"]);
    bench.say().expect("said");
    bench.access().expect("logged again");
    bench.register("03").expect("registered again");
    assert_eq!(bench.registered().expect("whole").1, 2);
    bench.is_sound().expect("whole");
}

#[test]
fn a_public_key_that_is_lost_with_it_is_known_beside_the_ledgers() {
    for is_beside in [true, false] {
        let bench = Bench::new();
        if is_beside {
            keep_beside(&bench.vault).expect("kept");
        }
        bench.lose(&["signing.key", "signing.pub"]);
        let change = bench.say().expect("said");
        assert_eq!(change.before.is_empty(), !is_beside);
        bench.access().expect("logged");
        bench.register("02").expect("registered");
        bench.is_sound().expect("whole");
        // Also where nobody can check its signatures any more nothing is changed unseen.
        bench.edit(REGISTER, |text| text.replace("RS/1", "RS/2"));
        assert!(bench.is_sound().is_err(), "{is_beside}");
    }
}

#[test]
fn another_key_beside_the_ledgers_is_no_key_of_theirs() {
    let bench = Bench::new();
    let theirs = tempfile::tempdir().expect("a folder");
    let stranger = Signer::open(theirs.path()).expect("a key");
    fs::write(ledger::beside_path(&bench.vault), stranger.public()).expect("ours");
    bench.lose(&["signing.key", "signing.pub"]);
    bench.say().expect_err("it checks nothing");
    assert!(!bench.key("signing.lost").exists());
}

#[test]
fn whoever_writes_in_the_store_alone_makes_no_second_key() {
    let bench = Bench::new();
    let theirs = tempfile::tempdir().expect("a folder");
    let stranger = Signer::open(theirs.path()).expect("a key");
    let forge = |bench: &Bench, as_change: bool| {
        // With a folder of his own for what is kept with the keys he writes as we would.
        let (store, keys) = (bench.vault.store(), theirs.path());
        folder::make_private(&keys.join("heads")).expect("ours");
        let head = format!("heads/{REGISTER}");
        fs::copy(bench.key(&head), keys.join(head)).expect("read somewhere");
        let entry = match as_change {
            true => json!({ "signing_key_lost": { "before": "", "now": stranger.public() } }),
            false => erased("99"),
        };
        let mut register = Ledger::open(store, keys, REGISTER, GENESIS).expect("opens");
        register
            .add(&stranger, Timestamp::now(), &[entry])
            .expect("written");
    };
    forge(&bench, true);
    assert!(bench.is_sound().is_err());
    // Nor does a loss that comes later make it good.
    bench.lose(&["signing.key"]);
    bench.say().expect_err("a register that somebody wrote in");
    // After a real change neither.
    let bench = Bench::new();
    bench.lose(&["signing.key"]);
    bench.say().expect("said");
    forge(&bench, false);
    assert!(bench.is_sound().is_err());
}

#[test]
fn the_lost_key_signs_nothing_any_more_and_neither_key_changes_what_was() {
    let copied = |from: &Path, to: &Path| {
        folder::make_private(&to.join("heads")).expect("ours");
        fs::copy(from, to.join("signing.key")).expect("there");
    };
    let attacks: [(&str, &str, bool); 4] = [
        ("goes on", "signing.key", false),
        ("writes the past anew", "signing.key", true),
        ("writes the past anew", "signing.2.key", true),
        ("cuts it off", "", true),
    ];
    for (what, key, anew) in attacks {
        let bench = Bench::new();
        let thief = tempfile::tempdir().expect("a folder");
        copied(&bench.key("signing.key"), thief.path());
        bench.lose(&["signing.key"]);
        bench.say().expect("said");
        let register = bench.vault.store().join(REGISTER);
        if key == "signing.2.key" {
            copied(&bench.key(key), thief.path());
        }
        if anew {
            fs::write(&register, "").expect("ours");
        }
        if !key.is_empty() {
            let signer = Signer::open(thief.path()).expect("stolen");
            let heads = thief.path().join("heads");
            if !anew {
                fs::copy(
                    bench.key(&format!("heads/{REGISTER}")),
                    heads.join(REGISTER),
                )
                .expect("read");
            }
            let opened = Ledger::open(bench.vault.store(), thief.path(), REGISTER, GENESIS);
            let mut opened = opened.expect("opens");
            opened
                .add(&signer, Timestamp::now(), &[erased("98"), erased("99")])
                .expect("written");
            // Even where he writes what is kept of its end.
            fs::copy(
                heads.join(REGISTER),
                bench.key(&format!("heads/{REGISTER}")),
            )
            .expect("ours");
        }
        assert!(bench.registered().is_err(), "{key} {what}");
        assert!(bench.register("02").is_err() || bench.registered().is_err());
    }
}

#[test]
fn a_change_that_was_stopped_is_finished_once() {
    let bench = Bench::new();
    bench.lose(&["signing.key"]);
    let change = give_up(&bench.vault, &by(), Timestamp::now()).expect("stated");
    bench.is_sound().expect("whole");
    // By whoever says it again, or the recorder's next start.
    assert_eq!(bench.say().expect("entered"), change);
    assert!(
        note_change(&bench.vault, Timestamp::now())
            .expect("read")
            .is_none()
    );
    let mut said = 0;
    let read = access::read(&bench.vault, CONTROLLERS[0], |_, one| {
        said += u32::from(one.action == KEY_LOST);
    });
    read.expect("whole");
    assert_eq!(said, 1);
    assert_eq!(bench.registered().expect("whole").1, 1);
}

#[test]
fn another_key_in_the_place_of_the_second_signs_nothing() {
    let bench = Bench::new();
    bench.lose(&["signing.key"]);
    bench.say().expect("said");
    fs::copy(
        bench.place.path().join("signing.key"),
        bench.key("signing.2.key"),
    )
    .expect("ours");
    assert!(matches!(bench.access(), Err(LedgerError::Key { .. })));
    bench.is_sound().expect("nothing was written");
    fs::remove_file(bench.key("signing.2.key")).expect("there");
    assert!(matches!(bench.access(), Err(LedgerError::KeyLost { .. })));
}

/// By a clock that was set back, say: it is another log, and no key that was lost ever signed it.
#[test]
fn a_log_that_was_erased_since_may_come_to_be_again() {
    let bench = Bench::new();
    bench.lose(&["signing.key"]);
    bench.say().expect("said");
    let logs = access::verify(&bench.vault).expect("whole");
    // As gallring takes it: all that is known of it goes.
    fs::remove_file(bench.vault.store().join(&logs[0].ledger)).expect("there");
    ledger::forget_head(bench.vault.keys(), &logs[0].ledger);
    bench.access().expect("logged");
    let again = access::verify(&bench.vault).expect("whole");
    assert_eq!((again[0].lines, again[0].key_changes.len()), (1, 0));
}

#[test]
fn where_nothing_was_signed_nothing_is_lost() {
    let place = tempfile::tempdir().expect("a folder");
    let [store, keys] = ["store", "keys"].map(|name| place.path().join(name));
    let vault = Vault::open(&store, &keys).expect("fresh");
    let said = signing_key_lost(&vault, &by(), Timestamp::now());
    assert!(matches!(said, Err(LostError::NothingSigned)));
}

#[test]
fn a_public_key_that_is_gone_alone_is_made_again_of_its_own_key_only() {
    let bench = Bench::new();
    keep_beside(&bench.vault).expect("kept");
    let before = fs::read(bench.key("signing.pub")).expect("there");
    bench.lose(&["signing.pub"]);
    bench.is_sound().expect("checked by the secret half");
    bench.access().expect("logged");
    assert_eq!(fs::read(bench.key("signing.pub")).ok(), Some(before));
    // Another key in its place vouches for nothing.
    bench.lose(&["signing.pub", "signing.key"]);
    fs::write(bench.key("signing.key"), [7; 32]).expect("ours");
    let refused = bench.access();
    assert!(
        matches!(refused, Err(LedgerError::OtherKey { .. })),
        "{refused:?}"
    );
    assert!(bench.is_sound().is_err() && !bench.key("signing.pub").exists());
}
