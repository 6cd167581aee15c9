//! The bytes of a stream file.
//!
//! ```text
//! header   "VXS" version(1)  recording id(16)  nonce prefix(7)  codec(1)  label length(1) label
//! chunk    final(1 bit) length(31 bits)  ciphertext and tag
//! packet   position(4)  kind(1)  length(2)  payload            (inside a chunk; all numbers big-endian)
//! ```
//!
//! Chunks follow the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): number and finality are in the
//! nonce, so that no chunk can be moved, left out in the middle, or made the last one.

use super::{
    Codec, VaultError,
    keys::{Key, nonce},
};
use crate::names::{RecordingId, StreamLabel};

const MAGIC: &[u8; 4] = b"VXS\x01";
pub(crate) const NONCE_PREFIX_LEN: usize = 7;
const HEADER_FIXED: usize = 4 + 16 + NONCE_PREFIX_LEN + 1 + 1;
/// The longest header: a label has 32 bytes at most.
pub(super) const HEADER_MAX: u64 = HEADER_FIXED as u64 + 32;
/// What the cipher adds to a chunk.
pub(crate) const SEAL_LEN: usize = 16;
/// A packet's bytes before its payload.
pub(crate) const PACKET_HEADER_LEN: usize = 7;
/// A chunk is written when it holds this much: one second of G.711 in 20 ms packets.
pub(crate) const CHUNK_BYTES: usize = 8 * 1024;
/// No packet is larger: 200 ms of G.711 would be 1600 bytes, and a packet of Opus lies in one datagram.
pub const PAYLOAD_MAX: usize = 2048;
/// What a reader takes as one chunk at most.
pub(crate) const SEALED_MAX: usize = OPEN_MAX + SEAL_LEN;
/// The same before it is sealed.
pub(crate) const OPEN_MAX: usize = CHUNK_BYTES + PACKET_HEADER_LEN + PAYLOAD_MAX;
const FINAL_BIT: u32 = 1 << 31;

/// What a stored packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Audio as it came; the payload is G.711.
    Audio,
    /// Audio that was sent and didn't come, or couldn't be written; the payload is the length in samples.
    Lost,
    /// The sender paused (hold), or somebody else took over; nothing is missing.
    Paused,
    /// Audio as it came; the payload is an Opus packet.
    Opus,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Audio => 0,
            Self::Lost => 1,
            Self::Paused => 2,
            Self::Opus => 3,
        }
    }

    /// Whether somebody is heard in it.
    pub const fn is_audio(self) -> bool {
        matches!(self, Self::Audio | Self::Opus)
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Audio),
            1 => Some(Self::Lost),
            2 => Some(Self::Paused),
            3 => Some(Self::Opus),
            _ => None,
        }
    }
}

/// One packet of a stream on the recording's timeline.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// Where it begins: samples of 1/8000 s since the recording began.
    pub position: u32,
    /// What it is.
    pub kind: Kind,
    /// Its bytes: G.711 as it came, one byte a sample, or an Opus packet.
    pub payload: bytes::Bytes,
}

impl Packet {
    /// A packet of audio.
    pub const fn audio(position: u32, payload: bytes::Bytes) -> Self {
        Self {
            position,
            kind: Kind::Audio,
            payload,
        }
    }

    /// A packet of audio of that codec.
    pub const fn of(codec: Codec, position: u32, payload: bytes::Bytes) -> Self {
        Self {
            position,
            kind: codec.kind(),
            payload,
        }
    }

    /// Audio that should have been there.
    pub fn lost(position: u32, samples: u32) -> Self {
        Self {
            position,
            kind: Kind::Lost,
            payload: bytes::Bytes::copy_from_slice(&samples.to_be_bytes()),
        }
    }

    /// A pause that begins here.
    pub const fn paused(position: u32) -> Self {
        Self {
            position,
            kind: Kind::Paused,
            payload: bytes::Bytes::new(),
        }
    }

    /// How much of the timeline it covers, in samples.
    pub fn samples(&self) -> u32 {
        match self.kind {
            Kind::Audio => u32::try_from(self.payload.len()).unwrap_or(u32::MAX),
            Kind::Lost => self
                .payload
                .as_ref()
                .try_into()
                .map_or(0, u32::from_be_bytes),
            Kind::Paused => 0,
            Kind::Opus => Codec::Opus.samples(&self.payload).unwrap_or(0),
        }
    }

    pub(crate) fn put(&self, into: &mut Vec<u8>) -> Result<(), VaultError> {
        put(self.kind, self.position, &self.payload, into)
    }

    /// Takes the next packet off an opened chunk; `None` when what is there isn't one.
    pub(crate) fn take(from: &mut bytes::Bytes) -> Option<Self> {
        let head: [u8; PACKET_HEADER_LEN] = from.get(..PACKET_HEADER_LEN)?.try_into().ok()?;
        let length = usize::from(u16::from_be_bytes([head[5], head[6]]));
        if from.len() < PACKET_HEADER_LEN + length {
            return None;
        }
        let kind = Kind::from_code(head[4])?;
        let mut payload = from.split_to(PACKET_HEADER_LEN + length);
        let _ = payload.split_to(PACKET_HEADER_LEN);
        Some(Self {
            position: u32::from_be_bytes([head[0], head[1], head[2], head[3]]),
            kind,
            payload,
        })
    }
}

/// Adds a packet to a chunk's bytes.
pub(super) fn put(
    kind: Kind,
    position: u32,
    payload: &[u8],
    into: &mut Vec<u8>,
) -> Result<(), VaultError> {
    let too_large = || VaultError::PacketTooLarge {
        bytes: payload.len(),
        max: PAYLOAD_MAX,
    };
    let length = u16::try_from(payload.len()).map_err(|_| too_large())?;
    if usize::from(length) > PAYLOAD_MAX {
        return Err(too_large());
    }
    let mut head = [0; PACKET_HEADER_LEN];
    head[..4].copy_from_slice(&position.to_be_bytes());
    head[4] = kind.code();
    head[5..].copy_from_slice(&length.to_be_bytes());
    into.extend_from_slice(&head);
    into.extend_from_slice(payload);
    Ok(())
}

/// Never the audio itself.
impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} at {} ({} bytes)",
            self.kind,
            self.position,
            self.payload.len()
        )
    }
}

/// A stream file's first bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: RecordingId,
    pub(crate) prefix: [u8; NONCE_PREFIX_LEN],
    pub(crate) codec: Codec,
    pub(crate) label: StreamLabel,
}

impl Header {
    pub(crate) fn new(
        id: RecordingId,
        label: StreamLabel,
        codec: Codec,
    ) -> Result<Self, VaultError> {
        Ok(Self {
            id,
            prefix: nonce()?,
            codec,
            label,
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let label = self.label.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(HEADER_FIXED + label.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&self.prefix);
        bytes.push(self.codec.code());
        // A label has at most 32 bytes.
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label);
        bytes
    }

    /// Reads a header for this recording; `None` when it is another's, another version's or no header.
    pub(crate) fn read(id: RecordingId, from: &mut impl std::io::Read) -> Option<Self> {
        let mut fixed = [0; HEADER_FIXED];
        from.read_exact(&mut fixed).ok()?;
        let rest = fixed
            .strip_prefix(MAGIC.as_slice())?
            .strip_prefix(id.as_bytes().as_slice())?;
        let (prefix, rest) = rest.split_first_chunk()?;
        let &[codec, length] = rest else { return None };
        let mut label = vec![0; usize::from(length)];
        from.read_exact(&mut label).ok()?;
        let label = StreamLabel::parse(std::str::from_utf8(&label).ok()?).ok()?;
        Some(Self {
            id,
            prefix: *prefix,
            codec: Codec::from_code(codec)?,
            label,
        })
    }

    /// The key of this stream alone.
    pub(crate) fn key(&self, data: &Key) -> Key {
        data.derive(self.id, "vaxel stream 1", self.label.as_str())
    }

    /// What every chunk is bound to: the tag, then this header. The length keeps the two apart.
    pub(crate) fn associated(&self, tag: &[u8]) -> Vec<u8> {
        [&(tag.len() as u64).to_be_bytes(), tag, &self.bytes()].concat()
    }
}

/// The four bytes before a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHead {
    pub(crate) last: bool,
    pub(crate) sealed_len: usize,
}

impl ChunkHead {
    pub(crate) fn bytes(self) -> [u8; 4] {
        // SEALED_MAX is far below 2^31.
        let length = self.sealed_len as u32;
        (if self.last {
            length | FINAL_BIT
        } else {
            length
        })
        .to_be_bytes()
    }

    /// `None` for a length that no writer makes.
    pub(crate) fn read(bytes: [u8; 4]) -> Option<Self> {
        let word = u32::from_be_bytes(bytes);
        let sealed_len = (word & !FINAL_BIT) as usize;
        (SEAL_LEN..=SEALED_MAX)
            .contains(&sealed_len)
            .then_some(Self {
                last: word & FINAL_BIT != 0,
                sealed_len,
            })
    }
}
