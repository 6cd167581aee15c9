//! Where messages go: by what transport, to what address, on what connection (RFC 3261 section 18, RFC 3581).

use std::net::{IpAddr, SocketAddr};

use super::border::{ConnectionId, Flow, TransportKind};
use crate::sip::{header::Via, uri::Uri};

/// SIP's port (RFC 3261 section 19.1.2).
const PORT: u16 = 5060;

/// Where a request is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) peer: SocketAddr,
    pub(crate) kind: TransportKind,
    /// This connection, should it still be open.
    pub(crate) connection: Option<ConnectionId>,
}

impl Flow {
    /// The other side's address.
    pub const fn peer(self) -> SocketAddr {
        match self {
            Self::Udp { peer } | Self::Tcp { peer, .. } => peer,
        }
    }

    /// By what transport.
    pub const fn kind(self) -> TransportKind {
        match self {
            Self::Udp { .. } => TransportKind::Udp,
            Self::Tcp { .. } => TransportKind::Tcp,
        }
    }

    /// The connection, for one.
    pub const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Udp { .. } => None,
            Self::Tcp { connection, .. } => Some(connection),
        }
    }

    /// Whether the transport itself repeats what is lost.
    pub(crate) const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp { .. })
    }
}

impl TransportKind {
    /// As Via names it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

/// The transport a URI asks for; `None` when it leaves it open, or asks for one we don't have.
pub(crate) fn kind_of(uri: &Uri) -> Option<TransportKind> {
    let name = uri.transport()?;
    if name.eq_ignore_ascii_case("tcp") {
        Some(TransportKind::Tcp)
    } else if name.eq_ignore_ascii_case("udp") {
        Some(TransportKind::Udp)
    } else {
        None
    }
}

/// Where responses to a request with this Via that came this way go: the flow itself, but by UDP without `rport` to
/// the port that Via names (RFC 3261 section 18.2.2, RFC 3581 section 4).
pub(crate) fn response_flow(via: &Via, flow: Flow) -> Flow {
    match flow {
        Flow::Udp { peer } if via.rport().is_none() => Flow::Udp {
            peer: SocketAddr::new(peer.ip(), via.port.unwrap_or(PORT)),
        },
        _ => flow,
    }
}

/// Where a connection is opened to when the one the request came on is gone (RFC 3261 section 18.2.2).
pub(crate) fn reopen_address(via: &Via, source: IpAddr) -> SocketAddr {
    SocketAddr::new(source, via.port.unwrap_or(PORT))
}
