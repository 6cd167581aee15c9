//! Writes one stream: packets in, sealed chunks out, at most half a second held in memory.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aead_stream::EncryptorBE32;
use chacha20poly1305::ChaCha20Poly1305;
use zeroize::Zeroizing;

use super::{
    Codec, VaultError,
    batch::{self, Batch},
    folder::{self, Out},
    format::{CHUNK_BYTES, ChunkHead, Header, OPEN_MAX, Packet, SEALED_MAX},
    keys::Key,
};
use crate::names::{RecordingId, StreamLabel};

/// The oldest packet in memory is never older than this after [`StreamWriter::flush_due`]: half of the second that
/// a crash may cost, so that the other half is left for the way here.
pub const CHUNK_AGE_MAX: Duration = Duration::from_millis(500);

/// One stream being written. Dropped without [`finish`](Self::finish) it leaves a file that says it is truncated.
pub struct StreamWriter {
    path: PathBuf,
    file: Out,
    /// Written to since whoever waits for the disk took it.
    unsynced: bool,
    /// `None` once a write failed: a chunk's nonce is used up by its first attempt.
    seal: Option<EncryptorBE32<ChaCha20Poly1305>>,
    associated: Vec<u8>,
    /// Mostly empty, and then without room of its own: a batch comes when it is due for a chunk, and is sealed as it came.
    pending: Zeroizing<Vec<u8>>,
    pending_since: Option<Instant>,
    written_bytes: u64,
}

impl StreamWriter {
    pub(super) fn create(
        path: &Path,
        id: RecordingId,
        label: StreamLabel,
        codec: Codec,
        data: &Key,
        tag: &[u8],
    ) -> Result<Self, VaultError> {
        let header = Header::new(id, label, codec)?;
        let file = Out::create(path, false).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => VaultError::AlreadyThere {
                path: path.to_owned(),
            },
            _ => folder::unusable(path)(error),
        })?;
        let bytes = header.bytes();
        file.append(&bytes).map_err(folder::unusable(path))?;
        let cipher = header.key(data).cipher();
        Ok(Self {
            path: path.to_owned(),
            file,
            unsynced: true,
            seal: Some(EncryptorBE32::from_aead(cipher, &header.prefix.into())),
            associated: header.associated(tag),
            pending: Zeroizing::default(),
            pending_since: None,
            written_bytes: bytes.len() as u64,
        })
    }

    /// Takes a packet; writes a chunk when there is one's worth.
    ///
    /// # Errors
    /// When the packet is too large, or the chunk can't be written: then nothing can be added any more.
    pub fn push(&mut self, packet: &Packet, now: Instant) -> Result<(), VaultError> {
        batch::make_room(&mut self.pending, SEALED_MAX);
        packet.put(&mut self.pending)?;
        self.pending_since.get_or_insert(now);
        self.write_due(now)
    }

    /// Takes many packets at once, of which the oldest may have waited a while already.
    pub(crate) fn push_batch(&mut self, batch: Batch, now: Instant) -> Result<(), VaultError> {
        let len = batch.bytes().len();
        if len > OPEN_MAX {
            return Err(VaultError::PacketTooLarge {
                bytes: len,
                max: OPEN_MAX,
            });
        }
        if self.pending.len() + len > OPEN_MAX {
            self.write_chunk()?;
        }
        let since = batch.since().unwrap_or(now);
        if self.pending.is_empty() {
            self.pending = batch.into_bytes();
        } else {
            batch::make_room(&mut self.pending, SEALED_MAX);
            self.pending.extend_from_slice(batch.bytes());
        }
        self.pending_since = Some(self.pending_since.map_or(since, |known| known.min(since)));
        self.write_due(now)
    }

    fn write_due(&mut self, now: Instant) -> Result<(), VaultError> {
        if self.pending.len() >= CHUNK_BYTES {
            self.write_chunk()
        } else {
            self.flush_due(now)
        }
    }

    /// Writes what has waited too long; call it every [`CHUNK_AGE_MAX`] or oftener.
    ///
    /// # Errors
    /// When the chunk can't be written.
    pub fn flush_due(&mut self, now: Instant) -> Result<(), VaultError> {
        let due = self
            .pending_since
            .is_some_and(|since| now.saturating_duration_since(since) >= CHUNK_AGE_MAX);
        if due { self.write_chunk() } else { Ok(()) }
    }

    /// Writes the rest, marked as the end, and asks the disk to keep it. Gives the file's size in bytes.
    ///
    /// # Errors
    /// When it can't be written; the file then says that it is truncated.
    pub fn finish(self) -> Result<u64, VaultError> {
        let path = self.path.clone();
        let (file, written_bytes) = self.end()?;
        file.sync().map_err(folder::unusable(&path))?;
        Ok(written_bytes)
    }

    /// The same without the wait for the disk: that is for whoever takes the file.
    pub(crate) fn end(mut self) -> Result<(Out, u64), VaultError> {
        let seal = self.seal.take().ok_or_else(|| VaultError::Broken {
            path: self.path.clone(),
        })?;
        let mut sealed = std::mem::take(&mut self.pending);
        seal.encrypt_last_in_place(&self.associated, &mut *sealed)
            .map_err(|_| VaultError::Broken {
                path: self.path.clone(),
            })?;
        self.append(&sealed, true)
            .map_err(folder::unusable(&self.path))?;
        Ok((self.file, self.written_bytes))
    }

    /// Has the first wait for its file be one for its name, too.
    pub(crate) fn sync_name_too(&self) {
        self.file.sync_name_too();
    }

    /// The file, when it has bytes that a power cut would take; whoever takes it waits for the disk.
    pub(crate) fn take_unsynced(&mut self) -> Option<Out> {
        std::mem::take(&mut self.unsynced).then(|| self.file.clone())
    }

    /// Whether there is something that waits for a chunk.
    pub(crate) const fn has_pending(&self) -> bool {
        self.pending_since.is_some()
    }

    /// How many bytes the file has.
    pub const fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    fn write_chunk(&mut self) -> Result<(), VaultError> {
        let broken = || VaultError::Broken {
            path: self.path.clone(),
        };
        let mut seal = self.seal.take().ok_or_else(broken)?;
        seal.encrypt_next_in_place(&self.associated, &mut *self.pending)
            .map_err(|_| broken())?;
        // Its room goes with it, which would wait empty for most of the time. There is nothing left in it to be wiped.
        let sealed: Vec<u8> = std::mem::take(&mut *self.pending);
        self.append(&sealed, false)
            .map_err(folder::unusable(&self.path))?;
        self.pending_since = None;
        self.seal = Some(seal);
        Ok(())
    }

    /// Memory that audio takes here between two chunks.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.pending.capacity()
    }

    fn append(&mut self, sealed: &[u8], last: bool) -> std::io::Result<()> {
        let head = ChunkHead {
            last,
            sealed_len: sealed.len(),
        }
        .bytes();
        let chunk = [head.as_slice(), sealed].concat();
        self.file.append(&chunk)?;
        self.unsynced = true;
        self.written_bytes += chunk.len() as u64;
        Ok(())
    }
}

impl std::fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "StreamWriter({}, {} bytes)",
            self.path.display(),
            self.written_bytes
        )
    }
}
