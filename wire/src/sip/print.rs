//! Messages to bytes. Nothing is added but Content-Length, and no value can break out of its line.

use std::fmt::Write as _;

use bytes::Bytes;

use super::{
    message::{HeaderName, Headers, Message, Request, Response},
    text::is_control,
};

impl Message {
    /// The message as bytes. Content-Length is counted here, at the end of the head; nothing else is added.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => print(request),
            Self::Response(response) => print(response),
        }
    }
}

/// What can be printed: a start line, header fields and a body.
pub(super) trait Printed {
    fn start_line(&self, out: &mut String) -> std::fmt::Result;
    fn parts(&self) -> (&Headers, &Bytes);
}

impl Printed for Request {
    fn start_line(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "{} {} SIP/2.0\r\n", self.method.as_str(), self.uri)
    }

    fn parts(&self) -> (&Headers, &Bytes) {
        (&self.headers, &self.body)
    }
}

impl Printed for Response {
    fn start_line(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "SIP/2.0 {} ", self.status)?;
        out.extend(self.reason.chars().map(|c| {
            if u8::try_from(c).is_ok_and(is_control) {
                ' '
            } else {
                c
            }
        }));
        out.push_str("\r\n");
        Ok(())
    }

    fn parts(&self) -> (&Headers, &Bytes) {
        (&self.headers, &self.body)
    }
}

/// Start line and Content-Length with their line ends, and room for a long request URI.
const FIXED_PARTS: usize = 160;

pub(super) fn print(message: &impl Printed) -> Bytes {
    let (headers, body) = message.parts();
    let lines: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let mut out = String::with_capacity(FIXED_PARTS + lines + body.len());
    // Writing into a String can't fail.
    let _ = message.start_line(&mut out);
    for (name, value) in headers
        .iter()
        .filter(|(name, _)| **name != HeaderName::ContentLength)
    {
        out.push_str(name.as_str());
        out.push_str(": ");
        out.push_str(value);
        out.push_str("\r\n");
    }
    let _ = write!(out, "Content-Length: {}\r\n\r\n", body.len());
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    Bytes::from(out)
}
