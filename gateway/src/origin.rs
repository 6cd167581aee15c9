//! Where a call comes from and who calls, read from its INVITE (design.md section 3, "kommun-ID").
//!
//! Three sources so far, in order of trust: the header `X-Kommun-ID`, the request-URI parameter `kommun-id`, and the
//! digits after `1177` in the user part. Only a trusted peer is believed; sources that disagree are a conflict, never a guess.

use std::{net::IpAddr, sync::LazyLock};

use callcore::{
    origin::{Origin, UnknownReason},
    personal::{CallerNumber, E164, Personal},
};
use wire::sip::{
    message::{HeaderName, Request},
    uri::Uri,
};

/// The header a trusted operator names the kommun in.
pub(crate) static KOMMUN_HEADER: LazyLock<HeaderName> = LazyLock::new(|| header("X-Kommun-ID"));
/// The header we name the winning route in, in answers to trusted peers: a load test sees where its calls went.
pub(crate) static ROUTE_HEADER: LazyLock<HeaderName> = LazyLock::new(|| header("X-Vaxel-Route"));
/// The URI parameter that does the same.
pub(crate) const KOMMUN_PARAM: &str = "kommun-id";
/// The number people dial.
pub(crate) const SERVICE_NUMBER: &str = "1177";

/// Networks whose word is taken for kommun-ID and caller's number.
#[derive(Debug, Clone)]
pub(crate) struct TrustedPeers(Vec<(IpAddr, u8)>);

impl TrustedPeers {
    /// Networks as address and prefix length.
    pub(crate) const fn new(networks: Vec<(IpAddr, u8)>) -> Self {
        Self(networks)
    }

    /// Every network: for a peer that has proved who it is.
    pub(crate) fn everyone() -> Self {
        let v4 = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        let v6 = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        Self(vec![(v4, 0), (v6, 0)])
    }

    /// Whether the peer is in one of them.
    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        self.0
            .iter()
            .any(|(network, prefix)| match (network, peer) {
                (IpAddr::V4(network), IpAddr::V4(peer)) => {
                    let shift = 32 - u32::from(*prefix).min(32);
                    (u32::from(*network) ^ u32::from(peer))
                        .checked_shr(shift)
                        .unwrap_or(0)
                        == 0
                }
                (IpAddr::V6(network), IpAddr::V6(peer)) => {
                    let shift = 128 - u32::from(*prefix).min(128);
                    (u128::from(*network) ^ u128::from(peer))
                        .checked_shr(shift)
                        .unwrap_or(0)
                        == 0
                }
                _ => false,
            })
    }
}

/// What every kommun-ID source of this INVITE says together.
pub(crate) fn read(request: &Request, peer: IpAddr, trusted: &TrustedPeers) -> Origin {
    let claims = claims(request);
    if !trusted.contains(peer) {
        let reason = if claims.is_empty() {
            UnknownReason::Missing
        } else {
            UnknownReason::Untrusted
        };
        return Origin::Unknown(reason);
    }
    claims
        .iter()
        .map(|code| Origin::from_code(code))
        .reduce(Origin::join)
        .unwrap_or(Origin::Unknown(UnknownReason::Missing))
}

/// The caller's number: P-Asserted-Identity from a trusted peer, else From. `None` when neither holds one.
pub(crate) fn caller(
    request: &Request,
    peer: IpAddr,
    trusted: &TrustedPeers,
) -> Option<CallerNumber> {
    let asserted = trusted
        .contains(peer)
        .then(|| request.headers.get(&HeaderName::PAssertedIdentity))
        .flatten()
        .and_then(number_of);
    asserted
        .or_else(|| request.headers.get(&HeaderName::From).and_then(number_of))
        .map(Personal::new)
}

/// The codes that are claimed, one per source that says anything. A header that comes twice claims twice.
fn claims(request: &Request) -> Vec<String> {
    let headers = request
        .headers
        .get_all(&KOMMUN_HEADER)
        .map(|value| value.trim().to_owned());
    let param = request.uri.param(KOMMUN_PARAM).map(str::to_owned);
    let digits = dialled_suffix(&request.uri).map(str::to_owned);
    headers
        .chain(param)
        .chain(digits)
        .filter(|code| !code.is_empty())
        .collect()
}

/// A name that is known to be a token.
fn header(name: &'static str) -> HeaderName {
    HeaderName::parse(name).unwrap_or_else(|| unreachable!("{name} is a token"))
}

/// What follows `1177` in the user part when something does: `11770180` claims `0180`.
fn dialled_suffix(uri: &Uri) -> Option<&str> {
    let user = uri.user.as_deref()?;
    let user = user.split(';').next().unwrap_or(user);
    user.strip_prefix(SERVICE_NUMBER)
        .filter(|rest| !rest.is_empty())
}

/// The number in a name-addr or addr-spec such as `"x" <sip:+46701740605@host;user=phone>` or `<tel:+46...>`.
fn number_of(field: &str) -> Option<E164> {
    let inside = field.split_once('<').map_or(field, |(_, rest)| rest);
    let uri = inside.split('>').next()?.trim();
    let after_scheme = uri.split_once(':')?.1;
    E164::parse(after_scheme.split(['@', ';', '?']).next()?)
}

#[cfg(test)]
mod tests {
    use wire::sip::message::Message;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn trusted() -> TrustedPeers {
        TrustedPeers::new(vec![("127.0.0.0".parse().expect("an address"), 8)])
    }

    fn invite(uri: &str, extra: &str) -> Request {
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5066;branch=z9hG4bK1\r\nFrom: <sip:+46701740605@127.0.0.1>;tag=a\r\n\
             To: <sip:1177@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        match Message::parse(text.as_bytes()).expect("a well-formed INVITE") {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request was written"),
        }
    }

    fn class(uri: &str, extra: &str) -> Origin {
        read(&invite(uri, extra), LOOPBACK, &trusted())
    }

    #[test]
    fn three_sources_tell_the_kommun() {
        let gnesta = Origin::from_code("0488");
        assert_eq!(class("sip:1177@127.0.0.1", "X-Kommun-ID: 0488\r\n"), gnesta);
        assert_eq!(class("sip:1177@127.0.0.1;kommun-id=0488", ""), gnesta);
        assert_eq!(class("sip:11770488@127.0.0.1", ""), gnesta);
        assert_eq!(
            class("sip:11770488@127.0.0.1", "X-Kommun-ID: 0488\r\n"),
            gnesta
        );
    }

    #[test]
    fn what_is_odd_is_never_guessed() {
        assert_eq!(class("sip:1177@127.0.0.1", "").class(), "unknown");
        assert_eq!(
            class("sip:1177@127.0.0.1", "X-Kommun-ID: 9999\r\n").class(),
            "unknown"
        );
        assert_eq!(
            class("sip:1177@127.0.0.1", "X-Kommun-ID: 01800\r\n").class(),
            "invalid"
        );
        assert_eq!(
            class("sip:1177@127.0.0.1", "X-Kommun-ID: 018a\r\n").class(),
            "invalid"
        );
        assert_eq!(
            class("sip:11770180@127.0.0.1", "X-Kommun-ID: 0488\r\n").class(),
            "conflict"
        );
        let both = "X-Kommun-ID: 0180\r\nX-Kommun-ID: 0488\r\n";
        assert_eq!(class("sip:1177@127.0.0.1", both).class(), "conflict");
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let request = invite(
            "sip:1177@127.0.0.1",
            "X-Kommun-ID: 0180\r\nP-Asserted-Identity: <tel:+46313900600>\r\n",
        );
        assert_eq!(
            read(&request, STRANGER, &trusted()),
            Origin::Unknown(UnknownReason::Untrusted)
        );
        let from = caller(&request, STRANGER, &trusted()).expect("From has a number");
        assert_eq!(from.reveal().as_str(), "+46701740605");
        let asserted = caller(&request, LOOPBACK, &trusted()).expect("the asserted one");
        assert_eq!(asserted.reveal().as_str(), "+46313900600");
    }
}
