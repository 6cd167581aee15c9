//! New calls are let in as far as they can be carried.

use std::time::Instant;

use transport::SipDriver;

use super::Exchange;

impl Exchange {
    /// Tells the SIP endpoint how many new calls may come, and counts those that were too many.
    pub(crate) fn admit(&mut self, sip: &mut SipDriver) {
        let left = sip.endpoint().admission();
        let refused = sip.endpoint().counters().not_admitted;
        if refused > self.not_admitted {
            self.observer
                .not_admitted(self.full, refused - self.not_admitted);
            self.not_admitted = refused;
        }
        let budget = self
            .admission
            .budget(Instant::now(), self.calls.len(), left, sip.behind());
        self.full = budget.full;
        sip.endpoint().set_admission(budget.calls);
    }

    /// The probe that was due then is taken now: so late is this task.
    pub(crate) fn probed(&mut self, due: Instant) {
        self.admission.probed(due, Instant::now());
    }
}
