//! Somebody with a socket who says in SIP whatever a storm has him say.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
};

use wire::sip::message::{HeaderName, Headers, Message, Method, Request, Response};

/// A dialog, as one who has a part in it knows it.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    call_id: String,
    own: String,
    other: String,
    cseq: u32,
    /// CSeq and branch of the INVITE that began it, where that was ours.
    invite: Option<(u32, String)>,
}

/// Somebody with a socket.
pub(super) struct Actor {
    socket: UdpSocket,
    name: &'static str,
    pub(super) dialogs: Vec<Dialog>,
    pub(super) asked: Vec<Request>,
    pub(super) told: Vec<Response>,
    said: u32,
    /// Final status of what it asked, by branch and CSeq.
    pub(super) ends: BTreeMap<String, Option<u16>>,
}

impl Actor {
    pub(super) fn new(name: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        Self {
            socket,
            name,
            dialogs: Vec::new(),
            asked: Vec::new(),
            told: Vec::new(),
            said: 0,
            ends: BTreeMap::new(),
        }
    }

    pub(super) fn at(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }

    fn sends(&self, to: SocketAddr, text: &str) {
        let sent = self.socket.send_to(text.as_bytes(), to);
        sent.expect("loopback");
    }

    /// Reads what has come.
    pub(super) fn reads(&mut self, switch: SocketAddr) {
        let mut buffer = vec![0; 65_536];
        loop {
            let len = match self.socket.recv(&mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            match Message::parse(&buffer[..len]) {
                Ok(Message::Request(request)) if request.method == Method::Options => {
                    self.answers(switch, &request, "200 OK", "", "");
                }
                Ok(Message::Request(request)) if request.method != Method::Ack => {
                    if request.method == Method::Invite
                        && !of(&request.headers, &HeaderName::To).contains("tag=")
                    {
                        self.dialogs.push(Dialog {
                            call_id: of(&request.headers, &HeaderName::CallId),
                            own: format!(
                                "{};tag=t{}",
                                of(&request.headers, &HeaderName::To),
                                self.name
                            ),
                            other: of(&request.headers, &HeaderName::From),
                            cseq: 100,
                            invite: None,
                        });
                    }
                    self.asked.push(request);
                }
                Ok(Message::Response(response)) => {
                    self.is_ended(&response);
                    let (id, to) = (
                        of(&response.headers, &HeaderName::CallId),
                        of(&response.headers, &HeaderName::To),
                    );
                    let mut dialogs = self.dialogs.iter_mut();
                    if let Some(dialog) = dialogs.find(|it| it.call_id == id)
                        && response.status.code() < 300
                        && of(&response.headers, &HeaderName::CSeq) == "1 INVITE"
                        && to.contains("tag=")
                        && dialog.invite.is_some()
                    {
                        dialog.other = to;
                    }
                    self.told.push(response);
                }
                _ => {}
            }
        }
    }

    pub(super) fn answers(
        &self,
        to: SocketAddr,
        asked: &Request,
        status: &str,
        more: &str,
        body: &str,
    ) {
        let mut called = of(&asked.headers, &HeaderName::To);
        if !called.contains("tag=") {
            called = format!("{called};tag=t{}", self.name);
        }
        let text = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {called}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{}@{}>\r\n\
             Allow: INVITE, ACK, BYE, UPDATE, REFER, PRACK\r\n{more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            of(&asked.headers, &HeaderName::Via),
            of(&asked.headers, &HeaderName::From),
            of(&asked.headers, &HeaderName::CallId),
            of(&asked.headers, &HeaderName::CSeq),
            self.name,
            self.at(),
            body.len()
        );
        self.sends(to, &text);
    }

    /// A request has one final response, however often it comes.
    fn is_ended(&mut self, response: &Response) {
        let status = response.status.code();
        let via = of(&response.headers, &HeaderName::Via);
        let branch = via.split("z9hG4bK").nth(1).unwrap_or_default();
        let branch = branch.split(';').next().unwrap_or_default();
        let request = format!("{branch} {}", of(&response.headers, &HeaderName::CSeq));
        let end = self.ends.get_mut(&request).filter(|_| status >= 200);
        if let Some(end) = end {
            let before = *end.get_or_insert(status);
            assert_eq!(before, status, "{request} was answered twice");
        }
    }

    /// Says something in one of its dialogs.
    pub(super) fn asks(&mut self, to: SocketAddr, at: usize, method: &str, more: &str, body: &str) {
        self.said += 1;
        let (here, said, name) = (self.at(), self.said, self.name);
        let dialog = &mut self.dialogs[at];
        dialog.cseq += u32::from(!matches!(method, "ACK" | "CANCEL"));
        let mut cseq = dialog.cseq;
        let mut branch = format!("{name}{said}");
        if method == "CANCEL" {
            let Some((number, of)) = dialog.invite.clone() else {
                return;
            };
            (cseq, branch) = (number, of);
        }
        if method != "ACK" {
            self.ends.insert(format!("{branch} {cseq} {method}"), None);
        }
        let kind = if body.starts_with("Signal") {
            "application/dtmf-relay"
        } else {
            "application/sdp"
        };
        let text = format!(
            "{method} sip:1177@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{name}@{here}>\r\n{more}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            dialog.own,
            dialog.other,
            dialog.call_id,
            body.len()
        );
        self.sends(to, &text);
    }

    pub(super) fn calls(&mut self, to: SocketAddr, more: &str, body: &str) {
        self.said += 1;
        let (at, said) = (self.at(), self.said);
        self.dialogs.push(Dialog {
            call_id: format!("{}-{said}@{at}", self.name),
            own: format!("<sip:+46701740605@{at}>;tag=t{said}"),
            other: format!("<sip:1177@{to}>"),
            cseq: 0,
            invite: Some((1, format!("{}{}", self.name, said + 1))),
        });
        self.asks(to, self.dialogs.len() - 1, "INVITE", more, body);
    }

    pub(super) fn acknowledges(&mut self, to: SocketAddr, told: &Response, body: &str) {
        let id = of(&told.headers, &HeaderName::CallId);
        let Some(at) = self.dialogs.iter().position(|it| it.call_id == id) else {
            return;
        };
        let cseq = of(&told.headers, &HeaderName::CSeq);
        let number = cseq.split(' ').next().unwrap_or_default().to_owned();
        if !cseq.ends_with("INVITE") {
            return;
        }
        if let Some(rseq) = told
            .headers
            .get(&HeaderName::RSeq)
            .filter(|_| told.status.is_provisional())
        {
            let rack = format!("RAck: {rseq} {number} INVITE\r\n");
            return self.asks(to, at, "PRACK", &rack, "");
        }
        if !told.status.is_success() {
            return;
        }
        let kept = self.dialogs[at].clone();
        self.dialogs[at].other = of(&told.headers, &HeaderName::To);
        self.dialogs[at].cseq = number.parse().unwrap_or_default();
        self.asks(to, at, "ACK", "", body);
        self.dialogs[at] = kept;
    }
}

fn of(headers: &Headers, name: &HeaderName) -> String {
    headers.get(name).unwrap_or_default().to_owned()
}
