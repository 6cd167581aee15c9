//! The checker: reads a scenario as a compiler reads a program, and says what the law and good sense find wrong with it.
//!
//! One file a family, one function a rule, and a [`CATALOGUE`] of what each code means. The rules know no organisation
//! by name: the findings of 2019 come out because the scenario says what was done in 2019. Only the sanctions are
//! facts, written in the scenario with their source; none is ever worked out.

mod agreements;
mod audio;
mod catalogue;
mod coverage;
mod finding;
mod information;
mod report;
mod retention;
mod roles;
mod security;
mod trunks;
mod ways;

use jiff::civil::Date;

use crate::scenario::{OrgId, RouteId, Scenario};

pub use catalogue::{CATALOGUE, Entry, entry, explanation};
pub use finding::{Finding, Severity};
pub use report::Report;
pub(crate) use security::controllers as store_controllers;
pub(crate) use ways::{Way, region_controllers, ways};

/// A scenario to check.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Whether an audio file that an announcement names is there: beside the scenario or among the built-in ones.
    pub has_audio: &'a dyn Fn(&str) -> bool,
}

/// Everything found in these scenarios, in the order of files and lines. `today` is the day on which agreements
/// and decisions are in force or not.
pub fn check(subjects: &[Subject<'_>], today: Date) -> Report {
    let mut report = Report::default();
    for subject in subjects {
        let context = Context {
            scenario: subject.scenario,
            has_audio: subject.has_audio,
            today,
            ways: ways(subject.scenario),
            unreachable: subject.scenario.routes.unreachable(),
        };
        let findings = RULES.iter().flat_map(|rule| rule(&context)).collect();
        report.add(subject.scenario, findings);
    }
    report
}

type Rule = fn(&Context<'_>) -> Vec<Finding>;

const RULES: [Rule; 31] = [
    coverage::without_route,
    coverage::never_reached,
    coverage::disagreeing,
    roles::provider_without_ground,
    roles::care_outside_secrecy,
    roles::third_country,
    roles::recording_asked,
    roles::failover_crosses,
    agreements::missing_or_exceeded,
    agreements::out_of_date,
    information::number_and_kommun_id,
    information::recording,
    information::care_provider,
    information::collection,
    security::login,
    security::tls,
    security::encryption,
    security::no_backup,
    security::backup_beside,
    security::backup_lifetime,
    security::restore_test,
    security::undeclared_store,
    trunks::shared_proof,
    retention::conflict,
    retention::erasure_undecided,
    retention::no_rule,
    retention::numbers_stay,
    retention::contradiction,
    retention::decision_out_of_date,
    audio::missing,
    audio::silence,
];

/// What the rules look at.
struct Context<'a> {
    scenario: &'a Scenario,
    has_audio: &'a dyn Fn(&str) -> bool,
    today: Date,
    /// Every way a call can take, failover and overflow among them.
    ways: Vec<Way>,
    /// Rules that are never reached.
    unreachable: Vec<RouteId>,
}

impl Context<'_> {
    /// A finding of a code against an organisation.
    fn finding(&self, code: &'static str, actor: OrgId, line: u32, message: String) -> Finding {
        Finding::new(self.scenario, code, actor, line, message)
    }

    fn name(&self, org: OrgId) -> String {
        let org = self.scenario.org(org);
        if org.board.is_empty() {
            org.name.to_string()
        } else {
            format!("{} ({})", org.name, org.board)
        }
    }
}
