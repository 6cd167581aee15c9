//! A dialog: what two ends must remember to talk on (RFC 3261 section 12).

use std::net::{IpAddr, SocketAddr};

use super::{
    border::{ConnectionId, Flow, TransportKind},
    local::Local,
    route::Hop,
    servers::Incoming,
};
use crate::sip::{
    header::{CSeq, MaxForwards, NameAddr, ViaParts},
    message::{HeaderName, HeaderValue, Headers, Method, Request, Response},
    uri::Uri,
};

/// Routes kept of a Record-Route; a request with Max-Forwards 70 can't have met more proxies.
const ROUTES_MAX: usize = 70;

/// One side of an established dialog.
#[derive(Debug)]
pub(crate) struct Dialog {
    call_id: HeaderValue,
    /// Our From in requests, with our tag.
    local: HeaderValue,
    /// Their To in requests, with their tag.
    remote: HeaderValue,
    remote_tag: Box<str>,
    local_cseq: u32,
    /// `None`: they never sent a request.
    remote_cseq: Option<u32>,
    target: Uri,
    routes: Vec<HeaderValue>,
    /// The address their first message came from.
    peer: SocketAddr,
    kind: TransportKind,
    /// The address of ours at which it began: it stays there.
    local_address: Local,
    connection: Option<ConnectionId>,
    /// Their Contact names an address that can't be reached from here: the one their Via named too, which was not
    /// where the message came from (RFC 3581 section 1), or the one they were called by, by another way. Requests go to `peer`.
    behind_nat: bool,
}

impl Dialog {
    /// As the one called: `local` is the INVITE's To with our tag. `None` without a usable
    /// Contact (RFC 3261 section 12.1.1).
    pub(crate) fn of_callee(incoming: &Incoming, local: &HeaderValue) -> Option<Self> {
        let (request, flow) = (&incoming.request, incoming.flow);
        let target = request.contact_uri()?;
        let via = request.headers.list(&HeaderName::Via).next()?;
        let sent_by = ViaParts::scan(via).ok()?.host;
        let peer = flow.peer();
        let elsewhere = sent_by.parse() != Ok(peer.ip());
        Some(Self {
            call_id: kept(request.headers.value(&HeaderName::CallId)?),
            local: kept(local),
            remote: kept(request.headers.value(&HeaderName::From)?),
            remote_tag: incoming.from_tag.clone(),
            local_cseq: 0,
            remote_cseq: Some(incoming.cseq),
            behind_nat: elsewhere && *target.host == *sent_by && target.address().is_some(),
            target,
            routes: routes(&request.headers, false),
            peer,
            kind: flow.kind(),
            local_address: flow.local(),
            connection: flow.connection(),
        })
    }

    /// As the caller: our INVITE and the 2xx it got (RFC 3261 section 12.1.2).
    pub(crate) fn of_caller(request: &Request, response: &Response, flow: Flow) -> Option<Self> {
        let remote = kept(response.headers.value(&HeaderName::To)?);
        // A 2xx must have a Contact; without one, where the INVITE went is the best there is.
        let target = response
            .contact_uri()
            .unwrap_or_else(|| request.uri.clone());
        let peer = flow.peer();
        let elsewhere = target
            .address()
            .is_some_and(|address| address.ip() != peer.ip());
        Some(Self {
            call_id: request.headers.value(&HeaderName::CallId)?.clone(),
            local: request.headers.value(&HeaderName::From)?.clone(),
            remote_tag: NameAddr::tag_in(remote.as_str()).unwrap_or_default().into(),
            remote,
            local_cseq: request.cseq().ok()?.number,
            remote_cseq: None,
            // The INVITE for that very address was sent elsewhere: it can't be reached itself.
            behind_nat: elsewhere && target.host == request.uri.host,
            target,
            routes: routes(&response.headers, true),
            peer,
            kind: flow.kind(),
            local_address: flow.local(),
            connection: flow.connection(),
        })
    }

    pub(crate) const fn call_id(&self) -> &HeaderValue {
        &self.call_id
    }

    /// Gives it another tag of ours, and says what our address is with it. To the peer it is a new dialog, in which only
    /// the INVITE was sent.
    pub(crate) fn retag(&mut self, tag: &str, invite_cseq: u32) -> Option<HeaderValue> {
        self.remote_cseq = Some(invite_cseq);
        let address = NameAddr::parse(self.local.as_str()).ok()?.with_tag(tag);
        self.local = HeaderValue::from(&address);
        Some(self.local.clone())
    }

    /// Goes on counting where the early dialog left off.
    pub(crate) fn continues(&mut self, early: &Self) {
        self.local_cseq = self.local_cseq.max(early.local_cseq);
        self.remote_cseq = self.remote_cseq.max(early.remote_cseq);
    }

    /// Whether this address has a part in it: where it came from, its target, a proxy of its route set.
    pub(crate) fn knows(&self, ip: IpAddr) -> bool {
        let is = |uri: &Uri| uri.address().is_some_and(|address| address.ip() == ip);
        let routed = || {
            let mut routes = self
                .routes
                .iter()
                .filter_map(|route| NameAddr::parse(route.as_str()).ok());
            routes.any(|route| is(&route.uri))
        };
        self.peer.ip() == ip || is(&self.target) || routed()
    }

    pub(crate) fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// A new request inside the dialog; its CSeq is one higher than the last.
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_cseq = (self.local_cseq + 1).min(CSeq::NUMBER_MAX);
        self.build(method, self.local_cseq)
    }

    /// The ACK of a 2xx: the CSeq of the INVITE it answers (RFC 3261 section 13.2.2.4).
    pub(crate) fn ack(&self, cseq: u32) -> Request {
        self.build(Method::Ack, cseq)
    }

    /// Takes a request's CSeq; false when it isn't higher than the last (RFC 3261 section 12.2.2).
    pub(crate) fn advance(&mut self, cseq: u32) -> bool {
        let new = self.remote_cseq.is_none_or(|last| cseq > last);
        if new {
            self.remote_cseq = Some(cseq);
        }
        new
    }

    /// A target refresh: INVITE or UPDATE, or the 2xx to one, with a Contact (RFC 3261 section 12.2).
    pub(crate) fn refresh(&mut self, headers: &Headers) {
        if let Some(target) = headers.contact_uri() {
            self.behind_nat &= target.host == self.target.host;
            self.target = target;
        }
    }

    /// The peer is there by this way now. A connection that it opened and opened anew is the only one that leads to a browser or
    /// past a NAT; and a NAT may have given it another port.
    pub(crate) fn comes_by(&mut self, flow: Flow) {
        if flow.kind() != self.kind || flow.peer().ip() != self.peer.ip() {
            return;
        }
        match (self.connection, flow.connection()) {
            (Some(before), Some(now)) if before.is_theirs() && now.is_theirs() => {
                self.connection = Some(now);
                self.peer = flow.peer();
            }
            (None, None) if self.behind_nat => self.peer = flow.peer(),
            _ => {}
        }
    }

    /// Where the next request goes (RFC 3261 section 12.2.1.1 and 8.1.2).
    pub(crate) fn hop(&self) -> Hop {
        let first = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route.as_str()).ok());
        let uri = first.as_ref().map_or(&self.target, |route| &route.uri);
        let kind = super::route::kind_of(uri).unwrap_or(self.kind);
        let reached = uri
            .address()
            .filter(|_| !self.behind_nat || first.is_some());
        // Names are not looked up here: where the dialog came from is taken for where the name leads.
        let peer = reached.unwrap_or(self.peer);
        // A connection they opened to us may be the only one there can be.
        let connection = self
            .connection
            .filter(|_| peer.ip() == self.peer.ip() && kind == self.kind);
        Hop {
            peer,
            kind,
            local: self.local_address,
            connection,
        }
    }

    fn build(&self, method: Method, cseq: u32) -> Request {
        let (uri, routes) = self.strict_or_loose();
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, u32::from(MaxForwards::DEFAULT.0));
        headers.push(HeaderName::From, &self.local);
        headers.push(HeaderName::To, &self.remote);
        headers.push(HeaderName::CallId, &self.call_id);
        headers.push(
            HeaderName::CSeq,
            &CSeq {
                number: cseq,
                method,
            },
        );
        for route in routes {
            headers.push(HeaderName::Route, route);
        }
        request
    }

    /// Request-URI and Route: a first route without `lr` takes the Request-URI's place, and the target goes last
    /// (RFC 3261 section 12.2.1.1).
    fn strict_or_loose(&self) -> (Uri, Vec<HeaderValue>) {
        let first = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route.as_str()).ok());
        match first {
            Some(strict) if strict.uri.param("lr").is_none() => {
                let mut routes = self.routes[1..].to_vec();
                routes.push(HeaderValue::from(&NameAddr::new(self.target.clone())));
                (strict.uri, routes)
            }
            _ => (self.target.clone(), self.routes.clone()),
        }
    }
}

/// A copy of its own: a value as received keeps the whole message's head in memory.
fn kept(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from(value.as_str())
}

fn routes(headers: &Headers, reversed: bool) -> Vec<HeaderValue> {
    let mut routes: Vec<_> = headers
        .list(&HeaderName::RecordRoute)
        .take(ROUTES_MAX)
        .map(HeaderValue::from)
        .collect();
    if reversed {
        routes.reverse();
    }
    routes
}
