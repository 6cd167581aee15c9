//! A bag (BagIt 1.0, RFC 8493): payload below `data/`, a manifest of its digests, and tag files that say what it is.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
};

use crate::{
    archive::{Hashed, Writer},
    text::{sha256, unhex},
};

pub(super) const BAGIT: &str = "bagit.txt";
pub(super) const INFO: &str = "bag-info.txt";
pub(super) const MANIFEST: &str = "manifest-sha256.txt";
pub(super) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// The ids of recordings that aren't in it and should be, a line each; not there when all are.
pub(super) const LEFT_OUT: &str = "left-out.txt";
/// In `bag-info.txt`: how many those are.
const LEFT_OUT_COUNT: &str = "Vaxel-Left-Out";
pub(super) const PAYLOAD: &str = "data/";
const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
const OXUM: &str = "Payload-Oxum";

/// A bag on its way into an archive.
pub(super) struct Bag<W> {
    archive: Writer<W>,
    name: String,
    manifest: String,
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl<W: Write> Bag<W> {
    pub(super) fn begin(out: W, name: &str) -> io::Result<Self> {
        let mut bag = Self {
            archive: Writer::new(out),
            name: name.to_owned(),
            manifest: String::new(),
            bytes: 0,
            files: 0,
        };
        bag.put(BAGIT, DECLARATION.as_bytes())?;
        Ok(bag)
    }

    /// Adds a file of the payload.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let name = format!("{PAYLOAD}{name}");
        let digest = self.put(&name, bytes)?;
        self.manifest += &format!("{digest}  {name}\n");
        self.bytes += bytes.len() as u64;
        self.files += 1;
        Ok(())
    }

    /// Writes manifest and tag files, and what isn't in it; gives what it wrote to, and the manifest's digest.
    pub(super) fn finish(
        mut self,
        info: &[(&str, String)],
        left_out: &[String],
    ) -> io::Result<(W, String)> {
        let mut text = String::new();
        for (name, value) in info {
            text += &format!("{name}: {}\n", value.replace(['\r', '\n'], " "));
        }
        text += &format!("{OXUM}: {}.{}\n", self.bytes, self.files);
        let mut left_out_digest = None;
        if !left_out.is_empty() {
            text += &format!("{LEFT_OUT_COUNT}: {}\n", left_out.len());
            let ids = left_out.join("\n") + "\n";
            left_out_digest = Some((self.put(LEFT_OUT, ids.as_bytes())?, LEFT_OUT));
        }
        let manifest = std::mem::take(&mut self.manifest);
        let manifest_digest = self.put(MANIFEST, manifest.as_bytes())?;
        let info_digest = self.put(INFO, text.as_bytes())?;
        let tags = [
            (sha256(DECLARATION.as_bytes()), BAGIT),
            (info_digest, INFO),
            (manifest_digest.clone(), MANIFEST),
        ];
        let tags: String = tags
            .into_iter()
            .chain(left_out_digest)
            .map(|(digest, name)| format!("{digest}  {name}\n"))
            .collect();
        self.put(TAG_MANIFEST, tags.as_bytes())?;
        Ok((self.archive.finish()?, manifest_digest))
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<String> {
        self.archive
            .add_bytes(&format!("{}/{name}", self.name), bytes)
    }
}

/// What was found of a bag while it was read: digests and sizes of everything, texts of the tag files but the manifest, which is held
/// against the files as it comes: it has half a gigabyte.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) payload: BTreeMap<String, File>,
    pub(super) bytes: u64,
    /// Files of the payload that may still come.
    room: usize,
    tags: BTreeMap<&'static str, String>,
    manifest: Option<Manifest>,
    left_out: LeftOut,
}

/// What was found of the recordings that aren't in it: they are counted as they come.
#[derive(Debug, Default)]
struct LeftOut {
    digest: Option<String>,
    count: u64,
}

/// A file of the payload.
#[derive(Debug)]
pub(super) struct File {
    digest: Digest,
    /// The manifest states it.
    is_stated: bool,
}

type Digest = [u8; 32];

/// A manifest that was read through.
#[derive(Debug)]
struct Manifest {
    digest: String,
    /// The first file that isn't as it states.
    wrong: Option<Wrong>,
}

/// A file and what is wrong with it.
pub(super) type Wrong = (String, String);

/// Recordings in one package: what is packed can be checked on the other side.
pub(super) const RECORDINGS_MAX: usize = 1_000_000;
/// Audio, the same as it came, tag and vCon. As many are remembered: measured with all four million, 605 MB (155 bytes each) of names
/// in random order, as ids are, and 690 MB (175) of a stranger's in the order of the alphabet.
const FILES_MAX: usize = 4 * RECORDINGS_MAX;
/// `data/ID/audio.opus`.
const NAME_LEN_MAX: usize = 5 + 32 + 1 + 10;
/// A digest, two blanks, a name and the end.
const LINE_LEN_MAX: usize = 64 + 2 + NAME_LEN_MAX + 1;
/// Its manifest has 500 MB.
const MANIFEST_LEN_MAX: u64 = 512 * 1024 * 1024;
const _: () = assert!((LINE_LEN_MAX * FILES_MAX) as u64 <= MANIFEST_LEN_MAX);
/// The other tag files have a dozen lines.
const TAG_FILE_LEN_MAX: u64 = 64 * 1024;
/// All there are in a bag of ours, and how long each may be.
const TAG_FILES: [(&str, u64); 5] = [
    (BAGIT, TAG_FILE_LEN_MAX),
    (INFO, TAG_FILE_LEN_MAX),
    (MANIFEST, MANIFEST_LEN_MAX),
    (TAG_MANIFEST, TAG_FILE_LEN_MAX),
    // An id and the end of its line, of each.
    (LEFT_OUT, 33 * RECORDINGS_MAX as u64),
];

impl Default for Found {
    fn default() -> Self {
        Self {
            payload: BTreeMap::new(),
            bytes: 0,
            room: FILES_MAX,
            tags: BTreeMap::new(),
            manifest: None,
            left_out: LeftOut::default(),
        }
    }
}

impl Found {
    /// Whether a file may stand in a bag, before a byte of it is read or kept.
    pub(super) fn expects(&self, name: &str) -> io::Result<()> {
        let refused = |what| Err(io::Error::other(what));
        let is_tag_file = TAG_FILES.iter().any(|(known, _)| *known == name);
        if !is_tag_file && (!name.starts_with(PAYLOAD) || name.len() > NAME_LEN_MAX) {
            return refused("it stands in no manifest");
        }
        let has_manifest = self.manifest.is_some();
        if self.tags.contains_key(name)
            || self.payload.contains_key(name)
            || (name == MANIFEST && has_manifest)
            || (name == LEFT_OUT && self.left_out.digest.is_some())
        {
            return refused("it is there twice");
        }
        if !is_tag_file && has_manifest {
            return refused("it comes after the manifest");
        }
        if !is_tag_file && self.room == 0 {
            return refused("more files than a package has");
        }
        Ok(())
    }

    /// A file of the payload, once it was read.
    pub(super) fn payload_file(&mut self, name: &str, length: u64, digest: &str) -> io::Result<()> {
        let digest = parse_digest(digest).ok_or_else(|| io::Error::other("it has no digest"))?;
        self.room = self.room.saturating_sub(1);
        self.bytes = self.bytes.saturating_add(length);
        let file = File {
            digest,
            is_stated: false,
        };
        self.payload.insert(name.to_owned(), file);
        Ok(())
    }

    pub(super) fn tag_file(&mut self, name: &str, bytes: &mut dyn Read) -> io::Result<()> {
        self.expects(name)?;
        let known = TAG_FILES.iter().find(|(known, _)| *known == name);
        let (name, len_max) = *known.ok_or_else(|| io::Error::other("it is no tag file"))?;
        let mut bytes = bytes.take(len_max + 1);
        let read = if name == MANIFEST {
            self.read_manifest(&mut bytes)
        } else if name == LEFT_OUT {
            self.read_left_out(&mut bytes)
        } else {
            let mut text = String::new();
            bytes.read_to_string(&mut text).map(|_| {
                self.tags.insert(name, text);
            })
        };
        if bytes.limit() == 0 {
            return Err(too_long());
        }
        read
    }

    fn read_manifest(&mut self, bytes: &mut dyn Read) -> io::Result<()> {
        let mut hashed = Hashed::new(bytes);
        let mut input = BufReader::new(&mut hashed);
        let mut wrong = None;
        let mut line = Vec::with_capacity(LINE_LEN_MAX + 1);
        loop {
            line.clear();
            let mut one = (&mut input).take(LINE_LEN_MAX as u64 + 1);
            if one.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.len() > LINE_LEN_MAX {
                return Err(too_long());
            }
            if let Err(found) = self.hold_against(line.strip_suffix(b"\n").unwrap_or(&line)) {
                wrong.get_or_insert(found);
            }
        }
        let digest = hashed.digest();
        self.manifest = Some(Manifest { digest, wrong });
        Ok(())
    }

    fn read_left_out(&mut self, bytes: &mut dyn Read) -> io::Result<()> {
        let mut hashed = Hashed::new(bytes);
        let mut some = [0; 64 * 1024];
        loop {
            let got = hashed.read(&mut some)?;
            if got == 0 {
                break;
            }
            let ends = some[..got].iter().filter(|byte| **byte == b'\n');
            self.left_out.count += ends.count() as u64;
        }
        self.left_out.digest = Some(hashed.digest());
        Ok(())
    }

    /// How many recordings it says aren't in it, and should be.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out.count
    }

    /// Holds a file against its line in the manifest.
    fn hold_against(&mut self, line: &[u8]) -> Result<(), Wrong> {
        let parts = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once("  "));
        let (digest, name) = parts.ok_or_else(|| wrong(MANIFEST, "it is no manifest"))?;
        let file = self.payload.get_mut(name);
        let file = file.ok_or_else(|| wrong(name, "it is missing"))?;
        file.is_stated = true;
        if parse_digest(digest) == Some(file.digest) {
            Ok(())
        } else {
            Err(wrong(name, ANOTHER))
        }
    }

    /// A text of `bag-info.txt`; empty when it isn't there.
    pub(super) fn info(&self, name: &str) -> &str {
        let lines = self.tags.get(INFO).map_or("", |text| text).lines();
        lines
            .filter_map(|line| line.split_once(": "))
            .find(|(label, _)| *label == name)
            .map_or("", |(_, value)| value)
    }

    /// Whether it is a whole and valid bag; gives the digest of its manifest.
    pub(super) fn check(&self) -> Result<String, Wrong> {
        let missing = |name: &str| wrong(name, "it is missing");
        let text = |name: &str| self.tags.get(name).ok_or_else(|| missing(name));
        if text(BAGIT)? != DECLARATION {
            return Err(wrong(BAGIT, "it isn't a bag of version 1.0"));
        }
        let manifest = self.manifest.as_ref().ok_or_else(|| missing(MANIFEST))?;
        let tags = parse(TAG_MANIFEST, text(TAG_MANIFEST)?)?;
        let digests = [
            (BAGIT, sha256(text(BAGIT)?.as_bytes())),
            (INFO, sha256(text(INFO)?.as_bytes())),
            (MANIFEST, manifest.digest.clone()),
        ];
        let left_out = self.left_out.digest.clone();
        let left_out = left_out.map(|digest| (LEFT_OUT, digest));
        for (name, digest) in digests.into_iter().chain(left_out) {
            let stated = tags.get(name);
            if *stated.ok_or_else(|| wrong(name, "no digest is stated of it"))? != digest {
                return Err(wrong(name, ANOTHER));
            }
        }
        if let Some(wrong) = &manifest.wrong {
            return Err(wrong.clone());
        }
        if let Some((extra, _)) = self.payload.iter().find(|(_, file)| !file.is_stated) {
            return Err(wrong(extra, "it stands in no manifest"));
        }
        if self.info(OXUM) != format!("{}.{}", self.bytes, self.payload.len()) {
            return Err(wrong(INFO, "it states another number of bytes or files"));
        }
        let stated = match self.info(LEFT_OUT_COUNT) {
            "" => Some(0),
            count => count.parse().ok(),
        };
        if stated != Some(self.left_out.count) {
            return Err(wrong(LEFT_OUT, "it names another number than stated"));
        }
        Ok(manifest.digest.clone())
    }
}

const ANOTHER: &str = "it isn't what was packed: its digest is another";

fn wrong(file: &str, what: &str) -> Wrong {
    (file.to_owned(), what.to_owned())
}

fn too_long() -> io::Error {
    io::Error::other("it is longer than such a file is")
}

fn parse_digest(text: &str) -> Option<Digest> {
    Digest::try_from(unhex(text)?.as_slice()).ok()
}

fn parse(file: &str, text: &str) -> Result<BTreeMap<String, String>, Wrong> {
    let line = |line: &str| {
        let (digest, name) = line.split_once("  ")?;
        Some((name.to_owned(), digest.to_owned()))
    };
    text.lines()
        .map(line)
        .collect::<Option<_>>()
        .ok_or_else(|| (file.to_owned(), "it is no manifest".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file without an end that counts what is taken of it.
    struct Endless(u64);

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(b'a');
            self.0 += into.len() as u64;
            Ok(into.len())
        }
    }

    #[test]
    fn what_a_stranger_packs_does_not_fill_memory() {
        for (name, taken_max) in [
            ("notes.txt", 0),
            (BAGIT, 1 << 20),
            (INFO, 1 << 20),
            (TAG_MANIFEST, 1 << 20),
        ] {
            let mut bytes = Endless(0);
            let refused = Found::default().tag_file(name, &mut bytes);
            assert!(refused.is_err(), "{name}");
            assert!(bytes.0 <= taken_max, "{name}: {}", bytes.0);
        }
    }

    #[test]
    fn no_more_is_remembered_than_a_package_has() {
        let mut found = Found {
            room: 2,
            ..Found::default()
        };
        for name in ["data/a", "data/b"] {
            found.expects(name).expect("there is room");
            let digest = "0".repeat(64);
            found.payload_file(name, 1, &digest).expect("a digest");
        }
        assert!(found.expects("data/c").is_err());
        let long = format!("data/{}", "a".repeat(NAME_LEN_MAX));
        assert!(Found::default().expects(&long).is_err());
    }

    /// It is held against the files as it comes.
    #[test]
    fn a_manifest_is_not_kept() {
        let mut found = Found::default();
        let digest = "0".repeat(64);
        found.payload_file("data/a", 1, &digest).expect("a digest");
        let lines = format!("{digest}  data/a\n").repeat(1000);
        found
            .tag_file(MANIFEST, &mut lines.as_bytes())
            .expect("read");
        assert!(found.tags.is_empty() && found.payload["data/a"].is_stated);
        assert!(found.expects("data/b").is_err(), "behind the manifest");
        assert!(found.expects(MANIFEST).is_err(), "twice");
        let mut endless = Endless(0);
        let refused = Found::default().tag_file(MANIFEST, &mut endless);
        assert!(refused.is_err() && endless.0 <= 1 << 20, "{}", endless.0);
    }

    #[test]
    fn a_tag_file_stands_there_once() {
        let mut found = Found::default();
        let mut put = || found.tag_file(BAGIT, &mut DECLARATION.as_bytes());
        assert!(put().is_ok() && put().is_err());
    }
}
