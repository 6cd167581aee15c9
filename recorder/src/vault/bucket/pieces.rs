//! An object sent in pieces. Pieces of an upload that nobody ends are in no list of objects, and stay and are paid for: so it is
//! written down that one has begun, and what a program that was killed left is taken back before the next object is sent.

use std::{fs, io, sync::Arc};

use bytes::Bytes;
use object_store::{
    Error, MultipartId,
    multipart::{MultipartStore, PartId},
    path::Path,
};

use super::Remote;
use crate::vault::{VaultError, folder};

/// The note within the store. One is enough: objects are sent one after the other.
pub(in crate::vault) const BEGUN: &str = ".upload";

impl Remote {
    /// Sends the first piece and all that `next` gives, until that is empty; the object is there when this returns.
    pub(in crate::vault) fn send_in_pieces(
        &self,
        path: &Path,
        first: Bytes,
        mut next: impl FnMut() -> Result<Bytes, VaultError>,
    ) -> Result<(), VaultError> {
        let id = self.begin(path)?;
        let (mut piece, mut parts) = (first, Vec::new());
        let mut sent = Ok(());
        while sent.is_ok() && !piece.is_empty() {
            let number = parts.len();
            let put = self.send_piece(path, &id, number, std::mem::take(&mut piece));
            sent = put.and_then(|part| {
                parts.push(part);
                piece = next()?;
                Ok(())
            });
        }
        let (s3, target, upload) = (Arc::clone(&self.s3), path.clone(), id.clone());
        let whole = sent.and_then(|()| {
            self.wait(async move { s3.complete_multipart(&target, &upload, parts).await })
        });
        match whole {
            Ok(_) => self.forget_begun(),
            Err(error) => {
                // What failed before is what is told; should this fail too, the note stays.
                let _later = self.take_back(path, &id);
                Err(error)
            }
        }
    }

    /// Takes back what a program that was killed had begun to send.
    pub(in crate::vault) fn take_back_begun(&self) -> Result<(), VaultError> {
        let note = match fs::read_to_string(&self.begun) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(folder::unusable(&self.begun))?,
        };
        let (path, id) = note.split_once('\n').unwrap_or_default();
        match Path::parse(path) {
            Ok(path) if !id.is_empty() => self.take_back(&path, &id.to_owned()),
            _ => self.forget_begun(),
        }
    }

    /// Begins an upload, and writes down that it has.
    fn begin(&self, path: &Path) -> Result<MultipartId, VaultError> {
        let (s3, target) = (Arc::clone(&self.s3), path.clone());
        let id = self.wait(async move { s3.create_multipart(&target).await })?;
        folder::write_private(&self.begun, format!("{path}\n{id}").as_bytes())?;
        Ok(id)
    }

    fn send_piece(
        &self,
        path: &Path,
        id: &MultipartId,
        number: usize,
        piece: Bytes,
    ) -> Result<PartId, VaultError> {
        let (s3, path, id) = (Arc::clone(&self.s3), path.clone(), id.clone());
        self.wait(async move { s3.put_part(&path, &id, number, piece.into()).await })
    }

    fn take_back(&self, path: &Path, id: &MultipartId) -> Result<(), VaultError> {
        let (s3, path, id) = (Arc::clone(&self.s3), path.clone(), id.clone());
        let gone = self.wait(async move {
            match s3.abort_multipart(&path, &id).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(true),
                // No reason to send nothing any more.
                Err(Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })?;
        if !gone {
            tracing::warn!(
                place = self.name,
                "pieces of an upload that was stopped stay in the bucket: allow s3:AbortMultipartUpload, or have the bucket remove unfinished uploads by a lifecycle rule"
            );
        }
        self.forget_begun()
    }

    fn forget_begun(&self) -> Result<(), VaultError> {
        match fs::remove_file(&self.begun) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(folder::unusable(&self.begun)(error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, sync::mpsc, thread};

    use super::*;
    use crate::place::{Bucket, Place};

    /// A bucket that begins an upload, takes no piece of it, and tells what it was asked.
    fn refusing() -> (std::net::SocketAddr, mpsc::Receiver<String>) {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut from = BufReader::new(stream.try_clone().expect("ours"));
                let mut head = Vec::new();
                let mut lines = from.by_ref().lines().map_while(Result::ok);
                head.extend(lines.by_ref().take_while(|line| !line.is_empty()));
                let length = head.iter().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.parse().ok())?
                });
                let _body = io::copy(&mut from.take(length.unwrap_or(0)), &mut io::sink());
                let asked = head.first().cloned().unwrap_or_default();
                let (status, body) = match asked.split(' ').next() {
                    Some("POST") => (
                        "200 OK",
                        "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
                    ),
                    Some("DELETE") => ("204 No Content", ""),
                    _ => ("403 Forbidden", ""),
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                // Before the answer: whoever has that may look at once.
                let _heard = tell.send(asked);
                let _sent = stream.write_all(answer.as_bytes());
            }
        });
        (address, told)
    }

    fn bucket(place: &std::path::Path, address: std::net::SocketAddr) -> Arc<Remote> {
        let secrets = place.join("secrets");
        let text = format!(
            "AWS_ACCESS_KEY_ID = a\nAWS_SECRET_ACCESS_KEY = b\nAWS_ENDPOINT_URL = http://{address}\n"
        );
        crate::vault::folder::write_private(&secrets, text.as_bytes()).expect("ours");
        let at = Place {
            bucket: Some(Bucket {
                name: "audio".to_owned(),
                prefix: String::new(),
            }),
            credentials: Some(secrets),
            ..Place::folders(place, place)
        };
        Remote::of(&at).expect("made").expect("a bucket")
    }

    fn is_taken_back(one: &str) -> bool {
        one.starts_with("DELETE ") && one.contains("/a/1.vax") && one.contains("uploadId=u1")
    }

    #[test]
    fn pieces_of_an_upload_that_failed_are_taken_back() {
        let place = tempfile::tempdir().expect("a folder");
        let (address, told) = refusing();
        let remote = bucket(place.path(), address);
        let file = place.path().join("1.vax");
        fs::write(&file, vec![7; 8 * 1024 * 1024 + 1]).expect("ours");
        remote.put("a/1.vax", &file).expect_err("refused");
        let asked: Vec<String> = told.try_iter().collect();
        assert!(asked.iter().any(|one| is_taken_back(one)), "{asked:?}");
        assert!(!remote.begun.exists());
    }

    #[test]
    fn pieces_that_a_killed_program_left_are_taken_back_before_the_next_is_sent() {
        let place = tempfile::tempdir().expect("a folder");
        let (address, told) = refusing();
        // Killed with its upload begun.
        bucket(place.path(), address)
            .begin(&Path::from("a/1.vax"))
            .expect("begun");
        let remote = bucket(place.path(), address);
        let file = place.path().join("2.vax");
        fs::write(&file, b"short").expect("ours");
        remote.put("a/2.vax", &file).expect_err("refused");
        let asked: Vec<String> = told.try_iter().collect();
        let taken_back = asked.iter().position(|one| is_taken_back(one));
        let sent = asked.iter().position(|one| one.starts_with("PUT "));
        assert!(taken_back.is_some() && taken_back < sent, "{asked:?}");
        assert!(!remote.begun.exists());
    }
}
