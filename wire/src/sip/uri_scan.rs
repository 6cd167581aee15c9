//! Reading URIs: taken apart and checked without owning anything.

use std::net::Ipv6Addr;

use super::{
    limits::URI_MAX,
    params::Params,
    text::{after, cut, cut_before, find, letters_digits_and, read_number, run},
    uri::{Scheme, Uri, UriError},
};

/// A URI taken apart and checked, not yet owned.
pub(super) struct Parts<'a> {
    scheme: Scheme,
    user: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    params: &'a str,
    headers: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub(super) fn scan(text: &'a str) -> Result<Self, UriError> {
        if text.len() > URI_MAX {
            return Err(UriError::TooLong);
        }
        let (scheme, rest) = cut(text, b':').ok_or(UriError::Scheme)?;
        let scheme = scan_scheme(scheme)?;
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::scan_sip(scheme, rest),
            Scheme::Tel => Self::scan_tel(rest),
            Scheme::Other(_) => {
                check_characters(rest, |byte| byte != b'@')?;
                Ok(Self {
                    scheme,
                    user: Some(rest),
                    host: "",
                    port: None,
                    params: "",
                    headers: None,
                })
            }
        }
    }

    fn scan_sip(scheme: Scheme, rest: &'a str) -> Result<Self, UriError> {
        let (user, rest) = match cut(rest, b'@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        if let Some(user) = user {
            if user.is_empty() {
                return Err(UriError::Character);
            }
            check_escaped(user)?;
        }
        let (rest, headers) = match cut(rest, b'?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        headers.map_or(Ok(()), check_escaped)?;
        let (host_port, params) = cut_before(rest, b';');
        check_params(params)?;
        let (host, port) = scan_host_port(host_port)?;
        Ok(Self {
            scheme,
            user,
            host,
            port,
            params,
            headers,
        })
    }

    fn scan_tel(rest: &'a str) -> Result<Self, UriError> {
        let (number, params) = cut_before(rest, b';');
        if number.is_empty() {
            return Err(UriError::Host);
        }
        // RFC 3966 section 3: no header part, so no question mark.
        if rest.contains('?') {
            return Err(UriError::Character);
        }
        check_escaped(number)?;
        check_params(params)?;
        Ok(Self {
            scheme: Scheme::Tel,
            user: Some(number),
            host: "",
            port: None,
            params,
            headers: None,
        })
    }

    pub(super) const fn has_headers(&self) -> bool {
        self.headers.is_some()
    }

    /// Whether it is of a scheme that isn't spoken here.
    pub(super) const fn is_foreign(&self) -> bool {
        matches!(self.scheme, Scheme::Other(_))
    }

    pub(super) fn own(&self) -> Uri {
        let mut params = Params::new();
        for (name, value) in split_params(self.params) {
            params.add(name, value);
        }
        Uri {
            scheme: self.scheme.clone(),
            user: self.user.map(Box::from),
            host: self.host.into(),
            port: self.port,
            params,
            headers: self.headers.map(Box::from),
        }
    }
}

fn scan_scheme(text: &str) -> Result<Scheme, UriError> {
    for (name, scheme) in [
        ("sip", Scheme::Sip),
        ("sips", Scheme::Sips),
        ("tel", Scheme::Tel),
    ] {
        if text.eq_ignore_ascii_case(name) {
            return Ok(scheme);
        }
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.bytes().all(legal) {
        return Err(UriError::Scheme);
    }
    Ok(Scheme::Other(text.to_ascii_lowercase().into()))
}

/// `host`, `host:port`, `[IPv6]`, `[IPv6]:port`; the host without brackets.
pub(super) fn scan_host_port(text: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, port) = match after(text, b'[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(UriError::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| UriError::Host)?;
            (host, rest)
        }
        None => run(text, &NAMED),
    };
    if host.is_empty() {
        return Err(UriError::Host);
    }
    let port = match after(port, b':') {
        Some(digits) => {
            let port = read_number(digits, u16::MAX.into());
            let port = port.and_then(|port| u16::try_from(port).ok());
            Some(port.ok_or(UriError::Port)?)
        }
        None if port.is_empty() => None,
        None => return Err(UriError::Host),
    };
    Ok((host, port))
}

/// Which bytes may stand in a host's name or an IPv4 address.
static NAMED: [bool; 256] = letters_digits_and(b".-_");

fn split_params(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(';')
        .skip(1)
        .map(|param| match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        })
}

fn check_params(text: &str) -> Result<(), UriError> {
    if text.is_empty() {
        return Ok(());
    }
    check_escaped(text)?;
    let nameless = split_params(text)
        .any(|(name, value)| name.is_empty() || value.is_some_and(|v| v.contains('=')));
    if nameless {
        Err(UriError::Param)
    } else {
        Ok(())
    }
}

fn check_characters(text: &str, counts: impl Fn(u8) -> bool) -> Result<(), UriError> {
    let bad = text.bytes().fold(false, |bad, byte| {
        bad | (is_forbidden(byte) && counts(byte))
    });
    if bad {
        Err(UriError::Character)
    } else {
        Ok(())
    }
}

fn check_escaped(text: &str) -> Result<(), UriError> {
    check_characters(text, |_| true)?;
    if find(text, b'%').is_none() {
        return Ok(());
    }
    let mut pieces = text.split('%');
    pieces.next();
    let whole = |piece: &str| piece.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if pieces.all(whole) {
        Ok(())
    } else {
        Err(UriError::Escape)
    }
}

/// What may stand nowhere in a URI.
pub(super) const fn is_forbidden(byte: u8) -> bool {
    byte <= b' ' || byte >= 0x7f || matches!(byte, b'<' | b'>' | b'"' | b'@')
}
