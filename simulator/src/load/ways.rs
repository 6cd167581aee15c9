//! By what way callers reach the switch: UDP, TCP or TLS, from which address of this machine, and whether it is who it should be.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use transport::{Listen, Networks, SipDriver, TlsClient, handshake};
use wire::sip::{
    endpoint::{Config, TransportKind},
    uri::Uri,
};

use super::{LoadError, LoadPlan};

/// A driver for the callers of a plan, and whom they call.
pub(super) async fn open(plan: &mut LoadPlan) -> Result<(SipDriver, Uri), LoadError> {
    let wrong = || LoadError::Target(plan.to.clone());
    let target = Uri::parse(&plan.to).map_err(|_| wrong())?;
    let peer = plan.next_hop.or_else(|| target.address());
    let peer = peer.ok_or_else(wrong)?;
    if !(peer.ip().to_canonical().is_loopback() || plan.elsewhere) {
        return Err(LoadError::Elsewhere(peer));
    }
    let tls = match way_to(&target)? {
        TransportKind::Tls => {
            let tls = plan.tls.clone().ok_or(LoadError::NoCa)?;
            believed(&tls, peer).await?;
            Some(tls)
        }
        _ if plan.tls.is_some() => return Err(LoadError::NotByTls),
        _ => None,
    };
    if plan.local.ip().is_unspecified() {
        plan.local.set_ip(address_toward(peer));
    }
    let config = Config::default_for(plan.local, rand::random());
    let mut listen = Listen::plain(plan.local);
    // Whom it calls is its own choice: no limit holds for anybody.
    listen.limits.exempt = Networks::everyone();
    listen.tls_client = tls;
    Ok((SipDriver::listen(listen, config)?, target))
}

/// Whether a call to this target goes by TLS, where nobody else reads it.
pub(super) fn is_secure(target: &Uri) -> bool {
    TransportKind::asked_by(target) == Some(TransportKind::Tls)
}

fn way_to(target: &Uri) -> Result<TransportKind, LoadError> {
    match (TransportKind::asked_by(target), target.transport()) {
        (Some(way @ (TransportKind::Udp | TransportKind::Tcp | TransportKind::Tls)), _) => Ok(way),
        (None, None) => Ok(TransportKind::Udp),
        (_, named) => Err(LoadError::Way(named.unwrap_or_default().into())),
    }
}

async fn believed(tls: &Arc<TlsClient>, peer: SocketAddr) -> Result<(), LoadError> {
    let believed = handshake::believes(Arc::clone(tls), peer).await;
    believed.map_err(|why| LoadError::Unbelieved { peer, why })
}

/// The address of this machine from which the system would send to that one. Nothing is sent for it.
fn address_toward(peer: SocketAddr) -> IpAddr {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let asked = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(peer)?;
        socket.local_addr()
    });
    // No way leads there: the calls will tell.
    asked.map_or(Ipv4Addr::LOCALHOST.into(), |own| own.ip())
}
