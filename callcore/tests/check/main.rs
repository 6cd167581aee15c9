//! The checker: what it finds in 2019, that it finds nothing today, and one broken scenario for every finding.

mod corpus;
mod decisions;
mod imy;
mod incident;
mod limits;

use std::path::PathBuf;

use callcore::{
    check::{Report, Subject, check},
    scenario::Scenario,
};
use jiff::civil::{Date, date};

/// The day of all these checks.
const TODAY: Date = date(2026, 11, 22);

/// Checks texts that are named for messages. A text that can't be read gives its faults as findings.
fn checked(files: &[(&str, &str)]) -> Report {
    let has_audio = |file: &str| file != "missing.wav";
    let mut unreadable = Vec::new();
    let mut scenarios = Vec::new();
    for (name, text) in files {
        match Scenario::from_toml(text, name) {
            Ok(scenario) => scenarios.push(scenario),
            Err(error) => unreadable.push(error),
        }
    }
    let subjects: Vec<Subject<'_>> = scenarios
        .iter()
        .map(|scenario| Subject {
            scenario,
            has_audio: &has_audio,
        })
        .collect();
    let mut report = check(&subjects, TODAY);
    unreadable
        .iter()
        .for_each(|error| report.add_unreadable(error));
    report
}

/// A file under the crate's folder.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares with a golden file, or writes it.
#[expect(
    clippy::disallowed_methods,
    reason = "golden files are read by the test, not by the crate"
)]
fn golden(name: &str, text: &str) {
    let path = path(name);
    if std::env::var_os("VAXEL_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; VAXEL_GOLDEN=1 writes it"));
    assert_eq!(golden, text, "{name}; VAXEL_GOLDEN=1 writes it anew");
}
