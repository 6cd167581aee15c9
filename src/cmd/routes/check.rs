//! `vaxel routes check`: every finding underlined where it stands.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use callcore::{
    check::{Finding, Report, Severity, Subject, check},
    scenario::Scenario,
};
use miette::{LabeledSpan, MietteDiagnostic};

use super::{sarif, source::Source};
use crate::{cli::CheckArgs, failure::Failure, files, show};

/// A file that was given.
struct Given {
    text: String,
    file: PathBuf,
    scenario: Option<Scenario>,
}

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let today = files::day_or_today(args.on.as_deref())?;
    let mut report = Report::default();
    let mut given = Vec::new();
    for name in &args.scenarios {
        let (text, file) = files::read(name)?;
        let scenario = Scenario::from_toml(&text, &file.display().to_string())
            .inspect_err(|error| report.add_unreadable(error))
            .ok();
        given.push(Given {
            text,
            file,
            scenario,
        });
    }
    for given in &given {
        if let Some(scenario) = &given.scenario {
            let folder = given.file.parent().unwrap_or(Path::new("."));
            let has_audio =
                |file: &str| folder.join(file).is_file() || gateway::audio::built_in(file).is_ok();
            let subject = Subject {
                scenario,
                has_audio: &has_audio,
            };
            let found = check(&[subject], today);
            let total = &mut report.sanction_sek_total;
            *total = total.saturating_add(found.sanction_sek_total);
            report.findings.extend(found.findings);
        }
    }
    match (args.json, args.sarif) {
        (true, _) => show::json(&report)?,
        (_, true) => show::json(&sarif::log(&report))?,
        _ => print(&report, &given)?,
    }
    let unreadable = given.iter().any(|given| given.scenario.is_none());
    Ok(match (unreadable, report.findings.is_empty()) {
        (true, _) => ExitCode::from(2),
        (false, false) => ExitCode::from(1),
        (false, true) => ExitCode::SUCCESS,
    })
}

fn print(report: &Report, given: &[Given]) -> Result<(), Failure> {
    let mut sources: BTreeMap<String, Arc<Source>> = BTreeMap::new();
    for given in given {
        let name = given.file.display().to_string();
        let source = Source::new(&name, &given.text);
        sources.entry(name).or_insert_with(|| Arc::new(source));
    }
    for finding in &report.findings {
        let source = sources.get(&*finding.file).cloned();
        let source = source.unwrap_or_else(|| Arc::new(Source::new(&finding.file, "")));
        show::diagnostic(&underlined(finding, source))?;
    }
    let count = |severity| {
        let of_it = report
            .findings
            .iter()
            .filter(|finding| finding.severity == severity);
        of_it.count()
    };
    show::line(format_args!(
        "{} checked: {}, {}",
        counted(given.len(), "file"),
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning")
    ))?;
    if report.sanction_sek_total > 0 {
        show::line(format_args!(
            "sanctions decided for these findings: {} SEK",
            grouped(report.sanction_sek_total)
        ))?;
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A finding as a compiler shows it: the line, whom it concerns, what to do, and why.
fn underlined(finding: &Finding, source: Arc<Source>) -> miette::Report {
    let mut help = finding.remedy.clone();
    if !finding.why.is_empty() {
        help = format!("{help}\nwhy: {}\nsource: {}", finding.why, finding.source);
    }
    let mut label = Vec::new();
    if !finding.actor.is_empty() {
        label.push(finding.actor.to_string());
    }
    label.extend(finding.articles.iter().map(|article| (*article).to_owned()));
    if let Some(sek) = finding.sanction_sek {
        label.push(format!(
            "sanction {} SEK ({})",
            grouped(sek),
            finding.sanction_source
        ));
    }
    let label = (!label.is_empty()).then(|| show::harmless(&label.join(", ")));
    let span = source.line(finding.line);
    let codes: Vec<&str> = std::iter::once(finding.code)
        .chain(finding.also.iter().copied())
        .collect();
    let diagnostic = MietteDiagnostic::new(show::harmless(&finding.message))
        .with_code(codes.join("+"))
        .with_severity(match finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
        .with_help(show::harmless(&help))
        .with_label(LabeledSpan::new_with_span(label, span));
    miette::Report::new(diagnostic).with_source_code(source)
}

/// `13 650 000`.
fn grouped(sek: u64) -> String {
    let digits = sek.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_grouped() {
        assert_eq!(grouped(13_650_000), "13 650 000");
        assert_eq!(grouped(650), "650");
    }
}
