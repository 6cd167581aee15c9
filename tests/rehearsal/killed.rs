//! A run that is killed leaves nothing, whatever it was writing.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{VAXEL, err, vaxel_in};

/// Longer than a run takes to begin, also on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(60);

/// Whether a process has a file open in a folder, under any name or none.
fn writes_in(process: u32, folder: &Path) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    let mut leads = files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok());
    leads.any(|to| to.starts_with(folder) && to != folder)
}

#[test]
fn a_run_that_is_killed_leaves_no_half_of_its_lists() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = fs::canonicalize(folder.path()).expect("there");
    let mut run = Command::new(VAXEL)
        .current_dir(&own)
        .args([
            "simulate",
            "today",
            "--days",
            "3650",
            "--calls-csv",
            "a.csv",
        ])
        .args(["--calls-parquet", "a.parquet"])
        .stdout(Stdio::null())
        .spawn()
        .expect("vaxel runs");
    let begun = Instant::now();
    while !writes_in(run.id(), &own) {
        assert!(begun.elapsed() < DEADLINE, "it never began to write");
        std::thread::yield_now();
    }
    run.kill().expect("ours");
    run.wait().expect("it ends");
    let left: Vec<_> = fs::read_dir(&own).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// By a program of before, or on a disk that can't do without names.
#[test]
fn what_another_killed_run_left_is_taken_over_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.html.part"), "half").expect("written");
    let args = [
        "simulate",
        "erlang-check",
        "--days",
        "1",
        "--report",
        "a.html",
    ];
    let run = vaxel_in(folder.path(), &args);
    assert!(run.status.success(), "{}", err(&run));
    assert!(
        err(&run).contains("a.html.part was left by a run that was killed"),
        "{}",
        err(&run)
    );
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
