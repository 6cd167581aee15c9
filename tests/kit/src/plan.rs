//! What a phone is to do in a call, and what came of it.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::watch;
use wire::{
    rtp::Stats,
    sip::{
        endpoint::TransportKind,
        message::{Request, Response, StatusCode},
        uri::Uri,
    },
    srtp::Suite,
};

/// Longer than anything a test waits for, also on a machine that is busy with other things.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What a phone says.
#[derive(Debug, Clone)]
pub enum Sound {
    /// Silence, sent as packets.
    Silence,
    /// A tone, in Hz.
    Tone(f64),
    /// These samples at 8000 a second, then silence.
    Samples(Arc<[i16]>),
}

/// What no telephone should send, but some do, and attackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// Three bytes.
    Short,
    /// Another version than RTP's.
    Version,
    /// More than any telephone's packet, and less than a datagram may have.
    TooLong,
    /// A payload type that wasn't agreed.
    PayloadType,
    /// The same packet once more.
    Again,
    /// The packet with one bit changed, before the true one.
    Tampered,
}

/// When a phone hangs up of its own accord.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// Never: the other side does.
    PeerEnds,
    /// Gives up at the first 180 or 183 (as a caller).
    Ringing,
    /// So much audio has come.
    Heard(Duration),
    /// A tone of that many Hz has come for a tenth of a second.
    HeardTone(f64),
    /// So much audio has been sent.
    Sent(Duration),
}

/// What a caller does. It can't be printed: its From may be a telephone number.
#[derive(Clone)]
pub struct CallPlan {
    /// What it says.
    pub sound: Sound,
    /// When it hangs up.
    pub until: Until,
    /// By what it calls.
    pub transport: TransportKind,
    /// Its From address.
    pub from: Box<str>,
    /// Where to send the call; `None`: the address in the target.
    pub next_hop: Option<SocketAddr>,
    /// Keys pressed once it is answered, one after another.
    pub keys: Box<str>,
    /// By what it encrypts its audio, and wants to be answered; `None`: plain RTP.
    pub srtp: Option<Suite>,
    /// What it sends beside each packet of audio, from the same address.
    pub noise: Vec<Noise>,
    /// Told where the other side listens, once that side must have heard some of our packets.
    pub tells: Option<watch::Sender<Option<SocketAddr>>>,
    /// When it gives up waiting: something is wrong.
    pub deadline: Duration,
}

impl Default for CallPlan {
    fn default() -> Self {
        Self {
            sound: Sound::Silence,
            until: Until::PeerEnds,
            transport: TransportKind::Udp,
            from: "<sip:anonymous@anonymous.invalid>".into(),
            next_hop: None,
            keys: "".into(),
            srtp: None,
            noise: Vec::new(),
            tells: None,
            deadline: DEADLINE,
        }
    }
}

/// What a callee does with a call that comes.
#[derive(Debug, Clone)]
pub enum Then {
    /// Answers.
    Answer,
    /// Refuses.
    Reject(StatusCode),
    /// Sends the caller on (302).
    Redirect(Vec<Uri>),
    /// Rings until the caller gives up.
    RingOn,
}

/// What a callee, such as an agent, does.
#[derive(Debug, Clone)]
pub struct AnswerPlan {
    /// Sends 180 first.
    pub ring: bool,
    /// What then.
    pub then: Then,
    /// What it says.
    pub sound: Sound,
    /// When it hangs up.
    pub until: Until,
    /// When it gives up waiting, for a call or in it: something is wrong.
    pub deadline: Duration,
}

impl Default for AnswerPlan {
    fn default() -> Self {
        Self {
            ring: true,
            then: Then::Answer,
            sound: Sound::Silence,
            until: Until::PeerEnds,
            deadline: DEADLINE,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// This phone hung up, gave up, refused or redirected.
    Us,
    /// The other side hung up or gave up.
    Peer,
    /// The other side refused, or couldn't be reached: see the status.
    Rejected,
    /// The other side vanished, or never acknowledged.
    Lost,
    /// The deadline passed: a fault.
    Deadline,
}

/// What came of a call.
pub struct CallResult {
    /// How it ended.
    pub ended: Ended,
    /// The final answer to the INVITE: the peer's to a caller, its own for a callee. `None`: there was none.
    pub status: Option<StatusCode>,
    /// 101-199 that a caller got, in order.
    pub provisional: Vec<StatusCode>,
    /// From INVITE to answer.
    pub time_to_answer: Option<Duration>,
    /// What was heard at 8000 samples a second; lost packets are silence.
    pub heard: Vec<i16>,
    /// How the audio came.
    pub audio: Stats,
    /// Packets of audio sent.
    pub packets_sent: u64,
    /// Keys that the peer pressed.
    pub keys: String,
    /// Where the audio goes, as last agreed.
    pub remote_audio: Option<SocketAddr>,
    /// Whence it came last.
    pub audio_source: Option<SocketAddr>,
    /// Where a 3xx sends a caller.
    pub contacts: Vec<Uri>,
    /// The INVITE that a callee got.
    pub request: Option<Box<Request>>,
    /// The 2xx that a caller got.
    pub response: Option<Box<Response>>,
    /// Whether the audio was encrypted at the end.
    pub encrypted: bool,
    /// How often the peer changed the session (hold, another media address).
    pub changes: u32,
}

impl CallResult {
    /// Nothing yet.
    pub(crate) fn new(ended: Ended) -> Self {
        Self {
            ended,
            status: None,
            provisional: Vec::new(),
            time_to_answer: None,
            heard: Vec::new(),
            audio: Stats::default(),
            packets_sent: 0,
            keys: String::new(),
            remote_audio: None,
            audio_source: None,
            contacts: Vec::new(),
            request: None,
            response: None,
            encrypted: false,
            changes: 0,
        }
    }

    /// The final status as a number; 0 without one.
    pub fn code(&self) -> u16 {
        self.status.map_or(0, StatusCode::code)
    }

    /// Whether a tone of that many Hz was heard.
    pub fn heard_tone(&self, hz: f64) -> bool {
        crate::tone::heard(&self.heard, hz)
    }
}

/// What a failed test needs to see: no samples, keys or messages.
impl fmt::Debug for CallResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallResult")
            .field("ended", &self.ended)
            .field("status", &self.status)
            .field("provisional", &self.provisional)
            .field("time_to_answer", &self.time_to_answer)
            .field("samples_heard", &self.heard.len())
            .field("audio", &self.audio)
            .field("packets_sent", &self.packets_sent)
            .field("remote_audio", &self.remote_audio)
            .field("audio_source", &self.audio_source)
            .field("encrypted", &self.encrypted)
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}
