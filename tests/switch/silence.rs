//! Sides that are gone without a word: a caller whose nurse it was gets another, a call whose caller it was ends and is counted so.

use testkit::{Ended, Phone, tone};
use wire::{
    rtp::Sender,
    sdp::{Description, Direction},
    sip::{
        endpoint::Event,
        message::{Request, StatusCode},
    },
};

use crate::{
    TO_QUEUE,
    handset::Handset,
    rig::{A_WHILE, CALLER_TONE, FAR_TONE, Rig, answers},
    routes,
    talk::Talk,
};

const KOMMUN: (&str, &str) = ("X-Kommun-ID", "0488");

fn agents(nurse: &Handset) -> String {
    format!("[\"{}\"]", nurse.uri())
}

/// The nurse's phone is up and sends nothing, as one whose network is gone. The caller is there, and the next nurse talks with them.
#[tokio::test]
async fn a_caller_whose_nurse_sends_no_audio_gets_the_next_nurse() {
    let mut nurse = Handset::new().await;
    let mut second = Phone::bind().expect("a phone");
    let agents = format!("[\"{}\", \"sip:1177@{}\"]", nurse.uri(), second.address());
    let rest = format!("{}\nmedia = {{ silence_max_s = 5 }}", routes(TO_QUEUE));
    let rig = Rig::start(&agents, &rest).await;
    let answers_first = async {
        nurse.answers().await;
        nurse.is_ended().await;
    };
    let (caller, second, ()) = tokio::join!(
        rig.call("0488", A_WHILE),
        second.answer(answers()),
        answers_first
    );
    assert_eq!((caller.code(), caller.ended), (200, Ended::Us));
    assert!(caller.heard_tone(FAR_TONE) && second.heard_tone(CALLER_TONE));
    assert_eq!(rig.counted("vaxel_rtp_silent_legs_total", "far"), 1);
    assert_eq!(rig.counted("vaxel_rtp_silent_legs_total", "caller"), 0);
    let kept = rig.stop().await;
    let totals = &kept.totals;
    assert_eq!(totals.outcomes.get("completed"), Some(&1));
    assert_eq!((totals.offered, totals.unaccounted), (1, 0));
    assert_eq!(
        totals.recorded.get("region-04"),
        Some(&2),
        "a recording a nurse"
    );
    assert_eq!(totals.recording_gaps, 0);
    let with_second = |(_, [_, far]): &(String, [Vec<i16>; 2])| tone::heard(far, FAR_TONE);
    assert_eq!(
        kept.recordings()
            .iter()
            .filter(|one| with_second(one))
            .count(),
        1
    );
}

/// Her phone has forgotten the call, as after a restart, and still sends audio: what the caller would hear of it isn't recorded.
#[tokio::test]
async fn a_nurse_who_was_given_up_is_heard_no_more() {
    let mut second = Handset::new().await;
    let mut two = Talk::begin_beside(&format!(", \"{}\"", second.uri())).await;
    two.nurse.is_confirmed().await;
    let hold = Direction::SendOnly;
    two.caller
        .changes(two.call, hold, (&mut two.nurse, two.talk))
        .await;
    two.caller.asks_for(two.call, Direction::SendRecv).await;
    two.nurse.is_asked_for(Direction::SendRecv).await;
    let (talk, gone) = (two.talk, StatusCode::CALL_DOES_NOT_EXIST);
    two.nurse
        .act(|ep, now| ep.reject_change(now, talk, gone).expect("answered"));
    two.caller.has_changed().await;
    let (taken, asked) = second.is_called().await;
    let mut sender = Sender::new(8, 1, 7, 7);
    let first_at = audio_at(&two.asked);
    let speaks = || two.nurse.says(&mut sender, first_at, 1);
    two.caller.hears_no_more(speaks).await;
    (0..50).for_each(|_| two.nurse.says(&mut sender, first_at, 1));
    let answer = second.talks();
    second.act(|ep, now| ep.answer(now, taken, Some(answer)).expect("answered"));
    second.is_confirmed().await;
    let mut sender = Sender::new(8, 2, 7, 7);
    let speaks = || second.says(&mut sender, audio_at(&asked), 2);
    let heard = two.caller.hears(2, speaks).await;
    assert!(!heard.contains(&1), "{heard:?}");
    two.rig.stop().await;
}

/// Where a request says that its sender's audio is.
fn audio_at(request: &Request) -> std::net::SocketAddr {
    let body = request.body().expect("an offer");
    let said = Description::parse(&body.bytes).expect("a session description");
    said.streams[0].address
}

/// Its phone has forgotten the call, as after a restart: asked something in it, it knows of none.
#[tokio::test]
async fn a_call_that_one_side_has_forgotten_is_ended_and_is_no_fault_of_ours() {
    let mut nurse = Handset::new().await;
    let rig = Rig::start(&agents(&nurse), &routes(TO_QUEUE)).await;
    let mut caller = Handset::new().await;
    let offer = caller.talks();
    caller.call(rig.gateway.sip_addr(), &[KOMMUN], Some(offer));
    let (talk, _) = nurse.answers().await;
    caller.is_answered().await;
    nurse.is_confirmed().await;
    let hold = nurse.sdp(wire::sdp::Direction::SendOnly);
    nurse.act(|ep, now| ep.change(now, talk, Some(hold)).expect("asked"));
    let asked = async {
        let session = caller
            .sees("a change", |event| match event {
                Event::ChangeRequested { session, .. } => Some(session),
                _ => None,
            })
            .await;
        let gone = StatusCode::CALL_DOES_NOT_EXIST;
        caller.act(|ep, now| ep.reject_change(now, session, gone).expect("answered"));
    };
    tokio::join!(asked, nurse.is_ended());
    let totals = rig.stop().await.totals;
    assert_eq!(totals.outcomes.get("vanished"), Some(&1));
    assert_eq!(totals.outcomes.get("our_fault"), None);
}
