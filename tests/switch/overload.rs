//! More calls than can be carried: the rest are refused early, and those in progress go on. And a stop that waits.

use std::time::Duration;

use testkit::{Ended, Phone, Until};

use crate::{
    TO_QUEUE,
    rig::{A_WHILE, FAR_TONE, Rig, answers, told},
    routes,
};

fn limited(overload: &str) -> String {
    format!("overload = {overload}\n{}", routes(TO_QUEUE))
}

#[tokio::test]
async fn calls_over_the_rate_are_refused_and_the_others_are_answered() {
    let rig = Rig::start("[{ simulated = 8 }]", &limited("{ rate_max = 1 }")).await;
    let call = || rig.call("0488", Until::Heard(Duration::from_millis(100)));
    let (a, b, c, d, e, f) = tokio::join!(call(), call(), call(), call(), call(), call());
    let codes: Vec<u16> = [a, b, c, d, e, f].iter().map(|call| call.code()).collect();
    let count = |wanted: u16| codes.iter().filter(|code| **code == wanted).count();
    assert!(count(200) >= 1 && count(503) >= 1, "{codes:?}");
    assert_eq!(count(200) + count(503), 6, "{codes:?}");
    let totals = rig.stop().await.totals;
    assert_eq!(
        totals.offered,
        count(200) as u64,
        "the refused never reached the rules"
    );
    assert_eq!(totals.unaccounted, 0);
}

#[tokio::test]
async fn no_more_calls_are_held_than_the_scenario_says() {
    let mut nurse = Phone::bind().expect("a phone");
    let agents = format!("[\"sip:nurse@{}\"]", nurse.address());
    let rig = Rig::start(&agents, &limited("{ calls_max = 1 }")).await;
    let second = async {
        rig.sees_a_call("talking").await;
        rig.call("0488", Until::PeerEnds).await
    };
    let (first, second, _) = tokio::join!(
        rig.call("0488", Until::Heard(Duration::from_secs(3))),
        second,
        nurse.answer(answers())
    );
    assert_eq!((first.code(), second.code()), (200, 503));
    assert!(first.heard_tone(FAR_TONE), "the call that is held goes on");
    let (third, _) = tokio::join!(rig.call("0488", A_WHILE), nurse.answer(answers()));
    assert_eq!(third.code(), 200, "there is room again");
    assert_eq!(rig.stop().await.totals.completed, 2);
}

#[tokio::test]
async fn a_drain_refuses_new_calls_says_so_and_lets_the_old_end() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(
        &format!("[\"sip:nurse@{}\"]", nurse.address()),
        &routes(TO_QUEUE),
    )
    .await;
    let mut ready = rig.gateway.monitor().ready.clone();
    let drains = async {
        assert!(rig.sees_a_call("talking").await.takes_calls);
        rig.gateway.drain();
        told(&mut ready, |ready| !ready).await;
        assert_eq!(rig.sees(|live| !live.takes_calls).await.calls_now, 1);
        rig.call("0488", Until::PeerEnds).await
    };
    let (old, new, _) = tokio::join!(
        rig.call("0488", Until::Heard(Duration::from_secs(3))),
        drains,
        nurse.answer(answers())
    );
    assert_eq!((old.code(), old.ended, new.code()), (200, Ended::Us, 503));
    rig.sees(|live| live.calls_now == 0).await;
    let totals = rig.stop().await.totals;
    assert_eq!((totals.completed, totals.unaccounted), (1, 0));
}
