//! The boundary ledger: each operation on personal data that the live switch carries out, with who did it for whom.
//!
//! Made from the very facts that give log lines and metrics. The roles come from the scenario
//! ([`callcore::roles`]); what is written here is what was *observed*, and `vaxel ropa --ledger` holds it against what
//! was declared. No line has a telephone number, a kommun or anything else of a caller: only the call's number in this run.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::Path,
};

use callcore::{
    kommun,
    origin::Origin,
    roles::{Datum, Operation, Role, roles},
    route::Digest,
    scenario::Scenario,
    switch::{CallId, Fact, FactKind},
    time::Time,
};
use serde::{Deserialize, Serialize};

use crate::{clock::swedish, observer::Decided};

/// One observed operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, by the switch's clock.
    pub at: String,
    /// The call's number in this run.
    pub call: u64,
    /// What was done: `collect`, `route`, `forward`, `record`.
    pub operation: String,
    /// With which data.
    pub data: Vec<String>,
    /// Who did it; empty when the scenario names nobody for it.
    pub by: String,
    /// Who is controller for it; empty when the scenario names nobody.
    pub controller: String,
    /// To whom the data went.
    pub recipient: Option<String>,
    /// The Art. 28 agreement it was done under.
    pub agreement: Option<String>,
    /// The route or queue.
    pub place: String,
    /// The digest of the table that decided.
    pub table: String,
}

/// The ledger being written.
#[derive(Debug)]
pub(crate) struct Ledger {
    roles: Vec<Role>,
    file: BufWriter<File>,
}

/// What happened, as far as the ledger cares.
#[derive(Debug, Clone, Copy)]
struct Happened<'a> {
    at: Time,
    call: CallId,
    origin: Origin,
    operation: Operation,
    /// A datum that the role must be about: there are two of `collect`.
    datum: Datum,
    place: &'a str,
    table: Digest,
}

impl Ledger {
    /// Continues the file, or begins it.
    pub(crate) fn open(file: &Path, scenario: &Scenario, now: Time) -> io::Result<Self> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(file)?;
        Ok(Self {
            roles: roles(scenario, now.in_sweden().date()),
            file: BufWriter::new(file),
        })
    }

    /// Another rule set decides for new calls.
    pub(crate) fn replace(&mut self, scenario: &Scenario, now: Time) {
        self.roles = roles(scenario, now.in_sweden().date());
    }

    /// Enters what a fact means for personal data; most facts mean nothing.
    pub(crate) fn enter(&mut self, scenario: &Scenario, fact: &Fact, decided: &Decided) {
        let mut happened = |operation, datum, place: &str| {
            let (origin, table) = (decided.origin, decided.table);
            self.write(
                scenario,
                Happened {
                    at: fact.at,
                    call: fact.call,
                    origin,
                    operation,
                    datum,
                    place,
                    table,
                },
            );
        };
        match &fact.what {
            FactKind::Routed { .. } => {
                happened(Operation::Collect, Datum::KommunId, &decided.route);
                happened(Operation::Route, Datum::KommunId, &decided.route);
            }
            FactKind::Connected { queue, .. } => {
                happened(
                    Operation::Collect,
                    Datum::Voice,
                    &scenario.queue(*queue).name,
                );
            }
            FactKind::TakenOver(_) => happened(Operation::Forward, Datum::Number, &decided.route),
            FactKind::Recording => {
                let place = decided
                    .queue
                    .map_or("", |queue| &scenario.queue(queue).name);
                happened(Operation::Record, Datum::Voice, place);
            }
            _ => {}
        }
    }

    fn write(&mut self, scenario: &Scenario, what: Happened<'_>) {
        let line = line(scenario, self.role(scenario, &what), &what);
        // A ledger that can't be written must not stop a call; the error is told once a flush.
        let _ = serde_json::to_writer(&mut self.file, &line)
            .map_err(io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"));
    }

    /// Brings what was written to the file.
    pub(crate) fn flush(&mut self) {
        if let Err(error) = self.file.flush() {
            tracing::error!(%error, "the boundary ledger can't be written");
        }
    }

    /// The role that was played: at this place, and for the caller's own region where several share it.
    fn role(&self, scenario: &Scenario, what: &Happened<'_>) -> Option<&Role> {
        let region = what.origin.kommun().map(|id| kommun::kommun(id).region);
        let mut played = self.roles.iter().filter(|role| {
            role.operation == what.operation
                && role.data.contains(&what.datum)
                && role.at.contains(what.place)
        });
        let first = played.clone().next();
        played
            .find(|role| region.is_some() && scenario.org(role.controller).region == region)
            .or(first)
    }
}

fn line(scenario: &Scenario, role: Option<&Role>, what: &Happened<'_>) -> Line {
    let name = |org| scenario.org(org).id.to_string();
    Line {
        at: swedish(what.at),
        call: what.call.0,
        operation: what.operation.name().to_owned(),
        data: role.map_or_else(
            || vec![what.datum.name().to_owned()],
            |role| {
                role.data
                    .iter()
                    .map(|datum| datum.name().to_owned())
                    .collect()
            },
        ),
        by: role.map(|role| name(role.by)).unwrap_or_default(),
        controller: role.map(|role| name(role.controller)).unwrap_or_default(),
        recipient: role.and_then(|role| role.recipient).map(name),
        agreement: role
            .and_then(|role| role.agreement)
            .map(|id| scenario.agreement(id).id.to_string()),
        place: what.place.to_owned(),
        table: what.table.to_string(),
    }
}
