//! Takes one recording out of the vault, as a sound file that says whose it is.
//!
//! The caller is on the left, the nurse on the right, both on the recording's timeline; what never came is silence.
//! The tag goes with it in LIST/INFO, `bext` (EBU Tech 3285) and iXML chunks.

mod chunks;
mod side;
mod sound;

use std::{
    io::{BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

use hound::{SampleFormat, WavSpec, WavWriter};
use serde::Serialize;

use self::side::Side;
pub use self::sound::{Sound, SoundReader};
use crate::{
    index::{Entry, Index, IndexError, State},
    names::{RecordingId, StreamLabel},
    tally::{RATE, Tally},
    vault::{Ending, Recording, Vault, VaultError, folder},
};

/// What is written at a time, in samples: one second.
const BLOCK: usize = RATE as usize;
/// A longer recording isn't a call; a sound file of this length has 2.7 GB, and 4 GB is what one can have.
const SECONDS_MAX: u32 = 24 * 60 * 60;

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exported {
    /// The recording.
    pub id: String,
    /// How long it is.
    pub seconds: f64,
    /// Streams in it.
    pub streams: usize,
    /// Packets of audio in it.
    pub packets: u64,
    /// Packets that never came: silence.
    pub packets_lost: u64,
    /// Stretches of silence because of that.
    pub gaps: u64,
    /// Stretches that were changed or spoilt after they were stored, up to a second each: silence. Restore them from a
    /// backup.
    pub damaged_chunks: u64,
    /// Whether every stream has its end; false after a crash, and while it is being recorded.
    pub whole: bool,
}

/// Why nothing was taken out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The index has no such recording, or can't be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// It can't be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Open audio must not lie in the store (invariant 3).
    #[error("{} lies in the store or with the keys: export somewhere else", path.display())]
    InsideStore {
        /// Where it would have gone.
        path: PathBuf,
    },
    /// A closed recording lost its end afterwards.
    #[error(
        "recording {id} was closed, but stream {label} has lost its end since: restore it from a backup"
    )]
    EndMissing {
        /// The recording.
        id: RecordingId,
        /// Its stream.
        label: String,
    },
    /// More than a sound file holds.
    #[error("recording {id} is longer than {} hours: it isn't a call", SECONDS_MAX / 3600)]
    TooLong {
        /// The recording.
        id: RecordingId,
    },
    /// The file can't be written.
    #[error("{} can't be written: {source}; export to a folder with free space that is yours", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Writes a recording as a WAV file, readable by this user only. The file appears when it is whole.
///
/// # Errors
/// When there is no such recording, it doesn't open, or the file can't be written.
pub fn wav(
    vault: &Vault,
    index: &Index,
    id: RecordingId,
    path: &Path,
) -> Result<Exported, ExportError> {
    vault
        .refuse_inside(path)
        .map_err(|()| ExportError::InsideStore {
            path: path.to_owned(),
        })?;
    let entry = index.get(id)?;
    let failed = |source| ExportError::Write {
        path: path.to_owned(),
        source,
    };
    folder::whole(path, failed, |file| wav_into(vault, &entry, file))
}

/// Writes a recording as WAV into anything that can seek, such as a buffer in memory.
///
/// # Errors
/// When it doesn't open or can't be written.
pub fn wav_into<W: Read + Write + Seek>(
    vault: &Vault,
    entry: &Entry,
    out: &mut W,
) -> Result<Exported, ExportError> {
    let recording = vault.unlock(entry.id, &entry.tag)?;
    let [mut left, mut right] = channels(&recording)?;
    let failed = |source| ExportError::Write {
        path: PathBuf::from("the sound file"),
        source,
    };
    let spec = WavSpec {
        channels: 2,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let sound_failed = |error| failed(io_error(error));
    let mut sound = WavWriter::new(BufWriter::new(&mut *out), spec).map_err(sound_failed)?;
    let mut begin = 0_u32;
    loop {
        let (end_left, end_right) = (left.read_block(begin)?, right.read_block(begin)?);
        let end = end_left.max(end_right);
        if end > SECONDS_MAX * RATE {
            return Err(ExportError::TooLong { id: entry.id });
        }
        let count = end.saturating_sub(begin).min(BLOCK as u32);
        for at in 0..count as usize {
            sound.write_sample(left.block[at]).map_err(sound_failed)?;
            sound.write_sample(right.block[at]).map_err(sound_failed)?;
        }
        begin += count;
        if (count as usize) < BLOCK || (begin >= end && left.done() && right.done()) {
            break;
        }
    }
    sound.finalize().map_err(sound_failed)?;
    let law = left.law().or(right.law());
    chunks::append(out, entry, law).map_err(failed)?;
    finish(entry, left, right)
}

/// The channel of a label: the caller's is left, everybody else's right.
fn channels(recording: &Recording) -> Result<[Channel; 2], VaultError> {
    let labels = recording.labels()?;
    let caller = |label: &StreamLabel| matches!(label.as_str(), "caller" | "1");
    let left = labels.iter().position(caller);
    let mut channels = [Channel::default(), Channel::default()];
    for (at, label) in labels.iter().enumerate() {
        // Nobody says who called: then whoever comes first.
        let right = at != left.unwrap_or(0);
        channels[usize::from(right)]
            .sides
            .push(Side::open(recording, label)?);
    }
    Ok(channels)
}

fn finish(entry: &Entry, left: Channel, right: Channel) -> Result<Exported, ExportError> {
    let (mut tally, mut whole, mut streams, mut damaged) = (Tally::default(), true, 0, 0);
    for side in left.sides.into_iter().chain(right.sides) {
        tally.add(side.tally);
        streams += 1;
        damaged += side.damaged;
        if side.ending() == Some(Ending::Whole) {
            continue;
        }
        whole = false;
        if side.damaged == 0 && entry.state == State::Closed {
            return Err(ExportError::EndMissing {
                id: entry.id,
                label: side.label().as_str().to_owned(),
            });
        }
    }
    Ok(Exported {
        id: entry.id.to_string(),
        seconds: tally.seconds(),
        streams,
        packets: tally.packets,
        packets_lost: tally.packets_lost,
        gaps: tally.gaps,
        whole: whole && damaged == 0,
        damaged_chunks: damaged,
    })
}

/// One ear: usually one stream, more after a transfer.
#[derive(Default)]
struct Channel {
    sides: Vec<Side>,
    block: Vec<i16>,
}

impl Channel {
    /// Mixes the second that begins there; gives the end of what is known so far, in samples.
    fn read_block(&mut self, begin: u32) -> Result<u32, VaultError> {
        self.block.clear();
        self.block.resize(BLOCK, 0);
        let mut end = 0;
        for side in &mut self.sides {
            end = end.max(side.add_block(begin, &mut self.block)?);
        }
        Ok(end)
    }

    fn done(&self) -> bool {
        self.sides.iter().all(|side| side.ending().is_some())
    }

    fn law(&self) -> Option<wire::g711::Law> {
        self.sides.first().map(Side::law)
    }
}

fn io_error(error: hound::Error) -> std::io::Error {
    match error {
        hound::Error::IoError(source) => source,
        other => std::io::Error::other(other),
    }
}

#[cfg(test)]
mod tests;
