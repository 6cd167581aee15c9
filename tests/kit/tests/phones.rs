//! Two phones call one another.

use std::{sync::Arc, time::Duration};

use testkit::{AnswerPlan, CallPlan, Ended, Phone, Sound, Then, Until, tone};
use wire::sip::{
    endpoint::TransportKind,
    message::{Headers, StatusCode},
};

fn phones() -> (Phone, Phone) {
    (
        Phone::bind().expect("a port"),
        Phone::bind().expect("a port"),
    )
}

const A_WHILE: Duration = Duration::from_millis(400);

#[tokio::test]
async fn each_hears_the_others_tone() {
    for transport in [TransportKind::Udp, TransportKind::Tcp] {
        let (mut caller, mut callee) = phones();
        let target = callee.uri("1177");
        let plan = CallPlan {
            sound: Sound::Tone(1000.0),
            until: Until::Heard(A_WHILE),
            transport,
            ..CallPlan::default()
        };
        let answer = AnswerPlan {
            sound: Sound::Tone(440.0),
            ..AnswerPlan::default()
        };
        let (called, answered) = tokio::join!(
            caller.call(target, Headers::new(), plan),
            callee.answer(answer)
        );
        assert_eq!(
            (called.code(), called.ended, answered.ended),
            (200, Ended::Us, Ended::Peer)
        );
        assert_eq!(called.provisional.last(), Some(&StatusCode::RINGING));
        assert!(called.heard_tone(440.0) && !called.heard_tone(1000.0));
        assert!(answered.heard_tone(1000.0) && !answered.heard_tone(440.0));
        assert_eq!((called.audio.lost, called.audio.duplicates), (0, 0));
        assert_eq!(called.remote_audio, called.audio_source);
        assert!(called.time_to_answer.is_some() && called.packets_sent > 0);
    }
}

#[tokio::test]
async fn the_callee_hangs_up_when_it_has_heard_the_words() {
    let (mut caller, mut callee) = phones();
    let target = callee.uri("1177");
    let words: Arc<[i16]> = [vec![0; 1600], tone::generate(700.0, 3200)].concat().into();
    let plan = CallPlan {
        sound: Sound::Samples(words),
        keys: "1#".into(),
        ..CallPlan::default()
    };
    let answer = AnswerPlan {
        until: Until::HeardTone(700.0),
        ..AnswerPlan::default()
    };
    let (called, answered) = tokio::join!(
        caller.call(target, Headers::new(), plan),
        callee.answer(answer)
    );
    assert_eq!((called.ended, answered.ended), (Ended::Peer, Ended::Us));
    assert!(answered.heard_tone(700.0));
    assert_eq!(answered.keys, "1#");
}

#[tokio::test]
async fn a_refusal_a_redirect_and_giving_up() {
    let (mut caller, mut callee) = phones();
    let target = callee.uri("1177");
    let plan = || CallPlan {
        until: Until::Ringing,
        ..CallPlan::default()
    };

    let refuse = AnswerPlan {
        then: Then::Reject(StatusCode::BUSY_HERE),
        ..AnswerPlan::default()
    };
    let (called, answered) = tokio::join!(
        caller.call(target.clone(), Headers::new(), plan()),
        callee.answer(refuse)
    );
    assert_eq!(
        (called.code(), called.ended, answered.ended),
        (486, Ended::Rejected, Ended::Us)
    );

    let redirect = AnswerPlan {
        then: Then::Redirect(vec![target.clone()]),
        ..AnswerPlan::default()
    };
    let (called, _) = tokio::join!(
        caller.call(target.clone(), Headers::new(), plan()),
        callee.answer(redirect)
    );
    assert_eq!(
        (called.code(), called.contacts),
        (302, vec![target.clone()])
    );

    let ring = AnswerPlan {
        then: Then::RingOn,
        ..AnswerPlan::default()
    };
    let (called, answered) = tokio::join!(
        caller.call(target, Headers::new(), plan()),
        callee.answer(ring)
    );
    assert_eq!((called.ended, answered.ended), (Ended::Us, Ended::Peer));
    assert_eq!(answered.heard.len(), 0);
}

#[tokio::test]
async fn a_second_caller_hears_that_it_is_busy() {
    let (mut one, mut callee) = phones();
    let mut other = Phone::bind().expect("a port");
    let target = callee.uri("1177");
    // Which of them comes first is chance; the one that comes second is turned away, and the first goes on.
    let refused = tokio::select! {
        called = one.call(target.clone(), Headers::new(), CallPlan::default()) => called,
        called = other.call(target.clone(), Headers::new(), CallPlan::default()) => called,
        answered = callee.answer(AnswerPlan::default()) => panic!("the callee ended: {answered:?}"),
    };
    assert_eq!((refused.code(), refused.ended), (486, Ended::Rejected));
}
