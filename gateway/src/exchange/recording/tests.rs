//! A recorder that answers as it likes, on a bench.

use std::net::{SocketAddr, UdpSocket};

use wire::sip::{
    endpoint::Event,
    message::{Method, Request},
};

use super::*;
use crate::{
    exchange::bench::{Bench, Peer, recorded, tag_of},
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
        let begun = async {
            let offer = Peer::sdp(5000);
            caller.asks(switch, ("INVITE", 1, ""), &offer).await;
            let tag = tag_of(&caller.is_told(200).await);
            caller.asks(switch, ("ACK", 1, &tag), "").await;
            (tag, recorder.is_asked(Method::Invite).await)
        };
        let (tag, invite) = bench.until(begun).await;
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
    assert!(link.up && !link.try_again && talk.leg().is_none());
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
