//! An endpoint with several addresses: what comes in by one is answered there and names it, what goes out goes by the one
//! that is told or by the first of the peer's family, and a dialog stays where it began.

mod sip_net;

use std::{net::SocketAddr, time::Duration};

use sip_net::{call, sdp};
use wire::{
    sip::{
        endpoint::{
            Config, Endpoint, Event, Flow, Input, Local, LocalAddress, Output, SessionError,
            SessionId, TransportKind,
        },
        message::{Message, Method, Request, Response},
        uri::Uri,
    },
    time::Time,
};

const INSIDE: &str = "192.0.2.1:5060";
const OUTSIDE: &str = "198.51.100.1:5070";
const SIX: &str = "[2001:db8::1]:5060";

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// One with these addresses, in this order.
fn endpoint(addresses: &[&str]) -> Endpoint {
    let mut config = Config::default_for(at(addresses[0]), [3; 32]);
    config.locals = addresses
        .iter()
        .map(|address| LocalAddress::plain(at(address)))
        .collect();
    Endpoint::new(config)
}

fn invite(from: &str) -> Vec<u8> {
    format!(
        "INVITE sip:1177@{INSIDE} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKone;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{from}>;tag=t\r\nTo: <sip:1177@{INSIDE}>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Everything it sends, with the way it goes.
fn sent(endpoint: &mut Endpoint) -> (Vec<(Flow, Message)>, Vec<Event>) {
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit { flow, bytes } => {
                sent.push((flow, Message::parse(&bytes).expect("a message")));
            }
            Output::Event(event) => events.push(event),
            Output::Connect { .. } | Output::Close { .. } => {}
        }
    }
    (sent, events)
}

fn request((flow, message): &(Flow, Message)) -> (Flow, &Request) {
    match message {
        Message::Request(request) => (*flow, request),
        Message::Response(_) => panic!("a request was to come"),
    }
}

fn response((flow, message): &(Flow, Message)) -> (Flow, &Response) {
    match message {
        Message::Response(response) => (*flow, response),
        Message::Request(_) => panic!("a response was to come"),
    }
}

fn via(request: &Request) -> String {
    let via = request.headers.get(&wire::sip::message::HeaderName::Via);
    via.unwrap_or_default().to_owned()
}

/// A call that came by `local` and was answered; its session.
fn answered(endpoint: &mut Endpoint, local: Local, peer: &str) -> SessionId {
    let bytes = invite(peer);
    let peer = at(peer);
    endpoint.handle(
        Time::default(),
        Input::Datagram {
            local,
            peer,
            bytes: &bytes,
        },
    );
    let (trying, events) = sent(endpoint);
    assert_eq!(response(&trying[0]).0, Flow::Udp { local, peer });
    let Some(Event::Incoming { session, flow, .. }) = events.into_iter().next() else {
        panic!("no call");
    };
    assert_eq!(flow.local(), local);
    endpoint
        .answer(Time::default(), session, sdp("answer"))
        .expect("answered");
    session
}

#[test]
fn a_call_is_answered_where_it_came_in_and_its_dialog_stays_there() {
    let addresses = [INSIDE, OUTSIDE, SIX];
    let peers = ["192.0.2.9:5060", "198.51.100.9:5060", "[2001:db8::9]:5060"];
    for (place, (own, peer)) in addresses.iter().zip(peers).enumerate() {
        let mut endpoint = endpoint(&addresses);
        let local = Local(place as u8);
        let session = answered(&mut endpoint, local, peer);
        let (ok, _) = sent(&mut endpoint);
        let (flow, ok) = response(&ok[0]);
        let there = Flow::Udp {
            local,
            peer: at(peer),
        };
        assert_eq!(flow, there, "{own}");
        let contact = ok.contact_uri().expect("a Contact");
        assert_eq!(contact.address(), Some(at(own)));
        // Its ACK, so that BYE may go.
        let to = ok.headers.get(&wire::sip::message::HeaderName::To);
        let ack = format!(
            "ACK sip:1177@{own} SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bKtwo\r\nMax-Forwards: 70\r\n\
             From: <sip:a@{peer}>;tag=t\r\nTo: {}\r\nCall-ID: c1\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            to.expect("a To")
        );
        let input = Input::Datagram {
            local,
            peer: at(peer),
            bytes: ack.as_bytes(),
        };
        endpoint.handle(Time::default(), input);
        endpoint
            .end(Time::default(), session, None)
            .expect("it is up");
        let (bye, _) = sent(&mut endpoint);
        let (flow, bye) = request(&bye[0]);
        assert_eq!((flow, &bye.method), (there, &Method::Bye));
        assert!(via(bye).contains(&format!("SIP/2.0/UDP {own};")), "{own}");
    }
}

#[test]
fn what_goes_out_goes_by_the_address_that_is_named_or_the_first_of_the_family() {
    for (wanted, peer, local, own) in [
        (None, "203.0.113.5:5060", 0, INSIDE),
        (Some(Local(1)), "203.0.113.5:5060", 1, OUTSIDE),
        (None, "[2001:db8::5]:5060", 2, SIX),
        (Some(Local(1)), "[2001:db8::5]:5060", 2, SIX),
        (Some(Local(7)), "203.0.113.5:5060", 0, INSIDE),
    ] {
        let mut endpoint = endpoint(&[INSIDE, OUTSIDE, SIX]);
        let mut invite = call(at(peer));
        invite.local = wanted;
        endpoint.invite(Time::default(), invite).expect("sent");
        let target = Uri::parse(&format!("sip:{peer}")).expect("a URI");
        endpoint
            .ping(Time::default(), target, None, None, wanted)
            .expect("sent");
        for message in sent(&mut endpoint).0 {
            let (flow, request) = request(&message);
            let (is, peer) = (Local(local), at(peer));
            assert_eq!(flow, Flow::Udp { local: is, peer });
            assert!(
                via(request).contains(&format!(" {own};")),
                "{}",
                via(request)
            );
            let contact = request.contact_uri().expect("a Contact");
            assert_eq!(contact.address(), Some(at(own)));
        }
    }
}

#[test]
fn nothing_goes_to_a_family_that_is_not_spoken() {
    for (own, peer) in [(INSIDE, "[2001:db8::5]:5060"), (SIX, "203.0.113.5:5060")] {
        let mut endpoint = endpoint(&[own]);
        let refused = endpoint.invite(Time::default(), call(at(peer)));
        assert_eq!(refused, Err(SessionError::NoLocal), "{own}");
        let target = Uri::parse(&format!("sip:{peer}")).expect("a URI");
        let asked = endpoint.ping(Time::default(), target, None, None, None);
        assert_eq!(asked, Err(SessionError::NoLocal), "{own}");
        assert_eq!(endpoint.entries(), 0, "nothing is left of it");
    }
}

/// A dialog that leads on to a host of the other family leaves by an address of that family.
#[test]
fn a_contact_of_another_family_is_reached_by_that_family() {
    let mut endpoint = endpoint(&[INSIDE, SIX]);
    let text = String::from_utf8(invite("192.0.2.9:5060")).expect("text");
    let text = text.replace(
        "Contact: <sip:a@192.0.2.9:5060>",
        "Contact: <sip:a@[2001:db8::7]>",
    );
    let input = Input::Datagram {
        local: Local::FIRST,
        peer: at("192.0.2.9:5060"),
        bytes: text.as_bytes(),
    };
    endpoint.handle(Time::default(), input);
    let (_, events) = sent(&mut endpoint);
    let Some(Event::Incoming { session, .. }) = events.into_iter().next() else {
        panic!("no call");
    };
    endpoint
        .answer(Time::default(), session, sdp("answer"))
        .expect("answered");
    // No ACK comes, so the session ends with BYE.
    let _ = sent(&mut endpoint);
    endpoint.handle(Time(Duration::from_secs(60)), Input::TimePassed);
    let bye = sent(&mut endpoint)
        .0
        .into_iter()
        .find(|(_, message)| matches!(message, Message::Request(_)));
    let (flow, bye) = request(bye.as_ref().expect("a BYE"));
    assert_eq!(flow.local(), Local(1));
    assert!(via(bye).contains(SIX));
}

/// Two carriers may speak from one address and port in two networks: a connection of one is not the other's.
#[test]
fn a_connection_is_used_again_only_from_the_address_it_was_opened_from() {
    let mut endpoint = endpoint(&[INSIDE, OUTSIDE]);
    let peer = at("203.0.113.5:5060");
    let mut opened = Vec::new();
    for local in [0, 1, 0] {
        let mut invite = call(peer);
        (invite.transport, invite.local) = (Some(TransportKind::Tcp), Some(Local(local)));
        endpoint.invite(Time::default(), invite).expect("sent");
        while let Some(output) = endpoint.poll_output() {
            if let Output::Connect { local, peer, .. } = output {
                opened.push((local, peer));
            }
        }
    }
    assert_eq!(opened, [(Local(0), peer), (Local(1), peer)]);
}
