//! Every look at a recording is written down first, and what was changed since is found.

mod stored;

use std::{fs, ops::ControlFlow};

use jiff::civil::date;
use recorder::{
    access, gallring,
    index::Mark,
    names::RecordingId,
    store::{self, By, Stays, StoreError, Wrong},
};
use sha2::{Digest, Sha256};
use stored::{Bench, REGION, now, scenario};

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
    for nothing in ["", " "] {
        let refused = store.release(&id, &by(nothing));
        assert!(matches!(refused, Err(StoreError::Reason)), "{refused:?}");
    }
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
fn a_hold_that_comes_while_something_is_being_erased_says_what_stays() {
    let bench = Bench::with(3);
    let (ids, store) = (bench.ids(), bench.store());
    let mark = |what, id| {
        let marked = bench.index.mark(what, &[id], "RS/1");
        assert_eq!(marked.expect("marked"), [id]);
    };
    let hold = |id: RecordingId| store.hold(&id.to_string(), &by("a dispute"));
    mark(Mark::Numbers, ids[0]);
    assert_eq!(hold(ids[0]).expect("held"), (ids[0], Stays::WithoutNumbers));
    // What was erased long before is no news.
    bench
        .index
        .forget(Mark::Numbers, &ids[1..2])
        .expect("erased");
    assert_eq!(hold(ids[1]).expect("held"), (ids[1], Stays::Whole));
    mark(Mark::Recording, ids[2]);
    let late = hold(ids[2]);
    assert!(matches!(late, Err(StoreError::BeingErased(id)) if id == ids[2]));
    // The log doesn't say of it that it stays.
    let mut told = Vec::new();
    let read = access::read(&bench.vault, REGION, |_, one| {
        told.extend((one.object == ids[2].to_string()).then_some(one.action));
    });
    read.expect("read");
    assert_eq!(told, ["hold", "release"]);
}

/// It counts for nothing, whoever put it there.
#[test]
fn a_line_that_nobody_signed_is_no_access() {
    let bench = Bench::with(1);
    let id = bench.ids()[0].to_string();
    bench.store().show(&id, &by("to look")).expect("shown");
    let log = access::segments(bench.vault.store())
        .expect("read")
        .remove(0);
    let log = bench.vault.store().join(log.name);
    let text = fs::read_to_string(&log).expect("there");
    let hash = text.trim_end().split('\t').nth(1).expect("a hash");
    let entry =
        r#"{"who":"bosse","controller":"region-23","action":"show","object":"00","purpose":""}"#;
    let line =
        format!(r#"{{"seq":2,"prev":"{hash}","at":"2099-01-01T00:00:00Z","entry":{entry}}}"#);
    let hash = Sha256::digest(line.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&log, format!("{text}{line}\t{hash}\n")).expect("ours");
    let mut said = Vec::new();
    let read = access::read(&bench.vault, REGION, |_, access| said.push(access.who));
    read.expect("read");
    assert_eq!(said, ["anna"]);
    let sound = bench.store().verify(|wrong| panic!("{wrong:?}"));
    assert_eq!(sound.expect("verified").accesses, 1);
}

/// What gallring erases while a store is read through is no loss.
#[test]
fn what_is_erased_meanwhile_is_not_told_as_wrong() {
    let bench = Bench::with(3);
    let mut ids = bench.ids();
    ids.sort();
    let spoilt = bench.vault.keys().join(format!("data/{}.key", ids[0]));
    fs::write(spoilt, "x").expect("ours");
    let mut told = Vec::new();
    let mut erase = |wrong: Wrong| {
        let (scenario, day) = (scenario(), date(2026, 1, 15));
        let mut go_on = |_| ControlFlow::Continue(());
        gallring::run(
            &bench.vault,
            &bench.index,
            &scenario,
            day,
            now(),
            &mut go_on,
        )
        .expect("erased");
        told.push(wrong.what);
    };
    let sound = bench.store().verify(&mut erase).expect("read");
    assert!(bench.ids().is_empty(), "gallring has run");
    assert_eq!((told, sound.recordings), (vec![ids[0].to_string()], 0));
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

#[test]
fn a_log_or_a_register_that_is_gone_is_missed() {
    let bench = Bench::with(2);
    let [gone, _] = *bench.ids() else {
        panic!("two")
    };
    bench
        .store()
        .show(&gone.to_string(), &by("to look"))
        .expect("shown");
    let (vault, index) = (&bench.vault, &bench.index);
    let mut watch = |_| ControlFlow::Continue(());
    let day = date(2025, 8, 1);
    gallring::run(vault, index, &scenario(), day, now(), &mut watch).expect("ran");
    assert_eq!(bench.wrong(), []);
    let log = access::segments(vault.store()).expect("read").remove(0);
    for file in [log.name.as_str(), gallring::REGISTER] {
        let path = vault.store().join(file);
        let text = fs::read(&path).expect("there");
        fs::remove_file(&path).expect("ours");
        let wrong = bench.wrong();
        assert!(
            wrong.len() == 1 && wrong[0].why.contains("is gone"),
            "{wrong:?}"
        );
        fs::write(&path, text).expect("ours");
        assert_eq!(bench.wrong(), []);
    }
}

/// Whoever asks the second time at the end of a month must not come between its last line and the next month's first.
#[test]
fn many_writers_at_the_end_of_a_month_leave_one_chain() {
    let bench = Bench::new();
    let entry = access::Access {
        who: "anna".into(),
        controller: REGION.into(),
        action: "show".into(),
        object: "x".into(),
        purpose: "to look".into(),
    };
    for year in 2000..2020 {
        std::thread::scope(|scope| {
            for moment in ["01-31T23:59:59Z", "02-01T00:00:00Z"].repeat(4) {
                let (vault, entry) = (&bench.vault, entry.clone());
                let now = format!("{year}-{moment}").parse().expect("a moment");
                scope.spawn(move || access::write(vault, now, &[entry]).expect("written"));
            }
        });
        access::verify(&bench.vault).unwrap_or_else(|error| panic!("{year}: {error}"));
    }
}

/// An index that is lost is made again of the tags that lie beside the audio: a changed one would leave its recording to nobody.
#[test]
fn a_tag_beside_the_audio_that_was_changed_or_is_gone_is_found() {
    for lost in [false, true] {
        let bench = Bench::with(2);
        let id = bench.ids()[0];
        let tag = bench.folder_of(REGION, id).join("tag.json");
        let text = fs::read_to_string(&tag).expect("it is there");
        let changed = text.replace("\"2380\"", "\"0180\"");
        assert_ne!(text, changed);
        match lost {
            true => fs::remove_file(&tag),
            false => fs::write(&tag, changed),
        }
        .expect("ours");
        let wrong = bench.wrong();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert_eq!(wrong[0].what, id.to_string());
        assert!(wrong[0].why.contains("tag.json"), "{wrong:?}");
    }
}
