//! The real switch and the real recorder, each a process.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{child::Child, http};

use crate::scenario::{FILE, Scenario};

/// The program under test.
pub(crate) const VAXEL: &str = env!("CARGO_BIN_EXE_vaxel");

/// The end of the number that every caller of these tests calls from, [`CALLER_NUMBER`], however it is written.
const SECRET: &str = "1740605";
/// One of the numbers that belong to nobody (data/test_numbers.csv); also in `tests/interop/sipp`.
pub(crate) const CALLER_NUMBER: &str = "+46701740605";

/// A switch that takes calls, with its recorder.
pub(crate) struct Switch {
    /// The scenario, the store and what peers write.
    folder: TempDir,
    recorder: Child,
    gateway: Child,
    sip: SocketAddr,
    web: SocketAddr,
}

impl Switch {
    /// Starts both; `at` is what the clock shows, Swedish time.
    pub(crate) async fn start(scenario: Scenario, at: &str) -> Self {
        Self::start_beside(scenario, at, &[]).await
    }

    /// The same with these files beside the scenario.
    pub(crate) async fn start_beside(scenario: Scenario, at: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::write(&file, text).expect("the test's own folder");
            // A secret that others may read is refused.
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
        }
        scenario.write(folder.path());
        let mut recorder = Child::start(
            "vaxel recorder",
            command(folder.path(), "recorder").args(["--sip", "127.0.0.1:0"]),
        );
        let said = recorder.says("stop: Ctrl-C").await;
        let scenario = scenario.recorder_at(address_after(&said, "sip:recorder@"));
        scenario.write(folder.path());
        let mut gateway = command(folder.path(), "gateway");
        // One that names several addresses says itself where they are.
        if !scenario.has_several_addresses() {
            gateway.args(["--sip", "127.0.0.1:0"]);
        }
        let mut gateway = Child::start("vaxel gateway", gateway.args(["--at", at]));
        let said = gateway.says("stop: Ctrl-C").await;
        let switch = Self {
            sip: address_after(&said, "sip:1177@"),
            web: address_after(&said, "page: http://"),
            folder,
            recorder,
            gateway,
        };
        http::wait_for("/readyz says 200", async || {
            let (status, _) = http::get(switch.web, "/readyz").await;
            (status == 200).then_some(())
        })
        .await;
        switch
    }

    /// Where it takes calls.
    pub(crate) const fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// The folder of this test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A figure of `/metrics`; `name` with its labels. 0 when it has never been counted.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        http::metric(self.web, name).await
    }

    /// Waits until no call is left, and gives the totals then.
    pub(crate) async fn totals_at_rest(&self, offered: u64) -> Value {
        http::wait_for("all calls over", async || {
            let (_, text) = http::get(self.web, "/api/view").await;
            let view: Value = serde_json::from_str(&text).expect("JSON");
            let live = &view["live"];
            let over = live["calls_now"] == 0 && live["totals"]["offered"] == offered;
            over.then(|| live["totals"].clone())
        })
        .await
    }

    /// Ends both as a supervisor does, and checks that they end well and never named a caller's number (invariant 6).
    pub(crate) async fn stop(mut self) {
        for page in ["/metrics", "/api/view"] {
            let (_, shown) = http::get(self.web, page).await;
            assert!(!shown.contains(SECRET), "a telephone number in {page}");
        }
        let logged = self.gateway.said();
        assert!(
            logged.contains("routed"),
            "the log tells of calls: {logged}"
        );
        for child in [&mut self.gateway, &mut self.recorder] {
            child.terminate();
            let status = child.ends().await;
            assert!(status.success(), "{status}: {}", child.said());
            assert!(!child.said().contains(SECRET), "a telephone number logged");
            assert!(!child.said().contains("inline:"), "a key logged");
        }
    }
}

/// `vaxel SUBCOMMAND` on this test's scenario, listening where the system likes.
fn command(folder: &Path, subcommand: &str) -> Command {
    let mut command = Command::new(VAXEL);
    command
        .current_dir(folder)
        .args(["-vv", subcommand, "--config", FILE])
        .args(["--web", "127.0.0.1:0"]);
    command
}

fn address_after(said: &str, label: &str) -> SocketAddr {
    let (_, rest) = said
        .split_once(label)
        .expect("the program says where it is");
    let address = rest.split_whitespace().next().unwrap_or_default();
    let address = address.split('/').next().unwrap_or_default();
    address.parse().expect("an address")
}
