//! SIP messages as values (RFC 3261 section 7).

use bytes::Bytes;

use super::uri::Uri;

/// A request or a response.
#[derive(Debug, Clone)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of whom.
    pub uri: Uri,
    /// The header fields in order.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status, 100 to 699.
    pub status: StatusCode,
    /// The phrase after it.
    pub reason: Box<str>,
    /// The header fields in order.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// A body with its `Content-Type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The media type with its parameters, such as `application/sdp`.
    pub content_type: Box<str>,
    /// The bytes.
    pub bytes: Bytes,
}

/// A status code, 100 to 699.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(pub(crate) u16);

/// A method.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 3261.
    Invite,
    /// RFC 3261.
    Ack,
    /// RFC 3261.
    Bye,
    /// RFC 3261.
    Cancel,
    /// RFC 3261.
    Options,
    /// RFC 3261.
    Register,
    /// RFC 3262.
    Prack,
    /// RFC 3311.
    Update,
    /// RFC 6086.
    Info,
    /// RFC 3515.
    Refer,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3428.
    Message,
    /// RFC 3903.
    Publish,
    /// Any other token.
    Other(Box<str>),
}

/// Header fields in the order they came.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    fields: Vec<(HeaderName, Box<str>)>,
}

/// A header field's name; compact forms are read as the long one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderName {
    /// RFC 3261 section 20.42.
    Via,
    /// RFC 3261 section 20.20.
    From,
    /// RFC 3261 section 20.39.
    To,
    /// RFC 3261 section 20.8.
    CallId,
    /// RFC 3261 section 20.16.
    CSeq,
    /// RFC 3261 section 20.10.
    Contact,
    /// RFC 3261 section 20.22.
    MaxForwards,
    /// RFC 3261 section 20.30.
    RecordRoute,
    /// RFC 3261 section 20.34.
    Route,
    /// RFC 3261 section 20.15.
    ContentType,
    /// RFC 3261 section 20.14.
    ContentLength,
    /// RFC 3261 section 20.32.
    Require,
    /// RFC 3261 section 20.37.
    Supported,
    /// RFC 3261 section 20.40.
    Unsupported,
    /// RFC 3261 section 20.5.
    Allow,
    /// RFC 3261 section 20.1.
    Accept,
    /// RFC 3261 section 20.33.
    RetryAfter,
    /// RFC 3261 section 20.41.
    UserAgent,
    /// RFC 3261 section 20.35.
    Server,
    /// RFC 3326.
    Reason,
    /// RFC 3325.
    PAssertedIdentity,
    /// RFC 3323.
    Privacy,
    /// Any other, as it came.
    Other(Box<str>),
}
