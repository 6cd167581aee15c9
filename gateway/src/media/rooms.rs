//! The shared ports of one thread: whose a packet is by who sent it, and what goes out together.

use std::{collections::HashMap, net::SocketAddr, time::Instant};

use transport::shared::{Outbox, RunBuffer, SharedSocket};

use super::{
    seats::{Pair, RoomId},
    token::Token,
};

/// The ports, in the order in which they were opened.
#[derive(Debug, Default)]
pub(super) struct Rooms(Vec<Room>);

#[derive(Debug)]
struct Room {
    socket: SharedSocket,
    /// Looked up and never gone through: its order is nobody's concern.
    heard: HashMap<SocketAddr, (Pair, Token)>,
    outbox: Outbox,
}

impl Rooms {
    /// Adds a port, which is known by what this gives.
    pub(super) fn open(&mut self, socket: SharedSocket) -> (RoomId, &SharedSocket) {
        let id = RoomId(self.0.len());
        self.0.push(Room {
            socket,
            heard: HashMap::new(),
            outbox: Outbox::default(),
        });
        (id, &self.0[id.0].socket)
    }

    /// What has come to a port.
    pub(super) fn receive<'a>(
        &self,
        id: RoomId,
        buffer: &'a mut RunBuffer,
    ) -> impl Iterator<Item = (&'a mut [u8], SocketAddr)> + use<'a> {
        let run = self.0.get(id.0).map(|room| room.socket.receive(buffer));
        run.into_iter().flatten()
    }

    /// A report that has come to a port, and whose it is: who sends audio from a port sends its reports from the next.
    pub(super) fn receive_control(
        &self,
        id: RoomId,
        buffer: &mut [u8],
    ) -> Option<(usize, SocketAddr, Option<Token>)> {
        let control = self.0.get(id.0)?.socket.control();
        let (len, from) = control.recv_from(buffer).ok()?;
        let mut audio = from;
        audio.set_port(from.port().saturating_sub(1));
        Some((len, from, self.whose(id, audio)))
    }

    /// Sends a report now.
    pub(super) fn send_control(&self, id: RoomId, datagram: &[u8], to: SocketAddr) {
        if let Some(room) = self.0.get(id.0) {
            room.socket.control().send_to(datagram, to);
        }
    }

    /// Who is heard from there.
    pub(super) fn whose(&self, id: RoomId, from: SocketAddr) -> Option<Token> {
        let heard = self.0.get(id.0)?.heard.get(&from);
        heard.map(|(_, token)| *token)
    }

    /// Whether what comes from there may be another call's.
    pub(super) fn is_doubted(&self, id: RoomId, from: SocketAddr, now: Instant) -> bool {
        let heard = self.0.get(id.0).and_then(|room| room.heard.get(&from));
        heard.is_none_or(|(pair, _)| pair.is_doubted(now))
    }

    /// From now on that leg is heard from there.
    pub(super) fn hear(&mut self, id: RoomId, pair: Pair, token: Token) {
        if let Some(room) = self.0.get_mut(id.0) {
            room.heard.insert(pair.remote(), (pair, token));
        }
    }

    /// Nobody is heard from there any more, when it was that leg.
    pub(super) fn forget(&mut self, id: RoomId, from: SocketAddr, token: Token) {
        if self.whose(id, from) == Some(token)
            && let Some(room) = self.0.get_mut(id.0)
        {
            room.heard.remove(&from);
        }
    }

    /// Sends with what goes out next.
    pub(super) fn push(&mut self, id: RoomId, datagram: &[u8], to: SocketAddr) {
        if let Some(Room { socket, outbox, .. }) = self.0.get_mut(id.0)
            && outbox.push(datagram, to)
        {
            socket.send(outbox);
        }
    }

    /// Sends all that waits.
    pub(super) fn flush(&mut self) {
        for Room { socket, outbox, .. } in &mut self.0 {
            if !outbox.is_empty() {
                socket.send(outbox);
            }
        }
    }
}
