//! A call's audio: played, bridged and forked to the recorder by the threads of the [engine], which own every call's sockets.
//!
//! The exchange holds a [`Media`] and sends it commands; dropping it ends the call's audio and frees its ports.

mod call;
mod dropped;
mod early;
mod engine;
mod fork;
mod handle;
mod keys;
mod lane;
mod latch;
mod leg;
mod out;
mod places;
mod port;
mod protection;
mod reports;
mod rooms;
mod running;
mod seats;
mod silence;
mod token;
mod turns;
mod watch;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use callcore::{digit::Digit, switch::CallId};
use transport::media::{PortsError, RtpPorts};
use wire::{g711::Law, srtp::Srtp};

use crate::audio::Clip;
pub(crate) use dropped::Dropped;
pub(crate) use early::ANSWER_MAX;
pub(crate) use engine::Engine;
use fork::Fork;
pub(crate) use fork::{Offered, Sources, Streams};
use handle::OurEnd;
pub(crate) use handle::{Media, Port, Reached};
pub(crate) use keys::Pace;
use leg::LegSocket;
pub(crate) use reports::{Control, Counters};
use seats::{Pair, Seated};
pub(crate) use seats::{Peer, SharedPorts};

/// Where the other end of a stream is, and what it understands: what every packet asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Its address from SDP; on a port of its own corrected by the first packet (symmetric RTP).
    pub(crate) address: SocketAddr,
    /// The payload type it wants audio as.
    pub(crate) payload_type: u8,
    /// The companding that payload type means.
    pub(crate) law: Law,
    /// The payload type of its key presses (RFC 4733).
    pub(crate) event_type: Option<u8>,
    /// Whether it wants to hear anything now (false while it holds us).
    pub(crate) listens: bool,
}

/// What was agreed for a leg: where the other end is, and how both encrypt.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) remote: Remote,
    /// Whether it talks both ways, and so must be heard now and then: a side that holds, or is held, may be silent.
    pub(crate) talks: bool,
    /// Where it wants reports.
    pub(crate) control: Control,
    /// The host that its signalling comes from.
    pub(crate) signals_from: Option<IpAddr>,
    /// `None`: plain RTP.
    pub(crate) srtp: Option<Srtp>,
}

/// What a call's audio reports.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MediaEvent {
    /// A clip that was to be played once is over. By the time that this is read another may play.
    PlayedToEnd(CallId, PlayId),
    /// The caller pressed a key while nobody was joined.
    Key(CallId, Digit),
    /// The recorder's address refuses the audio whose stream of the caller bears this number (SSRC). By the time that this is read
    /// another recording may have begun.
    ForkRefused(CallId, u32),
    /// Nothing has come from that side for as long as it may be silent. Reported again after as long.
    Silent(CallId, Side),
}

/// Names what is played: no other clip of any call ever bears the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlayId {
    /// Counts up with each call's media that begin.
    media: u32,
    /// Counts up with each clip that they play.
    clip: u32,
}

/// A leg of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    Far,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Far,
            Self::Far => Self::Caller,
        }
    }
}

#[derive(Debug)]
enum Command {
    /// A side has that socket from now on.
    Socket(Side, LegSocket),
    /// A side's other end is there; on a shared port, where it is known by that.
    At(Side, Box<Agreed>, Option<Pair>),
    /// Who was the far side's other end is there no more.
    FarLeft,
    ForkOpen(Box<Fork>),
    Play {
        id: PlayId,
        clip: Clip,
        mode: Mode,
    },
    Join,
    ForkTo(Box<(Agreed, Agreed)>),
    ForkGate(Gate),
    ForkOff,
}

/// What becomes of what is said in a recorded call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It goes to the recorder.
    #[default]
    Open,
    /// It is nobody's to hear: the recording is paused.
    Shut,
    /// It is kept until the recorder has taken it that the recording goes on.
    Keep,
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
    /// Those that many legs share.
    pub(crate) shared: SharedPorts,
    /// The threads that carry the audio.
    pub(crate) engine: Engine,
    /// The numbers of the streams that go to the recorder.
    pub(crate) sources: Sources,
    /// How long a side of a call may be silent; `None`: for ever.
    pub(crate) silence_max: Option<Duration>,
    /// Media that have begun so far; wraps.
    pub(crate) begun: u32,
}

impl MediaFactory {
    /// Starts the media of a call with a port for the caller's leg, at that address of ours.
    pub(crate) fn start(
        &mut self,
        call: CallId,
        home: IpAddr,
        caller: Peer,
    ) -> Result<Media, PortsError> {
        let thread = self.engine.thread_of(call);
        let (caller, socket) = self.port(thread, home, caller)?;
        self.begun = self.begun.wrapping_add(1);
        Ok(Media {
            play: PlayId {
                media: self.begun,
                clip: 0,
            },
            line: self.engine.begin(call, socket, self.silence_max),
            thread,
            caller,
            far: None,
            spare: Vec::new(),
            reached: [Reached { home, from: None }; 2],
        })
    }

    /// A place on a shared port for who may have one, and a port of its own for everybody else.
    fn port(
        &mut self,
        thread: usize,
        home: IpAddr,
        peer: Peer,
    ) -> Result<(OurEnd, LegSocket), PortsError> {
        let Some(Seated { seat, opened }) = self.shared.seat(thread, home, peer) else {
            return self.own_port(home);
        };
        if let Some(opened) = opened {
            self.engine.open(thread, opened);
        }
        let socket = LegSocket::shared(seat.room());
        Ok((OurEnd::Shared(seat), socket))
    }

    fn own_port(&self, home: IpAddr) -> Result<(OurEnd, LegSocket), PortsError> {
        let pair = self.ports.at(home).open_pair()?;
        Ok((
            OurEnd::Own(pair.socket.local_addr()),
            LegSocket::Own(pair.into()),
        ))
    }
}
