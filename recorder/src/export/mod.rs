//! Takes one recording out of the vault, as a sound file that says whose it is.
//!
//! The caller is on the left, the nurse on the right, both on the recording's timeline; what never came is silence.
//! G.711 becomes WAV with the tag in LIST/INFO, `bext` (EBU Tech 3285) and iXML chunks; Opus stays as it came, in an Ogg
//! file with the tag in its comments. A call where one side spoke G.711 and the other Opus is heard in one WAV file; what came
//! in Opus can be had as it came besides ([`as_it_came`]).

mod chunks;
mod heard;
mod opus;
mod side;
mod sound;
mod wave;

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
    vault::{Codec, Ending, Recording, StreamReader, Vault, VaultError},
};

/// What is written at a time, in samples: one second.
const BLOCK: usize = RATE as usize;
/// A packet is taken as late as this: a hundred of 20 ms came before it (RFC 3550 appendix A.1), or clock and timestamps differ by
/// so much. It lies behind them in its file, and is heard in its place.
const LATE_MAX: u32 = 2 * RATE;
/// A longer recording isn't a call; a sound file of this length has 2.7 GB, and 4 GB is what one can have.
pub(crate) const SECONDS_MAX: u32 = 24 * 60 * 60;

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
    /// The sound files, when they were written.
    pub files: Vec<PathBuf>,
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
    /// A vCon would be written over its own sound.
    #[error("{} is where the sound goes: give the vCon another name, such as call.vcon.json", path.display())]
    SameFile {
        /// Both.
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
    /// No stream of that codec.
    #[error("recording {id} has no {} part", part.name())]
    NoPart {
        /// The recording.
        id: RecordingId,
        /// What was asked for.
        part: Part,
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

/// Streams that go into one sound file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// G.711, and with it what came in Opus, as WAV.
    Wav,
    /// Opus as it came, as Ogg (RFC 7845).
    Opus,
}

impl Part {
    const ALL: [Self; 2] = [Self::Wav, Self::Opus];

    /// Its name, and the end of its file's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Opus => "opus",
        }
    }

    /// The part of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// The media type of its file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Opus => "audio/ogg",
        }
    }

    const fn holds(self, codec: Codec) -> bool {
        matches!(
            (self, codec),
            (Self::Wav, Codec::G711(_)) | (Self::Opus, Codec::Opus)
        )
    }
}

/// Writes a recording as a sound file, readable by this user only: at `path` with the end that fits, `.wav` or `.opus`. It
/// appears when it is whole.
///
/// # Errors
/// When there is no such recording, it doesn't open, or a file can't be written.
pub fn export(
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
    let part = whole(vault, &entry)?;
    let path = named_for(path, part);
    let failed = |source| ExportError::Write {
        path: path.clone(),
        source,
    };
    let mut exported =
        vault.whole_outside(&path, failed, |file| part_into(vault, &entry, part, file))?;
    exported.files.push(path);
    Ok(exported)
}

/// A name with the end that fits its sound: instead of another sound's, and after whatever else there is. `anna.2026-01-05` and
/// `anna.2026-01-06` are two names.
pub(crate) fn named_for(path: &Path, part: Part) -> PathBuf {
    let sounds = ["wav", "opus", "ogg"];
    let end = path.extension().and_then(|end| end.to_str());
    if end.is_some_and(|end| sounds.iter().any(|one| end.eq_ignore_ascii_case(one))) {
        return path.with_extension(part.name());
    }
    let mut named = path.as_os_str().to_owned();
    named.push(".");
    named.push(part.name());
    named.into()
}

/// The part in which all of a recording is heard.
///
/// # Errors
/// When it doesn't open.
pub fn whole(vault: &Vault, entry: &Entry) -> Result<Part, ExportError> {
    let recording = vault.unlock(entry.id, &entry.tag)?;
    first_part(&recording, entry, None)
}

/// What whoever keeps a recording for good wants besides the part in which all of it is heard: streams that were decoded
/// there, as they came.
///
/// # Errors
/// When it doesn't open.
pub fn as_it_came(vault: &Vault, entry: &Entry) -> Result<Option<Part>, ExportError> {
    let recording = vault.unlock(entry.id, &entry.tag)?;
    let parts = parts_of(&recording, entry.state)?;
    Ok((parts.len() > 1).then_some(Part::Opus))
}

/// The parts there are, at least one: without any stream it is an empty WAV file.
fn parts_of(recording: &Recording, state: State) -> Result<Vec<Part>, ExportError> {
    let streams = streams_of(recording, state)?;
    let holds = |part: &Part| streams.iter().any(|(_, one)| part.holds(one.codec()));
    let mut found: Vec<Part> = Part::ALL.into_iter().filter(holds).collect();
    if found.is_empty() {
        found.push(Part::Wav);
    }
    Ok(found)
}

fn first_part(
    recording: &Recording,
    entry: &Entry,
    wanted: Option<Part>,
) -> Result<Part, ExportError> {
    let parts = parts_of(recording, entry.state)?;
    match wanted {
        Some(part) if !parts.contains(&part) => Err(ExportError::NoPart { id: entry.id, part }),
        Some(part) => Ok(part),
        None => Ok(parts.first().copied().unwrap_or(Part::Wav)),
    }
}

/// Every stream, by its label. One that was torn within its first bytes as the recorder stopped has nothing to hear, and takes
/// nothing from the others.
fn streams_of(
    recording: &Recording,
    state: State,
) -> Result<Vec<(StreamLabel, StreamReader)>, VaultError> {
    let mut found = Vec::new();
    for label in recording.labels()? {
        match recording.stream_reader(&label) {
            Ok(reader) => found.push((label, reader)),
            Err(VaultError::Foreign { .. })
                if state == State::Truncated && recording.has_no_audio(&label)? => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Writes a part of a recording into anything that can seek, such as a buffer in memory.
///
/// # Errors
/// When it doesn't open or can't be written.
pub fn part_into<W: Read + Write + Seek>(
    vault: &Vault,
    entry: &Entry,
    part: Part,
    out: &mut W,
) -> Result<Exported, ExportError> {
    match part {
        Part::Wav => wav_into(vault, entry, out),
        Part::Opus => opus_into(vault, entry, out),
    }
}

fn opus_into(vault: &Vault, entry: &Entry, out: &mut impl Write) -> Result<Exported, ExportError> {
    let failed = |source| ExportError::Write {
        path: PathBuf::from("the sound file"),
        source,
    };
    let sound = opus::Opus::open(vault.unlock(entry.id, &entry.tag)?, entry)?;
    let mut reader = sound.read_from(0)?;
    while let Some(piece) = reader.next_piece()? {
        out.write_all(&piece).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    exported(entry, reader.summed())
}

fn wav_into<W: Read + Write + Seek>(
    vault: &Vault,
    entry: &Entry,
    out: &mut W,
) -> Result<Exported, ExportError> {
    let recording = vault.unlock(entry.id, &entry.tag)?;
    let [mut left, mut right] = channels(&recording, entry.state)?;
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
    let sides = left.sides.into_iter().chain(right.sides);
    exported(entry, sides.map(Side::summed))
}

/// The channel of a label: the caller's is left, everybody else's right.
fn channels(recording: &Recording, state: State) -> Result<[Channel; 2], VaultError> {
    let streams = streams_of(recording, state)?;
    let is_caller = |label: &StreamLabel| matches!(label.as_str(), "caller" | "1");
    let known = streams.iter().any(|(label, _)| is_caller(label));
    let mut channels = [Channel::default(), Channel::default()];
    for (at, (label, reader)) in streams.into_iter().enumerate() {
        // Nobody says who called: then whoever comes first.
        let left = if known { is_caller(&label) } else { at == 0 };
        channels[usize::from(!left)]
            .sides
            .push(Side::new(label, reader));
    }
    Ok(channels)
}

/// What was read of one stream.
struct Summed {
    label: StreamLabel,
    ending: Option<Ending>,
    tally: Tally,
    damaged: u64,
}

fn exported(entry: &Entry, streams: impl Iterator<Item = Summed>) -> Result<Exported, ExportError> {
    let mut all = Exported::none(entry);
    for stream in streams {
        if stream.ending != Some(Ending::Whole) {
            if stream.damaged == 0 && entry.state == State::Closed {
                return Err(ExportError::EndMissing {
                    id: entry.id,
                    label: stream.label.as_str().to_owned(),
                });
            }
            all.whole = false;
        }
        all.add(Exported {
            id: String::new(),
            seconds: stream.tally.seconds(),
            streams: 1,
            packets: stream.tally.packets,
            packets_lost: stream.tally.packets_lost,
            gaps: stream.tally.gaps,
            damaged_chunks: stream.damaged,
            files: Vec::new(),
            whole: stream.damaged == 0,
        });
    }
    Ok(all)
}

impl Exported {
    /// Nothing yet.
    pub(crate) fn none(entry: &Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            seconds: 0.0,
            streams: 0,
            packets: 0,
            packets_lost: 0,
            gaps: 0,
            damaged_chunks: 0,
            files: Vec::new(),
            whole: true,
        }
    }

    /// Another part of the same recording.
    pub(crate) fn add(&mut self, other: Self) {
        self.seconds = self.seconds.max(other.seconds);
        self.streams += other.streams;
        self.packets += other.packets;
        self.packets_lost += other.packets_lost;
        self.gaps += other.gaps;
        self.damaged_chunks += other.damaged_chunks;
        self.files.extend(other.files);
        self.whole &= other.whole;
    }
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
        self.sides.iter().find_map(Side::law)
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
