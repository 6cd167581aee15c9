//! Via (RFC 3261 section 20.42): who sent a request, and where its responses go.

use std::{
    fmt::{self, Write as _},
    net::SocketAddr,
};

use super::{
    header::{Malformed, check_params},
    params::{self, Params},
    text::{cut, cut_before, cut_blank, is_token, trim},
    uri::{UriError, write_host_port},
    uri_scan::scan_host_port,
};

/// One Via value (RFC 3261 section 20.42).
#[derive(Clone, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WS`, ... as it came.
    pub transport: Box<str>,
    /// Host of sent-by, IPv6 without brackets.
    pub host: Box<str>,
    /// Port of sent-by, when given.
    pub port: Option<u16>,
    /// branch, received, rport, ...
    pub params: Params,
}

impl Via {
    /// A Via of our own, with `rport` asked for (RFC 3581) and that branch.
    pub fn new(transport: &str, sent_by: SocketAddr, branch: &str) -> Self {
        let mut params = Params::new();
        params.set("rport", None);
        params.set("branch", Some(branch));
        Self {
            transport: transport.into(),
            host: sent_by.ip().to_string().into(),
            port: Some(sent_by.port()),
            params,
        }
    }

    /// Reads one value (not a list).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let parts = ViaParts::scan(text)?;
        Ok(Self {
            transport: parts.transport.into(),
            host: parts.host.into(),
            port: parts.port,
            params: Params::own(parts.params),
        })
    }

    /// The branch, when there is one.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// `None`: not there. `Some(None)`: asked for. `Some(Some(port))`: filled in (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params
            .get("rport")
            .map(|value| value.and_then(|digits| digits.parse().ok()))
    }

    /// The address the request came from, when whoever received it wrote it down.
    pub fn received(&self) -> Option<std::net::IpAddr> {
        let text = self.params.value("received")?;
        text.trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()
    }

    /// Writes down where the request came from: `received` (RFC 3261 section 18.2.1) and, when asked for, `rport` (RFC 3581 section 4).
    pub fn note_source(&mut self, source: SocketAddr) {
        let asked = self.params.has("rport");
        if asked {
            self.params.set("rport", Some(&source.port().to_string()));
        }
        if asked || self.host.parse() != Ok(source.ip()) {
            self.params.set("received", Some(&source.ip().to_string()));
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} ", self.transport)?;
        write_host_port(f, &self.host, self.port)?;
        self.params.fmt(f)
    }
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A Via value taken apart and checked.
pub(crate) struct ViaParts<'a> {
    transport: &'a str,
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    params: &'a str,
}

impl<'a> ViaParts<'a> {
    pub(super) fn scan(text: &'a str) -> Result<Self, Malformed> {
        let (protocol, rest) = cut(text, b'/').ok_or(Malformed::Via)?;
        let (version, rest) = cut(rest, b'/').ok_or(Malformed::Via)?;
        let rest = trim(rest);
        let (transport, rest) = cut_blank(rest).ok_or(Malformed::Via)?;
        if !trim(protocol).eq_ignore_ascii_case("SIP")
            || trim(version) != "2.0"
            || !is_token(transport)
        {
            return Err(Malformed::Via);
        }
        let (sent_by, params) = cut_before(rest, b';');
        let (host, port) = scan_sent_by(trim(sent_by))?;
        check_params(params)?;
        Ok(Self {
            transport,
            host,
            port,
            params,
        })
    }

    /// The branch in a value that was checked before.
    pub(super) fn branch_in(text: &'a str) -> Option<&'a str> {
        params::find(cut_before(text, b';').1, "branch").flatten()
    }

    /// The branch, when there is one.
    pub(super) fn branch(&self) -> Option<&'a str> {
        params::find(self.params, "branch").flatten()
    }

    /// Whether the answer is to go back where the request came from (RFC 3581).
    pub(super) fn has_rport(&self) -> bool {
        params::find(self.params, "rport").is_some()
    }

    /// [`ViaParts::noted`] where it says something that the sender didn't; `None`: the value stays as it came.
    pub(super) fn changed_by(&self, source: SocketAddr) -> Option<String> {
        let same = !self.has_rport() && self.host.parse() == Ok(source.ip());
        (!same).then(|| self.noted(source))
    }

    /// The value with where the request came from written into it; see [`Via::note_source`].
    pub(super) fn noted(&self, source: SocketAddr) -> String {
        let asked = self.has_rport();
        let note = asked || self.host.parse() != Ok(source.ip());
        let (ip, port) = (source.ip().to_string(), source.port().to_string());
        let mut out = String::with_capacity(NOTED_LEN_USUAL + self.params.len());
        // Writing into a String can't fail.
        let _ = write!(out, "SIP/2.0/{} ", self.transport);
        let _ = write_host_port(&mut out, self.host, self.port);
        let mut missing = [("received", ip.as_str(), note), ("rport", &port, asked)];
        for (name, value) in params::scan(self.params).flatten() {
            let noted = missing
                .iter_mut()
                .find(|(own, _, due)| *due && own.eq_ignore_ascii_case(name));
            let value = match noted {
                Some((_, noted, due)) => {
                    *due = false;
                    Some(*noted)
                }
                None => value,
            };
            params::write(&mut out, name, value);
        }
        for (name, value, due) in missing {
            if due {
                params::write(&mut out, name, Some(value));
            }
        }
        out
    }
}

/// Protocol, host and port, and what is noted, of most Via values.
const NOTED_LEN_USUAL: usize = 96;

/// Host and port with spaces allowed around the colon (RFC 3261's COLON).
fn scan_sent_by(text: &str) -> Result<(&str, Option<u16>), Malformed> {
    if cut_blank(text).is_none() {
        return Ok(scan_host_port(text)?);
    }
    let (host, port) = text.rsplit_once(':').ok_or(Malformed::Via)?;
    let (host, none) = scan_host_port(trim(host))?;
    let port = trim(port)
        .parse()
        .map_err(|_| Malformed::Uri(UriError::Port))?;
    if none.is_some() {
        Err(Malformed::Via)
    } else {
        Ok((host, Some(port)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Via, ViaParts};

    #[test]
    fn a_noted_via_is_written_as_if_it_were_owned() {
        let source = "192.0.2.7:4321".parse().expect("an address");
        for (text, written) in [
            (
                "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1",
                "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1",
            ),
            (
                "SIP / 2.0 / UDP  h.example : 5070 ; branch=z9hG4bK1",
                "SIP/2.0/UDP h.example:5070;branch=z9hG4bK1;received=192.0.2.7",
            ),
            (
                "SIP/2.0/UDP 192.0.2.7;RPORT;branch=z9hG4bK1",
                "SIP/2.0/UDP 192.0.2.7;RPORT=4321;branch=z9hG4bK1;received=192.0.2.7",
            ),
            (
                "SIP/2.0/TCP [2001:db8::1]:5060;received=h;rport=1;x=\"a;b\"",
                "SIP/2.0/TCP [2001:db8::1]:5060;received=192.0.2.7;rport=4321;x=\"a;b\"",
            ),
        ] {
            let noted = ViaParts::scan(text).map(|via| via.noted(source));
            assert_eq!(noted.as_deref(), Ok(written));
            let mut owned = Via::parse(text).expect("read above");
            owned.note_source(source);
            assert_eq!(owned.to_string(), written);
        }
    }
}
