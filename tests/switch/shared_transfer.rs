//! A nurse's call handed on while the legs share ports: whoever takes over is heard, in the list or outside it, and whoever had the
//! call is not heard any more.

use std::net::{Ipv4Addr, SocketAddr};

use wire::{rtp::Sender, sdp::Direction};

use crate::{
    TO_QUEUE, forked::audio_address, handed_on::refer, handset::Handset, rig::Rig, routes,
    shared_ports::sender, talk::Talk,
};

/// Whose legs share ports.
const LISTED: &str = "127.0.0.1/32";
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A caller and a nurse who hear each other by one shared port.
struct Shared {
    two: Talk,
    /// Our port.
    at: SocketAddr,
    voice: Sender,
    nurses: Sender,
}

impl Shared {
    async fn begin(second: &Handset) -> Self {
        let nurse = Handset::new().await;
        let agents = format!("[\"{}\", \"{}\"]", nurse.uri(), second.uri());
        let rig = Rig::start_sharing(LISTED, &agents, &routes(TO_QUEUE)).await;
        let mut two = Talk::through(rig, nurse).await;
        two.nurse.is_confirmed().await;
        let at = audio_address(two.asked.body().as_ref());
        assert_eq!(
            at,
            audio_address(two.answered.body().as_ref()),
            "one port for both"
        );
        let (mut voice, mut nurses) = (sender(1), sender(2));
        two.nurse
            .hears(11, || two.caller.says(&mut voice, at, 11))
            .await;
        two.caller
            .hears(21, || two.nurse.says(&mut nurses, at, 21))
            .await;
        Self {
            two,
            at,
            voice,
            nurses,
        }
    }

    /// The second is heard, and hears, by that port of ours; the first still talks, and nobody hears it.
    async fn goes_on_with(mut self, second: &mut Handset, ours: SocketAddr) {
        let Talk {
            rig,
            mut caller,
            call,
            nurse,
            ..
        } = self.two;
        let mut seconds = sender(3);
        let heard = caller
            .hears(32, || {
                nurse.says(&mut self.nurses, self.at, 29);
                second.says(&mut seconds, ours, 32);
            })
            .await;
        // What was under way when the second took over may be the first's; nothing after it.
        assert!(heard.contains(&32));
        let heard = caller
            .hears(33, || {
                nurse.says(&mut self.nurses, self.at, 30);
                second.says(&mut seconds, ours, 33);
            })
            .await;
        assert!(!heard.contains(&30), "{heard:?}");
        second
            .hears(12, || caller.says(&mut self.voice, self.at, 12))
            .await;
        caller.hangs_up(call);
        second.is_ended().await;
        let kept = rig.stop().await;
        assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
        let recorded = kept.totals.recorded.get("region-04");
        assert_eq!(recorded, Some(&2), "a recording a nurse");
    }
}

#[tokio::test]
async fn who_is_referred_to_is_heard_at_the_shared_port_or_at_one_of_its_own() {
    for ip in [Ipv4Addr::LOCALHOST, ELSEWHERE] {
        let mut second = Handset::at(ip, true).await;
        let mut shared = Shared::begin(&second).await;
        let to = format!("<{}>", second.uri());
        let (nurse, talk) = (&mut shared.two.nurse, shared.two.talk);
        assert_eq!(refer(nurse, talk, &to).await, Ok(()));
        let (session, asked) = second.answers().await;
        let offered = audio_address(asked.body().as_ref());
        assert_eq!(offered, shared.at, "the far leg's port is offered");
        let mut ours = offered;
        if ip == ELSEWHERE {
            ours = second.is_asked_for(Direction::SendRecv).await;
            assert_ne!(ours, offered, "who isn't listed is told of another");
            second.agrees(session, Direction::SendRecv);
        }
        shared.two.nurse.is_ended().await;
        shared.goes_on_with(&mut second, ours).await;
    }
}

#[tokio::test]
async fn who_takes_a_nurses_place_is_heard_at_the_shared_port_or_at_one_of_its_own() {
    for ip in [Ipv4Addr::LOCALHOST, ELSEWHERE] {
        let mut second = Handset::at(ip, true).await;
        let mut shared = Shared::begin(&second).await;
        let two = &mut shared.two;
        let replaces = two.nurse.act(|ep, _| ep.named(two.talk).expect("it is up"));
        let offer = second.talks();
        let fields = [("Replaces", replaces.as_str())];
        second.call(two.rig.gateway.sip_addr(), &fields, Some(offer));
        let answered = second.is_answered().await;
        two.nurse.is_ended().await;
        let ours = audio_address(answered.body().as_ref());
        assert_eq!(ours == shared.at, ip == Ipv4Addr::LOCALHOST);
        shared.goes_on_with(&mut second, ours).await;
    }
}
