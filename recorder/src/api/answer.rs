//! What an answer looks like when it is no, and what is counted of answers.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use prometheus::{IntCounterVec, Opts, Registry};
use serde::Serialize;

use super::{limits::TooOften, tokens::TokenError};
use crate::{
    export::ExportError, gallring::GallringError, index::IndexError, ledger::LedgerError,
    reconcile::ReconcileError, store::StoreError, vault::VaultError,
};

/// The description of the API, OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");

/// A request that isn't answered as it hoped.
#[derive(Debug)]
pub(super) struct No {
    status: StatusCode,
    /// For metrics and logs: a closed set of words.
    pub(super) reason: &'static str,
    text: String,
    retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct Said<'a> {
    reason: &'a str,
    error: &'a str,
}

impl No {
    pub(super) fn new(status: StatusCode, reason: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            text: text.into(),
            retry_after_s: None,
        }
    }

    pub(super) fn bad(reason: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, text)
    }

    /// Nothing is in a time that ends before it begins: an empty answer would pass for one that nothing was in.
    pub(super) fn backwards(from: Option<Timestamp>, until: Option<Timestamp>) -> Result<(), Self> {
        match (from, until) {
            (Some(from), Some(until)) if from > until => Err(Self::bad(
                "malformed",
                format!(
                    "`from`, {from}, is after `until`, {until}: give both, the earlier one first"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// There is none, or it isn't theirs: the same words.
    pub(super) fn not_found() -> Self {
        let text = "no such recording: search for it at /api/recordings";
        Self::new(StatusCode::NOT_FOUND, "not-found", text)
    }

    pub(super) fn busy(text: &str) -> Self {
        Self {
            retry_after_s: Some(2),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text)
        }
    }

    pub(super) fn unauthenticated(text: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication", text)
    }

    /// Something of ours failed; the log says what, the caller doesn't learn paths.
    pub(super) fn failed(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "an answer of the API failed");
        let text = "the recorder can't answer that now; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", text)
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let said = Said {
            reason: self.reason,
            error: &self.text,
        };
        let mut answer = (self.status, Json(said)).into_response();
        let headers = answer.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer realm=\"recordings\"");
            headers.insert(header::WWW_AUTHENTICATE, how);
        }
        // For the counter around all answers.
        answer.extensions_mut().insert(Reason(self.reason));
        answer
    }
}

/// Why an answer is no.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reason(pub(super) &'static str);

impl From<TooOften> for No {
    fn from(often: TooOften) -> Self {
        let text = format!("too often: come back in {} s", often.retry_after_s);
        Self {
            retry_after_s: Some(often.retry_after_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate", text)
        }
    }
}

impl From<IndexError> for No {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::NotFound(_) | IndexError::Missing { .. } => Self::not_found(),
            other => Self::failed(&other),
        }
    }
}

impl From<VaultError> for No {
    fn from(error: VaultError) -> Self {
        if matches!(error, VaultError::UnderLostKey { .. }) {
            let text = "the key that this recording was made under was lost";
            return Self::new(StatusCode::CONFLICT, "key-lost", text);
        }
        if matches!(
            error,
            VaultError::TagChanged { .. } | VaultError::WrongKey { .. }
        ) {
            tracing::error!(%error, "a recording doesn't open under its tag");
            let text =
                "this recording doesn't open under its tag: `vaxel recordings verify` tells more";
            return Self::new(StatusCode::CONFLICT, "tag", text);
        }
        Self::failed(&error)
    }
}

impl From<ExportError> for No {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Index(error) => error.into(),
            ExportError::Vault(error) => error.into(),
            ExportError::NoPart { .. } => {
                let text = "this recording has no part of that kind; without `part` it is the first there is";
                Self::new(StatusCode::NOT_FOUND, "part", text)
            }
            other => Self::failed(&other),
        }
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Index(error) => error.into(),
            StoreError::Vault(error) => error.into(),
            other => Self::failed(&other),
        }
    }
}

macro_rules! failures {
    ($($error:ty),*) => {$(
        impl From<$error> for No {
            fn from(error: $error) -> Self {
                Self::failed(&error)
            }
        }
    )*};
}

impl From<ReconcileError> for No {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::TooMany => {
                let text = "there is more in that time than one answer holds: give a shorter one with `from` and `until`";
                Self::new(StatusCode::BAD_REQUEST, "too-large", text)
            }
            ReconcileError::TooManyOfADay { .. } => {
                let text = "these would be more calls of one day than are kept: say each call once";
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text)
            }
            other => Self::failed(&other),
        }
    }
}

failures!(TokenError, LedgerError, GallringError);

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    requests: IntCounterVec,
    refused: IntCounterVec,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new(
                "vaxel_api_requests_total",
                "Answers of the recorder's API, by route and status",
            ),
            &["route", "status"],
        )?;
        let refused = IntCounterVec::new(
            Opts::new(
                "vaxel_api_refused_total",
                "Requests to the recorder's API that were refused, by reason",
            ),
            &["reason"],
        )?;
        // There from the start, so that an alarm on their growth sees the first one.
        for reason in ["authentication", "not-found", "rate"] {
            refused.with_label_values(&[reason]);
        }
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Self { requests, refused })
    }

    /// `route` is one of ours, so the label is bounded.
    pub(super) fn answered(&self, route: &'static str, status: StatusCode) {
        self.requests
            .with_label_values(&[route, status.as_str()])
            .inc();
    }

    pub(super) fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_too_long_a_time_is_told_so() {
        let no = No::from(ReconcileError::TooMany);
        assert_eq!(
            (no.status, no.reason),
            (StatusCode::BAD_REQUEST, "too-large")
        );
    }
}
