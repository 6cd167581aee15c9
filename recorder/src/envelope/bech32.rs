//! Bech32 (BIP 173) without its limit on length, as age writes keys.

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM_LEN: usize = 6;
const GENERATOR: [u32; 5] = [
    0x3b6a_57b2,
    0x2650_8e6d,
    0x1ea1_19fa,
    0x3d42_33dd,
    0x2a14_62b3,
];

/// Bytes as text after a prefix, in lower case.
pub(super) fn encode(prefix: &str, bytes: &[u8]) -> String {
    let mut words = regroup(bytes.iter().copied(), 8, 5);
    let sum = polymod(prefix, &words, &[0; CHECKSUM_LEN]) ^ 1;
    words.extend((0..CHECKSUM_LEN).map(|at| (sum >> (5 * (5 - at)) & 31) as u8));
    let text = words
        .iter()
        .map(|word| char::from(ALPHABET[usize::from(*word)]));
    format!("{prefix}1{}", text.collect::<String>())
}

/// The bytes of a text that has this prefix, in one case throughout, and whose checksum holds.
pub(super) fn decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let lower = text.to_ascii_lowercase();
    if lower != text && text.to_ascii_uppercase() != text {
        return None;
    }
    let words = lower
        .strip_prefix(&prefix.to_ascii_lowercase())?
        .strip_prefix('1')?;
    let words: Option<Vec<u8>> = words.bytes().map(word).collect();
    let words = words?;
    if polymod(&prefix.to_ascii_lowercase(), &words, &[]) != 1 {
        return None;
    }
    let data = &words[..words.len().checked_sub(CHECKSUM_LEN)?];
    let spare = data.len() * 5 % 8;
    let last = data.last().copied().unwrap_or_default();
    // What doesn't fill a byte is less than a word, and zero.
    if spare >= 5 || last & ((1 << spare) - 1) != 0 {
        return None;
    }
    let mut bytes = regroup(data.iter().copied(), 5, 8);
    bytes.truncate(data.len() * 5 / 8);
    Some(bytes)
}

fn word(digit: u8) -> Option<u8> {
    let place = ALPHABET.iter().position(|known| *known == digit)?;
    u8::try_from(place).ok()
}

/// Groups of so many bits as groups of so many others; the last one is filled up with zeroes.
fn regroup(groups: impl Iterator<Item = u8>, from: u32, to: u32) -> Vec<u8> {
    let (mut held, mut bits, mut out) = (0_u32, 0, Vec::new());
    for group in groups {
        held = (held << from) | u32::from(group);
        bits += from;
        while bits >= to {
            bits -= to;
            out.push((held >> bits & ((1 << to) - 1)) as u8);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push((held << (to - bits) & ((1 << to) - 1)) as u8);
    }
    out
}

/// The checksum of BIP 173 over prefix, words and end.
fn polymod(prefix: &str, words: &[u8], end: &[u8]) -> u32 {
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let all = high
        .chain([0])
        .chain(low)
        .chain(words.iter().copied())
        .chain(end.iter().copied());
    all.fold(1, |sum, word| {
        let top = sum >> 25;
        let sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(word);
        (0..5)
            .filter(|bit| top >> bit & 1 == 1)
            .fold(sum, |sum, bit| sum ^ GENERATOR[bit])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_bip_173_hold() {
        assert_eq!(decode("a", "A12UEL5L"), Some(vec![]));
        assert_eq!(decode("a", "a12uel5l"), Some(vec![]));
        assert!(decode("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw").is_some());
        for wrong in ["a12uel5m", "a12uEL5L", "b12uel5l", "a1", "a12uelb", ""] {
            assert_eq!(decode("a", wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: Vec<u8>) {
            let text = encode("age", &bytes);
            proptest::prop_assert_eq!(decode("age", &text), Some(bytes.clone()));
            proptest::prop_assert_eq!(decode("age", &text.to_uppercase()), Some(bytes));
        }

        #[test]
        fn one_changed_character_is_noticed(at in 4_usize..62, by in 1_usize..32) {
            let text = encode("age", &[7; 32]);
            let mut changed = text.into_bytes();
            let place = ALPHABET.iter().position(|known| *known == changed[at]).expect("ours");
            changed[at] = ALPHABET[(place + by) % 32];
            let changed = String::from_utf8(changed).expect("ASCII");
            proptest::prop_assert_eq!(decode("age", &changed), None);
        }
    }
}
