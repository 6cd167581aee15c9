//! The regulator's findings of 2021 come out of the scenarios of 2019, and only those.

use callcore::check::Report;

use super::checked;

const IMY: (&str, &str) = (
    "scenarios/imy-2019.toml",
    include_str!("../../../scenarios/imy-2019.toml"),
);
const MEDHELP: (&str, &str) = (
    "scenarios/medhelp-2019.toml",
    include_str!("../../../scenarios/medhelp-2019.toml"),
);
const TODAY: (&str, &str) = (
    "scenarios/today.toml",
    include_str!("../../../scenarios/today.toml"),
);

type Row<'r> = (&'r str, Vec<&'r str>, Option<u64>);

fn rows(report: &Report) -> Vec<Row<'_>> {
    let row =
        |finding: &'_ callcore::check::Finding| (finding.articles.clone(), finding.sanction_sek);
    report
        .findings
        .iter()
        .map(|finding| {
            let (articles, sanction) = row(finding);
            (&*finding.actor, articles, sanction)
        })
        .collect()
}

#[test]
fn exactly_the_regulators_findings_of_2019() {
    let report = checked(&[IMY, MEDHELP]);
    let mut found = rows(&report);
    found.sort_by_key(|(actor, articles, sek)| (*actor, std::cmp::Reverse(*sek), articles.clone()));
    const A13: [&str; 2] = ["Art. 5.1 a", "Art. 13"];
    let expected: Vec<Row<'_>> = vec![
        ("medhelp", vec!["Art. 5.1 f", "Art. 32"], Some(8_000_000)),
        (
            "medhelp",
            vec!["Art. 5.1 a", "Art. 6", "Art. 9"],
            Some(3_000_000),
        ),
        ("medhelp", A13.to_vec(), Some(500_000)),
        (
            "medhelp",
            vec![
                "Art. 5.1 f",
                "Art. 32",
                "HSLF-FS 2016:40 3 kap. 12 §",
                "HSLF-FS 2016:40 3 kap. 13 §",
            ],
            Some(500_000),
        ),
        (
            "region-01",
            vec!["Art. 5.1 a", "Art. 13", "Art. 14"],
            Some(500_000),
        ),
        ("region-04", A13.to_vec(), Some(250_000)),
        ("region-17", A13.to_vec(), Some(250_000)),
        ("voice", vec!["Art. 32"], Some(650_000)),
    ];
    assert_eq!(found, expected);
    assert_eq!(report.sanction_sek_total, 13_650_000);
}

#[test]
fn none_against_inera() {
    let report = checked(&[IMY, MEDHELP]);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| &*finding.actor != "inera")
    );
}

#[test]
fn none_today() {
    assert_eq!(rows(&checked(&[TODAY])), []);
}

#[test]
fn a_mended_fault_is_no_finding_and_its_sanction_is_gone() {
    let told = IMY.1.replacen(
        "text = \"Välkommen till 1177, ditt samtal kopplas.\"\ninforms = []",
        "text = \"Välkommen till 1177, ditt samtal kopplas.\"\ninforms = [\"number-and-kommun-id\"]",
        1,
    );
    assert_ne!(told, IMY.1);
    let report = checked(&[("told.toml", &told)]);
    let codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(
        codes,
        ["V0304"],
        "what Stockholm collects is still not told"
    );
    assert_eq!(
        report.sanction_sek_total, 0,
        "the sanction was for both silences"
    );
}

#[test]
fn the_rules_know_nobody_by_name() {
    let renamed = MEDHELP
        .1
        .replace("\"medhelp\"", "\"anna\"")
        .replace("\"medicall\"", "\"bertil\"")
        .replace("\"voice\"", "\"cecilia\"");
    let count = |file| rows(&checked(&[file])).len();
    assert_eq!(count(("renamed.toml", renamed.as_str())), count(MEDHELP));
}

#[test]
fn the_findings_as_json() {
    let report = checked(&[IMY, MEDHELP]);
    let json = serde_json::to_value(&report).expect("a report is JSON");
    let mut keys: Vec<_> = json["findings"][0]
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    keys.sort();
    let mut fixed = [
        "code",
        "severity",
        "actor",
        "articles",
        "sanction_sek",
        "file",
        "line",
        "message",
        "remedy",
    ];
    fixed.sort_unstable();
    assert_eq!(keys, fixed);
    let text = serde_json::to_string_pretty(&report).expect("JSON is text");
    super::golden("tests/golden/check-2019.json", &(text + "\n"));
}

/// Each is a number that TOML can write; together they are more than a total can hold.
#[test]
fn sanctions_beyond_all_measure_are_told_and_no_panic() {
    let text: String = IMY
        .1
        .lines()
        .map(|line| match line.starts_with("sek = ") {
            true => format!("sek = {}\n", i64::MAX),
            false => format!("{line}\n"),
        })
        .collect();
    let report = checked(&[("scenarios/imy-2019.toml", &text)]);
    assert_eq!(report.sanction_sek_total, u64::MAX);
}
