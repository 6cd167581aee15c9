//! Reads one stream back: every whole chunk that was written, and whether the end is there.

use std::{
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use bytes::Bytes;
use chacha20poly1305::ChaCha20Poly1305;

use super::{
    Codec, VaultError, folder,
    format::{ChunkHead, Header, Packet},
    keys::Key,
};
use crate::names::{RecordingId, StreamLabel};

/// A packet may have been written this long after its place on the timeline: two seconds, in samples.
const SEEK_MARGIN: u32 = 16_000;

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the chunk that its writer marked as the last: all of it is there.
    Whole,
    /// Without it: the recorder stopped in the middle, or the end was cut off.
    Truncated,
}

/// Where a stream's bytes come from: a file, or S3.
pub(crate) trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

/// One stream being read. Gives packets in the order they were written.
pub struct StreamReader {
    path: PathBuf,
    file: BufReader<Box<dyn Source>>,
    header: Header,
    associated: Vec<u8>,
    cipher: StreamBE32<ChaCha20Poly1305>,
    chunk: Bytes,
    /// The number of the next chunk.
    chunks_read: u32,
    last_read: bool,
    ending: Option<Ending>,
}

impl StreamReader {
    /// `path` names it to people.
    pub(super) fn open(
        from: Box<dyn Source>,
        path: &Path,
        id: RecordingId,
        label: &StreamLabel,
        data: &Key,
        tag: &[u8],
    ) -> Result<Self, VaultError> {
        let mut file = BufReader::new(from);
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
            cipher: StreamBE32::from_aead(cipher, &header.prefix.into()),
            header,
            chunk: Bytes::new(),
            chunks_read: 0,
            last_read: false,
            ending: None,
        })
    }

    /// How its audio is coded.
    pub const fn codec(&self) -> Codec {
        self.header.codec
    }

    /// How it ends; known once [`next_packet`](Self::next_packet) gave `None`.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The next packet; `None` at the end. After a damaged chunk it goes on with the one that follows.
    ///
    /// # Errors
    /// When a chunk isn't what was written, or the file can't be read.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, VaultError> {
        while self.chunk.is_empty() {
            if self.ending.is_some() || !self.next_chunk()? {
                return Ok(None);
            }
        }
        let packet = Packet::take(&mut self.chunk);
        if packet.is_none() {
            // What no writer makes isn't asked for again.
            self.chunk.clear();
        }
        packet.map(Some).ok_or_else(|| self.damaged())
    }

    /// Opens the next chunk; false at the end of the file.
    fn next_chunk(&mut self) -> Result<bool, VaultError> {
        let mut head = [0; 4];
        let got = self.read_full(&mut head)?;
        if self.last_read {
            // Nothing may follow.
            self.ending = Some(Ending::Whole);
            return if got == 0 {
                Ok(false)
            } else {
                Err(self.damaged())
            };
        }
        if got < head.len() {
            self.ending = Some(Ending::Truncated);
            return Ok(false);
        }
        let Some(head) = ChunkHead::read(head) else {
            // Nobody can tell where the next one begins.
            self.ending = Some(Ending::Truncated);
            return Err(self.damaged());
        };
        let mut sealed = vec![0; head.sealed_len];
        if self.read_full(&mut sealed)? < sealed.len() {
            // Torn in the middle of a write: what is whole has been read.
            self.ending = Some(Ending::Truncated);
            return Ok(false);
        }
        let opened = self.cipher.decrypt_in_place(
            self.chunks_read,
            head.last,
            &self.associated,
            &mut sealed,
        );
        let damaged = self.damaged();
        // A bit of its head may be what was spoilt: it is the last when nothing follows.
        self.last_read = head.last && (opened.is_ok() || self.at_end()?);
        // A file of 2^32 chunks would be longer than any disk.
        let next = self.chunks_read.checked_add(1);
        self.chunks_read = next.ok_or_else(|| self.damaged())?;
        opened.map_err(|_| damaged)?;
        self.chunk = Bytes::from(sealed);
        Ok(true)
    }

    /// Goes to where the audio of a position begins, or a little before: a packet may have come late. Reads the heads
    /// of the chunks, and opens a few.
    ///
    /// # Errors
    /// When a chunk isn't what was written, or the file can't be read.
    pub fn seek(&mut self, position: u32) -> Result<(), VaultError> {
        let wanted = position.saturating_sub(SEEK_MARGIN);
        let places = self.places()?;
        let (mut from, mut until) = (0, places.len());
        // The chunk before the first one that begins after what is wanted.
        while from < until {
            let middle = from + (until - from) / 2;
            let first = self.first_position(&places, middle)?;
            // Of what can't be told, as behind a damaged end, nothing may be passed over.
            if first.is_some_and(|first| first <= wanted) {
                from = middle + 1;
            } else {
                until = middle;
            }
        }
        self.go_to(&places, from.saturating_sub(1))
    }

    /// Where each whole chunk begins in the file.
    fn places(&mut self) -> Result<Vec<u64>, VaultError> {
        let unusable = folder::unusable(&self.path);
        let file = self.file.get_mut();
        let length = file.seek(SeekFrom::End(0)).map_err(&unusable)?;
        let mut places = Vec::new();
        let mut place = self.header.bytes().len() as u64;
        let mut head = [0; 4];
        while place + (head.len() as u64) < length {
            file.seek(SeekFrom::Start(place)).map_err(&unusable)?;
            file.read_exact(&mut head).map_err(&unusable)?;
            let next = ChunkHead::read(head).map(|head| place + 4 + head.sealed_len as u64);
            // Whatever is wrong from here on is found when it is read.
            let Some(next) = next.filter(|next| *next <= length) else {
                break;
            };
            places.push(place);
            place = next;
        }
        Ok(places)
    }

    /// That of the first packet in a chunk, or in the next one that is whole.
    fn first_position(&mut self, places: &[u64], number: usize) -> Result<Option<u32>, VaultError> {
        self.go_to(places, number)?;
        loop {
            match self.next_packet() {
                // Each is read once.
                Err(VaultError::Damaged { .. }) => {}
                other => return Ok(other?.map(|packet| packet.position)),
            }
        }
    }

    fn go_to(&mut self, places: &[u64], number: usize) -> Result<(), VaultError> {
        let place = places
            .get(number)
            .copied()
            .unwrap_or(self.header.bytes().len() as u64);
        self.file
            .seek(SeekFrom::Start(place))
            .map_err(folder::unusable(&self.path))?;
        self.chunk = Bytes::new();
        self.chunks_read = u32::try_from(number).map_err(|_| self.damaged())?;
        self.last_read = false;
        self.ending = None;
        Ok(())
    }

    fn at_end(&mut self) -> Result<bool, VaultError> {
        let rest = self.file.fill_buf();
        Ok(rest.map_err(folder::unusable(&self.path))?.is_empty())
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
