//! A browser's WebSocket reaches the switch through the page's own port.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use callcore::scenario::Scenario;
use dashboards::{App, Server};
use gateway::{Gateway, Options};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const SCENARIO: &str = r#"
operator = { organisation = "inera" }
organisation = [
  { id = "inera", name = "Inera AB", kind = "processor" },
  { id = "region-04", name = "Region Sörmland", kind = "region" },
]
queue = [{ name = "sormland", region = "04", controller = "region-04", agents = [{ simulated = 1 }] }]
route = [{ name = "rest", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }]
listen = { sip = "127.0.0.1:0", web = "127.0.0.1:0" }
"#;

/// As many as the page's server lets in.
const WEB_SOCKETS_MAX: usize = 200;
/// Only a hung test takes this long.
const HUNG: Duration = Duration::from_secs(20);

async fn upgrade(to: SocketAddr, extra: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(to).await.expect("it listens");
    let request = format!(
        "GET /sip HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(HUNG, stream.read_u8()).await.expect("it answers");
        head.push(byte.expect("more to come"));
    }
    (stream, String::from_utf8(head).expect("text"))
}

/// A masked text frame (RFC 6455 section 5.2); a mask of zeros leaves the text as it is.
fn frame(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("short");
    let mut bytes = vec![0x81, 0x80 | 126];
    bytes.extend(len.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    bytes
}

async fn running() -> (Gateway, Server) {
    let scenario = Scenario::from_toml(SCENARIO, "web.toml").expect("a scenario");
    let options = Options::for_file(Path::new("web.toml"));
    let gateway = Gateway::start(Arc::new(scenario), options)
        .await
        .expect("a switch");
    let app = App {
        admin: None,
        title: "test".to_owned(),
        gateway: gateway.monitor().clone(),
        recorder: None,
    };
    let web = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = dashboards::serve(web, app).await.expect("a page");
    (gateway, server)
}

/// A page that opens one after the other takes no place from health checks, metrics and other pages.
#[tokio::test]
async fn web_sockets_have_places_of_their_own() {
    let (gateway, server) = running().await;
    let asks = "Sec-WebSocket-Protocol: sip\r\n";
    let mut open = Vec::new();
    for _ in 0..WEB_SOCKETS_MAX {
        let (socket, head) = upgrade(server.addr(), asks).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        open.push(socket);
    }
    for _ in 0..WEB_SOCKETS_MAX {
        let (_, head) = upgrade(server.addr(), asks).await;
        assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    }
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(server.addr()).await.expect("it listens");
    stream.write_all(health.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let answered = timeout(HUNG, stream.read_to_string(&mut answer)).await;
    answered.expect("it answers").expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Who goes makes room; when that has been seen isn't said.
    drop(open);
    let comes_in = async {
        while !upgrade(server.addr(), asks)
            .await
            .1
            .starts_with("HTTP/1.1 101")
        {}
    };
    timeout(HUNG, comes_in).await.expect("there is room again");
    server.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn sip_goes_through_and_other_sites_dont() {
    let (gateway, server) = running().await;
    let asks = "Sec-WebSocket-Protocol: sip\r\n";
    // Another server on this machine is elsewhere, too.
    for origin in ["https://elsewhere.example", "http://localhost:3000"] {
        let asks = format!("{asks}Origin: {origin}\r\n");
        let (_, foreign) = upgrade(server.addr(), &asks).await;
        assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    }
    let (_, silent) = upgrade(server.addr(), "").await;
    assert!(silent.starts_with("HTTP/1.1 400"), "{silent}");
    let (mut socket, head) = upgrade(
        server.addr(),
        &format!("{asks}Origin: http://localhost\r\n"),
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(
        head.to_ascii_lowercase()
            .contains("sec-websocket-protocol: sip"),
        "{head}"
    );
    let options = "OPTIONS sip:1177@localhost SIP/2.0\r\nVia: SIP/2.0/WS b.invalid;branch=z9hG4bKw1\r\nMax-Forwards: 70\r\n\
        From: <sip:a@b.invalid>;tag=a\r\nTo: <sip:1177@localhost>\r\nCall-ID: w1\r\nCSeq: 1 OPTIONS\r\n\r\n";
    socket.write_all(&frame(options)).await.expect("sent");
    let mut answer = vec![0; 24];
    timeout(HUNG, socket.read_exact(&mut answer))
        .await
        .expect("it answers")
        .expect("a frame");
    // A text frame of over 125 bytes: two bytes of head, two of length.
    assert_eq!(answer[..2], [0x81, 126]);
    assert!(answer[4..].starts_with(b"SIP/2.0 200"), "{answer:?}");
    server.stop().await;
    gateway.stop().await;
}
