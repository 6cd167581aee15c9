//! An Opus stream heard at the rate of telephone audio, beside one in G.711.
//!
//! A decoder's next sound depends on all that it was given. So that a sound read from any place has the bytes of the whole,
//! decoders begin anew at fixed places of the timeline, tuned by what came just before.

use std::collections::VecDeque;

use bytes::Bytes;
use opus_rs::OpusDecoder;

use crate::{opus, tally::RATE, vault::Packet};

/// How far apart these places are: so much is decoded at most before somebody hears the place that was asked for.
const ANEW_EVERY: u32 = 5 * RATE;
/// Packets that tune a new decoder: 100 ms of the usual ones, a little more than RFC 7845 section 4.6 asks for.
const TUNED_BY: usize = 5;
/// Before such a place, reading begins by so much earlier: enough for what tunes.
const BEFORE: u32 = RATE;
/// The longest packet, 120 ms.
const SAMPLES_MAX: usize = RATE as usize * 120 / 1000;

/// One Opus stream's decoder.
pub(super) struct Heard {
    decoder: Option<OpusDecoder>,
    /// Which of the places it began at.
    begun_at: u32,
    /// The newest packets.
    newest: VecDeque<Bytes>,
    samples: [f32; SAMPLES_MAX],
}

impl Heard {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            decoder: None,
            begun_at: 0,
            newest: VecDeque::new(),
            samples: [0.0; SAMPLES_MAX],
        })
    }

    /// From where a stream has to be read so that it is heard at `place` as if it had been read from its beginning.
    pub(super) const fn from(place: u32) -> u32 {
        (place - place % ANEW_EVERY).saturating_sub(BEFORE)
    }

    /// A packet as sound; nothing when it isn't one.
    pub(super) fn hear(&mut self, packet: &Packet) -> impl Iterator<Item = i16> {
        let is_one = opus::samples(&packet.payload).is_some();
        let length = if is_one { self.next(packet) } else { 0 };
        let heard = self.samples.iter().take(length);
        heard.map(|sample| (sample * f32::from(i16::MAX)) as i16)
    }

    /// How many samples came of it.
    fn next(&mut self, packet: &Packet) -> usize {
        let place = packet.position / ANEW_EVERY;
        if self.decoder.is_none() || place > self.begun_at {
            self.begin_at(place);
        }
        if self.newest.len() == TUNED_BY {
            self.newest.pop_front();
        }
        self.newest.push_back(packet.payload.clone());
        self.decode(&packet.payload)
    }

    fn begin_at(&mut self, place: u32) {
        // Rate and channels are those it knows.
        self.decoder = OpusDecoder::new(RATE.cast_signed(), 1).ok();
        self.begun_at = place;
        for payload in self.newest.clone() {
            self.decode(&payload);
        }
    }

    fn decode(&mut self, payload: &[u8]) -> usize {
        let decoder = self.decoder.as_mut();
        let decoded = decoder.map(|one| one.decode(payload, SAMPLES_MAX, &mut self.samples));
        decoded.and_then(Result::ok).unwrap_or(0)
    }
}
