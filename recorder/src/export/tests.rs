//! Exports read back.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    time::Instant,
};

use bytes::Bytes;
use wire::g711::Law;

use super::*;
use crate::{
    index::Closing,
    vault::{Kind, Packet, test_tag},
};

pub(super) struct Bench {
    place: tempfile::TempDir,
    pub(super) vault: Vault,
    pub(super) index: Index,
    pub(super) id: RecordingId,
}

/// A level that both laws code exactly enough to be told apart from the other and from silence.
const CALLER: i16 = 8000;
const NURSE: i16 = -3000;

fn audio(position: u32, law: Law, sample: i16) -> Packet {
    Packet::audio(position, Bytes::from(vec![law.encode(sample); 160]))
}

/// A closed recording of these packets by label.
pub(super) fn bench<C: Copy + Into<Codec>>(streams: &[(&str, C, &[Packet])]) -> Bench {
    let place = tempfile::tempdir().expect("a folder");
    let vault =
        Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
    let index = Index::open(&vault).expect("fresh");
    let id = RecordingId::random().expect("random");
    let mut tag = test_tag("region-01");
    tag.basis = "PDL 4 kap. § 2 <journal> & more".into();
    let recording = vault.begin(id, &tag).expect("begins");
    index.insert_open(id, &tag).expect("entered");
    for (label, law, packets) in streams {
        let label = StreamLabel::parse(label).expect("a label");
        let mut writer = recording.stream_writer(&label, *law).expect("a stream");
        for packet in *packets {
            writer.push(packet, Instant::now()).expect("written");
        }
        writer.finish().expect("finished");
    }
    let closing = Closing {
        state: State::Closed,
        ended: jiff::Timestamp::UNIX_EPOCH,
        bytes: 0,
        tally: Tally::default(),
        files: Vec::new(),
    };
    index.close(id, &closing).expect("closed");
    Bench {
        place,
        vault,
        index,
        id,
    }
}

impl Bench {
    fn export(&self) -> (Exported, Vec<u8>) {
        let path = self.place.path().join("out.wav");
        let exported = export(&self.vault, &self.index, self.id, &path).expect("exports");
        (exported, fs::read(path).expect("there"))
    }
}

/// The samples of both channels as hound reads them.
fn samples(file: &[u8]) -> (Vec<i16>, Vec<i16>) {
    let mut reader = hound::WavReader::new(file).expect("a sound file");
    assert_eq!(
        (reader.spec().channels, reader.spec().sample_rate),
        (2, 8000)
    );
    let all: Vec<i16> = reader
        .samples()
        .map(|sample| sample.expect("a sample"))
        .collect();
    all.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip()
}

/// The chunks of a RIFF file; its sizes must add up to its length.
fn riff(file: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let number =
        |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
    assert_eq!(
        (&file[..4], number(4) + 8, &file[8..12]),
        (b"RIFF".as_slice(), file.len(), b"WAVE".as_slice())
    );
    let (mut found, mut at) = (BTreeMap::new(), 12);
    while at < file.len() {
        let length = number(at + 4);
        found.insert(
            String::from_utf8_lossy(&file[at..at + 4]).into_owned(),
            file[at + 8..at + 8 + length].to_vec(),
        );
        at += 8 + length + length % 2;
    }
    assert_eq!(at, file.len());
    found
}

#[test]
fn caller_left_nurse_right_on_one_timeline() {
    let caller: Vec<_> = (0..100).map(|n| audio(n * 160, Law::A, CALLER)).collect();
    let nurse: Vec<_> = (50..150).map(|n| audio(n * 160, Law::U, NURSE)).collect();
    let bench = bench(&[("2", Law::U, &nurse), ("1", Law::A, &caller)]);
    let (exported, file) = bench.export();
    let (left, right) = samples(&file);
    assert_eq!((left.len(), right.len()), (150 * 160, 150 * 160));
    let (loud, soft) = (
        Law::A.decode(Law::A.encode(CALLER)),
        Law::U.decode(Law::U.encode(NURSE)),
    );
    assert!(left[..16_000].iter().all(|s| *s == loud) && left[16_000..].iter().all(|s| *s == 0));
    assert!(right[..8000].iter().all(|s| *s == 0) && right[8000..].iter().all(|s| *s == soft));
    assert_eq!(
        (exported.streams, exported.packets, exported.whole),
        (2, 200, true)
    );
    assert!((exported.seconds - 3.0).abs() < 1e-9);
}

#[test]
fn gaps_pauses_and_late_packets_keep_their_places() {
    let caller = [
        audio(0, Law::A, CALLER),
        Packet::lost(160, 160),
        audio(480, Law::A, CALLER),
        audio(320, Law::A, CALLER),
        Packet::paused(640),
        audio(80_000, Law::A, CALLER),
    ];
    let bench = bench(&[("caller", Law::A, &caller)]);
    let (exported, file) = bench.export();
    let (left, right) = samples(&file);
    let loud: Vec<usize> = (0..left.len())
        .step_by(160)
        .filter(|at| left[*at] != 0)
        .map(|at| at / 160)
        .collect();
    assert_eq!(loud, [0, 2, 3, 500]);
    assert_eq!(left.len(), 80_160);
    assert!(right.iter().all(|s| *s == 0));
    assert_eq!((exported.gaps, exported.packets_lost), (1, 1));
}

#[test]
fn an_empty_recording_is_an_empty_file() {
    let (exported, file) = bench::<Law>(&[]).export();
    assert_eq!(samples(&file), (Vec::new(), Vec::new()));
    assert_eq!(exported.streams, 0);
}

#[test]
fn the_file_carries_the_tag_three_times() {
    let caller: Vec<_> = (0..10).map(|n| audio(n * 160, Law::A, CALLER)).collect();
    let bench = bench(&[("1", Law::A, &caller)]);
    let chunks = riff(&bench.export().1);
    let info = String::from_utf8_lossy(&chunks["LIST"]).into_owned();
    assert!(
        info.starts_with("INFO") && info.contains("region-01\0") && info.contains("2026-11-22\0"),
        "{info}"
    );
    let bext = &chunks["bext"];
    assert!(bext.len() > 602);
    assert_eq!(&bext[256..261], b"inera");
    assert_eq!(bext[288..320], *bench.id.to_string().as_bytes());
    assert_eq!(&bext[320..330], b"2026-11-22");
    assert_eq!(u16::from_le_bytes([bext[346], bext[347]]), 1);
    assert!(bext[602..].starts_with(b"A=PCM,F=8000,W=16,M=stereo,T=G.711 A-law"));
    let ixml = String::from_utf8(chunks["iXML"].clone()).expect("UTF-8");
    let tag = bench.index.get(bench.id).expect("there").tag;
    for (name, text) in tag.fields() {
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        assert!(
            ixml.contains(&format!("<{name}>{text}</{name}>")),
            "{name}: {ixml}"
        );
    }
}

#[test]
fn open_audio_never_goes_into_the_store() {
    let bench = bench::<Law>(&[]);
    for inside in [
        bench.vault.store().join("x.wav"),
        bench.place.path().join("keys/data/x.wav"),
    ] {
        let refused = export(&bench.vault, &bench.index, bench.id, &inside);
        assert!(
            matches!(refused, Err(ExportError::InsideStore { .. })),
            "{}",
            inside.display()
        );
    }
}

#[test]
fn a_closed_recording_without_its_end_is_not_exported() {
    let caller: Vec<_> = (0..200).map(|n| audio(n * 160, Law::A, CALLER)).collect();
    let bench = bench(&[("1", Law::A, &caller)]);
    let entry = bench.index.get(bench.id).expect("there");
    let recording = bench.vault.unlock(bench.id, &entry.tag).expect("opens");
    let stream = bench.vault.store().join(recording.relative()).join("1.vax");
    let length = fs::metadata(&stream).expect("there").len();
    File::options()
        .write(true)
        .open(&stream)
        .and_then(|file| file.set_len(length - 5))
        .expect("ours");
    let path = bench.place.path().join("out.wav");
    let refused = export(&bench.vault, &bench.index, bench.id, &path);
    assert!(matches!(refused, Err(ExportError::EndMissing { .. })));
    assert_eq!(
        fs::read_dir(bench.place.path()).expect("readable").count(),
        2,
        "nothing is left behind"
    );
}

/// A power cut a second after somebody joined: of the new stream not even its beginning was safe.
#[test]
fn a_stream_torn_in_its_first_bytes_takes_nothing_from_the_others() {
    let caller: Vec<_> = (0..200).map(|n| audio(n * 160, Law::A, CALLER)).collect();
    let bench = bench(&[("1", Law::A, &caller), ("2", Law::A, &[])]);
    let mut entry = bench.index.get(bench.id).expect("there");
    let recording = bench.vault.unlock(bench.id, &entry.tag).expect("opens");
    let torn = bench.vault.store().join(recording.relative()).join("2.vax");
    fs::write(torn, b"VXS").expect("ours");
    let open = |entry: &Entry| Sound::open(&bench.vault, entry, None).map(|sound| from(&sound, 0));
    assert!(
        open(&entry).is_err(),
        "it was whole, and something has happened to it"
    );
    entry.state = State::Truncated;
    entry.tally.end = 32_000;
    let (left, _) = samples(&open(&entry).expect("opens"));
    assert!(left.len() == 32_000 && left.iter().all(|sample| *sample != 0));
}

/// A sound file's bytes from a place on.
fn from(sound: &Sound, place: u64) -> Vec<u8> {
    let mut reader = sound.read_from(place).expect("opens");
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next_piece().expect("read") {
        assert!(!piece.is_empty() && piece.len() <= 4 * BLOCK);
        bytes.extend_from_slice(&piece);
    }
    bytes
}

/// As late as a packet may come and be taken: a hundred others of its stream came before it (RFC 3550 appendix A.1).
#[test]
fn what_came_two_seconds_late_is_heard() {
    let mut packets: Vec<_> = (0..1000_u32)
        .map(|n| audio(n * 160, Law::A, CALLER))
        .collect();
    let late = packets.remove(120);
    packets.insert(220, late);
    let bench = bench(&[("1", Law::A, &packets)]);
    let (left, _) = samples(&bench.export().1);
    assert_eq!(left.iter().position(|sample| *sample == 0), None);
    is_alike_from_any_place(&bench);
}

/// What a player hears is what an export holds, from every place.
#[test]
fn a_sound_read_from_any_place_is_the_export() {
    let packets = |law: Law| -> Vec<Packet> {
        let mut packets: Vec<_> = (0..1000_u32)
            .map(|n| audio(n * 160, law, (n as i16 % 50) * 100))
            .collect();
        // One came late, and some never.
        packets.swap(300, 330);
        packets.drain(500..560);
        packets
    };
    let (left, right) = (packets(Law::A), packets(Law::U));
    let bench = bench(&[("1", Law::A, &left), ("2", Law::U, &right)]);
    is_alike_from_any_place(&bench);
}

/// The same where one side has to be decoded, though a decoder goes by all that it heard before.
#[test]
fn a_sound_with_an_opus_stream_is_the_export_from_any_place() {
    let caller: Vec<_> = (0..1000_u32)
        .map(|n| audio(n * 160, Law::A, (n as i16 % 50) * 100))
        .collect();
    let mut encoder =
        opus_rs::OpusEncoder::new(8000, 1, opus_rs::Application::Voip).expect("known");
    let mut nurse: Vec<_> = (0..1000_u32)
        .map(|n| {
            let swell =
                |at: u32| (at as f32 * 0.4).sin() * (0.3 + 0.2 * (at as f32 / 9000.0).sin());
            let samples: Vec<f32> = (n * 160..n * 160 + 160).map(swell).collect();
            let mut packet = vec![0; 400];
            let length = encoder.encode(&samples, 160, &mut packet).expect("fits");
            packet.truncate(length);
            Packet {
                kind: Kind::Opus,
                position: n * 160,
                payload: packet.into(),
            }
        })
        .collect();
    nurse.swap(300, 330);
    nurse.drain(500..560);
    // Nobody speaks so: noise in between is no end.
    nurse[700].payload = Bytes::from_static(&[0xFF, 0xFF, 3, 4]);
    let bench = bench(&[
        ("1", Codec::from(Law::A), &caller),
        ("2", Codec::Opus, &nurse),
    ]);
    is_alike_from_any_place(&bench);
}

fn is_alike_from_any_place(bench: &Bench) {
    let path = bench.place.path().join("out.wav");
    export(&bench.vault, &bench.index, bench.id, &path).expect("exported");
    let exported = fs::read(&path).expect("there");
    let mut entry = bench.index.get(bench.id).expect("there");
    entry.tally.end = 160_000;
    let sound = Sound::open(&bench.vault, &entry, None).expect("opens");
    assert_eq!(sound.length(), exported.len() as u64);
    let last = exported.len();
    for place in [
        0,
        1,
        43,
        44,
        45,
        191_000,
        191_999,
        320_002,
        639_998,
        640_044,
        last - 1,
        last,
    ] {
        assert!(
            from(&sound, place as u64) == exported[place..],
            "from {place}"
        );
    }
}

/// Two exports of two calls were one file, the later: what follows a dot isn't always an end.
#[test]
fn a_name_keeps_all_that_was_given() {
    for (given, named) in [
        ("call", "call.wav"),
        ("call.wav", "call.wav"),
        ("call.WAV", "call.wav"),
        ("call.opus", "call.wav"),
        ("anna.2026-01-05", "anna.2026-01-05.wav"),
        ("RS/903.2025", "RS/903.2025.wav"),
    ] {
        let found = super::named_for(std::path::Path::new(given), super::Part::Wav);
        assert_eq!(found, std::path::Path::new(named));
    }
}
