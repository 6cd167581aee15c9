//! Requests of ours that are under way, and how the client machines' steps are carried out.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{
    Endpoint, Hop,
    border::{Flow, Output, Timer, TransportKind},
    client::{Acked, Client, ClientKey, Failure, Machine, Purpose},
    local::Local,
    timers::{Owner, Slots},
    transaction::{Class, InviteClient, OtherClient, Rules, Step, Steps},
};
use crate::{
    sip::message::{HeaderName, Message, Method, Request, Response},
    time::Time,
};

/// The cookie of RFC 3261 branches (section 8.1.1.7).
pub(crate) const COOKIE: &str = "z9hG4bK";
/// A UDP request over this many bytes goes by TCP (RFC 3261 section 18.1.1).
const DATAGRAM_MAX: usize = 1300;

/// A request as it goes out.
pub(super) struct Rendered {
    pub(super) flow: Flow,
    pub(super) bytes: Bytes,
    pub(super) by_size: Option<SocketAddr>,
    /// As [`Client::proved`].
    pub(super) proved: u8,
}

impl Endpoint {
    /// Sends a request and begins its transaction.
    pub(crate) fn request(
        &mut self,
        now: Time,
        mut request: Request,
        hop: Hop,
        purpose: Purpose,
    ) -> ClientKey {
        if let Some(id) = purpose.session() {
            self.authorize(id, &mut request);
        }
        let key = self.fresh_branch();
        let sent = self.render(&mut request, hop, key);
        self.begin(now, key, request, sent, purpose);
        key
    }

    /// Sends a CANCEL for this INVITE: same branch, same way (RFC 3261 section 9.1).
    pub(crate) fn send_cancel(&mut self, now: Time, invite: ClientKey, reason: Option<&str>) {
        let Some(client) = self.clients.get(&invite) else {
            return;
        };
        let Machine::Invite(machine) = &client.machine else {
            return;
        };
        if machine.is_final() {
            return;
        }
        let (machine, flow) = (*machine, client.flow);
        let flow = self.way_again(flow, flow.peer());
        let Some(invited) = self.clients.get(&invite).and_then(|it| it.request.as_ref()) else {
            return;
        };
        let mut request = hop_by_hop(invited, Method::Cancel);
        if let Some(to) = invited.headers.value(&HeaderName::To) {
            request.headers.push(HeaderName::To, to);
        }
        if let Some(reason) = reason {
            request.headers.push(HeaderName::Reason, reason);
        }
        let steps = machine.on_cancel(self.rules(flow));
        self.run_client(now, invite, steps, None);
        let bytes = request.to_bytes();
        let key = ClientKey {
            cancel: true,
            ..invite
        };
        self.begin(
            now,
            key,
            request,
            Rendered {
                flow,
                bytes,
                by_size: None,
                proved: 0,
            },
            Purpose::Cancel,
        );
    }

    /// Sends a request that is no transaction: the ACK of a 2xx. Gives what to send again.
    pub(crate) fn send_ack(&mut self, mut request: Request, hop: Hop) -> Acked {
        let (key, peer) = (self.fresh_branch(), hop.peer);
        let sent = self.render(&mut request, hop, key);
        self.counters.sent(&request.method);
        let ack = Acked {
            flow: sent.flow,
            peer,
            bytes: sent.bytes,
            by_size: sent.by_size.is_some(),
        };
        self.transmit(ack.flow, ack.bytes.clone());
        ack
    }

    /// Sends it again; by another way when the one before is gone. Gives what to send the next time.
    pub(crate) fn send_ack_again(&mut self, ack: Acked) -> Acked {
        let flow = if ack.by_size {
            ack.flow
        } else {
            self.way_again(ack.flow, ack.peer)
        };
        let ack = match self.is_gone(flow) {
            true if ack.by_size => self.by_datagram(ack),
            _ => Acked { flow, ..ack },
        };
        self.counters.retransmitted += 1;
        self.transmit(ack.flow, ack.bytes.clone());
        ack
    }

    /// An ACK that went by TCP for its size only (RFC 3261 section 18.1.1).
    fn by_datagram(&mut self, ack: Acked) -> Acked {
        // We wrote it.
        let Ok(Message::Request(mut request)) = Message::parse(&ack.bytes) else {
            return ack;
        };
        let (local, peer, key) = (ack.flow.local(), ack.flow.peer(), self.fresh_branch());
        request.headers.remove_first(&HeaderName::Via);
        Acked {
            flow: Flow::Udp { local, peer },
            peer,
            bytes: self.stamp(&mut request, local, TransportKind::Udp, key),
            by_size: false,
        }
    }

    fn is_gone(&self, flow: Flow) -> bool {
        flow.connection()
            .is_some_and(|connection| self.net.get(connection).is_none())
    }

    /// The same way, or a connection to there in place of the one that is gone.
    fn way_again(&mut self, flow: Flow, peer: SocketAddr) -> Flow {
        if !self.is_gone(flow) || !flow.kind().can_be_opened() {
            return flow;
        }
        self.stream_to(Hop {
            peer,
            ..Hop::of(flow)
        })
    }

    /// A response whose topmost Via has this branch of ours.
    pub(crate) fn on_client_response(&mut self, now: Time, key: ClientKey, response: Response) {
        let Some(client) = self.clients.get_mut(&key) else {
            self.counters.stray += 1;
            return;
        };
        let of_invite = matches!(client.machine, Machine::Invite(_));
        let for_invite = response
            .cseq()
            .is_ok_and(|cseq| cseq.method == Method::Invite);
        if of_invite != for_invite {
            self.counters.stray += 1;
            return;
        }
        let class = Class::of(response.status.code());
        let rules = Rules {
            t1: self.config.t1,
            reliable: client.flow.is_reliable(),
        };
        let again = client.is_final();
        self.counters.repeated += u64::from(again);
        let steps = match &mut client.machine {
            Machine::Invite(machine) => machine.on_response(rules, class),
            Machine::Other(machine) => machine.on_response(rules, class),
        };
        // Who rings says more by that connection; the word of a host that a datagram doesn't reach is no word of who rings.
        let rings = of_invite && class == Class::Provisional && client.flow.is_reliable();
        if !rings {
            self.net.heard(client.flow, key);
        }
        self.run_client(now, key, steps, Some(response));
        let settled = !again && class != Class::Provisional;
        if let Some(client) = self.clients.get_mut(&key).filter(|_| settled) {
            client.settle();
        }
    }

    pub(crate) fn on_client_timer(&mut self, now: Time, key: ClientKey, timer: Timer, at: Time) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        if !client.slots.take(timer, at) {
            return;
        }
        let steps = match &mut client.machine {
            Machine::Invite(machine) => machine.on_timer(timer),
            Machine::Other(machine) => machine.on_timer(timer),
        };
        self.run_client(now, key, steps, None);
    }

    /// Forgets a client transaction, and that anybody waits for it.
    pub(crate) fn forget_client(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.remove(&key) {
            self.timers.stop_all(&client.slots, Owner::Client(key));
            self.net.heard(client.flow, key);
        }
    }

    pub(super) fn begin(
        &mut self,
        now: Time,
        key: ClientKey,
        request: Request,
        sent: Rendered,
        purpose: Purpose,
    ) {
        let Rendered {
            flow,
            bytes,
            by_size,
            proved,
        } = sent;
        self.counters.sent(&request.method);
        self.transmit(flow, bytes.clone());
        let rules = self.rules(flow);
        let (machine, steps) = if request.method == Method::Invite {
            let (machine, steps) = InviteClient::start(rules);
            (Machine::Invite(machine), steps)
        } else {
            let (machine, steps) = OtherClient::start(rules);
            (Machine::Other(machine), steps)
        };
        self.net.wait(flow, key);
        if let Some(connection) = flow.connection() {
            self.used_on(now, connection);
        }
        let slots = Slots::default();
        self.clients.insert(
            key,
            Box::new(Client {
                machine,
                flow,
                request: Some(Box::new(request)),
                bytes,
                slots,
                purpose,
                by_size,
                proved,
                again: false,
            }),
        );
        self.run_client(now, key, steps, None);
    }

    fn run_client(
        &mut self,
        now: Time,
        key: ClientKey,
        steps: Steps,
        mut response: Option<Response>,
    ) {
        for step in steps {
            let Some(client) = self.clients.get_mut(&key) else {
                return;
            };
            match step {
                Step::Repeat => {
                    self.counters.retransmitted += 1;
                    let (flow, bytes) = (client.flow, client.bytes.clone());
                    self.transmit(flow, bytes);
                }
                Step::Set(timer, span) => {
                    let owner = Owner::Client(key);
                    self.timers
                        .start(&mut client.slots, now + span, timer, owner);
                }
                Step::Quiet => self.timers.quiet(&mut client.slots, Owner::Client(key)),
                Step::Ack => self.ack_failure(key, response.as_ref()),
                Step::Deliver => {
                    if let Some(response) = response.take() {
                        self.deliver(now, key, response);
                    }
                }
                Step::Timeout => self.client_failed(now, key, Failure::Timeout),
                Step::RangTooLong => self.rang_too_long(now, key),
                Step::Done => self.forget_client(key),
            }
        }
    }

    /// The ACK of a 3xx-6xx belongs to the transaction: same branch, same way (RFC 3261 section 17.1.1.3).
    fn ack_failure(&mut self, key: ClientKey, response: Option<&Response>) {
        let (Some(client), Some(response)) = (self.clients.get_mut(&key), response) else {
            return;
        };
        if let Some(request) = &client.request {
            let mut ack = hop_by_hop(request, Method::Ack);
            if let Some(to) = response.headers.value(&HeaderName::To) {
                ack.headers.push(HeaderName::To, to);
            }
            client.bytes = ack.to_bytes();
        }
        let (flow, bytes) = (client.flow, client.bytes.clone());
        self.counters.sent(&Method::Ack);
        self.transmit(flow, bytes);
    }

    fn fresh_branch(&mut self) -> ClientKey {
        loop {
            let key = ClientKey {
                branch: self.names.fresh(),
                cancel: false,
            };
            if !self.clients.contains_key(&key) {
                return key;
            }
        }
    }

    /// Gives the request its Via and bytes, and finds or asks for its connection.
    pub(super) fn render(
        &mut self,
        request: &mut Request,
        mut hop: Hop,
        key: ClientKey,
    ) -> Rendered {
        // A dialog may lead on to a peer of another family than it began with.
        let local = self.own.locals.to(hop.local, hop.peer.ip(), hop.kind);
        hop.local = local.unwrap_or(hop.local);
        if let Some(product) = &self.own.product
            && request.headers.get(&HeaderName::UserAgent).is_none()
        {
            request.headers.push(HeaderName::UserAgent, product);
        }
        let bytes = self.stamp(request, hop.local, hop.kind, key);
        if hop.kind == TransportKind::Udp
            && self.config.tcp_when_large
            && bytes.len() > DATAGRAM_MAX
        {
            request.headers.remove_first(&HeaderName::Via);
            let bytes = self.stamp(request, hop.local, TransportKind::Tcp, key);
            return Rendered {
                flow: self.stream_to(Hop {
                    kind: TransportKind::Tcp,
                    ..hop
                }),
                bytes,
                by_size: Some(hop.peer),
                proved: 0,
            };
        }
        let flow = match hop.kind {
            TransportKind::Udp => Flow::Udp {
                local: hop.local,
                peer: hop.peer,
            },
            _ => self.stream_to(hop),
        };
        Rendered {
            flow,
            bytes,
            by_size: None,
            proved: 0,
        }
    }

    pub(super) fn stamp(
        &self,
        request: &mut Request,
        local: Local,
        kind: TransportKind,
        key: ClientKey,
    ) -> Bytes {
        let via = self.own.locals.via(local, kind, key.branch);
        request.headers.push_first(HeaderName::Via, via);
        request.to_bytes()
    }

    /// An open connection to there, or one that is asked for.
    pub(crate) fn stream_to(&mut self, hop: Hop) -> Flow {
        let Hop {
            local, peer, kind, ..
        } = hop;
        let ends = (local, peer, kind);
        if let Some(flow) = self.net.reuse(hop.connection, ends) {
            return flow;
        }
        self.make_room();
        let (connection, name) = self.net.ask(hop.connection, ends);
        self.outputs.push_back(Output::Connect {
            connection,
            local,
            peer,
            kind,
            name,
        });
        Flow::Stream {
            connection,
            local,
            peer,
            kind,
        }
    }
}

/// What CANCEL and the ACK of a failure share with the INVITE they are about; To is left to the caller.
fn hop_by_hop(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    for name in [
        HeaderName::Via,
        HeaderName::MaxForwards,
        HeaderName::From,
        HeaderName::CallId,
    ] {
        if let Some(value) = invite.headers.value(&name) {
            request.headers.push(name, value);
        }
    }
    if let Ok(mut cseq) = invite.cseq() {
        cseq.method = method;
        request.headers.push(HeaderName::CSeq, &cseq);
    }
    for route in invite.headers.values(&HeaderName::Route) {
        request.headers.push(HeaderName::Route, route);
    }
    request
}
