//! Backups: what they bring back, what stays in them, and what is asked for to open them.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use recorder::{access, index::Index, recover};
use serde_json::Value;

use crate::{Place, REGION, account, backed_up, record, said};

/// A token that was revoked after the last backup held again in what was restored from it.
#[test]
fn a_revoked_token_does_not_come_back_with_a_backup() {
    let place = Place::new();
    let recipient = place.found(&["backup", "key", "--out", "backup.key"]);
    let recipient = recipient["recipient"].as_str().expect("one").to_owned();
    let tomorrow = jiff::Zoned::now().date().tomorrow().expect("a day");
    let token = place.found(&[
        "recorder",
        "token",
        "create",
        "--name",
        "Anna",
        "--organisation",
        REGION,
        "--role",
        "reader",
        "--expires",
        &tomorrow.to_string(),
    ]);
    let made = [
        "backup",
        "create",
        "--to",
        "there",
        "--force",
        "--recipient",
    ];
    let name = place.found(&[&made[..], &[&recipient]].concat())["name"].clone();
    let id = token["id"].as_str().expect("one");
    place.found(&["recorder", "token", "revoke", id]);
    // The region can see who opened its recordings to whom.
    let mut log = Vec::new();
    let each = |_: &str, one: access::Access| {
        assert_eq!(one.who, account());
        assert!(
            one.purpose.starts_with("reader for Anna until "),
            "{}",
            one.purpose
        );
        log.push((one.action, one.object));
    };
    access::read(&place.vault(), REGION, each).expect("read");
    let step = |action: &str| (action.to_owned(), id.to_owned());
    assert_eq!(log, [step("token-create"), step("token-revoke")]);
    let name = name.as_str().expect("one");
    let back = ["backup", "restore", name, "--identity", "backup.key"];
    place.found(&[&back[..], &["--to", "new"]].concat());
    let tokens = fs::read(place.path("new/keys/api/tokens.json")).expect("restored");
    let tokens: Value = serde_json::from_slice(&tokens).expect("JSON");
    assert_eq!(tokens[0]["id"], token["id"]);
    assert!(tokens[0]["revoked"].is_string(), "{tokens:#}");
    let keys = place.path("there-keys/vaxel-keys.age");
    fs::remove_file(keys).expect("ours");
    let listed = place.ask(&["backup", "list", "--json"]);
    assert_eq!(listed.status.code(), Some(1), "no backup opens any more");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["keys_missing"], true);
}

/// Whoever has the backups can still open what was destroyed: nobody may take that for done.
#[test]
fn what_stays_in_the_backups_is_a_finding() {
    let place = Place::new();
    record(&place.vault());
    let tomorrow = jiff::Zoned::now().date().tomorrow().expect("a day");
    let day = tomorrow.to_string();
    let args = ["recorder", "token", "create", "--name", "Anna"];
    let more = [
        "--organisation",
        REGION,
        "--role",
        "reader",
        "--expires",
        &day,
    ];
    let token = place.found(&[&args[..], &more].concat());
    let id = token["id"].as_str().expect("one");
    let index = Index::open(&place.vault()).expect("there");
    let held = index.left_open().expect("read")[0].id.to_string();
    backed_up(&place);
    fs::rename(place.path("there-keys"), place.path("unplugged")).expect("ours");
    for args in [
        &["recorder", "token", "revoke", id][..],
        &["gallring", "run"],
        &["store", "rotate-key", "--controller", REGION],
        &["recordings", "hold", &held, "--reason", "a dispute"],
    ] {
        let done = place.ask(args);
        let said = said(&done);
        assert_eq!(done.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("vaxel backup keys"), "{said}");
    }
    fs::rename(place.path("unplugged"), place.path("there-keys")).expect("ours");
    assert!(place.ask(&["gallring", "run"]).status.success());
}

/// Where nothing else is left, the key part has to be named.
#[test]
fn who_restores_where_nothing_is_left_is_asked_for_the_key_part() {
    let place = Place::new();
    let name = backed_up(&place);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let restore = |more: &[&str]| {
        let audio = place.path("there").join(format!("{name}.audio.age"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
        command.current_dir(elsewhere.path());
        command.args(["backup", "restore"]).arg(audio);
        command.arg("--identity").arg(place.path("backup.key"));
        command.args(["--to", "new"]).args(more);
        command.output().expect("it runs")
    };
    let refused = restore(&[]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("--keys"), "{}", said(&refused));
    let keys = place.path("there-keys").join("vaxel-keys.age");
    let restored = restore(&["--keys", keys.to_str().expect("UTF-8")]);
    assert!(restored.status.success(), "{}", said(&restored));
}

#[test]
fn a_controller_whose_key_is_lost_for_good_is_recorded_for_again() {
    let place = Place::new();
    let vault = place.vault();
    record(&vault);
    let key = vault.keys().join(format!("controllers/{REGION}.key"));
    fs::rename(&key, place.path("away.key")).expect("ours");
    let rotated = place.ask(&["store", "rotate-key", "--controller", REGION]);
    assert!(said(&rotated).contains("vaxel store key-lost"));
    let args = ["store", "key-lost", "--controller", REGION];
    place.found(&[&args[..], &["--reason", "a fire"]].concat());
    record(&vault);
    let rotated = place.found(&["store", "rotate-key", "--controller", REGION]);
    assert_eq!(
        (&rotated["wrapped"], &rotated["locked"]),
        (&1.into(), &1.into())
    );
    fs::rename(place.path("away.key"), &key).expect("found");
    let rotated = place.found(&["store", "rotate-key", "--controller", REGION]);
    assert_eq!(
        (&rotated["wrapped"], &rotated["locked"]),
        (&2.into(), &0.into())
    );
}

#[test]
fn a_disk_of_backups_that_was_destroyed_can_be_given_up() {
    let place = Place::new();
    record(&place.vault());
    let name = backed_up(&place);
    let prune = ["backup", "prune", "--lost", "there"];
    let lost = |why: &[&str]| place.ask(&[&prune[..], why].concat());
    for why in [&[][..], &["--purpose", " "], &["--purpose", "a fire"]] {
        let refused = lost(why);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    }
    fs::rename(place.path("there"), place.path("burnt")).expect("ours");
    let told = place.found(&[&prune[..], &["--purpose", "a fire"]].concat());
    assert_eq!(told["forgotten"], serde_json::json!([name]));
    assert!(String::from_utf8_lossy(&place.ask(&["backup", "list"]).stdout).contains("no backup"));
}

/// They are what it is restored for.
#[test]
fn keys_that_are_gone_stand_in_the_way_of_no_restore() {
    let place = Place::new();
    let vault = place.vault();
    record(&vault);
    let index = Index::open(&vault).expect("there");
    recover::close_left_open(&vault, &index).expect("closed");
    drop(index);
    let name = backed_up(&place);
    let keys = vault.keys().to_owned();
    // The signing key alone; all of them, their folder there; their folder too.
    fs::remove_file(keys.join("signing.key")).expect("it signed the backup");
    for to in ["one", "two", "three"] {
        let back = ["backup", "restore", &name, "--identity", "backup.key"];
        let restored = place.ask(&[&back[..], &["--to", to]].concat());
        assert!(restored.status.success(), "{to}: {}", said(&restored));
        assert!(place.path(to).join("keys/signing.key").is_file(), "{to}");
        if keys.exists() {
            fs::remove_dir_all(&keys).expect("ours");
        }
        if to == "one" {
            fs::create_dir(&keys).expect("ours");
            fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).expect("ours");
        }
    }
}
