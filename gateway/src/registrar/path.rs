//! Proxies between a phone and its registrar (RFC 3327): each that the REGISTER came by has named itself, and calls to the phone
//! go back the same way.

use std::sync::LazyLock;

use wire::sip::{
    header::NameAddr,
    message::{HeaderName, HeaderValue, Headers, Request},
};

static PATH: LazyLock<HeaderName> =
    LazyLock::new(|| HeaderName::parse("Path").unwrap_or_else(|| unreachable!("it is a token")));
/// The option tag.
const TAG: &str = "path";
/// Proxies of one way, and the bytes of all their names: an edge and a balancer are two, and a binding is kept for an hour.
const PROXIES_MAX: usize = 6;
const LEN_MAX: usize = 1024;

/// The proxies, the one next to us first; none, when the phone came by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path(Option<HeaderValue>);

impl Path {
    /// That of a REGISTER. `None`: more than is kept, unreadable, or a proxy that doesn't stay on the way (section 4).
    pub(super) fn of(register: &Request) -> Option<Self> {
        Self::joined(register.headers.list(&PATH))
    }

    /// As [`Path::written`] gives it.
    pub(crate) fn read(written: &str) -> Option<Self> {
        let mut headers = Headers::default();
        if !written.is_empty() {
            headers.push(PATH.clone(), HeaderValue::parse(written)?);
        }
        Self::joined(headers.list(&PATH))
    }

    fn joined<'a>(proxies: impl Iterator<Item = &'a str>) -> Option<Self> {
        let proxies: Vec<&str> = proxies.take(PROXIES_MAX + 1).collect();
        let stays =
            |proxy: &&str| NameAddr::parse(proxy).is_ok_and(|named| named.uri.params.has("lr"));
        let written = proxies.join(", ");
        let fits = proxies.len() <= PROXIES_MAX && written.len() <= LEN_MAX;
        if !fits || !proxies.iter().all(stays) {
            return None;
        }
        let value = HeaderValue::parse(&written)?;
        Some(Self((!proxies.is_empty()).then_some(value)))
    }

    /// As one field value; empty for none.
    pub(crate) fn written(&self) -> &str {
        self.0.as_ref().map_or("", HeaderValue::as_str)
    }

    /// Has a request go that way.
    pub(crate) fn route(&self, headers: &mut Headers) {
        if let Some(proxies) = &self.0 {
            headers.push(HeaderName::Route, proxies.clone());
        }
    }
}

/// Tells a phone that asks by what way it will be called (section 5.3).
pub(super) fn told(register: &Request, headers: &mut Headers) {
    if !register.headers.lists(&HeaderName::Supported, TAG) {
        return;
    }
    headers.push(HeaderName::Supported, TAG);
    for proxy in register.headers.values(&PATH) {
        headers.push(PATH.clone(), proxy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_that_stay_on_the_way_are_kept_in_order_and_others_refused() {
        let two = "<sip:a.invalid;lr>, <sip:b.invalid:5062;transport=tcp;lr>";
        let path = Path::read(two).expect("two proxies");
        assert_eq!(path.written(), two);
        let mut headers = Headers::default();
        path.route(&mut headers);
        assert_eq!(headers.get(&HeaderName::Route), Some(two));
        assert_eq!(Path::read(""), Some(Path::default()));
        let many = "<sip:a.invalid;lr>,".repeat(PROXIES_MAX + 1);
        let long = format!("<sip:{}.invalid;lr>", "a".repeat(LEN_MAX));
        for bad in ["<sip:a.invalid>", "nonsense", &many, &long] {
            assert_eq!(Path::read(bad), None, "{bad}");
        }
    }
}
