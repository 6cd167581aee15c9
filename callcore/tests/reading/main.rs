//! Invariant 8: a bad configuration is refused whole, with the line and a remedy.

mod listening;
mod recording;
mod saying;
mod waiting;

use callcore::{
    route::Destination,
    scenario::{Contact, Scenario, ScenarioError, Srtp},
    time::Span,
};

/// The least that is a scenario.
const LEAST: &str = r#"
organisation = [{ id = "inera", name = "Inera AB", kind = "processor" }]
queue = [{ name = "all", controller = "inera", agents = [{ simulated = 2 }, "sip:queue@127.0.0.1:5180", { sip = "sip:a@[::1]", at_once = 3 }] }]
route = [{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "all" }]

[operator]
organisation = "inera"
"#;

fn read(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::from_toml(text, "test.toml")
}

/// The least scenario with one piece of text replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(LEAST.contains(from), "{from}");
    LEAST.replacen(from, to, 1)
}

/// Asserts that a text is refused at a line, with a message and a remedy that hold these words.
#[track_caller]
fn refused(text: &str, line: usize, message: &str, remedy: &str) {
    let error = read(text).expect_err("this must be refused");
    let fault = error.first();
    assert!(fault.message.contains(message), "{error}");
    assert!(fault.remedy.contains(remedy), "{error}");
    assert_eq!(fault.line, line, "{error}");
    assert!(fault.span.end <= text.len());
}

#[test]
fn the_least_scenario() {
    let scenario = read(LEAST).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(scenario.org(scenario.operator).name.as_ref(), "Inera AB");
    let queue = scenario.queue_by_name("all").expect("it is there");
    let contacts: Vec<_> = scenario
        .agents_of(queue)
        .map(|id| scenario.agent(id).contact.clone())
        .collect();
    assert_eq!(contacts.len(), 6);
    assert_eq!(contacts[1], Contact::Simulated);
    assert_eq!(contacts[2], Contact::Sip("sip:queue@127.0.0.1:5180".into()));
    assert_eq!(contacts[5], Contact::Sip("sip:a@[::1]".into()));
    assert_eq!(scenario.lines.routes, [4]);
    assert_eq!(scenario.listen.web.port(), 1177);
}

#[test]
fn toml_that_is_none() {
    refused("[operator\n", 1, "", "mend the TOML");
    refused(&format!("{LEAST}\n[operator]\n"), 9, "duplicate", "");
}

#[test]
fn a_key_that_is_none_is_met_with_the_nearest() {
    refused(
        &changed("controller =", "controler ="),
        3,
        "no key `controler`",
        "did you mean `controller`?",
    );
    refused(
        &changed("simulated", "simulatd"),
        3,
        "no key `simulatd`",
        "did you mean `simulated`?",
    );
    refused(
        &format!("{LEAST}\n[recorde]\nsiprec = 1\n"),
        9,
        "no key `recorde`",
        "did you mean `recorder`?",
    );
}

#[test]
fn a_missing_key_is_named() {
    refused(
        &changed("controller = \"inera\", ", ""),
        3,
        "missing field `controller`",
        "add `controller = ...`",
    );
}

#[test]
fn a_wrong_type_is_named() {
    refused(
        &changed("all = true", "all = 1"),
        4,
        "invalid type",
        "write true or false",
    );
    refused(&changed("simulated = 2", "simulated = -2"), 3, "", "");
    refused(
        &format!("{LEAST}[traffic]\ncalls_per_year = -4\n"),
        9,
        "invalid value: integer `-4`",
        "give a whole number from 0 to 4_294_967_295",
    );
}

/// And how it is written instead, in words that aren't Rust's.
#[test]
fn a_wrong_type_says_what_to_write() {
    let types = [
        ("operator = 1", "integer `1`", "write a table"),
        (
            "traffic = { weekend_factor = \"x\" }",
            "string \"x\"",
            "write a number",
        ),
        (
            "organisation = true",
            "expected a sequence",
            "square brackets",
        ),
        ("listen = { sip = 7 }", "integer `7`", "write"),
    ];
    for (text, message, remedy) in types {
        let error = read(text).expect_err("this must be refused");
        let fault = error.first();
        assert!(fault.message.contains(message), "{error}");
        assert!(fault.remedy.contains(remedy), "{error}");
        let said = format!("{} {}", fault.message, fault.remedy);
        assert!(!said.contains("Raw") && !said.contains("f64"), "{said}");
    }
}

#[test]
fn a_basis_and_a_diary_number_say_something() {
    let with = |entry: &str| format!("{entry}\n{LEAST}");
    let rule = r#"retention = [{ class = "audio", earliest = "2 years", basis = " " }]"#;
    refused(&with(rule), 1, "no basis", "cite");
    let decision = r#"decision = [{ controller = "inera", diary_number = "", date = 2025-07-31, permits = "erase", classes = ["audio"] }]"#;
    refused(&with(decision), 1, "no diary number", "recorded it");
}

#[test]
fn names_that_dangle() {
    refused(
        &changed("queue = \"all\" }", "queue = \"al\" }"),
        4,
        "no queue is called `al`",
        "did you mean `all`?",
    );
    refused(
        &changed("organisation = \"inera\"", "organisation = \"x\""),
        7,
        "no organisation",
        "[[organisation]]",
    );
    refused(
        &changed("queue = \"all\" }", "queue = \"all\", hours = \"jourtd\" }"),
        4,
        "no calendar",
        "`jourtid`",
    );
}

#[test]
fn names_twice() {
    let twice = LEAST.replace(
        "kind = \"processor\" }",
        "kind = \"processor\" }, { id = \"inera\", name = \"\", kind = \"region\" }",
    );
    refused(&twice, 2, "second organisation", "name of its own");
}

#[test]
fn words_that_are_none() {
    refused(
        &changed("\"processor\"", "\"procesor\""),
        2,
        "kind of organisation",
        "did you mean `processor`?",
    );
    refused(
        &changed("\"processor\"", "\"zebra\""),
        2,
        "kind of organisation",
        "care-provider",
    );
}

#[test]
fn addresses_that_are_none_are_not_repeated() {
    let text = changed("sip:queue@127.0.0.1:5180", "+46701740605");
    refused(&text, 3, "begins with `sip:`", "sip:user@host:port");
    let error = read(&text).expect_err("refused").to_string();
    assert!(!error.contains("701740605"), "{error}");
}

#[test]
fn a_telephone_number_in_a_wrong_place_is_not_repeated() {
    let error = read(&changed("all = true", "all = \"+46701740605\""))
        .expect_err("refused")
        .to_string();
    assert!(!error.contains("701740605"), "{error}");
}

#[test]
fn somebody_without_a_route() {
    refused(
        &changed("conflict = true, ", ""),
        1,
        "no route takes calls from conflict",
        "[[route]]",
    );
    refused(
        &changed("all = true", "region = \"01\""),
        1,
        "and 263 more",
        "",
    );
    refused(
        &changed("all = true", "kommun = [\"0181\", \"0000\"]"),
        4,
        "no kommun has this code",
        "four digits",
    );
    refused(
        &changed("all = true", "region = \"02\""),
        4,
        "no region has this code",
        "two digits",
    );
}

#[test]
fn a_route_that_goes_nowhere_or_twice() {
    refused(
        &changed(", queue = \"all\" }", " }"),
        4,
        "exactly one",
        "either",
    );
    let twice = format!(
        "{}\n[[provider]]\nname = \"p\"\norganisation = \"inera\"\ntargets = []\n",
        LEAST
    );
    refused(&twice, 12, "at least one target", "sip:");
}

#[test]
fn how_audio_is_encrypted_and_how_long_it_may_be_silent() {
    let agents = "[{ simulated = 2 }";
    let phone = |srtp: &str| {
        let sip = format!("[{{ sip = \"sip:1@127.0.0.1:5\", srtp = \"{srtp}\" }}");
        LEAST.replacen(agents, &sip, 1)
    };
    let media = |seconds: u32| format!("media = {{ silence_max_s = {seconds} }}{LEAST}");
    let silence = |text: &str| read(text).expect("valid").media.silence_max;
    let said = read(&phone("require")).expect("valid");
    assert_eq!(said.agents[0].srtp, Srtp::Require);
    assert_eq!(said.listen.srtp, Srtp::Off);
    let offers = |srtp: &str| format!("listen = {{ srtp = \"{srtp}\" }}{LEAST}");
    let said = read(&offers("offer")).expect("valid");
    assert_eq!(said.listen.srtp, Srtp::Offer);
    assert_eq!(read(LEAST).expect("valid").agents[0].srtp, Srtp::Off);
    assert_eq!(silence(LEAST), Some(Span::from_secs(60)));
    assert_eq!(
        (silence(&media(5)), silence(&media(0))),
        (Some(Span::from_secs(5)), None)
    );
    let sometimes = "`sometimes` is no way to encrypt audio";
    refused(&phone("sometimes"), 3, sometimes, "`offer`");
    refused(&offers("sometimes"), 1, sometimes, "`offer`");
    refused(&media(4), 1, "4 is out of range", "5 to 14400");
}

#[test]
fn dates_that_are_none() {
    refused(
        &changed("queue = \"all\" }", "queue = \"all\", from = 2019-02-29 }"),
        4,
        "",
        "",
    );
    refused(
        &changed(
            "queue = \"all\" }",
            "queue = \"all\", from = \"2019-02-29\" }",
        ),
        4,
        "no day",
        "exists",
    );
    refused(
        &changed(
            "queue = \"all\" }",
            "queue = \"all\", from = 2019-11-01, until = 2019-11-01 }",
        ),
        4,
        "not after",
        "first day",
    );
}

#[test]
fn all_faults_are_told_in_one_go() {
    let text = changed("\"processor\"", "\"x\"")
        .replace("queue = \"all\" }", "queue = \"y\", hours = \"z\" }");
    let error = read(&text).expect_err("refused");
    assert_eq!(error.faults().count(), 3, "{error}");
    assert!(error.to_string().starts_with("test.toml:2:"), "{error}");
}

#[test]
fn what_is_too_big_or_too_deep_is_refused_quickly() {
    refused(
        &" ".repeat(callcore::scenario::SCENARIO_LEN_MAX + 1),
        1,
        "bytes",
        "",
    );
    refused(&format!("x = {}", "[".repeat(1_000_000)), 1, "", "");
    refused(&format!("x = {}", "{a=".repeat(1_000_000)), 1, "", "");
    refused(&format!("{}b = 1", "a.".repeat(1_000_000)), 1, "", "");
    refused(&format!("[{}b]", "a.".repeat(1_000_000)), 1, "", "");
    refused(
        &changed("simulated = 2", "simulated = 4294967295"),
        3,
        "agents",
        "fewer",
    );
}

/// Each kind of day of each opening is compiled for 46 years.
#[test]
fn openings_that_would_take_gigabytes_are_refused() {
    let openings: String = (0..100)
        .map(|n| {
            format!(
                "{{ days = \"mon-holiday\", from = \"{:02}:{:02}\", to = \"{:02}:{:02}\" }},",
                n / 5,
                n % 5 * 12,
                n / 5,
                n % 5 * 12 + 6
            )
        })
        .collect();
    let calendar = |n: usize| format!("{{ name = \"c{n}\", open = [{openings}] }},");
    let with = |count| {
        let calendars: String = (0..count).map(calendar).collect();
        format!("calendar = [{calendars}]\n{LEAST}")
    };
    assert!(read(&with(6)).is_ok());
    refused(&with(7), 1, "more than 5000 openings", "share a calendar");
}

#[test]
fn an_empty_file_is_no_scenario() {
    refused("", 1, "missing field `operator`", "add");
}

/// A shipped scenario with random damage: bytes deleted, doubled, or put in from a list of what TOML cares about.
fn damaged(text: &str, cuts: &[(proptest::sample::Index, u8)]) -> String {
    const BITS: [&str; 16] = [
        "\"",
        "[",
        "]",
        "{",
        "}",
        "=",
        ",",
        "\n",
        "#",
        "'''",
        "\\u0000",
        "-1",
        "99999999999999999999",
        "å",
        ".",
        "[[",
    ];
    let mut text = text.to_owned();
    for (place, kind) in cuts {
        let mut at = place.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        match kind {
            0..=15 => text.insert_str(at, BITS[*kind as usize]),
            16..=100 => {
                let end = (at + *kind as usize).min(text.len());
                if text.is_char_boundary(end) {
                    text.replace_range(at..end, "");
                }
            }
            _ => text.truncate(at),
        }
    }
    text
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn damage_is_refused_or_read_but_never_a_panic(
        cuts in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_u8..=102), 1..4),
    ) {
        if let Err(error) = read(&damaged(include_str!("../../../scenarios/imy-2019.toml"), &cuts)) {
            proptest::prop_assert!(error.faults().all(|fault| fault.line > 0 && !fault.message.is_empty()), "{}", error);
        }
    }

    #[test]
    fn any_text_is_refused(text in ".{0,200}") {
        proptest::prop_assert!(read(&text).is_err());
    }
}

/// A queue says how calls of its overflow list leave, which is one thing for all of them.
#[test]
fn overflow_to_a_provider_says_how_calls_leave() {
    let others =
        "organisation = [{ id = \"medhelp\", name = \"MedHelp AB\", kind = \"care-provider\" }, ";
    let provider = "provider = [{ name = \"medhelp\", organisation = \"medhelp\", targets = [\"sip:a@[::1]\"] }]\nroute = ";
    let overflows = |said: &str| {
        changed(
            "controller = \"inera\"",
            &format!("controller = \"inera\", {said}"),
        )
        .replacen("organisation = [", others, 1)
        .replacen("route = ", provider, 1)
    };
    for (said, name) in [
        ("", "direct"),
        (", handover = \"release\"", "release"),
        (", handover = \"relay\"", "relay"),
    ] {
        let text = overflows(&format!("overflow = [\"medhelp\"]{said}"));
        let scenario = read(&text).unwrap_or_else(|error| panic!("{error}"));
        let [Destination::External(to)] = scenario.queues[0].overflow[..] else {
            panic!("{:?}", scenario.queues[0].overflow);
        };
        assert_eq!(to.handover.name(), name);
    }
    let nobody = overflows("handover = \"release\"");
    refused(
        &nobody,
        3,
        "only a call to a provider",
        "leave out `handover`",
    );
}

#[test]
fn only_a_sip_contact_is_told_who_this_switch_is() {
    let with = |agent: &str| changed("{ simulated = 2 }", agent);
    let fixed = "{ sip = \"sip:pbx@192.0.2.7\", at_once = 2, credentials = \"pbx.ha1\" }";
    let scenario = read(&with(fixed)).unwrap_or_else(|error| panic!("{error}"));
    for agent in &scenario.agents[..2] {
        assert_eq!(agent.credentials.as_deref(), Some("pbx.ha1"));
    }
    assert_eq!(scenario.agents[2].credentials, None);
    for other in ["register = \"nurse-01\"", "simulated = 2"] {
        let text = with(&format!("{{ {other}, credentials = \"pbx.ha1\" }}"));
        refused(
            &text,
            3,
            "only a SIP contact is told",
            "[listen] `credentials`",
        );
    }
}
