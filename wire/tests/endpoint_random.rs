//! Any verbs in any order in any weather: nothing panics, each session ends once, and nothing is left behind.

mod sip_net;

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;
use sip_net::{
    Net, Weather,
    acts::{Act, act},
    address, call, raw, sdp,
};
use wire::sip::{
    endpoint::{Endpoint, Invite, SessionError, SessionId, TransportKind},
    message::{Headers, Method, StatusCode},
    uri::Uri,
};
use wire::time::Time;

/// Every session there has been, by node; and those that ended by `reject` or `redirect`, which no event tells.
#[derive(Default)]
struct Book {
    known: BTreeSet<(usize, SessionId)>,
    refused: BTreeSet<(usize, SessionId)>,
}

impl Book {
    fn sessions_of(&mut self, net: &Net, node: usize) -> Vec<SessionId> {
        self.known.extend(
            net.nodes[node]
                .sessions
                .iter()
                .map(|session| (node, *session)),
        );
        self.known
            .iter()
            .filter(|(at, _)| *at == node)
            .map(|(_, session)| *session)
            .collect()
    }

    fn play(&mut self, net: &mut Net, act: Act) {
        let sessions = self.sessions_of(net, act.node);
        let session = sessions
            .iter()
            .rev()
            .nth(act.session)
            .copied()
            .unwrap_or(SessionId(u64::MAX));
        match act.verb {
            0 | 1 => self.invite(net, act),
            2 | 3 => {
                let refuse = act.verb == 3 && act.detail.is_multiple_of(2);
                let refused = net.at(act.node, |ep, now| {
                    if refuse {
                        ep.reject(now, session, StatusCode::BUSY_HERE, &Headers::new())
                            .is_ok()
                    } else if act.verb == 3 {
                        ep.redirect(now, session, vec![Uri::sip(None, address(4))])
                            .is_ok()
                    } else {
                        let _ = ep.answer(now, session, sdp("answer"));
                        false
                    }
                });
                if refused {
                    self.refused.insert((act.node, session));
                }
            }
            12 if act.detail.is_multiple_of(4) => net.break_streams(),
            12 | 13 => strangers(net, act),
            _ => {
                let _ = net.at(act.node, |ep, now| say(ep, now, session, act));
            }
        }
        net.run(Duration::from_millis(act.wait_millis));
    }

    fn invite(&mut self, net: &mut Net, act: Act) {
        let transport = if act.detail & 1 == 0 {
            TransportKind::Udp
        } else {
            TransportKind::Tcp
        };
        let body = if act.detail & 6 == 0 {
            None
        } else {
            sdp("offer")
        };
        // One in eight goes where nobody is.
        let to = if act.detail & 0x38 == 0 {
            6
        } else {
            1 - act.node
        };
        let invite = Invite {
            transport: Some(transport),
            body,
            ..call(address(to))
        };
        let session = net
            .at(act.node, |ep, now| ep.invite(now, invite))
            .expect("there is room");
        self.known.insert((act.node, session));
    }

    /// Ends what lives, as often as it takes, and counts.
    fn close(&mut self, net: &mut Net) {
        for _ in 0..20 {
            for node in 0..2 {
                for session in self.sessions_of(net, node) {
                    let _ = net.at(node, |ep, now| ep.end(now, session, None));
                }
            }
            net.secs(70);
        }
        for node in 0..2 {
            self.sessions_of(net, node);
            net.nodes[node].events.clear();
        }
        for (node, session) in &self.known {
            let told = net.nodes[*node]
                .endings
                .get(session)
                .copied()
                .unwrap_or_default();
            let silent = u32::from(self.refused.contains(&(*node, *session)));
            assert_eq!(
                told + silent,
                1,
                "endings of session {session:?} of node {node}"
            );
        }
    }
}

fn say(ep: &mut Endpoint, now: Time, session: SessionId, act: Act) -> Result<(), SessionError> {
    match act.verb {
        4 => ep.progress(now, session, StatusCode::RINGING, None),
        5 | 6 => ep.change(
            now,
            session,
            if act.detail & 1 == 0 {
                None
            } else {
                sdp("change")
            },
        ),
        7 | 8 => ep.accept_change(now, session, sdp("changed")),
        9 => ep.reject_change(now, session, StatusCode::NOT_ACCEPTABLE_HERE),
        10 => ep.ack(now, session, sdp("answer")),
        _ => ep.end(now, session, Some("SIP;cause=200")),
    }
}

/// Requests of a stranger, some of them odd.
fn strangers(net: &mut Net, act: Act) {
    let methods = [
        Method::Invite,
        Method::Bye,
        Method::Ack,
        Method::Cancel,
        Method::Options,
        Method::Update,
        Method::Info,
    ];
    let method = &methods[usize::from(act.detail) % methods.len()];
    let branch = format!("z9hG4bK{}", act.session);
    let text = raw(method, 2, &branch, ("t", ""), u32::from(act.detail & 3), "");
    let end = if act.detail & 0x80 == 0 {
        text.len()
    } else {
        usize::from(act.detail) % text.len()
    };
    net.send_raw(2, act.node, &text[..end]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn sessions_end_once_and_leave_nothing(
        acts in prop::collection::vec(act(0..14, 0..6, prop_oneof![Just(0), 0..200_u64, 0..5_000_u64, 0..40_000_u64]), 1..60),
        seed in any::<u64>(),
        loss in prop_oneof![Just(0), 0..30_u64, 0..100_u64],
        duplication in 0..30_u64,
        delay in 1..900_u64,
        chunk in prop_oneof![Just(0), 1..50_usize],
    ) {
        let weather = Weather {
            loss,
            duplication,
            delay_min: Duration::from_millis(1),
            delay_max: Duration::from_millis(delay),
        };
        let mut net = Net::new(2).seeded(seed, weather);
        net.add(None);
        net.chunk = chunk;
        let mut book = Book::default();
        for act in acts {
            book.play(&mut net, act);
        }
        book.close(&mut net);
        net.nodes.truncate(2);
        net.assert_clean();
    }

    #[test]
    fn no_bytes_break_it(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        text in "(INVITE|ACK|SIP/2.0 200) [ -~\r\n]{0,300}\r\n\r\n",
    ) {
        let mut net = Net::new(1);
        let connection = wire::sip::endpoint::ConnectionId(2);
        net.at(0, |ep, now| {
            ep.handle(now, wire::sip::endpoint::Input::Connected { connection, local: wire::sip::endpoint::Local::FIRST, peer: address(3), kind: TransportKind::Tcp });
            for bytes in pieces.iter().map(Vec::as_slice).chain([text.as_bytes()]) {
                ep.handle(now, wire::sip::endpoint::Input::Datagram { local: wire::sip::endpoint::Local::FIRST, peer: address(3), bytes });
                ep.handle(now, wire::sip::endpoint::Input::Stream { connection, bytes });
            }
        });
        net.assert_clean();
    }
}
