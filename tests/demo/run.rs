//! The one run that most tests look at.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

use crate::ports::Shift;

/// The program under test.
pub(crate) const VAXEL: &str = env!("CARGO_BIN_EXE_vaxel");

/// What a finished demo left behind.
pub(crate) struct Run {
    /// Its folder, with both operators' stores.
    pub(crate) folder: PathBuf,
    /// What it printed on stdout.
    pub(crate) summary: Value,
    /// Everything it logged, at `-vv`.
    pub(crate) log: String,
    /// Recordings at the switch.
    pub(crate) here: Vec<Value>,
    /// Recordings at the provider.
    pub(crate) provider: Vec<Value>,
}

impl Run {
    /// Enough that seed 7 has callers of every kind.
    pub(crate) const CALLS: u64 = 24;
}

/// The run; the first who asks waits for it.
pub(crate) fn run() -> &'static Run {
    static RUN: LazyLock<Run> = LazyLock::new(play);
    &RUN
}

fn play() -> Run {
    // Not a folder that goes with a value: this value lives as long as the program.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder of this test");
    let shift = Shift::free();
    let output = Command::new(VAXEL)
        .current_dir(&folder)
        .args(["-vv", "demo", "--json", "--seed", "7", "--rate", "4"])
        .args(["--journal", "run.journal"])
        .args(["--calls", &Run::CALLS.to_string()])
        .args(["--shift", &shift.by.to_string()])
        .output()
        .expect("vaxel runs");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {log}", output.status);
    Run {
        summary: serde_json::from_slice(&output.stdout).expect("JSON and nothing else"),
        here: recordings(&folder, "imy-2019"),
        provider: recordings(&folder, "medhelp-2019"),
        log,
        folder,
    }
}

/// What `vaxel recordings list` shows.
pub(crate) fn recordings(folder: &Path, scenario: &str) -> Vec<Value> {
    let output = Command::new(VAXEL)
        .current_dir(folder)
        .args(["recordings", "list", "--json", "--limit", "1000"])
        .args(["--config", scenario])
        .output()
        .expect("vaxel runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).expect("a list in JSON")
}

/// The sum of an object's numbers.
pub(crate) fn sum(object: &Value) -> u64 {
    let object = object.as_object().expect("an object");
    object.values().filter_map(Value::as_u64).sum()
}
