//! The page's two languages say the same things, and say all that is asked for.

use std::collections::{BTreeMap, BTreeSet};

const TEXTS: &str = include_str!("../../web/texts.json");
const HTML: &str = include_str!("../../web/index.html");
const SCRIPTS: [&str; 12] = [
    include_str!("../../web/app.js"),
    include_str!("../../web/alarms.js"),
    include_str!("../../web/text.js"),
    include_str!("../../web/rows.js"),
    include_str!("../../web/map.js"),
    include_str!("../../web/colours.js"),
    include_str!("../../web/calls.js"),
    include_str!("../../web/duties.js"),
    include_str!("../../web/figures.js"),
    include_str!("../../web/providers.js"),
    include_str!("../../web/roles.js"),
    include_str!("../../web/stream.js"),
];
/// What the switch says of a call, an ending, an operator: the page has a text for each.
const FROM_THE_SWITCH: [(&str, &[&str]); 10] = [
    (
        "class",
        &[
            "audio",
            "telephone-number",
            "access-log",
            "journal-document",
            "text-conversation",
        ],
    ),
    ("duty.one", &["missing", "extra", "short", "untagged"]),
    (
        "state",
        &[
            "announcement",
            "waiting",
            "ringing",
            "talking",
            "promised",
            "calling_back",
            "leaving",
            "external",
        ],
    ),
    ("target", &["up", "unknown", "no_answer", "unreachable"]),
    ("recording", &["recording", "gap", "never", "later", "no"]),
    ("origin", &["unknown", "invalid", "conflict"]),
    (
        "outcome",
        &[
            "completed",
            "handed_over",
            "abandoned",
            "turned_away",
            "provider_failed",
            "our_fault",
            "unreached",
            "vanished",
            "incompatible",
        ],
    ),
    (
        "roles.operator",
        &["region", "processor", "care-provider", "sub-processor"],
    ),
    ("connection", &["connecting", "open", "lost"]),
    (
        "lost",
        &[
            "no_answer",
            "unreachable",
            "refused",
            "ended",
            "not_heard",
            "own",
        ],
    ),
];

type Table = BTreeMap<String, BTreeMap<String, String>>;

fn table() -> Table {
    serde_json::from_str(TEXTS).expect("the texts are JSON")
}

/// The `{names}` in a text.
fn names(text: &str) -> BTreeSet<&str> {
    text.split('{')
        .skip(1)
        .filter_map(|it| it.split('}').next())
        .collect()
}

/// Every key the page and its scripts ask for.
fn asked() -> BTreeSet<String> {
    let in_page = ["data-t=\"", "data-t-label=\"", "data-t-placeholder=\""]
        .into_iter()
        .flat_map(|mark| {
            HTML.split(mark)
                .skip(1)
                .filter_map(|it| it.split('"').next())
                .map(str::to_owned)
        });
    let literals = SCRIPTS.iter().flat_map(|script| {
        script
            .lines()
            .flat_map(|line| line.split('"').skip(1).step_by(2))
    });
    let keys = table()["en"]
        .keys()
        .map(|it| it.split('.').next().unwrap_or(it).to_owned())
        .collect::<BTreeSet<_>>();
    let in_scripts = literals.filter(move |it| {
        it.split_once('.')
            .is_some_and(|(head, _)| keys.contains(head))
    });
    let from_switch = FROM_THE_SWITCH
        .iter()
        .flat_map(|(head, tails)| tails.iter().map(move |tail| format!("{head}.{tail}")));
    let refusals = recorder::RefusalReason::ALL.map(|reason| format!("refused.{}", reason.name()));
    let called = SCRIPTS.iter().flat_map(|script| {
        script
            .split("t(\"")
            .skip(1)
            .filter_map(|it| it.split('"').next())
            .filter(|it| !it.is_empty())
    });
    let called = called.filter(|it| table()["en"].contains_key(*it) || it.contains('.'));
    in_page
        .chain(in_scripts.map(str::to_owned))
        .chain(called.map(str::to_owned))
        .chain(from_switch)
        .chain(refusals)
        .collect()
}

#[test]
fn both_languages_have_the_same_keys_and_names() {
    let table = table();
    let (sv, en) = (&table["sv"], &table["en"]);
    assert_eq!(sv.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
    for (key, text) in sv {
        assert!(
            !text.trim().is_empty() && !en[key].trim().is_empty(),
            "{key} is empty"
        );
        assert_eq!(names(text), names(&en[key]), "{key}");
    }
}

#[test]
fn every_text_is_there_and_used() {
    let asked = asked();
    let written: BTreeSet<String> = table()["en"].keys().cloned().collect();
    assert_eq!(
        asked.difference(&written).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "asked for and not written"
    );
    assert_eq!(
        written.difference(&asked).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "written and not used"
    );
}

#[test]
fn nothing_comes_from_another_host() {
    for file in SCRIPTS
        .iter()
        .chain([&HTML, &include_str!("../../web/style.css")])
    {
        let foreign: Vec<&str> = file
            .split("://")
            .skip(1)
            .filter(|it| !it.starts_with("www.w3.org/2000/svg"))
            .collect();
        assert_eq!(foreign, Vec::<&str>::new());
    }
}
