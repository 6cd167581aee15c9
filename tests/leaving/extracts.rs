//! What is taken out, and by whom.

use std::{fs, os::unix::fs::PermissionsExt};

use recorder::access;
use serde_json::Value;

use crate::{Place, REGION, account, order, said};

/// Whoever says that it is somebody else is written down as well; the name and number of an account are nobody's to choose.
#[test]
fn the_access_log_has_the_account_whatever_name_is_said() {
    let place = Place::new();
    let of_region = ["--controller", REGION];
    let anna = ["--as", "Anna", "--purpose", "diary 7"];
    for more in [&of_region[..], &[&of_region[..], &anna].concat()] {
        let taken = order(&place, "bosse", more);
        assert!(taken.status.success(), "{}", said(&taken));
    }
    let mut log = Vec::new();
    let each = |_: &str, one: access::Access| log.push((one.who, one.purpose));
    access::read(&place.vault(), REGION, each).expect("read");
    let account = account();
    let what = "uttag: access-log for care-provider";
    assert_eq!(
        log,
        [
            (account.clone(), what.to_owned()),
            (
                format!("Anna (said by {account})"),
                format!("{what}: diary 7")
            ),
        ]
    );
}

/// Whoever adds a line to the catalogue orders extracts, and has them sent to himself.
#[test]
fn a_catalogue_that_others_may_change_decides_nothing() {
    let place = Place::new();
    let hsa = place.path("hsa-example.csv");
    fs::write(&hsa, include_str!("../../scenarios/hsa-example.csv")).expect("ours");
    let taken = order(&place, "bosse", &["--controller", REGION, "--json"]);
    let taken: Value = serde_json::from_slice(&taken.stdout).expect("JSON");
    let id = taken["id"].as_str().expect("one");
    for (mode, code) in [(0o646, 2), (0o664, 2), (0o644, 0)] {
        fs::set_permissions(&hsa, fs::Permissions::from_mode(mode)).expect("ours");
        let checked = place.ask(&["uttag", "check", id]);
        let said = said(&checked);
        assert_eq!(checked.status.code(), Some(code), "{mode:o}: {said}");
    }
}

/// The others are somebody's who waits for theirs.
#[test]
fn an_extract_that_cannot_be_read_hides_no_other() {
    let place = Place::new();
    let [sound, torn] = ["anna", "bosse"].map(|user| {
        let taken = order(&place, user, &["--controller", REGION, "--json"]);
        let taken: Value = serde_json::from_slice(&taken.stdout).expect("JSON");
        taken["id"].as_str().expect("one").to_owned()
    });
    let record = place.vault().store().join(format!(".uttag/{torn}.json"));
    fs::write(record, "{").expect("ours");
    for json in [false, true] {
        let more: &[&str] = if json { &["--json"] } else { &[] };
        let listed = place.ask(&[&["uttag", "list"], more].concat());
        assert_eq!(listed.status.code(), Some(1), "{}", said(&listed));
        let rows = String::from_utf8_lossy(&listed.stdout);
        assert!(rows.contains(&sound) && !rows.contains(&torn), "{rows}");
        assert!(said(&listed).contains(&torn), "{}", said(&listed));
    }
}
