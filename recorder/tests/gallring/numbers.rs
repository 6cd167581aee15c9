//! Telephone numbers have a floor, a ceiling and decisions of their own, and their recording waits for them.

use callcore::{scenario::Scenario, tag::RecordingTag, time::Time};
use jiff::{Timestamp, civil::date};
use recorder::index::Mark;

use super::stored::{Bench, REGION, scenario, tag};

/// Half past midnight in Sweden is the day before by UTC. And the audio of this one has a clock of its own.
#[test]
fn numbers_go_by_the_swedish_day_and_the_register_says_whose_floor_had_passed() {
    let (bench, scenario) = (Bench::new(), scenario());
    let night = "2019-06-01T22:30:00Z".parse::<Timestamp>();
    let id = bench.record_under(&RecordingTag {
        started: Time::from(night.expect("a moment")),
        earliest: date(2029, 6, 2),
        latest: None,
        ..tag(REGION, 1)
    });
    let run = |at| bench.run(&scenario, at).expect("ran").numbers;
    let planned = |at| bench.plan(&scenario, at).due;
    assert_eq!(planned(date(2021, 6, 1)), 0, "not planned either");
    assert_eq!(planned(date(2021, 6, 2)), 1);
    let overdue = |at| bench.plan(&scenario, at).overdue;
    assert_eq!(overdue(date(2022, 6, 2)), 0, "its ceiling is its own day's");
    assert_eq!(overdue(date(2022, 6, 3)), 1);
    assert_eq!(run(date(2021, 6, 1)), 0, "a day too soon");
    assert_eq!(run(date(2021, 6, 2)), 1);
    let told = bench.registered().remove(0).destroyed;
    assert_eq!(
        (told.object, told.class),
        (id.to_string(), "telephone-number".to_owned())
    );
    assert_eq!(
        (&*told.earliest, &*told.latest),
        ("2021-06-02", "2022-06-02")
    );
}

/// In one run, as when a decision names both; of one recording they had gone before.
#[test]
fn the_register_says_what_of_a_recording_went() {
    let (bench, scenario) = (Bench::with(3), scenario());
    let before = bench.ids()[0];
    let marked = bench.index.forget(Mark::Numbers, &[before]);
    marked.expect("as a run leaves it");
    let ran = bench.run(&scenario, date(2025, 8, 1)).expect("ran");
    assert_eq!((ran.recordings, ran.numbers, ran.register_lines), (3, 2, 3));
    for line in bench.registered() {
        let gone = line.destroyed;
        assert_eq!((&*gone.class, &*gone.decision), ("audio", "RS/903/2025"));
        let numbers = gone.numbers.map(|of| (of.decision, of.earliest, of.latest));
        let floor_and_ceiling = ("2020-11-05".to_owned(), "2021-11-05".to_owned());
        let expected = (gone.object != before.to_string()).then(|| {
            let (earliest, latest) = floor_and_ceiling;
            ("RS/903/2025".to_owned(), earliest, latest)
        });
        assert_eq!(numbers, expected);
    }
}

/// Who spoke is a class of its own (BTV instruction 3), and is sealed with the recording's key: a decision on recordings alone
/// erases no numbers, and so no recording that has any.
#[test]
fn a_recording_does_not_take_numbers_with_it_that_are_to_stay() {
    let all = ", \"telephone-number\"], note = \"recordings,";
    let text = include_str!("../../../scenarios/jamtland-2025.toml");
    assert!(text.contains(all));
    let of_2021 = ", \"telephone-number\", \"access-log\"], note = \"of recordings,";
    assert!(text.contains(of_2021));
    let text = text
        .replace(all, "], note = \"recordings,")
        .replace(of_2021, ", \"access-log\"], note = \"of recordings,");
    let without =
        Scenario::from_toml(&text, "no numbers").unwrap_or_else(|error| panic!("{error}"));
    let (bench, day) = (Bench::with(2), date(2025, 8, 1));
    let groups = bench.plan(&without, day).groups;
    let told: Vec<_> = groups
        .iter()
        .map(|group| (&*group.class, group.reason, group.verdict, group.overdue))
        .collect();
    assert_eq!(
        told,
        [
            ("audio", "numbers-stay", "keep", 2),
            ("telephone-number", "no-decision", "keep", 2)
        ]
    );
    assert!(
        groups[0].why.contains("has decided nothing"),
        "{}",
        groups[0].why
    );
    let ran = bench.run(&without, day).expect("ran");
    assert_eq!((ran.recordings, ran.numbers, ran.register_lines), (0, 0, 0));
    // Once the numbers have gone under a decision of their own, the recordings go under theirs.
    let numbers = bench.run(&scenario(), date(2021, 6, 1)).expect("ran");
    assert_eq!((numbers.recordings, numbers.numbers), (0, 2));
    assert_eq!(bench.plan(&without, day).groups[0].reason, "due");
    assert_eq!(bench.run(&without, day).expect("ran").recordings, 2);
}

/// Its recording may go a year before: by day and night of one day by UTC, as each is another Swedish day.
#[test]
fn a_recording_waits_for_its_numbers_own_floor() {
    let text = include_str!("../../../scenarios/jamtland-2025.toml");
    let rule = "class = \"telephone-number\", earliest = \"2 years\", latest = \"3 years\"";
    assert!(text.contains(rule));
    let longer = rule
        .replace("2 years", "6 years")
        .replace("3 years", "7 years");
    let scenario = Scenario::from_toml(&text.replace(rule, &longer), "longer");
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let bench = Bench::new();
    let of = |started: &str| {
        bench.record_under(&RecordingTag {
            started: Time::from(started.parse::<Timestamp>().expect("a moment")),
            earliest: date(2021, 9, 1),
            latest: None,
            ..tag(REGION, 1)
        })
    };
    let (day, night) = (of("2019-08-31T09:00:00Z"), of("2019-08-31T22:30:00Z"));
    let due = |at| bench.plan(&scenario, at).due;
    assert_eq!((due(date(2025, 8, 30)), due(date(2025, 8, 31))), (0, 2));
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 30))
            .expect("ran")
            .recordings,
        0
    );
    assert_eq!(
        bench
            .run(&scenario, date(2025, 8, 31))
            .expect("ran")
            .recordings,
        1
    );
    assert!(bench.index.get(day).is_err() && bench.index.get(night).is_ok());
    assert_eq!(due(date(2025, 9, 1)), 2);
    assert_eq!(
        bench
            .run(&scenario, date(2025, 9, 1))
            .expect("ran")
            .recordings,
        1
    );
}
