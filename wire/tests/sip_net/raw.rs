//! Sessions between an endpoint (node 0) and a raw peer that a test plays by hand.

use wire::sip::{
    endpoint::{Ending, SessionId},
    message::{Message, Method, Request, Response},
};

use super::{
    Net, address,
    text::{call, raw, read, sdp},
};

/// A session that is up: a raw peer called the endpoint.
pub struct RawSession {
    /// The raw peer's node.
    pub peer: usize,
    /// The endpoint's name of it.
    pub session: SessionId,
    /// The endpoint's 200.
    pub ok: Response,
    /// The endpoint's tag.
    pub tag: String,
}

/// A raw peer calls node 0; its node, and the session there. Its tag is `t`, its CSeq 10; `more` are further lines.
pub fn raw_caller(net: &mut Net, more: &str) -> (usize, SessionId) {
    raw_caller_as(net, more, |text| text)
}

/// The same and node 0 answers.
pub fn raw_session(net: &mut Net, more: &str) -> RawSession {
    raw_session_as(net, more, |text| text)
}

/// The same by a peer that changes what it writes.
pub fn raw_session_as(net: &mut Net, more: &str, write: fn(String) -> String) -> RawSession {
    let (peer, session) = raw_caller_as(net, more, write);
    net.at(0, |ep, now| {
        ep.answer(now, session, sdp("answer")).expect("answered")
    });
    let ok = response(net, peer);
    let tag = tag_of(&ok);
    let ack = raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 10, "");
    net.send_raw(peer, 0, &write(ack));
    net.millis(50);
    net.confirmed(0);
    net.nodes[peer].inbox.clear();
    RawSession {
        peer,
        session,
        ok,
        tag,
    }
}

/// Node 0 calls a raw peer; the peer's node, the session, and the INVITE that came.
pub fn raw_called(net: &mut Net) -> (usize, SessionId, Request) {
    let peer = net.add(None);
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(peer))).expect("invited")
    });
    net.millis(50);
    let invite = request(net, peer);
    (peer, caller, invite)
}

fn raw_caller_as(net: &mut Net, more: &str, write: fn(String) -> String) -> (usize, SessionId) {
    let peer = net.add(None);
    let invite = raw(&Method::Invite, peer, "z9hG4bK1", ("t", ""), 10, more);
    net.send_raw(peer, 0, &write(invite));
    net.millis(50);
    (peer, net.incoming(0).0)
}

/// A raw peer ends the session it began, and nothing is left of it.
pub fn raw_bye(net: &mut Net, peer: usize, tag: &str) {
    let bye = raw(&Method::Bye, peer, "z9hG4bK99", ("t", tag), 99, "");
    net.send_raw(peer, 0, &bye);
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Bye);
    net.assert_clean();
}

/// Node 0 ends the call it made to node 1, and nothing is left of it.
pub fn hang_up(net: &mut Net, caller: SessionId) {
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    net.assert_clean();
}

/// Node 0 ends a session, and the raw node that gets the BYE answers it; gives the BYE.
pub fn end_raw(net: &mut Net, session: SessionId, peer: usize) -> Request {
    net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    net.millis(50);
    let bye = request(net, peer);
    assert_eq!(bye.method, Method::Bye);
    net.send_raw(peer, 0, &super::text::reply(&bye, 200, "", ""));
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Ours);
    bye
}

/// What came to a raw peer last; what came before it is forgotten.
fn last(net: &mut Net, peer: usize) -> Message {
    let bytes = net.nodes[peer].inbox.pop_back().expect("something came");
    net.nodes[peer].inbox.clear();
    read(&bytes)
}

/// The last request that a raw peer got.
pub fn request(net: &mut Net, peer: usize) -> Request {
    match last(net, peer) {
        Message::Request(request) => request,
        Message::Response(response) => panic!("a request expected, {response:?} came"),
    }
}

/// The last response that a raw peer got, or gets in a moment.
pub fn response(net: &mut Net, peer: usize) -> Response {
    net.millis(50);
    match last(net, peer) {
        Message::Response(response) => response,
        Message::Request(request) => panic!("a response expected, {request:?} came"),
    }
}

/// Its status.
pub fn status(net: &mut Net, peer: usize) -> u16 {
    response(net, peer).status.code()
}

/// The tag of its To.
pub fn tag_of(response: &Response) -> String {
    let to = response.headers.to().expect("a To");
    to.tag().expect("a tag").to_owned()
}
