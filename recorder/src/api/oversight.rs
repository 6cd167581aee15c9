//! What those see who answer for the recordings, and what programs see: access log, plan, reconciliation, health, metrics.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    Extension, Json,
    extract::{Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, civil::Date};
use prometheus::{TEXT_FORMAT, TextEncoder};
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    answer::{No, OPENAPI},
    guard::Caller,
    recordings::write_down,
};
use crate::{
    access::{self, Access},
    gallring::{self, Plan},
    reconcile::{self, Asked, Report},
};

/// Accesses in one answer.
const ACCESSES_MAX: usize = 1000;
const ACCESSES_DEFAULT: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    #[serde(default, with = "crate::moment::option")]
    from: Option<Timestamp>,
    #[serde(default, with = "crate::moment::option")]
    until: Option<Timestamp>,
    limit: Option<usize>,
    #[expect(dead_code, reason = "the guard has read it")]
    purpose: Option<String>,
}

/// One access, and when it was.
#[derive(Debug, Serialize)]
pub(super) struct Logged {
    at: String,
    #[serde(flatten)]
    access: Access,
}

#[derive(Debug, Serialize)]
pub(super) struct Log {
    /// Newest first.
    accesses: Vec<Logged>,
    /// How many there were beyond the limit.
    older: u64,
}

/// Who looked at the organisation's recordings. Looking at that is an access as well.
pub(super) async fn access_log(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<LogQuery>,
) -> Result<Json<Log>, No> {
    No::backwards(asked.from, asked.until)?;
    let limit = asked
        .limit
        .unwrap_or(ACCESSES_DEFAULT)
        .clamp(1, ACCESSES_MAX);
    let within = move |at: &str| {
        let at: Option<Timestamp> = at.parse().ok();
        at.is_some_and(|at| {
            asked.from.is_none_or(|from| at >= from) && asked.until.is_none_or(|until| at < until)
        })
    };
    let token = caller.token.id.clone();
    let log = shared.stores.ask_for(&token, move |vault, _| {
        write_down(vault, &caller, "access-log", "access log".to_owned())?;
        let (mut newest, mut older) = (VecDeque::with_capacity(limit), 0);
        access::read(vault, &caller.token.organisation, |at, access| {
            if !within(at) {
                return;
            }
            if newest.len() == limit {
                newest.pop_back();
                older += 1;
            }
            let at = at.to_owned();
            newest.push_front(Logged { at, access });
        })?;
        Ok::<_, No>(Log {
            accesses: newest.into(),
            older,
        })
    });
    Ok(Json(log.await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanQuery {
    #[serde(default, with = "crate::moment::option")]
    at: Option<Date>,
}

/// What is due, when, why and what blocks it: of the caller's organisation, or of all for who runs the recorder.
pub(super) async fn plan(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<PlanQuery>,
) -> Result<Json<Plan>, No> {
    let today = callcore::time::Time::from(shared.clock())
        .in_sweden()
        .date();
    let token = caller.token.id.clone();
    let (scenario, at) = (Arc::clone(&shared.scenario), asked.at.unwrap_or(today));
    let plan = shared
        .stores
        .ask_for(&token, move |vault, index| {
            gallring::plan(vault, index, &scenario, at)
        })
        .await?;
    Ok(Json(match caller.controller() {
        Some(controller) => plan.of(controller),
        None => plan,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconciliationQuery {
    #[serde(default, with = "crate::moment::option")]
    from: Option<Timestamp>,
    #[serde(default, with = "crate::moment::option")]
    until: Option<Timestamp>,
}

/// Expected against stored.
pub(super) async fn reconciliation(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<ReconciliationQuery>,
) -> Result<Json<Report>, No> {
    let recent = super::duties::recent(&shared);
    let asked = Asked {
        from: asked.from.unwrap_or(recent.from),
        until: asked.until.unwrap_or(recent.until),
        folders: true,
        bucket: true,
        erased: true,
    };
    No::backwards(Some(asked.from), Some(asked.until))?;
    let calls = shared.stores.calls().map(ToOwned::to_owned);
    let token = caller.token.id.clone();
    let report = shared
        .stores
        .ask_for(&token, move |vault, index| {
            reconcile::reconcile(vault, index, calls.as_deref(), &asked)
        })
        .await?;
    Ok(Json(match caller.controller() {
        Some(controller) => report.of(controller),
        None => report,
    }))
}

#[derive(Debug, Serialize)]
pub(super) struct Taken {
    taken: usize,
}

/// A switch says which calls there were, one JSON object a line.
pub(super) async fn calls(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    text: String,
) -> Result<Json<Taken>, No> {
    let calls = reconcile::parse(&text).map_err(|error| {
        No::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "malformed",
            error.to_string(),
        )
    })?;
    let known = |id: &str| shared.scenario.org_by_id(id).is_some();
    if calls.iter().any(|call| !known(&call.controller)) {
        let text = "a call names a controller that the scenario doesn't have; nothing was taken";
        return Err(No::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "controller",
            text,
        ));
    }
    let taken = calls.len();
    tracing::info!(
        token = caller.token.id,
        taken,
        "a switch says which calls there were"
    );
    let token = caller.token.id;
    shared
        .stores
        .ask_for(&token, move |vault, _| reconcile::keep(vault, &calls))
        .await?;
    Ok(Json(Taken { taken }))
}

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if *shared.monitor.ready.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        let text = "not ready: the recorder takes no new recordings now\n";
        (StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, No> {
    let text = TextEncoder::new()
        .encode_to_string(&shared.monitor.metrics.gather())
        .map_err(|error| No::failed(&error))?;
    let mut answer = text.into_response();
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
    Ok(answer)
}
