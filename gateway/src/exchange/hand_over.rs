//! Calls that leave: to which of a provider's hosts, and to the next when one isn't there (RFC 3263 section 4.3). Nothing here
//! knows of recordings.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use callcore::{
    route::Handover,
    switch::{CallId, ExternalCall, Input, LegFailure},
};
use rand::RngExt;
use transport::SipDriver;
use wire::sip::{
    endpoint::{SessionId, TransportKind},
    uri::Uri,
};

use super::{
    Exchange,
    call::{CallerStage, Far, Hosts},
    far::prove,
};
use crate::{homes::Families, names::Way, negotiate, origin};

/// A host that has said nothing at all for this long isn't there, when there is another to try: three INVITEs were sent.
const TRY_MAX: Duration = Duration::from_secs(3);

impl Exchange {
    pub(super) fn hand_over(&mut self, sip: &mut SipDriver, external: ExternalCall) {
        let target = self.target_of(external);
        let ways = target
            .as_deref()
            .and_then(|target| Uri::parse(target).ok())
            .map(|target| self.ways_to(&target));
        if let Some(call) = self.calls.get_mut(&external.call) {
            call.hosts = Hosts {
                left: ways.unwrap_or_default(),
                ..Hosts::default()
            };
        }
        self.try_provider(sip, external);
    }

    fn target_of(&self, external: ExternalCall) -> Option<Box<str>> {
        let provider = self.scenario_of(external.call).provider(external.provider);
        provider.targets.get(external.target).cloned()
    }

    /// Calls the provider by the next way to it.
    fn try_provider(&mut self, sip: &mut SipDriver, external: ExternalCall) {
        let id = external.call;
        let target = self.target_of(external);
        let external = match target.as_deref() {
            Some(target) => match self.passable(sip, external, target) {
                Ok(external) => external,
                Err(failure) => return self.input(Input::ProviderFailed(id, failure)),
            },
            None => external,
        };
        let srtp = self.scenario_of(id).provider(external.provider).srtp;
        let result = match (external.handover, target) {
            (_, None) => Err(LegFailure::Unavailable),
            (Handover::Release, Some(target)) => match self.release(sip, external, &target) {
                Ok(true) => return,
                Ok(false) => Ok(None),
                Err(failure) => Err(failure),
            },
            (Handover::Direct, Some(target)) => {
                self.invite_with_callers_offer(sip, id, &target).map(Some)
            }
            (Handover::Relay, Some(target)) => {
                self.invite_with_our_media(sip, id, &target, srtp).map(Some)
            }
        };
        match result {
            Ok(Some(session)) => {
                let provider = self.scenario_of(id).provider(external.provider);
                if let Some(own) = self.own.to(provider).cloned() {
                    prove(sip, session, own);
                }
                if let Some(call) = self.calls.get_mut(&id) {
                    call.far = Far::Provider(external, session);
                    if !call.hosts.left.is_empty() {
                        self.tries.insert((Instant::now() + TRY_MAX, id, session));
                    }
                }
            }
            Ok(None) => self.input(Input::ProviderAnswered(id)),
            Err(failure) => self.input(Input::ProviderFailed(id, failure)),
        }
    }

    /// Audio can't go straight from IPv4 to IPv6: between the two a `direct` call is relayed, which is what `relay` is for. Nothing of
    /// it can be recorded either way.
    fn passable(
        &mut self,
        sip: &mut SipDriver,
        external: ExternalCall,
        target: &str,
    ) -> Result<ExternalCall, LegFailure> {
        let id = external.call;
        let both = self.homes.families()
            == Families {
                four: true,
                six: true,
            };
        if external.handover != Handover::Direct || !both {
            return Ok(external);
        }
        let call = self.calls.get(&id).ok_or(LegFailure::Unavailable)?;
        let described = call.offer.as_ref().and_then(negotiate::audio_at);
        let caller = described.map_or_else(|| self.homes.ip(call.local), |audio| audio.ip());
        let (own, _) = self.ends_to(sip, id, target)?;
        if caller.is_unspecified() || self.homes.ip(own).is_ipv4() == caller.is_ipv4() {
            return Ok(external);
        }
        tracing::info!(
            call = id.0,
            "a direct call between IPv4 and IPv6 is relayed"
        );
        let families = &self.observer.metrics().watch.families;
        families.with_label_values(&["relayed"]).inc();
        Ok(ExternalCall {
            handover: Handover::Relay,
            ..external
        })
    }

    /// 302 to the provider, with the kommun-ID as a URI parameter; this switch is out. A caller who has been answered is sent
    /// on by REFER instead: true, and what comes of it follows.
    fn release(
        &mut self,
        sip: &mut SipDriver,
        external: ExternalCall,
        target: &str,
    ) -> Result<bool, LegFailure> {
        let mut contact = Uri::parse(target).map_err(|_| LegFailure::Unavailable)?;
        let call = self
            .calls
            .get_mut(&external.call)
            .ok_or(LegFailure::Unavailable)?;
        if let Some(kommun) = &call.kommun {
            contact.params.set(origin::KOMMUN_PARAM, Some(kommun));
        }
        match call.caller_stage {
            CallerStage::Offered => {}
            CallerStage::Answered => {
                return self.send_on(sip, external, contact).map(|()| true);
            }
            CallerStage::Called | CallerStage::Over => return Err(LegFailure::Refused),
        }
        call.caller_stage = CallerStage::Over;
        self.legs.remove(&call.caller);
        let now = sip.now();
        sip.endpoint()
            .redirect(now, call.caller, vec![contact])
            .map_err(|_| LegFailure::Unavailable)?;
        Ok(false)
    }

    /// The caller's own offer goes on unread: audio will flow past this switch. Without one the provider makes it, and the
    /// caller answers in the ACK.
    fn invite_with_callers_offer(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        uri: &str,
    ) -> Result<SessionId, LegFailure> {
        let call = self.calls.get(&id).ok_or(LegFailure::Unavailable)?;
        // Its first offer is used up; another would have to be asked for.
        if call.caller_stage != CallerStage::Offered {
            return Err(LegFailure::Refused);
        }
        let offer = call.offer.clone();
        self.invite(sip, id, uri, None, offer)
    }

    /// Somebody else is called: the hosts that are left were another target's.
    pub(super) fn forget_hosts(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.hosts = Hosts::default();
        }
    }

    /// The way by which a target that is given by name will be called next.
    pub(super) fn first_way(&mut self, id: CallId, target: &Uri) -> Option<Way> {
        let call = self.calls.get(&id)?;
        if let Some(way) = call.hosts.left.front().copied() {
            return Some(way);
        }
        let drawn = self.ways_to(target).pop_front()?;
        // Chance draws among equals: what was drawn is what is called.
        let call = self.calls.get_mut(&id)?;
        call.hosts.left.push_front(drawn);
        Some(drawn)
    }

    /// The ways to a target that is given by name, in the order in which to try them.
    pub(super) fn ways_to(&mut self, target: &Uri) -> std::collections::VecDeque<Way> {
        let rng = &mut self.rng;
        self.names.ways(target, |most| rng.random_range(0..=most))
    }

    /// By what way a call to this target goes now: as its phone registered, by the next way to its name, or (`None`) as it says
    /// itself.
    pub(super) fn next_way(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        target: &Uri,
    ) -> (Option<SocketAddr>, Option<TransportKind>) {
        let left = self
            .calls
            .get_mut(&id)
            .and_then(|call| call.hosts.left.pop_front());
        let Some(way) = left.or_else(|| self.ways_to(target).pop_front()) else {
            return (None, None);
        };
        if let Some(call) = self.calls.get_mut(&id) {
            call.hosts.tried = Some(way.address);
        }
        // Its certificate must be for the name that was asked for, not for what a record says (RFC 5922 section 4).
        sip.expect_name(way.address, &target.host);
        (Some(way.address), way.kind)
    }

    /// Goes on to the next way when this one isn't there. False when there is none.
    pub(super) fn tries_next_way(&mut self, sip: &mut SipDriver, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        let Far::Provider(external, session) = call.far else {
            return false;
        };
        if let Some(address) = call.hosts.tried.take() {
            self.names.failed(address);
        }
        if call.hosts.left.is_empty() {
            return false;
        }
        call.far = Far::Nobody;
        self.legs.remove(&session);
        let now = sip.now();
        // One that was refused has ended already.
        let _ = sip.endpoint().end(now, session, None);
        tracing::info!(call = id.0, "no answer from this host, tries the next");
        self.try_provider(sip, external);
        true
    }

    /// Hosts that were called and have said nothing at all.
    pub(super) fn give_up_silent(&mut self, sip: &mut SipDriver, now: Instant) {
        while self.tries.first().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, id, tried)) = self.tries.pop_first() else {
                return;
            };
            // Another provider, or another host, may have its turn by now, and all of its time.
            let session = self.calls.get(&id).and_then(|call| call.far.session());
            if session == Some(tried) && sip.endpoint().is_unheard(tried) {
                self.tries_next_way(sip, id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::sip::message::Method;

    use super::*;
    use crate::exchange::bench::{Bench, Peer, direct};

    /// The first of three hosts has no room, and says so when it has almost been given up.
    #[tokio::test]
    async fn each_host_has_its_own_time_to_say_something_however_long_the_one_before_took() {
        let [caller, first, second, third] = [
            Peer::new().await,
            Peer::new().await,
            Peer::new().await,
            Peer::new().await,
        ];
        let mut bench = Bench::new(&direct("provider.test"));
        let target = Uri::parse("sip:x@provider.test").expect("a URI");
        let ways = [&first, &second, &third].map(Peer::at);
        bench.exchange.names.knows(&target, &ways);
        let switch = bench.address();
        let called = async {
            let offer = Peer::sdp(5000);
            caller.asks(switch, ("INVITE", 1, ""), &offer).await;
            let asked = first.is_asked(Method::Invite).await;
            let full = ("503 Service Unavailable", "");
            first.answers(switch, &asked, full, "").await;
            second.is_asked(Method::Invite).await
        };
        bench.until(called).await;
        let dues: Vec<Instant> = bench.exchange.tries.iter().map(|(at, ..)| *at).collect();
        assert_eq!(dues.len(), 2);
        for (due, tried) in dues.into_iter().zip([second.at(), third.at()]) {
            bench.exchange.give_up_silent(&mut bench.sip, due);
            let call = bench.exchange.calls.values().next().expect("a call");
            assert_eq!(call.hosts.tried, Some(tried));
        }
    }
}
