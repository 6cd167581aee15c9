//! All findings, with the sanctions that are known for them.

use serde::Serialize;

use super::Finding;
use crate::scenario::{Sanction, Scenario, ScenarioError};

/// What a check found. Serialised, it is `vaxel routes check --json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The findings, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// The sum of the sanctions, in Swedish kronor.
    pub sanction_sek_total: u64,
}

impl Report {
    /// Adds the findings of one scenario.
    pub(super) fn add(&mut self, scenario: &Scenario, mut findings: Vec<Finding>) {
        for sanction in &scenario.sanctions {
            apply(scenario, sanction, &mut findings);
        }
        findings.sort_by(|a, b| (a.line, a.code, &a.actor).cmp(&(b.line, b.code, &b.actor)));
        self.extend(findings);
    }

    /// Adds the faults of a file that couldn't be read.
    pub fn add_unreadable(&mut self, error: &ScenarioError) {
        let findings = error
            .faults()
            .map(|fault| Finding::of_fault(error.file(), fault));
        self.extend(findings.collect());
    }

    fn extend(&mut self, findings: Vec<Finding>) {
        // A scenario may say any number.
        self.sanction_sek_total = findings
            .iter()
            .filter_map(|finding| finding.sanction_sek)
            .fold(self.sanction_sek_total, u64::saturating_add);
        self.findings.extend(findings);
    }
}

/// Attaches a sanction to the findings it was for, which become one as they were in the decision. It was for all of
/// them: where one is mended the case is another, and the sanction says nothing of it.
fn apply(scenario: &Scenario, sanction: &Sanction, findings: &mut Vec<Finding>) {
    let actor = &scenario.org(sanction.actor).id;
    let concerns = |finding: &Finding| {
        finding.actor == *actor
            && finding.sanction_sek.is_none()
            && sanction.findings.iter().any(|code| **code == *finding.code)
    };
    let all_there = sanction.findings.iter().all(|code| {
        findings
            .iter()
            .any(|finding| finding.code == &**code && concerns(finding))
    });
    if !all_there {
        return;
    }
    let (concerned, rest): (Vec<_>, Vec<_>) = findings.drain(..).partition(concerns);
    *findings = rest;
    let Some(mut joined) = concerned.into_iter().reduce(|mut joined, other| {
        joined.join(other);
        joined
    }) else {
        return;
    };
    joined.sanction_sek = Some(sanction.sek);
    joined.sanction_source = if sanction.note.is_empty() {
        sanction.source.to_string()
    } else {
        format!("{}; {}", sanction.source, sanction.note)
    };
    findings.push(joined);
}
