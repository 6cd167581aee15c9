//! SIP URIs (RFC 3261 section 19.1).

/// A `sip:` or `sips:` URI, or a `tel:` URI kept as its number. Parsed leniently, printed strictly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// `sip`, `sips` or `tel`.
    pub scheme: Scheme,
    /// The user part, unescaped as it came; the number of a `tel:` URI.
    pub user: Option<Box<str>>,
    /// Host name or address, without brackets; empty for `tel:`.
    pub host: Box<str>,
    /// Port, when given.
    pub port: Option<u16>,
    /// `;name=value` parameters in order; a name without a value has `None`.
    pub params: Vec<(Box<str>, Option<Box<str>>)>,
    /// What follows `?`, as it came.
    pub headers: Option<Box<str>>,
}

/// The scheme of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
}
