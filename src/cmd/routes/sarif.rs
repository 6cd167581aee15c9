//! Findings as SARIF 2.1.0, which code review tools show beside the line.

use callcore::check::{CATALOGUE, Finding, Report};
use serde_json::{Value, json};

/// The whole log: one run, its rules, and a result for each finding.
pub(super) fn log(report: &Report) -> Value {
    let rules: Vec<Value> = CATALOGUE
        .iter()
        .map(|entry| {
            json!({
                "id": entry.code,
                "shortDescription": { "text": entry.title },
                "fullDescription": { "text": entry.why },
                "help": { "text": format!("{} ({})", entry.remedy, entry.source) },
                "defaultConfiguration": { "level": entry.severity.name() },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "vaxel",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": report.findings.iter().map(result).collect::<Vec<Value>>(),
        }],
    })
}

fn result(finding: &Finding) -> Value {
    json!({
        "ruleId": finding.code,
        "level": finding.severity.name(),
        "message": { "text": format!("{}\n{}", finding.message, finding.remedy) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": finding.file },
            "region": { "startLine": finding.line },
        } }],
        "properties": {
            "actor": finding.actor,
            "articles": finding.articles,
            "sanction_sek": finding.sanction_sek,
        },
    })
}
