//! Asking whether a peer is there: OPTIONS outside any session (RFC 3261 section 11).

use std::net::SocketAddr;

use super::{
    Endpoint, Hop,
    border::{Event, PingId, SessionError, TransportKind},
    client::Purpose,
    ident,
    local::Local,
    route,
};
use crate::{
    sip::{
        header::{CSeq, MaxForwards, NameAddr},
        headers::HeaderValue,
        message::{HeaderName, Method, Request},
        uri::Uri,
    },
    time::Time,
};

impl Endpoint {
    /// Asks a peer whether it is there. One [`Event::Pong`] follows: any final response counts as alive, no response
    /// (Timer F, 64 times T1) or a broken way as not. `transport`: by which, when not as the target says; `local`: by which
    /// address of ours, as for [`Endpoint::invite`].
    ///
    /// # Errors
    /// When the target has no numeric address and no next hop is given, or no address of ours is of its family.
    pub fn ping(
        &mut self,
        now: Time,
        target: Uri,
        next_hop: Option<SocketAddr>,
        transport: Option<TransportKind>,
        local: Option<Local>,
    ) -> Result<PingId, SessionError> {
        let peer = next_hop.or_else(|| target.address());
        let kind = transport.or_else(|| route::kind_of(&target));
        let hop = self.first_hop(peer, kind, local)?;
        let id = PingId(self.names.fresh());
        let request = self.options(target, hop);
        self.request(now, request, hop, Purpose::Ping(id));
        Ok(id)
    }

    pub(crate) fn pong(&mut self, ping: PingId, alive: bool) {
        self.tell(Event::Pong { ping, alive });
    }

    fn options(&mut self, target: Uri, hop: Hop) -> Request {
        let contact = self.default_contact(hop.local, hop.kind);
        let tag = ident::text(self.names.fresh());
        let from =
            NameAddr::new(Uri::sip(Some("ping"), self.own.locals.socket(hop.local))).with_tag(&tag);
        let to = NameAddr::new(target.clone());
        let mut request = Request::new(Method::Options, target);
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, u32::from(MaxForwards::DEFAULT.0));
        headers.push(HeaderName::From, &from);
        headers.push(HeaderName::To, &to);
        let call_id = HeaderValue::from(ident::text(self.names.fresh()));
        headers.push(HeaderName::CallId, &call_id);
        let cseq = CSeq {
            number: 1,
            method: Method::Options,
        };
        headers.push(HeaderName::CSeq, &cseq);
        self.introduce(headers, &contact);
        request
    }
}
