//! Before any handler: sizes, rates, token, role, purpose. After it: what is counted and what no browser may keep.

use std::{sync::Arc, time::Instant};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use super::{
    Peer, Shared,
    answer::{No, Reason},
    routes::Needs,
    tokens::{Role, Token},
};
use crate::access::PURPOSE_LEN_MAX;

/// A search with every parameter takes some hundred bytes, a purpose a thousand at most.
const QUERY_LEN_MAX: usize = 8 * 1024;
/// All headers together: browsers send one or two kilobytes.
pub(super) const HEADERS_LEN_MAX: usize = 16 * 1024;
/// What axum says of a query repeats a part of it, and a query has a limit.
const SAID_LEN_MAX: usize = 2 * QUERY_LEN_MAX;
const PURPOSE: HeaderName = HeaderName::from_static("x-purpose");

/// On every answer: what a recording says stays in no cache, and a browser guesses no type.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// What the guard of a route knows.
#[derive(Debug, Clone)]
pub(super) struct Admit {
    pub(super) shared: Arc<Shared>,
    pub(super) needs: Needs,
    pub(super) route: &'static str,
}

/// Who asks, and what for.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) token: Token,
    /// As it was stated; empty where none is needed.
    pub(super) purpose: String,
}

impl Caller {
    /// As the access log names them.
    pub(super) fn who(&self) -> String {
        format!("{} (token {})", self.token.name, self.token.id)
    }

    /// Whose recordings and figures they see; `None`: everybody's figures, nobody's recordings.
    pub(super) fn controller(&self) -> Option<&str> {
        match self.token.role {
            Role::Reader | Role::Dpo => Some(&self.token.organisation),
            Role::Operator | Role::Switch => None,
        }
    }
}

/// Which route answered, for the counter.
#[derive(Debug, Clone, Copy)]
struct Answered(&'static str);

/// Round every request: sizes and the address's rate before, counters and headers after.
pub(super) async fn surround(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(from)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let checked = shared
        .limits
        .address(from, Instant::now())
        .map_err(No::from)
        .and_then(|()| sizes(&request));
    let mut answer = match checked {
        Ok(()) => next.run(request).await,
        Err(no) => no.into_response(),
    };
    let route = answer.extensions().get::<Answered>();
    let route = route.map_or("none", |answered| answered.0);
    shared.metrics.answered(route, answer.status());
    if let Some(Reason(reason)) = answer.extensions().get::<Reason>().copied() {
        shared.metrics.refused(reason);
        tracing::warn!(%from, route, reason, status = answer.status().as_u16(), "a request was refused");
    }
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Round one route: lets in who may.
pub(super) async fn admit(
    State(admit): State<Admit>,
    Extension(Peer(from)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut answer = match caller(&admit, Peer(from), &request) {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(no) => no.into_response(),
    };
    let status = answer.status();
    if status.is_client_error() && answer.extensions().get::<Reason>().is_none() {
        answer = as_described(answer).await;
    }
    answer.extensions_mut().insert(Answered(admit.route));
    answer
}

/// What axum itself refuses, such as a method that isn't there or a query that isn't one, said as every other no is.
async fn as_described(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let said = axum::body::to_bytes(body, SAID_LEN_MAX).await;
    let said = said.unwrap_or_default();
    let reason = match parts.status {
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        _ => "malformed",
    };
    let text = match &*String::from_utf8_lossy(&said) {
        "" => parts
            .status
            .canonical_reason()
            .unwrap_or_default()
            .to_owned(),
        text => text.to_owned(),
    };
    let mut no = No::new(parts.status, reason, text).into_response();
    for of_body in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        parts.headers.remove(of_body);
    }
    // Such as which methods there are.
    no.headers_mut().extend(parts.headers);
    no
}

pub(super) async fn nowhere() -> No {
    let text = "there is nothing here: /api/openapi.json says what there is";
    No::new(StatusCode::NOT_FOUND, "no-route", text)
}

fn sizes(request: &Request) -> Result<(), No> {
    let query = request.uri().query().unwrap_or_default();
    if query.len() > QUERY_LEN_MAX {
        let text = format!("the query is longer than {QUERY_LEN_MAX} bytes");
        return Err(No::new(StatusCode::URI_TOO_LONG, "too-large", text));
    }
    let headers = request.headers().iter();
    let length: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if length > HEADERS_LEN_MAX {
        let text = format!("the headers are longer than {HEADERS_LEN_MAX} bytes");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(No::new(status, "too-large", text));
    }
    Ok(())
}

/// Who asks, when somebody must be known.
fn caller(admit: &Admit, peer: Peer, request: &Request) -> Result<Option<Caller>, No> {
    let (roles, needs_purpose) = match admit.needs {
        Needs::Nothing => return Ok(None),
        Needs::TokenFromOutside(_) if peer.0.is_loopback() => return Ok(None),
        Needs::TokenFromOutside(roles) | Needs::Token(roles) => (roles, false),
        Needs::Purpose(roles) => (roles, true),
    };
    let token = authenticated(&admit.shared, peer, request.headers())?;
    admit.shared.limits.token(&token.id, Instant::now())?;
    if !roles.contains(&token.role) {
        let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
        let text = format!(
            "a token of role {} may not do that; it takes {}",
            token.role.name(),
            names.join(" or ")
        );
        return Err(No::new(StatusCode::FORBIDDEN, "role", text));
    }
    let runs_it = matches!(token.role, Role::Operator | Role::Switch);
    if runs_it && token.organisation != admit.shared.operator() {
        let text = "this recorder is run by another organisation than the token's";
        return Err(No::new(StatusCode::FORBIDDEN, "role", text));
    }
    let purpose = if needs_purpose {
        purpose(request)?
    } else {
        String::new()
    };
    Ok(Some(Caller { token, purpose }))
}

fn authenticated(shared: &Shared, Peer(from): Peer, headers: &HeaderMap) -> Result<Token, No> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (shown.next(), shown.next()) else {
        return Err(No::unauthenticated(
            "send the header Authorization: Bearer TOKEN, once",
        ));
    };
    let now = Instant::now();
    shared.limits.may_try(from, now)?;
    let token = value
        .to_str()
        .ok()
        .and_then(bearer)
        .map(|shown| shared.tokens.find(shown, Timestamp::now()))
        .transpose()?
        .flatten();
    token.ok_or_else(|| {
        shared.limits.was_wrong(from, now);
        No::unauthenticated(
            "no such token, or it has expired or was revoked: ask who runs the recorder for one",
        )
    })
}

/// The token of such a value; the scheme's name may be written in any case (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What for: the header, or the parameter for what can't send headers, such as a player.
fn purpose(request: &Request) -> Result<String, No> {
    let from_header = request.headers().get(PURPOSE).map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.trim().to_owned()
    });
    let purpose = from_header
        .or_else(|| query_value(request.uri().query().unwrap_or_default(), "purpose"))
        .unwrap_or_default();
    if purpose.trim().is_empty() {
        let text = "say what for: the header X-Purpose or the parameter purpose; it is kept in the controller's access log";
        return Err(No::bad("purpose", text));
    }
    if purpose.len() > PURPOSE_LEN_MAX || purpose.chars().any(char::is_control) {
        let text = format!("a purpose is one line of at most {PURPOSE_LEN_MAX} bytes");
        return Err(No::bad("purpose", text));
    }
    Ok(purpose)
}

fn query_value(query: &str, name: &str) -> Option<String> {
    let uri = format!("/?{query}").parse().ok()?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok()?;
    let found = pairs.0.into_iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value)
}
