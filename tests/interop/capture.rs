//! What goes over the wire, read by tshark: no packet of ours that it finds malformed.

use std::{path::Path, process::Command};

use testkit::child::Child;

use crate::{
    answering::Answering, four_sipp::NOVEMBER_2026, recordings, scenario::Scenario, sipp::Sipp,
    switch::Switch,
};

#[tokio::test(flavor = "multi_thread")]
async fn tshark_finds_no_malformed_packet_in_a_recorded_call() {
    let nurse = Answering::new();
    let scenario = Scenario::today().nurse_at("region-04", nurse.address());
    let switch = Switch::start(scenario, NOVEMBER_2026).await;
    let file = switch.folder().join("capture.pcapng");
    let mut capture = Command::new("tshark");
    // It ends by itself, should the test forget it.
    capture.args(["-i", "lo", "-a", "duration:60", "-w"]);
    let mut capture = Child::start("tshark", capture.arg(&file));
    capture.says("Capture started").await;

    let waiting = nurse.answer();
    let speaks = Sipp::scenario(&switch, "speaks.xml");
    speaks.kommun("0488").succeeds().await;
    waiting.result().await;
    recordings::closed(&switch, 1).await;
    switch.totals_at_rest(1).await;
    capture.interrupt();
    capture.ends().await;

    let ours = Packets {
        file: &file,
        port: switch.sip().port(),
    };
    // INVITE to us, to the nurse, and to the recorder; 50 packets of audio a second for two seconds, four streams.
    assert!(ours.sip("sip.Method == INVITE") >= 3, "INVITEs");
    assert!(ours.sip("sdp.media") >= 3, "session descriptions");
    assert!(ours.audio("rtp.p_type == 8") >= 300, "audio");
    for fault in ["_ws.malformed", "_ws.expert.severity == error"] {
        assert_eq!(ours.sip(fault), 0, "SIP: {fault}");
        assert_eq!(ours.audio(fault), 0, "RTP: {fault}");
    }
    switch.stop().await;
}

/// The capture, of which only what passes our switch counts: other tests talk on this machine too, and not all of them properly.
struct Packets<'a> {
    file: &'a Path,
    port: u16,
}

impl Packets<'_> {
    fn sip(&self, filter: &str) -> usize {
        // Our address is in the Via or Contact of everything that we send and get.
        let us = format!("127.0.0.1:{}", self.port);
        self.count(&format!("sip && frame contains \"{us}\" && {filter}"))
    }

    /// RTP that a session description in the capture announced.
    fn audio(&self, filter: &str) -> usize {
        self.count(&format!("rtp && {filter}"))
    }

    fn count(&self, filter: &str) -> usize {
        let output = Command::new("tshark")
            .arg("-r")
            .arg(self.file)
            .args(["-d", &format!("udp.port=={},sip", self.port)])
            .args(["-Y", filter])
            .args(["-T", "fields", "-e", "frame.number"])
            .output()
            .expect("tshark ran before");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tshark -Y {filter:?}: {complaint}");
        output.stdout.iter().filter(|byte| **byte == b'\n').count()
    }
}
