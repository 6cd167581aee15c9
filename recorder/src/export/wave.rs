//! The G.711 part of a recording as the bytes of a WAV file, from any place in it: what a player asks for piece by piece.
//!
//! The same bytes as an [export](super::export) of it, and never more of it in memory than one second.

use bytes::Bytes;

use super::{BLOCK, Channel, ExportError, SECONDS_MAX, channels, chunks};
use crate::{
    index::{Entry, State},
    tally::RATE,
    vault::Recording,
};

/// Two channels of 16 bits.
const FRAME_BYTES: u64 = 4;
/// RIFF, its length, WAVE, and the chunk that tells the format.
const HEAD_BYTES: usize = 44;

/// The G.711 part of an unlocked recording.
#[derive(Debug)]
pub(super) struct Wave {
    recording: Recording,
    state: State,
    head: Bytes,
    tail: Bytes,
    frames: u32,
}

/// A part of a WAV file being read.
pub(super) struct WaveReader {
    head: Bytes,
    tail: Bytes,
    channels: [Channel; 2],
    /// The next frame, and the one after the last.
    frames: std::ops::Range<u32>,
    /// Bytes of the first piece that weren't asked for.
    skip: usize,
}

impl Wave {
    /// Reads nothing of its audio.
    pub(super) fn open(recording: Recording, entry: &Entry) -> Result<Self, ExportError> {
        let frames = entry.tally.end;
        if frames > SECONDS_MAX * RATE {
            return Err(ExportError::TooLong { id: entry.id });
        }
        let [left, right] = channels(&recording, entry.state)?;
        let law = left.law().or(right.law());
        let failed = |source| ExportError::Write {
            path: "the sound file".into(),
            source,
        };
        let tail = chunks::all(entry, law).map_err(failed)?;
        Ok(Self {
            recording,
            state: entry.state,
            head: head(frames, tail.len()).into(),
            tail: tail.into(),
            frames,
        })
    }

    /// How many bytes the sound file has.
    pub(super) fn length(&self) -> u64 {
        self.head.len() as u64 + self.audio_bytes() + self.tail.len() as u64
    }

    /// Begins to read at a byte.
    pub(super) fn read_from(&self, place: u64) -> Result<WaveReader, ExportError> {
        let head_len = self.head.len() as u64;
        let into_audio = place.saturating_sub(head_len);
        let frame = u32::try_from(into_audio / FRAME_BYTES)
            .unwrap_or(u32::MAX)
            .min(self.frames);
        let mut channels = channels(&self.recording, self.state)?;
        if frame > 0 {
            for channel in &mut channels {
                channel.seek(frame)?;
            }
        }
        let cut = |bytes: &Bytes, from: u64| {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            bytes.slice(from.min(bytes.len())..)
        };
        let within = frame < self.frames;
        Ok(WaveReader {
            head: cut(&self.head, place),
            tail: cut(&self.tail, into_audio.saturating_sub(self.audio_bytes())),
            channels,
            frames: frame..self.frames,
            // Less than a frame.
            skip: if within {
                (into_audio % FRAME_BYTES) as usize
            } else {
                0
            },
        })
    }

    fn audio_bytes(&self) -> u64 {
        u64::from(self.frames) * FRAME_BYTES
    }
}

impl WaveReader {
    /// The next piece, a second at most; `None` at the end.
    pub(super) fn next_piece(&mut self) -> Result<Option<Bytes>, ExportError> {
        if !self.head.is_empty() {
            return Ok(Some(std::mem::take(&mut self.head)));
        }
        if self.frames.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            return Ok((!tail.is_empty()).then_some(tail));
        }
        let [left, right] = &mut self.channels;
        left.read_block(self.frames.start)?;
        right.read_block(self.frames.start)?;
        // At most a block.
        let count = self.frames.len().min(BLOCK);
        let mut piece = Vec::with_capacity(count * FRAME_BYTES as usize);
        for (left, right) in left.block.iter().zip(&right.block).take(count) {
            piece.extend_from_slice(&left.to_le_bytes());
            piece.extend_from_slice(&right.to_le_bytes());
        }
        self.frames.start += count as u32;
        let piece = Bytes::from(piece).slice(self.skip..);
        self.skip = 0;
        Ok(Some(piece))
    }
}

/// Everything before the audio; the lengths are known before it is read.
fn head(frames: u32, tail: usize) -> Vec<u8> {
    // A day is below 2^32 bytes, and the tail a few thousand.
    let audio = frames * FRAME_BYTES as u32;
    let riff = (HEAD_BYTES - 8 + tail) as u32 + audio;
    let byte_rate = RATE * FRAME_BYTES as u32;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(b"RIFF");
    head.extend_from_slice(&riff.to_le_bytes());
    head.extend_from_slice(b"WAVEfmt ");
    head.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, two channels.
    head.extend_from_slice(&[1, 0, 2, 0]);
    head.extend_from_slice(&RATE.to_le_bytes());
    head.extend_from_slice(&byte_rate.to_le_bytes());
    // Bytes a frame, bits a sample.
    head.extend_from_slice(&[FRAME_BYTES as u8, 0, 16, 0]);
    head.extend_from_slice(b"data");
    head.extend_from_slice(&audio.to_le_bytes());
    head
}

impl Channel {
    fn seek(&mut self, frame: u32) -> Result<(), ExportError> {
        for side in &mut self.sides {
            side.seek(frame)?;
        }
        Ok(())
    }
}
