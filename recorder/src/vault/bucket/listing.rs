//! What lies in the bucket, as the bucket lists it and not as an index remembers it; and how long a stream there is, told from
//! its two ends.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use bytes::Bytes;
use callcore::tag::RecordingTag;
use chacha20poly1305::ChaCha20Poly1305;
use object_store::{ObjectMeta, ObjectStore, path::Path};
use tokio_stream::StreamExt as _;

use super::Remote;
use crate::{
    names::{ControllerName, RecordingId, StreamLabel},
    vault::{
        Recording, Vault, VaultError,
        format::{ChunkHead, HEADER_MAX, Header, Packet, SEALED_MAX},
        recording::{META_FILE, STREAM_SUFFIX, TAG_FILE, TAG_LEN_MAX, read_tag},
    },
};

/// Objects listed at a time: what S3 gives with one answer.
const PAGE: usize = 1000;
/// The last two chunks: the last one of all may be empty.
const TAIL: u64 = 2 * (4 + SEALED_MAX as u64);
/// A day of half seconds, and pauses: more chunks than a recording has.
const CHUNKS_MAX: u64 = 200_000;

/// A recording's folder in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Far {
    pub(crate) id: RecordingId,
    /// Within the store.
    pub(crate) folder: String,
    pub(crate) controller: String,
    /// When the first of its objects came.
    pub(crate) put: SystemTime,
}

impl Far {
    /// `2026/11`.
    pub(crate) fn month(&self) -> Option<&std::path::Path> {
        let of = std::path::Path::new(&self.folder);
        of.parent()?.strip_prefix(&self.controller).ok()
    }
}

/// What a recording has in the bucket.
#[derive(Debug)]
pub(crate) struct FarFiles {
    /// Names and lengths.
    pub(crate) files: Vec<(String, u64)>,
}

impl FarFiles {
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    pub(crate) fn has_numbers(&self) -> bool {
        self.files.iter().any(|(name, _)| name == META_FILE)
    }

    /// Its streams, with their lengths.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (StreamLabel, u64)> {
        let streams = self.files.iter().filter(|(name, _)| name != META_FILE);
        streams.filter_map(|(name, bytes)| {
            let label = StreamLabel::parse(name.strip_suffix(STREAM_SUFFIX)?).ok()?;
            Some((label, *bytes))
        })
    }
}

/// The recordings in the bucket, a page after the other: no more is held in memory, however many there are.
pub(crate) struct Listing {
    remote: Arc<Remote>,
    under: Path,
    /// What was listed last; `None` before the first page.
    after: Option<Path>,
    last: Option<RecordingId>,
    ended: bool,
}

impl Iterator for Listing {
    type Item = Result<Vec<Far>, VaultError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let objects = match self.remote.page(&self.under, self.after.clone()) {
            Ok(objects) => objects,
            Err(error) => {
                self.ended = true;
                return Some(Err(error));
            }
        };
        self.ended = objects.len() < PAGE;
        self.after = objects.last().map(|object| object.location.clone());
        let mut page: Vec<Far> = Vec::new();
        for one in objects.iter().filter_map(|object| self.remote.far(object)) {
            if self.last != Some(one.id) {
                self.last = Some(one.id);
                page.push(one);
            }
        }
        Some(Ok(page))
    }
}

impl Remote {
    /// A page of what lies below a folder, in the order of the names.
    fn page(&self, under: &Path, after: Option<Path>) -> Result<Vec<ObjectMeta>, VaultError> {
        let (s3, under) = (Arc::clone(&self.s3), under.clone());
        self.wait(async move {
            let listed = match &after {
                None => s3.list(Some(&under)),
                Some(after) => s3.list_with_offset(Some(&under), after),
            };
            listed.take(PAGE).collect().await
        })
    }

    /// `<controller>/<yyyy>/<mm>/<recording>/<file>`; what is called otherwise isn't ours.
    fn far(&self, object: &ObjectMeta) -> Option<Far> {
        let within = object.location.prefix_match(self.prefix())?;
        let parts: Vec<String> = within.map(|part| part.as_ref().to_owned()).collect();
        let [controller, year, month, name, _] = parts.as_slice() else {
            return None;
        };
        ControllerName::parse(controller).ok()?;
        let since = u64::try_from(object.last_modified.timestamp()).unwrap_or(0);
        Some(Far {
            id: RecordingId::parse(name).ok()?,
            folder: format!("{controller}/{year}/{month}/{name}"),
            controller: controller.clone(),
            put: SystemTime::UNIX_EPOCH + Duration::from_secs(since),
        })
    }

    /// The controllers of whom something lies there, and whatever else lies at its top.
    fn tops(&self) -> Result<Vec<String>, VaultError> {
        let (s3, path) = (Arc::clone(&self.s3), self.prefix().clone());
        let found = self.wait(async move { s3.list_with_delimiter(Some(&path)).await })?;
        let names = found.common_prefixes.into_iter();
        Ok(names
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect())
    }
}

impl Vault {
    /// The recordings in the bucket below a folder, or all of them; nothing where audio stays in the folder.
    pub(crate) fn recordings_far(&self, under: Option<&str>) -> Option<Listing> {
        let remote = self.remote.as_ref()?;
        Some(Listing {
            under: under.map_or_else(|| remote.prefix().clone(), |under| remote.path(under)),
            remote: Arc::clone(remote),
            after: None,
            last: None,
            ended: false,
        })
    }

    /// The controllers of whom something lies in the bucket.
    pub(crate) fn controllers_far(&self) -> Result<Vec<String>, VaultError> {
        let tops = self
            .remote
            .as_ref()
            .map_or(Ok(Vec::new()), |s3| s3.tops())?;
        let named = |name: &String| ControllerName::parse(name).is_ok();
        Ok(tops.into_iter().filter(named).collect())
    }

    /// What a recording has in the bucket.
    pub(crate) fn files_far(&self, one: &Far) -> Result<FarFiles, VaultError> {
        let files = self.remote.as_ref().map(|s3| s3.list(&one.folder));
        Ok(FarFiles {
            files: files.transpose()?.unwrap_or_default(),
        })
    }

    /// The tag of a recording in the bucket; `None` where there is none that can be read, or it lies where another would.
    pub(crate) fn tag_far(
        &self,
        one: &Far,
        files: &FarFiles,
    ) -> Result<Option<RecordingTag>, VaultError> {
        let length = files.files.iter().find(|(name, _)| name == TAG_FILE);
        let length = length.map_or(0, |(_, length)| *length);
        let Some(remote) = self
            .remote
            .as_ref()
            .filter(|_| (1..=TAG_LEN_MAX).contains(&length))
        else {
            return Ok(None);
        };
        let text = remote.piece(&format!("{}/{TAG_FILE}", one.folder), 0, length)?;
        let at = |tag: &RecordingTag| {
            let folder = self.folder_of(one.id, tag);
            folder.is_ok_and(|folder| folder.to_string_lossy() == *one.folder)
        };
        Ok(read_tag(&text).filter(at))
    }

    /// Whether a recording is in the spool: then it is there that it is looked after.
    pub(crate) fn is_near(&self, one: &Far) -> bool {
        self.store().join(&one.folder).exists()
    }

    /// Removes from the bucket what nobody can open any more.
    pub(crate) fn remove_far(&self, one: &Far) -> Result<(), VaultError> {
        if self.has_key(one.id) {
            return Err(VaultError::KeyStillThere { id: one.id });
        }
        match &self.remote {
            Some(remote) => remote.remove_all(&one.folder),
            None => Ok(()),
        }
    }
}

impl Recording {
    /// Where the last audio of a stream in the bucket ends, read from its beginning and its end alone; `None` when its end doesn't
    /// tell: it is torn, and has to be read through.
    pub(crate) fn end_far(
        &self,
        label: &StreamLabel,
        length: u64,
    ) -> Result<Option<u32>, VaultError> {
        let Some(remote) = self.remote() else {
            return Ok(None);
        };
        let name = self.file_name(label);
        let head = remote.piece(&name, 0, length.min(HEADER_MAX))?;
        let Some(header) =
            Header::read(self.id(), &mut &head[..]).filter(|one| one.label == *label)
        else {
            return Ok(None);
        };
        let body = header.bytes().len() as u64;
        let from = length.saturating_sub(TAIL).max(body);
        if from >= length {
            return Ok(None);
        }
        let tail = remote.piece(&name, from, length)?;
        let opener = Opener {
            cipher: StreamBE32::from_aead(header.key(self.key()).cipher(), &header.prefix.into()),
            associated: header.associated(self.bound()),
        };
        Ok(opener.end(&tail, length - body))
    }
}

/// Opens chunks of a stream without those before them.
struct Opener {
    cipher: StreamBE32<ChaCha20Poly1305>,
    associated: Vec<u8>,
}

impl Opener {
    /// Of a stream that ends so and has so many bytes of chunks.
    fn end(&self, tail: &[u8], body: u64) -> Option<u32> {
        for at in chunks_before(tail, tail.len(), true) {
            let Some((number, packets)) = self.last(&tail[at + 4..], body) else {
                continue;
            };
            if let Some(end) = ends(packets) {
                return Some(end);
            }
            let Some(before) = number.checked_sub(1) else {
                // Nothing was ever said in it.
                return Some(0);
            };
            let mut earlier = chunks_before(tail, at, false);
            return earlier.find_map(|from| ends(self.open(before, false, &tail[from + 4..at])?));
        }
        None
    }

    /// The last chunk and its number: that isn't written anywhere, but no other opens it.
    fn last(&self, sealed: &[u8], body: u64) -> Option<(u32, Bytes)> {
        let least = body.saturating_sub(TAIL) / (4 + SEALED_MAX as u64);
        (least..least.saturating_add(CHUNKS_MAX)).find_map(|number| {
            let number = u32::try_from(number).ok()?;
            Some((number, self.open(number, true, sealed)?))
        })
    }

    fn open(&self, number: u32, last: bool, sealed: &[u8]) -> Option<Bytes> {
        let mut opened = sealed.to_vec();
        let done = self
            .cipher
            .decrypt_in_place(number, last, &self.associated, &mut opened);
        done.ok().map(|()| Bytes::from(opened))
    }
}

/// Where chunks may begin that end there: their heads say so.
fn chunks_before(tail: &[u8], end: usize, last: bool) -> impl Iterator<Item = usize> {
    (0..end.saturating_sub(4)).rev().filter(move |at| {
        let head = tail[*at..].first_chunk().copied().and_then(ChunkHead::read);
        head.is_some_and(|head| head.last == last && at + 4 + head.sealed_len == end)
    })
}

/// Where the packets of a chunk end; `None` when there are none.
fn ends(mut packets: Bytes) -> Option<u32> {
    let mut end = None;
    while let Some(packet) = Packet::take(&mut packets) {
        end = end.max(Some(packet.position.saturating_add(packet.samples())));
    }
    end
}
