//! How calls end otherwise: given up, sent away, hung up by the caller.

use testkit::Ended;
use wire::sip::endpoint::TransportKind::Tcp;

use crate::{
    answering::Answering, four_sipp::NOVEMBER_2018, recordings, scenario::Scenario, sipp::Sipp,
    sound::ANSWERER, switch::Switch,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up_stops_the_providers_ringing() {
    let provider = Answering::new();
    let scenario = Scenario::imy_2019().provider_at(provider.address());
    let switch = Switch::start(scenario, NOVEMBER_2018).await;
    let waiting = provider.ring_on();
    Sipp::scenario(&switch, "gives_up.xml")
        .kommun("0488")
        .succeeds()
        .await;
    let (_, call) = waiting.result().await;
    assert_eq!((call.ended, call.status), (Ended::Peer, None), "{call:?}");
    let totals = switch.totals_at_rest(1).await;
    assert_eq!(totals["outcomes"], serde_json::json!({ "abandoned": 1 }));
    assert_eq!(
        (&totals["failed"], &totals["unaccounted"]),
        (&1.into(), &0.into())
    );
    switch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_call_is_told_where_to_go_and_with_which_kommun() {
    let provider = Answering::new();
    let scenario = Scenario::imy_2019()
        .provider_at(provider.address())
        .released();
    let switch = Switch::start(scenario, NOVEMBER_2018).await;
    let waiting = provider.refuse();
    // The scenario checks 302 and its Contact.
    Sipp::scenario(&switch, "is_released.xml")
        .kommun("0488")
        .succeeds()
        .await;
    let totals = switch.totals_at_rest(1).await;
    assert_eq!(
        totals["by_route"],
        serde_json::json!({ "sormland-medhelp": 1 })
    );
    assert_eq!(
        (&totals["completed"], &totals["recorded"]),
        (&1.into(), &serde_json::json!({}))
    );
    assert!(recordings::list(&switch).is_empty(), "a recording");
    waiting.nobody_called();
    switch.stop().await;
}

/// As anybody would try it first: `sipp HOST:PORT`. No kommun-ID, so the national queue answers, with a simulated nurse.
#[tokio::test(flavor = "multi_thread")]
async fn plain_sipp_is_answered_by_the_route_for_unknown_kommuner() {
    let switch = Switch::start(Scenario::imy_2019(), NOVEMBER_2018).await;
    // The nurse's phone rings for up to 1.6 s after a second's announcement.
    Sipp::built_in(&switch)
        .talking_ms(5000)
        .echoing()
        .succeeds()
        .await;
    Sipp::built_in(&switch)
        .talking_ms(100)
        .over(Tcp)
        .succeeds()
        .await;
    let totals = switch.totals_at_rest(2).await;
    assert_eq!(totals["by_route"], serde_json::json!({ "unknown": 2 }));
    assert_eq!(totals["unaccounted"], 0);
    let only = recordings::closed(&switch, 1).await;
    assert_eq!(only[0].row["controller"], "region-20");
    assert!(only[0].nurse_said(ANSWERER) && only[0].caller_said(ANSWERER));
    switch.stop().await;
}

/// More callers than nurses, all at once: nobody is lost, whoever hangs up first.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_burst_is_accounted_for() {
    const CALLS: u32 = 60;
    let switch = Switch::start(Scenario::imy_2019(), NOVEMBER_2018).await;
    let sipp = Sipp::built_in(&switch).talking_ms(2500).burst(CALLS, 40);
    sipp.succeeds().await;
    let totals = switch.totals_at_rest(CALLS.into()).await;
    assert_eq!(totals["by_route"], serde_json::json!({ "unknown": CALLS }));
    let ended = [&totals["completed"], &totals["failed"]].map(serde_json::Value::as_u64);
    assert_eq!(
        ended[0].zip(ended[1]).map(|(one, two)| one + two),
        Some(CALLS.into())
    );
    assert_eq!(
        (&totals["unaccounted"], &totals["recording_gaps"]),
        (&0.into(), &0.into())
    );
    let recorded = totals["recorded"]["region-20"].as_u64().unwrap_or(0);
    let rows = recordings::at_rest(&switch, recorded as usize).await;
    // Who hangs up in the moment a nurse answers ends the recording session before it has begun: nothing is in that.
    let with_audio = rows.iter().filter(|row| row["packets"] != 0).count() as u64;
    assert!(with_audio <= recorded, "{recorded} counted, but: {rows:?}");
    switch.stop().await;
}
