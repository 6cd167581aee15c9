//! Connections that break at any byte of any message of a call: whoever called hears what became of it, a call that is up stays up and can
//! be changed by either side, and nothing is left behind.

mod sip_net;

use std::time::Duration;

use sip_net::{Net, address, call, featured, sdp};
use wire::sip::{
    endpoint::{Ending, Endpoint, Event, Invite, SessionId, TransportKind},
    message::StatusCode,
};

/// How often everybody looks at what has come.
const STEP: u64 = 20;

/// What breaks besides the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// Nothing: a middlebox was started again.
    Connections,
    /// Who is called was started again and knows of nothing.
    Restarts,
    /// Who is called is gone for good.
    Gone,
}

/// What the caller has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Answered,
    Rejected(u16),
    Ended(Ending),
}

struct Play {
    net: Net,
    caller: SessionId,
    callee: Option<SessionId>,
    /// By the caller, and when.
    heard: Vec<(Heard, Duration)>,
    /// Changes that came to an end at each side.
    changed: [u32; 2],
    asked: [u32; 2],
}

impl Play {
    fn new() -> Self {
        let mut net = Net::featured(2);
        (net.chunk, net.pace) = (60, Duration::from_millis(1));
        let invite = Invite {
            transport: Some(TransportKind::Tcp),
            ..call(address(1))
        };
        let caller = net.at(0, |ep, now| ep.invite(now, invite).expect("invited"));
        Self {
            net,
            caller,
            callee: None,
            heard: Vec::new(),
            changed: [0; 2],
            asked: [0; 2],
        }
    }

    fn reads(&mut self) {
        let now = self.net.now.0;
        while let Some(event) = self.net.nodes[0].events.pop_front() {
            match event {
                Event::Answered { .. } => self.heard.push((Heard::Answered, now)),
                Event::Rejected { status, .. } => {
                    self.heard.push((Heard::Rejected(status.code()), now));
                }
                Event::Ended { why, .. } => self.heard.push((Heard::Ended(why), now)),
                Event::Changed { .. } | Event::ChangeOvertaken { .. } => self.changed[0] += 1,
                Event::ChangeRequested { session, .. } => self.accepts(0, session),
                _ => {}
            }
        }
        while let Some(event) = self.net.nodes[1].events.pop_front() {
            match event {
                Event::Incoming { session, .. } => self.callee = Some(session),
                Event::Ended { session, .. } if self.callee == Some(session) => self.callee = None,
                Event::Changed { .. } | Event::ChangeOvertaken { .. } => self.changed[1] += 1,
                Event::ChangeRequested { session, .. } => self.accepts(1, session),
                _ => {}
            }
        }
    }

    fn accepts(&mut self, node: usize, session: SessionId) {
        let taken = self.net.at(node, |ep, now| {
            ep.accept_change(now, session, sdp("changed"))
        });
        // It may have been withdrawn meanwhile.
        let _ = taken;
    }

    fn changes(&mut self, node: usize) {
        let session = if node == 0 {
            Some(self.caller)
        } else {
            self.callee
        };
        let Some(session) = session else { return };
        let asked = self.net.at(node, |ep, now| {
            ep.change(now, session, sdp("change")).is_ok()
        });
        self.asked[node] += u32::from(asked);
    }

    /// What happens in each second. Who is called rings at once and answers in the fourth.
    fn acts(&mut self, second: u64) {
        match second {
            1 | 2 => {
                let body = (second == 1).then(|| sdp("early")).flatten();
                if let Some(callee) = self.callee {
                    let _ = self.net.at(1, |ep, now| {
                        ep.progress(now, callee, StatusCode::SESSION_PROGRESS, body)
                    });
                }
            }
            // One that was started again is called later.
            3.. if self
                .callee
                .is_some_and(|it| self.net.ep(1).is_to_be_answered(it)) =>
            {
                let callee = self.callee.expect("somebody called");
                let _ = self
                    .net
                    .at(1, |ep, now| ep.answer(now, callee, sdp("answer")));
            }
            5 => self.changes(0),
            7 => self.changes(1),
            _ => {}
        }
    }

    fn runs(&mut self, from: u64, until: u64) {
        let mut milli = from;
        while milli < until {
            if milli.is_multiple_of(1000) && self.net.nodes[1].endpoint.is_some() {
                self.acts(milli / 1000);
            }
            let next = (milli / STEP + 1) * STEP;
            self.net.millis(next.min(until) - milli);
            self.reads();
            milli = next;
        }
    }

    fn breaks(&mut self, what: Break) {
        self.net.break_streams();
        match what {
            Break::Connections => {}
            Break::Restarts => {
                self.net.nodes[1].endpoint = Some(Endpoint::new(featured(1)));
                self.callee = None;
            }
            Break::Gone => {
                self.net.nodes[1].endpoint = None;
                self.callee = None;
            }
        }
    }

    fn is_up(&mut self, node: usize) -> bool {
        let session = if node == 0 {
            Some(self.caller)
        } else {
            self.callee
        };
        session.is_some_and(|it| self.net.ep(node).call_id(it).is_some())
    }
}

fn played(cut: u64, what: Break) {
    let at = format!("{what:?} at {cut} ms");
    let mut play = Play::new();
    play.runs(0, cut);
    let answered_before = !play.heard.is_empty();
    play.breaks(what);
    play.runs(cut, 60_000);
    let first = play.heard.first().copied();
    let Some((heard, when)) = first else {
        panic!("{at}: the caller hears nothing");
    };
    assert!(
        play.heard
            .iter()
            .skip(1)
            .all(|(it, _)| matches!(it, Heard::Ended(_))),
        "{at}: {:?}",
        play.heard
    );
    if what == Break::Gone && !answered_before {
        assert!(when <= Duration::from_millis(cut + 1000), "{at}: {when:?}");
    }
    if what == Break::Connections {
        let up = [0, 1].map(|node| play.is_up(node));
        assert_eq!(up, [heard == Heard::Answered; 2], "{at}: {:?}", play.heard);
        assert_eq!(play.changed, play.asked, "{at}: changes");
        if up[0] {
            for node in [0, 1] {
                play.changes(node);
                play.runs(60_001, 61_000);
            }
            assert_eq!(play.changed, play.asked, "{at}: changes");
            assert!(
                play.asked.iter().all(|asked| *asked > 0),
                "{at}: {:?}",
                play.asked
            );
        }
    }
    for node in [0, 1] {
        if play.net.nodes[node].endpoint.is_some() && play.is_up(node) {
            let session = if node == 0 {
                Some(play.caller)
            } else {
                play.callee
            };
            let session = session.expect("it is up");
            let _ = play.net.at(node, |ep, now| ep.end(now, session, None));
        }
    }
    play.net.secs(200);
    for node in 0..2 {
        play.net.nodes[node].events.clear();
        if let Some(endpoint) = &play.net.nodes[node].endpoint {
            assert_eq!(endpoint.sessions(), 0, "{at}: sessions of {node}");
        }
    }
}

/// Each third of a millisecond of every message, and of the quiet between them.
fn each(what: Break) {
    for second in 0..9 {
        for milli in (1..300).step_by(3).chain([700]) {
            played(second * 1000 + milli, what);
        }
    }
}

#[test]
fn a_connection_that_breaks_at_any_byte_ends_no_call_that_was_heard_of() {
    each(Break::Connections);
}

#[test]
fn whoever_was_called_and_is_gone_is_known_to_be_at_once() {
    each(Break::Gone);
}

#[test]
fn whoever_was_called_and_was_started_again_leaves_nobody_waiting() {
    each(Break::Restarts);
}

/// Else whoever doesn't hear that it is over talks to nobody until he looks.
#[test]
fn a_bye_whose_connection_breaks_is_heard_all_the_same() {
    for node in [0, 1] {
        for milli in 0..60 {
            let mut play = Play::new();
            play.runs(0, 9000);
            let session = [Some(play.caller), play.callee][node].expect("it is up");
            let ended = play.net.at(node, |ep, now| ep.end(now, session, None));
            ended.expect("it is up");
            play.runs(9000, 9000 + milli);
            play.net.break_streams();
            play.runs(9000 + milli, 50_000);
            let up = [0, 1].map(|node| play.is_up(node));
            assert_eq!(up, [false; 2], "by {node}, broken after {milli} ms");
        }
    }
}
