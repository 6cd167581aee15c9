//! Keeping the connections open that we opened, and noticing those that are dead (RFC 5626 sections 3.5.1 and 4.4.1).
//!
//! A peer that never answered a ping isn't held to it: who knows no RFC 5626 passes over line breaks between messages
//! (RFC 3261 section 7.5). Then only the system tells that a connection is dead.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Endpoint,
    border::{ConnectionId, Output, Timer},
    timers::Owner,
};
use crate::{sip::stream::PING, time::Time};

/// A ping goes when nothing came for this long: RFC 5626 section 4.4.1 asks for 95 to 120 s on a connection.
pub(crate) const PING_AFTER: Duration = Duration::from_secs(100);
/// How long its answer may take (RFC 5626 section 4.4.1).
pub(crate) const PONG_MAX: Duration = Duration::from_secs(10);

/// A connection of ours on which neither side has said anything but pings for this long is closed, as one that came to us is: what
/// comes later opens another.
pub(crate) const UNUSED_MAX: Duration = Duration::from_secs(30 * 60);

/// A connection of ours and its peer's signs of life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    at: Time,
    /// When anything came last.
    heard: Time,
    /// When a message came, or a request went, last.
    used: Time,
    /// A ping is on its way, since then.
    asked: Option<Time>,
    /// The peer has answered one.
    answers: bool,
}

impl Keep {
    pub(crate) const fn due(self) -> Time {
        self.at
    }

    pub(crate) const fn used(self) -> Time {
        self.used
    }
}

impl Endpoint {
    /// A connection that we asked for is open.
    pub(crate) fn keep_alive(&mut self, now: Time, connection: ConnectionId) {
        let at = now + PING_AFTER;
        if let Some(found) = self.net.get_mut(connection) {
            found.keep = Some(Keep {
                at,
                heard: now,
                used: now,
                asked: None,
                answers: false,
            });
            self.timers
                .set(at, Timer::KeepAlive, Owner::Connection(connection));
        }
    }

    /// Bytes came on a connection, and what was whole among them is read.
    pub(crate) fn heard_on(&mut self, now: Time, connection: ConnectionId) {
        let Some(found) = self.net.get_mut(connection) else {
            return;
        };
        let Some(keep) = &mut found.keep else { return };
        keep.heard = now;
        if keep.asked.is_some() && found.framer.take_pong() {
            keep.answers = true;
            keep.asked = None;
        }
    }

    /// It is of use.
    pub(crate) fn used_on(&mut self, now: Time, connection: ConnectionId) {
        let found = self.net.get_mut(connection);
        if let Some(keep) = found.and_then(|found| found.keep.as_mut()) {
            keep.used = now;
        }
    }

    /// A peer with many addresses may have us open a connection to each: the one unused longest gives way.
    pub(crate) fn make_room(&mut self) {
        if let Some(connection) = self.net.superfluous() {
            self.outputs.push_back(Output::Close { connection });
            // Nobody waits for an answer there.
            self.net.remove(connection, &mut self.timers);
        }
    }

    pub(crate) fn on_keep_alive(&mut self, now: Time, connection: ConnectionId, at: Time) {
        let Some(found) = self.net.get_mut(connection) else {
            return;
        };
        let Some(keep) = found.keep.as_mut().filter(|keep| keep.at == at) else {
            return;
        };
        if keep.used + UNUSED_MAX <= now && !self.net.is_waited_for(connection) {
            return self.close(now, connection);
        }
        let Some(keep) = self.net.keep_of(connection) else {
            return;
        };
        let asked = keep.asked.take();
        let silent = asked.is_some_and(|asked| keep.heard < asked);
        if silent && keep.answers {
            self.counters.dead += 1;
            return self.close(now, connection);
        }
        let asks = asked.is_none() && keep.heard + PING_AFTER <= now;
        keep.asked = asks.then_some(now);
        keep.at = match (asks, silent) {
            (true, _) => now + PONG_MAX,
            (_, true) => now + PING_AFTER,
            _ => keep.heard + PING_AFTER,
        };
        let next = keep.at;
        self.timers
            .set(next, Timer::KeepAlive, Owner::Connection(connection));
        if asks && let Some(flow) = self.net.flow_of(connection) {
            self.transmit(flow, Bytes::from_static(PING));
        }
    }
}
