//! Callers whose audio is encrypted (SRTP with keys in SDP): heard, bridged to who isn't, recorded, and passed through untouched.

use std::time::Duration;

use testkit::{CallPlan, Ended, Phone, Sound, Until, tone};
use wire::{
    sdp::{CONTENT_TYPE, Description, Direction},
    sip::{endpoint::Event, message::Body},
    srtp::Suite,
};

use crate::{
    TO_QUEUE, at,
    handset::Handset,
    provider,
    rig::{A_WHILE, CALLER_TONE, FAR_TONE, Rig, answers},
    routes,
};

const KOMMUN: (&str, &str) = ("X-Kommun-ID", "0488");

fn encrypted(suite: Suite, until: Until) -> CallPlan {
    CallPlan {
        sound: Sound::Tone(CALLER_TONE),
        until,
        srtp: Some(suite),
        ..CallPlan::default()
    }
}

/// The announcement, and then a while of the nurse.
const LISTENS: Duration = Duration::from_secs(5);

/// An announcement of two and a half seconds before the nurse.
fn announced() -> String {
    format!(
        "announcement = [{{ name = \"greeting\", file = \"queue.wav\" }}]\n{}",
        routes("queue = \"sormland\"").replace(
            "region = \"04\", queue",
            "region = \"04\", announcement = \"greeting\", queue"
        )
    )
}

#[tokio::test]
async fn an_encrypted_caller_and_a_plain_nurse_hear_each_other_and_are_recorded() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(&at(&nurse), &announced()).await;
    let plan = encrypted(Suite::AesCm128HmacSha1_80, Until::Heard(LISTENS));
    let (caller, nurse) = tokio::join!(rig.call_as("0488", plan), nurse.answer(answers()));
    assert_eq!((caller.code(), caller.ended), (200, Ended::Us));
    assert!(caller.encrypted && !nurse.encrypted);
    assert!(caller.heard_tone(FAR_TONE) && nurse.heard_tone(CALLER_TONE));
    let greeting = &caller.heard[..8000.min(caller.heard.len())];
    let loud = greeting
        .iter()
        .filter(|sample| sample.unsigned_abs() > 1000);
    assert!(
        loud.count() > 400 && !tone::heard(greeting, FAR_TONE),
        "the announcement first"
    );
    assert_eq!(caller.audio.lost, 0);
    assert_eq!(rig.counted("vaxel_srtp_legs_total", "clear"), 1);
    let kept = rig.stop().await;
    let [(_, [left, right])] = kept.recordings().try_into().expect("one recording");
    assert!(tone::heard(&left, CALLER_TONE), "the caller on the left");
    assert!(tone::heard(&right, FAR_TONE), "the nurse on the right");
}

#[tokio::test]
async fn each_leg_of_a_relay_is_encrypted_on_its_own_and_by_the_shorter_tag_too() {
    let mut medhelp = Phone::bind().expect("a phone");
    let rig = Rig::start("[{ simulated = 1 }]", &provider(&at(&medhelp), "relay")).await;
    let plan = encrypted(Suite::AesCm128HmacSha1_32, A_WHILE);
    let (caller, far) = tokio::join!(rig.call_as("0180", plan), medhelp.answer(answers()));
    assert!(caller.encrypted && !far.encrypted);
    assert!(caller.heard_tone(FAR_TONE) && far.heard_tone(CALLER_TONE));
    rig.stop().await;
}

#[tokio::test]
async fn keys_of_a_direct_call_pass_through_untouched() {
    let mut medhelp = Phone::bind().expect("a phone");
    let rig = Rig::start("[{ simulated = 1 }]", &provider(&at(&medhelp), "direct")).await;
    let plan = encrypted(Suite::AesCm128HmacSha1_80, A_WHILE);
    let (caller, far) = tokio::join!(rig.call_as("0180", plan), medhelp.answer(answers()));
    assert!(caller.encrypted && far.encrypted, "by each other's keys");
    assert!(caller.heard_tone(FAR_TONE) && far.heard_tone(CALLER_TONE));
    let from = caller.audio_source.expect("audio came").port();
    assert!(!crate::rig::RTP_PORTS.contains(&from), "past the switch");
    rig.stop().await;
}

#[tokio::test]
async fn hold_keeps_the_callers_encryption() {
    let mut nurse = Handset::new().await;
    let agents = format!("[\"{}\"]", nurse.uri());
    let rig = Rig::start(&agents, &routes(TO_QUEUE)).await;
    let holds = async {
        let (session, _) = nurse.answers().await;
        nurse.is_confirmed().await;
        for direction in [Direction::SendOnly, Direction::SendRecv] {
            let body = nurse.sdp(direction);
            nurse.act(|ep, now| ep.change(now, session, Some(body)).expect("asked"));
            nurse
                .sees("the change", |event| {
                    matches!(event, Event::Changed { result: Ok(_), .. }).then_some(())
                })
                .await;
        }
        nurse.hangs_up(session);
    };
    let plan = encrypted(Suite::AesCm128HmacSha1_80, Until::PeerEnds);
    let (caller, ()) = tokio::join!(rig.call_as("0488", plan), holds);
    assert!(caller.changes >= 1, "the caller is told");
    assert!(caller.encrypted, "in the same words: RTP/SAVP with a key");
    rig.stop().await;
}

/// A re-INVITE with the same key is answered with the same; one with another suite, or none, is followed.
#[tokio::test]
async fn a_callers_change_of_keys_is_followed() {
    let rig = Rig::start("[{ simulated = 1 }]", &routes(TO_QUEUE)).await;
    let mut caller = Handset::new().await;
    let plain = caller.talks();
    let long = with_key(&plain, "1 AES_CM_128_HMAC_SHA1_80");
    let short = with_key(&plain, "1 AES_CM_128_HMAC_SHA1_32");
    let session = caller.call(rig.gateway.sip_addr(), &[KOMMUN], Some(long.clone()));
    let answer = caller.is_answered().await.body().expect("an answer");
    let mut before = line(&answer).expect("a key");
    caller.act(|ep, now| ep.ack(now, session, None)).ok();
    for (offer, stays) in [
        (&long, true),
        (&short, false),
        (&short, true),
        (&long, false),
    ] {
        let line = line(&changed(&mut caller, session, offer).await).expect("a key");
        assert_eq!(line == before, stays, "the key goes with its suite");
        before = line;
    }
    assert_eq!(line(&changed(&mut caller, session, &plain).await), None);
    let after = line(&changed(&mut caller, session, &long).await).expect("a key");
    assert_ne!(after, before, "a key that was given up is not used again");
    caller.hangs_up(session);
    rig.stop().await;
}

#[tokio::test]
async fn encrypted_only_in_a_way_that_nobody_speaks_is_refused() {
    let rig = Rig::start("[{ simulated = 1 }]", &routes(TO_QUEUE)).await;
    for line in ["1 AES_256_CM_HMAC_SHA1_80", "1 AES_CM_128_HMAC_SHA1_80 x"] {
        let mut caller = Handset::new().await;
        let offer = with_key(&caller.talks(), line);
        caller.call(rig.gateway.sip_addr(), &[KOMMUN], Some(offer));
        assert_eq!(caller.is_refused().await, 488, "{line}");
    }
    rig.stop().await;
}

/// Our own offers: by the scenario, for each phone.
#[tokio::test]
async fn a_nurses_phone_is_called_encrypted_as_the_scenario_says() {
    for srtp in ["offer", "require"] {
        let mut nurse = Phone::bind().expect("a phone");
        let agents = format!(
            "[{{ sip = \"sip:1@{}\", srtp = \"{srtp}\" }}]",
            nurse.address()
        );
        let rig = Rig::start(&agents, &routes(TO_QUEUE)).await;
        let (caller, nurse) = tokio::join!(rig.call("0488", A_WHILE), nurse.answer(answers()));
        assert!(nurse.encrypted && !caller.encrypted, "{srtp}");
        assert!(caller.heard_tone(FAR_TONE) && nurse.heard_tone(CALLER_TONE));
        let kept = rig.stop().await;
        let [(_, [_, right])] = kept.recordings().try_into().expect("one recording");
        assert!(tone::heard(&right, FAR_TONE), "recorded as ever");
    }
}

/// One phone that can't encrypt, asked in both ways: called plain where it may be, passed over where it must.
#[tokio::test]
async fn a_phone_that_cannot_encrypt_is_passed_over_where_it_must() {
    for (srtp, talks) in [("offer", true), ("require", false)] {
        let mut plain = Handset::new().await;
        let mut other = Phone::bind().expect("a phone");
        let agents = format!(
            "[{{ sip = \"{}\", srtp = \"{srtp}\" }}, \"sip:2@{}\"]",
            plain.uri(),
            other.address()
        );
        let rig = Rig::start(&agents, &routes(TO_QUEUE)).await;
        let first = async {
            let (session, request) = plain.answers().await;
            let offer = request.body().expect("an offer");
            assert!(line(&offer).is_some(), "{srtp}: keys are offered");
            if talks {
                plain.hangs_up(session);
            }
            plain.is_ended().await;
        };
        let second = async {
            if !talks {
                assert_eq!(other.answer(answers()).await.code(), 200);
            }
        };
        let until = if talks { Until::PeerEnds } else { A_WHILE };
        let (caller, ..) = tokio::join!(rig.call("0488", until), first, second);
        assert_eq!(caller.code(), 200, "{srtp}");
        rig.stop().await;
    }
}

/// The same, encrypted only, by a key that goes with that line.
fn with_key(plain: &Body, line: &str) -> Body {
    let text = String::from_utf8(plain.bytes.to_vec()).expect("text");
    let key = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    let text = text.replace("RTP/AVP", "RTP/SAVP");
    Body {
        content_type: CONTENT_TYPE.into(),
        bytes: format!("{text}a=crypto:{line} {key}\r\n")
            .into_bytes()
            .into(),
    }
}

/// The key that an answer gives, as it is written.
fn line(answer: &Body) -> Option<String> {
    let answer = Description::parse(&answer.bytes).expect("an answer");
    let stream = answer.audio().expect("audio");
    stream.crypto.first().map(wire::srtp::Crypto::write)
}

/// What the switch answers to that offer inside the call.
async fn changed(
    caller: &mut Handset,
    session: wire::sip::endpoint::SessionId,
    offer: &Body,
) -> Body {
    loop {
        let body = Some(offer.clone());
        // The ACK of what came before may still be under way.
        if caller.act(|ep, now| ep.change(now, session, body)).is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
    caller
        .sees("the change", |event| match event {
            Event::Changed { result, .. } => Some(result.expect("accepted").expect("an answer")),
            _ => None,
        })
        .await
}
