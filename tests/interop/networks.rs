//! A switch between two networks, one of IPv4 and one of IPv6, with a SIPp in each.

use std::net::{Ipv6Addr, SocketAddr};

use crate::{
    four_sipp::NOVEMBER_2026,
    ladder::Ladder,
    ports::free_port,
    recordings,
    scenario::Scenario,
    sipp::Sipp,
    sound::CALLER,
    switch::Switch,
    ways::{self, To, Way, kommun},
};

/// A switch in both networks, and a SIPp by IPv6 that answers, sends back what it hears, and hangs up.
async fn between(way: &Way) -> (Switch, Ladder) {
    let at = SocketAddr::from((Ipv6Addr::LOCALHOST, free_port()));
    let one = std::slice::from_ref(way);
    let text = ways::scenario(one, &[vec![at]]).replace(
        "sip = \"127.0.0.1:0\"",
        "sip = [\"127.0.0.1:0\", \"[::1]:0\"]",
    );
    let switch = Switch::start(Scenario::new(text), NOVEMBER_2026).await;
    let far = Ladder::echoes(&switch, at, way.name, "talks_and_leaves").await;
    (switch, far)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sipp_by_ipv4_talks_with_one_by_ipv6() {
    for (to, recorded) in [(To::Queue, true), (To::Relay, false), (To::Direct, false)] {
        let way = Way::new("six", to, "speaks", &["talks_and_leaves"]);
        let (switch, far) = between(&way).await;
        Sipp::scenario(&switch, "speaks.xml")
            .kommun(kommun(0))
            .succeeds()
            .await;
        far.ends().await.expect("it was called and hung up");
        let totals = switch.totals_at_rest(1).await;
        assert_eq!(
            (&totals["completed"], &totals["unaccounted"]),
            (&1.into(), &0.into()),
            "{totals}"
        );
        // Three seconds from the caller, and as much back.
        let passed = switch.metric("vaxel_rtp_packets_received_total").await;
        assert!(passed > 200, "{passed} packets");
        let kept = recordings::closed(&switch, usize::from(recorded)).await;
        for recording in kept {
            assert!(recording.caller_said(CALLER) && recording.nurse_said(CALLER));
        }
        switch.stop().await;
    }
}
