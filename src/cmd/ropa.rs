//! `vaxel ropa`: the register of processing activities (GDPR Art. 30), derived from a scenario.

use std::{collections::BTreeSet, fs::File, io, path::Path, process::ExitCode};

use callcore::{
    retention::ObjectClass,
    roles::{Comparison, Datum, Observed, Operation, Role, compare, roles},
    scenario::{OrgId, Scenario},
};
use serde::Serialize;

use crate::{bounded, cli::RopaArgs, failure::Failure, files, show};

/// The register. Art. 30.1 is a controller's part, Art. 30.2 a processor's; an entry serves both.
#[derive(Debug, Serialize)]
struct Register {
    scenario: String,
    operator: String,
    entries: Vec<Entry>,
    /// What was done and isn't declared: empty when everything is, or when no ledger was given.
    undeclared: Vec<Undeclared>,
}

#[derive(Debug, Serialize)]
struct Entry {
    operation: &'static str,
    data: Vec<&'static str>,
    controller: String,
    processor: Option<String>,
    purpose: String,
    basis: String,
    agreement: Option<String>,
    recipient: Option<String>,
    /// Recipient and processor outside Sweden: their countries.
    country: Option<String>,
    erased: Vec<String>,
    at: Vec<String>,
    /// How many times the ledger has it; `None` when no ledger was given.
    observed: Option<u64>,
}

/// Something a ledger has and the scenario doesn't declare.
#[derive(Debug, Serialize)]
struct Undeclared {
    operation: String,
    data: Vec<String>,
    by: String,
    controller: String,
    recipient: Option<String>,
    place: String,
    observed: u64,
}

pub(crate) fn run(args: &RopaArgs) -> Result<ExitCode, Failure> {
    let loaded = files::load(&args.config)?;
    let scenario = &loaded.scenario;
    let only = match &args.organisation {
        None => None,
        Some(id) => Some(scenario.org_by_id(id).ok_or_else(|| {
            Failure::usage(format!("no organisation of {} is called {id}", args.config))
        })?),
    };
    let today = files::day_or_today(args.on.as_deref())?;
    let roles = roles(scenario, today);
    let compared = args
        .ledger
        .as_deref()
        .map(|file| compared(scenario, &roles, file))
        .transpose()?;
    let concerns = |role: &Role| only.is_none_or(|org| role.by == org || role.controller == org);
    let register = Register {
        scenario: loaded.file.display().to_string(),
        operator: name(scenario, scenario.operator),
        entries: roles
            .iter()
            .enumerate()
            .filter(|(_, role)| concerns(role))
            .map(|(place, role)| {
                let observed = compared.as_ref().map(|compared| compared.played[place]);
                entry(scenario, role, observed)
            })
            .collect(),
        undeclared: compared.map(undeclared).unwrap_or_default(),
    };
    if args.json {
        show::json(&register)?;
    } else {
        print(&register)?;
    }
    Ok(ExitCode::from(u8::from(!register.undeclared.is_empty())))
}

/// The ledger held against the roles. A line that can't be read makes the whole comparison worth nothing, so it is refused.
fn compared(scenario: &Scenario, roles: &[Role], file: &Path) -> Result<Comparison, Failure> {
    let wrong = |why: String| Failure::usage(format!("the ledger {}: {why}", file.display()));
    let opened = File::open(file).map_err(|error| wrong(error.to_string()))?;
    let mut fault = None;
    let lines = bounded::lines(opened).enumerate();
    let observations = lines.map_while(|(nth, line)| match observed(line) {
        Ok(observed) => Some(observed),
        Err(why) => {
            fault = Some(format!("line {}: {why}", nth + 1));
            None
        }
    });
    let compared = compare(scenario, roles, observations);
    fault.map_or(Ok(compared), |why| Err(wrong(why)))
}

fn observed(line: io::Result<String>) -> Result<Observed, String> {
    let line = line.map_err(|error| error.to_string())?;
    // What serde says of it may repeat what stands in it, and it may be another file, with numbers in it.
    let line: gateway::ledger::Line =
        serde_json::from_str(&line).map_err(|_| "it is no line of a boundary ledger".to_owned())?;
    Ok(Observed {
        operation: line.operation,
        data: line.data,
        by: line.by,
        controller: line.controller,
        recipient: line.recipient,
        place: line.place,
    })
}

fn undeclared(compared: Comparison) -> Vec<Undeclared> {
    let undeclared = compared.undeclared.into_iter();
    undeclared
        .map(|(what, observed)| Undeclared {
            operation: what.operation,
            data: what.data,
            by: what.by,
            controller: what.controller,
            recipient: what.recipient,
            place: what.place,
            observed,
        })
        .collect()
}

fn name(scenario: &Scenario, org: OrgId) -> String {
    let org = scenario.org(org);
    match &*org.board {
        "" => org.name.to_string(),
        board => format!("{} ({board})", org.name),
    }
}

fn entry(scenario: &Scenario, role: &Role, observed: Option<u64>) -> Entry {
    let processor = (role.by != role.controller).then_some(role.by);
    let countries = processor.into_iter().chain(role.recipient);
    let abroad: BTreeSet<&str> = countries
        .map(|org| &*scenario.org(org).country)
        .filter(|country| *country != "SE")
        .collect();
    let abroad: Vec<&str> = abroad.into_iter().collect();
    Entry {
        operation: role.operation.name(),
        data: role.data.iter().map(|datum| datum.name()).collect(),
        controller: name(scenario, role.controller),
        processor: processor.map(|org| name(scenario, org)),
        purpose: role.purpose.to_string(),
        basis: role.basis.to_string(),
        agreement: role
            .agreement
            .map(|id| scenario.agreement(id).id.to_string()),
        recipient: role.recipient.map(|org| name(scenario, org)),
        country: (!abroad.is_empty()).then(|| abroad.join(", ")),
        // How long data stay at a provider is not this scenario's to say.
        erased: (role.operation == Operation::Store)
            .then_some(&role.data)
            .into_iter()
            .flatten()
            .filter_map(|datum| erased(scenario, role.controller, *datum))
            .collect(),
        observed,
        at: role.at.iter().map(|name| name.to_string()).collect(),
    }
}

/// When such data go, as the retention rule of the controller says.
fn erased(scenario: &Scenario, controller: OrgId, datum: Datum) -> Option<String> {
    let class = match datum {
        Datum::Number => ObjectClass::TelephoneNumber,
        Datum::Voice => ObjectClass::Audio,
        Datum::Notes => ObjectClass::JournalDocument,
        Datum::AccessLog => ObjectClass::AccessLog,
        Datum::KommunId | Datum::CallInformation => return None,
    };
    let any_day = jiff::civil::date(2020, 1, 1);
    let (_, rule) = scenario.retention_window(controller, class, any_day)?;
    let ends = match rule.latest {
        Some(latest) => format!("{} to {latest}", rule.earliest),
        None => format!("at least {}", rule.earliest),
    };
    Some(format!("{}: {ends} ({})", datum.name(), rule.basis))
}

fn print(register: &Register) -> Result<(), Failure> {
    show::line(format_args!(
        "Register of processing activities (GDPR Art. 30), {}",
        register.scenario
    ))?;
    show::line(format_args!("Switch run by {}", register.operator))?;
    let mut controller = "";
    for entry in &register.entries {
        if entry.controller != controller {
            controller = &entry.controller;
            show::line(format_args!("\n{controller}"))?;
        }
        let by = entry.processor.as_deref().unwrap_or("itself");
        show::line(format_args!(
            "  {} {}: by {by}",
            entry.operation,
            entry.data.join(", ")
        ))?;
        let line = |what: &str, text: &str| match text {
            "" => Ok(()),
            text => show::line(format_args!("      {what}: {text}")),
        };
        line("purpose", &entry.purpose)?;
        line("ground", &entry.basis)?;
        line("agreement", entry.agreement.as_deref().unwrap_or_default())?;
        line("goes to", entry.recipient.as_deref().unwrap_or_default())?;
        line("country", entry.country.as_deref().unwrap_or_default())?;
        line("stays", &entry.erased.join("; "))?;
        line(
            "observed",
            &entry
                .observed
                .map_or_else(String::new, |count| format!("{count} times")),
        )?;
    }
    for what in &register.undeclared {
        show::line(format_args!(
            "\nNOT DECLARED: {} {} by {} for {} at {}, {} times",
            what.operation,
            what.data.join(", "),
            named(&what.by),
            named(&what.controller),
            named(&what.place),
            what.observed
        ))?;
    }
    Ok(())
}

fn named(id: &str) -> &str {
    if id.is_empty() { "nobody" } else { id }
}
