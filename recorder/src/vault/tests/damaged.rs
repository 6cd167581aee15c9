//! Whatever was changed or cut is noticed, and what isn't damaged is still heard.

use super::*;

#[test]
fn every_flipped_byte_is_noticed() {
    let bench = Bench::new();
    let path = bench.record(12, true);
    let sound = fs::read(&path).expect("there");
    for at in 0..sound.len() {
        let mut flipped = sound.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).expect("ours");
        let whole = matches!(bench.read(&tag("region-01")), Ok((_, Some(Ending::Whole))));
        assert!(!whole, "byte {at} of {}", sound.len());
    }
}

#[test]
fn a_flipped_byte_in_a_key_file_is_noticed() {
    let bench = Bench::new();
    bench.record(1, true);
    let path = bench
        .place
        .path()
        .join(format!("keys/data/{}.key", bench.id));
    let sound = fs::read(&path).expect("there");
    for at in 0..sound.len() {
        let mut flipped = sound.clone();
        flipped[at] ^= 1;
        fs::write(&path, &flipped).expect("ours");
        assert!(bench.read(&tag("region-01")).is_err(), "byte {at}");
    }
}

#[test]
fn a_stream_cut_anywhere_gives_its_whole_chunks() {
    let bench = Bench::new();
    let path = bench.record(120, true);
    let sound = fs::read(&path).expect("there");
    let header = sound.len() - bench_chunks(&sound);
    let mut best = 0;
    // A step that is prime to every length in the format.
    for length in (header..sound.len()).step_by(61) {
        fs::write(&path, &sound[..length]).expect("ours");
        let (packets, ending) = bench.read(&tag("region-01")).expect("recovers");
        assert_eq!(ending, Some(Ending::Truncated), "cut at {length}");
        assert_eq!(
            packets,
            (0..packets.len() as u32).map(packet).collect::<Vec<_>>()
        );
        best = best.max(packets.len());
    }
    assert!(best >= 100, "all but the last chunk can be read: {best}");
}

/// Where the chunks of a stream file begin.
fn chunk_starts(file: &[u8]) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), file.len() - bench_chunks(file));
    while let Some(head) = file.get(at..).and_then(<[u8]>::first_chunk) {
        starts.push(at);
        at += 4 + (u32::from_be_bytes(*head) << 1 >> 1) as usize;
    }
    starts
}

/// The positions that are still heard from there on, and how the stream ends.
fn heard(reader: &mut StreamReader) -> (BTreeSet<u32>, Option<Ending>) {
    let mut heard = BTreeSet::new();
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) => heard.extend([packet.position]),
            Ok(None) => return (heard, reader.ending()),
            Err(error) => assert!(matches!(error, VaultError::Damaged { .. }), "{error}"),
        }
    }
}

/// A player asks for parts, and what is spoilt in one place is silence there and nowhere else.
#[test]
fn a_place_is_found_whichever_chunk_is_damaged() {
    let bench = Bench::new();
    let path = bench.record(500, true);
    let sound = fs::read(&path).expect("there");
    let recording = bench.vault.unlock(bench.id, &tag("region-01"));
    let recording = recording.expect("opens");
    // In the audio, and what says that it is the last.
    for (at, bit) in [(20, 1), (0, 0x80)] {
        for start in chunk_starts(&sound) {
            let mut spoilt = sound.clone();
            spoilt[start + at] ^= bit;
            fs::write(&path, &spoilt).expect("ours");
            for wanted in [0, 300, 490] {
                let mut reader = recording.stream_reader(&bench.label).expect("a stream");
                reader.seek(wanted * 160).expect("found");
                let (heard, _) = heard(&mut reader);
                let missing = (wanted..500).filter(|number| !heard.contains(&(number * 160)));
                // One chunk.
                assert!(missing.count() <= 26, "{start}, from {wanted}");
            }
        }
    }
}

#[test]
fn a_bit_that_says_it_is_the_last_ends_nothing_before_the_end() {
    let bench = Bench::new();
    let path = bench.record(120, true);
    let mut spoilt = fs::read(&path).expect("there");
    let starts = chunk_starts(&spoilt);
    spoilt[starts[1]] ^= 0x80;
    fs::write(&path, &spoilt).expect("ours");
    let recording = bench.vault.unlock(bench.id, &tag("region-01"));
    let reader = recording.expect("opens").stream_reader(&bench.label);
    let (heard, ending) = heard(&mut reader.expect("a stream"));
    assert!(heard.len() >= 90, "{}", heard.len());
    assert_eq!(ending, Some(Ending::Whole));
}

/// How many bytes of a stream file follow its header.
fn bench_chunks(file: &[u8]) -> usize {
    file.len() - (4 + 16 + 7 + 1 + 1 + "caller".len())
}

#[test]
fn bytes_after_the_end_are_damage() {
    let bench = Bench::new();
    let path = bench.record(60, true);
    let mut longer = fs::read(&path).expect("there");
    longer.push(0);
    fs::write(&path, &longer).expect("ours");
    assert!(matches!(
        bench.read(&tag("region-01")),
        Err(VaultError::Damaged { .. })
    ));
}

#[test]
fn a_stream_of_another_recording_is_foreign() {
    let bench = Bench::new();
    let path = bench.record(60, true);
    let other = RecordingId::random().expect("random");
    let recording = bench.vault.begin(other, &tag("region-01")).expect("begins");
    let target = bench
        .vault
        .store()
        .join(recording.relative())
        .join("caller.vax");
    fs::copy(&path, &target).expect("ours");
    assert!(matches!(
        recording.stream_reader(&bench.label),
        Err(VaultError::Foreign { .. })
    ));
    let renamed = path.with_file_name("nurse.vax");
    fs::rename(&path, &renamed).expect("ours");
    let unlocked = bench
        .vault
        .unlock(bench.id, &tag("region-01"))
        .expect("opens");
    let swapped = unlocked.stream_reader(&StreamLabel::parse("nurse").expect("a label"));
    assert!(matches!(swapped, Err(VaultError::Foreign { .. })));
}
