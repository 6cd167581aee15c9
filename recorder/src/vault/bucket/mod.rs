//! Audio of ended recordings in S3: put there in pieces, compared with what was sent, read by ranges.
//!
//! Who asks may stand inside or outside a runtime: requests are carried out by a thread of their own.

pub(super) mod listing;
mod pieces;
#[cfg(test)]
pub(crate) mod stub;
pub(super) mod upload;
mod versions;

use std::{
    fmt,
    fs::File,
    future::Future,
    io::{self, Read, Seek, SeekFrom},
    path::{Path as FilePath, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use bytes::Bytes;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, Checksum},
    client::{HttpClient, HttpConnector, ReqwestConnector},
    path::Path,
};
use sha2::{Digest, Sha256};
use tokio::{runtime::Handle, sync::oneshot};
use tokio_stream::StreamExt as _;

use self::pieces::BEGUN;
use crate::{
    credentials::Credentials,
    place::{Bucket, Place},
    vault::VaultError,
};

/// What is sent or fetched at a time: S3 takes parts of 5 MB and more, and a minute of a call is 1 MB.
const PIECE: usize = 8 * 1024 * 1024;
/// What a reader fetches at a time: the first second is heard after one of these.
const READ_PIECE: u64 = 256 * 1024;
/// How long one request may take: a piece at 3 Mbit/s.
const REQUEST_MAX: Duration = Duration::from_secs(30);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Requests are asked again so often within [`RETRY_MAX`]; what fails after that stays in the spool and is tried later.
const RETRIES: usize = 2;
const RETRY_MAX: Duration = Duration::from_secs(45);
const REGION_DEFAULT: &str = "us-east-1";

/// A bucket.
pub(crate) struct Remote {
    pub(in crate::vault) s3: Arc<AmazonS3>,
    prefix: Path,
    /// What a person knows it by.
    pub(in crate::vault) name: String,
    /// Where it stands which upload in pieces has begun.
    pub(in crate::vault) begun: PathBuf,
    /// For what the store's own library has no word.
    pub(in crate::vault) http: HttpClient,
    pub(in crate::vault) region: String,
    runtime: Handle,
    /// Dropped, it ends the thread.
    _thread: oneshot::Sender<()>,
}

impl Remote {
    /// Makes ready; asks nothing of the bucket yet.
    pub(crate) fn of(place: &Place) -> Result<Option<Arc<Self>>, VaultError> {
        let Some(bucket) = &place.bucket else {
            return Ok(None);
        };
        let name = format!("s3://{}/{}", bucket.name, bucket.prefix);
        let failed = |what: String| VaultError::Remote {
            place: name.clone(),
            what,
        };
        let secrets = place.credentials()?;
        let http = options(&secrets).map_err(failed)?;
        let http = ReqwestConnector::default().connect(&http);
        let http = http.map_err(|error| failed(error.to_string()))?;
        let s3 = builder(bucket, &secrets).map_err(failed)?;
        let s3 = s3.build().map_err(|error| failed(error.to_string()))?;
        let (runtime, thread) = start().map_err(|error| failed(error.to_string()))?;
        Ok(Some(Arc::new(Self {
            s3: Arc::new(s3),
            prefix: Path::from(bucket.prefix.as_str()),
            name,
            begun: place.store.join(BEGUN),
            http,
            region: region(&secrets).to_owned(),
            runtime,
            _thread: thread,
        })))
    }

    /// Puts a file there and reads it back: it's there when what came back has the same SHA-256.
    pub(crate) fn put(&self, name: &str, file: &FilePath) -> Result<(), VaultError> {
        self.take_back_begun()?;
        let path = self.path(name);
        let sent = self.send(&path, file)?;
        let length = self
            .length(&path)?
            .ok_or_else(|| self.failed("it isn't there after it was sent"))?;
        let mut back = Sha256::new();
        let mut at = 0;
        while at < length {
            let until = length.min(at + PIECE as u64);
            back.update(self.range(&path, at, until)?);
            at = until;
        }
        if back.finalize() == sent {
            Ok(())
        } else {
            Err(self.failed("what came back isn't what was sent"))
        }
    }

    /// The names below a folder with their lengths.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, VaultError> {
        let (s3, path) = (Arc::clone(&self.s3), self.path(folder));
        let found = self.wait(async move { s3.list_with_delimiter(Some(&path)).await })?;
        let named = found.objects.into_iter().filter_map(|object| {
            let name = object.location.filename()?.to_owned();
            Some((name, object.size))
        });
        Ok(named.collect())
    }

    /// A whole small object; `None` when there is none.
    pub(crate) fn read(&self, name: &str, length_max: u64) -> Result<Option<Bytes>, VaultError> {
        let path = self.path(name);
        match self.length(&path)? {
            None => Ok(None),
            Some(length) if length > length_max => {
                Err(self.failed("an object is longer than it may be"))
            }
            Some(0) => Ok(Some(Bytes::new())),
            Some(length) => self.range(&path, 0, length).map(Some),
        }
    }

    /// Opens an object to read it through.
    pub(crate) fn open(self: &Arc<Self>, name: &str) -> Result<RemoteFile, VaultError> {
        let path = self.path(name);
        let length = self
            .length(&path)?
            .ok_or_else(|| self.failed("an object is missing: restore it from a backup"))?;
        Ok(RemoteFile {
            remote: Arc::clone(self),
            path,
            at: 0,
            length,
            piece: Bytes::new(),
        })
    }

    /// Whether the bucket says of what it holds which version it is: then what is removed stays, as an older one. One that did so
    /// once and doesn't any more calls every version `null`. False as well where there is no object to ask about.
    pub(crate) fn keeps_versions(&self) -> Result<bool, VaultError> {
        let (s3, prefix) = (Arc::clone(&self.s3), self.prefix.clone());
        let version = self.wait(async move {
            let mut listed = s3.list(Some(&prefix));
            while let Some(one) = listed.next().await.transpose()? {
                match s3.head(&one.location).await {
                    // Gone meanwhile: gallring is at work.
                    Err(Error::NotFound { .. }) => {}
                    found => return found.map(|found| found.version),
                }
            }
            Ok(None)
        })?;
        Ok(version.is_some_and(|version| version != "null"))
    }

    /// Gone already is gone.
    pub(crate) fn remove(&self, name: &str) -> Result<(), VaultError> {
        let (s3, path) = (Arc::clone(&self.s3), self.path(name));
        self.wait(async move {
            match s3.delete(&path).await {
                Err(Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        })
    }

    fn send(
        &self,
        path: &Path,
        file: &FilePath,
    ) -> Result<sha2::digest::Output<Sha256>, VaultError> {
        let unusable = crate::vault::folder::unusable(file);
        let mut from = File::open(file).map_err(&unusable)?;
        let mut digest = Sha256::new();
        let first = piece(&mut from).map_err(&unusable)?;
        digest.update(&first);
        if first.len() < PIECE {
            let (s3, path) = (Arc::clone(&self.s3), path.clone());
            self.wait(async move { s3.put(&path, first.into()).await })?;
            return Ok(digest.finalize());
        }
        self.send_in_pieces(path, first, || {
            let next = piece(&mut from).map_err(&unusable)?;
            digest.update(&next);
            Ok(next)
        })?;
        Ok(digest.finalize())
    }

    fn length(&self, path: &Path) -> Result<Option<u64>, VaultError> {
        let (s3, path) = (Arc::clone(&self.s3), path.clone());
        self.wait(async move {
            match s3.head(&path).await {
                Ok(found) => Ok(Some(found.size)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn range(&self, path: &Path, from: u64, until: u64) -> Result<Bytes, VaultError> {
        let (s3, path) = (Arc::clone(&self.s3), path.clone());
        self.wait(async move { s3.get_range(&path, from..until).await })
    }

    /// Bytes of an object of which the length is known.
    pub(in crate::vault) fn piece(
        &self,
        name: &str,
        from: u64,
        until: u64,
    ) -> Result<Bytes, VaultError> {
        self.range(&self.path(name), from, until)
    }

    pub(in crate::vault) const fn prefix(&self) -> &Path {
        &self.prefix
    }

    pub(in crate::vault) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (answer, told) = mpsc::channel();
        self.runtime.spawn(async move {
            // Whoever asked waits below.
            let _told = answer.send(work.await);
        });
        match told.recv() {
            Ok(result) => result.map_err(|error| self.failed(&error.to_string())),
            Err(_) => Err(self.failed("its thread ended")),
        }
    }

    pub(in crate::vault) fn path(&self, name: &str) -> Path {
        let parts = name.split('/').map(object_store::path::PathPart::from);
        parts.fold(self.prefix.clone(), |path, part| path.join(part))
    }

    pub(in crate::vault) fn failed(&self, what: &str) -> VaultError {
        VaultError::Remote {
            place: self.name.clone(),
            what: what.to_owned(),
        }
    }
}

/// An object being read, a piece at a time.
pub(crate) struct RemoteFile {
    remote: Arc<Remote>,
    path: Path,
    at: u64,
    length: u64,
    piece: Bytes,
}

impl Read for RemoteFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.at < self.length {
            let until = self.length.min(self.at + READ_PIECE);
            self.piece = self
                .remote
                .range(&self.path, self.at, until)
                .map_err(io::Error::other)?;
            self.at = until;
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

impl Seek for RemoteFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(back) => self.length.checked_add_signed(back),
            SeekFrom::Current(on) => (self.at - self.piece.len() as u64).checked_add_signed(on),
        };
        let at = at.ok_or(io::ErrorKind::InvalidInput)?;
        // What was fetched and lies ahead is kept.
        let fetched = self.at - self.piece.len() as u64..self.at;
        if fetched.contains(&at) {
            let _passed = self.piece.split_to((at - fetched.start) as usize);
        } else {
            self.piece = Bytes::new();
            self.at = at;
        }
        Ok(at)
    }
}

fn region(secrets: &Credentials) -> &str {
    secrets.get("AWS_REGION").unwrap_or(REGION_DEFAULT)
}

/// How a bucket is asked.
fn options(secrets: &Credentials) -> Result<ClientOptions, String> {
    let mut options = ClientOptions::new()
        .with_timeout(REQUEST_MAX)
        .with_connect_timeout(CONNECT_MAX);
    if let Some(path) = secrets.get("AWS_CA_BUNDLE") {
        let pem = std::fs::read(path).map_err(|error| format!("AWS_CA_BUNDLE {path}: {error}"))?;
        let roots = Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string())?;
        options = roots
            .into_iter()
            .fold(options, ClientOptions::with_root_certificate);
    }
    if let Some(endpoint) = secrets.get("AWS_ENDPOINT_URL") {
        if is_plaintext_elsewhere(endpoint) {
            return Err(
                "plaintext HTTP leads to another machine: name an https:// endpoint".to_owned(),
            );
        }
        options = options.with_allow_http(endpoint.starts_with("http://"));
    }
    Ok(options)
}

fn builder(bucket: &Bucket, secrets: &Credentials) -> Result<AmazonS3Builder, String> {
    let options = options(secrets)?;
    let mut s3 = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(region(secrets))
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES,
            retry_timeout: RETRY_MAX,
        });
    if let Some(endpoint) = secrets.get("AWS_ENDPOINT_URL") {
        s3 = s3.with_endpoint(endpoint);
    }
    let (Some(id), Some(secret)) = (
        secrets.get("AWS_ACCESS_KEY_ID"),
        secrets.get("AWS_SECRET_ACCESS_KEY"),
    ) else {
        return Err(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing: put them in the file that `credentials` names, or in the environment"
                .to_owned(),
        );
    };
    s3 = s3.with_access_key_id(id).with_secret_access_key(secret);
    if let Some(token) = secrets.get("AWS_SESSION_TOKEN") {
        s3 = s3.with_token(token);
    }
    Ok(s3.with_client_options(options))
}

/// What is stored is encrypted, but names and the secret's signature shouldn't be for everybody either.
fn is_plaintext_elsewhere(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let loopback = authority
        .parse::<std::net::SocketAddr>()
        .map(|address| address.ip())
        .or_else(|_| authority.parse::<std::net::IpAddr>())
        .is_ok_and(|address| address.is_loopback());
    !loopback
}

fn piece(from: &mut File) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    from.take(PIECE as u64).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// A thread with a runtime that runs until the sender is dropped: here, wherever that is, nothing blocks.
fn start() -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    thread::Builder::new()
        .name("recorder-s3".into())
        .spawn(move || {
            let _stopped = runtime.block_on(stopped);
        })?;
    Ok((handle, stop))
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_goes_to_this_machine_only() {
        for near in [
            "http://127.0.0.1:9000",
            "http://[::1]:9000/",
            "https://s3.example",
        ] {
            assert!(!is_plaintext_elsewhere(near), "{near}");
        }
        for far in [
            "http://s3.example",
            "http://192.0.2.1:9000",
            "http://127.0.0.1.example",
        ] {
            assert!(is_plaintext_elsewhere(far), "{far}");
        }
    }

    #[test]
    fn without_secrets_there_is_no_bucket() {
        let bucket = Bucket {
            name: "b".to_owned(),
            prefix: String::new(),
        };
        let refused = builder(&bucket, &Credentials::default())
            .map(|_| ())
            .expect_err("refused");
        assert!(refused.contains("AWS_SECRET_ACCESS_KEY"), "{refused}");
    }
}
