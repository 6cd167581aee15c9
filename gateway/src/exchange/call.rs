//! What the switch's shell holds for one call: its SIP legs, its media, its recording session.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use callcore::{
    personal::CallerNumber,
    route::Handover,
    scenario::AgentId,
    switch::{CallId, ExternalCall, Input, LegFailure},
    tag::RecordingTag,
};
use transport::SipDriver;
use wire::{
    sdp::{Direction, Stream},
    sip::{
        endpoint::{Local, SessionId},
        header::MaxForwards,
        message::Body,
    },
    siprec::Id,
};

use super::{history::History, keys::KeyWay, phones::Phones, recording::Whom};
use crate::{
    crypto::OurCrypto,
    media::{Media, Pace, Reached, Side, Streams},
    names::Way,
    negotiate::Edition,
};

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    /// The caller's leg.
    pub(super) caller: SessionId,
    /// Where the call came from: a caller who is called back is there, unless the scenario names a trunk.
    pub(super) peer: SocketAddr,
    /// The address of ours at which the caller's leg is.
    pub(super) local: Local,
    /// Whether the caller's peer is one we tell which route won.
    pub(super) trusted: bool,
    /// How far the caller's leg has come.
    pub(super) caller_stage: CallerStage,
    /// The caller's offer as it came; `None` when the INVITE had none.
    pub(super) offer: Option<Body>,
    /// Our answer to it (or our offer, to a late offer), once made.
    pub(super) answer: Option<Body>,
    /// The session description that the caller's present dialog was given.
    pub(super) described: Option<Body>,
    /// What one side of a `direct` call asks the other to change.
    pub(super) proposed: Option<Body>,
    /// The caller's number, for the provider that takes the call.
    pub(super) number: Option<CallerNumber>,
    /// The kommun-ID as text, for the provider.
    pub(super) kommun: Option<String>,
    /// Max-Forwards for what we send on: a call that goes round in circles ends.
    pub(super) hops_left: u8,
    /// Audio through this switch; external `direct` calls have none.
    pub(super) media: Option<Media>,
    /// How our descriptions of the two legs say that we encrypt.
    pub(super) crypto: LegsCrypto,
    /// Whether what the caller's leg says can't be read on its way to here.
    pub(super) private_signalling: bool,
    /// Who is, or may become, the other side.
    pub(super) far: Far,
    /// The phones that ring for a registered agent.
    pub(super) phones: Option<Box<Phones>>,
    /// When its target is given by name.
    pub(super) hosts: Hosts,
    /// The recording session.
    pub(super) recording: Option<Box<RecordingLeg>>,
    /// What the caller's side can do and wants (REFER, privacy), and where the call has been.
    pub(super) asked: Asked,
    /// Another phone that is to take over from the agent's.
    pub(super) transfer: Option<Transfer>,
    /// Whether one side holds the other, and how often the description of the far leg was changed.
    pub(super) hold: Hold,
    /// A port of ours that a remote must be told of.
    pub(super) new_port: Option<NewPort>,
    /// Recordings begun in this call after the first: by hold and transfer, and for one that was lost.
    pub(super) segments: u8,
    /// What the recorder is told that the call is named, in each of its recordings alike (RFC 7865 section 6.3); `None` until the first.
    pub(super) named: Option<Id>,
    /// How the caller's phone tells keys; `None`: none was heard yet.
    pub(super) keys_by: Option<KeyWay>,
    /// Of keys by INFO.
    pub(super) pace: Pace,
    /// Whether it ends because one side has been silent too long.
    pub(super) silent: bool,
    /// Whether the caller has been promised to be called back.
    pub(super) promised: bool,
    /// When the call came, for the limit on its length.
    pub(super) begun: Instant,
}

/// Encryption, as our descriptions of the two legs say it.
#[derive(Debug, Default)]
pub(super) struct LegsCrypto {
    pub(super) caller: OurCrypto,
    pub(super) far: OurCrypto,
}

/// The hosts that a name leads to.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// The one that is being called.
    pub(super) tried: Option<SocketAddr>,
    /// Those to try after it.
    pub(super) left: VecDeque<Way>,
}

/// What an INVITE asks for beside a call.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The caller's phone takes REFER.
    pub(super) takes_refer: bool,
    /// `Privacy: id`: the number goes to trusted networks only (RFC 3323, RFC 3325).
    pub(super) private: bool,
    /// The number is a trusted network's word, so it may be asserted further.
    pub(super) asserted: bool,
    /// Where the call has been and was sent (RFC 7044).
    pub(super) history: History,
    /// How often it has been here before.
    pub(super) visits: u8,
    /// The marks of other switches that it has been at.
    pub(super) others_marks: Vec<String>,
}

/// Hold, as the two legs say it. What each has of its own is found by [`Side`].
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Who holds the other.
    pub(super) by: [bool; 2],
    /// The recording was closed for it.
    pub(super) paused: bool,
    /// What each hears of the other's holding from us.
    pub(super) passed_on: [PassedOn; 2],
    /// Our own last description for each, and in which session; `None` for the first.
    described: [Option<(SessionId, Edition)>; 2],
}

impl Hold {
    pub(super) fn is_held(&self) -> bool {
        self.by.contains(&true)
    }

    /// Whether a side holds the other that describes itself so. One that is held says that it sends nothing, and says it again in a
    /// refresh: by that it holds nobody.
    pub(super) const fn holds(&self, side: Side, direction: Direction) -> bool {
        match (self.passed_on[side as usize].told, direction) {
            (_, Direction::SendRecv) | (Direction::SendOnly, Direction::RecvOnly) => false,
            // It may say no other, whether it holds or not.
            (Direction::Inactive, Direction::Inactive)
            | (Direction::RecvOnly, Direction::SendOnly) => self.by[side as usize],
            _ => true,
        }
    }

    /// Whether that session was described more than once.
    pub(super) fn is_changed(&self, side: Side, session: SessionId) -> bool {
        self.described[side as usize].is_some_and(|(of, _)| of == session)
    }

    /// What was described first in that session, unless it is known better.
    pub(super) fn described_at(&mut self, side: Side, session: SessionId, local: SocketAddr) {
        let described = &mut self.described[side as usize];
        if described.is_none_or(|(of, _)| of != session) {
            *described = Some((session, Edition::first(local)));
        }
    }

    /// The next description in that session, whose audio is at that port so far.
    pub(super) fn next_edition(
        &mut self,
        side: Side,
        session: SessionId,
        local: SocketAddr,
    ) -> Edition {
        let described = self.described[side as usize].filter(|(of, _)| *of == session);
        let last = described.map_or(Edition::first(local), |(_, last)| last);
        let next = last.next();
        self.described[side as usize] = Some((session, next));
        next
    }

    /// Somebody else is, or will be, the far side, who was told of nothing yet and holds nobody. A caller who holds goes on holding.
    pub(super) const fn far_is_another(&mut self) {
        self.by[Side::Far as usize] = false;
        let far = &mut self.passed_on[Side::Far as usize];
        (far.told, far.taken) = (Direction::SendRecv, Direction::SendRecv);
        self.passed_on[Side::Caller as usize].wanted = Direction::SendRecv;
    }
}

/// A remote needed another port of ours than it was offered.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewPort {
    pub(super) leg: Leg,
    pub(super) session: SessionId,
    /// Whether the change that tells it is under way.
    pub(super) told: bool,
}

/// Hold or resume on its way to a side.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PassedOn {
    pub(super) wanted: Direction,
    /// What it was told last. It differs from what is wanted while another change of that session is under way.
    pub(super) told: Direction,
    /// What it took last.
    pub(super) taken: Direction,
}

/// A phone that is called because an agent's phone asked for it (REFER).
#[derive(Debug)]
pub(super) struct Transfer {
    /// Who asked.
    pub(super) from: SessionId,
    /// Who is called.
    pub(super) to: SessionId,
    /// Whose phone that is.
    pub(super) agent: AgentId,
    /// Whether who asked has hung up meanwhile.
    pub(super) left: bool,
    pub(super) begun: Instant,
    /// Where it is called.
    pub(super) reached: Reached,
    /// How our offer to who is called says that we encrypt.
    pub(super) crypto: OurCrypto,
}

/// How far the caller's leg has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallerStage {
    /// INVITE answered with provisional responses only.
    Offered,
    /// 200 sent, or the caller answered when called back.
    Answered,
    /// Called back; the phone rings.
    Called,
    /// Nothing more to send.
    Over,
}

/// The other side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Far {
    /// Nobody yet.
    Nobody,
    /// A simulated nurse is rung or talks.
    Nurse(AgentId),
    /// A registered agent's phones ring: [`Call::phones`].
    Phones(AgentId),
    /// An agent's SIP phone.
    Agent(AgentId, SessionId),
    /// A provider.
    Provider(ExternalCall, SessionId),
    /// A provider that the caller's phone was asked to call (REFER); `true` once it took that on.
    Referred(ExternalCall, bool),
}

/// A SIPREC session for one call.
#[derive(Debug)]
pub(super) struct RecordingLeg {
    pub(super) session: SessionId,
    pub(super) tag: RecordingTag,
    /// When the recorder was asked.
    pub(super) asked: Instant,
    pub(super) established: bool,
    /// The recorder's description of its side, once it has answered.
    pub(super) theirs: Vec<Stream>,
    /// The caller's and the nurse's audio, as offered.
    pub(super) streams: Streams,
    /// Whose they are.
    pub(super) cname: Box<str>,
    /// By which keys they are encrypted.
    pub(super) crypto: [OurCrypto; 2],
    /// Who takes part.
    pub(super) whom: Whom,
    /// Paused or not: what it is to be, and what the recorder was told last.
    pub(super) wanted: Direction,
    pub(super) told: Direction,
    /// What it took last.
    pub(super) taken: Direction,
    /// Of our descriptions: counts up with each change.
    pub(super) version: u64,
}

/// Which leg of which call a SIP session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    /// The caller's.
    Caller(CallId),
    /// The agent's or provider's.
    Far(CallId),
    /// One of the phones' that ring for an agent.
    Phone(CallId),
    /// The phone's that is to take over from the agent's.
    Transfer(CallId),
    /// The recorder's.
    Recording(CallId),
    /// The recorder's, of a call that ended before it had answered.
    Closing(CallId),
}

impl Call {
    /// One of which nothing is known but whence it comes.
    pub(super) fn new(caller: SessionId, peer: SocketAddr, local: Local) -> Self {
        Self {
            caller,
            peer,
            local,
            trusted: false,
            caller_stage: CallerStage::Over,
            offer: None,
            answer: None,
            described: None,
            proposed: None,
            number: None,
            kommun: None,
            hops_left: MaxForwards::DEFAULT.0,
            media: None,
            crypto: LegsCrypto::default(),
            private_signalling: false,
            far: Far::Nobody,
            phones: None,
            hosts: Hosts::default(),
            recording: None,
            asked: Asked::default(),
            transfer: None,
            hold: Hold::default(),
            new_port: None,
            segments: 0,
            named: None,
            keys_by: None,
            pace: Pace::default(),
            silent: false,
            promised: false,
            begun: Instant::now(),
        }
    }

    /// Whether caller and provider negotiate audio with each other, past this switch.
    pub(super) const fn is_direct(&self) -> bool {
        matches!(
            self.far,
            Far::Provider(
                ExternalCall {
                    handover: Handover::Direct,
                    ..
                },
                _
            )
        )
    }

    /// Whether what the caller's dialog was told last is where we are: an announcement before the answer is ours.
    pub(super) fn hears_us(&self) -> bool {
        let described = self.described.as_ref().map(|body| &body.bytes);
        self.media.is_some() && described == self.answer.as_ref().map(|body| &body.bytes)
    }

    /// Notes a session description for the caller, and goes on in another dialog when it isn't the one this dialog was given: an
    /// announcement comes from here, the answer of a `direct` call from the provider (RFC 3261 section 13.2.1).
    pub(super) fn describe(&mut self, sip: &mut SipDriver, body: Option<&Body>) {
        let Some(body) = body else { return };
        let before = self.described.replace(body.clone());
        if before.is_some_and(|before| before.bytes != body.bytes) {
            // A caller who cancelled in this moment is told by an event of its own.
            let _ = sip.endpoint().branch_off(self.caller);
        }
    }
}

impl Far {
    /// The SIP session of the other side, when it has one.
    pub(super) const fn session(self) -> Option<SessionId> {
        match self {
            Self::Nobody | Self::Nurse(_) | Self::Phones(_) | Self::Referred(..) => None,
            Self::Agent(_, session) | Self::Provider(_, session) => Some(session),
        }
    }

    /// The agent, when it is one.
    pub(super) const fn agent(self) -> Option<AgentId> {
        match self {
            Self::Nurse(agent) | Self::Phones(agent) | Self::Agent(agent, _) => Some(agent),
            Self::Nobody | Self::Provider(..) | Self::Referred(..) => None,
        }
    }

    /// What the call machine is told when whoever this was doesn't take the call.
    pub(super) const fn failed(self, id: CallId, failure: LegFailure) -> Input {
        match self {
            Self::Provider(..) | Self::Referred(..) => Input::ProviderFailed(id, failure),
            Self::Nobody | Self::Nurse(_) | Self::Phones(_) | Self::Agent(..) => {
                Input::AgentFailed(id, failure)
            }
        }
    }
}
