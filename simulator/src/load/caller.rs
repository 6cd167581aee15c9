//! One simulated caller: its socket, the stream it sends, what it has heard.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use callcore::{kommun::KommunId, personal::CallerNumber};
use transport::media::PolledSocket;
use wire::{
    rtp::{self, Packet, Receiver, Sender, Stats},
    sdp,
    sip::message::Body,
    srtp::Crypto,
    time::Time,
};

use super::keys::Keys;

/// A datagram longer than this is no telephone audio.
const DATAGRAM_MAX: usize = 2048;

/// Datagrams read from one caller in one tick; a peer that sends more is not telephone audio either.
const READS_PER_TICK_MAX: usize = 32;

/// What a simulated caller says, A-law.
pub(super) fn clip() -> Arc<[u8]> {
    // The file is part of the program; were it broken, callers would be mute, and a test says so.
    wire::wav::a_law(include_bytes!("../../../data/audio/caller.wav"))
        .unwrap_or_default()
        .into()
}

/// A call as its caller sees it.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) kommun: Option<KommunId>,
    pub(super) number: CallerNumber,
    pub(super) placed: Instant,
    pub(super) alerted: bool,
    pub(super) answered: bool,
    /// Nobody had answered when the caller's patience ended.
    pub(super) gave_up: bool,
    /// When it hangs up, and, as long as nobody has answered, gives up; once it has, when nobody waits any more for the other
    /// side to say so too.
    pub(super) leaves: Instant,
    /// It has left, and what had come back to its INVITE by then.
    pub(super) left: Option<Left>,
    pub(super) hops: u8,
    pub(super) route: Option<String>,
    pub(super) audio: Option<Audio>,
}

/// How a caller left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// A side that had said something was told.
    Told,
    /// Nothing at all had come back.
    Silence,
}

impl Caller {
    /// What our INVITE offers; with a key of this call's where the way is `secure`.
    pub(super) fn offer(&mut self, local: SocketAddr, secure: bool) -> Body {
        let Some(audio) = &mut self.audio else {
            return sdp::Description::telephony(local).to_body();
        };
        audio.keys = secure.then(|| Box::new(Keys::new()));
        let keys = audio.keys.as_ref().map(|keys| keys.offered());
        description(audio.socket.local_addr(), sdp::PLAIN_RTP, keys)
    }

    /// Reads what the switch answered.
    pub(super) fn heard_from(&mut self, body: Option<&Body>) {
        let said = described(body);
        let stream = said.as_ref().and_then(sdp::Description::audio);
        if let (Some(stream), Some(audio)) = (stream, &mut self.audio) {
            audio.heard_from(stream);
        }
    }

    /// Reads what the switch offers in mid-call, and answers it; one that leaves the offer to us gets that.
    pub(super) fn changed(&mut self, body: Option<&Body>, local: SocketAddr) -> Body {
        let Some(audio) = &mut self.audio else {
            return sdp::Description::telephony(local).to_body();
        };
        let own = audio.socket.local_addr();
        let said = described(body);
        let Some(stream) = said.as_ref().and_then(sdp::Description::audio) else {
            let keys = audio.keys.as_ref().map(|keys| keys.offered());
            return description(own, sdp::PLAIN_RTP, keys);
        };
        audio.remote = Some(stream.address);
        let keys = audio.keys.as_mut().map(|keys| keys.answer(stream));
        description(own, &stream.protocol, keys)
    }
}

fn described(body: Option<&Body>) -> Option<sdp::Description> {
    sdp::Description::parse(&body?.bytes).ok()
}

fn description(own: SocketAddr, protocol: &str, keys: Option<Vec<Crypto>>) -> Body {
    let mut said = sdp::Description::telephony(own);
    if let (Some(keys), Some(stream)) = (keys, said.streams.first_mut()) {
        stream.protocol = protocol.into();
        stream.crypto = keys;
    }
    said.to_body()
}

/// A caller's audio.
#[derive(Debug)]
pub(super) struct Audio {
    // Read when it speaks: nobody is to be woken by each packet that comes, least of all at the expense of the switch under load.
    pub(super) socket: PolledSocket,
    /// When it speaks: any number.
    pub(super) phase: u32,
    remote: Option<SocketAddr>,
    sender: Sender,
    receiver: Receiver,
    position: usize,
    datagram: Vec<u8>,
    pub(super) sent: u64,
    /// Those of a call by TLS; `None`: it goes in the clear, and so does its audio.
    keys: Option<Box<Keys>>,
}

impl Audio {
    pub(super) fn new(socket: PolledSocket, ssrc: u32) -> Self {
        Self {
            socket,
            phase: ssrc,
            remote: None,
            sender: Sender::new(rtp::PCMA, ssrc, ssrc as u16, ssrc.rotate_left(7)),
            receiver: Receiver::new(rtp::CLOCK_RATE),
            position: 0,
            datagram: Vec::with_capacity(rtp::HEADER_LEN + rtp::SAMPLES_PER_PACKET),
            sent: 0,
            keys: None,
        }
    }

    /// What the switch says of its side, answering our offer.
    fn heard_from(&mut self, stream: &sdp::Stream) {
        self.remote = Some(stream.address);
        if let Some(keys) = &mut self.keys {
            keys.answered(stream);
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.are_used())
    }

    /// Sends the next 20 ms of the clip and reads what has come.
    pub(super) fn tick(&mut self, now: Time, clip: &[u8]) {
        self.listen(now);
        let Some(remote) = self.remote else { return };
        let end = self.position + rtp::SAMPLES_PER_PACKET;
        if end > clip.len() {
            self.position = 0;
        }
        let Some(payload) = clip.get(self.position..self.position + rtp::SAMPLES_PER_PACKET) else {
            return;
        };
        self.position += rtp::SAMPLES_PER_PACKET;
        self.sender.next(
            payload,
            rtp::SAMPLES_PER_PACKET as u32,
            self.sent == 0,
            &mut self.datagram,
        );
        let keys = self.keys.as_mut();
        if keys.is_some_and(|keys| !keys.seal(&mut self.datagram)) {
            return;
        }
        if self.socket.send_to(&self.datagram, remote).is_ok() {
            self.sent += 1;
        }
    }

    fn listen(&mut self, now: Time) {
        let mut buffer = [0; DATAGRAM_MAX];
        for _ in 0..READS_PER_TICK_MAX {
            let Ok((len, _)) = self.socket.recv_from(&mut buffer) else {
                return;
            };
            let datagram = &mut buffer[..len];
            if rtp::is_rtcp(datagram) {
                continue;
            }
            let opened = match &mut self.keys {
                Some(keys) => keys.open(datagram),
                None => Some(&*datagram),
            };
            if let Some(Ok(packet)) = opened.map(Packet::parse) {
                self.receiver.receive(now, &packet);
            }
        }
    }

    pub(super) fn heard(&self) -> Stats {
        self.receiver.stats()
    }
}
