//! What can be wrong with a vault, each with what to do about it.

use std::path::PathBuf;

use crate::names::{NameError, RecordingId};

/// Why the vault refuses. No variant holds anything of a caller.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Keys and audio would be copied, backed up or stolen together.
    #[error("the keys in {} and the store in {} lie inside one another: set `keys` under [recorder] to a folder apart from the store", keys.display(), store.display())]
    NotApart {
        /// The key folder.
        keys: PathBuf,
        /// The store folder.
        store: PathBuf,
    },
    /// Others on this machine can look inside.
    #[error("{} can be reached by other users (mode {mode:04o}): run `chmod -R go= {}`", path.display(), path.display())]
    OpenToOthers {
        /// The folder or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A folder can't be made, read or written.
    #[error("{} can't be used: {source}; {}", path.display(), remedy(source))]
    Unusable {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// There is no vault there.
    #[error("there is no store at {}: check `store` under [recorder], --config and --data, or record something first", path.display())]
    NoStore {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another recorder holds this store.
    #[error("another recorder works in {} (process {pid}): stop it, or set another `store` under [recorder]", path.display())]
    InUse {
        /// Its process id, as it wrote it.
        pid: String,
        /// The store folder.
        path: PathBuf,
    },
    /// A key that must be there isn't.
    #[error("the key {} is missing: restore it from the key backup; without it this audio can't be opened. A controller's that is lost for good is given up by `vaxel store key-lost`", path.display())]
    KeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A key that was said to be lost.
    #[error("the key {} is there: what is recorded under it can be opened, and nothing was changed", path.display())]
    KeyThere {
        /// Where it is.
        path: PathBuf,
    },
    /// No key at all, in a store that was made with some.
    #[error("there is no key in {}, and what lies in {} was made with keys: mount the disk of `keys` under [recorder], or restore the keys from the key part of a backup (`vaxel backup restore`); nothing was changed", keys.display(), store.display())]
    KeysAway {
        /// The key folder.
        keys: PathBuf,
        /// The store folder.
        store: PathBuf,
    },
    /// Keys that the store wasn't made with.
    #[error("the keys in {} aren't those that {} was made with; they may have been made while the keys' disk was away: mount the disk of `keys` under [recorder], or restore the keys from the key part of a backup (`vaxel backup restore`). Nothing was changed. If they are its keys, say so: `cp {} {}`", keys.display(), store.display(), mark.display(), of_keys.display())]
    KeysForeign {
        /// The key folder.
        keys: PathBuf,
        /// The store folder.
        store: PathBuf,
        /// The store's mark.
        mark: PathBuf,
        /// Where the keys' would be.
        of_keys: PathBuf,
    },
    /// What is left of a recording may go only after its key.
    #[error(
        "recording {id} still has its key: it is erased by `vaxel gallring run`, under a decision"
    )]
    KeyStillThere {
        /// The recording.
        id: RecordingId,
    },
    /// A key file that isn't one.
    #[error("the key file {} is damaged: restore it from the key backup", path.display())]
    KeyDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The data key was wrapped by another controller key.
    #[error(
        "recording {id} is locked with another controller key than the one in use: restore the key it was made under"
    )]
    WrongKey {
        /// The recording.
        id: RecordingId,
    },
    /// The data key was wrapped by a controller key that was said to be lost for good.
    #[error(
        "recording {id} is locked with a controller key that was lost: it opens when that turns up and is put back under its own name"
    )]
    UnderLostKey {
        /// The recording.
        id: RecordingId,
    },
    /// The tag isn't the one the recording was made under (invariant 3), or its key file was altered.
    #[error(
        "recording {id} doesn't open under this tag: the tag or its key was changed after the recording was made"
    )]
    TagChanged {
        /// The recording.
        id: RecordingId,
    },
    /// The bytes of a stream aren't what was written.
    #[error("{} is damaged at chunk {chunk}: what was stored there was changed; restore the file from a backup", path.display())]
    Damaged {
        /// The stream file.
        path: PathBuf,
        /// The chunk, from 0.
        chunk: u32,
    },
    /// Not a stream file of this recording and version.
    #[error("{} isn't a stream of this recording that this version can read", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file of that name is there already.
    #[error("{} is there already: a stream is written once", path.display())]
    AlreadyThere {
        /// The file.
        path: PathBuf,
    },
    /// A write failed before; what follows can't be appended.
    #[error("{} takes no more audio after a failed write: free space and begin a new recording", path.display())]
    Broken {
        /// The stream file.
        path: PathBuf,
    },
    /// A packet that no G.711 sender makes.
    #[error("a packet of {bytes} bytes is too large to store: at most {max}")]
    PacketTooLarge {
        /// Its payload.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The tag names a year that no recording is made in.
    #[error("the recording's start isn't between the years 2000 and 9999: set the sender's clock")]
    Year,
    /// S3 can't be reached, or refuses.
    #[error(
        "{place} can't be used ({what}): check `store` and `credentials` under [recorder]; recordings wait in the spool"
    )]
    Remote {
        /// Bucket and prefix.
        place: String,
        /// What was said.
        what: String,
    },
    /// The secrets can't be had.
    #[error(transparent)]
    Credentials(#[from] crate::credentials::CredentialsError),
    /// A name that can't be used.
    #[error(transparent)]
    Name(#[from] NameError),
}

fn remedy(error: &std::io::Error) -> &'static str {
    /// Too many open files, of this program and of all (Linux, macOS and BSD).
    const TOO_MANY_FILES: [i32; 2] = [24, 23];
    if error
        .raw_os_error()
        .is_some_and(|code| TOO_MANY_FILES.contains(&code))
    {
        // Two sockets and two files a call.
        return "raise the limit on open files (`ulimit -n`): a recording takes four, and more with more streams";
    }
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "make room on that disk"
        }
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "set `store` and `keys` under [recorder] to a disk that can be written"
        }
        std::io::ErrorKind::NotFound => "check the path",
        _ => "give this user a folder of its own there",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_cause_has_its_remedy() {
        let text = |source| {
            VaultError::Unusable {
                path: "store".into(),
                source,
            }
            .to_string()
        };
        assert!(text(io::Error::from_raw_os_error(24)).contains("ulimit -n"));
        assert!(text(io::Error::from(io::ErrorKind::StorageFull)).contains("make room"));
        assert!(
            text(io::Error::from(io::ErrorKind::PermissionDenied)).contains("folder of its own")
        );
    }
}
