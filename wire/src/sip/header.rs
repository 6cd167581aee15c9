//! Typed header values: addresses, CSeq, media types (RFC 3261 sections 20 and 25.1).

use std::fmt;

pub use super::via::Via;
pub(crate) use super::via::ViaParts;
use super::{
    message::Method,
    params::{self, Params, quoted_end},
    text::{
        after, cut, cut_before, cut_blank, find, is_control, is_token, read_number, trim,
        write_number,
    },
    uri::{Uri, UriError},
    uri_scan::Parts,
};

/// Why a header value can't be read. Never shows the value: it may hold a telephone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A quote opens and doesn't close.
    #[error("a quoted string isn't closed")]
    OpenQuote,
    /// `<` without `>`, or text where `<` must stand.
    #[error("the address isn't enclosed in < and >")]
    Brackets,
    /// A display name with a sign that needs quotes.
    #[error("the display name needs quotes")]
    DisplayName,
    /// The URI can't be read.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// `?` or `,` in a URI without angle brackets (RFC 3261 section 20).
    #[error("a URI with ? or , must be enclosed in < and >")]
    BareUri,
    /// An empty or misspelt parameter.
    #[error("a parameter is empty or can't be read")]
    Param,
    /// Not `SIP/2.0/transport host`.
    #[error("it doesn't begin with SIP/2.0/transport and a host")]
    Via,
    /// Not digits, or a number above what the field allows.
    #[error("the number is missing or too large")]
    Number,
    /// A method or media type that is no token.
    #[error("a token is missing or misspelt")]
    Token,
}

impl From<params::BadParam> for Malformed {
    fn from(_: params::BadParam) -> Self {
        Self::Param
    }
}

pub(super) fn check_params(text: &str) -> Result<(), Malformed> {
    params::scan(text)
        .try_for_each(|param| param.map(drop))
        .map_err(Malformed::from)
}

/// An address with display name and parameters: From, To, Contact, Route, P-Asserted-Identity (RFC 3261 section 20.10).
#[derive(Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, unquoted.
    pub display: Option<Box<str>>,
    /// The URI.
    pub uri: Uri,
    /// Parameters of the header field (not the URI's): tag, q, expires, ...
    pub params: Params,
}

impl NameAddr {
    /// An address without display name or parameters.
    pub const fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// Reads one value (not a list).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let parts = NameAddrParts::scan(text)?;
        Ok(Self {
            display: parts.display.map(unquote),
            uri: parts.uri.own(),
            params: Params::own(parts.params),
        })
    }

    /// The tag, when there is one.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }

    /// The tag in the text of an address that was checked before; nothing of it is owned.
    pub(super) fn tag_in(text: &str) -> Option<&str> {
        params::find(Self::params_in(text)?, "tag").flatten()
    }

    /// The parameters of the header field in such a text.
    pub(super) fn params_in(text: &str) -> Option<&str> {
        let quoted = if after(text, b'"').is_some() {
            quoted_end(text)?
        } else {
            0
        };
        let rest = text.get(quoted..)?;
        Some(match find(rest, b'<') {
            Some(_) => cut(rest, b'>')?.1,
            None => cut_before(rest, b';').1,
        })
    }

    /// The same with that tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl NameAddr {
    /// As [`fmt::Display`] writes it, without the formatter where there is a text to write into.
    pub(super) fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        if let Some(display) = &self.display {
            out.write_char('"')?;
            for c in display.chars() {
                if matches!(c, '"' | '\\') {
                    out.write_char('\\')?;
                }
                out.write_char(if c.is_ascii_control() { ' ' } else { c })?;
            }
            out.write_str("\" ")?;
        }
        out.write_char('<')?;
        self.uri.write(out)?;
        out.write_char('>')?;
        self.params.write(out)
    }
}

impl fmt::Debug for NameAddr {
    /// Without the name and the user part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{:?}>{:?}", self.uri, self.params)
    }
}

/// An address taken apart and checked.
pub(super) struct NameAddrParts<'a> {
    display: Option<&'a str>,
    uri: Parts<'a>,
    params: &'a str,
}

impl<'a> NameAddrParts<'a> {
    pub(super) fn scan(text: &'a str) -> Result<Self, Malformed> {
        let text = trim(text);
        let (display, rest) = if after(text, b'"').is_some() {
            let end = quoted_end(text).ok_or(Malformed::OpenQuote)?;
            let (display, rest) = text.split_at(end);
            (Some(display), trim(rest))
        } else if let Some(at) = find(text, b'<') {
            let (display, rest) = text.split_at(at);
            let display = trim(display);
            check_bare_display(display)?;
            ((!display.is_empty()).then_some(display), rest)
        } else {
            return Self::scan_bare(text);
        };
        let rest = after(rest, b'<').ok_or(Malformed::Brackets)?;
        let (uri, params) = cut(rest, b'>').ok_or(Malformed::Brackets)?;
        let uri = Parts::scan(trim(uri))?;
        check_params(params)?;
        Ok(Self {
            display,
            uri,
            params,
        })
    }

    /// Without angle brackets every parameter is the header field's (RFC 3261 section 20.10).
    fn scan_bare(text: &'a str) -> Result<Self, Malformed> {
        let (uri, params) = cut_before(text, b';');
        let uri = trim(uri);
        if uri.is_empty() {
            return Err(Malformed::Empty);
        }
        if find(uri, b'?').is_some() || find(uri, b',').is_some() {
            return Err(Malformed::BareUri);
        }
        let uri = Parts::scan(uri)?;
        check_params(params)?;
        Ok(Self {
            display: None,
            uri,
            params,
        })
    }
}

/// More than tokens are taken as they are meant (`Å. Svensson`), but not what ends or begins something else.
fn check_bare_display(text: &str) -> Result<(), Malformed> {
    let stray = |byte: u8| {
        is_control(byte) || matches!(byte, b',' | b';' | b':' | b'"' | b'>' | b'@' | b'\\')
    };
    if text.bytes().any(stray) {
        Err(Malformed::DisplayName)
    } else {
        Ok(())
    }
}

fn unquote(text: &str) -> Box<str> {
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    else {
        return text.into();
    };
    if !inner.contains('\\') {
        return inner.into();
    }
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out.into()
}

/// What Contact holds (RFC 3261 section 20.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// `*`: all bindings, in a REGISTER that removes them.
    All,
    /// Addresses, in order; may be empty.
    Addresses(Vec<NameAddr>),
}

/// CSeq (RFC 3261 section 20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2^31.
    pub number: u32,
    /// The request's method.
    pub method: Method,
}

impl CSeq {
    /// The largest number (RFC 3261 section 8.1.1.5).
    pub const NUMBER_MAX: u32 = (1 << 31) - 1;

    /// Reads `4711 INVITE`.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (number, method) = cut_blank(text).ok_or(Malformed::Token)?;
        let number = scan_number(number, Self::NUMBER_MAX)?;
        let method = Method::parse(trim(method)).ok_or(Malformed::Token)?;
        Ok(Self { number, method })
    }
}

impl CSeq {
    /// As [`fmt::Display`] writes it, without the formatter where there is a text to write into.
    pub(super) fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write_number(out, self.number)?;
        out.write_char(' ')?;
        out.write_str(self.method.as_str())
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// Max-Forwards (RFC 3261 section 20.22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxForwards(pub u8);

impl MaxForwards {
    /// What a new request starts with (RFC 3261 section 8.1.1.6).
    pub const DEFAULT: Self = Self(70);

    /// Reads 0 to 255.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        scan_number(text, u32::from(u8::MAX))
            .map(|number| Self(u8::try_from(number).unwrap_or(u8::MAX)))
    }
}

impl fmt::Display for MaxForwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Digits, leading zeros allowed, up to `max`.
pub(super) fn scan_number(text: &str, max: u32) -> Result<u32, Malformed> {
    read_number(text, max).ok_or(Malformed::Number)
}

/// A media type with parameters, such as `application/sdp` (RFC 3261 section 20.15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// `application`, in lower case.
    pub kind: Box<str>,
    /// `sdp`, in lower case.
    pub subtype: Box<str>,
    /// `boundary` and others.
    pub params: Params,
}

impl MediaType {
    /// Reads `type/subtype;parameters`.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (essence, params) = cut_before(text, b';');
        let (kind, subtype) = cut(essence, b'/').ok_or(Malformed::Token)?;
        let (kind, subtype) = (trim(kind), trim(subtype));
        if !is_token(kind) || !is_token(subtype) {
            return Err(Malformed::Token);
        }
        check_params(params)?;
        let lower = |text: &str| text.to_ascii_lowercase().into_boxed_str();
        Ok(Self {
            kind: lower(kind),
            subtype: lower(subtype),
            params: Params::own(params),
        })
    }

    /// Whether it is `kind/subtype`, whatever its parameters.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// The `boundary` of a multipart, unquoted.
    pub fn boundary(&self) -> Option<Box<str>> {
        self.params.value("boundary").map(unquote)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}
