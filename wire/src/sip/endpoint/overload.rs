//! New calls that there is no room for: answered 503 from the datagram as it lies, and nothing remembered (RFC 3261 section 8.2.7).
//!
//! What a refused call costs is taken from those that are carried, so this comes before any message is built. Whatever isn't an
//! ordinary INVITE outside a session, or the ACK for such a 503, goes the usual way and meets the same limits there.

use std::{fmt::Write as _, net::SocketAddr};

use bytes::Bytes;

use super::{
    Endpoint,
    border::{Flow, SessionId},
    called::RETRY_AFTER_SECONDS,
    ident::{self, Key},
    local::Local,
    route,
    servers::Answer,
};
use crate::{
    sip::{
        glance::{self, Glance},
        message::{HeaderName, Method, StatusCode},
    },
    time::Time,
};

/// How long the ACK for a 503 may take: its sender sends the INVITE again for 64*T1 at most (RFC 3261 section 17.1.1.2).
const ACK_WITHIN_T1: u32 = 64;
/// Bytes of a 503 beside what it repeats, where the Server is told in a few words.
const OWN_LEN: usize = 192;
/// Bytes of a field beside its value.
const FIELD_LEN: usize = 16;

impl Endpoint {
    /// Lets an INVITE in, unless it must be refused for want of room. One that takes the place of a session of ours belongs to a
    /// call that is in hand: however many new calls are let in, it isn't one of them.
    pub(crate) fn admits(&mut self, replaces: &Result<Option<SessionId>, StatusCode>) -> bool {
        if matches!(replaces, Ok(Some(_))) {
            return !self.has_no_place();
        }
        let admitted = !self.is_full(0);
        if admitted && self.admission != u32::MAX {
            self.admission -= 1;
        }
        admitted
    }

    /// Whether a new call is to be refused, when that many before it are still to be read.
    pub(crate) fn is_full(&self, before: u32) -> bool {
        self.admission <= before || self.draining || self.has_no_place()
    }

    /// Whether there is no place for another session, also for one that begins no new call.
    pub(crate) fn has_no_place(&self) -> bool {
        self.sessions.len() >= self.config.sessions_max || !self.has_room()
    }

    /// Counts such a call, unless it is refused because there is no place for another session.
    pub(crate) fn count_full(&mut self, before: u32) {
        let over = self.admission <= before && !self.draining;
        self.counters.not_admitted += u64::from(over);
        self.counters.drained += u64::from(self.draining);
    }

    /// The answer to a call that there is no room for.
    pub(crate) fn full() -> Answer {
        let mut answer = Answer::new(StatusCode::SERVICE_UNAVAILABLE);
        answer
            .headers
            .push(HeaderName::RetryAfter, RETRY_AFTER_SECONDS);
        answer
    }

    /// Answers a datagram that would begin a call, when there is no room for one, and takes the ACK for such an answer.
    /// False: nothing was done, and it is to be given to [`Endpoint::handle`], now or when its turn comes. It came to
    /// that address of ours from that peer; `before` is how many INVITEs wait for their turn before it.
    pub fn turns_away(
        &mut self,
        now: Time,
        (local, peer): (Local, SocketAddr),
        bytes: &[u8],
        before: u32,
    ) -> bool {
        if bytes.starts_with(b"INVITE ") && self.is_full(before) {
            self.turn_away(now, (local, peer), bytes, before).is_some()
        } else {
            bytes.starts_with(b"ACK ") && now < self.turned_away_until && self.takes_ack(bytes)
        }
    }

    fn turn_away(
        &mut self,
        now: Time,
        (local, peer): (Local, SocketAddr),
        bytes: &[u8],
        before: u32,
    ) -> Option<()> {
        let glance = Glance::read(bytes)?;
        let key = self.branch_key(&glance.via, &Method::Invite)?;
        if glance.to_tag.is_some() || self.servers.contains_key(&key) {
            return None;
        }
        let flow = route::response_flow(&glance.via, Flow::Udp { local, peer });
        let answer = self.full_answer(&glance, key, peer);
        self.turned_away_until = now + self.config.t1.saturating_mul(ACK_WITHIN_T1);
        self.counters.received(&Method::Invite);
        self.count_full(before);
        let status = StatusCode::SERVICE_UNAVAILABLE.code();
        self.counters.refuse(status);
        self.counters.answered(status);
        self.transmit(flow, answer);
        Some(())
    }

    /// The same 503 as [`Endpoint::full`] makes, with every field as it came but for the topmost Via and the tag.
    fn full_answer(&self, glance: &Glance<'_>, key: Key, peer: SocketAddr) -> Bytes {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let tag = ident::text(self.names.stateless_tag(key));
        let repeated = glance.repeated.iter().map(|(_, value)| value.len());
        let len = repeated.map(|value| value + FIELD_LEN).sum::<usize>() + OWN_LEN;
        let mut out = String::with_capacity(len);
        // Writing into a String can't fail.
        let _ = write!(out, "SIP/2.0 {} {}\r\n", status.code(), status.phrase());
        let mut top = glance.via.changed_by(peer);
        for (name, value) in &glance.repeated {
            let noted = (*name == HeaderName::Via).then(|| top.take()).flatten();
            out.extend([name.as_str(), ": ", noted.as_deref().unwrap_or(value)]);
            if *name == HeaderName::To {
                out.extend([";tag=", &tag]);
            }
            out.push_str("\r\n");
        }
        let _ = write!(out, "Retry-After: {RETRY_AFTER_SECONDS}\r\n");
        if let Some(product) = &self.own.product {
            out.extend(["Server: ", product.as_str(), "\r\n"]);
        }
        out.push_str("Content-Length: 0\r\n\r\n");
        Bytes::from(out)
    }

    /// Whether it is the ACK for an answer that left nothing here: then nothing follows from it. Nobody else has a tag that fits.
    fn takes_ack(&mut self, bytes: &[u8]) -> bool {
        let own = || {
            let (via, tag) = glance::acknowledged(bytes)?;
            let (key, tag) = (self.branch_key(&via, &Method::Ack)?, ident::read(tag)?);
            let ours = tag == self.names.stateless_tag(key) && !self.servers.contains_key(&key);
            ours.then_some(())
        };
        let ours = own().is_some();
        if ours {
            self.counters.received(&Method::Ack);
        }
        ours
    }
}
