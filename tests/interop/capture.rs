//! What goes over the wire, read by tshark: no packet of ours that it finds malformed.

use std::{net::UdpSocket, path::PathBuf, process::Command};

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
    let mut capture = Capture::start(&switch, "udp or tcp").await;

    let waiting = nurse.answer();
    let speaks = Sipp::scenario(&switch, "speaks.xml");
    speaks.kommun("0488").succeeds().await;
    waiting.result().await;
    recordings::closed(&switch, 1).await;
    switch.totals_at_rest(1).await;
    capture.ends().await;

    // INVITE to us, to the nurse, and to the recorder; 50 packets of audio a second for two seconds, four streams.
    assert!(capture.sip("sip.Method == INVITE") >= 3, "INVITEs");
    assert!(capture.sip("sdp.media") >= 3, "session descriptions");
    assert!(capture.audio("rtp.p_type == 8") >= 300, "audio");
    for fault in FAULTS {
        assert_eq!(capture.sip(fault), 0, "SIP: {fault}");
        assert_eq!(capture.audio(fault), 0, "RTP: {fault}");
    }
    switch.stop().await;
}

/// What tshark says of a packet that isn't as it should be.
const FAULTS: [&str; 2] = ["_ws.malformed", "_ws.expert.severity == error"];

/// What goes over loopback while a test runs. Of it only what passes the test's switch counts: other tests talk on this machine too,
/// and not all of them properly.
pub(crate) struct Capture {
    tshark: Child,
    file: PathBuf,
    port: u16,
}

impl Capture {
    /// Everything that the filter, in the language of pcap, lets through.
    async fn start(switch: &Switch, filter: &str) -> Self {
        let file = switch.folder().join("capture.pcapng");
        let mut tshark = Command::new("tshark");
        // It ends by itself, should the test forget it.
        tshark.args(["-i", "lo", "-a", "duration:120", "-f", filter]);
        // It tells whence each datagram came.
        tshark.args(["-l", "-P", "-T", "fields", "-e", "udp.srcport", "-w"]);
        let mut tshark = Child::start("tshark", tshark.arg(&file));
        tshark.says("Capture started").await;
        let port = switch.sip().port();
        Self { tshark, file, port }
    }

    /// What the switch says and is told.
    pub(crate) async fn of_signalling(switch: &Switch) -> Self {
        Self::start(switch, &format!("port {}", switch.sip().port())).await
    }

    /// Ends it once it has seen everything that was sent before.
    async fn ends(&mut self) {
        let last = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let from = last.local_addr().expect("it is bound").port();
        // A keep-alive (RFC 5626 section 3.5.1).
        let sent = last.send_to(b"\r\n\r\n", ("127.0.0.1", self.port));
        sent.expect("loopback");
        self.tshark.says(&format!("\n{from}\n")).await;
        self.tshark.interrupt();
        self.tshark.ends().await;
    }

    /// Ends it, and fails when a message was malformed.
    pub(crate) async fn ends_sound(mut self) {
        self.ends().await;
        assert!(self.sip("sip.Method == INVITE") > 0, "no INVITE captured");
        for fault in FAULTS {
            let odd = self.shown(&format!("sip && {fault}"), "sip.msg_hdr");
            assert_eq!(odd.len(), 0, "{fault}: {odd}");
        }
    }

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
        self.shown(filter, "frame.number").lines().count()
    }

    /// A field of each packet that the filter shows.
    fn shown(&self, filter: &str, field: &str) -> String {
        let output = Command::new("tshark")
            .arg("-r")
            .arg(&self.file)
            .args(["-d", &format!("udp.port=={},sip", self.port)])
            .args(["-Y", filter])
            .args(["-T", "fields", "-e", field])
            .output()
            .expect("tshark ran before");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tshark -Y {filter:?}: {complaint}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
