//! The page's server as a browser and Prometheus see it.

#[path = "../../examples/preview/made_up.rs"]
mod made_up;

mod alarms;
mod http;
mod texts;

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use dashboards::{ServeError, Server};
use made_up::{Chance, LEAVING_2019, LEAVING_2020, Stage};

use http::{Stream, get, request};

const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const STREAMS_MAX: usize = 200;

async fn running() -> (Server, Stage) {
    let stage = made_up::stage();
    let server = dashboards::serve(ANY_PORT, stage.app.clone())
        .await
        .expect("a free port");
    (server, stage)
}

/// Fills the page with calls, queues and recordings.
fn populate(stage: &Stage) {
    let fixed = made_up::fixed(&LEAVING_2019);
    let mut chance = Chance(290);
    let calls = fixed
        .kommuner
        .iter()
        .zip(1..)
        .map(|(it, id)| made_up::call(id, it, &mut chance))
        .collect();
    stage.live.send_replace(Arc::new(made_up::busy(
        "2019-02-18T14:00:00+01:00",
        &fixed,
        calls,
        5000,
        &mut chance,
    )));
    stage
        .figures
        .send_replace(Arc::new(made_up::stored(&fixed, 900)));
}

#[tokio::test]
async fn every_route_answers_with_its_type_and_the_security_headers() {
    let (server, _stage) = running().await;
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/map.json", "application/json"),
        ("/api/view", "application/json"),
        ("/api/calls", "application/json"),
        ("/api/queues", "application/json"),
        ("/api/providers", "application/json"),
        ("/api/openapi.json", "application/json"),
        ("/metrics", "text/plain; version=0.0.4"),
        ("/healthz", "text/plain; charset=utf-8"),
        ("/web/app.js", "text/javascript; charset=utf-8"),
        ("/web/style.css", "text/css; charset=utf-8"),
    ] {
        let reply = get(server.addr(), path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), Some(media_type), "{path}");
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'self';"),
            "{path}: {policy}"
        );
        assert_eq!(
            reply.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            reply.header("access-control-allow-origin"),
            None,
            "{path} is for no other origin"
        );
        let head = request(server.addr(), "HEAD", path, "localhost").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "HEAD {path}");
    }
}

#[tokio::test]
async fn what_the_interface_describes_is_there_and_what_is_there_is_described() {
    let (server, _stage) = running().await;
    let text = get(server.addr(), "/api/openapi.json").await.body;
    let described: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let paths = described["paths"].as_object().expect("paths");
    for path in paths.keys() {
        // An endless stream, and a door to a switch, which isn't here; other tests try them.
        if !["/events", "/sip"].contains(&path.as_str()) {
            assert_ne!(get(server.addr(), path).await.status, 404, "{path}");
        }
    }
    for path in ["/api/routes", "/sip", "/events", "/metrics", "/readyz"] {
        assert!(paths.contains_key(path), "{path}");
    }
}

#[tokio::test]
async fn what_the_page_names_is_served() {
    let (server, _stage) = running().await;
    let page = get(server.addr(), "/").await.body;
    let named = page.split(['"', '\'']).filter(|it| it.starts_with('/'));
    let paths: BTreeSet<&str> = named.collect();
    assert!(paths.len() > 4, "the page names its files: {paths:?}");
    for path in paths {
        assert_eq!(get(server.addr(), path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_and_another_method_are_refused_with_the_headers() {
    let (server, _stage) = running().await;
    let lost = get(server.addr(), "/nothing/here").await;
    assert_eq!(lost.status, 404);
    assert!(lost.body.contains("Till översikten") && lost.body.contains("To the overview"));
    assert!(lost.header("content-security-policy").is_some());
    assert_eq!(
        request(server.addr(), "POST", "/api/view", "localhost")
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let (server, _stage) = running().await;
    for host in [
        "rebind.example",
        "127.0.0.1.example:1177",
        "0.0.0.0",
        "localhost\r\nHost: localhost",
    ] {
        let reply = request(server.addr(), "GET", "/api/view", host).await;
        assert!(
            matches!(reply.status, 421 | 400),
            "{host}: {}",
            reply.status
        );
        assert!(!reply.body.contains("kommuner"), "{host} sees nothing");
    }
    for host in ["127.0.0.1:1177", "[::1]:1177", "LOCALHOST"] {
        assert_eq!(
            request(server.addr(), "GET", "/api/view", host)
                .await
                .status,
            200,
            "{host}"
        );
    }
}

/// Invariant 7: no listener without TLS and a login on an address that others can reach.
#[tokio::test]
async fn invariant_7_a_non_loopback_address_is_refused() {
    for addr in ["0.0.0.0:0", "192.0.2.1:1177", "[::]:0"] {
        let addr: SocketAddr = addr.parse().expect("an address");
        let refused = dashboards::serve(addr, made_up::stage().app).await;
        let error = refused.expect_err("it isn't loopback");
        assert!(matches!(error, ServeError::NotLoopback { .. }), "{error}");
        assert!(
            error.to_string().contains("127.0.0.1"),
            "it says what to do: {error}"
        );
    }
}

#[tokio::test]
async fn a_port_in_use_is_a_sentence_with_a_remedy() {
    let (server, stage) = running().await;
    let error = dashboards::serve(server.addr(), stage.app.clone())
        .await
        .expect_err("the port is taken");
    assert!(matches!(error, ServeError::PortInUse { .. }), "{error}");
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[tokio::test]
async fn readyz_flips_with_the_switch_and_the_recorder() {
    let (server, stage) = running().await;
    let first = get(server.addr(), "/readyz").await;
    assert_eq!(first.status, 503);
    assert!(first.body.contains("switch"), "{}", first.body);
    stage.gateway_ready.send_replace(true);
    let second = get(server.addr(), "/readyz").await;
    assert_eq!(second.status, 503);
    assert!(second.body.contains("recorder"), "{}", second.body);
    stage.recorder_ready.send_replace(true);
    assert_eq!(get(server.addr(), "/readyz").await.status, 200);
    stage.gateway_ready.send_replace(false);
    assert_eq!(get(server.addr(), "/readyz").await.status, 503);
    assert_eq!(
        get(server.addr(), "/healthz").await.status,
        200,
        "alive though not ready"
    );
}

fn count(registry: &prometheus::Registry, name: &str, value: u64) {
    let counter = prometheus::IntCounter::new(name, "Made up.").expect("a good name");
    counter.inc_by(value);
    registry
        .register(Box::new(counter))
        .expect("registered once");
}

#[tokio::test]
async fn metrics_are_the_switchs_and_the_recorders_each_name_once() {
    let (server, stage) = running().await;
    let recorder = &stage
        .app
        .recorder
        .as_ref()
        .expect("the stage has one")
        .metrics;
    count(&stage.app.gateway.metrics, "vaxel_calls_offered_total", 7);
    count(recorder, "vaxel_recordings_total", 5);
    count(&stage.app.gateway.metrics, "vaxel_both_total", 1);
    count(recorder, "vaxel_both_total", 2);
    let text = get(server.addr(), "/metrics").await.body;
    let mut types = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(types.insert(rest.split(' ').next()), "twice: {line}");
        } else if !line.starts_with("# HELP ") {
            let (_, value) = line
                .rsplit_once(' ')
                .expect("a sample is a name and a value");
            value.parse::<f64>().expect("the value is a number");
        }
    }
    assert_eq!(types.len(), 3);
    assert!(
        text.contains("vaxel_calls_offered_total 7") && text.contains("vaxel_recordings_total 5")
    );
}

#[tokio::test]
async fn events_begin_whole_and_follow_calls_and_tables() {
    let (server, stage) = running().await;
    let (mut events, status) = Stream::open(server.addr()).await;
    assert!(status.contains("200"), "{status}");
    assert_eq!(events.next("app").await["title"], "Vaxel demo");
    assert_eq!(
        events.next("fixed").await["kommuner"]
            .as_array()
            .map(Vec::len),
        Some(290)
    );
    assert_eq!(events.next("recordings").await["open"], 0);
    assert_eq!(events.next("live").await["calls_now"], 0);

    let fixed = made_up::fixed(&LEAVING_2019);
    stage
        .app
        .gateway
        .arrivals
        .send(made_up::arrival(7, &fixed.kommuner[0]))
        .expect("the stream listens");
    assert_eq!(events.next("arrival").await["call"], 7);
    populate(&stage);
    assert_eq!(events.next("live").await["calls_now"], 290);
    stage
        .fixed
        .send_replace(Arc::new(made_up::fixed(&LEAVING_2020)));
    let kommuner = events.next("fixed").await["kommuner"].clone();
    let leaving = kommuner
        .as_array()
        .expect("a list")
        .iter()
        .filter(|it| it["external"] == true)
        .count();
    assert_eq!(leaving, 26, "only Stockholm's kommuner leave from 2020");
}

#[tokio::test]
async fn a_stop_ends_open_event_streams() {
    let (server, _stage) = running().await;
    let addr = server.addr();
    let (mut events, _) = Stream::open(addr).await;
    events.next("live").await;
    server.stop().await;
    events.drain().await;
    assert!(
        tokio::net::TcpStream::connect(addr).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn one_stream_too_many_is_turned_away() {
    let (server, _stage) = running().await;
    let mut open = Vec::new();
    for n in 0..STREAMS_MAX {
        let (events, status) = Stream::open(server.addr()).await;
        assert!(status.contains("200"), "stream {n}: {status}");
        open.push(events);
    }
    let reply = get(server.addr(), "/events").await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(
        get(server.addr(), "/healthz").await.status,
        200,
        "others are still answered"
    );
}

#[tokio::test]
async fn the_map_has_an_outline_and_a_dot_for_each_kommun() {
    let (server, _stage) = running().await;
    let map = get(server.addr(), "/map.json").await.json();
    let view = get(server.addr(), "/api/view").await.json();
    let outlines = map["kommuner"].as_object().expect("outlines by kommun-ID");
    let drawn: BTreeSet<&str> = outlines.keys().map(String::as_str).collect();
    let kommuner = view["fixed"]["kommuner"].as_array().expect("a list");
    let routed: BTreeSet<&str> = kommuner.iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(drawn.len(), 290);
    assert_eq!(drawn, routed);
    for (id, outline) in outlines {
        assert!(
            outline["d"].as_str().is_some_and(|d| d.starts_with('M')),
            "{id}"
        );
        let (x, y) = (outline["x"].as_f64(), outline["y"].as_f64());
        assert!(
            x.is_some_and(|x| (0.0..=427.0).contains(&x))
                && y.is_some_and(|y| (0.0..=1000.0).contains(&y)),
            "{id}"
        );
    }
}

/// Invariant 6, where it would be easiest to break: the interface that shows calls.
#[tokio::test]
async fn invariant_6_nothing_like_a_telephone_number_is_shown() {
    let (server, stage) = running().await;
    populate(&stage);
    let view = get(server.addr(), "/api/view").await.json();
    assert_eq!(
        view["live"]["calls"].as_array().map(Vec::len),
        Some(290),
        "the view is populated"
    );
    assert_eq!(
        number_like(&serde_json::json!([
            "+46701740605",
            "070-174 06 05",
            "2019-02-18T14:00:00+01:00"
        ]))
        .len(),
        2
    );
    assert_eq!(number_like(&view), Vec::<String>::new());
    for path in ["/api/calls", "/api/queues"] {
        assert_eq!(
            number_like(&get(server.addr(), path).await.json()),
            Vec::<String>::new(),
            "{path}"
        );
    }
}

/// Texts with a run of nine digits or more, `-` and spaces left out, that isn't a time.
fn number_like(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(text) if !text.contains('T') => {
            let joined: String = text.chars().filter(|it| !matches!(it, '-' | ' ')).collect();
            let long = joined
                .split(|it: char| !it.is_ascii_digit())
                .any(|run| run.len() >= 9);
            if long { vec![text.clone()] } else { Vec::new() }
        }
        serde_json::Value::Array(list) => list.iter().flat_map(number_like).collect(),
        serde_json::Value::Object(map) => map.values().flat_map(number_like).collect(),
        _ => Vec::new(),
    }
}

/// Who may not do it isn't listened to: a stranger could have four megabytes kept for each connection, and take for ever.
#[tokio::test]
async fn rules_from_who_may_not_replace_them_are_not_waited_for() {
    let (server, _stage) = running().await;
    let head = "POST /api/routes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n";
    let told = http::answer_to(server.addr(), head).await;
    assert!(told.starts_with("HTTP/1.1 403"), "{told}");
}

#[tokio::test]
async fn who_begins_a_request_and_says_no_more_holds_no_place() {
    let (server, _stage) = running().await;
    let half = "GET /api/view HTTP/1.1\r\nHost:";
    let ended = |said| http::wait_for_end(server.addr(), said);
    tokio::join!(ended(""), ended(half));
}
