//! Invariant 3: no audio on disk unencrypted or untagged; change the tag and it won't open.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tempfile::TempDir;
use wire::g711::Law;

use super::*;
use crate::names::StreamLabel;

mod damaged;
#[path = "../../tests/tags/mod.rs"]
mod tags;

pub(crate) fn tag(controller: &str) -> RecordingTag {
    RecordingTag {
        controller: controller.into(),
        ..tags::region_01()
    }
}

/// A recording of one packet that nobody closed.
pub(crate) fn left_open(
    vault: &Vault,
    index: &crate::index::Index,
    controller: &str,
) -> RecordingId {
    let (id, tag) = (RecordingId::random().expect("random"), tag(controller));
    let recording = vault.begin(id, &tag).expect("begins");
    index.insert_open(id, &tag).expect("entered");
    let label = StreamLabel::parse("1").expect("a label");
    let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
    let audio = Packet::audio(0, Bytes::from_static(&[1; 160]));
    writer.push(&audio, Instant::now()).expect("written");
    writer.finish().expect("finished");
    id
}

struct Bench {
    place: TempDir,
    vault: Vault,
    id: RecordingId,
    label: StreamLabel,
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
        let id = RecordingId::random().expect("random");
        Self {
            place,
            vault,
            id,
            label: StreamLabel::parse("caller").expect("a label"),
        }
    }

    /// A recording with that many 20 ms packets; left without its end unless told to finish.
    fn record(&self, packets: u32, finish: bool) -> PathBuf {
        let recording = self
            .vault
            .begin(self.id, &tag("region-01"))
            .expect("begins");
        let mut writer = recording
            .stream_writer(&self.label, Law::A)
            .expect("a stream");
        let begun = Instant::now();
        for number in 0..packets {
            let now = begun + Duration::from_millis(20) * number;
            writer.push(&packet(number), now).expect("written");
        }
        if finish {
            writer.finish().expect("finished");
        }
        self.vault
            .store()
            .join(recording.relative())
            .join("caller.vax")
    }

    fn read(&self, tag: &RecordingTag) -> Result<(Vec<Packet>, Option<Ending>), VaultError> {
        let mut reader = self
            .vault
            .unlock(self.id, tag)?
            .stream_reader(&self.label)?;
        let mut packets = Vec::new();
        while let Some(packet) = reader.next_packet()? {
            packets.push(packet);
        }
        Ok((packets, reader.ending()))
    }
}

/// Sixteen bytes that random data won't hold, ten times over.
const SAID: &[u8; 16] = b"spoken in a call";

fn packet(number: u32) -> Packet {
    Packet::audio(number * 160, Bytes::from(SAID.repeat(10)))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn what_was_written_reads_back() {
    let bench = Bench::new();
    bench.record(120, true);
    let (packets, ending) = bench.read(&tag("region-01")).expect("opens");
    assert_eq!(packets, (0..120).map(packet).collect::<Vec<_>>());
    assert_eq!(ending, Some(Ending::Whole));
}

#[test]
fn gaps_and_pauses_are_kept() {
    let bench = Bench::new();
    let recording = bench
        .vault
        .begin(bench.id, &tag("region-01"))
        .expect("begins");
    let mut writer = recording
        .stream_writer(&bench.label, Law::U)
        .expect("a stream");
    let written = [
        packet(0),
        Packet::lost(160, 320),
        Packet::paused(480),
        packet(9),
    ];
    for packet in &written {
        writer.push(packet, Instant::now()).expect("written");
    }
    writer.finish().expect("finished");
    let (packets, _) = bench.read(&tag("region-01")).expect("opens");
    assert_eq!(packets, written);
    assert_eq!(
        packets.iter().map(Packet::samples).collect::<Vec<_>>(),
        [160, 320, 0, 160]
    );
}

#[test]
fn a_changed_tag_does_not_open() {
    let bench = Bench::new();
    bench.record(60, true);
    let mut changed = tag("region-01");
    changed.latest = None;
    assert!(matches!(
        bench.read(&changed),
        Err(VaultError::TagChanged { .. })
    ));
    let mut moved = tag("region-01");
    moved.purpose = "marketing".into();
    assert!(matches!(
        bench.read(&moved),
        Err(VaultError::TagChanged { .. })
    ));
}

#[test]
fn first_recordings_at_once_share_one_controller_key() {
    let bench = Bench::new();
    let tag = tag("region-09");
    let ids: Vec<RecordingId> = (0..8)
        .map(|_| RecordingId::random().expect("random"))
        .collect();
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| bench.vault.begin(*id, &tag).expect("begun"));
        }
    });
    for id in ids {
        bench.vault.unlock(id, &tag).expect("under the same key");
    }
}

#[test]
fn another_controllers_key_does_not_open() {
    let bench = Bench::new();
    bench.record(60, true);
    let key = bench.place.path().join("keys/controllers/region-01.key");
    fs::write(&key, [7; 32]).expect("ours");
    assert!(matches!(
        bench.read(&tag("region-01")),
        Err(VaultError::WrongKey { .. })
    ));
    fs::write(&key, [7; 31]).expect("ours");
    assert!(matches!(
        bench.read(&tag("region-01")),
        Err(VaultError::KeyDamaged { .. })
    ));
    fs::remove_file(&key).expect("ours");
    assert!(matches!(
        bench.read(&tag("region-01")),
        Err(VaultError::KeyMissing { .. })
    ));
    let again = bench
        .vault
        .begin(RecordingId::random().expect("random"), &tag("region-01"));
    assert!(
        matches!(again, Err(VaultError::KeyMissing { .. })),
        "a lost key must not be replaced unseen"
    );
}

#[test]
fn a_destroyed_data_key_erases_the_audio() {
    let bench = Bench::new();
    bench.record(60, true);
    fs::remove_file(
        bench
            .place
            .path()
            .join(format!("keys/data/{}.key", bench.id)),
    )
    .expect("ours");
    assert!(matches!(
        bench.read(&tag("region-01")),
        Err(VaultError::KeyMissing { .. })
    ));
}

#[test]
fn a_crash_costs_less_than_a_second() {
    let bench = Bench::new();
    bench.record(500, false);
    let (packets, ending) = bench.read(&tag("region-01")).expect("recovers");
    assert_eq!(ending, Some(Ending::Truncated));
    assert!(
        packets.len() > 450,
        "{} of 500 packets of 20 ms",
        packets.len()
    );
}

#[test]
fn what_waits_is_written_when_due() {
    let bench = Bench::new();
    let recording = bench
        .vault
        .begin(bench.id, &tag("region-01"))
        .expect("begins");
    let mut writer = recording
        .stream_writer(&bench.label, Law::A)
        .expect("a stream");
    let (begun, before) = (Instant::now(), writer.written_bytes());
    writer.push(&packet(0), begun).expect("taken");
    writer
        .flush_due(begun + CHUNK_AGE_MAX / 2)
        .expect("nothing to do");
    assert_eq!(writer.written_bytes(), before);
    writer.flush_due(begun + CHUNK_AGE_MAX).expect("written");
    assert!(writer.written_bytes() > before);
}

#[test]
fn a_stream_is_written_once() {
    let bench = Bench::new();
    let recording = bench
        .vault
        .begin(bench.id, &tag("region-01"))
        .expect("begins");
    let _first = recording
        .stream_writer(&bench.label, Law::A)
        .expect("a stream");
    let second = recording.stream_writer(&bench.label, Law::A);
    assert!(matches!(second, Err(VaultError::AlreadyThere { .. })));
}

/// A whole conference with the longest names: what is stored of it is read again.
#[test]
fn all_who_may_take_part_are_read_back() {
    let bench = Bench::new();
    let recording = bench.vault.begin(bench.id, &tag("region-01"));
    let recording = recording.expect("begins");
    let longest = || "\u{1}".repeat(1024);
    let party = Party {
        stream: longest(),
        name: longest(),
        address: longest(),
    };
    let meta = Meta {
        parties: vec![party; 128],
    };
    recording.write_meta(&meta).expect("written");
    assert_eq!(recording.meta().expect("opens"), Some(meta));
}

#[test]
fn nothing_said_and_nobody_is_readable_on_disk() {
    let bench = Bench::new();
    bench.record(200, true);
    let recording = bench
        .vault
        .unlock(bench.id, &tag("region-01"))
        .expect("opens");
    let address = "sip:someone@example.invalid";
    let meta = Meta {
        parties: vec![Party {
            stream: "1".into(),
            name: "caller".into(),
            address: address.into(),
        }],
    };
    recording.write_meta(&meta).expect("written");
    assert_eq!(recording.meta().expect("opens"), Some(meta));
    let files = files_below(bench.place.path());
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let bytes = fs::read(&path).expect("there");
        for secret in [SAID.as_slice(), address.as_bytes()] {
            assert!(
                !bytes.windows(secret.len()).any(|part| part == secret),
                "{}",
                path.display()
            );
        }
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

#[test]
fn a_controller_that_is_a_path_is_refused() {
    let bench = Bench::new();
    let refused = bench.vault.begin(bench.id, &tag("../../etc"));
    assert!(matches!(refused, Err(VaultError::Name(_))));
}

#[test]
fn one_recorder_a_store() {
    let bench = Bench::new();
    let held = bench.vault.lock().expect("free");
    assert!(matches!(bench.vault.lock(), Err(VaultError::InUse { .. })));
    drop(held);
    assert!(bench.vault.lock().is_ok());
}

#[test]
fn reading_makes_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let (store, keys) = (place.path().join("store"), place.path().join("keys"));
    assert!(matches!(
        Vault::open_existing(&store, &keys),
        Err(VaultError::NoStore { .. })
    ));
    assert!(!store.exists() && !keys.exists());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_lies_in_a_stream_file_is_refused_in_order(
        noise in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
        keep in 0_usize..60,
    ) {
        let bench = Bench::new();
        let path = bench.record(3, true);
        let sound = fs::read(&path).expect("there");
        // Noise from the start, or after a sound header.
        let mut file = sound[..keep].to_vec();
        file.extend(&noise);
        fs::write(&path, &file).expect("ours");
        let whole = matches!(bench.read(&tag("region-01")), Ok((_, Some(Ending::Whole))));
        proptest::prop_assert!(!whole || file == sound);
    }

    #[test]
    fn packets_read_back_and_noise_is_none(noise in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
        let mut bytes = Bytes::from(noise);
        while let Some(packet) = Packet::take(&mut bytes) {
            let mut written = Vec::new();
            packet.put(&mut written).expect("no larger than it was");
            proptest::prop_assert_eq!(Packet::take(&mut written.into()), Some(packet));
        }
    }
}
