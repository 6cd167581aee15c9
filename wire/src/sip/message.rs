//! SIP messages as values (RFC 3261 section 7).

use std::fmt;

use bytes::Bytes;

use super::{
    header::{CSeq, Contact, Malformed, MaxForwards, MediaType, NameAddr, Via},
    uri::Uri,
};
pub use super::{
    headers::{HeaderValue, Headers, split_list},
    method::{Method, OtherMethod, StatusCode},
    name::{HeaderName, OtherName},
    params::Params,
    parse_error::{ParseError, ParseErrorKind, Partial},
};

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// The header fields, whichever it is.
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// A request.
#[derive(Clone, PartialEq, Eq)]
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

impl Request {
    /// A request without header fields or body.
    pub const fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// The To address.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.headers.to()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} ({} fields, {} bytes)",
            self.method,
            self.uri,
            self.headers.len(),
            self.body.len()
        )
    }
}

/// A response.
#[derive(Clone, PartialEq, Eq)]
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

impl Response {
    /// An answer to `request`: its Via, From, To, Call-ID and CSeq (RFC 3261 section 8.2.6.2), and its Timestamp for a 100
    /// (section 8.2.6.1). The To tag is the caller's to add.
    pub fn to(request: &Request, status: StatusCode, reason: &str) -> Self {
        Self::answering(&request.headers, status, reason)
    }

    pub(super) fn answering(asked: &Headers, status: StatusCode, reason: &str) -> Self {
        const COPIED_ONCE: [HeaderName; 4] = [
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ];
        let mut headers = Headers::with_capacity(12);
        for via in asked.values(&HeaderName::Via) {
            headers.push(HeaderName::Via, via);
        }
        for name in COPIED_ONCE {
            if let Some(value) = asked.value(&name) {
                headers.push(name, value);
            }
        }
        if status == StatusCode::TRYING
            && let Some(value) = asked.value(&HeaderName::Timestamp)
        {
            headers.push(HeaderName::Timestamp, value);
        }
        Self {
            status,
            reason: reason.into(),
            headers,
            body: Bytes::new(),
        }
    }
}

impl fmt::Debug for Response {
    /// Without the phrase: it is the peer's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} fields, {} bytes)",
            self.status,
            self.headers.len(),
            self.body.len()
        )
    }
}

/// A body with its `Content-Type`.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// The media type with its parameters, such as `application/sdp`.
    pub content_type: Box<str>,
    /// The bytes.
    pub bytes: Bytes,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.content_type, self.bytes.len())
    }
}

/// A header field that isn't there or can't be read. Never shows the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not there.
    #[error("{0} is missing")]
    Missing(HeaderName),
    /// There, but not to be read.
    #[error("{0}: {1}")]
    Malformed(HeaderName, Malformed),
}

/// What header fields say, read when asked. Those that [`Message::parse`] requires can be missing only in a message made here.
impl Headers {
    fn required<T>(
        &self,
        name: HeaderName,
        read: impl Fn(&str) -> Result<T, Malformed>,
    ) -> Result<T, HeaderError> {
        match self.get(&name) {
            Some(value) => read(value).map_err(|why| HeaderError::Malformed(name, why)),
            None => Err(HeaderError::Missing(name)),
        }
    }

    /// The topmost Via: who sent this, or who is to have the response.
    pub fn via_top(&self) -> Result<Via, HeaderError> {
        match self.list(&HeaderName::Via).next() {
            Some(value) => {
                Via::parse(value).map_err(|why| HeaderError::Malformed(HeaderName::Via, why))
            }
            None => Err(HeaderError::Missing(HeaderName::Via)),
        }
    }

    /// The tag of an address that was checked as the message was read: From or To.
    pub(super) fn tag(&self, name: &HeaderName) -> Option<&str> {
        NameAddr::tag_in(self.get(name)?)
    }

    /// Replaces the topmost Via, leaving those below.
    pub fn set_via_top(&mut self, via: &Via) {
        self.replace_first(HeaderName::Via, via);
    }

    /// The From address.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.required(HeaderName::From, NameAddr::parse)
    }

    /// The To address.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.required(HeaderName::To, NameAddr::parse)
    }

    /// The Call-ID.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        self.get(&HeaderName::CallId)
            .ok_or(HeaderError::Missing(HeaderName::CallId))
    }

    /// The CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.required(HeaderName::CSeq, CSeq::parse)
    }

    /// Max-Forwards, when there is one.
    pub fn max_forwards(&self) -> Option<MaxForwards> {
        self.required(HeaderName::MaxForwards, MaxForwards::parse)
            .ok()
    }

    /// Every Contact.
    pub fn contact(&self) -> Result<Contact, HeaderError> {
        if self.get(&HeaderName::Contact) == Some("*") {
            return Ok(Contact::All);
        }
        self.addresses(&HeaderName::Contact).map(Contact::Addresses)
    }

    /// The first Contact's URI: where requests inside the dialog go.
    pub fn contact_uri(&self) -> Option<Uri> {
        self.list(&HeaderName::Contact)
            .next()
            .and_then(|value| NameAddr::parse(value).ok())
            .map(|address| address.uri)
    }

    /// Every address of a list: Route, Record-Route, Contact, P-Asserted-Identity.
    pub fn addresses(&self, name: &HeaderName) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(name)
            .map(|value| {
                NameAddr::parse(value).map_err(|why| HeaderError::Malformed(name.clone(), why))
            })
            .collect()
    }

    /// The media type of the body.
    pub fn content_type(&self) -> Option<MediaType> {
        self.required(HeaderName::ContentType, MediaType::parse)
            .ok()
    }
}

/// What requests and responses have alike.
macro_rules! fields_and_body {
    ($($type:ty),*) => {$(
        impl $type {
            /// The topmost Via.
            pub fn via_top(&self) -> Result<Via, HeaderError> {
                self.headers.via_top()
            }

            /// The From address.
            pub fn from(&self) -> Result<NameAddr, HeaderError> {
                self.headers.from()
            }

            /// The Call-ID.
            pub fn call_id(&self) -> Result<&str, HeaderError> {
                self.headers.call_id()
            }

            /// The CSeq.
            pub fn cseq(&self) -> Result<CSeq, HeaderError> {
                self.headers.cseq()
            }

            /// Max-Forwards, when there is one.
            pub fn max_forwards(&self) -> Option<MaxForwards> {
                self.headers.max_forwards()
            }

            /// The first Contact's URI.
            pub fn contact_uri(&self) -> Option<Uri> {
                self.headers.contact_uri()
            }

            /// The media type of the body.
            pub fn content_type(&self) -> Option<MediaType> {
                self.headers.content_type()
            }

            /// The body with its type; `None` when it is empty or has no type.
            pub fn body(&self) -> Option<Body> {
                let content_type = self.headers.get(&HeaderName::ContentType)?;
                (!self.body.is_empty()).then(|| Body { content_type: content_type.into(), bytes: self.body.clone() })
            }

            /// Gives it that body and Content-Type; `None` takes both away.
            pub fn set_body(&mut self, body: Option<Body>) {
                match body {
                    Some(body) => {
                        self.headers.set(HeaderName::ContentType, body.content_type);
                        self.body = body.bytes;
                    }
                    None => {
                        self.headers.remove(&HeaderName::ContentType);
                        self.body = Bytes::new();
                    }
                }
            }

            /// The message as bytes; see [`Message::to_bytes`].
            pub fn to_bytes(&self) -> Bytes {
                super::print::print(self)
            }
        }
    )*};
}

fields_and_body!(Request, Response);
