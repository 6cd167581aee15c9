//! What goes in and out of an endpoint: inputs, outputs, events and errors.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{
    super::{
        header::{MaxForwards, NameAddr},
        message::{Body, HeaderValue, Headers, Request, Response, StatusCode},
        uri::Uri,
    },
    ident::Key,
    local::Local,
};
use crate::time::Time;

/// One INVITE session of this endpoint. Counts up; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// A stream connection, named by the driver for those it accepts and by the endpoint for those it asks for
/// (the two counts never meet: the driver's are even, the endpoint's odd).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Whether the driver accepted it.
    pub(crate) const fn is_theirs(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

/// Where bytes come from or go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flow {
    /// A UDP peer.
    Udp {
        /// By which address of ours.
        local: Local,
        /// Its address.
        peer: SocketAddr,
    },
    /// A connection.
    Stream {
        /// Which.
        connection: ConnectionId,
        /// By which address of ours.
        local: Local,
        /// The peer's address.
        peer: SocketAddr,
        /// What it speaks.
        kind: TransportKind,
    },
}

/// Transport protocol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransportKind {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118). Browsers open these; nobody can open one to a browser.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

/// What happens to an endpoint.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram {
        /// At which address of ours.
        local: Local,
        /// From whom.
        peer: SocketAddr,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// A stream connection was accepted, or one that was asked for is open.
    Connected {
        /// Which.
        connection: ConnectionId,
        /// By which address of ours.
        local: Local,
        /// The other side.
        peer: SocketAddr,
        /// What it speaks.
        kind: TransportKind,
    },
    /// Bytes came on a stream, cut anywhere.
    Stream {
        /// Which connection.
        connection: ConnectionId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A message came on a connection that keeps messages apart (WebSocket, RFC 7118 section 5).
    Message {
        /// Which connection.
        connection: ConnectionId,
        /// One message, whole.
        bytes: &'a [u8],
    },
    /// A connection closed or could not be opened.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// A datagram could not be sent (ICMP error).
    Unreachable {
        /// By which address of ours.
        local: Local,
        /// To whom.
        peer: SocketAddr,
    },
    /// The moment named by [`Endpoint::wake`](super::Endpoint::wake) has come.
    TimePassed,
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit {
        /// Where.
        flow: Flow,
        /// What.
        bytes: Bytes,
    },
    /// Open a connection; what is for it follows as `Transmit` and may be written once it's open.
    Connect {
        /// Its name.
        connection: ConnectionId,
        /// From which address of ours.
        local: Local,
        /// To whom.
        peer: SocketAddr,
        /// What it is to speak.
        kind: TransportKind,
        /// By TLS: what the peer must prove to be; `None`: the address itself (RFC 5922).
        name: Option<Box<str>>,
    },
    /// Close this connection.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Something for the user of the endpoint.
    Event(Event),
}

/// A request outside any session that waits for the user's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) Key);

/// An OPTIONS of ours that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PingId(pub(crate) u64);

/// What an endpoint tells its user.
#[derive(Debug)]
pub enum Event {
    /// A new call. 100 Trying was sent; answer it with `progress`, `answer`, `reject` or `redirect`.
    Incoming {
        /// Its name from now on.
        session: SessionId,
        /// The INVITE.
        request: Box<Request>,
        /// The peer that sent it.
        peer: SocketAddr,
        /// How it came.
        flow: Flow,
        /// The session it takes the place of (RFC 3891); end that one once this one is answered.
        replaces: Option<SessionId>,
    },
    /// A request outside any session that the user answers, once, with `respond_to`: REGISTER, when the
    /// configuration says that this is a registrar.
    Request {
        /// Its name.
        id: RequestId,
        /// The request.
        request: Box<Request>,
        /// How it came.
        flow: Flow,
    },
    /// The caller's ACK for our 200 came. After a change, only when it carries a body.
    Confirmed {
        /// Which.
        session: SessionId,
        /// The answer in the ACK, when the 200 carried the offer.
        body: Option<Body>,
    },
    /// The ACK for our 200 to a change came, without a body: another change may follow.
    ChangeConfirmed {
        /// Which.
        session: SessionId,
    },
    /// A change of ours met one of the peer's, which came first: ours isn't tried again as it was, for what it describes is of before
    /// that. Whoever still wants it asks anew.
    ChangeOvertaken {
        /// Which.
        session: SessionId,
    },
    /// 101-199 for our INVITE.
    Progress {
        /// Which.
        session: SessionId,
        /// 180, 183, ...
        status: StatusCode,
        /// Early media's SDP.
        body: Option<Body>,
        /// Which of the phones that a proxy forked the call to: counts from 0 in the order they were heard of.
        fork: u8,
    },
    /// The caller acknowledged the 18x that brought our offer (PRACK, RFC 3262 section 5).
    ProgressConfirmed {
        /// Which.
        session: SessionId,
        /// The answer.
        body: Option<Body>,
    },
    /// 2xx for our INVITE; the ACK is sent. When the INVITE had no offer the 2xx has it, and the ACK waits for
    /// `ack` with the answer. An answer that came in a reliable 18x, and needn't come again, is put into it.
    Answered {
        /// Which.
        session: SessionId,
        /// The response.
        response: Box<Response>,
    },
    /// 3xx-6xx for our INVITE, a timeout (408) or a transport failure (503). The session is over.
    Rejected {
        /// Which.
        session: SessionId,
        /// Why.
        status: StatusCode,
        /// Where to, for a 3xx.
        contacts: Vec<Uri>,
        /// Whether the peer itself said so (false: our own timeout or transport failure).
        from_peer: bool,
    },
    /// The other side asks to change the session (re-INVITE, or UPDATE with a body): answer with `accept_change` or
    /// `reject_change`. When it withdraws the question (CANCEL), both answer `WrongState`.
    ChangeRequested {
        /// Which.
        session: SessionId,
        /// Its offer; `None` asks us to offer.
        body: Option<Body>,
    },
    /// Our change (re-INVITE) was accepted, or refused with a status that leaves the session as it was. When it made
    /// no offer, the body is the peer's offer and the ACK waits for `ack` with the answer.
    Changed {
        /// Which.
        session: SessionId,
        /// The answer, or the status that refused it.
        result: Result<Option<Body>, StatusCode>,
    },
    /// The session must be refreshed (RFC 4028) and the peer takes no UPDATE: `change` with the session description as
    /// it is does it.
    RefreshDue {
        /// Which.
        session: SessionId,
    },
    /// The peer wants us to call somebody else (REFER): say `accept_refer`, then `report_refer`; or `reject_refer`.
    Referred {
        /// Which.
        session: SessionId,
        /// Whom to call; a `Replaces` among its URI's header fields names a session of theirs to take over.
        to: Box<NameAddr>,
        /// Who asks, as they say themselves (RFC 3892).
        by: Option<HeaderValue>,
    },
    /// Our `refer` was accepted (2xx), or not.
    ReferAnswered {
        /// Which.
        session: SessionId,
        /// The status that refused it.
        result: Result<(), StatusCode>,
    },
    /// What came of our `refer` so far (NOTIFY with a sipfrag).
    ReferProgress {
        /// Which.
        session: SessionId,
        /// The status that the other side got; `None`: it doesn't say.
        status: Option<StatusCode>,
        /// Nothing more will be told.
        over: bool,
    },
    /// INFO, NOTIFY or MESSAGE inside the session; 200 was sent.
    InSession {
        /// Which.
        session: SessionId,
        /// The request.
        request: Box<Request>,
    },
    /// A peer that was asked is there, or isn't.
    Pong {
        /// Which question.
        ping: PingId,
        /// The final response that came, or why none did.
        answer: Result<StatusCode, Unanswered>,
    },
    /// The session is over. After this its id means nothing.
    Ended {
        /// Which.
        session: SessionId,
        /// Why.
        why: Ending,
    },
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unanswered {
    /// None came in time.
    Silent,
    /// There is no way to the peer: its connection is broken, or can't be opened.
    Unreachable,
}

/// Why a session that was not rejected ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The peer sent BYE.
    Bye,
    /// The caller sent CANCEL before we answered (487 was sent).
    Cancelled,
    /// Our own `end` is done (BYE answered or timed out, CANCEL took).
    Ours,
    /// No ACK came for our 200 (a BYE was sent), or no PRACK for a reliable 18x (504 was sent).
    NoAck,
    /// The peer no longer knows the session (481, 408 inside it), its connection is gone for good, or it gave no sign
    /// of life in the time agreed (RFC 4028).
    Lost,
}

/// A call to be made.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Request-URI.
    pub target: Uri,
    /// Where to send it; `None`: the address in the target (numeric host, port or 5060).
    pub next_hop: Option<SocketAddr>,
    /// By what; `None`: the target's `transport` parameter, else UDP.
    pub transport: Option<TransportKind>,
    /// By which address of ours, as the system's routes say; `None`, or one of another family: the first that can.
    pub local: Option<Local>,
    /// From address without tag, such as `<sip:anonymous@anonymous.invalid>`.
    pub from: Box<str>,
    /// To address without tag; `None`: the target.
    pub to: Option<Box<str>>,
    /// Further header fields.
    pub headers: Headers,
    /// How many hops it may make: one less than it came with, when it is passed on; `None`: 70.
    pub max_forwards: Option<MaxForwards>,
    /// The offer.
    pub body: Option<Body>,
}

impl Invite {
    /// A call by nobody who is named (RFC 3323 section 4.1.1.3), with no offer, and sent as the target says.
    pub fn anonymous(target: Uri) -> Self {
        Self {
            target,
            next_hop: None,
            transport: None,
            local: None,
            from: "<sip:anonymous@anonymous.invalid>".into(),
            to: None,
            headers: Headers::new(),
            max_forwards: None,
            body: None,
        }
    }
}

/// A verb that doesn't fit the session's state, or a session that isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// It ended, or never was.
    #[error("no such session")]
    NoSuchSession,
    /// Already answered, not yet answered, or a change is under way (RFC 3261 section 14).
    #[error("the session is in another state")]
    WrongState,
    /// Whoever calls, or is called, takes no change before the answer.
    #[error("the peer takes no change before the answer")]
    NotBeforeAnswer,
    /// The target has no numeric address and no next hop was given.
    #[error("the target can't be reached: give an IP address and port")]
    NoRoute,
    /// No address of ours is of the target's family (IPv4, IPv6).
    #[error(
        "no address is listened on from which the target could be reached: listen on one of its family"
    )]
    NoLocal,
    /// As many sessions as the configuration allows.
    #[error("too many sessions")]
    Full,
    /// The From or To address can't be read.
    #[error("the From or To address can't be read: write <sip:user@host>")]
    BadAddress,
    /// A status of another kind than the verb sends, such as 200 for `reject`.
    #[error("that status is of another kind")]
    WrongStatus,
}

/// What was refused, dropped or repeated, by reason; for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that could not be parsed, dropped or answered 400.
    pub malformed: u64,
    /// New calls over what was let in.
    pub not_admitted: u64,
    /// New calls refused because none are taken any more.
    pub drained: u64,
    /// Requests refused by name: 405, 420, 481, 483, 501, 503 ...
    pub refused: std::collections::BTreeMap<u16, u64>,
    /// Requests and responses we sent again.
    pub retransmitted: u64,
    /// Repetitions of what had come before.
    pub repeated: u64,
    /// Responses and ACKs that belong to nothing.
    pub stray: u64,
    /// Requests with a session's names from an address that has no part in it: refused with 403.
    pub from_elsewhere: u64,
    /// Sessions ended because the peer gave no sign of life in the time agreed (RFC 4028).
    pub expired: u64,
    /// Connections of ours closed because a peer that answers pings answered none.
    pub dead: u64,
    /// What a limit kept from being read or sent: outputs not fetched, connections over the limit.
    pub shed: u64,
    /// Requests sent, by method name.
    pub requests_sent: std::collections::BTreeMap<String, u64>,
    /// Requests received, by method name.
    pub requests_received: std::collections::BTreeMap<String, u64>,
    /// Responses sent, by status.
    pub responses_sent: std::collections::BTreeMap<u16, u64>,
    /// Responses received, by status.
    pub responses_received: std::collections::BTreeMap<u16, u64>,
}

/// When, and why, an endpoint wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// The moment.
    pub at: Time,
    /// The timer, by its RFC 3261 letter.
    pub why: Timer,
}

/// The timers of RFC 3261 (table 4) and RFC 6026, and ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Timer {
    /// INVITE request again, UDP.
    A,
    /// INVITE client transaction gives up.
    B,
    /// Client completed, absorbs repeated finals.
    D,
    /// Non-INVITE request again, UDP.
    E,
    /// Non-INVITE client gives up.
    F,
    /// INVITE final response again, UDP.
    G,
    /// Waits for ACK.
    H,
    /// Absorbs repeated ACKs.
    I,
    /// Absorbs repeated non-INVITE requests.
    J,
    /// Absorbs repeated non-INVITE responses.
    K,
    /// Server accepted, absorbs repeated INVITEs (RFC 6026).
    L,
    /// Client accepted, absorbs repeated 2xx (RFC 6026).
    M,
    /// 2xx again until ACK (RFC 3261 section 13.3.1.4).
    Ok,
    /// An INVITE of ours rings too long (timer C of section 16.6).
    C,
    /// Reliable 18x again until PRACK (RFC 3262 section 3).
    Reliable,
    /// A session must be refreshed, or was not (RFC 4028 section 10).
    Refresh,
    /// A change that met another is tried again (RFC 3261 section 14.1).
    Glare,
    /// What a REFER asked for takes too long.
    Refer,
    /// A connection sent nothing whole for too long (slow loris).
    Stalled,
    /// A connection of ours is asked whether it is alive, or hasn't answered (RFC 5626 section 3.5.1).
    KeepAlive,
}
