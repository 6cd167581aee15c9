//! Why the page can't be served.

use std::{io, net::SocketAddr};

/// Why the page can't be served, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Invariant 7: there is no TLS and no authentication here yet, so nobody but this machine may reach it.
    #[error(
        "the web page won't listen on {addr}: it has neither TLS nor a login yet, so it answers this machine only. \
         Use 127.0.0.1 or [::1], and reach it from elsewhere through a tunnel: ssh -L {port}:127.0.0.1:{port} HOST",
        port = addr.port()
    )]
    NotLoopback {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// Another program has the port.
    #[error(
        "the web page can't listen on {addr}: another program already does. Stop that program (perhaps another \
         vaxel), or choose another port"
    )]
    PortInUse {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// The system refuses the address for another reason.
    #[error("the web page can't listen on {addr}: {source}. Choose another address or port")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}
