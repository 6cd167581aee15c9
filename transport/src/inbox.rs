//! Datagrams that were taken from the system before their turn has come.
//!
//! A socket's buffer tells neither how long it is nor how old what lies in it is, and what doesn't fit is lost, whatever it is: the
//! BYE of a call in progress as well as the INVITE of one that is refused anyway. So a busy driver empties it often, refuses at once
//! what can be refused, and keeps the rest here in its order.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::Bytes;
use wire::{sip::endpoint::Local, time::Time};

/// Datagrams kept: more than half a second of ten thousand calls a second, each of six datagrams; older ones are sent again anyway.
const DATAGRAMS_MAX: usize = 32_768;
/// And their bytes: usual ones are 500 bytes long.
const LEN_MAX: usize = 16 * 1024 * 1024;
/// Room that stays when all are gone: beyond a usual second's, it goes back to the system.
const ROOM_KEPT: usize = 1024;

/// A datagram and when it came.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) came: Time,
    pub(crate) local: Local,
    pub(crate) peer: SocketAddr,
    pub(crate) bytes: Bytes,
}

/// What waits, first come first.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: VecDeque<Datagram>,
    len: usize,
    invites: u32,
}

impl Inbox {
    /// Whether one more of any length may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < DATAGRAMS_MAX && self.len < LEN_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many INVITEs are among them: nearly all of new calls.
    pub(crate) const fn invites(&self) -> u32 {
        self.invites
    }

    pub(crate) fn put(&mut self, came: Time, (local, peer): (Local, SocketAddr), bytes: &[u8]) {
        self.len += bytes.len();
        self.invites += u32::from(is_invite(bytes));
        let bytes = Bytes::copy_from_slice(bytes);
        self.waiting.push_back(Datagram {
            came,
            local,
            peer,
            bytes,
        });
    }

    pub(crate) fn take(&mut self) -> Option<Datagram> {
        let datagram = self.waiting.pop_front()?;
        self.len -= datagram.bytes.len();
        self.invites -= u32::from(is_invite(&datagram.bytes));
        if self.waiting.is_empty() {
            self.waiting.shrink_to(ROOM_KEPT);
        }
        Some(datagram)
    }

    /// How long the first has waited.
    pub(crate) fn behind(&self, now: Time) -> Duration {
        let first = self.waiting.front();
        first.map_or(Duration::ZERO, |datagram| now.since(datagram.came))
    }
}

fn is_invite(bytes: &[u8]) -> bool {
    bytes.starts_with(b"INVITE ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_leave_as_they_came_and_their_room_is_given_back() {
        let mut inbox = Inbox::default();
        let peer = (Local::FIRST, SocketAddr::from(([192, 0, 2, 1], 5060)));
        let at = |millis: u64| Time(Duration::from_millis(millis));
        let mut put = 0;
        while inbox.has_room() {
            inbox.put(at(put), peer, &put.to_be_bytes());
            put += 1;
        }
        assert_eq!(put as usize, DATAGRAMS_MAX);
        assert_eq!(inbox.behind(at(5)), Duration::from_millis(5));
        for number in 0..put {
            let datagram = inbox.take().expect("it was put in");
            assert_eq!(
                (datagram.came, &*datagram.bytes),
                (at(number), &number.to_be_bytes()[..])
            );
        }
        assert!(inbox.take().is_none() && inbox.has_room());
        assert_eq!((inbox.len, inbox.behind(at(9))), (0, Duration::ZERO));
        inbox.put(at(0), peer, b"INVITE sip:1177@192.0.2.1 SIP/2.0");
        inbox.put(at(0), peer, b"BYE sip:1177@192.0.2.1 SIP/2.0");
        assert_eq!(inbox.invites(), 1);
        while inbox.take().is_some() {}
        assert_eq!(inbox.invites(), 0);
        assert!(inbox.waiting.capacity() <= 2 * ROOM_KEPT);
        while inbox.has_room() {
            inbox.put(at(0), peer, &[0; 60_000]);
        }
        assert!(
            inbox.len < LEN_MAX + 60_000,
            "long ones count by their bytes"
        );
    }
}
