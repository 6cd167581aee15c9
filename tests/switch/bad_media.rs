//! Audio that no telephone should send: somebody else's, garbage, copies. Not heard, not recorded, counted by reason.

use std::net::{SocketAddr, UdpSocket};

use testkit::{CallPlan, Ended, Noise, Phone, Sound, tone};
use tokio::sync::watch;
use wire::{g711::Law, rtp, srtp::Suite};

use crate::{
    TO_QUEUE, at,
    rig::{self, A_WHILE, CALLER_TONE, FAR_TONE, Rig, answers},
    routes,
};

pub(crate) const DROPPED: &str = "vaxel_rtp_packets_dropped_total";
/// What an intruder says.
pub(crate) const INTRUDER_TONE: f64 = 2500.0;
/// Packets of an intruder's, a second of sound.
pub(crate) const INTRUDER_PACKETS: u64 = 50;

fn says(noise: &[Noise], srtp: Option<Suite>) -> CallPlan {
    CallPlan {
        sound: Sound::Tone(CALLER_TONE),
        until: A_WHILE,
        noise: noise.to_vec(),
        srtp,
        ..CallPlan::default()
    }
}

/// RTP bleed: who sends to a call's port from elsewhere, once the caller has been heard, is heard by nobody.
#[tokio::test]
async fn an_intruders_audio_is_neither_heard_nor_recorded() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(&at(&nurse), &routes(TO_QUEUE)).await;
    let (tells, told) = watch::channel(None);
    let plan = CallPlan {
        tells: Some(tells),
        ..says(&[], None)
    };
    let (caller, nurse, port) = tokio::join!(
        rig.call_as("0488", plan),
        nurse.answer(answers()),
        intrudes(told)
    );
    assert!(caller.heard_tone(FAR_TONE) && nurse.heard_tone(CALLER_TONE));
    assert!(!nurse.heard_tone(INTRUDER_TONE), "not relayed");
    assert!(caller.audio_source.is_some(), "the caller is still sent to");
    let stray = rig.counted(DROPPED, "stray");
    assert!(stray > INTRUDER_PACKETS, "from both addresses: {stray}");
    until_closed(port).await;
    let kept = rig.stop().await;
    let [(_, [left, _])] = kept.recordings().try_into().expect("one recording");
    assert!(tone::heard(&left, CALLER_TONE));
    assert!(!tone::heard(&left, INTRUDER_TONE), "not recorded");
}

#[tokio::test]
async fn garbage_among_the_audio_is_counted_and_disturbs_nobody() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(&at(&nurse), &routes(TO_QUEUE)).await;
    let noise = [
        Noise::Short,
        Noise::Version,
        Noise::TooLong,
        Noise::PayloadType,
    ];
    let plan = says(&noise, None);
    let (caller, nurse) = tokio::join!(rig.call_as("0488", plan), nurse.answer(answers()));
    undisturbed(&caller, &nurse);
    let (sent, passed) = (caller.packets_sent, passed(&nurse));
    for (reason, times) in [("malformed", 2), ("too_long", 1), ("payload_type", 1)] {
        let counted = rig.counted(DROPPED, reason);
        assert!(
            counted >= times * passed && counted <= times * sent,
            "{reason}: {counted}"
        );
    }
    assert_eq!(rig.counted(DROPPED, "stray"), 0);
    rig.stop().await;
}

#[tokio::test]
async fn copies_and_forgeries_of_encrypted_audio_are_counted_and_disturb_nobody() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(&at(&nurse), &routes(TO_QUEUE)).await;
    let noise = [Noise::Tampered, Noise::Again];
    let plan = says(&noise, Some(Suite::AesCm128HmacSha1_80));
    let (caller, nurse) = tokio::join!(rig.call_as("0488", plan), nurse.answer(answers()));
    assert!(caller.encrypted);
    undisturbed(&caller, &nurse);
    for reason in ["unauthenticated", "replayed"] {
        let counted = rig.counted(DROPPED, reason);
        assert!(counted >= passed(&nurse), "{reason}: {counted}");
    }
    rig.stop().await;
}

/// Packets of the caller's whose noise the switch has read: of the last that was heard it may have come when the port was closed.
fn passed(nurse: &testkit::CallResult) -> u64 {
    nurse.audio.received.saturating_sub(1)
}

fn undisturbed(caller: &testkit::CallResult, nurse: &testkit::CallResult) {
    assert_eq!((caller.code(), caller.ended), (200, Ended::Us));
    assert!(caller.heard_tone(FAR_TONE) && nurse.heard_tone(CALLER_TONE));
    assert_eq!((nurse.audio.duplicates, nurse.audio.restarts), (0, 0));
}

/// Says its tone, from the host of the call's sides and from another, to the port that a caller is told of.
pub(crate) async fn intrudes(mut told: watch::Receiver<Option<SocketAddr>>) -> SocketAddr {
    let target = rig::told(&mut told, Option::is_some).await;
    let target = target.expect("an address");
    for local in ["127.0.0.1:0", "127.0.0.66:0"] {
        intrude(local, target);
    }
    target
}

fn intrude(local: &str, target: SocketAddr) {
    let socket = UdpSocket::bind(local).expect("a port");
    let mut sender = rtp::Sender::new(rtp::PCMA, 0xBAD, 0, 0);
    let mut datagram = Vec::new();
    for number in 0..INTRUDER_PACKETS {
        let first = number * rtp::SAMPLES_PER_PACKET as u64;
        let sound: Vec<u8> = (first..first + 160)
            .map(|at| Law::A.encode(tone::sample(INTRUDER_TONE, at)))
            .collect();
        sender.next(&sound, 160, false, &mut datagram);
        socket.send_to(&datagram, target).expect("sent");
    }
}

/// Until nobody listens there any more: the system says so to who sends.
async fn until_closed(port: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(port).expect("connected");
    socket.set_nonblocking(true).expect("a setting");
    let closed = async {
        let mut buffer = [0; 16];
        loop {
            let sent = socket.send(b"late").err();
            let heard = socket.recv(&mut buffer).err();
            let refused =
                |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
            if sent.is_some_and(refused) || heard.is_some_and(refused) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(testkit::DEADLINE, closed)
        .await
        .expect("the port of a call that is over is closed");
}
