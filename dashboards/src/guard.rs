//! What every answer carries, and who is answered at all.

use axum::{
    extract::Request,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{self, HeaderMap},
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Sent with every answer. There is no `Access-Control-Allow-Origin` on purpose: no other site may read this one.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    // Figures must be today's, and the files change with the program.
    (header::CACHE_CONTROL, "no-store"),
];

/// Refuses a request for a host that isn't this machine, and sets the security headers on every answer.
///
/// A page elsewhere can let its own name point at 127.0.0.1 (DNS rebinding) and would then be the same origin to the
/// browser; the `Host` header still tells its name.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let named_here = host_is_here(request.headers())
        && request
            .uri()
            .authority()
            .is_none_or(|asked| is_loopback(asked.as_str()));
    let mut answer = if named_here {
        next.run(request).await
    } else {
        // In both languages of the page: whoever reads this has no page to choose one on.
        let text = "Den här servern svarar bara på localhost, 127.0.0.1 och [::1].\n\
                    This server answers only to localhost, 127.0.0.1 and [::1].\n";
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    };
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Whether a request comes from a page of this server, or from no page at all. Another server on this machine is another's: its pages
/// come from another port.
pub(crate) fn origin_is_here(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let here = |origin: &HeaderValue| {
        let authority = origin.to_str().ok().and_then(|text| text.split_once("://"));
        authority.zip(host).is_some_and(|((_, authority), host)| {
            is_loopback(authority) && authority.eq_ignore_ascii_case(host)
        })
    };
    headers.get_all(header::ORIGIN).iter().all(here)
}

fn host_is_here(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(is_loopback),
        _ => false,
    }
}

fn is_loopback(authority: &str) -> bool {
    let Ok(parsed) = authority.parse::<Authority>() else {
        return false;
    };
    if authority.contains('@') {
        return false;
    }
    let host = parsed.host();
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_server_on_this_machine_is_from_elsewhere() {
        let from = |origins: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("localhost:1177"));
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            origin_is_here(&headers)
        };
        assert!(from(&[]), "a telephone, not a page");
        assert!(from(&["http://localhost:1177"]) && from(&["http://LOCALHOST:1177"]));
        for origin in [
            "http://localhost:3000",
            "http://localhost",
            "http://127.0.0.1:1177",
            "https://evil.example",
            "null",
        ] {
            assert!(!from(&[origin]), "{origin}");
            assert!(!from(&["http://localhost:1177", origin]), "{origin} too");
        }
    }

    #[test]
    fn only_this_machine_by_name_or_address() {
        for host in [
            "localhost",
            "LOCALHOST:1177",
            "127.0.0.1:1177",
            "127.8.8.8",
            "[::1]:1177",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host} is this machine");
        }
        for host in [
            "",
            "vaxel.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil@localhost",
            "0.0.0.0",
            "[::]",
            "192.0.2.1",
        ] {
            assert!(!is_loopback(host), "{host} isn't this machine");
        }
    }
}
