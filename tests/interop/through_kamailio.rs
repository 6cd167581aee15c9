//! Kamailio in front of the switch, as operators have it: dispatcher by kommun-ID, registrar of nurses' phones, relay of audio.

use crate::{
    answering::Answering,
    baresip::Baresip,
    four_sipp::{NOVEMBER_2026, is_of},
    kamailio::{Kamailio, RTPENGINE_PORTS},
    recordings,
    scenario::Scenario,
    sipp::{self, Sipp},
    sound::{ANSWERER, CALLER},
    switch::Switch,
    ways::{CREDENTIALS, PASSWORD},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_sends_each_kommun_to_its_own_switch() {
    let nurses = [Answering::new(), Answering::new()];
    let at = |region, nurse: &Answering| Scenario::today().nurse_at(region, nurse.address());
    let stockholm = Switch::start(at("region-01", &nurses[0]), NOVEMBER_2026).await;
    let sormland = Switch::start(at("region-04", &nurses[1]), NOVEMBER_2026).await;
    let kommuner = [("0180", stockholm.sip()), ("0488", sormland.sip())];
    let proxy = Kamailio::dispatching(&kommuner).await;
    let places = [
        (&stockholm, "0180", "region-01"),
        (&sormland, "0488", "region-04"),
    ];
    for ((switch, kommun, region), nurse) in places.into_iter().zip(nurses) {
        let waiting = nurse.answer();
        let speaks = Sipp::scenario(switch, "speaks.xml").by_way_of(proxy.address());
        speaks.kommun(kommun).succeeds().await;
        let (_, call) = waiting.result().await;
        assert!(call.heard_tone(CALLER), "the caller's tone: {call:?}");
        let totals = switch.totals_at_rest(1).await;
        assert_eq!(totals["recorded"], serde_json::json!({ region: 1 }));
        let only = recordings::closed(switch, 1).await;
        is_of(&only[0], kommun, region);
        assert!(only[0].caller_said(CALLER) && only[0].nurse_said(ANSWERER));
    }
    proxy.stop().await;
    stockholm.stop().await;
    sormland.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nurses_phone_is_found_through_the_registrar_it_registered_with() {
    let mut registrar = Kamailio::registrar().await;
    let scenario = Scenario::today().nurse_at("region-04", registrar.address());
    let switch = Switch::start(scenario, NOVEMBER_2026).await;
    let nurse = Baresip::registers(&switch, "nurse", registrar.address());
    registrar.registered("nurse").await;
    let speaks = Sipp::scenario(&switch, "speaks_and_hangs_up.xml").talking_ms(2500);
    speaks.kommun("0488").succeeds().await;
    let heard = nurse.until_hung_up_on().await;
    assert!(heard.tone(CALLER), "the caller's tone");
    let only = recordings::closed(&switch, 1).await;
    is_of(&only[0], "0488", "region-04");
    assert!(only[0].caller_said(CALLER), "the caller, recorded");
    registrar.stop().await;
    switch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nurses_phone_that_registers_through_an_edge_is_called_through_it() {
    let scenario = Scenario::today().nurse_registers("region-04", "nurse-01");
    let files = [("phones.ha1", CREDENTIALS)];
    let switch = Switch::start_beside(scenario, NOVEMBER_2026, &files).await;
    let mut edge = Kamailio::edge(switch.sip()).await;
    let user = ("nurse-01", PASSWORD);
    let mut nurse = Baresip::registers_through(&switch, user, edge.address());
    nurse.has_registered().await;
    let speaks = Sipp::scenario(&switch, "speaks_and_hangs_up.xml").talking_ms(2500);
    speaks.kommun("0488").succeeds().await;
    edge.called_through().await;
    let heard = nurse.until_hung_up_on().await;
    assert!(heard.tone(CALLER), "the caller's tone");
    let only = recordings::closed(&switch, 1).await;
    is_of(&only[0], "0488", "region-04");
    edge.stop().await;
    switch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrar_that_asks_who_calls_is_told_by_digest() {
    let mut registrar = Kamailio::asking().await;
    let scenario = Scenario::today()
        .nurse_at("region-04", registrar.address())
        .known_at(registrar.address(), ("vaxel", "kamailio", "secret"));
    let switch = Switch::start(scenario, NOVEMBER_2026).await;
    let nurse = Baresip::registers(&switch, "nurse", registrar.address());
    registrar.registered("nurse").await;
    let speaks = Sipp::scenario(&switch, "speaks_and_hangs_up.xml").talking_ms(2500);
    speaks.kommun("0488").succeeds().await;
    registrar.believes("vaxel").await;
    let heard = nurse.until_hung_up_on().await;
    assert!(heard.tone(CALLER), "the caller's tone");
    registrar.stop().await;
    switch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_goes_both_ways_through_rtpengine() {
    let nurse = Answering::new();
    let scenario = Scenario::today().nurse_at("region-04", nurse.address());
    let switch = Switch::start(scenario, NOVEMBER_2026).await;
    let proxy = Kamailio::relaying(&[("0488", switch.sip())]).await;
    let waiting = nurse.answer();
    // What SIPp hears comes back: the nurse hears herself, and only through rtpengine.
    let echoes = Sipp::scenario(&switch, "echoes.xml")
        .by_way_of(proxy.address())
        .echoing();
    echoes.kommun("0488").succeeds().await;
    let (_, call) = waiting.result().await;
    assert!(call.heard_tone(ANSWERER), "its own tone back: {call:?}");
    let offered = sipp::audio_port(&switch);
    assert!(RTPENGINE_PORTS.contains(&offered), "{offered}");
    proxy.stop().await;
    switch.stop().await;
}
