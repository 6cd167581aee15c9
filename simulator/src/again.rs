//! Those who call again: most because they gave up, some because they have something more to ask.

use callcore::{
    switch::Outcome,
    time::{Span, Time},
};
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;

use crate::{
    callers::{Caller, Draws},
    plan::Plan,
    records::Record,
};

/// What the caller's own luck is asked for: whether there is another call, and what it is like.
const CALLS: u64 = 0x1_0000;
const HOW: u64 = 0x1_0001;

/// Who will call again, by number. Each decides by a luck of the caller's own: what happens to one changes nothing for another.
#[derive(Debug)]
pub(crate) struct Again {
    seed: u64,
    draws: Draws,
    /// Each with whether the call before was given up.
    waiting: Vec<(Caller, bool)>,
    free: Vec<u32>,
    /// Whether anybody does: asked after every call.
    somebody: bool,
}

impl Again {
    pub(crate) fn new(plan: &Plan, seed: u64) -> Self {
        let settings = &plan.settings;
        Self {
            seed,
            draws: Draws::new(plan),
            waiting: Vec::new(),
            free: Vec::new(),
            somebody: settings.redial_share > 0.0 || settings.returning_share > 0.0,
        }
    }

    /// Whether the caller of a call that is over calls again: when, and under which number it is kept.
    pub(crate) fn decide(
        &mut self,
        plan: &Plan,
        now: Time,
        record: &Record,
        outcome: Outcome,
    ) -> Option<(Time, u32)> {
        if !self.somebody {
            return None;
        }
        let settings = &plan.settings;
        let (share, after) = match outcome {
            Outcome::Abandoned | Outcome::TurnedAway => {
                (settings.redial_share, settings.redial_after)
            }
            Outcome::Completed => (settings.returning_share, settings.returning_after),
            _ => return None,
        };
        let caller = &record.caller;
        if share <= 0.0 || caller.chance(self.seed, CALLS) >= share {
            return None;
        }
        let mut luck = caller.luck(self.seed, HOW);
        let multiple: f64 = Exp1.sample(&mut luck);
        let after = Span::from_micros((multiple * after.as_micros() as f64) as i64);
        let caller = self.another_call(caller, outcome, &mut luck);
        let gave_up = outcome != Outcome::Completed;
        Some((now + after, self.keep((caller, gave_up))))
    }

    /// Who gave up has the same to say; who returns has something new.
    fn another_call(&self, caller: &Caller, outcome: Outcome, luck: &mut Pcg64) -> Caller {
        let talk = match outcome {
            Outcome::Completed => self.draws.talk(luck),
            _ => caller.talk,
        };
        Caller {
            patience: self.draws.patience(luck) as f32,
            talk,
            ..*caller
        }
    }

    fn keep(&mut self, caller: (Caller, bool)) -> u32 {
        if let Some(subject) = self.free.pop() {
            self.waiting[subject as usize] = caller;
            return subject;
        }
        self.waiting.push(caller);
        self.waiting.len() as u32 - 1
    }

    /// The one who was kept under a number, and whether the call before was given up.
    pub(crate) fn take(&mut self, subject: u32) -> (Caller, bool) {
        self.free.push(subject);
        self.waiting[subject as usize]
    }
}
