//! The watch on providers: questions put, and what is found told to the call machine and to whoever looks.

use std::time::Instant;

use callcore::switch::Input;
use transport::SipDriver;
use wire::sip::endpoint::PingId;

use super::Exchange;
use crate::health::{Change, Health};

impl Exchange {
    pub(super) fn ping_providers(&mut self, sip: &mut SipDriver, now: Instant) {
        if self.health.next().is_none_or(|next| next > now) {
            return;
        }
        let at = sip.now();
        let changes = self.health.on_time(now, |uri, address| {
            sip.endpoint().ping(at, uri, address).ok()
        });
        changes
            .into_iter()
            .for_each(|change| self.target_is(change));
    }

    /// An answer to a question: the recorder's, or a provider's.
    pub(super) fn pong(&mut self, ping: PingId, alive: bool) {
        if self.is_recorders(ping) {
            self.recorder_pong(alive);
        } else if let Some(change) = self.health.pong(Instant::now(), ping, alive) {
            self.target_is(change);
        }
    }

    /// Watches the providers of the rule set in force from the beginning.
    pub(super) fn watch_providers(&mut self) {
        self.health = Health::of(&self.scenario, Instant::now());
        self.observer.watch(&self.health);
    }

    fn target_is(&mut self, Change { target, up }: Change) {
        self.observer.target_is(target, up);
        self.input(if up {
            Input::TargetUp(target.provider, target.place)
        } else {
            Input::TargetDown(target.provider, target.place)
        });
    }
}
