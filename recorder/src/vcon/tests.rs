//! What is exported is what the draft says a vCon is, and holds what was recorded.

use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;
use wire::g711::Law;

use super::*;
use crate::{
    index::{Closing, State},
    names::StreamLabel,
    tally::Tally,
    vault::{Packet, Party as Known, test_tag},
};

/// Set aside by PTS for books and films (data/test_numbers.csv).
const CALLER: &str = "+46701740605";

struct Bench {
    place: tempfile::TempDir,
    vault: Vault,
    index: Index,
    id: RecordingId,
}

impl Bench {
    fn new(parties: Vec<Known>) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
        let index = Index::open(&vault).expect("fresh");
        let (id, tag) = (
            RecordingId::random().expect("random"),
            test_tag("region-01"),
        );
        let recording = vault.begin(id, &tag).expect("begins");
        if !parties.is_empty() {
            recording.write_meta(&Meta { parties }).expect("written");
        }
        index.insert_open(id, &tag).expect("entered");
        let label = StreamLabel::parse("1").expect("a label");
        let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
        let packet = Packet::audio(0, Bytes::from_static(&[0x55; 800]));
        writer.push(&packet, Instant::now()).expect("written");
        let closing = Closing {
            state: State::Closed,
            ended: tag.started.timestamp(),
            bytes: writer.finish().expect("finished"),
            tally: Tally {
                packets: 1,
                end: 800,
                ..Tally::default()
            },
            files: vec![recording.file_name(&label)],
        };
        assert!(index.close(id, &closing).expect("written"));
        Self {
            place,
            vault,
            index,
            id,
        }
    }

    fn vcon(&self, audio: &Audio) -> Value {
        let entry = self.index.get(self.id).expect("there");
        let (sound, _) = sound_of(&self.vault, &entry).expect("opens");
        let meta = self
            .vault
            .unlock(self.id, &entry.tag)
            .expect("opens")
            .meta();
        let meta = meta.expect("readable");
        let now = "2026-11-22T06:00:00Z".parse().expect("a moment");
        serde_json::to_value(vcon(&entry, meta.as_ref(), &sound, audio, now)).expect("JSON")
    }
}

fn caller_and_nurse() -> Vec<Known> {
    let party = |stream: &str, name: &str, address: &str| Known {
        stream: stream.into(),
        name: name.into(),
        address: address.into(),
    };
    vec![
        party("2", "nurse", "sip:nurse@127.0.0.1"),
        party("1", "caller", CALLER),
    ]
}

fn is_valid(value: &Value) -> Result<(), String> {
    let schema = serde_json::from_str(include_str!("vcon-0.4.0.schema.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let wrong = schema.iter_errors(value).next();
    wrong.map_or(Ok(()), |error| Err(error.to_string()))
}

#[test]
fn what_is_exported_is_a_vcon() {
    for parties in [Vec::new(), caller_and_nurse()] {
        let bench = Bench::new(parties);
        for audio in [
            Audio::Inline,
            Audio::At("https://example.invalid/1.wav".to_owned()),
            Audio::Beside("audio".to_owned()),
        ] {
            is_valid(&bench.vcon(&audio)).unwrap_or_else(|error| panic!("{audio:?}: {error}"));
        }
    }
}

#[test]
fn the_schema_refuses_what_is_none() {
    let bench = Bench::new(caller_and_nurse());
    let sound = bench.vcon(&Audio::Inline);
    for (pointer, value) in [
        ("/vcon", Value::from("0.3.0")),
        ("/uuid", Value::from("x")),
        ("/dialog/0/type", Value::from("song")),
        ("/dialog/0/content_hash", Value::from("md5-x")),
        ("/dialog/0/duration", Value::from(-1)),
        ("/attachments/0/party", Value::from("me")),
        ("/created_at", Value::from("yesterday")),
    ] {
        let mut wrong = sound.clone();
        *wrong.pointer_mut(pointer).expect("there") = value;
        assert!(is_valid(&wrong).is_err(), "{pointer}");
    }
    let mut both = sound.clone();
    both["dialog"][0]["url"] = "https://example.invalid/1.wav".into();
    assert!(is_valid(&both).is_err(), "the sound in it and elsewhere");
}

#[test]
fn the_sound_the_parties_and_the_tag_are_in_it() {
    let bench = Bench::new(caller_and_nurse());
    let vcon = bench.vcon(&Audio::Inline);
    let dialog = &vcon["dialog"][0];
    let body = dialog["body"].as_str().expect("inline");
    let sound = BASE64URL.decode(body).expect("base64url");
    assert!(sound.starts_with(b"RIFF"));
    assert_eq!(dialog["content_hash"], content_hash(&sound));
    assert_eq!(dialog["duration"], 0.1);
    assert_eq!(vcon["parties"][1]["tel"], CALLER);
    assert_eq!(vcon["parties"][0]["sip"], "sip:nurse@127.0.0.1");
    // The caller is on the left channel, although named second.
    assert_eq!(dialog["parties"], serde_json::json!([[1], [0]]));
    let tag: Value =
        serde_json::from_str(vcon["attachments"][0]["body"].as_str().expect("text")).expect("JSON");
    assert_eq!(tag["controller"], "region-01");
    assert_eq!(tag["earliest"], "2028-11-22");
}

#[test]
fn one_recording_is_one_vcon() {
    let bench = Bench::new(Vec::new());
    let [first, second] = [&Audio::Inline, &Audio::Beside("a".into())];
    assert_eq!(bench.vcon(first)["uuid"], bench.vcon(second)["uuid"]);
    assert_eq!(bench.vcon(first)["parties"][0]["name"], "anonymous");
}

#[test]
fn an_export_needs_a_purpose_and_is_logged_without_a_number() {
    let bench = Bench::new(caller_and_nurse());
    let path = bench.place.path().join("call.vcon.json");
    let now = "2026-11-22T06:00:00Z".parse().expect("a moment");
    let mut by = By {
        who: "anna".into(),
        purpose: String::new(),
    };
    let parts = (&bench.vault, &bench.index);
    let id = bench.id.to_string();
    let refused = export(parts, &id, &path, &Audio::Inline, (&by, now));
    assert!(matches!(refused, Err(StoreError::Purpose)) && !path.exists());
    by.purpose = "a complaint".into();
    export(parts, &id, &path, &Audio::Inline, (&by, now)).expect("written");
    let text = std::fs::read_to_string(&path).expect("there");
    is_valid(&serde_json::from_str(&text).expect("JSON")).expect("valid");
    let outside = Audio::At("https://example.invalid/call.wav".to_owned());
    export(parts, &id, &path, &outside, (&by, now)).expect("written");
    let sound = std::fs::read(path.with_extension("wav")).expect("beside it");
    let text = std::fs::read_to_string(&path).expect("there");
    assert!(text.contains(&content_hash(&sound)) && !text.contains("\"body\": \"UklGR"));
    let mut log = Vec::new();
    access::read(&bench.vault, "region-01", |_, access| log.push(access)).expect("read");
    assert_eq!((log.len(), log[0].action.as_str()), (2, "export"));
    assert!(!format!("{log:?}").contains(CALLER));
    let inside = bench.vault.store().join("x.json");
    assert!(export(parts, &id, &inside, &Audio::Inline, (&by, now)).is_err());
}

/// The vCon would have taken the sound's place, and whoever opens it finds a digest of nothing.
#[test]
fn a_vcon_is_not_written_over_its_own_sound() {
    let bench = Bench::new(caller_and_nurse());
    let now = "2026-11-22T06:00:00Z".parse().expect("a moment");
    let by = By {
        who: "anna".into(),
        purpose: "a complaint".into(),
    };
    let parts = (&bench.vault, &bench.index);
    let id = bench.id.to_string();
    let outside = Audio::At("https://example.invalid/call.wav".to_owned());
    let path = bench.place.path().join("call.wav");
    let refused = export(parts, &id, &path, &outside, (&by, now));
    let same =
        |error: &StoreError| matches!(error, StoreError::Export(ExportError::SameFile { .. }));
    assert!(refused.as_ref().is_err_and(same), "{refused:?}");
    assert!(!path.exists());
    let path = bench.place.path().join("call.vcon.json");
    let exported = export(parts, &id, &path, &outside, (&by, now)).expect("written");
    assert_eq!(exported.files, [path.with_extension("wav"), path]);
}

/// The sound file has the stream of the first name on the left, whatever the order of those who take part.
#[test]
fn who_is_heard_on_which_channel_goes_by_the_streams() {
    let known = |streams: &[(&str, &str)]| {
        let parties = streams.iter().map(|(stream, name)| Known {
            stream: (*stream).to_owned(),
            name: (*name).to_owned(),
            ..Known::default()
        });
        let meta = Meta {
            parties: parties.collect(),
        };
        channels(Some(&meta))
    };
    assert_eq!(known(&[("97", "a"), ("96", "b")]), [[1], [0]]);
    assert_eq!(known(&[("2", "caller"), ("1", "b")]), [[1], [0]]);
    assert_eq!(known(&[("", "a"), ("", "caller")]), [[1], [0]]);
    // Another caller and another nurse took over.
    let both = known(&[("1", "a"), ("2", "b"), ("1", "c"), ("2", "d")]);
    assert_eq!(both, [[0, 2], [1, 3]]);
    assert_eq!(channels(None), [[0], [1]]);
}
