//! `/healthz`: the program lives. `/readyz`: it takes new calls and recordings.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::sync::watch;

/// What must be ready, each with the sentence that says it isn't.
#[derive(Debug, Clone)]
pub(crate) struct Readiness(Vec<(watch::Receiver<bool>, &'static str)>);

impl Readiness {
    pub(crate) fn new(
        gateway: Option<&gateway::view::Monitor>,
        recorder: Option<&recorder::monitor::Monitor>,
    ) -> Self {
        let gateway = gateway.map(|it| {
            (
                it.ready.clone(),
                "not ready: the switch takes no new calls now\n",
            )
        });
        let recorder = recorder.map(|it| {
            (
                it.ready.clone(),
                "not ready: the recorder takes no new recordings now\n",
            )
        });
        Self(gateway.into_iter().chain(recorder).collect())
    }
}

pub(crate) fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(readiness)
}

async fn readyz(State(Readiness(parts)): State<Readiness>) -> (StatusCode, &'static str) {
    match parts.iter().find(|(ready, _)| !*ready.borrow()) {
        Some((_, why)) => (StatusCode::SERVICE_UNAVAILABLE, why),
        None => (StatusCode::OK, "ready\n"),
    }
}
