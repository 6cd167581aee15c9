//! A call as a hostile peer may play it: bytes say what happens next, in the terms of SIP, so that whatever writes the bytes (a property
//! test, a fuzzer that looks where they lead) gets deep into dialogs. Whatever happens: nothing panics, each session ends once, and
//! nothing is left behind.

mod peer;

use std::collections::BTreeSet;

use wire::sip::{
    endpoint::{Endpoint, Event, SessionId, TransportKind},
    header::NameAddr,
    message::{Headers, StatusCode},
    uri::Uri,
};

use self::peer::Peer;
use crate::sip_net::{Net, address, call, sdp};

/// What is read of the bytes at most: longer scripts find nothing that short ones don't, and take longer.
const ACTS_MAX: usize = 60;
/// Node of the raw peer; the endpoint is node 0.
const PEER: usize = 1;
/// Nobody answers there.
const NOBODY: usize = 6;
const STATUSES: [StatusCode; 4] = [
    StatusCode::RINGING,
    StatusCode::SESSION_PROGRESS,
    StatusCode::BUSY_HERE,
    StatusCode::OK,
];
/// Milliseconds: within a round trip, about the timers T1, F and H, and those of sessions.
const WAITS: [u64; 8] = [0, 20, 500, 2_000, 5_000, 33_000, 100_000, 300_000];

/// The bytes, one by one; zeros once they are over.
pub(crate) struct Script<'a>(std::slice::Iter<'a, u8>);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    /// One of these.
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }
}

/// Plays a script against an endpoint with every extension, then ends all that lives.
pub(crate) fn play(bytes: &[u8]) {
    let mut script = Script(bytes.iter());
    let mut net = Net::featured(1);
    assert_eq!(net.add(None), PEER);
    let mut stage = Stage {
        net,
        peer: Peer::default(),
        called: BTreeSet::new(),
        refused: BTreeSet::new(),
    };
    for _ in 0..ACTS_MAX {
        if script.0.as_slice().is_empty() {
            break;
        }
        stage.act(&mut script);
    }
    stage.close();
}

struct Stage {
    net: Net,
    peer: Peer,
    /// Sessions that the endpoint began.
    called: BTreeSet<SessionId>,
    /// Sessions that ended by `reject` or `redirect`, which no event tells.
    refused: BTreeSet<SessionId>,
}

impl Stage {
    fn act(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 => self.send(|peer, script| peer.invite(script), script),
            1 => self.send(|peer, script| peer.request(script), script),
            2 | 3 => self.send(|peer, script| peer.answer(script), script),
            4 => self.send(|peer, script| peer.again(script), script),
            5 | 6 => self.verb(script),
            _ => self.net.millis(script.of(&WAITS)),
        }
        // A round trip, so that most acts know of the one before.
        self.net.millis(20);
        let inbox = std::mem::take(&mut self.net.nodes[PEER].inbox);
        self.peer.hear(inbox);
    }

    fn send(
        &mut self,
        write: impl FnOnce(&mut Peer, &mut Script<'_>) -> Option<String>,
        script: &mut Script<'_>,
    ) {
        if let Some(text) = write(&mut self.peer, script) {
            self.net.send_raw(PEER, 0, &text);
        }
    }

    fn sessions(&self) -> Vec<SessionId> {
        let came = self.net.nodes[0].sessions.iter();
        came.chain(&self.called).copied().collect()
    }

    /// What the application may ask for, in any state.
    fn verb(&mut self, script: &mut Script<'_>) {
        let verb = script.byte() % 18;
        let sessions = self.sessions();
        let newest = usize::from(script.byte() % 4);
        let id = sessions.iter().rev().nth(newest).copied();
        let id = id.unwrap_or(SessionId(u64::MAX));
        let status = script.of(&STATUSES);
        let body = if script.byte() & 1 == 0 {
            sdp("ours")
        } else {
            None
        };
        if verb == 0 {
            return self.invite(script);
        }
        let done = self.net.at(0, |ep, now| match verb {
            1 | 2 => ep.progress(now, id, status, body),
            3 | 4 => ep.answer(now, id, body),
            5 => ep.reject(now, id, status, &Headers::new()),
            6 => ep.redirect(now, id, vec![Uri::sip(None, address(NOBODY))]),
            7 => ep.change(now, id, body),
            8 => ep.accept_change(now, id, body),
            9 => ep.reject_change(now, id, status),
            10 => ep.ack(now, id, body),
            11 => ep.end(now, id, Some("SIP;cause=200")),
            12 => {
                let to = NameAddr::new(Uri::sip(None, address(NOBODY)));
                ep.refer(now, id, &to, &Headers::new())
            }
            13 => ep.accept_refer(now, id),
            14 => ep.reject_refer(now, id, status),
            15 => ep.report_refer(now, id, status),
            16 => ep.branch_off(id),
            _ => ep.ask(now, id),
        });
        if matches!(verb, 5 | 6) && done.is_ok() {
            self.refused.insert(id);
        }
    }

    fn invite(&mut self, script: &mut Script<'_>) {
        let shape = script.byte();
        let to = if shape & 0x70 == 0 { NOBODY } else { PEER };
        let mut invite = call(address(to));
        invite.transport = (shape & 1 == 0).then_some(TransportKind::Udp);
        if shape & 2 == 0 {
            invite.body = None;
        }
        // A table that is full refuses.
        if let Ok(id) = self.net.at(0, |ep, now| ep.invite(now, invite)) {
            self.called.insert(id);
        }
    }

    /// Ends what lives, as often as it takes, and counts.
    fn close(&mut self) {
        for _ in 0..12 {
            for id in self.sessions() {
                let _ = self.net.at(0, |ep, now| ep.end(now, id, None));
            }
            self.net.secs(70);
        }
        for id in self.sessions() {
            let told = self.net.nodes[0].endings.get(&id).copied();
            let silent = u32::from(self.refused.contains(&id));
            assert_eq!(told.unwrap_or_default() + silent, 1, "endings of {id:?}");
        }
        for event in std::mem::take(&mut self.net.nodes[0].events) {
            if let Event::Request { id, .. } = event {
                let refuse = |ep: &mut Endpoint, now| {
                    let status = StatusCode::METHOD_NOT_ALLOWED;
                    ep.respond_to(now, id, status, &Headers::new())
                };
                let _ = self.net.at(0, refuse);
            }
        }
        self.net.secs(70);
        self.net.nodes[0].events.clear();
        self.net.nodes.truncate(1);
        self.net.assert_clean();
    }
}
