//! RTCP: the switch tells each side how it is heard, and reads what it is told, beside the audio or with it, encrypted where the audio is.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, UdpSocket},
};

use testkit::DEADLINE;
use wire::{
    rtp::{
        Packet, Sender,
        control::{Heard, Report, Sent, Told},
        is_rtcp,
    },
    sdp::Description,
    sip::message::Body,
    srtp::{Crypto, MasterKey, Opener, Sealer, Suite},
};

use crate::{
    TO_QUEUE,
    bad_media::DROPPED,
    forked::audio_address,
    handset::Handset,
    rig::Rig,
    routes,
    talk::{REGIONAL, Talk},
};

const RTCP: &str = "vaxel_rtcp_packets_total";
/// The nurse's stream and the caller's.
const NURSE: u32 = 2;
const CALLER: u32 = 1;

/// Ports for audio and, after it, for reports.
fn pair() -> (UdpSocket, UdpSocket) {
    let bound = |port| UdpSocket::bind(("127.0.0.1", port));
    for _ in 0..1000 {
        let audio = bound(0).expect("a port");
        let beside = audio.local_addr().expect("it is bound").port() | 1;
        let taken = audio.local_addr().expect("it is bound").port() == beside;
        if let (false, Ok(control)) = (taken, bound(beside)) {
            for socket in [&audio, &control] {
                socket.set_nonblocking(true).expect("an option");
            }
            return (audio, control);
        }
    }
    panic!("no two ports after each other");
}

fn beside(mut audio: SocketAddr) -> SocketAddr {
    audio.set_port(audio.port() + 1);
    audio
}

/// Looks until there is something, and speaks every 20 ms meanwhile.
pub(crate) async fn until<T>(
    what: &str,
    mut speak: impl FnMut(),
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let search = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            tick.tick().await;
            speak();
            if let Some(found) = look() {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(DEADLINE, search).await;
    found.unwrap_or_else(|_| panic!("{what}: it never came"))
}

/// What a report that came to that socket says of our stream.
fn told(control: &UdpSocket, ours: u32) -> Option<Told> {
    let mut buffer = [0; 2000];
    let len = control.recv(&mut buffer).ok()?;
    Some(Told::read(&buffer[..len], ours).expect("a whole report"))
}

/// A report of ours, with the loss of half of what that stream sent.
fn report(ssrc: u32, about: u32) -> Vec<u8> {
    let mut datagram = Vec::new();
    let report = Report {
        ssrc,
        sent: Some(Sent {
            ntp: 0x0001_AAAA_BBBB_0002,
            timestamp: 0,
            packets: 9,
            octets: 9,
        }),
        heard: Some(Heard {
            ssrc: about,
            fraction_lost: 128,
            lost: 3,
            highest: 9,
            jitter: 1,
            last_report: 0,
            delay: 0,
        }),
        cname: "a telephone",
    };
    report.append(&mut datagram);
    datagram
}

/// A description with a change.
fn with(body: &Body, change: impl FnOnce(&mut wire::sdp::Stream)) -> Body {
    let mut description = Description::parse(&body.bytes).expect("its own");
    change(&mut description.streams[0]);
    description.to_body()
}

#[tokio::test]
async fn who_loses_packets_is_told_so_and_told_that_its_report_came() {
    let mut nurse = Handset::new().await;
    let (audio, control) = pair();
    nurse.speaks_by(audio);
    let rig = Rig::start(&nurse.targets(), &routes(TO_QUEUE)).await;
    let mut two = Talk::through(rig, nurse).await;
    two.nurse.is_confirmed().await;
    let to = audio_address(two.asked.body().as_ref());

    // Every other packet of the nurse's is lost on its way.
    let mut voice = Sender::new(8, NURSE, 7, 7);
    let speaks = || {
        let mut lost = Vec::new();
        voice.next(&[31; 160], 160, false, &mut lost);
        two.nurse.says(&mut voice, to, 31);
    };
    let first = until("a report", speaks, || told(&control, NURSE)).await;
    let heard = first.heard.expect("of what she says");
    assert!((118..=138).contains(&heard.fraction_lost), "{heard:?}");
    assert_eq!(heard.last_report, 0);

    let hers = report(NURSE, first.ssrc);
    control.send_to(&hers, beside(to)).expect("sent");
    // Nothing is told of who says nothing.
    let speaks = || two.nurse.says(&mut voice, to, 31);
    let next = until("an answer to her report", speaks, || {
        let heard = told(&control, NURSE)?.heard;
        heard.filter(|heard| heard.last_report != 0)
    });
    let next = next.await;
    assert_eq!(next.last_report, 0xAAAA_BBBB, "the middle of her clock");
    assert_eq!(two.rig.counted(RTCP, "received"), 1);

    // Another host's say nothing.
    let stranger = UdpSocket::bind("127.0.0.9:0").expect("a port");
    stranger.send_to(&hers, beside(to)).expect("sent");
    counts(&two.rig, DROPPED, "stray").await;
    two.nurse.hangs_up(two.talk);
    two.caller.is_ended().await;
    two.rig.stop().await;
}

/// Waits until that has been counted.
async fn counts(rig: &Rig, metric: &str, label: &str) {
    let look = || (rig.counted(metric, label) > 0).then_some(());
    until(label, || {}, look).await;
}

#[tokio::test]
async fn reports_come_with_the_audio_where_both_sides_say_so() {
    let rig = Rig::start("[{ simulated = 1 }]", &routes(TO_QUEUE)).await;
    let mut caller = Handset::new().await;
    let offer = with(&caller.talks(), |stream| stream.rtcp_mux = true);
    let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
    let answered = caller.is_answered().await.body().expect("an answer");
    let answer = Description::parse(&answered.bytes).expect("SDP");
    assert!(answer.streams[0].rtcp_mux, "agreed");
    let (mut audio, mut buffer) = (BTreeSet::new(), [0; 2000]);
    let told = until(
        "a report",
        || {},
        || {
            while let Some(len) = caller.receives(&mut buffer) {
                let datagram = &buffer[..len];
                if is_rtcp(datagram) {
                    return Told::read(datagram, CALLER);
                }
                audio.insert(Packet::parse(datagram).expect("RTP").ssrc);
            }
            None
        },
    );
    let told = told.await;
    assert_eq!(audio, BTreeSet::from([told.ssrc]), "of the nurse's voice");
    assert!(told.sent.is_some_and(|sent| sent.packets > 0));
    caller.sends(&report(CALLER, told.ssrc), answer.streams[0].address);
    counts(&rig, RTCP, "received").await;
    caller.hangs_up(call);
    caller.is_ended().await;
    rig.stop().await;
}

#[tokio::test]
async fn reports_of_encrypted_audio_are_encrypted_both_ways() {
    let rig = Rig::start("[{ simulated = 1 }]", &routes(TO_QUEUE)).await;
    let mut caller = Handset::new().await;
    let key = MasterKey::new(*b"sixteen bytes ofa salt for all");
    let own = Crypto::new(1, Suite::AesCm128HmacSha1_32, key);
    let (control, line) = (UdpSocket::bind("127.0.0.1:0").expect("a port"), own.clone());
    control.set_nonblocking(true).expect("an option");
    let at = control.local_addr().expect("it is bound");
    let offer = with(&caller.talks(), |stream| {
        *stream = stream.clone().requiring(vec![line]);
        stream.rtcp_at = Some(at);
    });
    let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
    let answered = caller.is_answered().await.body().expect("an answer");
    let answer = Description::parse(&answered.bytes).expect("SDP");
    let theirs = answer.streams[0].crypto[0].clone();
    let to = beside(answer.streams[0].address);

    let (mut opener, mut sealer) = (Opener::new(theirs), Sealer::new(&own));
    let mut buffer = [0; 2000];
    let told = until(
        "a report",
        || {},
        || {
            let len = control.recv(&mut buffer).ok()?;
            let clear = opener.open_control(&mut buffer[..len]);
            Told::read(clear.expect("by the key of the answer"), CALLER)
        },
    )
    .await;
    assert!(told.sent.is_some(), "the nurse is heard");
    let plain = report(CALLER, told.ssrc);
    control.send_to(&plain, to).expect("sent");
    counts(&rig, DROPPED, "malformed").await;
    assert_eq!(rig.counted(RTCP, "received"), 0, "not in the clear");
    let mut sealed = plain;
    sealer.seal_control(&mut sealed).expect("closed");
    control.send_to(&sealed, to).expect("sent");
    counts(&rig, RTCP, "received").await;
    caller.hangs_up(call);
    caller.is_ended().await;
    rig.stop().await;
}

#[tokio::test]
async fn legs_that_share_a_port_share_the_next_for_reports() {
    let mut nurse = Handset::new().await;
    let (audio, control) = pair();
    nurse.speaks_by(audio);
    let agents = nurse.targets();
    let rig = Rig::start_sharing("127.0.0.1/32", &agents, &routes(TO_QUEUE)).await;
    let mut two = Talk::through(rig, nurse).await;
    let to = audio_address(two.asked.body().as_ref());
    assert_eq!(to, audio_address(two.answered.body().as_ref()), "shared");
    let mut voice = Sender::new(8, NURSE, 7, 7);
    let speaks = || two.nurse.says(&mut voice, to, 31);
    let first = until("a report", speaks, || told(&control, NURSE)).await;
    assert_eq!(first.heard.map(|heard| heard.fraction_lost), Some(0));
    control
        .send_to(&report(NURSE, first.ssrc), beside(to))
        .expect("sent");
    counts(&two.rig, RTCP, "received").await;
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    two.rig.stop().await;
}
