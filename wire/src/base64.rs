//! Base64 (RFC 4648 section 4) of identifiers and keys: some dozens of bytes.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The letters for `bytes`, padded.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, &byte| group << 8 | u32::from(byte))
            << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * position)) as usize & 63];
            text.push(if position <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

/// The bytes that exactly `N` letters' worth of padded text stands for; `None` when it is another length, or no Base64.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let padding = (3 - N % 3) % 3;
    let letters = text.as_bytes().strip_suffix(&b"=="[..padding])?;
    if text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    let mut bytes = [0; N];
    for (group, out) in letters.chunks(4).zip(bytes.chunks_mut(3)) {
        let mut bits = 0_u32;
        for letter in group {
            let value = LETTERS.iter().position(|known| known == letter)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        bits <<= 6 * (4 - group.len());
        for (byte, shift) in out.iter_mut().zip([16, 8, 0]) {
            *byte = (bits >> shift) as u8;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    #[test]
    fn the_vectors_of_the_standard() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(encode(bytes.as_bytes()), text);
        }
        assert_eq!(encode(&[0xFB, 0xFF]), "+/8=");
    }
    #[test]
    fn what_was_encoded_is_decoded_and_nothing_else() {
        assert_eq!(decode::<6>("Zm9vYmFy"), Some(*b"foobar"));
        assert_eq!(decode::<1>("Zg=="), Some(*b"f"));
        assert_eq!(decode::<2>("Zm8="), Some(*b"fo"));
        for bad in [
            "",
            "Zm9vYmF",
            "Zm9vYmFyZm9v",
            "Zm9vYm==",
            "Zm9v-mFy",
            "Zm9v\u{e5}Fy",
        ] {
            assert_eq!(decode::<6>(bad), None, "{bad}");
        }
    }
}
