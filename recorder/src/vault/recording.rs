//! One unlocked recording: its folder and its key.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use callcore::tag::RecordingTag;
use chacha20poly1305::AeadInOut;
use zeroize::Zeroizing;

use super::{
    Codec, Vault, VaultError,
    bucket::Remote,
    folder,
    format::HEADER_MAX,
    keys::{self, Key},
    lying::Lying,
    meta::Meta,
    reader::{Source, StreamReader},
    writer::StreamWriter,
};
use crate::names::{RecordingId, StreamLabel};

pub(super) const META_FILE: &str = "meta.vax";
const META_NONCE_LEN: usize = 12;
/// More than 128 participants need with names and addresses of the longest that metadata may have, each of their letters escaped;
/// a larger file isn't ours.
const META_LEN_MAX: u64 = 4 * 1024 * 1024;
pub(super) const STREAM_SUFFIX: &str = ".vax";

/// A recording that can be written to and read. Its key is wiped from memory with it.
#[derive(Debug)]
pub struct Recording {
    id: RecordingId,
    lying: Lying,
    key: Key,
    tag: Vec<u8>,
}

impl Recording {
    pub(super) fn new(
        id: RecordingId,
        vault: &Vault,
        relative: PathBuf,
        key: Key,
        tag: Vec<u8>,
    ) -> Self {
        Self {
            id,
            lying: Lying::at(vault, relative),
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
        self.lying.relative()
    }

    /// Begins a stream.
    ///
    /// # Errors
    /// When it was begun before, or the disk refuses.
    pub fn stream_writer(
        &self,
        label: &StreamLabel,
        codec: impl Into<Codec>,
    ) -> Result<StreamWriter, VaultError> {
        StreamWriter::create(
            &self.stream_path(label),
            self.id,
            label.clone(),
            codec.into(),
            &self.key,
            &self.tag,
        )
    }

    /// Opens a stream to read it.
    ///
    /// # Errors
    /// When it isn't there, or isn't this recording's.
    pub fn stream_reader(&self, label: &StreamLabel) -> Result<StreamReader, VaultError> {
        let path = self.stream_path(label);
        let from = self.raw(&format!("{}{STREAM_SUFFIX}", label.as_str()))?;
        StreamReader::open(from, &path, self.id, label, &self.key, &self.tag)
    }

    /// One of its files as it lies there, encrypted, wherever that is.
    ///
    /// # Errors
    /// When it isn't there.
    pub(crate) fn raw(&self, name: &str) -> Result<Box<dyn Source>, VaultError> {
        self.lying.raw(name)
    }

    /// The name of a stream's file, relative to the store.
    pub fn file_name(&self, label: &StreamLabel) -> String {
        self.lying.file_name(label)
    }

    /// The labels of the streams that are there, in order.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn labels(&self) -> Result<Vec<StreamLabel>, VaultError> {
        self.lying.labels()
    }

    /// Whether a stream has no more than its beginning.
    pub(crate) fn has_no_audio(&self, label: &StreamLabel) -> Result<bool, VaultError> {
        let files = self.files()?;
        let bytes = files.get(&format!("{}{STREAM_SUFFIX}", label.as_str()));
        Ok(bytes.is_none_or(|bytes| *bytes <= HEADER_MAX))
    }

    /// The bytes all its files take.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn stored_bytes(&self) -> Result<u64, VaultError> {
        Ok(self.files()?.values().sum())
    }

    /// Its files with their lengths, wherever they are.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(crate) fn files(&self) -> Result<BTreeMap<String, u64>, VaultError> {
        self.lying.files()
    }

    /// Stores who spoke, encrypted; replaces what was there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_meta(&self, meta: &Meta) -> Result<(), VaultError> {
        folder::write_private(&self.lying.folder.join(META_FILE), &self.seal_meta(meta)?)
    }

    /// Removes what a program that was killed while it stored who spoke has left beside it.
    pub(crate) fn remove_half_meta(&self) -> Result<(), VaultError> {
        folder::remove_half(&self.lying.folder.join(META_FILE))
    }

    /// Stores who spoke in a recording that begins.
    pub(crate) fn write_first_meta(&self, meta: &Meta) -> Result<(), VaultError> {
        folder::write_new(&self.lying.folder.join(META_FILE), &self.seal_meta(meta)?)
    }

    fn seal_meta(&self, meta: &Meta) -> Result<Vec<u8>, VaultError> {
        let path = self.lying.folder.join(META_FILE);
        let broken = || VaultError::Broken { path: path.clone() };
        let mut sealed = Zeroizing::new(serde_json::to_vec(meta).map_err(|_| broken())?);
        let nonce = keys::nonce::<META_NONCE_LEN>()?;
        self.meta_key()
            .cipher()
            .encrypt_in_place(&nonce.into(), &self.tag, &mut *sealed)
            .map_err(|_| broken())?;
        let file = [nonce.as_slice(), &sealed].concat();
        // What nobody would read takes the place of nothing.
        if file.len() as u64 > META_LEN_MAX {
            return Err(broken());
        }
        Ok(file)
    }

    /// Who spoke; `None` when nothing was stored.
    ///
    /// # Errors
    /// When it isn't what was written.
    pub fn meta(&self) -> Result<Option<Meta>, VaultError> {
        let path = self.lying.folder.join(META_FILE);
        let damaged = || VaultError::Damaged {
            path: path.clone(),
            chunk: 0,
        };
        let Some(file) = self.bytes_of(META_FILE, META_LEN_MAX)? else {
            return Ok(None);
        };
        if file.len() as u64 > META_LEN_MAX {
            return Err(damaged());
        }
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

    /// Whether the tag that lies beside the audio is the one it opens under. An index that is lost is made again of it.
    pub(crate) fn has_its_tag(&self) -> Result<bool, VaultError> {
        let text = self.bytes_of(TAG_FILE, TAG_LEN_MAX)?;
        let tag = text.as_deref().and_then(read_tag);
        Ok(tag.is_some_and(|tag| tag.canonical() == self.tag))
    }

    /// A file of the recording, here or in the bucket, and a byte more than it may have at most; `None` when it is in neither.
    fn bytes_of(&self, name: &str, len_max: u64) -> Result<Option<Vec<u8>>, VaultError> {
        let path = &self.lying.folder.join(name);
        let near = fs::File::open(path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(len_max + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        match (near, &self.lying.remote) {
            (Ok(bytes), _) => Ok(Some(bytes)),
            (Err(error), Some(remote)) if error.kind() == io::ErrorKind::NotFound => Ok(remote
                .read(&self.lying.far(name), len_max)?
                .map(|bytes| bytes.to_vec())),
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            (Err(error), _) => Err(folder::unusable(path)(error)),
        }
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// The tag's bytes, as everything in it is bound to them.
    pub(super) fn bound(&self) -> &[u8] {
        &self.tag
    }

    pub(super) const fn remote(&self) -> Option<&Arc<Remote>> {
        self.lying.remote.as_ref()
    }

    fn meta_key(&self) -> Key {
        self.key.derive(self.id, "vaxel meta 1", "")
    }

    fn stream_path(&self, label: &StreamLabel) -> PathBuf {
        self.lying
            .folder
            .join(format!("{}{STREAM_SUFFIX}", label.as_str()))
    }
}

pub(super) const TAG_FILE: &str = "tag.json";
/// Fifteen short fields; what is longer is no tag of ours.
pub(super) const TAG_LEN_MAX: u64 = 64 * 1024;

/// `None` for what is no tag.
pub(super) fn read_tag(text: &[u8]) -> Option<RecordingTag> {
    let fields: BTreeMap<String, String> = serde_json::from_slice(text).ok()?;
    RecordingTag::from_fields(|name| fields.get(name).map(String::as_str)).ok()
}

pub(super) fn write_tag(folder: &Path, tag: &RecordingTag) -> Result<(), VaultError> {
    let path = folder.join(TAG_FILE);
    let fields: serde_json::Map<String, serde_json::Value> = tag
        .fields()
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect();
    let text = serde_json::to_vec_pretty(&fields)
        .map_err(|_| VaultError::Broken { path: path.clone() })?;
    folder::write_new(&path, &text)
}
