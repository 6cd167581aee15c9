//! What the recorder kept, read as a person reads it: by `vaxel recordings`.

use std::{path::PathBuf, process::Command};

use serde_json::Value;
use testkit::{http, tone};

use crate::{
    scenario::FILE,
    sound,
    switch::{Switch, VAXEL},
};

/// One exported recording.
pub(crate) struct Exported {
    /// As `vaxel recordings list --json` shows it.
    pub(crate) row: Value,
    left: Vec<i16>,
    right: Vec<i16>,
}

impl Exported {
    /// Whether the caller's side has that tone.
    pub(crate) fn caller_said(&self, hz: f64) -> bool {
        tone::heard(&self.left, hz)
    }

    /// Whether the nurse's side has that tone.
    pub(crate) fn nurse_said(&self, hz: f64) -> bool {
        tone::heard(&self.right, hz)
    }
}

/// Waits until that many recordings are over, and exports them, newest first.
pub(crate) async fn closed(switch: &Switch, expected: usize) -> Vec<Exported> {
    let rows = at_rest(switch, expected).await;
    assert_eq!(rows.len(), expected, "recordings");
    let whole = rows.iter().all(|row| row["state"] == "closed");
    assert!(whole, "cut off: {rows:?}");
    rows.into_iter().map(|row| export(switch, row)).collect()
}

/// Waits until there are at least so many recordings and none of them goes on.
pub(crate) async fn at_rest(switch: &Switch, at_least: usize) -> Vec<Value> {
    http::wait_for("every recording over", async || {
        let rows = list(switch);
        let over = rows.iter().all(|row| row["state"] != "open");
        (over && rows.len() >= at_least).then_some(rows)
    })
    .await
}

/// Everything in the store.
pub(crate) fn list(switch: &Switch) -> Vec<Value> {
    let rows = recordings(switch, &["list", "--json"]);
    serde_json::from_slice(&rows).expect("a list in JSON")
}

fn export(switch: &Switch, row: Value) -> Exported {
    let id = row["id"].as_str().expect("an id");
    let file: PathBuf = switch.folder().join(format!("{id}.wav"));
    let path = file.to_str().expect("a folder with a plain name");
    recordings(
        switch,
        &["export", id, "--out", path, "--purpose", "a test"],
    );
    Exported {
        left: sound::read_channel(&file, 0),
        right: sound::read_channel(&file, 1),
        row,
    }
}

fn recordings(switch: &Switch, args: &[&str]) -> Vec<u8> {
    let output = Command::new(VAXEL)
        .current_dir(switch.folder())
        .args(["recordings", "--config", FILE])
        .args(args)
        .output()
        .expect("vaxel runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "recordings {args:?}: {complaint}");
    output.stdout
}
