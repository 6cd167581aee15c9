//! The task behind a [`Media`](super::Media).

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use callcore::switch::CallId;
use prometheus::IntCounter;
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval},
};
use transport::media::RtpSocket;
use wire::{g711::Law, rtp};

use super::{
    Command, MediaEvent, Mode,
    keys::Keys,
    port::{Content, Frame, Port, Refused},
};
use crate::audio::Clip;

/// The length of a packet that we make.
const FRAME: Duration = Duration::from_millis(20);

/// A datagram longer than this is no telephone audio.
const DATAGRAM_MAX: usize = 2048;

/// How long a simulated nurse listens between two turns, in samples: a second and a half.
const NURSE_PAUSE: usize = 12_000;

/// A-law's silence.
const SILENCE: [u8; rtp::SAMPLES_PER_PACKET] = [0xd5; rtp::SAMPLES_PER_PACKET];

/// One call's audio.
#[derive(Debug)]
pub(super) struct Task {
    call: CallId,
    caller: Port,
    far: Option<Port>,
    joined: bool,
    player: Option<Player>,
    fork: Fork,
    keys: Keys,
    events: mpsc::UnboundedSender<MediaEvent>,
    received: IntCounter,
    stray: IntCounter,
}

/// The way to the recorder.
#[derive(Debug)]
enum Fork {
    Off,
    Open { caller: Port, far: Port },
    On { caller: Port, far: Port },
}

/// A clip being played.
#[derive(Debug)]
struct Player {
    clip: Clip,
    mode: Mode,
    position: usize,
    timestamp: u32,
    source: u32,
}

impl Task {
    pub(super) fn new(
        call: CallId,
        socket: RtpSocket,
        events: mpsc::UnboundedSender<MediaEvent>,
        received: IntCounter,
        stray: IntCounter,
    ) -> Self {
        let caller = Port::new(socket);
        Self {
            call,
            caller,
            far: None,
            joined: false,
            player: None,
            fork: Fork::Off,
            keys: Keys::default(),
            events,
            received,
            stray,
        }
    }

    /// Runs until the handle is dropped.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut ticker = interval(FRAME);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut from_caller, mut from_far) = ([0; DATAGRAM_MAX], [0; DATAGRAM_MAX]);
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.command(command, &mut ticker),
                    None => return,
                },
                got = self.caller.socket.recv_from(&mut from_caller) => {
                    if let Ok((len, from)) = got {
                        self.caller_heard(&from_caller[..len], from);
                    }
                }
                got = receive(self.far.as_ref(), &mut from_far) => {
                    if let Ok((len, from)) = got {
                        self.far_heard(&from_far[..len], from);
                    }
                }
                _ = ticker.tick(), if self.player.is_some() => self.tick(),
            }
        }
    }

    fn command(&mut self, command: Command, ticker: &mut Interval) {
        match command {
            Command::CallerAt(remote) => self.caller.set_remote(remote),
            Command::FarSocket(socket) => self.far = Some(Port::new(socket)),
            Command::FarAt(remote) => {
                if let Some(far) = &mut self.far {
                    far.set_remote(remote);
                }
            }
            Command::ForkSockets(caller, far) => {
                self.fork = Fork::Open {
                    caller: Port::new(caller),
                    far: Port::new(far),
                };
            }
            Command::Play { clip, mode } => {
                self.joined = false;
                ticker.reset_immediately();
                self.player = Some(Player {
                    clip,
                    mode,
                    position: 0,
                    timestamp: 0,
                    source: rand::random(),
                });
            }
            Command::Join => {
                self.player = None;
                self.joined = true;
            }
            Command::Fork {
                caller: caller_remote,
                far: far_remote,
            } => {
                self.fork = match std::mem::replace(&mut self.fork, Fork::Off) {
                    Fork::Off => Fork::Off,
                    Fork::Open {
                        mut caller,
                        mut far,
                    }
                    | Fork::On {
                        mut caller,
                        mut far,
                    } => {
                        caller.set_only_remote(caller_remote);
                        far.set_only_remote(far_remote);
                        Fork::On { caller, far }
                    }
                };
            }
            Command::ForkOff => self.fork = Fork::Off,
        }
    }

    fn caller_heard(&mut self, datagram: &[u8], from: SocketAddr) {
        self.received.inc();
        let Some(frame) = self.caller.accept(datagram, from, &self.stray) else {
            return;
        };
        // What is pressed for a nurse or a provider is not for us to read.
        if let (false, Content::Event(event)) = (self.joined, frame.content)
            && let Some(digit) = self.keys.pressed(Instant::now(), frame.timestamp, event)
        {
            let _ = self.events.send(MediaEvent::Key(self.call, digit));
        }
        if let (true, Some(far)) = (self.joined, &mut self.far) {
            // A far end that refuses audio is noticed by SIP; the caller's words still go to the recorder.
            let _ = far.send(frame);
        }
        self.fork_frame(Side::Caller, frame);
    }

    fn far_heard(&mut self, datagram: &[u8], from: SocketAddr) {
        self.received.inc();
        let Some(far) = &mut self.far else { return };
        let Some(frame) = far.accept(datagram, from, &self.stray) else {
            return;
        };
        if self.joined {
            let _ = self.caller.send(frame);
            self.fork_frame(Side::Far, frame);
        }
    }

    fn tick(&mut self) {
        let Some(player) = &mut self.player else {
            return;
        };
        let mut samples = SILENCE;
        let over = player.fill(&mut samples);
        let frame = Frame {
            source: player.source,
            timestamp: player.timestamp,
            marker: false,
            content: Content::Audio(Law::A, &samples),
        };
        player.timestamp = player.timestamp.wrapping_add(samples.len() as u32);
        let nurse = player.mode == Mode::Nurse;
        let _ = self.caller.send(frame);
        if nurse {
            self.fork_frame(Side::Far, frame);
        }
        if over {
            self.player = None;
            self.report(MediaEvent::PlayedToEnd(self.call));
        }
    }

    fn fork_frame(&mut self, side: Side, frame: Frame<'_>) {
        let Fork::On { caller, far } = &mut self.fork else {
            return;
        };
        let port = if side == Side::Caller { caller } else { far };
        if port.send(frame) == Err(Refused::Unreachable) {
            self.fork = Fork::Off;
            self.report(MediaEvent::ForkRefused(self.call));
        }
    }

    fn report(&self, event: MediaEvent) {
        // Unbounded, yet bounded by the calls: one report a command at most, and so many keys a second. It fails only while the switch stops.
        let _ = self.events.send(event);
    }
}

/// Whose voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Caller,
    Far,
}

impl Player {
    /// Writes the next 20 ms and says whether a clip that is played once is over with it.
    fn fill(&mut self, samples: &mut [u8; rtp::SAMPLES_PER_PACKET]) -> bool {
        let pause = if self.mode == Mode::Nurse {
            NURSE_PAUSE
        } else {
            0
        };
        let length = self.clip.len() + pause;
        for sample in samples.iter_mut() {
            if self.position >= length {
                if self.mode == Mode::Once || length == 0 {
                    break;
                }
                self.position = 0;
            }
            *sample = self.clip.get(self.position).copied().unwrap_or(SILENCE[0]);
            self.position += 1;
        }
        self.mode == Mode::Once && self.position >= length
    }
}

async fn receive(port: Option<&Port>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match port {
        Some(port) => port.socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}
