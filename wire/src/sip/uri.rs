//! SIP URIs (RFC 3261 section 19.1).

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{
    limits::URI_MAX,
    params::Params,
    text::{find, write_number},
    uri_scan::{Parts, is_forbidden},
};

/// A URI: `sip:`, `sips:`, `tel:`, or another scheme kept whole. Parsed leniently, printed strictly; escapes stay as they came.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    /// `sip`, `sips`, `tel`, or another.
    pub scheme: Scheme,
    /// The user part with its escapes as it came (and `:password`, if anyone still sends one); the number of a
    /// `tel:` URI; all after the colon of another scheme.
    pub user: Option<Box<str>>,
    /// Host name or address, without brackets; empty but for `sip:` and `sips:`.
    pub host: Box<str>,
    /// Port, when given.
    pub port: Option<u16>,
    /// `;name=value` parameters in order.
    pub params: Params,
    /// What follows `?`, as it came.
    pub headers: Option<Box<str>>,
}

/// The scheme of a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// Another, in lower case: a request to it is answered 416.
    Other(Box<str>),
}

impl Scheme {
    /// Without the colon.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Other(name) => name,
        }
    }
}

/// Why a text is no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// No scheme, or no legal one.
    #[error("the URI has no scheme (sip:, sips:, tel:)")]
    Scheme,
    /// Nothing follows the scheme, or the host is not a name, an IPv4 address, or an IPv6 address in brackets.
    #[error("the URI's host is not a host name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    /// The port is not a number from 0 to 65535.
    #[error("the URI's port is not a number from 0 to 65535")]
    Port,
    /// A parameter without a name.
    #[error("the URI has an empty parameter")]
    Param,
    /// `%` without two hexadecimal digits after it.
    #[error("the URI has a % without two hexadecimal digits after it")]
    Escape,
    /// A space, control character, quote, angle bracket, second `@` or a character outside ASCII.
    #[error("the URI has a character that must be escaped")]
    Character,
    /// Over [`URI_MAX`] bytes.
    #[error("the URI is over {URI_MAX} bytes")]
    TooLong,
}

impl Uri {
    /// `sip:user@host:port`. What may not stand in a URI is escaped when it is printed.
    pub fn sip(user: Option<&str>, address: SocketAddr) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.map(Box::from),
            host: address.ip().to_string().into(),
            port: Some(address.port()),
            params: Params::new(),
            headers: None,
        }
    }

    /// Reads a URI without angle brackets around it.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        Parts::scan(text).map(|parts| parts.own())
    }

    /// The value of a parameter; empty for one without a value.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(Option::unwrap_or_default)
    }

    /// Where the host is an IP address: that, with the port or the scheme's own (5060; 5061 for `sips:` and TLS; a WebSocket's 80 or 443).
    pub fn address(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(
            ip,
            self.port.unwrap_or_else(|| self.default_port()),
        ))
    }

    /// The `transport` parameter as it came (`udp`, `tcp`, `tls`, `ws`).
    pub fn transport(&self) -> Option<&str> {
        self.params.value("transport")
    }

    /// The user part with its escapes resolved; bytes that aren't UTF-8 become U+FFFD.
    pub fn user_decoded(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(unescape)
    }

    fn default_port(&self) -> u16 {
        let asks = |kind: &str| {
            self.transport()
                .is_some_and(|name| name.eq_ignore_ascii_case(kind))
        };
        let secure = self.scheme == Scheme::Sips;
        match () {
            () if asks("wss") || secure && asks("ws") => 443,
            () if asks("ws") => 80,
            () if secure || asks("tls") => 5061,
            () => 5060,
        }
    }
}

impl std::str::FromStr for Uri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl Uri {
    /// As [`fmt::Display`] writes it, without the formatter where there is a text to write into.
    pub(super) fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str(self.scheme.as_str())?;
        f.write_char(':')?;
        if let Some(user) = &self.user {
            let part = if matches!(self.scheme, Scheme::Other(_)) {
                Part::Opaque
            } else {
                Part::User
            };
            escape(f, user, part)?;
        }
        if matches!(self.scheme, Scheme::Sip | Scheme::Sips) {
            if self.user.is_some() {
                f.write_char('@')?;
            }
            write_host_port(f, &self.host, self.port)?;
        }
        for (name, value) in self.params.iter() {
            f.write_char(';')?;
            escape(f, name, Part::Param)?;
            if let Some(value) = value {
                f.write_char('=')?;
                escape(f, value, Part::Param)?;
            }
        }
        if let Some(headers) = &self.headers {
            f.write_char('?')?;
            escape(f, headers, Part::Headers)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uri {
    /// Without user and parameters: they may be a telephone number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        if self.user.is_some() {
            f.write_str("...@")?;
        }
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// `host:port`, the host in brackets when it is an IPv6 address.
pub(super) fn write_host_port(
    f: &mut impl fmt::Write,
    host: &str,
    port: Option<u16>,
) -> fmt::Result {
    if find(host, b':').is_some() {
        f.write_char('[')?;
        escape(f, host, Part::Host)?;
        f.write_char(']')?;
    } else {
        escape(f, host, Part::Host)?;
    }
    let Some(port) = port else {
        return Ok(());
    };
    f.write_char(':')?;
    write_number(f, port.into())
}

/// Which part of a URI is printed: each has signs of its own that end it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    /// All of a URI of another scheme.
    Opaque,
    Host,
    Param,
    Headers,
}

impl Part {
    const fn forbids(self, byte: u8) -> bool {
        match self {
            Self::User | Self::Headers => is_forbidden(byte),
            Self::Opaque => is_forbidden(byte) && byte != b'@',
            Self::Host => is_forbidden(byte) || matches!(byte, b';' | b'?' | b'/' | b'[' | b']'),
            Self::Param => is_forbidden(byte) || matches!(byte, b';' | b'?' | b'='),
        }
    }
}

fn escape(f: &mut impl fmt::Write, text: &str, part: Part) -> fmt::Result {
    if !text.bytes().any(|byte| part.forbids(byte)) {
        return f.write_str(text);
    }
    for byte in text.bytes() {
        if part.forbids(byte) {
            write!(f, "%{byte:02X}")?;
        } else {
            f.write_char(char::from(byte))?;
        }
    }
    Ok(())
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10) & 0xf,
    }
}

#[cfg(test)]
mod tests {
    use super::{Scheme, Uri, UriError};

    #[test]
    fn what_is_read_is_printed() {
        for text in [
            "sip:example.com",
            "sips:1177@example.com:5061",
            "sip:a;b=c?d@[2001:db8::1]:5070;transport=tcp;lr?Subject=x%20y",
            "sip:p%65r:secret@192.0.2.1",
            "sip:*72#@192.0.2.1",
            "tel:+46313900600;phone-context=example.com",
            "mailto:a@example.com",
            "urn:service:sos",
        ] {
            assert_eq!(
                Uri::parse(text).map(|uri| uri.to_string()).as_deref(),
                Ok(text)
            );
        }
    }

    #[test]
    fn what_is_no_uri_is_told_apart() {
        for (text, error) in [
            ("example.com", UriError::Scheme),
            ("<sip:h>", UriError::Scheme),
            ("sip:", UriError::Host),
            ("sip:a@", UriError::Host),
            ("sip:[::1", UriError::Host),
            ("sip:[192.0.2.1]", UriError::Host),
            ("sip:h:99999", UriError::Port),
            ("sip:h:", UriError::Port),
            ("sip:h;;lr", UriError::Param),
            ("sip:a%4@h", UriError::Escape),
            ("sip:a b@h", UriError::Character),
            ("sip:@h", UriError::Character),
            ("sip:å@h", UriError::Character),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn parts_mean_what_they_say() {
        let uri = Uri::parse("SIP:0%31@[2001:db8::1];Kommun-ID=0180;lr").expect("uri");
        assert_eq!(uri.scheme, Scheme::Sip);
        assert_eq!(uri.user_decoded().as_deref(), Some("01"));
        assert_eq!(
            (uri.param("kommun-id"), uri.param("lr"), uri.param("x")),
            (Some("0180"), Some(""), None)
        );
        assert_eq!(uri.address(), "[2001:db8::1]:5060".parse().ok());
        assert_eq!(
            Uri::parse("sips:192.0.2.1").expect("uri").address(),
            "192.0.2.1:5061".parse().ok()
        );
        assert_eq!(Uri::parse("sip:example.com").expect("uri").address(), None);
    }

    #[test]
    fn debug_hides_the_number() {
        let uri = Uri::parse("sip:+46313900600@192.0.2.1;x=0313900600").expect("uri");
        assert_eq!(format!("{uri:?}"), "sip:...@192.0.2.1");
        assert!(!format!("{:?}", Uri::parse("tel:+46313900600").expect("uri")).contains("3900600"));
        assert!(!format!("{:?}", Uri::parse("x:+46313900600").expect("uri")).contains("3900600"));
    }
}
