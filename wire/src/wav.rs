//! Telephone audio from WAV files: 8 kHz mono, A-law or 16-bit PCM, as A-law.
//!
//! `hound`, which writes our exports, reads no A-law; the chunks are walked here.

use crate::g711::Law;

/// Longest clip that is taken: ten minutes. Longer is a mistake, and memory for nothing.
const CLIP_SAMPLES_MAX: usize = 8000 * 600;

/// Why a file is no telephone audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// Another kind of file.
    #[error("it is no WAV file")]
    NotWav,
    /// No `fmt ` before `data`, or too short to be one.
    #[error("its WAV chunks are broken")]
    Broken,
    /// Stereo, 44.1 kHz, MP3 inside ...
    #[error("it is not 8 kHz mono A-law or 16-bit PCM")]
    Format,
    /// More than ten minutes.
    #[error("it is longer than ten minutes")]
    TooLong,
}

/// The audio of a WAV file as A-law samples.
///
/// # Errors
/// When it is no WAV file, or in another format.
pub fn a_law(wav: &[u8]) -> Result<Vec<u8>, WavError> {
    let (header, mut rest) = wav.split_at_checked(12).ok_or(WavError::NotWav)?;
    if !header.starts_with(b"RIFF") || !header.ends_with(b"WAVE") {
        return Err(WavError::NotWav);
    }
    let mut coding = None;
    while let Some((name, after)) = rest.split_at_checked(8) {
        let len = u32::from_le_bytes([name[4], name[5], name[6], name[7]]) as usize;
        // A file that was cut off still has the audio up to there.
        let body = &after[..len.min(after.len())];
        match &name[..4] {
            b"fmt " => coding = Some(Coding::read(body)?),
            b"data" => return coding.ok_or(WavError::Broken)?.to_a_law(body),
            _ => {}
        }
        rest = after.get(len.saturating_add(len & 1)..).unwrap_or_default();
    }
    Err(WavError::Broken)
}

#[derive(Debug, Clone, Copy)]
enum Coding {
    ALaw,
    Pcm16,
}

impl Coding {
    fn read(fmt: &[u8]) -> Result<Self, WavError> {
        let fmt: &[u8; 16] = fmt.first_chunk().ok_or(WavError::Broken)?;
        let half = |at: usize| u16::from_le_bytes([fmt[at], fmt[at + 1]]);
        let rate = u32::from_le_bytes([fmt[4], fmt[5], fmt[6], fmt[7]]);
        // Format tag, channels, rate, bits a sample.
        match (half(0), half(2), rate, half(14)) {
            (6, 1, 8000, 8) => Ok(Self::ALaw),
            (1, 1, 8000, 16) => Ok(Self::Pcm16),
            _ => Err(WavError::Format),
        }
    }

    fn to_a_law(self, data: &[u8]) -> Result<Vec<u8>, WavError> {
        let samples: Vec<u8> = match self {
            Self::ALaw => data.into(),
            Self::Pcm16 => {
                let samples = data
                    .chunks_exact(2)
                    .map(|s| i16::from_le_bytes([s[0], s[1]]));
                samples.map(|sample| Law::A.encode(sample)).collect()
            }
        };
        if samples.len() > CLIP_SAMPLES_MAX {
            return Err(WavError::TooLong);
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(format: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        file.extend(format.to_le_bytes());
        file.extend(1_u16.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend([0; 6]);
        file.extend(bits.to_le_bytes());
        file.extend(b"data");
        file.extend(u32::try_from(data.len()).expect("short").to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn both_codings_are_read() {
        let silence = Law::A.encode(8);
        assert_eq!(a_law(&wav(6, 8000, 8, &[0xd5, 0x55])), Ok(vec![0xd5, 0x55]));
        assert_eq!(a_law(&wav(1, 8000, 16, &[8, 0])), Ok(vec![silence]));
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(a_law(b"RIFF"), Err(WavError::NotWav));
        assert_eq!(a_law(&[0; 64]), Err(WavError::NotWav));
        assert_eq!(a_law(&wav(1, 44_100, 16, &[0, 0])), Err(WavError::Format));
        let headless = b"RIFF\0\0\0\0WAVEdata\x02\0\0\0ab";
        assert_eq!(a_law(headless), Err(WavError::Broken));
        let lying = b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff";
        assert_eq!(a_law(lying), Err(WavError::Broken));
    }
}
