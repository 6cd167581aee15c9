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
pub(in crate::server) const DATAGRAM_LEN_MAX: usize = PAYLOAD_MAX + 256;
/// Datagrams taken in a row before the task looks whether it is to stop.
const BATCH_MAX: usize = 64;
/// Datagrams that may have waited for a recording: more than a socket's buffer holds where nobody has set another.
const WAITED_MAX: usize = 512;
/// A wait that somebody shortens before it is over.
const NEVER: Duration = Duration::from_secs(60 * 60);
/// How far behind its BYE audio may come.
pub(in crate::server) const OVERTAKEN_MAX: Duration = Duration::from_millis(40);
/// Datagrams taken after the end: a sender that never stops doesn't keep the recording open.
pub(in crate::server) const LAST_MAX: usize = 256;

/// A stream with a port of its own.
pub(in crate::server) struct Listener {
    socket: RtpSocket,
    control: watch::Receiver<Control>,
    track: Track,
}

impl Listener {
    pub(in crate::server) fn new(
        socket: RtpSocket,
        control: watch::Receiver<Control>,
        track: Track,
    ) -> Self {
        Self {
            socket,
            control,
            track,
        }
    }

    /// Records until told to end; gives what the writer had no room for.
    pub(in crate::server) async fn run(mut self) -> Vec<Owed> {
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
                        self.take_waiting(&mut buffer, BATCH_MAX);
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
        let waited = self.track.flow() == Flow::Waiting;
        if self.track.takes_before(&told) {
            self.take_waiting(buffer, if waited { WAITED_MAX } else { BATCH_MAX });
        }
        self.track.obey(told);
    }

    fn take_waiting(&mut self, buffer: &mut [u8], count_max: usize) {
        for _ in 0..count_max {
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

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use transport::media::RtpPorts;
    use wire::{g711::Law, rtp};

    use super::*;
    use crate::{
        names::RecordingId,
        server::{
            RTP_PORTS,
            audio::track::{Line, Target},
            disk::Job,
        },
    };

    const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// The next recording is long in being made, and the caller is held again meanwhile.
    #[tokio::test]
    async fn all_that_waited_for_a_recording_is_taken_before_another_hold() {
        let socket = RtpPorts::new(HERE, RTP_PORTS).open().expect("a port");
        let to = socket.local_addr();
        let client = std::net::UdpSocket::bind((HERE, 0)).expect("a port");
        let mut datagram = Vec::new();
        for sequence in 0..100_u16 {
            let packet = rtp::Packet {
                payload_type: 8,
                marker: false,
                sequence,
                timestamp: 160 * u32::from(sequence),
                ssrc: 7,
                payload: &[0x55; 160],
            };
            packet.write(&mut datagram);
            client.send_to(&datagram, to).expect("sent");
        }
        socket.readable().await.expect("open");
        let (jobs, mut todo) = mpsc::channel(100);
        let now = Instant::now();
        let control = Control {
            from: HERE,
            port: 4000,
            flow: Flow::Waiting,
            target: Target::first_of(RecordingId::random().expect("random"), now),
            marks: 0,
            crypto: None,
        };
        let line = Line::alone(jobs, now);
        let track = Track::new((8, Law::A.into()), control.clone(), line);
        let (steering, told) = watch::channel(control.clone());
        let listener = Listener::new(socket, told, track);
        let running = tokio::spawn(listener.run());
        let flow = |flow| Control {
            flow,
            ..control.clone()
        };
        steering.send_replace(flow(Flow::Paused));
        // Until it has obeyed.
        let first = todo.recv().await.expect("handed over");
        steering.send_replace(flow(Flow::Ended));
        assert!(running.await.expect("it ends").is_empty());
        let mut packets = 0;
        let mut job = Some(first);
        while let Some(one) = job {
            if let Job::Audio(_, _, batch) = one {
                packets += batch.tally().packets;
            }
            job = todo.try_recv().ok();
        }
        assert_eq!(packets, 100);
    }
}
