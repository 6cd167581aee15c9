//! Recordings that don't open, or not wholly, keep nobody from the rest.

use super::*;

/// The right to one's own data doesn't end where somebody else's recording is damaged.
#[test]
fn one_spoilt_recording_keeps_nobody_from_what_is_theirs() {
    let desk = Desk::new(3);
    let [key, who, _] = desk.bench.ids()[..] else {
        panic!("three")
    };
    let places = [
        desk.bench.vault.keys().join(format!("data/{key}.key")),
        desk.bench.folder(who).join("meta.vax"),
    ];
    for place in places {
        let mut bytes = fs::read(&place).expect("there");
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(&place, bytes).expect("ours");
    }
    let (delivered, text) = desk.delivered("register", LINK);
    assert_eq!((delivered.recordings, delivered.unopened), (1, 2));
    assert!(
        text.contains("\"recordings_that_do_not_open\": 2"),
        "{text}"
    );
    // Without its keys it is the store that is spoilt.
    fs::rename(desk.bench.vault.keys().join("data"), desk.path("data")).expect("ours");
    let id = desk.order("register", ORDERER, LINK).expect("taken on").id;
    desk.check(&id).expect("entitled");
    assert!(matches!(desk.deliver(&id), Err(UttagError::Vault(_))));
    assert_eq!(desk.step(&id), "sent");
}

/// Nor where its key is gone and those of the others are there.
#[test]
fn one_recording_without_its_key_keeps_nobody_from_what_is_theirs() {
    let desk = Desk::new(3);
    let id = desk.bench.ids()[0];
    fs::remove_file(desk.bench.vault.keys().join(format!("data/{id}.key"))).expect("there");
    let (delivered, _) = desk.delivered("register", LINK);
    assert_eq!((delivered.recordings, delivered.unopened), (2, 1));
}

/// Nor where it is under a key that was lost for good: what is recorded since is theirs.
#[test]
fn recordings_under_a_lost_key_keep_nobody_from_what_is_theirs() {
    let desk = Desk::new(2);
    let (vault, index) = (&desk.bench.vault, &desk.bench.index);
    fs::remove_file(vault.keys().join(format!("controllers/{REGION}.key"))).expect("ours");
    lost::key_lost(vault, index, REGION, &by(), now()).expect("said");
    desk.bench.record(REGION, 2);
    let (delivered, text) = desk.delivered("register", LINK);
    assert_eq!((delivered.recordings, delivered.unopened), (1, 2));
    assert!(
        text.contains("\"recordings_that_do_not_open\": 2"),
        "{text}"
    );
}

#[test]
fn that_a_recording_in_a_delivery_is_spoilt_is_told() {
    let desk = Desk::new(2);
    desk.bench.spoil(desk.bench.ids()[0]);
    let (delivered, _) = desk.delivered("content", LINK);
    assert_eq!((delivered.recordings, delivered.spoilt), (2, 1));
}
