//! The scenarios that are shipped: they can be read, do what they say, and every kommun goes where it went.
//!
//! `VAXEL_GOLDEN=1 cargo test -p callcore --test shipped` writes the golden files anew.

use std::{fmt::Write as _, path::PathBuf};

use callcore::{
    kommun::{KommunId, kommun},
    origin::{InvalidReason, Origin, UnknownReason},
    retention::ObjectClass,
    route::{Destination, LosingReason, Who},
    scenario::Scenario,
    time::Time,
};

const SHIPPED: [(&str, &str); 3] = [
    ("today", include_str!("../../scenarios/today.toml")),
    ("imy-2019", include_str!("../../scenarios/imy-2019.toml")),
    (
        "medhelp-2019",
        include_str!("../../scenarios/medhelp-2019.toml"),
    ),
];

/// A Monday night with MedHelp, a Friday noon after two regions left it, and Midsummer's Day.
const MOMENTS: [&str; 3] = [
    "2018-11-05T22:15:00+01:00",
    "2019-11-15T12:00:00+01:00",
    "2026-06-20T12:00:00+02:00",
];

fn shipped(name: &str) -> Scenario {
    let (_, text) = SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .expect("it is shipped");
    Scenario::from_toml(text, name).unwrap_or_else(|error| panic!("{error}"))
}

fn at(text: &str) -> Time {
    let stamp: jiff::Timestamp = text.parse().expect("a timestamp");
    stamp.into()
}

fn origin(who: Who) -> Origin {
    let first = KommunId::parse("0114").expect("Upplands Väsby");
    let second = KommunId::parse("0115").expect("Vallentuna");
    match who {
        Who::Kommun(kommun) => Origin::Known(kommun),
        Who::Unknown => Origin::Unknown(UnknownReason::Missing),
        Who::Invalid => Origin::Invalid(InvalidReason::Length),
        Who::Conflict => Origin::Conflict(first, second),
    }
}

#[test]
fn they_are_read_and_meet_their_own_expectations() {
    for (name, _) in SHIPPED {
        let scenario = shipped(name);
        assert_eq!(scenario.unmet(), [], "{name}");
        assert!(!scenario.expectations.is_empty(), "{name}");
        assert_eq!(scenario.routes.uncovered().found, [], "{name}");
        assert_eq!(scenario.routes.unreachable(), [], "{name}");
    }
}

#[test]
fn every_kommun_goes_where_it_went() {
    for (name, _) in SHIPPED {
        let scenario = shipped(name);
        let mut text = format!(
            "# {name}: the route of every kommun at {}\n",
            MOMENTS.join(", ")
        );
        for who in Who::everyone() {
            let label = match who {
                Who::Kommun(id) => format!("{id} {}", kommun(id).name),
                other => other.to_string(),
            };
            let _ = write!(text, "{label}:");
            for moment in MOMENTS {
                let decision = scenario
                    .routes
                    .decide(origin(who), at(moment))
                    .expect("a route");
                let recorded = if scenario.records(&decision) {
                    "recorded"
                } else {
                    "not recorded"
                };
                let _ = write!(
                    text,
                    " {} ({recorded})",
                    scenario.route_name(decision.route)
                );
            }
            text.push('\n');
        }
        golden(name, &text);
    }
}

/// Compares with the golden file, or writes it.
#[expect(
    clippy::disallowed_methods,
    reason = "golden files are read by the test, not by the crate"
)]
fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("routes-{name}.txt"));
    if std::env::var_os("VAXEL_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let golden =
        std::fs::read_to_string(&path).expect("the golden file is there; VAXEL_GOLDEN=1 writes it");
    for (place, (expected, found)) in golden.lines().zip(text.lines()).enumerate() {
        assert_eq!(
            expected,
            found,
            "line {} of {name}; VAXEL_GOLDEN=1 writes it anew",
            place + 1
        );
    }
    assert_eq!(golden, text, "{name}");
}

#[test]
fn nothing_external_is_recorded() {
    for (name, _) in SHIPPED {
        let scenario = shipped(name);
        for (who, moment) in Who::everyone().flat_map(|who| MOMENTS.map(|moment| (who, moment))) {
            let decision = scenario
                .routes
                .decide(origin(who), at(moment))
                .expect("a route");
            assert!(
                !(scenario.records(&decision) && matches!(decision.to, Destination::External(_))),
                "{name} {who}"
            );
        }
    }
}

#[test]
fn inera_has_no_agreement_with_medhelp() {
    let scenario = shipped("imy-2019");
    let medhelp = scenario.org_by_id("medhelp").expect("it takes part");
    assert!(
        scenario
            .agreements
            .iter()
            .all(|agreement| agreement.controller != medhelp && agreement.processor != medhelp)
    );
}

#[test]
fn retention_is_what_btv_says() {
    let scenario = shipped("today");
    let region = scenario.org_by_id("region-23").expect("it takes part");
    let call = jiff::civil::date(2018, 11, 5);
    for (class, earliest, latest) in [
        (ObjectClass::Audio, "2020-11-05", Some("2021-11-05")),
        (
            ObjectClass::TelephoneNumber,
            "2020-11-05",
            Some("2021-11-05"),
        ),
        (ObjectClass::AccessLog, "2023-11-05", Some("2024-11-05")),
        (ObjectClass::JournalDocument, "2028-11-05", None),
    ] {
        let (window, rule) = scenario
            .retention_window(region, class, call)
            .expect("a rule");
        assert_eq!(window.earliest().to_string(), earliest, "{}", rule.basis);
        assert_eq!(
            window.latest().map(|day| day.to_string()).as_deref(),
            latest,
            "{}",
            rule.basis
        );
    }
    assert!(
        scenario
            .retention_window(region, ObjectClass::TextConversation, call)
            .is_none()
    );
}

#[test]
fn an_own_retention_rule_goes_before_a_general_one() {
    let (_, text) = SHIPPED[0];
    let text = text.replace(
        "retention = [\n",
        "retention = [\n{ class = \"audio\", controller = \"region-23\", earliest = \"5 years\", basis = \"own\" },\n",
    );
    let scenario = Scenario::from_toml(&text, "own").unwrap_or_else(|error| panic!("{error}"));
    let basis = |id: &str| {
        let org = scenario.org_by_id(id).expect("it takes part");
        let (_, rule) = scenario
            .retention_window(org, ObjectClass::Audio, jiff::civil::date(2018, 1, 1))
            .expect("a rule");
        rule.basis.to_string()
    };
    assert_eq!(
        (basis("region-23").as_str(), basis("region-01").as_str()),
        ("own", "BTV instruction 8")
    );
}

#[test]
fn a_table_says_why() {
    let scenario = shipped("imy-2019");
    let sormland = Origin::from_code("0480");
    let before = scenario.routes.explain(sormland, at(MOMENTS[0]));
    let name = |id| scenario.route_name(id).to_owned();
    assert_eq!(
        before
            .winner
            .map(|decision| name(decision.route))
            .as_deref(),
        Some("sormland-medhelp")
    );
    assert_eq!(before.losing.len() + 1, scenario.routes.routes().len());
    let reason = |wanted: &str, losing: &[callcore::route::Losing]| {
        losing
            .iter()
            .find(|losing| name(losing.route) == wanted)
            .map(|losing| losing.reason)
    };
    let change = at("2019-10-31T23:00:00Z");
    assert_eq!(
        reason("region-04", &before.losing),
        Some(LosingReason::NotYet(change))
    );
    assert_eq!(
        reason("region-03", &before.losing),
        Some(LosingReason::OtherCallers)
    );
    let after = scenario.routes.explain(sormland, change);
    assert_eq!(
        reason("sormland-medhelp", &after.losing),
        Some(LosingReason::Over(change))
    );

    let scenario = shipped("medhelp-2019");
    let noon = scenario
        .routes
        .explain(sormland, at("2018-11-05T11:00:00Z"));
    assert_eq!(noon.losing[0].reason, LosingReason::OutsideHours);
    let night = scenario.routes.explain(sormland, at(MOMENTS[0]));
    assert_eq!(
        night.losing[0].reason,
        LosingReason::Later(night.winner.expect("a route").route)
    );
}

#[test]
fn the_digest_tells_tables_apart() {
    let (_, text) = SHIPPED[1];
    let digest = |text: &str| {
        Scenario::from_toml(text, "x")
            .unwrap_or_else(|error| panic!("{error}"))
            .routes
            .digest()
    };
    assert_eq!(
        digest(text),
        digest(&text.replace("Region Stockholm", "Another name"))
    );
    assert_ne!(
        digest(text),
        digest(&text.replace("until = 2019-11-01", "until = 2019-11-02"))
    );
    assert_ne!(
        digest(text),
        digest(&text.replace("handover = \"direct\"", "handover = \"relay\""))
    );
    assert_ne!(
        digest(text),
        digest(&text.replace("127.0.0.1:5080", "127.0.0.1:5081"))
    );
}

#[test]
fn gaps_in_time_are_found() {
    let (_, text) = SHIPPED[1];
    let text = text.replace("from = 2019-11-01", "from = 2019-11-03").replace(
        "{ kommun = \"1780\", at = \"2019-11-01T00:00\", route = \"region-17\", recorded = true },",
        "",
    );
    let scenario = Scenario::from_toml(&text, "gap").unwrap_or_else(|error| panic!("{error}"));
    let uncovered = scenario.routes.uncovered().found;
    assert_eq!(
        uncovered.len(),
        9 + 16,
        "Sörmland's 9 kommuner and Värmland's 16"
    );
    assert_eq!(uncovered[0].from, at("2019-10-31T23:00:00Z"));
    assert_eq!(uncovered[0].until, Some(at("2019-11-02T23:00:00Z")));
    assert_eq!(scenario.unmet().len(), 1);
}

#[test]
fn gaps_in_hours_and_shadowed_rules_are_found() {
    let (_, text) = SHIPPED[2];
    let hourly = text.replace(
        "conflict = true, queue = \"medhelp\"",
        "conflict = true, hours = \"jourtid\", queue = \"medhelp\"",
    );
    let scenario = Scenario::from_toml(&hourly, "hours").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        scenario.routes.uncovered().found.len(),
        293,
        "weekdays from 08 to 17 nobody answers anyone"
    );
    let shadowed = text.replace("hours = \"jour-medicall\", ", "");
    let scenario =
        Scenario::from_toml(&shadowed, "shadow").unwrap_or_else(|error| panic!("{error}"));
    let unreachable: Vec<_> = scenario
        .routes
        .unreachable()
        .into_iter()
        .map(|id| scenario.route_name(id))
        .collect();
    assert_eq!(unreachable, ["medhelp"]);
}

proptest::proptest! {
    /// The compiled table decides as the rules read: the first that covers the caller, in its dates and hours.
    #[test]
    fn the_table_decides_as_the_rules_read(who in 0_usize..293, hours in 0_i64..240_000, minutes in 0_i64..60) {
        static SCENARIOS: std::sync::LazyLock<Vec<Scenario>> =
            std::sync::LazyLock::new(|| SHIPPED.iter().map(|(name, _)| shipped(name)).collect());
        let who = Who::everyone().nth(who).expect("there are 293");
        let moment = Time::from_micros((1_400_000_000 + hours * 3600 + minutes * 60) * 1_000_000);
        for scenario in SCENARIOS.iter() {
            let wall = moment.in_sweden().datetime();
            let holds = |route: &callcore::route::Route| {
                route.covers.contains(who)
                    && route.from.is_none_or(|from| from <= moment)
                    && route.until.is_none_or(|until| moment < until)
                    && route.hours.as_ref().is_none_or(|named| named.hours.is_open(wall))
            };
            let expected = scenario.routes.routes().iter().position(holds);
            let decided = scenario.routes.decide(origin(who), moment).map(|decision| decision.route.index());
            proptest::prop_assert_eq!(decided, expected);
            let explanation = scenario.routes.explain(origin(who), moment);
            proptest::prop_assert_eq!(explanation.winner.map(|winner| winner.route.index()), expected);
            proptest::prop_assert_eq!(explanation.losing.len() + 1, scenario.routes.routes().len());
        }
    }
}

#[test]
fn jamtlands_recordings_may_go_since_2025_and_nobody_elses() {
    use callcore::retention::{ErasurePermit, KeepReason, Kept, Verdict, judge};
    let scenario = shipped("today");
    let verdict = |region: &str, class| {
        let controller = scenario.org_by_id(region).expect("it takes part");
        let (window, _) = scenario
            .retention_window(controller, class, jiff::civil::date(2020, 1, 1))
            .expect("a rule");
        let kept = Kept {
            controller,
            class,
            window,
            held: false,
            handed_over: false,
        };
        match judge(&scenario, &kept, jiff::civil::date(2026, 11, 22)) {
            Verdict::Erase(permit) => Ok(ErasurePermit::into_decision(permit)),
            Verdict::Keep { reason, .. } => Err(reason),
        }
    };
    assert_eq!(verdict("region-23", ObjectClass::Audio), Ok(2));
    assert_eq!(
        verdict("region-23", ObjectClass::JournalDocument).map_err(|_| ()),
        Err(())
    );
    assert_eq!(
        verdict("region-01", ObjectClass::Audio),
        Err(KeepReason::NoDecision)
    );
}
