//! The same four calls from a telephone, which dials the kommun-ID after 1177.

use crate::{
    answering::Answering,
    baresip::{self, Baresip},
    four_sipp::{NOVEMBER_2018, NOVEMBER_2026, is_of},
    recordings,
    scenario::Scenario,
    sound::{ANNOUNCEMENT, ANSWERER, CALLER},
    switch::Switch,
};

#[tokio::test(flavor = "multi_thread")]
async fn gnesta_in_2018_leaves_unrecorded_from_a_telephone() {
    leaves("0488", "sormland-medhelp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stockholm_in_2018_leaves_unrecorded_from_a_telephone() {
    leaves("0180", "stockholm-medhelp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gnesta_in_2026_is_recorded_from_a_telephone() {
    stays("0488", "region-04").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stockholm_in_2026_is_recorded_from_a_telephone() {
    stays("0180", "region-01").await;
}

/// baresip names what it writes by the second: an announcement and an answer that it began to hear in the same second are
/// one file, with the answer only. It may begin late with the announcement, on a loaded machine by a second and more.
const ANNOUNCEMENT_S: usize = 3;

async fn leaves(kommun: &str, route: &str) {
    let provider = Answering::new();
    let scenario = Scenario::imy_2019()
        .provider_at(provider.address())
        .announced_for(ANNOUNCEMENT_S);
    let switch = Switch::start(scenario, NOVEMBER_2018).await;
    let waiting = provider.answer();
    let heard = Baresip::dials(&switch, &format!("1177{kommun}"))
        .until_hung_up_on()
        .await;
    let (_, call) = waiting.result().await;
    assert!(call.heard_tone(CALLER), "the caller's tone: {call:?}");
    assert!(heard.tone(ANSWERER), "the provider's tone");
    assert!(
        heard.tone(ANNOUNCEMENT),
        "the announcement, before the answer"
    );
    assert_eq!(Answering::kommun_of(&call).as_deref(), Some(kommun));
    // Straight from the telephone: nothing through the switch.
    let source = call.audio_source.expect("it was heard").port();
    assert!(baresip::AUDIO_PORTS.contains(&source), "{source}");
    let totals = switch.totals_at_rest(1).await;
    assert_eq!(totals["by_route"], serde_json::json!({ route: 1 }));
    assert_eq!(totals["recorded"], serde_json::json!({}));
    assert!(recordings::list(&switch).is_empty(), "a recording");
    switch.stop().await;
}

async fn stays(kommun: &str, region: &str) {
    let nurse = Answering::new();
    let scenario = Scenario::today().nurse_at(region, nurse.address());
    let switch = Switch::start(scenario, NOVEMBER_2026).await;
    let waiting = nurse.answer();
    let heard = Baresip::dials(&switch, &format!("1177{kommun}"))
        .until_hung_up_on()
        .await;
    let (_, call) = waiting.result().await;
    assert!(call.heard_tone(CALLER), "the caller's tone: {call:?}");
    assert!(heard.tone(ANSWERER), "the nurse's tone");
    assert!(heard.tone(ANNOUNCEMENT), "the announcement");
    let only = recordings::closed(&switch, 1).await;
    assert!(only[0].caller_said(CALLER) && !only[0].caller_said(ANSWERER));
    assert!(only[0].nurse_said(ANSWERER) && !only[0].nurse_said(CALLER));
    is_of(&only[0], kommun, region);
    let totals = switch.totals_at_rest(1).await;
    assert_eq!(totals["recorded"], serde_json::json!({ region: 1 }));
    switch.stop().await;
}
