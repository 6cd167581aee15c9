//! A demonstration beside another: who is refused is told what to type, and typing it helps.

use std::{path::Path, process::Command};

use testkit::child::Child;

use crate::{ports::Shift, run::VAXEL};

fn demo(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(VAXEL);
    command
        .current_dir(folder)
        .args(["demo", "--quiet-callers"])
        .args(more);
    command
}

/// What follows `vaxel demo` in the sentence that says what to type.
fn remedy(said: &str) -> Vec<String> {
    let (_, typed) = said.split_once("vaxel demo ").expect(said);
    let words = typed.split_whitespace();
    words.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_second_demonstration_is_told_what_to_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let shift = Shift::free();
    let by = shift.by.to_string();
    let mut first = Child::start("the first", &mut demo(folder.path(), &["--shift", &by]));
    first.says("Ctrl-C").await;
    // The same folder, by whichever ports.
    let same_store = demo(folder.path(), &["--shift", &by]).output();
    let same_store = same_store.expect("vaxel runs");
    let said = String::from_utf8_lossy(&same_store.stderr).into_owned();
    assert_eq!(same_store.status.code(), Some(3), "{said}");
    assert!(
        said.contains("another demonstration has the recordings"),
        "{said}"
    );
    assert_eq!(
        remedy(&said),
        ["--shift", &by, "--data", "demo-2"],
        "{said}"
    );
    assert!(!said.contains("`store`"), "{said}");
    // A folder of its own, and the same ports.
    let same_ports = demo(folder.path(), &["--shift", &by, "--data", "other"]).output();
    let same_ports = same_ports.expect("vaxel runs");
    let said = String::from_utf8_lossy(&same_ports.stderr).into_owned();
    assert_eq!(same_ports.status.code(), Some(3), "{said}");
    let further = (shift.by + 100).to_string();
    assert_eq!(
        remedy(&said),
        ["--shift", &further, "--data", "other"],
        "{said}"
    );
    first.interrupt();
    first.ends().await;
}
