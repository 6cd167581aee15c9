//! Pieces of text that share one buffer: a message's head is copied once and its values point into it.

use std::{fmt, sync::Arc};

/// A part of a shared text. Cloning only counts a reference.
#[derive(Clone)]
pub(super) struct Text {
    whole: Arc<str>,
    /// Half as wide as they could be: there are a dozen of these in a message, and a message has 64 KiB at most.
    start: u32,
    end: u32,
}

impl Text {
    /// The part of `whole` that `part` is; a copy when `part` lies elsewhere.
    pub(super) fn of(whole: &Arc<str>, part: &str) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        let end = start.wrapping_add(part.len());
        // What lies inside the buffer is that part of it; no need to compare.
        let inside = start <= end && whole.get(start..end).is_some();
        match (inside, u32::try_from(start), u32::try_from(end)) {
            (true, Ok(start), Ok(end)) => Self {
                whole: Arc::clone(whole),
                start,
                end,
            },
            _ => Self::from(part),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        self.whole
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self {
            whole: Arc::from(text),
            start: 0,
            end: u32::try_from(text.len()).unwrap_or_default(),
        }
    }
}

/// A token (RFC 3261 section 25.1), in the spelling it came in.
#[derive(Clone)]
pub(super) struct Token(Text);

impl Token {
    /// `None` when a character can't stand in a token, or there is none at all.
    pub(super) fn parse(text: &str) -> Option<Self> {
        is_token(text).then(|| Self(Text::from(text)))
    }

    /// Takes `part` of `whole`, which must be a token.
    pub(super) fn of(whole: &Arc<str>, part: &str) -> Option<Self> {
        is_token(part).then(|| Self(Text::of(whole, part)))
    }

    /// As it came.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Letters, digits and ``-.!%*_+`'~``.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| TOKEN[usize::from(byte)])
}

/// Which bytes may stand in a token. A table, since every name and parameter asks for each of its bytes.
pub(super) static TOKEN: [bool; 256] = letters_digits_and(b"-.!%*_+`'~");

/// Marks letters, digits and these signs.
pub(super) const fn letters_digits_and(signs: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < signs.len() {
        table[signs[at] as usize] = true;
        at += 1;
    }
    table
}

/// Where this ASCII sign first stands.
///
/// Eight bytes at a time: what is read here is a few dozen bytes long, and calling a search for long texts takes longer than this.
#[inline]
pub(super) fn find(text: &str, sign: u8) -> Option<usize> {
    const LOWEST: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        // Zero where the sign is; of a zero byte, and of none before the first, the highest bit is set by this.
        let other = u64::from_le_bytes(*word) ^ LOWEST.wrapping_mul(u64::from(sign));
        let found = other.wrapping_sub(LOWEST) & !other & HIGHEST;
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let last = rest.iter().position(|byte| *byte == sign)?;
    Some(words.len() * 8 + last)
}

/// What stands after this ASCII sign, when the text begins with it. By the byte: a `char` is compared as a string of any length.
#[inline]
pub(super) fn after(text: &str, sign: u8) -> Option<&str> {
    let begins = text.as_bytes().first() == Some(&sign);
    begins.then(|| text.get(1..)).flatten()
}

/// What stands before and after the first such ASCII sign.
pub(super) fn cut(text: &str, sign: u8) -> Option<(&str, &str)> {
    let at = find(text, sign)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// What stands before the first such ASCII sign, and the rest from it on; all and nothing when there is none.
pub(super) fn cut_before(text: &str, sign: u8) -> (&str, &str) {
    text.split_at(find(text, sign).unwrap_or(text.len()))
}

/// What stands before and after the first space or tab.
pub(super) fn cut_blank(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| is_blank(&byte))?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// A control character other than the tab; CR and LF are among them.
pub(super) const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Whether any control character is there; without a branch a byte, so that it is done by the vector.
pub(super) fn has_control(text: &str) -> bool {
    text.bytes()
        .fold(false, |found, byte| found | is_control(byte))
}

/// Trims spaces and tabs; by bytes, since nearly every value has one space before it.
#[inline]
pub(super) fn trim(text: &str) -> &str {
    let text = trim_start(text);
    match text.as_bytes() {
        [.., last] if is_blank(last) => {
            let end = text.bytes().rposition(|byte| !is_blank(&byte));
            text.get(..end.map_or(0, |end| end + 1)).unwrap_or_default()
        }
        _ => text,
    }
}

/// The same at the beginning only.
#[inline]
pub(super) fn trim_start(text: &str) -> &str {
    match text.as_bytes() {
        [first, ..] if is_blank(first) => {
            let start = text.bytes().position(|byte| !is_blank(&byte));
            text.get(start.unwrap_or(text.len())..).unwrap_or_default()
        }
        _ => text,
    }
}

/// What stands at the beginning of bytes that `is` marks, and the rest. Bytes of a character outside ASCII are marked all or none.
#[inline]
pub(super) fn run<'a>(text: &'a str, is: &[bool; 256]) -> (&'a str, &'a str) {
    let end = text.bytes().position(|byte| !is[usize::from(byte)]);
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or(("", text))
}

const fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A number in decimal digits and nothing else; `None` also when it is over `max`.
pub(super) fn read_number(text: &str, max: u32) -> Option<u32> {
    let mut number: u32 = 0;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    (!text.is_empty() && number <= max).then_some(number)
}

/// A number in decimal digits.
pub(super) fn write_number(out: &mut impl fmt::Write, number: u32) -> fmt::Result {
    let mut digits = [b'0'; 10];
    let mut left = number;
    let mut first = digits.len() - 1;
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit += (left % 10) as u8;
        first = at;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    let digits = digits.get(first..).unwrap_or_default();
    out.write_str(std::str::from_utf8(digits).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{cut_blank, find, read_number, trim, write_number};

    #[test]
    fn a_sign_is_found_where_it_first_stands() {
        for at in 0..40 {
            // What differs from the sign by one, and by the highest bit, is not the sign.
            let before = ":\u{bb}<".chars().cycle().take(at);
            let text: String = before.chain(";;;;;;;;;".chars()).collect();
            assert_eq!(
                find(&text, b';'),
                text.bytes().position(|byte| byte == b';')
            );
            assert_eq!(find(&text, b','), None, "{text}");
        }
    }

    #[test]
    fn blanks_are_trimmed_and_cut_at() {
        for (text, trimmed) in [
            ("", ""),
            (" \t ", ""),
            ("a", "a"),
            (" a\t b\t", "a\t b"),
            ("\u{a0}a", "\u{a0}a"),
        ] {
            assert_eq!(trim(text), trimmed, "{text:?}");
        }
        assert_eq!(cut_blank("1\tINVITE"), Some(("1", "INVITE")));
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        for number in [0, 7, 10, 5060, 65_535, u32::MAX] {
            let mut out = String::new();
            write_number(&mut out, number).expect("a String takes everything");
            assert_eq!(out, number.to_string());
            assert_eq!(read_number(&out, number), Some(number));
            let less = number.checked_sub(1);
            assert_eq!(less.and_then(|less| read_number(&out, less)), None);
        }
        for text in ["", "+1", "1a", "-1", "4294967296", "99999999999"] {
            assert_eq!(read_number(text, u32::MAX), None, "{text}");
        }
        assert_eq!(read_number("007", 7), Some(7));
    }
}
