//! What lies in the store is anybody's who writes there: nothing is erased on its word alone.

use std::{fs, ops::ControlFlow, path::PathBuf};

use jiff::civil::date;
use recorder::{
    gallring,
    handover::{self, HandoverError, Record},
    lost,
    names::RecordingId,
};

use super::{
    Sides, by, scenario,
    stored::{REGION, now},
};

impl Sides {
    fn record_path(&self) -> PathBuf {
        let records = handover::list(&self.bench.vault).expect("read");
        let name = format!("{}.json", records.last().expect("one").id);
        self.bench.vault.store().join(".handover").join(name)
    }

    fn change_record(&self, change: impl FnOnce(&mut Record)) {
        let path = self.record_path();
        let text = fs::read(&path).expect("there");
        let mut record: Record = serde_json::from_slice(&text).expect("a record");
        change(&mut record);
        fs::write(&path, serde_json::to_vec(&record).expect("text")).expect("ours");
    }

    /// How many a run erases; the plan says as many beforehand.
    fn ran(&self) -> u64 {
        let (vault, index) = (&self.bench.vault, &self.bench.index);
        let (day, mut watch) = (date(2026, 1, 15), |_| ControlFlow::Continue(()));
        let ran = gallring::run(vault, index, &scenario(), day, now(), &mut watch);
        ran.expect("ran").recordings
    }

    fn planned(&self) -> Vec<(&'static str, u64)> {
        let (vault, index) = (&self.bench.vault, &self.bench.index);
        let plan = gallring::plan(vault, index, &scenario(), date(2026, 1, 15)).expect("a plan");
        let recordings = plan.groups.into_iter().filter(|one| one.class == "audio");
        recordings.map(|one| (one.reason, one.objects)).collect()
    }

    fn mark(&self, ids: &[RecordingId], receipt: &str) {
        let marked = self.bench.index.handed_over(ids, receipt);
        marked.expect("whoever writes in the store writes in the index");
    }
}

#[test]
fn an_index_that_says_handed_over_erases_nothing_without_a_receipt() {
    let sides = Sides::with(2);
    sides.create(REGION).expect("packed");
    let id = handover::list(&sides.bench.vault).expect("read")[0]
        .id
        .clone();
    for receipt in [&*"0".repeat(32), "x", &id, "../../etc/passwd"] {
        sides.mark(&sides.bench.ids(), receipt);
        assert_eq!(sides.planned(), [("not-handed-over", 2)], "{receipt}");
        assert_eq!(sides.ran(), 0, "{receipt}");
    }
    // Nor does a hand-over that only says of itself that it was closed.
    sides.mark(&sides.bench.ids(), &id);
    sides.change_record(|record| record.closed = now().to_string());
    assert_eq!(sides.ran(), 0);
    let bench = sides.bench.with_new_index();
    let alike = bench.index.alike().expect("read");
    assert!(alike.iter().all(|group| group.handed_over.is_empty()));
}

#[test]
fn a_hand_over_that_was_changed_takes_no_receipt() {
    let sides = Sides::with(2);
    sides.create(REGION).expect("packed");
    let receipt = sides.verify(None).expect("whole").receipt;
    let more = sides.bench.record(REGION, 7).to_string();
    let path = sides.record_path();
    let sound = fs::read(&path).expect("there");
    let other = Sides::with(0);
    let key = other.receiver_key();
    let changes: [&dyn Fn(&mut Record); 4] = [
        &|record| record.recordings[0].clone_from(&more),
        &|record| record.receipt_key.clone_from(&key),
        &|record| record.controller = "region-01".into(),
        &|record| record.recordings.truncate(1),
    ];
    for change in changes {
        sides.change_record(change);
        let refused = sides.close(&receipt);
        assert!(matches!(
            refused,
            Err(HandoverError::Changed(_) | HandoverError::Forged(_))
        ));
        fs::write(&path, &sound).expect("ours");
    }
    sides.close(&receipt).expect("the true one");
    assert_eq!(sides.bench.ids().len(), 1, "what wasn't in it stays");
}

#[test]
fn what_a_receipt_does_not_cover_stays() {
    let sides = Sides::with(2);
    sides.create(REGION).expect("packed");
    let receipt = sides.verify(None).expect("whole").receipt;
    let held = sides.bench.ids()[0];
    sides.hold(held);
    sides.close(&receipt).expect("closed");
    let released = sides.bench.index.release(held, "anna", now());
    assert_eq!(released.expect("released"), 1);
    // Of the same day, and said to be handed over by the same receipt.
    let later = sides.bench.record(REGION, 7);
    sides.mark(&[later], &receipt.handover);
    assert_eq!(sides.ran(), 1);
    assert_eq!(sides.bench.ids(), [later]);
}

#[test]
fn a_closed_hand_over_is_proof_as_long_as_nobody_changes_it() {
    let sides = Sides::with(2);
    sides.create(REGION).expect("packed");
    let receipt = sides.verify(None).expect("whole").receipt;
    let held = sides.bench.ids();
    for id in &held {
        sides.hold(*id);
    }
    assert_eq!(sides.close(&receipt).expect("closed").stay, 2);
    for id in &held {
        sides.bench.index.release(*id, "anna", now()).expect("free");
    }
    let path = sides.record_path();
    let sound = fs::read(&path).expect("there");
    // Its receipt taken away, spoilt, of another; and the file gone.
    let changes: [&dyn Fn(&mut Record); 2] = [&|record| record.receipt = None, &|record| {
        if let Some(receipt) = &mut record.receipt {
            receipt.signature = "0".repeat(128);
        }
    }];
    for change in changes {
        sides.change_record(change);
        assert_eq!(sides.ran(), 0);
        fs::write(&path, &sound).expect("ours");
    }
    fs::remove_file(&path).expect("ours");
    assert_eq!(
        (sides.planned(), sides.ran()),
        (vec![("not-handed-over", 2)], 0)
    );
    fs::write(&path, &sound).expect("ours");
    assert_eq!((sides.planned(), sides.ran()), (vec![("due", 2)], 2));
}

/// What the old key vouched for is written down with the keys when it is given up; from then on it vouches for nothing.
#[test]
fn a_hand_over_outlives_the_key_that_signed_it() {
    let sides = Sides::with(2);
    sides.create(REGION).expect("packed");
    let receipt = sides.verify(None).expect("whole").receipt;
    let keys = sides.bench.vault.keys();
    let old = fs::read(keys.join("signing.key")).expect("there");
    fs::remove_file(keys.join("signing.key")).expect("ours");
    lost::signing_key_lost(&sides.bench.vault, &by(), now()).expect("said");
    let more = sides.bench.record(REGION, 7).to_string();
    let sound = fs::read(sides.record_path()).expect("there");
    fs::write(keys.join("signing.key"), old).expect("ours");
    sides.change_record(|record| record.recordings[0] = more);
    let refused = sides.close(&receipt);
    assert!(matches!(refused, Err(HandoverError::Changed(_))));
    fs::write(sides.record_path(), sound).expect("ours");
    assert_eq!(sides.close(&receipt).expect("closed").erased.recordings, 2);
}
