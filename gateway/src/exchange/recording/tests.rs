//! A recorder that answers as it likes, on a bench.

use std::net::{SocketAddr, UdpSocket};

use wire::sip::{
    endpoint::{Ending, Event},
    message::{Method, Request},
};

use super::*;
use crate::{
    exchange::bench::{Bench, Peer, recorded},
    media::MediaEvent,
};

/// A caller who is recorded.
struct Talk {
    bench: Bench,
    switch: SocketAddr,
    caller: Peer,
    /// The tag that the switch gave the caller.
    tag: String,
    recorder: Peer,
    /// Where the recorder hears both, lest the system refuse the audio.
    audio: [UdpSocket; 2],
    /// What the recorder is asked by.
    invite: Request,
}

impl Talk {
    /// The recorder is asked.
    async fn asked(more: &str) -> Self {
        let (caller, recorder) = (Peer::new().await, Peer::new().await);
        let audio = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let mut bench = Bench::new(&recorded(recorder.at(), more));
        let switch = bench.address();
        let (tag, invite) = bench.answered(&caller, &recorder).await;
        Self {
            bench,
            switch,
            caller,
            tag,
            recorder,
            audio,
            invite,
        }
    }

    /// The recorder has answered.
    async fn answered(more: &str) -> Self {
        let mut talk = Self::asked(more).await;
        let streams = talk.streams("recvonly");
        let answer = async {
            let ok = ("200 OK", "");
            talk.recorder
                .answers(talk.switch, &talk.invite, ok, &streams)
                .await;
            talk.recorder.is_asked(Method::Ack).await
        };
        talk.bench.until(answer).await;
        talk
    }

    /// The recorder's two streams.
    fn streams(&self, direction: &str) -> String {
        let ports = self.audio.each_ref().map(port_of);
        let first = Peer::sdp(ports[0]);
        format!(
            "{first}a={direction}\r\nm=audio {} RTP/AVP 8\r\na={direction}\r\n",
            ports[1]
        )
    }

    /// The recorder answers that it is there; whether it is asked to record again.
    fn is_begun_anew(&mut self) -> bool {
        let bench = &mut self.bench;
        bench.exchange.recorder_pong(&mut bench.sip, Ok(()));
        bench.exchange.settle(&mut bench.sip);
        self.leg().is_some()
    }

    fn why(&self) -> &'static str {
        self.bench.exchange.observer.recorder_why.unwrap_or("")
    }

    fn gaps(&self) -> u64 {
        self.bench.exchange.observer.totals().recording_gaps
    }

    /// The caller has hung up before the recorder has answered.
    async fn hung_up_on() -> Self {
        let mut talk = Self::asked("").await;
        let over = async {
            let (tag, switch) = (&talk.tag, talk.switch);
            talk.caller.asks(switch, ("BYE", 2, tag), "").await;
            talk.caller.is_told(200).await;
        };
        talk.bench.until(over).await;
        assert_eq!((talk.bench.state(), talk.gaps()), (None, 0));
        talk
    }

    fn leg(&self) -> Option<&RecordingLeg> {
        let call = self.bench.exchange.calls.values().next()?;
        call.recording.as_deref()
    }
}

fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().expect("an address").port()
}

#[tokio::test]
async fn a_recording_is_kept_alive_by_re_invite() {
    let mut talk = Talk::answered("").await;
    let session = talk.leg().expect("recorded").session;
    let bench = &mut talk.bench;
    bench
        .exchange
        .on_sip(&mut bench.sip, Event::RefreshDue { session });
    bench.until(talk.recorder.is_asked(Method::Invite)).await;
}

#[tokio::test]
async fn a_recorder_may_keep_its_session_alive_and_not_move_it() {
    let mut talk = Talk::answered("").await;
    let same = talk.streams("recvonly");
    let port = port_of(&talk.audio[1]);
    let moved = same.replace(&port.to_string(), "6004");
    for (cseq, offer, status) in [(1, same.as_str(), 200), (2, &moved, 488), (3, "", 200)] {
        let Talk {
            bench,
            recorder,
            switch,
            invite,
            ..
        } = &mut talk;
        let told = async {
            let change = ("INVITE", cseq);
            recorder.asks_back(*switch, invite, change, offer).await;
            recorder.is_told(status).await;
            let ack = ("ACK", cseq);
            recorder.asks_back(*switch, invite, ack, "").await;
        };
        bench.until(told).await;
    }
    assert!(talk.leg().is_some());
}

#[tokio::test]
async fn a_recorder_that_will_not_go_on_after_a_pause_is_left_for_another_recording() {
    let mut talk = Talk::answered(", segments_max = 1").await;
    let paused = talk.streams("inactive");
    let Talk {
        bench,
        recorder,
        caller,
        switch,
        tag,
        ..
    } = &mut talk;
    let switch = *switch;
    let turned = async {
        let held = Peer::sdp(5000) + "a=sendonly\r\n";
        caller.asks(switch, ("INVITE", 2, tag), &held).await;
        let pause = recorder.is_asked(Method::Invite).await;
        let ok = ("200 OK", "");
        recorder.answers(switch, &pause, ok, &paused).await;
        caller.is_told(200).await;
        caller.asks(switch, ("ACK", 2, tag), "").await;
        recorder.is_asked(Method::Ack).await;
        let offer = Peer::sdp(5000);
        caller.asks(switch, ("INVITE", 3, tag), &offer).await;
        let go_on = recorder.is_asked(Method::Invite).await;
        let refusal = ("488 Not Acceptable Here", "");
        recorder.answers(switch, &go_on, refusal, "").await;
        let bye = recorder.is_asked(Method::Bye).await;
        recorder.answers(switch, &bye, ok, "").await;
        (go_on, recorder.is_asked(Method::Invite).await)
    };
    let (first, other) = bench.until(turned).await;
    let call_id = |request: &Request| request.headers.get(&HeaderName::CallId).map(String::from);
    assert_ne!(call_id(&first), call_id(&other));
}

/// It would answer so for ever, and each time begin a recording.
#[tokio::test]
async fn a_recorder_whose_answer_does_not_fit_is_left_and_not_asked_again_for_it() {
    let mut talk = Talk::asked("").await;
    let (recorder, switch) = (&talk.recorder, talk.switch);
    let left = async {
        let (ok, one) = (("200 OK", ""), Peer::sdp(6000));
        recorder.answers(switch, &talk.invite, ok, &one).await;
        recorder.is_asked(Method::Bye).await
    };
    talk.bench.until(left).await;
    let link = talk.bench.exchange.recorder.as_ref().expect("a recorder");
    assert!(link.up && talk.leg().is_none());
    assert!(!talk.is_begun_anew());
}

#[tokio::test]
async fn a_recorder_that_is_there_and_does_not_answer_is_a_gap_before_the_call_is_over() {
    let mut talk = Talk::asked("").await;
    let rings = ("180 Ringing", "");
    let rings = talk.recorder.answers(talk.switch, &talk.invite, rings, "");
    talk.bench.until(rings).await;
    let now = Instant::now();
    let bench = &mut talk.bench;
    bench.exchange.give_up_unanswered(&mut bench.sip, now);
    assert_eq!(bench.exchange.switch.counts().recording_gaps, 0);
    // The ringing has been read when the next question has been asked.
    bench.until(talk.recorder.is_asked(Method::Options)).await;
    let late = now + ANSWER_MAX;
    bench.exchange.give_up_unanswered(&mut bench.sip, late);
    assert_eq!(bench.exchange.switch.counts().recording_gaps, 1);
    bench.until(talk.recorder.is_asked(Method::Cancel)).await;
}

/// The audio thread tells of a recording that was closed for hold in the moment in which the next begins.
#[tokio::test]
async fn audio_that_was_refused_of_an_earlier_recording_does_not_end_the_one_that_goes_on() {
    let mut talk = Talk::answered("").await;
    let (id, _) = talk.bench.state().expect("a call");
    let present = talk.leg().expect("recorded").streams.caller.ssrc;
    for (ssrc, goes_on) in [(present.wrapping_add(1), true), (present, false)] {
        let refused = MediaEvent::ForkRefused(id, ssrc);
        let bench = &mut talk.bench;
        bench.exchange.on_media(&mut bench.sip, refused);
        assert_eq!(talk.leg().is_some(), goes_on);
    }
    talk.bench.until(talk.recorder.is_asked(Method::Bye)).await;
}

#[tokio::test]
async fn the_recorder_is_asked_by_what_says_that_it_is_a_recording_client() {
    let talk = Talk::asked("").await;
    let contact = talk.invite.headers.get(&HeaderName::Contact);
    let contact = contact.expect("where it is");
    let here = format!("@{}>;+sip.src", talk.switch);
    assert!(contact.ends_with(&here), "{contact}");
}

/// Its 200 says that it listens to neither, or not to one of the two: what is said is recorded nowhere.
#[tokio::test]
async fn a_recorder_that_takes_the_call_and_not_its_audio_does_not_record_it() {
    for deaf in ["held", "turned down"] {
        let mut talk = Talk::asked("").await;
        let streams = match deaf {
            "held" => talk.streams("inactive"),
            _ => {
                let port = port_of(&talk.audio[1]).to_string();
                talk.streams("recvonly").replace(&port, "0")
            }
        };
        let left = async {
            let ok = ("200 OK", "");
            let (switch, invite) = (talk.switch, &talk.invite);
            talk.recorder.answers(switch, invite, ok, &streams).await;
            talk.recorder.is_asked(Method::Bye).await
        };
        talk.bench.until(left).await;
        assert_eq!((talk.gaps(), talk.why()), (1, "not_heard"), "{deaf}");
        let recorded = &talk.bench.exchange.observer.totals().recorded;
        assert!(recorded.is_empty(), "{deaf}: {recorded:?}");
        assert!(talk.is_begun_anew(), "{deaf}");
    }
}

#[tokio::test]
async fn a_recorder_that_goes_on_after_a_pause_without_listening_is_left_for_another_recording() {
    let mut talk = Talk::answered(", segments_max = 1").await;
    let paused = talk.streams("inactive");
    let session = talk.leg().expect("recorded").session;
    let Talk {
        bench,
        recorder,
        caller,
        switch,
        tag,
        ..
    } = &mut talk;
    let switch = *switch;
    let turned = async {
        let held = Peer::sdp(5000) + "a=sendonly\r\n";
        for (cseq, offer) in [(2, &held), (3, &Peer::sdp(5000))] {
            caller.asks(switch, ("INVITE", cseq, tag), offer).await;
            let turn = recorder.is_asked(Method::Invite).await;
            let ok = ("200 OK", "");
            recorder.answers(switch, &turn, ok, &paused).await;
            caller.is_told(200).await;
            caller.asks(switch, ("ACK", cseq, tag), "").await;
        }
        recorder.is_asked(Method::Bye).await
    };
    bench.until(turned).await;
    assert_eq!(talk.gaps(), 1);
    assert!(talk.leg().is_none_or(|leg| leg.session != session));
}

/// Whatever becomes of it, nobody would know: the call is over.
#[tokio::test]
async fn a_call_that_ends_before_its_recorder_has_answered_has_a_gap_when_there_is_no_recording() {
    let mut talk = Talk::hung_up_on().await;
    let refused = async {
        let no = ("500 Server Internal Error", "");
        talk.recorder
            .answers(talk.switch, &talk.invite, no, "")
            .await;
        talk.recorder.is_asked(Method::Ack).await
    };
    talk.bench.until(refused).await;
    assert_eq!((talk.gaps(), talk.why()), (1, "refused"));
    // It has said nothing when the program ends.
    let mut talk = Talk::hung_up_on().await;
    let bench = &mut talk.bench;
    bench.exchange.give_up_recordings(&mut bench.sip);
    assert_eq!((talk.gaps(), talk.why()), (1, "no_answer"));
}

#[tokio::test]
async fn a_recorder_that_answers_in_the_moment_in_which_the_call_ends_leaves_no_gap() {
    let mut talk = Talk::hung_up_on().await;
    let streams = talk.streams("recvonly");
    let late = async {
        let (ok, switch) = (("200 OK", ""), talk.switch);
        let invite = &talk.invite;
        talk.recorder.answers(switch, invite, ok, &streams).await;
        talk.recorder.is_asked(Method::Bye).await
    };
    talk.bench.until(late).await;
    let bench = &mut talk.bench;
    bench.exchange.give_up_recordings(&mut bench.sip);
    assert_eq!(talk.gaps(), 0);
}

/// Its audio is refused, so that it is asked soon; and then it says nothing at all.
#[tokio::test]
async fn a_recorder_that_is_doubted_and_then_silent_loses_every_recording_it_had() {
    let mut talk = Talk::answered("").await;
    let bench = &mut talk.bench;
    let link = bench.exchange.recorder.as_mut().expect("a recorder");
    // By another call's audio.
    link.up = false;
    bench
        .exchange
        .recorder_pong(&mut bench.sip, Err(Why::NoAnswer));
    bench.exchange.settle(&mut bench.sip);
    assert!(talk.leg().is_none());
    assert_eq!((talk.gaps(), talk.why()), (1, "no_answer"));
}

#[tokio::test]
async fn how_a_recording_was_lost_is_told() {
    for (why, told) in [(Ending::Bye, "ended"), (Ending::Lost, "unreachable")] {
        let mut talk = Talk::answered("").await;
        let session = talk.leg().expect("recorded").session;
        let bench = &mut talk.bench;
        let event = Event::Ended { session, why };
        bench.exchange.on_sip(&mut bench.sip, event);
        assert_eq!((talk.gaps(), talk.why()), (1, told));
    }
    let mut talk = Talk::answered("").await;
    let (id, _) = talk.bench.state().expect("a call");
    let ssrc = talk.leg().expect("recorded").streams.caller.ssrc;
    let refused = MediaEvent::ForkRefused(id, ssrc);
    let bench = &mut talk.bench;
    bench.exchange.on_media(&mut bench.sip, refused);
    assert_eq!((talk.gaps(), talk.why()), (1, "unreachable"));
}

#[tokio::test]
async fn what_is_begun_anew_for_a_lost_recording_is_one_of_those_a_call_may_have_and_paused_in_a_hold()
 {
    let mut talk = Talk::answered(", segments_max = 2").await;
    let (id, _) = talk.bench.state().expect("a call");
    let ssrc = talk.leg().expect("recorded").streams.caller.ssrc;
    let refused = MediaEvent::ForkRefused(id, ssrc);
    let bench = &mut talk.bench;
    bench.exchange.on_media(&mut bench.sip, refused);
    let held = async {
        let held = Peer::sdp(5000) + "a=sendonly\r\n";
        let (tag, switch) = (&talk.tag, talk.switch);
        talk.caller.asks(switch, ("INVITE", 2, tag), &held).await;
        talk.caller.is_told(200).await;
        talk.recorder.is_asked(Method::Invite).await
    };
    talk.bench.until(held).await;
    let leg = talk.leg().expect("begun anew");
    assert_eq!(leg.wanted, Direction::Inactive);
}
