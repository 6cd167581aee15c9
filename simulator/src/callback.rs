//! The caller's side of being called back: takes the offer or not, and answers when the switch calls, or doesn't.

use callcore::{
    digit::Digit,
    route::Destination,
    switch::{CallId, CallbackStep},
};

use crate::{event::Happens, records::NEVER, world::World};

/// What a caller's fixed chances are for.
const ACCEPTS: u64 = 1;
/// The first attempt; the next ones follow.
const ATTEMPT: u64 = 16;

impl World {
    pub(crate) fn callback_step(&mut self, call: CallId, step: CallbackStep) {
        let share = self.plan.settings.callback_share;
        let Some(record) = self.records.get(call) else {
            return;
        };
        let counts = u64::from(record.counts);
        let tally = &mut self.books.callbacks;
        match step {
            CallbackStep::Offered => {
                tally.offered += counts;
                record.accepts = record.caller.chance(self.seed, ACCEPTS) < share;
            }
            CallbackStep::Promised => {
                tally.promised += counts;
                // Whoever is called back has no patience to lose.
                (record.promised, record.leaving) = (self.now, None);
            }
            CallbackStep::Tried => tally.tried += counts,
            // Here no program takes another's place.
            CallbackStep::Failed(_) | CallbackStep::Kept { .. } => {}
            CallbackStep::Reached => {
                tally.reached += counts;
                let promised = std::mem::replace(&mut record.promised, NEVER);
                let since_s = self.now.since(promised).as_secs_f64();
                tally.until_reached_s += since_s * counts as f64;
            }
        }
    }

    /// The key that a caller presses at the end of the offer; `None` for one who goes on waiting.
    pub(crate) fn key_pressed(&mut self, call: CallId) -> Option<Digit> {
        let record = self.records.get(call)?;
        if !std::mem::take(&mut record.accepts) {
            return None;
        }
        let Some(Destination::Queue(queue)) = record.place else {
            return None;
        };
        let callback = self.scenario.queue(queue).callback.as_ref()?;
        Some(callback.digit)
    }

    pub(crate) fn is_promised(&mut self, call: CallId) -> bool {
        let record = self.records.get(call);
        record.is_some_and(|record| record.is_promised())
    }

    /// The caller's phone rings. One who doesn't answer lets it ring until the switch gives up.
    pub(crate) fn call_back(&mut self, call: CallId) {
        let (now, seed) = (self.now, self.seed);
        let missed = self.plan.settings.callback_missed_share;
        let Some(record) = self.records.get(call) else {
            return;
        };
        (record.rung, record.called_back) = (now, true);
        record.attempts = record.attempts.wrapping_add(1);
        let attempt = ATTEMPT + u64::from(record.attempts);
        if record.caller.chance(seed, attempt) >= missed {
            let answers = now + record.caller.ring;
            record.ringing = Some(
                self.events
                    .put(answers, Happens::CallerAnswers, call.0 as u32),
            );
        }
    }
}
