//! What callers hear and press before a nurse answers, with real audio and keys.

use std::time::Duration;

use gateway::audio;
use testkit::{CallPlan, Ended, Phone, Until};
use wire::{
    g711::Law,
    sip::{message::Headers, uri::Uri},
};

use crate::rig::{FAR_TONE, Rig, answers};

/// Everybody to the one queue, with these announcements and this menu or none.
fn everybody(announcement: &str, menu: &str) -> String {
    format!(
        "announcement = [{announcement}]\nroute = [{{ name = \"all\", all = true, unknown = true, invalid = true, conflict = true, queue = \"sormland\"{menu} }}]"
    )
}

/// Whether a clip was heard, sample by sample: some of its middle is enough.
fn heard(samples: &[i16], file: &str) -> bool {
    let clip = audio::built_in(file).expect("a clip");
    let middle = clip.len() / 2;
    let part: Vec<i16> = clip[middle..middle + 400]
        .iter()
        .map(|byte| Law::A.decode(*byte))
        .collect();
    samples.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_waiting_caller_is_told_the_place_in_swedish() {
    let agents = "[], speak = { place = true, wait = true, every_s = 15 }";
    let rig = Rig::start(agents, &everybody("", "")).await;
    let caller = rig.call("0488", Until::Heard(Duration::from_secs(2))).await;
    assert!(
        heard(&caller.heard, "say-position.wav"),
        "Du har plats nummer"
    );
    assert!(heard(&caller.heard, "say-1.wav"), "ett");
    assert!(
        !heard(&caller.heard, "say-wait.wav"),
        "nobody is there: no wait is told"
    );
    let totals = rig.stop().await.totals;
    assert_eq!(totals.outcomes.get("abandoned"), Some(&1));
}

#[tokio::test]
async fn a_key_in_the_menu_is_read_and_acted_upon() {
    let mut nurse = Phone::bind().expect("a phone");
    let menu = ", menu = { announcement = \"menu\", timeout_s = 60, choices = [{ digit = \"7\", continue = true }] }";
    let announcement = "{ name = \"menu\", file = \"external-notice.wav\" }";
    let agents = format!("[\"sip:nurse@{}\"]", nurse.address());
    let rig = Rig::start(&agents, &everybody(announcement, menu)).await;
    let mut phone = Phone::bind().expect("a phone");
    let target = Uri::parse(&format!("sip:1177@{}", rig.gateway.sip_addr())).expect("a URI");
    let plan = CallPlan {
        keys: "7".into(),
        until: Until::HeardTone(FAR_TONE),
        ..CallPlan::default()
    };
    let (caller, nurse) = tokio::join!(
        phone.call(target, Headers::new(), plan),
        nurse.answer(answers())
    );
    // Who pressed nothing would hear sixteen seconds of menu, twice, and wait a minute after each.
    assert_eq!((caller.code(), nurse.code()), (200, 200));
    assert_eq!(caller.ended, Ended::Us, "the nurse was heard");
    assert_eq!(rig.stop().await.totals.completed, 1);
}

#[tokio::test]
async fn keys_pass_from_the_caller_to_whoever_answers() {
    for (to, handover) in [
        ("queue = \"sormland\"", ""),
        ("provider = \"medhelp\"", ", handover = \"relay\""),
    ] {
        let mut far = Phone::bind().expect("a phone");
        let rest = format!(
            "provider = [{{ name = \"medhelp\", organisation = \"medhelp\", targets = [\"sip:1177@{}\"] }}]\nroute = [{{ name = \"all\", all = true, unknown = true, invalid = true, conflict = true, {to}{handover} }}]",
            far.address()
        );
        let agents = format!("[\"sip:nurse@{}\"]", far.address());
        let rig = Rig::start(&agents, &rest).await;
        let mut phone = Phone::bind().expect("a phone");
        let target = Uri::parse(&format!("sip:1177@{}", rig.gateway.sip_addr())).expect("a URI");
        let plan = CallPlan {
            // The first are pressed while the nurse's phone rings; the rest are for her.
            keys: "1".repeat(150).into(),
            until: Until::Sent(Duration::from_secs(4)),
            ..CallPlan::default()
        };
        let (caller, far) = tokio::join!(
            phone.call(target, Headers::new(), plan),
            far.answer(answers())
        );
        assert_eq!(caller.code(), 200, "{to}");
        assert!(far.keys.contains('1'), "{to}: keys reach the far end");
        assert_eq!(rig.stop().await.totals.unaccounted, 0);
    }
}
