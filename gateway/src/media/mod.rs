//! A call's audio: played, bridged and forked to the recorder by the threads of the [engine], which own every call's sockets.
//!
//! The exchange holds a [`Media`] and sends it commands; dropping it ends the call's audio and frees its ports.

mod call;
mod dropped;
mod engine;
mod fork;
mod keys;
mod lane;
mod latch;
mod out;
mod port;
mod protection;
mod silence;
mod turns;

use std::{cell::OnceCell, net::SocketAddr, time::Duration};

use callcore::{digit::Digit, switch::CallId};
use transport::media::{PolledSocket, PortsError, RtpPorts};
use wire::{g711::Law, srtp::Srtp};

use crate::audio::Clip;
pub(crate) use dropped::Dropped;
pub(crate) use engine::Engine;
use engine::Line;
use fork::Fork;
pub(crate) use fork::{Offered, Sources, Streams};

/// Where the other end of a stream is, and what it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Its address from SDP; its port is corrected by the first packet (symmetric RTP).
    pub(crate) address: SocketAddr,
    /// The payload type it wants audio as.
    pub(crate) payload_type: u8,
    /// The companding that payload type means.
    pub(crate) law: Law,
    /// The payload type of its key presses (RFC 4733).
    pub(crate) event_type: Option<u8>,
    /// Whether it wants to hear anything now (false while it holds us).
    pub(crate) listens: bool,
    /// Whether it talks both ways, and so must be heard now and then: a side that holds, or is held, may be silent.
    pub(crate) talks: bool,
}

/// What was agreed for a leg: where the other end is, and how both encrypt.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) remote: Remote,
    /// `None`: plain RTP.
    pub(crate) srtp: Option<Srtp>,
}

/// What a call's audio reports.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MediaEvent {
    /// A clip that was to be played once is over.
    PlayedToEnd(CallId),
    /// The caller pressed a key while nobody was joined.
    Key(CallId, Digit),
    /// The recorder's address refuses audio.
    ForkRefused(CallId),
    /// Nothing has come from that side for as long as it may be silent. Reported again after as long.
    Silent(CallId, Side),
}

/// A leg of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    Far,
}

#[derive(Debug)]
enum Command {
    CallerAt(Agreed),
    FarSocket(PolledSocket),
    FarAt(Agreed),
    ForkOpen(Box<Fork>),
    Play { clip: Clip, mode: Mode },
    Join,
    ForkTo { caller: Remote, far: Remote },
    ForkOff,
}

/// How a clip is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Once,
    Loop,
    /// Over and over with pauses, as a person talks; heard by caller and recorder.
    Nurse,
}

/// Makes calls' media.
#[derive(Debug)]
pub(crate) struct MediaFactory {
    /// The ports of this switch.
    pub(crate) ports: RtpPorts,
    /// The threads that carry the audio.
    pub(crate) engine: Engine,
    /// The numbers of the streams that go to the recorder.
    pub(crate) sources: Sources,
    /// How long a side of a call may be silent; `None`: for ever.
    pub(crate) silence_max: Option<Duration>,
}

impl MediaFactory {
    /// Starts the media of a call with a port for the caller's leg.
    pub(crate) fn start(&mut self, call: CallId) -> Result<Media, PortsError> {
        let socket = self.ports.open_polled()?;
        let caller_local = socket.local_addr();
        Ok(Media {
            line: self.engine.begin(call, socket, self.silence_max),
            caller_local,
            far_local: OnceCell::new(),
        })
    }
}

/// The handle on a call's media.
#[derive(Debug)]
pub(crate) struct Media {
    line: Line,
    caller_local: SocketAddr,
    far_local: OnceCell<SocketAddr>,
}

impl Media {
    /// Our address on the caller's leg.
    pub(crate) const fn caller_local(&self) -> SocketAddr {
        self.caller_local
    }

    /// Our address on the far leg, once opened.
    pub(crate) fn far_local(&self) -> Option<SocketAddr> {
        self.far_local.get().copied()
    }

    /// Opens a port for the far leg, or gives the one that is open.
    pub(crate) fn open_far(&self, factory: &mut MediaFactory) -> Result<SocketAddr, PortsError> {
        if let Some(local) = self.far_local() {
            return Ok(local);
        }
        let socket = factory.ports.open_polled()?;
        let local = *self.far_local.get_or_init(|| socket.local_addr());
        self.tell(Command::FarSocket(socket));
        Ok(local)
    }

    /// Opens two streams towards the recorder: the caller's and the far side's.
    pub(crate) fn open_fork(&self, factory: &mut MediaFactory) -> Result<Streams, PortsError> {
        let (fork, streams) = Fork::open(&factory.ports, &mut factory.sources)?;
        self.tell(Command::ForkOpen(Box::new(fork)));
        Ok(streams)
    }

    /// The caller's end is there.
    pub(crate) fn caller_at(&self, agreed: Agreed) {
        self.tell(Command::CallerAt(agreed));
    }

    /// The far end is there.
    pub(crate) fn far_at(&self, agreed: Agreed) {
        self.tell(Command::FarAt(agreed));
    }

    /// Plays a clip to the caller, and reports its end.
    pub(crate) fn play_once(&self, clip: Clip) {
        self.tell(Command::Play {
            clip,
            mode: Mode::Once,
        });
    }

    /// Plays a clip to the caller until something else is asked for.
    pub(crate) fn play_on(&self, clip: Clip) {
        self.tell(Command::Play {
            clip,
            mode: Mode::Loop,
        });
    }

    /// Lets a simulated nurse talk to the caller.
    pub(crate) fn nurse(&self, clip: Clip) {
        self.tell(Command::Play {
            clip,
            mode: Mode::Nurse,
        });
    }

    /// Joins caller and far end.
    pub(crate) fn join(&self) {
        self.tell(Command::Join);
    }

    /// Sends both directions to the recorder too, once it has answered. Later answers change nothing.
    pub(crate) fn fork(&self, caller: Remote, far: Remote) {
        self.tell(Command::ForkTo { caller, far });
    }

    /// Stops doing so.
    pub(crate) fn fork_off(&self) {
        self.tell(Command::ForkOff);
    }

    fn tell(&self, command: Command) {
        self.line.tell(command);
    }
}
