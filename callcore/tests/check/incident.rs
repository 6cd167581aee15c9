//! The exposure of 2019, worked out from the scenarios: the roles that the real actors confused.

use callcore::{
    incident::{Exposure, IncidentError, incident},
    scenario::Scenario,
    time::Time,
};

use super::golden;

fn at(text: &str) -> Time {
    let stamp: jiff::Timestamp = text.parse().expect("a timestamp");
    stamp.into()
}

fn scenarios() -> [Scenario; 2] {
    [
        ("imy", include_str!("../../../scenarios/imy-2019.toml")),
        (
            "medhelp",
            include_str!("../../../scenarios/medhelp-2019.toml"),
        ),
    ]
    .map(|(name, text)| Scenario::from_toml(text, name).unwrap_or_else(|error| panic!("{error}")))
}

fn exposure(store: &str) -> Exposure<'_> {
    Exposure {
        store,
        from: None,
        until: at("2019-02-18T12:00:00+01:00"),
        discovered: at("2019-02-18T12:00:00+01:00"),
        files: Some(2_700_000),
    }
}

#[test]
fn voice_nas() {
    let [imy, medhelp] = scenarios();
    let found = incident(&[&imy, &medhelp], &exposure("voice-nas")).expect("a store");
    let calls = found.calls.expect("files are known");
    assert_eq!(
        (calls.least, calls.low, calls.high),
        (270_000, 675_000, 900_000)
    );
    let role = |id: &str| {
        let actor = found.actors.iter().find(|actor| actor.organisation == id);
        actor.expect("it takes part").role
    };
    assert_eq!(role("medhelp"), "controller");
    assert_eq!(role("voice"), "processor");
    assert_eq!(role("medicall"), "processor");
    assert_eq!(role("inera"), "none");
    assert_eq!(role("region-01"), "none");
    let notices: Vec<_> = found
        .notices
        .iter()
        .map(|notice| {
            (
                &*notice.from,
                &*notice.to,
                notice.deadline.as_deref(),
                notice.basis,
            )
        })
        .collect();
    assert_eq!(
        notices,
        [
            ("voice", "medhelp", None, "Art. 33.2"),
            ("medhelp", "IMY", Some("2019-02-21T12:00"), "Art. 33.1"),
            ("medhelp", "the callers", None, "Art. 34.1"),
        ]
    );
    let text = serde_json::to_string_pretty(&found).expect("JSON");
    golden("tests/golden/incident-2019.json", &(text + "\n"));
}

/// Nobody can tell since when, and it was discovered before it was over, as most are.
#[test]
fn an_exposure_may_be_discovered_before_it_ends() {
    let [imy, medhelp] = scenarios();
    let early = Exposure {
        discovered: at("2019-02-18T09:00:00+01:00"),
        ..exposure("voice-nas")
    };
    let found = incident(&[&imy, &medhelp], &early).expect("worked out");
    let deadline = found.notices.iter().find_map(|it| it.deadline.as_deref());
    assert_eq!(deadline, Some("2019-02-21T09:00"));
}

#[test]
fn a_handful_of_files_is_no_fewer_calls_than_the_least() {
    let [imy, medhelp] = scenarios();
    for files in 0..=30 {
        let few = Exposure {
            files: Some(files),
            ..exposure("voice-nas")
        };
        let found = incident(&[&imy, &medhelp], &few).expect("worked out");
        let calls = found.calls.expect("files are known");
        let in_order = calls.least <= calls.low && calls.low <= calls.high;
        assert!(in_order, "{files}: {calls:?}");
    }
}

#[test]
fn a_name_that_two_operators_stores_have_is_refused() {
    let [imy, medhelp] = scenarios();
    let text = include_str!("../../../scenarios/imy-2019.toml");
    let alike = text.replace(
        "name = \"inera\"\noperator",
        "name = \"voice-nas\"\noperator",
    );
    assert_ne!(alike, text);
    let alike = Scenario::from_toml(&alike, "alike").unwrap_or_else(|error| panic!("{error}"));
    let refused = incident(&[&alike, &medhelp], &exposure("voice-nas"));
    assert!(matches!(refused, Err(IncidentError::SeveralStores { .. })));
    // The same scenario twice is one store.
    assert!(incident(&[&imy, &medhelp, &medhelp], &exposure("voice-nas")).is_ok());
}

#[test]
fn what_cannot_be_worked_out_says_why() {
    let [imy, medhelp] = scenarios();
    let unknown = incident(&[&imy, &medhelp], &exposure("nas")).expect_err("no such store");
    assert!(unknown.to_string().contains("voice-nas"), "{unknown}");
    let backwards = Exposure {
        from: Some(at("2020-01-01T00:00:00Z")),
        ..exposure("voice-nas")
    };
    assert_eq!(
        incident(&[&medhelp], &backwards),
        Err(IncidentError::OutOfOrder)
    );
}
