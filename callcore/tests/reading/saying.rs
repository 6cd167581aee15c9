//! Entries that are there and say nothing: a name, a purpose, a file.

use crate::{LEAST, changed, read, refused};

/// A text that only looks like one.
const NOTHING: [&str; 3] = ["", "  ", "\\t"];

const RECORDER: &str = "[recorder]\nsiprec = \"sip:r@host\"";

#[test]
fn an_organisation_without_a_name_is_refused() {
    for nothing in NOTHING {
        let text = changed("name = \"Inera AB\"", &format!("name = \"{nothing}\""));
        refused(
            &text,
            2,
            "the organisation has no name",
            "as in its agreements",
        );
    }
}

#[test]
fn a_purpose_that_says_nothing_is_refused() {
    let agreement = |purposes: &str| {
        format!(
            "{LEAST}\n[[agreement]]\nid = \"a\"\ncontroller = \"inera\"\nprocessor = \"inera\"\nfrom = 2019-01-01\npurposes = {purposes}\n"
        )
    };
    assert!(read(&agreement("[\"routing\"]")).is_ok());
    refused(
        &agreement("[]"),
        14,
        "the agreement has no purpose",
        "`routing`",
    );
    refused(
        &agreement("[\"routing\", \"\"]"),
        14,
        "a purpose is empty",
        "`routing`",
    );
    for nothing in NOTHING {
        let queue = changed(
            "controller = \"inera\"",
            &format!("controller = \"inera\", purpose = \"{nothing}\""),
        );
        refused(
            &queue,
            3,
            "`purpose` is empty",
            "`patient-safety-and-quality`",
        );
    }
    let collection = |data: &str, purpose: &str| {
        format!(
            "{LEAST}\n[[collection]]\ncontroller = \"inera\"\nfrom = \"inera\"\ndata = {data}\npurpose = \"{purpose}\"\n"
        )
    };
    assert!(read(&collection("[\"time\"]", "follow-up")).is_ok());
    refused(
        &collection("[\"time\"]", " "),
        13,
        "the collection has no purpose",
        "follow-up",
    );
    refused(
        &collection("[]", "follow-up"),
        12,
        "the collection is of no data",
        "contact-reason",
    );
    refused(
        &collection("[\"\"]", "follow-up"),
        12,
        "names nothing",
        "contact-reason",
    );
}

#[test]
fn what_gives_a_reason_or_a_source_gives_one() {
    let pause =
        |reason: &str| format!("{LEAST}\n[[pause]]\nfrom = 2021-09-01\nreason = \"{reason}\"\n");
    assert!(read(&pause("work paused")).is_ok());
    refused(&pause(""), 11, "the pause has no reason", "why");
    let sanction = |source: &str| {
        format!(
            "{LEAST}\n[[sanction]]\nactor = \"inera\"\nfindings = [\"V0301\"]\nsek = 1\nsource = \"{source}\"\n"
        )
    };
    assert!(read(&sanction("IMY-REPORT p. 10")).is_ok());
    refused(
        &sanction(""),
        13,
        "the sanction has no source",
        "IMY-REPORT",
    );
}

/// An empty name is the folder that the program was started in: keys would lie there, beside the store.
#[test]
fn a_file_or_folder_without_a_name_is_refused() {
    for key in [
        "keys",
        "store",
        "index",
        "spool",
        "credentials",
        "calls",
        "certificate",
    ] {
        for nothing in NOTHING {
            let text = format!("{LEAST}\n{RECORDER}\n{key} = \"{nothing}\"\n");
            refused(&text, 11, &format!("`{key}` names nothing"), "leave it out");
        }
    }
    for (key, line) in [("certificate", 11), ("key", 12)] {
        let named = |this: &str| if this == key { "" } else { "a.pem" };
        let text = format!(
            "{LEAST}\n[listen.tls]\naddress = \"127.0.0.1:5061\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            named("certificate"),
            named("key")
        );
        refused(&text, line, &format!("`{key}` names nothing"), "");
    }
    for key in ["credentials", "own_credentials", "realm"] {
        let text = format!("{LEAST}\n[listen]\n{key} = \"\"\n");
        refused(&text, 10, &format!("`{key}` names nothing"), "leave it out");
    }
}

#[test]
fn a_surge_and_a_scenario_beside_have_names() {
    let surge = |name: &str| {
        format!(
            "{LEAST}\n[[simulation.surge]]\nname = \"{name}\"\nfrom = 2026-01-05\nuntil = 2026-01-06\nfactor = 2.0\n"
        )
    };
    assert!(read(&surge("a day of snow")).is_ok());
    refused(&surge(""), 10, "the surge has no name", "storm");
    let beside = format!("{LEAST}\n[simulation]\nbeside = [\"\"]\n");
    refused(&beside, 10, "`beside` names nothing", "medhelp-2019");
}
