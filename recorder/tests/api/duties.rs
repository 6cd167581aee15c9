//! What the recorder owes: the calls there were, what outstays its ceiling, how it is.

use recorder::api::tokens::Role;

use super::{
    Api, OTHERS, OURS, filled,
    http::{ask, post},
    stored,
};

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

/// An empty answer would pass for one that nothing was in.
#[tokio::test]
async fn a_time_that_ends_before_it_begins_is_refused() {
    let api = Api::over(filled()).await;
    let dpo = api.token(Role::Dpo, OURS);
    let backwards = "from=2018-11-06T00:00:00Z&until=2018-11-05T00:00:00Z";
    let asked = [
        format!("/api/reconciliation?{backwards}"),
        // The last two days begin after it.
        "/api/reconciliation?until=2018-11-05T00:00:00Z".to_owned(),
        format!("/api/recordings?{backwards}&purpose=x"),
        format!("/api/access-log?{backwards}&purpose=x"),
    ];
    for path in asked {
        let answer = api.get(&dpo, &path).await;
        assert_eq!(answer.status, 400, "{path}");
        let said = answer.json();
        let said = said["error"].as_str().expect("it says why").to_owned();
        assert!(said.contains("from") && said.contains("until"), "{said}");
    }
    let both = "from=2018-11-05T00:00:00Z&until=2018-11-06T00:00:00Z";
    let answer = api.get(&dpo, &format!("/api/reconciliation?{both}")).await;
    assert_eq!(answer.status, 200);
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

/// As many calls as the description says, with names as long as they are.
#[tokio::test]
async fn ten_thousand_calls_are_taken_at_once() {
    let api = Api::over(filled()).await;
    let switch = api.token(Role::Switch, "inera");
    let call = |call: u64| {
        let line = format!(
            "{{\"call\":{call},\"controller\":\"{OURS}\",\"offered\":\"2018-11-05T08:59:50Z\",\
             \"ended\":\"2018-11-05T09:00:30Z\",\"seconds\":30.0,\"external\":false,\"recorded\":true}}"
        );
        format!("{line:<250}\n")
    };
    let most: String = (0..10_000).map(call).collect();
    let bearer = [("Authorization", &*switch)];
    let taken = post(api.addr(), "/api/calls", &bearer, &most).await;
    assert_eq!(taken.status, 200, "{}", taken.head);
    assert_eq!(taken.json()["taken"], 10_000);
}
