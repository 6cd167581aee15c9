//! What a recorder hears of a call: from where, in whose codec, by which key, and in which order.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    time::Duration,
};

use transport::media::DEFAULT_RANGE;
use wire::{
    g711::Law,
    rtp::{self, Packet},
    srtp::{Crypto, MasterKey, Opener, Srtp, Suite},
};

use super::*;
use crate::media::out::Content;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn recorder() -> UdpSocket {
    let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
    let patience = Some(Duration::from_secs(10));
    socket.set_read_timeout(patience).expect("a timeout");
    socket
}

fn agreed(at: &UdpSocket, srtp: Option<Srtp>) -> Agreed {
    let remote = Remote {
        address: at.local_addr().expect("an address"),
        payload_type: rtp::PCMU,
        law: Law::U,
        event_type: None,
        listens: true,
    };
    Agreed {
        remote,
        talks: false,
        control: crate::media::Control::Off,
        signals_from: None,
        srtp,
    }
}

/// Encrypted by a key made of that byte.
fn srtp(byte: u8) -> Srtp {
    let line = |byte| {
        let key = MasterKey::new([byte; MasterKey::LEN]);
        Crypto::new(1, Suite::AesCm128HmacSha1_80, key)
    };
    Srtp {
        ours: line(byte),
        theirs: line(0),
    }
}

fn frame(payload: &[u8], timestamp: u32) -> Frame<'_> {
    Frame {
        source: 1,
        timestamp,
        marker: false,
        content: Content::Audio(Law::A, payload),
    }
}

/// What came, opened by the key that was agreed: whence, by which number, and what.
fn heard(at: &UdpSocket, srtp: Option<Srtp>) -> (SocketAddr, u32, Vec<u8>) {
    let mut buffer = [0; 2000];
    let (mut len, from) = at.recv_from(&mut buffer).expect("a packet");
    if let Some(srtp) = srtp {
        let opened = Opener::new(srtp.ours).open(&mut buffer[..len]);
        len = opened.expect("closed by the stream's key").len();
    }
    let packet = Packet::parse(&buffer[..len]).expect("RTP");
    (from, packet.ssrc, packet.payload.into())
}

/// Forks to the recorders that answer, and says something on both sides: what came to each.
fn forked(answers: [&UdpSocket; 2]) -> (Streams, [(SocketAddr, u32, Vec<u8>); 2]) {
    forked_by(answers, [None, None])
}

/// The same by those keys.
fn forked_by(
    answers: [&UdpSocket; 2],
    keys: [Option<Srtp>; 2],
) -> (Streams, [(SocketAddr, u32, Vec<u8>); 2]) {
    let ports = RtpPorts::new(LOOPBACK, DEFAULT_RANGE);
    let mut lanes = Lanes::new(ports.clone());
    let (mut fork, streams) = Fork::open(&ports, &mut Sources::random()).expect("two ports");
    let (call, now) = (CallId(1), Instant::now());
    let caller = agreed(answers[0], keys[0].clone());
    let far = agreed(answers[1], keys[1].clone());
    fork.begin(call, (caller, far), now, &mut lanes);
    for (side, said) in [(Side::Caller, [0xd5; 3]), (Side::Far, [0x55; 3])] {
        let sent = fork.send(side, frame(&said, 0), now, &mut lanes);
        assert_eq!(sent, Ok(()));
    }
    fork.end(call, &mut lanes);
    let [caller, far] = keys;
    let heard = [heard(answers[0], caller), heard(answers[1], far)];
    (streams, heard)
}

#[test]
fn a_recorder_with_one_port_for_both_gets_both_by_a_lane_in_its_codec() {
    let recorder = recorder();
    let (streams, [caller, far]) = forked([&recorder, &recorder]);
    assert_eq!(caller.0, far.0, "one socket");
    let heard = [(caller.1, caller.2), (far.1, far.2)];
    let law = |byte| vec![Law::U.encode(Law::A.decode(byte)); 3];
    assert_eq!(
        heard,
        [
            (streams.caller.ssrc, law(0xd5)),
            (streams.far.ssrc, law(0x55))
        ]
    );
}

#[test]
fn a_recorder_with_two_ports_gets_each_from_the_port_of_the_offer() {
    let recorders = [recorder(), recorder()];
    let (streams, [caller, far]) = forked([&recorders[0], &recorders[1]]);
    let from = [(caller.0, caller.1), (far.0, far.1)];
    let offered = [streams.caller, streams.far].map(|one| (one.local, one.ssrc));
    assert_eq!(from, offered);
}

#[test]
fn each_stream_is_encrypted_by_its_own_key_by_a_lane_and_by_ports() {
    let (one, other) = (recorder(), recorder());
    for answers in [[&one, &one], [&one, &other]] {
        let keys = [Some(srtp(1)), Some(srtp(2))];
        let (streams, [caller, far]) = forked_by(answers, keys);
        let law = |byte| vec![Law::U.encode(Law::A.decode(byte)); 3];
        assert_eq!((caller.1, caller.2), (streams.caller.ssrc, law(0xd5)));
        assert_eq!((far.1, far.2), (streams.far.ssrc, law(0x55)));
    }
}

#[test]
fn what_was_said_before_the_answer_is_heard_first() {
    for one_port in [true, false] {
        let (ours, other) = (recorder(), recorder());
        let both = [&ours, if one_port { &ours } else { &other }];
        let ports = RtpPorts::new(LOOPBACK, DEFAULT_RANGE);
        let mut lanes = Lanes::new(ports.clone());
        let (mut fork, streams) = Fork::open(&ports, &mut Sources::random()).expect("ports");
        let (call, begun) = (CallId(1), Instant::now());
        let now = begun + Duration::from_millis(40);
        let _ = fork.send(Side::Caller, frame(&[1; 3], 0), begun, &mut lanes);
        let _ = fork.send(Side::Far, frame(&[2; 3], 0), now, &mut lanes);
        fork.begin(
            call,
            (agreed(both[0], None), agreed(both[1], None)),
            now,
            &mut lanes,
        );
        let _ = fork.send(Side::Caller, frame(&[3; 3], 160), now, &mut lanes);
        fork.end(call, &mut lanes);
        let law = |byte| Law::U.encode(Law::A.decode(byte));
        let mut said = [0; 5].map(|_| None);
        for (index, said) in said.iter_mut().enumerate() {
            let at = both[usize::from((1..4).contains(&index))];
            let (_, ssrc, payload) = heard(at, None);
            *said = Some((ssrc == streams.caller.ssrc, payload[0]));
        }
        let silence = (false, law(0xd5));
        let expected = [
            (true, law(1)),
            silence,
            silence,
            (false, law(2)),
            (true, law(3)),
        ];
        assert_eq!(said, expected.map(Some), "one port: {one_port}");
    }
}

/// Where many calls are answered at once, no port of the recorder holds all that was said meanwhile.
#[test]
fn what_was_said_long_before_the_answer_is_not_sent_all_at_once() {
    let (ours, begun) = (recorder(), Instant::now());
    let ports = RtpPorts::new(LOOPBACK, DEFAULT_RANGE);
    let mut lanes = Lanes::new(ports.clone());
    let (mut fork, _) = Fork::open(&ports, &mut Sources::random()).expect("ports");
    let waiting = |fork: &Fork| match fork {
        Fork::Behind(behind) => behind.said.len(),
        _ => 0,
    };
    let say = |fork: &mut Fork, number: u8, lanes: &mut Lanes| {
        let at = begun + Duration::from_millis(20) * number.into();
        let said = [number; 3];
        let sent = fork.send(
            Side::Caller,
            frame(&said, u32::from(number) * 160),
            at,
            lanes,
        );
        assert_eq!(sent, Ok(()));
    };
    (0..100).for_each(|number| say(&mut fork, number, &mut lanes));
    let both = (agreed(&ours, None), agreed(&ours, None));
    let answered = begun + Duration::from_secs(2);
    fork.begin(CallId(1), both, answered, &mut lanes);
    // A hundred frames of the caller, and as many of silence beside them.
    let mut left = 200 - CATCH_UP;
    let mut number = 100;
    while left > 0 {
        assert_eq!(waiting(&fork), left);
        say(&mut fork, number, &mut lanes);
        left = (left + 1).saturating_sub(CATCH_UP);
        number += 1;
    }
    fork.end(CallId(1), &mut lanes);
    let law = |byte| Law::U.encode(Law::A.decode(byte));
    let expected = (0..number).flat_map(|number| match number < 100 {
        true => vec![law(number), law(0xd5)],
        false => vec![law(number)],
    });
    for byte in expected {
        assert_eq!(heard(&ours, None).2[0], byte);
    }
}

#[test]
fn no_number_is_drawn_twice() {
    for (last, step) in [(0, 0), (u32::MAX, 2), (7, u32::MAX)] {
        let mut sources = Sources { last, step };
        let drawn: BTreeSet<u32> = (0..100_000).map(|_| sources.draw()).collect();
        assert_eq!(drawn.len(), 100_000);
    }
}
