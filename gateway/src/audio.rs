//! What the switch plays: announcements, music and the simulated nurse, held as A-law and shared by all calls.

mod parts;

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use callcore::speech::{self, Spoken};
use wire::wav::{self, WavError};

use parts::PARTS;

/// One clip of 8 kHz mono A-law.
pub type Clip = Arc<[u8]>;

/// A clip's file is no longer: an hour has 58 million bytes in its widest form.
const FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// The clips that come with the program, by file name.
const BUILT_IN: &[(&str, &[u8])] = &[
    ("region.wav", include_bytes!("../../data/audio/region.wav")),
    (
        "external-notice.wav",
        include_bytes!("../../data/audio/external-notice.wav"),
    ),
    (
        "external-2019.wav",
        include_bytes!("../../data/audio/external-2019.wav"),
    ),
    (
        "medhelp-2019.wav",
        include_bytes!("../../data/audio/medhelp-2019.wav"),
    ),
    (
        "unknown.wav",
        include_bytes!("../../data/audio/unknown.wav"),
    ),
    ("queue.wav", include_bytes!("../../data/audio/queue.wav")),
    (
        "callback-offer.wav",
        include_bytes!("../../data/audio/callback-offer.wav"),
    ),
    (
        "callback-accepted.wav",
        include_bytes!("../../data/audio/callback-accepted.wav"),
    ),
    ("busy.wav", include_bytes!("../../data/audio/busy.wav")),
    (
        "no-answer.wav",
        include_bytes!("../../data/audio/no-answer.wav"),
    ),
    ("music.wav", include_bytes!("../../data/audio/music.wav")),
    ("nurse.wav", include_bytes!("../../data/audio/nurse.wav")),
    ("caller.wav", include_bytes!("../../data/audio/caller.wav")),
];

/// Between two sentences: a third of a second, in samples.
const SENTENCE_PAUSE: usize = 2_667;
/// A-law's zero.
const A_LAW_SILENCE: u8 = 0xd5;

/// Every clip that a scenario names, ready to play.
#[derive(Debug, Clone, Default)]
pub struct Library {
    clips: BTreeMap<Box<str>, Clip>,
}

/// Audio that can't be played.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// No such file beside the scenario, and no built-in clip of that name.
    #[error(
        "the announcement audio {file} is neither beside the scenario nor built in; the built-in ones are {built_in}"
    )]
    Missing {
        /// The file as the scenario names it.
        file: String,
        /// The names that would work.
        built_in: String,
    },
    /// The file can't be read.
    #[error("the announcement audio {file} can't be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a WAV file that the switch can play.
    #[error(
        "the announcement audio {file} can't be played: {why}; convert it with: sox IN -r 8000 -c 1 -e a-law OUT.wav"
    )]
    Format {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: WavError,
    },
}

impl Library {
    /// Reads every named file: from the scenario's folder when it is there, else the built-in one.
    ///
    /// # Errors
    /// When a file is missing, unreadable or in another format.
    pub fn load<'a>(
        folder: &Path,
        files: impl Iterator<Item = &'a str>,
    ) -> Result<Self, AudioError> {
        let mut library = Self::default();
        let parts = speech::parts().map(|part| part.file);
        for file in files.chain(["nurse.wav"]).chain(parts) {
            if !library.clips.contains_key(file) {
                library.clips.insert(file.into(), read(folder, file)?);
            }
        }
        Ok(library)
    }

    /// Adds another scenario's clips; those of one name are the newer ones.
    pub(crate) fn extend(&mut self, newer: Self) {
        self.clips.extend(newer.clips);
    }

    /// Sentences from recorded words, with a pause between them.
    pub(crate) fn spoken(&self, spoken: &Spoken) -> Clip {
        let mut samples = Vec::new();
        for sentence in spoken.sentences() {
            if !samples.is_empty() {
                samples.resize(samples.len() + SENTENCE_PAUSE, A_LAW_SILENCE);
            }
            for part in sentence {
                samples.extend_from_slice(&self.clip(part.file));
            }
        }
        samples.into()
    }

    /// The clip of that name; silence of no length when it was never loaded.
    pub fn clip(&self, file: &str) -> Clip {
        self.clips.get(file).cloned().unwrap_or_default()
    }
}

/// One of the program's own clips, for callers and tests.
///
/// # Errors
/// When there is no clip of that name.
pub fn built_in(file: &str) -> Result<Clip, AudioError> {
    let found = BUILT_IN.iter().chain(PARTS).find(|(name, _)| *name == file);
    let (name, bytes) = found.ok_or_else(|| AudioError::Missing {
        file: file.to_owned(),
        built_in: BUILT_IN
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", "),
    })?;
    wav::a_law(bytes)
        .map(Into::into)
        .map_err(|why| AudioError::Format {
            file: (*name).to_owned(),
            why,
        })
}

fn read(folder: &Path, file: &str) -> Result<Clip, AudioError> {
    match bytes_of(&folder.join(file)) {
        Ok(bytes) => wav::a_law(&bytes)
            .map(Into::into)
            .map_err(|why| AudioError::Format {
                file: file.to_owned(),
                why,
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => built_in(file),
        Err(source) => Err(AudioError::Unreadable {
            file: file.to_owned(),
            source,
        }),
    }
}

/// What a scenario names may come over HTTP, and be a device that never ends or a pipe into which nobody writes.
fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let found = std::fs::metadata(path)?;
    if !found.is_file() || found.len() > FILE_LEN_MAX {
        let why = format!("it is no file of {FILE_LEN_MAX} bytes or less");
        return Err(io::Error::other(why));
    }
    std::fs::read(path)
}

#[cfg(test)]
mod tests {
    use wire::g711::Law;

    use super::*;

    #[test]
    fn every_built_in_clip_is_audible() {
        for (name, _) in BUILT_IN {
            let clip = built_in(name).expect("a built-in clip");
            assert!(clip.len() > 8000, "{name} is over a second");
            let loud = clip
                .iter()
                .filter(|byte| Law::A.decode(**byte).unsigned_abs() > 1000)
                .count();
            assert!(loud > clip.len() / 50, "{name} can be heard");
        }
    }

    #[test]
    fn a_missing_clip_is_refused_with_a_remedy() {
        let missing = built_in("nothing.wav")
            .expect_err("no such clip")
            .to_string();
        assert!(missing.contains("region.wav"), "{missing}");
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        for file in ["zero", "."] {
            let refused = read(Path::new("/dev"), file).expect_err("no clip");
            assert!(
                matches!(refused, AudioError::Unreadable { .. }),
                "{refused}"
            );
        }
    }

    #[test]
    fn every_part_of_a_spoken_sentence_is_there_and_sentences_are_their_sum() {
        let library = Library::load(Path::new("."), std::iter::empty()).expect("the parts");
        for part in speech::parts() {
            let clip = library.clip(part.file);
            assert!(
                clip.len() > 2_000,
                "{} is a quarter of a second or more",
                part.file
            );
        }
        let spoken = Spoken {
            place: Some(23),
            wait: Some(callcore::time::Span::from_secs(420)),
        };
        let files = [
            "say-position.wav",
            "say-20.wav",
            "say-3.wav",
            "say-wait.wav",
            "say-7.wav",
            "say-minutes.wav",
        ];
        let words: usize = files.iter().map(|file| library.clip(file).len()).sum();
        assert_eq!(library.spoken(&spoken).len(), words + SENTENCE_PAUSE);
    }
}
