//! The state as JSON, for programs; the page itself lives on `/events`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use gateway::view::{CallView, Fixed, Live, ProviderView, QueueView};
use recorder::monitor::{Duties, Figures};
use serde::Serialize;

use crate::App;

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/api/view", get(view))
        .route("/api/calls", get(calls))
        .route("/api/queues", get(queues))
        .route("/api/providers", get(providers))
        .with_state(Arc::new(app))
}

/// Everything the page shows.
#[derive(Serialize)]
struct View<'a> {
    title: &'a str,
    fixed: &'a Fixed,
    live: &'a Live,
    /// `null` when the recorder doesn't run in this program.
    recordings: Option<&'a Figures>,
    /// What somebody has to answer for; `null` when the recorder doesn't run in this program.
    duties: Option<&'a Duties>,
}

async fn view(State(app): State<Arc<App>>) -> Response {
    let recordings = app
        .recorder
        .as_ref()
        .map(|it| Arc::clone(&it.figures.borrow()));
    let duties = app
        .recorder
        .as_ref()
        .map(|it| Arc::clone(&it.duties().borrow()));
    Json(View {
        title: &app.title,
        fixed: &app.gateway.fixed.borrow(),
        live: &app.gateway.live.borrow(),
        recordings: recordings.as_deref(),
        duties: duties.as_deref(),
    })
    .into_response()
}

/// The calls in progress, cut as [`Live::calls`] is.
#[derive(Serialize)]
struct Calls {
    clock: String,
    calls_now: usize,
    calls: Vec<CallView>,
}

async fn calls(State(app): State<Arc<App>>) -> Json<Calls> {
    let live = app.gateway.live.borrow();
    Json(Calls {
        clock: live.clock.clone(),
        calls_now: live.calls_now,
        calls: live.calls.clone(),
    })
}

#[derive(Serialize)]
struct Queues {
    clock: String,
    queues: Vec<QueueView>,
}

async fn queues(State(app): State<Arc<App>>) -> Json<Queues> {
    let live = app.gateway.live.borrow();
    Json(Queues {
        clock: live.clock.clone(),
        queues: live.queues.clone(),
    })
}

#[derive(Serialize)]
struct Providers {
    clock: String,
    providers: Vec<ProviderView>,
}

async fn providers(State(app): State<Arc<App>>) -> Json<Providers> {
    let live = app.gateway.live.borrow();
    Json(Providers {
        clock: live.clock.clone(),
        providers: live.providers.clone(),
    })
}
