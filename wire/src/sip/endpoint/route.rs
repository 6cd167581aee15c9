//! Where messages go: by what transport, to what address, on what connection (RFC 3261 section 18, RFC 3581).

use std::net::SocketAddr;

use super::{
    border::{ConnectionId, Flow, TransportKind},
    local::Local,
};
use crate::sip::{
    header::ViaParts,
    uri::{Scheme, Uri},
};

/// SIP's port (RFC 3261 section 19.1.2).
const PORT: u16 = 5060;
/// And by TLS.
const TLS_PORT: u16 = 5061;

/// Where a request is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) peer: SocketAddr,
    pub(crate) kind: TransportKind,
    /// By this address of ours, should it be of the peer's family.
    pub(crate) local: Local,
    /// This connection, should it still be open.
    pub(crate) connection: Option<ConnectionId>,
}

impl Hop {
    /// To where this led, or leads.
    pub(crate) const fn of(flow: Flow) -> Self {
        Self {
            peer: flow.peer(),
            kind: flow.kind(),
            local: flow.local(),
            connection: flow.connection(),
        }
    }
}

impl Flow {
    /// The other side's address.
    pub const fn peer(self) -> SocketAddr {
        match self {
            Self::Udp { peer, .. } | Self::Stream { peer, .. } => peer,
        }
    }

    /// The address of ours at this end.
    pub const fn local(self) -> Local {
        match self {
            Self::Udp { local, .. } | Self::Stream { local, .. } => local,
        }
    }

    /// By what transport.
    pub const fn kind(self) -> TransportKind {
        match self {
            Self::Udp { .. } => TransportKind::Udp,
            Self::Stream { kind, .. } => kind,
        }
    }

    /// The connection, for one.
    pub const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Udp { .. } => None,
            Self::Stream { connection, .. } => Some(connection),
        }
    }

    /// Whether the transport itself repeats what is lost.
    pub(crate) const fn is_reliable(self) -> bool {
        matches!(self, Self::Stream { .. })
    }
}

impl TransportKind {
    /// The transport a URI asks for; `None` when it leaves it open, or asks for one we don't have.
    pub fn asked_by(uri: &Uri) -> Option<Self> {
        kind_of(uri)
    }

    /// As Via names it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// As the `transport` parameter names it; `None` for the one that needs no naming.
    pub(crate) const fn param(self) -> Option<&'static str> {
        match self {
            Self::Udp => None,
            Self::Tcp => Some("tcp"),
            Self::Tls => Some("tls"),
            // RFC 7118 section 5.5.1: `ws` for both.
            Self::Ws | Self::Wss => Some("ws"),
        }
    }

    /// Whether this side can open such a connection.
    pub(crate) const fn can_be_opened(self) -> bool {
        !matches!(self, Self::Ws | Self::Wss)
    }
}

/// The transport a URI asks for; `None` when it leaves it open, or asks for one we don't have.
pub(crate) fn kind_of(uri: &Uri) -> Option<TransportKind> {
    let secure = uri.scheme == Scheme::Sips;
    let named = |name: &str| {
        KINDS
            .iter()
            .find(|(known, ..)| name.eq_ignore_ascii_case(known))
    };
    match uri.transport() {
        Some(name) => named(name).map(|&(_, plain, safe)| if secure { safe } else { plain }),
        None => secure.then_some(TransportKind::Tls),
    }
}

/// Each `transport` parameter, with what it means in `sip:` and in `sips:` (RFC 3261 section 26.2.2, RFC 7118 section 5.5.1).
const KINDS: [(&str, TransportKind, TransportKind); 5] = [
    ("udp", TransportKind::Udp, TransportKind::Tls),
    ("tcp", TransportKind::Tcp, TransportKind::Tls),
    ("tls", TransportKind::Tls, TransportKind::Tls),
    ("ws", TransportKind::Ws, TransportKind::Wss),
    ("wss", TransportKind::Wss, TransportKind::Wss),
];

/// Where responses to a request with this Via that came this way go: the flow itself, but by UDP without `rport` to
/// the port that Via names (RFC 3261 section 18.2.2, RFC 3581 section 4).
pub(crate) fn response_flow(via: &ViaParts<'_>, flow: Flow) -> Flow {
    match flow {
        Flow::Udp { local, peer } if !via.has_rport() => Flow::Udp {
            local,
            peer: SocketAddr::new(peer.ip(), via.port.unwrap_or(PORT)),
        },
        _ => flow,
    }
}

/// Where a connection is opened to when the one the request came on is gone (RFC 3261 section 18.2.2).
pub(crate) fn reopen_address(via: &ViaParts<'_>, flow: Flow) -> SocketAddr {
    let usual = match flow.kind() {
        TransportKind::Tls => TLS_PORT,
        _ => PORT,
    };
    SocketAddr::new(flow.peer().ip(), via.port.unwrap_or(usual))
}
