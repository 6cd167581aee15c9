//! Lost, doubled and late messages, and peers that fall silent.

mod sip_net;

use std::time::Duration;

use sip_net::{CALM, Net, Weather, address, call, sdp};
use wire::sip::{
    endpoint::{Ending, Input, Local, Timer, TransportKind},
    message::StatusCode,
};

/// Loses the first `count` datagrams that begin so.
fn lose(net: &mut Net, start: &'static str, mut count: u32) {
    net.drop_if = Some(Box::new(move |text| {
        let hit = count > 0 && text.starts_with(start);
        count -= u32::from(hit);
        hit
    }));
}

#[test]
fn a_lost_invite_is_sent_again() {
    let mut net = Net::new(2);
    lose(&mut net, "INVITE", 2);
    net.call_up(TransportKind::Udp);
    assert_eq!(net.sent(0, "INVITE"), 3);
}

#[test]
fn a_lost_200_is_sent_again_until_its_ack() {
    let mut net = Net::new(2);
    lose(&mut net, "SIP/2.0 200", 2);
    net.call_up(TransportKind::Udp);
    assert_eq!((net.sent(1, "200"), net.sent(0, "ACK")), (3, 1));
}

#[test]
fn a_lost_ack_is_sent_again_for_the_repeated_200() {
    let mut net = Net::new(2);
    lose(&mut net, "ACK", 1);
    let (caller, _) = net.call_up(TransportKind::Udp);
    assert_eq!((net.sent(1, "200"), net.sent(0, "ACK")), (2, 2));
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    net.assert_clean();
}

#[test]
fn a_lost_failure_is_sent_again_until_its_ack() {
    let mut net = Net::new(2);
    lose(&mut net, "ACK", 1);
    net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.secs(1);
    let (callee, _) = net.incoming(1);
    net.at(1, |ep, now| {
        ep.reject(now, callee, StatusCode::BUSY_HERE, &Default::default())
            .expect("refused")
    });
    net.secs(3);
    assert_eq!(net.rejected(0), (486, true));
    assert_eq!((net.sent(1, "486"), net.sent(0, "ACK")), (2, 2));
    net.assert_clean();
}

#[test]
fn no_ack_at_all_ends_the_session_with_a_bye() {
    let mut net = Net::new(2);
    lose(&mut net, "ACK", u32::MAX);
    net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.millis(100);
    let (callee, _) = net.incoming(1);
    net.at(1, |ep, now| {
        ep.answer(now, callee, sdp("answer")).expect("answered")
    });
    net.secs(31);
    net.answered(0);
    // 0, 0.5, 1.5, 3.5, 7.5, 11.5, ... 31.5 s: T1 doubling up to T2.
    assert_eq!(net.sent(1, "200"), 10);
    net.secs(2);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Bye, Ending::NoAck));
    net.assert_clean();
}

#[test]
fn nobody_there_is_408_after_64_t1() {
    let mut net = Net::new(1);
    net.at(0, |ep, now| {
        ep.invite(now, call(address(7))).expect("invited")
    });
    assert_eq!(net.ep(0).wake().map(|wake| wake.why), Some(Timer::A));
    net.millis(31_900);
    assert!(net.event(0).is_none());
    net.millis(200);
    assert_eq!(net.rejected(0), (408, false));
    assert_eq!(
        net.sent(0, "INVITE"),
        7,
        "0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s"
    );
    net.assert_clean();
}

#[test]
fn an_unreachable_peer_is_503_at_once() {
    let mut net = Net::new(1);
    net.at(0, |ep, now| {
        ep.invite(now, call(address(7))).expect("invited")
    });
    net.at(0, |ep, now| {
        ep.handle(
            now,
            Input::Unreachable {
                local: Local::FIRST,
                peer: address(6),
            },
        )
    });
    assert!(net.event(0).is_none(), "that was another peer");
    net.at(0, |ep, now| {
        ep.handle(
            now,
            Input::Unreachable {
                local: Local::FIRST,
                peer: address(7),
            },
        )
    });
    assert_eq!(net.rejected(0), (503, false));
    net.assert_clean();
}

#[test]
fn ringing_for_ever_is_ended_by_timer_c() {
    let mut net = Net::new(2);
    net.at(0, |ep, now| {
        ep.invite(now, call(address(1))).expect("invited")
    });
    net.secs(1);
    let (callee, _) = net.incoming(1);
    net.at(1, |ep, now| {
        ep.progress(now, callee, StatusCode::RINGING, None)
            .expect("rings")
    });
    net.secs(1);
    net.progressed(0);
    net.secs(177);
    assert!(net.event(0).is_none());
    net.secs(3);
    assert_eq!(net.rejected(0), (408, false));
    assert_eq!(net.ended(1), Ending::Cancelled);
    net.assert_clean();
}

#[test]
fn a_bye_nobody_answers_ends_all_the_same() {
    let mut net = Net::new(2);
    let (caller, callee) = net.call_up(TransportKind::Udp);
    net.drop_if = Some(Box::new(|text| text.starts_with("BYE")));
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(33);
    assert_eq!(net.ended(0), Ending::Ours);
    assert_eq!(net.sent(0, "BYE"), 11, "T1 doubling to T2 for 32 seconds");
    net.drop_if = None;
    // The other side finds out when it speaks: 481.
    net.at(1, |ep, now| {
        ep.change(now, callee, sdp("hold")).expect("asked")
    });
    net.secs(1);
    assert_eq!(net.ended(1), Ending::Lost);
    net.assert_clean();
}

#[test]
fn everything_twice_is_as_if_once() {
    let mut net = Net::new(2).seeded(
        1,
        Weather {
            duplication: 100,
            ..CALM
        },
    );
    let (caller, _) = net.call_up(TransportKind::Udp);
    net.at(0, |ep, now| {
        ep.change(now, caller, sdp("hold")).expect("asked")
    });
    net.secs(1);
    net.change_requested(1);
    let callee = *net.nodes[1].sessions.first().expect("a session");
    net.at(1, |ep, now| {
        ep.accept_change(now, callee, sdp("held"))
            .expect("accepted")
    });
    net.secs(1);
    assert!(net.changed(0).is_ok());
    net.change_confirmed(1);
    net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
    net.secs(1);
    assert_eq!((net.ended(0), net.ended(1)), (Ending::Ours, Ending::Bye));
    assert!(net.ep(1).counters().repeated >= 4);
    net.assert_clean();
}

#[test]
fn calls_come_through_a_third_of_loss_and_reordering() {
    for seed in 0..60 {
        let weather = Weather {
            loss: 30,
            duplication: 10,
            delay_min: Duration::from_millis(1),
            delay_max: Duration::from_millis(400),
        };
        let mut net = Net::new(2).seeded(seed, weather);
        let caller = net.at(0, |ep, now| {
            ep.invite(now, call(address(1))).expect("invited")
        });
        net.secs(33);
        if net.nodes[1].sessions.is_empty() {
            assert_eq!(net.rejected(0), (408, false), "seed {seed}");
            continue;
        }
        let (callee, _) = net.incoming(1);
        net.at(1, |ep, now| {
            ep.answer(now, callee, sdp("answer")).expect("answered")
        });
        net.secs(33);
        if matches!(
            net.nodes[0].events.front(),
            Some(wire::sip::endpoint::Event::Rejected { .. })
        ) {
            assert_eq!(net.rejected(0), (408, false), "seed {seed}");
        } else {
            net.answered(0);
            net.confirmed(1);
            net.at(0, |ep, now| ep.end(now, caller, None).expect("ended"));
            net.secs(40);
            assert_eq!(
                (net.ended(0), net.ended(1)),
                (Ending::Ours, Ending::Bye),
                "seed {seed}"
            );
        }
        net.nodes.iter_mut().for_each(|node| node.events.clear());
        net.assert_clean();
    }
}
