//! One switch in virtual time: the event list and the switch's own wake-ups take turns, whichever is earlier.
//!
//! Checkers sit in the loop and not in the tests, so that every run of every scenario is checked: each call ends once,
//! none is lost, none that went to a provider is recorded here, and the switch finds no input that doesn't fit.

use std::sync::Arc;

use callcore::{
    scenario::{AgentId, Contact, QueueId, Scenario},
    switch::{Input, OUTCOMES, Switch},
    time::Time,
};

use crate::{
    callers::Caller, error::RunError, event::Happens, hours::Hours, plan::Plan, staff::Staff,
    world::World,
};

/// One switch and the world around it, for some of its queues. They are apart so that what the switch says can be
/// carried out where it stands: copying it would cost more than carrying it out.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) switch: Switch,
    pub(crate) world: World,
}

impl Operator {
    pub(crate) fn new(
        scenario: Arc<Scenario>,
        plan: Arc<Plan>,
        hours: Arc<Hours>,
        seed: u64,
        place: &str,
        queues: &[QueueId],
    ) -> Self {
        Self {
            switch: switch_of(&scenario, plan.begins()),
            world: World::new(scenario, plan, hours, seed, place, queues),
        }
    }

    /// Lets everything happen that is due before a moment.
    pub(crate) fn advance(&mut self, until: Time) {
        loop {
            let wake = self.switch.wake_at().unwrap_or(ENDLESS);
            let event = self.world.events.next_at().unwrap_or(ENDLESS);
            if wake.min(event) >= until {
                return;
            }
            // The switch before the world.
            if wake <= event {
                self.tell(wake, Input::TimePassed);
            } else {
                self.event();
            }
        }
    }

    /// Lets a call come in.
    pub(crate) fn offer(&mut self, caller: &Caller) {
        let counts = caller.at >= self.world.counts_from;
        self.world.books.offered += u64::from(counts);
        let input = Input::Offered {
            call: self.world.records.open(*caller, counts),
            origin: caller.origin,
            // Nobody here hides the number.
            reachable: true,
        };
        self.tell(caller.at, input);
    }

    /// Tells the switch, and carries out what it says to that.
    fn tell(&mut self, now: Time, input: Input) {
        debug_assert!(self.world.now <= now, "time goes forward");
        self.world.now = now;
        self.switch.handle(now, input);
        self.carry_out();
        if let Some(call) = self.world.recording_begins.take() {
            self.switch.handle(now, Input::RecordingStarted(call));
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        for output in self.switch.outputs() {
            self.world.carry_out(output);
        }
        self.switch.forget_outputs();
    }

    fn event(&mut self) {
        let Some(event) = self.world.events.take() else {
            return;
        };
        match event.what {
            Happens::CallsAgain => {
                let caller = self.world.calls_again(event);
                self.offer(&caller);
            }
            Happens::ShiftChanges => self.shift_changes(event.at),
            _ => {
                if let Some(input) = self.world.input_of(event) {
                    self.happens(event.at, input);
                }
            }
        }
    }

    fn happens(&mut self, now: Time, input: Input) {
        if let Input::AnnouncementDone(call) = input
            && let Some(digit) = self.world.key_pressed(call)
        {
            self.tell(now, Input::Digit(call, digit));
            // There may be no room for another promise by now.
            if self.world.is_promised(call) {
                return;
            }
        }
        self.tell(now, input);
    }

    fn shift_changes(&mut self, now: Time) {
        for input in self.world.shift_changes(now) {
            self.tell(now, input);
        }
        let next = Staff::next_change(now);
        if next < self.world.end {
            self.world.events.put(next, Happens::ShiftChanges, 0);
        }
    }

    /// Runs to the end of the last call and closes the books.
    pub(crate) fn finish(&mut self) -> Result<(), RunError> {
        self.advance(ENDLESS);
        self.world.count_staff(self.world.end);
        self.check()?;
        let seed = self.world.seed;
        if !self.world.records.are_closed() || self.switch.calls_in_progress() > 0 {
            return Err(RunError::NeverEnded {
                seed,
                count: self.switch.calls_in_progress(),
            });
        }
        Ok(())
    }

    /// What must hold at any moment.
    pub(crate) fn check(&mut self) -> Result<(), RunError> {
        if let Some(error) = self.world.error.take() {
            return Err(error);
        }
        let (seed, counts) = (self.world.seed, self.switch.counts());
        let count = counts.stray_inputs;
        if count > 0 {
            return Err(RunError::StrayInputs { seed, count });
        }
        let ended: u64 = OUTCOMES.iter().map(|&how| counts.ended_as(how)).sum();
        let in_progress = self.world.records.in_progress();
        if counts.offered != ended + in_progress as u64
            || in_progress != self.switch.calls_in_progress()
        {
            return Err(RunError::NeverEnded {
                seed,
                count: in_progress,
            });
        }
        self.check_queues()
    }

    /// Queues conserve callers, and each agent is in one place.
    fn check_queues(&self) -> Result<(), RunError> {
        let (views, scenario) = (self.switch.queue_views(), &self.world.scenario);
        let waiting: usize = views.iter().map(|view| view.waiting + view.ringing).sum();
        for view in &views {
            let places = view.ready + view.ringing + view.talking + view.wrap_up + view.away;
            let agents = scenario.agents_of(view.queue).count();
            if places != agents || waiting > self.switch.calls_in_progress() {
                return Err(RunError::Unbalanced {
                    seed: self.world.seed,
                    queue: scenario.queue(view.queue).name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// A switch whose nurses are all there: a simulated phone has registered before the day begins.
fn switch_of(scenario: &Arc<Scenario>, begins: Time) -> Switch {
    let mut switch = Switch::new(Arc::clone(scenario));
    for (id, agent) in (0..).map(AgentId).zip(&scenario.agents) {
        if matches!(agent.contact, Contact::Registers(_)) {
            switch.handle(begins, Input::AgentReady(id));
        }
    }
    switch
}

/// After everything.
const ENDLESS: Time = Time::from_micros(i64::MAX);
