//! Listening sockets that come from whoever started this process, and go on to the next: systemd's socket activation
//! (`LISTEN_FDS`), which a program that starts itself anew uses too.
//!
//! A program that starts itself anew leaves [letters](letter) beside them.
//!
//! Sockets are told apart by the address they are bound to. While one process is gone and the next isn't there yet, the system
//! keeps what arrives.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

use crate::letter;

/// Sockets taken at most: UDP, TCP, TLS and the page of a switch, many times over.
const SOCKETS_MAX: usize = 64;
/// Where handed-on sockets may begin: above those that a stopped program still holds, and below any limit of open files.
const FIRST: [i32; 4] = [64, 128, 192, 32];

/// Sockets that were there when this process began. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Inherited(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    letters: Vec<io::Result<Vec<u8>>>,
}

impl Inherited {
    /// Takes what the environment names, once in a process.
    pub fn from_env() -> Self {
        let mut named = ListenFd::from_env();
        let mut held = Held::default();
        for place in 0..named.len().min(SOCKETS_MAX) {
            if let Ok(Some(listener)) = named.take_tcp_listener(place) {
                held.tcp.push(listener);
            } else if let Ok(Some(socket)) = named.take_udp_socket(place) {
                held.udp.push(socket);
            } else if let Ok(Some(socket)) = named.take_unix_datagram(place) {
                held.letters.push(letter::take(&socket));
            } else {
                tracing::warn!(place, "an inherited socket is neither UDP nor TCP");
            }
        }
        Self(Arc::new(Mutex::new(held)))
    }

    /// The listener at this address, for whoever asks first.
    pub fn tcp(&self, address: SocketAddr) -> Option<TcpListener> {
        let taken = take(&mut self.held().tcp, address, TcpListener::local_addr)?;
        taken.set_nonblocking(true).ok().map(|()| taken)
    }

    /// The UDP socket at this address, for whoever asks first.
    pub fn udp(&self, address: SocketAddr) -> Option<UdpSocket> {
        let taken = take(&mut self.held().udp, address, UdpSocket::local_addr)?;
        taken.set_nonblocking(true).ok().map(|()| taken)
    }

    /// What the program before this one left last, for whoever asks first; an error when it can't be read.
    pub fn letter(&self) -> Option<io::Result<Vec<u8>>> {
        self.held().letters.pop()
    }

    /// The letter that begins with these words, without them, for whoever asks first.
    pub fn letter_beginning(&self, with: &[u8]) -> Option<Vec<u8>> {
        let mut held = self.held();
        let is_it = |letter: &io::Result<Vec<u8>>| {
            let text = letter.as_ref().ok();
            text.is_some_and(|text| text.starts_with(with))
        };
        let place = held.letters.iter().position(is_it)?;
        let mut text = held.letters.remove(place).ok()?;
        text.drain(..with.len());
        Some(text)
    }

    /// Closes those that nobody asked for, and tells where they were.
    pub fn close_rest(&self) -> Vec<SocketAddr> {
        let Held { tcp, udp, .. } = std::mem::take(&mut *self.held());
        let tcp = tcp.iter().filter_map(|socket| socket.local_addr().ok());
        let udp = udp.iter().filter_map(|socket| socket.local_addr().ok());
        tcp.chain(udp).collect()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take<S>(
    sockets: &mut Vec<S>,
    address: SocketAddr,
    of: impl Fn(&S) -> io::Result<SocketAddr>,
) -> Option<S> {
    let is_it = |socket: &S| of(socket).is_ok_and(|own| own == address);
    let place = sockets.iter().position(is_it)?;
    Some(sockets.swap_remove(place))
}

/// Sockets that stay open when their users are gone, for the next process.
#[derive(Debug, Default)]
pub struct Bequest(Vec<OwnedFd>);

impl Bequest {
    /// Keeps this one open too.
    ///
    /// # Errors
    /// When no more files can be open.
    pub fn keep(&mut self, socket: impl AsFd) -> io::Result<()> {
        self.0.push(socket.as_fd().try_clone_to_owned()?);
        Ok(())
    }

    /// Keeps those too.
    pub fn append(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Leaves a letter for who inherits them.
    ///
    /// # Errors
    /// When it is too long, or there is no room for it.
    pub fn leave(&mut self, text: &[u8]) -> io::Result<()> {
        self.0.push(letter::post(text)?);
        Ok(())
    }

    /// Lets a program inherit them. They are open in this process until what is given back is dropped.
    ///
    /// # Errors
    /// When no room is found for them among the open files.
    pub fn hand_on(self, command: &mut Command) -> io::Result<Vec<OwnedFd>> {
        let row = FIRST
            .into_iter()
            .find_map(|first| in_a_row(&self.0, first).transpose())
            .ok_or_else(|| io::Error::other("no room in a row among the open files"))??;
        for socket in &row {
            // Else it would be closed with everything else as the next program begins.
            fcntl_setfd(socket, FdFlags::empty())?;
        }
        let first = row.first().map_or(0, AsRawFd::as_raw_fd);
        command
            .env("LISTEN_FDS", row.len().to_string())
            .env("LISTEN_FDS_FIRST_FD", first.to_string())
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES");
        Ok(row)
    }
}

/// Copies in a row, as the protocol wants them; `None` when something else stands there.
fn in_a_row(sockets: &[OwnedFd], first: i32) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut row = Vec::with_capacity(sockets.len());
    for (wanted, socket) in (first..).zip(sockets) {
        let copy = fcntl_dupfd_cloexec(socket, wanted)?;
        if copy.as_raw_fd() != wanted {
            return Ok(None);
        }
        row.push(copy);
    }
    Ok(Some(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_its_address_and_only_once() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let (tcp_at, udp_at) = (
            tcp.local_addr().expect("an address"),
            udp.local_addr().expect("an address"),
        );
        let inherited = Inherited(Arc::new(Mutex::new(Held {
            tcp: vec![tcp],
            udp: vec![udp],
            letters: vec![Ok(b"ports: 1".to_vec()), Ok(b"else".to_vec())],
        })));
        assert!(inherited.udp(tcp_at).is_none() || tcp_at == udp_at);
        assert!(inherited.clone().tcp(tcp_at).is_some());
        assert!(inherited.tcp(tcp_at).is_none());
        let ports = inherited.letter_beginning(b"ports: ");
        assert_eq!(ports.as_deref(), Some(&b"1"[..]));
        assert_eq!(inherited.letter_beginning(b"ports: "), None);
        assert_eq!(
            inherited.letter().and_then(Result::ok).as_deref(),
            Some(&b"else"[..])
        );
        assert!(inherited.letter().is_none());
        assert_eq!(inherited.close_rest(), [udp_at]);
        assert!(inherited.udp(udp_at).is_none());
    }

    #[test]
    fn what_is_handed_on_stands_in_a_row_and_outlives_its_user() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = tcp.local_addr().expect("an address");
        let mut bequest = Bequest::default();
        for _ in 0..3 {
            bequest.keep(&tcp).expect("room");
        }
        drop(tcp);
        let mut command = Command::new("true");
        let row = bequest.hand_on(&mut command).expect("room");
        let numbers: Vec<i32> = row.iter().map(AsRawFd::as_raw_fd).collect();
        assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1));
        assert!(std::net::TcpStream::connect(at).is_ok(), "still open");
        drop(row);
        assert!(std::net::TcpStream::connect(at).is_err(), "and now closed");
    }
}
