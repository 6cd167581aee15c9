//! The body of an envelope: chunks that can't be moved, left out, or made the last one.

use std::io::{self, ErrorKind, Read, Write};

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use zeroize::Zeroizing;

use super::KEY_LEN;

pub(super) const NONCE_LEN: usize = 16;
const CHUNK: usize = 64 * 1024;
const SEAL: usize = 16;

/// Seals what is written to it. Dropped without [`finish`](Self::finish) it leaves an envelope that doesn't open to its end.
pub struct Sealer<W> {
    out: W,
    cipher: ChaCha20Poly1305,
    counter: u64,
    pending: Zeroizing<Vec<u8>>,
}

/// Opens what is read from it. An error of kind [`InvalidData`](ErrorKind::InvalidData) says that a chunk isn't what was
/// sealed, [`UnexpectedEof`](ErrorKind::UnexpectedEof) that the end is missing.
pub struct Opener<R> {
    input: R,
    cipher: ChaCha20Poly1305,
    counter: u64,
    chunk: Zeroizing<Vec<u8>>,
    given: usize,
    /// Read ahead of the chunk: whether a byte follows says which chunk is the last.
    ahead: Vec<u8>,
    ended: bool,
}

/// Eleven bytes of number, one of finality. A counter of 64 bits never runs over: that many chunks are 2^80 bytes.
fn nonce(counter: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&counter.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

impl<W: Write> Sealer<W> {
    pub(super) fn new(out: W, key: &[u8; KEY_LEN]) -> Self {
        Self {
            out,
            cipher: ChaCha20Poly1305::new(&(*key).into()),
            counter: 0,
            // Never grows past this, so that no copy is left behind in freed memory.
            pending: Zeroizing::new(Vec::with_capacity(CHUNK + SEAL)),
        }
    }

    /// Writes the last chunk; gives what it wrote to.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_chunk(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_chunk(&mut self, last: bool) -> io::Result<()> {
        self.cipher
            .encrypt_in_place(&nonce(self.counter, last).into(), b"", &mut *self.pending)
            .map_err(|_| io::Error::other("a chunk can't be sealed"))?;
        self.out.write_all(&self.pending)?;
        self.pending.clear();
        self.counter += 1;
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits for what follows it: only then is it not the last.
        if self.pending.len() == CHUNK && !bytes.is_empty() {
            self.write_chunk(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<R: Read> Opener<R> {
    pub(super) fn new(input: R, key: &[u8; KEY_LEN]) -> Self {
        Self {
            input,
            cipher: ChaCha20Poly1305::new(&(*key).into()),
            counter: 0,
            chunk: Zeroizing::new(Vec::new()),
            given: 0,
            ahead: Vec::with_capacity(CHUNK + SEAL + 1),
            ended: false,
        }
    }

    /// Reads the rest and throws it away: says whether all of it is as it was sealed.
    ///
    /// # Errors
    /// When it isn't.
    pub fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let wanted = CHUNK + SEAL + 1;
        let missing = (wanted - self.ahead.len()) as u64;
        (&mut self.input)
            .take(missing)
            .read_to_end(&mut self.ahead)?;
        let last = self.ahead.len() < wanted;
        let length = self.ahead.len().min(CHUNK + SEAL);
        let rest = self.ahead.split_off(length);
        let mut chunk = Zeroizing::new(std::mem::replace(&mut self.ahead, rest));
        self.cipher
            .decrypt_in_place(&nonce(self.counter, last).into(), b"", &mut *chunk)
            .map_err(|_| changed(last))?;
        if chunk.is_empty() && self.counter > 0 {
            return Err(changed(false));
        }
        self.counter += 1;
        self.ended = last;
        (self.chunk, self.given) = (chunk, 0);
        Ok(())
    }
}

/// A chunk that doesn't open where the input ends may as well be one whose rest is missing.
fn changed(at_end: bool) -> io::Error {
    if at_end {
        let what = "it was changed, or its end was cut off, after it was sealed";
        io::Error::new(ErrorKind::UnexpectedEof, what)
    } else {
        io::Error::new(ErrorKind::InvalidData, "it was changed after it was sealed")
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.chunk.len() {
            if self.ended || into.is_empty() {
                return Ok(0);
            }
            self.next_chunk()?;
        }
        let taken = into.len().min(self.chunk.len() - self.given);
        into[..taken].copy_from_slice(&self.chunk[self.given..self.given + taken]);
        self.given += taken;
        Ok(taken)
    }
}

impl<W> std::fmt::Debug for Sealer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({} chunks)", self.counter)
    }
}

impl<R> std::fmt::Debug for Opener<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opener({} chunks)", self.counter)
    }
}
