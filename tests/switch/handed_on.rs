//! Calls that a nurse hands on: REFER, REFER after hold, INVITE with Replaces; and who may not.

use testkit::Phone;
use wire::{
    sdp::Direction,
    sip::{
        endpoint::{Event, SessionId},
        header::NameAddr,
        message::{HeaderName, Headers, StatusCode},
    },
};

use crate::{
    TO_QUEUE,
    handset::Handset,
    provider,
    rig::{A_WHILE, CALLER_TONE, Rig, answers},
    routes,
    talk::Talk,
};

const KOMMUN: (&str, &str) = ("X-Kommun-ID", "0180");

#[tokio::test]
async fn a_nurse_sends_the_call_on_to_another() {
    let mut nurse = Handset::new().await;
    let mut second = Phone::bind().expect("a phone");
    let agents = format!("[\"{}\", \"sip:1177@{}\"]", nurse.uri(), second.address());
    let rig = Rig::start(&agents, &routes(TO_QUEUE)).await;
    let target = format!(
        "<sip:1177@{}?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>",
        second.address()
    );
    let refers = async {
        let (session, _) = nurse.answers().await;
        nurse.is_confirmed().await;
        for foreign in [
            "<sip:1177@127.0.0.1:9>",
            "<sip:0900@127.0.0.1>",
            "<tel:+46900>",
        ] {
            assert_eq!(
                refer(&mut nurse, session, foreign).await,
                Err(StatusCode::FORBIDDEN),
                "{foreign}"
            );
        }
        assert_eq!(refer(&mut nurse, session, &target).await, Ok(()));
        let done = nurse
            .sees("the end of it", |event| match event {
                Event::ReferProgress {
                    status, over: true, ..
                } => Some(status),
                _ => None,
            })
            .await;
        assert_eq!(done, Some(StatusCode::OK));
        nurse.is_ended().await;
    };
    let (caller, taken, ()) =
        tokio::join!(rig.call("0488", A_WHILE), second.answer(answers()), refers);
    assert_eq!(caller.code(), 200);
    assert!(
        taken.heard_tone(CALLER_TONE),
        "the second nurse hears the caller"
    );
    let request = taken.request.expect("an INVITE");
    assert_eq!(
        request.headers.get(&HeaderName::Replaces),
        Some("a@b;to-tag=1;from-tag=2")
    );
    let kept = rig.stop().await;
    assert_eq!(
        kept.totals.recorded.get("region-04"),
        Some(&2),
        "a recording a nurse"
    );
    assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
}

/// As telephones do: hold first, then REFER. Whoever takes over finds a caller who talks, also one who hadn't yet heard of the
/// hold by then.
#[tokio::test]
async fn a_caller_on_hold_talks_to_whom_the_call_is_handed_on() {
    for answers_late in [false, true] {
        let mut second = Handset::new().await;
        let mut two = Talk::begin_beside(&format!(", \"{}\"", second.uri())).await;
        two.nurse.is_confirmed().await;
        two.nurse.asks_for(two.talk, Direction::SendOnly).await;
        two.caller.is_asked_for(Direction::SendOnly).await;
        if !answers_late {
            two.caller.agrees(two.call, Direction::SendOnly);
        }
        two.nurse.has_changed().await;
        let to = format!("<{}>", second.uri());
        assert_eq!(refer(&mut two.nurse, two.talk, &to).await, Ok(()));
        second.answers().await;
        two.nurse.is_ended().await;
        if answers_late {
            two.caller.agrees(two.call, Direction::SendOnly);
        }
        two.caller.is_asked_for(Direction::SendRecv).await;
        two.caller.agrees(two.call, Direction::SendRecv);
        two.caller
            .sees("the ACK", |event| {
                matches!(event, Event::ChangeConfirmed { .. }).then_some(())
            })
            .await;
        two.caller.hangs_up(two.call);
        second.is_ended().await;
        let kept = two.rig.stop().await;
        assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
        assert_eq!(
            kept.totals.recorded.get("region-04"),
            Some(&2),
            "a recording a nurse"
        );
    }
}

/// What a phone is answered that asks for its call to be sent on.
pub(crate) async fn refer(
    phone: &mut Handset,
    session: SessionId,
    to: &str,
) -> Result<(), StatusCode> {
    let to = NameAddr::parse(to).expect("an address");
    phone.act(|ep, now| ep.refer(now, session, &to, &Headers::new()).expect("asked"));
    phone
        .sees("an answer to REFER", |event| match event {
            Event::ReferAnswered { result, .. } => Some(result),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_provider_may_not_have_the_switch_call_anybody() {
    let mut far = Handset::new().await;
    let agent = Handset::new().await;
    let rig = Rig::start(&agent.targets(), &provider(&far.targets(), "relay")).await;
    let mut caller = Handset::new().await;
    let offer = caller.talks();
    let session = caller.call(rig.gateway.sip_addr(), &[KOMMUN], Some(offer));
    let (talk, _) = far.answers().await;
    caller.is_answered().await;
    far.is_confirmed().await;
    let agent = format!("<{}>", agent.uri());
    assert_eq!(
        refer(&mut far, talk, &agent).await,
        Err(StatusCode::FORBIDDEN)
    );
    assert_eq!(
        refer(&mut caller, session, &agent).await,
        Err(StatusCode::FORBIDDEN)
    );
    caller.hangs_up(session);
    far.is_ended().await;
    let kept = rig.stop().await;
    assert!(kept.recordings().is_empty());
}

#[tokio::test]
async fn another_phone_takes_the_place_of_a_nurses() {
    let mut two = Talk::begin().await;
    let of_caller = two
        .caller
        .act(|ep, _| ep.named(two.call).expect("it is up"));
    two.nurse.is_confirmed().await;
    let of_nurse = two.nurse.act(|ep, _| ep.named(two.talk).expect("it is up"));
    let mut second = Handset::new().await;
    let offer = second.talks();
    second.call(
        two.rig.gateway.sip_addr(),
        &[("Replaces", of_caller.as_str())],
        Some(offer.clone()),
    );
    assert_eq!(
        second.is_refused().await,
        603,
        "a caller's place is not to be taken"
    );
    second.call(
        two.rig.gateway.sip_addr(),
        &[("Replaces", "x;to-tag=1;from-tag=2")],
        Some(offer.clone()),
    );
    assert_eq!(second.is_refused().await, 481);
    second.call(
        two.rig.gateway.sip_addr(),
        &[("Replaces", of_nurse.as_str())],
        Some(offer),
    );
    second.is_answered().await;
    two.nurse.is_ended().await;
    two.caller.hangs_up(two.call);
    second.is_ended().await;
    let kept = two.rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&2));
    assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
}
