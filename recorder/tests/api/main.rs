//! The recorder's API: who reaches what, by which token and for what purpose; and what nobody reaches.

mod http;
#[path = "../stored/mod.rs"]
mod stored;

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use callcore::scenario::{RecorderSettings, Scenario};
use jiff::{SignedDuration, Timestamp};
use recorder::{
    Options, Recorder, RecorderHandle, access,
    api::{
        self, ServeError, Server,
        tokens::{self, Role},
    },
    export,
    place::IndexPlace,
};

use self::http::{Answer, ask, ask_tls, post, say};
use self::stored::Bench;

const OURS: &str = "region-03";
const OTHERS: &str = "region-12";
const WHY: (&str, &str) = ("X-Purpose", "a complaint");

struct Api {
    bench: Bench,
    _recorder: RecorderHandle,
    server: Server,
}

fn scenario(settings: RecorderSettings) -> Scenario {
    let text = include_str!("../../../scenarios/imy-2019.toml");
    let mut scenario =
        Scenario::from_toml(text, "imy-2019.toml").unwrap_or_else(|error| panic!("{error}"));
    scenario.recorder = Some(settings);
    scenario
}

fn settings(bench: &Bench) -> RecorderSettings {
    let text = |path: PathBuf| path.to_str().expect("UTF-8").into();
    RecorderSettings {
        siprec: "sip:recorder@127.0.0.1:0".into(),
        store: text(bench.vault.store().to_owned()),
        keys: text(bench.vault.keys().to_owned()),
        api: "127.0.0.1:0".into(),
        calls: Some(text(bench.place.path().join("calls"))),
        index: match &bench.vault.place().index {
            IndexPlace::Postgres(url) => Some(url.as_str().into()),
            _ => None,
        },
        ..RecorderSettings::default()
    }
}

async fn served(
    bench: &Bench,
    adapt: impl FnOnce(&mut RecorderSettings),
) -> (RecorderHandle, Result<Server, ServeError>) {
    let mut settings = settings(bench);
    let recorder = Recorder::start(&settings, Options::new([OURS.to_owned()]))
        .await
        .expect("starts");
    adapt(&mut settings);
    let server = api::serve(api::Options {
        scenario: Arc::new(scenario(settings)),
        monitor: recorder.monitor(),
        ahead: SignedDuration::ZERO,
    });
    let server = server.await;
    (recorder, server)
}

impl Api {
    async fn over(bench: Bench) -> Self {
        let (_recorder, server) = served(&bench, |_| {}).await;
        let server = server.unwrap_or_else(|error| panic!("{error}"));
        Self {
            bench,
            _recorder,
            server,
        }
    }

    fn token(&self, role: Role, organisation: &str) -> String {
        token(&self.bench, role, organisation)
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        ask(self.addr(), path, &[("Authorization", token), WHY]).await
    }

    async fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8(ask(self.addr(), "/metrics", &[]).await.body).expect("text");
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    fn log(&self, controller: &str) -> Vec<(String, String, String)> {
        let mut told = Vec::new();
        access::read(&self.bench.vault, controller, |_, one| {
            assert!(one.who.starts_with("Anna (token "), "{}", one.who);
            told.push((one.action, one.object, one.purpose));
        })
        .expect("read");
        told
    }
}

fn token(bench: &Bench, role: Role, organisation: &str) -> String {
    let now = Timestamp::now();
    let until = now + SignedDuration::from_hours(24);
    let made = tokens::create(bench.vault.keys(), "Anna", organisation, role, now, until);
    format!("Bearer {}", made.expect("made").secret.reveal())
}

/// Ours three times, theirs twice.
fn filled() -> Bench {
    let bench = Bench::new();
    for call in 0..3 {
        bench.record(OURS, call);
    }
    for call in 10..12 {
        bench.record(OTHERS, call);
    }
    bench
}

fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let rows = json["recordings"].as_array().expect("rows");
    let id = |row: &serde_json::Value| row["id"].as_str().expect("an id").to_owned();
    rows.iter().map(id).collect()
}

#[tokio::test]
async fn an_organisation_finds_its_own_recordings_page_by_page() {
    let api = Api::over(filled()).await;
    let token = api.token(Role::Reader, OURS);
    let all = api.get(&token, "/api/recordings").await;
    assert_eq!((all.status, ids(&all).len()), (200, 3), "{all:?}");
    assert_eq!(all.header("cache-control"), Some("no-store"));
    let mut paged = Vec::new();
    let mut path = "/api/recordings?limit=2".to_owned();
    loop {
        let page = api.get(&token, &path).await;
        paged.extend(ids(&page));
        let Some(next) = page.json()["next"].as_str().map(str::to_owned) else {
            break;
        };
        path = format!("/api/recordings?limit=2&after={next}");
    }
    assert_eq!(paged, ids(&all));
    for (query, expected) in [
        ("call=1", 1),
        ("call=10", 0),
        ("kommun=2380", 3),
        ("kommun=0180", 0),
        (
            "region=23&from=2018-11-05T08:00:00Z&until=2018-11-05T10:00:00Z",
            3,
        ),
        ("from=2018-11-05T10:00:00Z", 0),
        ("controller=region-03", 3),
        ("controller=region-12", 0),
        ("controller=nobody", 0),
    ] {
        let found = api.get(&token, &format!("/api/recordings?{query}")).await;
        assert_eq!(ids(&found).len(), expected, "{query}");
    }
    for wrong in [
        "kommun=018",
        "call=x",
        "from=yesterday",
        "after=1",
        "colour=red",
        "region=%2e%2e",
    ] {
        let refused = api.get(&token, &format!("/api/recordings?{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
}

/// Why 404 and not 403: an answer must not say that somebody else has a recording of that id.
#[tokio::test]
async fn another_organisations_recordings_are_not_there() {
    let api = Api::over(filled()).await;
    let (ours, theirs) = (
        api.token(Role::Reader, OURS),
        api.token(Role::Reader, OTHERS),
    );
    let id = ids(&api.get(&theirs, "/api/recordings").await)[0].clone();
    let nobody = "0".repeat(32);
    for path in ["", "/audio"] {
        let other = api.get(&ours, &format!("/api/recordings/{id}{path}")).await;
        let none = api
            .get(&ours, &format!("/api/recordings/{nobody}{path}"))
            .await;
        assert_eq!((other.status, none.status), (404, 404));
        assert_eq!(other.body, none.body, "the same words");
        let own = api
            .get(&theirs, &format!("/api/recordings/{id}{path}"))
            .await;
        assert_eq!(own.status, 200);
    }
    assert_eq!(
        api.metric("vaxel_api_refused_total{reason=\"not-found\"}")
            .await,
        4.0
    );
    // Nobody looked at theirs but themselves.
    let seen: Vec<String> = api.log(OTHERS).into_iter().map(|one| one.0).collect();
    assert_eq!(seen, ["search", "show", "listen"]);
}

#[tokio::test]
async fn a_sound_is_the_export_whole_and_in_ranges() {
    let bench = Bench::new();
    let id = bench.record(OURS, 1);
    let path = bench.place.path().join("out.wav");
    export::wav(&bench.vault, &bench.index, id, &path).expect("exported");
    let exported = fs::read(&path).expect("there");
    let length = exported.len();
    let api = Api::over(bench).await;
    let token = api.token(Role::Reader, OURS);
    let place = format!("/api/recordings/{id}/audio");
    let whole = api.get(&token, &place).await;
    assert_eq!(
        (whole.status, whole.header("content-type")),
        (200, Some("audio/wav"))
    );
    assert!(whole.body == exported);
    let tag = whole.header("etag").expect("a tag").to_owned();
    let ranged = async |range: &str, condition: &str| {
        let headers = [
            ("Authorization", &*token),
            WHY,
            ("Range", range),
            ("If-Range", condition),
        ];
        ask(api.addr(), &place, &headers).await
    };
    for (range, first, last) in [
        ("bytes=0-99", 0, 99),
        ("bytes=45-", 45, length - 1),
        ("bytes=-7", length - 7, length - 1),
        ("bytes=43-46", 43, 46),
    ] {
        let part = ranged(range, &tag).await;
        assert_eq!(part.status, 206, "{range}");
        let told = format!("bytes {first}-{last}/{length}");
        assert_eq!(part.header("content-range"), Some(&*told));
        assert!(part.body == exported[first..=last], "{range}");
    }
    let beyond = ranged(&format!("bytes={length}-"), &tag).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(
        beyond.header("content-range"),
        Some(&*format!("bytes */{length}"))
    );
    assert_eq!(ranged("bytes=0-9", "\"another\"").await.status, 200);
    // One listening, however many pieces; and another purpose is another one.
    let asked = [("Authorization", &*token), ("X-Purpose", "a dispute")];
    assert_eq!(ask(api.addr(), &place, &asked).await.status, 200);
    let told = api.log(OURS);
    let purposes: Vec<&str> = told.iter().map(|one| one.2.as_str()).collect();
    assert_eq!(purposes, ["a complaint", "a dispute"]);
    assert!(
        told.iter()
            .all(|one| one.0 == "listen" && one.1 == id.to_string())
    );
}

#[tokio::test]
async fn without_a_purpose_nothing_is_read() {
    let api = Api::over(filled()).await;
    let token = api.token(Role::Reader, OURS);
    let bearer = ("Authorization", &*token);
    let too_long = "x".repeat(access::PURPOSE_LEN_MAX + 1);
    for headers in [
        vec![bearer],
        vec![bearer, ("X-Purpose", "  ")],
        vec![bearer, ("X-Purpose", &too_long)],
    ] {
        let refused = ask(api.addr(), "/api/recordings", &headers).await;
        assert_eq!(refused.status, 400, "{headers:?}");
        assert_eq!(refused.json()["reason"], "purpose");
    }
    assert_eq!(api.log(OURS), []);
    // A player can't send headers.
    let path = "/api/recordings?purpose=a%20complaint";
    assert_eq!(ask(api.addr(), path, &[bearer]).await.status, 200);
    assert_eq!(api.log(OURS)[0].2, "a complaint");
}

#[tokio::test]
async fn who_has_no_token_that_holds_reads_nothing() {
    let api = Api::over(filled()).await;
    let token = api.token(Role::Reader, OURS);
    let id = token.split('_').nth(1).expect("an id").to_owned();
    let forged = format!("Bearer vaxel_{id}_{}", "0".repeat(64));
    for shown in ["", "Bearer", "Bearer x", "Basic YTpi", &token[7..], &forged] {
        let refused = api.get(shown, "/api/recordings").await;
        assert_eq!(refused.status, 401, "{shown}");
        assert!(refused.header("www-authenticate").is_some());
    }
    let twice = [("Authorization", &*token), ("Authorization", &*token), WHY];
    assert_eq!(ask(api.addr(), "/api/recordings", &twice).await.status, 401);
    let failed = api
        .metric("vaxel_api_refused_total{reason=\"authentication\"}")
        .await;
    assert_eq!(failed, 7.0, "counted");
    assert_eq!(api.get(&token, "/api/recordings").await.status, 200);
    tokens::revoke(api.bench.vault.keys(), &id, Timestamp::now()).expect("revoked");
    assert_eq!(
        api.get(&token, "/api/recordings").await.status,
        401,
        "at once"
    );
}

#[tokio::test]
async fn each_role_reaches_what_is_its_own() {
    let api = Api::over(filled()).await;
    let id = api.bench.ids()[0];
    let paths = [
        "/api/recordings".to_owned(),
        format!("/api/recordings/{id}/audio"),
        "/api/access-log".to_owned(),
        "/api/gallring/plan".to_owned(),
        "/api/reconciliation".to_owned(),
    ];
    for (role, organisation, expected) in [
        (Role::Reader, OTHERS, [200, 200, 403, 403, 403]),
        (Role::Dpo, OURS, [200, 403, 200, 200, 200]),
        (Role::Operator, "inera", [403, 403, 403, 200, 200]),
        (Role::Switch, "inera", [403, 403, 403, 403, 403]),
        // An operator of another recorder.
        (Role::Operator, OURS, [403, 403, 403, 403, 403]),
    ] {
        let token = api.token(role, organisation);
        for (path, expected) in paths.iter().zip(expected) {
            let answer = api.get(&token, path).await;
            let found = if role == Role::Reader && answer.status == 404 {
                200
            } else {
                answer.status
            };
            assert_eq!(found, expected, "{role:?} {path}");
        }
    }
    let dpo = api.token(Role::Dpo, OURS);
    let plan = api
        .get(&dpo, "/api/gallring/plan?at=2019-01-01")
        .await
        .json();
    let groups = plan["groups"].as_array().expect("groups");
    assert!(!groups.is_empty() && groups.iter().all(|group| group["controller"] == OURS));
    let log = api.get(&dpo, "/api/access-log").await.json();
    assert_eq!(
        log["accesses"][0]["action"], "access-log",
        "looking is an access"
    );
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let api = Api::over(filled()).await;
    let token = api.token(Role::Dpo, OURS);
    let mut refused = None;
    for _ in 0..200 {
        let answer = ask(
            api.addr(),
            "/api/gallring/plan",
            &[("Authorization", &token)],
        )
        .await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let wait = refused
        .expect("a limit")
        .header("retry-after")
        .map(str::to_owned);
    assert!(wait.is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0)));
    // Another's token is another's.
    let other = api.token(Role::Dpo, OTHERS);
    assert_eq!(
        ask(
            api.addr(),
            "/api/gallring/plan",
            &[("Authorization", &other)]
        )
        .await
        .status,
        200
    );
}

#[tokio::test]
async fn who_guesses_tokens_is_stopped() {
    let api = Api::over(filled()).await;
    let mut last = 0;
    for _ in 0..40 {
        last = api
            .get("Bearer vaxel_00000000_0", "/api/recordings")
            .await
            .status;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn bad_input_is_refused_and_counted() {
    let api = Api::over(filled()).await;
    let token = api.token(Role::Reader, OURS);
    for id in [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "x",
        &"A".repeat(32),
        &"0".repeat(33),
        "%00",
    ] {
        let refused = api
            .get(&token, &format!("/api/recordings/{id}/audio"))
            .await;
        assert_eq!(refused.status, 400, "{id}");
    }
    assert_eq!(
        api.metric("vaxel_api_refused_total{reason=\"id\"}").await,
        6.0
    );
    let outside = api.get(&token, "/api/recordings/../../../etc/passwd").await;
    assert_eq!(outside.status, 404);
    let long = format!("/api/recordings?kommun={}", "0".repeat(10_000));
    assert_eq!(api.get(&token, &long).await.status, 414);
    let large = "x".repeat(20_000);
    let headers = [("Authorization", &*token), WHY, ("X-Large", &*large)];
    assert_eq!(
        ask(api.addr(), "/api/recordings", &headers).await.status,
        431
    );
    let huge = "x".repeat(200_000);
    assert!(matches!(
        ask(api.addr(), "/", &[("X", &huge)]).await.status,
        0 | 431
    ));
    let stream = tokio::net::TcpStream::connect(api.addr())
        .await
        .expect("it listens");
    assert!(matches!(
        say(stream, "\x16\x03\x01 hello\r\n\r\n").await.status,
        0 | 400
    ));
    for reason in ["too-large", "malformed"] {
        let name = format!("vaxel_api_refused_total{{reason=\"{reason}\"}}");
        assert!(api.metric(&name).await >= 1.0, "{reason}");
    }
    assert_eq!(
        api.get(&token, "/api/recordings").await.status,
        200,
        "it still serves"
    );
}

/// Somebody gives region-12 a recording of region-03 by editing the index.
#[tokio::test]
async fn a_forged_tag_opens_nothing() {
    let bench = Bench::new();
    let id = bench.record(OURS, 1);
    bench.record(OTHERS, 2);
    let api = Api::over(bench).await;
    let index = api.bench.vault.store().join("index.sqlite");
    if !index.exists() {
        // In PostgreSQL nobody edits a file.
        return;
    }
    let db = rusqlite::Connection::open(index).expect("ours");
    let forged = db.execute(
        "UPDATE recordings SET controller = ?, region = '12' WHERE id = ?",
        [OTHERS, &id.to_string()],
    );
    assert_eq!(forged.expect("written"), 1);
    let token = api.token(Role::Reader, OTHERS);
    for path in ["", "/audio"] {
        let answer = api
            .get(&token, &format!("/api/recordings/{id}{path}"))
            .await;
        assert!(matches!(answer.status, 409 | 500), "{}", answer.status);
        assert!(!String::from_utf8_lossy(&answer.body).contains("region"));
    }
}

#[tokio::test]
async fn a_switch_says_which_calls_there_were() {
    let api = Api::over(filled()).await;
    let switch = api.token(Role::Switch, "inera");
    let call = |call: u64, controller: &str, external: bool| {
        format!(
            "{{\"call\":{call},\"controller\":\"{controller}\",\"offered\":\"2018-11-05T08:59:50Z\",\
             \"ended\":\"2018-11-05T09:00:30Z\",\"seconds\":30.0,\"external\":{external},\"recorded\":{}}}\n",
            !external
        )
    };
    let bearer = [("Authorization", &*switch)];
    let said = call(0, OURS, false) + &call(7, OURS, false) + &call(8, "medhelp", true);
    let taken = post(api.addr(), "/api/calls", &bearer, &said).await;
    assert_eq!(
        (taken.status, taken.json()["taken"].as_u64()),
        (200, Some(3)),
        "{taken:?}"
    );
    for wrong in [
        "nonsense".to_owned(),
        call(1, "nobody", false),
        call(1, "../x", false),
    ] {
        assert_eq!(
            post(api.addr(), "/api/calls", &bearer, &wrong).await.status,
            422,
            "{wrong}"
        );
    }
    let time = "from=2018-11-05T00:00:00Z&until=2018-11-06T00:00:00Z";
    let operator = api.token(Role::Operator, "inera");
    let report = api
        .get(&operator, &format!("/api/reconciliation?{time}"))
        .await
        .json();
    assert_eq!(
        (
            report["external_calls"].as_u64(),
            report["external_recordings"].as_u64()
        ),
        (Some(1), Some(0))
    );
    let line = &report["controllers"][OURS];
    let figures =
        ["expected", "stored", "missing", "extra", "short"].map(|kind| line[kind].as_u64());
    // Call 0 is stored with 20 ms; 7 is missing; 1 and 2 nobody vouches for.
    assert_eq!(figures, [2, 3, 1, 2, 1].map(Some), "{report}");
    let theirs = api
        .get(
            &api.token(Role::Dpo, OTHERS),
            &format!("/api/reconciliation?{time}"),
        )
        .await
        .json();
    assert_eq!(theirs["controllers"].as_object().expect("lines").len(), 1);
    assert!(theirs["controllers"][OTHERS]["extra"].as_u64() > Some(0));
}

#[tokio::test]
async fn health_and_figures_need_no_token_and_name_nobody() {
    let api = Api::over(filled()).await;
    for path in ["/healthz", "/readyz", "/metrics", "/api/openapi.json"] {
        let answer = ask(api.addr(), path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains(stored::CALLER) && !text.contains(&api.bench.ids()[0].to_string()));
    }
    assert_eq!(ask(api.addr(), "/", &[]).await.status, 404);
    assert_eq!(post(api.addr(), "/healthz", &[], "x").await.status, 405);
    api.server.stop().await;
}

/// What outstays its ceiling, and what the switch expected, are on the board without anybody asking.
#[tokio::test]
async fn duties_are_looked_at_all_the_time() {
    let api = Api::over(filled()).await;
    let mut duties = api._recorder.monitor().duties();
    let seen = duties
        .wait_for(|duties| duties.reconciliation.is_some())
        .await;
    let overdue = seen.expect("the API looks").overdue.clone();
    assert_eq!(overdue[OURS]["audio"], 3, "{overdue:?}");
    let metric = format!("vaxel_gallring_overdue_objects{{class=\"audio\",controller=\"{OURS}\"}}");
    assert_eq!(api.metric(&metric).await, 3.0);
    assert_eq!(
        api.metric("vaxel_reconciliation_external_recordings").await,
        0.0
    );
}

/// Invariant 7.
#[tokio::test]
async fn the_api_outside_loopback_is_refused_without_tls() {
    let bench = filled();
    let (recorder, refused) = served(&bench, |settings| settings.api = "0.0.0.0:0".into()).await;
    assert!(
        matches!(refused, Err(ServeError::NoTls { .. })),
        "{refused:?}"
    );
    recorder.stop().await;
}

#[tokio::test]
async fn by_tls_the_same_is_read() {
    let bench = filled();
    let (chain, key) = (
        bench.place.path().join("api.pem"),
        bench.place.path().join("api.key"),
    );
    let made =
        transport::certificates::Certificate::files_for_loopback(&chain, &key).expect("made");
    let name = |path: &PathBuf| Some(path.to_str().expect("UTF-8").into());
    let adapt = |settings: &mut RecorderSettings| {
        (settings.certificate, settings.certificate_key) = (name(&chain), name(&key));
    };
    let (recorder, server) = served(&bench, adapt).await;
    let server = server.expect("serves");
    assert!(server.url().starts_with("https://"));
    let token = token(&bench, Role::Reader, OURS);
    let headers = [("Authorization", &*token), WHY];
    let answer = ask_tls(
        server.addr(),
        made.der().clone(),
        "/api/recordings",
        &headers,
    )
    .await;
    assert_eq!((answer.status, ids(&answer).len()), (200, 3));
    let plain = ask(server.addr(), "/api/recordings", &headers).await;
    assert!(
        !String::from_utf8_lossy(&plain.body).contains("controller"),
        "nothing in the clear"
    );
    server.stop().await;
    recorder.stop().await;
    // A key that others may read isn't used.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("ours");
    let (_recorder, refused) = served(&bench, adapt).await;
    assert!(matches!(refused, Err(ServeError::Certificate(_))));
}
