//! What must be nowhere: telephone numbers, and audio that anybody can play.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::run::run;

/// Invariant 6: every test number in every spelling, in everything logged at the highest level.
#[test]
fn no_telephone_number_in_any_log_line() {
    let run = run();
    assert!(run.log.contains("routed") && run.log.contains("nurse answers"));
    let numbers = Numbers::read();
    for line in run.log.lines() {
        assert_eq!(numbers.found_in(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn no_telephone_number_in_any_file_or_its_name() {
    let run = run();
    let numbers = Numbers::read();
    let files = files(&run.folder);
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let name = file.to_string_lossy();
        assert_eq!(numbers.found_in(name.as_bytes()), None, "{name}");
        let bytes = fs::read(&file).expect("a file of the store");
        assert_eq!(numbers.found_in(&bytes), None, "in {name}");
    }
}

/// Invariant 3: what every simulated caller and nurse says is known, and isn't on disk.
#[test]
fn no_plain_audio_on_disk() {
    let run = run();
    let spoken: BTreeSet<[u8; WINDOW]> = ["caller.wav", "nurse.wav"]
        .iter()
        .flat_map(|name| windows(name))
        .collect();
    assert!(spoken.len() > 1000, "{} windows", spoken.len());
    for file in files(&run.folder) {
        let bytes = fs::read(&file).expect("a file of the store");
        let found = bytes
            .windows(WINDOW)
            .any(|window| <[u8; WINDOW]>::try_from(window).is_ok_and(|w| spoken.contains(&w)));
        assert!(!found, "plain audio in {}", file.display());
    }
}

/// Two milliseconds of A-law: too long to come about by chance, short enough for any framing.
const WINDOW: usize = 16;

/// Every fourth window of a clip with speech in it, not silence.
fn windows(name: &str) -> Vec<[u8; WINDOW]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/audio")
        .join(name);
    let samples = wire::wav::a_law(&fs::read(path).expect("a clip")).expect("telephone audio");
    let differs = |window: &[u8]| window.iter().collect::<BTreeSet<_>>().len() >= WINDOW / 2;
    samples
        .windows(WINDOW)
        .step_by(4)
        .filter(|window| differs(window))
        .filter_map(|window| window.try_into().ok())
        .collect()
}

/// The numbers of data/test_numbers.csv, each as a person or a program may write it.
struct Numbers(BTreeSet<Vec<u8>>);

impl Numbers {
    fn read() -> Self {
        let table = include_str!("../../data/test_numbers.csv");
        let mut spellings = BTreeSet::new();
        for line in table.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let (area, first, last) = (&cells[1][1..], cells[5], cells[6]);
            let [first, last] = [first, last].map(|number| {
                let digits = number.trim_start_matches("+46");
                digits.parse::<u64>().expect("digits")
            });
            for number in first..=last {
                let digits = number.to_string();
                let subscriber = &digits[area.len()..];
                spellings.extend(spellings_of(area, subscriber));
            }
        }
        assert!(spellings.len() > 2000, "{} spellings", spellings.len());
        Self(spellings)
    }

    /// One that stands in these bytes.
    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        let lengths: BTreeSet<usize> = self.0.iter().map(Vec::len).collect();
        lengths
            .into_iter()
            .flat_map(|length| bytes.windows(length))
            .find(|window| self.0.contains(*window))
            .map(|found| String::from_utf8_lossy(found).into_owned())
    }
}

/// Without the leading 0 or +46: each is part of both.
fn spellings_of(area: &str, subscriber: &str) -> [Vec<u8>; 6] {
    let (head, tail) = subscriber.split_at(subscriber.len() - 4);
    let (third, fourth) = tail.split_at(2);
    [
        format!("{area}{subscriber}"),
        format!("{area}-{subscriber}"),
        format!("{area} {subscriber}"),
        format!("{area}-{head} {third} {fourth}"),
        format!("{area} {head} {third} {fourth}"),
        format!("{area}-{head}-{third}-{fourth}"),
    ]
    .map(String::into_bytes)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

/// The search finds what it is to find: a test that can't fail says nothing.
#[test]
fn a_number_would_be_found() {
    let numbers = Numbers::read();
    for text in [
        "caller=+46701740605 routed",
        "From: <sip:070-174 06 05@host>",
        "tel:08-46500412",
    ] {
        assert!(numbers.found_in(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(numbers.found_in(b"call 1177 from 0180, 2018-11-05"), None);
}
