//! The live switch with real SIP and RTP: every way a call goes, who heard whom, and what was recorded where.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod bad_media;
mod callback;
mod dialogs;
mod encrypted;
mod failover;
mod forked;
mod handed_on;
mod handset;
mod ipv6;
mod late_offers;
mod nat;
mod overload;
mod phones;
mod ports;
mod recorded;
mod replace;
mod reports;
mod rig;
mod shared_ports;
mod shared_transfer;
mod silence;
mod talk;
mod two_networks;
mod waiting;

use rig::{A_WHILE, CALLER_TONE, FAR_TONE, Rig, answers};
use testkit::{AnswerPlan, Ended, Phone, Then, Until, tone};
use wire::sip::message::StatusCode;

/// Routes with region 04 at the queue and everything else where `to` says.
fn routes(to: &str) -> String {
    format!(
        r#"route = [
  {{ name = "sormland", region = "04", queue = "sormland" }},
  {{ name = "rest", all = true, {to} }},
  {{ name = "unknown", unknown = true, queue = "sormland" }},
  {{ name = "odd", invalid = true, conflict = true, queue = "sormland" }},
]"#
    )
}

fn provider(targets: &str, handover: &str) -> String {
    format!(
        "provider = [{{ name = \"medhelp\", organisation = \"medhelp\", targets = {targets}, ring_s = 5 }}]\n{}",
        routes(&format!(
            "provider = \"medhelp\", handover = \"{handover}\""
        ))
    )
}

fn at(phone: &Phone) -> String {
    format!("[\"sip:1177@{}\"]", phone.address())
}

const TO_QUEUE: &str = r#"queue = "sormland""#;

#[tokio::test]
async fn a_regional_call_is_answered_bridged_and_recorded_once() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(&at(&nurse), &routes(TO_QUEUE)).await;
    let (caller, nurse) = tokio::join!(rig.call("0488", A_WHILE), nurse.answer(answers()));
    assert_eq!(
        (caller.code(), caller.ended, nurse.ended),
        (200, Ended::Us, Ended::Peer)
    );
    assert!(caller.heard_tone(FAR_TONE), "the caller hears the nurse");
    assert!(nurse.heard_tone(CALLER_TONE), "the nurse hears the caller");
    let kept = rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&1));
    let [(controller, [left, right])] = kept.recordings().try_into().expect("one recording");
    assert_eq!(controller, "region-04");
    assert!(
        tone::heard(&left, CALLER_TONE) && !tone::heard(&left, FAR_TONE),
        "the caller on the left"
    );
    assert!(
        tone::heard(&right, FAR_TONE) && !tone::heard(&right, CALLER_TONE),
        "the nurse on the right"
    );
}

#[tokio::test]
async fn a_call_that_leaves_is_never_recorded_here() {
    for (handover, through_here) in [("direct", false), ("relay", true)] {
        let mut medhelp = Phone::bind().expect("a phone");
        let rig = Rig::start("[{ simulated = 1 }]", &provider(&at(&medhelp), handover)).await;
        let (caller, provider) = tokio::join!(rig.call("0180", A_WHILE), medhelp.answer(answers()));
        assert_eq!(
            (caller.code(), caller.ended),
            (200, Ended::Us),
            "{handover}"
        );
        assert!(
            caller.heard_tone(FAR_TONE) && provider.heard_tone(CALLER_TONE),
            "{handover}: both ways"
        );
        let request = provider.request.as_ref().expect("an INVITE");
        let kommun = wire::sip::message::HeaderName::parse("X-Kommun-ID").expect("a token");
        assert_eq!(
            request.headers.get(&kommun),
            Some("0180"),
            "the provider is told the kommun"
        );
        let heard_from = caller.audio_source.expect("audio came").port();
        let direct = !rig::RTP_PORTS.contains(&heard_from);
        assert_eq!(
            direct, !through_here,
            "{handover}: RTP {:?}",
            caller.remote_audio
        );
        let kept = rig.stop().await;
        assert_eq!(kept.totals.recorded_at_switch_for_provider, 0);
        assert!(
            kept.totals.recorded.is_empty() && kept.recordings().is_empty(),
            "{handover}"
        );
        assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
    }
}

#[tokio::test]
async fn a_released_call_is_sent_on_with_its_kommun() {
    let medhelp = Phone::bind().expect("a phone");
    let rig = Rig::start("[{ simulated = 1 }]", &provider(&at(&medhelp), "release")).await;
    let caller = rig.call("0180", Until::PeerEnds).await;
    assert_eq!(caller.code(), 302);
    let contact = caller.contacts.first().expect("a Contact").to_string();
    assert_eq!(
        contact,
        format!("sip:1177@{};kommun-id=0180", medhelp.address())
    );
    let kept = rig.stop().await;
    assert_eq!((kept.totals.completed, kept.recordings().len()), (1, 0));
}

#[tokio::test]
async fn the_next_target_is_tried_when_a_provider_fails() {
    let (mut busy, mut ready) = (
        Phone::bind().expect("a phone"),
        Phone::bind().expect("a phone"),
    );
    let targets = format!(
        "[\"sip:a@{}\", \"sip:b@{}\"]",
        busy.address(),
        ready.address()
    );
    let rig = Rig::start("[{ simulated = 1 }]", &provider(&targets, "direct")).await;
    let refuse = AnswerPlan {
        then: Then::Reject(StatusCode::SERVICE_UNAVAILABLE),
        ..AnswerPlan::default()
    };
    let (caller, first, second) = tokio::join!(
        rig.call("0180", A_WHILE),
        busy.answer(refuse),
        ready.answer(answers())
    );
    assert_eq!(
        (caller.code(), first.code(), second.code()),
        (200, 503, 200)
    );
    assert!(caller.heard_tone(FAR_TONE));
    assert_eq!(rig.stop().await.totals.completed, 1);
}

#[tokio::test]
async fn a_caller_whose_provider_is_gone_is_told_and_accounted_for() {
    let mut busy = Phone::bind().expect("a phone");
    let rig = Rig::start("[{ simulated = 1 }]", &provider(&at(&busy), "direct")).await;
    let refuse = AnswerPlan {
        then: Then::Reject(StatusCode::BUSY_HERE),
        ..AnswerPlan::default()
    };
    let (caller, _) = tokio::join!(rig.call("0180", Until::PeerEnds), busy.answer(refuse));
    assert_eq!(caller.code(), 480);
    let totals = rig.stop().await.totals;
    assert_eq!(
        (totals.offered, totals.failed, totals.unaccounted),
        (1, 1, 0)
    );
    assert_eq!(totals.outcomes.get("provider_failed"), Some(&1));
}

#[tokio::test]
async fn an_agent_who_refuses_leaves_the_call_to_the_next() {
    let (mut first, mut second) = (
        Phone::bind().expect("a phone"),
        Phone::bind().expect("a phone"),
    );
    let agents = format!(
        "[\"sip:a@{}\", \"sip:b@{}\"]",
        first.address(),
        second.address()
    );
    let rig = Rig::start(&agents, &routes(TO_QUEUE)).await;
    let refuse = AnswerPlan {
        then: Then::Reject(StatusCode::BUSY_HERE),
        ..AnswerPlan::default()
    };
    let (caller, _, nurse) = tokio::join!(
        rig.call("0488", A_WHILE),
        first.answer(refuse),
        second.answer(answers())
    );
    assert!(caller.heard_tone(FAR_TONE) && nurse.heard_tone(CALLER_TONE));
    assert_eq!(rig.stop().await.totals.recorded.get("region-04"), Some(&1));
}

#[tokio::test]
async fn a_caller_who_gives_up_takes_the_ringing_with_him() {
    let mut medhelp = Phone::bind().expect("a phone");
    let rig = Rig::start("[{ simulated = 1 }]", &provider(&at(&medhelp), "direct")).await;
    let ring_on = AnswerPlan {
        then: Then::RingOn,
        ..AnswerPlan::default()
    };
    let (caller, provider) =
        tokio::join!(rig.call("0180", Until::Ringing), medhelp.answer(ring_on));
    assert_eq!((caller.ended, provider.ended), (Ended::Us, Ended::Peer));
    let totals = rig.stop().await.totals;
    assert_eq!(
        (totals.outcomes.get("abandoned"), totals.unaccounted),
        (Some(&1), 0)
    );
}

#[tokio::test]
async fn odd_kommun_ids_have_routes_of_their_own() {
    let rig = Rig::start("[{ simulated = 8 }]", &routes(TO_QUEUE)).await;
    for odd in ["", "9999", "01800", "018a", "DK01", "0488"] {
        assert_eq!(
            rig.call(odd, Until::Heard(std::time::Duration::from_millis(100)))
                .await
                .code(),
            200,
            "{odd:?}"
        );
    }
    let totals = rig.stop().await.totals;
    let count = |route: &str| totals.by_route.get(route).copied().unwrap_or(0);
    assert_eq!(
        (
            count("unknown"),
            count("odd"),
            count("sormland"),
            count("rest")
        ),
        (2, 3, 1, 0)
    );
    assert_eq!((totals.offered, totals.unaccounted), (6, 0));
}

#[tokio::test]
async fn a_stop_ends_calls_by_bye_and_closes_their_recordings() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(&at(&nurse), &routes(TO_QUEUE)).await;
    let target = rig.gateway.sip_addr();
    let call = async {
        let mut phone = Phone::bind().expect("a phone");
        let target = wire::sip::uri::Uri::parse(&format!("sip:11770488@{target}")).expect("a URI");
        phone
            .call(
                target,
                wire::sip::message::Headers::new(),
                testkit::CallPlan::default(),
            )
            .await
    };
    let (caller, nurse, kept) = tokio::join!(call, nurse.answer(answers()), async {
        rig.sees(|live| live.totals.recorded.get("region-04") == Some(&1))
            .await;
        rig.stop().await
    });
    assert_eq!((caller.ended, nurse.ended), (Ended::Peer, Ended::Peer));
    assert_eq!((kept.recordings().len(), kept.totals.unaccounted), (1, 0));
}
