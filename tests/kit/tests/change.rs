//! A phone follows when its peer changes the session: hold, another address, another codec.

use std::{net::SocketAddr, time::Duration};

use testkit::{AnswerPlan, Ended, Phone, Sound, tone};
use transport::{
    SipDriver,
    media::{PACKET_LEN_MAX, RtpPorts, RtpSocket},
};
use wire::{
    g711::Law,
    rtp::Packet,
    sdp::{Codec, Description, Direction, Origin, Stream},
    sip::{
        endpoint::{Config, Event, Invite, SessionId},
        message::Body,
    },
};

fn description(stream: Stream, version: u64) -> Body {
    let origin = Origin {
        version,
        ..Origin::new(1, stream.address.ip())
    };
    Description {
        origin,
        streams: vec![stream],
    }
    .to_body()
}

/// Hears a fifth of a second at `socket` while `driver` runs.
async fn listen(socket: &RtpSocket, driver: &mut SipDriver) -> (u8, Vec<i16>) {
    let mut buffer = [0; PACKET_LEN_MAX];
    let mut samples = Vec::new();
    loop {
        let len = tokio::select! {
            received = socket.recv_from(&mut buffer) => received.expect("a datagram").0,
            event = driver.event() => panic!("unexpected {event:?}"),
        };
        let packet = Packet::parse(&buffer[..len]).expect("a packet");
        Law::from_payload_type(packet.payload_type)
            .expect("G.711")
            .decode_into(packet.payload, &mut samples);
        if samples.len() >= 1600 {
            return (packet.payload_type, samples);
        }
    }
}

async fn change(driver: &mut SipDriver, session: SessionId, body: Body) -> Description {
    let now = driver.now();
    driver
        .endpoint()
        .change(now, session, Some(body))
        .expect("a change");
    match driver.event().await {
        Event::Changed {
            result: Ok(Some(answer)),
            ..
        } => Description::parse(&answer.bytes).expect("an answer"),
        event => panic!("unexpected {event:?}"),
    }
}

async fn peer(mut driver: SipDriver, invite: Invite, first: RtpSocket, second: RtpSocket) {
    let now = driver.now();
    let session = driver.endpoint().invite(now, invite).expect("a call");
    while !matches!(driver.event().await, Event::Answered { .. }) {}
    let (payload_type, heard) = listen(&first, &mut driver).await;
    assert!(payload_type == 8 && tone::heard(&heard, 1000.0));

    let held = Stream::audio(first.local_addr(), Codec::telephony()).going(Direction::SendOnly);
    let answer = change(&mut driver, session, description(held, 2)).await;
    assert_eq!(answer.streams[0].direction, Direction::RecvOnly);

    let moved = Stream::audio(second.local_addr(), vec![Codec::pcmu()]);
    let answer = change(&mut driver, session, description(moved, 3)).await;
    assert_eq!(
        (answer.streams[0].direction, answer.streams[0].codecs.len()),
        (Direction::SendRecv, 1)
    );
    let (payload_type, heard) = listen(&second, &mut driver).await;
    assert!(payload_type == 0 && tone::heard(&heard, 1000.0));

    let now = driver.now();
    driver.endpoint().end(now, session, None).expect("hangs up");
    assert!(matches!(driver.event().await, Event::Ended { .. }));
}

#[tokio::test]
async fn hold_then_another_address_and_codec() {
    let address: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let driver = SipDriver::bind(address, Config::default_for(address, [0; 32])).expect("a port");
    let ports = RtpPorts::new(address.ip(), 33_000..=39_999);
    let (first, second) = (ports.open().expect("a port"), ports.open().expect("a port"));
    let mut phone = Phone::bind().expect("a port");
    let invite = Invite {
        body: Some(description(
            Stream::audio(first.local_addr(), Codec::telephony()),
            1,
        )),
        ..Invite::anonymous(phone.uri("1177"))
    };
    let there = second.local_addr();
    let plan = AnswerPlan {
        sound: Sound::Tone(1000.0),
        ..AnswerPlan::default()
    };
    let both = async { tokio::join!(phone.answer(plan), peer(driver, invite, first, second)) };
    let (answered, ()) = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("no wait without end");
    assert_eq!(
        (answered.ended, answered.changes, answered.remote_audio),
        (Ended::Peer, 2, Some(there))
    );
}
