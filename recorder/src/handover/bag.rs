//! A bag (BagIt 1.0, RFC 8493): payload below `data/`, a manifest of its digests, and tag files that say what it is.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
};

use crate::{archive::Writer, text::sha256};

pub(super) const BAGIT: &str = "bagit.txt";
pub(super) const INFO: &str = "bag-info.txt";
pub(super) const MANIFEST: &str = "manifest-sha256.txt";
pub(super) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
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

    /// Writes manifest and tag files; gives what it wrote to, and the manifest's digest.
    pub(super) fn finish(mut self, info: &[(&str, String)]) -> io::Result<(W, String)> {
        let mut text = String::new();
        for (name, value) in info {
            text += &format!("{name}: {}\n", value.replace(['\r', '\n'], " "));
        }
        text += &format!("{OXUM}: {}.{}\n", self.bytes, self.files);
        let manifest = std::mem::take(&mut self.manifest);
        let manifest_digest = self.put(MANIFEST, manifest.as_bytes())?;
        let info_digest = self.put(INFO, text.as_bytes())?;
        let tags = [
            (sha256(DECLARATION.as_bytes()), BAGIT),
            (info_digest, INFO),
            (manifest_digest.clone(), MANIFEST),
        ];
        let tags: String = tags
            .map(|(digest, name)| format!("{digest}  {name}\n"))
            .concat();
        self.put(TAG_MANIFEST, tags.as_bytes())?;
        Ok((self.archive.finish()?, manifest_digest))
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<String> {
        self.archive
            .add_bytes(&format!("{}/{name}", self.name), bytes)
    }
}

/// What was found of a bag while it was read: digests and sizes of everything, texts of the tag files.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) payload: BTreeMap<String, String>,
    pub(super) bytes: u64,
    /// What a manifest of the payload so far would have.
    listed_bytes: u64,
    tags: BTreeMap<&'static str, String>,
}

/// A file and what is wrong with it.
pub(super) type Wrong = (String, String);

/// Recordings in one package: what is packed can be checked on the other side.
pub(super) const RECORDINGS_MAX: usize = 1_000_000;
/// Its manifest has 500 MB, of four files a recording.
const MANIFEST_LEN_MAX: u64 = 512 * 1024 * 1024;
/// A digest, two blanks, `data/ID/audio.opus` and the end.
const LINE_LEN_MAX: u64 = 64 + 2 + 5 + 32 + 1 + 10 + 1;
const _: () = assert!(4 * LINE_LEN_MAX * RECORDINGS_MAX as u64 <= MANIFEST_LEN_MAX);
/// The other tag files have a dozen lines.
const TAG_FILE_LEN_MAX: u64 = 64 * 1024;
/// All there are in a bag of ours, and how long each may be.
const TAG_FILES: [(&str, u64); 4] = [
    (BAGIT, TAG_FILE_LEN_MAX),
    (INFO, TAG_FILE_LEN_MAX),
    (MANIFEST, MANIFEST_LEN_MAX),
    (TAG_MANIFEST, TAG_FILE_LEN_MAX),
];

impl Found {
    /// Whether a file may stand in a bag, before a byte of it is read or kept.
    pub(super) fn expects(&self, name: &str) -> io::Result<()> {
        let is_tag_file = TAG_FILES.iter().any(|(known, _)| *known == name);
        if !is_tag_file && !name.starts_with(PAYLOAD) {
            return Err(io::Error::other("it stands in no manifest"));
        }
        if self.tags.contains_key(name) || self.payload.contains_key(name) {
            return Err(io::Error::other("it is there twice"));
        }
        Ok(())
    }

    /// A file of the payload, once it was read.
    pub(super) fn payload_file(
        &mut self,
        name: &str,
        length: u64,
        digest: String,
    ) -> io::Result<()> {
        // As much is remembered of a file as its line in the manifest has: digest, two blanks, name and end.
        self.listed_bytes += (digest.len() + 2 + name.len() + 1) as u64;
        if self.listed_bytes > MANIFEST_LEN_MAX {
            return Err(io::Error::other("more files than a manifest can state"));
        }
        self.bytes = self.bytes.saturating_add(length);
        self.payload.insert(name.to_owned(), digest);
        Ok(())
    }

    pub(super) fn tag_file(&mut self, name: &str, bytes: &mut dyn Read) -> io::Result<()> {
        self.expects(name)?;
        let known = TAG_FILES.iter().find(|(known, _)| *known == name);
        let (name, len_max) = *known.ok_or_else(|| io::Error::other("it is no tag file"))?;
        let mut text = String::new();
        if bytes.take(len_max + 1).read_to_string(&mut text)? as u64 > len_max {
            return Err(io::Error::other("it is longer than such a file is"));
        }
        self.tags.insert(name, text);
        Ok(())
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
        let wrong = |file: &str, what: &str| (file.to_owned(), what.to_owned());
        let text = |name: &str| {
            self.tags
                .get(name)
                .ok_or_else(|| wrong(name, "it is missing"))
        };
        if text(BAGIT)? != DECLARATION {
            return Err(wrong(BAGIT, "it isn't a bag of version 1.0"));
        }
        let digests = |name: &str| parse(name, text(name)?);
        let tags = digests(TAG_MANIFEST)?;
        for name in [BAGIT, INFO, MANIFEST] {
            let digest = tags.get(name);
            let digest = digest.ok_or_else(|| wrong(name, "no digest is stated of it"))?;
            if *digest != sha256(text(name)?.as_bytes()) {
                return Err(wrong(
                    name,
                    "it isn't what was packed: its digest is another",
                ));
            }
        }
        let stated = digests(MANIFEST)?;
        for (name, digest) in &stated {
            match self.payload.get(name) {
                Some(found) if found == digest => {}
                Some(_) => {
                    return Err(wrong(
                        name,
                        "it isn't what was packed: its digest is another",
                    ));
                }
                None => return Err(wrong(name, "it is missing")),
            }
        }
        if let Some(extra) = self.payload.keys().find(|name| !stated.contains_key(*name)) {
            return Err(wrong(extra, "it stands in no manifest"));
        }
        if self.info(OXUM) != format!("{}.{}", self.bytes, self.payload.len()) {
            return Err(wrong(INFO, "it states another number of bytes or files"));
        }
        Ok(sha256(text(MANIFEST)?.as_bytes()))
    }
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
    fn no_more_is_remembered_than_a_manifest_can_state() {
        let mut found = Found {
            listed_bytes: MANIFEST_LEN_MAX - 150,
            ..Found::default()
        };
        let mut put = |name: &str| found.payload_file(name, 1, "0".repeat(64));
        assert!(put("data/a").is_ok() && put("data/b").is_ok() && put("data/c").is_err());
    }

    #[test]
    fn a_tag_file_stands_there_once() {
        let mut found = Found::default();
        let mut put = || found.tag_file(BAGIT, &mut DECLARATION.as_bytes());
        assert!(put().is_ok() && put().is_err());
    }
}
