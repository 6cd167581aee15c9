//! Called back instead of waiting on the line, with real SIP and key presses.

use std::time::Duration;

use testkit::{AnswerPlan, CallPlan, CallResult, Ended, Phone, Sound, Then, Until};
use wire::{
    sdp::Description,
    sip::{
        endpoint::TransportKind,
        message::{Headers, Request, StatusCode},
        uri::Uri,
    },
    srtp::{MasterKey, Suite},
};

use crate::{
    TO_QUEUE,
    rig::{A_WHILE, CALLER_TONE, FAR_TONE, Rig},
    routes,
};

/// A number of the test ranges: it must reach the caller's phone, and no log.
const FROM: &str = "<sip:+46701740605@127.0.0.1>";

/// One agent, and a queue that offers to call back whoever has to wait at all.
fn agent(phone: &Phone) -> String {
    format!(
        "[\"sip:nurse@{}\"], callback = {{ after_expected_wait_s = 1, at_most = 1, offer = \"offer\", attempts_max = 2, again_after_s = 1 }}",
        phone.address()
    )
}

fn rest() -> String {
    format!(
        "announcement = [{{ name = \"offer\", file = \"callback-offer.wav\" }}]\n{}",
        routes(TO_QUEUE)
    )
}

/// Keeps the agent busy with another caller, longer than somebody takes to call, be offered and press a key on a machine that
/// stands still in between.
fn talks() -> AnswerPlan {
    AnswerPlan {
        sound: Sound::Tone(FAR_TONE),
        until: Until::Heard(Duration::from_secs(8)),
        ..AnswerPlan::default()
    }
}

/// The agent talks with another caller, then with whom the switch called back; the second of the two.
async fn answers_twice(nurse: &mut Phone) -> CallResult {
    nurse.answer(talks()).await;
    let plan = AnswerPlan {
        sound: Sound::Tone(FAR_TONE),
        ..AnswerPlan::default()
    };
    nurse.answer(plan).await
}

/// Whoever is called back talks a while and hangs up.
fn answers_the_switch() -> AnswerPlan {
    AnswerPlan {
        sound: Sound::Tone(CALLER_TONE),
        until: A_WHILE,
        ..AnswerPlan::default()
    }
}

/// Calls while the agent talks and presses 1.
async fn asks_to_be_called_back(rig: &Rig, phone: &mut Phone, srtp: Option<Suite>) -> CallResult {
    rig.sees_a_call("talking").await;
    let target = Uri::parse(&format!("sip:11770488@{}", rig.gateway.sip_addr())).expect("a URI");
    let plan = CallPlan {
        from: FROM.into(),
        keys: "1".into(),
        srtp,
        ..CallPlan::default()
    };
    phone.call(target, Headers::new(), plan).await
}

#[tokio::test]
async fn a_caller_presses_one_hangs_up_and_is_called_back_and_recorded() {
    let (mut nurse, mut phone) = (
        Phone::bind().expect("a phone"),
        Phone::bind().expect("a phone"),
    );
    let rig = Rig::start(&agent(&nurse), &rest()).await;
    let waits = async {
        let asked = asks_to_be_called_back(&rig, &mut phone, None).await;
        let promised = rig.sees(|live| live.queues[0].promised == 1).await;
        assert_eq!(promised.queues[0].waiting, 0);
        (asked, phone.answer(answers_the_switch()).await)
    };
    let answers = answers_twice(&mut nurse);
    let (_, (asked, called), nurse) =
        tokio::join!(rig.call("0488", Until::PeerEnds), waits, answers);
    assert_eq!((asked.code(), asked.ended), (200, Ended::Peer));
    assert_eq!((called.code(), called.ended), (200, Ended::Us));
    assert!(called.heard_tone(FAR_TONE) && nurse.heard_tone(CALLER_TONE));
    let dialled = called.request.as_ref().expect("an INVITE").uri.to_string();
    assert!(
        dialled.starts_with("sip:+46701740605@"),
        "the number is dialled"
    );
    let totals = rig.stop().await.totals;
    assert_eq!(totals.recorded.get("region-04"), Some(&2));
    assert_eq!(
        (totals.offered, totals.completed, totals.unaccounted),
        (2, 2, 0)
    );
}

/// The connection by which it came leads back to nobody, once it is closed.
#[tokio::test]
async fn a_caller_by_tcp_is_offered_no_call_back_without_a_trunk() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(&agent(&nurse), &rest()).await;
    let waits = async {
        rig.sees_a_call("talking").await;
        let target = Uri::parse(&format!("sip:11770488@{}", rig.gateway.sip_addr()));
        let target = target.expect("a URI");
        let plan = CallPlan {
            from: FROM.into(),
            transport: TransportKind::Tcp,
            // Whoever is offered nothing hears nothing in this queue.
            until: Until::Sent(Duration::from_millis(1500)),
            ..CallPlan::default()
        };
        let mut phone = Phone::bind().expect("a phone");
        phone.call(target, Headers::new(), plan).await
    };
    let (_, asked, _) = tokio::join!(
        rig.call("0488", Until::Heard(Duration::from_secs(4))),
        waits,
        nurse.answer(talks())
    );
    assert_eq!((asked.code(), asked.ended), (200, Ended::Us));
    assert_eq!(rig.counted("vaxel_callbacks_total", "offered"), 0);
    assert_eq!(rig.stop().await.totals.unaccounted, 0);
}

#[tokio::test]
async fn a_caller_who_cannot_be_reached_is_tried_again_and_accounted_for() {
    let (mut nurse, mut phone) = (
        Phone::bind().expect("a phone"),
        Phone::bind().expect("a phone"),
    );
    let rig = Rig::start(&agent(&nurse), &rest()).await;
    let waits = async {
        asks_to_be_called_back(&rig, &mut phone, None).await;
        for _ in 0..2 {
            let busy = AnswerPlan {
                then: Then::Reject(StatusCode::BUSY_HERE),
                ..AnswerPlan::default()
            };
            phone.answer(busy).await;
        }
        rig.sees(|live| live.totals.outcomes.contains_key("unreached"))
            .await;
    };
    tokio::join!(
        rig.call("0488", Until::PeerEnds),
        waits,
        nurse.answer(talks())
    );
    let totals = rig.stop().await.totals;
    assert_eq!((totals.offered, totals.unaccounted), (2, 0));
    assert_eq!(totals.recorded.get("region-04"), Some(&1));
}

/// The key by which the switch would encrypt a call of its own.
fn key(call: Option<&Request>) -> MasterKey {
    let body = call.and_then(Request::body).expect("an offer");
    let offer = Description::parse(&body.bytes).expect("a session description");
    let stream = offer.audio().expect("audio");
    assert!(stream.is_secure(), "as he was before: encrypted or nothing");
    stream.crypto[0].key.clone()
}

/// Nothing in the scenario says so: he was, and each call has a key of its own.
#[tokio::test]
async fn a_caller_who_was_encrypted_is_called_back_encrypted() {
    let (mut nurse, mut phone) = (
        Phone::bind().expect("a phone"),
        Phone::bind().expect("a phone"),
    );
    let rig = Rig::start(&agent(&nurse), &rest()).await;
    let waits = async {
        let suite = Some(Suite::AesCm128HmacSha1_80);
        assert!(
            asks_to_be_called_back(&rig, &mut phone, suite)
                .await
                .encrypted
        );
        let busy = AnswerPlan {
            then: Then::Reject(StatusCode::BUSY_HERE),
            ..AnswerPlan::default()
        };
        let first = phone.answer(busy).await;
        (first, phone.answer(answers_the_switch()).await)
    };
    let answers = answers_twice(&mut nurse);
    let (_, (first, second), nurse) =
        tokio::join!(rig.call("0488", Until::PeerEnds), waits, answers);
    assert_ne!(
        key(first.request.as_deref()),
        key(second.request.as_deref())
    );
    assert!(second.encrypted && !nurse.encrypted);
    assert!(second.heard_tone(FAR_TONE) && nurse.heard_tone(CALLER_TONE));
    let totals = rig.stop().await.totals;
    assert_eq!(totals.recorded.get("region-04"), Some(&2));
}
