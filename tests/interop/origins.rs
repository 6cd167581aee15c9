//! Callers nobody can place, and senders who don't speak SIP.

use std::net::UdpSocket;

use testkit::http;

use crate::{four_sipp::NOVEMBER_2018, scenario::Scenario, sipp::Sipp, switch::Switch};

/// Every line of `origins.csv` is one call.
const CALLS: u32 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_kommun_id_that_is_none_is_never_guessed_at() {
    let switch = Switch::start(Scenario::imy_2019(), NOVEMBER_2018).await;
    let sipp = Sipp::scenario(&switch, "asks.xml").each_of("origins.csv", CALLS);
    sipp.succeeds().await;
    let totals = switch.totals_at_rest(CALLS.into()).await;
    let expected = serde_json::json!({ "invalid": 3, "unknown": 2, "conflict": 1 });
    assert_eq!(totals["by_route"], expected);
    for (class, calls) in [("invalid", 3), ("unknown", 2), ("conflict", 1)] {
        let name = format!("vaxel_calls_offered_total{{origin=\"{class}\",route=\"{class}\"}}");
        assert_eq!(switch.metric(&name).await, calls, "{name}");
    }
    switch.stop().await;
}

/// What no SIP parser may take: each is counted once.
const MALFORMED: [&[u8]; 8] = [
    b"\x80\x08\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x01\xd5\xd5\xd5\xd5",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"INVITE\r\n\r\n",
    b"INVITE sip:1177@127.0.0.1 SIP/2.0\r\n",
    b"INVITE sip:1177@127.0.0.1 SIP/9.9\r\nCall-ID: x\r\n\r\n",
    b"INVITE sip:1177@127.0.0.1 SIP/2.0\r\nno colon here\r\n\r\n",
    b"INVITE sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK1\r\nCSeq: minus one INVITE\r\n\r\n",
    b"SIP/2.0 999999 What\r\n\r\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sip_is_counted_and_the_next_call_is_fine() {
    let switch = Switch::start(Scenario::imy_2019(), NOVEMBER_2018).await;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for datagram in MALFORMED {
        socket.send_to(datagram, switch.sip()).expect("loopback");
    }
    http::wait_for("every malformed datagram counted", async || {
        let counted = switch.metric("vaxel_sip_malformed_total").await;
        (counted == MALFORMED.len() as u64).then_some(())
    })
    .await;
    Sipp::scenario(&switch, "asks.xml")
        .each_of("one.csv", 1)
        .succeeds()
        .await;
    let totals = switch.totals_at_rest(1).await;
    assert_eq!(totals["by_route"], serde_json::json!({ "region-23": 1 }));
    switch.stop().await;
}
