//! A part of a recording as the bytes of a sound file: what a player asks for piece by piece.

use bytes::Bytes;

use super::{
    ExportError, Part, first_part,
    opus::{Opus, OpusReader},
    wave::{Wave, WaveReader},
};
use crate::{index::Entry, vault::Vault};

/// A part of an unlocked recording as a sound file.
#[derive(Debug)]
pub struct Sound(File);

#[derive(Debug)]
enum File {
    Wave(Wave),
    Opus(Opus),
}

/// A sound file being read from somewhere.
pub struct SoundReader(Reader);

enum Reader {
    Wave(Box<WaveReader>),
    Opus(Box<OpusReader>),
}

impl Sound {
    /// Unlocks a closed recording under its tag: that part of it, or the first that there is.
    ///
    /// # Errors
    /// When it doesn't open, has no such part, or is longer than a sound file can be.
    pub fn open(vault: &Vault, entry: &Entry, part: Option<Part>) -> Result<Self, ExportError> {
        let recording = vault.unlock(entry.id, &entry.tag)?;
        let part = first_part(&recording, entry, part)?;
        Ok(Self(match part {
            Part::Wav => File::Wave(Wave::open(recording, entry)?),
            Part::Opus => File::Opus(Opus::open(recording, entry)?),
        }))
    }

    /// Which part it is.
    pub const fn part(&self) -> Part {
        match self.0 {
            File::Wave(_) => Part::Wav,
            File::Opus(_) => Part::Opus,
        }
    }

    /// How many bytes the sound file has.
    pub fn length(&self) -> u64 {
        match &self.0 {
            File::Wave(file) => file.length(),
            File::Opus(file) => file.length(),
        }
    }

    /// Begins to read at a byte.
    ///
    /// # Errors
    /// When a stream isn't what was written.
    pub fn read_from(&self, place: u64) -> Result<SoundReader, ExportError> {
        Ok(SoundReader(match &self.0 {
            File::Wave(file) => Reader::Wave(Box::new(file.read_from(place)?)),
            File::Opus(file) => Reader::Opus(Box::new(file.read_from(place)?)),
        }))
    }
}

impl SoundReader {
    /// The next piece, a second or so; `None` at the end.
    ///
    /// # Errors
    /// When a stream isn't what was written.
    pub fn next_piece(&mut self) -> Result<Option<Bytes>, ExportError> {
        match &mut self.0 {
            Reader::Wave(reader) => reader.next_piece(),
            Reader::Opus(reader) => reader.next_piece(),
        }
    }
}

impl std::fmt::Debug for SoundReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Reader::Wave(_) => "SoundReader(WAV)",
            Reader::Opus(_) => "SoundReader(Opus)",
        })
    }
}
