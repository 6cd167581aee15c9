//! An index that is lost while the audio lies in a bucket.

use std::{fs, time::Instant};

use bytes::Bytes;
use wire::g711::Law;

use super::*;
use crate::{
    index::{Entry, IndexError},
    names::StreamLabel,
    place::IndexPlace,
    recover::recover,
    store::HOLD,
    vault::{Packet, stub::Stub, test_tag},
};

struct Bench {
    place: tempfile::TempDir,
    stub: Stub,
    vault: Vault,
    index: Index,
}

fn bench() -> Bench {
    let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
    let vault = stub.vault(place.path());
    let index = Index::open(&vault).expect("fresh");
    recover(&vault, &index).expect("nothing there");
    let mut bench = Bench {
        place,
        stub,
        vault,
        index,
    };
    assert_eq!(bench.look(), FarFound::default());
    bench
}

impl Bench {
    /// So many packets of 20 ms in each of two streams, in the bucket and in the index.
    fn record(&self, packets: u32) -> Entry {
        let (id, tag) = (
            RecordingId::random().expect("random"),
            test_tag("region-01"),
        );
        let recording = self.vault.begin(id, &tag).expect("begins");
        self.index.insert_open(id, &tag).expect("entered");
        recording.write_meta(&Default::default()).expect("written");
        let mut now = Instant::now();
        let mut closing = nothing(&tag);
        for label in ["1", "2"] {
            let label = StreamLabel::parse(label).expect("a label");
            let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
            for number in 0..packets {
                now += std::time::Duration::from_millis(20);
                let packet = Packet::audio(number * 160, Bytes::from_static(&[1; 160]));
                closing.tally.count(&packet);
                writer.push(&packet, now).expect("written");
            }
            writer.finish().expect("finished");
            closing.files.push(recording.file_name(&label));
        }
        closing.state = State::Closed;
        closing.bytes = recording.stored_bytes().expect("listed");
        let waiting = self.vault.ended(id, &tag).expect("listed").expect("there");
        self.vault.move_out(&waiting).expect("moved");
        closing.ended =
            tag.started.timestamp() + SignedDuration::from_millis(20 * i64::from(packets));
        self.index.close(id, &closing).expect("written");
        self.index.get(id).expect("there")
    }

    /// Another index in its place, of nothing; and a start with that.
    fn lose_index(&mut self) {
        let mut at = self.vault.place().clone();
        at.index = IndexPlace::File(self.place.path().join("new.sqlite"));
        self.vault = Vault::open_place(at).expect("there");
        self.index = Index::open(&self.vault).expect("fresh");
        let found = recover(&self.vault, &self.index).expect("recovers");
        assert_eq!(found, Default::default(), "nothing is in the spool");
    }

    fn look(&mut self) -> FarFound {
        recover_far(&self.vault, &self.index, &mut |_| ControlFlow::Continue(())).expect("looks")
    }
}

#[test]
fn a_lost_index_is_told_of_what_lies_in_the_bucket() {
    let mut bench = bench();
    // A pause between two chunks, one chunk that is the last, one that is empty, and no audio at all.
    let before: Vec<Entry> = [1000, 1, 25, 50, 0]
        .map(|packets| bench.record(packets))
        .into();
    bench.lose_index();
    assert!(bench.index.get(before[0].id).is_err(), "it is lost");
    let found = bench.look();
    assert_eq!((found.recordings, found.entered, found.unopened), (5, 5, 0));
    for mut known in before {
        // Nobody has read it through.
        known.tally.uncounted = known.tally.packets > 0;
        known.tally.packets = 0;
        assert_eq!(bench.index.get(known.id).expect("there"), known);
    }
    let numbers = bench.index.numbers_alike().expect("read");
    assert_eq!(numbers.iter().map(|group| group.recordings).sum::<u64>(), 5);
    let again = bench.look();
    assert_eq!((again.recordings, again.entered), (5, 0));
}

/// What somebody ordered to stay is in the index again before anything may be erased.
#[test]
fn nothing_is_erased_until_the_bucket_was_looked_through() {
    let mut bench = bench();
    let id = bench.record(50).id;
    let by = crate::access::Access {
        who: "anna".to_owned(),
        controller: "region-01".to_owned(),
        action: HOLD.to_owned(),
        object: id.to_string(),
        purpose: "a dispute".to_owned(),
    };
    crate::access::write(&bench.vault, jiff::Timestamp::now(), &[by]).expect("written");
    bench.lose_index();
    let text = include_str!("../../../../scenarios/jamtland-2025.toml");
    let scenario = callcore::scenario::Scenario::from_toml(text, "jamtland-2025.toml");
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let run = |bench: &Bench| {
        let now = "2026-01-15T09:00:00Z".parse().expect("a moment");
        let day = jiff::civil::date(2026, 1, 15);
        let mut go_on = |_| ControlFlow::Continue(());
        gallring::run(&bench.vault, &bench.index, &scenario, day, now, &mut go_on)
    };
    assert!(matches!(run(&bench), Err(GallringError::Unlisted)));
    // Stopped half-way, it is as if it hadn't begun.
    let stopped = recover_far(&bench.vault, &bench.index, &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.expect("looks").entered, 1);
    assert!(matches!(run(&bench), Err(GallringError::Unlisted)));
    bench.look();
    run(&bench).expect("runs");
    let held = bench.index.holds().expect("read");
    assert_eq!(held.len(), 1);
    assert!(bench.index.get(id).is_ok());
}

#[test]
fn more_than_a_page_is_looked_through() {
    let mut bench = bench();
    let one = bench.record(1);
    let of = bench.stub.names();
    for number in 0..400_u32 {
        // Without keys: nobody's, but looked at.
        let id = format!("{number:032x}");
        for name in &of {
            bench.stub.put(&name.replace(&one.id.to_string(), &id));
        }
    }
    bench.lose_index();
    let mut pages = 0;
    let found = recover_far(&bench.vault, &bench.index, &mut |_| {
        pages += 1;
        ControlFlow::Continue(())
    });
    let found = found.expect("looks");
    assert_eq!(
        (found.recordings, found.entered, found.unopened, pages),
        (401, 1, 400, 2)
    );
    assert_eq!(
        bench.stub.names().len(),
        401 * of.len(),
        "nothing is erased"
    );
}

#[test]
fn what_does_not_open_under_its_tag_is_told_and_stays() {
    let mut bench = bench();
    let (changed, torn) = (bench.record(50), bench.record(50));
    let folder = |id: RecordingId| {
        let names = bench.stub.names();
        let tag = names.iter().find(|name| name.contains(&id.to_string()));
        tag.and_then(|name| name.rsplit_once('/'))
            .expect("there")
            .0
            .to_owned()
    };
    let tag = format!("{}/tag.json", folder(changed.id));
    bench.stub.change(&tag, |text| {
        let said = String::from_utf8(text.clone()).expect("JSON");
        *text = said
            .replace("2380", "2381")
            .replace("0180", "0181")
            .into_bytes();
    });
    let stream = format!("{}/1.vax", folder(torn.id));
    bench.stub.change(&stream, |bytes| bytes.truncate(5000));
    bench.lose_index();
    let found = bench.look();
    assert_eq!((found.entered, found.unopened), (1, 1));
    assert!(matches!(
        bench.index.get(changed.id),
        Err(IndexError::NotFound(_))
    ));
    let entry = bench.index.get(torn.id).expect("entered");
    assert_eq!((entry.state, entry.files.len()), (State::Truncated, 2));
}

/// Its key is gone, and the bucket refused when the rest was to go.
#[test]
fn what_the_register_says_was_erased_goes() {
    let mut bench = bench();
    let id = bench.record(1).id;
    fs::remove_file(bench.vault.keys().join(format!("data/{id}.key"))).expect("ours");
    let erased = gallring::Destroyed {
        object: id.to_string(),
        controller: "region-01".to_owned(),
        class: "audio".to_owned(),
        month: "2018-11".to_owned(),
        earliest: String::new(),
        latest: String::new(),
        decision: "RS/1".to_owned(),
        judged: "2026-01-15".to_owned(),
        bytes: 0,
        key_destroyed: true,
        numbers: None,
        call: String::new(),
        last_hash: String::new(),
    };
    let (store, keys) = (bench.vault.store(), bench.vault.keys());
    let signer = crate::ledger::Signer::open(keys).expect("a key");
    let mut register =
        crate::ledger::Ledger::open(store, keys, gallring::REGISTER, crate::ledger::GENESIS)
            .expect("fresh");
    let line = serde_json::to_value(erased).expect("JSON");
    register
        .add(&signer, jiff::Timestamp::now(), &[line])
        .expect("written");
    bench.lose_index();
    let found = bench.look();
    assert_eq!((found.removed, found.entered, found.unopened), (1, 0, 0));
    assert_eq!(bench.stub.names(), [""; 0]);
}
