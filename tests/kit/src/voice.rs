//! The audio of a call: what is said, and what is heard.

use std::{io, net::SocketAddr, time::Duration};

use transport::media::{PACKET_LEN_MAX, RtpSocket};
use wire::{
    g711::Law,
    rtp::{Arrival, CLOCK_RATE, Packet, Receiver, SAMPLES_PER_PACKET, Sender, ToneEvent, is_rtcp},
    sdp::Accepted,
    time::Time,
};

use crate::{plan::Sound, tone};

/// Samples of silence put in for one run of lost packets at most; more is another stream.
const LOST_MAX: usize = CLOCK_RATE as usize;

/// One side of the audio.
pub(crate) struct Voice {
    socket: RtpSocket,
    buffer: [u8; PACKET_LEN_MAX],
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
}

impl Voice {
    pub(crate) fn new(socket: RtpSocket, sound: Sound, keys: &str) -> Self {
        // The port tells phones of one test apart; real ones draw these numbers.
        let ssrc = 0x5_0000 + u32::from(socket.local_addr().port());
        Self {
            socket,
            buffer: [0; PACKET_LEN_MAX],
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
        }
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Sends there from now on; `None`: nowhere.
    pub(crate) fn agree(&mut self, agreed: Option<Accepted>) {
        self.agreed = agreed;
    }

    pub(crate) const fn agreed(&self) -> Option<&Accepted> {
        self.agreed.as_ref()
    }

    /// Waits for a datagram; may be dropped.
    pub(crate) async fn datagram(&mut self) -> io::Result<usize> {
        let (len, from) = self.socket.recv_from(&mut self.buffer).await?;
        self.source = Some(from);
        Ok(len)
    }

    /// Listens to the datagram that came.
    pub(crate) fn hear(&mut self, now: Time, len: usize) {
        let datagram = self.buffer.get(..len).unwrap_or_default();
        if is_rtcp(datagram) {
            return;
        }
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
        let event = agreed.telephone_event.zip(self.keys.pop());
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
        // Sent now or lost: loopback takes it, and a test that loses sees it.
        if self.socket.try_send_to(&self.datagram, remote).is_ok() {
            self.sent += 1;
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
