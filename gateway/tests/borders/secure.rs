//! SIP over TLS and over WebSocket, at the live switch.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use transport::{certificates, mutual};

use crate::rig::{counted, soon, switch};

/// An INVITE by this transport that claims a kommun.
fn invite(transport: &str, call: &str) -> String {
    format!(
        "INVITE sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} h.invalid;branch=z9hG4bK{call};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:+46701740605@127.0.0.1>;tag=t\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:caller@h.invalid;transport={}>\r\nX-Kommun-ID: 0488\r\nContent-Length: 0\r\n\r\n",
        transport.to_ascii_lowercase()
    )
}

/// What is said on the connection up to a 200.
async fn answer_on(stream: TcpStream, config: Arc<ClientConfig>, call: &str) -> String {
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let mut stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .expect("TLS");
    stream
        .write_all(invite("TLS", call).as_bytes())
        .await
        .expect("sent");
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    while !heard.contains("SIP/2.0 200") || !heard.ends_with('\n') {
        let len = soon(stream.read(&mut buffer)).await.expect("read");
        assert!(len > 0, "closed: {heard}");
        heard += &String::from_utf8_lossy(&buffer[..len]);
    }
    heard
}

#[tokio::test]
async fn a_trunk_is_known_by_its_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = mutual::generate(folder.path(), &["127.0.0.1", "trunk.example"]).expect("made");
    let listen = r#"trusted = []
[listen.tls]
address = "127.0.0.1:0"
certificate = "certificate.pem"
key = "key.pem"
peers_ca = "ca.pem"
trusted_names = ["trunk.example"]
"#;
    let gateway = switch("[{ simulated = 2 }]", listen, folder.path()).await;
    let to = gateway.tls_addr().expect("it listens by TLS");
    let connect = || TcpStream::connect(to);
    let known = answer_on(
        connect().await.expect("there"),
        files.client().expect("TLS"),
        "known",
    )
    .await;
    assert!(known.contains("X-Vaxel-Route: sormland"), "{known}");
    assert!(
        known.contains("transport=tls"),
        "its Contact says how it is reached"
    );
    let ca = std::fs::read(folder.path().join("ca.pem")).expect("a file");
    let ca = CertificateDer::from_pem_slice(&ca).expect("a certificate");
    let anybody = certificates::client([ca]).expect("TLS");
    let unknown = answer_on(connect().await.expect("there"), anybody, "unknown").await;
    assert!(!unknown.contains("X-Vaxel-Route"), "{unknown}");
    assert_eq!(
        counted(&gateway, "vaxel_sip_refused_total", "untrusted_kommun_id"),
        1
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_browser_calls_by_web_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = switch("[{ simulated = 1 }]", "", folder.path()).await;
    let peer = "127.0.0.1:50000".parse().expect("an address");
    let entered = gateway.web_socket_door().enter(peer, false).await;
    let (to_switch, mut from_switch) = entered.expect("let in");
    to_switch
        .pass(Bytes::from(invite("WS", "browser")))
        .await
        .expect("taken");
    let mut answered = None;
    while answered.is_none() {
        let frame = soon(from_switch.next()).await.expect("open");
        let text = String::from_utf8(frame.to_vec()).expect("UTF-8");
        answered = text.starts_with("SIP/2.0 200").then_some(text);
    }
    let answered = answered.unwrap_or_default();
    assert!(answered.contains("X-Vaxel-Route: sormland"), "{answered}");
    assert!(answered.contains("transport=ws"), "{answered}");
    gateway.stop().await;
}
