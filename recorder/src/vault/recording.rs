//! One unlocked recording: its folder and its key.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use callcore::tag::RecordingTag;
use chacha20poly1305::AeadInOut;
use wire::g711::Law;
use zeroize::Zeroizing;

use super::{
    VaultError, folder,
    keys::{self, Key},
    meta::Meta,
    reader::StreamReader,
    writer::StreamWriter,
};
use crate::names::{RecordingId, StreamLabel};

pub(super) const META_FILE: &str = "meta.vax";
const META_NONCE_LEN: usize = 12;
/// More than eight participants with long names need; a larger file isn't ours.
const META_LEN_MAX: u64 = 64 * 1024;
const STREAM_SUFFIX: &str = ".vax";

/// A recording that can be written to and read. Its key is wiped from memory with it.
#[derive(Debug)]
pub struct Recording {
    id: RecordingId,
    folder: PathBuf,
    relative: PathBuf,
    key: Key,
    tag: Vec<u8>,
}

impl Recording {
    pub(super) fn new(
        id: RecordingId,
        store: &Path,
        relative: PathBuf,
        key: Key,
        tag: Vec<u8>,
    ) -> Self {
        Self {
            id,
            folder: store.join(&relative),
            relative,
            key,
            tag,
        }
    }

    /// Its id.
    pub const fn id(&self) -> RecordingId {
        self.id
    }

    /// Its folder within the store.
    pub fn relative(&self) -> &Path {
        &self.relative
    }

    /// Begins a stream.
    ///
    /// # Errors
    /// When it was begun before, or the disk refuses.
    pub fn stream_writer(&self, label: &StreamLabel, law: Law) -> Result<StreamWriter, VaultError> {
        StreamWriter::create(
            &self.stream_path(label),
            self.id,
            label.clone(),
            law,
            &self.key,
            &self.tag,
        )
    }

    /// Opens a stream to read it.
    ///
    /// # Errors
    /// When it isn't there, or isn't this recording's.
    pub fn stream_reader(&self, label: &StreamLabel) -> Result<StreamReader, VaultError> {
        StreamReader::open(
            &self.stream_path(label),
            self.id,
            label,
            &self.key,
            &self.tag,
        )
    }

    /// The name of a stream's file, relative to the store.
    pub fn file_name(&self, label: &StreamLabel) -> String {
        let path = self
            .relative
            .join(format!("{}{STREAM_SUFFIX}", label.as_str()));
        // Every part of it was checked to be ASCII.
        path.to_string_lossy().into_owned()
    }

    /// The labels of the streams that are there, in order.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn labels(&self) -> Result<Vec<StreamLabel>, VaultError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(folder::unusable(&self.folder))? {
            let name = entry.map_err(folder::unusable(&self.folder))?.file_name();
            let label = name
                .to_str()
                .filter(|name| *name != META_FILE)
                .and_then(|name| name.strip_suffix(STREAM_SUFFIX));
            found.extend(label.and_then(|label| StreamLabel::parse(label).ok()));
        }
        found.sort();
        Ok(found)
    }

    /// The bytes all its files take.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn stored_bytes(&self) -> Result<u64, VaultError> {
        let sum = || -> io::Result<u64> {
            fs::read_dir(&self.folder)?
                .map(|entry| Ok(entry?.metadata()?.len()))
                .sum()
        };
        sum().map_err(folder::unusable(&self.folder))
    }

    /// Stores who spoke, encrypted; replaces what was there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_meta(&self, meta: &Meta) -> Result<(), VaultError> {
        let path = self.folder.join(META_FILE);
        let broken = || VaultError::Broken { path: path.clone() };
        let mut sealed = Zeroizing::new(serde_json::to_vec(meta).map_err(|_| broken())?);
        let nonce = keys::nonce::<META_NONCE_LEN>()?;
        self.meta_key()
            .cipher()
            .encrypt_in_place(&nonce.into(), &self.tag, &mut *sealed)
            .map_err(|_| broken())?;
        folder::write_private(&path, &[nonce.as_slice(), &sealed].concat())
    }

    /// Who spoke; `None` when nothing was stored.
    ///
    /// # Errors
    /// When it isn't what was written.
    pub fn meta(&self) -> Result<Option<Meta>, VaultError> {
        let path = self.folder.join(META_FILE);
        let damaged = || VaultError::Damaged {
            path: path.clone(),
            chunk: 0,
        };
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.len() > META_LEN_MAX => return Err(damaged()),
            _ => {}
        }
        let file = fs::read(&path).map_err(folder::unusable(&path))?;
        let (nonce, sealed) = file
            .split_first_chunk::<META_NONCE_LEN>()
            .ok_or_else(damaged)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let cipher = self.meta_key().cipher();
        cipher
            .decrypt_in_place(&(*nonce).into(), &self.tag, &mut *opened)
            .map_err(|_| damaged())?;
        serde_json::from_slice(&opened)
            .map(Some)
            .map_err(|_| damaged())
    }

    pub(super) fn write_tag(&self, tag: &RecordingTag) -> Result<(), VaultError> {
        let path = self.folder.join("tag.json");
        let fields: serde_json::Map<String, serde_json::Value> = tag
            .fields()
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect();
        let text = serde_json::to_vec_pretty(&fields)
            .map_err(|_| VaultError::Broken { path: path.clone() })?;
        folder::write_private(&path, &text)
    }

    fn meta_key(&self) -> Key {
        self.key.derive(self.id, "vaxel meta 1", "")
    }

    fn stream_path(&self, label: &StreamLabel) -> PathBuf {
        self.folder
            .join(format!("{}{STREAM_SUFFIX}", label.as_str()))
    }
}
