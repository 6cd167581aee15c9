//! What the raw peer knows of its dialogs, and what it writes in them: mostly right, and wrong where the script says so.

use std::collections::VecDeque;

use bytes::Bytes;
use wire::sip::message::{HeaderName, Message, Request, Response};

use super::{PEER, Script};
use crate::sip_net::address;

/// What it remembers at most of each kind; the oldest goes.
const KEPT_MAX: usize = 8;
const METHODS: [&str; 12] = [
    "ACK",
    "BYE",
    "CANCEL",
    "PRACK",
    "UPDATE",
    "INVITE",
    "INFO",
    "REFER",
    "NOTIFY",
    "OPTIONS",
    "MESSAGE",
    "SUBSCRIBE",
];
const STATUSES: [u16; 20] = [
    100, 180, 183, 199, 200, 200, 202, 302, 400, 401, 408, 420, 422, 423, 481, 486, 487, 491, 500,
    603,
];

/// A dialog as it sees it.
#[derive(Clone)]
struct Dialog {
    call_id: String,
    ours: String,
    theirs: String,
    cseq: u32,
    /// Of its INVITE, for CANCEL and ACK of a refusal.
    branch: String,
    /// `RSeq` and `CSeq` of the last reliable response, as PRACK names them.
    rack: String,
}

#[derive(Default)]
pub(super) struct Peer {
    dialogs: VecDeque<Dialog>,
    /// Requests that came.
    asked: VecDeque<Request>,
    /// All that it sent.
    sent: VecDeque<String>,
    count: u32,
}

impl Peer {
    /// Takes what came.
    pub(super) fn hear(&mut self, inbox: VecDeque<Bytes>) {
        for bytes in inbox {
            match Message::parse(&bytes) {
                Ok(Message::Request(request)) => keep(&mut self.asked, request),
                Ok(Message::Response(response)) => self.learn(&response),
                // What it spoilt is sent back to it.
                Err(_) => assert!(bytes.starts_with(b"SIP/2.0 400"), "our own can be read"),
            }
        }
    }

    /// A call of its own, perhaps in place of another.
    pub(super) fn invite(&mut self, script: &mut Script<'_>) -> Option<String> {
        self.count += 1;
        let dialog = Dialog {
            call_id: format!("c{}", self.count),
            ours: "a".to_owned(),
            theirs: String::new(),
            cseq: 1,
            branch: String::new(),
            rack: "1 1 INVITE".to_owned(),
        };
        keep(&mut self.dialogs, dialog);
        let newest = self.dialogs.len() - 1;
        Some(self.write(newest, "INVITE", script))
    }

    /// A request in one of its dialogs.
    pub(super) fn request(&mut self, script: &mut Script<'_>) -> Option<String> {
        let which = usize::from(script.byte() % 3);
        let which = self.dialogs.len().checked_sub(1 + which)?;
        let method = script.of(&METHODS);
        // Next, the same again, older, or far ahead.
        let step = script.byte();
        let dialog = &mut self.dialogs[which];
        if !matches!(method, "ACK" | "CANCEL") {
            dialog.cseq = match step % 8 {
                0 => dialog.cseq,
                1 => dialog.cseq.saturating_sub(1),
                2 => dialog.cseq.saturating_add(1 << 30),
                _ => dialog.cseq.saturating_add(1),
            };
        }
        Some(self.write(which, method, script))
    }

    /// An answer to a request that came.
    pub(super) fn answer(&mut self, script: &mut Script<'_>) -> Option<String> {
        let which = usize::from(script.byte() % 4);
        let which = self.asked.len().checked_sub(1 + which)?;
        let request = self.asked[which].clone();
        let status = script.of(&STATUSES);
        let tag = format!("f{}", script.byte() % 3);
        let (headers, body) = (
            headers(script, &Dialog::named(&request, &tag)),
            body(script),
        );
        let contact = if script.byte().is_multiple_of(8) {
            String::new()
        } else {
            contact()
        };
        if request.method.as_str() == "INVITE" && status >= 101 {
            self.remember(&request, &tag);
        }
        let text = copied(&request, status, &tag) + &contact + &headers + &body;
        keep(&mut self.sent, text.clone());
        Some(text)
    }

    /// Something it sent before, whole or spoilt.
    pub(super) fn again(&mut self, script: &mut Script<'_>) -> Option<String> {
        let which = usize::from(script.byte()) % KEPT_MAX;
        let which = self.sent.len().checked_sub(1 + which)?;
        let mut text = self.sent[which].clone().into_bytes();
        let (at, with) = (usize::from(script.byte()) * 3, script.byte());
        if with != 0 && at < text.len() {
            text[at] = with;
        }
        String::from_utf8(text).ok()
    }

    fn write(&mut self, which: usize, method: &str, script: &mut Script<'_>) -> String {
        self.count += 1;
        let dialog = &mut self.dialogs[which];
        if matches!(method, "INVITE") {
            dialog.branch = format!("z9hG4bK{}", self.count);
        }
        let shape = script.byte();
        let branch = if method == "CANCEL" || (method == "ACK" && shape & 1 == 0) {
            dialog.branch.clone()
        } else {
            format!("z9hG4bK{}", self.count)
        };
        let to_tag = match (&*dialog.theirs, shape >> 4) {
            ("", _) => String::new(),
            (_, 1) => ";tag=another".to_owned(),
            (theirs, _) => format!(";tag={theirs}"),
        };
        let others = self.dialogs[which].clone();
        let (headers, body) = (headers(script, &others), body(script));
        let text = format!(
            "{method} sip:1177@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:a@example.invalid>;tag={ours}\r\nTo: <sip:1177@example.invalid>{to_tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n{contact}{headers}{body}",
            at = address(PEER),
            ours = others.ours,
            call_id = others.call_id,
            cseq = others.cseq,
            contact = contact(),
        );
        keep(&mut self.sent, text.clone());
        text
    }

    /// The dialog of a call that came.
    fn remember(&mut self, request: &Request, tag: &str) {
        let dialog = Dialog::named(request, tag);
        let known = |one: &Dialog| one.call_id == dialog.call_id && one.ours == dialog.ours;
        if !self.dialogs.iter().any(known) {
            keep(&mut self.dialogs, dialog);
        }
    }

    fn learn(&mut self, response: &Response) {
        let value = |name: &HeaderName| {
            response
                .headers
                .value(name)
                .map(|value| value.as_str().to_owned())
        };
        let call_id = value(&HeaderName::CallId).unwrap_or_default();
        let tag = response.headers.to().ok();
        let tag = tag.and_then(|to| to.tag().map(str::to_owned));
        let rseq = value(&HeaderName::RSeq);
        let cseq = value(&HeaderName::CSeq).unwrap_or_default();
        for dialog in &mut self.dialogs {
            if dialog.call_id == call_id {
                if let Some(tag) = &tag {
                    dialog.theirs.clone_from(tag);
                }
                if let Some(rseq) = &rseq {
                    dialog.rack = format!("{rseq} {cseq}");
                }
            }
        }
    }
}

impl Dialog {
    fn named(request: &Request, tag: &str) -> Self {
        let value = |name: &HeaderName| {
            request
                .headers
                .value(name)
                .map(|value| value.as_str().to_owned())
        };
        let theirs = request.headers.from().ok();
        Self {
            call_id: value(&HeaderName::CallId).unwrap_or_default(),
            ours: tag.to_owned(),
            theirs: theirs
                .and_then(|from| from.tag().map(str::to_owned))
                .unwrap_or_default(),
            cseq: 1000,
            branch: String::new(),
            rack: "1 1 INVITE".to_owned(),
        }
    }
}

fn keep<T>(all: &mut VecDeque<T>, one: T) {
    if all.len() == KEPT_MAX {
        all.pop_front();
    }
    all.push_back(one);
}

fn contact() -> String {
    format!("Contact: <sip:raw@{}>\r\n", address(PEER))
}

/// What a response copies.
fn copied(request: &Request, status: u16, tag: &str) -> String {
    let mut text = format!("SIP/2.0 {status} Test\r\n");
    for (name, value) in request.headers.iter() {
        match name.as_str() {
            "To" if !value.contains("tag=") => text += &format!("To: {value};tag={tag}\r\n"),
            "Via" | "From" | "To" | "Call-ID" | "CSeq" => text += &format!("{name}: {value}\r\n"),
            _ => {}
        }
    }
    text
}

/// Extensions, each with what belongs to it.
fn headers(script: &mut Script<'_>, dialog: &Dialog) -> String {
    let (more, number) = (script.byte(), script.byte());
    let mut text = String::new();
    let Dialog {
        call_id,
        ours,
        theirs,
        rack,
        ..
    } = dialog;
    for bit in 0..8 {
        if more & (1 << bit) == 0 {
            continue;
        }
        text += &match bit {
            0 => "Supported: 100rel, timer, replaces\r\n".to_owned(),
            1 => format!("Require: 100rel\r\nRSeq: {number}\r\n"),
            2 => format!(
                "Session-Expires: {};refresher={}\r\n",
                u32::from(number) * 10,
                if number & 1 == 0 { "uac" } else { "uas" }
            ),
            3 => format!("Min-SE: {}\r\n", u32::from(number) * 10),
            4 => format!("RAck: {rack}\r\n"),
            5 => format!("Replaces: {call_id};to-tag={theirs};from-tag={ours}\r\n"),
            6 => "Refer-To: <sip:b@192.0.2.7>\r\nEvent: refer\r\nSubscription-State: active;expires=60\r\n"
                .to_owned(),
            _ => "Require: timer\r\nRetry-After: 2\r\n".to_owned(),
        };
    }
    text
}

fn body(script: &mut Script<'_>) -> String {
    match script.byte() % 5 {
        0 | 1 => "Content-Length: 0\r\n\r\n".to_owned(),
        2 => "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        3 => "Content-Type: message/sipfrag\r\nContent-Length: 14\r\n\r\nSIP/2.0 200 OK".to_owned(),
        _ => "Content-Type: application/sdp\r\nContent-Length: 6\r\n\r\ntheirs".to_owned(),
    }
}
