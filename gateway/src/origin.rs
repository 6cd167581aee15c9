//! Where a call comes from and who calls, read from its INVITE (design.md section 3, "kommun-ID").
//!
//! The sources are in `claims`. Only a trusted peer is believed; sources that disagree are a conflict, never a guess.

mod claims;

use std::{net::IpAddr, sync::LazyLock};

use callcore::{
    origin::{Origin, UnknownReason},
    personal::{CallerNumber, E164, Personal},
    sources::{Finding, Source},
};
use wire::sip::{
    header::NameAddr,
    message::{HeaderName, Request},
};

/// The header a trusted operator names the kommun in.
pub(crate) static KOMMUN_HEADER: LazyLock<HeaderName> = LazyLock::new(|| header("X-Kommun-ID"));
/// The header we name the winning route in, in answers to trusted peers: a load test sees where its calls went.
pub(crate) static ROUTE_HEADER: LazyLock<HeaderName> = LazyLock::new(|| header("X-Vaxel-Route"));
/// The URI parameter that does the same.
pub(crate) const KOMMUN_PARAM: &str = "kommun-id";
/// What a number that isn't international is meant in.
const PHONE_CONTEXT: &str = "phone-context";
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
        // An IPv4 address that came by an IPv6 socket counts as IPv4.
        let peer = peer.to_canonical();
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

/// What the kommun-ID sources of this INVITE say together, and which of them. `sources` are those that are read, in the
/// order of their trust.
pub(crate) fn read(
    request: &Request,
    peer: IpAddr,
    trusted: &TrustedPeers,
    sources: &[Source],
) -> Finding {
    let claims = claims::of(request, sources);
    if trusted.contains(peer) {
        return Finding::of(&claims);
    }
    // A caller's own number is everybody's to name; only a kommun-ID is claimed falsely.
    let claimed = claims.iter().find(|claim| !claim.source.is_weak());
    let reason = claimed.map_or(UnknownReason::Missing, |_| UnknownReason::Untrusted);
    Finding {
        origin: Origin::Unknown(reason),
        source: claimed.map(|claim| claim.source),
        against: None,
    }
}

/// The caller's number: P-Asserted-Identity from a trusted peer, else From. `None` when neither holds one.
pub(crate) fn caller(
    request: &Request,
    peer: IpAddr,
    trusted: &TrustedPeers,
) -> Option<CallerNumber> {
    let asserted = trusted
        .contains(peer)
        .then(|| number_in(request, &HeaderName::PAssertedIdentity))
        .flatten();
    asserted
        .or_else(|| number_in(request, &HeaderName::From))
        .map(Personal::new)
}

/// Whether the caller wants the number kept from those it doesn't trust (RFC 3323 section 4.2, RFC 3325 section 9.3).
pub(crate) fn is_private(request: &Request) -> bool {
    let values = request.headers.get_all(&HeaderName::Privacy);
    let mut wishes = values.flat_map(|value| value.split([';', ',']));
    wishes.any(|wish| matches!(wish.trim().to_ascii_lowercase().as_str(), "id" | "user"))
}

/// A name that is known to be a token.
fn header(name: &'static str) -> HeaderName {
    HeaderName::parse(name).unwrap_or_else(|| unreachable!("{name} is a token"))
}

/// The first number under that name: a network may assert an address without one beside it (RFC 3325 section 9.1).
fn number_in(request: &Request, name: &HeaderName) -> Option<E164> {
    request.headers.list(name).find_map(number_of)
}

/// The number in a name-addr or addr-spec such as `"x" <sip:+46701740605@host;user=phone>` or `<tel:+46...>`.
fn number_of(address: &str) -> Option<E164> {
    let uri = NameAddr::parse(address).ok()?.uri;
    let user = uri.user_decoded()?;
    let mut parts = user.split([';', ':']);
    let number = parts.next()?;
    // Within another country it isn't the Swedish number that it looks like (RFC 3966 section 5.1.5).
    let context = parts.find_map(|part| part.strip_prefix(PHONE_CONTEXT)?.strip_prefix('='));
    let context = context.or_else(|| uri.param(PHONE_CONTEXT));
    let abroad = context.is_some_and(|context| context.starts_with('+') && context != "+46");
    E164::parse(number).filter(|_| !abroad || number.starts_with('+'))
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

    #[test]
    fn an_ipv4_peer_of_an_ipv6_socket_is_trusted_as_itself() {
        let mapped = |text: &str| text.parse().expect("an address");
        assert!(trusted().contains(mapped("::ffff:127.0.0.9")));
        assert!(!trusted().contains(mapped("::ffff:192.0.2.1")));
    }

    fn invite(uri: &str, extra: &str) -> Request {
        invite_with(uri, &format!("{extra}Content-Length: 0\r\n\r\n"))
    }

    fn invite_with(uri: &str, rest: &str) -> Request {
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5066;branch=z9hG4bK1\r\nFrom: <sip:+46701740605@127.0.0.1>;tag=a\r\n\
             To: <sip:1177@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{rest}"
        );
        match Message::parse(text.as_bytes()).expect("a well-formed INVITE") {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request was written"),
        }
    }

    fn class(uri: &str, extra: &str) -> Origin {
        read(&invite(uri, extra), LOOPBACK, &trusted(), &Source::DEFAULT).origin
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

    /// What all six sources find, and whence.
    fn found(extra: &str) -> Finding {
        let request = invite("sip:1177@127.0.0.1", extra);
        read(&request, LOOPBACK, &trusted(), &Source::ALL)
    }

    #[test]
    fn the_network_tells_the_kommun_only_when_it_says_so_itself() {
        let told = |value: &str| found(&format!("P-Access-Network-Info: {value}\r\n"));
        let by_network = "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=240x;operator-specific-GI=\"0488\";network-provided";
        let finding = told(by_network);
        assert_eq!(finding.origin, Origin::from_code("0488"));
        assert_eq!(finding.source, Some(Source::AccessNetwork));
        let by_phone = by_network.replace(";network-provided", "");
        assert_eq!(told(&by_phone).source, None, "the phone's own word");
        let second = format!("IEEE-802.11, {by_network}");
        assert_eq!(told(&second).origin, Origin::from_code("0488"), "a list");
        let quoted = "x;y=\"a,b;network-provided;operator-specific-GI=0488\"";
        assert_eq!(told(quoted).source, None, "in quotes it is only text");
        assert_eq!(
            told("x;operator-specific-GI=\"9\";network-provided")
                .origin
                .class(),
            "invalid"
        );
    }

    #[test]
    fn the_area_code_is_heard_only_when_it_is_asked_for_and_nothing_else_was_said() {
        let number = "P-Asserted-Identity: <tel:+46980319200>\r\n";
        let weak = found(number);
        let kommun = callcore::area_codes::kommun(&E164::parse("+46980319200").expect("a number"));
        assert_eq!(weak.origin.kommun(), kommun);
        assert_eq!(weak.source, kommun.map(|_| Source::AreaCode));
        let request = invite("sip:1177@127.0.0.1", number);
        let off = read(&request, LOOPBACK, &trusted(), &Source::DEFAULT);
        assert_eq!(off.origin, Origin::Unknown(UnknownReason::Missing));
        let strong = found(&format!("{number}X-Kommun-ID: 0180\r\n"));
        assert_eq!(
            (strong.origin, strong.against),
            (Origin::from_code("0180"), None)
        );
    }

    #[test]
    fn a_civic_address_tells_the_kommun_when_it_may_be_used_for_routing() {
        let pidf = |a3: &str| {
            format!(
                "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\n\r\n\
                 <presence><x><civicAddress><A3>{a3}</A3></civicAddress></x></presence>\r\n--b--\r\n"
            )
        };
        let told = |a3: &str, routing: &str| {
            let body = pidf(a3);
            let headers = format!(
                "Geolocation: <cid:a@b>\r\n{routing}Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let request = invite_with("sip:1177@127.0.0.1", &headers);
            read(&request, LOOPBACK, &trusted(), &Source::DEFAULT)
        };
        let yes = "Geolocation-Routing: yes\r\n";
        let finding = told("Trosa", yes);
        assert_eq!(finding.origin, Origin::from_code("0488"));
        assert_eq!(finding.source, Some(Source::Geolocation));
        assert_eq!(told("0488", yes).origin, Origin::from_code("0488"));
        assert_eq!(
            told("Atlantis", yes).origin,
            Origin::Unknown(UnknownReason::NoSuchKommun)
        );
        for not in ["", "Geolocation-Routing: no\r\n"] {
            assert_eq!(told("Trosa", not).source, None, "{not:?}");
        }
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
    fn a_number_is_found_however_it_is_written() {
        let caller = |fields: &str| {
            let request = invite("sip:1177@127.0.0.1", fields);
            let number = caller(&request, LOOPBACK, &trusted()).expect("at least that of From");
            number.reveal().as_str().to_owned()
        };
        let (asserted, from) = ("+46313900600", "+46701740605");
        for (value, expected) in [
            ("<tel:+46313900600>", asserted),
            ("<sip:%2B46313900600@h;user=phone>", asserted),
            ("\"A <b>, c\" <sip:+46313900600;npdi@h>", asserted),
            ("sip:+46313900600@h", asserted),
            ("<sip:desk@h>, <tel:+46-31-390.06.00>", asserted),
            (
                "<sip:desk@h>\r\nP-Asserted-Identity: <tel:0313900600>",
                asserted,
            ),
            ("<tel:0313900600;phone-context=+46>", asserted),
            ("<sip:0313900600;phone-context=h@h;user=phone>", asserted),
            // A number of Finland's, of which nobody here is called back.
            ("<tel:0313900600;phone-context=+358>", from),
            ("<sip:0313900600;phone-context=+358@h>", from),
            ("<tel:+46313900600;phone-context=+358>", asserted),
        ] {
            assert_eq!(
                caller(&format!("P-Asserted-Identity: {value}\r\n")),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let request = invite(
            "sip:1177@127.0.0.1",
            "X-Kommun-ID: 0180\r\nP-Asserted-Identity: <tel:+46313900600>\r\n",
        );
        assert_eq!(
            read(&request, STRANGER, &trusted(), &Source::ALL).origin,
            Origin::Unknown(UnknownReason::Untrusted)
        );
        let from = caller(&request, STRANGER, &trusted()).expect("From has a number");
        assert_eq!(from.reveal().as_str(), "+46701740605");
        let asserted = caller(&request, LOOPBACK, &trusted()).expect("the asserted one");
        assert_eq!(asserted.reveal().as_str(), "+46313900600");
    }
}
