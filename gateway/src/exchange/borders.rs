//! Who is let in and by what way others are reached: REGISTER, trust, challenges, names and flows.

use std::{net::SocketAddr, time::Instant};

use callcore::{
    origin::{Origin, UnknownReason},
    scenario::AgentId,
    switch::{CallId, Input, LegFailure},
};
use transport::{Refusals, SipDriver};
use wire::sip::{
    endpoint::{Flow, Local, RequestId, SessionId, TransportKind},
    message::{Request, StatusCode},
};

use super::{Exchange, far::prove};
use crate::{
    origin::TrustedPeers,
    registrar::{Presence, Way},
};

impl Exchange {
    /// Whose word counts for a call that came this way; `None`: it was challenged, and is over.
    pub(super) fn let_in(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        request: &Request,
        flow: Flow,
    ) -> Option<TrustedPeers> {
        if self.trusted.contains(flow.peer().ip()) {
            return Some(self.trusted.clone());
        }
        if sip.peer_name(flow).is_some() {
            return Some(TrustedPeers::everyone());
        }
        if !self.registrar.asks_callers() {
            return Some(self.trusted.clone());
        }
        let now = sip.now();
        match self.registrar.proves(now, request) {
            Ok(_) => Some(TrustedPeers::everyone()),
            Err((doubt, challenge)) => {
                self.count_refused(doubt.label(), 1);
                // A caller who is gone already needs no answer.
                let _ = sip
                    .endpoint()
                    .reject(now, session, StatusCode::UNAUTHORIZED, &challenge);
                None
            }
        }
    }

    /// A trunk may ask who we are when we change or end a call that it brought. Only those who are trusted are told: what proves it
    /// to one would prove it to another for whom that one asks.
    pub(super) fn knows_us(&self, sip: &mut SipDriver, session: SessionId, flow: Flow) {
        let trusted = self.trusted.contains(flow.peer().ip()) || sip.peer_name(flow).is_some();
        if let Some(own) = self.own.to_trunks().filter(|_| trusted) {
            prove(sip, session, own.clone());
        }
    }

    /// An agent's fixed contact may be another's switch, which asks who we are.
    pub(super) fn agent_knows_us(
        &self,
        sip: &mut SipDriver,
        id: CallId,
        (session, agent): (SessionId, AgentId),
    ) {
        if let Some(own) = self.own.to_agent(self.scenario_of(id).agent(agent)) {
            prove(sip, session, own.clone());
        }
    }

    /// Says in the log why a contact takes no calls.
    pub(super) fn note_unknown_to(&self, id: CallId, agent: AgentId) {
        let what = match self.scenario_of(id).agent(agent).credentials {
            Some(_) => "an agent's contact asks who we are and doesn't believe it",
            None => "an agent's contact asks who we are, and has no `credentials` in the scenario",
        };
        tracing::warn!(call = id.0, agent = agent.0, "{what}");
    }

    /// The address of ours by which a target is called; fails at once, and is counted, when none is of its family.
    pub(super) fn way_out(
        &self,
        sip: &mut SipDriver,
        target: SocketAddr,
        kind: Option<TransportKind>,
    ) -> Result<Local, LegFailure> {
        let kind = kind.unwrap_or(TransportKind::Udp);
        sip.local_to(target.ip(), kind).ok_or_else(|| {
            let family = if target.is_ipv4() { "IPv4" } else { "IPv6" };
            tracing::warn!(
                family,
                "a target can't be called: [listen] has no address of its family"
            );
            let families = &self.observer.metrics().watch.families;
            families.with_label_values(&["unreachable"]).inc();
            LegFailure::Unavailable
        })
    }

    /// Counts a kommun-ID that was claimed by somebody who isn't believed.
    pub(super) fn note_claim(&self, origin: Origin) {
        if origin == Origin::Unknown(UnknownReason::Untrusted) {
            self.count_refused("untrusted_kommun_id", 1);
        }
    }

    fn count_refused(&self, reason: &str, times: u64) {
        let refused = &self.observer.metrics().refused;
        refused.with_label_values(&[reason]).inc_by(times);
    }

    /// Counts what the transport refused before it was read.
    pub(super) fn count_refusals(&mut self, now: Refusals) {
        let before = std::mem::replace(&mut self.refusals, now);
        let reasons = |seen: &Refusals| {
            [
                ("flood", seen.flood),
                ("connections_of_one", seen.connections_of_one),
                ("connections", seen.connections),
                ("handshake", seen.handshake),
                ("idle", seen.idle),
                ("unread", seen.unread),
            ]
        };
        for ((reason, now), (_, before)) in reasons(&now).into_iter().zip(reasons(&before)) {
            self.count_refused(reason, now.saturating_sub(before));
        }
    }

    /// A REGISTER.
    pub(super) fn asked(
        &mut self,
        sip: &mut SipDriver,
        id: RequestId,
        request: &Request,
        flow: Flow,
    ) {
        let now = sip.now();
        let times = (now, Instant::now());
        let endpoint = sip.endpoint();
        let is_open = |way: &Way| endpoint.is_connected((way.local, way.peer, way.kind));
        let reply = self.registrar.register(times, request, flow, &is_open);
        if let Some(doubt) = reply.doubt {
            self.count_refused(doubt.label(), 1);
        }
        // Each is answered once, here.
        let _ = sip
            .endpoint()
            .respond_to(now, id, reply.status, &reply.headers);
        if let Some(change) = reply.change {
            self.presence(change);
        }
    }

    /// Lets go of registrations that have ended.
    pub(super) fn expire_registrations(&mut self, moment: Instant) {
        for change in self.registrar.expire(moment) {
            self.presence(change);
        }
    }

    pub(super) fn presence(&mut self, change: Presence) {
        match change {
            Presence::Came(agent) => {
                tracing::info!(agent = agent.0, "a phone registered");
                self.input(Input::AgentReady(agent));
            }
            Presence::Went(agent) => {
                tracing::info!(agent = agent.0, "a phone is gone");
                self.input(Input::AgentAway(agent));
            }
        }
    }
}
