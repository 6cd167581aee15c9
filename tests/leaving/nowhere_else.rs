//! What goes nowhere else, and what changes nothing.

use std::{fs, io::ErrorKind, net::TcpListener, os::unix::fs::PermissionsExt, process::Command};

use recorder::{index::Index, vault::Vault};

use crate::{Place, REGION, private, record, said, vaxel};

/// A switch answers its own machine only; whoever listens elsewhere would have the token that replaces its rules.
#[test]
fn the_token_of_a_switch_goes_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = private(&folder.path().join("token"), "a token for one test only\n");
    for to in [
        "http://192.0.2.1:1177",
        "http://switch.example:1177",
        "http://127.0.0.1.example:1177",
        "http://127.0.0.1:1177@switch.example",
        "http://localhost@switch.example",
        "https://127.0.0.1:1177",
        "127.0.0.1:1177",
    ] {
        let refused = vaxel(&["routes", "apply", "today", "--token", &token, "--to", to]);
        assert_eq!(refused.status.code(), Some(2), "{to}: {}", said(&refused));
    }
    // Nor to what the environment names for the web.
    let [proxy, gone] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    proxy.set_nonblocking(true).expect("ours");
    let address = |of: &TcpListener| format!("http://{}", of.local_addr().expect("bound"));
    let (through, to) = (address(&proxy), address(&gone));
    drop(gone);
    let nobody = Command::new(env!("CARGO_BIN_EXE_vaxel"))
        .args(["routes", "apply", "today", "--token", &token, "--to", &to])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, &through)))
        .output()
        .expect("it runs");
    assert_eq!(nobody.status.code(), Some(3), "{}", said(&nobody));
    let asked = proxy.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(asked, Err(ErrorKind::WouldBlock));
}

/// The name of a recording that is made.
fn recorded(vault: &Vault) -> String {
    record(vault);
    let index = Index::open(vault).expect("there");
    index.left_open().expect("read")[0].id.to_string()
}

#[test]
fn what_changes_a_store_is_refused_while_its_keys_are_away() {
    let place = Place::new();
    let vault = place.vault();
    let id = recorded(&vault);
    let key_lost = [
        "store",
        "key-lost",
        "--controller",
        REGION,
        "--reason",
        "a fire",
    ];
    let refused = place.ask(&key_lost);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    let (keys, disk) = (vault.keys(), place.path("disk"));
    fs::rename(keys, &disk).expect("ours");
    fs::DirBuilder::new().create(keys).expect("ours");
    fs::set_permissions(keys, fs::Permissions::from_mode(0o700)).expect("ours");
    for args in [
        &["gallring", "run"][..],
        &["recordings", "hold", &id, "--reason", "a complaint"],
        &key_lost,
    ] {
        let refused = place.ask(args);
        assert!(!refused.status.success(), "{args:?}");
        let said = said(&refused);
        assert!(
            said.contains("mount the disk of `keys`"),
            "{args:?}: {said}"
        );
    }
    let listed = place.ask(&["recordings", "list"]);
    assert!(listed.status.success(), "{}", said(&listed));
    assert_eq!(fs::read_dir(keys).expect("there").count(), 0);
}

#[test]
fn a_signing_key_that_is_lost_for_good_is_said_to_be_and_told_ever_after() {
    let place = Place::new();
    let vault = place.vault();
    let id = recorded(&vault);
    let hold = ["recordings", "hold", &id, "--reason", "a complaint"];
    assert!(place.ask(&hold).status.success());
    let lost = ["store", "key-lost", "--signing-key", "--reason", "a fire"];
    let refused = place.ask(&lost);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    fs::remove_file(vault.keys().join("signing.key")).expect("there");
    let stuck = place.ask(&hold);
    assert!(
        said(&stuck).contains("key-lost --signing-key"),
        "{}",
        said(&stuck)
    );
    let change = place.found(&lost);
    assert!(place.ask(&hold).status.success());
    let found = place.ask(&["recordings", "verify"]);
    let told = String::from_utf8_lossy(&found.stdout).into_owned();
    for public in ["before", "now"] {
        let public = change[public].as_str().expect("a key");
        assert!(public.len() == 64 && told.contains(public), "{told}");
    }
}
