//! Those who mean no good, or know no better: refused, counted, and the switch goes on.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::rig::{Raw, counted, invite, reaches, soon, switch};

const REFUSED: &str = "vaxel_sip_refused_total";
/// Nobody on this machine's usual address is trusted.
const STRANGERS: &str = r#"trusted = ["127.9.0.0/16"]"#;

#[tokio::test]
async fn a_flood_from_one_address_is_counted_and_others_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = switch("[{ simulated = 1 }]", STRANGERS, folder.path()).await;
    let flooder = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    for number in 0..3000 {
        flooder
            .send(invite(flooder.local(), &format!("f{number}"), "").as_bytes())
            .await;
    }
    reaches(&gateway, REFUSED, "flood", 100).await;
    let mut other = Raw::at("127.0.0.2:0", gateway.sip_addr()).await;
    assert_eq!(other.says(b"garbage").await.len(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_strangers_kommun_id_is_not_believed_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = switch("[{ simulated = 1 }]", STRANGERS, folder.path()).await;
    for (address, believed) in [("127.0.0.1:0", false), ("127.9.0.1:0", true)] {
        let phone = Raw::at(address, gateway.sip_addr()).await;
        let call = invite(
            phone.local(),
            &format!("k{believed}"),
            "X-Kommun-ID: 0488\r\n",
        );
        phone.send(call.as_bytes()).await;
        let route = loop {
            let response = phone.response().await;
            if response.status.code() == 200 {
                let name = wire::sip::message::HeaderName::parse("X-Vaxel-Route").expect("a token");
                break response.headers.get(&name).map(str::to_owned);
            }
        };
        assert_eq!(route.as_deref(), believed.then_some("sormland"));
    }
    assert_eq!(counted(&gateway, REFUSED, "untrusted_kommun_id"), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn monsters_by_udp_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = switch("[{ simulated = 1 }]", "", folder.path()).await;
    let mut raw = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let from = raw.local();
    let monsters = [
        (
            "vias",
            "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n".repeat(1400),
        ),
        ("long", format!("Subject: {}\r\n", "x".repeat(50_000))),
        (
            "folds",
            format!("Subject: a\r\n{}", " b\r\n".repeat(10_000)),
        ),
        ("fields", "X-A: 1\r\n".repeat(7000)),
        (
            "commas",
            format!("Route: {}\r\n", "<sip:a@b;lr>,".repeat(4000)),
        ),
    ];
    for (name, extra) in monsters {
        let codes = raw.says(invite(from, name, &extra).as_bytes()).await;
        assert!(
            codes.iter().all(|code| [400, 483, 513].contains(code)),
            "{name}: {codes:?}"
        );
    }
    let nul = invite(from, "nul", "Subject: a\0b\r\n");
    raw.says(nul.as_bytes()).await;
    let mut broken = invite(from, "utf8", "Subject: ab\r\n").into_bytes();
    let at = broken
        .windows(2)
        .position(|two| two == b"ab")
        .expect("it is there");
    broken[at] = 0xff;
    // Old phones write ISO 8859-1: that is no reason to refuse a call.
    assert!(raw.says(&broken).await.contains(&100), "UTF-8");
    gateway.stop().await;
}

/// What the switch answers on a TCP connection until it closes it.
async fn until_closed(to: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    // The switch may close before it has taken everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match soon(stream.read(&mut buffer)).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&answer).into_owned(),
            Ok(len) => answer.extend_from_slice(&buffer[..len]),
        }
    }
}

#[tokio::test]
async fn lies_about_length_close_the_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = switch("[{ simulated = 1 }]", "", folder.path()).await;
    let to = gateway.sip_addr();
    let options = |length: &str| {
        format!(
            "OPTIONS sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKl{}\r\nFrom: <sip:a@b>;tag=t\r\nTo: <sip:b@c>\r\n\
             Call-ID: l\r\nCSeq: 1 OPTIONS\r\n{length}\r\n",
            length.len()
        )
    };
    for length in [
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 70000\r\n",
        "Content-Length: 0\r\nContent-Length: 10\r\n",
        "",
    ] {
        until_closed(to, options(length).as_bytes()).await;
    }
    // Fewer than there are: what is left over is no message, and ends it.
    let answer = until_closed(
        to,
        (options("Content-Length: 0\r\n") + "rest that is nothing\r\n\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    until_closed(to, &vec![b'x'; 200_000]).await;
    until_closed(
        to,
        options(&"Via: SIP/2.0/TCP h;branch=z9hG4bKx\r\n".repeat(10_000)).as_bytes(),
    )
    .await;
    let mut raw = Raw::at("127.0.0.1:0", to).await;
    assert!(raw.says(b"\r\n\r\n").await.is_empty());
    gateway.stop().await;
}

/// Whoever knows a call's names and isn't in it may not end it, change it or take it back.
#[tokio::test]
async fn a_stranger_with_a_calls_names_is_refused_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = switch("[{ simulated = 1 }]", "", folder.path()).await;
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let stranger = Raw::at("127.0.0.2:0", gateway.sip_addr()).await;
    let call = invite(caller.local(), "names", "");
    caller.send(call.as_bytes()).await;
    let ok = loop {
        let response = caller.response().await;
        if response.status.code() == 200 {
            break response;
        }
    };
    let to = ok.headers.to().expect("a To");
    let tagged = format!("To: <sip:1177@127.0.0.1>;tag={}", tag(&to));
    let inside = |method: &str, cseq: u32| {
        call.replace("To: <sip:1177@127.0.0.1>", &tagged)
            .replace("INVITE sip", &format!("{method} sip"))
            .replace("CSeq: 1 INVITE", &format!("CSeq: {cseq} {method}"))
            .replace("z9hG4bKnames", &format!("z9hG4bKnames{cseq}"))
    };
    caller.send(inside("ACK", 1).as_bytes()).await;
    for (method, cseq) in [("BYE", 2), ("INVITE", 3), ("UPDATE", 4), ("REFER", 5)] {
        stranger.send(inside(method, cseq).as_bytes()).await;
        assert_eq!(stranger.response().await.status.code(), 403, "{method}");
    }
    // A CANCEL has its INVITE's branch, and no tag.
    let cancel = call.replace("INVITE", "CANCEL");
    stranger.send(cancel.as_bytes()).await;
    assert_eq!(stranger.response().await.status.code(), 403);
    reaches(&gateway, REFUSED, "elsewhere", 5).await;
    caller.send(inside("BYE", 9).as_bytes()).await;
    let bye = caller.response().await;
    assert_eq!(bye.status.code(), 200, "the call stood until now");
    gateway.stop().await;
}

fn tag(to: &wire::sip::header::NameAddr) -> String {
    to.tag().expect("a tag").to_owned()
}

/// What is too large by UDP is too large on a stream, where it comes in pieces and could wait for ever.
#[tokio::test]
async fn monsters_by_tcp_are_refused_and_the_next_connection_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = switch("[{ simulated = 1 }]", "", folder.path()).await;
    let to = gateway.sip_addr();
    let from = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let monsters = [
        "Via: SIP/2.0/TCP h;branch=z9hG4bKx\r\n".repeat(10_000),
        format!("Subject: {}\r\n", "x".repeat(10_000_000)),
        format!("Subject: a\r\n{}", " b\r\n".repeat(100_000)),
        format!("Subject: a\0{}\r\n", "\0".repeat(100_000)),
        "X-A: 1\r\n".repeat(100_000),
    ];
    for monster in monsters {
        let answer = until_closed(to, invite(from, "tcp", &monster).as_bytes()).await;
        assert!(!answer.contains("SIP/2.0 200"), "{answer}");
    }
    let options = invite(from, "after", "").replace("INVITE", "OPTIONS");
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    stream.write_all(options.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer))
        .await
        .expect("answered");
    assert_eq!(&answer, b"SIP/2.0 200 ");
    gateway.stop().await;
}
