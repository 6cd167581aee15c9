//! RTCP: the switch tells each side how it is heard and when its stream ends, and reads what it is told, beside the audio or with it,
//! encrypted where the audio is.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};

use testkit::DEADLINE;
use wire::{
    rtp::{
        Packet, Sender,
        control::{Heard, Report, Sent, Told},
        is_rtcp,
    },
    sdp::{Description, Direction},
    sip::message::Body,
    srtp::{Crypto, MasterKey, Opener, Sealer, Suite},
};

use crate::{
    TO_QUEUE,
    bad_media::DROPPED,
    forked::audio_address,
    handed_on::refer,
    handset::Handset,
    rig::Rig,
    routes,
    talk::{REGIONAL, Talk},
};

const RTCP: &str = "vaxel_rtcp_packets_total";
/// The nurse's stream and the caller's.
const NURSE: u32 = 2;
const CALLER: u32 = 1;

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
    Some(told_from(control, ours)?.0)
}

/// The same, and where it came from.
fn told_from(control: &UdpSocket, ours: u32) -> Option<(Told, SocketAddr)> {
    let mut buffer = [0; 2000];
    let (len, from) = control.recv_from(&mut buffer).ok()?;
    let told = Told::read(&buffer[..len], ours).expect("a whole report");
    Some((told, from))
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
    let nurse = Handset::new().await;
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
    let first = until("a report", speaks, || told(&two.nurse.control, NURSE)).await;
    let heard = first.heard.expect("of what she says");
    assert!((118..=138).contains(&heard.fraction_lost), "{heard:?}");
    assert_eq!(heard.last_report, 0);

    let hers = report(NURSE, first.ssrc);
    two.nurse.control.send_to(&hers, beside(to)).expect("sent");
    // Nothing is told of who says nothing.
    let speaks = || two.nurse.says(&mut voice, to, 31);
    let next = until("an answer to her report", speaks, || {
        let heard = told(&two.nurse.control, NURSE)?.heard;
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
    let agents = "[{ simulated = 1 }]";
    come_with_the_audio(Rig::start(agents, &routes(TO_QUEUE)).await).await;
    let network = "127.0.0.1/32";
    come_with_the_audio(Rig::start_sharing(network, agents, &routes(TO_QUEUE)).await).await;
}

async fn come_with_the_audio(rig: Rig) {
    let mut caller = Handset::new().await;
    let offer = with(&caller.talks(), |stream| stream.rtcp_mux = true);
    let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
    let answered = caller.is_answered().await.body().expect("an answer");
    let answer = Description::parse(&answered.bytes).expect("SDP");
    assert!(answer.streams[0].rtcp_mux, "agreed");
    let mut audio = BTreeSet::new();
    let told = until("a report", || {}, || muxed(&caller, &mut audio)).await;
    assert_eq!(audio, BTreeSet::from([told.ssrc]), "of the nurse's voice");
    assert!(told.sent.is_some_and(|sent| sent.packets > 0));
    caller.sends(&report(CALLER, told.ssrc), answer.streams[0].address);
    counts(&rig, RTCP, "received").await;
    caller.hangs_up(call);
    caller.is_ended().await;
    let end = || muxed(&caller, &mut audio).filter(|told| told.ended);
    assert_eq!(until("the end", || {}, end).await.ssrc, told.ssrc);
    rig.stop().await;
}

/// The next report that has come with the audio, whose sources are noted.
fn muxed(caller: &Handset, audio: &mut BTreeSet<u32>) -> Option<Told> {
    let mut buffer = [0; 2000];
    while let Some(len) = caller.receives(&mut buffer) {
        let datagram = &buffer[..len];
        if is_rtcp(datagram) {
            return Told::read(datagram, CALLER);
        }
        audio.insert(Packet::parse(datagram).expect("RTP").ssrc);
    }
    None
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
    let end = || {
        let len = control.recv(&mut buffer).ok()?;
        let clear = opener.open_control(&mut buffer[..len]);
        let told = Told::read(clear.expect("by the same key"), CALLER).expect("RTCP");
        told.ended.then_some(told.ssrc)
    };
    assert_eq!(until("the end", || {}, end).await, told.ssrc);
    rig.stop().await;
}

#[tokio::test]
async fn legs_that_share_a_port_share_the_next_for_reports() {
    let nurse = Handset::new().await;
    let agents = nurse.targets();
    let rig = Rig::start_sharing("127.0.0.1/32", &agents, &routes(TO_QUEUE)).await;
    let mut two = Talk::through(rig, nurse).await;
    let to = audio_address(two.asked.body().as_ref());
    assert_eq!(to, audio_address(two.answered.body().as_ref()), "shared");
    let mut voice = Sender::new(8, NURSE, 7, 7);
    let speaks = || two.nurse.says(&mut voice, to, 31);
    let first = until("a report", speaks, || told(&two.nurse.control, NURSE)).await;
    assert_eq!(first.heard.map(|heard| heard.fraction_lost), Some(0));
    let hers = report(NURSE, first.ssrc);
    two.nurse.control.send_to(&hers, beside(to)).expect("sent");
    counts(&two.rig, RTCP, "received").await;
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    let end = until("the end", || {}, || ends(&two.nurse.control)).await;
    assert_eq!(end, first.ssrc);
    two.rig.stop().await;
}

/// Each leg's by its own network, whichever of the two was there first, and whether legs share ports or not.
#[tokio::test]
async fn reports_go_and_come_in_each_leg_s_own_network() {
    let shares = ", rtp_shared = [\"127.0.0.0/8\", \"::1/128\"]";
    let (four, six) = ("127.0.0.1", "[::1]");
    // At once, as each waits for seconds.
    tokio::join!(
        report_in_own_network(four, six, ""),
        report_in_own_network(six, four, ""),
        report_in_own_network(four, six, shares),
    );
}

async fn report_in_own_network(here: &str, there: &str, listen: &str) {
    let ip = |network: &str| -> IpAddr {
        let ip = network.trim_matches(['[', ']']);
        ip.parse().expect("an address")
    };
    let nurse = Handset::at(ip(there), true).await;
    let agents = nurse.targets();
    let rig = Rig::start_in_networks(&[here, there], listen, &agents, &routes(TO_QUEUE)).await;
    let mut two = Talk::through(rig, nurse).await;
    let to_caller = audio_address(two.answered.body().as_ref());
    let to_nurse = audio_address(two.asked.body().as_ref());
    assert_eq!((to_caller.ip(), to_nurse.ip()), (ip(here), ip(there)));

    let (mut callers, mut nurses) = (Sender::new(8, CALLER, 7, 7), Sender::new(8, NURSE, 7, 7));
    let (mut to_her, mut to_him) = (None, None);
    let speaks = || {
        two.caller.says(&mut callers, to_caller, 11);
        two.nurse.says(&mut nurses, to_nurse, 22);
    };
    let both = || {
        to_him = to_him.or_else(|| told_from(&two.caller.control, CALLER));
        to_her = to_her.or_else(|| told_from(&two.nurse.control, NURSE));
        to_him.zip(to_her)
    };
    let (his, hers) = until("a report to each", speaks, both).await;
    let sides = [
        (his, to_caller, CALLER, &two.caller),
        (hers, to_nurse, NURSE, &two.nurse),
    ];
    for ((told, from), ours, ssrc, phone) in sides {
        assert_eq!(from, beside(ours), "from beside the audio");
        assert_eq!(told.heard.map(|heard| heard.ssrc), Some(ssrc));
        let reply = report(ssrc, told.ssrc);
        phone.control.send_to(&reply, beside(ours)).expect("sent");
    }
    let came = || (two.rig.counted(RTCP, "received") == 2).then_some(());
    until("both their reports", || {}, came).await;
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    for ((told, _), phone) in [(his, &two.caller), (hers, &two.nurse)] {
        let end = until("the end", || {}, || ends(&phone.control)).await;
        assert_eq!(end, told.ssrc);
    }
    two.rig.stop().await;
}

#[tokio::test]
async fn each_side_is_told_once_that_its_stream_has_ended() {
    let mut two = Talk::begin().await;
    two.nurse.is_confirmed().await;
    let numbers = both_hear(&two).await;
    two.nurse.hangs_up(two.talk);
    two.caller.is_ended().await;
    let controls = [two.caller.control, two.nurse.control];
    for (control, number) in controls.iter().zip(numbers) {
        let end = until("the end", || {}, || ends(control)).await;
        assert_eq!(end, number, "the number of what was heard");
    }
    two.rig.stop().await;
    for control in &controls {
        assert_eq!(ends(control), None, "once");
    }
}

/// The caller stays, and waits for another.
#[tokio::test]
async fn a_nurse_who_hands_the_call_on_and_leaves_is_told_of_the_end_then() {
    let mut second = Handset::new().await;
    let mut two = Talk::begin_beside(&format!(", \"{}\"", second.uri())).await;
    two.nurse.is_confirmed().await;
    let [_, hers] = both_hear(&two).await;
    let to = format!("<{}>", second.uri());
    assert_eq!(refer(&mut two.nurse, two.talk, &to).await, Ok(()));
    let (session, _) = second.is_called().await;
    two.nurse.hangs_up(two.talk);
    let end = until("the end", || {}, || ends(&two.nurse.control)).await;
    assert_eq!(end, hers);
    let answer = second.talks();
    second.act(|ep, now| ep.answer(now, session, Some(answer)).expect("answered"));
    second.is_confirmed().await;
    two.nurse = second;
    let [_, his] = both_hear(&two).await;
    assert_ne!(his, hers, "another stream");
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    let end = until("the end", || {}, || ends(&two.nurse.control)).await;
    assert_eq!(end, his);
    let totals = two.rig.stop().await.totals;
    assert_eq!((totals.completed, totals.unaccounted), (1, 0));
}

/// What it hears afterwards, elsewhere, is another stream.
#[tokio::test]
async fn who_moves_is_told_where_it_was_that_the_stream_has_ended_there() {
    let mut two = Talk::begin().await;
    two.nurse.is_confirmed().await;
    let [before, nurses] = both_hear(&two).await;
    let (_audio, control) = two.caller.moves_to(Ipv4Addr::LOCALHOST);
    two.caller.asks_for(two.call, Direction::SendRecv).await;
    two.caller.has_changed().await;
    assert_eq!(until("the end", || {}, || ends(&control)).await, before);
    let [after, same] = both_hear(&two).await;
    assert_ne!(after, before);
    assert_eq!(same, nurses, "she has not moved");
    assert_eq!(ends(&two.nurse.control), None);
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    let end = until("the end", || {}, || ends(&two.caller.control)).await;
    assert_eq!(end, after);
    assert_eq!(ends(&control), None, "once");
    two.rig.stop().await;
}

/// Holding, in the new way and the old, is no end.
#[tokio::test]
async fn who_holds_is_told_of_no_end_and_no_word_of_theirs_ends_the_call() {
    let mut two = Talk::begin().await;
    two.nurse.is_confirmed().await;
    let numbers = both_hear(&two).await;
    for direction in [Direction::SendOnly, Direction::SendRecv] {
        let nurse = (&mut two.nurse, two.talk);
        two.caller.changes(two.call, direction, nurse).await;
    }
    assert_eq!(both_hear(&two).await, numbers, "the same streams");

    let mut bye = report(CALLER, numbers[0]);
    bye.extend([0x81, 203, 0, 1]);
    bye.extend(CALLER.to_be_bytes());
    let to = beside(audio_address(two.answered.body().as_ref()));
    two.caller.control.send_to(&bye, to).expect("sent");
    // Of nobody, of more than there are, and one that begins another packet and doesn't end it.
    for odd in [
        &[0x80, 203, 0, 0][..],
        &[0x9F, 203, 0, 1, 0, 0, 0, 1],
        &bye[..bye.len() - 4],
    ] {
        two.caller.control.send_to(odd, to).expect("sent");
    }
    let came = || (two.rig.counted(RTCP, "received") == 2).then_some(());
    until("what says who it is of", || {}, came).await;
    let refused = || (two.rig.counted(DROPPED, "malformed") == 2).then_some(());
    until("what doesn't", || {}, refused).await;
    assert_eq!(both_hear(&two).await, numbers, "the call goes on");
    for phone in [&two.caller, &two.nurse] {
        assert_eq!(ends(&phone.control), None);
    }
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    let totals = two.rig.stop().await.totals;
    assert_eq!((totals.completed, totals.unaccounted), (1, 0));
}

/// Both speak until both have heard each other: the numbers of the streams that came to the caller and to the nurse.
async fn both_hear(two: &Talk) -> [u32; 2] {
    let (mut callers, mut nurses) = (Sender::new(8, CALLER, 7, 7), Sender::new(8, NURSE, 7, 7));
    let to_caller = audio_address(two.answered.body().as_ref());
    let to_nurse = audio_address(two.asked.body().as_ref());
    let speak = || {
        two.caller.says(&mut callers, to_caller, 11);
        two.nurse.says(&mut nurses, to_nurse, 22);
    };
    // Once the audio of before is out of the way.
    for phone in [&two.caller, &two.nurse] {
        while phone.receives(&mut [0; 2000]).is_some() {}
    }
    let mut came = [None; 2];
    let look = || {
        for (phone, came) in [&two.caller, &two.nurse].into_iter().zip(&mut came) {
            let mut buffer = [0; 2000];
            if let Some(len) = phone.receives(&mut buffer) {
                *came = Some(Packet::parse(&buffer[..len]).expect("RTP").ssrc);
            }
        }
        let [caller, nurse] = came;
        caller.zip(nurse)
    };
    let (caller, nurse) = until("both voices", speak, look).await;
    [caller, nurse]
}

/// Whose stream has ended, when a report there says so.
fn ends(control: &UdpSocket) -> Option<u32> {
    while let Some(told) = told(control, 0) {
        if told.ended {
            return Some(told.ssrc);
        }
    }
    None
}
