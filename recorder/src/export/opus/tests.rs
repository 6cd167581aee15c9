//! Ogg files read back, page by page.

use super::{super::tests as stored, *};
use crate::vault::{Codec, Packet};
use stored::Bench;

/// 20 ms of somebody, told apart by a letter. SILK, as a telephone's bandwidth has it.
fn spoken(letter: u8) -> Bytes {
    Bytes::copy_from_slice(&[0x48, letter, letter, letter])
}

/// A closed recording of these packets, by label and position.
fn bench(streams: &[(&str, &[(u32, Bytes)])]) -> Bench {
    let packets = |spoken: &[(u32, Bytes)]| -> Vec<Packet> {
        let spoken = spoken.iter();
        spoken
            .map(|(at, payload)| Packet::of(Codec::Opus, *at, payload.clone()))
            .collect()
    };
    let streams: Vec<_> = streams
        .iter()
        .map(|(label, spoken)| (*label, packets(spoken)))
        .collect();
    let streams: Vec<_> = streams
        .iter()
        .map(|(label, packets)| (*label, Codec::Opus, packets.as_slice()))
        .collect();
    stored::bench(&streams)
}

impl Bench {
    fn open(&self) -> Opus {
        let entry = self.index.get(self.id).expect("there");
        let recording = self.vault.unlock(self.id, &entry.tag).expect("opens");
        Opus::open(recording, &entry).expect("opens")
    }

    fn read(&self, place: u64) -> Vec<u8> {
        let mut reader = self.open().read_from(place).expect("opens");
        let mut all = Vec::new();
        while let Some(piece) = reader.next_piece().expect("reads") {
            all.extend_from_slice(&piece);
        }
        all
    }
}

/// A page: its stream, flags, samples played, and packets.
type Page = (u32, u8, u64, Vec<Vec<u8>>);

fn pages(mut file: &[u8]) -> Vec<Page> {
    let mut found = Vec::new();
    while !file.is_empty() {
        assert_eq!(&file[..5], b"OggS\0");
        let granule = u64::from_le_bytes(file[6..14].try_into().expect("eight"));
        let serial = u32::from_le_bytes(file[14..18].try_into().expect("four"));
        let count = usize::from(file[26]);
        let mut body = &file[27 + count..];
        let (mut packets, mut packet) = (Vec::new(), Vec::new());
        for length in &file[27..27 + count] {
            let (here, rest) = body.split_at(usize::from(*length));
            packet.extend_from_slice(here);
            body = rest;
            if *length < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        found.push((serial, file[5], granule, packets));
        file = body;
    }
    found
}

/// The packets after head and tags.
fn audio(pages: &[Page]) -> Vec<Vec<u8>> {
    let packets = pages.iter().flat_map(|(.., packets)| packets.clone());
    packets.skip(2).collect()
}

#[test]
fn caller_and_nurse_share_a_stream_caller_first_and_gaps_are_silence() {
    // The nurse comes a little later than a whole packet, and one of the caller's packets is lost.
    let caller: Vec<_> = [0, 160, 480].map(|at| (at, spoken(b'c'))).into();
    let nurse: Vec<_> = [170, 330].map(|at| (at, spoken(b'n'))).into();
    let bench = bench(&[("2", &nurse), ("1", &caller)]);
    let file = bench.read(0);
    let pages = pages(&file);
    assert_eq!((pages[0].1, pages.last().expect("pages").1), (2, 4));
    assert!(pages.iter().all(|page| page.0 == pages[0].0), "one stream");
    let head = &pages[0].3[0];
    assert_eq!((&head[..8], head[8], head[9]), (&b"OpusHead"[..], 1, 2));
    assert_eq!(&head[18..], [1, 2, 0, 0, 1], "two streams, a channel each");
    let tags = String::from_utf8_lossy(&pages[1].3[0]).into_owned();
    assert!(tags.starts_with("OpusTags") && tags.contains("CONTROLLER=region-01"));
    let c = [0x48, 3, b'c', b'c', b'c'];
    let n = [0x48, b'n', b'n', b'n'];
    let (no_c, no_n) = ([0xF8, 0], [0xF8]);
    let silence = [no_c.as_slice(), &no_n].concat();
    let expected = [
        silence.clone(),
        silence.clone(),
        silence.clone(),
        silence,
        [c.as_slice(), &no_n].concat(),
        [c.as_slice(), &n].concat(),
        [no_c.as_slice(), &n].concat(),
        [c.as_slice(), &no_n].concat(),
    ];
    assert_eq!(audio(&pages), expected);
    assert_eq!(head[10..12], 3840_u16.to_le_bytes(), "80 ms aren't played");
    assert_eq!(pages.last().expect("pages").2, 3840 + 4 * 960);
}

#[test]
fn packets_of_several_lengths_are_a_stream_for_each_and_keep_their_places() {
    let twenty = spoken(b'c');
    // 60 ms in one packet.
    let sixty = Bytes::from_static(&[0x58, 1, 2]);
    let caller = [(0, twenty.clone()), (160, sixty), (8000, twenty.clone())];
    let bench = bench(&[("1", &caller), ("2", &[(400, twenty)])]);
    let pages = pages(&bench.read(0));
    let serials = [pages[0].0, pages[1].0];
    assert_ne!(serials[0], serials[1]);
    let of = |serial: u32| -> Vec<Page> {
        let own = pages.iter().filter(|page| page.0 == serial);
        own.cloned().collect()
    };
    for (serial, played) in [(serials[0], 3840 + 48_960), (serials[1], 3840 + 2400 + 960)] {
        let own = of(serial);
        assert_eq!((own[0].1, own[0].3[0][18]), (2, 0));
        let packets = audio(&own);
        let lengths = packets
            .iter()
            .map(|one| packet::samples(one).expect("a packet"));
        let last = own.last().expect("pages");
        assert_eq!(
            (last.1, last.2, lengths.sum::<u32>()),
            (4, played, played as u32)
        );
    }
    assert_eq!(
        audio(&of(serials[1])).len(),
        6 + 4 + 1,
        "120 and 10 ms of silence, then speech"
    );
}

#[test]
fn any_part_of_the_file_is_that_part_of_it() {
    let packets: Vec<_> = (0..400).map(|at| (at * 160, spoken(at as u8))).collect();
    let bench = bench(&[("1", &packets), ("2", &packets[7..])]);
    let whole = bench.read(0);
    assert_eq!(whole.len() as u64, bench.open().length());
    for place in [1, 27, 4000, whole.len() - 3, whole.len()] {
        assert!(bench.read(place as u64) == whole[place..], "{place}");
    }
    let pages = pages(&whole);
    assert!(pages.len() > 9, "a page a second: {}", pages.len());
    assert_eq!(audio(&pages).len(), 4 + 400);
}

#[test]
fn what_came_two_seconds_late_keeps_its_place() {
    let mut packets: Vec<_> = (0..400).map(|at| (at * 160, spoken(at as u8))).collect();
    let in_order = bench(&[("1", &packets)]);
    let late = packets.remove(120);
    packets.insert(220, late);
    let bench = bench(&[("1", &packets)]);
    let [heard, expected] = [&bench, &in_order].map(|one| audio(&pages(&one.read(0))));
    assert!(heard == expected);
}

#[test]
fn a_stream_without_a_word_is_still_a_file() {
    let bench = bench(&[("1", &[])]);
    let pages = pages(&bench.read(0));
    assert_eq!(audio(&pages), [[0xF8]; 5]);
    assert_eq!(pages.last().map(|page| (page.1, page.2)), Some((4, 4800)));
}
