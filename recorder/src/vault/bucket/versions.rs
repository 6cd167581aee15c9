//! Removing an object from a bucket that keeps versions: what is only removed there stays as an older one, which opens as before.

use std::sync::Arc;

use object_store::{
    Error, ObjectStoreExt,
    aws::AwsAuthorizer,
    client::{HttpRequest, HttpRequestBody, HttpResponse},
    path::Path,
    signer::Signer,
};

use super::Remote;
use crate::vault::VaultError;

/// Each is there because sending was tried again: more than that, and somebody else writes there.
const VERSIONS_MAX: usize = 100;
/// S3 says so of an object that isn't there any more, while older versions of it are.
const MARKER: &str = "x-amz-delete-marker";
const VERSION: &str = "x-amz-version-id";
/// An address that is used at once; what is signed in it is taken off again.
const SIGNED_FOR: std::time::Duration = std::time::Duration::from_secs(60);

impl Remote {
    /// Removes an object and every version of it, the latest first; the one before that is the latest then. Gone already is gone.
    /// Where the account may not remove versions, it isn't there any more for whoever asks for it, and isn't gone either: an error.
    pub(crate) fn remove_for_good(&self, name: &str) -> Result<(), VaultError> {
        let path = self.path(name);
        for _ in 0..VERSIONS_MAX {
            match self.version(&path)? {
                None => return Ok(()),
                Some(None) => return self.remove(name),
                Some(Some(version)) => self.remove_version(&path, version)?,
            }
        }
        Err(self.failed("an object has more versions than anybody has put there"))
    }

    /// Removes all that lies directly below a folder, whose key is destroyed; with every version where the bucket keeps some and lets the
    /// account. Where it doesn't, older ones stay that nobody can open (`store check`: S0111), and nothing else waits for that.
    pub(crate) fn remove_all(&self, folder: &str) -> Result<(), VaultError> {
        let mut keeps_versions = None;
        for (name, _) in self.list(folder)? {
            let name = format!("{folder}/{name}");
            // What of one recording holds for all of it: one more question.
            let keeps = match keeps_versions {
                Some(keeps) => keeps,
                None => {
                    let found = self.version(&self.path(&name))?;
                    *keeps_versions.insert(matches!(found, Some(Some(_))))
                }
            };
            let all_gone = keeps && self.remove_for_good(&name).is_ok();
            if !all_gone {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Whether an object is there for whoever asks for it, or for whoever asks for its older versions.
    pub(crate) fn exists_in_any_version(&self, name: &str) -> Result<bool, VaultError> {
        self.version(&self.path(name)).map(|found| found.is_some())
    }

    /// The latest version's name, where the bucket has one; `None` where there is no object. What was removed and stays in older
    /// versions has one as well, of nothing: once that is removed, the one before it is the latest.
    fn version(&self, path: &Path) -> Result<Option<Option<String>>, VaultError> {
        let (s3, asked) = (Arc::clone(&self.s3), path.clone());
        let found = self.wait(async move {
            match s3.head(&asked).await {
                Ok(found) => Ok(Some(found.version)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        match found {
            Some(version) => Ok(Some(version)),
            None => self.marker(path).map(|version| version.map(Some)),
        }
    }

    /// The version that says of an object that it was removed, where there is one.
    fn marker(&self, path: &Path) -> Result<Option<String>, VaultError> {
        let answer = self.ask("HEAD", path, None)?;
        let header = |name| answer.headers().get(name)?.to_str().ok();
        match answer.status().as_u16() {
            404 if header(MARKER) == Some("true") => {
                // One without a name is what a bucket has that keeps no versions any more.
                Ok(Some(header(VERSION).unwrap_or("null").to_owned()))
            }
            404 => Ok(None),
            // Put there meanwhile.
            200 => Ok(Some(header(VERSION).unwrap_or("null").to_owned())),
            status => Err(self.failed(&format!(
                "nobody can tell whether an object is gone ({status})"
            ))),
        }
    }

    fn remove_version(&self, path: &Path, version: String) -> Result<(), VaultError> {
        let status = self.ask("DELETE", path, Some(version))?.status();
        // What is gone meanwhile is found to be gone by the next look.
        if status.is_success() || status.as_u16() == 404 {
            return Ok(());
        }
        Err(self.failed(&format!(
            "a version of an object can't be removed ({status}), and whoever reads versions has it yet: let the account do `s3:DeleteObjectVersion`"
        )))
    }

    /// What the bucket answers of an object, or of a version of it.
    fn ask(
        &self,
        method: &'static str,
        path: &Path,
        version: Option<String>,
    ) -> Result<HttpResponse, VaultError> {
        let (s3, path) = (Arc::clone(&self.s3), path.clone());
        let (http, region) = (self.http.clone(), self.region.clone());
        self.wait(async move {
            let verb = || method.parse().map_err(|error| failed(Box::new(error)));
            let mut url = s3.signed_url(verb()?, &path, SIGNED_FOR).await?;
            url.set_query(None);
            if let Some(version) = version {
                url.query_pairs_mut().append_pair("versionId", &version);
            }
            let mut request = HttpRequest::new(HttpRequestBody::from(bytes::Bytes::new()));
            *request.method_mut() = verb()?;
            let address = url.as_str().parse();
            *request.uri_mut() = address.map_err(|error| failed(Box::new(error)))?;
            let secret = s3.credentials().get_credential().await?;
            AwsAuthorizer::new(&secret, "s3", &region).authorize(&mut request, None);
            let answer = http.execute(request).await;
            answer.map_err(|error| failed(Box::new(error)))
        })
    }
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic {
        store: "S3",
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::stub::Stub, *};
    use crate::place::Place;
    use crate::vault::folder;

    /// Sent twice, as after a time-out: the older one opens as well as the later.
    #[test]
    fn an_object_goes_with_all_its_versions() {
        let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
        let near = Place::folders(&place.path().join("store"), &place.path().join("keys"));
        let remote = Remote::of(&stub.place(near)).expect("made");
        let remote = remote.expect("a bucket");
        let file = place.path().join("x");
        for version in [None, Some("v1"), Some("null")] {
            stub.keep_versions(version);
            for text in [b"one", b"two"] {
                folder::write_private(&file, text).expect("ours");
                remote.put("region-01/x", &file).expect("put");
            }
            remote.remove_for_good("region-01/x").expect("removed");
            assert_eq!((stub.names(), stub.older()), (Vec::new(), 0), "{version:?}");
            remote.remove_for_good("region-01/x").expect("gone is gone");
        }
    }

    /// Nobody can open what is left of a recording whose key is destroyed, and it was somebody's all the same.
    #[test]
    fn what_is_left_of_a_recording_goes_with_all_its_versions_where_it_may() {
        for (version, refuses, left) in [
            (None, false, 0),
            (Some("v1"), false, 0),
            (Some("v1"), true, 2),
        ] {
            let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
            let near = Place::folders(&place.path().join("store"), &place.path().join("keys"));
            let remote = Remote::of(&stub.place(near)).expect("made");
            let remote = remote.expect("a bucket");
            let file = place.path().join("x");
            stub.keep_versions(version);
            for text in [b"one", b"two"] {
                folder::write_private(&file, text).expect("ours");
                for name in ["1.vax", "tag.json"] {
                    remote
                        .put(&format!("region-01/x/{name}"), &file)
                        .expect("put");
                }
            }
            if refuses {
                stub.refuse_versions(true);
            }
            remote.remove_all("region-01/x").expect("removed");
            let older = stub.older().saturating_sub(if refuses { 2 } else { 0 });
            assert_eq!((stub.names(), older), (Vec::new(), left), "{version:?}");
        }
    }

    /// Somebody removed it, or the account did when it might not remove versions: what asks for it doesn't find it, and it is there.
    #[test]
    fn what_was_removed_and_stays_in_older_versions_is_not_gone() {
        let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
        let near = Place::folders(&place.path().join("store"), &place.path().join("keys"));
        let remote = Remote::of(&stub.place(near)).expect("made");
        let remote = remote.expect("a bucket");
        let file = place.path().join("x");
        stub.keep_versions(Some("v1"));
        for text in [b"one", b"two"] {
            folder::write_private(&file, text).expect("ours");
            remote.put("region-01/x", &file).expect("put");
        }
        remote.remove("region-01/x").expect("removed");
        assert_eq!((stub.names(), stub.older()), (Vec::new(), 2));
        assert_eq!(remote.read("region-01/x", 10).expect("asked"), None);
        assert!(remote.exists_in_any_version("region-01/x").expect("asked"));
        stub.refuse_versions(true);
        let refused = remote.remove_for_good("region-01/x");
        assert!(refused.is_err_and(|error| error.to_string().contains("s3:DeleteObjectVersion")));
        stub.refuse_versions(false);
        remote.remove_for_good("region-01/x").expect("removed");
        assert_eq!((stub.names(), stub.older()), (Vec::new(), 0));
        assert!(!remote.exists_in_any_version("region-01/x").expect("asked"));
    }

    #[test]
    fn an_object_whose_versions_nobody_may_remove_is_not_gone() {
        let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
        let near = Place::folders(&place.path().join("store"), &place.path().join("keys"));
        let remote = Remote::of(&stub.place(near)).expect("made");
        let remote = remote.expect("a bucket");
        let file = place.path().join("x");
        folder::write_private(&file, b"one").expect("ours");
        stub.keep_versions(Some("v1"));
        remote.put("region-01/x", &file).expect("put");
        stub.refuse_versions(true);
        let refused = remote.remove_for_good("region-01/x");
        assert!(refused.is_err_and(|error| error.to_string().contains("s3:DeleteObjectVersion")));
        assert_eq!(stub.names().len(), 1);
    }
}
