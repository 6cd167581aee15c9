//! A call that goes quiet, seen on the wire: BYE to both sides, with the reason.

use std::{net::SocketAddr, path::Path};

use gateway::Gateway;
use wire::{
    auth::Algorithm,
    sip::message::{HeaderName, Headers, Method, Request, Response, StatusCode},
};

use crate::rig::{Raw, invite, reply, secret, switch};

/// What both say of their audio, of which none comes.
fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
    )
}

fn with_body(head: &str, port: u16) -> String {
    let body = sdp(port);
    let fields = format!(
        "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    head.replace("Content-Length: 0\r\n\r\n", &fields)
}

/// The fields of a request that its response repeats.
fn repeated(headers: &Headers) -> String {
    let mut lines = String::new();
    for (name, word) in [
        (HeaderName::Via, "Via"),
        (HeaderName::From, "From"),
        (HeaderName::CallId, "Call-ID"),
        (HeaderName::CSeq, "CSeq"),
    ] {
        for value in headers.get_all(&name) {
            lines += &format!("{word}: {value}\r\n");
        }
    }
    lines
}

fn ok(request: &Request, contact: SocketAddr) -> String {
    let to = request.headers.get(&HeaderName::To).expect("To");
    let tag = if to.contains(";tag=") {
        ""
    } else {
        ";tag=nurse"
    };
    format!(
        "SIP/2.0 200 OK\r\n{}To: {to}{tag}\r\nContact: <sip:nurse@{contact}>\r\nContent-Length: 0\r\n\r\n",
        repeated(&request.headers)
    )
}

fn ack(answer: &Response, from: SocketAddr, to: SocketAddr) -> String {
    let field = |name| answer.headers.get(&name).expect("a field").to_owned();
    format!(
        "ACK sip:1177@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKack;rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
        field(HeaderName::From),
        field(HeaderName::To),
        field(HeaderName::CallId)
    )
}

async fn until_bye(side: &Raw) -> Request {
    loop {
        let request = side.request().await;
        if request.method == Method::Bye {
            side.send(ok(&request, side.local()).as_bytes()).await;
            return request;
        }
    }
}

/// A call in which nobody is heard, with these further lines under `[listen]`: the switch, the nurse and the caller.
async fn quiet_call(listen: &str, folder: &Path) -> (Gateway, Raw, Raw) {
    let nurse_socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let at = nurse_socket.local_addr().expect("an address");
    drop(nurse_socket);
    let agents = format!("[\"sip:nurse@{at}\"]");
    let listen = format!("trusted = [\"127.0.0.0/8\"]\n{listen}\n[media]\nsilence_max_s = 5");
    let gateway = switch(&agents, &listen, folder).await;
    let nurse = Raw::at(&at.to_string(), gateway.sip_addr()).await;
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let from = caller.local();
    let offer = with_body(&invite(from, "quiet", ""), 4000);
    caller.send(offer.as_bytes()).await;
    let rung = nurse.request().await;
    assert_eq!(rung.method, Method::Invite);
    nurse.send(with_body(&ok(&rung, at), 4002).as_bytes()).await;
    let answer = loop {
        let response = caller.response().await;
        if response.status == StatusCode::OK {
            break response;
        }
    };
    caller
        .send(ack(&answer, from, gateway.sip_addr()).as_bytes())
        .await;
    (gateway, nurse, caller)
}

#[tokio::test]
async fn both_sides_of_a_call_gone_quiet_are_told_why_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let (gateway, nurse, caller) = quiet_call("", folder.path()).await;
    let (to_caller, to_nurse) = tokio::join!(until_bye(&caller), until_bye(&nurse));
    for bye in [to_caller, to_nurse] {
        let reason = bye.headers.get(&HeaderName::Reason);
        assert_eq!(reason, Some("Q.850;cause=102;text=\"No RTP\""));
    }
    gateway.stop().await;
}

/// A trunk may ask who we are also when it brought the call: else it keeps it when we hang up.
#[tokio::test]
async fn a_trunk_that_asks_who_ends_its_call_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = Algorithm::Sha256.hash(&["vaxel", "trunk", "secret"]);
    let line = format!("vaxel:trunk:SHA-256:{hash}\n");
    secret(folder.path(), "own.ha1", &line);
    let own = "own_credentials = \"own.ha1\"";
    let (gateway, nurse, trunk) = quiet_call(own, folder.path()).await;
    let asks = async {
        let bye = trunk.request().await;
        assert_eq!(bye.method, Method::Bye);
        let challenge = "WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";
        trunk.send(reply(&bye, 401, challenge).as_bytes()).await;
        until_bye(&trunk).await
    };
    let (again, _) = tokio::join!(asks, until_bye(&nurse));
    let proof = again.headers.get(&HeaderName::Authorization);
    assert!(proof.is_some_and(|proof| proof.contains("username=\"vaxel\"")));
    gateway.stop().await;
}
