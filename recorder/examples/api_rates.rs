//! How long it takes to open an hour's recording at its beginning and in its middle, and to check a store of many files:
//! `cargo run --release -p recorder --example api_rates -- [FILES]`. docs/benchmarks.md has what came out.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

#[path = "../tests/tags/mod.rs"]
mod tags;

use std::{
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use callcore::{switch::CallId, tag::RecordingTag, time::Time};
use recorder::{
    check::{self, Targets},
    export::Sound,
    index::{Closing, Entry, State},
    names::{RecordingId, StreamLabel},
    tally::Tally,
    vault::{Packet, Vault},
};
use wire::g711::Law;

/// An hour in packets of 20 ms.
const PACKETS: u32 = 180_000;

fn main() -> Result<(), Box<dyn Error>> {
    let files: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |text| text.parse())?;
    let place = tempfile::tempdir()?;
    let (store, keys) = (place.path().join("store"), place.path().join("keys"));
    let vault = Vault::open(&store, &keys)?;
    let entry = record(&vault, PACKETS, 1)?;
    for (what, part) in [
        ("its beginning", 0),
        ("its middle", 2),
        ("its last quarter", 4),
    ] {
        let begun = Instant::now();
        let sound = Sound::open(&vault, &entry, None)?;
        let at = match part {
            0 => 0,
            2 => sound.length() / 2,
            _ => sound.length() / 4 * 3,
        };
        let piece = sound.read_from(at)?.next_piece()?;
        let took = begun.elapsed();
        println!(
            "an hour, first second at {what}: {took:?}, {} bytes",
            piece.map_or(0, |it| it.len())
        );
    }
    let begun = Instant::now();
    let mut reader = Sound::open(&vault, &entry, None)?.read_from(0)?;
    let mut bytes = 0;
    while let Some(piece) = reader.next_piece()? {
        bytes += piece.len();
    }
    println!("an hour, all {bytes} bytes: {:?}", begun.elapsed());
    many(&vault, &store, files)?;
    let targets = Targets {
        store: Some(store),
        keys: Some(keys),
        ..Targets::default()
    };
    let begun = Instant::now();
    let checked = check::check(None, &targets);
    println!(
        "store check, {} files: {:?}, {} findings",
        checked.files,
        begun.elapsed(),
        checked.findings.len()
    );
    Ok(())
}

fn record(vault: &Vault, packets: u32, call: u64) -> Result<Entry, Box<dyn Error>> {
    let started: jiff::Timestamp = "2026-11-22T08:00:00Z".parse()?;
    let tag = RecordingTag {
        latest: None,
        call: CallId(call),
        started: Time::from(started),
        ..tags::region_01()
    };
    let id = RecordingId::random()?;
    let recording = vault.begin(id, &tag)?;
    let mut files = Vec::new();
    for label in ["1", "2"] {
        let label = StreamLabel::parse(label)?;
        let mut writer = recording.stream_writer(&label, Law::A)?;
        let begun = Instant::now();
        for number in 0..packets {
            let payload: Vec<u8> = (0..160)
                .map(|n: u32| (n.wrapping_mul(number) >> 3) as u8)
                .collect();
            let now = begun + Duration::from_millis(20) * number;
            writer.push(&Packet::audio(number * 160, Bytes::from(payload)), now)?;
            writer.flush_due(now)?;
        }
        writer.finish()?;
        files.push(recording.file_name(&label));
    }
    let closing = Closing {
        state: State::Closed,
        ended: started,
        bytes: 0,
        tally: Tally {
            end: packets * 160,
            ..Tally::default()
        },
        files,
    };
    Ok(Entry {
        id,
        state: closing.state,
        tag,
        ended: Some(closing.ended),
        bytes: 0,
        tally: closing.tally,
        files: closing.files,
    })
}

/// As many files as asked for: one short recording, copied under other names.
fn many(vault: &Vault, store: &Path, files: u32) -> Result<(), Box<dyn Error>> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let entry = record(vault, 500, 2)?;
    let text = fs::read(store.join(&entry.files[0]))?;
    let folder = store.join("region-01/2026/01");
    for number in 0..files / 4 {
        let place = folder.join(format!("{number:032x}"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&place)?;
        for name in ["1.vax", "2.vax", "meta.vax", "tag.json"] {
            let path = place.join(name);
            let bytes: &[u8] = if name == "tag.json" {
                b"{\"controller\": \"region-01\"}"
            } else {
                &text
            };
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}
