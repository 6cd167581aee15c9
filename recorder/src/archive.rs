//! Several files as one stream: POSIX tar (ustar), so that whoever opens an envelope can take it apart with any `tar`.
//!
//! Only regular files with relative names, written and read in one pass; whatever else stands in an archive is refused.

use std::io::{self, ErrorKind, Read, Write};

use sha2::{Digest, Sha256};

use crate::text::hex;

const BLOCK: usize = 512;
const NAME_MAX: usize = 100;
const PREFIX_MAX: usize = 155;
/// Eleven octal digits: 8 GiB, ten times the longest recording.
const SIZE_MAX: u64 = 0o777_7777_7777;
const PADDING: [u8; BLOCK] = [0; BLOCK];

/// Writes an archive. [`finish`](Self::finish) ends it.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub(crate) const fn new(out: W) -> Self {
        Self { out }
    }

    /// Adds a file of exactly this length; gives its SHA-256. A source that is shorter or longer is an error: its header
    /// is written before it.
    pub(crate) fn add(
        &mut self,
        name: &str,
        length: u64,
        from: &mut impl Read,
    ) -> io::Result<String> {
        self.out.write_all(&header(name, length)?)?;
        let mut hashed = Hashed::new(&mut *from);
        let copied = io::copy(&mut (&mut hashed).take(length), &mut self.out)?;
        let digest = hashed.digest();
        let mut more = [0];
        if copied != length || from.read(&mut more)? != 0 {
            return Err(changed(name));
        }
        self.out.write_all(&PADDING[..padding(length)])?;
        Ok(digest)
    }

    /// Adds a file from memory; gives its SHA-256.
    pub(crate) fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<String> {
        self.add(name, bytes.len() as u64, &mut &*bytes)
    }

    /// Adds a file of exactly this length, written piece by piece.
    pub(crate) fn add_written(
        &mut self,
        name: &str,
        length: u64,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.out.write_all(&header(name, length)?)?;
        let mut out = Exactly {
            out: &mut self.out,
            left: length,
        };
        fill(&mut out)?;
        if out.left > 0 {
            return Err(changed(name));
        }
        self.out.write_all(&PADDING[..padding(length)])
    }

    /// Ends the archive; gives what it wrote to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&PADDING)?;
        self.out.write_all(&PADDING)?;
        Ok(self.out)
    }
}

/// Its header, with its length, is written before it.
fn changed(name: &str) -> io::Error {
    let what = format!("{name} changed its length while it was read");
    io::Error::new(ErrorKind::InvalidData, what)
}

/// Takes no more than was said.
struct Exactly<'a, W> {
    out: &'a mut W,
    left: u64,
}

impl<W: Write> Write for Exactly<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(changed("a file"));
        }
        let written = self.out.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads through, and knows the SHA-256 of what was read.
pub(crate) struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    /// In hexadecimal digits.
    pub(crate) fn digest(self) -> String {
        hex(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(into)?;
        self.hash.update(&into[..got]);
        Ok(got)
    }
}

/// Reads an archive, file by file, to its end.
///
/// `each` is given a file's name, its length and its bytes; what it leaves unread is read on over.
pub(crate) fn read<R: Read>(
    mut input: R,
    mut each: impl FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut last = "its beginning".to_owned();
    loop {
        let mut block = [0; BLOCK];
        input
            .read_exact(&mut block)
            .map_err(|error| at(&last, error))?;
        if block == PADDING {
            // The rest is filling: read over, so that whoever seals the stream can say that its end is there.
            io::copy(&mut input, &mut io::sink()).map_err(|error| at(&last, error))?;
            return Ok(());
        }
        let (name, length) = parse(&block)?;
        last.clone_from(&name);
        let mut file = (&mut input).take(length);
        each(&name, length, &mut file).map_err(|error| at(&name, error))?;
        io::copy(&mut file, &mut io::sink()).map_err(|error| at(&name, error))?;
        if file.limit() > 0 {
            return Err(at(&name, ErrorKind::UnexpectedEof.into()));
        }
        let mut filling = [0; BLOCK];
        input
            .read_exact(&mut filling[..padding(length)])
            .map_err(|error| at(&name, error))?;
    }
}

/// Whether a name leads to a place below where it is unpacked, and nowhere else.
pub(crate) fn is_below(name: &str) -> bool {
    let fits = |part: &str| !matches!(part, "" | "." | "..");
    !name.is_empty() && !name.contains(['\0', '\\']) && name.split('/').all(fits)
}

fn at(name: &str, error: io::Error) -> io::Error {
    let said = error.to_string();
    if said.starts_with("in ") {
        return error;
    }
    io::Error::new(error.kind(), format!("in {name}: {said}"))
}

const fn padding(length: u64) -> usize {
    (BLOCK - (length % BLOCK as u64) as usize) % BLOCK
}

fn header(name: &str, length: u64) -> io::Result<[u8; BLOCK]> {
    let wrong = |what: &str| io::Error::new(ErrorKind::InvalidInput, format!("{name}: {what}"));
    if !is_below(name) {
        return Err(wrong("no name for a file in an archive"));
    }
    if length > SIZE_MAX {
        return Err(wrong("larger than an archive takes"));
    }
    let (prefix, rest) = split(name).ok_or_else(|| wrong("a name too long for an archive"))?;
    let mut block = [0; BLOCK];
    put(&mut block, 0, rest.as_bytes());
    put(&mut block, 100, b"0000600\0");
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    put(&mut block, 124, format!("{length:011o}\0").as_bytes());
    put(&mut block, 136, b"00000000000\0");
    block[156] = b'0';
    put(&mut block, 257, b"ustar\x0000");
    put(&mut block, 345, prefix.as_bytes());
    let sum = format!("{:06o}\0 ", checksum(&block));
    put(&mut block, 148, sum.as_bytes());
    Ok(block)
}

/// A name as ustar has it: all of it, or a prefix and the rest, parted at a slash.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= NAME_MAX {
        return Some(("", name));
    }
    let fits = |(at, _): &(usize, &str)| *at <= PREFIX_MAX && name.len() - at - 1 <= NAME_MAX;
    let (at, _) = name.match_indices('/').find(fits)?;
    Some((&name[..at], &name[at + 1..]))
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The sum of all bytes, its own field counted as blanks.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let own = 148..156;
    let value = |(at, byte): (usize, &u8)| u32::from(if own.contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(value).sum()
}

fn parse(block: &[u8; BLOCK]) -> io::Result<(String, u64)> {
    let broken =
        |what: &str| io::Error::new(ErrorKind::InvalidData, format!("in the archive: {what}"));
    if octal(&block[148..156]) != Some(u64::from(checksum(block))) {
        return Err(broken("a header that isn't one"));
    }
    let text = |from: usize, length: usize| {
        let field = &block[from..from + length];
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
        std::str::from_utf8(&field[..end]).ok()
    };
    let (Some(name), Some(prefix)) = (text(0, NAME_MAX), text(345, PREFIX_MAX)) else {
        return Err(broken("a name that isn't text"));
    };
    let name = match prefix {
        "" => name.to_owned(),
        _ => format!("{prefix}/{name}"),
    };
    if !matches!(block[156], b'0' | 0) || !is_below(&name) {
        return Err(broken("something that is no file below it"));
    }
    let length = octal(&block[124..136]).ok_or_else(|| broken("a file without a length"))?;
    Ok((name, length))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8)
        .ok()
        .filter(|number| *number <= SIZE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, bytes) in files {
            writer.add_bytes(name, bytes).expect("added");
        }
        writer.finish().expect("ended")
    }

    fn files(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        read(bytes, |name, length, file| {
            let mut all = Vec::new();
            file.read_to_end(&mut all)?;
            if (all.len() as u64) < length {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            found.push((name.to_owned(), all));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let long = format!("{}/{}", "a".repeat(120), "b".repeat(90));
        let given: Vec<(&str, &[u8])> = vec![("x", b""), ("a/b", &[7; 512]), (&long, &[1; 700])];
        let found = files(&archive(&given)).expect("reads");
        let found: Vec<(&str, &[u8])> = found
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        assert_eq!(found, given);
    }

    #[test]
    fn no_name_leads_out() {
        for name in [
            "",
            "/etc/x",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            &"a".repeat(101),
        ] {
            assert!(
                Writer::new(Vec::new()).add_bytes(name, b"").is_err(),
                "{name}"
            );
        }
        let mut bad = archive(&[("aa/x", b"1")]);
        bad[0..2].copy_from_slice(b"..");
        let mut block: [u8; BLOCK] = bad[..BLOCK].try_into().expect("a block");
        let sum = format!("{:06o}\0 ", checksum(&block));
        put(&mut block, 148, sum.as_bytes());
        bad[..BLOCK].copy_from_slice(&block);
        assert!(files(&bad).is_err());
    }

    #[test]
    fn a_cut_archive_is_noticed_and_says_where() {
        let whole = archive(&[("a", b"1"), ("b", &[2; 600])]);
        for length in 0..whole.len() - BLOCK {
            assert!(files(&whole[..length]).is_err(), "{length}");
        }
        let error = files(&whole[..BLOCK * 3 + 10]).expect_err("cut");
        assert!(error.to_string().starts_with("in b"), "{error}");
    }

    #[test]
    fn a_file_that_grew_is_refused() {
        let mut writer = Writer::new(Vec::new());
        assert!(writer.add("a", 3, &mut &b"four"[..]).is_err());
        assert!(writer.add("a", 5, &mut &b"four"[..]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn noise_is_refused_in_order(noise in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
            let _read = files(&noise);
            let mut behind = archive(&[("a", b"1")]);
            behind.truncate(2 * BLOCK);
            behind.extend(noise);
            let _read = files(&behind);
        }
    }
}
