//! Where and how a driver listens, beyond one address for UDP and TCP.

use std::{net::SocketAddr, sync::Arc};

use tokio::runtime::Handle;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use crate::{guard::Limits, handed::Inherited};

/// Where a driver listens and what it lets in.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// UDP and TCP: one address, or several, of one family (IPv4, IPv6) or both.
    pub sip: Vec<SocketAddr>,
    /// TLS.
    pub tls: Option<TlsListen>,
    /// How TLS is spoken to those we call; `None`: we don't, and such calls fail.
    pub tls_client: Option<Arc<ClientConfig>>,
    /// The web address under which WebSockets come in, for our Contact there.
    pub web: Option<SocketAddr>,
    /// What one address may send.
    pub limits: Limits,
    /// Sockets that are open already: those bound to these addresses are used.
    pub inherited: Inherited,
    /// Where the tasks of connections run, handshakes among them; `None`: with the driver. One that has a thread of its own
    /// leaves them to others.
    pub tasks: Option<Handle>,
}

/// What listens for TLS.
#[derive(Debug, Clone)]
pub struct TlsListen {
    /// Where: one address, or several.
    pub addresses: Vec<SocketAddr>,
    /// Certificate, key, and whose certificates count.
    pub config: Arc<ServerConfig>,
    /// Names that a peer's certificate may prove: [`SipDriver::peer_name`](crate::SipDriver::peer_name) tells which.
    pub names: Vec<Box<str>>,
}

impl Listen {
    /// UDP and TCP only at one address, with the usual limits.
    pub fn plain(sip: SocketAddr) -> Self {
        Self {
            sip: vec![sip],
            ..Self::default()
        }
    }
}
