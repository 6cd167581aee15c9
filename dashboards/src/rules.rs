//! Replacing the switch's rules over HTTP: only with a token, and only whole.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use gateway::{Change, Rules, RulesError};
use serde::Serialize;
use tokio::time::timeout;

/// A scenario is at most this long; the reader has the same limit.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// Four megabytes come from this machine, or by a tunnel to it.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Shorter tokens can be guessed by trying.
const TOKEN_LEN_MIN: usize = 16;

/// Longest name that is kept of who replaced the rules.
const NAME_LEN_MAX: usize = 64;

/// What replacing needs: the switch's handle and the token that permits it.
#[derive(Debug, Clone)]
pub struct Admin {
    rules: Rules,
    token: AdminToken,
}

/// The secret that permits replacing rules. It can't be printed.
#[derive(Clone)]
pub struct AdminToken(Arc<str>);

/// A token that is too short to be one, or can't be sent in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token must have at least {TOKEN_LEN_MIN} characters, letters, digits, signs and spaces without accents: make one with `head -c 24 /dev/urandom | base64`"
)]
pub struct WeakToken;

impl AdminToken {
    /// Takes what stands in a token's file.
    ///
    /// # Errors
    /// When the token is too short to be safe, or nobody could show it.
    pub fn parse(text: &str) -> Result<Self, WeakToken> {
        let token = text.trim();
        let can_be_sent = token.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if token.len() < TOKEN_LEN_MIN || !can_be_sent {
            return Err(WeakToken);
        }
        Ok(Self(token.into()))
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

impl Admin {
    /// Whoever shows this token may replace the rules.
    pub const fn new(rules: Rules, token: AdminToken) -> Self {
        Self { rules, token }
    }

    /// Compares in a time that doesn't tell how much was right.
    fn permits(&self, headers: &HeaderMap) -> bool {
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(bearer);
        let Some(shown) = shown else { return false };
        let differ = shown
            .bytes()
            .zip(self.token.0.bytes())
            .fold(0, |differ, (a, b)| differ | (a ^ b));
        shown.len() == self.token.0.len() && differ == 0
    }
}

/// The token of such a value; the scheme's name may be written in any case (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `GET` and `POST /api/routes`; without an [`Admin`] both say how to get one.
pub(crate) fn router(admin: Option<Admin>) -> Router {
    Router::new()
        .route("/api/routes", get(changes).merge(post(replace)))
        .with_state(admin)
}

#[derive(Serialize)]
struct Refused {
    error: String,
}

fn refused(status: StatusCode, error: impl Into<String>) -> Response {
    (
        status,
        Json(Refused {
            error: error.into(),
        }),
    )
        .into_response()
}

fn permitted(admin: Option<Admin>, headers: &HeaderMap) -> Result<Admin, Box<Response>> {
    let Some(admin) = admin else {
        let how = "rules can't be replaced here: start the switch with --admin-token FILE";
        return Err(refused(StatusCode::FORBIDDEN, how).into());
    };
    if !admin.permits(headers) {
        let how = "send the header Authorization: Bearer TOKEN";
        let mut answer = refused(StatusCode::UNAUTHORIZED, how);
        let scheme = HeaderValue::from_static("Bearer");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
        return Err(answer.into());
    }
    Ok(admin)
}

/// Who asks, as they say. One that can't be kept is refused: under another name nobody would find it.
fn operator(headers: &HeaderMap) -> Option<&str> {
    let Some(value) = headers.get("x-operator") else {
        return Some("api");
    };
    let by = std::str::from_utf8(value.as_bytes()).ok()?.trim();
    let fits = (1..=NAME_LEN_MAX).contains(&by.len()) && !by.chars().any(char::is_control);
    fits.then_some(by)
}

async fn changes(State(admin): State<Option<Admin>>, headers: HeaderMap) -> Response {
    match permitted(admin, &headers) {
        Ok(admin) => Json::<Vec<Change>>(admin.rules.changes().to_vec()).into_response(),
        Err(refusal) => *refusal,
    }
}

/// Who may not do it isn't listened to: nothing of the body is read before.
async fn replace(State(admin): State<Option<Admin>>, headers: HeaderMap, body: Body) -> Response {
    let admin = match permitted(admin, &headers) {
        Ok(admin) => admin,
        Err(refusal) => return *refusal,
    };
    let Some(by) = operator(&headers) else {
        let how = format!("X-Operator is a name of at most {NAME_LEN_MAX} bytes, in UTF-8");
        return refused(StatusCode::BAD_REQUEST, how);
    };
    let text = match read(body).await {
        Ok(text) => text,
        Err((status, why)) => return refused(status, why),
    };
    match admin.rules.replace(&text, "POST /api/routes", by).await {
        Ok(change) => Json(change).into_response(),
        Err(RulesError::Stopping) => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            RulesError::Stopping.to_string(),
        ),
        Err(error) => refused(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    }
}

async fn read(body: Body) -> Result<String, (StatusCode, &'static str)> {
    let read = timeout(BODY_WITHIN, to_bytes(body, BODY_MAX)).await;
    let read = read.map_err(|_| (StatusCode::REQUEST_TIMEOUT, "the scenario comes too slowly"))?;
    let bytes = read.map_err(|_| {
        let why = "a scenario is four megabytes at most, and this one is longer, or was cut off";
        (StatusCode::PAYLOAD_TOO_LARGE, why)
    })?;
    let text = String::from_utf8(bytes.into());
    text.map_err(|_| (StatusCode::BAD_REQUEST, "a scenario is written in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::bearer;

    #[test]
    fn the_scheme_is_written_in_any_case() {
        for value in ["Bearer x", "bearer x", "BEARER  x "] {
            assert_eq!(bearer(value), Some("x"), "{value}");
        }
        for value in ["", "x", "Bearer", "Basic x", "Bearerx"] {
            assert_eq!(bearer(value), None, "{value}");
        }
    }
}
