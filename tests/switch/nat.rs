//! Telephones behind NAT: their descriptions name an address that leads nowhere from here, and their audio comes from where their
//! signalling does.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use wire::{
    rtp::Sender,
    sdp::{Description, Direction},
    sip::message::Body,
};

use crate::{
    TO_QUEUE, bad_media::DROPPED, forked::audio_address, handset::Handset, rig::Rig, routes,
    talk::REGIONAL,
};

/// Behind the wall.
const INSIDE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9)), 9);

fn says_inside(phone: &Handset) -> Body {
    let own = phone.sdp(Direction::SendRecv);
    let mut description = Description::parse(&own.bytes).expect("its own");
    description.streams[0].address = INSIDE;
    description.to_body()
}

#[tokio::test]
async fn both_are_heard_from_where_they_signal_and_nobody_else_is() {
    let mut nurse = Handset::new().await;
    let rig = Rig::start(&nurse.targets(), &routes(TO_QUEUE)).await;
    let mut caller = Handset::new().await;
    let offer = says_inside(&caller);
    let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
    let (talk, asked) = nurse.is_called().await;
    let body = Some(says_inside(&nurse));
    nurse.act(|ep, now| ep.answer(now, talk, body).expect("answered"));
    let answered = caller.is_answered().await.body();
    let to_caller = audio_address(answered.as_ref());
    let to_nurse = audio_address(asked.body().as_ref());

    // Neither is heard of before it has spoken.
    let stranger = UdpSocket::bind("127.0.0.8:0").expect("a port");
    let mut strange = Sender::new(8, 3, 7, 7);
    let mut intrudes = |to| {
        let mut datagram = Vec::new();
        strange.next(&[33; 160], 160, false, &mut datagram);
        stranger.send_to(&datagram, to).expect("sent");
    };
    let (mut voice, mut nurses) = (Sender::new(8, 1, 7, 7), Sender::new(8, 2, 7, 7));
    let heard = nurse
        .hears(11, || {
            intrudes(to_caller);
            caller.says(&mut voice, to_caller, 11);
            nurse.says(&mut nurses, to_nurse, 22);
        })
        .await;
    assert!(!heard.contains(&33), "{heard:?}");
    let heard = caller
        .hears(23, || nurse.says(&mut nurses, to_nurse, 23))
        .await;
    assert!(!heard.contains(&33), "{heard:?}");
    assert!(rig.counted(DROPPED, "stray") > 0);
    caller.hangs_up(call);
    nurse.is_ended().await;
    rig.stop().await;
}
