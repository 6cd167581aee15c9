//! Bytes to messages (RFC 3261 sections 7.3 and 18.3).
//!
//! Strict where meaning hangs on it (line ends, start line, the fields every message needs, addresses that route), lenient
//! elsewhere: fields that nothing here asks for are kept as they came.
//!
//! **Text that isn't UTF-8.** Old phones send display names in ISO 8859-1. Such a head is read as ISO 8859-1 where that is harmless
//! (display names, reason phrase, Subject and fields of no meaning here) and refused where the bytes matter:
//! start line of a request, Via, Call-ID, CSeq and what stands outside quotes in addresses.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    checks::Checks,
    header::Malformed,
    headers::{HeaderValue, Headers},
    limits::{BODY_MAX, HEADER_FIELDS_MAX, LINE_MAX, MESSAGE_MAX},
    lines::{Line, Lines},
    message::{HeaderName, Message, Method, Request, Response, StatusCode},
    parse_error::{ParseError, ParseErrorKind, Partial},
    text::{cut, find, has_control, trim},
    uri::Uri,
    uri_scan::Parts,
};

impl Message {
    /// Reads a datagram. CRLFs before the start line are skipped, bytes after Content-Length cut off; a datagram shorter than
    /// its Content-Length is refused (RFC 3261 section 18.3). Without Content-Length the body is what is left.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let bytes = skip_line_breaks(bytes);
        if bytes.is_empty() || bytes.iter().all(|byte| *byte == 0) {
            return Err(ParseError::plain(ParseErrorKind::Empty));
        }
        if bytes.len() > MESSAGE_MAX {
            return Err(ParseError::plain(ParseErrorKind::MessageTooLarge));
        }
        let (head_end, whole) = match find_head_end(bytes, 0) {
            Some(end) => (end, true),
            None => (bytes.len(), false),
        };
        let mut head = Head::read(bytes.get(..head_end).unwrap_or_default());
        if !whole {
            head.fail(ParseErrorKind::HeadNotEnded);
        }
        let rest = bytes.get(head_end..).unwrap_or_default();
        let length = head.content_length().unwrap_or(rest.len());
        let Some(body) = rest.get(..length) else {
            head.fail(ParseErrorKind::BodyCut {
                announced: length,
                present: rest.len(),
            });
            return head.finish(&[]);
        };
        head.finish(body)
    }
}

/// CRLF before a start line is to be ignored (RFC 3261 section 7.5).
pub(super) fn skip_line_breaks(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    bytes
}

/// Where the head ends, after its empty line, when `from` bytes before were found not to hold an end.
///
/// Looks at every fourth byte where it can: one that is neither CR nor LF can't be part of the four that end a head.
pub(super) fn find_head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut last = from.max(3);
    loop {
        match bytes.get(last)? {
            b'\n' if bytes.get(last - 3..=last) == Some(b"\r\n\r\n") => return Some(last + 1),
            b'\n' => last += 2,
            b'\r' => last += 1,
            _ => last += 4,
        }
    }
}

/// A start line that was read.
enum Start {
    Request(Method, Uri),
    Response(StatusCode, Box<str>),
}

/// A head as far as it could be read, and the first thing that was wrong in it.
pub(super) struct Head {
    start: Option<Start>,
    /// Known even when the rest of the request line is wrong.
    method: Option<Method>,
    headers: Headers,
    checks: Checks,
    line: usize,
    error: Option<(ParseErrorKind, usize)>,
}

/// A typical INVITE has 12 to 18 fields.
const FIELDS_USUAL: usize = 18;

impl Head {
    /// Reads start line and fields, up to and with the empty line. What is wrong is noted, and the rest still read,
    /// so that the sender can be answered.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let (text, foreign) = decode(bytes);
        let mut head = Self {
            start: None,
            method: None,
            headers: Headers::with_capacity(FIELDS_USUAL),
            checks: Checks::default(),
            line: 1,
            error: None,
        };
        let mut lines = Lines { rest: &text };
        let first = lines.next().unwrap_or_default();
        head.read_start(&text, first, foreign);
        while let Some(line) = lines.next() {
            head.line += 1;
            if line.text.is_empty() {
                break;
            }
            if head.headers.len() >= HEADER_FIELDS_MAX {
                head.fail(ParseErrorKind::TooManyFields);
                break;
            }
            head.read_line(&text, line, &mut lines, foreign);
        }
        if let Err(missing) = head.checks.all_present() {
            head.fail(missing);
        }
        head
    }

    /// `None` when there was none, or it couldn't be read.
    pub(super) const fn content_length(&self) -> Option<usize> {
        self.checks.content_length
    }

    /// Notes what is wrong on this line, unless something was wrong before.
    pub(super) fn fail(&mut self, kind: ParseErrorKind) {
        self.error.get_or_insert((kind, self.line));
    }

    /// The message with that body, or what was wrong.
    pub(super) fn finish(mut self, body: &[u8]) -> Result<Message, ParseError> {
        if body.len() > BODY_MAX {
            self.fail(ParseErrorKind::MessageTooLarge);
        }
        if self.start.is_none() {
            self.fail(ParseErrorKind::StartLine);
        }
        let headers = self.headers;
        match (self.error, self.start) {
            (None, Some(Start::Request(method, uri))) => Ok(Message::Request(Request {
                method,
                uri,
                headers,
                body: Bytes::copy_from_slice(body),
            })),
            (None, Some(Start::Response(status, reason))) => Ok(Message::Response(Response {
                status,
                reason,
                headers,
                body: Bytes::copy_from_slice(body),
            })),
            (error, _) => {
                let (kind, line) = error.unwrap_or((ParseErrorKind::StartLine, 1));
                let partial = self
                    .method
                    .map(|method| Box::new(Partial { method, headers }));
                Err(ParseError {
                    kind,
                    line,
                    partial,
                })
            }
        }
    }

    /// The error of a head on a stream whose body's length isn't known.
    pub(super) fn without_length(mut self) -> ParseError {
        let missing = if self.checks.has_length() {
            ParseErrorKind::Field(HeaderName::ContentLength, Malformed::Number)
        } else {
            ParseErrorKind::Missing(HeaderName::ContentLength)
        };
        self.fail(missing);
        let (kind, line) = self.error.unwrap_or((ParseErrorKind::StartLine, 1));
        let headers = self.headers;
        ParseError {
            kind,
            line,
            partial: self
                .method
                .map(|method| Box::new(Partial { method, headers })),
        }
    }

    fn read_start(&mut self, text: &Arc<str>, line: Line<'_>, foreign: bool) {
        if line.bare {
            self.fail(ParseErrorKind::BareLineBreak);
        }
        if line.text.len() > LINE_MAX {
            self.fail(ParseErrorKind::LineTooLong);
        }
        let read = if let Some(rest) = line.text.strip_prefix("SIP/2.0 ") {
            read_status_line(rest)
        } else if foreign && !line.text.is_ascii() {
            Err(ParseErrorKind::NotUtf8)
        } else {
            self.read_request_line(text, line.text)
        };
        match read {
            Ok(start) => self.start = Some(start),
            Err(kind) => self.fail(kind),
        }
    }

    /// Exactly one space between the parts and none at the end (RFC 3261 section 7.1).
    fn read_request_line(&mut self, text: &Arc<str>, line: &str) -> Result<Start, ParseErrorKind> {
        let (method, rest) = cut(line, b' ').ok_or(ParseErrorKind::StartLine)?;
        if method.starts_with("SIP/") {
            return Err(ParseErrorKind::Version);
        }
        let method = Method::of(text, method).ok_or(ParseErrorKind::StartLine)?;
        self.method = Some(method.clone());
        let (uri, version) = rest.rsplit_once(' ').ok_or(ParseErrorKind::StartLine)?;
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            let other = version
                .get(..4)
                .is_some_and(|name| name.eq_ignore_ascii_case("SIP/"));
            return Err(if other {
                ParseErrorKind::Version
            } else {
                ParseErrorKind::StartLine
            });
        }
        if find(uri, b' ').is_some() {
            return Err(ParseErrorKind::StartLine);
        }
        let parts = Parts::scan(uri).map_err(ParseErrorKind::RequestUri)?;
        if parts.has_headers() {
            return Err(ParseErrorKind::RequestUriHeaders);
        }
        Ok(Start::Request(method, parts.own()))
    }

    /// One field with the lines folded under it.
    fn read_line(&mut self, text: &Arc<str>, line: Line<'_>, lines: &mut Lines<'_>, foreign: bool) {
        let mut bare = line.bare;
        let mut folded: Option<String> = None;
        let mut folds = 0;
        while let Some(more) = lines.next_folded() {
            bare |= more.bare;
            folds += 1;
            let whole =
                folded.get_or_insert_with(|| line.text.trim_end_matches([' ', '\t']).to_owned());
            whole.push(' ');
            whole.push_str(trim(more.text));
        }
        let result = match &folded {
            _ if bare => Err(ParseErrorKind::BareLineBreak),
            Some(whole) => self.read_field(&Arc::from(whole.as_str()), None, foreign),
            None => self.read_field(text, Some(line.text), foreign),
        };
        if let Err(kind) = result {
            self.fail(kind);
        }
        self.line += folds;
    }

    /// Checks a field and keeps it; `part` is the field's line in `text`, `None` when all of `text` is.
    fn read_field(
        &mut self,
        text: &Arc<str>,
        part: Option<&str>,
        foreign: bool,
    ) -> Result<(), ParseErrorKind> {
        let field = part.unwrap_or(text);
        if field.len() > LINE_MAX {
            return Err(ParseErrorKind::LineTooLong);
        }
        let (name, value) = cut(field, b':').ok_or(ParseErrorKind::FieldName)?;
        let name = HeaderName::of(text, trim_end(name)).ok_or(ParseErrorKind::FieldName)?;
        let value =
            HeaderValue::received(text, trim(value)).ok_or(ParseErrorKind::ControlCharacter)?;
        if foreign && !bytes_are_harmless(&name, value.as_str()) {
            return Err(ParseErrorKind::NotUtf8);
        }
        let checked = self
            .checks
            .field(self.method.as_ref(), &name, value.as_str());
        // A field that can't be read is still what the sender must find in the answer.
        if name != HeaderName::ContentLength {
            self.headers.push(name, value);
        }
        checked
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("headers", &self.headers)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// `200 OK`; the phrase may be empty, and the space before it missing.
fn read_status_line(rest: &str) -> Result<Start, ParseErrorKind> {
    let (code, reason) = cut(rest, b' ').unwrap_or((rest, ""));
    if has_control(reason) {
        return Err(ParseErrorKind::ControlCharacter);
    }
    let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let status = code
        .parse()
        .ok()
        .filter(|_| digits)
        .and_then(StatusCode::new)
        .ok_or(ParseErrorKind::Status)?;
    Ok(Start::Response(status, reason.into()))
}

/// The head as text; `true` when it wasn't UTF-8 and was read as ISO 8859-1.
fn decode(bytes: &[u8]) -> (Arc<str>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Arc::from(text), false),
        Err(_) => (
            bytes
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>()
                .into(),
            true,
        ),
    }
}

/// Whether characters outside ASCII stand only where nothing is compared with them.
fn bytes_are_harmless(name: &HeaderName, value: &str) -> bool {
    match name {
        HeaderName::Via | HeaderName::CallId | HeaderName::CSeq => value.is_ascii(),
        HeaderName::From
        | HeaderName::To
        | HeaderName::Contact
        | HeaderName::Route
        | HeaderName::RecordRoute
        | HeaderName::PAssertedIdentity => value.split('"').step_by(2).all(str::is_ascii),
        _ => true,
    }
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches([' ', '\t'])
}
