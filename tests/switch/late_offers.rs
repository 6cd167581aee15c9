//! Callers who leave the offer to the switch (an INVITE without a session description): offered encryption as the scenario says.

use wire::{
    rtp::{Packet, Sender},
    sdp::{Description, Direction, Stream},
    sip::message::{Body, Response},
    srtp::{Crypto, MasterKey, Opener, Sealer, Suite},
};

use crate::{
    TO_QUEUE,
    handset::Handset,
    rig::Rig,
    routes,
    talk::{REGIONAL, Talk},
};

/// What the switch offers to a caller who has made no offer, with its answer to him.
async fn offered(caller: &mut Handset, rig: &Rig) -> (wire::sip::endpoint::SessionId, Stream) {
    let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], None);
    let answered: Box<Response> = caller.is_answered().await;
    let body = answered.body().expect("an offer");
    let offer = Description::parse(&body.bytes).expect("a session description");
    (call, offer.audio().expect("audio").clone())
}

/// The caller's answer, encrypted by that line.
fn encrypted(caller: &Handset, protocol: &str, line: Crypto) -> Body {
    let plain = caller.sdp(Direction::SendRecv);
    let mut answer = Description::parse(&plain.bytes).expect("its own");
    answer.streams[0].protocol = protocol.into();
    answer.streams[0].crypto = vec![line];
    answer.to_body()
}

#[tokio::test]
async fn a_late_offer_is_encrypted_as_the_scenario_says_and_both_are_heard() {
    for srtp in ["offer", "require"] {
        let mut nurse = Handset::new().await;
        let rig = Rig::start_offering(srtp, &nurse.targets(), &routes(TO_QUEUE)).await;
        let mut caller = Handset::new().await;
        let (call, offer) = offered(&mut caller, &rig).await;
        assert_eq!(offer.is_secure(), srtp == "require");
        let theirs = offer.crypto.first().expect("a key").clone();
        let own = theirs.answered_with(MasterKey::new(*b"sixteen bytes ofa salt for all"));
        let answer = encrypted(&caller, &offer.protocol, own.clone());
        caller.act(|ep, now| ep.ack(now, call, Some(answer)).expect("due"));
        let (talk, asked) = nurse.answers().await;
        nurse.is_confirmed().await;
        let to_nurse = crate::forked::audio_address(asked.body().as_ref());

        let (mut sealer, mut voice) = (Sealer::new(&own), Sender::new(8, 1, 7, 7));
        nurse
            .hears(11, || {
                let mut datagram = Vec::new();
                voice.next(&[11; 160], 160, false, &mut datagram);
                sealer.seal(&mut datagram).expect("closed");
                caller.sends(&datagram, offer.address);
            })
            .await;
        let (mut opener, mut voice) = (Opener::new(theirs), Sender::new(8, 2, 7, 7));
        let opened = |datagram: &mut [u8]| {
            let packet = opener.open(datagram).expect("by the key that was offered");
            Packet::parse(packet).expect("RTP").payload[0]
        };
        caller
            .hears_by(opened, 22, || nurse.says(&mut voice, to_nurse, 22))
            .await;
        assert_eq!(rig.counted("vaxel_srtp_legs_total", "clear"), 1);
        nurse.hangs_up(talk);
        caller.is_ended().await;
        rig.stop().await;
    }
}

/// A key of another suite's length, or none: nobody would be heard.
#[tokio::test]
async fn a_late_answer_without_a_key_ends_the_call_where_it_must_have_one() {
    let rig = Rig::start_offering("require", "[{ simulated = 1 }]", &routes(TO_QUEUE)).await;
    let foreign = Crypto::new(
        9,
        Suite::AesCm128HmacSha1_80,
        MasterKey::new(*b"sixteen bytes ofa salt for all"),
    );
    for line in [None, Some(foreign)] {
        let mut caller = Handset::new().await;
        let (call, offer) = offered(&mut caller, &rig).await;
        let answer = match line {
            None => caller.sdp(Direction::SendRecv),
            Some(line) => encrypted(&caller, &offer.protocol, line),
        };
        caller.act(|ep, now| ep.ack(now, call, Some(answer)).expect("due"));
        caller.is_ended().await;
    }
    let totals = rig.stop().await.totals;
    assert_eq!(totals.outcomes.get("incompatible"), Some(&2));
}

/// An INVITE with Replaces and without a description, from a phone that the scenario wants encrypted.
#[tokio::test]
async fn who_takes_a_nurses_place_without_an_offer_is_offered_what_the_scenario_says() {
    for fits in [true, false] {
        let (nurse, mut second) = (Handset::new().await, Handset::new().await);
        let agents = format!(
            "[\"{}\", {{ sip = \"{}\", srtp = \"require\" }}]",
            nurse.uri(),
            second.uri()
        );
        let rig = Rig::start(&agents, &routes(TO_QUEUE)).await;
        let mut two = Talk::through(rig, nurse).await;
        two.nurse.is_confirmed().await;
        let replaces = two.nurse.act(|ep, _| ep.named(two.talk).expect("it is up"));
        let fields = [("Replaces", replaces.as_str())];
        let call = second.call(two.rig.gateway.sip_addr(), &fields, None);
        let body = second.is_answered().await.body().expect("an offer");
        let offer = Description::parse(&body.bytes).expect("a session description");
        let stream = offer.audio().expect("audio");
        assert!(stream.is_secure());
        let key = MasterKey::new(*b"sixteen bytes ofa salt for all");
        let own = stream.crypto[0].answered_with(key);
        let answer = match fits {
            true => encrypted(&second, &stream.protocol, own.clone()),
            false => second.sdp(Direction::SendRecv),
        };
        second.act(|ep, now| ep.ack(now, call, Some(answer)).expect("due"));
        two.nurse.is_ended().await;
        if fits {
            let (mut sealer, mut voice) = (Sealer::new(&own), Sender::new(8, 1, 7, 7));
            two.caller
                .hears(31, || {
                    let mut datagram = Vec::new();
                    voice.next(&[31; 160], 160, false, &mut datagram);
                    sealer.seal(&mut datagram).expect("closed");
                    second.sends(&datagram, stream.address);
                })
                .await;
            second.hangs_up(call);
        } else {
            second.is_ended().await;
            // The caller is still there, and hasn't been helped.
            let (again, _) = two.nurse.answers().await;
            two.nurse.is_confirmed().await;
            two.nurse.hangs_up(again);
        }
        two.caller.is_ended().await;
        two.rig.stop().await;
    }
}
