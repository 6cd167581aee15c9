//! Bodies of several parts (RFC 2046 section 5.1).

use bytes::{Bytes, BytesMut};

use crate::sip::message::Body;

/// Bytes of a whole body.
pub const LEN_MAX: usize = 256 * 1024;
/// Parts of a body; a recording session has two.
pub const PARTS_MAX: usize = 16;
/// Bytes of a boundary (RFC 2046 section 5.1.1).
const BOUNDARY_LEN_MAX: usize = 70;

/// Why a body can't be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// Longer than [`LEN_MAX`].
    #[error("{len} bytes, more than {LEN_MAX}")]
    TooLong {
        /// How long.
        len: usize,
    },
    /// More parts than [`PARTS_MAX`].
    #[error("more than {PARTS_MAX} parts")]
    TooManyParts,
    /// The Content-Type names no boundary, or one that can't be.
    #[error("the Content-Type has no usable boundary parameter")]
    NoBoundary,
    /// The boundary never stands in the body.
    #[error("the boundary isn't in the body")]
    NoParts,
}

/// A part that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRef<'a> {
    /// Its Content-Type; `text/plain` when it has none, or none that is text.
    pub content_type: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// A part to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    content_type: &'static str,
    disposition: Option<&'static str>,
    bytes: Bytes,
}

impl Part {
    /// A part of that type.
    pub const fn new(content_type: &'static str, bytes: Bytes) -> Self {
        Self {
            content_type,
            disposition: None,
            bytes,
        }
    }

    /// The same with a Content-Disposition.
    #[must_use]
    pub const fn with_disposition(mut self, disposition: &'static str) -> Self {
        self.disposition = Some(disposition);
        self
    }
}

/// Takes a body apart. Lines may end in CR LF or LF; the closing delimiter may be missing.
pub fn parse<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<PartRef<'a>>, MultipartError> {
    if body.len() > LEN_MAX {
        return Err(MultipartError::TooLong { len: body.len() });
    }
    let boundary = boundary(content_type).ok_or(MultipartError::NoBoundary)?;
    let mut parts = Vec::new();
    let mut start = None;
    for line in Lines::new(body) {
        let Some(delimiter) = delimiter(line.bytes, &boundary) else {
            continue;
        };
        if let Some(start) = start.take() {
            if parts.len() == PARTS_MAX {
                return Err(MultipartError::TooManyParts);
            }
            parts.push(part(between(body, start, line.start)));
        }
        match delimiter {
            Delimiter::Next => start = Some(line.end),
            Delimiter::Last => break,
        }
    }
    // Without a closing delimiter the last part goes to the end.
    if let Some(start) = start.filter(|&start| start < body.len() && parts.len() < PARTS_MAX) {
        parts.push(part(between(body, start, body.len())));
    }
    if parts.is_empty() {
        Err(MultipartError::NoParts)
    } else {
        Ok(parts)
    }
}

/// Puts a body together, by a boundary that stands in none of the parts.
pub fn write(parts: &[Part]) -> Body {
    let boundary = free_boundary(parts);
    let mut bytes = BytesMut::new();
    for part in parts {
        bytes.extend_from_slice(
            format!("--{boundary}\r\nContent-Type: {}\r\n", part.content_type).as_bytes(),
        );
        if let Some(disposition) = part.disposition {
            bytes.extend_from_slice(format!("Content-Disposition: {disposition}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&part.bytes);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Body {
        content_type: format!("multipart/mixed;boundary={boundary}").into(),
        bytes: bytes.freeze(),
    }
}

/// The first of `vaxel-part-0`, `-1`, ... that no part holds; each one that is held takes bytes, so this ends.
fn free_boundary(parts: &[Part]) -> String {
    let mut boundary = String::new();
    for number in 0_usize.. {
        boundary = format!("vaxel-part-{number}");
        let holds = |part: &Part| {
            part.bytes
                .windows(boundary.len())
                .any(|window| window == boundary.as_bytes())
        };
        if !parts.iter().any(holds) {
            break;
        }
    }
    boundary
}

/// The boundary parameter, quoted or not.
fn boundary(content_type: &str) -> Option<String> {
    // Only ASCII is lowered, so offsets stay those of the text.
    let lower = content_type.to_ascii_lowercase();
    let parameters = lower.find(';')?;
    let found = lower[parameters..]
        .match_indices("boundary")
        .find_map(|(at, word)| {
            let before = lower[..parameters + at].trim_end();
            let value = content_type[parameters + at + word.len()..]
                .trim_start()
                .strip_prefix('=')?;
            before.ends_with(';').then(|| value.trim_start())
        })?;
    let value: String = match found.strip_prefix('"') {
        Some(quoted) => quoted
            .split('"')
            .next()?
            .chars()
            .filter(|&letter| letter != '\\')
            .collect(),
        None => found
            .split(|letter: char| letter == ';' || letter.is_whitespace())
            .next()?
            .to_owned(),
    };
    let value = value.trim_end().to_owned();
    (!value.is_empty() && value.len() <= BOUNDARY_LEN_MAX).then_some(value)
}

enum Delimiter {
    Next,
    Last,
}

/// Whether a line is `--boundary` or `--boundary--`, spaces after it passed over.
fn delimiter(line: &[u8], boundary: &str) -> Option<Delimiter> {
    let rest = line
        .strip_prefix(b"--")?
        .strip_prefix(boundary.as_bytes())?
        .trim_ascii_end();
    match rest {
        b"" => Some(Delimiter::Next),
        b"--" => Some(Delimiter::Last),
        _ => None,
    }
}

/// From `start` to `end` without the line end before `end`, which belongs to the delimiter.
fn between(body: &[u8], start: usize, end: usize) -> &[u8] {
    let bytes = body.get(start..end).unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn part(bytes: &[u8]) -> PartRef<'_> {
    let mut content_type = "text/plain";
    for line in Lines::new(bytes) {
        let text = line.bytes.trim_ascii_end();
        if text.is_empty() {
            return PartRef {
                content_type,
                bytes: bytes.get(line.end..).unwrap_or_default(),
            };
        }
        if let Some(value) = header(text, "content-type").or_else(|| header(text, "c")) {
            content_type = value;
        }
    }
    PartRef {
        content_type,
        bytes: &[],
    }
}

fn header<'a>(line: &'a [u8], name: &str) -> Option<&'a str> {
    let (before, after) = std::str::from_utf8(line).ok()?.split_once(':')?;
    before
        .trim()
        .eq_ignore_ascii_case(name)
        .then(|| after.trim())
}

/// A line with its place: `end` is after the line end.
struct Line<'a> {
    bytes: &'a [u8],
    start: usize,
    end: usize,
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let start = self.at;
        let len = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(rest.len(), |position| position + 1);
        self.at += len;
        let bytes = rest[..len].strip_suffix(b"\n").unwrap_or(&rest[..len]);
        Some(Line {
            bytes,
            start,
            end: self.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_written_and_read_back() {
        let parts = [
            Part::new("application/sdp", Bytes::from_static(b"v=0\r\n")),
            Part::new("text/plain", Bytes::from_static(b"--vaxel-part-0\r\n"))
                .with_disposition("session"),
        ];
        let body = write(&parts);
        assert_eq!(&*body.content_type, "multipart/mixed;boundary=vaxel-part-1");
        let read = parse(&body.content_type, &body.bytes).expect("parts");
        assert_eq!(
            read,
            [
                PartRef {
                    content_type: "application/sdp",
                    bytes: b"v=0\r\n"
                },
                PartRef {
                    content_type: "text/plain",
                    bytes: b"--vaxel-part-0\r\n"
                },
            ]
        );
    }

    #[test]
    fn other_peoples_bodies_are_read() {
        let body = b"preamble\n--a b\nContent-Length: 2\nc: application/sdp\n\nhi\n--a b  \n\nplain\n--a b--\nepilogue";
        let read = parse("Multipart/Mixed; charset=x; Boundary = \"a b\"", body).expect("parts");
        assert_eq!(
            read,
            [
                PartRef {
                    content_type: "application/sdp",
                    bytes: b"hi"
                },
                PartRef {
                    content_type: "text/plain",
                    bytes: b"plain"
                },
            ]
        );
        let unclosed = parse("multipart/mixed;boundary=x", b"--x\r\n\r\nrest").expect("a part");
        assert_eq!(unclosed[0].bytes, b"rest");
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        assert_eq!(
            parse("multipart/mixed", b"--x\n\n"),
            Err(MultipartError::NoBoundary)
        );
        assert_eq!(
            parse("multipart/mixed; xboundary=x", b"--x\n\n"),
            Err(MultipartError::NoBoundary)
        );
        assert_eq!(
            parse("multipart/mixed; boundary=x", b"hello"),
            Err(MultipartError::NoParts)
        );
        let many = "--x\n\n".repeat(PARTS_MAX + 2);
        assert_eq!(
            parse("multipart/mixed; boundary=x", many.as_bytes()),
            Err(MultipartError::TooManyParts)
        );
        let long = vec![b'a'; LEN_MAX + 1];
        assert!(matches!(
            parse("multipart/mixed; boundary=x", &long),
            Err(MultipartError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_split_or_refused(content_type in "[a-zåö/;= \"]{0,12}(boundary)?[=\" ax;]{0,8}", body in "[-xa\r\n: ]{0,80}") {
            let _ = parse(&content_type, body.as_bytes());
            let _ = parse("multipart/mixed;boundary=x", body.as_bytes());
        }
    }
}
