//! How queues and calls look now, as the page shows them.

use callcore::{switch::Switch, time::Time};

use super::Observer;
use crate::view::{CallView, QueueView};

impl Observer {
    pub(super) fn queues(&self, switch: &Switch, now: Time) -> Vec<QueueView> {
        let view = |queue: callcore::switch::QueueView| {
            let settings = self.scenario.queue(queue.queue);
            QueueView {
                name: settings.name.to_string(),
                controller: self.scenario.org(settings.controller).id.to_string(),
                waiting: queue.waiting,
                longest_wait_s: queue.waiting_since.map_or(0, |since| seconds(since, now)),
                promised: queue.promised,
                expected_wait_s: queue.expected_wait.map(|wait| wait.as_secs_f64() as u64),
                agents_ready: queue.ready,
                agents_busy: queue.ringing + queue.talking + queue.wrap_up,
            }
        };
        switch.queue_views().into_iter().map(view).collect()
    }

    pub(super) fn call_view(
        &self,
        switch: &Switch,
        call: &callcore::switch::CallView,
        now: Time,
    ) -> Option<CallView> {
        let decided = self.decided.get(&call.call)?;
        // The rules that it came under, whose ids these are.
        let scenario = switch.scenario_of(call.call).unwrap_or(&self.scenario);
        // A menu's key, a full queue or a provider that fails may have sent it elsewhere than its route does.
        let at = call.queue.map(|queue| scenario.queue(queue));
        let records = decided.recordable && at.is_some_and(|queue| queue.recording);
        let controller = match (call.state, at, call.provider) {
            ("talking", Some(queue), _) => Some(queue.controller),
            ("taken_over", _, Some(provider)) => Some(scenario.provider(provider).organisation),
            _ => None,
        };
        Some(CallView {
            id: call.call.0,
            kommun: call
                .origin
                .kommun()
                .map(|id| id.to_string())
                .unwrap_or_default(),
            origin: call.origin.class(),
            route: decided.route.clone(),
            state: match call.state {
                "trying" => "leaving",
                "taken_over" => "external",
                "turned_away" | "no_answer" => "announcement",
                other => other,
            },
            age_s: seconds(call.offered, now),
            recording: match (at.is_none(), call.recording) {
                (true, _) => "never",
                (false, Some(true)) => "recording",
                (false, Some(false)) => "gap",
                (false, None) if records => "later",
                (false, None) => "no",
            },
            controller: controller.map_or_else(String::new, |id| scenario.org(id).id.to_string()),
        })
    }
}

fn seconds(from: Time, to: Time) -> u64 {
    u64::try_from(to.since(from).as_micros() / 1_000_000).unwrap_or(0)
}
