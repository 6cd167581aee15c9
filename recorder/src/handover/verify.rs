//! The other side: opens a package, holds every file against its digest, and signs for it.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    HandoverError, Receipt,
    bag::{Found, PAYLOAD},
    file,
};
use crate::{
    archive::{self, Hashed},
    envelope::{self, EnvelopeError, Identity, Opener},
    vault::folder,
};

/// What a package held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Where it was unpacked; `None` when it was only looked through.
    pub unpacked: Option<PathBuf>,
    /// Who handed it over, as the bag says.
    pub from: String,
    /// What the receiver signs.
    pub receipt: Receipt,
}

/// Opens a package and checks all of it; unpacks it into a new folder when there is one to unpack to. The folder appears
/// when everything in it was found to be what was packed.
///
/// # Errors
/// When it is sealed for somebody else, or says which file isn't what was packed.
pub fn verify(
    package: &Path,
    identities: &[Identity],
    unpack_to: Option<&Path>,
    now: Timestamp,
) -> Result<Verified, HandoverError> {
    if let Some(path) = unpack_to.filter(|path| path.exists()) {
        return Err(HandoverError::There {
            path: path.to_owned(),
        });
    }
    let (opener, identity) = open(package, identities)?;
    let checked = |part: Option<&Path>| {
        read(opener, part).map_err(|(file, what)| HandoverError::Tampered {
            package: package.to_owned(),
            file,
            what,
        })
    };
    // With the receipt it is erased where it came from.
    let (found, manifest) = match unpack_to {
        Some(path) => folder::whole_folder(path, file(path), |part| checked(Some(part)))?,
        None => checked(None)?,
    };
    let receipt = Receipt {
        handover: found.info("External-Identifier").to_owned(),
        controller: found.info("Vaxel-Controller").to_owned(),
        manifest,
        recordings: recordings(&found),
        files: found.payload.len() as u64,
        bytes: found.bytes,
        left_out: found.left_out(),
        received: String::new(),
        signature: String::new(),
    };
    Ok(Verified {
        unpacked: unpack_to.map(Path::to_owned),
        from: found.info("Source-Organization").to_owned(),
        receipt: receipt.sign(identity, now),
    })
}

type Package = Opener<BufReader<File>>;

/// The package, opened by whichever identity fits: that one signs.
fn open<'a>(
    package: &Path,
    identities: &'a [Identity],
) -> Result<(Package, &'a Identity), HandoverError> {
    let failed = |source| HandoverError::Envelope {
        path: package.to_owned(),
        source,
    };
    for identity in identities {
        let input = BufReader::new(File::open(package).map_err(file(package))?);
        match envelope::open(input, std::slice::from_ref(identity)) {
            Ok(opener) => return Ok((opener, identity)),
            Err(EnvelopeError::NotForUs) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(EnvelopeError::NotForUs))
}

fn read(opener: Package, unpack_to: Option<&Path>) -> Result<(Found, String), (String, String)> {
    let mut found = Found::default();
    let mut bag = None;
    archive::read(opener, |name, length, bytes| {
        let (folder, inside) = name
            .split_once('/')
            .ok_or_else(|| io::Error::other("it lies beside the bag"))?;
        if bag.get_or_insert_with(|| folder.to_owned()) != folder {
            return Err(io::Error::other("it is of another bag"));
        }
        found.expects(inside)?;
        let mut kept = Kept::new(unpack_to, inside)?;
        let mut hashed = Hashed::new(bytes);
        if inside.starts_with(PAYLOAD) {
            io::copy(&mut hashed, &mut kept)?;
            return found.payload_file(inside, length, &hashed.digest());
        }
        found.tag_file(inside, &mut Tee(&mut hashed, kept))
    })
    .map_err(|error| in_file(&error.to_string()))?;
    let manifest = found.check()?;
    Ok((found, manifest))
}

/// `in FILE: WHAT`, as the archive says it, taken apart.
fn in_file(said: &str) -> (String, String) {
    let parts = said
        .strip_prefix("in ")
        .and_then(|rest| rest.split_once(": "));
    let (file, what) = parts.unwrap_or(("the package", said));
    // Without the bag's own folder, as the manifests name it.
    let file = file.split_once('/').map_or(file, |(_, inside)| inside);
    (file.to_owned(), what.to_owned())
}

/// Recordings have a folder each.
fn recordings(found: &Found) -> u64 {
    let folders = found.payload.keys().filter_map(|name| {
        let inside = name.strip_prefix(PAYLOAD)?;
        inside.split('/').next()
    });
    let mut folders: Vec<&str> = folders.collect();
    folders.dedup();
    folders.len() as u64
}

/// Where a file goes: into the folder, or nowhere.
struct Kept(Option<File>);

impl Kept {
    fn new(root: Option<&Path>, name: &str) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let Some(path) = root.map(|root| root.join(name)) else {
            return Ok(Self(None));
        };
        if let Some(parent) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
        }
        folder::create_private(&path, true).map(|file| Self(Some(file)))
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(file) => file.write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads, and keeps what was read.
struct Tee<R>(R, Kept);

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.0.read(into)?;
        io::Write::write_all(&mut self.1, &into[..got])?;
        Ok(got)
    }
}
