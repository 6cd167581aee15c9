//! A request whose way is broken before its final response came: by another way, or it has failed.

use super::{
    Endpoint, Hop,
    border::Flow,
    client::{Client, ClientKey, Failure, Machine, Purpose},
    clients::Rendered,
    timers::Owner,
    transaction::InviteClient,
};
use crate::{
    sip::message::{HeaderName, Request},
    time::Time,
};

impl Endpoint {
    /// The way a request went is broken, and no final response has come (RFC 3261 sections 17.1.4 and 18.4).
    pub(crate) fn on_client_lost(&mut self, now: Time, key: ClientKey) {
        let rings = self.clients.get(&key).is_some_and(|client| {
            matches!(client.machine, Machine::Invite(InviteClient::Proceeding))
        });
        if rings {
            return self.on_ringing_lost(now, key);
        }
        let Some(peer) = self.clients.get(&key).and_then(|client| client.by_size) else {
            if !self.change_again(now, key) && !self.say_again(now, key) {
                self.client_failed(now, key, Failure::Transport);
                self.forget_client(key);
            }
            return;
        };
        let Some((client, mut request)) = self.take_back(key) else {
            return;
        };
        let local = client.flow.local();
        let flow = Flow::Udp { local, peer };
        let bytes = self.stamp(&mut request, local, flow.kind(), key);
        self.begin(
            now,
            key,
            *request,
            Rendered {
                flow,
                bytes,
                by_size: None,
                proved: client.proved,
            },
            client.purpose,
        );
    }

    /// A change inside a session is tried once by another way: as the same request, since the peer may have it already. False when it
    /// was, or is none.
    fn change_again(&mut self, now: Time, key: ClientKey) -> bool {
        let Some(inviting) = self.clients.get_mut(&key).and_then(|it| it.inviting()) else {
            return false;
        };
        let session = self.sessions.get(&inviting.session);
        let session = session.filter(|session| session.changes_by(key));
        let hop = session.and_then(|session| session.dialog.as_ref().map(|dialog| dialog.hop()));
        let Some(hop) = hop.filter(|_| inviting.change && inviting.tries == 0) else {
            return false;
        };
        inviting.tries = 1;
        self.send_anew(now, key, hop);
        true
    }

    /// What is told inside a session, or ends it, is told once by another way: else whoever doesn't hear of a BYE talks to nobody. Whether
    /// somebody is there at all is answered by the way that is broken.
    fn say_again(&mut self, now: Time, key: ClientKey) -> bool {
        let Some(client) = self.clients.get(&key) else {
            return false;
        };
        let connection = client.flow.connection().filter(|_| !client.again);
        let Some(connection) = connection else {
            return false;
        };
        if matches!(client.purpose, Purpose::Invite(_) | Purpose::Ping(_)) {
            return false;
        }
        let session = client.purpose.session();
        let session = session.and_then(|id| self.sessions.get(&id));
        let dialog = session.and_then(|session| session.dialog.as_ref());
        let hop = match dialog {
            Some(dialog) => dialog.hop(),
            None if connection.is_theirs() => return false,
            None => Hop::of(client.flow),
        };
        let is_open = hop.connection.is_some_and(|it| self.net.get(it).is_some());
        if !is_open && !hop.kind.can_be_opened() {
            return false;
        }
        self.send_anew(now, key, hop);
        true
    }

    /// Whoever rings may have answered into a connection that is gone, may answer by one of its own (RFC 3261 section 18.2.2), or may be
    /// gone with it: the same request by another connection has its last word said again, or another ring, or shows that nobody is there.
    /// Once; and never where nobody wants the call any more.
    fn on_ringing_lost(&mut self, now: Time, key: ClientKey) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        // A connection that came to us leads nowhere once it is gone.
        let flow = client.flow;
        let ours = flow.connection().is_some_and(|it| !it.is_theirs());
        let Some(inviting) = client.inviting() else {
            return;
        };
        let (id, change) = (inviting.session, inviting.change);
        let again = ours && !client.again;
        let session = self.sessions.get(&id);
        if !change && !session.is_some_and(|session| session.waits_for(key)) {
            // Timer B runs since the CANCEL, and a 2xx that crossed it may come yet.
            return;
        }
        if again && !change {
            return self.send_anew(now, key, Hop::of(flow));
        }
        if !(change && self.change_again(now, key)) {
            self.client_failed(now, key, Failure::Transport);
            self.forget_client(key);
        }
    }

    /// A request that is under way, to be sent again: no timer runs for it any more, and it names no way.
    fn take_back(&mut self, key: ClientKey) -> Option<(Box<Client>, Box<Request>)> {
        let mut client = self.clients.remove(&key)?;
        self.timers.stop_all(&client.slots, Owner::Client(key));
        self.net.heard(client.flow, key);
        let mut request = client.request.take()?;
        request.headers.remove_first(&HeaderName::Via);
        Some((client, request))
    }

    /// The same request, of the same transaction, by another way.
    fn send_anew(&mut self, now: Time, key: ClientKey, hop: Hop) {
        let Some((client, mut request)) = self.take_back(key) else {
            return;
        };
        let sent = self.render(&mut request, hop, key);
        let sent = Rendered {
            by_size: sent.by_size.or(client.by_size),
            proved: client.proved,
            ..sent
        };
        self.begin(now, key, *request, sent, client.purpose);
        if let Some(client) = self.clients.get_mut(&key) {
            client.again = true;
        }
    }
}
