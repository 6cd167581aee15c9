//! A menu after the greeting: "press 1 for ...". Whoever presses nothing goes on as the route says.

use super::{
    Driver, Switch,
    call::{Promise, RegionalStage},
    io::{CallId, CallbackStep, FactKind, Output, WakeReason},
    timers::TimerKey,
};
use crate::{
    digit::Digit,
    route::Destination,
    scenario::{Choice, Menu, QueueId},
    time::Time,
};

/// Where a caller stands in a menu.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choosing {
    /// Runs once the menu has been heard.
    timer: Option<TimerKey>,
    /// How often it is said again to those who press nothing.
    repeats_left: u8,
}

impl<D: Driver> Switch<D> {
    /// Says the route's menu to a caller who has been greeted; false when there is none for this call.
    pub(super) fn choose(&mut self, now: Time, id: CallId) -> bool {
        let Some(menu) = self.menu_of(id) else {
            return false;
        };
        let (announcement, repeats_left) = (menu.announcement, menu.repeats);
        let choosing = Choosing {
            timer: None,
            repeats_left,
        };
        self.go(now, id, RegionalStage::Choosing(choosing));
        self.driver.carry_out(Output::Announce(id, announcement));
        true
    }

    /// The menu has been heard: some time is left to press a key.
    pub(super) fn menu_heard(&mut self, now: Time, id: CallId, choosing: Choosing) -> bool {
        if choosing.timer.is_some() {
            return false;
        }
        let Some(timeout) = self.menu_of(id).map(|menu| menu.timeout) else {
            return false;
        };
        let timer = self.timers.set(now, timeout, WakeReason::MenuTimeout(id));
        let choosing = Choosing {
            timer: Some(timer),
            ..choosing
        };
        self.go(now, id, RegionalStage::Choosing(choosing));
        true
    }

    /// Nothing was pressed: the menu is said again, or the caller goes on.
    pub(super) fn menu_timeout(&mut self, now: Time, id: CallId) {
        let Some(RegionalStage::Choosing(choosing)) = self.stage(id) else {
            return;
        };
        let again = self.menu_of(id).map(|menu| menu.announcement);
        match (again, choosing.repeats_left.checked_sub(1)) {
            (Some(announcement), Some(repeats_left)) => {
                let choosing = Choosing {
                    timer: None,
                    repeats_left,
                };
                self.go(now, id, RegionalStage::Choosing(choosing));
                self.driver.carry_out(Output::Announce(id, announcement));
            }
            _ => self.go_on(now, id),
        }
    }

    /// A key was pressed in a menu. One that it doesn't name changes nothing.
    pub(super) fn menu_key(&mut self, now: Time, id: CallId, choosing: Choosing, digit: Digit) {
        let chosen = self.menu_of(id).and_then(|menu| menu.choice(digit));
        let Some(chosen) = chosen else { return };
        self.stop_choosing(choosing);
        match chosen {
            Choice::Continue => self.go_on(now, id),
            Choice::Queue(queue) => self.go_to(now, id, queue),
            Choice::Callback => self.promise_at_once(now, id),
        }
    }

    pub(super) fn stop_choosing(&mut self, choosing: Choosing) {
        if let Some(timer) = choosing.timer {
            self.timers.stop(timer);
        }
    }

    fn go_on(&mut self, now: Time, id: CallId) {
        if let Some(queue) = self.regional(id).map(|call| call.queue) {
            self.greeted(now, id, queue);
        }
    }

    fn go_to(&mut self, now: Time, id: CallId, queue: QueueId) {
        if self.regional(id).is_some_and(|call| call.queue != queue) {
            self.change_queue(now, id, queue);
        }
        self.greeted(now, id, queue);
    }

    /// Promises to call back without the caller having waited; a caller who can't be promised it goes on.
    fn promise_at_once(&mut self, now: Time, id: CallId) {
        let Some((queue, confirmation)) = self.callback_possible(id) else {
            return self.go_on(now, id);
        };
        let place = self.line(queue).take_place();
        self.fact(now, id, FactKind::Queued(queue));
        self.promises[queue.index()].promised();
        let promise = Promise {
            place,
            queued: Some(now),
            tried: 0,
        };
        self.go(now, id, RegionalStage::Promising(promise));
        self.fact(now, id, FactKind::Callback(CallbackStep::Promised));
        match confirmation {
            Some(confirmation) => self.driver.carry_out(Output::Announce(id, confirmation)),
            None => self.promise(now, id),
        }
    }

    /// The menu of the call's route, while the call is on its way to where the route leads: a queue that took over for
    /// another has no part in it.
    fn menu_of(&self, id: CallId) -> Option<&Menu> {
        let call = self.calls.get(&id)?;
        let head = &call.head;
        let at = call.queue()?;
        let menu = head
            .scenario(&self.scenario)
            .routes
            .route(head.decision.route)
            .menu
            .as_ref()?;
        (head.decision.to == Destination::Queue(at)).then_some(menu)
    }
}
