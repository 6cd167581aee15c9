//! Pieces of text that share one buffer: a message's head is copied once and its values point into it.

use std::sync::Arc;

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

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Letters, digits and ``-.!%*_+`'~``.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| TOKEN[usize::from(byte)])
}

/// Which bytes may stand in a token. A table, since every name and parameter asks for each of its bytes.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
            );
        byte += 1;
    }
    table
};

/// Where this ASCII sign first stands.
pub(super) fn find(text: &str, sign: u8) -> Option<usize> {
    memchr::memchr(sign, text.as_bytes())
}

/// What stands after this ASCII sign, when the text begins with it. By the byte: a `char` is compared as a string of any length.
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
    let at = memchr::memchr2(b' ', b'\t', text.as_bytes())?;
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
pub(super) fn trim(text: &str) -> &str {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.bytes().take_while(blank).count();
    let text = text.get(start..).unwrap_or_default();
    let end = text.len() - text.bytes().rev().take_while(blank).count();
    text.get(..end).unwrap_or_default()
}
