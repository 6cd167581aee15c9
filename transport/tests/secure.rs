//! Two drivers call one another by TLS.

mod pair;

use pair::{body, next, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use transport::{
    Listen, SipDriver, TlsListen,
    mutual::{self, CertificateFiles},
};
use wire::sip::{
    endpoint::{Config, Event, Invite, SessionId, TransportKind},
    uri::Uri,
};

/// A driver that speaks TLS both ways with certificates made for this test.
fn secure_driver(folder: &std::path::Path, client_ca: &std::path::Path) -> SipDriver {
    let names = ["127.0.0.1", "::1", "trunk.example"];
    let files = mutual::generate(folder, &names).expect("certificates");
    driver_of(files, client_ca)
}

fn driver_of(files: CertificateFiles, client_ca: &std::path::Path) -> SipDriver {
    let address = "127.0.0.1:0".parse().expect("an address");
    let tls = TlsListen {
        addresses: vec![address],
        config: files.server().expect("a server's TLS"),
        names: vec!["other.example".into(), "trunk.example".into()],
    };
    let client = CertificateFiles {
        peers_ca: Some(client_ca.to_owned()),
        ..files
    };
    let listen = Listen {
        tls: Some(tls),
        tls_client: Some(client.client().expect("a client's TLS")),
        ..Listen::plain(address)
    };
    SipDriver::listen(listen, Config::default_for(address, [0; 32])).expect("free ports")
}

fn invite_tls(caller: &mut SipDriver, callee: &SipDriver) -> SessionId {
    let now = caller.now();
    let to = callee.tls_addr().expect("it listens by TLS");
    let call = Invite {
        body: Some(body(200)),
        ..Invite::anonymous(Uri::parse(&format!("sips:1177@{to}")).expect("a URI"))
    };
    caller.endpoint().invite(now, call).expect("a call")
}

#[tokio::test]
async fn a_call_over_tls_and_who_the_peer_proved_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut caller = secure_driver(folder.path(), &folder.path().join("ca.pem"));
    // The callee's CA is that of the caller too: both certificates lead to it.
    let mut callee = {
        let files = CertificateFiles {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
            peers_ca: Some(folder.path().join("ca.pem")),
        };
        let address = "127.0.0.1:0".parse().expect("an address");
        let tls = TlsListen {
            addresses: vec![address],
            config: files.server().expect("TLS"),
            names: vec!["other.example".into(), "trunk.example".into()],
        };
        let listen = Listen {
            tls: Some(tls),
            ..Listen::plain(address)
        };
        SipDriver::listen(listen, Config::default_for(address, [0; 32])).expect("free ports")
    };
    invite_tls(&mut caller, &callee);
    let event = next(&mut callee, &mut caller).await;
    let Event::Incoming {
        session,
        request,
        flow,
        ..
    } = event
    else {
        panic!("a call")
    };
    assert_eq!(flow.kind(), TransportKind::Tls);
    assert_eq!(callee.peer_name(flow), Some("trunk.example"));
    let contact = request.contact_uri().expect("a contact");
    assert_eq!(contact.transport(), Some("tls"));
    assert_eq!(contact.address(), caller.tls_addr());
    let now = callee.now();
    callee
        .endpoint()
        .answer(now, session, Some(body(10)))
        .expect("answers");
    assert!(matches!(
        next(&mut caller, &mut callee).await,
        Event::Answered { .. }
    ));
}

/// Who sends what has no end that can be known is told so before the connection is closed (RFC 3261 section 18.3).
#[tokio::test]
async fn the_last_answer_is_heard_by_tls_before_it_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    let mut driver = secure_driver(folder.path(), &ca);
    let files = CertificateFiles {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
        peers_ca: Some(ca),
    };
    let connector = TlsConnector::from(files.client().expect("a client's TLS"));
    let to = driver.tls_addr().expect("it listens by TLS");
    let asking = async move {
        let stream = TcpStream::connect(to).await.expect("connected");
        let name = ServerName::IpAddress(to.ip().into());
        let mut stream = connector.connect(name, stream).await.expect("TLS");
        let request = format!(
            "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKb1\r\nMax-Forwards: 70\r\n\
             From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: b\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: many\r\n\r\n"
        );
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("sent");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer).await;
        read.expect("closed as TLS is");
        answer
    };
    let answer = soon(async {
        tokio::select! {
            event = driver.event() => panic!("an event: {event:?}"),
            answer = asking => answer,
        }
    })
    .await;
    assert!(answer.starts_with("SIP/2.0 400 "), "{answer:?}");
    assert_eq!(driver.endpoint().connections(), 0);
}

#[tokio::test]
async fn a_server_whose_certificate_leads_elsewhere_is_not_called() {
    let (one, two) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let callee = secure_driver(one.path(), &one.path().join("ca.pem"));
    let mut caller = secure_driver(two.path(), &two.path().join("ca.pem"));
    let mut callee = callee;
    invite_tls(&mut caller, &callee);
    let event = next(&mut caller, &mut callee).await;
    let Event::Rejected { from_peer, .. } = event else {
        panic!("{event:?}")
    };
    assert!(!from_peer);
    assert_eq!(caller.refusals().handshake, 1);
    let mut stranger = secure_driver(two.path(), &one.path().join("ca.pem"));
    let to = callee.tls_addr().expect("it listens");
    stranger.expect_name(to, "elsewhere.example");
    invite_tls(&mut stranger, &callee);
    let event = next(&mut stranger, &mut callee).await;
    assert!(matches!(
        event,
        Event::Rejected {
            from_peer: false,
            ..
        }
    ));
}

/// RFC 5922 section 7.2: a name that stands beside the wildcard counts, whatever its letters.
#[tokio::test]
async fn a_server_is_not_known_by_a_wildcard() {
    let names = ["*.trunk.example", "PBX.trunk.example"];
    for (name, answers) in [("sbc.trunk.example", false), ("pbx.trunk.example", true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let files = mutual::generate(folder.path(), &names).expect("certificates");
        let ca = folder.path().join("ca.pem");
        let mut callee = driver_of(files.clone(), &ca);
        let mut caller = driver_of(files, &ca);
        let to = callee.tls_addr().expect("it listens");
        caller.expect_name(to, name);
        invite_tls(&mut caller, &callee);
        let event = soon(async {
            tokio::select! {
                event = callee.event() => event,
                event = caller.event() => event,
            }
        });
        match event.await {
            Event::Incoming { .. } if answers => {}
            Event::Rejected { from_peer, .. } if !answers => assert!(!from_peer),
            other => panic!("{name}: {other:?}"),
        }
    }
}
