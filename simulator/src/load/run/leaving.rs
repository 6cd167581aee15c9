//! How callers leave: they hang up or give up, and wait only so long for the other side to say so too.

use std::time::{Duration, Instant};

use transport::SipDriver;
use wire::sip::{endpoint::SessionId, message::StatusCode};

use super::Run;
use crate::load::caller::Left;

/// How long a side that was told of the end may take to say so. RFC 3261 lets a caller wait 32 s (timers B and F), in which a run would
/// hang on a peer that has gone; a peer this late has lost the call anyhow.
const GOODBYE_MAX: Duration = Duration::from_secs(5);

/// The same where nothing had come back to the INVITE: not even CANCEL may go before something has (RFC 3261 9.1). A switch that
/// is late with its 100 has been asked twice again by then.
const SILENCE_MAX: Duration = Duration::from_secs(2);

impl Run {
    /// Ends the calls whose time has come, and lets go of those whose end nobody confirms.
    pub(super) fn hang_up_due(&mut self, sip: &mut SipDriver) {
        let now = Instant::now();
        while self.hang_ups.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, session)) = self.hang_ups.pop_first() else {
                break;
            };
            match self.callers.get(&session).and_then(|caller| caller.left) {
                None => self.hang_up(sip, session, now),
                Some(Left::Told) => self.ended(session),
                Some(Left::Silence) => self.unheard(session),
            }
        }
        sip.flush();
    }

    pub(super) fn hang_up_all(&mut self, sip: &mut SipDriver) {
        let now = Instant::now();
        let sessions: Vec<SessionId> = self.callers.keys().copied().collect();
        for session in sessions {
            self.hang_up(sip, session, now);
        }
        sip.flush();
    }

    fn hang_up(&mut self, sip: &mut SipDriver, session: SessionId, now: Instant) {
        let Some(caller) = self.callers.get_mut(&session) else {
            return;
        };
        if caller.left.is_some() {
            return;
        }
        let (left, waits) = match sip.endpoint().is_unheard(session) {
            true => (Left::Silence, SILENCE_MAX),
            false => (Left::Told, GOODBYE_MAX),
        };
        self.hang_ups.remove(&(caller.leaves, session));
        caller.left = Some(left);
        caller.gave_up = !caller.answered;
        caller.leaves = now + waits;
        self.hang_ups.insert((caller.leaves, session));
        let at = sip.now();
        let _ = sip.endpoint().end(at, session, None);
    }

    /// Nothing came back, also not after the caller had given up.
    fn unheard(&mut self, session: SessionId) {
        if let Some(caller) = self.callers.remove(&session) {
            self.unreached(&caller);
        }
    }

    pub(super) fn ended(&mut self, session: SessionId) {
        let Some(caller) = self.callers.remove(&session) else {
            return;
        };
        self.hang_ups.remove(&(caller.leaves, session));
        self.ended += 1;
        if caller.answered {
            self.report.completed += 1;
            let route = caller.route.clone().unwrap_or_else(|| "unnamed".to_owned());
            *self.report.by_route.entry(route).or_default() += 1;
        } else if caller.gave_up {
            self.report.abandoned += 1;
        } else {
            *self
                .report
                .failed
                .entry(StatusCode::REQUEST_TERMINATED.code())
                .or_default() += 1;
        }
        self.add_audio(&caller);
    }
}
