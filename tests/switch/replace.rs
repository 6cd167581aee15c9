//! Rules replaced while calls come: none fails, each keeps the decision it got, a bad set changes nothing.

use simulator::load::{self, Hold, LoadPlan};
use std::time::Duration;
use testkit::{Phone, Until};

use crate::{
    TO_QUEUE, at, provider,
    rig::{Rig, answers, scenario, told},
    routes,
};

#[tokio::test]
async fn a_call_in_progress_keeps_its_decision() {
    let mut medhelp = Phone::bind().expect("a phone");
    let agents = "[{ simulated = 1 }]";
    let rig = Rig::start(agents, &provider(&at(&medhelp), "direct")).await;
    let ring = Until::Heard(Duration::from_millis(500));
    let mut arrivals = rig.gateway.monitor().arrivals.subscribe();
    let replace = async {
        arrivals
            .recv()
            .await
            .expect("the call is routed by the old rules");
        let text = scenario(agents, &rig.recorder_uri(), &routes(TO_QUEUE));
        let change = rig
            .gateway
            .rules()
            .replace(&text, "new.toml", "a test")
            .await;
        change.expect("replaced")
    };
    let (first, provider, change) =
        tokio::join!(rig.call("0180", ring), medhelp.answer(answers()), replace);
    assert_eq!(
        (first.code(), provider.code()),
        (200, 200),
        "the old rules' call goes on"
    );
    assert_ne!(change.from, change.to);
    let second = rig.call("0180", ring).await;
    assert_eq!(second.code(), 200, "the new rules answer at the queue");
    let kept = rig.gateway.rules().changes();
    assert_eq!(kept.as_slice(), [change]);
    let totals = rig.stop().await.totals;
    assert_eq!(totals.by_route.get("rest"), Some(&2));
    assert_eq!(
        (totals.unaccounted, totals.failed),
        (0, totals.outcomes.get("abandoned").copied().unwrap_or(0))
    );
}

#[tokio::test]
async fn a_bad_rule_set_is_refused_whole() {
    let agents = "[{ simulated = 1 }]";
    let rig = Rig::start(agents, &routes(TO_QUEUE)).await;
    let digest = rig.gateway.monitor().fixed.borrow().digest.clone();
    let rules = rig.gateway.rules();
    let broken = scenario(
        agents,
        &rig.recorder_uri(),
        "route = [{ name = \"x\", al = true }]",
    );
    let error = rules
        .replace(&broken, "bad.toml", "a test")
        .await
        .expect_err("a misspelt key")
        .to_string();
    assert!(
        error.contains("bad.toml:") && error.contains("all"),
        "{error}"
    );
    let more_agents = scenario(
        "[{ simulated = 2 }]",
        &rig.recorder_uri(),
        &routes(TO_QUEUE),
    );
    assert!(
        rules
            .replace(&more_agents, "agents.toml", "a test")
            .await
            .is_err(),
        "callers wait in queues"
    );
    let expects = format!(
        "{}\nexpect = [{{ kommun = \"0488\", at = \"2026-01-05T12:00\", route = \"rest\" }}]",
        routes(TO_QUEUE)
    );
    let untrue = scenario(agents, &rig.recorder_uri(), &expects);
    assert!(
        rules
            .replace(&untrue, "untrue.toml", "a test")
            .await
            .is_err(),
        "its own expectation fails"
    );
    assert!(rules.changes().is_empty());
    assert_eq!(rig.gateway.monitor().fixed.borrow().digest, digest);
    rig.stop().await;
}

#[tokio::test]
async fn replacing_under_load_fails_no_call() {
    let agents = "[{ simulated = 400 }]";
    let rig = Rig::start(agents, &routes(TO_QUEUE)).await;
    let plan = LoadPlan {
        to: format!("sip:1177@{}", rig.gateway.sip_addr()),
        next_hop: None,
        rate: 200.0,
        calls: Some(300),
        seed: 1,
        kommun: None,
        hold: Hold::Caller(Duration::ZERO..Duration::from_millis(200)),
        patience: load::PATIENCE,
        audio: false,
        tls: None,
        elsewhere: false,
        local: "127.0.0.1:0".parse().expect("an address"),
        at_once_max: 1000,
    };
    let load = load::start(plan).await.expect("a load");
    let mut progress = load.progress.clone();
    for round in 1..=5_u64 {
        told(&mut progress, |seen| seen.placed >= round * 50).await;
        let later = format!(
            "route = [\n  {{ name = \"later-{round}\", all = true, queue = \"sormland\", from = 2090-01-01 }},"
        );
        let text = scenario(
            agents,
            &rig.recorder_uri(),
            &routes(TO_QUEUE).replace("route = [", &later),
        );
        rig.gateway
            .rules()
            .replace(&text, "round.toml", "a test")
            .await
            .expect("replaced");
    }
    let report = load.finish().await;
    assert_eq!(
        (report.placed, report.answered, report.failed_total()),
        (300, 300, 0)
    );
    assert_eq!(rig.gateway.rules().changes().len(), 5);
    assert_eq!(rig.stop().await.totals.unaccounted, 0);
}
