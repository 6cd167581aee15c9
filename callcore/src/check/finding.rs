//! One finding, as a person and a program read it.

use serde::Serialize;

use super::catalogue::entry;
use crate::scenario::{Fault, OrgId, Scenario};

/// How grave a finding is. Both fail a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that is against the law, or leaves a caller without an answer.
    Error,
    /// Something that is likely not meant.
    Warning,
}

impl Severity {
    /// Its name: `error` or `warning`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something found wrong. Serialised, it has the fixed keys of `vaxel routes check --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its code: `vaxel explain` tells more.
    pub code: &'static str,
    /// Other codes that an authority decided together with this one.
    #[serde(skip)]
    pub also: Vec<&'static str>,
    /// How grave it is.
    pub severity: Severity,
    /// The id of the organisation that has to answer for it; empty when the file couldn't be read.
    pub actor: Box<str>,
    /// The articles it breaks; `Art.` is an article of the GDPR.
    pub articles: Vec<&'static str>,
    /// What an authority decided was to be paid for it, in Swedish kronor; a fact of that case.
    pub sanction_sek: Option<u64>,
    /// Where that is written, and what came with it.
    #[serde(skip)]
    pub sanction_source: String,
    /// The file.
    pub file: Box<str>,
    /// The line, counted from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Why it matters.
    #[serde(skip)]
    pub why: &'static str,
    /// Where that is written.
    #[serde(skip)]
    pub source: &'static str,
}

impl Finding {
    /// A finding with what the catalogue says of its code.
    pub(super) fn new(
        scenario: &Scenario,
        code: &'static str,
        actor: OrgId,
        line: u32,
        message: String,
    ) -> Self {
        Self {
            actor: scenario.org(actor).id.clone(),
            file: scenario.file.clone(),
            line,
            ..Self::of_code(code, message)
        }
    }

    /// A fault that made a file unreadable, as a finding.
    pub(super) fn of_fault(file: &str, fault: &Fault) -> Self {
        Self {
            file: file.into(),
            line: u32::try_from(fault.line).unwrap_or(u32::MAX),
            remedy: fault.remedy.clone(),
            ..Self::of_code(fault.code, fault.message.clone())
        }
    }

    /// Every code is in the catalogue (a test asks for all); one that weren't would be a finding without reasons.
    fn of_code(code: &'static str, message: String) -> Self {
        let entry = entry(code);
        Self {
            code,
            also: Vec::new(),
            severity: entry.map_or(Severity::Error, |entry| entry.severity),
            actor: Box::default(),
            articles: entry.map_or_else(Vec::new, |entry| entry.articles.to_vec()),
            sanction_sek: None,
            sanction_source: String::new(),
            file: Box::default(),
            line: 1,
            message,
            remedy: entry.map_or("", |entry| entry.remedy).to_owned(),
            why: entry.map_or("", |entry| entry.why),
            source: entry.map_or("", |entry| entry.source),
        }
    }

    /// The same with other articles than the catalogue's: those that bind this actor in its role.
    pub(super) fn under(mut self, articles: &[&'static str]) -> Self {
        self.articles = articles.to_vec();
        self
    }

    /// Takes another finding of the same actor into this one.
    pub(super) fn join(&mut self, other: Self) {
        self.also.push(other.code);
        self.severity = self.severity.min(other.severity);
        for article in other.articles {
            if !self.articles.contains(&article) {
                self.articles.push(article);
            }
        }
        self.message = format!("{}; {}", self.message, other.message);
        if self.remedy != other.remedy {
            self.remedy = format!("{}; {}", self.remedy, other.remedy);
        }
    }
}
