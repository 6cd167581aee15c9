//! Every extension, any verbs in any order in any weather: when the weather is fair again, whatever is still up can be changed, every
//! change that was asked for has come to an end once, and nothing is left behind.

mod sip_net;

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use sip_net::{
    CALM, Net, Weather,
    acts::{Act, act},
    address, call, sdp,
};
use wire::sip::{
    endpoint::{Event, Invite, SessionId, TransportKind},
    header::NameAddr,
    message::{Headers, StatusCode},
};

/// What there has been so far.
#[derive(Default)]
struct Book {
    known: Vec<Vec<SessionId>>,
    /// Changes that were asked for and have not come to an end, by node and session.
    asked: BTreeMap<(usize, SessionId), u32>,
}

impl Book {
    fn new() -> Self {
        Self {
            known: vec![Vec::new(); 2],
            ..Self::default()
        }
    }

    /// Takes what the endpoints tell.
    fn read(&mut self, net: &mut Net) {
        for node in 0..2 {
            while let Some(event) = net.nodes[node].events.pop_front() {
                match event {
                    Event::Incoming { session, .. } => self.known[node].push(session),
                    Event::Changed { session, .. } | Event::ChangeOvertaken { session } => {
                        let asked = self.asked.get_mut(&(node, session));
                        // A refresh of the endpoint's own is told of to nobody.
                        let asked = asked.filter(|asked| **asked > 0);
                        *asked.expect("a change that nobody asked for has ended") -= 1;
                    }
                    Event::Ended { session, .. } | Event::Rejected { session, .. } => {
                        self.asked.remove(&(node, session));
                    }
                    _ => {}
                }
            }
        }
    }

    fn change(&mut self, net: &mut Net, node: usize, session: SessionId, offer: bool) -> bool {
        let body = sdp("change").filter(|_| offer);
        let asked = net.at(node, |ep, now| ep.change(now, session, body).is_ok());
        *self.asked.entry((node, session)).or_default() += u32::from(asked);
        asked
    }

    fn play(&mut self, net: &mut Net, act: Act) {
        self.read(net);
        let Act { node, detail, .. } = act;
        let odd = detail & 1 == 1;
        if act.verb < 2 {
            let body = sdp("offer").filter(|_| detail & 6 != 0);
            let kind = if odd {
                TransportKind::Udp
            } else {
                TransportKind::Tcp
            };
            let invite = Invite {
                transport: Some(kind),
                body,
                ..call(address(1 - node))
            };
            let session = net.at(node, |ep, now| ep.invite(now, invite));
            self.known[node].push(session.expect("there is room"));
        }
        let session = self.known[node].iter().rev().nth(act.session).copied();
        let Some(session) = session else { return };
        if matches!(act.verb, 5..=8) {
            self.change(net, node, session, odd);
        } else {
            net.at(node, |ep, now| {
                let _ = match act.verb {
                    2 => ep.answer(now, session, sdp("answer")),
                    3 | 4 => {
                        let body = sdp("early").filter(|_| odd);
                        ep.progress(now, session, StatusCode::SESSION_PROGRESS, body)
                    }
                    9..=11 => ep.accept_change(now, session, sdp("changed")),
                    12 => ep.reject_change(now, session, StatusCode::NOT_ACCEPTABLE_HERE),
                    13 | 14 => ep.ack(now, session, sdp("answer")),
                    15 => ep.branch_off(session),
                    16 => {
                        let to = NameAddr::parse("<sip:nurse@192.0.2.9>").expect("an address");
                        ep.refer(now, session, &to, &Headers::new())
                    }
                    17 => ep.accept_refer(now, session),
                    18 => {
                        let status = [StatusCode::RINGING, StatusCode::OK];
                        ep.report_refer(now, session, status[usize::from(odd)])
                    }
                    19 if detail & 7 == 0 => ep.end(now, session, None),
                    _ => Ok(()),
                };
            });
            if act.verb == 20 || act.verb == 19 && detail & 7 == 1 {
                net.break_streams();
            }
        }
        net.run(Duration::from_millis(act.wait_millis));
    }

    /// Fair weather, and everybody answers what is asked.
    fn settle(&mut self, net: &mut Net, rounds: u32) {
        net.weather = CALM;
        for _ in 0..rounds {
            for node in 0..2 {
                self.read(net);
                for session in self.known[node].clone() {
                    net.at(node, |ep, now| {
                        if ep.is_to_be_answered(session) {
                            let _ = ep.answer(now, session, sdp("answer"));
                        }
                        let _ = ep.accept_change(now, session, sdp("changed"));
                        let _ = ep.ack(now, session, sdp("answer"));
                        let _ = ep.reject_refer(now, session, StatusCode::FORBIDDEN);
                    });
                }
            }
            net.secs(3);
        }
        self.read(net);
    }

    fn live(&self, net: &mut Net, node: usize) -> Vec<SessionId> {
        let known = self.known[node].iter().copied();
        known
            .filter(|it| net.ep(node).call_id(*it).is_some())
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_up_can_be_changed_when_the_weather_is_fair_again(
        acts in prop::collection::vec(act(0..21, 0..3, prop_oneof![Just(0), 0..40_u64, 0..700_u64, 0..5_000_u64, 0..40_000_u64]), 1..90),
        seed in any::<u64>(),
        loss in prop_oneof![Just(0), 0..30_u64],
        duplication in 0..30_u64,
        delay in 1..900_u64,
        chunk in prop_oneof![Just(0), 1..200_usize],
    ) {
        let weather = Weather {
            loss,
            duplication,
            delay_min: Duration::from_millis(1),
            delay_max: Duration::from_millis(delay),
        };
        let mut net = Net::featured(2).seeded(seed, weather);
        (net.chunk, net.pace) = (chunk, Duration::from_millis(1));
        let mut book = Book::new();
        for act in acts {
            book.play(&mut net, act);
        }
        book.settle(&mut net, 80);
        for node in 0..2 {
            for session in book.live(&mut net, node) {
                assert_eq!(book.asked.get(&(node, session)).copied().unwrap_or_default(), 0, "{session:?} of {node}: a change has no end");
            }
        }
        for node in 0..2 {
            for session in book.live(&mut net, node) {
                if net.ep(node).call_id(session).is_none() {
                    // Its other side is gone, which was noticed meanwhile.
                    continue;
                }
                let asked = book.change(&mut net, node, session, true);
                assert!(asked, "{session:?} of {node} can't be changed");
                book.settle(&mut net, 40);
                let left = book.asked.get(&(node, session)).copied().unwrap_or_default();
                assert_eq!(left, 0, "{session:?} of {node}: the last change has no end");
            }
        }
        for node in 0..2 {
            for session in book.live(&mut net, node) {
                let _ = net.at(node, |ep, now| ep.end(now, session, None));
            }
        }
        net.secs(200);
        for node in 0..2 {
            net.nodes[node].events.clear();
        }
        net.assert_clean();
    }
}
