//! A whole call between two endpoints in memory, and the callee's share of one.

#![allow(missing_docs, reason = "criterion's macros write public functions")]

use std::{hint::black_box, net::SocketAddr, time::Duration};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use wire::{
    sip::{
        endpoint::{Config, Endpoint, Event, Input, Invite, Local, Output, SessionId},
        message::Body,
        uri::Uri,
    },
    time::Time,
};

const CALLER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    5060,
);
const CALLEE: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)),
    5060,
);
/// What an INVITE and a 200 usually carry.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                   m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
                   a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn body() -> Option<Body> {
    Some(Body {
        content_type: "application/sdp".into(),
        bytes: Bytes::from_static(SDP.as_bytes()),
    })
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::new(Config::default_for(address, [7; 32]))
}

/// What an endpoint asked for.
#[derive(Default)]
struct Done {
    sent: Vec<Bytes>,
    incoming: Option<SessionId>,
}

fn drain(endpoint: &mut Endpoint) -> Done {
    let mut done = Done::default();
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit { bytes, .. } => done.sent.push(bytes),
            Output::Event(Event::Incoming { session, .. }) => done.incoming = Some(session),
            _ => {}
        }
    }
    done
}

fn hear(endpoint: &mut Endpoint, now: Time, peer: SocketAddr, sent: &[Bytes]) -> Done {
    for bytes in sent {
        endpoint.handle(
            now,
            Input::Datagram {
                local: Local::FIRST,
                peer,
                bytes,
            },
        );
    }
    endpoint.handle(now, Input::TimePassed);
    drain(endpoint)
}

fn invite() -> Invite {
    Invite {
        body: body(),
        ..Invite::anonymous(Uri::sip(Some("1177"), CALLEE))
    }
}

/// INVITE, 100, 200, ACK, BYE, 200; gives what the caller sent: INVITE, ACK, BYE.
fn call(caller: &mut Endpoint, callee: &mut Endpoint, now: Time) -> [Vec<Bytes>; 3] {
    let session = caller.invite(now, invite()).expect("there is room");
    let invite = drain(caller).sent;
    let heard = hear(callee, now, CALLER, &invite);
    hear(caller, now, CALLEE, &heard.sent);
    callee
        .answer(now, heard.incoming.expect("it came"), body())
        .expect("it rings");
    let ack = hear(caller, now, CALLEE, &drain(callee).sent).sent;
    hear(callee, now, CALLER, &ack);
    caller.end(now, session, None).expect("it is up");
    let bye = drain(caller).sent;
    let ok = hear(callee, now, CALLER, &bye).sent;
    hear(caller, now, CALLEE, &ok);
    [invite, ack, bye]
}

/// Calls come 2000 a second in virtual time, so that the tables hold what they hold under that load.
const BETWEEN: Duration = Duration::from_micros(500);

fn whole_call(c: &mut Criterion) {
    let (mut caller, mut callee) = (endpoint(CALLER), endpoint(CALLEE));
    let mut now = Time::default();
    c.bench_function("call, both ends", |b| {
        b.iter(|| {
            now = now + BETWEEN;
            black_box(call(&mut caller, &mut callee, now));
        });
    });
}

/// The callee alone: 3 messages heard, 3 sent.
fn answering(c: &mut Criterion) {
    let mut group = c.benchmark_group("answerer");
    let mut recorded_at = 0_u64;
    group.bench_function("call", |b| {
        b.iter_custom(|count| {
            // The caller's lines need the callee's tag, which its seed makes the same again: record, then replay.
            let start = Time(Duration::from_secs(recorded_at));
            recorded_at += 1;
            let (mut caller, mut recorder) = (endpoint(CALLER), endpoint(CALLEE));
            let lines: Vec<_> = (0..count)
                .scan(start, |now, _| {
                    *now = *now + BETWEEN;
                    Some((*now, call(&mut caller, &mut recorder, *now)))
                })
                .collect();
            let mut callee = endpoint(CALLEE);
            #[allow(clippy::disallowed_methods, reason = "a bench measures")]
            let clock = std::time::Instant::now();
            for (now, [invite, ack, bye]) in &lines {
                let heard = hear(&mut callee, *now, CALLER, invite);
                callee
                    .answer(*now, heard.incoming.expect("it came"), body())
                    .expect("it rings");
                drain(&mut callee);
                hear(&mut callee, *now, CALLER, ack);
                black_box(hear(&mut callee, *now, CALLER, bye));
            }
            let spent = clock.elapsed();
            assert_eq!(callee.sessions(), 0, "every call was whole");
            spent
        });
    });
}

criterion_group!(benches, whole_call, answering);
criterion_main!(benches);
