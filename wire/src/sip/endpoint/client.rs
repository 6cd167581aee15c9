//! A request of ours that is under way: what it was sent for, and what is kept of it.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{
    border::{Flow, PingId, SessionId},
    early::Early,
    timers::Slots,
    transaction::{InviteClient, OtherClient},
};
use crate::sip::message::{HeaderName, Headers, Request};

/// A client transaction: its branch, and whether it is the CANCEL that shares its INVITE's branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClientKey {
    pub(crate) branch: u64,
    pub(crate) cancel: bool,
}

impl ClientKey {
    pub(crate) const MIN: Self = Self {
        branch: 0,
        cancel: false,
    };
    pub(crate) const MAX: Self = Self {
        branch: u64::MAX,
        cancel: true,
    };
}

/// What a request was sent for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// To call; or, when the session is up, to change it.
    Invite(Inviting),
    /// To end it. `None`: it has ended already, only the peer must be told.
    Bye(Option<SessionId>),
    /// To end it before it began.
    Cancel,
    /// To change it before it is answered.
    Update(SessionId),
    /// To keep it alive.
    Refresh(SessionId),
    /// To have the peer call somebody else.
    Refer(SessionId),
    /// To tell something whose response changes nothing: PRACK, NOTIFY.
    Told(SessionId),
    /// To learn whether the peer is there.
    Ping(PingId),
    /// To learn whether it still has the session.
    Ask(SessionId),
}

impl Purpose {
    /// The session it is sent for; `None` when there is none, or none any more.
    pub(crate) const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Invite(inviting) => Some(inviting.session),
            Self::Bye(session) => *session,
            Self::Update(id)
            | Self::Refresh(id)
            | Self::Refer(id)
            | Self::Told(id)
            | Self::Ask(id) => Some(*id),
            Self::Cancel | Self::Ping(_) => None,
        }
    }
}

/// An INVITE of ours.
#[derive(Debug)]
pub(crate) struct Inviting {
    pub(crate) session: SessionId,
    /// It is inside the session.
    pub(crate) change: bool,
    /// It made no offer, so the ACK has to bring an answer.
    pub(crate) late_offer: bool,
    /// How often it was sent before, with other fields.
    pub(crate) tries: u32,
    /// Each fork that rings.
    pub(crate) early: Vec<Early>,
    /// Each fork whose 2xx came.
    pub(crate) forks: Vec<Fork>,
}

impl Inviting {
    pub(crate) const fn new(session: SessionId, change: bool, late_offer: bool) -> Self {
        Self {
            session,
            change,
            late_offer,
            tries: 0,
            early: Vec::new(),
            forks: Vec::new(),
        }
    }
}

/// One who accepted an INVITE of ours.
#[derive(Debug)]
pub(crate) struct Fork {
    /// Its tag.
    pub(crate) tag: Box<str>,
    /// The ACK it was sent; `None` while that waits for our user's answer.
    pub(crate) ack: Option<Acked>,
}

/// The ACK of a 2xx as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Acked {
    pub(crate) flow: Flow,
    /// Where another connection is opened in place of one that is gone: a port that the peer called from listens to nobody.
    pub(crate) peer: SocketAddr,
    pub(crate) bytes: Bytes,
    /// It went by TCP only for its size, and may go by UDP instead.
    pub(crate) by_size: bool,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) machine: Machine,
    pub(crate) flow: Flow,
    /// Until the final response all of it; then what [`Client::settle`] leaves.
    pub(crate) request: Option<Box<Request>>,
    /// What is sent again: the request, or the ACK of its failure.
    pub(super) bytes: Bytes,
    pub(crate) slots: Slots,
    pub(crate) purpose: Purpose,
    /// It went by TCP only for its size, and may go by UDP to here instead.
    pub(super) by_size: Option<SocketAddr>,
    /// How often it was sent before without the proof that was asked for.
    pub(crate) proved: u8,
    /// It was sent by another way, as the one before broke.
    pub(super) again: bool,
}

#[derive(Debug)]
pub(super) enum Machine {
    Invite(InviteClient),
    Other(OtherClient),
}

/// Why there won't be a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Timeout,
    Transport,
}

impl Client {
    pub(crate) const fn is_final(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_final(),
            Machine::Other(machine) => machine.is_final(),
        }
    }

    pub(crate) const fn inviting(&mut self) -> Option<&mut Inviting> {
        match &mut self.purpose {
            Purpose::Invite(inviting) => Some(inviting),
            _ => None,
        }
    }

    /// The final response has come and was told. Keeps what its repetitions need, for the half minute in which they may
    /// come: of an INVITE that was accepted what makes the dialogs of other forks, and what their ACKs repeat.
    pub(super) fn settle(&mut self) {
        let accepted = matches!(self.machine, Machine::Invite(InviteClient::Accepted));
        let failed = matches!(self.machine, Machine::Invite(InviteClient::Completed));
        if !failed {
            self.bytes = Bytes::new();
        }
        let request = self.request.take().filter(|_| accepted);
        self.request = request.map(|request| {
            let mut kept = Request::new(request.method, request.uri);
            kept.headers = Headers::with_capacity(KEPT_USUAL);
            for name in KEPT_FOR_FORKS {
                for value in request.headers.values(&name) {
                    kept.headers.push(name.clone(), value);
                }
            }
            Box::new(kept)
        });
        if let Some(inviting) = self.inviting() {
            inviting.early.retain(|early| early.dialog.is_some());
            inviting.early.iter_mut().for_each(Early::settle);
            inviting.early.shrink_to_fit();
        }
    }
}

/// Fields kept of most: nobody asked for a proof.
const KEPT_USUAL: usize = 3;
/// What is kept of an INVITE that was accepted.
const KEPT_FOR_FORKS: [HeaderName; 5] = [
    HeaderName::From,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
];
