//! Where requests inside a session go: route sets, a Contact that changed, a peer behind a NAT.

mod sip_net;

use sip_net::{
    Net, RawSession, address, call, end_raw, raw, raw_session, raw_session_as, reply, request, sdp,
};
use wire::sip::{
    endpoint::{Ending, Invite},
    message::{HeaderName, Method},
    uri::Uri,
};

/// The BYE goes by the proxies that recorded themselves, to the Contact; a strict router gets the Request-URI.
#[test]
fn route_sets_are_followed() {
    for (record, uri, routes) in [
        (
            "Record-Route: <sip:192.0.2.3;lr>, <sip:192.0.2.4;lr>\r\n",
            "sip:raw@192.0.2.2:5060",
            vec!["<sip:192.0.2.3;lr>", "<sip:192.0.2.4;lr>"],
        ),
        (
            "Record-Route: <sip:192.0.2.3>\r\nRecord-Route: <sip:192.0.2.4;lr>\r\n",
            "sip:192.0.2.3",
            vec!["<sip:192.0.2.4;lr>", "<sip:raw@192.0.2.2:5060>"],
        ),
    ] {
        let mut net = Net::new(1);
        let RawSession { session, .. } = raw_session(&mut net, record);
        let proxy = net.add(None);
        let bye = end_raw(&mut net, session, proxy);
        assert_eq!(bye.uri.to_string(), uri);
        assert_eq!(
            bye.headers.list(&HeaderName::Route).collect::<Vec<_>>(),
            routes
        );
        net.assert_clean();
    }
}

/// The caller sees the proxies of the 2xx the other way round (RFC 3261 section 12.1.2).
#[test]
fn the_callers_route_set_is_the_reverse() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let proxy = net.add(None);
    let caller = net.at(0, |ep, now| {
        ep.invite(now, call(address(peer))).expect("invited")
    });
    net.millis(50);
    let invite = request(&mut net, peer);
    let more = format!(
        "Record-Route: <sip:192.0.2.9;lr>\r\nRecord-Route: <sip:192.0.2.3;lr>\r\nContact: <sip:raw@{}>\r\n",
        address(peer)
    );
    net.send_raw(peer, 0, &reply(&invite, 200, "x", &more));
    net.millis(50);
    net.answered(0);
    let ack = request(&mut net, proxy);
    assert_eq!(ack.method, Method::Ack);
    let routes: Vec<_> = ack.headers.list(&HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:192.0.2.3;lr>", "<sip:192.0.2.9;lr>"]);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(40);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

#[test]
fn the_contact_of_a_change_is_where_the_bye_goes() {
    let mut net = Net::new(1);
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
    let moved = net.add(None);
    let update = raw(&Method::Update, peer, "z9hG4bK3", ("t", &tag), 11, "");
    net.send_raw(
        peer,
        0,
        &update.replace("<sip:raw@192.0.2.2:5060>", "<sip:raw@192.0.2.3:5060>"),
    );
    net.millis(50);
    end_raw(&mut net, session, moved);
    net.assert_clean();
}

/// RFC 3581: a phone behind a NAT names an address of its own in Via and Contact; what it is sent goes to where it
/// sent from.
#[test]
fn a_peer_behind_a_nat_is_answered_where_it_is() {
    let mut net = Net::new(1);
    let inner = |text: String| text.replace("192.0.2.2:5060", "10.0.0.9:5062");
    let RawSession {
        peer, session, ok, ..
    } = raw_session_as(&mut net, "", inner);
    let via = ok.via_top().expect("a Via");
    assert_eq!(via.rport(), Some(Some(5060)));
    assert_eq!(via.received(), Some(address(peer).ip()));
    end_raw(&mut net, session, peer);
    net.assert_clean();
}

/// The same phone, called by the way its REGISTER came: its 200 names the same address that nobody reaches.
#[test]
fn a_phone_behind_a_nat_is_acknowledged_where_it_was_called() {
    let mut net = Net::new(1);
    let peer = net.add(None);
    let inner = "10.0.0.9:5066".parse().expect("an address");
    let invite = Invite {
        next_hop: Some(address(peer)),
        body: sdp("offer"),
        ..Invite::anonymous(Uri::sip(Some("nurse"), inner))
    };
    let caller = net.at(0, |ep, now| ep.invite(now, invite).expect("invited"));
    net.millis(50);
    let invite = request(&mut net, peer);
    let contact = format!("Contact: <sip:nurse@{inner}>\r\n");
    net.send_raw(peer, 0, &reply(&invite, 200, "x", &contact));
    net.millis(50);
    net.answered(0);
    assert_eq!(net.nodes[peer].inbox.len(), 1, "its ACK");
    let ack = request(&mut net, peer);
    assert_eq!(
        (ack.method, ack.uri.to_string()),
        (Method::Ack, format!("sip:nurse@{inner}"))
    );
    end_raw(&mut net, caller, peer);
    net.assert_clean();
}
