//! What is tried before anything goes live: runs in virtual time, rule sets beside each other, and callers by every way there is.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod compared;
mod killed;
mod ways;

use std::{
    path::Path,
    process::{Command, Output},
};

const VAXEL: &str = env!("CARGO_BIN_EXE_vaxel");

fn vaxel_in(folder: &Path, args: &[&str]) -> Output {
    Command::new(VAXEL)
        .current_dir(folder)
        .args(args)
        .output()
        .expect("vaxel runs")
}

/// What it printed, which is JSON and nothing else.
fn json(output: &Output) -> serde_json::Value {
    let said = err(output);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It ended with that code, and said these words.
#[track_caller]
fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = err(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} in: {said}");
    }
}
