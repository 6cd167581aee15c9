//! `/metrics`: Prometheus' text format.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder, proto::MetricFamily};

pub(crate) fn router<'a>(registries: impl IntoIterator<Item = &'a Registry>) -> Router {
    let registries: Vec<Registry> = registries.into_iter().cloned().collect();
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(registries)
}

async fn metrics(State(registries): State<Vec<Registry>>) -> Response {
    match TextEncoder::new().encode_to_string(&gather(&registries)) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics can't be written as text");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics can't be written as text; see the log\n",
            )
                .into_response()
        }
    }
}

/// All families in order of name, each once: a name that stands twice makes Prometheus refuse the whole page.
fn gather(registries: &[Registry]) -> Vec<MetricFamily> {
    let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
    for family in registries.iter().flat_map(Registry::gather) {
        families.entry(family.name().to_owned()).or_insert(family);
    }
    families.into_values().collect()
}
