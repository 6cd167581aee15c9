//! The tables: what each caller does, and what the phones behind the switch do.

use crate::{
    ladder::Ladder,
    ways::{
        Ground,
        To::{Announced, Direct, Door, Menu, Queue, Registered, Relay, Simulated},
        Way, kommun, walk,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_set_up_in_every_way() {
    let totals = walk(&[
        Way::new("direct", Direct, "calls", &["answers"]),
        Way::new("relay", Relay, "calls", &["answers"]),
        Way::new("queue", Queue, "is_left", &["leaves"]),
        Way::new("100rel", Direct, "requires_100rel", &["answers"]),
        Way::new("100rel-relay", Relay, "requires_100rel", &["answers"]),
        Way::new("late-direct", Direct, "offers_late", &["is_offered_late"]),
        Way::new("late-relay", Relay, "offers_late", &["answers"]),
        Way::new("late-queue", Simulated, "offers_late", &[]),
        Way::new("forks", Direct, "calls", &["forks"]),
        Way::new("forks-relay", Relay, "calls", &["forks"]),
        Way::new("302-then-next", Direct, "calls", &["redirects", "answers"]),
        Way::new("busy-then-next", Relay, "calls", &["is_busy", "answers"]),
        Way::new("registered", Registered("nurse-01"), "is_left", &["leaves"]),
        Way::new("wrong-password", Door, "registers", &[]).told(&[
            ("user", "nurse-01"),
            ("password", "guessed"),
            ("status", "401"),
        ]),
        Way::new("options", Door, "options", &[]),
    ])
    .await;
    // The simulated nurse may not have answered yet when the caller hangs up.
    let simulated = totals["failed"].as_u64().unwrap_or(0);
    assert!(simulated <= 1, "{totals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_gives_up_at_every_stage() {
    let totals = walk(&[
        Way::new("before", Direct, "gives_up_before", &["trying"]),
        Way::new("ringing", Direct, "gives_up_ringing", &["rings_on"]),
        Way::new("ringing-relay", Relay, "gives_up_ringing", &["rings_on"]),
        Way::new("announced", Announced, "gives_up_announced", &[]),
        Way::new("too-late", Direct, "gives_up_too_late", &["answers"]),
    ])
    .await;
    let ended = (&totals["completed"], &totals["outcomes"]["abandoned"]);
    assert_eq!(ended, (&1.into(), &4.into()), "{totals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_changed_while_it_lasts() {
    let totals = walk(&[
        Way::new("hold", Direct, "holds", &["is_held"]),
        Way::new(
            "hold-by-nurse",
            Queue,
            "is_held_by_nurse",
            &["holds_caller"],
        ),
        Way::new("update", Simulated, "updates", &[]),
        Way::new("glare", Direct, "changes", &["changes_at_once"]),
        Way::new("glare-far", Direct, "changes", &["says_491"]),
        Way::new("refer", Queue, "is_left", &["refers", "leaves"]),
        Way::new("refer-abroad", Queue, "is_left", &["refers_abroad"]),
        Way::new("key", Menu, "presses_one", &["leaves"]),
    ])
    .await;
    assert!(
        totals["failed"].as_u64().is_some_and(|failed| failed <= 1),
        "{totals}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_telephone_takes_a_nurses_place() {
    let ways = [Way::new("replaced", Queue, "is_left", &["is_replaced"])];
    let mut ground = Ground::laid(&ways).await;
    let caller = ground.call(0, &ways[0]);
    let nurse = ground.phones.remove(0).remove(0);
    // Whom it replaces is said as the switch knows it: its own tag first (RFC 3891 section 3).
    let invite = nurse.has_seen("INVITE sip:").await;
    nurse.has_seen("ACK sip:").await;
    let field = |name: &str| {
        let line = invite.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {invite}"))
            .trim()
    };
    let (_, tag) = field("From:").split_once(";tag=").expect("a tag");
    let replaces = format!("{};to-tag={tag};from-tag=far1", field("Call-ID:"));
    let keys = [("replaces", replaces.as_str())];
    let second = Ladder::calls(&ground.switch, "second", "replaces", &keys);
    for ladder in [second, nurse, caller] {
        if let Err(wrong) = ladder.ends().await {
            panic!("{wrong}");
        }
    }
    assert_eq!(ground.left(1).await["completed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_its_status() {
    let asks = |name, to, [status, fields, codec, coding]: [&'static str; 4]| {
        let keys = [
            ("status", status),
            ("fields", fields),
            ("codec", codec),
            ("coding", coding),
        ];
        Way::new(name, to, "refused", &[]).told(&keys)
    };
    let refused = |name, status, fields| asks(name, Door, [status, fields, "8", "PCMA"]);
    walk(&[
        // Whether there is a codec for it shows when it is to be answered: it is a call that failed.
        asks(
            "no-codec",
            Simulated,
            ["488", "Max-Forwards: 70", "9", "G722"],
        ),
        refused("no-hops", "483", "Max-Forwards: 0"),
        refused(
            "too-brief",
            "422",
            "Max-Forwards: 70\nSupported: timer\nSession-Expires: 60",
        ),
        refused(
            "extension",
            "420",
            "Max-Forwards: 70\nRequire: nothing-there-is",
        ),
        refused("no-sdp", "406", "Max-Forwards: 70\nAccept: text/html"),
        Way::new("nobodys-bye", Door, "nobodys_bye", &[]),
        Way::new("fine", Direct, "calls", &["answers"]),
    ])
    .await;
}

/// The switch's own mark in what it sent comes back to it: 482 (RFC 3261 section 16.3).
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_back_is_refused() {
    let ways = [Way::new("loop", Direct, "calls", &["answers"])];
    let mut ground = Ground::laid(&ways).await;
    let caller = ground.call(0, &ways[0]);
    let far = ground.phones.remove(0).remove(0);
    let invite = far.has_seen("X-Vaxel-Visited: ").await;
    let mark = invite.lines().next().expect("a line");
    let (name, _) = mark.split_once(";n=").expect("a number of times");
    let fields = format!("Max-Forwards: 70\n{name};n=9");
    let keys = [
        ("kommun", kommun(0)),
        ("status", "482"),
        ("fields", &*fields),
        ("codec", "8"),
        ("coding", "PCMA"),
    ];
    let again = Ladder::calls(&ground.switch, "again", "refused", &keys);
    for ladder in [caller, far, again] {
        if let Err(wrong) = ladder.ends().await {
            panic!("{wrong}");
        }
    }
    ground.left(1).await;
}
