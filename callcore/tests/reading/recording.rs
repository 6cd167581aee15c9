//! What is said of the recorder, its store and how long audio stays.

use crate::{LEAST, changed, read, refused};

#[test]
fn retention_whose_floor_is_above_its_ceiling() {
    let rule = |earliest, latest| {
        format!(
            "{LEAST}\n[[retention]]\nclass = \"audio\"\nearliest = \"{earliest}\"\nlatest = \"{latest}\"\nbasis = \"b\"\n"
        )
    };
    assert!(read(&rule("2 years", "3 years")).is_ok());
    assert!(read(&rule("24 months", "2 years")).is_ok());
    refused(
        &rule("3 years", "2 years"),
        11,
        "floor lies above the ceiling",
        "latest",
    );
    refused(
        &rule("731 days", "2 years"),
        11,
        "floor lies above the ceiling",
        "latest",
    );
    refused(&rule("2 weeks", "2 years"), 11, "no period", "18 months");
}

#[test]
fn keys_inside_the_store() {
    let recorder = |store, keys| {
        format!(
            "{LEAST}\n[recorder]\nsiprec = \"sip:r@host\"\nstore = \"{store}\"\nkeys = \"{keys}\"\n"
        )
    };
    assert!(read(&recorder("a/store", "a/keys")).is_ok());
    refused(&recorder("a", "a/keys"), 12, "inside the store", "apart");
    refused(
        &recorder("./a/", "a//./keys"),
        12,
        "inside the store",
        "apart",
    );
}

#[test]
fn a_recorder_may_keep_its_parts_elsewhere_but_no_secret_in_the_scenario() {
    let recorder = |more: &str| format!("{LEAST}\n[recorder]\nsiprec = \"sip:r@host\"\n{more}\n");
    let both = "store = \"s3://bucket/prefix\"\nindex = \"postgres://vaxel@db.example/vaxel?sslrootcert=ca.pem\"";
    let scenario = read(&recorder(both)).expect("good");
    let settings = scenario.recorder.expect("there");
    assert_eq!(settings.spool.as_deref(), Some("recordings/spool"));
    assert!(settings.index.expect("given").starts_with("postgres://"));
    for secret in [
        "index = \"postgres://vaxel:hush@db.example/vaxel\"",
        "index = \"postgres://vaxel@db.example/vaxel?password=hush\"",
    ] {
        refused(
            &recorder(secret),
            11,
            "a secret stands in the scenario",
            "credentials",
        );
    }
    let peers = "[recorder.peers]\n\"192.0.2.5\" = [\"inera\"]";
    let settings = read(&recorder(peers))
        .expect("good")
        .recorder
        .expect("there");
    let (address, controllers) = &settings.peers[0];
    assert_eq!(
        (address.to_string().as_str(), &*controllers[0]),
        ("192.0.2.5", "inera")
    );
    assert!(read(&recorder("[recorder.peers]\ngateway = []")).is_err());
    let unknown = recorder("[recorder.peers]\n\"192.0.2.5\" = [\"inero\"]");
    refused(&unknown, 12, "no organisation is called", "`inera`");
    refused(
        &recorder("spool = \"a\""),
        11,
        "a spool is for a store in S3",
        "leave",
    );
}

#[test]
fn clients_without_tags_record_the_calls_of_a_queue_that_can_be_tagged() {
    const RULE: &str = "[[retention]]\nclass = \"audio\"\nearliest = \"2 years\"\nlatest = \"3 years\"\nbasis = \"x\"";
    let recorded = changed("agents = [", "recording = true, agents = [");
    let with = |least: &str, rule: &str, more: &str| {
        format!("{least}\n[recorder]\nsiprec = \"sip:r@host\"\n{more}\n{rule}\n")
    };
    let client = "untagged = { \"192.0.2.5\" = \"all\" }";
    let settings = read(&with(&recorded, RULE, client))
        .expect("good")
        .recorder
        .expect("there");
    let [(address, queue)] = settings.untagged[..] else {
        panic!("{:?}", settings.untagged);
    };
    assert_eq!(
        (address.to_string().as_str(), queue.index()),
        ("192.0.2.5", 0)
    );
    for (text, message, remedy) in [
        (
            with(LEAST, RULE, client),
            "isn't recorded",
            "recording = true",
        ),
        (with(&recorded, "", client), "how long", "[[retention]]"),
        (
            with(&recorded, RULE, "untagged = { \"192.0.2.5\" = \"al\" }"),
            "no queue is called",
            "`all`",
        ),
        (
            with(&recorded, RULE, "untagged = { cube = \"all\" }"),
            "IP address",
            "10.0.0.5",
        ),
        (
            with(
                &recorded,
                RULE,
                &format!("{client}\npeers = {{ \"192.0.2.6\" = [\"inera\"] }}"),
            ),
            "may not record here",
            "[recorder.peers]",
        ),
        (
            with(
                &recorded,
                RULE,
                &format!("{client}\npeers = {{ \"192.0.2.5\" = [] }}"),
            ),
            "may not record here",
            "[recorder.peers]",
        ),
    ] {
        refused(&text, 11, message, remedy);
    }
}

/// It would never have held: one that keeps would let the one before it erase.
#[test]
fn a_decision_that_ends_before_it_begins_is_refused() {
    let decision = |until: &str| {
        format!(
            "{LEAST}\n[[decision]]\ncontroller = \"inera\"\ndiary_number = \"x\"\ndate = 2025-07-01\nuntil = {until}\npermits = \"keep\"\nclasses = [\"audio\"]\n"
        )
    };
    assert!(read(&decision("2025-07-02")).is_ok());
    for until in ["2025-07-01", "2024-07-01"] {
        refused(
            &decision(until),
            13,
            "`until` is not after `date`",
            "first day",
        );
    }
}
