//! The recorder dies in mid-call (kill -9) and comes back: the call goes on, the gap is known, recording resumes.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::{net::SocketAddr, path::Path, process::Command, time::Instant};

use serde_json::Value;
use testkit::{
    CallPlan, CallResult, Ended, Phone, Sound, Until,
    child::{Child, DEADLINE},
    http, tone,
};
use tokio::task::JoinHandle;
use wire::sip::{
    message::{HeaderName, Headers},
    uri::Uri,
};

/// Audio packets of both sides that must be stored before something happens: four seconds of it.
const PACKETS: u64 = 400;

/// What a crash may cost: audio is written at least once a second.
const LOST_MAX_S: f64 = 1.0;

/// What the caller says.
const CALLER_HZ: f64 = 440.0;

#[tokio::test(flavor = "multi_thread")]
async fn the_call_goes_on_the_gap_is_counted_and_recording_resumes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = Recorder::start(folder.path(), "127.0.0.1:0").await;
    let sip = recorder.sip;
    let mut switch = Switch::start(folder.path(), sip).await;
    let call = call(switch.sip);

    switch.child.says("recorded call=").await;
    let begun = Instant::now();
    recorder.stored(PACKETS).await;
    let recorded_s = begun.elapsed().as_secs_f64();
    recorder.child.kill();

    switch.child.says("this call has a gap").await;
    switch
        .sees("vaxel_recording_gaps_total{why=\"unreachable\"}", 1)
        .await;
    switch.sees("vaxel_recorder_up", 0).await;
    switch.sees("vaxel_calls", 1).await;
    assert_eq!(shown(switch.web).await["recording"], "gap");
    switch.shows_recorder(false).await;
    let heard_until_now = http::metric(switch.web, "vaxel_rtp_packets_received_total").await;

    let mut recorder = Recorder::start(folder.path(), &sip.to_string()).await;
    switch.child.says("the recorder answers again").await;
    recorder.stored(PACKETS).await;
    assert_eq!(shown(switch.web).await["recording"], "recording");
    switch.shows_recorder(true).await;
    assert!(!call.is_finished(), "the call goes on");
    let heard = http::metric(switch.web, "vaxel_rtp_packets_received_total").await;
    assert!(heard > heard_until_now, "the caller is still heard");

    switch.child.interrupt();
    let result = call.await.expect("the phone");
    assert_eq!(result.ended, Ended::Peer, "{result:?}");
    assert!(switch.child.ends().await.success());
    recorder.child.terminate();
    assert!(recorder.child.ends().await.success());

    heard_all_along(&result);
    let rows = list(folder.path());
    assert_eq!(rows.len(), 2, "{rows:#?}");
    let (after, before) = (&rows[0], &rows[1]);
    assert_eq!(
        (&before["state"], &after["state"]),
        (&"truncated".into(), &"closed".into())
    );
    let kept = before["seconds"].as_f64().expect("seconds");
    assert!(
        kept >= recorded_s - LOST_MAX_S,
        "{kept} s of {recorded_s} s"
    );
    for row in &rows {
        let samples = export(folder.path(), row);
        assert!(tone::heard(&samples, CALLER_HZ), "{row:#}");
    }
}

/// As by `pkill -HUP vaxel`, which means the switch beside it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_switch_is_asked_by_a_signal_ends_no_recorder() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = Recorder::start(folder.path(), "127.0.0.1:0").await;
    recorder.child.reread();
    recorder.child.says("SIGHUP is for a switch").await;
    recorder.child.start_anew();
    recorder.child.says("SIGUSR2 is for a switch").await;
    recorder.child.terminate();
    assert!(recorder.child.ends().await.success());
}

/// A recorder that isn't there at first: calls are answered, and recorded from when it comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_that_comes_late_records_from_then_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = Recorder::start(folder.path(), "127.0.0.1:0").await;
    let sip = recorder.sip;
    recorder.child.kill();
    let mut switch = Switch::start(folder.path(), sip).await;
    let call = call(switch.sip);
    switch.child.says("this call has a gap").await;
    let mut recorder = Recorder::start(folder.path(), &sip.to_string()).await;
    recorder.stored(PACKETS).await;
    assert_eq!(shown(switch.web).await["recording"], "recording");
    switch.child.interrupt();
    assert_eq!(call.await.expect("the phone").ended, Ended::Peer);
    assert!(switch.child.ends().await.success());
    recorder.child.terminate();
    assert!(recorder.child.ends().await.success());
    let rows = list(folder.path());
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(rows[0]["state"], "closed");
}

/// The recorder, a process of its own.
struct Recorder {
    child: Child,
    sip: SocketAddr,
    web: SocketAddr,
}

impl Recorder {
    async fn start(folder: &Path, sip: &str) -> Self {
        let mut command = vaxel(folder);
        command.args(["-vv", "recorder", "--sip", sip, "--web", "127.0.0.1:0"]);
        let mut child = Child::start("vaxel recorder", &mut command);
        let said = child.says("stop: Ctrl-C").await;
        Self {
            sip: address_after(&said, "sip:recorder@"),
            web: address_after(&said, "figures: http://"),
            child,
        }
    }

    /// Waits until so many packets of audio came since it started.
    async fn stored(&self, packets: u64) {
        http::wait_for("audio stored", async || {
            let stored = http::metric(self.web, "vaxel_recorder_packets_total").await;
            (stored >= packets).then_some(())
        })
        .await;
    }
}

/// The switch, with a recorder at that address.
struct Switch {
    child: Child,
    sip: SocketAddr,
    web: SocketAddr,
}

impl Switch {
    async fn start(folder: &Path, recorder: SocketAddr) -> Self {
        let today = include_str!("../scenarios/today.toml");
        let here = format!("sip:recorder@{recorder}");
        let moved = today.replace("sip:recorder@127.0.0.1:5070", &here);
        assert_ne!(today, moved);
        // Announcements that come with the program: the scenario's own folder has none.
        std::fs::write(folder.join("today.toml"), moved).expect("written");
        let mut command = vaxel(folder);
        command
            .args(["-vv", "gateway", "--config", "today.toml"])
            .args(["--sip", "127.0.0.1:0", "--web", "127.0.0.1:0"]);
        let mut child = Child::start("vaxel gateway", &mut command);
        let said = child.says("stop: Ctrl-C").await;
        Self {
            sip: address_after(&said, "sip:1177@"),
            web: address_after(&said, "page: http://"),
            child,
        }
    }

    async fn sees(&self, metric: &str, value: u64) {
        http::wait_for(metric, async || {
            (http::metric(self.web, metric).await == value).then_some(())
        })
        .await;
    }

    /// The page gets it with the next state of the moment.
    async fn shows_recorder(&self, up: bool) {
        http::wait_for("the recorder's state shown", async || {
            let (_, text) = http::get(self.web, "/api/view").await;
            let view: Value = serde_json::from_str(&text).expect("JSON");
            (view["live"]["recorder_up"] == up).then_some(())
        })
        .await;
    }
}

/// A caller from Trosa who says a tone until the switch hangs up.
fn call(switch: SocketAddr) -> JoinHandle<CallResult> {
    tokio::spawn(async move {
        let mut phone = Phone::bind().expect("a port");
        let mut headers = Headers::new();
        headers.push(HeaderName::parse("X-Kommun-ID").expect("a name"), "0488");
        let plan = CallPlan {
            sound: Sound::Tone(CALLER_HZ),
            until: Until::PeerEnds,
            deadline: 4 * DEADLINE,
            ..CallPlan::default()
        };
        let target = Uri::sip(Some("1177"), switch);
        phone.call(target, headers, plan).await
    })
}

/// The nurse talked on while the recorder was away: what came is as long as what was sent.
fn heard_all_along(result: &CallResult) {
    let (heard, said) = (result.audio.received, result.packets_sent);
    assert!(heard * 10 >= said * 9, "{heard} packets heard, {said} said");
}

/// What the page shows of the only call.
async fn shown(web: SocketAddr) -> Value {
    http::wait_for("one call shown, recording or with a gap", async || {
        let (_, text) = http::get(web, "/api/view").await;
        let view: Value = serde_json::from_str(&text).expect("JSON");
        let call = view["live"]["calls"][0].clone();
        (call["state"] == "talking").then_some(call)
    })
    .await
}

fn list(folder: &Path) -> Vec<Value> {
    let output = vaxel(folder)
        .args(["recordings", "--config", "today", "list", "--json"])
        .output()
        .expect("vaxel runs");
    serde_json::from_slice(&output.stdout).expect("a list in JSON")
}

/// The caller's side of a recording, as samples.
fn export(folder: &Path, row: &Value) -> Vec<i16> {
    let id = row["id"].as_str().expect("an id");
    let output = vaxel(folder)
        .args([
            "recordings",
            "--config",
            "today",
            "export",
            id,
            "--out",
            "it.wav",
            "--purpose",
            "a test",
        ])
        .output()
        .expect("vaxel runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let mut reader = hound::WavReader::open(folder.join("it.wav")).expect("a sound file");
    reader
        .samples::<i16>()
        .step_by(2)
        .map(|sample| sample.expect("a sample"))
        .collect()
}

fn vaxel(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
    command.current_dir(folder);
    command
}

fn address_after(said: &str, label: &str) -> SocketAddr {
    let (_, rest) = said.split_once(label).expect("it says where it is");
    let address = rest.split_whitespace().next().unwrap_or_default();
    let address = address.split('/').next().unwrap_or_default();
    address.parse().expect("an address")
}
