//! One switch in virtual time: the event list and the switch's own wake-ups take turns, whichever is earlier.
//!
//! Checkers sit in the loop and not in the tests, so that every run of every scenario is checked: each call ends once,
//! none is lost, none that went to a provider is recorded here, and the switch finds no input that doesn't fit.

use std::sync::Arc;

use callcore::{
    scenario::{AgentId, Contact, QueueId, Scenario},
    switch::{Input, OUTCOMES, Switch},
    time::{Span, Time},
};

use crate::{
    callers::Caller,
    error::RunError,
    event::{Event, Happens},
    hours::Hours,
    plan::Plan,
    staff::Staff,
    tally::Books,
    world::World,
};

/// One switch and the world around it, for some of its queues. The world is the switch's driver: noting what it says and
/// reading it again would cost more than carrying it out.
#[derive(Debug)]
pub(crate) struct Operator {
    switch: Switch<World>,
}

impl Operator {
    pub(crate) fn new(
        scenario: Arc<Scenario>,
        plan: Arc<Plan>,
        hours: Arc<Hours>,
        seed: u64,
        queues: &[QueueId],
    ) -> Self {
        let begins = plan.begins();
        let world = World::new(scenario, plan, hours, seed, queues);
        Self {
            switch: switch_of(world, begins),
        }
    }

    pub(crate) const fn world(&self) -> &World {
        self.switch.driver()
    }

    pub(crate) const fn world_mut(&mut self) -> &mut World {
        self.switch.driver_mut()
    }

    /// What is left when it is over.
    pub(crate) fn into_books(self) -> Books {
        self.switch.into_driver().books
    }

    /// Lets everything happen that is due before a moment.
    pub(crate) fn advance(&mut self, until: Time) {
        loop {
            // The switch before the world.
            let wake = self.switch.wake_at().unwrap_or(ENDLESS);
            if let Some(event) = self.world_mut().events.take_before(wake.min(until)) {
                self.event(event);
            } else if wake < until {
                self.tell(wake, Input::TimePassed);
            } else {
                return;
            }
        }
    }

    /// Lets a call come in.
    pub(crate) fn offer(&mut self, caller: &Caller) {
        let world = self.world_mut();
        let counts = caller.at >= world.counts_from;
        world.books.offered += u64::from(counts);
        let input = Input::Offered {
            call: world.records.open(*caller, counts),
            origin: caller.origin,
            // Nobody here hides the number.
            reachable: true,
        };
        self.tell(caller.at, input);
    }

    /// Tells the switch, and carries out what it says to that.
    fn tell(&mut self, now: Time, input: Input) {
        let world = self.world_mut();
        debug_assert!(world.now <= now, "time goes forward");
        world.now = now;
        self.switch.handle(now, input);
        if let Some(call) = self.world_mut().recording_begins.take() {
            self.switch.handle(now, Input::RecordingStarted(call));
        }
    }

    fn event(&mut self, event: Event) {
        match event.what {
            Happens::CallsAgain => {
                let caller = self.world_mut().calls_again(event);
                self.offer(&caller);
            }
            Happens::ShiftChanges => self.shift_changes(event.at),
            _ => {
                if let Some(input) = self.world_mut().input_of(event) {
                    self.happens(event.at, input);
                }
            }
        }
    }

    fn happens(&mut self, now: Time, input: Input) {
        if let Input::AnnouncementDone(call) = input
            && let Some(digit) = self.world_mut().key_pressed(call)
        {
            self.tell(now, Input::Digit(call, digit));
            // There may be no room for another promise by now.
            if self.world_mut().is_promised(call) {
                return;
            }
        }
        self.tell(now, input);
    }

    fn shift_changes(&mut self, now: Time) {
        for input in self.world_mut().shift_changes(now) {
            self.tell(now, input);
        }
        let next = Staff::next_change(now);
        if next < self.world().end {
            self.world_mut().events.put(next, Happens::ShiftChanges, 0);
        }
    }

    /// Closes the books in mid-run.
    pub(crate) fn stop(&mut self, now: Time) {
        let world = self.world_mut();
        world.count_staff(now);
        world.enter_busy_until(now);
    }

    /// Runs to the end of the last call and closes the books.
    pub(crate) fn finish(&mut self) -> Result<(), RunError> {
        self.advance(ENDLESS);
        let end = self.world().end;
        self.world_mut().count_staff(end);
        self.serve_the_promised();
        self.check()?;
        let seed = self.world().seed;
        if !self.world().records.are_closed() || self.switch.calls_in_progress() > 0 {
            return Err(RunError::NeverEnded {
                seed,
                count: self.switch.calls_in_progress(),
            });
        }
        Ok(())
    }

    /// Lets shifts change after the end until everybody who was promised a call has had it: they have no patience to lose, and
    /// the last nurse of the run may have left. Who is there for nobody's call in a week is never reached.
    fn serve_the_promised(&mut self) {
        let world = self.world();
        let mut at = world.now.max(world.end);
        let last = at + PROMISES_LAST;
        while self.switch.calls_in_progress() > 0 && at < last {
            at = Staff::next_change(at);
            for input in self.world_mut().shift_changes(at) {
                self.tell(at, input);
            }
            self.advance(Staff::next_change(at));
        }
        self.advance(ENDLESS);
        let last = last.max(self.world().now);
        for call in self.world_mut().records.promised() {
            self.tell(last, Input::CallerGone(call));
        }
    }

    /// What must hold at any moment.
    pub(crate) fn check(&mut self) -> Result<(), RunError> {
        if let Some(error) = self.world_mut().error.take() {
            return Err(error);
        }
        let (seed, counts) = (self.world().seed, self.switch.counts());
        let count = counts.stray_inputs;
        if count > 0 {
            return Err(RunError::StrayInputs { seed, count });
        }
        let ended: u64 = OUTCOMES.iter().map(|&how| counts.ended_as(how)).sum();
        let in_progress = self.world().records.in_progress();
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
        let (views, scenario) = (self.switch.queue_views(), &self.world().scenario);
        let waiting: usize = views.iter().map(|view| view.waiting + view.ringing).sum();
        for view in &views {
            let places = view.ready + view.ringing + view.talking + view.wrap_up + view.away;
            let agents = scenario.agents_of(view.queue).count();
            if places != agents || waiting > self.switch.calls_in_progress() {
                return Err(RunError::Unbalanced {
                    seed: self.world().seed,
                    queue: scenario.queue(view.queue).name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// A switch whose nurses are all there: a simulated phone has registered before the day begins.
fn switch_of(world: World, begins: Time) -> Switch<World> {
    let scenario = Arc::clone(&world.scenario);
    let mut switch = Switch::driven(Arc::clone(&scenario), world);
    for (id, agent) in (0..).map(AgentId).zip(&scenario.agents) {
        if matches!(agent.contact, Contact::Registers(_)) {
            switch.handle(begins, Input::AgentReady(id));
        }
    }
    switch
}

/// How long after the end of a run somebody may come to keep a promise: a week has every shift of a roster.
const PROMISES_LAST: Span = Span::from_secs(7 * 86_400);
/// After everything.
const ENDLESS: Time = Time::from_micros(i64::MAX);
