//! The one place where leave to record is made: a call in a queue of this switch's own (invariant 2).

use super::call::{CallHead, RegionalCall};
use crate::{retention::ObjectClass, route::Destination, tag::RecordingTag, time::Time};

/// Leave to record one call: made only by a regional decision, used up by starting the recording.
///
/// Invariant 2: nothing on the external path has one, or a way to get one.
///
/// ```compile_fail,E0599
/// fn record(call: &callcore::switch::ExternalCall) {
///     let _permit = call.recording_permit();
/// }
/// ```
///
/// Nor can anybody outside make one:
///
/// ```compile_fail,E0451
/// fn record(tag: callcore::tag::RecordingTag) -> callcore::switch::RecordingPermit {
///     callcore::switch::RecordingPermit { tag }
/// }
/// ```
#[derive(Debug)]
pub struct RecordingPermit {
    tag: RecordingTag,
}

impl RecordingPermit {
    /// Uses the permit up: what the recording must be tagged with.
    pub fn into_tag(self) -> RecordingTag {
        self.tag
    }
}

impl RegionalCall {
    /// Whether the queue records and the call was meant for a queue. One that came here because its provider failed
    /// is answered and not recorded: the caller was told of the provider, and perhaps that nothing is recorded.
    pub(super) fn is_to_be_recorded(&self, head: &CallHead) -> bool {
        let meant_for_us = matches!(head.decision.to, Destination::Queue(_));
        meant_for_us && head.scenario.queue(self.queue).recording
    }

    /// Leave to record this call from `now` on. `None` when it isn't to be recorded, or no retention rule
    /// covers its controller: audio without a floor and a ceiling must not come to be.
    pub(super) fn recording_permit(&self, head: &CallHead, now: Time) -> Option<RecordingPermit> {
        let scenario = &head.scenario;
        let queue = scenario.queue(self.queue);
        if !self.is_to_be_recorded(head) {
            return None;
        }
        let day = now.in_sweden().date();
        let (window, rule) =
            scenario.retention_window(queue.controller, ObjectClass::Audio, day)?;
        let basis = if queue.basis.is_empty() {
            &rule.basis
        } else {
            &queue.basis
        };
        let operator = &scenario.org(scenario.operator).id;
        let agreement = queue.agreement.map(|id| scenario.agreement(id).id.clone());
        Some(RecordingPermit {
            tag: RecordingTag {
                controller: scenario.org(queue.controller).id.clone(),
                processor: operator.clone(),
                operator: operator.clone(),
                region: queue
                    .region
                    .map(|code| code.to_string().into())
                    .unwrap_or_default(),
                kommun: head
                    .origin
                    .kommun()
                    .map(|id| id.to_string().into())
                    .unwrap_or_default(),
                purpose: queue.purpose.clone(),
                basis: basis.clone(),
                agreement: agreement.unwrap_or_default(),
                class: ObjectClass::Audio,
                earliest: window.earliest(),
                latest: window.latest(),
                route: scenario.route_name(head.decision.route).into(),
                table: head.decision.digest.to_string().into(),
                call: head.id,
                started: now,
            },
        })
    }
}
