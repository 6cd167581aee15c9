//! The audio of a call: what is said, and what is heard.

use std::{io, net::SocketAddr, time::Duration};

use tokio::sync::watch;
use transport::media::{PACKET_LEN_MAX, RtpSocket};
use wire::{
    g711::Law,
    rtp::{Arrival, CLOCK_RATE, Packet, Receiver, SAMPLES_PER_PACKET, Sender, ToneEvent, is_rtcp},
    sdp::Accepted,
    srtp::{Crypto, MasterKey, Opener, Sealer, Srtp, Suite},
    time::Time,
};

use crate::{
    plan::{Noise, Sound},
    tone,
};

/// Samples of silence put in for one run of lost packets at most; more is another stream.
const LOST_MAX: usize = CLOCK_RATE as usize;

/// After so many packets the other side knows whence they come.
const PACKETS_KNOWN_BY: u64 = 10;

impl Noise {
    fn made_of(self, packet: &[u8]) -> Vec<u8> {
        let mut bytes = packet.to_vec();
        match self {
            Self::Short => bytes.truncate(3),
            Self::Version => bytes[0] ^= 0xC0,
            Self::TooLong => bytes.resize(2000, 0x55),
            Self::PayloadType => bytes[1] = bytes[1] & 0x80 | 97,
            Self::Again => {}
            Self::Tampered => bytes[20] ^= 1,
        }
        bytes
    }
}

/// One side of the audio.
pub(crate) struct Voice {
    socket: RtpSocket,
    buffer: Box<[u8; PACKET_LEN_MAX]>,
    datagram: Vec<u8>,
    sender: Sender,
    receiver: Receiver,
    sound: Sound,
    agreed: Option<Accepted>,
    keys: Vec<char>,
    pressed: String,
    sent: u64,
    said: u64,
    heard: Vec<i16>,
    source: Option<SocketAddr>,
    /// What it offers, when it wants to be encrypted.
    offers: Option<Crypto>,
    encrypted: Option<Box<Encrypted>>,
    noise: Vec<Noise>,
    tells: Option<watch::Sender<Option<SocketAddr>>>,
}

/// SRTP as it was agreed.
struct Encrypted {
    agreed: Srtp,
    sealer: Sealer,
    opener: Opener,
}

impl Voice {
    pub(crate) fn new(socket: RtpSocket, sound: Sound, keys: &str) -> Self {
        // The port tells phones of one test apart; real ones draw these numbers.
        let ssrc = 0x5_0000 + u32::from(socket.local_addr().port());
        Self {
            socket,
            buffer: Box::new([0; PACKET_LEN_MAX]),
            datagram: Vec::new(),
            sender: Sender::new(Law::A.payload_type(), ssrc, 0xFFF0, 0xFFFF_F000),
            receiver: Receiver::new(CLOCK_RATE),
            sound,
            agreed: None,
            keys: keys.chars().rev().collect(),
            pressed: String::new(),
            sent: 0,
            said: 0,
            heard: Vec::new(),
            source: None,
            offers: None,
            encrypted: None,
            noise: Vec::new(),
            tells: None,
        }
    }

    /// The same, with this after each packet.
    pub(crate) fn with_noise(mut self, noise: Vec<Noise>) -> Self {
        self.noise = noise;
        self
    }

    /// The same, telling where it sends to.
    pub(crate) fn telling(mut self, tells: Option<watch::Sender<Option<SocketAddr>>>) -> Self {
        self.tells = tells;
        self
    }

    /// The same, and only encrypted: where it makes the offer.
    pub(crate) fn encrypted_by(mut self, suite: Option<Suite>) -> Self {
        self.offers = suite.map(|suite| Crypto::new(1, suite, self.key()));
        self
    }

    /// What it offers to be encrypted by.
    pub(crate) const fn offers(&self) -> Option<&Crypto> {
        self.offers.as_ref()
    }

    /// By what it encrypts; the port tells phones of one test apart, real ones draw it.
    pub(crate) fn key(&self) -> MasterKey {
        let port = self.local_addr().port().to_be_bytes();
        MasterKey::new(std::array::from_fn(|index| port[index % 2]))
    }

    /// Whether the audio is encrypted.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.encrypted.is_some()
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Sends there from now on; `None`: nowhere.
    pub(crate) fn agree(&mut self, agreed: Option<Accepted>) {
        let srtp = agreed.as_ref().and_then(|agreed| agreed.srtp.clone());
        // Keys that stay go on counting.
        if self.encrypted.as_ref().map(|before| &before.agreed) != srtp.as_ref() {
            self.encrypted = srtp.map(|agreed| {
                Box::new(Encrypted {
                    sealer: Sealer::new(&agreed.ours),
                    opener: Opener::new(agreed.theirs.clone()),
                    agreed,
                })
            });
        }
        self.agreed = agreed;
    }

    pub(crate) const fn agreed(&self) -> Option<&Accepted> {
        self.agreed.as_ref()
    }

    /// Waits for a datagram; may be dropped.
    pub(crate) async fn datagram(&mut self) -> io::Result<usize> {
        let (len, from) = self.socket.recv_from(&mut *self.buffer).await?;
        self.source = Some(from);
        Ok(len)
    }

    /// Listens to the datagram that came.
    pub(crate) fn hear(&mut self, now: Time, len: usize) {
        let datagram = self.buffer.get_mut(..len).unwrap_or_default();
        if is_rtcp(datagram) {
            return;
        }
        let datagram = match &mut self.encrypted {
            None => datagram,
            Some(encrypted) => match encrypted.opener.open(datagram) {
                Ok(opened) => opened,
                Err(_) => return,
            },
        };
        let Ok(packet) = Packet::parse(datagram) else {
            return;
        };
        let arrival = self.receiver.receive(now, &packet);
        let lost = match arrival {
            Arrival::First { .. } => 0,
            Arrival::Next { missing, .. } => usize::from(missing) * SAMPLES_PER_PACKET,
            Arrival::Late { .. } | Arrival::Duplicate | Arrival::Doubtful => return,
        };
        if let Some(law) = Law::from_payload_type(packet.payload_type) {
            self.heard
                .extend(std::iter::repeat_n(0, lost.min(LOST_MAX)));
            law.decode_into(packet.payload, &mut self.heard);
        } else if let Some(key) = ToneEvent::parse(packet.payload)
            .filter(|_| packet.marker)
            .and_then(ToneEvent::key)
        {
            self.pressed.push(key);
        }
    }

    /// Says the next 20 ms, or presses the next key, if the peer wants to hear.
    pub(crate) fn say(&mut self) {
        let Some(agreed) = self
            .agreed
            .as_ref()
            .filter(|agreed| agreed.direction.sends())
        else {
            return;
        };
        if agreed.remote.ip().is_unspecified() {
            return;
        }
        let samples = SAMPLES_PER_PACKET as u32;
        let remote = agreed.remote;
        let law = agreed.codec.law().unwrap_or(Law::A);
        let key = self.keys.pop();
        let event = agreed.telephone_event.zip(key);
        if let Some((payload_type, event)) = event.and_then(|(payload_type, key)| {
            Some((payload_type, ToneEvent::of_key(key, true, 800)?))
        }) {
            self.sender.next_as(
                payload_type,
                &event.to_bytes(),
                samples,
                true,
                &mut self.datagram,
            );
        } else {
            let payload: Vec<u8> = self
                .next_samples()
                .map(|sample| law.encode(sample))
                .to_vec();
            let (payload_type, first) = (law.payload_type(), self.sent == 0);
            self.sender
                .next_as(payload_type, &payload, samples, first, &mut self.datagram);
        }
        if let Some(encrypted) = &mut self.encrypted
            && encrypted.sealer.seal(&mut self.datagram).is_err()
        {
            return;
        }
        self.make_noise(true, remote);
        // Sent now or lost: loopback takes it, and a test that loses sees it.
        if self.socket.try_send_to(&self.datagram, remote).is_ok() {
            self.sent += 1;
        } else {
            // But a socket that nobody has looked at yet takes nothing, and a key is pressed once.
            self.keys.extend(key);
        }
        self.make_noise(false, remote);
        if let Some(tells) = &self.tells
            && self.sent == PACKETS_KNOWN_BY
        {
            let _ = tells.send(Some(remote));
        }
    }

    /// What comes before the packet that is ready, or after it.
    fn make_noise(&self, before: bool, remote: SocketAddr) {
        let noise = self.noise.iter();
        for noise in noise.filter(|noise| (**noise == Noise::Tampered) == before) {
            let bytes = noise.made_of(&self.datagram);
            let _ = self.socket.try_send_to(&bytes, remote);
        }
    }

    fn next_samples(&mut self) -> [i16; SAMPLES_PER_PACKET] {
        let from = self.said;
        self.said += SAMPLES_PER_PACKET as u64;
        std::array::from_fn(|index| {
            let at = from + index as u64;
            match &self.sound {
                Sound::Silence => 0,
                Sound::Tone(hz) => tone::sample(*hz, at),
                Sound::Samples(samples) => usize::try_from(at)
                    .ok()
                    .and_then(|at| samples.get(at))
                    .copied()
                    .unwrap_or(0),
            }
        })
    }

    pub(crate) const fn packets_sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn time_sent(&self) -> Duration {
        Duration::from_millis(self.sent * 20)
    }

    pub(crate) fn time_heard(&self) -> Duration {
        Duration::from_micros(self.heard.len() as u64 * 125)
    }

    /// Whether the last tenth of a second was that tone.
    pub(crate) fn hears_tone(&self, hz: f64) -> bool {
        self.heard
            .last_chunk::<800>()
            .is_some_and(|last| tone::detect(last, hz) > 0.8)
    }

    /// What was heard, how, the keys pressed, and whence it came.
    pub(crate) fn finish(self) -> (Vec<i16>, wire::rtp::Stats, String, Option<SocketAddr>) {
        (self.heard, self.receiver.stats(), self.pressed, self.source)
    }
}
