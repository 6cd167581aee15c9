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
    tags: BTreeMap<String, String>,
}

/// A file and what is wrong with it.
pub(super) type Wrong = (String, String);

/// A tag file is text; a manifest of a million recordings has 400 MB.
const TAG_FILE_LEN_MAX: u64 = 512 * 1024 * 1024;

impl Found {
    pub(super) fn tag_file(&mut self, name: &str, bytes: &mut dyn Read) -> io::Result<()> {
        let mut text = String::new();
        bytes.take(TAG_FILE_LEN_MAX).read_to_string(&mut text)?;
        self.tags.insert(name.to_owned(), text);
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
        let ours = [BAGIT, INFO, MANIFEST, TAG_MANIFEST];
        if let Some(extra) = self.tags.keys().find(|name| !ours.contains(&&***name)) {
            return Err(wrong(extra, "it stands in no manifest"));
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
