//! One broken scenario for every finding: `tests/check/corpus/NAME.toml`, and what is found in it in `NAME.txt`.
//!
//! `VAXEL_GOLDEN=1 cargo test -p callcore --test check` writes the expectations anew.

use std::{collections::BTreeSet, fmt::Write as _};

use callcore::check::{CATALOGUE, Finding, entry};

use super::{checked, golden, path};

/// Every file of the corpus: its name without the ending, and its text.
#[expect(
    clippy::disallowed_methods,
    reason = "the corpus is read by the test, not by the crate"
)]
fn corpus() -> Vec<(String, String)> {
    let files = std::fs::read_dir(path("tests/check/corpus")).expect("the corpus is there");
    let mut found: Vec<(String, String)> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    found.sort();
    found
}

fn shown(finding: &Finding, text: &str) -> String {
    let line = text
        .lines()
        .nth(finding.line as usize - 1)
        .unwrap_or_default();
    let Finding {
        code,
        actor,
        line: at,
        message,
        remedy,
        ..
    } = finding;
    let mut shown = format!("{code} {} {actor} line {at}\n", finding.severity.name());
    let _ = writeln!(shown, "  | {}", line.trim());
    let _ = writeln!(shown, "  {message}");
    let _ = writeln!(shown, "  breaks: {}", finding.articles.join(", "));
    let _ = writeln!(shown, "  help: {remedy}");
    shown
}

#[test]
fn every_broken_scenario_gives_its_own_finding_at_its_own_line() {
    let corpus = corpus();
    assert!(corpus.len() >= 40, "{}", corpus.len());
    for (name, text) in &corpus {
        let file = format!("{name}.toml");
        let report = checked(&[(&file, text)]);
        let found: String = report
            .findings
            .iter()
            .map(|finding| shown(finding, text))
            .collect();
        golden(&format!("tests/check/corpus/{name}.txt"), &found);
    }
}

/// The first line of each file says which code is found; nothing else is.
#[test]
fn each_file_gives_the_code_it_promises_and_no_other() {
    for (name, text) in corpus() {
        let about = text.lines().next().expect("a first line");
        let promised = about.find(": V").map(|at| &about[at + 2..at + 7]);
        let report = checked(&[(&name, &text)]);
        let found: BTreeSet<&str> = report.findings.iter().map(|finding| finding.code).collect();
        let found: Vec<_> = found.into_iter().collect();
        assert_eq!(found, promised.into_iter().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn every_code_is_tried() {
    let mut tried = BTreeSet::new();
    for (name, text) in corpus() {
        let report = checked(&[(&name, &text)]);
        tried.extend(report.findings.into_iter().map(|finding| finding.code));
    }
    for entry in CATALOGUE {
        assert!(
            tried.contains(entry.code),
            "no scenario of the corpus gives {}",
            entry.code
        );
    }
    for code in tried {
        assert!(entry(code).is_some(), "{code} is not in the catalogue");
    }
}

#[test]
fn the_catalogue() {
    let mut text = String::new();
    for entry in CATALOGUE {
        let _ = writeln!(text, "{}", callcore::check::explanation(entry));
    }
    golden("tests/golden/catalogue.txt", &text);
    assert!(CATALOGUE.is_sorted_by_key(|entry| entry.code));
}
