//! Every look at a recording is written down first, and what was changed since is found.

mod stored;

use std::fs;

use recorder::{
    access,
    store::{self, By, StoreError, Wrong},
};
use stored::{Bench, REGION};

fn by(purpose: &str) -> By {
    By {
        who: "anna".into(),
        purpose: purpose.into(),
    }
}

impl Bench {
    fn store(&self) -> store::Store {
        store::open_to_change_place(self.vault.place().clone()).expect("opens")
    }

    fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        self.store().verify(|one| wrong.push(one)).expect("read");
        wrong
    }
}

#[test]
fn who_what_and_what_for_are_kept() {
    let bench = Bench::with(1);
    let id = bench.ids()[0].to_string();
    let out = bench.place.path().join("out.wav");
    let store = bench.store();
    assert!(matches!(
        store.export(&id, &out, &by(" ")),
        Err(StoreError::Purpose)
    ));
    assert!(!out.exists(), "no purpose, no export");
    store.show(&id, &by("")).expect("shown");
    store
        .export(&id, &out, &by("a complaint"))
        .expect("exported");
    store.hold(&id, &by("a dispute")).expect("held");
    store.release(&id, &by("settled")).expect("released");
    let mut told = Vec::new();
    access::read(&bench.vault, REGION, |_, access| {
        assert_eq!((access.who.as_str(), &access.object), ("anna", &id));
        told.push((access.action, access.purpose));
    })
    .expect("read");
    let told: Vec<(&str, &str)> = told.iter().map(|(a, p)| (a.as_str(), p.as_str())).collect();
    assert_eq!(
        told,
        [
            ("show", ""),
            ("export", "a complaint"),
            ("hold", "a dispute"),
            ("release", "settled")
        ]
    );
    assert_eq!(bench.wrong(), []);
}

#[test]
fn no_log_no_access() {
    let bench = Bench::with(1);
    let id = bench.ids()[0].to_string();
    fs::write(bench.vault.store().join(".access"), "in the way").expect("ours");
    let out = bench.place.path().join("out.wav");
    let refused = bench.store().export(&id, &out, &by("a complaint"));
    assert!(matches!(refused, Err(StoreError::Ledger(_))));
    assert!(!out.exists());
}

#[test]
fn what_was_changed_is_found() {
    let bench = Bench::with(3);
    let ids = bench.ids();
    bench
        .store()
        .show(&ids[0].to_string(), &by("to look"))
        .expect("shown");
    // One byte of audio, one stream gone, one word of the log.
    let path = bench.folder(ids[0]).join("1.vax");
    let mut bytes = fs::read(&path).expect("there");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).expect("ours");
    fs::remove_file(bench.folder(ids[1]).join("2.vax")).expect("ours");
    let log = access::segments(bench.vault.store())
        .expect("read")
        .remove(0);
    let log = bench.vault.store().join(log.name);
    let text = fs::read_to_string(&log).expect("there");
    fs::write(&log, text.replace("to look", "to help")).expect("ours");
    let wrong: Vec<String> = bench.wrong().into_iter().map(|one| one.what).collect();
    let mut expected = vec![ids[0].to_string(), ids[1].to_string()];
    expected.sort();
    expected.insert(0, "access log".to_owned());
    assert_eq!(wrong, expected);
}
