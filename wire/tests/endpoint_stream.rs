//! Over TCP: pieces, reuse, loss of the connection, and large requests.

mod sip_net;

use std::net::SocketAddr;

use sip_net::{Net, address, call, sdp};
use wire::sip::{
    endpoint::{
        ConnectionId, Ending, Endpoint, Event, Input, Invite, Local, Output, Timer, TransportKind,
    },
    message::{Body, Headers, StatusCode},
};

#[test]
fn a_call_in_single_bytes() {
    let mut net = Net::new(2);
    net.chunk = 1;
    let (caller, _) = net.call_up(TransportKind::Tcp);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    assert_eq!(net.ep(1).counters().malformed, 0);
    net.assert_clean();
}

#[test]
fn one_connection_carries_many_calls() {
    let mut net = Net::new(2);
    for _ in 0..5 {
        let (caller, _) = net.call_up(TransportKind::Tcp);
        net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
        net.secs(1);
        assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    }
    assert_eq!((net.ep(0).connections(), net.ep(1).connections()), (1, 1));
    net.assert_clean();
}

#[test]
fn no_connection_is_503() {
    let mut net = Net::new(1);
    let invite = Invite {
        transport: Some(TransportKind::Tcp),
        ..call(address(7))
    };
    net.at(0, |ep, now| ep.invite(now, invite).expect("invited"));
    net.secs(1);
    assert_eq!(net.rejected(0), (503, false));
    assert_eq!(net.ep(0).connections(), 0);
    net.assert_clean();
}

/// The session outlives its connection: the next request opens another.
#[test]
fn a_broken_connection_is_opened_again() {
    let mut net = Net::new(2);
    let (caller, _) = net.call_up(TransportKind::Tcp);
    net.break_streams();
    net.secs(1);
    assert_eq!(net.ep(0).connections(), 0);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    net.assert_clean();
}

#[test]
fn a_response_finds_its_way_when_the_connection_is_gone() {
    let mut net = Net::new(2);
    let invite = Invite {
        transport: Some(TransportKind::Tcp),
        ..call(address(1))
    };
    let caller = net.at(0, |ep, now| ep.invite(now, invite).expect("invited"));
    net.secs(1);
    let (callee, _) = net.incoming(1);
    net.break_streams();
    net.secs(1);
    net.at(1, |ep, now| {
        ep.answer(now, callee, sdp("answer")).expect("answered")
    });
    net.secs(1);
    net.answered(0);
    net.confirmed(1);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    net.assert_clean();
}

/// Where a connection is opened for the answer to a request that came by a connection which is gone, with no port in its Via.
fn opened_for_answer(kind: TransportKind) -> SocketAddr {
    let mut net = Net::new(1);
    let (now, peer) = (net.now, address(5));
    let endpoint = net.ep(0);
    let connection = ConnectionId(2);
    let came = Input::Connected {
        local: Local::FIRST,
        connection,
        peer,
        kind,
    };
    endpoint.handle(now, came);
    let (name, ip) = (
        if kind == TransportKind::Tls {
            "TLS"
        } else {
            "TCP"
        },
        peer.ip(),
    );
    let invite = format!(
        "INVITE sip:1177@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/{name} {ip};branch=z9hG4bKa1\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{ip}>;tag=1\r\nTo: <sip:1177@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@{ip};transport={name}>\r\nContent-Length: 0\r\n\r\n"
    );
    let bytes = invite.as_bytes();
    endpoint.handle(now, Input::Stream { connection, bytes });
    endpoint.handle(now, Input::Closed { connection });
    let mut session = None;
    while let Some(output) = endpoint.poll_output() {
        if let Output::Event(Event::Incoming { session: came, .. }) = output {
            session = Some(came);
        }
    }
    let session = session.expect("a call");
    let status = StatusCode::BUSY_HERE;
    endpoint
        .reject(now, session, status, &Headers::new())
        .expect("refused");
    let mut outputs = std::iter::from_fn(|| endpoint.poll_output());
    let opened = outputs.find_map(|output| match output {
        Output::Connect { peer, .. } => Some(peer),
        _ => None,
    });
    opened.expect("a connection is asked for")
}

/// RFC 3261 section 18.2.2: to the port in the Via, or the transport's own.
#[test]
fn an_answer_without_its_connection_goes_to_the_port_of_its_transport() {
    for (kind, port) in [(TransportKind::Tcp, 5060), (TransportKind::Tls, 5061)] {
        let expected = SocketAddr::new(address(5).ip(), port);
        assert_eq!(opened_for_answer(kind), expected);
    }
}

/// Two providers may be at one address: what the one has proved by its certificate says nothing of the other.
#[test]
fn a_tls_connection_is_used_only_for_whom_the_peer_proved_to_be() {
    let mut net = Net::new(1);
    let (now, peer) = (net.now, address(5));
    let endpoint = net.ep(0);
    let mut calls_as = |name: &str| {
        endpoint.expect_name(peer, name);
        let invite = Invite {
            transport: Some(TransportKind::Tls),
            ..call(peer)
        };
        endpoint.invite(now, invite).expect("invited");
        let mut opened = None;
        let mut sent = None;
        while let Some(output) = endpoint.poll_output() {
            match output {
                Output::Connect { name, .. } => opened = name,
                Output::Transmit { flow, .. } => sent = flow.connection(),
                _ => {}
            }
        }
        (opened.as_deref().map(str::to_owned), sent)
    };
    let (one, first) = calls_as("one.example");
    let (two, second) = calls_as("two.example");
    assert_eq!(one.as_deref(), Some("one.example"));
    assert_eq!(two.as_deref(), Some("two.example"));
    assert_ne!(first, second);
    assert_eq!(calls_as("one.example"), (None, first));
    assert_eq!(calls_as("two.example"), (None, second));
}

fn large() -> Option<Body> {
    sdp(&"a=x\r\n".repeat(400))
}

#[test]
fn a_large_request_goes_by_tcp() {
    let mut net = Net::new(2);
    net.at(0, |ep, now| {
        ep.invite(
            now,
            Invite {
                body: large(),
                ..call(address(1))
            },
        )
        .expect("invited")
    });
    net.secs(1);
    let (callee, request) = net.incoming(1);
    assert_eq!(&*request.via_top().expect("a Via").transport, "TCP");
    net.at(1, |ep, now| ep.end(now, callee, None).expect("declined"));
    net.secs(1);
    assert_eq!((net.rejected(0), net.ended(1)), ((603, true), Ending::Ours));
    net.assert_clean();
}

#[test]
fn a_large_request_goes_by_udp_when_there_is_no_tcp() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    net.at(0, |ep, now| {
        ep.invite(
            now,
            Invite {
                body: large(),
                ..call(address(peer))
            },
        )
        .expect("invited")
    });
    net.secs(1);
    let text = String::from_utf8_lossy(&net.nodes[peer].inbox[0]).into_owned();
    assert!(text.contains("Via: SIP/2.0/UDP"), "{text}");
    assert_eq!(text.matches("Via:").count(), 1);
    net.secs(40);
    assert_eq!(net.rejected(0), (408, false));
    net.assert_clean();
}

#[test]
fn a_connection_that_never_finishes_a_message_is_closed() {
    let mut net = Net::new(1);
    let connection = wire::sip::endpoint::ConnectionId(2);
    let now = net.now;
    let endpoint: &mut Endpoint = net.ep(0);
    endpoint.handle(
        now,
        Input::Connected {
            local: Local::FIRST,
            connection,
            peer: address(5),
            kind: TransportKind::Tcp,
        },
    );
    endpoint.handle(
        now,
        Input::Stream {
            connection,
            bytes: b"INVITE sip:a@b SIP/2.0\r\n",
        },
    );
    assert!(endpoint.poll_output().is_none());
    let wake = endpoint.wake().expect("a timer");
    assert_eq!(wake.why, Timer::Stalled);
    endpoint.handle(wake.at, Input::TimePassed);
    assert!(
        matches!(endpoint.poll_output(), Some(Output::Close { connection: closed }) if closed == connection)
    );
    assert_eq!(endpoint.connections(), 0);
}

#[test]
fn a_ping_has_its_pong_and_garbage_closes() {
    let mut net = Net::new(1);
    let connection = wire::sip::endpoint::ConnectionId(2);
    let now = net.now;
    let endpoint = net.ep(0);
    endpoint.handle(
        now,
        Input::Connected {
            local: Local::FIRST,
            connection,
            peer: address(5),
            kind: TransportKind::Tcp,
        },
    );
    endpoint.handle(
        now,
        Input::Stream {
            connection,
            bytes: b"\r\n\r\n",
        },
    );
    assert!(
        matches!(endpoint.poll_output(), Some(Output::Transmit { bytes, .. }) if &bytes[..] == b"\r\n")
    );
    endpoint.handle(
        now,
        Input::Stream {
            connection,
            bytes: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        },
    );
    assert!(matches!(endpoint.poll_output(), Some(Output::Close { .. })));
    assert_eq!(
        (endpoint.connections(), endpoint.counters().malformed),
        (0, 1)
    );
}

#[test]
fn connections_over_the_limit_are_closed() {
    let mut net = Net::new(1);
    let now = net.now;
    let endpoint = net.ep(0);
    for name in 1..=5000 {
        let connection = wire::sip::endpoint::ConnectionId(name * 2);
        endpoint.handle(
            now,
            Input::Connected {
                local: Local::FIRST,
                connection,
                peer: address(5),
                kind: TransportKind::Tcp,
            },
        );
    }
    assert_eq!(endpoint.connections(), 4096);
    assert_eq!(endpoint.counters().shed, 5000 - 4096);
}

/// Pings are empty lines: so many were sent by a node.
fn pings(net: &Net, node: usize) -> usize {
    let of_it = |(from, line): &&(usize, String)| *from == node && line.is_empty();
    net.trace.iter().filter(of_it).count()
}

#[test]
fn a_connection_of_ours_is_kept_alive_and_a_dead_one_is_closed() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Tcp);
    net.secs(450);
    assert_eq!(
        (pings(&net, 0), pings(&net, 1)),
        (4, 4),
        "who opened it asks, the other answers"
    );
    assert_eq!((net.ep(0).connections(), net.ep(1).connections()), (1, 1));
    net.cut_streams();
    net.secs(112);
    assert_eq!(net.ep(0).connections(), 0);
    assert_eq!(net.ep(0).counters().dead, 1);
    // The call itself may go on: a new connection is opened for it.
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    assert!(net.ep(1).call_id(callee).is_none());
}

/// An endpoint with a connection of its own to a peer that says nothing; pings that were sent, and when it was closed, in so many
/// seconds.
fn alone(seconds: u64) -> (Net, usize, Option<u64>) {
    let mut net = Net::new(1);
    let now = net.now;
    let endpoint = net.ep(0);
    let invite = Invite {
        transport: Some(TransportKind::Tcp),
        ..call(address(5))
    };
    endpoint.invite(now, invite).expect("invited");
    let connection = loop {
        let output = endpoint.poll_output().expect("it asks for a connection");
        if let Output::Connect { connection, .. } = output {
            break connection;
        }
    };
    let peer = address(5);
    let kind = TransportKind::Tcp;
    endpoint.handle(
        now,
        Input::Connected {
            local: Local::FIRST,
            connection,
            peer,
            kind,
        },
    );
    let (mut sent, mut closed) = (0, None);
    while let Some(wake) = endpoint.wake().filter(|wake| wake.at.0.as_secs() < seconds) {
        endpoint.handle(wake.at, Input::TimePassed);
        while let Some(output) = endpoint.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => sent += usize::from(&bytes[..] == b"\r\n\r\n"),
                Output::Close { .. } => closed = Some(wake.at.0.as_secs()),
                _ => {}
            }
        }
    }
    (net, sent, closed)
}

/// Who knows no RFC 5626 takes a ping for nothing, and isn't hung up on for that.
#[test]
fn a_peer_that_never_answers_a_ping_keeps_its_connection() {
    let (mut net, sent, closed) = alone(1000);
    assert_eq!((sent, closed), (9, None), "one in 110 seconds");
    assert_eq!(net.ep(0).connections(), 1);
}

#[test]
fn a_connection_of_ours_that_nobody_uses_is_closed() {
    let (mut net, _, closed) = alone(4000);
    let closed = closed.expect("closed");
    assert!((1800..1920).contains(&closed), "after {closed} s");
    assert_eq!(net.ep(0).connections(), 0);
}

/// Phones send single line breaks too: no half message, and nothing to wait for.
#[test]
fn a_line_break_between_messages_is_no_stalled_message() {
    let mut net = Net::new(2);
    net.call_up(TransportKind::Tcp);
    let now = net.now;
    let connection = wire::sip::endpoint::ConnectionId(2);
    net.at(1, |ep, _| {
        ep.handle(
            now,
            Input::Stream {
                connection,
                bytes: b"\r\n",
            },
        );
    });
    net.secs(60);
    assert_eq!(net.ep(1).connections(), 1);
}
