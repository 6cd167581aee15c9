//! A load against a phone that does what it is told.

use std::{net::UdpSocket, time::Duration};

use transport::SipDriver;
use wire::{
    sdp,
    sip::{
        endpoint::{Config, Event},
        message::StatusCode,
    },
};

use super::*;

/// Longer than anything here takes, also on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(20);

fn plan(phone: &SipDriver, patience: Duration) -> LoadPlan {
    LoadPlan {
        to: format!("sip:1177@{}", phone.local_addr()),
        next_hop: None,
        rate: 1000.0,
        calls: Some(3),
        seed: 1,
        kommun: None,
        hold: Hold::Caller(Duration::ZERO..Duration::ZERO),
        patience,
        audio: false,
        tls: None,
        elsewhere: false,
        local: "127.0.0.1:0".parse().expect("an address"),
        at_once_max: 10,
    }
}

fn phone() -> SipDriver {
    let address = "127.0.0.1:0".parse().expect("an address");
    SipDriver::bind(address, Config::default_for(address, [0; 32])).expect("a port")
}

/// Lets every call ring, and answers those that are to be.
async fn ring_on(mut phone: SipDriver, answers: bool) {
    loop {
        if let Event::Incoming { session, .. } = phone.event().await {
            let now = phone.now();
            let rung = phone
                .endpoint()
                .progress(now, session, StatusCode::RINGING, None);
            rung.expect("it rings");
            if answers {
                let answer = sdp::Description::telephony(phone.local_addr()).to_body();
                let answered = phone.endpoint().answer(now, session, Some(answer));
                answered.expect("it is answered");
            }
            phone.flush();
        }
    }
}

async fn report(patience: Duration, answers: bool) -> LoadReport {
    let phone = phone();
    let load = start(plan(&phone, patience)).await.expect("a load");
    let ringing = tokio::spawn(ring_on(phone, answers));
    let report = tokio::time::timeout(DEADLINE, load.finish()).await;
    ringing.abort();
    report.expect("it ends when its callers' patience does")
}

#[tokio::test]
async fn callers_give_up_a_telephone_that_only_rings() {
    let report = report(Duration::from_millis(200), false).await;
    assert_eq!((report.placed, report.abandoned), (3, 3));
    assert_eq!((report.answered, report.failed_total()), (0, 0));
}

#[tokio::test]
async fn who_still_waits_when_the_run_is_stopped_was_refused_by_nobody() {
    let phone = phone();
    let mut load = start(plan(&phone, DEADLINE)).await.expect("a load");
    let ringing = tokio::spawn(ring_on(phone, false));
    let all_ring = load.progress.wait_for(|seen| seen.in_progress == 3);
    all_ring.await.expect("it runs");
    let report = tokio::time::timeout(DEADLINE, load.stop()).await;
    ringing.abort();
    let report = report.expect("it ends when it is told to");
    assert_eq!((report.placed, report.abandoned), (3, 3));
    assert_eq!(report.failed_total(), 0, "{:?}", report.failed);
}

#[tokio::test]
async fn who_is_answered_has_not_given_up() {
    let report = report(DEADLINE, true).await;
    assert_eq!((report.answered, report.completed), (3, 3));
    assert_eq!((report.abandoned, report.failed_total()), (0, 0));
}

/// Nobody is there: no CANCEL may go before something has come back, and nothing ever does.
#[tokio::test]
async fn who_hears_nothing_at_all_waits_no_longer_than_its_patience() {
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut plan = plan(&phone(), Duration::from_millis(200));
    plan.to = format!("sip:1177@{}", nobody.local_addr().expect("its address"));
    let load = start(plan).await.expect("a load");
    let report = tokio::time::timeout(DEADLINE, load.finish()).await;
    let report = report.expect("it ends when its callers' patience does");
    assert_eq!((report.placed, report.unreached), (3, 3));
    assert_eq!((report.abandoned, report.failed_total()), (0, 0));
}

/// The same when the run is stopped, long before.
#[tokio::test]
async fn a_run_against_nobody_is_stopped_soon() {
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut plan = plan(&phone(), DEADLINE);
    plan.to = format!("sip:1177@{}", nobody.local_addr().expect("its address"));
    let mut load = start(plan).await.expect("a load");
    let all = load.progress.wait_for(|seen| seen.in_progress == 3);
    all.await.expect("it runs");
    let report = tokio::time::timeout(DEADLINE / 2, load.stop()).await;
    let report = report.expect("it ends when it is told to");
    assert_eq!((report.unreached, report.failed_total()), (3, 0));
}

/// A telephone that rings and is gone: nobody says that the call is over.
#[tokio::test]
async fn a_telephone_that_is_gone_while_it_rings_keeps_nobody() {
    let phone = phone();
    let mut load = start(plan(&phone, Duration::from_secs(1)))
        .await
        .expect("a load");
    let ringing = tokio::spawn(ring_on(phone, false));
    let rung = load.progress.wait_for(|seen| seen.alerted == 3);
    rung.await.expect("it rings");
    ringing.abort();
    let report = tokio::time::timeout(DEADLINE, load.finish()).await;
    let report = report.expect("it ends soon after its callers' patience");
    assert_eq!((report.placed, report.abandoned), (3, 3));
    assert_eq!((report.unreached, report.failed_total()), (0, 0));
}

/// A thread that does something else is what a machine without a processor to spare looks like to the generator.
#[tokio::test]
async fn calls_that_the_generator_places_late_are_told() {
    let phone = phone();
    let on_time = LoadPlan {
        rate: 20.0,
        ..plan(&phone, DEADLINE)
    };
    let mut load = start(on_time).await.expect("a load");
    let first = load.progress.wait_for(|seen| seen.placed > 0);
    first.await.expect("it runs");
    // The only thread there is: no other call can be placed meanwhile.
    let begun = std::time::Instant::now();
    while begun.elapsed() < 20 * PLACED_LATE_MAX {
        std::hint::spin_loop();
    }
    let ringing = tokio::spawn(ring_on(phone, true));
    let report = tokio::time::timeout(DEADLINE, load.finish()).await;
    ringing.abort();
    let report = report.expect("it ends");
    assert_eq!((report.placed, report.completed), (3, 3));
    let late = report.placed_late;
    assert!(late.max_ms > 1000.0, "{late:?}");
    assert!(report.is_placed_too_late(), "{late:?}");
}
