//! The one place where leave to record is made: a call in a queue of this switch's own (invariant 2).

use std::sync::Arc;

use jiff::civil::Date;

use super::{
    Driver, Switch,
    call::{CallHead, RegionalCall},
    io::CallId,
};
use crate::{
    origin::Origin,
    retention::{ObjectClass, RetentionWindow},
    route::Destination,
    scenario::{QueueId, RouteId, Scenario},
    tag::RecordingTag,
    time::{Time, sweden},
};

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
/// use callcore::{scenario::QueueId, switch::RecordingPermit};
/// fn record(permit: RecordingPermit, queue: QueueId) -> RecordingPermit {
///     RecordingPermit { queue, ..permit }
/// }
/// ```
#[derive(Debug)]
pub struct RecordingPermit {
    call: CallId,
    started: Time,
    floor: Floor,
    origin: Origin,
    route: RouteId,
    queue: QueueId,
}

impl RecordingPermit {
    /// Uses the permit up: what the recording must be tagged with. `None` once the call is over: there is nothing to
    /// record then.
    pub fn into_tag<D: Driver>(self, switch: &Switch<D>) -> Option<RecordingTag> {
        let scenario = switch.scenario_of(self.call)?;
        let queue = scenario.queue(self.queue);
        let basis = if queue.basis.is_empty() {
            &scenario.retention[usize::from(self.floor.rule)].basis
        } else {
            &queue.basis
        };
        let operator = &scenario.org(scenario.operator).id;
        let agreement = queue.agreement.map(|id| scenario.agreement(id).id.clone());
        Some(RecordingTag {
            controller: scenario.org(queue.controller).id.clone(),
            processor: operator.clone(),
            operator: operator.clone(),
            region: queue
                .region
                .map(|code| code.to_string().into())
                .unwrap_or_default(),
            kommun: self
                .origin
                .kommun()
                .map(|id| id.to_string().into())
                .unwrap_or_default(),
            purpose: queue.purpose.clone(),
            basis: basis.clone(),
            agreement: agreement.unwrap_or_default(),
            class: ObjectClass::Audio,
            earliest: self.floor.window.earliest(),
            latest: self.floor.window.latest(),
            route: scenario.route_name(self.route).into(),
            table: scenario.routes.digest().to_string().into(),
            call: self.call,
            started: self.started,
        })
    }

    /// The queue whose call it is.
    #[inline]
    pub const fn queue(&self) -> QueueId {
        self.queue
    }
}

impl RegionalCall {
    /// Whether the queue records and the call was meant for a queue. One that came here because its provider failed
    /// is answered and not recorded: the caller was told of the provider, and perhaps that nothing is recorded.
    #[inline]
    pub(super) fn is_to_be_recorded(&self, head: &CallHead, scenario: &Scenario) -> bool {
        let meant_for_us = matches!(head.decision.to, Destination::Queue(_));
        meant_for_us && head.recordable && scenario.queue(self.queue).recording
    }

    /// Leave to record this call from `now` on. `None` when it isn't to be recorded, or no retention rule
    /// covers its controller: audio without a floor and a ceiling must not come to be.
    #[inline]
    pub(super) fn recording_permit(
        &self,
        head: &CallHead,
        scenario: &Arc<Scenario>,
        now: Time,
        floors: &mut Floors,
    ) -> Option<RecordingPermit> {
        if !self.is_to_be_recorded(head, scenario) {
            return None;
        }
        Some(RecordingPermit {
            floor: floors.of(scenario, self.queue, now)?,
            call: head.id,
            origin: head.origin,
            route: head.decision.route,
            queue: self.queue,
            started: now,
        })
    }
}

/// Floor and ceiling of what is recorded on a day, and the rule in [`Scenario::retention`] that sets them.
#[derive(Debug, Clone, Copy)]
struct Floor {
    window: RetentionWindow,
    rule: u16,
}

/// Floors of one day, by queue: worked out once, since every call of the day has the same.
#[derive(Debug, Default)]
pub(super) struct Floors {
    /// The day, from its first moment to the first of the next. Nothing lies within at the start.
    begins: i64,
    ends: i64,
    day: Date,
    /// The scenario that they hold for: a call in progress may have come under an earlier one.
    scenario: Option<Arc<Scenario>>,
    by_queue: Vec<Option<Option<Floor>>>,
}

impl Floors {
    #[inline]
    fn of(&mut self, scenario: &Arc<Scenario>, queue: QueueId, now: Time) -> Option<Floor> {
        let same = self
            .scenario
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, scenario));
        if !same || !(self.begins..self.ends).contains(&now.as_micros()) {
            self.begin_day(scenario, now);
        }
        let (day, known) = (self.day, self.by_queue.get_mut(queue.index())?);
        *known.get_or_insert_with(|| {
            let controller = scenario.queue(queue).controller;
            let (window, rule) = scenario.retention_window(controller, ObjectClass::Audio, day)?;
            let rule = scenario
                .retention
                .iter()
                .position(|known| std::ptr::eq(known, rule))?;
            let rule = u16::try_from(rule).ok()?;
            Some(Floor { window, rule })
        })
    }

    fn begin_day(&mut self, scenario: &Arc<Scenario>, now: Time) {
        let day = now.in_sweden().date();
        let begins = |day: Date| {
            let zoned = day.to_zoned(sweden()).ok()?;
            Some(zoned.timestamp().as_microsecond())
        };
        let tomorrow = day.tomorrow().ok();
        *self = Self {
            begins: begins(day).unwrap_or(0),
            ends: tomorrow.and_then(begins).unwrap_or(0),
            day,
            scenario: Some(Arc::clone(scenario)),
            by_queue: vec![None; scenario.queues.len()],
        };
    }
}
