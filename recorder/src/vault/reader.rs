//! Reads one stream back: every whole chunk that was written, and whether the end is there.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use aead_stream::DecryptorBE32;
use bytes::Bytes;
use chacha20poly1305::ChaCha20Poly1305;
use wire::g711::Law;

use super::{
    VaultError, folder,
    format::{ChunkHead, Header, Packet},
    keys::Key,
};
use crate::names::{RecordingId, StreamLabel};

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the chunk that its writer marked as the last: all of it is there.
    Whole,
    /// Without it: the recorder stopped in the middle, or the end was cut off.
    Truncated,
}

/// One stream being read. Gives packets in the order they were written.
pub struct StreamReader {
    path: PathBuf,
    file: BufReader<File>,
    header: Header,
    associated: Vec<u8>,
    /// `None` after the last chunk.
    open: Option<DecryptorBE32<ChaCha20Poly1305>>,
    chunk: Bytes,
    chunks_read: u32,
    ending: Option<Ending>,
}

impl StreamReader {
    pub(super) fn open(
        path: &Path,
        id: RecordingId,
        label: &StreamLabel,
        data: &Key,
        tag: &[u8],
    ) -> Result<Self, VaultError> {
        let file = File::open(path).map_err(folder::unusable(path))?;
        let mut file = BufReader::new(file);
        let header = Header::read(id, &mut file)
            .filter(|header| header.label == *label)
            .ok_or_else(|| VaultError::Foreign {
                path: path.to_owned(),
            })?;
        let cipher = header.key(data).cipher();
        Ok(Self {
            path: path.to_owned(),
            file,
            associated: header.associated(tag),
            open: Some(DecryptorBE32::from_aead(cipher, &header.prefix.into())),
            header,
            chunk: Bytes::new(),
            chunks_read: 0,
            ending: None,
        })
    }

    /// How its audio is coded.
    pub const fn law(&self) -> Law {
        self.header.law
    }

    /// How it ends; known once [`next_packet`](Self::next_packet) gave `None`.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// When a chunk isn't what was written, or the file can't be read.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, VaultError> {
        while self.chunk.is_empty() {
            if self.ending.is_some() || !self.next_chunk()? {
                return Ok(None);
            }
        }
        Packet::take(&mut self.chunk)
            .map(Some)
            .ok_or_else(|| self.damaged())
    }

    /// Opens the next chunk; false at the end of the file.
    fn next_chunk(&mut self) -> Result<bool, VaultError> {
        let mut head = [0; 4];
        let got = self.read_full(&mut head)?;
        let Some(mut open) = self.open.take() else {
            // The last chunk was read: nothing may follow.
            self.ending = Some(Ending::Whole);
            return if got == 0 {
                Ok(false)
            } else {
                Err(self.damaged())
            };
        };
        if got < head.len() {
            self.ending = Some(Ending::Truncated);
            return Ok(false);
        }
        let head = ChunkHead::read(head).ok_or_else(|| self.damaged())?;
        let mut sealed = vec![0; head.sealed_len];
        if self.read_full(&mut sealed)? < sealed.len() {
            // Torn in the middle of a write: what is whole has been read.
            self.ending = Some(Ending::Truncated);
            return Ok(false);
        }
        if head.last {
            open.decrypt_last_in_place(&self.associated, &mut sealed)
                .map_err(|_| self.damaged())?;
        } else {
            open.decrypt_next_in_place(&self.associated, &mut sealed)
                .map_err(|_| self.damaged())?;
            self.open = Some(open);
        }
        self.chunk = Bytes::from(sealed);
        self.chunks_read += 1;
        Ok(true)
    }

    /// Reads as much as there is, up to the buffer's length.
    fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize, VaultError> {
        let mut got = 0;
        while got < buffer.len() {
            match self.file.read(&mut buffer[got..]) {
                Ok(0) => break,
                Ok(more) => got += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(folder::unusable(&self.path)(error)),
            }
        }
        Ok(got)
    }

    fn damaged(&self) -> VaultError {
        VaultError::Damaged {
            path: self.path.clone(),
            chunk: self.chunks_read,
        }
    }
}

impl std::fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "StreamReader({}, {} chunks read)",
            self.path.display(),
            self.chunks_read
        )
    }
}
