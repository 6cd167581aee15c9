//! The caller's leg on a bench.

use crate::{
    exchange::bench::{Bench, GREETED_QUEUE, Peer, tag_of},
    media::MediaEvent,
};

/// The audio thread tells of the end of a clip in the moment in which another is asked for.
#[tokio::test]
async fn the_end_of_an_earlier_clip_does_not_end_the_one_that_plays() {
    let (mut bench, caller) = (Bench::new(GREETED_QUEUE), Peer::new().await);
    let switch = bench.address();
    let called = async {
        let offer = Peer::sdp(5000);
        caller.asks(switch, ("INVITE", 1, ""), &offer).await;
        caller.is_told(200).await
    };
    bench.until(called).await;
    let (id, state) = bench.state().expect("a call");
    assert_eq!(state, "announcement");
    let clip = bench.exchange.library.clip("region.wav");
    let call = bench.exchange.calls.get_mut(&id).expect("a call");
    let media = call.media.as_mut().expect("it is answered");
    let earlier = media.playing();
    media.play_once(clip);
    let present = media.playing();
    for (ended, state) in [(earlier, "announcement"), (present, "ringing")] {
        let event = MediaEvent::PlayedToEnd(id, ended);
        bench.exchange.on_media(&mut bench.sip, event);
        assert_eq!(bench.state(), Some((id, state)));
    }
}

/// Whoever leaves the offer to us answers it in each change anew; it is one leg all the same.
#[tokio::test]
async fn a_late_offerer_whose_audio_is_encrypted_is_counted_once() {
    let (mut bench, caller) = (
        Bench::listening(GREETED_QUEUE, "srtp = \"offer\"\n"),
        Peer::new().await,
    );
    let switch = bench.address();
    let answer = format!(
        "{}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n",
        Peer::sdp(5000)
    );
    let called = async {
        let mut tag = String::new();
        for cseq in [1, 2] {
            caller.asks(switch, ("INVITE", cseq, &tag), "").await;
            tag = tag_of(&caller.is_told(200).await);
            caller.asks(switch, ("ACK", cseq, &tag), &answer).await;
        }
        // Its answer says that what was sent before it has been read.
        caller.asks(switch, ("INFO", 3, &tag), "").await;
        caller.is_told(200).await
    };
    bench.until(called).await;
    let legs = &bench.exchange.observer.metrics().srtp_legs;
    assert_eq!(legs.with_label_values(&["clear"]).get(), 1);
}
