//! Decisions explained, rule sets compared, roles derived.

use std::fmt::Write as _;

use callcore::{
    diff::{changes, moved},
    explain::explain,
    origin::Origin,
    roles::{Observed, Operation, Role, compare, roles},
    route::Who,
    scenario::Scenario,
    time::Time,
};

use super::{TODAY, golden};

fn shipped(name: &str) -> Scenario {
    let text = match name {
        "imy-2019" => include_str!("../../../scenarios/imy-2019.toml"),
        "medhelp-2019" => include_str!("../../../scenarios/medhelp-2019.toml"),
        _ => include_str!("../../../scenarios/today.toml"),
    };
    Scenario::from_toml(text, name).unwrap_or_else(|error| panic!("{error}"))
}

fn at(text: &str) -> Time {
    let stamp: jiff::Timestamp = text.parse().expect("a timestamp");
    stamp.into()
}

const NIGHT: &str = "2018-11-05T22:15:00+01:00";

#[test]
fn a_call_to_medhelp_explained() {
    let scenario = shipped("imy-2019");
    let explained = explain(&scenario, Origin::from_code("0488"), at(NIGHT)).expect("a route");
    assert_eq!(explained.route, "sormland-medhelp");
    assert!(!explained.recorded);
    assert_eq!(explained.recorded_by.as_deref(), Some("medhelp"));
    assert_eq!(explained.controllers["number"], "region-04");
    assert_eq!(explained.controllers["voice"], "medhelp");
    assert_eq!(explained.processors["kommun-id"], ["inera"]);
    assert!(
        explained.processors["voice"].is_empty(),
        "Inera handles none of it"
    );
    assert_eq!(
        explained.losing_rules.len() + 1,
        scenario.routes.routes().len()
    );
    let text = serde_json::to_string_pretty(&explained).expect("JSON");
    golden("tests/golden/explain-0488.json", &(text + "\n"));
}

#[test]
fn stockholm_is_controller_for_what_it_collects() {
    let scenario = shipped("imy-2019");
    let explained = explain(&scenario, Origin::from_code("0180"), at(NIGHT)).expect("a route");
    assert_eq!(explained.controllers["call-information"], "region-01");
    assert_eq!(explained.controllers["notes"], "medhelp");
}

#[test]
fn a_call_of_medhelps_own_explained() {
    let scenario = shipped("medhelp-2019");
    let explained = explain(&scenario, Origin::from_code("0180"), at(NIGHT)).expect("a route");
    assert_eq!(explained.controllers["voice"], "medhelp");
    assert_eq!(explained.processors["voice"], ["medicall", "voice"]);
    assert_eq!(explained.processors["notes"], ["medicall"]);
    assert_eq!(explained.agreement.as_deref(), Some("medhelp-medicall"));
    assert_eq!(
        explained.retention.map(|kept| kept.earliest).as_deref(),
        Some("2028-11-05")
    );
}

#[test]
fn every_caller_of_every_scenario_is_explained() {
    for name in ["today", "imy-2019", "medhelp-2019"] {
        let scenario = shipped(name);
        for code in ["0180", "2584", "", "x", "9999"] {
            let explained =
                explain(&scenario, Origin::from_code(code), at(NIGHT)).expect("a route");
            assert_eq!(explained.controllers.len(), 5, "{name} {code}");
            assert_eq!(
                explained.recorded,
                explained.handover.is_none(),
                "{name} {code}"
            );
        }
    }
}

/// One call an hour from every kommun through a year.
fn hourly(year_begins: Time) -> impl Iterator<Item = (Origin, Time)> {
    let kommuner = || {
        Who::everyone().filter_map(|who| match who {
            Who::Kommun(id) => Some(Origin::Known(id)),
            _ => None,
        })
    };
    (0..365 * 24_i64).flat_map(move |hour| {
        let at = Time::from_micros(year_begins.as_micros() + hour * 3_600_000_000);
        kommuner().map(move |origin| (origin, at))
    })
}

#[test]
fn from_2019_to_today() {
    let (then, now) = (shipped("imy-2019"), shipped("today"));
    let (from, until) = (at("2018-12-31T23:00:00Z"), at("2019-12-31T23:00:00Z"));
    let changed = changes(&then, &now, from, until);
    let who: Vec<(usize, &str, &str, u64)> = changed
        .iter()
        .map(|change| {
            (
                change.who.len(),
                &*change.from.name,
                &*change.to.name,
                change.hours,
            )
        })
        .collect();
    // 304 days from New Year to 1 November: the hour that spring took, autumn has given back.
    let until_november = 304 * 24;
    assert_eq!(
        who,
        [
            (9, "medhelp", "region-04", until_november),
            (16, "medhelp", "region-17", until_november),
            (26, "medhelp", "region-01", 365 * 24),
        ]
    );
    let moved = moved(&then, &now, hourly(from));
    assert_eq!(moved.calls, 290 * 365 * 24);
    assert_eq!(moved.moved.calls, 25 * until_november + 26 * 365 * 24);
    assert_eq!(moved.external_to_region.calls, moved.moved.calls);
    assert_eq!(moved.unrecorded_to_recorded.calls, moved.moved.calls);
    assert_eq!(moved.recorded_to_unrecorded.calls, 0);
    assert_eq!(moved.region_to_external.calls, 0);
    assert_eq!(moved.moved.examples.len(), 5);
    assert_eq!(moved.moved.examples[0].from, "stockholm-medhelp");
}

#[test]
fn a_rule_set_does_not_differ_from_itself() {
    let scenario = shipped("medhelp-2019");
    let (from, until) = (at("2018-12-31T23:00:00Z"), at("2019-12-31T23:00:00Z"));
    assert_eq!(changes(&scenario, &scenario, from, until), []);
    assert_eq!(moved(&scenario, &scenario, hourly(from)).moved.calls, 0);
}

fn shown(scenario: &Scenario, role: &Role) -> String {
    let id = |org| scenario.org(org).id.to_string();
    let data: Vec<_> = role.data.iter().map(|datum| datum.name()).collect();
    let agreement = role.agreement.map(|id| &*scenario.agreement(id).id);
    format!(
        "{} | {} | by {} for {} | to {} | {} | basis: {} | agreement: {} | at {} places",
        role.operation.name(),
        data.join(", "),
        id(role.by),
        id(role.controller),
        role.recipient.map_or_else(|| "-".to_owned(), id),
        role.purpose,
        role.basis,
        agreement.unwrap_or("-"),
        role.at.len()
    )
}

#[test]
fn roles_of_the_shipped_scenarios() {
    for name in ["today", "imy-2019", "medhelp-2019"] {
        let scenario = shipped(name);
        let mut text = String::new();
        for role in roles(&scenario, TODAY) {
            let _ = writeln!(text, "{}", shown(&scenario, &role));
        }
        golden(&format!("tests/golden/roles-{name}.txt"), &text);
    }
}

#[test]
fn inera_records_nothing_for_medhelp_and_has_no_role_there() {
    let scenario = shipped("imy-2019");
    let org = |id| scenario.org_by_id(id).expect("it takes part");
    let (inera, medhelp) = (org("inera"), org("medhelp"));
    let roles = roles(&scenario, TODAY);
    assert!(
        roles
            .iter()
            .all(|role| role.by != inera || role.controller != medhelp)
    );
    assert!(roles.iter().any(|role| {
        role.operation == Operation::Forward && role.by == inera && role.recipient == Some(medhelp)
    }));
}

#[test]
fn what_was_done_is_held_against_what_was_declared() {
    let scenario = shipped("imy-2019");
    let roles = roles(&scenario, TODAY);
    let observed = |operation: &str, by: &str, controller: &str, place: &str| Observed {
        operation: operation.to_owned(),
        data: vec!["voice".to_owned()],
        by: by.to_owned(),
        controller: controller.to_owned(),
        recipient: None,
        place: place.to_owned(),
    };
    let right = observed("record", "inera", "region-03", "region-03");
    let wrong = observed("record", "inera", "medhelp", "stockholm-medhelp");
    let found = compare(
        &scenario,
        &roles,
        [
            right.clone(),
            wrong.clone(),
            right,
            wrong.clone(),
            wrong.clone(),
        ],
    );
    assert_eq!(found.played.iter().sum::<u64>(), 2);
    assert_eq!(
        found.undeclared.into_iter().collect::<Vec<_>>(),
        [(wrong, 3)]
    );
    let other: Vec<Observed> = (0..2_000)
        .map(|n| observed("record", "nobody", "nobody", &n.to_string()))
        .collect();
    let found = compare(&scenario, &roles, other);
    assert_eq!((found.undeclared.len(), found.more), (1_000, 1_000));
}
