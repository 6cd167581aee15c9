//! Names nobody can guess: tags, branches and Call-IDs, and the keys of the tables.
//!
//! All come from SipHash-2-4, a keyed pseudorandom function, over a counter. With 64 bits a guesser who sees none
//! of our packets and sends a million messages a second for a year hits one live tag of a hundred thousand with a
//! chance of 1 in 6; a dialog needs Call-ID and two tags at once, over 192 bits. The same seed gives the same names, so a
//! run can be repeated; the seed must come from a good random source and stay secret.

use super::config::Config;

/// A server transaction's place in the table: what RFC 3261 section 17.2.3 compares, hashed with our key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    // Two words and not one of 128 bits: that would have every timer rounded up to a multiple of 16 bytes.
    high: u64,
    low: u64,
}

/// The source of all names of one endpoint.
pub(crate) struct Names {
    keys: [(u64, u64); 2],
    count: u64,
}

impl std::fmt::Debug for Names {
    /// The keys are a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Names {
    pub(crate) fn new(config: &Config) -> Self {
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&config.seed[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Self {
            keys: [(word(0), word(8)), (word(16), word(24))],
            count: 0,
        }
    }

    /// The next unguessable number.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.count += 1;
        siphash(self.keys[0], &[&self.count.to_le_bytes()])
    }

    /// The key of what these parts say together. Parts are kept apart by their lengths.
    pub(crate) fn key(&self, parts: &[&[u8]]) -> Key {
        Key {
            high: siphash(self.keys[1], parts),
            low: siphash((self.keys[1].1, self.keys[1].0), parts),
        }
    }

    /// A tag for a response that leaves no trace here: the same request gets the same tag again (RFC 3261 section 8.2.7).
    pub(crate) fn stateless_tag(&self, key: Key) -> u64 {
        let (high, low) = (key.high.to_le_bytes(), key.low.to_le_bytes());
        siphash(self.keys[0], &[b"stateless", &high, &low])
    }
}

/// As it is written in a tag or a branch.
pub(crate) fn text(name: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 16];
    for (two, byte) in text.as_chunks_mut().0.iter_mut().zip(name.to_be_bytes()) {
        *two = [byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)]);
    }
    std::str::from_utf8(&text).unwrap_or_default().to_owned()
}

/// Reads back what [`text`] wrote; anything else isn't ours.
pub(crate) fn read(text: &str) -> Option<u64> {
    let ours = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    ours.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012) over the parts, each followed by its length.
fn siphash(key: (u64, u64), parts: &[&[u8]]) -> u64 {
    let mut state = Sip::new(key);
    for part in parts {
        let mut words = part.chunks_exact(8);
        for word in &mut words {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            state.word(u64::from_le_bytes(bytes));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        // The length in the top byte as in the original, and whole in a word of its own when it doesn't fit there.
        let length = part.len() as u64;
        if length >= 256 {
            state.word(length);
        }
        state.word(u64::from_le_bytes(last) | length << 56);
    }
    state.finish()
}

struct Sip([u64; 4]);

impl Sip {
    const fn new((k0, k1): (u64, u64)) -> Self {
        Self([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ])
    }

    fn word(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }

    const fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published vectors: key 00..0f, message 00..0e and its first seven bytes... of length 15 and 0.
    #[test]
    fn siphash_is_siphash() {
        let key = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(key, &[&message]), 0xa129_ca61_49be_45e5);
        assert_eq!(siphash(key, &[&[]]), 0x726f_db47_dd0e_0e31);
    }

    #[test]
    fn names_are_read_back_and_others_are_not() {
        assert_eq!(text(0x1f), "000000000000001f");
        assert_eq!(read(&text(u64::MAX - 5)), Some(u64::MAX - 5));
        assert_eq!(read("000000000000001F"), None);
        assert_eq!(read("+00000000000001f"), None);
        assert_eq!(read(""), None);
    }
}
