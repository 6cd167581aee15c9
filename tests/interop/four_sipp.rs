//! The two kommuner that tell the story, in the year of the report and today, with SIPp as caller.

use wire::sip::endpoint::TransportKind::{self, Tcp, Udp};

use crate::{
    answering::Answering,
    recordings::{self, Exported},
    scenario::Scenario,
    sipp::{self, Sipp},
    sound::{ANSWERER, CALLER},
    switch::Switch,
};

/// An evening of the autumn that IMY's report is about.
pub(crate) const NOVEMBER_2018: &str = "2018-11-05T22:15";
/// A weekday of today's scenario.
pub(crate) const NOVEMBER_2026: &str = "2026-11-23T10:00";

#[tokio::test(flavor = "multi_thread")]
async fn gnesta_in_2018_leaves_for_the_provider_unrecorded() {
    leaves("0488", "sormland-medhelp", Udp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stockholm_in_2018_leaves_for_the_provider_unrecorded_over_tcp() {
    leaves("0180", "stockholm-medhelp", Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gnesta_in_2026_is_answered_and_recorded_for_its_region() {
    stays("0488", "region-04", Udp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stockholm_in_2026_is_answered_and_recorded_for_its_region_over_tcp() {
    stays("0180", "region-01", Tcp).await;
}

async fn leaves(kommun: &str, route: &str, by: TransportKind) {
    let provider = Answering::new();
    let scenario = Scenario::imy_2019().provider_at(provider.address());
    let switch = Switch::start(scenario, NOVEMBER_2018).await;

    let waiting = provider.answer();
    Sipp::scenario(&switch, "speaks.xml")
        .over(by)
        .kommun(kommun)
        .succeeds()
        .await;
    let (provider, call) = waiting.result().await;
    assert!(call.heard_tone(CALLER), "the caller's tone: {call:?}");
    assert_eq!(Answering::kommun_of(&call).as_deref(), Some(kommun));
    // Straight from SIPp: nothing in between, and nothing through the switch.
    assert_eq!(call.audio_source, call.remote_audio);
    // The announcement came from the switch: to the caller a dialog of its own (RFC 3261 section 13.2.1).
    assert_ne!(sipp::to_tag(&switch, 183), sipp::to_tag(&switch, 200));
    let passed = switch.metric("vaxel_rtp_packets_received_total").await;
    assert_eq!(passed, 0, "audio through the switch");

    let waiting = provider.answer();
    let echoes = Sipp::scenario(&switch, "echoes.xml")
        .over(by)
        .echoing()
        .kommun(kommun);
    echoes.succeeds().await;
    let (_, call) = waiting.result().await;
    assert!(call.heard_tone(ANSWERER), "its own tone back: {call:?}");

    let totals = switch.totals_at_rest(2).await;
    assert_eq!(totals["by_route"], serde_json::json!({ route: 2 }));
    assert_eq!(totals["recorded"], serde_json::json!({}));
    assert_eq!(totals["recorded_at_switch_for_provider"], 0);
    assert_eq!(
        (&totals["completed"], &totals["unaccounted"]),
        (&2.into(), &0.into())
    );
    assert!(recordings::list(&switch).is_empty(), "a recording");
    switch.stop().await;
}

async fn stays(kommun: &str, region: &str, by: TransportKind) {
    let nurse = Answering::new();
    let scenario = Scenario::today().nurse_at(region, nurse.address());
    let switch = Switch::start(scenario, NOVEMBER_2026).await;

    let waiting = nurse.answer();
    Sipp::scenario(&switch, "speaks.xml")
        .over(by)
        .kommun(kommun)
        .succeeds()
        .await;
    let (nurse, call) = waiting.result().await;
    assert!(call.heard_tone(CALLER), "the caller's tone: {call:?}");
    let only = recordings::closed(&switch, 1).await;
    assert!(only[0].caller_said(CALLER) && !only[0].caller_said(ANSWERER));
    assert!(only[0].nurse_said(ANSWERER) && !only[0].nurse_said(CALLER));
    is_of(&only[0], kommun, region);

    let waiting = nurse.answer();
    let echoes = Sipp::scenario(&switch, "echoes.xml")
        .over(by)
        .echoing()
        .kommun(kommun);
    echoes.succeeds().await;
    let (_, call) = waiting.result().await;
    assert!(call.heard_tone(ANSWERER), "its own tone back: {call:?}");
    let both = recordings::closed(&switch, 2).await;
    assert!(both[0].caller_said(ANSWERER), "the echo is the caller's");

    let totals = switch.totals_at_rest(2).await;
    assert_eq!(totals["by_route"], serde_json::json!({ region: 2 }));
    assert_eq!(totals["recorded"], serde_json::json!({ region: 2 }));
    assert_eq!(
        (&totals["completed"], &totals["unaccounted"]),
        (&2.into(), &0.into())
    );
    assert_eq!(totals["recording_gaps"], 0);
    switch.stop().await;
}

/// The tag says whose recording it is, and nothing of it was lost.
pub(crate) fn is_of(recording: &Exported, kommun: &str, region: &str) {
    let row = &recording.row;
    assert_eq!(
        (&row["kommun"], &row["route"]),
        (&kommun.into(), &region.into())
    );
    assert_eq!(
        (&row["controller"], &row["processor"]),
        (&region.into(), &"inera".into())
    );
    assert_eq!(
        (&row["streams"], &row["packets_lost"]),
        (&2.into(), &0.into())
    );
    assert!(
        row["seconds"].as_f64().is_some_and(|seconds| seconds > 1.0),
        "{row}"
    );
}
