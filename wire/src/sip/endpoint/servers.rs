//! Requests of others that are under way, and how the server machines' steps are carried out.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::{
    Endpoint, Hop,
    border::{ConnectionId, Flow, SessionId, Timer},
    ident::{self, Key},
    local::Local,
    route,
    timers::{Owner, Slots},
    transaction::{Class, InviteServer, OtherServer, Step, Steps},
};
use crate::{
    sip::{
        header::ViaParts,
        message::{Body, HeaderName, HeaderValue, Headers, Method, Request, Response, StatusCode},
    },
    time::Time,
};

/// Server transactions held for each session allowed. A short call leaves two behind (INVITE and BYE) for 64*T1.
const SERVERS_PER_SESSION: usize = 4;
/// And this many however few sessions are allowed.
const SERVERS_MIN: usize = 1024;

/// A request as it came: what it is, who sent it, where the answer goes.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) request: Request,
    pub(crate) key: Key,
    /// Whence it came.
    pub(crate) flow: Flow,
    pub(crate) back: Back,
    /// Empty when there is none.
    pub(crate) from_tag: Box<str>,
    pub(crate) to_tag: Option<Box<str>>,
    pub(crate) cseq: u32,
}

impl Incoming {
    /// `None` without the fields that every request must have; parsing saw to them.
    pub(crate) fn new(request: Request, key: Key, flow: Flow, back: Back) -> Option<Self> {
        let headers = &request.headers;
        Some(Self {
            from_tag: headers.tag(&HeaderName::From).unwrap_or_default().into(),
            to_tag: headers.tag(&HeaderName::To).map(Box::from),
            cseq: request.cseq().ok()?.number,
            back,
            request,
            key,
            flow,
        })
    }

    /// The request's To with this tag; as it is when it has one.
    pub(crate) fn to_with_tag(&self, tag: &str) -> Option<HeaderValue> {
        let to = self.request.headers.value(&HeaderName::To)?;
        if self.to_tag.is_some() {
            return Some(to.clone());
        }
        let address = self.request.to().ok()?.with_tag(tag);
        Some(HeaderValue::from(&address))
    }
}

/// Where responses go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Back {
    flow: Flow,
    /// Where to open a connection when the flow is one that is gone.
    reopen: SocketAddr,
}

impl Back {
    /// Straight back where a message came from.
    pub(crate) const fn straight(flow: Flow) -> Self {
        Self {
            flow,
            reopen: flow.peer(),
        }
    }

    pub(crate) fn new(via: &ViaParts<'_>, flow: Flow) -> Self {
        let reopen = route::reopen_address(via, flow);
        Self {
            flow: route::response_flow(via, flow),
            reopen,
        }
    }

    /// The address of ours at which the request came.
    pub(crate) const fn local(self) -> Local {
        self.flow.local()
    }

    /// The connection by which the request came, if it came by one.
    pub(crate) const fn connection(self) -> Option<ConnectionId> {
        self.flow.connection()
    }

    /// The peer's address.
    pub(crate) const fn ip(self) -> IpAddr {
        self.reopen.ip()
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Server {
    machine: Machine,
    pub(crate) back: Back,
    /// What every response repeats of the request; empty once the final one is sent.
    echo: Headers,
    /// What is sent again; a 2xx to an INVITE isn't by its transaction (RFC 6026 section 7.1).
    last: Option<Bytes>,
    pub(crate) slots: Slots,
    pub(crate) session: Option<SessionId>,
    /// Its place in the table of requests that could come twice by two ways.
    merged: Option<Key>,
}

#[derive(Debug, Clone, Copy)]
enum Machine {
    Invite(InviteServer),
    Other(OtherServer),
}

/// A response to be sent by a server transaction.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    pub(crate) body: Option<Body>,
}

impl Answer {
    pub(crate) fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: Headers::new(),
            body: None,
        }
    }
}

impl Endpoint {
    /// Whether another server transaction may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.servers.len()
            < self
                .config
                .sessions_max
                .saturating_mul(SERVERS_PER_SESSION)
                .max(SERVERS_MIN)
    }

    /// Begins a transaction. `to` is the To of its responses.
    pub(crate) fn serve(
        &mut self,
        incoming: &Incoming,
        to: HeaderValue,
        session: Option<SessionId>,
        merged: Option<Key>,
    ) {
        let machine = if incoming.request.method == Method::Invite {
            Machine::Invite(InviteServer::Proceeding)
        } else {
            Machine::Other(OtherServer::Open)
        };
        let echo = echo(&incoming.request, to);
        if let Some(merged) = merged {
            self.merged.insert(merged, incoming.key);
        }
        let server = Server {
            machine,
            back: incoming.back,
            echo,
            last: None,
            slots: Slots::default(),
            session,
            merged,
        };
        self.servers.insert(incoming.key, Box::new(server));
    }

    /// Sends a response by its transaction; gives its bytes and where they went. `None` when the final response was
    /// sent before.
    pub(crate) fn respond(&mut self, now: Time, key: Key, answer: Answer) -> Option<(Bytes, Back)> {
        let server = self
            .servers
            .get_mut(&key)
            .filter(|server| server.is_open())?;
        let class = Class::of(answer.status.code());
        let headers = if class == Class::Provisional {
            server.echo.clone()
        } else {
            std::mem::take(&mut server.echo)
        };
        let back = server.back;
        let bytes = self.response_bytes(headers, answer);
        self.send_back(back, bytes.clone());
        let rules = self.rules(back.flow);
        let server = self.servers.get_mut(&key)?;
        let steps = match &mut server.machine {
            Machine::Invite(machine) => machine.on_sent(rules, class),
            Machine::Other(machine) => machine.on_sent(rules, class),
        };
        let repeats = !matches!(server.machine, Machine::Invite(InviteServer::Accepted));
        server.last = repeats.then(|| bytes.clone());
        self.run_server(now, key, steps);
        Some((bytes, back))
    }

    /// Further responses bear this To.
    pub(crate) fn answer_as(&mut self, key: Key, to: HeaderValue) {
        if let Some(server) = self.servers.get_mut(&key) {
            server.echo.set(HeaderName::To, to);
        }
    }

    /// Answers a request in one go, by a transaction that only absorbs its repetitions.
    pub(crate) fn conclude(&mut self, now: Time, incoming: &Incoming, answer: Answer) {
        let Some(to) = incoming.request.headers.value(&HeaderName::To).cloned() else {
            return;
        };
        if !self.has_room() {
            return self.refuse(incoming, answer);
        }
        self.serve(incoming, to, None, None);
        self.respond(now, incoming.key, answer);
    }

    /// Answers without remembering: the same request gets the same answer again (RFC 3261 section 8.2.7).
    pub(crate) fn refuse(&mut self, incoming: &Incoming, answer: Answer) {
        let tag = self.names.stateless_tag(incoming.key);
        let Some(to) = incoming.to_with_tag(&ident::text(tag)) else {
            return;
        };
        if answer.status.code() >= 300 {
            self.counters.refuse(answer.status.code());
        }
        self.respond_once(incoming, to, answer);
    }

    /// Sends a response that no transaction keeps.
    pub(crate) fn respond_once(&mut self, incoming: &Incoming, to: HeaderValue, answer: Answer) {
        let bytes = self.response_bytes(echo(&incoming.request, to), answer);
        self.send_back(incoming.back, bytes);
    }

    /// The same request came again. False when it is unknown.
    pub(crate) fn on_server_repeat(&mut self, now: Time, key: Key) -> bool {
        let Some(server) = self.servers.get(&key) else {
            return false;
        };
        self.counters.repeated += 1;
        let steps = match server.machine {
            Machine::Invite(machine) => machine.on_repeat(),
            Machine::Other(machine) => machine.on_repeat(),
        };
        self.run_server(now, key, steps);
        true
    }

    /// An ACK with the branch of an INVITE. False when it is for the dialog.
    pub(crate) fn on_server_ack(&mut self, now: Time, key: Key) -> bool {
        let t1 = self.config.t1;
        let Some(server) = self.servers.get_mut(&key) else {
            return false;
        };
        let Machine::Invite(machine) = &mut server.machine else {
            return true;
        };
        let steps = machine.on_ack(super::Rules {
            t1,
            reliable: server.back.flow.is_reliable(),
        });
        let for_dialog = steps.into_iter().any(|step| step == Step::Deliver);
        self.run_server(now, key, steps);
        !for_dialog
    }

    pub(crate) fn on_server_timer(&mut self, now: Time, key: Key, timer: Timer, at: Time) {
        let Some(server) = self.servers.get_mut(&key) else {
            return;
        };
        if !server.slots.take(timer, at) {
            return;
        }
        let steps = match &mut server.machine {
            Machine::Invite(machine) => machine.on_timer(timer),
            Machine::Other(machine) => machine.on_timer(timer),
        };
        self.run_server(now, key, steps);
    }

    /// Sends bytes the way responses go: by its connection, or by another to the same peer when it is gone.
    pub(crate) fn send_back(&mut self, back: Back, bytes: Bytes) {
        let gone = back
            .flow
            .connection()
            .is_some_and(|connection| self.net.get(connection).is_none());
        if gone && !back.flow.kind().can_be_opened() {
            self.counters.shed += 1;
            return;
        }
        let flow = if gone {
            self.stream_to(Hop {
                peer: back.reopen,
                kind: back.flow.kind(),
                local: back.flow.local(),
                connection: None,
            })
        } else {
            back.flow
        };
        self.transmit(flow, bytes);
    }

    fn run_server(&mut self, now: Time, key: Key, steps: Steps) {
        for step in steps {
            let Some(server) = self.servers.get_mut(&key) else {
                return;
            };
            match step {
                Step::Repeat => {
                    let back = server.back;
                    if let Some(bytes) = server.last.clone() {
                        self.counters.retransmitted += 1;
                        self.send_back(back, bytes);
                    }
                }
                Step::Set(timer, span) => {
                    let owner = Owner::Server(key);
                    self.timers
                        .start(&mut server.slots, now + span, timer, owner);
                }
                Step::Quiet => self.timers.quiet(&mut server.slots, Owner::Server(key)),
                Step::Done => self.forget_server(key),
                // Server machines ask for none of these of us; an ACK to deliver is the caller's.
                Step::Ack | Step::Deliver | Step::Timeout | Step::RangTooLong => {}
            }
        }
    }

    fn forget_server(&mut self, key: Key) {
        let Some(server) = self.servers.remove(&key) else {
            return;
        };
        self.timers.stop_all(&server.slots, Owner::Server(key));
        if let Some(merged) = server.merged {
            self.merged.remove(&merged);
        }
    }

    fn response_bytes(&mut self, mut headers: Headers, answer: Answer) -> Bytes {
        headers.append(&answer.headers);
        if let Some(product) = &self.own.product {
            headers.push(HeaderName::Server, product);
        }
        let status = answer.status;
        let mut response = Response {
            status,
            reason: status.phrase().into(),
            headers,
            body: Bytes::new(),
        };
        if answer.body.is_some() {
            response.set_body(answer.body);
        }
        self.counters.answered(status.code());
        response.to_bytes()
    }
}

impl Server {
    /// Whether no final response was sent.
    pub(crate) fn is_open(&self) -> bool {
        match self.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(machine) => machine == OtherServer::Open,
        }
    }
}

/// Fields of most responses: Via, From, To, Call-ID, CSeq, and what an answer adds.
const ECHO_USUAL: usize = 12;

/// What a response repeats of its request (RFC 3261 section 8.2.6.2; Record-Route: section 12.1.1).
fn echo(request: &Request, to: HeaderValue) -> Headers {
    let mut headers = Headers::with_capacity(ECHO_USUAL);
    let mut copy = |name: HeaderName| {
        for value in request.headers.values(&name) {
            headers.push(name.clone(), value);
        }
    };
    copy(HeaderName::Via);
    copy(HeaderName::From);
    copy(HeaderName::CallId);
    copy(HeaderName::CSeq);
    if request.method == Method::Invite {
        copy(HeaderName::RecordRoute);
    }
    headers.push(HeaderName::To, to);
    headers
}
