//! A program that another takes the place of: what it leaves, and what it finds when it comes. See [`crate::estate`].

use std::{collections::BTreeSet, time::Instant};

use callcore::{
    scenario::{AgentId, Contact},
    switch::{CallId, CallView, Input, Kept},
};
use transport::SipDriver;
use wire::sip::endpoint::{Local, SessionId, TransportKind};

use super::{
    Exchange,
    call::{Asked, Call},
};
use crate::{
    estate::{Estate, KeptCallback, Writing},
    view::TakenOver,
};

/// The session of a call that has none yet: endpoints count up from the other end.
const NO_SESSION: SessionId = SessionId(u64::MAX);

impl Exchange {
    /// From now on nobody is called back here: the next program does it.
    pub(crate) fn leave_callbacks(&mut self, sip: &mut SipDriver) {
        if !self.switch.leaves_callbacks() {
            self.input(Input::CallbacksWait);
            self.settle(sip);
        }
    }

    /// Who was to wait for the next program is called back from here after all.
    pub(crate) fn take_up_callbacks(&mut self, sip: &mut SipDriver) {
        if self.switch.leaves_callbacks() {
            self.input(Input::CallbacksGoOn);
            self.settle(sip);
        }
    }

    /// Calls that a drain waits for.
    pub(crate) fn in_hand(&self) -> usize {
        if !self.switch.leaves_callbacks() {
            return self.switch.calls_in_progress();
        }
        self.switch
            .calls()
            .filter(|view| view.state != "promised")
            .count()
    }

    /// Callers who were being called back, or were just promised it, are the next program's too.
    pub(super) fn leave_promises(&mut self, sip: &mut SipDriver) {
        let open: Vec<CallId> = self
            .switch
            .calls()
            .filter(|view| matches!(view.state, "promised" | "calling_back"))
            .map(|view| view.call)
            .collect();
        for id in open {
            if self.is_called_back(id) {
                self.input(Input::CallbackWithdrawn(id));
            } else if !self.calls.get(&id).is_some_and(|call| call.is_promised()) {
                // Hears yet that it is promised.
                self.input(Input::AnnouncementDone(id));
            }
        }
        self.settle(sip);
    }

    /// Ends the promises that nobody will keep, before the end of other calls makes an agent free to keep one. Who is told
    /// yet that they will be called back loses the line first, and then the promise.
    pub(super) fn lose_promises(&mut self) {
        for _ in 0..2 {
            let promised = |view: &CallView| view.state == "promised";
            let calls = self.switch.calls().filter(promised);
            let calls: Vec<CallId> = calls.map(|view| view.call).collect();
            calls
                .into_iter()
                .for_each(|call| self.input(Input::CallLost(call)));
        }
    }

    /// The calls that the next program goes on with.
    pub(super) fn promises(&self) -> BTreeSet<CallId> {
        if !self.switch.leaves_callbacks() {
            return BTreeSet::new();
        }
        let open = self.switch.promises(self.clock.now()).into_iter();
        open.map(|(call, _)| call).collect()
    }

    /// What the next program finds. Asked for when every other call has ended.
    pub(crate) fn estate(&self) -> Option<Estate> {
        if !self.switch.leaves_callbacks() {
            return None;
        }
        let now = self.clock.now();
        let open = self.switch.promises(now).into_iter();
        let writing = self.switch.wrap_ups(now).into_iter();
        Some(Estate {
            callbacks: open.filter_map(|(id, kept)| self.kept(id, kept)).collect(),
            phones: self.registrar.kept(Instant::now(), &self.homes),
            writing: writing
                .filter_map(|(agent, left)| {
                    let (queue, agent) = self.name_of(agent)?;
                    Some(Writing { queue, agent, left })
                })
                .collect(),
        })
    }

    fn kept(&self, id: CallId, kept: Kept) -> Option<KeptCallback> {
        let call = self.calls.get(&id)?;
        Some(KeptCallback {
            queue: self.scenario_of(id).queue(kept.queue?).name.clone(),
            origin: kept.origin,
            number: call.number.clone()?,
            peer: call.peer,
            trusted: call.trusted,
            private: call.asked.private,
            asserted: call.asked.asserted,
            waited: kept.waited,
            tried: kept.tried,
            rests: kept.rests,
            recordable: kept.recordable,
        })
    }

    /// How the scenario names an agent; `None` for a simulated nurse, whose notes nobody waits for.
    fn name_of(&self, agent: AgentId) -> Option<(Box<str>, Box<str>)> {
        let agent = self.scenario.agents.get(agent.0 as usize)?;
        let (Contact::Sip(name) | Contact::Registers(name)) = &agent.contact else {
            return None;
        };
        let queue = self.scenario.queue(agent.queue).name.clone();
        Some((queue, name.clone()))
    }

    /// Takes what the program before this one left: phones first, so that agents are there, and then those who are kept from
    /// answering yet, so that nobody is called back for them.
    pub(crate) fn take_estate(&mut self, sip: &mut SipDriver, estate: Estate) -> TakenOver {
        let mut taken = TakenOver::default();
        let moment = Instant::now();
        for phone in estate.phones {
            let registered = phone.at.and_then(|at| self.homes.find(at));
            let local = registered.or_else(|| sip.local_to(phone.peer.ip(), TransportKind::Udp));
            let phone = local.map(|local| self.registrar.keep(moment, phone, local));
            match phone.flatten() {
                Some(change) => {
                    taken.phones += 1;
                    change.into_iter().for_each(|change| self.presence(change));
                }
                None => taken.lost += 1,
            }
        }
        for Writing { queue, agent, left } in estate.writing {
            let mut agents = (0..u32::MAX).map(AgentId).take(self.scenario.agents.len());
            let found = agents.find(|id| self.name_of(*id) == Some((queue.clone(), agent.clone())));
            if let Some(id) = found {
                taken.writing += 1;
                self.input(Input::AgentWrites(id, left));
            }
        }
        for callback in estate.callbacks {
            taken.callbacks += 1;
            self.take_callback(callback);
        }
        self.count_taken(taken);
        self.settle(sip);
        taken
    }

    fn count_taken(&self, taken: TakenOver) {
        let TakenOver {
            callbacks,
            phones,
            writing,
            lost,
        } = taken;
        tracing::info!(callbacks, phones, writing, lost, "taken over");
        let counted = &self.observer.metrics().watch.taken_over;
        for (what, count) in [
            ("callbacks", callbacks),
            ("phones", phones),
            ("wrap_ups", writing),
            ("lost", lost),
        ] {
            counted.with_label_values(&[what]).inc_by(count);
        }
    }

    fn take_callback(&mut self, callback: KeptCallback) {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let queue = self.scenario.queue_by_name(&callback.queue);
        let kept = Kept {
            origin: callback.origin,
            queue,
            waited: callback.waited,
            tried: callback.tried,
            rests: callback.rests,
            recordable: callback.recordable,
        };
        let call = Call {
            trusted: callback.trusted,
            number: Some(callback.number),
            kommun: callback.origin.kommun().map(|kommun| kommun.to_string()),
            asked: Asked {
                private: callback.private,
                asserted: callback.asserted,
                ..Asked::default()
            },
            promised: true,
            // By which of our addresses it is called back, is known when it is.
            ..Call::new(NO_SESSION, callback.peer, Local::FIRST)
        };
        self.calls.insert(id, Box::new(call));
        self.input(Input::CallbackKept(id, Box::new(kept)));
    }
}
