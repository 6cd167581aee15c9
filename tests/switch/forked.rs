//! How a call's audio comes to the recorder: all by one port, or each stream by its own, as the recorder's answer says.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use testkit::DEADLINE;
use wire::{
    rtp::{Packet, Sender},
    sdp::{Codec, Description, Direction, Origin, Stream},
    sip::{
        endpoint::SessionId,
        message::{Body, Request},
    },
    siprec,
    srtp::{MasterKey, Opener},
};

use crate::{handset::Handset, talk::Talk};

/// What each side says: packets of one code each, from this one on.
const SAID: std::ops::RangeInclusive<u8> = 1..=50;
/// What is said until the recorder hears both.
const HELLO: u8 = 0;

#[tokio::test]
async fn a_recorder_with_one_port_hears_all_that_both_say_and_tells_them_apart() {
    let port = port();
    let (offer, heard) = Box::pin(recorded([&port, &port], "off")).await;
    let from: BTreeSet<SocketAddr> = heard.values().map(|one| one.from).collect();
    assert_eq!(from.len(), 1, "one socket sends all");
    let expected = offer.streams.iter().map(|stream| Heard {
        from: heard[&number(stream)].from,
        at: address(&port),
        said: SAID.collect(),
    });
    let numbers = offer.streams.iter().map(number);
    assert_eq!(heard, numbers.zip(expected).collect());
    assert_eq!(heard.len(), 2);
}

#[tokio::test]
async fn a_recorder_with_two_ports_hears_each_from_the_port_that_was_offered() {
    let ports = [port(), port()];
    let (offer, heard) = Box::pin(recorded([&ports[0], &ports[1]], "off")).await;
    let expected = offer.streams.iter().zip(&ports).map(|(stream, port)| {
        let one = Heard {
            from: stream.address,
            at: address(port),
            said: SAID.collect(),
        };
        (number(stream), one)
    });
    assert_eq!(heard, expected.collect());
}

/// By keys that only the recorder's signalling told: one a stream, and none of the call's own.
#[tokio::test]
async fn an_encrypting_recorder_hears_all_by_one_port_and_by_two() {
    let (one, other) = (port(), port());
    for ports in [[&one, &one], [&one, &other]] {
        let (offer, heard) = Box::pin(recorded(ports, "require")).await;
        assert!(offer.streams.iter().all(Stream::is_secure));
        let all: BTreeSet<u8> = SAID.collect();
        assert_eq!(heard.len(), 2);
        assert!(heard.values().all(|one| one.said == all), "{heard:?}");
    }
}

#[tokio::test]
async fn a_recorder_that_answers_late_hears_what_was_said_before() {
    let port = port();
    let ports = [&port, &port];
    let mut recorder = Handset::plain().await;
    let two = Talk::begin_recorded_at(&recorder, "off").await;
    let called = recorder.is_called().await;
    let (mut voices, both) = (Voices::of(&two), [&two.nurse, &two.caller]);
    for phone in both {
        phone.hears(HELLO, || voices.say(&two, HELLO)).await;
    }
    SAID.for_each(|code| voices.say(&two, code));
    for phone in both {
        phone.hears(*SAID.end(), || ()).await;
    }
    answers(&mut recorder, called, ports);
    let mut heard = ByNumber::new();
    let said: BTreeSet<u8> = SAID.collect();
    let all = |heard: &ByNumber| {
        heard.len() == 2 && heard.values().all(|one| one.said.is_superset(&said))
    };
    hear((ports, &mut Openers::new()), &mut heard, all, || ()).await;
    two.rig.stop().await;
}

/// What came of one stream, whence and where.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    from: SocketAddr,
    at: SocketAddr,
    said: BTreeSet<u8>,
}

/// By the number that each packet carries.
type ByNumber = BTreeMap<u32, Heard>;

/// What opens a stream's packets, where they are encrypted, by the number that each carries.
type Openers = BTreeMap<u32, Opener>;

/// A call of two who say what there is to say, to a recorder that answers with these ports: what was offered, and what came.
async fn recorded(ports: [&UdpSocket; 2], srtp: &str) -> (Description, ByNumber) {
    let mut recorder = Handset::plain().await;
    let mut two = Talk::begin_recorded_at(&recorder, srtp).await;
    let offered = takes(&mut recorder, ports).await;
    let mut openers = openers(&offered);
    let mut voices = Voices::of(&two);
    let mut say = |code| voices.say(&two, code);
    let mut heard = ByNumber::new();
    let both = |heard: &ByNumber| heard.len() == 2;
    hear((ports, &mut openers), &mut heard, both, || say(HELLO)).await;
    SAID.for_each(&mut say);
    let said: BTreeSet<u8> = SAID.collect();
    let all = |heard: &ByNumber| heard.values().all(|one| one.said.is_superset(&said));
    hear((ports, &mut openers), &mut heard, all, || ()).await;
    two.caller.hangs_up(two.call);
    recorder.is_ended().await;
    two.rig.stop().await;
    for one in heard.values_mut() {
        one.said.remove(&HELLO);
    }
    (offered, heard)
}

/// What both say, and where the switch hears it.
struct Voices([(Sender, SocketAddr); 2]);

impl Voices {
    fn of(two: &Talk) -> Self {
        let bodies = [(1, two.answered.body()), (2, two.asked.body())];
        Self(bodies.map(|(ssrc, body)| {
            let to = audio_address(body.as_ref());
            (Sender::new(8, ssrc, 7, 7), to)
        }))
    }

    /// Both say a packet of that.
    fn say(&mut self, two: &Talk, code: u8) {
        for (phone, (sender, to)) in [&two.caller, &two.nurse].into_iter().zip(&mut self.0) {
            phone.says(sender, *to, code);
        }
    }
}

/// Answers a recording session with these ports. What was offered.
async fn takes(recorder: &mut Handset, ports: [&UdpSocket; 2]) -> Description {
    let called = recorder.is_called().await;
    answers(recorder, called, ports)
}

/// Answers this one.
fn answers(
    recorder: &mut Handset,
    (session, request): (SessionId, Box<Request>),
    ports: [&UdpSocket; 2],
) -> Description {
    let body = request.body().expect("an offer");
    let offered = siprec::split(&body.content_type, &body.bytes).expect("a recording session");
    let stream = |(port, offered): (&UdpSocket, &Stream)| {
        let ours = Stream::audio(address(port), vec![Codec::pcma()]).going(Direction::RecvOnly);
        match offered.crypto.first() {
            Some(line) => ours.requiring(vec![line.answered_with(MasterKey::new([9; 30]))]),
            None => ours,
        }
    };
    let answer = Description {
        origin: Origin::new(1, [127, 0, 0, 1].into()),
        streams: ports
            .into_iter()
            .zip(&offered.sdp.streams)
            .map(stream)
            .collect(),
    };
    recorder.act(|ep, now| {
        let answer = Some(answer.to_body());
        ep.answer(now, session, answer).expect("answered");
    });
    offered.sdp
}

/// By the keys of an offer; none, of a plain one.
fn openers(offered: &Description) -> Openers {
    let streams = offered.streams.iter();
    let opener = |stream: &Stream| {
        let line = stream.crypto.first()?;
        Some((number(stream), Opener::new(line.clone())))
    };
    streams.filter_map(opener).collect()
}

/// Listens until enough has come, and speaks meanwhile.
async fn hear(
    (ports, openers): ([&UdpSocket; 2], &mut Openers),
    heard: &mut ByNumber,
    enough: impl Fn(&ByNumber) -> bool,
    mut speak: impl FnMut(),
) {
    let listen = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while !enough(heard) {
            tick.tick().await;
            speak();
            for port in ports {
                take(port, heard, openers);
            }
        }
    };
    let done = tokio::time::timeout(DEADLINE, listen).await;
    assert!(done.is_ok(), "not all was heard: {heard:?}");
}

/// What lies at a port.
fn take(port: &UdpSocket, heard: &mut ByNumber, openers: &mut Openers) {
    let mut buffer = [0; 2000];
    while let Ok((mut len, from)) = port.recv_from(&mut buffer) {
        let sealed = Packet::parse(&buffer[..len]).expect("RTP");
        if let Some(opener) = openers.get_mut(&sealed.ssrc) {
            let first = sealed.payload[0];
            assert!(
                sealed.payload.iter().any(|code| *code != first),
                "in the clear"
            );
            len = opener
                .open(&mut buffer[..len])
                .expect("by the stream's key")
                .len();
        }
        let packet = Packet::parse(&buffer[..len]).expect("RTP");
        assert_eq!(packet.payload.len(), 160);
        let one = heard.entry(packet.ssrc).or_insert_with(|| Heard {
            from,
            at: address(port),
            said: BTreeSet::new(),
        });
        assert_eq!((one.from, one.at), (from, address(port)));
        one.said.insert(packet.payload[0]);
    }
}

fn port() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_nonblocking(true).expect("an option");
    socket
}

fn address(port: &UdpSocket) -> SocketAddr {
    port.local_addr().expect("it is bound")
}

fn number(stream: &Stream) -> u32 {
    stream.sources[0].ssrc
}

pub(crate) fn audio_address(body: Option<&Body>) -> SocketAddr {
    let body = body.expect("a description");
    let description = Description::parse(&body.bytes).expect("SDP");
    description.streams[0].address
}
