//! What was declared against what was observed.

use std::collections::BTreeMap;

use super::Role;
use crate::scenario::{OrgId, Scenario};

/// Kinds of operation that no scenario declares and that are told apart; a ledger of another switch could hold any number.
const UNDECLARED_MAX: usize = 1_000;

/// An operation on personal data as a boundary ledger has it, by names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Observed {
    /// As [`super::Operation::name`] has it.
    pub operation: String,
    /// As [`super::Datum::name`] has them.
    pub data: Vec<String>,
    /// The id of who did it.
    pub by: String,
    /// The id of who is controller.
    pub controller: String,
    /// The id of whom the data went to.
    pub recipient: Option<String>,
    /// The route, queue or store it was done at.
    pub place: String,
}

/// How often each declared role was played, and what was done that nobody declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// For each role, in order: how many times it was observed.
    pub played: Vec<u64>,
    /// What no role allows, and how many times it was observed.
    pub undeclared: BTreeMap<Observed, u64>,
    /// Observations that were too many kinds of undeclared to be told apart.
    pub more: u64,
}

/// Holds observations against roles.
pub fn compare(
    scenario: &Scenario,
    roles: &[Role],
    observations: impl IntoIterator<Item = Observed>,
) -> Comparison {
    let mut found = Comparison {
        played: vec![0; roles.len()],
        undeclared: BTreeMap::new(),
        more: 0,
    };
    for observed in observations {
        match roles
            .iter()
            .position(|role| allows(scenario, role, &observed))
        {
            Some(place) => found.played[place] += 1,
            None if found.undeclared.len() < UNDECLARED_MAX
                || found.undeclared.contains_key(&observed) =>
            {
                *found.undeclared.entry(observed).or_default() += 1;
            }
            None => found.more += 1,
        }
    }
    found
}

/// Whether the role is that of this operation: the same people, at a place of the role, with no datum beyond it.
fn allows(scenario: &Scenario, role: &Role, observed: &Observed) -> bool {
    let is = |org: OrgId, id: &str| *scenario.org(org).id == *id;
    let recipient = match (role.recipient, &observed.recipient) {
        (None, None) => true,
        (Some(org), Some(id)) => is(org, id),
        _ => false,
    };
    role.operation.name() == observed.operation
        && is(role.by, &observed.by)
        && is(role.controller, &observed.controller)
        && recipient
        && role.at.contains(&*observed.place)
        && observed
            .data
            .iter()
            .all(|name| role.data.iter().any(|datum| datum.name() == name))
}
