//! Whose fault it is: what is asked for wrongly, and what there is none of.

use std::{fs, io::Write, process::Command};

use recorder::{
    envelope::{Recipient, seal},
    index::Index,
};
use serde_json::Value;

use crate::{NUMBER, Place, REGION, backed_up, order, private, record, said, vaxel};

#[test]
fn what_is_asked_for_wrongly_is_wrong_usage() {
    let place = Place::new();
    let long = "x".repeat(2000);
    for more in [
        &["--controller", "region-32"][..],
        &["--controller", REGION, "--purpose", &long],
        &["--controller", REGION, "--purpose", "one\ntwo"],
        &["--controller", REGION, "--as", " "],
        &["--controller", REGION, "--as", "Anna\u{1b}[2K"],
    ] {
        let refused = order(&place, "bosse", more);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    }
    assert!(!place.vault().store().join(".access").exists());
    for args in [
        ["recordings", "show", "abc"],
        ["recordings", "show", "../x"],
        ["store", "rotate-key", "--controller=regoin-23"],
        ["store", "rotate-key", "--controller=../x"],
    ] {
        let refused = place.ask(&args);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    }
}

#[test]
fn the_wrong_key_and_a_misspelt_file_are_wrong_usage() {
    let place = Place::new();
    let name = backed_up(&place);
    let other = place.found(&["backup", "key", "--out", "other.key"]);
    let to = ["--to", "new", "--identity"];
    let restore = ["backup", "restore", &name];
    let sealed = {
        let recipient = other["recipient"].as_str().expect("one");
        let recipient = Recipient::parse(recipient).expect("one");
        let mut sealer = seal(Vec::new(), &[recipient]).expect("seals");
        sealer.write_all(b"a package").expect("sealed");
        sealer.finish().expect("ends")
    };
    fs::write(place.path("package.age"), sealed).expect("ours");
    for args in [
        [
            &restore[..],
            &to,
            &["backup.key", "--register", "misspelt.log"],
        ]
        .concat(),
        [&restore[..], &to, &["backup.key", "--keys", "misspelt.age"]].concat(),
        [&restore[..], &to, &["other.key"]].concat(),
    ] {
        let refused = place.ask(&args);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{args:?}: {}",
            said(&refused)
        );
    }
    for args in [
        &[
            "handover",
            "verify",
            "package.age",
            "--identity",
            "backup.key",
        ][..],
        &[
            "handover",
            "verify",
            "misspelt.age",
            "--identity",
            "backup.key",
        ],
        &[
            "handover",
            "verify",
            "package.age",
            "--identity",
            "misspelt.key",
        ],
        &["handover", "close", "misspelt.json"],
        &["backup", "test", "--identity", "misspelt.key"],
        &["backup", "test", "--identity", "other.key"],
        &["recordings", "reconcile", "--calls", "misspelt"],
    ] {
        let refused = place.ask(args);
        let why = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {why}");
        assert!(!why.contains("folder of its own"), "{args:?}: {why}");
    }
    assert!(!place.path("new").exists(), "nothing is left half-made");
    let listed = place.ask(&["backup", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let tested = &listed["tested"];
    assert!(tested.is_null(), "another's key is no trial: {tested}");
}

#[test]
fn a_store_that_is_not_there_is_wrong_usage() {
    let nowhere = tempfile::tempdir().expect("a folder");
    for args in [
        &["recordings", "list"][..],
        &["gallring", "plan"],
        &["backup", "list"],
        &["handover", "list"],
        &["uttag", "list"],
        &["store", "recover"],
        &["store", "rotate-key", "--controller", REGION],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
        command.args(args).arg("--data").arg(nowhere.path());
        let refused = command.output().expect("it runs");
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{args:?}: {}",
            said(&refused)
        );
        assert!(said(&refused).contains("--data"), "{}", said(&refused));
    }
}

/// A header without a line below it leaves everybody to guess.
#[test]
fn what_there_is_none_of_is_a_sentence() {
    let place = Place::new();
    record(&place.vault());
    for (args, sentence) in [
        (&["recordings", "holds"][..], "No recording is held"),
        (&["recordings", "list", "--kommun", "0180"], "--kommun 0180"),
        (&["gallring", "register"], "nothing was erased"),
        (&["gallring", "register", "--verify"], "nothing was erased"),
        (&["handover", "list"], "No hand-overs"),
        (&["uttag", "list"], "No extracts"),
        (&["backup", "list"], "no backup"),
    ] {
        let told = place.ask(args);
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(text.contains(sentence), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    }
    let reconciled = place.ask(&["recordings", "reconcile"]);
    let text = String::from_utf8_lossy(&reconciled.stdout).into_owned();
    assert!(!text.contains("1970"), "{text}");
    let report = place.found(&["recordings", "reconcile"]);
    assert!(report["from"].is_null(), "{report:#}");
}

#[test]
fn a_list_that_was_cut_says_so() {
    let place = Place::new();
    let vault = place.vault();
    (0..2).for_each(|_| record(&vault));
    let index = Index::open(&vault).expect("there");
    let id = index.left_open().expect("read")[0].id.to_string();
    let held = place.ask(&["recordings", "hold", &id, "--reason", " "]);
    assert_eq!(
        held.status.code(),
        Some(2),
        "nobody knows why: {}",
        said(&held)
    );
    for (limit, cut) in [("1", true), ("2", false), ("18446744073709551615", false)] {
        let listed = place.ask(&["recordings", "list", "--json", "--limit", limit]);
        assert!(listed.status.success(), "{}", said(&listed));
        assert_eq!(said(&listed).contains("there are more"), cut, "{limit}");
        let rows: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
        assert_eq!(rows.as_array().map(Vec::len), Some(if cut { 1 } else { 2 }));
    }
}

/// The supplier's file with telephone numbers, given for the ledger.
#[test]
fn what_is_no_ledger_is_not_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = private(&folder.path().join("x"), &format!("\"{NUMBER}\"\n"));
    let refused = vaxel(&["ropa", "--ledger", &file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!said(&refused).contains(NUMBER), "{}", said(&refused));
}
