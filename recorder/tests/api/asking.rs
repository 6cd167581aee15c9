//! Who may ask, how often, and what nobody should ask.

use jiff::Timestamp;
use recorder::api::tokens::{self, Role};

use super::{
    Api, OTHERS, OURS, WHY, filled,
    http::{ask, post, say},
};

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

/// A program reads every answer as the description has it, also where a query isn't one.
#[tokio::test]
async fn every_no_says_why_as_the_description_has_it() {
    let api = Api::over(filled()).await;
    let token = api.token(Role::Reader, OURS);
    for query in [
        "limit=x",
        "limit=-1",
        "colour=red",
        "from=yesterday",
        "limit=1&limit=2",
        "kommun=%ff",
    ] {
        let no = api.get(&token, &format!("/api/recordings?{query}")).await;
        assert_eq!(no.status, 400, "{query}");
        assert_eq!(no.header("content-type"), Some("application/json"));
        let said = no.json();
        assert_eq!(said["reason"], "malformed", "{query}");
        assert!(said["error"].is_string(), "{query}");
    }
    let headers = [("Authorization", &*token), WHY];
    let no = post(api.addr(), "/api/recordings", &headers, "x").await;
    assert_eq!(
        (no.status, &no.json()["reason"]),
        (405, &"malformed".into())
    );
    assert!(
        no.header("allow")
            .is_some_and(|allow| allow.contains("GET"))
    );
}
