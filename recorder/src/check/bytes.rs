//! What bytes give away: sound, and telephone numbers. What is encrypted gives nothing away.

use std::ops::{Range, RangeInclusive};

use callcore::{
    personal::{E164, Personal},
    test_numbers::is_test_number,
};
use wire::g711::Law;

/// Too short to say what it is.
const SPEECH_LEN_MIN: usize = 800;
/// How alike neighbouring samples are (correlation at lag 1): of speech at 8 kHz 0.8 to 0.95, of encrypted bytes 0 ± 0.05.
const ALIKE_MIN: f64 = 0.5;
/// Chi-squared of 256 frequencies: of random bytes 255 ± 23, of a second of speech in any coding thousands.
const EVEN_MAX: f64 = 400.0;
/// What is mostly this is text.
const TEXT_MIN: f64 = 0.85;
/// Digits in a row that make a number: the shortest Swedish one with its area code has eight, E.164 fifteen.
const DIGITS: RangeInclusive<usize> = 8..=15;

/// Whether a file that begins so is part of an SQLite database: the database, its log, or the log's index. Its numbers
/// in columns would pass for samples.
pub(super) fn is_database(head: &[u8]) -> bool {
    let heads: [&[u8]; 4] = [
        b"SQLite format 3\0",
        b"\x37\x7f\x06\x82",
        b"\x37\x7f\x06\x83",
        b"\x18\xe2\x2d\x00",
    ];
    heads.iter().any(|known| head.starts_with(known))
}

/// What stands there in the clear, each with its code; of a database only what can't be taken for something else. Never
/// the thing itself.
pub(super) fn look(piece: &[u8], database: bool) -> Vec<(&'static str, &'static str)> {
    let mut told = Vec::new();
    if is_sound_file(piece) {
        told.push((
            "S0201",
            "a sound file in the clear: record it through the recorder, and erase this one under a decision",
        ));
    } else if !database && is_speech(piece) {
        told.push((
            "S0202",
            "unencrypted audio: record it through the recorder, and erase this file under a decision",
        ));
    }
    if has_number(piece) {
        told.push((
            "S0203",
            "a telephone number in the clear: numbers belong into the encrypted part of a recording only",
        ));
    }
    told
}

fn is_sound_file(piece: &[u8]) -> bool {
    let riff = |at: usize| {
        piece.get(at..at + 4) == Some(b"RIFF") && piece.get(at + 8..at + 12) == Some(b"WAVE")
    };
    // Also behind something else, as in an archive without compression.
    let inside = piece
        .windows(4)
        .enumerate()
        .filter(|(_, four)| *four == b"RIFF")
        .any(|(at, _)| riff(at));
    inside
        || [b"OggS".as_slice(), b"fLaC", b".snd", b"ID3\x03", b"ID3\x04"]
            .iter()
            .any(|head| piece.starts_with(head))
}

/// Whether it behaves like sound in A-law, µ-law or 16-bit samples: neighbours are alike.
fn is_speech(piece: &[u8]) -> bool {
    if piece.len() < SPEECH_LEN_MIN {
        return false;
    }
    let text = piece
        .iter()
        .filter(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'))
        .count();
    if text as f64 > TEXT_MIN * piece.len() as f64 || is_even(piece) {
        return false;
    }
    let law = |law: Law| alike(piece.iter().map(|byte| f64::from(law.decode(*byte))));
    let pairs = piece.chunks_exact(2);
    let linear = alike(pairs.map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]]))));
    [law(Law::A), law(Law::U), linear]
        .into_iter()
        .any(|alike| alike > ALIKE_MIN)
}

/// Whether all bytes are about as frequent, as encrypted ones are: looked at first, since it costs a tenth of listening.
fn is_even(piece: &[u8]) -> bool {
    let mut counts = [0_u32; 256];
    for byte in piece {
        counts[usize::from(*byte)] += 1;
    }
    let expected = piece.len() as f64 / 256.0;
    let apart = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
    counts.iter().map(apart).sum::<f64>() < EVEN_MAX
}

/// Correlation of each sample with the next; 0 for what doesn't change, such as zeros on a disk.
fn alike(samples: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = samples.clone().count() as f64;
    let mean = samples.clone().sum::<f64>() / count;
    let around = samples.map(|sample| sample - mean);
    let spread: f64 = around.clone().map(|sample| sample * sample).sum();
    let together: f64 = around
        .clone()
        .zip(around.skip(1))
        .map(|(one, next)| one * next)
        .sum();
    if spread > 0.0 { together / spread } else { 0.0 }
}

/// A Swedish number with country code, a mobile number, or one of the test numbers.
fn has_number(piece: &[u8]) -> bool {
    let mut at = 0;
    while at < piece.len() {
        let Some(run) = run(&piece[at..]) else {
            at += 1;
            continue;
        };
        let whole = at..at + run.len();
        at = whole.end;
        // Whole, as 070-174 06 05; and word by word, as behind the time of a line in a log.
        if is_number_at(piece, &whole) || words(run, whole.start).any(|it| is_number_at(piece, &it))
        {
            return true;
        }
    }
    false
}

/// Where the words of a run that begins there lie.
fn words(run: &[u8], mut start: usize) -> impl Iterator<Item = Range<usize>> {
    run.split(|byte| *byte == b' ').map(move |word| {
        let at = start..start + word.len();
        start = at.end + 1;
        at
    })
}

fn is_number_at(piece: &[u8], at: &Range<usize>) -> bool {
    let before = at.start.checked_sub(1).and_then(|before| piece.get(before));
    let alone = [before, piece.get(at.end)]
        .into_iter()
        .flatten()
        .all(|byte| !byte.is_ascii_alphanumeric());
    let run = &piece[at.clone()];
    alone && !is_dated(run) && is_number(run)
}

/// Digits with single hyphens or spaces between them, and a plus before.
fn run(piece: &[u8]) -> Option<&[u8]> {
    let first = *piece.first()?;
    if first != b'+' && first != b'0' {
        return None;
    }
    let mut end = 1;
    while let Some(byte) = piece.get(end) {
        let digit = byte.is_ascii_digit();
        let gap = matches!(byte, b'-' | b' ')
            && piece.get(end + 1).is_some_and(u8::is_ascii_digit)
            && piece[end - 1].is_ascii_digit();
        if !digit && !gap {
            break;
        }
        end += 1;
    }
    Some(&piece[..end])
}

/// Whether a day closes it, as in a row of the index, where `region-07` and `2018-11-05` stand side by side: no number is written so.
fn is_dated(run: &[u8]) -> bool {
    let Some(day) = run.last_chunk::<10>() else {
        return false;
    };
    std::str::from_utf8(day).is_ok_and(|day| day.parse::<jiff::civil::Date>().is_ok())
}

fn is_number(run: &[u8]) -> bool {
    let digits: Vec<u8> = run.iter().copied().filter(u8::is_ascii_digit).collect();
    if !DIGITS.contains(&digits.len()) {
        return false;
    }
    let swedish = run.starts_with(b"+46") || digits.starts_with(b"0046");
    let mobile =
        digits.len() == 10 && matches!(digits[..3], [b'0', b'7', b'0' | b'2' | b'3' | b'6' | b'9']);
    let test = || {
        let text = std::str::from_utf8(run).ok().and_then(E164::parse);
        text.is_some_and(|number| is_test_number(&Personal::new(number)))
    };
    swedish || mobile || test()
}
