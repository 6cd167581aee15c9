//! The house itself: which room may know which, and the habits that keep it easy to live in.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// Who may depend on whom (ARCHITECTURE.md, "Rooms"). Development dependencies count too, but for the test kit.
const EDGES: &[(&str, &[&str])] = &[
    ("callcore", &[]),
    ("wire", &[]),
    ("transport", &["wire"]),
    ("gateway", &["callcore", "transport", "wire"]),
    ("recorder", &["callcore", "transport", "wire"]),
    ("simulator", &["callcore", "transport", "wire"]),
    ("dashboards", &["gateway", "recorder"]),
    ("testkit", &["transport", "wire"]),
    (
        "vaxel",
        &[
            "callcore",
            "dashboards",
            "gateway",
            "recorder",
            "simulator",
            "testkit",
            "transport",
            "wire",
        ],
    ),
];

/// Longest file of ours; more needs a reason, and then an entry here.
const FILE_LINES_MAX: usize = 500;

/// A test file may be longer: it lists cases, and is read one case at a time.
const TEST_LINES_MAX: usize = 650;

/// Longest function outside tests, in lines. A ratchet: lower it when the longest one is mended.
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn rooms_know_only_whom_they_may() {
    let edges = workspace_edges();
    let allowed: BTreeMap<&str, BTreeSet<&str>> = EDGES
        .iter()
        .map(|(room, knows)| (*room, knows.iter().copied().collect()))
        .collect();
    assert_eq!(
        edges.keys().map(String::as_str).collect::<Vec<_>>(),
        allowed.keys().copied().collect::<Vec<_>>(),
        "rooms"
    );
    for (room, knows) in &edges {
        for other in knows {
            let may = allowed
                .get(room.as_str())
                .is_some_and(|allowed| allowed.contains(other.as_str()));
            assert!(
                may,
                "{room} depends on {other}, which ARCHITECTURE.md doesn't allow"
            );
        }
    }
}

#[test]
fn every_module_says_what_it_is() {
    for file in sources() {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//!"),
            "{}: begin with a //! line that says what is in here",
            file.display()
        );
    }
}

#[test]
fn files_and_functions_stay_readable() {
    for file in sources() {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let lines = text.lines().count();
        let lines_max = if is_test(&file) {
            TEST_LINES_MAX
        } else {
            FILE_LINES_MAX
        };
        assert!(
            lines <= lines_max,
            "{}: {lines} lines; split it by idea",
            file.display()
        );
        for (name, length) in functions(&text) {
            assert!(
                length <= FUNCTION_LINES_MAX,
                "{}: fn {name} has {length} lines",
                file.display()
            );
        }
    }
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let all: String = sources()
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("a source file"))
        .collect();
    let section = text
        .split("## Invariants")
        .nth(1)
        .expect("a section named Invariants");
    let section = section.split("\n## ").next().unwrap_or_default();
    let numbered: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert!(numbered.len() >= 8, "the eight invariants of the design");
    for line in numbered {
        let tests: Vec<&str> = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|word| word.starts_with("test:"))
            .collect();
        assert!(!tests.is_empty(), "names no test: {line}");
        for test in tests {
            let name = test.trim_start_matches("test:");
            assert!(
                all.contains(&format!("fn {name}(")),
                "no test is called {name}"
            );
        }
    }
}

#[test]
fn every_metric_is_told_of_and_every_one_told_of_exists() {
    let told = std::fs::read_to_string(root().join("docs/metrics.md")).expect("docs/metrics.md");
    let told: BTreeSet<&str> = told.split('`').filter(|word| is_metric(word)).collect();
    let mut registered = BTreeSet::new();
    for file in sources().iter().filter(|file| !is_test(file)) {
        let text = std::fs::read_to_string(file).expect("a source file");
        registered.extend(
            text.split('"')
                .filter(|word| is_metric(word))
                .map(str::to_owned),
        );
    }
    let registered: BTreeSet<&str> = registered.iter().map(String::as_str).collect();
    assert_eq!(told, registered, "docs/metrics.md and the code differ");
}

/// Files that hold tests only.
fn is_test(file: &Path) -> bool {
    let inside = file.strip_prefix(root()).unwrap_or(file);
    inside.components().any(|part| {
        ["tests", "tests.rs", "examples"]
            .iter()
            .any(|name| part.as_os_str() == *name)
    })
}

/// A whole metric name: `vaxel_` and lower-case words.
fn is_metric(word: &str) -> bool {
    word.starts_with("vaxel_")
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn no_machine_and_no_leftovers_in_the_sources() {
    for file in sources() {
        let text = std::fs::read_to_string(&file).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            let at = || format!("{}:{}: {line}", file.display(), number + 1);
            let word = |word: &str| line.contains(word) && !file.ends_with("architecture.rs");
            assert!(
                !word("/home/") && !word("/root/"),
                "a path of one machine: {}",
                at()
            );
            assert!(!word("#[ignore"), "a test that is switched off: {}", at());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workspace_edges() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let rooms: BTreeSet<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let edges = |package: &serde_json::Value| -> BTreeSet<String> {
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        let names = dependencies
            .iter()
            .filter_map(|dependency| dependency["name"].as_str());
        names
            .filter(|name| rooms.contains(name))
            .map(str::to_owned)
            .collect()
    };
    packages
        .iter()
        .map(|package| {
            (
                package["name"].as_str().expect("a name").to_owned(),
                edges(package),
            )
        })
        .collect()
}

fn sources() -> Vec<PathBuf> {
    let rooms = [
        "src",
        "callcore",
        "wire",
        "transport",
        "gateway",
        "recorder",
        "simulator",
        "dashboards",
        "tests",
    ];
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = rooms.iter().map(|room| root().join(room)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)
            .expect("a folder of the project")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 50, "the sources were found");
    found
}

/// Functions and their lengths, as rustfmt lays them out: from `fn` to the closing brace in the same column.
fn functions(text: &str) -> Vec<(String, usize)> {
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let Some(at) = trimmed
            .find("fn ")
            .filter(|at| *at == 0 || trimmed[..*at].ends_with(' '))
        else {
            continue;
        };
        let is_code = !trimmed.starts_with("//") && !trimmed.contains('"');
        if !is_code {
            continue;
        }
        let indent = line.len() - trimmed.len();
        let closing = format!("{}}}", " ".repeat(indent));
        let name = trimmed[at + 3..]
            .split(['(', '<'])
            .next()
            .unwrap_or_default()
            .to_owned();
        if let Some(length) = lines[start..].iter().position(|line| *line == closing) {
            found.push((name, length + 1));
        }
    }
    found
}
