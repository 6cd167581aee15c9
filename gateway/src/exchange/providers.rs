//! The watch on providers: questions put, and what is found told to the call machine and to whoever looks.

use std::time::Instant;

use callcore::switch::Input;
use transport::SipDriver;
use wire::sip::{
    endpoint::{PingId, TransportKind, Unanswered},
    message::StatusCode,
    uri::Uri,
};

use super::{Exchange, Why};
use crate::health::{Asked, Change, Found, Health, Standing, State};

impl Exchange {
    pub(super) fn ping_providers(&mut self, sip: &mut SipDriver, now: Instant) {
        if self.health.next().is_none_or(|next| next > now) {
            return;
        }
        let mut health = std::mem::take(&mut self.health);
        let found = health.on_time(now, |target| self.ask(sip, target));
        self.health = health;
        found.into_iter().for_each(|found| self.found(found));
    }

    /// Asks a target: where it says itself, or the host that its name leads to first. `None`: the name leads nowhere.
    fn ask(&mut self, sip: &mut SipDriver, target: &Uri) -> Option<Asked> {
        let way = match target.address() {
            Some(_) => None,
            None => Some(self.ways_to(target).pop_front()?),
        };
        let host = way.map(|way| way.address);
        if let Some(host) = host {
            sip.expect_name(host, &target.host);
        }
        let now = sip.now();
        let kind = way.and_then(|way| way.kind);
        let own = host.or_else(|| target.address()).and_then(|at| {
            let kind = kind.or_else(|| TransportKind::asked_by(target));
            sip.local_to(at.ip(), kind.unwrap_or(TransportKind::Udp))
        });
        let asked = sip.endpoint().ping(now, target.clone(), host, kind, own);
        asked.ok().map(|ping| Asked { ping, host })
    }

    /// An answer to a question: the recorder's, or a provider's.
    pub(super) fn pong(
        &mut self,
        sip: &mut SipDriver,
        ping: PingId,
        answer: Result<StatusCode, Unanswered>,
    ) {
        if self.is_recorders(ping) {
            let answer = answer.map(drop).map_err(|none| match none {
                Unanswered::Silent => Why::NoAnswer,
                Unanswered::Unreachable => Why::Unreachable,
            });
            self.recorder_pong(sip, answer);
        } else {
            let found = self.health.pong(Instant::now(), ping, answer);
            self.found(found);
        }
    }

    fn found(&mut self, Found { change, silent }: Found) {
        self.observer.show_providers(&self.health, self.clock);
        if let Some(host) = silent {
            self.names.failed(host);
        }
        if let Some(change) = change {
            self.target_is(change);
        }
    }

    /// Watches the providers of the rule set in force. The call machine knows nothing of them yet: what is known to be down is told.
    pub(super) fn watch_providers(&mut self) {
        self.health = Health::of(&self.scenario, Instant::now(), &self.health);
        self.observer.watch(&self.health, self.clock);
        let down = |state: State| match state.standing {
            Standing::Down(_) => Some(Change {
                target: state.target,
                up: false,
            }),
            Standing::Unknown | Standing::Up => None,
        };
        let down: Vec<Change> = self.health.states().filter_map(down).collect();
        down.into_iter().for_each(|change| self.target_is(change));
    }

    fn target_is(&mut self, change: Change) {
        let Change { target, up } = change;
        self.observer.target_is(change, self.health.fault(target));
        self.input(if up {
            Input::TargetUp(target.provider, target.place)
        } else {
            Input::TargetDown(target.provider, target.place)
        });
    }
}
