//! What one leg says goes out on another only as what it is: nothing in a value begins another header field.

use wire::sip::message::{Message, Method, Request};

use crate::rig::{Raw, providers, reply};

/// The field that nobody may see.
const EVIL: &str = "Evil";

/// INVITEs whose values try to end their line: a name, what stands in the place of each, and whether it is refused at once.
fn attempts() -> Vec<(String, String)> {
    let breaks = [
        "\r",
        "\n",
        "\n\r",
        "\0\n",
        "%0d%0a",
        "%0D%0A%20",
        "\u{2028}",
        "\\\n",
    ];
    let fields = [
        "From: \"a{}Evil: 1\" <sip:+46701740605@127.0.0.1>;tag=t",
        "From: <sip:+46701740605{}Evil:1@127.0.0.1>;tag=t",
        "P-Asserted-Identity: \"x{}Evil: 1\" <sip:+46701740605@127.0.0.1>",
        "P-Asserted-Identity: <tel:+46701740605{}Evil: 1>",
        "X-Kommun-ID: 0488{}Evil: 1",
        "History-Info: <sip:1177@h?Reason=SIP{}Evil:1>;index=1",
        "History-Info: <sip:1177@h>;index=1{}Evil: 1",
        "Reason: SIP;cause=200;text=\"a{}Evil: 1\"",
        "Referred-By: <sip:a@b{}Evil:1>",
        "Privacy: id{}Evil: 1",
        "X-Vaxel-Visited: a{}Evil: 1;n=1",
        "Subject: a{}Evil: 1",
    ];
    let mut all = Vec::new();
    for (number, field) in fields.iter().enumerate() {
        for (way, between) in breaks.iter().enumerate() {
            all.push((format!("{number}-{way}"), field.replace("{}", between)));
        }
    }
    all.push((
        "uri".into(),
        "INVITE sip:1177;kommun-id=0488%0d%0aEvil:1@127.0.0.1 SIP/2.0".into(),
    ));
    all.push((
        "uri-param".into(),
        "INVITE sip:1177@127.0.0.1;kommun-id=0488%0d%0aEvil:1 SIP/2.0".into(),
    ));
    all
}

/// A call with this line in the place of, or beside, the usual ones.
fn invite_with(from: std::net::SocketAddr, call: &str, line: &str) -> String {
    let has = |name: &str| line.starts_with(name);
    let start = if has("INVITE ") {
        line
    } else {
        "INVITE sip:1177@127.0.0.1 SIP/2.0"
    };
    let usual = [
        ("From:", "From: <sip:+46701740605@127.0.0.1>;tag=t"),
        ("X-Kommun-ID:", "X-Kommun-ID: 0488"),
    ];
    let mut text = format!(
        "{start}\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{call};rport\r\nMax-Forwards: 70\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: {call}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:caller@{from}>\r\n"
    );
    for (name, field) in usual {
        if !has(name) {
            text += &format!("{field}\r\n");
        }
    }
    if !has("INVITE ") {
        text += &format!("{line}\r\n");
    }
    text + "Content-Length: 0\r\n\r\n"
}

#[tokio::test]
async fn no_value_of_one_leg_begins_a_field_on_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut provider = Raw::at("127.0.0.1:0", ([127, 0, 0, 1], 9).into()).await;
    let entry = format!(
        r#"{{ name = "first", organisation = "medhelp", targets = ["sip:1177@{}"], ping = {{ every_s = 0 }} }}"#,
        provider.local()
    );
    let gateway = providers(&[&entry], "", folder.path()).await;
    provider.face(gateway.sip_addr());
    let mut gone_out = 0;
    for (name, line) in attempts() {
        let mut caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
        let call = invite_with(caller.local(), &format!("i{name}"), &line);
        let said = caller.says(call.as_bytes()).await;
        // Passed over, refused, or answered by the region's own queue as the kommun can't be read.
        if said != [100] {
            continue;
        }
        let (text, request) = gone_to(&provider).await;
        gone_out += 1;
        assert!(!begins_a_line(&text), "{name}: {text:?}");
        assert!(!text.contains('\0'), "{name}: {text:?}");
        provider.send(reply(&request, 603, "").as_bytes()).await;
    }
    assert!(
        gone_out > 10,
        "{gone_out} calls went out and were looked at"
    );
    gateway.stop().await;
}

/// The next call, as it came and as it is read.
async fn gone_to(provider: &Raw) -> (String, Request) {
    loop {
        let bytes = provider.bytes().await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match Message::parse(&bytes) {
            Ok(Message::Request(request)) if request.method == Method::Invite => {
                return (text, request);
            }
            Ok(_) => {}
            Err(_) => panic!("{text:?}"),
        }
    }
}

/// Whether somebody who takes any line break for one sees the field.
fn begins_a_line(text: &str) -> bool {
    let mut lines = text.split(['\r', '\n']);
    lines.any(|line| line.trim_start().starts_with(EVIL))
}
