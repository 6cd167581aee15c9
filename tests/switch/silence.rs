//! Sides that are gone without a word: the call ends, both are told why, and it is counted as such.

use testkit::{CallPlan, Ended, Sound, Until};
use wire::sip::{endpoint::Event, message::StatusCode};

use crate::{
    TO_QUEUE,
    handset::Handset,
    rig::{CALLER_TONE, Rig},
    routes,
};

const KOMMUN: (&str, &str) = ("X-Kommun-ID", "0488");

fn agents(nurse: &Handset) -> String {
    format!("[\"{}\"]", nurse.uri())
}

/// The nurse's phone is up and sends nothing, as one whose network is gone.
#[tokio::test]
async fn a_call_in_which_one_side_sends_no_audio_is_ended() {
    let mut nurse = Handset::new().await;
    let rest = format!("{}\nmedia = {{ silence_max_s = 5 }}", routes(TO_QUEUE));
    let rig = Rig::start(&agents(&nurse), &rest).await;
    let answers = async {
        nurse.answers().await;
        nurse.is_ended().await;
    };
    let plan = CallPlan {
        sound: Sound::Tone(CALLER_TONE),
        until: Until::PeerEnds,
        ..CallPlan::default()
    };
    let (caller, ()) = tokio::join!(rig.call_as("0488", plan), answers);
    assert_eq!((caller.code(), caller.ended), (200, Ended::Peer));
    assert_eq!(rig.counted("vaxel_rtp_silent_legs_total", "far"), 1);
    assert_eq!(rig.counted("vaxel_rtp_silent_legs_total", "caller"), 0);
    let totals = rig.stop().await.totals;
    assert_eq!(totals.outcomes.get("vanished"), Some(&1));
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
