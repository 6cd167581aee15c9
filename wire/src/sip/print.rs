//! Messages to bytes. Nothing is added but Content-Length, and no value can break out of its line.

use bytes::Bytes;

use super::{
    message::{HeaderName, Headers, Message, Request, Response},
    text::{has_control, is_control, write_number},
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
        out.push_str(self.method.as_str());
        out.push(' ');
        self.uri.write(out)?;
        out.push_str(" SIP/2.0\r\n");
        Ok(())
    }

    fn parts(&self) -> (&Headers, &Bytes) {
        (&self.headers, &self.body)
    }
}

impl Printed for Response {
    fn start_line(&self, out: &mut String) -> std::fmt::Result {
        out.push_str("SIP/2.0 ");
        write_number(out, self.status.code().into())?;
        out.push(' ');
        if has_control(&self.reason) {
            out.extend(self.reason.chars().map(blank_control));
        } else {
            out.push_str(&self.reason);
        }
        out.push_str("\r\n");
        Ok(())
    }

    fn parts(&self) -> (&Headers, &Bytes) {
        (&self.headers, &self.body)
    }
}

fn blank_control(c: char) -> char {
    if u8::try_from(c).is_ok_and(is_control) {
        ' '
    } else {
        c
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
    out.push_str("Content-Length: ");
    let _ = write_number(&mut out, u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.push_str("\r\n\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    Bytes::from(out)
}
