//! What the switch's shell holds for one call: its SIP legs, its media, its recording session.

use std::{net::SocketAddr, time::Instant};

use callcore::{
    personal::CallerNumber,
    scenario::AgentId,
    switch::{CallId, ExternalCall},
    tag::RecordingTag,
};
use transport::SipDriver;
use wire::sip::{endpoint::SessionId, message::Body};

use crate::media::Media;

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    /// The caller's leg.
    pub(super) caller: SessionId,
    /// Where the call came from: a caller who is called back is there, unless the scenario names a trunk.
    pub(super) peer: SocketAddr,
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
    /// The caller's number, for the provider that takes the call.
    pub(super) number: Option<CallerNumber>,
    /// The kommun-ID as text, for the provider.
    pub(super) kommun: Option<String>,
    /// Max-Forwards for what we send on: a call that goes round in circles ends.
    pub(super) hops_left: u8,
    /// Audio through this switch; external `direct` calls have none.
    pub(super) media: Option<Media>,
    /// Who is, or may become, the other side.
    pub(super) far: Far,
    /// The recording session.
    pub(super) recording: Option<RecordingLeg>,
    /// Whether the caller has been promised to be called back.
    pub(super) promised: bool,
    /// When the call came, for the limit on its length.
    pub(super) begun: Instant,
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
    /// An agent's SIP phone.
    Agent(AgentId, SessionId),
    /// A provider.
    Provider(ExternalCall, SessionId),
}

/// A SIPREC session for one call.
#[derive(Debug)]
pub(super) struct RecordingLeg {
    pub(super) session: SessionId,
    pub(super) tag: RecordingTag,
    pub(super) established: bool,
}

/// Which leg of which call a SIP session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    /// The caller's.
    Caller(CallId),
    /// The agent's or provider's.
    Far(CallId),
    /// The recorder's.
    Recording(CallId),
}

impl Call {
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
            Self::Nobody | Self::Nurse(_) => None,
            Self::Agent(_, session) | Self::Provider(_, session) => Some(session),
        }
    }
}
