//! The shared ports of one thread: whose a packet is by who sent it, and what goes out together.

use std::{collections::HashMap, net::SocketAddr};

use transport::shared::{Outbox, RunBuffer, SharedSocket};

use super::{seats::RoomId, token::Token};

/// Senders at a port for whom room is kept; what a rush took beyond that is given back.
const ROOM_KEPT: usize = 1024;

/// The ports.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    /// In the order in which they were opened.
    rooms: Vec<Room>,
    /// What is being written: one for all legs of the thread, as each writes in its turn.
    pub(super) datagram: Vec<u8>,
}

#[derive(Debug)]
struct Room {
    socket: SharedSocket,
    /// Looked up and never gone through: its order is nobody's concern.
    heard: HashMap<SocketAddr, Token>,
    outbox: Outbox,
}

impl Rooms {
    /// Adds a port.
    pub(super) fn open(&mut self, socket: SharedSocket) {
        self.rooms.push(Room {
            socket,
            heard: HashMap::new(),
            outbox: Outbox::default(),
        });
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (RoomId, &SharedSocket)> {
        let rooms = self.rooms.iter().enumerate();
        rooms.map(|(id, room)| (RoomId(id), &room.socket))
    }

    /// What has come to a port.
    pub(super) fn receive<'a>(
        &self,
        id: RoomId,
        buffer: &'a mut RunBuffer,
    ) -> impl Iterator<Item = (&'a mut [u8], SocketAddr)> + use<'a> {
        let run = self.rooms.get(id.0).map(|room| room.socket.receive(buffer));
        run.into_iter().flatten()
    }

    /// A report that has come to a port, and whose it is: who sends audio from a port sends its reports from the next.
    pub(super) fn receive_control(
        &self,
        id: RoomId,
        buffer: &mut [u8],
    ) -> Option<(usize, SocketAddr, Option<Token>)> {
        let control = self.rooms.get(id.0)?.socket.control();
        let (len, from) = control.recv_from(buffer).ok()?;
        let mut audio = from;
        audio.set_port(from.port().saturating_sub(1));
        Some((len, from, self.whose(id, audio)))
    }

    /// Sends what was written, a report, now.
    pub(super) fn send_control(&self, id: RoomId, to: SocketAddr) {
        if let Some(room) = self.rooms.get(id.0) {
            room.socket.control().send_to(&self.datagram, to);
        }
    }

    /// Who is heard from there.
    pub(super) fn whose(&self, id: RoomId, from: SocketAddr) -> Option<Token> {
        self.rooms.get(id.0)?.heard.get(&from).copied()
    }

    /// From now on that leg is heard from there.
    pub(super) fn hear(&mut self, id: RoomId, from: SocketAddr, token: Token) {
        if let Some(room) = self.rooms.get_mut(id.0) {
            room.heard.insert(from, token);
        }
    }

    /// Nobody is heard from there any more, when it was that leg.
    pub(super) fn forget(&mut self, id: RoomId, from: SocketAddr, token: Token) {
        if self.whose(id, from) == Some(token)
            && let Some(room) = self.rooms.get_mut(id.0)
        {
            room.heard.remove(&from);
            if room.heard.capacity() > (4 * room.heard.len()).max(ROOM_KEPT) {
                room.heard.shrink_to((2 * room.heard.len()).max(ROOM_KEPT));
            }
        }
    }

    /// Sends what was written with what goes out next.
    pub(super) fn push(&mut self, id: RoomId, to: SocketAddr) {
        if let Some(Room { socket, outbox, .. }) = self.rooms.get_mut(id.0)
            && outbox.push(&self.datagram, to)
        {
            socket.send(outbox);
        }
    }

    /// Sends all that waits.
    pub(super) fn flush(&mut self) {
        for Room { socket, outbox, .. } in &mut self.rooms {
            if !outbox.is_empty() {
                socket.send(outbox);
            }
        }
    }
}
