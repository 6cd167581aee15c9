//! What real telephones do beside calling: PRACK, late offers, hold, privacy, calls that come back.

use std::net::Ipv4Addr;

use wire::{
    sdp::{Description, Direction},
    sip::{
        endpoint::Event,
        message::{Body, HeaderName, Headers, StatusCode},
    },
};

use crate::{
    TO_QUEUE,
    handset::Handset,
    provider,
    rig::Rig,
    routes,
    talk::{REGIONAL, Talk},
};

const KOMMUN: (&str, &str) = ("X-Kommun-ID", "0180");

/// End to end: the caller requires reliable 18x; the provider may or may not know them.
#[tokio::test]
async fn a_caller_who_requires_100rel_has_it_whatever_the_provider_knows() {
    for mut far in [Handset::new().await, Handset::plain().await] {
        let rig = Rig::start("[{ simulated = 1 }]", &provider(&far.targets(), "direct")).await;
        let mut caller = Handset::new().await;
        let fields = [KOMMUN, ("Require", "100rel")];
        let offer = caller.talks();
        let session = caller.call(rig.gateway.sip_addr(), &fields, Some(offer));
        let (called, request) = far.is_called().await;
        assert_eq!(
            request.headers.get(&HeaderName::SessionExpires),
            Some("600")
        );
        let early = far.talks();
        far.act(|ep, now| {
            ep.progress(now, called, StatusCode::RINGING, None)
                .expect("rings");
            ep.progress(
                now,
                called,
                StatusCode::SESSION_PROGRESS,
                Some(early.clone()),
            )
            .expect("early media");
            ep.answer(now, called, Some(early)).expect("answered");
        });
        // Nothing moves at the far end but by its own driver.
        let (answer, ()) = tokio::join!(caller.is_answered(), async {
            far.is_confirmed().await;
        });
        assert!(answer.body().is_some());
        let sent = caller
            .driver
            .endpoint()
            .counters()
            .requests_sent
            .get("PRACK");
        // The answer may overtake the second 18x.
        assert!(sent.is_some_and(|sent| *sent >= 1), "{sent:?}");
        caller.hangs_up(session);
        far.is_ended().await;
        let kept = rig.stop().await;
        assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
    }
}

#[tokio::test]
async fn a_late_offer_of_a_direct_call_is_made_by_the_provider() {
    let mut far = Handset::new().await;
    let rig = Rig::start("[{ simulated = 1 }]", &provider(&far.targets(), "direct")).await;
    let mut caller = Handset::new().await;
    let session = caller.call(rig.gateway.sip_addr(), &[KOMMUN], None);
    let (_, request) = far.answers().await;
    assert!(
        request.body().is_none(),
        "the caller's INVITE had no offer, so this has none"
    );
    let offer = caller.is_answered().await.body().expect("an offer");
    assert_eq!(offer.bytes, far.talks().bytes, "the provider's own");
    let answer = caller.talks();
    caller.act(|ep, now| {
        ep.ack(now, session, Some(answer.clone()))
            .expect("the ACK was due")
    });
    let got = far
        .sees("the ACK", |event| match event {
            Event::Confirmed { body, .. } => Some(body),
            _ => None,
        })
        .await;
    assert_eq!(got.map(|body| body.bytes), Some(answer.bytes));
    caller.hangs_up(session);
    far.is_ended().await;
    rig.stop().await;
}

/// RFC 3325: a number that is to be private goes to trusted networks only.
#[tokio::test]
async fn a_private_number_goes_to_trusted_providers_only() {
    let number = testkit_number();
    for (ip, trusted) in [
        (Ipv4Addr::LOCALHOST, true),
        (Ipv4Addr::new(127, 0, 0, 9), false),
    ] {
        let mut far = Handset::at(ip, true).await;
        let rig = Rig::start_trusting(
            "127.0.0.1/32",
            "[{ simulated = 1 }]",
            &provider(&far.targets(), "direct"),
        )
        .await;
        for (privacy, shown) in [("id", trusted), ("none", true)] {
            let mut caller = Handset::new().await;
            let offer = caller.talks();
            let asserted = format!("<tel:{number}>");
            let fields = [
                KOMMUN,
                ("P-Asserted-Identity", asserted.as_str()),
                ("Privacy", privacy),
            ];
            let session = caller.call(rig.gateway.sip_addr(), &fields, Some(offer));
            let (_, request) = far.answers().await;
            caller.is_answered().await;
            assert_eq!(
                request
                    .headers
                    .get(&HeaderName::PAssertedIdentity)
                    .is_some(),
                shown,
                "{ip} {privacy}"
            );
            let text = String::from_utf8_lossy(&request.to_bytes()).into_owned();
            assert_eq!(text.contains(&number), shown, "nowhere else either");
            assert_eq!(
                request.headers.get(&HeaderName::HistoryInfo).is_some(),
                trusted
            );
            caller.hangs_up(session);
            far.is_ended().await;
        }
        rig.stop().await;
    }
}

/// The first number of the register of numbers that nobody has.
fn testkit_number() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/test_numbers.csv");
    let text = std::fs::read_to_string(file).expect("the register");
    let number = text
        .split(['\n', ',', ';'])
        .find(|field| field.starts_with("+46"));
    number.expect("a number").trim().to_owned()
}

#[tokio::test]
async fn failover_is_told_and_a_call_that_comes_back_is_refused() {
    let (mut busy, mut ready) = (Handset::new().await, Handset::new().await);
    let both = format!("[\"{}\", \"{}\"]", busy.uri(), ready.uri());
    let rig = Rig::start("[{ simulated = 1 }]", &provider(&both, "direct")).await;
    let mut caller = Handset::new().await;
    let offer = caller.talks();
    let session = caller.call(rig.gateway.sip_addr(), &[KOMMUN], Some(offer.clone()));
    let (called, _) = busy.is_called().await;
    busy.act(|ep, now| {
        ep.reject(now, called, StatusCode::BUSY_HERE, &Headers::new())
            .expect("refused")
    });
    let (_, request) = ready.answers().await;
    caller.is_answered().await;
    let history = request
        .headers
        .get(&HeaderName::HistoryInfo)
        .expect("a history");
    assert!(
        history.contains("?Reason=SIP%3Bcause%3D486>;index=1.1, "),
        "{history}"
    );
    assert!(
        history.ends_with(&format!("<{}>;index=1.2", ready.uri())),
        "{history}"
    );
    caller.hangs_up(session);
    ready.is_ended().await;

    let mark = HeaderName::parse("X-Vaxel-Visited").expect("a token");
    let mark = request.headers.get(&mark).expect("the switch's mark");
    let (name, times) = mark.split_once(';').expect("a number");
    assert_eq!(times, "n=1");
    let again = format!("{name};n=3");
    caller.call(
        rig.gateway.sip_addr(),
        &[KOMMUN, ("X-Vaxel-Visited", &again)],
        Some(offer),
    );
    assert_eq!(caller.is_refused().await, 482);
    rig.stop().await;
}

/// The recorder answers when the caller has hung up already: what it began is counted, and ended.
#[tokio::test]
async fn a_recording_that_begins_as_the_caller_hangs_up_is_counted() {
    let mut recorder = Handset::plain().await;
    let mut two = Talk::begin_recorded_at(&recorder, "off").await;
    let (recording, _) = recorder.is_called().await;
    two.caller.hangs_up(two.call);
    two.caller.is_ended().await;
    two.nurse.is_ended().await;
    let answer = Body {
        content_type: "application/sdp".into(),
        bytes: recording_answer().into(),
    };
    recorder.act(|ep, now| {
        ep.answer(now, recording, Some(answer))
            .expect("not cancelled")
    });
    recorder.is_ended().await;
    let kept = two.rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&1));
    assert_eq!(
        (
            kept.totals.recorded_at_switch_for_provider,
            kept.totals.completed
        ),
        (0, 1)
    );
}

/// A recorder that was out of reach for a while: what it had begun is ended, and what becomes of that is nothing to the recording
/// that begins when it is back.
#[tokio::test]
async fn a_recording_that_was_lost_is_ended_and_says_nothing_of_the_next() {
    for answered in [true, false] {
        let mut recorder = Handset::plain().await;
        let mut two = Talk::begin_recorded_at(&recorder, "off").await;
        let answer = || Body {
            content_type: "application/sdp".into(),
            bytes: recording_answer().into(),
        };
        let (first, _) = recorder.is_called().await;
        if answered {
            recorder.act(|ep, now| ep.answer(now, first, Some(answer())).expect("asked"));
            recorder.is_confirmed().await;
        }
        // It answers nobody while nobody waits for it.
        two.rig.sees(|live| live.totals.recording_gaps == 1).await;
        if answered {
            recorder.is_ended().await;
        }
        let (second, _) = recorder.is_called().await;
        if !answered {
            let (status, nothing) = (StatusCode::SERVER_INTERNAL_ERROR, Headers::new());
            recorder.act(|ep, now| ep.reject(now, first, status, &nothing).expect("asked"));
        }
        recorder.act(|ep, now| ep.answer(now, second, Some(answer())).expect("asked"));
        recorder.is_confirmed().await;
        two.caller.hangs_up(two.call);
        two.nurse.is_ended().await;
        recorder.is_ended().await;
        let totals = two.rig.stop().await.totals;
        assert_eq!(totals.recording_gaps, 1, "answered: {answered}");
        let recorded = 1 + u64::from(answered);
        assert_eq!(totals.recorded.get("region-04"), Some(&recorded));
    }
}

/// Many carriers' switches describe themselves in a reliable 183, and not again in the 200 (RFC 3262 section 5).
#[tokio::test]
async fn a_provider_that_has_answered_in_a_reliable_183_is_heard_after_a_bare_200() {
    for handover in ["relay", "direct"] {
        let mut far = Handset::new().await;
        let rig = Rig::start("[{ simulated = 1 }]", &provider(&far.targets(), handover)).await;
        let mut caller = Handset::plain().await;
        let offer = caller.talks();
        let session = caller.call(rig.gateway.sip_addr(), &[KOMMUN], Some(offer));
        let (called, _) = far.is_called().await;
        let early = far.talks();
        far.act(|ep, now| {
            let status = StatusCode::SESSION_PROGRESS;
            ep.progress(now, called, status, Some(early))
                .expect("early media");
            ep.answer(now, called, None).expect("answered");
        });
        let (answer, ()) = tokio::join!(caller.is_answered(), far.is_confirmed());
        let answer = answer.body().expect("the caller took no reliable 183");
        assert_eq!(answer.bytes == far.talks().bytes, handover == "direct");
        caller.hangs_up(session);
        far.is_ended().await;
        assert_eq!(rig.stop().await.totals.completed, 1, "{handover}");
    }
}

fn recording_answer() -> String {
    let stream = |label| format!("m=audio 9 RTP/AVP 8\r\na=recvonly\r\na=label:{label}\r\n");
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{}{}",
        stream(1),
        stream(2)
    )
}

#[tokio::test]
async fn what_cannot_be_spoken_is_488_with_a_warning_and_too_brief_a_timer_422() {
    let rig = Rig::start("[{ simulated = 1 }]", &routes(TO_QUEUE)).await;
    let mut caller = Handset::new().await;
    let text = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n";
    let odd = Body {
        content_type: "application/sdp".into(),
        bytes: text.into(),
    };
    caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(odd));
    assert_eq!(caller.is_refused().await, 488);
    let mut plain = Handset::plain().await;
    let offer = plain.talks();
    let fields = [REGIONAL, ("Supported", "timer"), ("Session-Expires", "60")];
    plain.call(rig.gateway.sip_addr(), &fields, Some(offer));
    assert_eq!(plain.is_refused().await, 422);
    let outcomes = rig.stop().await.totals.outcomes;
    assert_eq!(outcomes.get("incompatible"), Some(&1), "{outcomes:?}");
    assert_eq!(outcomes.get("our_fault"), None);
}

/// A change may come as an INVITE may: beside other things. What is no session description at all changes nothing.
#[tokio::test]
async fn a_change_that_comes_beside_something_else_is_read() {
    let mut two = Talk::begin().await;
    let held = two.caller.sdp(Direction::SendOnly);
    let sdp = String::from_utf8(held.bytes.to_vec()).expect("SDP is text");
    let other = "Content-Type: text/plain\r\n\r\nhold";
    let body =
        format!("--b\r\n{other}\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b--\r\n");
    let of = |content_type: &str, bytes: &str| Body {
        content_type: content_type.into(),
        bytes: bytes.to_owned().into(),
    };
    let beside = of("multipart/mixed;boundary=b", &body);
    two.caller.asks(two.call, beside).await;
    two.nurse.is_asked_for(Direction::SendOnly).await;
    two.nurse.agrees(two.talk, Direction::SendOnly);
    let answer = two.caller.has_changed().await.expect("an answer");
    let answer = Description::parse(&answer.bytes).expect("SDP");
    assert_eq!(answer.streams[0].direction, Direction::RecvOnly);

    two.caller.asks(two.call, of("text/plain", "resume")).await;
    let refused = |event| match event {
        Event::Changed { result, .. } => result.err(),
        _ => None,
    };
    let refused = two.caller.sees("the answer", refused).await;
    assert_eq!(refused, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    two.rig.stop().await;
}
