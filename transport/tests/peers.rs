//! Peers as they come: what they are still told when they are closed, and by what address they are known.

mod pair;

use std::{net::SocketAddr, time::Duration};

use pair::{body, invite_to, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use transport::{Limits, Listen, SipDriver, TlsListen, mutual};
use wire::sip::endpoint::{Config, Event, Invite, TransportKind};

/// A message without a length can't be read, nor what comes after it: it is refused, and its sender has long sent more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_on_after_a_refusal_hears_it_all_the_same() {
    let address = "127.0.0.1:0".parse().expect("an address");
    let config = Config::default_for(address, [0; 32]);
    let mut driver = SipDriver::bind(address, config).expect("a free port");
    let to = driver.local_addr();
    let peer = tokio::spawn(async move {
        let mut stream = TcpStream::connect(to).await.expect("connected");
        let refused = "OPTIONS sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: x\r\n\r\n";
        stream.write_all(refused.as_bytes()).await?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await?;
        // What is on its way still: were the connection closed for good, it would be reset, and take the refusal with it from a system that
        // drops what wasn't read.
        for _ in 0..3 {
            stream.write_all(&[b'a'; 1000]).await?;
        }
        std::io::Result::Ok(heard)
    });
    let heard = soon(async {
        tokio::select! {
            event = driver.event() => panic!("an event: {event:?}"),
            heard = peer => heard.expect("not ended"),
        }
    })
    .await;
    let heard = heard.expect("the end, and no reset");
    assert!(heard.starts_with(b"SIP/2.0 400 ") && heard.ends_with(b"\r\n\r\n"));
}

/// A listener for all addresses of both families has IPv4 peers too: they are known by their IPv4 addresses.
#[tokio::test]
async fn an_ipv4_peer_of_an_ipv6_listener_is_known_by_its_own_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = mutual::generate(folder.path(), &["127.0.0.1"]).expect("made");
    let listen = Listen {
        sip: vec!["[::1]:0".parse().expect("an address")],
        tls: Some(TlsListen {
            addresses: vec!["[::]:0".parse().expect("an address")],
            config: own.server().expect("a server"),
            names: Vec::new(),
        }),
        ..Listen::default()
    };
    let config = Config::default_for("[::1]:0".parse().expect("an address"), [0; 32]);
    let mut driver = SipDriver::listen(listen, config).expect("free ports");
    let port = driver.tls_addr().expect("it listens").port();
    let trust = own.client().expect("a client");
    let peer = tokio::spawn(async move {
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect(to).await.expect("connected");
        let from = stream.local_addr().expect("connected");
        let name = ServerName::IpAddress(to.ip().into());
        let shaken = TlsConnector::from(trust).connect(name, stream).await;
        let mut stream = shaken.expect("trusted");
        let call = format!(
            "INVITE sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS {from};branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:a@{from};transport=tls>\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(call.as_bytes()).await.expect("sent");
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    let event = soon(driver.event()).await;
    let Event::Incoming {
        peer: from,
        request,
        ..
    } = event
    else {
        panic!("a call")
    };
    assert!(from.is_ipv4(), "{from}");
    let via = request.via_top().expect("a Via");
    assert_eq!(via.received(), None, "it came from where it says");
    peer.abort();
}

/// A peer says in Contact where it is told something: so it could have us open connections without end.
#[tokio::test]
async fn connections_to_one_address_are_counted_like_those_from_it() {
    let listen = Listen {
        sip: vec!["127.0.0.1:0".parse().expect("an address")],
        limits: Limits {
            connections_of_one_max: 2,
            ..Limits::default()
        },
        ..Listen::default()
    };
    let config = Config::default_for(listen.sip[0], [0; 32]);
    let mut driver = SipDriver::listen(listen, config).expect("a free port");
    let mut there = Vec::new();
    for _ in 0..3 {
        let place = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let call = Invite {
            transport: Some(TransportKind::Tcp),
            ..invite_to(place.local_addr().expect("an address"))
        };
        let now = driver.now();
        driver.endpoint().invite(now, call).expect("a call");
        there.push(place);
    }
    let event = soon(driver.event()).await;
    let Event::Rejected {
        status, from_peer, ..
    } = event
    else {
        panic!("the third: {event:?}")
    };
    assert_eq!((status.code(), from_peer), (503, false));
    assert_eq!(driver.endpoint().connections(), 2);
    assert_eq!(driver.refusals().connections_of_one, 1);
}

/// A datagram that is too long says nothing of what else is under way to that peer.
#[tokio::test]
async fn what_is_too_long_to_be_sent_ends_no_other_call() {
    let address = "127.0.0.1:0".parse().expect("an address");
    let config = Config {
        tcp_when_large: false,
        ..Config::default_for(address, [0; 32])
    };
    let mut driver = SipDriver::bind(address, config).expect("a free port");
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let to = peer.local_addr().expect("an address");
    for len in [10, 65_500] {
        let now = driver.now();
        let call = Invite {
            body: Some(body(len)),
            ..invite_to(to)
        };
        driver.endpoint().invite(now, call).expect("a call");
    }
    let twice = async {
        let mut buffer = [0; 2000];
        for _ in 0..2 {
            peer.recv(&mut buffer).await.expect("the first, and again");
        }
    };
    soon(async {
        tokio::select! {
            event = driver.event() => panic!("neither is refused: {event:?}"),
            () = twice => {}
        }
    })
    .await;
    assert_eq!(driver.endpoint().sessions(), 2);
}
