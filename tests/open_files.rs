//! A switch and the limit of open files: it takes all that it may have, and when they are used up, it refuses calls and goes on.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::{path::Path, process::Command};

use serde_json::Value;
use testkit::child::Child;
use tokio::task::spawn_blocking;

/// Files: the program itself has some twenty, a call two and more.
const FEW: u32 = 64;
/// Calls at once for which those don't suffice, also if a call had one file only.
const CALLS: u32 = 60;

const SCENARIO: &str = r#"
operator = { organisation = "inera" }
organisation = [
  { id = "inera", name = "Inera AB", kind = "processor" },
  { id = "region-04", name = "Region Sörmland", kind = "region" },
]
queue = [{ name = "sormland", region = "04", controller = "region-04", agents = [{ simulated = 90 }], wrap_up_s = 0, recording = false }]
route = [{ name = "rest", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }]
"#;

#[tokio::test]
async fn calls_beyond_the_limit_of_open_files_are_refused_and_the_others_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut switch = start(folder.path(), &format!("ulimit -n {FEW}")).await;
    let report = load(&switch, CALLS).await;
    let (completed, refused) = (&report["completed"], &report["failed"]["503"]);
    assert!(
        completed.as_u64() > Some(0) && refused.as_u64() > Some(0),
        "{report:#}"
    );
    switch.says("the limit of open files is reached").await;
    // They are free again.
    let report = load(&switch, 3).await;
    assert_eq!(report["completed"], 3, "{report:#}");
    switch.interrupt();
    assert!(switch.ends().await.success());
}

#[tokio::test]
async fn the_soft_limit_is_raised_to_the_hard_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut switch = start(folder.path(), &format!("ulimit -Sn {FEW}")).await;
    let report = load(&switch, CALLS).await;
    assert_eq!(report["completed"], CALLS, "{report:#}");
    switch.interrupt();
    assert!(switch.ends().await.success());
}

/// A switch under this limit.
async fn start(folder: &Path, limit: &str) -> Child {
    let scenario = folder.join("few.toml");
    std::fs::write(&scenario, SCENARIO).expect("written");
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_vaxel"))
        .args(["gateway", "--sip", "127.0.0.1:0", "--web", "127.0.0.1:0"])
        .arg("--config")
        .arg(scenario)
        .arg("--data")
        .arg(folder.join("data"));
    let mut switch = Child::start("vaxel gateway", &mut command);
    switch.says("stop: Ctrl-C").await;
    switch
}

/// So many calls, all within half a second, each longer than that.
async fn load(switch: &Child, calls: u32) -> Value {
    let said = switch.said();
    let (_, rest) = said.split_once("calls: ").expect("an address");
    let to = rest.split_whitespace().next().expect("a word").to_owned();
    let output = spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
        command
            .args([
                "load", "--to", &to, "--rate", "120", "--talk", "2", "--json",
            ])
            .args(["--calls", &calls.to_string(), "--at-once", "100"]);
        command.output().expect("starts")
    });
    let output = output.await.expect("ran");
    serde_json::from_slice(&output.stdout).expect("a report")
}
