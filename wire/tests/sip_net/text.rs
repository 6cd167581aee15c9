//! Messages: a call as an endpoint makes it, and what raw peers write by hand.

use std::net::SocketAddr;

use bytes::Bytes;
use wire::sip::{
    endpoint::Invite,
    message::{Body, Message, Method, Request},
    uri::Uri,
};

use super::address;

/// A call to an address, with an offer.
pub fn call(to: SocketAddr) -> Invite {
    Invite {
        body: sdp("offer"),
        ..Invite::anonymous(Uri::sip(Some("1177"), to))
    }
}

pub fn sdp(text: &str) -> Option<Body> {
    Some(Body {
        content_type: "application/sdp".into(),
        bytes: Bytes::copy_from_slice(text.as_bytes()),
    })
}

/// Reads what a raw peer got.
pub fn read(bytes: &[u8]) -> Message {
    Message::parse(bytes).expect("our own messages can be read")
}

/// A response as a raw peer would write it: what it copies, and more lines, each ended by CRLF.
pub fn reply(request: &Request, status: u16, tag: &str, more: &str) -> String {
    let mut text = format!("SIP/2.0 {status} Test\r\n");
    for (name, value) in request.headers.iter() {
        match name.as_str() {
            "Via" | "From" | "Call-ID" | "CSeq" => text += &format!("{name}: {value}\r\n"),
            "To" if value.contains("tag=") || tag.is_empty() => text += &format!("To: {value}\r\n"),
            "To" => text += &format!("To: {value};tag={tag}\r\n"),
            _ => {}
        }
    }
    text + more + "Content-Length: 0\r\n\r\n"
}

/// The same message with a session description.
pub fn with_body(text: &str, body: &str) -> String {
    let len = body.len();
    text.replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Content-Type: application/sdp\r\nContent-Length: {len}\r\n\r\n{body}"),
    )
}

/// A request as a raw peer (node `from`) would write it.
pub fn raw(
    method: &Method,
    from: usize,
    branch: &str,
    tags: (&str, &str),
    cseq: u32,
    more: &str,
) -> String {
    let to_tag = if tags.1.is_empty() {
        String::new()
    } else {
        format!(";tag={}", tags.1)
    };
    format!(
        "{method} sip:1177@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@example.invalid>;tag={tag}\r\nTo: <sip:1177@example.invalid>{to_tag}\r\n\
         Call-ID: raw-{from}\r\nCSeq: {cseq} {method}\r\nContact: <sip:raw@{at}>\r\n{more}Content-Length: 0\r\n\r\n",
        at = address(from),
        tag = tags.0,
    )
}
