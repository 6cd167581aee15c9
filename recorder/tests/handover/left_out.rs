//! What isn't in a package: the controller reads there which and how many, signs for it, and none of it goes here.

use std::fs;

use recorder::{
    handover::{self, HandoverError},
    lost,
};

use super::{
    Sides, by,
    stored::{REGION, now},
};

#[test]
fn what_is_under_a_lost_key_is_named_in_the_package_and_stays() {
    let sides = Sides::with(2);
    let lost = sides.bench.ids();
    let key = sides.bench.vault.keys().join("controllers/region-23.key");
    fs::remove_file(key).expect("ours");
    let parts = (&sides.bench.vault, &sides.bench.index);
    lost::key_lost(parts.0, parts.1, REGION, &by(), now()).expect("said");
    sides.bench.record(REGION, 7);
    let created = sides.create(REGION).expect("packed");
    assert_eq!((created.recordings, created.wrong.len()), (1, 2));
    let verified = sides.verify(Some("region")).expect("as it was packed");
    assert_eq!(
        (verified.receipt.recordings, verified.receipt.left_out),
        (1, 2)
    );
    let named = fs::read_to_string(sides.path("region/left-out.txt")).expect("unpacked");
    let mut wanted: Vec<String> = lost.iter().map(ToString::to_string).collect();
    wanted.sort();
    let mut named: Vec<&str> = named.lines().collect();
    named.sort_unstable();
    assert_eq!(named, wanted);
    let info = fs::read_to_string(sides.path("region/bag-info.txt")).expect("unpacked");
    assert!(info.contains("Vaxel-Left-Out: 2\n"), "{info}");
    // A receipt that doesn't say so isn't of this package.
    let mut silent = verified.receipt.clone();
    silent.left_out = 0;
    assert!(matches!(
        sides.close(&silent),
        Err(HandoverError::Forged(_))
    ));
    let closed = sides.close(&verified.receipt).expect("closed");
    assert_eq!((closed.erased.recordings, closed.left_out), (1, 2));
    let mut there = sides.bench.ids();
    there.sort_unstable();
    let mut lost = lost;
    lost.sort_unstable();
    assert_eq!(there, lost);
    let known = handover::list(&sides.bench.vault).expect("read");
    assert_eq!(known[0].left_out.len(), 2);
}

#[test]
fn a_list_of_what_is_missing_is_held_against_its_digest_and_its_number() {
    let sides = Sides::with(2);
    sides.bench.spoil(sides.bench.ids()[0]);
    sides.create(REGION).expect("packed");
    sides.reseal(|bytes| {
        let named = sides.bench.ids()[0].to_string() + "\n";
        let at = super::place_of(bytes, named.as_bytes());
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    });
    match sides.verify(None) {
        Err(HandoverError::Tampered { file, .. }) => assert_eq!(file, "left-out.txt"),
        other => panic!("{other:?}"),
    }
}
