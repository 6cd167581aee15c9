//! What the ledger must chain, sign and refuse.

use std::fs;

use serde_json::json;

use super::*;
use crate::vault::{faults, folder};

const NAME: &str = "register";

struct Bench {
    place: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        for part in ["store", "keys"] {
            folder::make_private(&place.path().join(part)).expect("ours");
        }
        Self { place }
    }

    fn store(&self) -> PathBuf {
        self.place.path().join("store")
    }

    fn keys(&self) -> PathBuf {
        self.place.path().join("keys")
    }

    fn add(&self, texts: &[&str]) {
        let signer = Signer::open(&self.keys()).expect("a key");
        let mut ledger = Ledger::open(&self.store(), &self.keys(), NAME, GENESIS).expect("opens");
        let entries: Vec<_> = texts.iter().map(|text| json!({ "what": text })).collect();
        ledger
            .add(&signer, jiff::Timestamp::UNIX_EPOCH, &entries)
            .expect("written");
    }

    fn verify(&self) -> Result<Verified, LedgerError> {
        let key = public_keys(&self.keys()).expect("read").expect("there");
        verify(&self.store(), Some(&self.keys()), &key, NAME)
    }

    fn edit(&self, edit: impl FnOnce(String) -> String) {
        let path = self.store().join(NAME);
        let text = fs::read_to_string(&path).expect("there");
        fs::write(path, edit(text)).expect("ours");
    }
}

#[test]
fn what_is_added_is_chained_and_signed() {
    let bench = Bench::new();
    bench.add(&["a", "b", "c"]);
    bench.add(&["tab\tand\nline"]);
    let found = bench.verify().expect("whole");
    assert_eq!((found.lines, found.signatures, found.unsigned), (4, 2, 0));
    assert_eq!(found.follows, GENESIS);
    let mut read_back = Vec::new();
    read::<LedgerError>(&bench.store(), NAME, |line| {
        read_back.push(line.entry["what"].clone());
        Ok(())
    })
    .expect("read");
    assert_eq!(read_back, ["a", "b", "c", "tab\tand\nline"]);
}

#[test]
fn every_change_shows() {
    type Change = fn(String) -> String;
    let changes: [(&str, Change); 6] = [
        ("a word", |text| text.replace("\"b\"", "\"x\"")),
        ("a line gone", |text| {
            let lines: Vec<&str> = text.lines().collect();
            format!("{}\n{}\n", lines[0], lines[2])
        }),
        ("the first gone", |text| {
            text.split_once('\n').expect("lines").1.to_owned()
        }),
        ("the last gone", |text| {
            let kept = text.trim_end().rsplit_once('\n').expect("lines").0;
            format!("{kept}\n")
        }),
        ("all gone", |_| String::new()),
        ("another signature", |text| {
            let (all, last) = text.trim_end().rsplit_once('\t').expect("signed");
            let turned: String = last.chars().rev().collect();
            format!("{all}\t{turned}\n")
        }),
    ];
    for (what, change) in changes {
        let bench = Bench::new();
        bench.add(&["a", "b", "c"]);
        bench.edit(change);
        assert!(
            matches!(bench.verify(), Err(LedgerError::Broken { .. })),
            "{what}"
        );
    }
}

#[test]
fn a_torn_line_is_cut_off_and_the_chain_goes_on() {
    let bench = Bench::new();
    bench.add(&["a", "b"]);
    bench.edit(|text| text + "{\"seq\":3,\"pre");
    assert_eq!(bench.verify().expect("whole").lines, 2);
    bench.add(&["c"]);
    let found = bench.verify().expect("whole");
    assert_eq!((found.lines, found.signatures), (3, 2));
}

#[test]
fn another_ledgers_signature_does_not_count() {
    let bench = Bench::new();
    bench.add(&["a"]);
    fs::rename(bench.store().join(NAME), bench.store().join("other")).expect("ours");
    let key = public_keys(&bench.keys()).expect("read").expect("there");
    assert!(verify(&bench.store(), None, &key, "other").is_err());
}

#[test]
fn an_entry_without_end_is_refused() {
    let bench = Bench::new();
    let signer = Signer::open(&bench.keys()).expect("a key");
    let mut ledger = Ledger::open(&bench.store(), &bench.keys(), NAME, GENESIS).expect("opens");
    let long = json!("x".repeat(LINE_LEN_MAX));
    let refused = ledger.add(&signer, jiff::Timestamp::UNIX_EPOCH, &[long]);
    assert!(matches!(refused, Err(LedgerError::TooLong { .. })));
}

#[test]
fn nothing_is_added_to_a_ledger_that_was_cut() {
    let bench = Bench::new();
    bench.add(&["a", "b"]);
    bench.edit(|text| text.split_inclusive('\n').take(1).collect());
    let opened = || Ledger::open(&bench.store(), &bench.keys(), NAME, GENESIS);
    assert!(matches!(opened(), Err(LedgerError::Broken { line: 1, .. })));
    fs::remove_file(bench.store().join(NAME)).expect("ours");
    assert!(matches!(opened(), Err(LedgerError::Broken { line: 0, .. })));
}

/// Whoever can write in the store and has no key: a chain that holds, without signatures.
fn forged(texts: &[&str]) -> String {
    let mut prev = GENESIS.to_owned();
    let line = |(at, text): (usize, &&str)| {
        let line = Line {
            seq: at as u64 + 1,
            prev: prev.clone(),
            at: jiff::Timestamp::UNIX_EPOCH.to_string(),
            entry: json!({ "what": text }),
        };
        let (text, hash) = line.text().expect("a line");
        prev = hash;
        text + "\n"
    };
    texts.iter().enumerate().map(line).collect()
}

/// What is added would sign what somebody else put there, and nobody would find it any more.
#[test]
fn nothing_is_added_to_a_ledger_that_was_written_anew() {
    for other in [&["a", "x"][..], &["a", "x", "y"]] {
        let bench = Bench::new();
        bench.add(&["a"]);
        bench.add(&["b"]);
        bench.edit(|_| forged(other));
        let opened = Ledger::open(&bench.store(), &bench.keys(), NAME, GENESIS);
        assert!(
            matches!(opened, Err(LedgerError::Broken { .. })),
            "{other:?}"
        );
    }
}

/// An addition that a crash stopped was never said to be there; nor is what somebody else put behind the end.
#[test]
fn what_stands_behind_the_last_signature_is_never_signed() {
    let bench = Bench::new();
    bench.add(&["a"]);
    bench.add(&["b"]);
    let behind =
        |all: &str| all.to_owned() + forged(&["a", "b", "x"]).lines().last().expect("x") + "\n";
    bench.edit(|all| behind(&all));
    bench.add(&["c"]);
    let mut read_back = Vec::new();
    read::<LedgerError>(&bench.store(), NAME, |line| {
        read_back.push(line.entry["what"].clone());
        Ok(())
    })
    .expect("read");
    assert_eq!(read_back, ["a", "b", "c"]);
    assert_eq!(bench.verify().expect("whole").unsigned, 0);
}

#[test]
fn what_the_head_names_is_ours_without_its_signature_too() {
    let bench = Bench::new();
    bench.add(&["a"]);
    bench.edit(|text| {
        let unsigned = text.trim_end().rsplit_once('\t').expect("signed").0;
        format!("{unsigned}\n")
    });
    assert_eq!(bench.verify().expect("whole").unsigned, 0);
}

/// A crash between a line and its head: the line is signed, and stays.
#[test]
fn a_head_that_lags_behind_takes_nothing_away() {
    let bench = Bench::new();
    bench.add(&["a"]);
    let head = bench.keys().join("heads").join(NAME);
    let older = fs::read(&head).expect("there");
    bench.add(&["b"]);
    for lagging in [Some(older), None] {
        match lagging {
            Some(older) => fs::write(&head, older).expect("ours"),
            None => fs::remove_file(&head).expect("ours"),
        }
        bench.add(&["c"]);
    }
    assert_eq!(bench.verify().expect("whole").lines, 4);
}

#[test]
fn a_new_ledger_has_its_name_made_safe_too() {
    let bench = Bench::new();
    let waits = |what| {
        faults::plan(u64::MAX, std::io::ErrorKind::Other);
        bench.add(&[what]);
        faults::end().taken
    };
    let signer = Signer::open(&bench.keys()).expect("a key");
    assert_eq!(
        signer.public(),
        Signer::open(&bench.keys()).expect("a key").public()
    );
    assert_eq!(waits("first"), waits("second") + 1);
}

#[test]
fn many_that_sign_first_make_one_key() {
    for _ in 0..20 {
        let bench = Bench::new();
        let keys = bench.keys();
        let made: Vec<String> = std::thread::scope(|scope| {
            let hands: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Signer::open(&keys).expect("a key").public()))
                .collect();
            hands
                .into_iter()
                .map(|hand| hand.join().expect("no panic"))
                .collect()
        });
        assert!(made.iter().all(|one| *one == made[0]), "{made:?}");
        let public = public_keys(&keys).expect("read").expect("there");
        assert_eq!(public.signing(), made[0]);
    }
}

#[test]
fn a_lost_key_is_not_replaced_by_another() {
    let bench = Bench::new();
    bench.add(&["a"]);
    let key = bench.keys().join("signing.key");
    let bytes = fs::read(&key).expect("there");
    fs::remove_file(&key).expect("ours");
    assert!(matches!(
        Signer::open(&bench.keys()),
        Err(LedgerError::KeyLost { .. })
    ));
    bench.verify().expect("still checked by the public half");
    fs::write(&key, bytes).expect("ours");
    bench.add(&["b"]);
    assert_eq!(bench.verify().expect("whole").lines, 2);
}

/// A space where JSON allows one, a signature's unused bits: nothing is read over.
#[test]
fn every_changed_added_or_removed_byte_shows() {
    let bench = Bench::new();
    bench.add(&["a"]);
    bench.add(&["b"]);
    let path = bench.store().join(NAME);
    let whole = fs::read(&path).expect("there");
    let shows = |bytes: &[u8], what: &str, at: usize| {
        fs::write(&path, bytes).expect("ours");
        assert!(bench.verify().is_err(), "{what} at {at}");
    };
    for (at, added) in (0..whole.len()).zip(b" \n\tA=0".iter().cycle()) {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        shows(&changed, "changed", at);
        let mut shorter = whole.clone();
        shorter.remove(at);
        shows(&shorter, "removed", at);
        let mut longer = whole.clone();
        longer.insert(at, *added);
        shows(&longer, "added", at);
        shows(&whole[..at], "cut", at);
    }
    fs::write(&path, &whole).expect("ours");
    assert_eq!(bench.verify().expect("whole").lines, 2);
}
