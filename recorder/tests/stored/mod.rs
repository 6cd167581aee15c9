//! A store filled without sockets: recordings of a region's calls in November 2018.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::PathBuf;

use bytes::Bytes;
use callcore::{scenario::Scenario, switch::CallId, tag::RecordingTag, time::Time};
use jiff::Timestamp;
use recorder::{
    index::{Closing, Index, State},
    names::{RecordingId, StreamLabel},
    place::{IndexPlace, Place},
    tally::Tally,
    vault::{Codec, Meta, Packet, Party, Vault},
};
use tempfile::TempDir;
use wire::g711::Law;

#[path = "../place/mod.rs"]
pub(crate) mod postgres;
#[path = "../tags/mod.rs"]
mod tags;

pub(crate) const REGION: &str = "region-23";
/// Set aside by PTS for books and films (data/test_numbers.csv).
pub(crate) const CALLER: &str = "+46701740605";

/// What stands in a stream's file before its first chunk, for a label of one letter.
const STREAM_HEAD_LEN: usize = 4 + 16 + 7 + 1 + 1 + 1;

pub(crate) struct Bench {
    pub(crate) place: TempDir,
    pub(crate) vault: Vault,
    pub(crate) index: Index,
}

pub(crate) fn scenario() -> Scenario {
    let text = include_str!("../../../scenarios/jamtland-2025.toml");
    Scenario::from_toml(text, "jamtland-2025.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// A day when every decision of the scenario stands.
pub(crate) fn now() -> Timestamp {
    "2026-01-15T09:00:00Z".parse().expect("a moment")
}

pub(crate) fn tag(controller: &str, call: u64) -> RecordingTag {
    let started: Timestamp = "2018-11-05T09:00:00Z".parse().expect("a moment");
    RecordingTag {
        controller: controller.into(),
        region: "23".into(),
        kommun: "2380".into(),
        agreement: "inera-23".into(),
        earliest: jiff::civil::date(2020, 11, 5),
        latest: Some(jiff::civil::date(2021, 11, 5)),
        route: "region-23".into(),
        call: CallId(call),
        started: Time::from(started),
        ..tags::region_01()
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let mut at = Place::folders(&place.path().join("store"), &place.path().join("keys"));
        at.index =
            postgres::index_of(place.path()).map_or(IndexPlace::InStore, IndexPlace::Postgres);
        let vault = Vault::open_place(at).expect("fresh");
        // Not alone: a test may start a recorder beside it.
        let index = Index::open_to_change(&vault).expect("fresh");
        Self {
            place,
            vault,
            index,
        }
    }

    pub(crate) fn with(recordings: u64) -> Self {
        let bench = Self::new();
        for call in 0..recordings {
            bench.record(REGION, call);
        }
        bench
    }

    /// One recording: two streams and who spoke.
    pub(crate) fn record(&self, controller: &str, call: u64) -> RecordingId {
        let packet = Packet::audio(0, Bytes::from_static(&[0x55; 160]));
        self.record_of(controller, call, Law::A.into(), &packet)
    }

    /// The same of another codec.
    pub(crate) fn record_of(
        &self,
        controller: &str,
        call: u64,
        codec: Codec,
        packet: &Packet,
    ) -> RecordingId {
        self.record_as(&tag(controller, call), codec, packet)
    }

    /// The same under a tag of one's own.
    pub(crate) fn record_under(&self, tag: &RecordingTag) -> RecordingId {
        let packet = Packet::audio(0, Bytes::from_static(&[0x55; 160]));
        self.record_as(tag, Law::A.into(), &packet)
    }

    fn record_as(&self, tag: &RecordingTag, codec: Codec, packet: &Packet) -> RecordingId {
        let id = RecordingId::random().expect("random");
        let recording = self.vault.begin(id, tag).expect("begins");
        let caller = Party {
            stream: "1".into(),
            name: "caller".into(),
            address: CALLER.into(),
        };
        let meta = Meta {
            parties: vec![caller],
        };
        recording.write_meta(&meta).expect("written");
        self.index.insert_open(id, tag).expect("entered");
        let (mut files, mut bytes) = (Vec::new(), 0);
        for label in ["1", "2"] {
            let label = StreamLabel::parse(label).expect("a label");
            let mut writer = recording.stream_writer(&label, codec).expect("a stream");
            writer
                .push(packet, std::time::Instant::now())
                .expect("written");
            bytes += writer.finish().expect("finished");
            files.push(recording.file_name(&label));
        }
        let closing = Closing {
            state: State::Closed,
            ended: tag.started.timestamp(),
            bytes,
            tally: Tally {
                packets: 2,
                end: 160,
                ..Tally::default()
            },
            files,
        };
        assert!(self.index.close(id, &closing).expect("written"));
        id
    }

    /// As when it was lost: the store with an index of nothing.
    pub(crate) fn with_new_index(self) -> Self {
        let mut at = self.vault.place().clone();
        at.index = IndexPlace::File(self.place.path().join("new.sqlite"));
        let vault = Vault::open_place(at).expect("there");
        let index = Index::open(&vault).expect("fresh");
        recorder::recover::recover(&vault, &index).expect("recovers");
        Self {
            vault,
            index,
            ..self
        }
    }

    pub(crate) fn ids(&self) -> Vec<RecordingId> {
        let listed = self.index.list(&Default::default()).expect("listed");
        listed.into_iter().map(|entry| entry.id).collect()
    }

    /// A stretch of what the caller said isn't what was stored any more.
    pub(crate) fn spoil(&self, id: RecordingId) {
        let tag = self.index.get(id).expect("there").tag;
        let recording = self.vault.unlock(id, &tag).expect("opens");
        let label = StreamLabel::parse("1").expect("a label");
        let path = self.vault.store().join(recording.file_name(&label));
        let mut bytes = std::fs::read(&path).expect("there");
        bytes[STREAM_HEAD_LEN + 10] ^= 1;
        std::fs::write(&path, bytes).expect("ours");
    }

    /// A recording's folder.
    pub(crate) fn folder(&self, id: RecordingId) -> PathBuf {
        self.folder_of(REGION, id)
    }

    pub(crate) fn folder_of(&self, controller: &str, id: RecordingId) -> PathBuf {
        let month = self.vault.store().join(controller).join("2018/11");
        month.join(id.to_string())
    }
}
