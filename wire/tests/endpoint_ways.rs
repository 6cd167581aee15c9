//! A way that is gone: what is still to be said goes by another.

mod sip_net;

use std::net::SocketAddr;

use sip_net::{Net, address, call, config, reply, request, sdp, with_body};
use wire::{
    sip::{
        endpoint::{
            ConnectionId, Endpoint, Event, Flow, Input, Invite, Local, Output, SessionId,
            TransportKind,
        },
        message::{HeaderName, Message, Method, Request},
    },
    time::Time,
};

/// An endpoint whose connections a test plays by hand, and what it did last.
struct Wired {
    endpoint: Endpoint,
    now: Time,
    /// Connections it asked for, and what their peers must prove to be.
    asked: Vec<(ConnectionId, SocketAddr, Option<Box<str>>)>,
    /// Requests it sent, and by which connection.
    sent: Vec<(ConnectionId, Request)>,
    sessions: Vec<SessionId>,
    /// What became of its changes.
    changed: Vec<Result<(), u16>>,
    /// Changes that its peers asked for.
    wanted: usize,
    ended: usize,
    /// Calls that failed, with what, and whether the peer said so.
    rejected: Vec<(SessionId, u16, bool)>,
}

impl Wired {
    fn new() -> Self {
        Self {
            endpoint: Endpoint::new(config(0)),
            now: Time::default(),
            asked: Vec::new(),
            sent: Vec::new(),
            sessions: Vec::new(),
            changed: Vec::new(),
            wanted: 0,
            ended: 0,
            rejected: Vec::new(),
        }
    }

    /// Calls a peer by a connection that is opened at once; the session and the INVITE.
    fn calls(&mut self, peer: SocketAddr, kind: TransportKind) -> (SessionId, Request) {
        let invite = Invite {
            transport: Some(kind),
            ..call(peer)
        };
        let session = self.endpoint.invite(self.now, invite).expect("invited");
        self.carry_out();
        let connection = self.asked.last().expect("a connection").0;
        self.opens(connection, peer, kind);
        let (_, invite) = self.sent.pop().expect("an INVITE");
        (session, invite)
    }

    fn opens(&mut self, connection: ConnectionId, peer: SocketAddr, kind: TransportKind) {
        let local = Local::FIRST;
        self.handle(Input::Connected {
            connection,
            local,
            peer,
            kind,
        });
    }

    fn handle(&mut self, input: Input<'_>) {
        self.endpoint.handle(self.now, input);
        self.carry_out();
    }

    fn hears(&mut self, connection: ConnectionId, text: &str) {
        let bytes = text.as_bytes();
        self.handle(Input::Stream { connection, bytes });
    }

    fn closes(&mut self, connection: ConnectionId) {
        self.handle(Input::Closed { connection });
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Connect {
                    connection,
                    peer,
                    name,
                    ..
                } => self.asked.push((connection, peer, name)),
                Output::Transmit {
                    flow: Flow::Stream { connection, .. },
                    bytes,
                } => {
                    if let Ok(Message::Request(request)) = Message::parse(&bytes) {
                        self.sent.push((connection, request));
                    }
                }
                Output::Event(Event::Incoming { session, .. }) => self.sessions.push(session),
                Output::Event(Event::Changed { result, .. }) => {
                    let result = result.map(|_| ()).map_err(|status| status.code());
                    self.changed.push(result);
                }
                Output::Event(Event::ChangeRequested { .. }) => self.wanted += 1,
                Output::Event(Event::Ended { .. }) => self.ended += 1,
                Output::Event(Event::Rejected {
                    session,
                    status,
                    from_peer,
                    ..
                }) => self.rejected.push((session, status.code(), from_peer)),
                _ => {}
            }
        }
    }

    fn ends(&mut self, session: SessionId) {
        self.endpoint
            .end(self.now, session, None)
            .expect("it is there");
        self.carry_out();
    }
}

fn contact(at: SocketAddr) -> String {
    format!("Contact: <sip:raw@{at};transport=tcp>\r\n")
}

const FIRST: ConnectionId = ConnectionId(1);
const SECOND: ConnectionId = ConnectionId(3);

/// The peer never got the ACK and sends its 200 again, by a connection of its own.
#[test]
fn an_ack_whose_connection_is_gone_goes_by_another() {
    let (mut it, peer) = (Wired::new(), address(5));
    let (_, invite) = it.calls(peer, TransportKind::Tcp);
    let ok = reply(&invite, 200, "x", &contact(peer));
    it.hears(FIRST, &ok);
    assert_eq!(
        it.sent.pop().map(|(by, ack)| (by, ack.method)),
        Some((FIRST, Method::Ack))
    );
    it.closes(FIRST);
    let theirs = ConnectionId(2);
    it.opens(
        theirs,
        SocketAddr::new(peer.ip(), 40_000),
        TransportKind::Tcp,
    );
    it.hears(theirs, &ok);
    assert_eq!(it.asked.pop(), Some((SECOND, peer, None)));
    assert_eq!(
        it.sent.pop().map(|(by, ack)| (by, ack.method)),
        Some((SECOND, Method::Ack))
    );
    it.hears(theirs, &ok);
    assert_eq!(
        it.sent.pop().map(|(by, ack)| (by, ack.method)),
        Some((SECOND, Method::Ack))
    );
}

/// Else the phone rings on.
#[test]
fn a_cancel_whose_connection_is_gone_goes_by_another() {
    let (mut it, peer) = (Wired::new(), address(5));
    let (session, invite) = it.calls(peer, TransportKind::Tcp);
    it.hears(FIRST, &reply(&invite, 180, "x", ""));
    it.closes(FIRST);
    it.ends(session);
    assert_eq!(it.asked.pop(), Some((SECOND, peer, None)));
    let (by, cancel) = it.sent.pop().expect("a CANCEL");
    assert_eq!((by, cancel.method), (SECOND, Method::Cancel));
}

/// What it says next may be said into the connection that is gone, or by one of its own; or it has been started again and knows of
/// nothing.
#[test]
fn a_call_that_rings_and_whose_connection_breaks_is_asked_for_again_once() {
    let (mut it, peer) = (Wired::new(), address(5));
    let (session, invite) = it.calls(peer, TransportKind::Tcp);
    it.hears(FIRST, &reply(&invite, 180, "x", ""));
    it.asked.clear();
    it.closes(FIRST);
    assert_eq!(it.asked.pop(), Some((SECOND, peer, None)));
    it.opens(SECOND, peer, TransportKind::Tcp);
    let (by, again) = it.sent.pop().expect("the same INVITE");
    let via = |request: &Request| request.headers.get(&HeaderName::Via).map(str::to_owned);
    assert_eq!((by, via(&again)), (SECOND, via(&invite)));
    assert_eq!(
        (again.method.clone(), it.rejected.len()),
        (Method::Invite, 0)
    );
    // It had refused it, and says so again.
    it.hears(SECOND, &reply(&again, 486, "x", ""));
    assert_eq!(it.rejected.pop(), Some((session, 486, true)));
}

/// RFC 3261 section 17.1.4: whoever waits for the answer has another target.
#[test]
fn a_call_that_rings_and_to_which_no_way_leads_any_more_has_failed() {
    let (mut it, peer) = (Wired::new(), address(5));
    let (session, invite) = it.calls(peer, TransportKind::Tcp);
    it.hears(FIRST, &reply(&invite, 100, "x", ""));
    it.closes(FIRST);
    it.closes(SECOND);
    assert_eq!(it.rejected.pop(), Some((session, 503, false)));
    // Nor is one asked for ever that breaks each time.
    let (session, invite) = it.calls(peer, TransportKind::Tcp);
    let third = it.asked.last().expect("a connection").0;
    it.hears(third, &reply(&invite, 180, "x", ""));
    it.closes(third);
    let fourth = it.asked.last().expect("a connection").0;
    it.opens(fourth, peer, TransportKind::Tcp);
    it.hears(fourth, &reply(&invite, 180, "x", ""));
    it.closes(fourth);
    assert_eq!(it.rejected.pop(), Some((session, 503, false)));
    assert_eq!((it.endpoint.sessions(), it.asked.len()), (0, 4));
}

/// It came to us by that connection, and none leads to it (RFC 5626 section 5.3).
#[test]
fn a_phone_that_rings_and_whose_own_connection_breaks_has_failed() {
    let (mut it, phone) = (Wired::new(), address(5));
    let theirs = ConnectionId(2);
    for kind in [TransportKind::Tcp, TransportKind::Ws] {
        it.opens(theirs, phone, kind);
        let invite = Invite {
            transport: Some(kind),
            ..call(phone)
        };
        let session = it.endpoint.invite(it.now, invite).expect("invited");
        it.carry_out();
        let (_, invite) = it.sent.pop().expect("an INVITE");
        let rings = reply(&invite, 180, "x", "");
        match kind {
            TransportKind::Ws => it.handle(Input::Message {
                connection: theirs,
                bytes: rings.as_bytes(),
            }),
            _ => it.hears(theirs, &rings),
        }
        it.closes(theirs);
        assert_eq!(it.rejected.pop(), Some((session, 503, false)));
        assert!(it.asked.is_empty());
    }
}

/// A phone that is started again must not ring for a call that nobody wants any more.
#[test]
fn a_call_that_is_given_up_and_whose_connection_breaks_is_not_asked_for_again() {
    let (mut it, peer) = (Wired::new(), address(5));
    let (session, invite) = it.calls(peer, TransportKind::Tcp);
    it.hears(FIRST, &reply(&invite, 180, "x", ""));
    it.ends(session);
    it.sent.clear();
    it.closes(FIRST);
    let methods: Vec<_> = it.sent.iter().map(|(_, sent)| &sent.method).collect();
    assert!(!methods.contains(&&Method::Invite), "{methods:?}");
}

/// A peer has us open a connection to ever more addresses (its Contacts): the one unused longest gives way.
#[test]
fn connections_that_we_open_are_so_many_at_most() {
    let mut it = Wired::new();
    for number in 0..1100_u16 {
        let [high, low] = number.to_be_bytes();
        let peer = SocketAddr::from(([198, 18, high, low], 5060));
        it.now = Time(it.now.0 + std::time::Duration::from_millis(1));
        let (_, invite) = it.calls(peer, TransportKind::Tcp);
        let (connection, ..) = it.asked.pop().expect("a connection");
        it.hears(connection, &reply(&invite, 486, "x", ""));
    }
    assert_eq!(it.endpoint.connections(), 1024);
    for (number, is_kept) in [(0, false), (1099, true)] {
        let [high, low] = u16::to_be_bytes(number);
        let peer = SocketAddr::from(([198, 18, high, low], 5060));
        let invite = Invite {
            transport: Some(TransportKind::Tcp),
            ..call(peer)
        };
        it.endpoint.invite(it.now, invite).expect("invited");
        it.carry_out();
        assert_eq!(it.asked.pop().is_none(), is_kept, "{number}");
    }
}

/// Hold that is asked for while a firewall forgets the connection: the call goes on, and so does the hold.
#[test]
fn a_change_whose_connection_breaks_goes_by_another_and_ends_no_call() {
    let (mut it, peer) = (Wired::new(), address(5));
    let (session, invite) = it.calls(peer, TransportKind::Tcp);
    it.hears(FIRST, &reply(&invite, 200, "x", &contact(peer)));
    it.sent.clear();
    it.asked.clear();
    let changes = |it: &mut Wired| {
        let asked = it.endpoint.change(it.now, session, sdp("hold"));
        asked.expect("asked");
        it.carry_out();
        it.sent.pop().expect("a re-INVITE")
    };
    let named = |request: &Request| {
        let of = |name| request.headers.get(&name).expect("a field").to_owned();
        (of(HeaderName::Via), of(HeaderName::CSeq))
    };
    let (by, first) = changes(&mut it);
    assert_eq!(by, FIRST);
    it.closes(FIRST);
    assert_eq!(it.asked.pop(), Some((SECOND, peer, None)));
    it.opens(SECOND, peer, TransportKind::Tcp);
    let (by, again) = it.sent.pop().expect("the same again");
    // The peer may have the first, and be about to answer it: to two changes it would say that the one is too early for the other.
    assert_eq!((by, named(&again)), (SECOND, named(&first)));
    assert_eq!(again.body(), sdp("hold"));
    let ok = with_body(&reply(&again, 200, "x", &contact(peer)), "held");
    it.hears(SECOND, &ok);
    assert_eq!(it.changed.pop(), Some(Ok(())));
    // Nor when no way is left: it is as if it had been refused.
    changes(&mut it);
    it.closes(SECOND);
    let (third, ..) = it.asked.pop().expect("another connection");
    it.closes(third);
    assert_eq!((it.changed.pop(), it.ended), (Some(Err(503)), 0));
    assert_eq!(it.asked.pop(), None, "it is not tried for ever");
    assert_eq!(it.endpoint.sessions(), 1);
    changes(&mut it);
}

/// Two providers at one address: a call with the one is never told to the other, whoever was called there last.
#[test]
fn a_dialog_by_tls_goes_on_with_whom_it_began() {
    let (mut it, peer) = (Wired::new(), address(5));
    it.endpoint.expect_name(peer, "one.example");
    let (session, invite) = it.calls(peer, TransportKind::Tls);
    let ok = reply(&invite, 200, "x", &contact(peer).replace("tcp", "tls"));
    it.hears(FIRST, &ok);
    it.endpoint.expect_name(peer, "two.example");
    it.closes(FIRST);
    it.ends(session);
    assert_eq!(
        it.asked.pop(),
        Some((SECOND, peer, Some("one.example".into())))
    );
    let (by, bye) = it.sent.pop().expect("a BYE");
    assert_eq!((by, bye.method), (SECOND, Method::Bye));
}

/// A browser whose WebSocket broke opens another and says where it is by a re-INVITE or UPDATE: nothing else leads to it.
#[test]
fn a_peer_that_comes_back_by_another_connection_is_told_by_that() {
    let mut it = Wired::new();
    let at = |port| SocketAddr::new(address(5).ip(), port);
    let (old, new) = (ConnectionId(2), ConnectionId(4));
    it.opens(old, at(40_000), TransportKind::Ws);
    let says = |it: &mut Wired, by, line: &str, more: &str| {
        let text = format!(
            "{line} SIP/2.0\r\nVia: SIP/2.0/WS df7.invalid;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@example.invalid>;tag=t\r\nCall-ID: c\r\n\
             Contact: <sip:b@df7.invalid;transport=ws>\r\n{more}Content-Length: 0\r\n\r\n",
            line.len() + more.len(),
        );
        let bytes = text.as_bytes();
        it.handle(Input::Message {
            connection: by,
            bytes,
        });
    };
    let invite = "INVITE sip:1177@192.0.2.1";
    says(
        &mut it,
        old,
        invite,
        "To: <sip:1177@example.invalid>\r\nCSeq: 1 INVITE\r\n",
    );
    let session = it.sessions.pop().expect("a call");
    let answered = it.endpoint.answer(it.now, session, sdp("answer"));
    answered.expect("answered");
    let named = it.endpoint.named(session).expect("it is up");
    let tag = named.split("from-tag=").nth(1).expect("our tag").to_owned();
    let to = format!("To: <sip:1177@example.invalid>;tag={tag}\r\n");
    says(
        &mut it,
        old,
        "ACK sip:1177@192.0.2.1",
        &format!("{to}CSeq: 1 ACK\r\n"),
    );
    it.closes(old);
    it.opens(new, at(40_001), TransportKind::Ws);
    says(
        &mut it,
        new,
        "UPDATE sip:1177@192.0.2.1",
        &format!("{to}CSeq: 2 UPDATE\r\n"),
    );
    // What was answered into a connection that is gone is given up with it: the browser asks again.
    let invites = |it: &mut Wired, by, cseq: usize| {
        // Its length makes the branch.
        let more = format!(
            "{to}CSeq: {cseq} INVITE\r\nSubject: {}\r\n",
            "x".repeat(cseq)
        );
        says(it, by, invite, &more);
    };
    invites(&mut it, new, 3);
    assert_eq!(it.wanted, 1);
    it.closes(new);
    let accepted = it.endpoint.accept_change(it.now, session, sdp("held"));
    accepted.expect("asked for");
    it.carry_out();
    let newest = ConnectionId(6);
    it.opens(newest, at(40_002), TransportKind::Ws);
    invites(&mut it, newest, 4);
    assert_eq!(it.wanted, 2, "no 491");
    it.ends(session);
    let (by, bye) = it.sent.pop().expect("a BYE");
    assert_eq!((by, bye.method), (newest, Method::Bye));
}

/// RFC 3261 section 18.1.1: what went by TCP for its size only goes by UDP when TCP is refused; an ACK too.
#[test]
fn a_large_ack_goes_by_udp_when_there_is_no_tcp() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let invite = Invite {
        body: None,
        ..call(address(peer))
    };
    let caller = net.at(0, |ep, now| ep.invite(now, invite).expect("invited"));
    net.millis(50);
    let invite = request(&mut net, peer);
    let contact = format!("Contact: <sip:raw@{}>\r\n", address(peer));
    let ok = with_body(&reply(&invite, 200, "x", &contact), "offer");
    net.send_raw(peer, 0, &ok);
    net.millis(50);
    net.answered(0);
    let answer = sdp(&"a=x\r\n".repeat(400));
    net.at(0, |ep, now| {
        ep.ack(now, caller, answer.clone()).expect("it is due")
    });
    net.millis(500);
    for _ in 0..2 {
        net.send_raw(peer, 0, &ok);
        net.millis(50);
        assert_eq!(net.nodes[peer].inbox.len(), 1, "the ACK");
        let ack = request(&mut net, peer);
        assert_eq!((&ack.method, ack.body()), (&Method::Ack, answer.clone()));
        assert_eq!(&*ack.via_top().expect("a Via").transport, "UDP");
        assert_eq!(
            ack.headers
                .values(&wire::sip::message::HeaderName::Via)
                .count(),
            1
        );
    }
    sip_net::end_raw(&mut net, caller, peer);
    net.assert_clean();
}
