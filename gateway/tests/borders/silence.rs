//! A call that goes quiet, seen on the wire: BYE to both sides, with the reason.

use std::net::SocketAddr;

use wire::sip::message::{HeaderName, Headers, Method, Request, Response, StatusCode};

use crate::rig::{Raw, invite, switch};

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

#[tokio::test]
async fn both_sides_of_a_call_gone_quiet_are_told_why_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let nurse_socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let at = nurse_socket.local_addr().expect("an address");
    drop(nurse_socket);
    let agents = format!("[\"sip:nurse@{at}\"]");
    let listen = "trusted = [\"127.0.0.0/8\"]\n[media]\nsilence_max_s = 5";
    let gateway = switch(&agents, listen, folder.path()).await;
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
    let (to_caller, to_nurse) = tokio::join!(until_bye(&caller), until_bye(&nurse));
    for bye in [to_caller, to_nurse] {
        let reason = bye.headers.get(&HeaderName::Reason);
        assert_eq!(reason, Some("Q.850;cause=102;text=\"No RTP\""));
    }
    gateway.stop().await;
}
