//! Where a store's parts are: audio in a folder or in S3, keys apart from it, the index in SQLite or PostgreSQL.

use std::path::{Path, PathBuf};

use callcore::scenario::RecorderSettings;

use crate::credentials::{self, Credentials};

/// Where a store's parts are, as `[recorder]` of a scenario names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder of ledgers, lock and audio; of a store in S3 the spool, where recordings wait until they are safe there.
    pub store: PathBuf,
    /// The folder of the keys; never inside the store.
    pub keys: PathBuf,
    /// The index.
    pub index: IndexPlace,
    /// Where the audio of ended recordings goes; `None`: it stays in the folder.
    pub bucket: Option<Bucket>,
    /// A file with the secrets that S3 and PostgreSQL ask for; `None`: the environment.
    pub credentials: Option<PathBuf>,
}

/// Where the index is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IndexPlace {
    /// SQLite in the store.
    #[default]
    InStore,
    /// SQLite in a file of its own.
    File(PathBuf),
    /// PostgreSQL; the URL holds no secret.
    Postgres(String),
}

/// A bucket of S3, and what the names of our objects in it begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket.
    pub name: String,
    /// What every name begins with; empty: nothing.
    pub prefix: String,
}

/// Why a place can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// No bucket in the URL.
    #[error("`store` under [recorder] is no S3 URL: write `s3://bucket/prefix`")]
    Bucket,
    /// An index of a kind that isn't known.
    #[error(
        "`index` under [recorder] must be `postgres://user@host/database`, `sqlite:FILE` or a file"
    )]
    Index,
}

impl Place {
    /// All in folders on this machine.
    pub fn folders(store: &Path, keys: &Path) -> Self {
        Self {
            store: store.to_owned(),
            keys: keys.to_owned(),
            index: IndexPlace::InStore,
            bucket: None,
            credentials: None,
        }
    }

    /// As a scenario says.
    ///
    /// # Errors
    /// When a URL isn't one of those known.
    pub fn of(settings: &RecorderSettings) -> Result<Self, PlaceError> {
        let bucket = settings
            .store
            .strip_prefix("s3://")
            .map(Bucket::parse)
            .transpose()?;
        let store = match (&bucket, &settings.spool) {
            (Some(_), Some(spool)) => spool,
            _ => &settings.store,
        };
        Ok(Self {
            store: PathBuf::from(&**store),
            keys: PathBuf::from(&*settings.keys),
            index: IndexPlace::parse(settings.index.as_deref())?,
            bucket,
            credentials: settings.credentials.as_deref().map(PathBuf::from),
        })
    }

    /// The secrets that S3 and PostgreSQL ask for.
    pub(crate) fn credentials(&self) -> Result<Credentials, credentials::CredentialsError> {
        Credentials::read(self.credentials.as_deref())
    }
}

impl IndexPlace {
    fn parse(text: Option<&str>) -> Result<Self, PlaceError> {
        let Some(text) = text else {
            return Ok(Self::InStore);
        };
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        if path.is_empty() || path.contains("://") {
            return Err(PlaceError::Index);
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

impl Bucket {
    /// After `s3://`.
    fn parse(rest: &str) -> Result<Self, PlaceError> {
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        // A name in the shape of a path could mean another bucket to another program.
        let odd = |part: &str| part.is_empty() || part == "." || part == "..";
        if odd(name) || (!prefix.is_empty() && prefix.split('/').any(odd)) {
            return Err(PlaceError::Bucket);
        }
        Ok(Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(store: &str, index: Option<&str>) -> RecorderSettings {
        RecorderSettings {
            store: store.into(),
            keys: "keys".into(),
            index: index.map(Into::into),
            spool: store.starts_with("s3://").then(|| "spool".into()),
            ..RecorderSettings::default()
        }
    }

    #[test]
    fn urls_say_what_is_where() {
        let plain = Place::of(&settings("store", None)).expect("a place");
        assert_eq!(plain, Place::folders(Path::new("store"), Path::new("keys")));
        let far =
            Place::of(&settings("s3://audio/1177/a/", Some("postgres://v@db/v"))).expect("a place");
        let bucket = far.bucket.expect("a bucket");
        assert_eq!((&*bucket.name, &*bucket.prefix), ("audio", "1177/a"));
        assert_eq!(far.store, Path::new("spool"));
        assert_eq!(
            far.index,
            IndexPlace::Postgres("postgres://v@db/v".to_owned())
        );
        let file = Place::of(&settings("store", Some("sqlite:x.db"))).expect("a place");
        assert_eq!(file.index, IndexPlace::File("x.db".into()));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for store in ["s3://", "s3:///x", "s3://b/../c", "s3://b//c"] {
            assert!(
                matches!(Place::of(&settings(store, None)), Err(PlaceError::Bucket)),
                "{store}"
            );
        }
        for index in ["mysql://x", "sqlite:", ""] {
            assert!(
                matches!(
                    Place::of(&settings("s", Some(index))),
                    Err(PlaceError::Index)
                ),
                "{index}"
            );
        }
    }
}
