//! What each source of a kommun-ID says in an INVITE: one small reader a source.

use callcore::{
    area_codes,
    kommun::KommunId,
    origin::{Origin, UnknownReason},
    sources::{Claim, Source},
};
use std::sync::LazyLock;
use wire::{
    pidf,
    sip::{
        message::{HeaderName, Request},
        uri::Uri,
    },
    siprec::multipart,
};

use super::{KOMMUN_HEADER, KOMMUN_PARAM, SERVICE_NUMBER, header, number_in};

/// Values of one header that are read; an operator sends one, a stranger may send thousands.
const VALUES_MAX: usize = 8;

static ACCESS_NETWORK: LazyLock<HeaderName> = LazyLock::new(|| header("P-Access-Network-Info"));
static GEOLOCATION: LazyLock<HeaderName> = LazyLock::new(|| header("Geolocation"));
static GEOLOCATION_ROUTING: LazyLock<HeaderName> = LazyLock::new(|| header("Geolocation-Routing"));

/// What the sources claim, in their order. A source that says nothing claims nothing; one that comes twice claims twice.
pub(super) fn of(request: &Request, sources: &[Source]) -> Vec<Claim> {
    let claims = sources.iter().flat_map(|&source| {
        let said = match source {
            Source::Header => codes(request.headers.get_all(&KOMMUN_HEADER).map(str::trim)),
            Source::Uri => codes(request.uri.param(KOMMUN_PARAM)),
            Source::Digits => codes(dialled_suffix(&request.uri)),
            Source::AccessNetwork => access_network(request),
            Source::Geolocation => geolocation(request),
            Source::AreaCode => area_code(request),
        };
        said.into_iter().map(move |origin| Claim { source, origin })
    });
    claims.collect()
}

fn codes<'a>(said: impl IntoIterator<Item = &'a str>) -> Vec<Origin> {
    let said = said.into_iter().filter(|code| !code.is_empty());
    said.take(VALUES_MAX).map(Origin::from_code).collect()
}

/// What follows `1177` in the user part when something does: `11770180` claims `0180`.
fn dialled_suffix(uri: &Uri) -> Option<&str> {
    let user = uri.user.as_deref()?;
    let user = user.split(';').next().unwrap_or(user);
    user.strip_prefix(SERVICE_NUMBER)
}

/// `operator-specific-GI` of a value that the network itself put there (RFC 7315 section 5.4): a phone can write the
/// header too, but not, past a network that does its duty, the mark `network-provided`.
fn access_network(request: &Request) -> Vec<Origin> {
    let lines = request.headers.get_all(&ACCESS_NETWORK).take(VALUES_MAX);
    let values = lines
        .flat_map(|line| unquoted_split(line, ','))
        .take(VALUES_MAX);
    let read = values.filter_map(|value| {
        let params: Vec<&str> = unquoted_split(value, ';').map(str::trim).collect();
        let by_network = params
            .iter()
            .any(|param| param.eq_ignore_ascii_case("network-provided"));
        let place = params.iter().find_map(|param| {
            let (name, value) = param.split_once('=')?;
            let named = name.trim().eq_ignore_ascii_case("operator-specific-GI");
            named.then(|| value.trim().trim_matches('"'))
        });
        place.filter(|_| by_network)
    });
    codes(read)
}

/// The kommun of a civic address that came with the call, when it may be used for routing. Without the header
/// `Geolocation-Routing: yes` it may not (RFC 6442 section 4.2); a location by reference isn't fetched.
fn geolocation(request: &Request) -> Vec<Origin> {
    let by_value = request
        .headers
        .get_all(&GEOLOCATION)
        .any(|value| value.to_ascii_lowercase().contains("<cid:"));
    let may_route = request
        .headers
        .get(&GEOLOCATION_ROUTING)
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("yes"));
    let Some(body) = request.body().filter(|_| by_value && may_route) else {
        return Vec::new();
    };
    let Ok(parts) = multipart::parse(&body.content_type, &body.bytes) else {
        return Vec::new();
    };
    let documents = parts.iter().filter(|part| {
        let kind = part.content_type.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case(pidf::CONTENT_TYPE)
    });
    let places = documents.flat_map(|part| pidf::municipalities(part.bytes).unwrap_or_default());
    places
        .take(VALUES_MAX)
        .map(|place| {
            let kommun = KommunId::parse(&place).or_else(|| KommunId::by_name(&place));
            kommun.map_or(Origin::Unknown(UnknownReason::NoSuchKommun), Origin::Known)
        })
        .collect()
}

/// The kommun of the caller's area code, where there is exactly one.
fn area_code(request: &Request) -> Vec<Origin> {
    let headers = [HeaderName::PAssertedIdentity, HeaderName::From];
    let number = headers.iter().find_map(|name| number_in(request, name));
    let kommun = number.and_then(|number| area_codes::kommun(&number));
    kommun.map(Origin::Known).into_iter().collect()
}

/// The pieces between separators that stand outside quotes.
fn unquoted_split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}
