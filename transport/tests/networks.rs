//! A driver that listens in several networks: each address is an end of its own.

mod pair;

use std::{net::SocketAddr, path::Path};

use pair::{body, invite_to, next};
use transport::{Listen, SipDriver, TlsListen, mutual};
use wire::sip::{
    endpoint::{Config, Ending, Event, Invite, Local, TransportKind},
    message::{Headers, StatusCode},
};

/// A driver in three networks, with TLS in two of them.
fn driver_in_networks(folder: &Path) -> SipDriver {
    let files = mutual::generate(folder, &["127.0.0.1", "::1"]).expect("certificates");
    let at = |text: &str| text.parse().expect("an address");
    let listen = Listen {
        sip: vec![at("127.0.0.1:0"), at("127.0.0.2:0"), at("[::1]:0")],
        tls: Some(TlsListen {
            addresses: vec![at("[::1]:0"), at("127.0.0.3:0")],
            config: files.server().expect("TLS"),
            names: Vec::new(),
        }),
        ..Listen::default()
    };
    SipDriver::listen(listen, Config::default_for(at("0.0.0.0:0"), [0; 32])).expect("free ports")
}

/// Whatever address a call comes in by, it is answered there and ended from there; what is called leaves by the system's route.
#[tokio::test]
async fn each_address_is_an_end_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut here = driver_in_networks(folder.path());
    let addresses: Vec<SocketAddr> = here.locals().iter().map(|local| local.socket()).collect();
    let tls: Vec<bool> = here
        .locals()
        .iter()
        .map(|local| local.tls_port.is_some())
        .collect();
    assert_eq!(tls, [false, false, true, true], "TLS alone has its own");
    for transport in [TransportKind::Udp, TransportKind::Tcp] {
        for (place, to) in addresses.iter().take(3).enumerate() {
            let four = SocketAddr::from(([127, 0, 0, 9], 0));
            let own = if to.is_ipv4() {
                four
            } else {
                SocketAddr::new(to.ip(), 0)
            };
            let mut peer = SipDriver::bind(own, Config::default_for(own, [0; 32])).expect("a port");
            comes_in(&mut here, &mut peer, (place, *to), transport).await;
            // What goes to 127.0.0.9 goes from 127.0.0.1, whatever it came to.
            let wanted = if to.is_ipv4() { 0 } else { 2 };
            goes_out(&mut here, &mut peer, (wanted, addresses[wanted]), transport).await;
        }
    }
}

async fn comes_in(
    here: &mut SipDriver,
    peer: &mut SipDriver,
    (place, to): (usize, SocketAddr),
    transport: TransportKind,
) {
    let now = peer.now();
    let call = Invite {
        transport: Some(transport),
        ..invite_to(to)
    };
    peer.endpoint().invite(now, call).expect("a call");
    let Event::Incoming { session, flow, .. } = next(here, peer).await else {
        panic!("a call");
    };
    assert_eq!(flow.local().place(), place);
    let now = here.now();
    here.endpoint()
        .answer(now, session, Some(body(10)))
        .expect("answers");
    let Event::Answered { response, .. } = next(peer, here).await else {
        panic!("an answer");
    };
    let contact = response.contact_uri().expect("a Contact");
    assert_eq!(contact.address(), Some(to));
    next(here, peer).await;
    let now = here.now();
    here.endpoint().end(now, session, None).expect("ends");
    let ended = next(peer, here).await;
    let bye = matches!(
        ended,
        Event::Ended {
            why: Ending::Bye,
            ..
        }
    );
    assert!(bye, "{ended:?}");
    next(here, peer).await;
}

async fn goes_out(
    here: &mut SipDriver,
    peer: &mut SipDriver,
    (place, own): (usize, SocketAddr),
    transport: TransportKind,
) {
    let at = peer.local_addr();
    let local = here.local_to(at.ip(), transport);
    assert_eq!(local.map(Local::place), Some(place));
    let now = here.now();
    let call = Invite {
        transport: Some(transport),
        local,
        ..invite_to(at)
    };
    here.endpoint().invite(now, call).expect("a call");
    let incoming = next(peer, here).await;
    let Event::Incoming {
        session,
        request,
        flow,
        ..
    } = incoming
    else {
        panic!("{incoming:?}");
    };
    assert_eq!(flow.peer().ip(), own.ip());
    let contact = request.contact_uri().expect("a Contact");
    assert_eq!(contact.address(), Some(own));
    let now = peer.now();
    peer.endpoint()
        .reject(now, session, StatusCode::BUSY_HERE, &Headers::new())
        .expect("refuses");
    let refused = next(here, peer).await;
    assert!(matches!(refused, Event::Rejected { .. }), "{refused:?}");
}
