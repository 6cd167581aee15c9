//! What an extract does about recordings that go while it is made.

use std::{fs, time::Instant};

use bytes::Bytes;
use wire::g711::Law;

use super::*;
use crate::{
    index::{Closing, Mark, State},
    names::StreamLabel,
    tally::Tally,
    vault::{Meta, Packet, test_tag},
};

const REGION: &str = "region-23";

struct Bench {
    _place: tempfile::TempDir,
    vault: Vault,
    index: Index,
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let [store, keys] = ["store", "keys"].map(|name| place.path().join(name));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let index = Index::open(&vault).expect("fresh");
        Self {
            _place: place,
            vault,
            index,
        }
    }

    fn record(&self) -> RecordingId {
        let (id, tag) = (RecordingId::random().expect("random"), test_tag(REGION));
        let recording = self.vault.begin(id, &tag).expect("begins");
        recording.write_meta(&Meta::default()).expect("written");
        self.index.insert_open(id, &tag).expect("entered");
        let label = StreamLabel::parse("1").expect("a label");
        let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
        let audio = Packet::audio(0, Bytes::from_static(&[1; 160]));
        writer.push(&audio, Instant::now()).expect("written");
        writer.finish().expect("finished");
        let closing = Closing {
            state: State::Closed,
            ended: tag.started.timestamp(),
            bytes: 1,
            tally: Tally::default(),
            files: vec![recording.file_name(&label)],
        };
        self.index.close(id, &closing).expect("closed");
        id
    }
}

#[test]
fn what_is_erased_while_a_delivery_is_made_keeps_nobody_from_the_rest() {
    let text = include_str!("../../../../scenarios/jamtland-2025.toml");
    let scenario = Scenario::from_toml(text, "jamtland-2025").expect("shipped");
    for kind in ["content", "register", "access-log"] {
        let bench = Bench::new();
        let ids = [(); 3].map(|()| bench.record());
        let order = Order::read([
            ("kind", kind),
            ("asked-by", "resident"),
            ("controller", REGION),
            ("orderer", "SE2321000214-E4TQ"),
            (
                "patient",
                "https://stod.example.invalid/?patientID=a81f77c2",
            ),
        ]);
        let source = Source {
            vault: &bench.vault,
            index: &bench.index,
            scenario: &scenario,
            order: &order.expect("an order"),
            now: Timestamp::UNIX_EPOCH,
        };
        let theirs = Theirs {
            ids: ids.to_vec(),
            ..Theirs::default()
        };
        // As gallring erases: the key first, the row last.
        for id in &ids[..2] {
            let key = bench.vault.keys().join(format!("data/{id}.key"));
            fs::remove_file(key).expect("there");
        }
        let forgotten = bench.index.forget(Mark::Recording, &ids[..1]);
        forgotten.expect("forgotten");
        let mut archive = Writer::new(Vec::new());
        let written = source.write(&mut archive, Some(&theirs)).expect(kind);
        let gone = match kind {
            "content" => 2,
            // Of a row nothing but the row is needed.
            "register" => 1,
            _ => 0,
        };
        assert_eq!(written, Written { spoilt: 0, gone }, "{kind}");
    }
}
