//! Why a message was refused, and what its sender is told.

#[cfg(doc)]
use super::limits::BODY_MAX;
use super::{
    header::Malformed,
    limits::{HEADER_FIELDS_MAX, LINE_MAX, MESSAGE_MAX, VIAS_MAX},
    message::{HeaderName, Headers, Method, Response, StatusCode},
    uri::UriError,
};

/// Why a message was refused, where, and what could be read of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The line of the message, from 1; 0 when it is the message as a whole.
    pub line: usize,
    /// What could be read, when it was a request.
    pub partial: Option<Box<Partial>>,
}

/// What could be read of a request that was refused.
#[derive(Debug, Clone)]
pub struct Partial {
    /// Its method.
    pub method: Method,
    /// Its header fields, without those that couldn't be read.
    pub headers: Headers,
}

impl ParseError {
    pub(super) const fn plain(kind: ParseErrorKind) -> Self {
        Self {
            kind,
            line: 0,
            partial: None,
        }
    }

    /// The response the sender is to have (400, 414, 505 or 513, see [`ParseErrorKind::status`]): when it was a request other than ACK
    /// and its Via, From, To, Call-ID and CSeq were there to be copied.
    pub fn bad_request(&self) -> Option<Response> {
        const NEEDED: [HeaderName; 5] = [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ];
        let partial = self
            .partial
            .as_ref()
            .filter(|partial| partial.method != Method::Ack)?;
        if !NEEDED
            .iter()
            .all(|name| partial.headers.get(name).is_some())
        {
            return None;
        }
        let status = self.kind.status();
        let reason = if status == StatusCode::BAD_REQUEST {
            self.kind.to_string().into()
        } else {
            status.phrase().into()
        };
        Some(Response {
            reason,
            ..Response::answering(&partial.headers, status, "")
        })
    }
}

/// What is wrong with a message. Never shows what the peer wrote, but for names of header fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing, or only line breaks or zeros: a keep-alive, to be ignored.
    #[error("nothing in it")]
    Empty,
    /// Over [`MESSAGE_MAX`], or a body over [`BODY_MAX`].
    #[error("message over {MESSAGE_MAX} bytes")]
    MessageTooLarge,
    /// A line with its continuations is over [`LINE_MAX`].
    #[error("line over {LINE_MAX} bytes")]
    LineTooLong,
    /// Over [`HEADER_FIELDS_MAX`].
    #[error("over {HEADER_FIELDS_MAX} header fields")]
    TooManyFields,
    /// Over [`VIAS_MAX`].
    #[error("over {VIAS_MAX} Via values")]
    TooManyVias,
    /// No empty line after the header fields.
    #[error("no empty line after the header fields")]
    HeadNotEnded,
    /// A line that ends with LF alone.
    #[error("a line ends without CR")]
    BareLineBreak,
    /// A control character outside a quoted-pair.
    #[error("control character")]
    ControlCharacter,
    /// Bytes that aren't UTF-8, where they matter.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not `METHOD URI SIP/2.0` nor `SIP/2.0 status reason`, with exactly one space between.
    #[error("malformed start line")]
    StartLine,
    /// Another version than SIP/2.0.
    #[error("SIP version other than 2.0")]
    Version,
    /// A status that isn't 100 to 699.
    #[error("status code not 100 to 699")]
    Status,
    /// The request URI.
    #[error("Request-URI: {0}")]
    RequestUri(UriError),
    /// `?headers` in the request URI (RFC 3261 section 19.1.1).
    #[error("Request-URI with headers")]
    RequestUriHeaders,
    /// A header line without a colon or with a name that is no token.
    #[error("malformed header field name")]
    FieldName,
    /// A field that can't be read.
    #[error("{0}: {1}")]
    Field(HeaderName, Malformed),
    /// A field every message needs isn't there.
    #[error("{0} missing")]
    Missing(HeaderName),
    /// A field that may stand once stands twice.
    #[error("{0} repeated")]
    Repeated(HeaderName),
    /// The CSeq names another method than the start line.
    #[error("CSeq names another method")]
    MethodMismatch,
    /// The datagram ends before the body does.
    #[error("body is {present} bytes, Content-Length says {announced}")]
    BodyCut {
        /// What Content-Length says.
        announced: usize,
        /// What came.
        present: usize,
    },
}

impl ParseErrorKind {
    /// The status that tells the sender.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Version => StatusCode::VERSION_NOT_SUPPORTED,
            Self::RequestUri(UriError::TooLong) => StatusCode::REQUEST_URI_TOO_LONG,
            Self::MessageTooLarge | Self::LineTooLong | Self::TooManyFields => {
                StatusCode::MESSAGE_TOO_LARGE
            }
            Self::TooManyVias => StatusCode::TOO_MANY_HOPS,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
