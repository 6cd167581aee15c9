//! Descriptions that are told by a look, where it only matters that they are some: those of most calls, one stream of audio and
//! nothing rare. All others are taken apart.

use std::net::Ipv4Addr;

use super::{CODECS_MAX, Description, ParseError};

/// Bytes of a usual one, with room.
const USUAL_MAX: usize = 1024;

impl Description {
    /// Whether the bytes are a description: what [`Description::parse`] says, and for most at much less cost.
    ///
    /// # Errors
    /// As [`Description::parse`].
    pub fn check(bytes: &[u8]) -> Result<(), ParseError> {
        if is_usual(bytes) {
            return Ok(());
        }
        Self::parse(bytes).map(drop)
    }
}

fn is_usual(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    bytes.len() <= USUAL_MAX && one_stream(text).is_some()
}

/// `None` when anything stands elsewhere than it does usually.
fn one_stream(text: &str) -> Option<()> {
    let mut lines = text.lines();
    let mut value = |key: &str| lines.next()?.strip_prefix(key);
    let starts = value("v=")? == "0" && is_origin(value("o=")?) && is_plain(value("s=")?);
    let connected = is_connection(value("c=")?) && value("t=")? == "0 0";
    let streams = is_audio(value("m=")?);
    let rest = lines.all(|line| line.strip_prefix("a=").is_some_and(is_attribute));
    (starts && connected && streams && rest).then_some(())
}

/// `- 1 1 IN IP4 192.0.2.1`
fn is_origin(value: &str) -> bool {
    let mut parts = value.split(' ');
    let named = parts.by_ref().take(2).filter(|part| is_plain(part)).count() == 2;
    let counted = parts.next().is_some_and(is_number);
    let typed = parts.next() == Some("IN") && matches!(parts.next(), Some("IP4" | "IP6"));
    named && counted && typed && parts.next().is_some_and(is_plain) && parts.next().is_none()
}

fn is_connection(value: &str) -> bool {
    let address = value.strip_prefix("IN IP4 ");
    address.is_some_and(|address| address.parse::<Ipv4Addr>().is_ok())
}

/// `audio 49170 RTP/AVP 8 101`
fn is_audio(value: &str) -> bool {
    let mut parts = value.split(' ');
    let port = |port: &str| is_number(port) && port.parse::<u16>().is_ok();
    let sent = parts.next() == Some("audio") && parts.next().is_some_and(port);
    let protocol = parts.next().is_some_and(is_plain);
    let formats = parts.clone().count();
    sent && protocol && (1..=CODECS_MAX).contains(&formats) && parts.all(is_number)
}

fn is_attribute(value: &str) -> bool {
    is_plain(value) && value.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Digits that fit every number here.
fn is_number(text: &str) -> bool {
    (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: [&str; 2] = [
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n",
        "v=0\no=x 16 7 IN IP6 2001:db8::1\ns=a b\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 0 RTP/SAVP 8 0 101\na=sendonly\na=fmtp:101 0-15",
    ];

    #[test]
    fn usual_ones_are_told_by_a_look() {
        for text in USUAL {
            assert!(is_usual(text.as_bytes()), "{text}");
        }
        for (what, other) in [
            ("v=0", "v=1"),
            ("c=IN IP4 127.0.0.1\r\n", ""),
            ("6000", "66000"),
        ] {
            let text = USUAL[0].replace(what, other);
            assert!(!is_usual(text.as_bytes()), "{text}");
        }
    }

    fn change() -> impl Strategy<Value = (usize, usize, String)> {
        (
            0..200_usize,
            0..4_usize,
            "[\\x00-\\x7f]{0,3}|[0-9]{20}|\r\n|a=:|=|/2|å",
        )
    }

    proptest! {
        #[test]
        fn a_look_finds_what_reading_finds(usual in 0..2_usize, changes in prop::collection::vec(change(), 0..4)) {
            let mut text = USUAL[usual].to_owned();
            for (at, len, put) in changes {
                let at = at % text.len().max(1);
                let end = (at + len).min(text.len());
                if text.is_char_boundary(at) && text.is_char_boundary(end) {
                    text.replace_range(at..end, &put);
                }
            }
            let read = Description::parse(text.as_bytes()).map(drop);
            prop_assert_eq!(Description::check(text.as_bytes()), read, "{}", text);
        }
    }
}
