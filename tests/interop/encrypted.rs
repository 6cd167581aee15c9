//! Telephones whose audio is encrypted by keys in SDP, in both ways of offering them: answered encrypted, bridged to a nurse's
//! phone without, recorded in the clear.

use crate::{
    answering::Answering,
    baresip::Baresip,
    four_sipp::{NOVEMBER_2026, is_of},
    recordings,
    scenario::Scenario,
    sound::{ANNOUNCEMENT, ANSWERER, CALLER},
    switch::Switch,
};

/// RTP/SAVP: encrypted or nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_that_insists_on_srtp_is_answered_and_recorded() {
    is_encrypted("srtp-mand").await;
}

/// RTP/AVP with keys beside it (RFC 8643).
#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_that_offers_srtp_is_answered_with_it_and_recorded() {
    is_encrypted("srtp").await;
}

async fn is_encrypted(how: &str) {
    let nurse = Answering::new();
    let scenario = Scenario::today().nurse_at("region-04", nurse.address());
    let switch = Switch::start(scenario, NOVEMBER_2026).await;
    let waiting = nurse.answer();
    let heard = Baresip::dials_encrypted(&switch, "11770488", how)
        .until_hung_up_on()
        .await;
    let (_, call) = waiting.result().await;
    assert!(call.heard_tone(CALLER), "the caller's tone: {call:?}");
    assert!(!call.encrypted, "each leg on its own");
    assert!(heard.tone(ANSWERER), "the nurse's tone");
    assert!(heard.tone(ANNOUNCEMENT), "the announcement");
    let only = recordings::closed(&switch, 1).await;
    assert!(only[0].caller_said(CALLER) && only[0].nurse_said(ANSWERER));
    is_of(&only[0], "0488", "region-04");
    let encrypted = switch
        .metric("vaxel_srtp_legs_total{signalling=\"clear\"}")
        .await;
    assert_eq!(encrypted, 1, "{how}");
    let refused = switch
        .metric("vaxel_rtp_packets_dropped_total{reason=\"unauthenticated\"}")
        .await;
    assert_eq!(refused, 0, "{how}");
    switch.stop().await;
}
