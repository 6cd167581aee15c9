//! What a waiting caller hears, in order: the queue's notice, place and wait, the offer to be called back, music; and
//! after some music place and wait again.

use super::{
    Driver, Switch,
    call::{Call, Hears, RegionalStage, Spot, Way},
    io::{CallId, CallbackStep, FactKind, Output, WakeReason},
};
use crate::{
    scenario::{QueueId, Speak},
    speech::Spoken,
    time::Time,
};

impl<D: Driver> Switch<D> {
    /// The caller has heard what there was: says what comes next.
    pub(super) fn hear_next(&mut self, now: Time, id: CallId) {
        let Some(RegionalStage::Waiting(spot)) = self.stage(id) else {
            return;
        };
        let said = matches!(spot.hears, Hears::Notice | Hears::Music) && self.say_place(id, spot);
        let offer = if said || spot.hears == Hears::Offer {
            None
        } else {
            self.callback_due(id)
        };
        match (said, offer) {
            (true, _) => self.hears(id, Hears::Place),
            (false, Some(offer)) => {
                self.hears(id, Hears::Offer);
                self.driver.carry_out(Output::Announce(id, offer));
                self.fact(now, id, FactKind::Callback(CallbackStep::Offered));
            }
            (false, None) => {
                self.hears(id, Hears::Music);
                if let Some(queue) = self.regional(id).map(|call| call.queue) {
                    self.play_music(id, queue);
                }
                self.speak_later(now, id);
            }
        }
    }

    /// Sets the time at which a caller who hears music is told place and wait again.
    pub(super) fn speak_later(&mut self, now: Time, id: CallId) {
        let Some(RegionalStage::Waiting(mut spot)) = self.stage(id) else {
            return;
        };
        let Some((_, speak)) = self.speak_of(id).filter(|_| spot.hears == Hears::Music) else {
            return;
        };
        self.stop_speaking(spot);
        let timer = self
            .timers
            .set(now, speak.every, WakeReason::SpeakAgain(id));
        spot.speaks = Some(timer);
        self.put_spot(id, spot);
    }

    pub(super) fn speak_again(&mut self, now: Time, id: CallId) {
        if let Some(RegionalStage::Waiting(spot)) = self.stage(id) {
            self.put_spot(
                id,
                Spot {
                    speaks: None,
                    ..spot
                },
            );
            self.hear_next(now, id);
        }
    }

    pub(super) fn stop_speaking(&mut self, spot: Spot) {
        if let Some(timer) = spot.speaks {
            self.timers.stop(timer);
        }
    }

    /// Says place and wait, when the queue says any of it and there is something to say.
    fn say_place(&mut self, id: CallId, spot: Spot) -> bool {
        let Some((queue, speak)) = self.speak_of(id) else {
            return false;
        };
        let line = &self.lines[queue.index()];
        let ahead = line.ahead(spot.place);
        let place = u32::try_from(ahead + 1).ok();
        let spoken = Spoken {
            place: place.filter(|_| speak.place),
            wait: line.expected_wait(ahead).filter(|_| speak.wait),
        };
        let anything = spoken.place.is_some() || spoken.wait.is_some();
        if anything {
            self.driver.carry_out(Output::Speak(id, spoken));
        }
        anything
    }

    fn speak_of(&self, id: CallId) -> Option<(QueueId, Speak)> {
        let Call {
            head,
            way: Way::Regional(call),
        } = self.calls.get(&id)?
        else {
            return None;
        };
        let speak = head.scenario(&self.scenario).queue(call.queue).speak?;
        Some((call.queue, speak))
    }

    fn hears(&mut self, id: CallId, hears: Hears) {
        if let Some(RegionalStage::Waiting(spot)) = self.stage(id) {
            let offered = spot.offered || hears == Hears::Offer;
            self.put_spot(
                id,
                Spot {
                    hears,
                    offered,
                    ..spot
                },
            );
        }
    }

    /// Changes what is known of a waiting caller, and nothing else of the call: not since when.
    fn put_spot(&mut self, id: CallId, spot: Spot) {
        if let Some(call) = self.regional(id) {
            call.stage = RegionalStage::Waiting(spot);
        }
    }
}
