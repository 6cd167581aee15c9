//! Names that become file names: each exists only checked, so no peer can lead a path out of the store.

use std::fmt;

use rand::{TryRng, rngs::SysRng};

/// Longest controller name: what `callcore` scenarios use, with room, and well below what file systems take.
const CONTROLLER_LEN_MAX: usize = 64;
/// Longest stream label (RFC 4574 sets no limit; real ones have one or two characters).
const LABEL_LEN_MAX: usize = 32;
/// `meta.vax` holds who spoke.
const LABEL_TAKEN: &str = "meta";

/// One recording: 128 random bits, so that knowing one id says nothing of another. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingId([u8; 16]);

/// A name that can't be a file name here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not 32 hexadecimal digits.
    #[error("a recording id has 32 hexadecimal digits: take it from `vaxel recordings list`")]
    RecordingId,
    /// A controller's name outside `[a-z0-9-]`.
    #[error(
        "a controller's id may hold a-z, 0-9 and '-' only, at most 64 of them: rename the organisation in the scenario"
    )]
    Controller,
    /// A stream label outside `[A-Za-z0-9_-]`.
    #[error(
        "a stream label may hold letters, digits, '_' and '-' only, at most 32 of them: change a=label in the offer"
    )]
    Label,
    /// The operating system gave no random bytes.
    #[error(
        "the operating system gives no random numbers: recordings can't be named or encrypted on this machine"
    )]
    NoRandom,
}

impl RecordingId {
    /// A new id.
    pub fn random() -> Result<Self, NameError> {
        let mut bytes = [0; 16];
        SysRng
            .try_fill_bytes(&mut bytes)
            .map_err(|_| NameError::NoRandom)?;
        Ok(Self(bytes))
    }

    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(NameError::RecordingId);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

fn nibble(digit: u8) -> Result<u8, NameError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NameError::RecordingId),
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A controller's id as a folder and key name: `[a-z0-9-]`, not starting with `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ControllerName(Box<str>);

impl ControllerName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let sound = (1..=CONTROLLER_LEN_MAX).contains(&text.len())
            && text.bytes().all(fits)
            && !text.starts_with('-');
        sound
            .then(|| Self(text.into()))
            .ok_or(NameError::Controller)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The label of a stream (RFC 4574 `a=label`), as a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamLabel(Box<str>);

impl StreamLabel {
    /// Checks a label.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let sound = (1..=LABEL_LEN_MAX).contains(&text.len())
            && text.bytes().all(fits)
            && text != LABEL_TAKEN;
        sound.then(|| Self(text.into())).ok_or(NameError::Label)
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_name_leads_out_of_the_store() {
        for bad in [
            "",
            "..",
            ".",
            "a/b",
            "../x",
            "A",
            "é",
            "-rf",
            "a.b",
            "a b",
            &"a".repeat(65),
        ] {
            assert_eq!(
                ControllerName::parse(bad),
                Err(NameError::Controller),
                "{bad:?}"
            );
        }
        for bad in ["", "..", "a/b", "1.vax", "meta", &"1".repeat(33)] {
            assert_eq!(StreamLabel::parse(bad), Err(NameError::Label), "{bad:?}");
        }
        assert!(ControllerName::parse("region-01").is_ok() && StreamLabel::parse("caller").is_ok());
    }

    proptest! {
        #[test]
        fn an_id_reads_back(bytes: [u8; 16]) {
            let id = RecordingId(bytes);
            prop_assert_eq!(RecordingId::parse(&id.to_string()), Ok(id));
        }

        #[test]
        fn an_id_is_32_lower_case_digits(text in "\\PC{0,40}") {
            let reads = RecordingId::parse(&text).is_ok();
            let sound = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            prop_assert_eq!(reads, sound);
        }
    }
}
