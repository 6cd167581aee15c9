//! Two drivers on the loopback interface call one another.

mod pair;

use std::time::Duration;

use pair::{body, invite_to, next, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use transport::{Listen, SipDriver};
use wire::sip::{
    endpoint::{Config, Ending, Event, Invite, SessionId, TransportKind},
    message::StatusCode,
};

fn driver() -> SipDriver {
    let address = "127.0.0.1:0".parse().expect("an address");
    SipDriver::bind(address, Config::default_for(address, [0; 32])).expect("a free port")
}

fn invite(
    caller: &mut SipDriver,
    callee: &SipDriver,
    transport: TransportKind,
    len: usize,
) -> SessionId {
    let now = caller.now();
    let call = Invite {
        transport: Some(transport),
        body: Some(body(len)),
        ..invite_to(callee.local_addr())
    };
    caller.endpoint().invite(now, call).expect("a call")
}

async fn call(transport: TransportKind, len: usize) {
    let (mut caller, mut callee) = (driver(), driver());
    let calling = invite(&mut caller, &callee, transport, len);
    let Event::Incoming {
        session, request, ..
    } = next(&mut callee, &mut caller).await
    else {
        panic!("a call")
    };
    assert_eq!(request.body.len(), len);

    let now = callee.now();
    callee
        .endpoint()
        .progress(now, session, StatusCode::RINGING, None)
        .expect("rings");
    assert!(matches!(
        next(&mut caller, &mut callee).await,
        Event::Progress {
            status: StatusCode::RINGING,
            ..
        }
    ));
    callee
        .endpoint()
        .answer(now, session, Some(body(10)))
        .expect("answers");
    let Event::Answered {
        session: answered,
        response,
    } = next(&mut caller, &mut callee).await
    else {
        panic!("an answer")
    };
    assert_eq!((answered, response.body.len()), (calling, 10));
    assert!(matches!(
        next(&mut callee, &mut caller).await,
        Event::Confirmed { .. }
    ));

    let now = caller.now();
    caller.endpoint().end(now, calling, None).expect("hangs up");
    assert!(matches!(
        next(&mut callee, &mut caller).await,
        Event::Ended {
            why: Ending::Bye,
            ..
        }
    ));
    assert!(matches!(
        next(&mut caller, &mut callee).await,
        Event::Ended {
            why: Ending::Ours,
            ..
        }
    ));
    assert_eq!(
        (caller.endpoint().sessions(), callee.endpoint().sessions()),
        (0, 0)
    );
}

#[tokio::test]
async fn a_call_over_ipv6() {
    let address = "[::1]:0".parse().expect("an address");
    let listen =
        || SipDriver::bind(address, Config::default_for(address, [0; 32])).expect("a free port");
    for transport in [TransportKind::Udp, TransportKind::Tcp] {
        let (mut caller, mut callee) = (listen(), listen());
        invite(&mut caller, &callee, transport, 200);
        let event = next(&mut callee, &mut caller).await;
        let Event::Incoming { session, peer, .. } = event else {
            panic!("a call")
        };
        assert!(peer.is_ipv6());
        let now = callee.now();
        callee
            .endpoint()
            .answer(now, session, Some(body(10)))
            .expect("answers");
        let event = next(&mut caller, &mut callee).await;
        assert!(matches!(event, Event::Answered { .. }));
        let confirmed = next(&mut callee, &mut caller).await;
        assert!(matches!(confirmed, Event::Confirmed { .. }));
    }
}

#[tokio::test]
async fn a_web_socket_is_a_way_like_others() {
    let mut callee = driver();
    let door = callee.web_socket_door();
    let peer = "127.0.0.1:40000".parse().expect("an address");
    let (to_switch, mut from_switch) = door.enter(peer, true).await.expect("let in");
    let options = "OPTIONS sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WSS x7.invalid;branch=z9hG4bKw1;rport\r\n\
         From: <sip:nurse@127.0.0.1>;tag=a\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: ws1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n";
    to_switch.pass(options.into()).await.expect("taken");
    let answer = soon(async {
        tokio::select! {
            event = callee.event() => panic!("{event:?}"),
            answer = from_switch.next() => answer,
        }
    })
    .await
    .expect("an answer");
    assert!(answer.starts_with(b"SIP/2.0 200"), "{answer:?}");
    assert_eq!(callee.endpoint().connections(), 1);
    drop(to_switch);
    let end = soon(async {
        tokio::select! {
            event = callee.event() => panic!("{event:?}"),
            end = from_switch.next() => end,
        }
    })
    .await;
    assert_eq!(end, None);
    assert_eq!(callee.endpoint().connections(), 0);
}

#[tokio::test]
async fn one_address_has_only_so_many_connections_and_messages() {
    let address = "127.0.0.1:0".parse().expect("an address");
    let mut listen = Listen::plain(address);
    listen.limits.connections_of_one_max = 3;
    listen.limits.burst_max = 10;
    listen.limits.rate_max = 1;
    let mut callee =
        SipDriver::listen(listen, Config::default_for(address, [0; 32])).expect("a free port");
    let to = callee.local_addr();
    let crowd = async {
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(TcpStream::connect(to).await.expect("a connection"));
        }
        let mut shut = 0;
        for stream in &mut held[3..] {
            shut += usize::from(matches!(stream.read(&mut [0; 8]).await, Ok(0) | Err(_)));
        }
        let flooder = tokio::net::UdpSocket::bind(address).await.expect("a port");
        for number in 0..100 {
            let text = format!("garbage {number}");
            flooder.send_to(text.as_bytes(), to).await.expect("sent");
        }
        (shut, held)
    };
    let (shut, held) = soon(async {
        tokio::select! {
            event = callee.event() => panic!("{event:?}"),
            done = crowd => done,
        }
    })
    .await;
    assert_eq!((shut, held.len()), (2, 5));
    soon(async {
        while callee.refusals().flood < 90 {
            tokio::select! {
                biased;
                event = callee.event() => panic!("{event:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    })
    .await;
    assert_eq!(callee.refusals().connections_of_one, 2);
    assert_eq!(callee.endpoint().counters().malformed, 10);
}

#[tokio::test]
async fn a_call_over_udp() {
    call(TransportKind::Udp, 200).await;
}

#[tokio::test]
async fn a_call_over_tcp() {
    call(TransportKind::Tcp, 200).await;
}

/// RFC 3261 section 18.1.1: over 1300 bytes a request goes by TCP, and a long one comes in several reads.
#[tokio::test]
async fn a_long_invite_goes_by_tcp() {
    call(TransportKind::Udp, 30_000).await;
}

#[tokio::test]
async fn nobody_there_is_a_rejection() {
    let (mut caller, callee) = (driver(), driver());
    let calling = invite(&mut caller, &callee, TransportKind::Tcp, 10);
    drop(callee);
    let Event::Rejected {
        session,
        status,
        from_peer,
        ..
    } = soon(caller.event()).await
    else {
        panic!("a rejection")
    };
    assert_eq!((session, status.code(), from_peer), (calling, 503, false));
}

/// A hundred calls at once over one connection: more than a socket takes in one go is no reason to close it.
#[tokio::test]
async fn a_burst_over_one_connection() {
    let (mut caller, mut callee) = (driver(), driver());
    for _ in 0..100 {
        invite(&mut caller, &callee, TransportKind::Tcp, 500);
    }
    for _ in 0..100 {
        assert!(matches!(
            next(&mut callee, &mut caller).await,
            Event::Incoming { .. }
        ));
    }
    assert_eq!(callee.endpoint().sessions(), 100);
}

/// Who sends and never reads is closed when 64 KiB of answers wait, and the driver goes on.
#[tokio::test]
async fn a_peer_that_does_not_read_is_closed() {
    let mut driver = driver();
    let address = driver.local_addr();
    let flood = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let options = format!(
            "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKNUMBER\r\nMax-Forwards: 70\r\n\
             From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\nCall-ID: NUMBER\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        for number in 0.. {
            let bytes = options.replace("NUMBER", &number.to_string());
            if stream.write_all(bytes.as_bytes()).await.is_err() {
                return number;
            }
        }
        0
    });
    let sent = soon(async {
        tokio::select! {
            event = driver.event() => panic!("an event: {event:?}"),
            sent = flood => sent.expect("the flood ended"),
        }
    })
    .await;
    assert!(sent > 100, "{sent} requests");
    assert_eq!(driver.endpoint().connections(), 0);
}

#[tokio::test]
async fn garbage_ends_a_connection_and_nothing_else() {
    let mut driver = driver();
    let address = driver.local_addr();
    let garbage = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(&[0xFF; 100_000]).await.ok();
        let mut rest = Vec::new();
        stream
            .read_to_end(&mut rest)
            .await
            .map_or(0, |_| rest.len())
    });
    soon(async {
        tokio::select! {
            event = driver.event() => panic!("an event: {event:?}"),
            _ = garbage => {}
        }
    })
    .await;
    let mut caller = self::driver();
    invite(&mut caller, &driver, TransportKind::Udp, 10);
    assert!(matches!(
        next(&mut driver, &mut caller).await,
        Event::Incoming { .. }
    ));
}

/// More datagrams than are read in a row: each is answered, in its order, and calls that are too many without waiting.
#[tokio::test]
async fn many_datagrams_at_once_are_read_in_their_order() {
    // More than are read in a row, and no more than a usual receive buffer has room for answers.
    const ASKED: usize = 81;
    let mut driver = driver();
    driver.endpoint().set_admission(0);
    let peer = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port");
    peer.connect(driver.local_addr()).await.expect("connected");
    let from = peer.local_addr().expect("an address");
    let request = |method: &str, number: usize| {
        format!(
            "{method} sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};rport;branch=z9hG4bK{number}\r\n\
             From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: {number}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:a@{from}>\r\n\r\n"
        )
    };
    for number in 0..ASKED {
        let method = if number % 3 == 2 { "INVITE" } else { "OPTIONS" };
        let text = request(method, number);
        peer.send(text.as_bytes()).await.expect("sent");
    }
    let answers = async {
        let mut buffer = [0; 2000];
        let (mut told, mut refused) = (Vec::new(), Vec::new());
        while told.len() + refused.len() < ASKED {
            let len = peer.recv(&mut buffer).await.expect("an answer");
            let text = std::str::from_utf8(&buffer[..len]).expect("text");
            let number = text
                .split("Call-ID: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next());
            let number: usize = number.and_then(|number| number.parse().ok()).expect("ours");
            let list = if text.starts_with("SIP/2.0 503") {
                &mut refused
            } else {
                &mut told
            };
            list.push(number);
        }
        (told, refused)
    };
    let (told, refused) = soon(async {
        tokio::select! {
            answers = answers => answers,
            event = driver.event() => panic!("nothing was let in: {event:?}"),
        }
    })
    .await;
    assert!(told.is_sorted() && refused.is_sorted());
    assert_eq!((told.len(), refused.len()), (ASKED / 3 * 2, ASKED / 3));
    assert_eq!(driver.behind(), Duration::ZERO);
    assert_eq!(driver.endpoint().counters().not_admitted, ASKED as u64 / 3);
}
