//! Providers' targets that are known to be down, and who is tried while they are.

use super::{
    Driver, Switch,
    call::CallHead,
    divert::Pass,
    io::{CallId, FactKind},
};
use crate::{route::External, scenario::ProviderId, time::Time};

impl<D: Driver> Switch<D> {
    /// Notes that a target answers or doesn't; false when that was known, or there is no such target.
    pub(super) fn target_is(
        &mut self,
        now: Time,
        provider: ProviderId,
        target: u16,
        up: bool,
    ) -> bool {
        let known = self.scenario.providers.get(provider.index());
        if known.is_none_or(|provider| usize::from(target) >= provider.targets.len()) {
            return false;
        }
        let target = (provider, target);
        if !up {
            self.up_again.remove(&target);
            return self.down.insert(target);
        }
        let was_down = self.down.remove(&target);
        if was_down {
            self.up_again.insert(target, now);
        }
        was_down
    }

    /// The first target of the provider, from this one on, that is tried in this pass.
    pub(super) fn target_to_try(
        &mut self,
        now: Time,
        id: CallId,
        to: External,
        from: usize,
        pass: Pass,
    ) -> Option<usize> {
        let head = &self.calls.get(&id)?.head;
        let targets = head
            .scenario(&self.scenario)
            .provider(to.provider)
            .targets
            .len();
        let wanted = |target: &usize| {
            let target = (to.provider, *target);
            match pass {
                Pass::Up => !self.is_down(head, target),
                Pass::Down => self.is_down(head, target) || self.is_up_again(head, target),
            }
        };
        let found = (from..targets).find(wanted);
        // In the last pass everything that answers has been tried already: that is no news.
        let passed_over = pass == Pass::Up && found.unwrap_or(targets) > from;
        if passed_over {
            self.fact(now, id, FactKind::PassedOver(to));
        }
        found
    }

    /// What is known holds for the rule set in force; a call of an earlier one tries every target it names.
    fn is_down(&self, head: &CallHead, (provider, target): (ProviderId, usize)) -> bool {
        let known = !self.down.is_empty() && head.earlier.is_none();
        known && u16::try_from(target).is_ok_and(|target| self.down.contains(&(provider, target)))
    }

    /// Whether a target that was down when the call came has come back, and so was perhaps passed over.
    fn is_up_again(&self, head: &CallHead, (provider, target): (ProviderId, usize)) -> bool {
        let since = u16::try_from(target).ok();
        let since = since.and_then(|target| self.up_again.get(&(provider, target)));
        head.earlier.is_none() && since.is_some_and(|since| *since >= head.offered)
    }
}
