//! The audio of a stream with a port of its own: a task takes it from the socket.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use transport::media::RtpSocket;

use super::track::{Control, Flow, Owed, Track};
use crate::vault::PAYLOAD_MAX;

/// The longest datagram that is taken: the most audio there may be, with a header, its extension and a seal.
pub(super) const DATAGRAM_LEN_MAX: usize = PAYLOAD_MAX + 256;
/// Datagrams taken in a row before the task looks whether it is to stop.
const BATCH_MAX: usize = 64;
/// A wait that somebody shortens before it is over.
const NEVER: Duration = Duration::from_secs(60 * 60);
/// How far behind its BYE audio may come.
pub(super) const OVERTAKEN_MAX: Duration = Duration::from_millis(40);
/// Datagrams taken after the end: a sender that never stops doesn't keep the recording open.
pub(super) const LAST_MAX: usize = 256;

/// A stream with a port of its own.
pub(super) struct Listener {
    socket: RtpSocket,
    control: watch::Receiver<Control>,
    track: Track,
}

impl Listener {
    pub(super) fn new(socket: RtpSocket, control: watch::Receiver<Control>, track: Track) -> Self {
        Self {
            socket,
            control,
            track,
        }
    }

    /// Records until told to end; gives what the writer had no room for.
    pub(super) async fn run(mut self) -> Vec<Owed> {
        let mut buffer = [0; DATAGRAM_LEN_MAX];
        let mut due = pin!(sleep(NEVER));
        let mut armed = false;
        while self.control.borrow().flow != Flow::Ended {
            tokio::select! {
                changed = self.control.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.obey(&mut buffer);
                }
                received = self.socket.recv_from(&mut buffer), if self.track.flow() != Flow::Waiting => {
                    if let Ok((length, source)) = received {
                        self.track.on_datagram(&mut buffer[..length], source, Instant::now());
                        self.take_waiting(&mut buffer);
                    }
                }
                () = &mut due, if armed => {
                    self.track.hand_over_due(Instant::now());
                    armed = false;
                }
            }
            // Once a chunk, not once a packet: what is due sooner than was thought has been handed over meanwhile.
            if !armed && let Some(at) = self.track.due() {
                due.as_mut().reset(at.into());
                armed = true;
            }
        }
        if self.control.has_changed().unwrap_or(false) {
            // Told together with the end.
            self.obey(&mut buffer);
        }
        self.take_last(&mut buffer).await;
        self.track.end()
    }

    /// What was sent before a change belongs before it.
    fn obey(&mut self, buffer: &mut [u8]) {
        let told = self.control.borrow_and_update().clone();
        if self.track.takes_before(&told) {
            self.take_waiting(buffer);
        }
        self.track.obey(told);
    }

    fn take_waiting(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH_MAX {
            // An error is that of an earlier datagram (ICMP), or there is nothing more.
            let Ok((length, source)) = self.socket.try_recv_from(buffer) else {
                break;
            };
            self.track.on_datagram(
                buffer.get_mut(..length).unwrap_or_default(),
                source,
                Instant::now(),
            );
        }
    }

    /// Takes what the BYE overtook on its way.
    async fn take_last(&mut self, buffer: &mut [u8]) {
        for _ in 0..LAST_MAX {
            let Ok(Ok((length, source))) =
                timeout(OVERTAKEN_MAX, self.socket.recv_from(buffer)).await
            else {
                break;
            };
            self.track.on_datagram(
                buffer.get_mut(..length).unwrap_or_default(),
                source,
                Instant::now(),
            );
        }
    }
}
