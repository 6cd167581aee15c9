//! A recording as it lies there, whether or not anybody can open it: its files by name, length and encrypted bytes.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use callcore::tag::RecordingTag;

use super::{
    Vault, VaultError,
    bucket::Remote,
    folder,
    format::HEADER_MAX,
    reader::Source,
    recording::{META_FILE, STREAM_SUFFIX},
    relative_folder,
};
use crate::names::{ControllerName, RecordingId, StreamLabel};

/// Where a recording's files are.
#[derive(Debug)]
pub(crate) struct Lying {
    pub(super) folder: PathBuf,
    pub(super) remote: Option<Arc<Remote>>,
    relative: PathBuf,
}

impl Vault {
    /// A recording that needn't open.
    pub(crate) fn lying(&self, id: RecordingId, tag: &RecordingTag) -> Result<Lying, VaultError> {
        let controller = ControllerName::parse(&tag.controller)?;
        Ok(Lying::at(self, relative_folder(&controller, id, tag)?))
    }
}

impl Lying {
    pub(super) fn at(vault: &Vault, relative: PathBuf) -> Self {
        Self {
            folder: vault.store().join(&relative),
            remote: vault.remote.clone(),
            relative,
        }
    }

    /// Its folder within the store.
    pub(crate) fn relative(&self) -> &Path {
        &self.relative
    }

    /// One of its files as it lies there, encrypted, wherever that is.
    ///
    /// # Errors
    /// When it isn't there.
    pub(crate) fn raw(&self, name: &str) -> Result<Box<dyn Source>, VaultError> {
        let path = self.folder.join(name);
        match (fs::File::open(&path), &self.remote) {
            (Ok(file), _) => Ok(Box::new(file)),
            (Err(error), Some(remote)) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Box::new(remote.open(&self.far(name))?))
            }
            (Err(error), _) => Err(folder::unusable(&path)(error)),
        }
    }

    /// A file's name in the bucket.
    pub(super) fn far(&self, name: &str) -> String {
        format!("{}/{name}", self.relative.display())
    }

    /// The name of a stream's file, relative to the store.
    pub(crate) fn file_name(&self, label: &StreamLabel) -> String {
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
    pub(crate) fn labels(&self) -> Result<Vec<StreamLabel>, VaultError> {
        let files = self.files()?;
        let label = |name: &String| {
            let label = name
                .strip_suffix(STREAM_SUFFIX)
                .filter(|_| name != META_FILE);
            label.and_then(|label| StreamLabel::parse(label).ok())
        };
        let mut found: Vec<_> = files.keys().filter_map(label).collect();
        found.sort();
        Ok(found)
    }

    /// Whether it has more than the beginnings of its streams; one that has no folder has nothing.
    pub(crate) fn has_audio(&self) -> Result<bool, VaultError> {
        let files = match self.files() {
            Err(VaultError::Unusable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(false);
            }
            other => other?,
        };
        Ok(files.iter().any(|(name, bytes)| {
            name.ends_with(STREAM_SUFFIX) && name != META_FILE && *bytes > HEADER_MAX
        }))
    }

    /// Its files with their lengths, wherever they are.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(crate) fn files(&self) -> Result<BTreeMap<String, u64>, VaultError> {
        let mut found = BTreeMap::new();
        if let Some(remote) = &self.remote {
            found.extend(remote.list(&self.relative.to_string_lossy())?);
        }
        let unusable = folder::unusable(&self.folder);
        match fs::read_dir(&self.folder) {
            // It has left the spool.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !found.is_empty() => {}
            entries => {
                for entry in entries.map_err(&unusable)? {
                    let entry = entry.map_err(&unusable)?;
                    let length = entry.metadata().map_err(&unusable)?.len();
                    let name = entry.file_name().into_string().ok();
                    let name = name.filter(|name| !folder::is_half(name));
                    found.extend(name.map(|name| (name, length)));
                }
            }
        }
        Ok(found)
    }
}
