//! The page's files, compiled in: no build step, and nothing is fetched from anywhere else.

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

const HTML: &str = "text/html; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Path, media type, content.
const FILES: [(&str, &str, &str); 18] = [
    ("/", HTML, include_str!("../web/index.html")),
    (
        "/map.json",
        JSON,
        include_str!("../../data/map/kommuner.json"),
    ),
    (
        "/api/openapi.json",
        JSON,
        include_str!("../web/openapi.json"),
    ),
    ("/web/texts.json", JSON, include_str!("../web/texts.json")),
    (
        "/web/style.css",
        "text/css; charset=utf-8",
        include_str!("../web/style.css"),
    ),
    (
        "/web/icon.svg",
        "image/svg+xml",
        include_str!("../web/icon.svg"),
    ),
    ("/web/app.js", JS, include_str!("../web/app.js")),
    ("/web/text.js", JS, include_str!("../web/text.js")),
    ("/web/rows.js", JS, include_str!("../web/rows.js")),
    ("/web/map.js", JS, include_str!("../web/map.js")),
    ("/web/colours.js", JS, include_str!("../web/colours.js")),
    ("/web/alarms.js", JS, include_str!("../web/alarms.js")),
    ("/web/calls.js", JS, include_str!("../web/calls.js")),
    ("/web/duties.js", JS, include_str!("../web/duties.js")),
    ("/web/figures.js", JS, include_str!("../web/figures.js")),
    ("/web/providers.js", JS, include_str!("../web/providers.js")),
    ("/web/roles.js", JS, include_str!("../web/roles.js")),
    ("/web/stream.js", JS, include_str!("../web/stream.js")),
];

pub(crate) fn router() -> Router {
    FILES
        .into_iter()
        .fold(Router::new(), |router, (path, media_type, content)| {
            router.route(
                path,
                get(move || async move { ([(header::CONTENT_TYPE, media_type)], content) }),
            )
        })
}

pub(crate) async fn not_found() -> Response {
    let page = include_str!("../web/404.html");
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, HTML)], page).into_response()
}
