//! `Digest name=value, name="value"`: the shape that challenges and their answers share (RFC 3261 section 25.1).

use std::collections::BTreeMap;

/// Parameters of a challenge or an answer; more than any algorithm has a use for are refused.
const PARAMS_MAX: usize = 24;

/// Reads the parameters behind `Digest`. Names are in lower case, quotes and escapes are resolved. `None` for another
/// scheme or when it can't be read.
pub(super) fn read(value: &str) -> Option<BTreeMap<String, String>> {
    let (scheme, mut rest) = value.trim().split_once([' ', '\t'])?;
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let mut params = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(params);
        }
        let (name, after) = rest.split_once('=')?;
        let (text, after) = value_of(after.trim_start())?;
        // A name that comes twice means two things.
        let twice = params
            .insert(name.trim().to_ascii_lowercase(), text)
            .is_some();
        if twice || params.len() > PARAMS_MAX {
            return None;
        }
        rest = after;
    }
}

fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
        return Some((value.trim().to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, letter)) = chars.next() {
        match letter {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

/// A quoted string. What can't stand in one, such as a line break, is left out.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_and_without_quotes() {
        let read = read(r#"Digest username="a\"b", qop=auth , nc=00000001,uri="sip:x,y""#)
            .expect("well formed");
        assert_eq!(read["username"], "a\"b");
        assert_eq!(
            (&*read["qop"], &*read["nc"], &*read["uri"]),
            ("auth", "00000001", "sip:x,y")
        );
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for text in [
            "Basic abc",
            "Digest",
            "Digest username",
            "Digest a=\"open",
            "Digest a=1, A=2",
            "Digest a=\"x\\",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(quoted("a\"b\r\nc"), "\"a\\\"bc\"");
    }
}
