//! Changes of `direct` calls.

use wire::sip::message::{HeaderName, Headers};

use super::*;
use crate::{exchange::bench::direct, media::MediaEvent};

/// The provider takes no UPDATE, and the session timer falls to us.
#[tokio::test]
async fn a_direct_call_whose_caller_left_the_offer_to_the_provider_is_refreshed_by_re_invite() {
    let (caller, provider) = (Peer::new().await, Peer::new().await);
    let mut bench = Bench::new(&direct(provider.at()));
    let switch = bench.address();
    let begun = async {
        caller.asks(switch, ("INVITE", 1, ""), "").await;
        let asked = provider.is_asked(Method::Invite).await;
        assert_eq!(asked.body(), None);
        let ok = ("200 OK", "Allow: INVITE, ACK, BYE\r\n");
        let offer = Peer::sdp(4000);
        provider.answers(switch, &asked, ok, &offer).await;
        let tag = tag_of(&caller.is_told(200).await);
        let answer = Peer::sdp(5000);
        caller.asks(switch, ("ACK", 1, &tag), &answer).await;
        provider.is_asked(Method::Ack).await
    };
    let ack = bench.until(begun).await;
    let answer = ack.body().expect("the caller's answer");
    let session = bench.far();
    bench
        .exchange
        .on_sip(&mut bench.sip, Event::RefreshDue { session });
    let again = bench.until(provider.is_asked(Method::Invite)).await;
    let said = again.body().expect("what the caller said last");
    assert_eq!(said.bytes, answer.bytes);
}

/// The caller has heard an announcement of ours and then the provider's phone: what the caller changes now is between those two.
#[tokio::test]
async fn a_change_before_the_answer_goes_to_the_provider_that_the_caller_hears() {
    let (caller, provider) = (Peer::new().await, Peer::new().await);
    let entries = format!(
        "announcement = [{{ name = \"region\", file = \"region.wav\" }}]{}announcement = \"region\"\n",
        direct(provider.at())
    );
    let mut bench = Bench::new(&entries);
    let switch = bench.address();
    let rack = |headers: &Headers| {
        let rseq = headers.get(&HeaderName::RSeq).expect("an RSeq");
        format!("RAck: {rseq} 1 INVITE\r\n")
    };
    let announced = async {
        let more = "Supported: 100rel\r\n";
        let offer = Peer::sdp(5000);
        caller
            .asks_with(switch, ("INVITE", 1, ""), more, &offer)
            .await;
        let early = caller.is_told(183).await;
        let prack = ("PRACK", 2, &*tag_of(&early));
        caller.asks_with(switch, prack, &rack(&early), "").await;
        caller.is_told(200).await;
    };
    bench.until(announced).await;
    let (id, _) = bench.state().expect("a call");
    let call = bench.exchange.calls.get(&id).expect("a call");
    let clip = call.media.as_ref().expect("early media").playing();
    let heard = MediaEvent::PlayedToEnd(id, clip);
    bench.exchange.on_media(&mut bench.sip, heard);
    let changed = async {
        let asked = provider.is_asked(Method::Invite).await;
        let more = "Require: 100rel\r\nRSeq: 7\r\nAllow: UPDATE, PRACK\r\n";
        let rings = ("183 Session Progress", more);
        let described = Peer::sdp(4000);
        provider.answers(switch, &asked, rings, &described).await;
        let prack = provider.is_asked(Method::Prack).await;
        provider.answers(switch, &prack, OK, "").await;
        let early = caller.is_told(183).await;
        let tag = tag_of(&early);
        let prack = ("PRACK", 3, &*tag);
        caller.asks_with(switch, prack, &rack(&early), "").await;
        caller.is_told(200).await;
        let offer = Peer::sdp(5004);
        caller.asks(switch, ("UPDATE", 4, &tag), &offer).await;
        let update = provider.is_asked(Method::Update).await;
        let answer = Peer::sdp(4002);
        provider.answers(switch, &update, OK, &answer).await;
        caller.is_told(200).await;
        update
    };
    let update = bench.until(changed).await;
    let body = update.body().expect("an offer");
    assert_eq!(body.bytes, Peer::sdp(5004).into_bytes());
}

/// A provider that has other audio for the caller before anybody answers: the caller hears of it, or the provider that this can't be.
#[tokio::test]
async fn a_providers_change_before_the_answer_goes_to_the_caller_that_takes_one() {
    for (allow, told) in [("INVITE, ACK, UPDATE", 200), ("INVITE, ACK", 504)] {
        let (caller, provider) = (Peer::new().await, Peer::new().await);
        let mut bench = Bench::new(&direct(provider.at()));
        let switch = bench.address();
        let changed = async {
            let more = format!("Supported: 100rel\r\nAllow: {allow}\r\n");
            let offer = Peer::sdp(5000);
            caller
                .asks_with(switch, ("INVITE", 1, ""), &more, &offer)
                .await;
            let asked = provider.is_asked(Method::Invite).await;
            let rings = ("183 Session Progress", "Require: 100rel\r\nRSeq: 7\r\n");
            provider
                .answers(switch, &asked, rings, &Peer::sdp(4000))
                .await;
            let prack = provider.is_asked(Method::Prack).await;
            provider.answers(switch, &prack, OK, "").await;
            let early = caller.is_told(183).await;
            let tag = tag_of(&early);
            let rseq = early.get(&HeaderName::RSeq).expect("an RSeq");
            let rack = format!("RAck: {rseq} 1 INVITE\r\n");
            caller
                .asks_with(switch, ("PRACK", 2, &tag), &rack, "")
                .await;
            caller.is_told(200).await;
            let offer = Peer::sdp(4002);
            provider
                .asks_back(switch, &asked, ("UPDATE", 3), &offer)
                .await;
            if told == 200 {
                let update = caller.is_asked(Method::Update).await;
                assert_eq!(update.body().expect("an offer").bytes, offer.into_bytes());
                caller.answers(switch, &update, OK, &Peer::sdp(5002)).await;
            }
            let answer = provider.is_answered(told).await.body();
            provider.answers(switch, &asked, OK, "").await;
            assert_eq!(tag_of(&caller.is_told(200).await), tag);
            answer
        };
        let answer = bench.until(changed).await.map(|answer| answer.bytes);
        let expected = (told == 200).then(|| Peer::sdp(5002).into_bytes());
        assert_eq!(answer.as_deref(), expected.as_deref());
    }
}

/// A caller and a provider who talk past this switch, by re-INVITE if at all.
struct Direct {
    bench: Bench,
    switch: SocketAddr,
    caller: Peer,
    provider: Peer,
    tag: String,
}

impl Direct {
    async fn begun() -> Self {
        let (caller, provider) = (Peer::new().await, Peer::new().await);
        let mut bench = Bench::new(&direct(provider.at()));
        let switch = bench.address();
        let begun = async {
            let offer = Peer::sdp(5000);
            caller.asks(switch, ("INVITE", 1, ""), &offer).await;
            let asked = provider.is_asked(Method::Invite).await;
            let answer = Peer::sdp(4000);
            provider.answers(switch, &asked, OK, &answer).await;
            provider.is_asked(Method::Ack).await;
            let tag = tag_of(&caller.is_told(200).await);
            caller.asks(switch, ("ACK", 1, &tag), "").await;
            tag
        };
        let tag = bench.until(begun).await;
        Self {
            bench,
            switch,
            caller,
            provider,
            tag,
        }
    }

    /// What the provider is asked after the caller has asked for a change to that port.
    async fn caller_moves(&mut self, port: u16) -> Request {
        let (caller, switch) = (&self.caller, self.switch);
        let offer = Peer::sdp(port);
        let asked = async {
            caller.asks(switch, ("INVITE", 2, &self.tag), &offer).await;
            self.provider.is_asked(Method::Invite).await
        };
        self.bench.until(asked).await
    }
}

/// The session would not be refreshed any more, and end.
#[tokio::test]
async fn a_direct_call_is_not_refreshed_by_what_the_provider_has_refused() {
    let mut talk = Direct::begun().await;
    let asked = talk.caller_moves(5004).await;
    let (caller, provider, switch) = (&talk.caller, &talk.provider, talk.switch);
    let refused = async {
        let no = ("488 Not Acceptable Here", "");
        provider.answers(switch, &asked, no, "").await;
        caller.is_told(488).await;
        caller.asks(switch, ("ACK", 2, &talk.tag), "").await;
    };
    talk.bench.until(refused).await;
    let session = talk.bench.far();
    let due = Event::RefreshDue { session };
    talk.bench.exchange.on_sip(&mut talk.bench.sip, due);
    let again = provider.is_asked(Method::Invite);
    let body = talk.bench.until(again).await.body().expect("an offer");
    assert_eq!(body.bytes, Peer::sdp(5000).into_bytes());
}

/// It is as if the caller had never asked (RFC 3261 section 14.1), and the provider must not send where nobody listens.
#[tokio::test]
async fn a_change_that_the_caller_takes_back_when_the_provider_has_it_is_taken_back_there() {
    let mut talk = Direct::begun().await;
    let asked = talk.caller_moves(5004).await;
    let (caller, provider, switch) = (&talk.caller, &talk.provider, talk.switch);
    let taken_back = async {
        caller.asks(switch, ("CANCEL", 2, &talk.tag), "").await;
        caller.is_told(487).await;
        caller.asks(switch, ("ACK", 2, &talk.tag), "").await;
        let answer = Peer::sdp(4000);
        provider.answers(switch, &asked, OK, &answer).await;
        provider.is_asked(Method::Ack).await;
        provider.is_asked(Method::Invite).await
    };
    let again = talk.bench.until(taken_back).await;
    let body = again.body().expect("an offer");
    assert_eq!(body.bytes, Peer::sdp(5000).into_bytes());
}
