//! What comes in: datagrams, streams, and which part of the endpoint a message is for (RFC 3261 sections 8.2, 18.2).

use std::net::SocketAddr;

use super::{
    Endpoint, OUTPUTS_MAX,
    border::{ConnectionId, Counters, Flow, Output, Timer},
    called::RETRY_AFTER_SECONDS,
    client::ClientKey,
    clients::COOKIE,
    connections::{CONNECTIONS_MAX, Ends, STALLED_AFTER},
    ident::{self, Key},
    local::Local,
    servers::{Answer, Back, Incoming},
    timers::Owner,
};
use crate::{
    sip::{
        header::{MaxForwards, ViaParts},
        message::{
            HeaderName, HeaderValue, Message, Method, ParseError, Request, Response, StatusCode,
        },
        stream::{Frame, FrameError, PONG},
        uri::Scheme,
    },
    time::Time,
};

/// What we can read in a body, as far as the endpoint itself knows.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";

impl Endpoint {
    pub(crate) fn on_datagram(&mut self, now: Time, local: Local, peer: SocketAddr, bytes: &[u8]) {
        if self.outputs.len() >= OUTPUTS_MAX {
            self.counters.shed += 1;
            return;
        }
        // What keeps a NAT binding open (RFC 5626 section 4.4) is no message and no mistake.
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        if self.turns_away(now, (local, peer), bytes, 0) {
            return;
        }
        let flow = Flow::Udp { local, peer };
        match Message::parse(bytes) {
            Ok(message) => self.on_message(now, flow, message),
            Err(error) => self.on_malformed(flow, &error),
        }
    }

    pub(crate) fn on_connected(&mut self, now: Time, connection: ConnectionId, ends: Ends) {
        if self.net.get(connection).is_some() {
            return self.keep_alive(now, connection);
        }
        if !connection.is_theirs() || self.net.len() >= CONNECTIONS_MAX {
            self.counters.shed += 1;
            self.outputs.push_back(Output::Close { connection });
            return;
        }
        self.net.add(connection, ends);
        self.watch(now, connection);
    }

    pub(crate) fn on_stream(&mut self, now: Time, connection: ConnectionId, bytes: &[u8]) {
        let Some(flow) = self.flow_to_read(now, connection) else {
            return;
        };
        if let Some(found) = self.net.get_mut(connection) {
            found.framer.push(bytes);
        }
        let mut whole = false;
        while let Some(frame) = self
            .net
            .get_mut(connection)
            .and_then(|found| found.framer.next())
        {
            whole = true;
            match frame {
                Ok(Frame::Message(message)) => {
                    self.used_on(now, connection);
                    self.on_message(now, flow, message);
                }
                Ok(Frame::Ping) => self.transmit(flow, bytes::Bytes::from_static(PONG)),
                Err(error) => {
                    let closes = error.closes();
                    match error {
                        FrameError::Malformed(error) | FrameError::NoLength(error) => {
                            self.on_malformed(flow, &error)
                        }
                        _ => self.counters.malformed += 1,
                    }
                    if closes {
                        return self.close(now, connection);
                    }
                }
            }
        }
        self.heard_on(now, connection);
        let Some(found) = self.net.get_mut(connection) else {
            return;
        };
        let partial = found.framer.is_partial();
        let stalled = found.stalls_at.take_if(|_| whole);
        let watched = found.stalls_at.is_some();
        if let Some(at) = stalled {
            self.timers
                .stop(at, Timer::Stalled, Owner::Connection(connection));
        }
        if partial && !watched {
            self.watch(now, connection);
        }
    }

    /// One message of a WebSocket; Content-Length may be missing there (RFC 7118 section 5.2).
    pub(crate) fn on_stream_message(&mut self, now: Time, connection: ConnectionId, bytes: &[u8]) {
        let Some(flow) = self.flow_to_read(now, connection) else {
            return;
        };
        let found = self.net.get_mut(connection);
        if let Some(at) = found.and_then(|found| found.stalls_at.take()) {
            self.timers
                .stop(at, Timer::Stalled, Owner::Connection(connection));
        }
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return self.transmit(flow, bytes::Bytes::from_static(PONG));
        }
        match Message::parse(bytes) {
            Ok(message) => self.on_message(now, flow, message),
            Err(error) => self.on_malformed(flow, &error),
        }
    }

    pub(crate) fn on_closed(&mut self, now: Time, connection: ConnectionId) {
        if let Some(flow) = self.net.remove(connection, &mut self.timers) {
            self.on_way_lost(now, flow);
        }
    }

    pub(crate) fn on_way_lost(&mut self, now: Time, flow: Flow) {
        for client in self.net.waiting_at(flow) {
            self.on_client_lost(now, client);
        }
    }

    pub(crate) fn on_stalled(&mut self, now: Time, connection: ConnectionId, at: Time) {
        if self
            .net
            .get(connection)
            .is_some_and(|found| found.stalls_at == Some(at))
        {
            self.close(now, connection);
        }
    }

    /// A request that begins no call and is in no session, or one whose method has no place in a session.
    pub(crate) fn on_outside(&mut self, now: Time, incoming: Incoming) {
        let status = match &incoming.request.method {
            Method::Invite => return self.on_invite(now, incoming),
            Method::Options if self.draining => StatusCode::SERVICE_UNAVAILABLE,
            Method::Options => StatusCode::OK,
            Method::Register if self.config.registrar => return self.hand_to_user(incoming),
            // Whoever isn't in a call with us may not have us call anybody.
            Method::Refer if self.config.transfers => StatusCode::FORBIDDEN,
            Method::Bye | Method::Update | Method::Info | Method::Notify | Method::Prack => {
                StatusCode::CALL_DOES_NOT_EXIST
            }
            Method::Other(_) => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::METHOD_NOT_ALLOWED,
        };
        let mut answer = Answer::new(status);
        if status != StatusCode::CALL_DOES_NOT_EXIST {
            answer.headers.push(HeaderName::Allow, &self.own.allow);
        }
        if status == StatusCode::OK {
            answer.headers.push(HeaderName::Accept, ACCEPT);
            let supported = super::supported(&self.config).join(", ");
            answer.headers.push(HeaderName::Supported, supported);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer
                .headers
                .push(HeaderName::RetryAfter, RETRY_AFTER_SECONDS);
        }
        self.refuse(&incoming, answer);
    }

    /// A method that isn't spoken here.
    pub(crate) fn on_unknown(&mut self, incoming: &Incoming) {
        let mut answer = Answer::new(StatusCode::METHOD_NOT_ALLOWED);
        answer.headers.push(HeaderName::Allow, &self.own.allow);
        self.refuse(incoming, answer);
    }

    fn on_message(&mut self, now: Time, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.on_request(now, flow, request),
            Message::Response(response) => self.on_response(now, response),
        }
    }

    fn on_response(&mut self, now: Time, response: Response) {
        *self
            .counters
            .responses_received
            .entry(response.status.code())
            .or_default() += 1;
        match client_key(&response) {
            Some(key) => self.on_client_response(now, key, response),
            None => self.counters.stray += 1,
        }
    }

    fn on_request(&mut self, now: Time, flow: Flow, mut request: Request) {
        self.counters.received(&request.method);
        let top = request.headers.list(&HeaderName::Via).next();
        let Some(via) = top.and_then(|via| ViaParts::scan(via).ok()) else {
            return;
        };
        let key = self.server_key(&request, &via);
        let (back, noted) = (Back::new(&via, flow), via.changed_by(flow.peer()));
        if let Some(noted) = noted {
            request.headers.replace_first(HeaderName::Via, noted);
        }
        let Some(incoming) = Incoming::new(request, key, flow, back) else {
            return;
        };
        match incoming.request.method {
            Method::Ack => return self.on_ack(now, &incoming),
            Method::Cancel => return self.on_cancel(now, &incoming),
            _ => {}
        }
        if self.on_server_repeat(now, key) {
            return;
        }
        let inside = incoming.to_tag.is_some();
        if let Some(answer) = self.inspect(&incoming.request, inside) {
            return self.refuse(&incoming, answer);
        }
        if inside {
            self.on_inside(now, incoming)
        } else {
            self.on_outside(now, incoming)
        }
    }

    /// What makes a request unacceptable whatever it asks (RFC 3261 section 8.2). Max-Forwards counts only outside
    /// sessions, where a circle can close.
    fn inspect(&self, request: &Request, inside: bool) -> Option<Answer> {
        if matches!(request.uri.scheme, Scheme::Other(_)) {
            return Some(Answer::new(StatusCode::UNSUPPORTED_URI_SCHEME));
        }
        if !inside && request.max_forwards() == Some(MaxForwards(0)) {
            return Some(Answer::new(StatusCode::TOO_MANY_HOPS));
        }
        request.headers.get(&HeaderName::Require)?;
        let supported = super::supported(&self.config);
        let known = |option: &str| supported.iter().any(|own| own.eq_ignore_ascii_case(option));
        let unknown: Vec<&str> = request
            .headers
            .list(&HeaderName::Require)
            .filter(|option| !known(option))
            .collect();
        (!unknown.is_empty()).then(|| {
            let mut answer = Answer::new(StatusCode::BAD_EXTENSION);
            answer
                .headers
                .push(HeaderName::Unsupported, unknown.join(", "));
            answer
        })
    }

    fn on_malformed(&mut self, flow: Flow, error: &ParseError) {
        self.counters.malformed += 1;
        let Some(mut response) = error.bad_request() else {
            return;
        };
        // Without a Via that can be read the answer goes back where the message came from.
        let top = response.headers.list(&HeaderName::Via).next();
        let key = self.names.key(&[top.unwrap_or_default().as_bytes()]);
        let mut back = Back::straight(flow);
        if let Some(via) = top.and_then(|via| ViaParts::scan(via).ok()) {
            back = Back::new(&via, flow);
            let noted = via.noted(flow.peer());
            response.headers.replace_first(HeaderName::Via, noted);
        }
        if let Ok(to) = response.headers.to()
            && to.tag().is_none()
        {
            let to = to.with_tag(&ident::text(self.names.stateless_tag(key)));
            response.headers.set(HeaderName::To, HeaderValue::from(&to));
        }
        self.counters.refuse(response.status.code());
        self.counters.answered(response.status.code());
        self.send_back(back, response.to_bytes());
    }

    /// What makes two requests one transaction (RFC 3261 section 17.2.3); ACK and CANCEL are of their INVITE's. The second form is for
    /// branches of before RFC 3261.
    fn server_key(&self, request: &Request, via: &ViaParts<'_>) -> Key {
        if let Some(key) = self.branch_key(via, &request.method) {
            return key;
        }
        let tag = request.headers.tag(&HeaderName::From).unwrap_or_default();
        let cseq = request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes();
        let call_id = request.call_id().unwrap_or_default();
        let via = request.headers.list(&HeaderName::Via).next();
        let (uri, via) = (request.uri.to_string(), via.unwrap_or_default());
        let parts = [
            uri.as_bytes(),
            tag.as_bytes(),
            call_id.as_bytes(),
            &cseq,
            via.as_bytes(),
            class_of(&request.method).as_bytes(),
        ];
        self.names.key(&parts)
    }

    /// The same by its branch; `None` for one of before RFC 3261.
    pub(crate) fn branch_key(&self, via: &ViaParts<'_>, method: &Method) -> Option<Key> {
        let branch = via.branch()?;
        if branch.len() <= COOKIE.len() || !branch.starts_with(COOKIE) {
            return None;
        }
        let port = via.port.unwrap_or_default().to_be_bytes();
        Some(self.names.key(&[
            branch.as_bytes(),
            via.host.as_bytes(),
            &port,
            class_of(method).as_bytes(),
        ]))
    }

    /// The way over a connection from which bytes came, unless there is no room for what would follow from them. A stream
    /// with a hole in it is of no more use, so that one is closed.
    fn flow_to_read(&mut self, now: Time, connection: ConnectionId) -> Option<Flow> {
        if self.outputs.len() >= OUTPUTS_MAX {
            self.counters.shed += 1;
            self.close(now, connection);
            return None;
        }
        self.net.flow_of(connection)
    }

    pub(crate) fn close(&mut self, now: Time, connection: ConnectionId) {
        self.outputs.push_back(Output::Close { connection });
        self.on_closed(now, connection);
    }

    fn watch(&mut self, now: Time, connection: ConnectionId) {
        let at = now + STALLED_AFTER;
        if let Some(found) = self.net.get_mut(connection) {
            found.stalls_at = Some(at);
            self.timers
                .set(at, Timer::Stalled, Owner::Connection(connection));
        }
    }
}

/// The method of the transaction that a request belongs to.
fn class_of(method: &Method) -> &str {
    match method {
        Method::Ack | Method::Cancel => "INVITE",
        method => method.as_str(),
    }
}

/// The transaction a response is for. A second Via means that it went astray (RFC 3261 section 8.1.3.3).
fn client_key(response: &Response) -> Option<ClientKey> {
    let mut vias = response.headers.list(&HeaderName::Via);
    let branch = ViaParts::branch_in(vias.next()?)?;
    if vias.next().is_some() {
        return None;
    }
    let branch = ident::read(branch.strip_prefix(COOKIE)?)?;
    let cancel = response.cseq().ok()?.method == Method::Cancel;
    Some(ClientKey { branch, cancel })
}

impl Counters {
    pub(crate) fn refuse(&mut self, status: u16) {
        *self.refused.entry(status).or_default() += 1;
    }

    /// A response was sent.
    pub(crate) fn answered(&mut self, status: u16) {
        *self.responses_sent.entry(status).or_default() += 1;
    }

    pub(crate) fn sent(&mut self, method: &Method) {
        count(&mut self.requests_sent, method);
    }

    pub(crate) fn received(&mut self, method: &Method) {
        count(&mut self.requests_received, method);
    }
}

/// A peer can make up any number of methods: those are counted as one.
fn count(counts: &mut std::collections::BTreeMap<String, u64>, method: &Method) {
    let name = if matches!(method, Method::Other(_)) {
        "other"
    } else {
        method.as_str()
    };
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}
