//! Two drivers on the loopback interface call one another.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use transport::SipDriver;
use wire::sip::{
    endpoint::{Config, Ending, Event, Invite, SessionId, TransportKind},
    message::{Body, Headers, StatusCode},
    uri::Uri,
};

fn driver() -> SipDriver {
    let address = "127.0.0.1:0".parse().expect("an address");
    SipDriver::bind(address, Config::default_for(address, [0; 32])).expect("a free port")
}

fn body(len: usize) -> Body {
    Body {
        content_type: "application/sdp".into(),
        bytes: Bytes::from(vec![b'a'; len]),
    }
}

/// Only a fault takes this long.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("within 20 seconds")
}

/// The callee's next event, while the caller runs too.
async fn next(one: &mut SipDriver, other: &mut SipDriver) -> Event {
    soon(async {
        tokio::select! {
            event = one.event() => event,
            event = other.event() => panic!("the other side had {event:?}"),
        }
    })
    .await
}

fn invite(
    caller: &mut SipDriver,
    callee: &SipDriver,
    transport: TransportKind,
    len: usize,
) -> SessionId {
    let now = caller.now();
    let call = Invite {
        target: Uri::sip(Some("1177"), callee.local_addr()),
        next_hop: None,
        transport: Some(transport),
        from: "<sip:anonymous@anonymous.invalid>".into(),
        to: None,
        headers: Headers::new(),
        max_forwards: None,
        body: Some(body(len)),
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
